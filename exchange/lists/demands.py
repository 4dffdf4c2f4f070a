"""Use cases of the demand list: who needs what, and what comes of it.

1. A demand is known to its department, to the one that is asked, to administrators and auditors.
2. It has the clock of a reply (`exchange.deadlines`), which its first answer ends.
3. Nobody answers what its own department demands.
"""

from __future__ import annotations

from dataclasses import replace

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource, SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.grants import standing
from exchange.lists import answering, model, service, store
from exchange.lists.model import (
    Demand,
    DemandState,
    List,
    Responsibility,
    RowState,
    check_answerer,
    may_see,
    row_not_found,
    sees_everything,
)
from exchange.lists.store import Wanted
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, NotFound, PermissionDenied
from runtime.identity import Principal


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
    service.check_registered(work, {parent, *([made.supplier] if made.supplier else ())})
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
    return service.write(work, principal, made, None, word="demand_made", clock=clock)


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
    office: str = "",
) -> Demand:
    """Answer a demand: the department that is asked, or an administrator that may in its place.

    Raises NotFound (ROW_NOT_FOUND; RESPONSIBILITY_NOT_FOUND of a row that is not on the list),
    PermissionDenied (NOT_RESPONSIBLE), FailedPrecondition (RESOURCE_NOT_OFFERED) of a resource that
    does not offer what is said to be met, and what `answering.answer` raises.
    """
    held = _demand(work, principal, name)
    asked = held.supplier or names.department_of(name)
    check_answerer(principal, held, above=standing.above(work, asked), office=office)
    answered = answering.answer(
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
    return service.write(work, principal, answered, held, word="demand_answered", clock=clock)


def withdraw_demand(work: UnitOfWork, principal: Principal, *, name: str, clock: Clock) -> Demand:
    """Take a demand back: its department only. Raises as `answering.withdraw`, and NotFound."""
    held = _demand(work, principal, name)
    if principal.department != names.department_of(name):
        raise _own_demands_only()
    gone = answering.withdraw(held)
    deadlines.cancel(
        work, subject=name, kind=Kind.REPLY_CONDITIONAL, at=clock.now(), actor=principal.system
    )
    return service.write(work, principal, gone, held, word="demand_withdrawn", clock=clock)


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
    size, after = service.page_of(parent, page_size, page_token, names.DEMAND)
    wanted = Wanted(
        list=List.DEMAND,
        department=service.department_of(parent),
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


def _demand(work: UnitOfWork, principal: Principal, name: str) -> Demand:
    names.parse(names.DEMAND, name)
    held = store.row(work.session, name, lock=True)
    if not isinstance(held, Demand) or not may_see(principal, held):
        raise row_not_found()
    return held


def _supplier_of(resource: str) -> str:
    return names.department_of(resource) if names.is_name(names.RESOURCE, resource) else ""


def _own_demands_only() -> PermissionDenied:
    return PermissionDenied(
        "a department makes and withdraws its own demands only",
        reason="NOT_RESPONSIBLE",
        message_zh="只能提出和撤回本部门的需求",
    )
