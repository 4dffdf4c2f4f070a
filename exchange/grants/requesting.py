"""Use cases of who asks for access: asked, handed in again, withdrawn; and of who looks.

1. Every act locks what it decides upon, and leaves its audit record in the same transaction.
   Purpose, legal basis and reasons are free text: the log commits to them by hash only.
2. Whoever is no party to a request gets the answer for one that does not exist.
3. Its clock runs while somebody has to answer (`waiting`).
4. A department has at most `GREATEST_OPEN` requests that wait for an answer.

Those of who answers are in `replying`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.catalog import service as catalog
from exchange.catalog.model import SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.delivery import reading
from exchange.grants import deciding, reviewing, service, standing, store, waiting
from exchange.grants.deciding import NO_REVIEW
from exchange.grants.model import (
    UNCONDITIONAL_RULE,
    AccessRequest,
    AccessRequestState,
    Grant,
    Operation,
    RequestOrder,
    request_not_found,
)
from exchange.grants.requests import store as requests
from exchange.grants.rights import may_see
from exchange.grants.rows import RowCondition
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import ResourceExhausted
from runtime.identity import Principal
from runtime.records import make_record

if TYPE_CHECKING:
    from sqlmodel import Session

GREATEST_OPEN = 200


def create_access_request(
    work: UnitOfWork,
    principal: Principal,
    *,
    parent: str,
    resource: str,
    items: Sequence[str],
    operations: Sequence[Operation],
    purpose: str,
    legal_basis: str,
    clock: Clock,
    service_item: str = "",
    row_filter: Sequence[RowCondition] = (),
    amends: str = "",
    office: str = "",
) -> AccessRequest:
    """Record a request; one for an unconditional resource is granted at once.

    Not so to who keeps the source's directory (`standing.keeps`): the source decides then.

    Raises NotFound (RESOURCE_NOT_FOUND), ResourceExhausted (TOO_MANY_OPEN_REQUESTS), and what
    `deciding.ask` and `service.check_named` raise.
    """
    department = names.parse(names.DEPARTMENT, parent, field="parent")["department"]
    found = catalog.resource_in(work, resource)
    now = clock.now()
    at_once = found.sharing_type is SharingType.UNCONDITIONAL and not standing.keeps(
        work, parent, names.department_of(found.name), office=office
    )
    amended = amended_by(work, amends)
    request = deciding.ask(
        principal,
        name=names.make(
            names.ACCESS_REQUEST, department=department, access_request=names.random_id()
        ),
        resource=found,
        items=items,
        operations=operations,
        purpose=purpose,
        legal_basis=legal_basis,
        now=now,
        service_item=service_item,
        row_filter=row_filter,
        amends=amends,
        amended=amended,
        review=NO_REVIEW if at_once else standing.review(work, parent, resource),
    )
    service.check_named(work, row_filter, service_item=service_item, consumer=parent)
    service.check_shareable(work, request.resource, asked_of(request), now)
    facts: dict[str, str | int | list[str]] = {
        "access_request": request.name,
        "resource": request.resource,
        "items": list(request.items),
        "operations": [operation.value for operation in request.operations],
    }
    work.record(
        make_record(
            "access_requested",
            at=now,
            actor=principal.system,
            facts=facts | ({"amends": amends} if amends else {}),
            commitments={"purpose": purpose.encode(), "legal_basis": legal_basis.encode()},
        )
    )
    if not at_once:
        _check_open(work, parent)
        requests.insert_request(work.session, request)
        return waiting.start_reply(work, request, found.sharing_type, principal, now)
    approved, grant = deciding.grant_at_once(
        request,
        grant_name=grant_name(request),
        now=now,
        amended=amended,
        offset=reading.end_of_log(work),
    )
    requests.insert_request(work.session, approved)
    service.write_grant(work, grant, actor=UNCONDITIONAL_RULE, now=now)
    return approved


def _check_open(work: UnitOfWork, consumer: str) -> None:
    """Each one keeps a source and a clock busy. Raises ResourceExhausted."""
    if requests.open_requests(work.session, consumer, GREATEST_OPEN) >= GREATEST_OPEN:
        raise ResourceExhausted(
            f"a department has at most {GREATEST_OPEN} requests open: wait for answers, "
            "or withdraw some",
            reason="TOO_MANY_OPEN_REQUESTS",
            message_zh=f"每个部门至多有 {GREATEST_OPEN} 件在办申请：请等待答复，或撤回部分申请",
        )


def get_access_request(database: Database, principal: Principal, name: str) -> AccessRequest:
    """One request, to who may see it. Raises NotFound, ACCESS_REQUEST_NOT_FOUND."""
    names.parse(names.ACCESS_REQUEST, name)
    with database.reading() as session:
        request = requests.request(session, name)
        if request is None or not may_see(principal, request):
            raise request_not_found()
        clocks = deadlines.of_subjects(session, [name])
    return waiting.with_due([request], clocks)[0]


def list_access_requests(
    database: Database,
    principal: Principal,
    *,
    parent: str,
    page_size: int,
    page_token: str,
    states: Collection[AccessRequestState] = (),
    source: str = "",
    order: RequestOrder = RequestOrder.NAME,
) -> tuple[list[AccessRequest], str]:
    """A page of the requests of a department, or of all, that the caller may see."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    if source:
        names.parse(names.DEPARTMENT, source, field="source")
    size = paging.page_size(page_size)
    wanted = requests.Wanted(
        consumer=None if parent == service.EVERY_DEPARTMENT else parent,
        party=service.party(principal),
        source=source or None,
        states=states,
    )
    with database.reading() as session:
        rows, token = _page(session, wanted, order, page_token, size)
        clocks = deadlines.of_subjects(session, [row.name for row in rows])
    return waiting.with_due(rows, clocks), token


def _page(
    session: Session, wanted: requests.Wanted, order: RequestOrder, token: str, size: int
) -> tuple[list[AccessRequest], str]:
    if order is RequestOrder.NEWEST:
        rows = requests.newest(session, wanted, before=paging.moment_of(token), limit=size + 1)
        return paging.cut_by_time(rows, size, lambda request: (request.create_time, request.name))
    if order is RequestOrder.DUE:
        day, _, name = paging.last_of(token).partition("|")
        dated = requests.due(session, wanted, waiting.ANSWERS, after=(day, name), limit=size + 1)
        cut, following = paging.cut(dated, size, lambda one: f"{one[0]}|{one[1].name}")
        return [request for _, request in cut], following
    after = paging.last_of(token)
    if after:
        names.parse(names.ACCESS_REQUEST, after, field="page_token")
    rows = requests.requests(session, wanted, after=after, limit=size + 1)
    return paging.cut(rows, size, lambda request: request.name)


def resubmit_access_request(
    work: UnitOfWork, principal: Principal, *, content: AccessRequest, clock: Clock
) -> AccessRequest:
    """Hand a returned request in again. Raises what `reviewing.resubmit` raises."""
    name = content.name
    held = requests.request(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise request_not_found()
    resource = catalog.resource_in(work, held.resource)
    request = reviewing.resubmit(principal, held, resource=resource, content=content)
    service.check_named(
        work, request.row_filter, service_item=request.service_item, consumer=request.consumer
    )
    now = clock.now()
    service.check_shareable(work, request.resource, asked_of(request), now)
    if kind := waiting.reply_in(work, name, DeadlineState.PAUSED):
        deadlines.resume(work, subject=name, kind=kind, at=now, actor=principal.system)
    elif not waiting.reply_in(work, name, DeadlineState.RUNNING):
        waiting.start_reply(work, request, resource.sharing_type, principal, now)
    return write_step(
        work,
        request,
        principal,
        "access_resubmitted",
        now,
        commitments={
            "purpose": request.purpose.encode(),
            "legal_basis": request.legal_basis.encode(),
        },
    )


def withdraw_access_request(
    work: UnitOfWork, principal: Principal, *, name: str, clock: Clock
) -> AccessRequest:
    """Take a request back. Raises what `reviewing.withdraw` raises."""
    names.parse(names.ACCESS_REQUEST, name)
    held = requests.request(work.session, name, lock=True)
    now = clock.now()
    request = reviewing.withdraw(principal, held, now=now)
    for kind in (*waiting.REPLIES, Kind.AUTHORITY_REVIEW):
        deadlines.cancel(work, subject=name, kind=kind, at=now, actor=principal.system)
    return write_step(work, request, principal, "access_withdrawn", now)


def asked_of(request: AccessRequest) -> list[str]:
    """The items that a request asks to see, and those that its row filter tests."""
    return [*request.items, *(condition.item for condition in request.row_filter)]


def amended_by(work: UnitOfWork, name: str) -> Grant | None:
    """The grant that a request asks to change, locked; None where there is none."""
    if not name:
        return None
    names.parse(names.GRANT, name, field="access_request.amends")
    return store.grant(work.session, name, lock=True)


def write_step(
    work: UnitOfWork,
    request: AccessRequest,
    principal: Principal,
    kind: str,
    now: datetime,
    *,
    commitments: dict[str, bytes] | None = None,
) -> AccessRequest:
    """Write what a request has become, with its record."""
    requests.update_request(work.session, request)
    work.record(
        make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"access_request": request.name, "resource": request.resource},
            commitments=commitments,
        )
    )
    return request


def grant_name(request: AccessRequest) -> str:
    """A fresh name of a grant for who asks."""
    return f"{request.consumer}/grants/{names.random_id()}"
