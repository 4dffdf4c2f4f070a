"""Two persons: what one administrator asked for, another approves. Pure."""

from __future__ import annotations

from runtime.errors import FailedPrecondition


def check_another(actor: str, *, asked: str) -> None:
    """Refuse whoever asked. Raises FailedPrecondition (SECOND_PERSON_NEEDED)."""
    if actor == asked:
        raise FailedPrecondition(
            "whoever asked does not approve: have another administrator approve it, with an "
            "identity of their own",
            reason="SECOND_PERSON_NEEDED",
            message_zh="申请人不能审批自己的申请：请由另一名管理员用其本人的身份审批",
        )


def check_thawed_by_another(actor: str, *, froze: str) -> None:
    """Refuse whoever froze it. Raises FailedPrecondition (SECOND_PERSON_NEEDED)."""
    if actor == froze:
        raise FailedPrecondition(
            "whoever froze a seal does not thaw it: have another administrator thaw it, with an "
            "identity of their own",
            reason="SECOND_PERSON_NEEDED",
            message_zh="冻结印章的人不能自行解冻：请由另一名管理员用其本人的身份解冻",
        )
