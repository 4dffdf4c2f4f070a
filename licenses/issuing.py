"""Issuing a license (签发).

1. Everything that a license will say is fixed in one row before anything is made; all later steps
   read only that row, so doing them again makes the same license.
2. A crash after any step leaves a row that `reconcile`, or a repeat of the request, finishes with
   the same identifier. Until the last transaction the row is ISSUING and no verifier sees it.
3. Nothing leaves that was not verified as any stranger would verify it.
4. Of two that finish one license at the same time, one activates it and both return it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import traceback
from dataclasses import dataclass, replace
from datetime import date, datetime

import structlog

from licenses import store
from licenses.documents import Documents
from licenses.holder_index import HolderIndex
from licenses.library import Library, record_of
from licenses.license_types import license_types
from licenses.model import (
    Issuer,
    IssuingSeal,
    License,
    LicenseFormat,
    LicenseIdentifier,
    LicenseState,
    Order,
    last_day,
    metadata_digest,
    metadata_of,
    page_fields,
    validate_order,
)
from licenses.neighbours import Neighbours
from licenses.pages import template
from licenses.pages.model import Document
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from runtime.clock import Clock, china_date
from runtime.database import REQUEST_ID_LIMIT, Database, UnitOfWork
from runtime.errors import Aborted, AlreadyExists, DomainError, InvalidArgument
from runtime.records import SealedRecord, make_record

RECONCILED_AT_ONCE = 100
FIRST_WAIT = 2.0  # seconds before a failed license is tried again; doubled each time
LONGEST_WAIT = 300.0
_STRIPES = 64

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks, and which request it is: `digest` is the SHA-256 of all that was asked."""

    actor: str
    id: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a round of reconciling did."""

    finished: int
    failed: int


class Issuing:
    """The use case of issuing."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        neighbours: Neighbours,
        library: Library,
        holder_index: HolderIndex,
        clock: Clock,
    ) -> None:
        self._database = database
        self._documents = documents
        self._neighbours = neighbours
        self._library = library
        self._index = holder_index
        self._clock = clock
        self._turns = tuple(threading.Lock() for _ in range(_STRIPES))
        self._waits: dict[str, tuple[datetime, float]] = {}

    def issue(self, order: Order, *, department: str, seal: str, request: Request) -> License:
        """Issue a license, or go on with the one that this request began.

        `department` issues; `seal` may be empty. Raises InvalidArgument (BAD_LICENSE_FIELDS and
        those of the page: TEXT_TOO_LONG, GLYPH_MISSING), NotFound (no such department),
        FailedPrecondition (SEAL_NOT_USABLE), AlreadyExists (SERIAL_TAKEN, REQUEST_ID_REUSED),
        Unavailable (a neighbour does not answer: repeat the request).
        """
        license_ = self._begun(request)
        if license_ is None:
            # 1. Validate: nothing is reserved for what cannot be issued.
            validate_order(order)
            issuer = self._neighbours.issuer(department)
            with_seal = self._neighbours.seal_of(department, seal, order.type.id, self._clock.now())
            # 2. Reserve the serial and the identifier, with all that is needed to finish.
            try:
                license_ = self._reserve(order, issuer, with_seal, request)
            except Aborted:  # the same request came twice at once
                license_ = self._begun(request)
                if license_ is None:
                    raise
        return self._finish_in_turn(license_).as_issued()

    def reconcile(self) -> Reconciled:
        """Finish what a crash or a failing neighbour left in ISSUING. Raises Unavailable.

        One that fails again is left for longer each time, and does not keep others waiting.
        """
        with self._database.reading() as session:
            left = store.unfinished(session, RECONCILED_AT_ONCE)
        finished = failed = 0
        for license_ in left:
            now = self._clock.now()
            until, wait = self._waits.get(license_.id, (now, 0.0))
            if now < until:
                continue
            turn = self._turn(license_.id)
            if not turn.acquire(blocking=False):
                continue  # its own request is at work on it
            try:
                self._finish(license_)
            except Exception as error:  # noqa: BLE001  # one that cannot be finished stops no other
                failed += 1
                self._put_off(license_.id, wait, now)
                _log.error("license_not_finished", license=license_.name, **_safely(error))
            else:
                finished += 1
                self._waits.pop(license_.id, None)
            finally:
                turn.release()
        return Reconciled(finished=finished, failed=failed)

    # --- steps 1 and 2 -----------------------------------------------------------------------

    def _begun(self, request: Request) -> License | None:
        """The license that this request began before, if it did."""
        if not 0 < len(request.id) <= REQUEST_ID_LIMIT:
            raise InvalidArgument(
                "request_id is required: a fresh UUID for each new act, the same one to repeat it",
                reason="REQUEST_ID_REQUIRED",
                message_zh="必须提供 request_id：新操作用新的 UUID，重试用同一个",
            )
        with self._database.reading() as session:
            found = store.request_of(session, request.actor, request.id)
        if found is None:
            return None
        license_, digest = found
        if not hmac.compare_digest(digest, request.digest):
            raise AlreadyExists(
                "this request_id was used for another request: take a fresh one",
                reason="REQUEST_ID_REUSED",
                message_zh="该 request_id 已用于另一请求：请换新的",
            )
        return license_

    def _reserve(
        self, order: Order, issuer: Issuer, seal: IssuingSeal, request: Request
    ) -> License:
        now = self._clock.now().replace(microsecond=0)
        valid_from = order.valid_from or date.fromisoformat(china_date(now))
        valid_to = last_day(valid_from, order.type.validity_years)
        with self._database.unit_of_work() as work:
            identifier = _identifier(work, order, issuer, now)
            metadata = metadata_of(
                order,
                identifier=identifier,
                issuer=issuer,
                seal=seal,
                issue_time=now,
                valid_from=valid_from,
                valid_to=valid_to,
            )
            license_ = License(
                id=secrets.token_hex(12),
                issuer=issuer.department,
                type_id=order.type.id,
                identifier=str(identifier),
                serial=identifier.serial,
                holder_name=order.holder_name,
                holder_code=order.holder_code,
                holder_code_type=order.type.holder_code_type,
                metadata=metadata,
                metadata_sha256=metadata_digest(metadata),
                valid_from=valid_from,
                valid_to=valid_to,
                issue_time=now,
                seal=seal.name,
                actor=request.actor,
                state=LicenseState.ISSUING,
                state_time=now,
            )
            # Texts that do not fit the page are refused while refusing is still possible.
            _lay_out(license_)
            store.add_license(
                work.session,
                license_,
                holder_index=self._index(order.holder_code),
                request_id=request.id,
                request_digest=request.digest,
            )
        return license_

    # --- steps 3 to 8 ------------------------------------------------------------------------

    def _finish_in_turn(self, license_: License) -> License:
        with self._turn(license_.id):
            return self._finish(license_)

    def _finish(self, license_: License) -> License:
        """From the reserved row to the license in force; each step may be done again."""
        with self._database.reading() as session:
            license_ = store.license_by_id(session, license_.id) or license_
        if license_.state is not LicenseState.ISSUING:
            return license_
        # 3. Render, from the row alone.
        page = _lay_out(license_)
        drafts = {LicenseFormat.OFD: write_ofd(page), LicenseFormat.PDF: write_pdf(page)}
        # 4. Seal. The request ids follow from the license and the bytes, so that a repeat is
        #    answered with the same sealed bytes, and a renderer changed meanwhile blocks nothing.
        sealed = {form: self._seal(license_, form, draft) for form, draft in drafts.items()}
        # 5. Verify our own output.
        for form, document in sealed.items():
            self._documents.check_output(document, form, license_)
        # 6. Store the documents, each under its own hash.
        for form, document in sealed.items():
            self._documents.keep(document, form)
        # 7. In force: state, audit record and the record for the library in one transaction.
        digests = {f: hashlib.sha256(document).hexdigest() for f, document in sealed.items()}
        license_ = self._activate(license_, digests)
        # 8. Publish. What the exchange does not take now waits in the outbox.
        self._library.publish_soon()
        return license_

    def _seal(self, license_: License, form: LicenseFormat, draft: bytes) -> bytes:
        request_id = f"{license_.id}-{form.value[1:]}-{hashlib.sha256(draft).hexdigest()[:32]}"
        stamp = template.load(license_types()[license_.type_id].template).stamp
        return self._neighbours.seal_document(
            draft,
            form,
            seal=license_.seal,
            license_type=license_.type_id,
            stamp=stamp,
            request_id=request_id,
        )

    def _activate(self, license_: License, digests: dict[LicenseFormat, str]) -> License:
        now = self._clock.now()
        active = replace(
            license_,
            state=LicenseState.ACTIVE,
            state_time=now,
            activated_at=now,
            ofd_sha256=digests[LicenseFormat.OFD],
            pdf_sha256=digests[LicenseFormat.PDF],
        )
        with self._database.unit_of_work() as work:
            came_first = store.move(
                work.session,
                license_.id,
                LicenseState.ISSUING,
                LicenseState.ACTIVE,
                at=now,
                reason="",
                activated_at=now,
                ofd_sha256=active.ofd_sha256,
                pdf_sha256=active.pdf_sha256,
            )
            if came_first:
                store.enqueue(work.session, license_.id, record_of(active))
                work.record(_issued_record(active, now))
                return active
            # Another replica finished it meanwhile, with the same identifier.
            return store.license_by_id(work.session, license_.id) or active

    def _turn(self, license_id: str) -> threading.Lock:
        return self._turns[int(license_id[:8], 16) % _STRIPES]

    def _put_off(self, license_id: str, wait: float, now: datetime) -> None:
        wait = min(wait * 2 or FIRST_WAIT, LONGEST_WAIT)
        if len(self._waits) > 10 * RECONCILED_AT_ONCE:
            self._waits.clear()
        self._waits[license_id] = (datetime.fromtimestamp(now.timestamp() + wait, now.tzinfo), wait)


def _identifier(work: UnitOfWork, order: Order, issuer: Issuer, now: datetime) -> LicenseIdentifier:
    """The identifier with the wanted serial, or with the next that is free."""

    def with_serial(serial: str) -> LicenseIdentifier:
        return LicenseIdentifier(
            type_code=order.type.code, issuer_code=issuer.credit_code, serial=serial
        )

    if order.serial:
        wanted = with_serial(order.serial)
        if store.identifier_taken(work.session, str(wanted)):
            raise AlreadyExists(
                "the issuer has given this serial number to a license of this type: choose another",
                reason="SERIAL_TAKEN",
                message_zh="该类证照的这个流水号已使用：请换一个",
            )
        return wanted
    year = int(china_date(now)[:4])
    while True:
        number = store.next_serial(work.session, issuer.department, order.type.id, year)
        free = with_serial(f"{year}{number:07d}")
        if not store.identifier_taken(work.session, str(free)):
            return free


def _lay_out(license_: License) -> Document:
    """The page of a license, from its row alone."""
    kind = license_types()[license_.type_id]
    return template.lay_out(
        template.load(kind.template),
        page_fields(license_, kind.slots),
        created=license_.issue_time,
        author=license_.metadata["ZZBFJG"],
        metadata=license_.metadata,
    )


def _issued_record(license_: License, at: datetime) -> SealedRecord:
    return make_record(
        "license_issued",
        at=at,
        actor=license_.actor,
        facts={
            "license": license_.name,
            "license_type": license_.type_id,
            "license_identifier": license_.identifier,
            "seal": license_.seal,
            "ofd_sha256": license_.ofd_sha256,
            "pdf_sha256": license_.pdf_sha256,
        },
        commitments={
            "holder_code": license_.holder_code.encode(),
            "holder_name": license_.holder_name.encode(),
        },
    )


def _safely(error: Exception) -> dict[str, str]:
    """What may be logged of an error: where it happened, never its text."""
    if isinstance(error, DomainError):
        return {"reason": error.reason}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {"error": type(error).__name__, "where": f"{last.filename}:{last.lineno}"}
