"""What people ask of the statutory clock: lists, changes by hand, and who is late.

1. Who must act, whose matter it is, an administrator and an auditor see a clock; to anybody else
   it does not exist. Who must act changes it by hand, an administrator of a department above it, of
   its region's authority, or of the node's office. A pause by hand has an end, and whose matter it
   is may end it before.
2. Every change leaves its audit record in its transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from exchange.catalog import registering
from exchange.deadlines import model, service, store
from exchange.deadlines.model import (
    Deadline,
    DeadlineState,
    deadline_not_found,
    may_change,
    may_object,
    may_see,
    sees_everything,
)
from exchange.deadlines.store import Tally, Wanted
from exchange.deadlines.tables import store as tables
from exchange.deadlines.tables.service import day_after
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.identity import Principal
from runtime.workdays import (
    Workdays,
    china_day,
    read_day,
)

EVERY_DEPARTMENT = "departments/-"
GREATEST_SPAN_DAYS = 3700
MOST_KINDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A clock as it stands now."""

    deadline: Deadline
    late: bool
    days_left: int
    days_over: int


@dataclass(slots=True, kw_only=True)
class Lateness:
    """How one department keeps its deadlines of one kind; counts of clocks, and working days."""

    department: str
    kind: str
    running: int = 0
    #: Of those that are open, how many stand.
    paused: int = 0
    overdue: int = 0
    met: int = 0
    late: int = 0
    days_over: int = 0
    worst: int = 0


def get(database: Database, principal: Principal, name: str, *, clock: Clock) -> Seen:
    """One clock. Raises NotFound, DEADLINE_NOT_FOUND."""
    names.parse(names.DEADLINE, name)
    with database.reading() as session:
        held = store.deadline(session, name)
        calendar = tables.calendar(session)
    if held is None or not may_see(principal, held):
        raise deadline_not_found()
    return seen(held, calendar, clock)


def list_deadlines(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    subject: str,
    kinds: Sequence[str] = (),
    late_only: bool,
    open_only: bool,
    due_within: int,
    page_size: int,
    page_token: str,
    clock: Clock,
) -> tuple[list[Seen], str]:
    """A page of clocks that the caller may see, by due day; two statements."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    size = paging.page_size(page_size)
    due, _, name = paging.last_of(page_token).partition("|")
    if name:
        names.parse(names.DEADLINE, name, field="page_token")
    today = china_day(clock.now())
    with database.reading() as session:
        calendar = tables.calendar(session)
        wanted = Wanted(
            department=None if parent == EVERY_DEPARTMENT else parent,
            party=None if sees_everything(principal) else principal.department,
            subject=subject or None,
            kinds=_kinds(kinds),
            open_only=open_only or bool(due_within),
            late_on=today if late_only else None,
            due_until=_until(calendar, today, due_within),
        )
        rows = store.deadlines(session, wanted, after=(due, name), limit=size + 1)
    page, token = paging.cut(rows, size, lambda d: f"{d.due or ''}|{d.name}")
    return [seen(held, calendar, clock) for held in page], token


def _kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    if len(kinds) > MOST_KINDS:
        raise InvalidArgument(
            f"a list is of at most {MOST_KINDS} kinds: ask for fewer, or for all",
            reason="TOO_MANY_KINDS",
            message_zh=f"一次最多按 {MOST_KINDS} 种事项查询：请减少种类，或查询全部",
        )
    return tuple(kinds)


def _until(calendar: Workdays, today: date, due_within: int) -> date | None:
    return day_after(calendar, today, due_within, "due_within").day if due_within else None


def change(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    act: Callable[[Deadline, Workdays], Deadline],
    word: str,
    reason: str,
    clock: Clock,
    office: str,
    objecting: bool = False,
) -> Seen:
    """Pause, resume or extend by hand: `act` is the rule.

    Raises NotFound (DEADLINE_NOT_FOUND), PermissionDenied (NOT_RESPONSIBLE) and what the rule does.
    """
    names.parse(names.DEADLINE, name)
    held = store.deadline(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise deadline_not_found()
    may = may_change(principal, held, above=_above(work, held), office=office)
    if not (may or (objecting and may_object(principal, held))):
        raise PermissionDenied(
            "who must act, or an administrator above it, changes a clock: ask them",
            reason="NOT_RESPONSIBLE",
            message_zh="计时由承办部门，或其上级部门、主管部门的管理员更改：请联系他们",
        )
    calendar = tables.calendar(work.session)
    changed = act(held, calendar)
    store.update(work.session, [changed])
    service.record(work, word, changed, at=clock.now(), actor=principal.system, reason=reason)
    return seen(changed, calendar, clock)


def _above(work: UnitOfWork, held: Deadline) -> frozenset[str]:
    """The departments above who must act, and the authority of the region whose table holds."""
    authority = service.ruling(work.session, held.region_code).authority
    return registering.names_above(work, held.department) | ({authority} - {""})


def pause(
    work: UnitOfWork, who: Principal, *, name: str, reason: str, clock: Clock, office: str = ""
) -> Seen:
    """Stop a clock by hand."""
    return change(
        work,
        who,
        name=name,
        act=lambda held, days: model.pause_by_hand(
            held, reason=reason, by=who.system, at=clock.now(), calendar=days
        ),
        word="deadline_paused",
        reason=reason,
        clock=clock,
        office=office,
    )


def resume(work: UnitOfWork, who: Principal, *, name: str, clock: Clock, office: str = "") -> Seen:
    """Let a clock go on by hand."""
    return change(
        work,
        who,
        name=name,
        act=lambda held, days: model.resume(held, at=clock.now(), calendar=days),
        word="deadline_resumed",
        reason="",
        clock=clock,
        office=office,
        objecting=True,
    )


def extend(
    work: UnitOfWork,
    who: Principal,
    *,
    name: str,
    days: int,
    reason: str,
    clock: Clock,
    office: str = "",
) -> Seen:
    """Add working days by hand."""
    return change(
        work,
        who,
        name=name,
        act=lambda held, calendar: model.extend(
            held, days=days, reason=reason, by=who.system, at=clock.now(), calendar=calendar
        ),
        word="deadline_extended",
        reason=reason,
        clock=clock,
        office=office,
    )


def seen(held: Deadline, calendar: Workdays, clock: Clock) -> Seen:
    """A clock as it stands now."""
    now = clock.now()
    return Seen(
        deadline=held,
        late=held.late_at(now),
        days_left=held.days_left(now, calendar) if held.open else 0,
        days_over=held.days_over(now, calendar),
    )


def report_lateness(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    first_day: str,
    last_day: str,
    clock: Clock,
) -> tuple[list[Lateness], date, date]:
    """Who is late among clocks due from one day to another; one statement counts.

    Raises InvalidArgument where a day is none or they are more than ten years apart, and
    PermissionDenied (OWN_DEPARTMENT_ONLY) for another department's report.
    """
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    if not sees_everything(principal):
        if parent not in (EVERY_DEPARTMENT, principal.department):
            raise _own_department_only()
        parent = principal.department
    today = china_day(clock.now())
    first = read_day(first_day, "first_day") if first_day else date(today.year, 1, 1)
    last = read_day(last_day, "last_day") if last_day else date(today.year, 12, 31)
    if not 0 <= (last - first).days <= GREATEST_SPAN_DAYS:
        raise InvalidArgument(
            "last_day follows first_day, by at most ten years",
            message_zh="last_day 应不早于 first_day，且相距不超过十年",
            violations=[FieldViolation("last_day", "before first_day, or too far from it")],
        )
    with database.reading() as session:
        calendar = tables.calendar(session)
        tallies = store.tallies(
            session,
            first=first,
            last=last,
            department=None if parent == EVERY_DEPARTMENT else parent,
        )
    return _rows(tallies, today, calendar), first, last


def _rows(tallies: Iterable[Tally], today: date, calendar: Workdays) -> list[Lateness]:
    found: dict[tuple[str, str], Lateness] = {}
    over: dict[tuple[date, date], int] = {}
    for tally in tallies:
        key = (tally.department, tally.kind)
        row = found.setdefault(key, Lateness(department=key[0], kind=key[1]))
        if tally.state is DeadlineState.PAUSED:
            row.paused += tally.count
        if tally.due is None:
            row.met += tally.count if tally.state is DeadlineState.MET else 0
            continue
        if tally.state is not DeadlineState.LATE and tally.due >= today:
            row.running += tally.count
            continue
        row.late += tally.count if tally.state is DeadlineState.LATE else 0
        row.overdue += tally.count if tally.state is not DeadlineState.LATE else 0
        span = (tally.due, tally.end_day or today)
        if span not in over:
            over[span] = calendar.between(*span)
        row.days_over += over[span] * tally.count
        row.worst = max(row.worst, over[span])
    return sorted(found.values(), key=lambda row: (-row.days_over, row.department, row.kind))


def _own_department_only() -> PermissionDenied:
    return PermissionDenied(
        "you may ask about your own department only: an administrator sees all",
        reason="OWN_DEPARTMENT_ONLY",
        message_zh="只能查看本部门：管理员可查看全部",
    )
