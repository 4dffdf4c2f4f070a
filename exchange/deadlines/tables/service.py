"""What the statutory clock runs by, and who changes it: tables of deadlines, and the calendar.

Both are administrators', each under its etag. A table is written by the node's office, or by the
authority that it has now, or one above that: no party of a request names who reviews it. A table is
for clocks that start; a year of the calendar moves the due days of those that run. The office keeps
the calendar; nobody gives its own department more time by it, the office neither: then another
administrator writes it. Every change leaves its audit record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date

from exchange.catalog import registering
from exchange.catalog import service as catalog
from exchange.catalog.acting import may_act_for
from exchange.deadlines import jurisdictions, model
from exchange.deadlines import store as clocks
from exchange.deadlines.jurisdictions import Jurisdiction
from exchange.deadlines.model import Deadline
from exchange.deadlines.tables import store
from exchange.deadlines.tables.store import HeldYear
from runtime import names
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

GREATEST_JURISDICTIONS = 4000


def list_jurisdictions(database: Database) -> list[Jurisdiction]:
    """Every table, the widest region first; the shipped default where the node has none."""
    with database.reading() as session:
        held = store.jurisdictions(session)
    if all(one.name != jurisdictions.DEFAULT for one in held):
        held.append(jurisdictions.shipped())
    return sorted(held, key=lambda one: (len(one.region_prefix), one.region_prefix))


def put_jurisdiction(
    database: Database,
    work: UnitOfWork,
    principal: Principal,
    *,
    asked: Jurisdiction,
    clock: Clock,
    office: str = "",
) -> Jurisdiction:
    """Write a table in place of the one of its name.

    Raises InvalidArgument (JURISDICTION_INVALID), PermissionDenied (NOT_THE_AUTHORITY), NotFound
    (DEPARTMENT_NOT_FOUND) of its authority, Aborted (ETAG_MISMATCH) and AlreadyExists
    (REGION_TAKEN).
    """
    jurisdictions.check(asked)
    if asked.authority:
        catalog.get_department(database, asked.authority)
    held = store.jurisdictions(work.session, lock=True)
    was = [one.region_prefix for one in held if one.name == asked.name]
    for prefix in {asked.region_prefix, *was}:
        _check_writer(work, principal, held, prefix, office)
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
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    etag: str,
    clock: Clock,
    office: str = "",
) -> None:
    """Remove a table.

    Raises NotFound (JURISDICTION_NOT_FOUND), PermissionDenied (NOT_THE_AUTHORITY) and Aborted
    (ETAG_MISMATCH).
    """
    names.parse(names.JURISDICTION, name)
    held = {one.name: one for one in store.jurisdictions(work.session, lock=True)}
    if name not in held:
        raise NotFound(
            "the node has no such jurisdiction: list them (`tongban deadlines jurisdictions`)",
            reason="JURISDICTION_NOT_FOUND",
            message_zh="没有该管辖区：请查看列表（tongban deadlines jurisdictions）",
        )
    _check_writer(work, principal, held.values(), held[name].region_prefix, office)
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
    work: UnitOfWork,
    principal: Principal,
    *,
    asked: WorkYear,
    etag: str,
    clock: Clock,
    office: str = "",
) -> tuple[HeldYear, int]:
    """Write a year of the calendar and count anew what runs; how many due days moved.

    Raises Aborted (ETAG_MISMATCH) and PermissionDenied: OWN_CLOCK_MOVED where the caller's
    department gains by it, NOT_THE_OFFICE where it is not the office, unless that one gains.
    """
    own = store.years(work.session).get(asked.year)
    before = own.year if own else shipped().years.get(asked.year)
    _check_etag(etag, etag_of_year(before) if before else "")
    now = clock.now()
    made = HeldYear(year=asked, etag=etag_of_year(asked), update_time=now)
    store.put_year(work.session, made)
    calendar, moved = store.calendar(work.session), 0
    gaining: set[str] = set()
    for piece in clocks.counted_in(work.session, asked.year):
        again = [model.counted(held, calendar) for held in piece]
        changed = [new for new, old in zip(again, piece, strict=True) if new != old]
        moved += sum(new.due != old.due for new, old in zip(again, piece, strict=True))
        clocks.update(work.session, changed)
        gaining |= _gaining(piece, again)
    _check_keeper(principal, gaining, office)
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
        return day_after(store.calendar(session), day, days, "days")


def day_after(calendar: Workdays, day: date, count: int, field: str) -> Reached:
    """`Workdays.after` for what a caller sent. Raises InvalidArgument with the field."""
    try:
        return calendar.after(day, count)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{field} is 0 to {GREATEST_COUNT}, within the calendar",
            message_zh=f"{field} 应为 0 到 {GREATEST_COUNT}",
            violations=[FieldViolation(field, "out of range")],
        ) from None


def _gaining(before: Sequence[Deadline], after: Sequence[Deadline]) -> set[str]:
    """Departments that gain: who owes and has more time, and who asks and gets it earlier."""
    found = set()
    for old, new in zip(before, after, strict=True):
        if old.due is not None and new.due is not None and old.due != new.due:
            found.add(new.department if new.due > old.due else new.owner)
    return found


def _check_keeper(principal: Principal, gaining: Collection[str], office: str) -> None:
    if principal.department in gaining:
        raise PermissionDenied(
            "this moves due days in favour of your own department: an administrator of another "
            "department writes it",
            reason="OWN_CLOCK_MOVED",
            message_zh="该变更会使本部门的期限得到便利：应由其他部门的管理员办理",
        )
    if principal.department != office and office not in gaining:
        raise PermissionDenied(
            "the department that runs the node keeps the calendar: ask its administrator",
            reason="NOT_THE_OFFICE",
            message_zh="工作日历由节点管理部门维护：请联系其管理员",
        )


def _check_writer(
    work: UnitOfWork, principal: Principal, held: Iterable[Jurisdiction], prefix: str, office: str
) -> None:
    """Only the office and who is, or is above, the authority of a region now writes its table."""
    authority = jurisdictions.ruling(held, prefix).authority
    above = registering.names_above(work, authority) if authority else ()
    if not may_act_for(principal, authority, above=above, office=office):
        raise PermissionDenied(
            "the authority of a region, one above it, or the department that runs the node writes "
            "the region's table of deadlines: ask one of them",
            reason="NOT_THE_AUTHORITY",
            message_zh="地区的期限表由该地区现行主管部门、其上级部门或节点管理部门维护："
            "请联系其管理员",
        )


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
