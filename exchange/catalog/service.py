"""Use cases of the catalog: read it, apply a directory.

1. Any authenticated system reads the whole catalog.
2. An administrator changes any directory; a department's system changes its own department's
   entries only. Departments are registered in `registering`.
3. A directory is applied as a whole or not at all, and its audit record is in the same
   transaction. However large the batch, it costs a fixed number of statements, and a few for each
   clock of the responsibility list that it ends (`exchange.lists.changing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from exchange.catalog import directory, registering, rules, store
from exchange.catalog.directory import Change, Plan
from exchange.catalog.model import (
    DataResource,
    Department,
    Entry,
    ServiceItem,
)
from exchange.catalog.registering import department_not_found
from exchange.catalog.registry import store as registry
from exchange.catalog.schema import ResourceSchema, schema_of
from exchange.catalog.search.service import keep_index
from exchange.freshness import Kept
from exchange.lists import changing
from exchange.lists import store as list_store
from exchange.lists.keeping import is_in_force
from runtime import names, paging
from runtime.clock import SYSTEM, Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument, NotFound
from runtime.identity import Principal
from runtime.records import Value, canonical, make_record

EVERY_DEPARTMENT = "departments/-"
SOURCE_LIMIT = 200
GREATEST_TITLES = 1_000


def get_department(database: Database, name: str) -> Department:
    """One department. Raises NotFound, DEPARTMENT_NOT_FOUND."""
    names.parse(names.DEPARTMENT, name)
    with database.reading() as session:
        department = registry.department(session, name)
    if department is None:
        raise department_not_found()
    return department


def list_departments(
    database: Database, *, page_size: int, page_token: str
) -> tuple[list[Department], str]:
    """A page of departments in order of name, and the token of the next."""
    size = paging.page_size(page_size)
    after = _after(page_token, names.DEPARTMENT)
    with database.reading() as session:
        rows = registry.departments(session, after=after, limit=size + 1)
    return paging.cut(rows, size, lambda department: department.name)


def get_resource(database: Database, name: str) -> DataResource:
    """One resource, withdrawn or not. Raises NotFound, RESOURCE_NOT_FOUND."""
    names.parse(names.RESOURCE, name)
    with database.reading() as session:
        entry = store.entry(session, name)
    if not isinstance(entry, DataResource):
        raise resource_not_found()
    return entry


def titles(database: Database, wanted: Sequence[str]) -> dict[str, str]:
    """What resources and service items are called, by name. Raises InvalidArgument."""
    if len(wanted) > GREATEST_TITLES:
        raise InvalidArgument(
            f"names are at most {GREATEST_TITLES}",
            message_zh=f"names 最多 {GREATEST_TITLES} 个",
            violations=[FieldViolation("names", "are too many")],
        )
    with database.reading() as session:
        return store.titles(session, set(wanted))


def resource_in(work: UnitOfWork, name: str) -> DataResource:
    """One resource as the transaction sees it. Raises NotFound, RESOURCE_NOT_FOUND."""
    names.parse(names.RESOURCE, name, field="resource")
    entry = store.entry(work.session, name)
    if not isinstance(entry, DataResource):
        raise resource_not_found()
    return entry


def department_in(work: UnitOfWork, name: str) -> Department | None:
    """A department as the transaction sees it; None where it is not registered."""
    return registry.department(work.session, name)


def entry_in(work: UnitOfWork, name: str) -> Entry | None:
    """A resource or a service item as the transaction sees it, withdrawn or not."""
    return store.entry(work.session, name)


def list_resources(
    database: Database,
    *,
    parent: str,
    page_size: int,
    page_token: str,
    withdrawn: bool,
    stale_at: datetime | None = None,
) -> tuple[list[DataResource], str]:
    """A page of resources in order of name, and the token of the next.

    `stale_at` leaves those that are in force and stale at that time.
    """
    rows, token = _list_entries(
        database,
        store.RESOURCE_KIND,
        names.RESOURCE,
        parent,
        page_size,
        page_token,
        withdrawn,
        stale_at,
    )
    return [row for row in rows if isinstance(row, DataResource)], token


def get_service_item(database: Database, name: str) -> ServiceItem:
    """One service item, withdrawn or not. Raises NotFound, SERVICE_ITEM_NOT_FOUND."""
    names.parse(names.SERVICE_ITEM, name)
    with database.reading() as session:
        entry = store.entry(session, name)
    if not isinstance(entry, ServiceItem):
        raise service_item_not_found()
    return entry


def list_service_items(
    database: Database, *, parent: str, page_size: int, page_token: str, withdrawn: bool
) -> tuple[list[ServiceItem], str]:
    """A page of service items in order of name, and the token of the next."""
    rows, token = _list_entries(
        database,
        store.SERVICE_ITEM_KIND,
        names.SERVICE_ITEM,
        parent,
        page_size,
        page_token,
        withdrawn,
    )
    return [row for row in rows if isinstance(row, ServiceItem)], token


def apply_directory(
    work: UnitOfWork,
    principal: Principal,
    *,
    changes: Sequence[Change],
    source: str,
    clock: Clock,
    office: str = "",
) -> Plan:
    """Apply a batch, all of it or nothing, and tell what it did.

    `office` is the department that runs the node, whose administrators keep every directory.

    Raises PermissionDenied (NOT_OWN_DIRECTORY), InvalidArgument (BATCH_SIZE, DIRECTORY_INVALID) or
    Aborted (ETAG_MISMATCH).
    """
    # 1. Size and right first: nothing is read for a batch that may not be.
    directory.check_size(changes)
    directory.check_directory_permission(
        principal,
        changes,
        above=lambda owner: registering.names_above(work, owner),
        office=office,
    )
    _check_source(source)
    # 2. What is held, in one statement a table, and locked.
    wanted = directory.entry_names(changes)
    departments = registry.known_departments(work.session, {names.department_of(n) for n in wanted})
    held = store.held_for_change(work.session, wanted)
    # 3. Decide, then write what changes.
    replacing = directory.replacing_resources(changes)
    resources = store.resources(work.session, replacing) if replacing else {}
    plan = directory.plan(changes, held=held, departments=departments, replacing=resources)
    now, batch = clock.now(), names.random_id()
    if plan.versions:
        epoch = store.bump(work.session)
        store.write(work.session, plan.versions, at=now, batch=batch, epoch=epoch)
        keep_index(work, plan.versions, epoch=epoch)
        changed = [new.name for new in plan.versions]
        changing.applied(work, changed, actor=principal.system, at=now)
    # 4. A batch may be larger than a leaf: the record commits to it by a digest that history
    #    (name, version, etag of each entry) lets anyone recompute.
    told = canonical([[new.name, new.version, new.etag] for new in plan.versions])
    facts: dict[str, Value] = {
        "batch": batch,
        "source": source,
        "added": plan.added,
        "changed": plan.changed,
        "withdrawn": plan.withdrawn,
        "unchanged": plan.unchanged,
        "digest": hashlib.sha256(told).hexdigest(),
    }
    work.record(make_record("directory_applied", at=now, actor=principal.system, facts=facts))
    return plan


class Schemas:
    """The schemas of resources, in memory, and fresh within `freshness.CHECK_SECONDS`.

    Each has the row of the negative list that is in force about it today.
    """

    def __init__(self, database: Database, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._clock = clock
        self._fresh = store.Freshness(database)
        self._kept = Kept(
            read=self._read, epoch=self._fresh.epoch, changed_since=self._fresh.changed_since
        )

    def schema(self, resource: str) -> ResourceSchema:
        """The schema of a resource, withdrawn or not. Raises NotFound, RESOURCE_NOT_FOUND."""
        schema = self._kept.get(resource)
        if schema is None:
            raise resource_not_found()
        if schema.kept_back is None or is_in_force(schema.kept_back, china_date(self._clock.now())):
            return schema
        return replace(schema, kept_back=None)

    def invalidate(self) -> None:
        """See this process's own change with the next look: called after its commit."""
        self._kept.invalidate()

    def _read(self, name: str) -> ResourceSchema | None:
        with self._database.reading() as session:
            entry = store.entry(session, name)
            if not isinstance(entry, DataResource):
                return None
            return schema_of(entry, list_store.negative(session, name))


def service_item_not_found() -> NotFound:
    """The answer where no service item has the name or the code."""
    return NotFound(
        "no such service item: check its name with ListServiceItems "
        "(`tongban catalog service-items`)",
        reason="SERVICE_ITEM_NOT_FOUND",
        message_zh="没有该事项：请用事项列表（tongban catalog service-items）核对其名称",
    )


def resource_not_found() -> NotFound:
    """The answer where no resource has the name."""
    return NotFound(
        "no such data resource: check its name with ListDataResources "
        "(`tongban catalog resources`)",
        reason="RESOURCE_NOT_FOUND",
        message_zh="没有该信息资源：请用资源列表（tongban catalog resources）核对其名称",
    )


def _list_entries(
    database: Database,
    kind: str,
    pattern: str,
    parent: str,
    page_size: int,
    page_token: str,
    withdrawn: bool,
    stale_at: datetime | None = None,
) -> tuple[list[Entry], str]:
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    size = paging.page_size(page_size)
    after = _after(page_token, pattern)
    with database.reading() as session:
        rows = store.entries(
            session,
            kind,
            department=None if parent == EVERY_DEPARTMENT else parent,
            withdrawn=withdrawn,
            after=after,
            limit=size + 1,
            stale_at=stale_at,
        )
    return paging.cut(rows, size, lambda entry: entry.name)


def _after(token: str, pattern: str) -> str:
    """The name a page begins after; a token that holds no such name was made up."""
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return after


def _check_source(source: str) -> None:
    violations = rules.text_violations("source", source, SOURCE_LIMIT)
    if violations:
        raise InvalidArgument(
            f"source says in at most {SOURCE_LIMIT} characters where the directory came from",
            reason="SOURCE_INVALID",
            message_zh=f"source 用不超过 {SOURCE_LIMIT} 个字符说明目录来源",
            violations=violations,
        )
