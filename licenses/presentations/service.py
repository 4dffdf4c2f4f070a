"""Presenting a license (亮证) and verifying what is presented (核验).

1. Only who was identified as the holder presents, or as an agent under a delegation of the holder;
   a license that is not the holder's does not exist for them.
2. The code is told once and stored nowhere: a repeated request is refused, not answered.
3. Verifying answers with a verdict, never with an error, as long as the code can be looked up. The
   decision, the use it takes and its audit record are one transaction, after the document was
   verified outside it.
4. A code that opens nothing leaves no more in the log than in the answer.
5. Who tries many codes that open nothing is slowed down (`limits`).
6. Each look is kept for the holder, with its receipt, also one that was refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.delegations import store as delegations
from licenses.delegations.model import Delegation, decide
from licenses.delegations.service import delegation_not_found, is_agent
from licenses.documents import Documents
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from licenses.model import License, LicenseState, is_expired
from licenses.presentations import store
from licenses.presentations.limits import UnknownCodes
from licenses.presentations.model import (
    CODE_BYTES,
    NEVER_IN_FORCE,
    DocumentVerdict,
    Outcome,
    Presentation,
    Refusal,
    chosen_fields,
    code_digest,
    describe,
    lifetime,
    refusal_of,
    show_code,
    uses,
)
from licenses.reading import is_holder, license_not_found
from licenses.texts import check_text
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from runtime.identity import Principal
from runtime.paging import last_of
from runtime.records import SealedRecord, Value, instant, make_record

Along = TypeVar("Along")
#: Of these nobody learns from the log which presentation was tried.
_HIDDEN = frozenset((Refusal.CODE_UNKNOWN, Refusal.WRONG_AUDIENCE))
_COUNTED = _HIDDEN | {Refusal.WRONG_PURPOSE}


class Presenting:
    """The use cases of presenting and verifying."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        holder_index: HolderIndex,
        clock: Clock,
        limit: UnknownCodes | None = None,
    ) -> None:
        self._database = database
        self._documents = documents
        self._index = holder_index
        self._clock = clock
        self._limit = limit or UnknownCodes()

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
        for another holder's; DELEGATION_NOT_FOUND), FailedPrecondition (LICENSE_NOT_IN_FORCE, and
        as `delegations.model.decide`), AlreadyExists (PRESENTATION_CODE_TOLD_ONCE),
        InvalidArgument (UNKNOWN_FIELDS, BAD_LIFETIME, BAD_MAX_USES, BAD_TEXT,
        REQUEST_ID_REQUIRED).
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
        form: str = "code",
        along: Callable[[UnitOfWork, License, Presentation], Along] | None = None,
    ) -> tuple[License, Presentation, Along | None]:
        """Write a presentation that may be made; what `along` did in its transaction comes too.

        `digest` is the hash of what opens it; `form` how it is shown. Raises as `present`.
        """
        names.parse(names.LICENSE, name, field="license")
        check_text(wanted.purpose, name="purpose")
        if wanted.audience:
            names.parse(names.DEPARTMENT, wanted.audience, field="audience")
        check_request_id(request_id)
        check_identified(principal, holder_code, license_not_found)
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            if store.presentation_told(work.session, principal.system, request_id):
                raise AlreadyExists(
                    "this request was answered and its code is told only once: present again with "
                    "a fresh request_id",
                    reason="PRESENTATION_CODE_TOLD_ONCE",
                    message_zh="该请求已应答，核验码只告知一次：请用新的 request_id 重新亮证",
                )
            license_, wanted = _presented(work, name, holder_code, wanted, now)
            store.add_presentation(
                work.session,
                wanted,
                code_digest=digest,
                actor=principal.system,
                request_id=request_id,
            )
            facts: dict[str, Value] = {
                "presentation": wanted.name,
                "license": name,
                "form": form,
                "fields": list(wanted.fields),
                "audience": wanted.audience,
                "expire_time": instant(wanted.expire_time),
                "max_uses": wanted.max_uses,
            }
            hidden: dict[str, str] = {}
            if wanted.delegation:
                facts["delegation"] = f"delegations/{wanted.delegation}"
                hidden["agent_code"] = holder_code
            self._record(
                work, "license_presented", license_, facts, principal, presentation=wanted,
                purpose=wanted.purpose, hidden=hidden,
            )  # fmt: skip
            done = along(work, license_, wanted) if along is not None else None
        return license_, wanted, done

    def verify(
        self, code: str, *, purpose: str, principal: Principal
    ) -> tuple[Outcome, SealedRecord]:
        """What a code opens for this verifier now, and the audit record that tells of it.

        Raises InvalidArgument (BAD_TEXT), ResourceExhausted (TOO_MANY_UNKNOWN_CODES) and
        Unavailable (the seal service does not answer).
        """
        check_text(purpose, name="purpose")
        self._limit.check(principal.system)
        digest = code_digest(code)
        document = None if digest is None else self._document_behind(digest, principal)
        with self._database.unit_of_work() as work:
            presentation = license_ = delegation = None
            if digest is not None:
                presentation = store.presentation_by_code(work.session, digest)
            if presentation is not None:
                license_ = licenses.license_by_id(work.session, presentation.license_id)
                delegation = delegations.delegation_by_id(work.session, presentation.delegation)
            now = self._clock.now()
            refusal = refusal_of(
                presentation,
                license_,
                verifier=principal.department,
                purpose=purpose,
                delegation_open=_is_open(presentation, delegation, now),
                now=now,
                document=document,
            )
            # The use is taken by one conditional UPDATE: of two at once, one finds none left.
            if refusal is None and presentation and not store.use(work.session, presentation.id):
                refusal = Refusal.CODE_USED_UP
            facts: dict[str, Value] = {"result": refusal.value if refusal else "PASSED"}
            hidden: dict[str, str] = {}
            if refusal in _HIDDEN:
                # Every system reads the log, who tried the code too: it tells no more than the
                # answer does, and commits to the rest in one shape.
                hidden = {
                    "presentation": presentation.name if presentation else "",
                    "holder_code": "",
                }
            elif presentation and license_:
                facts |= {"presentation": presentation.name, "license": license_.name}
            record = self._record(
                work, "presentation_verified", license_, facts, principal,
                presentation=presentation, purpose=purpose, hidden=hidden,
                shown=presentation.fields if presentation and not refusal else (),
            )  # fmt: skip
        if refusal in _COUNTED:
            self._limit.count(principal.system)
        return describe(refusal, presentation, license_, document=document), record

    def listed(
        self,
        holder_code: str,
        *,
        license_: str,
        all_: bool,
        size: int,
        token: str,
        principal: Principal,
    ) -> list[tuple[Presentation, str]]:
        """A holder's presentations with their licenses' names, in order of id: at most `size` + 1.

        Those that can still be verified, or all. Others than the holder see none.
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
                or not (is_holder(license_, holder_code) or is_agent(delegation, holder_code))
            ):
                raise NotFound(
                    "no such presentation",
                    reason="PRESENTATION_NOT_FOUND",
                    message_zh="没有这次亮证",
                )
            if not presentation.ended:
                store.end(work.session, presentation.id)
                facts: dict[str, Value] = {"presentation": name, "license": license_.name}
                self._record(
                    work, "presentation_ended", license_, facts, principal,
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
        facts: dict[str, Value],
        principal: Principal,
        *,
        presentation: Presentation | None,
        purpose: str,
        hidden: Mapping[str, str] = MappingProxyType({}),
        shown: Sequence[str] = (),
    ) -> SealedRecord:
        now = self._clock.now()
        commitments = {label: value.encode() for label, value in hidden.items()}
        if purpose:
            commitments["purpose"] = purpose.encode()
        if license_ is not None:
            commitments["holder_code"] = license_.holder_code.encode()
        record = make_record(
            kind, at=now, actor=principal.system, facts=facts, commitments=commitments
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
            )
        work.record(record)
        return record


def delegation_id(name: str) -> str:
    """The id in a delegation's name; "" is none. Raises InvalidArgument."""
    return names.parse(names.DELEGATION, name, field="delegation")["delegation"] if name else ""


def _presented(
    work: UnitOfWork, name: str, holder_code: str, wanted: Presentation, now: datetime
) -> tuple[License, Presentation]:
    """The license, and the presentation of it that may be made. Raises as `present`."""
    holder, until = holder_code, wanted.expire_time
    if wanted.delegation:
        delegation = delegations.delegation_by_id(work.session, wanted.delegation)
        if delegation is None or not is_agent(delegation, holder_code):
            raise delegation_not_found()
        decide(delegation, name, wanted.purpose, now)
        holder, until = delegation.grantor_code, min(until, delegation.expire_time)
    license_ = _holders_own(work, name, holder)
    if license_.state is not LicenseState.ACTIVE or is_expired(license_.valid_to, now):
        raise FailedPrecondition(
            "only a license in force can be presented: see its state and its last day",
            reason="LICENSE_NOT_IN_FORCE",
            message_zh="证照不在有效状态或已过有效期，不能亮证",
            state=license_.state.value,
        )
    chosen = chosen_fields(wanted.fields, license_.metadata)
    return license_, replace(wanted, license_id=license_.id, fields=chosen, expire_time=until)


def _is_open(
    presentation: Presentation | None, delegation: Delegation | None, now: datetime
) -> bool:
    """Whether the delegation under which a presentation was made still allows it."""
    if presentation is None or not presentation.delegation:
        return True
    return delegation is not None and delegation.is_open(now)


def _holders_own(work: UnitOfWork, name: str, holder_code: str) -> License:
    """The license if it is the holder's; otherwise it does not exist."""
    license_ = licenses.license_by_id(work.session, name.rpartition("/")[2])
    if (
        license_ is None
        or license_.name != name
        or license_.state in NEVER_IN_FORCE
        or not is_holder(license_, holder_code)
    ):
        raise license_not_found()
    return license_
