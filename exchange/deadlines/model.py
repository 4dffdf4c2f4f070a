"""Deadlines in working days: when a clock is due, stopped, late.

1. A working day counts where the clock ran through the whole of it. So the day of the start does
   not count, nor does any day that a pause touches, its first and its last included.
2. Due is the day on which the last of the counted days ends; who finishes on it is in time. A
   paused clock has no due day, unless it was over before: a pause takes no lateness away. A pause
   by hand has its last day (`until`), after which the clock goes on by itself, and so a due day:
   all of them together stop a clock for `GREATEST_PAUSED` working days at the most.
3. How many days, and how many an extension may add, are written down at the start: a later change
   of a table moves no clock that runs. A later change of the calendar does.
4. An extension has a reason, comes before the due day is over, and never exceeds what its kind
   allows, all extensions of a clock together.
5. A finished clock is MET or LATE and stands; a cancelled one was neither.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from runtime import names
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound
from runtime.identity import Principal, Role
from runtime.workdays import Reached, Workdays, china_day

GREATEST_PAUSES = 50
#: Working days that all pauses by hand of a clock may stop it together.
GREATEST_PAUSED = 20
GREATEST_EXTENSIONS = 20
GREATEST_REASON = 500
_ONE = timedelta(days=1)


class DeadlineState(StrEnum):
    """State of a clock; that a running one is late is told by its due day and never stored."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    LATE = "late"
    CANCELLED = "cancelled"


OPEN_STATES = (DeadlineState.RUNNING, DeadlineState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which the clock stood; without an end it still does."""

    start: datetime
    end: datetime | None = None
    reason: str
    by: str
    #: The last day on which it can stand; None while something of the asker is awaited.
    until: date | None = None

    @property
    def last(self) -> date | None:
        """The last day on which the clock stood or will; None where it is not known yet."""
        ended = None if self.end is None else china_day(self.end)
        return min((day for day in (ended, self.until) if day is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Working days that were added."""

    days: int
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One clock over one act that somebody owes.

    `subject` is the resource name that it is about, `department` who must act; `due` is a day in
    China, None while a pause leaves it open.
    """

    name: str
    subject: str
    kind: str
    department: str
    region_code: str
    jurisdiction: str
    days: int
    extension_limit: int
    start_time: datetime
    pauses: tuple[Pause, ...] = ()
    extensions: tuple[Extension, ...] = ()
    state: DeadlineState = DeadlineState.RUNNING
    due: date | None = None
    provisional: bool = False
    end_time: datetime | None = None
    #: Derived once: whoever the subject belongs to may know of its clock.
    owner: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "owner", names.department_of(self.subject))

    @property
    def open(self) -> bool:
        """Whether the act is still owed."""
        return self.state in OPEN_STATES

    @property
    def extended(self) -> int:
        """Working days added so far."""
        return sum(extension.days for extension in self.extensions)

    def late_at(self, now: datetime) -> bool:
        """Whether the act came, or has not come, after its due day."""
        return self.state is DeadlineState.LATE or (
            self.open and self.due is not None and china_day(now) > self.due
        )

    def days_over(self, now: datetime, calendar: Workdays) -> int:
        """Working days between the due day and the act, or now; 0 where it is in time."""
        if self.due is None or not self.late_at(now):
            return 0
        return calendar.between(self.due, china_day(self.end_time or now))

    def days_left(self, now: datetime, calendar: Workdays) -> int:
        """Working days after today up to the due day; 0 on it and where none is set."""
        return 0 if self.due is None else calendar.between(china_day(now), self.due)


def begin(
    *,
    name: str,
    subject: str,
    kind: str,
    department: str,
    region_code: str,
    jurisdiction: str,
    days: int,
    extension_limit: int,
    at: datetime,
    calendar: Workdays,
) -> Deadline:
    """A clock that starts now."""
    made = Deadline(
        name=name,
        subject=subject,
        kind=kind,
        department=department,
        region_code=region_code,
        jurisdiction=jurisdiction,
        days=days,
        extension_limit=extension_limit,
        start_time=at,
    )
    return counted(made, calendar)


def counted(deadline: Deadline, calendar: Workdays) -> Deadline:
    """The clock with its due day counted (rule 1); a finished one stands."""
    if not deadline.open:
        return deadline
    reached = _due(deadline, calendar)
    if reached is None:
        return replace(deadline, due=None, provisional=False)
    return replace(deadline, due=reached.day, provisional=reached.provisional)


def pause(
    deadline: Deadline, *, reason: str, by: str, at: datetime, calendar: Workdays
) -> Deadline:
    """Stop the clock. Raises FailedPrecondition: DEADLINE_CLOSED, DEADLINE_PAUSED."""
    _check_reason(reason)
    _check_open(deadline)
    if deadline.state is DeadlineState.PAUSED:
        raise FailedPrecondition(
            "this clock is paused already: resume it first",
            reason="DEADLINE_PAUSED",
            message_zh="该计时已暂停：请先恢复",
        )
    if len(deadline.pauses) >= GREATEST_PAUSES:
        raise _too_many("pauses", "暂停", GREATEST_PAUSES)
    stopped = Pause(start=_not_before(deadline, at), reason=reason, by=by)
    return counted(
        replace(deadline, state=DeadlineState.PAUSED, pauses=(*deadline.pauses, stopped)), calendar
    )


def pause_by_hand(
    deadline: Deadline, *, reason: str, by: str, at: datetime, calendar: Workdays
) -> Deadline:
    """Stop the clock for what is left of `GREATEST_PAUSED`.

    Raises as `pause`, and FailedPrecondition (PAUSED_TOO_LONG) where nothing is left.
    """
    stopped = pause(deadline, reason=reason, by=by, at=at, calendar=calendar)
    *earlier, last = stopped.pauses
    left = GREATEST_PAUSED - _stood([one for one in earlier if one.until], calendar)
    if left <= 0:
        raise FailedPrecondition(
            f"this clock was stopped by hand for {GREATEST_PAUSED} working days: it stops no more",
            reason="PAUSED_TOO_LONG",
            message_zh=f"该计时已人工暂停满 {GREATEST_PAUSED} 个工作日：不能再暂停",
        )
    until = calendar.after(china_day(last.start) - _ONE, left).day
    return counted(replace(stopped, pauses=(*earlier, replace(last, until=until))), calendar)


def _stood(pauses: Sequence[Pause], calendar: Workdays) -> int:
    """Working days that pauses, in order, touch; one that several touch counts once."""
    counted_to, days = date.min, 0
    for stopped in pauses:
        before = max(china_day(stopped.start) - _ONE, counted_to)
        if stopped.last is not None and stopped.last > before:
            days += calendar.between(before, stopped.last)
            counted_to = stopped.last
    return days


def resume(deadline: Deadline, *, at: datetime, calendar: Workdays) -> Deadline:
    """Let the clock go on. Raises FailedPrecondition: DEADLINE_CLOSED, DEADLINE_NOT_PAUSED."""
    _check_open(deadline)
    if deadline.state is not DeadlineState.PAUSED:
        raise FailedPrecondition(
            "this clock is not paused: there is nothing to resume",
            reason="DEADLINE_NOT_PAUSED",
            message_zh="该计时未暂停：无需恢复",
        )
    *earlier, last = deadline.pauses
    ended = replace(last, end=_not_before(deadline, at))
    return counted(
        replace(deadline, state=DeadlineState.RUNNING, pauses=(*earlier, ended)), calendar
    )


def extend(
    deadline: Deadline, *, days: int, reason: str, by: str, at: datetime, calendar: Workdays
) -> Deadline:
    """Add working days, before the due day is over.

    Raises InvalidArgument without a reason or a count, and FailedPrecondition: DEADLINE_CLOSED,
    DEADLINE_PASSED, EXTENSION_TOO_LONG (metadata `left`: what may still be added).
    """
    _check_reason(reason)
    if days < 1:
        raise InvalidArgument(
            "an extension adds one working day or more",
            message_zh="延长至少一个工作日",
            violations=[FieldViolation("days", "less than one")],
        )
    _check_open(deadline)
    if deadline.late_at(at):
        raise FailedPrecondition(
            "the due day is over: an extension comes before it, lateness stays",
            reason="DEADLINE_PASSED",
            message_zh="期限已过：延长须在到期前作出，逾期不能补救",
        )
    left = deadline.extension_limit - deadline.extended
    if days > left:
        raise FailedPrecondition(
            f"at most {left} more working days may be added here: ask for fewer, or act in time",
            reason="EXTENSION_TOO_LONG",
            message_zh=f"此处最多还可延长 {left} 个工作日：请减少天数或按期办理",
            left=str(left),
        )
    if len(deadline.extensions) >= GREATEST_EXTENSIONS:
        raise _too_many("extensions", "延长", GREATEST_EXTENSIONS)
    added = Extension(days=days, reason=reason, by=by, at=at)
    return counted(replace(deadline, extensions=(*deadline.extensions, added)), calendar)


def finish(deadline: Deadline, *, at: datetime, calendar: Workdays) -> Deadline:
    """The act is done: met, or late. Raises FailedPrecondition, DEADLINE_CLOSED."""
    _check_open(deadline)
    stands = counted(deadline, calendar)
    state = DeadlineState.LATE if stands.late_at(at) else DeadlineState.MET
    return replace(stands, state=state, end_time=_not_before(deadline, at))


def cancel(deadline: Deadline, *, at: datetime) -> Deadline:
    """The act is owed no more. Raises FailedPrecondition, DEADLINE_CLOSED."""
    _check_open(deadline)
    return replace(deadline, state=DeadlineState.CANCELLED, end_time=_not_before(deadline, at))


def _due(deadline: Deadline, calendar: Workdays) -> Reached | None:
    """Step over the pauses in order: count up to each, then go on after its last day."""
    left = deadline.days + deadline.extended
    day, provisional = china_day(deadline.start_time), False
    for stopped in deadline.pauses:
        # Whole days that ran before this pause; a pause on the day of the last one leaves none.
        last = china_day(stopped.start) - _ONE
        before = calendar.between(day, last)
        if before >= left:
            break
        provisional = provisional or not calendar.knows_all(day, last)
        left -= before
        if stopped.last is None:
            return None
        day = max(day, stopped.last)
    reached = calendar.after(day, left)
    return Reached(reached.day, provisional or reached.provisional)


def _not_before(deadline: Deadline, at: datetime) -> datetime:
    """`at`, or the last event of the clock where the node's own clock has gone back."""
    events = [deadline.start_time]
    events += [stopped.end or stopped.start for stopped in deadline.pauses]
    return max(at, *events)


def _check_open(deadline: Deadline) -> None:
    if not deadline.open:
        raise FailedPrecondition(
            "this clock has ended: nothing changes it any more",
            reason="DEADLINE_CLOSED",
            message_zh="该计时已结束：不能再更改",
        )


def _check_reason(reason: str) -> None:
    if not reason.strip() or len(reason) > GREATEST_REASON:
        raise InvalidArgument(
            f"say why, in at most {GREATEST_REASON} characters",
            reason="REASON_REQUIRED",
            message_zh=f"请说明理由，至多 {GREATEST_REASON} 字",
            violations=[FieldViolation("reason", "empty or too long")],
        )


def _too_many(what: str, what_zh: str, limit: int) -> FailedPrecondition:
    return FailedPrecondition(
        f"a clock has at most {limit} {what}",
        reason="DEADLINE_TOO_OFTEN_CHANGED",
        message_zh=f"一个计时最多{what_zh} {limit} 次",
    )


def deadline_not_found() -> NotFound:
    """The one answer for a deadline that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such deadline: look it up with ListDeadlines (`tongban deadlines list`)",
        reason="DEADLINE_NOT_FOUND",
        message_zh="没有该期限：请用期限列表（tongban deadlines list）查找",
    )


def sees_everything(principal: Principal) -> bool:
    """Whether the caller sees the clocks of all departments."""
    return principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)


def may_see(principal: Principal, deadline: Deadline) -> bool:
    """Whether the caller may know of a clock: who must act, whose matter it is, who oversees."""
    parties = (deadline.department, deadline.owner)
    return sees_everything(principal) or principal.department in parties


def may_change(
    principal: Principal, deadline: Deadline, *, above: Collection[str] = (), office: str = ""
) -> bool:
    """Whether the caller may pause, resume or extend a clock that it sees.

    `above` are the departments above who must act, the authority of its region among them; their
    administrators may, and those of the node's office.
    """
    if principal.has(Role.ADMINISTRATOR) and principal.department in {*above, office}:
        return True
    acts = principal.has(Role.DEPARTMENT) or principal.has(Role.ADMINISTRATOR)
    return acts and principal.department == deadline.department


def may_object(principal: Principal, deadline: Deadline) -> bool:
    """Whether the caller, whose matter it is, may end a pause by hand of a clock that it sees."""
    by_hand = bool(deadline.pauses) and deadline.pauses[-1].until is not None
    asks = principal.has(Role.DEPARTMENT) and principal.department == deadline.owner
    return asks and by_hand
