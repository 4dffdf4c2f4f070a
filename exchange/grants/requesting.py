"""Use cases of access requests: asked, returned, proposed, endorsed, refused, withdrawn.

1. Every act locks what it decides upon, and leaves its audit record in the same transaction.
   Purpose, legal basis and reasons are free text: the log commits to them by hash only.
2. Whoever is no party to a request gets the answer for one that does not exist.
3. The clock of a reply (`exchange.deadlines`) starts with the request, stands while the request is
   with who asked, and ends with the answer; that of the authority likewise, where one is named.
   That of the first supply (`supplying`) starts with the grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource, SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.delivery import reading
from exchange.grants import deciding, reviewing, service, store, supplying
from exchange.grants.deciding import NO_REVIEW, Review
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    Operation,
    request_not_found,
)
from exchange.grants.rights import may_see
from exchange.grants.rows import RowCondition
from exchange.lists import store as list_store
from exchange.lists.keeping import check_unlisted
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal
from runtime.records import make_record

if TYPE_CHECKING:
    from exchange.deadlines.model import Deadline


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
) -> AccessRequest:
    """Record a request; one for an unconditional resource is granted at once.

    Raises NotFound (RESOURCE_NOT_FOUND) and what `deciding.ask` raises.
    """
    department = names.parse(names.DEPARTMENT, parent, field="parent")["department"]
    found = catalog.resource_in(work, resource)
    now = clock.now()
    at_once = found.sharing_type is SharingType.UNCONDITIONAL
    amended = _amended(work, amends)
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
        review=NO_REVIEW if at_once else _review(work, parent, resource),
    )
    service.check_named(work, service_item, row_filter)
    _check_unlisted(work, request, request.items, now)
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
        store.insert_request(work.session, request)
        return _start_clock(work, request, Kind.REPLY_CONDITIONAL, request.source, principal, now)
    approved, grant = deciding.grant_at_once(
        request,
        grant_name=_grant_name(request),
        now=now,
        amended=amended,
        offset=reading.end_of_log(work),
    )
    store.insert_request(work.session, approved)
    service.write_grant(work, grant, actor=service.UNCONDITIONAL_RULE, now=now)
    return approved


def get_access_request(database: Database, principal: Principal, name: str) -> AccessRequest:
    """One request, to who may see it. Raises NotFound, ACCESS_REQUEST_NOT_FOUND."""
    names.parse(names.ACCESS_REQUEST, name)
    with database.reading() as session:
        request = store.request(session, name)
        if request is None or not may_see(principal, request):
            raise request_not_found()
        clocks = deadlines.of_subjects(session, [name])
    return _with_due([request], clocks)[0]


def list_access_requests(
    database: Database, principal: Principal, *, parent: str, page_size: int, page_token: str
) -> tuple[list[AccessRequest], str]:
    """A page of the requests of a department, or of all, that the caller may see."""
    consumer, size, after = service.page(parent, page_size, page_token, names.ACCESS_REQUEST)
    with database.reading() as session:
        rows = store.requests(
            session, consumer=consumer, party=service.party(principal), after=after, limit=size + 1
        )
        clocks = deadlines.of_subjects(session, [row.name for row in rows])
    return paging.cut(_with_due(rows, clocks), size, lambda request: request.name)


def approve_access_request(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    items: Sequence[GrantedItem],
    operations: Sequence[Operation],
    daily_quota: int,
    start_time: datetime | None,
    end_time: datetime | None,
    clock: Clock,
    row_filter: Sequence[RowCondition] = (),
    rate_per_minute: int = 0,
    include_history: bool = False,
    reason: str = "",
) -> tuple[AccessRequest, Grant | None]:
    """Answer a request with a grant, or propose one to the authority.

    Raises what `deciding.approve` raises.
    """
    held, resource, amended = _to_decide(work, principal, name)
    now = clock.now()
    request, grant = deciding.approve(
        principal,
        held,
        resource=resource,
        grant_name=_grant_name(held),
        items=items,
        operations=operations,
        daily_quota=daily_quota,
        start_time=start_time,
        end_time=end_time,
        now=now,
        row_filter=row_filter,
        rate_per_minute=rate_per_minute,
        include_history=include_history,
        reason=reason,
        amended=amended,
        offset=reading.end_of_log(work),
    )
    service.check_named(work, "", row_filter)
    _check_unlisted(work, held, [given.item for given in items], now)
    store.update_request(work.session, request)
    _end_clock(work, held, principal, now)
    if grant is not None:
        service.write_grant(work, grant, actor=principal.system, now=now)
        supplying.consented(work, grant, resource, actor=principal.system, at=now)
        return request, grant
    work.record(
        make_record(
            "access_proposed",
            at=now,
            actor=principal.system,
            facts={"access_request": request.name, "resource": request.resource},
        )
    )
    if request.authority:
        _start_clock(work, request, Kind.AUTHORITY_REVIEW, request.authority, principal, now)
    return request, None


def endorse_access_request(
    work: UnitOfWork, principal: Principal, *, name: str, clock: Clock
) -> tuple[AccessRequest, Grant]:
    """Agree to what the source proposes. Raises what `deciding.endorse` raises."""
    held, resource, amended = _to_decide(work, principal, name)
    now = clock.now()
    request, grant = deciding.endorse(
        principal,
        held,
        resource=resource,
        grant_name=_grant_name(held),
        now=now,
        amended=amended,
        offset=reading.end_of_log(work),
    )
    _check_unlisted(work, held, grant.masks, now)
    store.update_request(work.session, request)
    _end_clock(work, held, principal, now)
    service.write_grant(work, grant, actor=principal.system, now=now)
    supplying.consented(work, grant, resource, actor=principal.system, at=now)
    return request, grant


def reject_access_request(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    reason: str,
    legal_basis: str,
    clock: Clock,
) -> AccessRequest:
    """Answer a request with a refusal. Raises what `deciding.reject` raises."""
    names.parse(names.ACCESS_REQUEST, name)
    held = store.request(work.session, name, lock=True)
    now = clock.now()
    request = deciding.reject(principal, held, reason=reason, legal_basis=legal_basis, now=now)
    _end_clock(work, held, principal, now)
    return _step(
        work,
        request,
        principal,
        "access_rejected",
        now,
        commitments={"reason": reason.encode(), "legal_basis": legal_basis.encode()},
    )


def return_access_request(
    work: UnitOfWork, principal: Principal, *, name: str, note: str, clock: Clock
) -> AccessRequest:
    """Give a request back for more material. Raises what `reviewing.give_back` raises."""
    names.parse(names.ACCESS_REQUEST, name)
    held = store.request(work.session, name, lock=True)
    now = clock.now()
    request = reviewing.give_back(principal, held, note=note)
    if held is not None and held.state is AccessRequestState.AWAITING_AUTHORITY:
        _end_clock(work, held, principal, now)  # it comes back to the source, whose clock is over
    elif _clock_is(work, name, DeadlineState.RUNNING):
        deadlines.pause(
            work,
            subject=name,
            kind=Kind.REPLY_CONDITIONAL,
            reason=note,
            at=now,
            actor=principal.system,
        )
    return _step(
        work, request, principal, "access_returned", now, commitments={"note": note.encode()}
    )


def resubmit_access_request(
    work: UnitOfWork, principal: Principal, *, content: AccessRequest, clock: Clock
) -> AccessRequest:
    """Hand a returned request in again. Raises what `reviewing.resubmit` raises."""
    name = content.name
    held = store.request(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise request_not_found()
    resource = catalog.resource_in(work, held.resource)
    request = reviewing.resubmit(principal, held, resource=resource, content=content)
    service.check_named(work, request.service_item, request.row_filter)
    now = clock.now()
    _check_unlisted(work, request, request.items, now)
    if _clock_is(work, name, DeadlineState.PAUSED):
        deadlines.resume(
            work, subject=name, kind=Kind.REPLY_CONDITIONAL, at=now, actor=principal.system
        )
    elif not _clock_is(work, name, DeadlineState.RUNNING):
        _start_clock(work, request, Kind.REPLY_CONDITIONAL, request.source, principal, now)
    return _step(
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
    held = store.request(work.session, name, lock=True)
    now = clock.now()
    request = reviewing.withdraw(principal, held, now=now)
    for kind in (Kind.REPLY_CONDITIONAL, Kind.AUTHORITY_REVIEW):
        deadlines.cancel(work, subject=name, kind=kind, at=now, actor=principal.system)
    return _step(work, request, principal, "access_withdrawn", now)


def _check_unlisted(
    work: UnitOfWork, request: AccessRequest, items: Iterable[str], now: datetime
) -> None:
    """Refuse what the negative list keeps today. Raises FailedPrecondition, ON_NEGATIVE_LIST."""
    rows = list_store.negatives_of(work.session, [request.resource], china_date(now))
    check_unlisted(rows.get(request.resource), items)


def _to_decide(
    work: UnitOfWork, principal: Principal, name: str
) -> tuple[AccessRequest, DataResource, Grant | None]:
    """A request, locked, with what a decision on it needs."""
    names.parse(names.ACCESS_REQUEST, name)
    held = store.request(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise request_not_found()
    resource = catalog.resource_in(work, held.resource)
    return _reviewed(work, held, resource), resource, _amended(work, held.amends)


def _reviewed(work: UnitOfWork, held: AccessRequest, resource: DataResource) -> AccessRequest:
    """A request with what it crosses now: departments and rules may have changed since.

    One that waits for an authority goes on waiting for one.
    """
    at_once = resource.sharing_type is SharingType.UNCONDITIONAL
    review = NO_REVIEW if at_once else _review(work, held.consumer, held.resource)
    if held.state is AccessRequestState.AWAITING_AUTHORITY and not review.needed:
        return held
    return replace(
        held,
        cross_region=review.cross_region,
        cross_level=review.cross_level,
        needs_review=review.needed,
        authority=review.authority,
    )


def _amended(work: UnitOfWork, name: str) -> Grant | None:
    if not name:
        return None
    names.parse(names.GRANT, name, field="access_request.amends")
    return store.grant(work.session, name, lock=True)


def _review(work: UnitOfWork, consumer: str, resource: str) -> Review:
    """Whether what is asked for crosses regions or levels, by the source's jurisdiction."""
    asking = catalog.department_in(work, consumer)
    source = catalog.department_in(work, names.department_of(resource))
    if source is None:
        return NO_REVIEW
    held = deadlines.ruling(work.session, source.region_code)
    if asking is None:
        # Nobody knows where it is: to be safe, elsewhere.
        return Review(
            cross_region=True, needed="cross_region" in held.review_when, authority=held.authority
        )
    return reviewing.review_of(
        asking, source, review_when=held.review_when, authority=held.authority
    )


def _start_clock(
    work: UnitOfWork,
    request: AccessRequest,
    kind: str,
    department: str,
    principal: Principal,
    now: datetime,
) -> AccessRequest:
    """Start the clock of who has to answer; the request with the day that it is due."""
    source = catalog.department_in(work, request.source)
    clock = deadlines.start(
        work,
        subject=request.name,
        kind=kind,
        region_code=source.region_code if source else "",
        department=department,
        at=now,
        actor=principal.system,
    )
    return replace(request, reply_due=clock.due.isoformat() if clock.due else "")


def _clock_is(work: UnitOfWork, name: str, state: DeadlineState) -> bool:
    """Whether the source's clock is so; people may have paused or resumed it, too."""
    held = deadlines.of_subjects(work.session, [name]).get((name, Kind.REPLY_CONDITIONAL))
    return held is not None and held.state is state


def _end_clock(
    work: UnitOfWork, held: AccessRequest | None, principal: Principal, now: datetime
) -> None:
    """Whoever had to answer has answered."""
    if held is None:
        return
    waiting = held.state is AccessRequestState.AWAITING_AUTHORITY
    kind = Kind.AUTHORITY_REVIEW if waiting else Kind.REPLY_CONDITIONAL
    deadlines.finish(work, subject=held.name, kind=kind, at=now, actor=principal.system)


def _with_due(
    requests: Sequence[AccessRequest], clocks: dict[tuple[str, str], Deadline]
) -> list[AccessRequest]:
    kinds = (Kind.AUTHORITY_REVIEW, Kind.REPLY_CONDITIONAL)
    found = []
    for request in requests:
        running = [clocks.get((request.name, kind)) for kind in kinds]
        due = next((one.due for one in running if one and one.open and one.due), None)
        found.append(replace(request, reply_due=due.isoformat()) if due else request)
    return found


def _step(
    work: UnitOfWork,
    request: AccessRequest,
    principal: Principal,
    kind: str,
    now: datetime,
    *,
    commitments: dict[str, bytes] | None = None,
) -> AccessRequest:
    """Write what a request has become, with its record."""
    store.update_request(work.session, request)
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


def _grant_name(request: AccessRequest) -> str:
    return f"{request.consumer}/grants/{names.random_id()}"
