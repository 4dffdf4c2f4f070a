"""The clock of a change of the catalog that the responsibility list asks for (目录变更).

1. Where a row promises a resource that the catalog does not have in force, or items that it lacks,
   its department owes that change: the clock starts with the row, or with its first day if later.
2. The batch that brings all of it into the catalog ends the clock. Taking the row off cancels it.
3. What leaves the catalog later starts no clock: `comparing` tells of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from exchange.catalog.model import DataResource
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.lists import store
from exchange.lists.model import Responsibility
from runtime import names
from runtime.clock import CHINA
from runtime.database import UnitOfWork

_KIND = Kind.CATALOG_CHANGE


def promised(
    work: UnitOfWork, row: Responsibility, *, region_code: str, actor: str, at: datetime
) -> None:
    """A row was written: the clock of what the catalog lacks of it starts, or ends."""
    held = store.resources(work.session, [row.resource]).get(row.resource)
    if _has(held, row):
        deadlines.finish(work, subject=row.name, kind=_KIND, at=at, actor=actor)
    elif not deadlines.open_subjects(work, [row.name], _KIND):
        first = datetime.fromisoformat(row.from_day).replace(tzinfo=CHINA)
        deadlines.start(
            work,
            subject=row.name,
            kind=_KIND,
            region_code=region_code,
            department=names.department_of(row.name),
            at=max(at, first),
            actor=actor,
        )


def removed(work: UnitOfWork, row: Responsibility, *, actor: str, at: datetime) -> None:
    """A row is off the list: nothing is owed by it."""
    deadlines.cancel(work, subject=row.name, kind=_KIND, at=at, actor=actor)


def applied(work: UnitOfWork, changed: Collection[str], *, actor: str, at: datetime) -> None:
    """Entries of the catalog have changed: the clocks of what it has now end.

    One statement where the list has no row of them.
    """
    resources = [name for name in changed if names.is_name(names.RESOURCE, name)]
    rows = store.promises_of(work.session, resources) if resources else []
    if not rows:
        return
    owed = deadlines.open_subjects(work, [row.name for row in rows], _KIND)
    held = store.resources(work.session, {row.resource for row in rows if row.name in owed})
    for row in rows:
        if row.name in owed and _has(held.get(row.resource), row):
            deadlines.finish(work, subject=row.name, kind=_KIND, at=at, actor=actor)


def _has(resource: DataResource | None, row: Responsibility) -> bool:
    """Whether a resource in force has all items that a row promises."""
    return resource is not None and {item.code for item in resource.items}.issuperset(row.items)
