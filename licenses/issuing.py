"""Issuing a license (签发), and the acts that make a new version of one.

1. Everything that a license will say is fixed in one row before anything is made; what it names by
   hash (pictures, scans) is in the object store before that. `finishing` does the rest.
2. A request that was begun goes on with its own row, however often it is repeated; `reconcile` ends
   what nobody repeats, with the same identifier.
3. A license is reserved with one version of its type, and finished with it: a type that changes
   meanwhile changes nothing of it.
4. Of one license at most one new version is under way.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import structlog

from licenses import store
from licenses.claims.service import Claims
from licenses.documents import Documents
from licenses.enclosures.service import Enclosures
from licenses.finishing import Finishing, check_pages, page_of
from licenses.holder_index import HolderIndex
from licenses.identifiers import LicenseIdentifier
from licenses.metadata import (
    metadata_digest,
    metadata_of,
    page_values,
    pictures_of,
)
from licenses.model import (
    LAST_VERSION,
    Act,
    Issuer,
    IssuingSeal,
    License,
    LicenseState,
    Order,
    Origin,
    check_clock,
    decide_transition,
)
from licenses.neighbours import Neighbours
from licenses.orders import validate_order, with_pictures_for
from licenses.refusals import is_for_good, safely, tell_begun
from licenses.stamping import check_stamp
from licenses.states import store as states
from licenses.terms import term_of
from licenses.types.model import FIRST_VERSION, TypeVersion, check_issuer
from licenses.types.service import Types
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import Aborted, AlreadyExists, DomainError, FailedPrecondition

RECONCILED_AT_ONCE = 100
FIRST_WAIT = 2.0  # seconds before a failed license is tried again; doubled each time
LONGEST_WAIT = 300.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks, and which request it is: `digest` is the SHA-256 of all that was asked."""

    actor: str
    id: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A license that is asked for: `department` issues, and `seal` may be empty."""

    order: Order
    department: str
    seal: str
    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What is asked for and may be issued, with who issues it."""

    asked: Asked
    order: Order
    issuer: Issuer
    seal: IssuingSeal


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """What makes a new version of a license: the act, why, and how long the new one is valid."""

    before: License
    act: Act
    reason: str
    valid_from: date
    valid_to: date | None


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
        finishing: Finishing,
        types: Types,
        holder_index: HolderIndex,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        place: Callable[[UnitOfWork, str], object] | None = None,
    ) -> None:
        """`place` gives a license its place in a status list, while it is reserved."""
        self._database = database
        self._documents = documents
        self._neighbours = neighbours
        self._finishing = finishing
        self._types = types
        self._enclosures = Enclosures(database, documents, clock)
        self._claims = Claims(types, holder_index, clock)
        self._index = holder_index
        self._clock = clock
        self._place = place
        self._monotonic = monotonic  # a clock that is set does not shorten or lengthen a wait
        self._waits: dict[str, tuple[float, float]] = {}

    def issue(
        self,
        order: Order,
        *,
        department: str,
        seal: str,
        request: Request,
        succession: Succession | None = None,
    ) -> License:
        """Issue a license, or go on with the one that this request began.

        `department` issues; `seal` may be empty. Raises InvalidArgument (BAD_LICENSE_FIELDS and
        those of the page: TEXT_TOO_LONG, GLYPH_MISSING), NotFound (no such department),
        PermissionDenied (NOT_AN_ISSUER),
        FailedPrecondition (SEAL_NOT_USABLE, SEAL_OF_OTHER_KIND, TRANSITION_FORBIDDEN,
        LICENSE_ABANDONED),
        AlreadyExists (SERIAL_TAKEN, HOLDER_HAS_ONE, VALUE_IN_FORCE, REQUEST_ID_REUSED),
        Aborted (VERSION_BEING_ISSUED),
        Unavailable (a neighbour or the object store does not answer, CLOCK_BEHIND: repeat the
        request).
        """
        license_ = self.begun(request)
        if license_ is None:
            # 1. Validate: nothing is reserved for what cannot be issued.
            ready = self._validated(
                Asked(order=order, department=department, seal=seal, request=request)
            )
            # 2. Reserve the serial and the identifier, with all that is needed to finish.
            try:
                license_ = self._reserve(ready, succession)
            except Aborted:  # the same request, or the same serial, came twice at once
                license_ = self.begun(request) or self._reserve(ready, succession)
        return self.finished(license_)

    def issue_all(self, several: Sequence[Asked]) -> list[License]:
        """`issue` of several at once, each step for all of them; one actor asks.

        Raises what `issue` raises of any of them, or Unavailable. Then nothing says which: each is
        to be issued by itself, and what was begun is gone on with.
        """
        for one in several:
            check_request_id(one.request.id)
        with self._database.reading() as session:
            ids = [one.request.id for one in several]
            held = store.requests_of(session, several[0].request.actor, ids)
        begun = {one.request.id: _same(held.get(one.request.id), one.request) for one in several}
        ready = [self._validated(one) for one in several if begun[one.request.id] is None]
        for valid, license_ in zip(ready, self._reserve_all(ready), strict=True):
            begun[valid.asked.request.id] = license_
        licenses = [one for one in begun.values() if one is not None]
        new = [one for one in licenses if one.state is LicenseState.ISSUING and not one.predecessor]
        with self._finishing.turns.together([one.id for one in new]):
            done = {one.id: one for one in self._finishing.finish_all(new)} if new else {}
        return [
            done[one.id].as_issued() if one.id in done else self.finished(one) for one in licenses
        ]

    def _validated(self, asked: Asked) -> _Ready:
        """Step 1."""
        order = asked.order
        issuer = self._neighbours.issuer(asked.department)
        check_issuer(order.type, asked.department, issuer.credit_code)
        order = validate_order(order, date.fromisoformat(china_date(self._clock.now())))
        page = page_of(self._types.version(order.type.id, order.type_version))
        if order.pictures:
            order = with_pictures_for(order, page)
        seal = self._neighbours.seal_of(
            asked.department, asked.seal, order.type.id, order.type.seal, self._clock.now()
        )
        check_stamp(page, order.type.slots, seal.ratio)
        return _Ready(asked=asked, order=order, issuer=issuer, seal=seal)

    def finished(self, license_: License) -> License:
        """Finish a license and answer as it was issued. Raises what `issue` raises."""
        try:
            with self._finishing.turns.of(license_.id):
                license_ = self._finishing.finish(license_)
        except DomainError as error:
            if not is_for_good(error):
                tell_begun(error)
            raise
        if license_.state is LicenseState.ABANDONED:
            raise FailedPrecondition(
                f"this license was abandoned before it came into force ({license_.state_reason}): "
                "read the one before it, and ask again with a fresh request_id",
                reason="LICENSE_ABANDONED",
                message_zh=f"该证照在生效前已作废（{license_.state_reason}）："
                "请重新读取原证照，并用新的 request_id 重新办理",
            )
        return license_.as_issued()

    def begun(self, request: Request) -> License | None:
        """The license that this request began before, if it did."""
        check_request_id(request.id)
        with self._database.reading() as session:
            found = store.request_of(session, request.actor, request.id)
        return _same(found, request)

    def reconcile(self) -> Reconciled:
        """Finish what a crash or a failing neighbour left in ISSUING. Raises Unavailable.

        One that fails again is left for longer each time, and does not keep others waiting.
        """
        with self._database.reading() as session:
            left = store.unfinished(session, RECONCILED_AT_ONCE)
        finished = failed = 0
        for license_ in left:
            now = self._monotonic()
            until, wait = self._waits.get(license_.id, (now, 0.0))
            if now < until:
                continue
            turn = self._finishing.turns.of(license_.id)
            if self._finishing.turns.has(license_.id) or not turn.acquire(blocking=False):
                continue  # its own request is at work on it
            try:
                self._finishing.finish(license_)
            except Exception as error:  # noqa: BLE001  # one that cannot be finished stops no other
                failed += 1
                if isinstance(error, DomainError) and is_for_good(error):
                    self._waits.pop(license_.id, None)
                    _log.warning("license_abandoned", license=license_.name, **safely(error))
                    continue
                self._put_off(license_.id, wait, now)
                _log.error("license_not_finished", license=license_.name, **safely(error))
            else:
                finished += 1
                self._waits.pop(license_.id, None)
            finally:
                turn.release()
        return Reconciled(finished=finished, failed=failed)

    def _put_off(self, license_id: str, wait: float, now: float) -> None:
        wait = min(wait * 2 or FIRST_WAIT, LONGEST_WAIT)
        if len(self._waits) > 10 * RECONCILED_AT_ONCE:
            self._waits.clear()
        self._waits[license_id] = (now + wait, wait)

    # --- step 2 ------------------------------------------------------------------------------

    def _reserve(self, ready: _Ready, succession: Succession | None) -> License:
        pictures, scans = self._enclosed(ready.order)
        self._enclosures.keep((*ready.order.pictures.values(), *scans))
        with self._database.unit_of_work() as work:
            newest = self._claims.newest(ready.order.type.id)
            return self._reserve_in(work, ready, succession, pictures, scans, newest)

    def _reserve_all(self, several: Sequence[_Ready]) -> list[License]:
        """`_reserve` of several in one transaction."""
        if not several:
            return []
        enclosed = [self._enclosed(one.order) for one in several]
        for one, (_, scans) in zip(several, enclosed, strict=True):
            self._enclosures.keep((*one.order.pictures.values(), *scans))
        with self._database.unit_of_work() as work:
            newest = {one: self._claims.newest(one) for one in {r.order.type.id for r in several}}
            return [
                self._reserve_in(work, one, None, pictures, scans, newest[one.order.type.id])
                for one, (pictures, scans) in zip(several, enclosed, strict=True)
            ]

    def _reserve_in(
        self,
        work: UnitOfWork,
        ready: _Ready,
        succession: Succession | None,
        pictures: dict[str, bytes],
        scans: list[bytes],
        newest: TypeVersion,
    ) -> License:
        order, issuer, seal, request = ready.order, ready.issuer, ready.seal, ready.asked.request
        kind = self._types.version(order.type.id, order.type_version)
        now = self._clock.now().replace(microsecond=0)
        if succession is not None:
            valid_from, valid_to = succession.valid_from, succession.valid_to
            identifier = _next_version(work, order, issuer, succession)
            check_clock(now, succession.before.issue_time)
            now = max(now, succession.before.issue_time)
        else:
            valid_from, valid_to = term_of(order, date.fromisoformat(china_date(now)))
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
            type_version=order.type_version,
            identifier=str(identifier),
            serial=identifier.serial,
            version=identifier.version,
            holders=order.holders,
            metadata=metadata,
            metadata_sha256=metadata_digest(metadata),
            valid_from=valid_from,
            valid_to=valid_to,
            issue_time=now,
            seal=seal.name,
            actor=request.actor,
            state=LicenseState.ISSUING,
            state_time=now,
            origin=Origin.PAPER if order.paper else Origin.NATIVE,
            predecessor=succession.before.id if succession else "",
            act=succession.act if succession else None,
            act_reason=succession.reason if succession else "",
        )
        # Texts that do not fit the page are refused while refusing is still possible.
        check_pages(license_, kind, page_values(license_, kind.type, pictures), scans)
        self._claims.claim(work, license_, succession.before if succession else None, newest)
        self._enclosures.name(work, (*order.pictures.values(), *scans))
        store.add_license(
            work.session,
            license_,
            index=self._index,
            request_id=request.id,
            request_digest=request.digest,
        )
        if self._place is not None:  # one transaction less than when its credential is drawn up
            self._place(work, license_.id)
        return license_

    def _enclosed(self, order: Order) -> tuple[dict[str, bytes], list[bytes]]:
        """Pictures by field, and scans: those that came, and those of the version before."""
        pictures = {
            code: order.pictures.get(code) or self._documents.enclosed(digest)
            for code, digest in pictures_of(order.fields, order.type).items()
        }
        return pictures, list(order.paper.scans if order.paper else ())


def _same(found: tuple[License, bytes] | None, request: Request) -> License | None:
    """The license that a request began, if it is this request. Raises AlreadyExists."""
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


def _next_version(
    work: UnitOfWork, order: Order, issuer: Issuer, succession: Succession
) -> LicenseIdentifier:
    """The identifier of the next version of a license that may have one now."""
    before = store.license_by_id(work.session, succession.before.id, lock=True)
    if before is None:
        raise AssertionError("a license that was read is gone")
    decide_transition(before.state, succession.act)
    if store.being_issued_after(work.session, before.id):
        raise Aborted(
            "another version of this license is being issued: wait for it, and read it",
            reason="VERSION_BEING_ISSUED",
            message_zh="该证照的另一新版本正在制证：请稍候并重新读取",
        )
    greatest = store.greatest_version(work.session, before.issuer, before.type_id, before.serial)
    if greatest >= LAST_VERSION:
        raise FailedPrecondition(
            f"a license has at most {LAST_VERSION} versions: issue another one",
            reason="VERSIONS_USED_UP",
            message_zh=f"一个证照最多 {LAST_VERSION} 个版本：请另行签发",
        )
    return LicenseIdentifier(
        type_code=order.type.code,
        issuer_code=issuer.credit_code,
        serial=before.serial,
        version=greatest + 1,
    )


def _identifier(work: UnitOfWork, order: Order, issuer: Issuer, now: datetime) -> LicenseIdentifier:
    """The identifier with the wanted serial, or with the next that is free."""

    def with_serial(serial: str) -> LicenseIdentifier:
        return LicenseIdentifier(
            type_code=order.type.code,
            issuer_code=issuer.credit_code,
            serial=serial,
            version=FIRST_VERSION,
        )

    if order.serial:
        wanted = with_serial(order.serial)
        greatest = store.greatest_version(
            work.session, issuer.department, order.type.id, order.serial
        )
        if 0 < greatest < LAST_VERSION and states.only_abandoned(
            work.session, issuer.department, order.type.id, order.serial
        ):
            # What was refused for good took nothing with it but its version's number.
            wanted = replace(wanted, version=greatest + 1)
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
