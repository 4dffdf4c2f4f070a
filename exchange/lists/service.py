"""Use cases of the three lists.

1. A change locks its row, carries the etag of what it replaces, keeps a version, and leaves its
   audit record in the same transaction. Free text is committed to by hash only.
2. The responsibility and the negative list are open to every department; a demand is known to its
   department, to the one that is asked, to administrators and auditors.
3. A demand has the clock of a reply (`exchange.deadlines`), which its first answer ends; a row of
   the responsibility list one where the catalog lacks what it promises (`changing`).
4. What costs more than a page's fixed statements is not asked here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource, SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.lists import changing, model, store
from exchange.lists.model import (
    Demand,
    DemandState,
    List,
    Negative,
    Responsibility,
    Row,
    RowState,
    check_writer,
    etag_mismatch,
    may_see,
    row_not_found,
    sees_everything,
)
from exchange.lists.store import Version, Wanted
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, NotFound, PermissionDenied
from runtime.identity import Principal
from runtime.records import make_record
from runtime.workdays import read_day

EVERY_DEPARTMENT = "departments/-"
_PATTERNS = (names.RESPONSIBILITY, names.DEMAND, names.NEGATIVE)
_Kept = TypeVar("_Kept", Responsibility, Negative)


class Doubt(StrEnum):
    """What is doubtful about a row of the negative list."""

    NOT_LISTED = "not_listed"
    NO_LEGAL_BASIS = "no_legal_basis"
    SHARED = "shared"
    RESOURCE_MISSING = "resource_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotShared:
    """What is not shared, by the list and by the catalog."""

    resource: str
    display_name: str
    legal_basis: str
    by_catalog: bool
    negative: Negative | None
    doubts: tuple[Doubt, ...]


def put(work: UnitOfWork, principal: Principal, *, row: _Kept, clock: Clock) -> _Kept:
    """Write a row of the responsibility or the negative list in place of the one of its name.

    Raises InvalidArgument (ROW_INVALID), PermissionDenied (NOT_RESPONSIBLE), NotFound
    (DEPARTMENT_NOT_FOUND) and Aborted (ETAG_MISMATCH).
    """
    asked = replace(row, state=RowState.ACTIVE)
    model.check(asked)
    department = names.department_of(asked.name)
    check_writer(principal, department)
    named = {department}
    if isinstance(asked, Responsibility):
        named.update(asked.receivers)
    _check_registered(work, named)
    held = store.row(work.session, asked.name, lock=True)
    on_list = held is not None and held.state is RowState.ACTIVE
    if asked.etag != (held.etag if held is not None and on_list else ""):
        raise etag_mismatch()
    made = _write(work, principal, asked, held, word=f"{model.list_of(asked)}_put", clock=clock)
    if isinstance(made, Responsibility):
        supplier = catalog.department_in(work, department)
        changing.promised(
            work,
            made,
            region_code=supplier.region_code if supplier else "",
            actor=principal.system,
            at=clock.now(),
        )
    return made


def remove(
    work: UnitOfWork, principal: Principal, *, name: str, etag: str, kind: type[_Kept], clock: Clock
) -> _Kept:
    """Take a row off its list. Raises NotFound (ROW_NOT_FOUND), Aborted (ETAG_MISMATCH)."""
    check_writer(principal, names.department_of(name))
    held = store.row(work.session, name, lock=True)
    if not isinstance(held, kind) or held.state is RowState.REMOVED:
        raise row_not_found()
    if etag != held.etag:
        raise etag_mismatch()
    gone = replace(held, state=RowState.REMOVED)
    if isinstance(gone, Responsibility):
        changing.removed(work, gone, actor=principal.system, at=clock.now())
    return _write(work, principal, gone, held, word=f"{model.list_of(held)}_removed", clock=clock)


def list_responsibilities(
    database: Database,
    *,
    parent: str,
    resource: str,
    day: str,
    show_removed: bool,
    page_size: int,
    page_token: str,
) -> tuple[list[Responsibility], str]:
    """A page of the responsibility list; one statement."""
    size, after = _page(parent, page_size, page_token, names.RESPONSIBILITY)
    wanted = Wanted(
        list=List.RESPONSIBILITY,
        department=_department(parent),
        resource=resource or None,
        states=None if show_removed else [RowState.ACTIVE.value],
        in_force_on=read_day(day, "day").isoformat() if day else None,
    )
    with database.reading() as session:
        rows = store.rows(session, wanted, after=after, limit=size + 1)
    found = [row for row in rows if isinstance(row, Responsibility)]
    return paging.cut(found, size, lambda row: row.name)


def create_demand(
    work: UnitOfWork, principal: Principal, *, parent: str, asked: Demand, clock: Clock
) -> Demand:
    """Say what a department needs.

    Raises PermissionDenied (NOT_RESPONSIBLE) for another department, NotFound
    (DEPARTMENT_NOT_FOUND) of a supplier, InvalidArgument (ROW_INVALID), and FailedPrecondition
    (RESOURCE_IS_SHARED) where the resource offers all of it: access is asked for then.
    """
    department = names.parse(names.DEPARTMENT, parent, field="parent")["department"]
    if principal.department != parent:
        raise _own_demands_only()
    name = names.make(names.DEMAND, department=department, demand=names.random_id())
    made = replace(
        asked,
        name=name,
        state=DemandState.OPEN,
        answer="",
        answer_legal_basis="",
        responsibility="",
        supplier=asked.supplier or _supplier_of(asked.resource),
    )
    model.check(made)
    _check_registered(work, {parent, *([made.supplier] if made.supplier else ())})
    if made.resource:
        held = store.resources(work.session, [made.resource]).get(made.resource)
        if is_offered(made, held):
            raise FailedPrecondition(
                "this resource is shared and has these items: ask for access to it "
                "(`tongban grants request`)",
                reason="RESOURCE_IS_SHARED",
                message_zh="该信息资源已共享且含这些信息项：请直接申请（tongban grants request）",
            )
    _start_reply(work, principal, made, clock)
    return _write(work, principal, made, None, word="demand_made", clock=clock)


def answer_demand(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    state: DemandState,
    text: str,
    legal_basis: str,
    responsibility: str,
    resource: str,
    clock: Clock,
) -> Demand:
    """Answer a demand: an administrator, or the department that is asked.

    Raises NotFound (ROW_NOT_FOUND; RESPONSIBILITY_NOT_FOUND of a row that is not on the list),
    PermissionDenied (NOT_RESPONSIBLE), FailedPrecondition (RESOURCE_NOT_OFFERED) of a resource that
    does not offer what is said to be met, and what `model.answer` raises.
    """
    held = _demand(work, principal, name)
    check_writer(principal, held.supplier)
    answered = model.answer(
        held,
        state=state,
        text=text,
        legal_basis=legal_basis,
        responsibility=responsibility,
        resource=resource,
    )
    if state is DemandState.ACCEPTED:
        row = store.row(work.session, answered.responsibility)
        if not isinstance(row, Responsibility) or row.state is not RowState.ACTIVE:
            raise NotFound(
                "the responsibility list has no such row: write it first",
                reason="RESPONSIBILITY_NOT_FOUND",
                message_zh="责任清单中没有该行：请先写入",
            )
    if state is DemandState.MET:
        offered = store.resources(work.session, [answered.resource]).get(answered.resource)
        if offered is None or offered.sharing_type is SharingType.NOT_SHARED:
            raise FailedPrecondition(
                "this resource is not in force, or not shared: name one that is",
                reason="RESOURCE_NOT_OFFERED",
                message_zh="该信息资源未生效或不予共享：请指明可用的信息资源",
            )
    deadlines.finish(
        work, subject=name, kind=Kind.REPLY_CONDITIONAL, at=clock.now(), actor=principal.system
    )
    return _write(work, principal, answered, held, word="demand_answered", clock=clock)


def withdraw_demand(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Demand:
    """Take a demand back: its department only. Raises as `model.withdraw`, and NotFound."""
    held = _demand(work, principal, name)
    if principal.department != names.department_of(name):
        raise _own_demands_only()
    gone = model.withdraw(held)
    deadlines.cancel(
        work, subject=name, kind=Kind.REPLY_CONDITIONAL, at=clock.now(), actor=principal.system
    )
    return _write(work, principal, gone, held, word="demand_withdrawn", clock=clock)


def list_demands(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    open_only: bool,
    page_size: int,
    page_token: str,
) -> tuple[list[tuple[Demand, bool]], str]:
    """A page of demands that the caller may see, each with whether it is offered now.

    Two statements.
    """
    size, after = _page(parent, page_size, page_token, names.DEMAND)
    wanted = Wanted(
        list=List.DEMAND,
        department=_department(parent),
        party=None if sees_everything(principal) else principal.department,
        states=[DemandState.OPEN.value] if open_only else None,
    )
    with database.reading() as session:
        rows = store.rows(session, wanted, after=after, limit=size + 1)
        found = [row for row in rows if isinstance(row, Demand)]
        page, token = paging.cut(found, size, lambda row: row.name)
        held = store.resources(session, {row.resource for row in page if row.resource})
    return [(row, is_offered(row, held.get(row.resource))) for row in page], token


def is_offered(demand: Demand, resource: DataResource | None) -> bool:
    """Whether a resource in force is shared and has all items that are asked for."""
    if resource is None or resource.sharing_type is SharingType.NOT_SHARED:
        return False
    held = {item.code for item in resource.items} | {item.display_name for item in resource.items}
    return held.issuperset(demand.items)


def list_negatives(
    database: Database, *, parent: str, page_size: int, page_token: str, clock: Clock
) -> tuple[list[NotShared], str]:
    """A page of what is not shared, by resource: the list's rows and the catalog's word.

    Three statements.
    """
    size, after = _page(parent, page_size, page_token, names.RESOURCE)
    department = _department(parent)
    wanted = Wanted(list=List.NEGATIVE, department=department, in_force_on=china_date(clock.now()))
    with database.reading() as session:
        derived = store.not_shared(session, department=department, after=after, limit=size + 1)
        listed = store.by_resource(session, wanted, after=after, limit=size + 1)
        page, token = paging.cut(sorted({*derived, *listed}), size, lambda name: name)
        held = store.resources(session, page)
    return [_not_shared(name, held.get(name), listed.get(name)) for name in page], token


def _not_shared(name: str, resource: DataResource | None, row: Row | None) -> NotShared:
    listed = row if isinstance(row, Negative) else None
    by_catalog = resource is not None and resource.sharing_type is SharingType.NOT_SHARED
    basis = (listed.legal_basis if listed else "") or (resource.legal_basis if resource else "")
    doubts = []
    if listed is None:
        doubts.append(Doubt.NOT_LISTED)
    if not basis:
        doubts.append(Doubt.NO_LEGAL_BASIS)
    if resource is None:
        doubts.append(Doubt.RESOURCE_MISSING)
    elif not by_catalog and listed is not None and not listed.items:
        doubts.append(Doubt.SHARED)
    title = resource.display_name if resource else listed.display_name if listed else ""
    return NotShared(
        resource=name,
        display_name=title,
        legal_basis=basis,
        by_catalog=by_catalog,
        negative=listed,
        doubts=tuple(doubts),
    )


def list_versions(
    database: Database, principal: Principal, *, name: str, page_size: int, page_token: str
) -> tuple[list[Version], str]:
    """A page of the versions of a row, oldest first. Raises NotFound (ROW_NOT_FOUND)."""
    if not any(names.is_name(pattern, name) for pattern in _PATTERNS):
        names.parse(names.RESPONSIBILITY, name)
    size, after = paging.page_size(page_size), paging.last_number_of(page_token)
    with database.reading() as session:
        held = store.row(session, name)
        if held is None or not may_see(principal, held):
            raise row_not_found()
        rows = store.versions(session, name, after=after, limit=size + 1)
    return paging.cut(rows, size, lambda version: str(version.row.version))


def _start_reply(work: UnitOfWork, principal: Principal, demand: Demand, clock: Clock) -> None:
    """Start the clock of who has to answer: the department that is asked, else the authority.

    Where no department is asked and no authority is named, administrators answer, whom no clock
    holds.
    """
    asked = catalog.department_in(work, demand.supplier or names.department_of(demand.name))
    region = asked.region_code if asked else ""
    department = demand.supplier or deadlines.ruling(work.session, region).authority
    if department:
        deadlines.start(
            work,
            subject=demand.name,
            kind=Kind.REPLY_CONDITIONAL,
            region_code=region,
            department=department,
            at=clock.now(),
            actor=principal.system,
        )


_Any = TypeVar("_Any", Responsibility, Negative, Demand)


def _write(
    work: UnitOfWork, principal: Principal, row: _Any, held: Row | None, *, word: str, clock: Clock
) -> _Any:
    now = clock.now()
    made = replace(
        row,
        version=held.version + 1 if held else 1,
        etag=model.etag_of(row),
        create_time=held.create_time if held else now,
        update_time=now,
    )
    store.write(work.session, made, actor=principal.system)
    _record(work, principal, made, word=word, now=now)
    return made


def _record(work: UnitOfWork, principal: Principal, row: Row, *, word: str, now: datetime) -> None:
    texts = {"legal_basis": row.legal_basis}
    if isinstance(row, Demand):
        texts |= {"purpose": row.purpose, "description": row.description, "answer": row.answer}
        texts |= {"answer_legal_basis": row.answer_legal_basis}
    work.record(
        make_record(
            word,
            at=now,
            actor=principal.system,
            facts={
                "row": row.name,
                "resource": row.resource,
                "state": row.state.value,
                "version": row.version,
                "etag": row.etag,
            },
            commitments={key: text.encode() for key, text in texts.items() if text},
        )
    )


def _demand(work: UnitOfWork, principal: Principal, name: str) -> Demand:
    names.parse(names.DEMAND, name)
    held = store.row(work.session, name, lock=True)
    if not isinstance(held, Demand) or not may_see(principal, held):
        raise row_not_found()
    return held


def _check_registered(work: UnitOfWork, departments: Collection[str]) -> None:
    if store.unknown_departments(work.session, departments):
        raise NotFound(
            "a department named here is not registered: see `tongban catalog departments`",
            reason="DEPARTMENT_NOT_FOUND",
            message_zh="所列部门中有未登记的：请查看 tongban catalog departments",
        )


def _supplier_of(resource: str) -> str:
    return names.department_of(resource) if names.is_name(names.RESOURCE, resource) else ""


def _department(parent: str) -> str | None:
    return None if parent == EVERY_DEPARTMENT else parent


def _page(parent: str, page_size: int, token: str, pattern: str) -> tuple[int, str]:
    """The size, and the name that the page follows."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return paging.page_size(page_size), after


def _own_demands_only() -> PermissionDenied:
    return PermissionDenied(
        "a department makes and withdraws its own demands only",
        reason="NOT_RESPONSIBLE",
        message_zh="只能提出和撤回本部门的需求",
    )
