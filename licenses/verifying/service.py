"""Verifying a license (核验) however it comes.

1. A code is `presentations.service`'s. A QR code is verified as it would be offline, and then as
   the presentation it stands for is, by the live state. A file is verified by its seal, by what it
   says against what was issued, and by the live state. An identifier with fields is compared.
2. The answer is a verdict, never an error, as long as what came can be looked at; its audit record
   and, where a license was found, its holder's look are written before it leaves.
3. What does not match tells nothing: no such license and another value look alike. Who tries many
   that match nothing is slowed down as by wrong codes.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.carried import carried_metadata
from licenses.copies.model import Endorsement, endorsement_of, without_endorsement
from licenses.credentials import read_credential
from licenses.delegations import store as delegations
from licenses.metadata import metadata_digest
from licenses.model import License, LicenseFormat, LicenseState
from licenses.neighbours import Neighbours
from licenses.offline.coding import read_code
from licenses.offline.model import OfflineCode, is_holders
from licenses.presentations import store as presentations
from licenses.presentations.limits import UnknownCodes
from licenses.presentations.model import NEVER_IN_FORCE, Presentation, Refusal, shown_refusal
from licenses.presenting_keys import PresentingKeys
from licenses.states import store as states
from licenses.statuslist.model import StatusRef
from licenses.statuslist.service import StatusLists
from licenses.texts import check_text
from licenses.tokens import TokenError
from licenses.verifying.model import (
    MOST_BYTES,
    Fault,
    Reason,
    Subject,
    Verified,
    check_match,
    conclude,
    endorsement_refusal,
    state_now_refusal,
    state_then_refusal,
)
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Principal
from runtime.records import SealedRecord, Value, instant, make_record
from seal import verify as sealed

Steps = list[tuple[str, Reason | None]]
_MATCHED_NOTHING = frozenset({Fault.NO_MATCH, Fault.FOREIGN_KEY, Fault.SIGNATURE_WRONG})


class Verifying:
    """The use cases of verifying."""

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        statuses: StatusLists,
        keys: PresentingKeys,
        clock: Clock,
        limit: UnknownCodes | None = None,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._statuses = statuses
        self._keys = keys
        self._clock = clock
        self._limit = limit or UnknownCodes()

    def qr(
        self, text: str, *, purpose: str, holder_code: str, principal: Principal
    ) -> tuple[Verified, SealedRecord]:
        """Verify a QR code, by the live state.

        `holder_code` is the number on the card that was seen, or "". Raises InvalidArgument
        (BAD_TEXT), ResourceExhausted (TOO_MANY_UNKNOWN_CODES).
        """
        check_text(purpose, name="purpose")
        self._limit.check(principal.system)
        now = self._clock.now()
        code, fault = self._read_qr(text)
        presentation = license_ = None
        with self._database.unit_of_work() as work:
            steps: Steps = [("code_genuine", fault)]
            if code is not None:
                presentation = presentations.presentation_by_id(work.session, code.presentation_id)
                license_ = self._at(work, code.status)
                steps += self._of_presentation(
                    work, code, presentation, license_, purpose, principal, now
                )
                differs = bool(
                    holder_code and code.holder and not is_holders(code.holder, holder_code)
                )
                steps.append(("holder", Fault.HOLDER_DIFFERS if differs else None))
            if license_ is not None:
                steps.append(("license_state", state_now_refusal(license_, now)))
            found = conclude(steps, license_, fields=code.fields if code else None)
            record = self._record(
                work, Subject.QR, found, license_, purpose, principal,
                presentation=presentation,
                shown=tuple(code.fields) if code else (),
            )  # fmt: skip
        self._count(found, principal)
        return found, record

    def file(
        self, data: bytes, *, purpose: str, as_of: datetime | None, principal: Principal
    ) -> tuple[Verified, SealedRecord]:
        """Verify an OFD, a PDF, an SD-JWT VC or an endorsed copy of this node's.

        Raises InvalidArgument (BAD_TEXT, DOCUMENT_TOO_LARGE) and Unavailable.
        """
        check_text(purpose, name="purpose")
        if not 0 < len(data) <= MOST_BYTES:
            raise InvalidArgument(
                f"a license's file has 1 to {MOST_BYTES >> 20} MiB",
                reason="DOCUMENT_TOO_LARGE",
                message_zh=f"证照文件不能为空，且不超过 {MOST_BYTES >> 20} MiB",
                violations=[FieldViolation("document", "empty or too large")],
            )
        now = self._clock.now()
        form = _form_of(data)
        # 1. The seal, outside any transaction.
        problem = self._neighbours.document_problem(data)
        said: Mapping[str, Any] = {} if problem else carried_metadata(data, form)
        endorsement, fault = _endorsement(said)
        status = _status_in(data) if form is LicenseFormat.JWT and not problem else None
        if not fault and not said and status is None:
            fault = Fault.FILE_UNREADABLE
        license_ = then = None
        with self._database.unit_of_work() as work:
            steps: Steps = [
                ("document_seal", Refusal.DOCUMENT_NOT_VERIFIED if problem else None),
                ("readable", fault),
            ]
            if not problem and not fault:
                # 2. Whose it is, and whether it says what was issued.
                license_ = self._issued(work, said, status)
                steps.append(("issued_here", None if license_ else Fault.LICENSE_UNKNOWN))
            if license_ is not None:
                same = _says_the_same(said, license_, form)
                steps.append(("metadata_unchanged", None if same else Refusal.METADATA_CHANGED))
                # 3. Whether it is in force, now or then, and for this purpose.
                then, judged = self._state(work, license_, as_of, now)
                steps.append(("license_state", judged))
                steps.append(
                    ("endorsement", endorsement_refusal(endorsement, purpose, as_of or now))
                )
            found = conclude(steps, license_, detail=problem, then=then, endorsement=endorsement)
            record = self._record(work, Subject.FILE, found, license_, purpose, principal)
        return found, record

    def match(
        self,
        identifier: str,
        fields: Mapping[str, str],
        *,
        purpose: str,
        as_of: datetime | None,
        principal: Principal,
    ) -> tuple[Verified, SealedRecord]:
        """Compare fields with the license that has an identifier: match, or no match.

        Raises InvalidArgument (BAD_TEXT, BAD_MATCH), ResourceExhausted (TOO_MANY_UNKNOWN_CODES).
        """
        check_text(purpose, name="purpose")
        check_match(identifier, fields)
        self._limit.check(principal.system)
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            license_ = licenses.license_by_identifier(work.session, identifier)
            if license_ is not None and license_.state in NEVER_IN_FORCE:
                license_ = None
            held = license_.metadata if license_ else {}
            # Every field is compared, so that how many fit is told by no time.
            same = [
                hmac.compare_digest(held.get(key, "").encode(), value.encode()) and key in held
                for key, value in fields.items()
            ]
            steps: Steps = [("fields_match", None if all(same) else Fault.NO_MATCH)]
            then = None
            if license_ is not None and all(same):
                then, judged = self._state(work, license_, as_of, now)
                steps.append(("license_state", judged))
            found = conclude(steps, license_, then=then)
            record = self._record(
                work, Subject.FIELDS, found, license_, purpose, principal, shown=tuple(fields)
            )
        self._count(found, principal)
        return found, record

    # --- pieces ------------------------------------------------------------------------------

    def _read_qr(self, text: str) -> tuple[OfflineCode | None, Reason | None]:
        try:
            return read_code(text.strip(), self._keys.trusted()), None
        except TokenError as error:
            known = {"FOREIGN_KEY": Fault.FOREIGN_KEY, "SIGNATURE_WRONG": Fault.SIGNATURE_WRONG}
            return None, known.get(error.reason, Fault.QR_UNREADABLE)

    def _of_presentation(
        self,
        work: UnitOfWork,
        code: OfflineCode,
        presentation: Presentation | None,
        license_: License | None,
        purpose: str,
        principal: Principal,
        now: datetime,
    ) -> Steps:
        """What the presentation behind a QR code says: ended, expired, for whom, for what."""
        if license_ is None or license_.state in NEVER_IN_FORCE:
            return [("issued_here", Fault.LICENSE_UNKNOWN)]
        if presentation is None or presentation.license_id != license_.id:
            # Kept for 30 days after its end, so one that is gone is over.
            return [("presentation", Refusal.CODE_EXPIRED)]
        under = delegations.delegation_by_id(work.session, presentation.delegation)
        is_open = not presentation.delegation or (under is not None and under.is_open(now))
        refusal = shown_refusal(
            presentation,
            verifier=principal.department,
            purpose=purpose,
            delegation_open=is_open,
            now=now,
        )
        return [("presentation", refusal)]

    def _at(self, work: UnitOfWork, ref: StatusRef) -> License | None:
        license_id = self._statuses.license_at(work.session, ref)
        return licenses.license_by_id(work.session, license_id) if license_id else None

    def _issued(
        self, work: UnitOfWork, said: Mapping[str, Any], status: StatusRef | None
    ) -> License | None:
        """The license a file is of: by its identifier, or by where a credential's status stands."""
        found = None
        identifier = said.get("ZZBS")
        if isinstance(identifier, str):
            found = licenses.license_by_identifier(work.session, identifier)
        elif status is not None:
            found = self._at(work, status)
        return None if found is None or found.state in NEVER_IN_FORCE else found

    def _state(
        self, work: UnitOfWork, license_: License, as_of: datetime | None, now: datetime
    ) -> tuple[LicenseState | None, Reason | None]:
        if as_of is None:
            return None, state_now_refusal(license_, now)
        if as_of > now:
            raise InvalidArgument(
                "as_of must not be in the future",
                reason="BAD_ARGUMENT",
                message_zh="as_of 不能晚于当前时间",
                violations=[FieldViolation("as_of", "in the future")],
            )
        known = states.state_at(work.session, license_.id, as_of)
        then = known[0] if known else None
        return then, state_then_refusal(license_, then, as_of)

    def _count(self, found: Verified, principal: Principal) -> None:
        if found.reason in _MATCHED_NOTHING:
            self._limit.count(principal.system)

    def _record(
        self,
        work: UnitOfWork,
        subject: Subject,
        found: Verified,
        license_: License | None,
        purpose: str,
        principal: Principal,
        *,
        presentation: Presentation | None = None,
        shown: Sequence[str] = (),
    ) -> SealedRecord:
        now = self._clock.now()
        result = found.reason.value if found.reason else "PASSED"
        facts: dict[str, Value] = {"subject": subject.value, "result": result}
        # The log tells no more of a license than the answer did.
        if found.license is not None:
            facts["license"] = found.license.name
        record = make_record(
            "license_verified",
            at=now,
            actor=principal.system,
            facts={**facts, "at": instant(now)},
            commitments={
                "purpose": purpose.encode(),
                "license": (license_.name if license_ else "").encode(),
            },
        )
        if license_ is not None:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind="license_verified",
                purpose=purpose,
                record=record,
                fields=shown if found.reason is None else (),
                presentation=presentation.id if presentation else "",
                result=result,
            )
        work.record(record)
        return record


def _form_of(data: bytes) -> LicenseFormat:
    """By the first bytes, as `seal.verify` tells; what is none of the three fails there."""
    if data.startswith(b"%PDF-"):
        return LicenseFormat.PDF
    return LicenseFormat.JWT if data.startswith(b"eyJ") else LicenseFormat.OFD


def _endorsement(said: Mapping[str, Any]) -> tuple[Endorsement | None, Reason | None]:
    try:
        return endorsement_of(said), None
    except InvalidArgument:
        return None, Fault.FILE_UNREADABLE


def _says_the_same(said: Mapping[str, Any], license_: License, form: LicenseFormat) -> bool:
    """Whether a file says what was issued: all of it, or of a credential what was disclosed."""
    if form is LicenseFormat.JWT:
        return all(license_.metadata.get(key) == value for key, value in said.items())
    return metadata_digest(without_endorsement(said)) == license_.metadata_sha256


def _status_in(data: bytes) -> StatusRef | None:
    """Where a credential says that its status stands."""
    try:
        read_credential(data)
        claims = sealed.read_credential(data).claims
        status = claims["status"]["status_list"]
        uri, index = status["uri"], status["idx"]
    except (InvalidArgument, KeyError, TypeError):
        return None
    if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool):
        return None
    return StatusRef(uri=uri, index=index) if 0 <= index < 1 << 31 else None
