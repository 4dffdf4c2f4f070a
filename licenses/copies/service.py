"""Making endorsed copies (加注件).

1. Only of a license in force, for who was identified as its holder, or an agent under a delegation
   for that purpose that allows copies, with which the copy ends. Or for a department that may have
   the license (`licenses.sharing`). The receiver is named in words, and may be a department; a
   purpose is required.
2. A row is written first; then the copy is drawn from it, sealed by the license's own seal,
   verified as any stranger would, stored under its hash, and told with its audit record and the
   holder's look in one transaction. A repeat goes on with its row and gives the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import date, datetime

from licenses import held
from licenses.accesses import store as accesses
from licenses.carried import carried_metadata
from licenses.copies import store
from licenses.copies.model import (
    EndorsedCopy,
    Wish,
    check_valid_to,
    check_wish,
    endorsed,
    metadata_with,
)
from licenses.delegations.model import Delegation, ShownAs, delegation_id
from licenses.documents import Documents
from licenses.finishing import lay_out, page_of
from licenses.holders import check_identified
from licenses.metadata import page_values, pictures_of, scans_of
from licenses.model import License, LicenseFormat
from licenses.neighbours import COPIED, Neighbours
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.store import Reads
from licenses.types.service import Types
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import (
    AlreadyExists,
    DataLoss,
    ResourceExhausted,
)
from runtime.identity import Principal
from runtime.objects import ObjectStore, get_content
from runtime.records import make_record

FOLDER = "license-copies"
#: How many of one license may be good at a time.
MOST_OPEN = 200


class Copies:
    """The use case of copying."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        documents: Documents,
        neighbours: Neighbours,
        types: Types,
        clock: Clock,
    ) -> None:
        self._database = database
        self._objects = objects
        self._documents = documents
        self._neighbours = neighbours
        self._types = types
        self._clock = clock

    def make(
        self,
        name: str,
        holder_code: str,
        *,
        form: LicenseFormat,
        purpose: str,
        receiver: str,
        valid_to: date,
        request_id: str,
        request_digest: bytes,
        principal: Principal,
        delegation: str = "",
        receiver_department: str = "",
    ) -> tuple[EndorsedCopy, bytes]:
        """A copy and its bytes, for the holder or their agent; a repeat gives the same.

        Raises NotFound (LICENSE_NOT_FOUND, DELEGATION_NOT_FOUND, DEPARTMENT_NOT_FOUND),
        FailedPrecondition (as `held.usable`, and of the seal), InvalidArgument (BAD_TEXT,
        BAD_RECEIVER, BAD_COPY_END, BAD_COPY_FORM, GLYPH_MISSING), AlreadyExists
        (REQUEST_ID_REUSED), ResourceExhausted (TOO_MANY_COPIES), DataLoss (OUTPUT_NOT_GOOD)
        and Unavailable.
        """
        names.parse(names.LICENSE, name, field="license")
        wish = Wish(
            form=form,
            purpose=purpose,
            receiver=receiver,
            receiver_department=receiver_department,
            valid_to=valid_to,
            delegation=delegation_id(delegation),
        )
        check_wish(wish)
        if receiver_department:  # for nobody it would be a copy that nobody can verify
            self._neighbours.issuer(receiver_department)
        check_identified(principal, holder_code, held.license_not_found)

        def allowed(session: Reads, now: datetime) -> tuple[License, Delegation | None]:
            return held.usable(
                session,
                name,
                holder_code,
                delegation=wish.delegation,
                purpose=purpose,
                form=ShownAs.COPY,
                now=now,
            )

        return self._make(allowed, wish, principal, request_id, request_digest)

    def share(
        self,
        name: str,
        wish: Wish,
        *,
        request_id: str,
        request_digest: bytes,
        principal: Principal,
        still: Callable[[Reads], None] | None = None,
    ) -> tuple[EndorsedCopy, bytes]:
        """A copy for a department that may have the license: `licenses.sharing` says whether.

        `still` raises where it is not wanted any more: in the transaction that reserves the copy,
        and in the one that makes it good. Raises as `make`.
        """
        check_wish(wish)

        def allowed(session: Reads, now: datetime) -> tuple[License, None]:
            found = held.known(session, name)
            held.check_in_force(found, now)
            return found, None

        return self._make(allowed, wish, principal, request_id, request_digest, still)

    def _make(
        self,
        allowed: Callable[[Reads, datetime], tuple[License, Delegation | None]],
        wish: Wish,
        principal: Principal,
        request_id: str,
        request_digest: bytes,
        still: Callable[[Reads], None] | None = None,
    ) -> tuple[EndorsedCopy, bytes]:
        check_request_id(request_id)
        now = self._clock.now()
        # 1. Reserve.
        with self._database.unit_of_work() as work:
            if still is not None:
                still(work.session)
            begun = store.of_request(work.session, principal.system, request_id)
            license_, under = allowed(work.session, now)
            if begun is not None and not hmac.compare_digest(begun[1], request_digest):
                raise AlreadyExists(
                    "this request_id was used for another request: take a fresh one",
                    reason="REQUEST_ID_REUSED",
                    message_zh="该 request_id 已用于另一请求：请换新的",
                )
            if begun is not None:
                copy = begun[0]
            else:
                copy = _reserve(work.session, license_, wish, under, now)
                store.add(
                    work.session,
                    copy,
                    actor=principal.system,
                    request_id=request_id,
                    request_digest=request_digest,
                )
        if copy.sha256:
            return copy, get_content(self._objects, place_of(copy.sha256, copy.form))
        return self._finish(copy, license_, under, principal, still)

    def _finish(
        self,
        copy: EndorsedCopy,
        license_: License,
        under: Delegation | None,
        principal: Principal,
        still: Callable[[Reads], None] | None,
    ) -> tuple[EndorsedCopy, bytes]:
        sealed = self._drawn_and_sealed(copy, license_)
        # 5. Store, and tell.
        digest = hashlib.sha256(sealed).hexdigest()
        self._objects.put_if_absent(place_of(digest, copy.form), sealed)
        with self._database.unit_of_work() as work:
            if still is not None:
                still(work.session)
            if store.made(work.session, copy.id, digest):
                self._record(work, copy, digest, license_, under, principal)
            told = store.of_id(work.session, copy.id) or copy
        return told, get_content(self._objects, place_of(told.sha256, copy.form))

    def _drawn_and_sealed(self, copy: EndorsedCopy, license_: License) -> bytes:
        # 2. Draw, from the rows alone.
        kind = self._types.version(license_.type_id, license_.type_version)
        found = pictures_of(license_.metadata, kind.type)
        pictures = {code: self._documents.enclosed(digest) for code, digest in found.items()}
        scans = [self._documents.enclosed(digest) for digest in scans_of(license_.metadata)]
        page = lay_out(license_, kind, page_values(license_, kind.type, pictures), scans)
        drawn = endorsed(page, copy)
        draft = write_ofd(drawn) if copy.form is LicenseFormat.OFD else write_pdf(drawn)
        # 3. Seal: the same bytes for the same draft.
        sealed = self._neighbours.seal_document(
            draft,
            copy.form,
            seal=license_.seal,
            license_type=license_.type_id,
            stamp=page_of(kind).stamp,
            sheets=len(drawn.pages),
            request_id=f"{copy.id}-{hashlib.sha256(draft).hexdigest()[:32]}",
            reason=COPIED,
        )
        # 4. Verify our own output.
        problem = self._neighbours.document_problem(sealed)
        if problem or carried_metadata(sealed, copy.form) != metadata_with(copy, license_.metadata):
            raise DataLoss(
                f"the copy just sealed does not verify ({problem or 'METADATA_CHANGED'}): nothing "
                "was given out; see the seal service's log",
                reason="OUTPUT_NOT_GOOD",
                message_zh="刚签章的加注件未通过验证，未予发出；请查看签章服务日志",
            )
        return sealed

    def _record(
        self,
        work: UnitOfWork,
        copy: EndorsedCopy,
        digest: str,
        license_: License,
        under: Delegation | None,
        principal: Principal,
    ) -> None:
        now, kind = self._clock.now(), "license_shared" if copy.shared else "license_copied"
        # License and copy are known by their names and by their files, to who got one: none of
        # these stands in the log, where it would lead to all else that its maker did.
        commitments = {
            "copy": copy.name.encode(),
            "sha256": digest.encode(),
            "valid_to": copy.valid_to.isoformat().encode(),
            "license": license_.name.encode(),
            "original_sha256": copy.original_sha256.encode(),
            "holder_code": license_.holder_code.encode(),
            "purpose": copy.purpose.encode(),
            "receiver": copy.receiver.encode(),
        }
        if under is not None:
            commitments["delegation"] = under.name.encode()
            commitments["agent_code"] = under.agent_code.encode()
        # How many licenses a case took, and which item they were for, is nobody else's either.
        commitments["service_item"] = copy.service_item.encode()
        if copy.collection:
            commitments["collection"] = f"collections/{copy.collection}".encode()
        record = make_record(
            kind, at=now, actor=principal.system, facts={}, commitments=commitments
        )
        accesses.add_access(
            work.session,
            license_.id,
            at=now,
            system=principal.system,
            kind=kind,
            purpose=copy.purpose,
            record=record,
            fields=("*",),
            delegation=copy.delegation,
        )
        work.record(record)


def _reserve(
    session: Reads, license_: License, wish: Wish, under: Delegation | None, now: datetime
) -> EndorsedCopy:
    if store.open_count(session, license_.id, now) >= MOST_OPEN:
        raise ResourceExhausted(
            f"at most {MOST_OPEN} endorsed copies of a license are good at a time: end some first",
            reason="TOO_MANY_COPIES",
            message_zh=f"同一证照同时有效的加注件最多 {MOST_OPEN} 份：请先作废一部分",
        )
    return EndorsedCopy(
        id=secrets.token_hex(12),
        license_id=license_.id,
        form=wish.form,
        sha256="",
        original_sha256=license_.sha256(wish.form),
        purpose=wish.purpose,
        receiver=wish.receiver,
        maker=license_.metadata["ZZBFJG"],
        valid_to=check_valid_to(wish.valid_to, license_, now, under.expire_time if under else None),
        make_time=now.replace(microsecond=0),
        delegation=wish.delegation,
        receiver_department=wish.receiver_department,
        shared=wish.shared,
        service_item=wish.service_item,
        collection=wish.collection,
    )


def place_of(digest: str, form: LicenseFormat) -> str:
    """Where a copy is in the object store, by its hash."""
    return f"{FOLDER}/{digest[:2]}/{digest}{form.value}"
