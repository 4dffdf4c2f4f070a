"""Reminders and escalation: which clocks are told to whom, and when.

1. A reminder comes some working days before the due day, to who must act; so does the notice that
   the day is over. Some working days later the authority of the region is told.
2. One is acknowledged once, by whom it is for. That tells of reading: the clock goes on.
3. Each is given once for a due day; after an extension the new due day has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from runtime.workdays import Workdays

REMIND_BEFORE = 2
ESCALATE_AFTER = 3
GREATEST_AHEAD = 60
_ONE = timedelta(days=1)


class Stage(StrEnum):
    """What a notice says."""

    REMINDER = "reminder"
    OVERDUE = "overdue"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice to a department; `recipient` is empty where the node's administrators are meant."""

    number: int = 0
    deadline: str
    subject: str = ""
    kind: str = ""
    stage: Stage
    due: date
    recipient: str
    create_time: datetime
    acknowledge_time: datetime | None = None
    acknowledged_by: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Due days, both included; the first may be open."""

    first: date | None
    last: date


def spans(
    today: date, calendar: Workdays, *, remind_before: int, escalate_after: int
) -> dict[Stage, Span]:
    """The due days whose clocks get each notice today."""
    # The newest due day after which so many working days have come, today among them.
    late = today - _ONE
    while calendar.between(late, today) < escalate_after:
        late -= _ONE
    return {
        Stage.REMINDER: Span(today, calendar.after(today, remind_before).day),
        Stage.OVERDUE: Span(None, today - _ONE),
        Stage.ESCALATION: Span(None, late),
    }
