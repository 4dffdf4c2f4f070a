"""The life of a seal: which step may follow which, and who may take it. Pure.

    (none), REJECTED ── requested ─→ REQUESTED ── approved ─→ ACTIVE ⇄ FROZEN
                                         │         (frozen, unfrozen)│     │
                                         └─ rejected → REJECTED      └──┬──┘
                                                                revoked, replaced → REVOKED

1. Two persons make a seal, and change who may use it: what one administrator asked for, another
   approves. Each may turn it down, the one who asked too: that gives nobody anything.
2. Freezing and revoking are one person's act, for they must be quick. Thawing, which has no haste,
   is another's than froze it. Each has a reason.
3. A change of the authorization waits beside the one in force, one at a time, and ends with the
   seal.
4. An approval may name by an etag what was looked at: then nothing else is approved.
5. REVOKED is the end. A rejected wish may be followed by another of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from runtime.errors import Aborted, FailedPrecondition
from seal.registry import Authorization, HeldSeal, SealState
from seal.second_person import check_another


class EventKind(StrEnum):
    """What can befall a seal."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    REVOKED = "revoked"
    REPLACED = "replaced"
    CHANGE_REQUESTED = "change_requested"
    CHANGE_APPROVED = "change_approved"
    CHANGE_REJECTED = "change_rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealEvent:
    """Something that befell a seal; `id` is 0 until it is kept, and grows with time."""

    id: int = 0
    event_time: datetime
    kind: EventKind
    actor: str
    reason: str = ""


_S = SealState
#: From which states a step may be taken, and where it leads; None is where it was.
STEPS: Final[Mapping[EventKind, tuple[frozenset[SealState], SealState | None]]] = {
    EventKind.REQUESTED: (frozenset({_S.REJECTED}), _S.REQUESTED),
    EventKind.APPROVED: (frozenset({_S.REQUESTED}), _S.ACTIVE),
    EventKind.REJECTED: (frozenset({_S.REQUESTED}), _S.REJECTED),
    EventKind.FROZEN: (frozenset({_S.ACTIVE}), _S.FROZEN),
    EventKind.UNFROZEN: (frozenset({_S.FROZEN}), _S.ACTIVE),
    EventKind.REVOKED: (frozenset({_S.ACTIVE, _S.FROZEN}), _S.REVOKED),
    EventKind.REPLACED: (frozenset({_S.ACTIVE, _S.FROZEN}), _S.REVOKED),
    EventKind.CHANGE_REQUESTED: (frozenset({_S.ACTIVE, _S.FROZEN}), None),
    EventKind.CHANGE_APPROVED: (frozenset({_S.ACTIVE, _S.FROZEN}), None),
    EventKind.CHANGE_REJECTED: (frozenset({_S.ACTIVE, _S.FROZEN}), None),
}

_STATES_ZH: Final = {
    _S.REQUESTED: "待审批",
    _S.REJECTED: "未获批准",
    _S.ACTIVE: "有效",
    _S.FROZEN: "已冻结",
    _S.REVOKED: "已废止",
}
_STEPS_SAID: Final = {
    EventKind.REQUESTED: ("asked for", "申请"),
    EventKind.APPROVED: ("approved", "批准"),
    EventKind.REJECTED: ("turned down", "驳回"),
    EventKind.FROZEN: ("frozen", "冻结"),
    EventKind.UNFROZEN: ("thawed", "解冻"),
    EventKind.REVOKED: ("revoked", "废止"),
    EventKind.REPLACED: ("replaced", "更换"),
    EventKind.CHANGE_REQUESTED: ("given another authorization", "变更授权"),
    EventKind.CHANGE_APPROVED: ("given another authorization", "变更授权"),
    EventKind.CHANGE_REJECTED: ("given another authorization", "变更授权"),
}
_WAY_OUT: Final = {
    _S.REQUESTED: ("approve it or turn it down first", "请先批准或驳回申请"),
    _S.REJECTED: ("ask for it again", "请重新申请"),
    _S.ACTIVE: ("nothing is to be done", "无需处理"),
    _S.FROZEN: ("thaw it first, or revoke it", "请先解冻，或废止"),
    _S.REVOKED: ("have a new one made", "请重新制作"),
}


def step(seal: HeldSeal, kind: EventKind) -> HeldSeal:
    """The seal after a step. Raises FailedPrecondition (SEAL_STATE), which says what to do."""
    before, after = STEPS[kind]
    if seal.state not in before:
        said, said_zh = _STEPS_SAID[kind]
        way, way_zh = _WAY_OUT[seal.state]
        raise FailedPrecondition(
            f"the seal is {seal.state} and cannot be {said}: {way}",
            reason="SEAL_STATE",
            message_zh=f"印章{_STATES_ZH[seal.state]}，不能{said_zh}：{way_zh}",
            state=seal.state.value,
        )
    return replace(seal, state=after or seal.state)


def awaited(seal: HeldSeal) -> EventKind:
    """Which approval a seal waits for. Raises FailedPrecondition (NOTHING_TO_APPROVE)."""
    if seal.state is _S.REQUESTED:
        return EventKind.APPROVED
    if seal.pending is not None:
        return EventKind.CHANGE_APPROVED
    raise FailedPrecondition(
        f"nothing waits for a decision: the seal is {seal.state}, without a change asked for",
        reason="NOTHING_TO_APPROVE",
        message_zh=f"没有待审批的事项：印章{_STATES_ZH[seal.state]}，也没有待批的变更",
        state=seal.state.value,
    )


def check_second_person(seal: HeldSeal, kind: EventKind, *, actor: str) -> None:
    """Rule 1. Raises FailedPrecondition (SECOND_PERSON_NEEDED)."""
    asked = seal.requested_by if kind is EventKind.APPROVED else seal.pending_by
    check_another(actor, asked=asked)


def check_etag(seal: HeldSeal, etag: str) -> None:
    """Rule 4. Raises Aborted (ETAG_MISMATCH)."""
    if etag and etag != etag_of(seal):
        raise Aborted(
            "the seal has changed since it was looked at: look again, then decide",
            reason="ETAG_MISMATCH",
            message_zh="印章在查看之后已有变化：请重新查看后再决定",
        )


def etag_of(seal: HeldSeal) -> str:
    """What tells one state of a seal from every other of the same name."""
    return f"{seal.revision}"


def revoke(seal: HeldSeal, kind: EventKind, *, at: datetime, replaced_by: str = "") -> HeldSeal:
    """REVOKED, by itself or by a replacement. Raises FailedPrecondition (SEAL_STATE)."""
    ended = step(seal, kind)
    return replace(ended, revoked_at=at, replaced_by=replaced_by, pending=None, pending_by="")


def ask_change(seal: HeldSeal, wanted: Authorization, *, actor: str) -> HeldSeal:
    """Rule 3. Raises FailedPrecondition: SEAL_STATE, CHANGE_PENDING."""
    asked = step(seal, EventKind.CHANGE_REQUESTED)
    if seal.pending is not None:
        raise FailedPrecondition(
            "a change of this seal's authorization waits already: approve it or turn it down first",
            reason="CHANGE_PENDING",
            message_zh="该印章已有待批的授权变更：请先批准或驳回",
        )
    return replace(asked, pending=wanted, pending_by=actor)


def decide_change(seal: HeldSeal, kind: EventKind) -> HeldSeal:
    """The change that waits takes effect, or is turned down. Raises FailedPrecondition."""
    decided = step(seal, kind)
    wanted = seal.pending if kind is EventKind.CHANGE_APPROVED else None
    return replace(decided, authorization=wanted or seal.authorization, pending=None, pending_by="")


def check_replaced(seal: HeldSeal | None, *, department: str) -> HeldSeal:
    """A seal that another may take the place of. Raises FailedPrecondition (NOT_REPLACEABLE)."""
    if seal is None or seal.department != department or seal.state not in (_S.ACTIVE, _S.FROZEN):
        raise FailedPrecondition(
            "`replaces` names no seal of this department that is made and not revoked: correct it, "
            "or leave it out and turn down a request that has it",
            reason="NOT_REPLACEABLE",
            message_zh="replaces 应为本部门已制作且未废止的印章：请更正或不填；"
            "已提交的申请请先驳回",
        )
    return seal
