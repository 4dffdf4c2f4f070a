"""Use cases of access requests and grants.

1. Every act locks what it decides upon, and leaves its audit record in the same transaction.
   Purpose, legal basis and reasons are free text: the log commits to them by hash only.
2. Whoever is no party to a request or a grant gets the answer for one that does not exist.
3. The epoch is raised before a grant changes, so that every index drops it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from exchange.catalog import service as catalog
from exchange.catalog.model import SharingType
from exchange.grants import deciding, store
from exchange.grants.model import (
    AccessRequest,
    Grant,
    GrantedItem,
    Operation,
    grant_not_found,
    may_see,
    request_not_found,
    sees_everything,
)
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal
from runtime.records import make_record

EVERY_DEPARTMENT = "departments/-"
#: Who grants an unconditional resource: no system, but this rule of the node.
UNCONDITIONAL_RULE = "rules/unconditional-sharing"


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
) -> AccessRequest:
    """Record a request; one for an unconditional resource is granted at once.

    Raises NotFound (RESOURCE_NOT_FOUND) and what `deciding.ask` raises.
    """
    department = names.parse(names.DEPARTMENT, parent, field="parent")["department"]
    found = catalog.resource_in(work, resource)
    now = clock.now()
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
    )
    work.record(
        make_record(
            "access_requested",
            at=now,
            actor=principal.system,
            facts={
                "access_request": request.name,
                "resource": request.resource,
                "items": list(request.items),
                "operations": [operation.value for operation in request.operations],
            },
            commitments={"purpose": purpose.encode(), "legal_basis": legal_basis.encode()},
        )
    )
    if found.sharing_type is not SharingType.UNCONDITIONAL:
        store.insert_request(work.session, request)
        return request
    approved, grant = deciding.grant_at_once(request, grant_name=_grant_name(request), now=now)
    store.insert_request(work.session, approved)
    _write_grant(work, grant, actor=UNCONDITIONAL_RULE)
    return approved


def get_access_request(database: Database, principal: Principal, name: str) -> AccessRequest:
    """One request, to who may see it. Raises NotFound, ACCESS_REQUEST_NOT_FOUND."""
    names.parse(names.ACCESS_REQUEST, name)
    with database.reading() as session:
        request = store.request(session, name)
    if request is None or not may_see(principal, request):
        raise request_not_found()
    return request


def list_access_requests(
    database: Database, principal: Principal, *, parent: str, page_size: int, page_token: str
) -> tuple[list[AccessRequest], str]:
    """A page of the requests of a department, or of all, that the caller may see."""
    consumer, size, after = _page(parent, page_size, page_token, names.ACCESS_REQUEST)
    with database.reading() as session:
        rows = store.requests(
            session, consumer=consumer, party=_party(principal), after=after, limit=size + 1
        )
    return paging.cut(rows, size, lambda request: request.name)


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
) -> Grant:
    """Answer a request with a grant. Raises what `deciding.approve` raises."""
    names.parse(names.ACCESS_REQUEST, name)
    held = store.request(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise request_not_found()
    request, grant = deciding.approve(
        principal,
        held,
        resource=catalog.resource_in(work, held.resource),
        grant_name=_grant_name(held),
        items=items,
        operations=operations,
        daily_quota=daily_quota,
        start_time=start_time,
        end_time=end_time,
        now=clock.now(),
    )
    store.update_request(work.session, request)
    _write_grant(work, grant, actor=principal.system)
    return grant


def reject_access_request(
    work: UnitOfWork, principal: Principal, *, name: str, reason: str, clock: Clock
) -> AccessRequest:
    """Answer a request with a refusal. Raises what `deciding.reject` raises."""
    names.parse(names.ACCESS_REQUEST, name)
    held = store.request(work.session, name, lock=True)
    now = clock.now()
    request = deciding.reject(principal, held, reason=reason, now=now)
    store.update_request(work.session, request)
    work.record(
        make_record(
            "access_rejected",
            at=now,
            actor=principal.system,
            facts={"access_request": request.name, "resource": request.resource},
            commitments={"reason": reason.encode()},
        )
    )
    return request


def get_grant(database: Database, principal: Principal, name: str) -> Grant:
    """One grant, to who may see it. Raises NotFound, GRANT_NOT_FOUND."""
    names.parse(names.GRANT, name)
    with database.reading() as session:
        grant = store.grant(session, name)
    if grant is None or not may_see(principal, grant):
        raise grant_not_found()
    return grant


def list_grants(
    database: Database, principal: Principal, *, parent: str, page_size: int, page_token: str
) -> tuple[list[Grant], str]:
    """A page of the grants of a department, or of all, that the caller may see."""
    consumer, size, after = _page(parent, page_size, page_token, names.GRANT)
    with database.reading() as session:
        rows = store.grants(
            session, consumer=consumer, party=_party(principal), after=after, limit=size + 1
        )
    return paging.cut(rows, size, lambda grant: grant.name)


def revoke_grant(
    work: UnitOfWork, principal: Principal, *, name: str, reason: str, clock: Clock
) -> Grant:
    """End a grant now. Raises what `deciding.revoke` raises."""
    names.parse(names.GRANT, name)
    held = store.grant(work.session, name, lock=True)
    now = clock.now()
    grant = deciding.revoke(principal, held, reason=reason, now=now)
    store.update_grant(work.session, grant, epoch=store.bump(work.session))
    work.record(
        make_record(
            "grant_revoked",
            at=now,
            actor=principal.system,
            facts={"grant": grant.name, "resource": grant.resource},
            commitments={"reason": reason.encode()},
        )
    )
    return grant


def _write_grant(work: UnitOfWork, grant: Grant, *, actor: str) -> None:
    store.insert_grant(work.session, grant, epoch=store.bump(work.session))
    work.record(
        make_record(
            "access_approved",
            at=grant.create_time,
            actor=actor,
            facts={
                "access_request": grant.access_request,
                "grant": grant.name,
                "resource": grant.resource,
                "contract_hash": grant.contract_hash,
            },
        )
    )


def _grant_name(request: AccessRequest) -> str:
    return f"{request.consumer}/grants/{names.random_id()}"


def _party(principal: Principal) -> str | None:
    return None if sees_everything(principal) else principal.department


def _page(parent: str, page_size: int, token: str, pattern: str) -> tuple[str | None, int, str]:
    """The consumer asked for (None: any), the size, and the name that the page follows."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return (None if parent == EVERY_DEPARTMENT else parent), paging.page_size(page_size), after
