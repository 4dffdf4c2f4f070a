"""Presenting a license (亮证) and verifying what is presented (核验).

1. Only a counter that has identified the holder presents; a license that is not the holder's does
   not exist for it.
2. The code is told once and stored nowhere: a repeated request is refused, not answered.
3. Verifying answers with a verdict, never with an error, as long as the code can be looked up. The
   decision, the use it takes and its audit record are one transaction, after the document was
   verified outside it.
4. A code that opens nothing leaves no more in the log than in the answer.
5. Who tries many codes that open nothing is slowed down, per system.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.documents import Documents
from licenses.model import License, LicenseState, is_expired
from licenses.presentations import store
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
from runtime.database import REQUEST_ID_LIMIT, Database, UnitOfWork
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.identity import Principal
from runtime.records import Value, instant, make_record

UNKNOWN_CODES = 20
SECONDS_A_CODE = 3.0
SYSTEMS_WATCHED = 10_000
_OPENED_NOTHING = frozenset((Refusal.CODE_UNKNOWN, Refusal.WRONG_AUDIENCE))


class Presenting:
    """The use cases of presenting and verifying."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        clock: Clock,
        limit: UnknownCodes | None = None,
    ) -> None:
        self._database = database
        self._documents = documents
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
    ) -> tuple[Presentation, str]:
        """A presentation and its code, which is told only now.

        Raises NotFound (LICENSE_NOT_FOUND, also for another holder's), FailedPrecondition
        (LICENSE_NOT_IN_FORCE), AlreadyExists (PRESENTATION_CODE_TOLD_ONCE), InvalidArgument
        (UNKNOWN_FIELDS, BAD_LIFETIME, BAD_MAX_USES, BAD_TEXT, REQUEST_ID_REQUIRED).
        """
        ids = names.parse(names.LICENSE, name, field="license")
        check_text(purpose, name="purpose")
        if audience:
            names.parse(names.DEPARTMENT, audience, field="audience")
        if not 0 < len(request_id) <= REQUEST_ID_LIMIT:
            raise InvalidArgument(
                "request_id is required: a fresh UUID for each presentation",
                reason="REQUEST_ID_REQUIRED",
                message_zh="必须提供 request_id：每次亮证用新的 UUID",
            )
        now = self._clock.now()
        live_for, most_uses = lifetime(lifetime_seconds), uses(max_uses)
        code = show_code(secrets.token_bytes(CODE_BYTES))
        digest = code_digest(code)
        if digest is None:
            raise AssertionError("a code that cannot be read back")
        with self._database.unit_of_work() as work:
            if store.presentation_told(work.session, principal.system, request_id):
                raise AlreadyExists(
                    "this request was answered and its code is told only once: present again with "
                    "a fresh request_id",
                    reason="PRESENTATION_CODE_TOLD_ONCE",
                    message_zh="该请求已应答，核验码只告知一次：请用新的 request_id 重新亮证",
                )
            license_ = _holders_own(work, name, ids["license"], holder_code)
            if license_.state is not LicenseState.ACTIVE or is_expired(license_.valid_to, now):
                raise FailedPrecondition(
                    "only a license in force can be presented: see its state and its last day",
                    reason="LICENSE_NOT_IN_FORCE",
                    message_zh="证照不在有效状态或已过有效期，不能亮证",
                    state=license_.state.value,
                )
            presentation = Presentation(
                id=secrets.token_hex(12),
                license_id=license_.id,
                fields=chosen_fields(fields, license_.metadata),
                audience=audience,
                expire_time=now + live_for,
                max_uses=most_uses,
                uses=0,
                ended=False,
            )
            store.add_presentation(
                work.session,
                presentation,
                code_digest=digest,
                actor=principal.system,
                request_id=request_id,
            )
            facts: dict[str, Value] = {
                "presentation": presentation.name,
                "license": name,
                "fields": list(presentation.fields),
                "audience": audience,
                "expire_time": instant(presentation.expire_time),
                "max_uses": most_uses,
            }
            self._record(work, "license_presented", license_, facts, purpose, principal)
        return presentation, code

    def verify(self, code: str, *, purpose: str, principal: Principal) -> Outcome:
        """What a code opens for this verifier now.

        Raises InvalidArgument (BAD_TEXT), ResourceExhausted (TOO_MANY_UNKNOWN_CODES) and
        Unavailable (the seal service does not answer).
        """
        check_text(purpose, name="purpose")
        self._limit.check(principal.system)
        digest = code_digest(code)
        document = None if digest is None else self._document_behind(digest, principal)
        with self._database.unit_of_work() as work:
            presentation = license_ = None
            if digest is not None:
                presentation = store.presentation_by_code(work.session, digest)
            if presentation is not None:
                license_ = licenses.license_by_id(work.session, presentation.license_id)
            refusal = refusal_of(
                presentation,
                license_,
                verifier=principal.department,
                now=self._clock.now(),
                document=document,
            )
            # The use is taken by one conditional UPDATE: of two at once, one finds none left.
            if refusal is None and presentation and not store.use(work.session, presentation.id):
                refusal = Refusal.CODE_USED_UP
            facts: dict[str, Value] = {"result": refusal.value if refusal else "PASSED"}
            hidden: dict[str, str] = {}
            if refusal in _OPENED_NOTHING:
                # Every system reads the log, who tried the code too: it tells no more than the
                # answer does, and commits to the rest in one shape.
                hidden = {
                    "refusal": refusal.value,
                    "presentation": presentation.name if presentation else "",
                    "holder_code": "",
                }
                facts = {"result": Refusal.CODE_UNKNOWN.value}
            elif presentation and license_:
                facts |= {"presentation": presentation.name, "license": license_.name}
            self._record(work, "presentation_verified", license_, facts, purpose, principal, hidden)
        if refusal in _OPENED_NOTHING:
            self._limit.count(principal.system)
        return describe(refusal, presentation, license_, document=document)

    def end(self, name: str, holder_code: str, *, principal: Principal) -> None:
        """End a presentation of an identified holder; ending it twice changes nothing.

        Raises NotFound, PRESENTATION_NOT_FOUND.
        """
        ids = names.parse(names.PRESENTATION, name, field="presentation")
        with self._database.unit_of_work() as work:
            presentation = store.presentation_by_id(work.session, ids["presentation"])
            license_ = None
            if presentation is not None:
                license_ = licenses.license_by_id(work.session, presentation.license_id)
            if not presentation or not license_ or not is_holder(license_, holder_code):
                raise NotFound(
                    "no such presentation",
                    reason="PRESENTATION_NOT_FOUND",
                    message_zh="没有这次亮证",
                )
            if not presentation.ended:
                store.end(work.session, presentation.id)
                facts: dict[str, Value] = {"presentation": name, "license": license_.name}
                self._record(work, "presentation_ended", license_, facts, "", principal)

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
        purpose: str,
        principal: Principal,
        hidden: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        now = self._clock.now()
        commitments = {label: value.encode() for label, value in hidden.items()}
        if purpose:
            commitments["purpose"] = purpose.encode()
        if license_ is not None:
            commitments["holder_code"] = license_.holder_code.encode()
            accesses.add_access(
                work.session,
                license_.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=purpose,
            )
        work.record(
            make_record(kind, at=now, actor=principal.system, facts=facts, commitments=commitments)
        )


class UnknownCodes:
    """A bucket of wrong codes per system: 20 at once, then one every 3 seconds.

    A code has 128 bits, so nobody finds one by trying; the bound keeps a broken or hostile system
    from filling the audit log. The oldest of too many systems is forgotten.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, system: str) -> None:
        """Raises ResourceExhausted, TOO_MANY_UNKNOWN_CODES."""
        with self._lock:
            spent = self._now_spent(system)
        if spent > UNKNOWN_CODES - 1:
            raise ResourceExhausted(
                "too many codes that open nothing: check what is scanned, and try again later",
                reason="TOO_MANY_UNKNOWN_CODES",
                message_zh="无效核验码过多：请检查扫描内容，稍后再试",
                retry_after=SECONDS_A_CODE,
            )

    def count(self, system: str) -> None:
        """One more code of this system opened nothing."""
        with self._lock:
            self._spent[system] = (self._now_spent(system) + 1, self._monotonic())
            self._spent.move_to_end(system)
            while len(self._spent) > SYSTEMS_WATCHED:
                self._spent.popitem(last=False)

    def _now_spent(self, system: str) -> float:
        spent, at = self._spent.get(system, (0.0, 0.0))
        return max(0.0, spent - (self._monotonic() - at) / SECONDS_A_CODE)


def _holders_own(work: UnitOfWork, name: str, license_id: str, holder_code: str) -> License:
    """The license if it is the identified holder's; otherwise it does not exist."""
    license_ = licenses.license_by_id(work.session, license_id)
    if (
        license_ is None
        or license_.name != name
        or license_.state in NEVER_IN_FORCE
        or not is_holder(license_, holder_code)
    ):
        raise license_not_found()
    return license_
