"""What people ask of the statutory clock: lists, changes by hand, who is late, the tables.

1. Who must act, whose matter it is, an administrator and an auditor see a clock; to anybody else
   it does not exist. Who must act, or an administrator, changes it by hand.
2. Tables and calendar are the administrator's, each under its etag. A table is for clocks that
   start; a year of the calendar moves the due days of those that run.
3. Every change leaves its audit record in its transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date

from exchange.catalog import service as catalog
from exchange.deadlines import jurisdictions, model, service, store
from exchange.deadlines.jurisdictions import Jurisdiction
from exchange.deadlines.model import (
    Deadline,
    DeadlineState,
    deadline_not_found,
    may_change,
    may_see,
    sees_everything,
)
from exchange.deadlines.store import HeldYear, Tally, Wanted
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    AlreadyExists,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal
from runtime.records import canonical, make_record
from runtime.workdays import (
    GREATEST_COUNT,
    Reached,
    Workdays,
    WorkYear,
    china_day,
    read_day,
    shipped,
)

EVERY_DEPARTMENT = "departments/-"
GREATEST_SPAN_DAYS = 3700
GREATEST_JURISDICTIONS = 4000


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
        calendar = store.calendar(session)
    if held is None or not may_see(principal, held):
        raise deadline_not_found()
    return seen(held, calendar, clock)


def list_deadlines(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    subject: str,
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
        calendar = store.calendar(session)
        wanted = Wanted(
            department=None if parent == EVERY_DEPARTMENT else parent,
            party=None if sees_everything(principal) else principal.department,
            subject=subject or None,
            open_only=open_only or bool(due_within),
            late_on=today if late_only else None,
            due_until=_after(calendar, today, due_within, "due_within").day if due_within else None,
        )
        rows = store.deadlines(session, wanted, after=(due, name), limit=size + 1)
    page, token = paging.cut(rows, size, lambda d: f"{d.due or ''}|{d.name}")
    return [seen(held, calendar, clock) for held in page], token


def change(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    act: Callable[[Deadline, Workdays], Deadline],
    word: str,
    reason: str,
    clock: Clock,
) -> Seen:
    """Pause, resume or extend by hand: `act` is the rule.

    Raises NotFound (DEADLINE_NOT_FOUND), PermissionDenied (NOT_RESPONSIBLE) and what the rule does.
    """
    names.parse(names.DEADLINE, name)
    held = store.deadline(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise deadline_not_found()
    if not may_change(principal, held):
        raise PermissionDenied(
            "who must act, or an administrator, changes a clock: ask them",
            reason="NOT_RESPONSIBLE",
            message_zh="计时由承办部门或管理员更改：请联系他们",
        )
    calendar = store.calendar(work.session)
    changed = act(held, calendar)
    store.update(work.session, [changed])
    service.record(work, word, changed, at=clock.now(), actor=principal.system, reason=reason)
    return seen(changed, calendar, clock)


def pause(work: UnitOfWork, who: Principal, *, name: str, reason: str, clock: Clock) -> Seen:
    """Stop a clock by hand."""
    return change(
        work,
        who,
        name=name,
        act=lambda held, days: model.pause(
            held, reason=reason, by=who.system, at=clock.now(), calendar=days
        ),
        word="deadline_paused",
        reason=reason,
        clock=clock,
    )


def resume(work: UnitOfWork, who: Principal, *, name: str, clock: Clock) -> Seen:
    """Let a clock go on by hand."""
    return change(
        work,
        who,
        name=name,
        act=lambda held, days: model.resume(held, at=clock.now(), calendar=days),
        word="deadline_resumed",
        reason="",
        clock=clock,
    )


def extend(
    work: UnitOfWork, who: Principal, *, name: str, days: int, reason: str, clock: Clock
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
        calendar = store.calendar(session)
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
        if tally.state is DeadlineState.MET:
            row.met += tally.count
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


def list_jurisdictions(database: Database) -> list[Jurisdiction]:
    """Every table, the widest region first; the shipped default where the node has none."""
    with database.reading() as session:
        held = store.jurisdictions(session)
    if all(one.name != jurisdictions.DEFAULT for one in held):
        held.append(jurisdictions.shipped())
    return sorted(held, key=lambda one: (len(one.region_prefix), one.region_prefix))


def put_jurisdiction(
    database: Database, work: UnitOfWork, principal: Principal, *, asked: Jurisdiction, clock: Clock
) -> Jurisdiction:
    """Write a table in place of the one of its name.

    Raises InvalidArgument (JURISDICTION_INVALID), NotFound (DEPARTMENT_NOT_FOUND) of its authority,
    Aborted (ETAG_MISMATCH) and AlreadyExists (REGION_TAKEN).
    """
    jurisdictions.check(asked)
    if asked.authority:
        catalog.get_department(database, asked.authority)
    held = store.jurisdictions(work.session, lock=True)
    _check_etag(asked.etag, _etag_of(held, asked.name))
    others = [one for one in held if one.name != asked.name]
    if len(others) >= GREATEST_JURISDICTIONS:
        raise InvalidArgument(
            f"a node has at most {GREATEST_JURISDICTIONS} jurisdictions",
            message_zh=f"一个节点最多 {GREATEST_JURISDICTIONS} 个管辖区",
        )
    if any(one.region_prefix == asked.region_prefix for one in others):
        raise AlreadyExists(
            "another jurisdiction has this region: change that one",
            reason="REGION_TAKEN",
            message_zh="该地区已有管辖区：请修改已有的",
        )
    now = clock.now()
    made = replace(asked, etag=jurisdictions.etag_of(asked), update_time=now)
    store.put_jurisdiction(work.session, made, jurisdictions.content_of(made))
    work.record(
        make_record(
            "jurisdiction_put",
            at=now,
            actor=principal.system,
            facts={"jurisdiction": made.name, "etag": made.etag},
        )
    )
    return made


def delete_jurisdiction(
    work: UnitOfWork, principal: Principal, *, name: str, etag: str, clock: Clock
) -> None:
    """Remove a table. Raises NotFound (JURISDICTION_NOT_FOUND) and Aborted (ETAG_MISMATCH)."""
    names.parse(names.JURISDICTION, name)
    held = {one.name: one for one in store.jurisdictions(work.session, lock=True)}
    if name not in held:
        raise NotFound(
            "the node has no such jurisdiction: list them (`tongban deadlines jurisdictions`)",
            reason="JURISDICTION_NOT_FOUND",
            message_zh="没有该管辖区：请查看列表（tongban deadlines jurisdictions）",
        )
    _check_etag(etag, held[name].etag)
    store.remove_jurisdiction(work.session, name)
    work.record(
        make_record(
            "jurisdiction_deleted",
            at=clock.now(),
            actor=principal.system,
            facts={"jurisdiction": name, "etag": etag},
        )
    )


def list_years(database: Database) -> list[tuple[HeldYear | None, WorkYear]]:
    """The announced years in order, with what the node holds of its own."""
    with database.reading() as session:
        own = store.years(session)
    every = {**shipped().years, **{year: held.year for year, held in own.items()}}
    return [(own.get(year), every[year]) for year in sorted(every)]


def put_year(
    work: UnitOfWork, principal: Principal, *, asked: WorkYear, etag: str, clock: Clock
) -> tuple[HeldYear, int]:
    """Write a year of the calendar and count anew what runs; how many due days moved.

    Raises Aborted (ETAG_MISMATCH).
    """
    own = store.years(work.session).get(asked.year)
    before = own.year if own else shipped().years.get(asked.year)
    _check_etag(etag, etag_of_year(before) if before else "")
    now = clock.now()
    made = HeldYear(year=asked, etag=etag_of_year(asked), update_time=now)
    store.put_year(work.session, made)
    calendar, moved = store.calendar(work.session), 0
    for piece in store.counted_in(work.session, asked.year):
        again = [model.counted(held, calendar) for held in piece]
        changed = [new for new, old in zip(again, piece, strict=True) if new != old]
        moved += sum(new.due != old.due for new, old in zip(again, piece, strict=True))
        store.update(work.session, changed)
    work.record(
        make_record(
            "work_year_put",
            at=now,
            actor=principal.system,
            facts={"year": asked.year, "etag": made.etag, "moved": moved},
        )
    )
    return made, moved


def etag_of_year(year: WorkYear) -> str:
    """The etag of a year of the calendar."""
    told = canonical({"year": year.year, **year.texts()})
    return hashlib.sha256(told).hexdigest()[:32]


def count_workdays(database: Database, *, after: str, days: int, clock: Clock) -> Reached:
    """The so-many-th working day after a day. Raises InvalidArgument."""
    day = read_day(after, "after") if after else china_day(clock.now())
    with database.reading() as session:
        return _after(store.calendar(session), day, days, "days")


def _after(calendar: Workdays, day: date, count: int, field: str) -> Reached:
    try:
        return calendar.after(day, count)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{field} is 0 to {GREATEST_COUNT}, within the calendar",
            message_zh=f"{field} 应为 0 到 {GREATEST_COUNT}",
            violations=[FieldViolation(field, "out of range")],
        ) from None


def _etag_of(held: Iterable[Jurisdiction], name: str) -> str:
    own = next((one.etag for one in held if one.name == name), "")
    return own or (jurisdictions.shipped().etag if name == jurisdictions.DEFAULT else "")


def _check_etag(sent: str, held: str) -> None:
    if sent != held:
        raise Aborted(
            "this is not what you read: read again, and send its etag with your change",
            reason="ETAG_MISMATCH",
            message_zh="内容已有变化：请重新读取，并带上其 etag",
        )


def _own_department_only() -> PermissionDenied:
    return PermissionDenied(
        "you may ask about your own department only: an administrator sees all",
        reason="OWN_DEPARTMENT_ONLY",
        message_zh="只能查看本部门：管理员可查看全部",
    )
