"""Presenting a license (亮证) and verifying what is presented (核验).

1. Only who was identified as the holder presents, or as an agent under a delegation of the holder;
   a license that is not the holder's does not exist for them.
2. The code is told once and stored nowhere: a repeated request is refused, not answered.
3. Verifying answers with a verdict, never with an error, as long as the code can be looked up. The
   decision, the use it takes and its audit record are one transaction, after the document was
   verified outside it.
4. A code that opens nothing leaves no more in the log than in the answer.
5. Who tries many codes that open nothing is slowed down (`licenses.guesses`).
6. Each look is kept for the holder, with its receipt, also one that was refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from licenses import held
from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.accesses.model import answered
from licenses.checks import DocumentVerdict
from licenses.delegations import store as delegations
from licenses.delegations.model import delegation_id, is_agent
from licenses.documents import Documents
from licenses.guesses import Guesses
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from licenses.model import License
from licenses.presentations import store
from licenses.presentations.model import (
    CODE_BYTES,
    OPENS_NOTHING,
    Outcome,
    Presentation,
    Refusal,
    code_digest,
    describe,
    lifetime,
    refusal_of,
    show_code,
    uses,
)
from licenses.presentations.showing import agency_of, card_fits, presented
from licenses.texts import check_text
from licenses.then import asked_about, check_past, then_of
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import AlreadyExists, NotFound, ResourceExhausted
from runtime.identity import Principal, Role
from runtime.paging import last_of
from runtime.records import SealedRecord, Value, instant, make_record

Along = TypeVar("Along")
#: How many of one license may be open at a time.
MOST_OPEN = 200
#: How a presentation is shown, as the log tells it.
ONLINE, OFFLINE = "code", "qr"


class Presenting:
    """The use cases of presenting and verifying."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        holder_index: HolderIndex,
        clock: Clock,
        guesses: Guesses | None = None,
        issuer: Callable[[str], object] | None = None,
    ) -> None:
        """`issuer` knows the catalog's departments, and raises NotFound of others."""
        self._issuer = issuer
        self._database = database
        self._documents = documents
        self._index = holder_index
        self._clock = clock
        self._guesses = guesses or Guesses()

    def present(
        self,
        name: str,
        holder_code: str,
        *,
        fields: Sequence[str],
        purpose: str,
        audience: str,
        lifetime_seconds: int,
        max_uses: int,
        request_id: str,
        principal: Principal,
        purpose_bound: bool = False,
        delegation: str = "",
    ) -> tuple[Presentation, str]:
        """A presentation and its code, which is told only now.

        With `delegation`, `holder_code` is the agent's. Raises NotFound (LICENSE_NOT_FOUND, also
        for another holder's; DELEGATION_NOT_FOUND, DEPARTMENT_NOT_FOUND), FailedPrecondition (as
        `held.usable`), ResourceExhausted (TOO_MANY_PRESENTATIONS), AlreadyExists
        (PRESENTATION_CODE_TOLD_ONCE), InvalidArgument (UNKNOWN_FIELDS, BAD_LIFETIME, BAD_MAX_USES,
        BAD_TEXT, REQUEST_ID_REQUIRED).
        """
        code = show_code(secrets.token_bytes(CODE_BYTES))
        digest = code_digest(code)
        if digest is None:
            raise AssertionError("a code that cannot be read back")
        wanted = Presentation(
            id=secrets.token_hex(12),
            license_id="",
            fields=tuple(fields),
            audience=audience,
            expire_time=self._clock.now() + lifetime(lifetime_seconds),
            max_uses=uses(max_uses),
            uses=0,
            ended=False,
            purpose=purpose,
            purpose_bound=purpose_bound,
            delegation=delegation_id(delegation),
        )
        _, made, _ = self.make(
            name, holder_code, wanted, digest=digest, request_id=request_id, principal=principal
        )
        return made, code

    def make(
        self,
        name: str,
        holder_code: str,
        wanted: Presentation,
        *,
        digest: bytes,
        request_id: str,
        principal: Principal,
        form: str = ONLINE,
        along: Callable[[UnitOfWork, License, Presentation], Along] | None = None,
    ) -> tuple[License, Presentation, Along | None]:
        """Write a presentation that may be made; what `along` did in its transaction comes too.

        `digest` is the hash of what opens it; `form` how it is shown. Raises as `present`.
        """
        names.parse(names.LICENSE, name, field="license")
        check_text(wanted.purpose, name="purpose")
        if wanted.audience:
            names.parse(names.DEPARTMENT, wanted.audience, field="audience")
            # For nobody it would be a code that nobody can use.
            if self._issuer is not None:
                self._issuer(wanted.audience)
        check_request_id(request_id)
        check_identified(principal, holder_code, held.license_not_found)
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            if store.presentation_told(work.session, principal.system, request_id):
                raise AlreadyExists(
                    "this request was answered and its code is told only once: present again with "
                    "a fresh request_id",
                    reason="PRESENTATION_CODE_TOLD_ONCE",
                    message_zh="该请求已应答，核验码只告知一次：请用新的 request_id 重新亮证",
                )
            license_, wanted = presented(
                work, name, holder_code, wanted, now, offline=form == OFFLINE
            )
            if store.open_count(work.session, license_.id, now) >= MOST_OPEN:
                raise ResourceExhausted(
                    f"at most {MOST_OPEN} presentations of a license are open at a time: end some",
                    reason="TOO_MANY_PRESENTATIONS",
                    message_zh=f"同一证照同时有效的亮证最多 {MOST_OPEN} 次：请先结束一部分",
                )
            store.add_presentation(
                work.session,
                wanted,
                code_digest=digest,
                actor=principal.system,
                request_id=request_id,
            )
            facts: dict[str, Value] = {"form": form, "max_uses": wanted.max_uses}
            # By any of these, who was shown one code would find its maker's session in the log,
            # and with it whatever else that person did.
            hidden = {
                "fields": " ".join(wanted.fields),
                "audience": wanted.audience,
                "expire_time": instant(wanted.expire_time),
            }
            if wanted.delegation:
                hidden["delegation"] = f"delegations/{wanted.delegation}"
                hidden["agent_code"] = holder_code
            self._record(
                work, "license_presented", license_, facts, principal, presentation=wanted,
                purpose=wanted.purpose, hidden=hidden,
            )  # fmt: skip
            done = along(work, license_, wanted) if along is not None else None
        return license_, wanted, done

    def verify(
        self,
        code: str,
        *,
        purpose: str,
        principal: Principal,
        as_of: datetime | None = None,
        who: str = "",
        holder_code: str = "",
        any_purpose: bool = False,
    ) -> tuple[Outcome, SealedRecord]:
        """What a code opens for this verifier, and the audit record that tells of it.

        `as_of`: whether the license was in force then, if not now (BAD_ARGUMENT of one to come).
        `who` is whose tries are counted, where that is not the calling system; `holder_code` the
        number on the card that was seen, or ""; `any_purpose` where the verifier said none, so
        that none is compared in words. Raises InvalidArgument (BAD_TEXT), ResourceExhausted
        (TOO_MANY_UNKNOWN_CODES, TOO_MANY_GUESSES) and Unavailable (the seal service does not
        answer).
        """
        check_text(purpose, name="purpose")
        check_past(as_of, self._clock.now())
        digest = code_digest(code)
        at = f"code {digest.hex()}" if digest and holder_code else ""
        with self._guesses.trying(who or principal.system, at):
            told, record = self._verify(
                digest, purpose, principal, holder_code, as_of, any_purpose=any_purpose
            )
            if told.refusal in OPENS_NOTHING:
                wrong = told.refusal is Refusal.HOLDER_DIFFERS
                self._guesses.count(who or principal.system, at if wrong else "")
        return told, record

    def _verify(
        self,
        digest: bytes | None,
        purpose: str,
        principal: Principal,
        holder_code: str,
        as_of: datetime | None,
        *,
        any_purpose: bool,
    ) -> tuple[Outcome, SealedRecord]:
        document = None if digest is None else self._document_behind(digest, principal)
        with self._database.unit_of_work() as work:
            presentation = license_ = None
            if digest is not None:
                presentation = store.presentation_by_code(work.session, digest)
            if presentation is not None:
                license_ = licenses.license_by_id(work.session, presentation.license_id)
            now = self._clock.now()
            under = presentation.delegation if presentation else ""
            then = then_of(work.session, license_, as_of, now)
            refusal = refusal_of(
                presentation,
                license_,
                verifier=principal.department,
                purpose=purpose,
                delegation_open=held.is_delegation_open(work.session, under, now),
                now=now,
                document=document,
                card_fits=card_fits(work, presentation, license_, holder_code),
                then=then,
            )
            # The use is taken by one conditional UPDATE: of two at once, one finds none left.
            takes = presentation if refusal in (None, Refusal.NOT_IN_FORCE_THEN) else None
            if takes is not None and not store.use(work.session, takes.id):
                refusal = Refusal.CODE_USED_UP
            facts: dict[str, Value] = {
                "result": refusal.value if refusal else "PASSED",
                **asked_about(as_of),
            }
            # Every system reads the log, who tried the code too: it tells no more than the answer
            # does, and commits to the rest in one shape.
            outcome = describe(
                refusal,
                presentation,
                license_,
                document=document,
                card_seen=bool(holder_code),
                purpose="" if any_purpose else purpose,
                agency=agency_of(work, presentation),
                then=then,
            )
            # Whose license it is was not told, nor whether there is one: the salt that opens it
            # is the holder's. Who verified opens what they asked and were told.
            record = self._record(
                work, "presentation_verified", license_, facts, principal,
                presentation=presentation, purpose=purpose,
                hidden={"presentation": "", "license": "", "holder_code": ""},
                shown=tuple(outcome.fields),
                asked=answered(purpose, outcome.fields),
            )  # fmt: skip
        return outcome, record

    def listed(
        self,
        holder_code: str,
        *,
        license_: str,
        all_: bool,
        size: int,
        token: str,
        principal: Principal,
    ) -> list[tuple[Presentation, str, str]]:
        """A holder's presentations, with their licenses' names and titles, in order of id.

        At most `size` + 1: those that can still be verified, or all. Others see none.
        """
        if license_:
            names.parse(names.LICENSE, license_, field="license")
        if not check_identified(principal, holder_code):
            return []
        with self._database.reading() as session:
            return store.presentations_of(
                session,
                self._index(holder_code),
                license_id=license_.rpartition("/")[2],
                open_at=None if all_ else self._clock.now(),
                after=last_of(token),
                size=size + 1,
            )

    def end(self, name: str, holder_code: str, *, principal: Principal) -> None:
        """End a presentation of an identified holder, or of an agent who made it.

        Ending it twice changes nothing.

        Raises NotFound, PRESENTATION_NOT_FOUND.
        """
        ids = names.parse(names.PRESENTATION, name, field="presentation")
        known = check_identified(principal, holder_code)
        with self._database.unit_of_work() as work:
            presentation = store.presentation_by_id(work.session, ids["presentation"])
            license_ = delegation = None
            if presentation is not None:
                license_ = licenses.license_by_id(work.session, presentation.license_id)
                delegation = delegations.delegation_by_id(work.session, presentation.delegation)
            if (
                not known
                or not presentation
                or not license_
                or not (held.is_holder(license_, holder_code) or is_agent(delegation, holder_code))
            ):
                raise NotFound(
                    "no such presentation",
                    reason="PRESENTATION_NOT_FOUND",
                    message_zh="没有这次亮证",
                )
            if not presentation.ended:
                store.end(work.session, presentation.id)
                self._record(
                    work, "presentation_ended", license_, {}, principal,
                    presentation=presentation, purpose="",
                )  # fmt: skip

    def _document_behind(self, digest: bytes, principal: Principal) -> DocumentVerdict | None:
        """Verify the document of the license that a code opens, outside any transaction.

        Only where it can decide: a code that opens nothing costs no verification.
        """
        with self._database.reading() as session:
            presentation = store.presentation_by_code(session, digest)
            license_ = presentation and licenses.license_by_id(session, presentation.license_id)
        if not presentation or not license_ or not license_.ofd_sha256:
            return None
        if presentation.audience not in ("", principal.department):
            return None
        return self._documents.assess(license_)

    def _record(
        self,
        work: UnitOfWork,
        kind: str,
        license_: License | None,
        facts: Mapping[str, Value],
        principal: Principal,
        *,
        presentation: Presentation | None,
        purpose: str,
        hidden: Mapping[str, str] = MappingProxyType({}),
        shown: Sequence[str] = (),
        asked: Mapping[str, bytes] | None = None,
    ) -> SealedRecord:
        now = self._clock.now()
        commitments = {label: value.encode() for label, value in hidden.items()}
        if presentation is not None:
            commitments["presentation"] = presentation.name.encode()
        if purpose:
            commitments["purpose"] = purpose.encode()
        if license_ is not None:
            # Every system reads the log: by its name it would tell all that a license is used for.
            commitments["license"] = license_.name.encode()
            commitments["holder_code"] = license_.holder_code.encode()
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts=facts,
            commitments=commitments,
            asked=asked,
        )
        if license_ is not None:
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=purpose,
                record=record,
                fields=shown,
                presentation=presentation.id if presentation else "",
                result=str(facts.get("result", "")),
                delegation=presentation.delegation if presentation else "",
                visitor=principal.has(Role.PORTAL),
            )
        work.record(record)
        return record
