"""Use cases of grants.

1. Every act locks what it decides upon, and leaves its audit record in the same transaction.
   Reasons are free text: the log commits to them by hash only.
2. Whoever is no party to a grant gets the answer for one that does not exist.
3. The epoch is raised before a grant changes, so that every index drops it.

Those of requests are in `requesting`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from exchange.catalog import registering
from exchange.catalog import service as catalog
from exchange.catalog.model import DataResource, ServiceItem
from exchange.delivery import reading
from exchange.grants import amending, standing, store, supplying
from exchange.grants.amending import Narrowing
from exchange.grants.model import Grant, GrantVersion, grant_not_found
from exchange.grants.rights import may_see, sees_everything
from exchange.grants.rows import RowCondition, RowTest
from exchange.lists import store as list_store
from exchange.lists.keeping import check_unlisted
from runtime import names, paging
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.records import make_record

EVERY_DEPARTMENT = "departments/-"


def get_grant(database: Database, principal: Principal, name: str) -> Grant:
    """One grant, to who may see it. Raises NotFound, GRANT_NOT_FOUND."""
    names.parse(names.GRANT, name)
    with database.reading() as session:
        grant = store.grant(session, name)
    if grant is None or not may_see(principal, grant):
        raise grant_not_found()
    return grant


def purposes(database: Database, names_of: Collection[str]) -> dict[str, tuple[str, str]]:
    """Purpose and legal basis of grants, by name, for whom the law lets know of them."""
    with database.reading() as session:
        found = [store.grant(session, name) for name in names_of]
    return {one.name: (one.purpose, one.legal_basis) for one in found if one is not None}


def list_grants(
    database: Database, principal: Principal, *, parent: str, page_size: int, page_token: str
) -> tuple[list[Grant], str]:
    """A page of the grants of a department, or of all, that the caller may see.

    The node's own services may list those of a department: what its applicants need not bring
    follows from them.
    """
    consumer, size, after = page(parent, page_size, page_token, names.GRANT)
    everybodys = consumer and principal.has(Role.NODE)
    with database.reading() as session:
        rows = store.grants(
            session,
            consumer=consumer,
            party=None if everybodys else party(principal),
            after=after,
            limit=size + 1,
        )
    return paging.cut(rows, size, lambda grant: grant.name)


def list_grant_versions(database: Database, principal: Principal, name: str) -> list[GrantVersion]:
    """All versions of a grant, the newest first. Raises NotFound, GRANT_NOT_FOUND."""
    get_grant(database, principal, name)
    with database.reading() as session:
        return store.versions(session, name, limit=amending.GREATEST_VERSIONS)


def grant_version(database: Database, principal: Principal, name: str, number: int) -> Grant:
    """A grant as a version has it; 0 is the newest. Raises NotFound, GRANT_NOT_FOUND."""
    grant = get_grant(database, principal, name)
    if number in (0, grant.version):
        return grant
    with database.reading() as session:
        found = store.version(session, name, number)
    if found is None:
        raise grant_not_found()
    return found.grant


def revoke_grant(
    work: UnitOfWork, principal: Principal, *, name: str, reason: str, clock: Clock
) -> Grant:
    """End a grant now. Raises what `amending.revoke` raises."""
    names.parse(names.GRANT, name)
    held = store.grant(work.session, name, lock=True)
    now = clock.now()
    grant = amending.revoke(principal, held, reason=reason, now=now)
    store.update_grant(work.session, grant, epoch=store.bump(work.session))
    store.end_version(work.session, name, now)
    supplying.revoked(work, grant, actor=principal.system, at=now)
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


def narrow_grant(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    to: Narrowing,
    reason: str,
    etag: str,
    clock: Clock,
) -> Grant:
    """Take something away from a grant now. Raises what `amending.narrow` raises."""
    names.parse(names.GRANT, name)
    held = store.grant(work.session, name, lock=True)
    if held is None or not may_see(principal, held):
        raise grant_not_found()
    now = clock.now()
    grant = amending.narrow(
        principal,
        held,
        to=to,
        resource=catalog.resource_in(work, held.resource),
        reason=reason,
        etag=etag,
        offset=reading.end_of_log(work),
        now=now,
        above=standing.above(work, held.source),
    )
    check_named(work, to.row_filter)
    check_shareable(work, held.resource, [one.item for one in to.row_filter], now)
    store.update_grant(work.session, grant, epoch=store.bump(work.session))
    _add_version(work, grant, act="narrowed", actor=principal.system, now=now)
    work.record(
        make_record(
            "grant_narrowed",
            at=now,
            actor=principal.system,
            facts={
                "grant": grant.name,
                "resource": grant.resource,
                "version": grant.version,
                "contract_hash": grant.contract_hash,
            },
            commitments={"reason": reason.encode()},
        )
    )
    return grant


def write_grant(work: UnitOfWork, grant: Grant, *, actor: str, now: datetime) -> None:
    """Write a new grant, or the version that a request has led to."""
    epoch = store.bump(work.session)
    write: Callable[..., None] = store.insert_grant if grant.version == 1 else store.update_grant
    write(work.session, grant, epoch=epoch)
    act = "granted" if grant.version == 1 else "amended"
    _add_version(work, grant, act=act, actor=actor, now=now)
    facts: dict[str, str | int] = {
        "access_request": grant.access_request,
        "grant": grant.name,
        "resource": grant.resource,
        "contract_hash": grant.contract_hash,
    }
    work.record(
        make_record(
            "access_approved",
            at=now,
            actor=actor,
            facts=facts | ({"version": grant.version} if grant.version > 1 else {}),
        )
    )


def _add_version(work: UnitOfWork, grant: Grant, *, act: str, actor: str, now: datetime) -> None:
    version = GrantVersion(
        grant=grant, act=act, actor=actor, from_time=now, from_offset=reading.end_of_log(work)
    )
    store.add_version(work.session, version)


def check_named(
    work: UnitOfWork,
    row_filter: Sequence[RowCondition],
    *,
    service_item: str = "",
    consumer: str = "",
) -> None:
    """Whether what a request or a filter names is in the catalog, the item one that it handles.

    A department handles its own service items and those of the departments above it. Raises
    InvalidArgument (NOT_IN_CATALOG, NOT_YOUR_SERVICE_ITEM).
    """
    wrong = []
    if service_item:
        names.parse(names.SERVICE_ITEM, service_item, field="service_item")
        if not isinstance(catalog.entry_in(work, service_item), ServiceItem):
            wrong.append(FieldViolation("service_item", "is not in the catalog"))
        owner = names.department_of(service_item)
        if not wrong and owner != consumer and owner not in registering.names_above(work, consumer):
            raise _not_your_item()
    for place, condition in enumerate(row_filter):
        if condition.test is RowTest.OWN_CLIENTS and not isinstance(
            catalog.entry_in(work, condition.values[0]), DataResource
        ):
            wrong.append(FieldViolation(f"row_filter[{place}].values", "is not in the catalog"))
    if wrong:
        raise InvalidArgument(
            "nothing was done: name what is in the catalog",
            reason="NOT_IN_CATALOG",
            message_zh="未作任何更改：所指事项或信息资源不在目录中",
            violations=wrong,
        )


def _not_your_item() -> InvalidArgument:
    return InvalidArgument(
        "the service item is another department's: name one of your department or of one above it",
        reason="NOT_YOUR_SERVICE_ITEM",
        message_zh="该服务事项属于其他部门：请填写本部门或其上级部门的事项",
        violations=[FieldViolation("service_item", "is another department's")],
    )


def check_shareable(work: UnitOfWork, resource: str, items: Iterable[str], now: datetime) -> None:
    """Refuse to show or test what the negative list keeps today.

    Raises FailedPrecondition, ON_NEGATIVE_LIST.
    """
    rows = list_store.negatives_of(work.session, [resource], china_date(now))
    check_unlisted(rows.get(resource), items)


def party(principal: Principal) -> str | None:
    """The party whose things the caller sees; None where it sees everything."""
    return None if sees_everything(principal) else principal.department


def page(parent: str, page_size: int, token: str, pattern: str) -> tuple[str | None, int, str]:
    """The consumer asked for (None: any), the size, and the name that the page follows."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return (None if parent == EVERY_DEPARTMENT else parent), paging.page_size(page_size), after
