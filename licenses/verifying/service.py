"""Verifying a license (核验) however it comes.

1. A code is `presentations.service`'s. A QR code is verified as it would be offline, and then as
   the presentation it stands for is, by the license's state now or at a time asked about: it says
   what was chosen and no more. A file is verified by its seal, by being *the* file that was issued,
   and by that state. An identifier with fields is compared.
2. That a seal is good says who sealed a file, and not that they may issue what it says: whoever has
   a seal on this node can seal a face of their own making. So an original has to have the digest
   that stands in its license's row, an endorsed copy has to be in the table of copies, and of a
   credential the issuer's signature has to be one that was given out.
3. The answer is a verdict, never an error, as long as what came can be looked at; its audit record
   and, where a license was found, its holder's look are written before it leaves.
4. What does not match tells nothing: no such license and another value look alike. Who tries much
   in vain is slowed down (`licenses.guesses`); what could not be compared is said.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from licenses import held
from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.accesses.model import answered
from licenses.copies import store as copies
from licenses.copies.model import EndorsedCopy
from licenses.guesses import FILE, Guesses
from licenses.model import NEVER_IN_FORCE, License, LicenseFormat
from licenses.neighbours import Neighbours
from licenses.offline.coding import read_code
from licenses.offline.model import OfflineCode
from licenses.presentations import store as presentations
from licenses.presentations.model import (
    IDENTIFIER,
    Presentation,
    Refusal,
    purpose_step,
    shown_refusal,
)
from licenses.presentations.showing import agency_of, license_of_code
from licenses.presenting_keys import PresentingKeys
from licenses.sharing.model import identifier_in
from licenses.statuslist.service import StatusLists
from licenses.texts import check_text
from licenses.then import asked_about, check_past
from licenses.tokens import TokenError
from licenses.verifying.files import Seen, is_the_same, seen, without_binding
from licenses.verifying.model import (
    TELLS_NOTHING,
    UNDECIDED,
    Fault,
    Reason,
    Step,
    Subject,
    Verified,
    check_card,
    check_match,
    check_size,
    conclude,
    copy_refusal,
    receiver_step,
)
from licenses.verifying.steps import holder_step, state_step
from licenses.wallets.issued import IssuedCredentials
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import NotFound
from runtime.identity import Principal, Role
from runtime.records import SealedRecord, Value, instant, make_record

Steps = list[tuple[str, Step]]


class Verifying:
    """The use cases of verifying."""

    def __init__(
        self,
        database: Database,
        neighbours: Neighbours,
        statuses: StatusLists,
        keys: PresentingKeys,
        credentials: IssuedCredentials,
        clock: Clock,
        guesses: Guesses | None = None,
    ) -> None:
        self._database = database
        self._neighbours = neighbours
        self._statuses = statuses
        self._keys = keys
        self._clock = clock
        self._credentials = credentials
        self._guesses = guesses or Guesses()

    def qr(
        self,
        text: str,
        *,
        purpose: str,
        holder_code: str,
        principal: Principal,
        as_of: datetime | None = None,
        who: str = "",
        any_purpose: bool = False,
    ) -> tuple[Verified, SealedRecord]:
        """Verify a QR code, by the live state, or by the license's state at a time.

        `holder_code` is the number on the card that was seen, or "". `who`: whose tries are
        counted, where that is not the calling system; `any_purpose` where the verifier said none,
        so that none is compared in words. Raises InvalidArgument (BAD_TEXT,
        BAD_HOLDER_CODE), ResourceExhausted (TOO_MANY_UNKNOWN_CODES, TOO_MANY_GUESSES).
        """
        check_text(purpose, name="purpose")
        check_card(holder_code)
        check_past(as_of, self._clock.now())
        code, fault = self._read_qr(text)
        at = code.presentation_id if code and holder_code else ""
        with self._guesses.trying(who or principal.system, at):
            found, record = self._qr(
                code, fault, purpose, holder_code, principal, as_of, any_purpose=any_purpose
            )
            self._count(found, who or principal.system, at)
        return found, record

    def _qr(
        self,
        code: OfflineCode | None,
        fault: Reason | None,
        purpose: str,
        holder_code: str,
        principal: Principal,
        as_of: datetime | None,
        *,
        any_purpose: bool,
    ) -> tuple[Verified, SealedRecord]:
        # The slow hash, before any lock is held.
        holder = holder_step(code, holder_code)
        now = self._clock.now()
        presentation = license_ = then = None
        with self._database.unit_of_work() as work:
            steps: Steps = [("code_genuine", fault)]
            if code is not None:
                presentation = presentations.presentation_by_id(work.session, code.presentation_id)
                license_ = license_of_code(work.session, self._statuses, code, presentation)
                steps += self._of_presentation(
                    work, code, presentation, license_, purpose, principal, now
                )
                steps.append(("holder", holder))
            if license_ is not None:
                then, judged = state_step(work.session, license_, as_of, now)
                steps.append(("license_state", judged))
            fields = code.fields if code else {}
            words = None if any_purpose or not presentation else purpose_step(presentation, purpose)
            if words is not None:
                steps.append(("purpose_words", words))
            found = conclude(Subject.QR, steps, license_, then=then, fields=fields, shown=fields)
            if found.reason is None and presentation is not None:
                found = replace(
                    found,
                    shown_for=presentation.purpose,
                    agency=agency_of(work, presentation),
                )
            record = self._record(
                work, Subject.QR, found, license_, purpose, principal,
                presentation=presentation,
                shown=tuple(fields),
                as_of=as_of,
            )  # fmt: skip
        return found, record

    def file(
        self,
        data: bytes,
        *,
        purpose: str,
        as_of: datetime | None,
        principal: Principal,
        who: str = "",
        any_purpose: bool = False,
    ) -> tuple[Verified, SealedRecord]:
        """Verify an OFD, a PDF, an SD-JWT VC or an endorsed copy of this node's.

        `any_purpose`: an endorsed copy's purpose is told, and not compared. Raises InvalidArgument
        (BAD_TEXT, FILE_EMPTY, DOCUMENT_TOO_LARGE), ResourceExhausted (TOO_MANY_UNKNOWN_CODES) and
        Unavailable.
        """
        check_text(purpose, name="purpose")
        check_size(data)
        self._guesses.check(who or principal.system)
        now = self._clock.now()
        check_past(as_of, now)
        # 1. The seal, and what the file says of itself.
        credential = without_binding(data)
        is_answer = credential is not data
        data = credential
        problem = self._neighbours.document_problem(data)
        said = Seen() if problem else seen(data)
        # 2. Whose it is, and whether it is the file that was issued.
        license_, copy = None, None
        if not problem and not said.fault:
            license_, copy = self._issued(data, said)
        genuine = license_ is not None and self._is_issued(data, said, license_, copy)
        receiver = self._receiver_step(copy, principal) if copy else None
        then = copy_now = None
        with self._database.unit_of_work() as work:
            steps: Steps = [
                ("document_seal", Refusal.DOCUMENT_NOT_VERIFIED if problem else None),
                ("readable", said.fault),
            ]
            if not problem and not said.fault:
                steps.append(("issued_here", None if license_ else Fault.LICENSE_UNKNOWN))
            if license_ is not None:
                license_ = licenses.license_by_id(work.session, license_.id) or license_
                same = is_the_same(said, license_)
                steps.append(("metadata_unchanged", None if same else Refusal.METADATA_CHANGED))
                steps.append(("file_issued", None if genuine else Fault.FILE_NOT_ISSUED))
                if said.is_bound or is_answer:
                    steps.append(("key_binding", Fault.WALLET_CREDENTIAL))
                # 3. Whether it is in force, now or then, and for this purpose and receiver.
                then, judged = state_step(work.session, license_, as_of, now)
                steps.append(("license_state", judged))
                if copy is not None:
                    wanted = None if any_purpose else purpose
                    steps += [
                        ("endorsement", _of_copy(work, copy, wanted, as_of or now)),
                        ("receiver", receiver),
                    ]
                    copy_now = _of_copy(work, copy, wanted, now)
            found = conclude(
                Subject.FILE, steps, license_, detail=problem, then=then,
                endorsement=said.endorsement, shown=said.said, copy_now=copy_now,
            )  # fmt: skip
            under = copy.delegation if copy else ""
            record = self._record(
                work,
                Subject.FILE,
                found,
                license_,
                purpose,
                principal,
                delegation=under,
                as_of=as_of,
            )
        self._count(found, who or principal.system, weight=FILE)
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

        Raises InvalidArgument (BAD_TEXT, BAD_MATCH), ResourceExhausted (TOO_MANY_UNKNOWN_CODES,
        TOO_MANY_GUESSES).
        """
        check_text(purpose, name="purpose")
        check_match(identifier, fields)
        now = self._clock.now()
        check_past(as_of, now)
        with self._guesses.trying(principal.system, identifier):
            found, record = self._match(identifier, fields, purpose, as_of, now, principal)
            self._count(found, principal.system, identifier)
        return found, record

    def _match(
        self,
        identifier: str,
        fields: Mapping[str, str],
        purpose: str,
        as_of: datetime | None,
        now: datetime,
        principal: Principal,
    ) -> tuple[Verified, SealedRecord]:
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
                then, judged = state_step(work.session, license_, as_of, now)
                steps.append(("license_state", judged))
            found = conclude(Subject.FIELDS, steps, license_, then=then, shown=(IDENTIFIER,))
            record = self._record(
                work,
                Subject.FIELDS,
                found,
                license_,
                purpose,
                principal,
                shown=tuple(fields),
                as_of=as_of,
            )
        return found, record

    # --- pieces ------------------------------------------------------------------------------

    def _read_qr(self, text: str) -> tuple[OfflineCode | None, Reason | None]:
        try:
            return read_code(text.strip(), self._keys.trusted()), None
        except TokenError as error:
            known = {"FOREIGN_KEY": Fault.FOREIGN_KEY, "SIGNATURE_WRONG": Fault.SIGNATURE_WRONG}
            # What stands on every page is a license's all the same: it is no false code.
            other = Fault.IDENTIFIER_SCANNED if identifier_in(text) else Fault.QR_UNREADABLE
            return None, known.get(error.reason, other)

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
        # Kept for 30 days after its end, so one that is gone is over.
        if license_ is None and presentation is None and code.expire_time <= now:
            return [("presentation", Refusal.CODE_EXPIRED)]
        if license_ is None or license_.state in NEVER_IN_FORCE:
            return [("issued_here", Fault.LICENSE_UNKNOWN)]
        if presentation is None or presentation.license_id != license_.id:
            return [("presentation", Refusal.CODE_EXPIRED)]
        is_open = held.is_delegation_open(work.session, presentation.delegation, now)
        refusal = shown_refusal(
            presentation,
            verifier=principal.department,
            purpose=purpose,
            delegation_open=is_open,
            now=now,
        )
        # Who has the presenting key alone could sign other values, or more than was chosen.
        chosen = {key: license_.metadata.get(key) for key in presentation.fields}
        same = None if code.fields == chosen else Refusal.METADATA_CHANGED
        return [("presentation", refusal), ("metadata_unchanged", same)]

    def _issued(self, data: bytes, said: Seen) -> tuple[License | None, EndorsedCopy | None]:
        """The license a file is of: by its identifier, or by where a credential's status stands.

        And the endorsed copy that it is, if it is one.
        """
        found = copy = None
        with self._database.reading() as session:
            identifier = said.said.get("ZZBS")
            if isinstance(identifier, str):
                found = licenses.license_by_identifier(session, identifier)
            elif said.status is not None:
                license_id = self._statuses.license_at(session, said.status)
                found = licenses.license_by_id(session, license_id) if license_id else None
            if found is None or found.state in NEVER_IN_FORCE:
                return None, None
            if said.endorsement is not None:
                copy = copies.of_bytes(session, hashlib.sha256(data).hexdigest())
                copy = copy if copy and copy.license_id == found.id else None
        return found, copy

    def _is_issued(
        self, data: bytes, said: Seen, license_: License, copy: EndorsedCopy | None
    ) -> bool:
        """Whether these are the bytes that were given out (rule 2)."""
        if said.endorsement is not None:
            return copy is not None
        if said.form is not LicenseFormat.JWT:
            return hashlib.sha256(data).hexdigest() == license_.sha256(said.form)
        return self._credentials.is_issued(data, license_)

    def _receiver_step(self, copy: EndorsedCopy, principal: Principal) -> Step:
        name = ""
        if principal.department and not copy.receiver_department:
            with contextlib.suppress(NotFound):
                name = self._neighbours.issuer(principal.department).display_name
        return receiver_step(copy, principal.department, name)

    def _count(self, found: Verified, who: str, at: str = "", *, weight: float = 1.0) -> None:
        if found.reason in TELLS_NOTHING - UNDECIDED:
            wrong = found.reason in (Fault.NO_MATCH, Refusal.HOLDER_DIFFERS)
            self._guesses.count(who, at if wrong else "", weight=weight)

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
        delegation: str = "",
        as_of: datetime | None = None,
    ) -> SealedRecord:
        now = self._clock.now()
        result = found.reason.value if found.reason else "PASSED"
        facts: dict[str, Value] = {"subject": subject.value, "result": result}
        # The log, which every system reads, tells of no license: it commits to it in one shape.
        record = make_record(
            "license_verified",
            at=now,
            actor=principal.system,
            facts={**facts, "at": instant(now), **asked_about(as_of)},
            commitments={
                "purpose": purpose.encode(),
                "license": (license_.name if license_ else "").encode(),
            },
            asked=answered(purpose, found.fields),
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
                delegation=delegation or (presentation.delegation if presentation else ""),
                visitor=principal.has(Role.PORTAL),
            )
        work.record(record)
        return record


def _of_copy(
    work: UnitOfWork, copy: EndorsedCopy, purpose: str | None, at: datetime
) -> Reason | None:
    """Why an endorsed copy does not serve at a time, with the delegation it was made under."""
    is_open = held.is_delegation_open(work.session, copy.delegation, at)
    return copy_refusal(copy, purpose, at, delegation_open=is_open)
