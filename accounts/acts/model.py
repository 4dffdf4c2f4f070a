"""An act that one person asks for and another confirms.

1. Whoever confirms is another than who asked, and may act for the same department.
   An applicant's account is reset by two persons of one department's counter: a terminal's own
   certificate, which its clerks share, is neither of them.
2. It is confirmed within three days, or it is over; who asked takes it back, who might confirm
   declines. What was decided stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from runtime.errors import FailedPrecondition, InvalidArgument, PermissionDenied

WAITS: Final = timedelta(days=3)
GREATEST_REASON: Final = 200


class ActKind(StrEnum):
    """See `ActKind` of accounts.proto."""

    DISABLE_ACCOUNT = "DISABLE_ACCOUNT"
    REVOKE_GRANT = "REVOKE_GRANT"
    RESET_ACCOUNT = "RESET_ACCOUNT"


class ActState(StrEnum):
    """See `ActState` of accounts.proto."""

    ASKED = "ASKED"
    CONFIRMED = "CONFIRMED"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAct:
    """An act that was asked for."""

    id: str
    kind: ActKind
    subject: str
    department: str
    reason: str
    asked_by: str
    ask_time: datetime
    expire_time: datetime
    state: ActState
    decided_by: str = ""
    decide_time: datetime | None = None

    @property
    def name(self) -> str:
        """acts/{act}."""
        return f"acts/{self.id}"

    def state_at(self, now: datetime) -> ActState:
        """Its state, as time has it (rule 2)."""
        over = self.state is ActState.ASKED and now >= self.expire_time
        return ActState.EXPIRED if over else self.state

    def check_open(self, now: datetime) -> None:
        """Raises FailedPrecondition (ACT_NOT_OPEN)."""
        state = self.state_at(now)
        if state is not ActState.ASKED:
            raise FailedPrecondition(
                f"the act is {state.value} and nobody's to decide any more: ask for it anew",
                reason="ACT_NOT_OPEN",
                message_zh="该操作已有结果或已过期，不能再确认：请重新发起",
            )

    def check_second(self, system: str) -> None:
        """Rule 1. Raises PermissionDenied (SECOND_PERSON_NEEDED)."""
        if system == self.asked_by:
            counter = self.kind is ActKind.RESET_ACCOUNT
            another = "somebody else at your counter" if counter else "another administrator"
            another_zh = "本部门另一位窗口人员" if counter else "另一位管理员"
            raise PermissionDenied(
                f"this takes a second person: {another} confirms what you asked for",
                reason="SECOND_PERSON_NEEDED",
                message_zh=f"该操作须由第二人确认：请由{another_zh}确认您的申请",
            )


def check_reason(reason: str) -> str:
    """Why, without space around it. Raises InvalidArgument (REASON_REQUIRED)."""
    found = reason.strip()
    if not 0 < len(found) <= GREATEST_REASON:
        raise InvalidArgument(
            f"say why, in 1 to {GREATEST_REASON} characters",
            reason="REASON_REQUIRED",
            message_zh=f"请说明原因（1–{GREATEST_REASON} 字）",
        )
    return found
