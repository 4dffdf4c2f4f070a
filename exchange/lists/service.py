"""Use cases of the three lists.

1. A change locks its row, carries the etag of what it replaces, keeps a version, and leaves its
   audit record in the same transaction. Free text is committed to by hash only.
2. The responsibility and the negative list are open to every department.
3. A row of the responsibility list has a clock where the catalog lacks what it promises
   (`changing`). Demands are in `demands`.
4. A row of the responsibility list is written by an administrator of its department, of one above
   it, or of the node's office (`catalog.acting`). Any administrator puts a row on the negative
   list, as any may revoke a grant; but only its department, or an administrator above it, changes
   it or takes it off: that gives data back.
5. A row of the negative list is seen by every process that reads, with its commit: it raises the
   catalog's epoch for its resource (`catalog.service.Schemas`).
6. What costs more than a page's fixed statements is not asked here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from exchange.catalog import service as catalog
from exchange.catalog import store as catalog_store
from exchange.catalog.model import DataResource, SharingType
from exchange.grants import standing
from exchange.lists import changing, model, store
from exchange.lists.keeping import Collision, listed
from exchange.lists.model import (
    Demand,
    List,
    Negative,
    Responsibility,
    Row,
    RowState,
    check_lister,
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
from runtime.errors import NotFound
from runtime.identity import Principal
from runtime.records import make_record
from runtime.workdays import read_day

if TYPE_CHECKING:
    from sqlmodel import Session

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


def put(
    work: UnitOfWork, principal: Principal, *, row: _Kept, clock: Clock, office: str = ""
) -> _Kept:
    """Write a row of the responsibility or the negative list in place of the one of its name.

    Raises InvalidArgument (ROW_INVALID), PermissionDenied (NOT_RESPONSIBLE), NotFound
    (DEPARTMENT_NOT_FOUND) and Aborted (ETAG_MISMATCH).
    """
    asked = replace(row, state=RowState.ACTIVE)
    model.check(asked)
    department = names.department_of(asked.name)
    if isinstance(asked, Negative):
        check_lister(principal, department)
    else:
        check_keeper(work, principal, department, office)
    named = {department}
    if isinstance(asked, Responsibility):
        named.update(asked.receivers)
    check_registered(work, named)
    held = store.row(work.session, asked.name, lock=True)
    on_list = held is not None and held.state is RowState.ACTIVE
    if on_list and isinstance(asked, Negative):
        check_keeper(work, principal, department)
    if asked.etag != (held.etag if held is not None and on_list else ""):
        raise etag_mismatch()
    made = write(work, principal, asked, held, word=f"{model.list_of(asked)}_put", clock=clock)
    if isinstance(made, Negative):
        catalog_store.touch(work.session, made.resource)
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
    work: UnitOfWork, principal: Principal, *, name: str, etag: str, kind: type[_Kept],
    clock: Clock, office: str = "",
) -> _Kept:  # fmt: skip
    """Take a row off its list. Raises NotFound (ROW_NOT_FOUND), Aborted (ETAG_MISMATCH)."""
    check_keeper(work, principal, names.department_of(name), "" if kind is Negative else office)
    held = store.row(work.session, name, lock=True)
    if not isinstance(held, kind) or held.state is RowState.REMOVED:
        raise row_not_found()
    if etag != held.etag:
        raise etag_mismatch()
    gone = replace(held, state=RowState.REMOVED)
    if isinstance(gone, Negative):
        catalog_store.touch(work.session, gone.resource)
    if isinstance(gone, Responsibility):
        changing.removed(work, gone, actor=principal.system, at=clock.now())
    return write(work, principal, gone, held, word=f"{model.list_of(held)}_removed", clock=clock)


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
    size, after = page_of(parent, page_size, page_token, names.RESPONSIBILITY)
    wanted = Wanted(
        list=List.RESPONSIBILITY,
        department=department_of(parent),
        resource=resource or None,
        states=None if show_removed else [RowState.ACTIVE.value],
        in_force_on=read_day(day, "day").isoformat() if day else None,
    )
    with database.reading() as session:
        rows = store.rows(session, wanted, after=after, limit=size + 1)
    found = [row for row in rows if isinstance(row, Responsibility)]
    return paging.cut(found, size, lambda row: row.name)


def list_negatives(
    database: Database, *, parent: str, page_size: int, page_token: str, clock: Clock
) -> tuple[list[NotShared], str]:
    """A page of what is not shared, by resource: the list's rows and the catalog's word.

    Three statements.
    """
    size, after = page_of(parent, page_size, page_token, names.RESOURCE)
    department = department_of(parent)
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


def collisions_in(
    work: UnitOfWork, negative: Negative, *, clock: Clock
) -> tuple[list[Collision], str]:
    """The first page of the grants that give what a row keeps back, and the token of the next."""
    return _collisions(work.session, negative, clock.now(), after="", size=paging.DEFAULT_SIZE)


def list_collisions(
    database: Database,
    principal: Principal,
    *,
    name: str,
    page_size: int,
    page_token: str,
    clock: Clock,
) -> tuple[list[Collision], str]:
    """A page of the grants, not over yet, that give what a row keeps back; one statement.

    Raises NotFound (ROW_NOT_FOUND) and PermissionDenied (NOT_RESPONSIBLE).
    """
    names.parse(names.NEGATIVE, name)
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.GRANT, after, field="page_token")
    with database.reading() as session:
        held = store.row(session, name)
        if not isinstance(held, Negative) or held.state is RowState.REMOVED:
            raise row_not_found()
        if not sees_everything(principal):
            check_writer(principal, names.department_of(name))
        return _collisions(session, held, clock.now(), after=after, size=size)


def _collisions(
    session: Session, negative: Negative, now: datetime, *, after: str, size: int
) -> tuple[list[Collision], str]:
    rows = store.live_grants(session, negative.resource, now=now, after=after, limit=size + 1)
    page, token = paging.cut(rows, size, lambda row: row[0])
    found = [
        Collision(
            grant=grant,
            consumer=consumer,
            items=listed(negative, items),
            start_time=start,
            end_time=end,
        )
        for grant, consumer, items, start, end in page
    ]
    return [one for one in found if one.items], token


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


_Any = TypeVar("_Any", Responsibility, Negative, Demand)


def write(
    work: UnitOfWork, principal: Principal, row: _Any, held: Row | None, *, word: str, clock: Clock
) -> _Any:
    """Write the next version of a row, with its record."""
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


def check_keeper(work: UnitOfWork, principal: Principal, department: str, office: str = "") -> None:
    """Raises as `check_writer`, with the departments above one looked up."""
    own = principal.department in (department, office)
    above = () if own else standing.above(work, department)
    check_writer(principal, department, above=above, office=office)


def check_registered(work: UnitOfWork, departments: Collection[str]) -> None:
    """Raises NotFound (DEPARTMENT_NOT_FOUND) where one of these is not registered."""
    if store.unknown_departments(work.session, departments):
        raise NotFound(
            "a department named here is not registered: see `tongban catalog departments`",
            reason="DEPARTMENT_NOT_FOUND",
            message_zh="所列部门中有未登记的：请查看 tongban catalog departments",
        )


def department_of(parent: str) -> str | None:
    """The department that a list is asked of; None for all."""
    return None if parent == EVERY_DEPARTMENT else parent


def page_of(parent: str, page_size: int, token: str, pattern: str) -> tuple[int, str]:
    """The size, and the name that the page follows."""
    names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
    after = paging.last_of(token)
    if after:
        names.parse(pattern, after, field="page_token")
    return paging.page_size(page_size), after
