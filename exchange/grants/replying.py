"""Use cases of who answers a request: approved or proposed, endorsed, refused, given back.

1. Every act locks the request, and leaves its audit record in the same transaction. Reasons are
   free text: the log commits to them by hash only.
2. What the request crosses, and who stands above its source, is looked up anew at each decision.
3. An answer ends the clock of who had to give it (`waiting`); that of the first supply
   (`supplying`) starts with the grant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource, SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.delivery import reading
from exchange.grants import (
    deciding,
    requesting,
    reviewing,
    service,
    standing,
    supplying,
    waiting,
)
from exchange.grants.deciding import NO_REVIEW
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    Operation,
    request_not_found,
)
from exchange.grants.requests import store as requests
from exchange.grants.rights import may_see
from exchange.grants.rows import RowCondition
from exchange.grants.sharing import tested_by
from runtime import names
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.identity import Principal
from runtime.records import make_record


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
        grant_name=requesting.grant_name(held),
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
        above=standing.above(work, held.source),
    )
    service.check_named(work, row_filter)
    given = [one.item for one in items]
    tested = [one.item for one in row_filter or held.row_filter]
    service.check_shareable(work, held.resource, [*given, *tested], now)
    requests.update_request(work.session, request)
    waiting.end(work, held, principal, now)
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
        waiting.start(work, request, Kind.AUTHORITY_REVIEW, request.authority, principal, now)
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
        grant_name=requesting.grant_name(held),
        now=now,
        amended=amended,
        offset=reading.end_of_log(work),
        above=standing.above(work, held.source),
    )
    service.check_shareable(work, held.resource, [*grant.masks, *tested_by(grant)], now)
    requests.update_request(work.session, request)
    waiting.end(work, held, principal, now)
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
    held = requests.request(work.session, name, lock=True)
    now = clock.now()
    request = deciding.reject(
        principal,
        held,
        reason=reason,
        legal_basis=legal_basis,
        now=now,
        above=_above(work, held),
    )
    waiting.end(work, held, principal, now)
    return requesting.write_step(
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
    held = requests.request(work.session, name, lock=True)
    now = clock.now()
    request = reviewing.give_back(principal, held, note=note, above=_above(work, held))
    if held is not None and held.state is AccessRequestState.AWAITING_AUTHORITY:
        waiting.end(work, held, principal, now)  # it comes back to the source, whose clock is over
    elif kind := waiting.reply_in(work, name, DeadlineState.RUNNING):
        deadlines.pause(
            work,
            subject=name,
            kind=kind,
            reason=note,
            at=now,
            actor=principal.system,
        )
    return requesting.write_step(
        work, request, principal, "access_returned", now, commitments={"note": note.encode()}
    )


def _above(work: UnitOfWork, held: AccessRequest | None) -> Collection[str]:
    return standing.above(work, held.source) if held else ()


def _to_decide(
    work: UnitOfWork, principal: Principal, name: str
) -> tuple[AccessRequest, DataResource, Grant | None]:
    """A request, locked, with what a decision on it needs."""
    names.parse(names.ACCESS_REQUEST, name)
    held = requests.request(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise request_not_found()
    resource = catalog.resource_in(work, held.resource)
    return _reviewed(work, held, resource), resource, requesting.amended_by(work, held.amends)


def _reviewed(work: UnitOfWork, held: AccessRequest, resource: DataResource) -> AccessRequest:
    """A request with what it crosses now: departments and rules may have changed since.

    One that waits for an authority goes on waiting for one.
    """
    at_once = resource.sharing_type is SharingType.UNCONDITIONAL
    review = NO_REVIEW if at_once else standing.review(work, held.consumer, held.resource)
    if held.state is AccessRequestState.AWAITING_AUTHORITY and not review.needed:
        return held
    return replace(
        held,
        cross_region=review.cross_region,
        cross_level=review.cross_level,
        needs_review=review.needed,
        authority=review.authority,
    )
