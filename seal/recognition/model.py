"""The recognition of another authority: which step may follow which, and who may take it. Pure.

    (none), REJECTED ── proposed ─→ PROPOSED ── approved ─→ RECOGNISED ── withdrawn ─→ WITHDRAWN
                                        └── rejected ─→ REJECTED

1. What widens trust takes two persons: what one administrator asks for (a recognition, or other
   terms of one), another approves, who names by an etag what was looked at.
2. What narrows trust takes one, for it must be quick: turning down, withdrawing, and a newer
   revocation list, which its own signature proves.
3. A withdrawal is as of a time, past or future. It is never undone, and only moved to an earlier
   time: who is recognised again gets a new name, by two persons.
4. Other terms wait beside those in force, one at a time, and end with the recognition.
5. What was made before a withdrawal is judged as if there were none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from runtime.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from seal.judging.plainly import china_time
from seal.pki.certificates import parse_certificate
from seal.second_person import check_another
from seal.trust import Purpose, RevocationPolicy, TrustAnchor


class AuthorityState(StrEnum):
    """How far a recognition is."""

    PROPOSED = "PROPOSED"
    REJECTED = "REJECTED"
    RECOGNISED = "RECOGNISED"
    WITHDRAWN = "WITHDRAWN"


_S = AuthorityState
#: Whose anchors a verifier holds, and anybody may read: those of the past are trusted for the past.
EVER_IN_FORCE: Final = frozenset({_S.RECOGNISED, _S.WITHDRAWN})
#: Whose anchors nobody else may claim.
LIVE: Final = frozenset({_S.PROPOSED, _S.RECOGNISED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A certificate (DER) that trust begins with, for what was made from `begin` to `end`.

    Empty `suites` allow any. `makers` are the SHA-256 (hexadecimal) of the only certificates that
    make seals beneath it; empty says nothing of that.
    """

    certificate: bytes
    begin: datetime
    end: datetime
    purposes: frozenset[Purpose]
    suites: frozenset[str] = frozenset()
    makers: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of the certificate, hex."""
        return parse_certificate(self.certificate).fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms an authority is recognised; it has a credit code or a foreign id."""

    display_name: str
    credit_code: str = ""
    foreign_id: str = ""
    anchors: tuple[Anchor, ...]
    intermediates: tuple[bytes, ...] = ()
    revocation_required: bool = False
    grace: timedelta = timedelta(0)
    list_urls: tuple[str, ...] = ()
    legal_basis: str

    @property
    def issuers(self) -> tuple[bytes, ...]:
        """Every certificate that may issue others beneath these terms."""
        return (*(one.certificate for one in self.anchors), *self.intermediates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority as held. Times are aware UTC in whole seconds.

    `revision` grows with every step, `lists_revision` with every revocation list.
    """

    name: str
    state: AuthorityState
    terms: Terms
    proposed_by: str
    create_time: datetime
    pending: Terms | None = None
    pending_by: str = ""
    approved_by: str = ""
    approve_time: datetime | None = None
    withdraw_time: datetime | None = None
    revision: int = 1
    lists_revision: int = 0

    @property
    def source(self) -> str:
        """The trust list that a report names."""
        return f"recognised: {self.terms.display_name} ({self.name})"

    def trust_anchors(self) -> tuple[TrustAnchor, ...]:
        """What a verifier trusts; rule 5 is the end of their windows."""
        return tuple(
            TrustAnchor(
                name=parse_certificate(one.certificate).subject,
                certificate=one.certificate,
                valid_from=one.begin,
                valid_to=min(one.end, self.withdraw_time) if self.withdraw_time else one.end,
                purposes=one.purposes,
                suites=one.suites,
                makers=one.makers,
                source=self.source,
                policy=RevocationPolicy(
                    grace=self.terms.grace, required=self.terms.revocation_required
                ),
            )
            for one in self.terms.anchors
        )


class EventKind(StrEnum):
    """What can befall an authority."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    CHANGE_PROPOSED = "change_proposed"
    CHANGE_APPROVED = "change_approved"
    CHANGE_REJECTED = "change_rejected"
    LIST_ADDED = "list_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityEvent:
    """Something that befell an authority; `id` is 0 until it is kept, and grows with time.

    `sha256` are the anchors of the terms that it was about, or the revocation list.
    """

    id: int = 0
    event_time: datetime
    kind: EventKind
    actor: str
    reason: str = ""
    sha256: tuple[str, ...] = ()
    withdraw_time: datetime | None = None


# --- steps -------------------------------------------------------------------------------------

#: From which states a step may be taken, and where it leads; None is where it was.
STEPS: Final[Mapping[EventKind, tuple[frozenset[AuthorityState], AuthorityState | None]]] = {
    EventKind.PROPOSED: (frozenset({_S.REJECTED}), _S.PROPOSED),
    EventKind.APPROVED: (frozenset({_S.PROPOSED}), _S.RECOGNISED),
    EventKind.REJECTED: (frozenset({_S.PROPOSED}), _S.REJECTED),
    EventKind.WITHDRAWN: (frozenset({_S.RECOGNISED, _S.WITHDRAWN}), _S.WITHDRAWN),
    EventKind.CHANGE_PROPOSED: (frozenset({_S.RECOGNISED}), None),
    EventKind.CHANGE_APPROVED: (frozenset({_S.RECOGNISED}), None),
    EventKind.CHANGE_REJECTED: (frozenset({_S.RECOGNISED}), None),
    EventKind.LIST_ADDED: (frozenset({_S.PROPOSED, _S.RECOGNISED, _S.WITHDRAWN}), None),
}
_STATES_ZH: Final = {
    _S.PROPOSED: "待审批",
    _S.REJECTED: "未获批准",
    _S.RECOGNISED: "已互认",
    _S.WITHDRAWN: "已撤回互认",
}
_STEPS_SAID: Final = {
    EventKind.PROPOSED: ("proposed", "再次申请"),
    EventKind.APPROVED: ("approved", "批准"),
    EventKind.REJECTED: ("turned down", "驳回"),
    EventKind.WITHDRAWN: ("withdrawn", "撤回"),
    EventKind.CHANGE_PROPOSED: ("given other terms", "变更条款"),
    EventKind.CHANGE_APPROVED: ("given other terms", "变更条款"),
    EventKind.CHANGE_REJECTED: ("given other terms", "变更条款"),
    EventKind.LIST_ADDED: ("given a revocation list", "添加吊销列表"),
}
_WAY_OUT: Final = {
    _S.PROPOSED: ("approve it or turn it down first", "请先批准或驳回申请"),
    _S.REJECTED: ("propose it again", "请重新申请"),
    _S.RECOGNISED: ("nothing is to be done", "无需处理"),
    _S.WITHDRAWN: ("propose it under a new name", "请以新的名称重新申请互认"),
}


def step(authority: Authority, kind: EventKind) -> Authority:
    """The authority after a step. Raises FailedPrecondition (AUTHORITY_STATE): what to do."""
    before, after = STEPS[kind]
    if authority.state not in before:
        said, said_zh = _STEPS_SAID[kind]
        way, way_zh = _WAY_OUT[authority.state]
        raise FailedPrecondition(
            f"the authority is {authority.state} and cannot be {said}: {way}",
            reason="AUTHORITY_STATE",
            message_zh=f"该机构{_STATES_ZH[authority.state]}，不能{said_zh}：{way_zh}",
            state=authority.state.value,
        )
    return replace(authority, state=after or authority.state)


def awaited(authority: Authority) -> EventKind:
    """Which approval an authority waits for. Raises FailedPrecondition (NOTHING_TO_APPROVE)."""
    if authority.state is _S.PROPOSED:
        return EventKind.APPROVED
    if authority.pending is not None:
        return EventKind.CHANGE_APPROVED
    raise FailedPrecondition(
        f"nothing waits for a decision: the authority is {authority.state}, without a change asked "
        "for",
        reason="NOTHING_TO_APPROVE",
        message_zh=f"没有待审批的事项：该机构{_STATES_ZH[authority.state]}，也没有待批的变更",
        state=authority.state.value,
    )


def check_second_person(authority: Authority, kind: EventKind, *, actor: str) -> None:
    """Rule 1. Raises FailedPrecondition (SECOND_PERSON_NEEDED)."""
    asked = authority.proposed_by if kind is EventKind.APPROVED else authority.pending_by
    check_another(actor, asked=asked)


def check_etag(authority: Authority, etag: str) -> None:
    """Rule 1. Raises InvalidArgument (ETAG_REQUIRED), Aborted (ETAG_MISMATCH)."""
    if not etag:
        raise InvalidArgument(
            "say by its etag what was looked at (etag, --etag): `trust show` tells it",
            reason="ETAG_REQUIRED",
            message_zh="请用 etag（--etag）指明所查看的内容：见 `trust show`",
        )
    if etag != etag_of(authority):
        raise Aborted(
            "the authority has changed since it was looked at: look again, then decide",
            reason="ETAG_MISMATCH",
            message_zh="该机构在查看之后已有变化：请重新查看后再决定",
        )


def etag_of(authority: Authority) -> str:
    """What tells one state of an authority from every other of the same name."""
    return f"{authority.revision}"


def approve(authority: Authority, kind: EventKind, *, actor: str, at: datetime) -> Authority:
    """What waits takes effect. Raises FailedPrecondition (AUTHORITY_STATE)."""
    after = step(authority, kind)
    if kind is EventKind.CHANGE_APPROVED and authority.pending is not None:
        after = replace(
            after,
            terms=authority.pending,
            proposed_by=authority.pending_by,
            pending=None,
            pending_by="",
        )
    return replace(after, approved_by=actor, approve_time=at)


def reject(authority: Authority) -> tuple[EventKind, Authority]:
    """What waits is turned down. Raises FailedPrecondition (NOTHING_TO_APPROVE)."""
    if awaited(authority) is EventKind.APPROVED:
        return EventKind.REJECTED, step(authority, EventKind.REJECTED)
    kind = EventKind.CHANGE_REJECTED
    return kind, replace(step(authority, kind), pending=None, pending_by="")


def ask_change(authority: Authority, wanted: Terms, *, actor: str) -> Authority:
    """Rule 4. Raises FailedPrecondition: AUTHORITY_STATE, CHANGE_PENDING."""
    asked = step(authority, EventKind.CHANGE_PROPOSED)
    if authority.pending is not None:
        raise FailedPrecondition(
            "a change of this authority's terms waits already: approve it or turn it down first",
            reason="CHANGE_PENDING",
            message_zh="该机构已有待批的条款变更：请先批准或驳回",
        )
    return replace(asked, pending=wanted, pending_by=actor)


def withdraw(authority: Authority, *, at: datetime) -> Authority:
    """Rule 3. Raises FailedPrecondition: AUTHORITY_STATE, WITHDRAWN_EARLIER."""
    ended = step(authority, EventKind.WITHDRAWN)
    if authority.withdraw_time is not None and at >= authority.withdraw_time:
        raise FailedPrecondition(
            f"the recognition is withdrawn as of {china_time(authority.withdraw_time)} already, "
            "and that is only moved to an earlier time: propose the authority under a new name",
            reason="WITHDRAWN_EARLIER",
            message_zh=f"互认已自 {china_time(authority.withdraw_time)} 起撤回，"
            "只能改为更早的时间：如需恢复，请以新的名称重新申请互认",
        )
    return replace(ended, withdraw_time=at, pending=None, pending_by="")


def authority_not_found() -> NotFound:
    """The one refusal for an authority that is absent and for one that is not shown."""
    return NotFound(
        "no such authority: see `trust list` for those that are recognised",
        reason="AUTHORITY_NOT_FOUND",
        message_zh="没有该机构：已互认的机构见 `trust list`",
    )
