"""Making endorsed copies (加注件).

1. Only of a license in force, for who was identified as its holder, or an agent under a
   delegation for that purpose. The receiver is named in words; a purpose is required.
2. A row is written first; then the copy is drawn from it, sealed by the license's own seal,
   verified as any stranger would, stored under its hash, and told with its audit record and the
   holder's look in one transaction. A repeat goes on with its row and gives the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.carried import carried_metadata
from licenses.copies import store
from licenses.copies.model import EndorsedCopy, check_valid_to, endorsed, metadata_with
from licenses.delegations import store as delegations
from licenses.delegations.model import decide
from licenses.delegations.service import delegation_not_found, is_agent
from licenses.documents import Documents
from licenses.finishing import lay_out, page_of
from licenses.holders import check_identified
from licenses.metadata import page_values, pictures_of, scans_of
from licenses.model import License, LicenseFormat, LicenseState, is_expired
from licenses.neighbours import Neighbours
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.presentations.model import NEVER_IN_FORCE
from licenses.reading import is_holder, license_not_found
from licenses.texts import NAME_LIMIT, check_text, text_problem
from licenses.types.service import Types
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
)
from runtime.identity import Principal
from runtime.objects import ObjectStore, get_content
from runtime.records import make_record

FOLDER = "license-copies"


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
    ) -> tuple[EndorsedCopy, bytes]:
        """A copy and its bytes; a repeat gives the same.

        Raises NotFound (LICENSE_NOT_FOUND, DELEGATION_NOT_FOUND), FailedPrecondition
        (LICENSE_NOT_IN_FORCE, those of `delegations.model.decide`, and of the seal),
        InvalidArgument (BAD_TEXT, BAD_RECEIVER, BAD_COPY_END, BAD_COPY_FORM, GLYPH_MISSING),
        AlreadyExists (REQUEST_ID_REUSED), DataLoss (OUTPUT_NOT_GOOD) and Unavailable.
        """
        names.parse(names.LICENSE, name, field="license")
        check_request_id(request_id)
        check_text(purpose, name="purpose")
        if text_problem(receiver, NAME_LIMIT, required=True):
            raise InvalidArgument(
                f"receiver: who gets the copy, 1 to {NAME_LIMIT} characters",
                reason="BAD_RECEIVER",
                message_zh=f"receiver 应为接收单位或个人名称，不超过 {NAME_LIMIT} 字",
                violations=[FieldViolation("receiver", "empty or too long")],
            )
        if form is LicenseFormat.JWT:
            raise InvalidArgument(
                "a copy is an OFD or a PDF; of a credential present chosen fields",
                reason="BAD_COPY_FORM",
                message_zh="加注件只能为 OFD 或 PDF",
            )
        check_identified(principal, holder_code, license_not_found)
        # 1. Reserve.
        with self._database.unit_of_work() as work:
            begun = store.of_request(work.session, principal.system, request_id)
            license_ = _own(work, name)
            self._check(work, license_, holder_code, purpose, delegation)
            if begun is not None and not hmac.compare_digest(begun[1], request_digest):
                raise AlreadyExists(
                    "this request_id was used for another request: take a fresh one",
                    reason="REQUEST_ID_REUSED",
                    message_zh="该 request_id 已用于另一请求：请换新的",
                )
            if begun is not None:
                copy = begun[0]
            else:
                copy = self._reserve(license_, form, purpose, receiver, valid_to)
                store.add(
                    work.session,
                    copy,
                    actor=principal.system,
                    request_id=request_id,
                    request_digest=request_digest,
                )
        if copy.sha256:
            return copy, get_content(self._objects, self._place(copy.sha256, copy.form))
        return self._finish(copy, license_, principal)

    def _check(
        self, work: UnitOfWork, license_: License, code: str, purpose: str, delegation: str
    ) -> None:
        now, holder = self._clock.now(), code
        if delegation:
            ids = names.parse(names.DELEGATION, delegation, field="delegation")
            found = delegations.delegation_by_id(work.session, ids["delegation"])
            if found is None or not is_agent(found, code):
                raise delegation_not_found()
            decide(found, license_.name, purpose, now)
            holder = found.grantor_code
        if not is_holder(license_, holder):
            raise license_not_found()
        if license_.state is not LicenseState.ACTIVE or is_expired(license_.valid_to, now):
            raise FailedPrecondition(
                "only a license in force is copied: see its state and its last day",
                reason="LICENSE_NOT_IN_FORCE",
                message_zh="证照不在有效状态或已过有效期，不能制作加注件",
                state=license_.state.value,
            )

    def _reserve(
        self, license_: License, form: LicenseFormat, purpose: str, receiver: str, valid_to: date
    ) -> EndorsedCopy:
        now = self._clock.now().replace(microsecond=0)
        return EndorsedCopy(
            id=secrets.token_hex(12),
            license_id=license_.id,
            form=form,
            sha256="",
            original_sha256=license_.sha256(form),
            purpose=purpose,
            receiver=receiver,
            maker=license_.metadata["ZZBFJG"],
            valid_to=check_valid_to(valid_to, license_, now),
            make_time=now,
        )

    def _finish(
        self, copy: EndorsedCopy, license_: License, principal: Principal
    ) -> tuple[EndorsedCopy, bytes]:
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
        # 5. Store, and tell.
        digest = hashlib.sha256(sealed).hexdigest()
        self._objects.put_if_absent(self._place(digest, copy.form), sealed)
        now = self._clock.now()
        record = make_record(
            "license_copied",
            at=now,
            actor=principal.system,
            facts={
                "license": license_.name,
                "copy": copy.name,
                "sha256": digest,
                "original_sha256": copy.original_sha256,
                "valid_to": copy.valid_to.isoformat(),
            },
            commitments={
                "holder_code": license_.holder_code.encode(),
                "purpose": copy.purpose.encode(),
                "receiver": copy.receiver.encode(),
            },
        )
        with self._database.unit_of_work() as work:
            if store.made(work.session, copy.id, digest):
                accesses.add_access(
                    work.session,
                    license_.id,
                    at=now,
                    system=principal.system,
                    kind="license_copied",
                    purpose=copy.purpose,
                    record=record,
                    fields=("*",),
                )
                work.record(record)
            told = store.of_id(work.session, copy.id) or copy
        return told, get_content(self._objects, self._place(told.sha256, copy.form))

    @staticmethod
    def _place(digest: str, form: LicenseFormat) -> str:
        return f"{FOLDER}/{digest[:2]}/{digest}{form.value}"


def _own(work: UnitOfWork, name: str) -> License:
    found = licenses.license_by_id(work.session, name.rpartition("/")[2])
    if found is None or found.name != name or found.state in NEVER_IN_FORCE:
        raise license_not_found()
    return found
