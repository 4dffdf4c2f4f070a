"""Tables of the three lists, and every SQL statement on them; what they read of other tables.

1. `list_row` holds the newest version of each row, `list_row_version` every version. Content is the
   canonical JSON of the model; a day without an end is held as the last one there is.
2. A row is locked before it changes. A page costs a fixed number of statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.catalog import store as catalog
from exchange.catalog.model import DataResource, EntryState, SharingType
from exchange.catalog.registry.store import DEPARTMENTS
from exchange.catalog.store import ENTRIES
from exchange.grants.model import GrantState
from exchange.grants.store import GRANTS
from exchange.lists.model import (
    Demand,
    List,
    Negative,
    Responsibility,
    Row,
    RowState,
    content_of,
    list_of,
    negative_of,
    row_of,
)
from runtime import names
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
DAY = sa.String(10).with_variant(sa.String(10, collation="C"), "postgresql")
LAST_DAY = "9999-12-31"


class ListRow(SQLModel, table=True):
    """The newest version of a row."""

    __tablename__ = "list_row"

    name: str = Field(primary_key=True, sa_type=NAME)
    list: str = Field(max_length=16)
    department: str = Field(sa_type=NAME)
    resource: str = Field(sa_type=NAME)
    party: str = Field(sa_type=NAME)
    from_day: str = Field(sa_type=DAY)
    until_day: str = Field(sa_type=DAY)
    state: str = Field(max_length=16)
    version: int
    content: str = Field(sa_type=sa.Text)
    etag: str = Field(max_length=64)
    create_time: datetime = Field(sa_type=UtcDateTime)
    update_time: datetime = Field(sa_type=UtcDateTime)


class ListRowVersion(SQLModel, table=True):
    """One version that a row has had."""

    __tablename__ = "list_row_version"

    name: str = Field(primary_key=True, sa_type=NAME)
    version: int = Field(primary_key=True)
    state: str = Field(max_length=16)
    content: str = Field(sa_type=sa.Text)
    etag: str = Field(max_length=64)
    actor: str = Field(sa_type=NAME)
    changed_at: datetime = Field(sa_type=UtcDateTime)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


ROWS = _table(ListRow)
VERSIONS = _table(ListRowVersion)
TABLES = (ROWS, VERSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows of a list a page shows; None is without a bound."""

    list: List
    department: str | None = None
    #: Rows of this department, or that this one is asked for.
    party: str | None = None
    resource: str | None = None
    states: Collection[str] | None = None
    in_force_on: str | None = None
    #: Of the responsibility list: what may be promised to this department, by its name or to all.
    #: A few rows more, of which some text is its name, may be found.
    receiver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a row, and the system that made it."""

    row: Row
    actor: str


def write(session: Session, row: Row, *, actor: str) -> None:
    """Write a row whose version, etag and times are set, and keep that version."""
    content, kind = content_of(row).decode(), list_of(row)
    columns = {
        "resource": row.resource,
        "party": row.supplier if isinstance(row, Demand) else "",
        "from_day": "" if isinstance(row, Demand) else row.from_day,
        "until_day": LAST_DAY if isinstance(row, Demand) else row.until_day or LAST_DAY,
        "state": row.state.value,
        "version": row.version,
        "content": content,
        "etag": row.etag,
        "update_time": row.update_time,
    }
    if row.version == 1:
        session.execute(
            ROWS.insert().values(
                name=row.name,
                list=kind.value,
                department=names.department_of(row.name),
                create_time=row.create_time,
                **columns,
            )
        )
    else:
        session.execute(sa.update(ROWS).where(ROWS.c.name == row.name).values(**columns))
    session.execute(
        VERSIONS.insert().values(
            name=row.name,
            version=row.version,
            state=row.state.value,
            content=content,
            etag=row.etag,
            actor=actor,
            changed_at=row.update_time,
        )
    )


def row(session: Session, name: str, *, lock: bool = False) -> Row | None:
    """The row of this name, removed or not; locked until the transaction ends where it changes."""
    query = sa.select(ROWS).where(ROWS.c.name == name)
    found = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if found is None else _row_of(found)


def rows(session: Session, wanted: Wanted, *, after: str, limit: int) -> list[Row]:
    """At most `limit` rows whose names follow `after`."""
    query = _wanted(wanted).where(ROWS.c.name > after).order_by(ROWS.c.name).limit(limit)
    return [_row_of(found) for found in session.execute(query).mappings()]


def promises_of(session: Session, of: Collection[str]) -> list[Responsibility]:
    """The rows on the responsibility list that promise these resources; one statement."""
    query = sa.select(ROWS).where(
        ROWS.c.list == List.RESPONSIBILITY.value,
        ROWS.c.resource.in_(of),
        ROWS.c.state == RowState.ACTIVE.value,
    )
    found = (_row_of(one) for one in session.execute(query.order_by(ROWS.c.name)).mappings())
    return [one for one in found if isinstance(one, Responsibility)]


def negatives_of(session: Session, of: Collection[str], day: str) -> dict[str, Negative]:
    """The rows of the negative list in force on a day, by resource; one statement."""
    query = _wanted(Wanted(list=List.NEGATIVE, in_force_on=day)).where(ROWS.c.resource.in_(of))
    found = (_row_of(one) for one in session.execute(query).mappings())
    return {one.resource: one for one in found if isinstance(one, Negative)}


def negative(session: Session, resource: str) -> Negative | None:
    """The row of the negative list about a resource, in force or to come; None where none is."""
    found = row(session, negative_of(resource))
    return found if isinstance(found, Negative) and found.state is RowState.ACTIVE else None


def negative_then(session: Session, resource: str, at: datetime) -> Negative | None:
    """What the negative list said of a resource at a time, whatever its days; None for nothing."""
    query = (
        sa.select(VERSIONS.c.state, VERSIONS.c.content)
        .where(VERSIONS.c.name == negative_of(resource), VERSIONS.c.changed_at <= at)
        .order_by(VERSIONS.c.version.desc())
        .limit(1)
    )
    found = session.execute(query).first()
    if found is None:
        return None
    made = row_of(List.NEGATIVE, orjson.loads(found.content), found.state)
    return made if isinstance(made, Negative) else None


def live_grants(
    session: Session, resource: str, *, now: datetime, after: str, limit: int
) -> list[tuple[str, str, tuple[str, ...], datetime, datetime]]:
    """Grants of a resource after a name: name, consumer, items, start and end of those not over.

    Items that a row filter tests are among them.
    """
    at, columns = sa.literal(now, UtcDateTime), GRANTS.c
    query = (
        sa.select(
            columns.name,
            columns.consumer,
            columns["items"],
            columns.row_filter,
            columns.start_time,
            columns.end_time,
        )
        .where(
            columns.source == names.department_of(resource),
            columns.name > after,
            columns.resource == resource,
            columns.state == GrantState.ACTIVE.value,
            columns.end_time > at,
        )
        .order_by(columns.name)
        .limit(limit)
    )
    return [
        (name, consumer, tuple(dict.fromkeys(one[0] for text in told for one in text)), start, end)
        for name, consumer, items, row_filter, start, end in session.execute(query)
        for told in [(orjson.loads(items), orjson.loads(row_filter))]
    ]


def by_resource(session: Session, wanted: Wanted, *, after: str, limit: int) -> dict[str, Row]:
    """At most `limit` rows whose resources follow `after`, by resource: one a resource."""
    query = _wanted(wanted).where(ROWS.c.resource > after).order_by(ROWS.c.resource).limit(limit)
    found = (_row_of(one) for one in session.execute(query).mappings())
    return {one.resource: one for one in found}


def _wanted(wanted: Wanted) -> sa.Select[Any]:
    columns = ROWS.c
    query = sa.select(ROWS).where(columns.list == wanted.list.value)
    if wanted.department is not None:
        query = query.where(columns.department == wanted.department)
    if wanted.party is not None:
        query = query.where(
            sa.or_(columns.department == wanted.party, columns.party == wanted.party)
        )
    if wanted.resource is not None:
        query = query.where(columns.resource == wanted.resource)
    if wanted.receiver is not None:
        # Content is canonical JSON, so that a name stands in it as it is, in quotes.
        query = query.where(
            sa.or_(
                columns.content.contains(f'"{wanted.receiver}"', autoescape=True),
                columns.content.contains('"receivers":[]', autoescape=True),
            )
        )
    if wanted.states is not None:
        query = query.where(columns.state.in_(wanted.states))
    if wanted.in_force_on is not None:
        day = wanted.in_force_on
        query = query.where(
            columns.state == RowState.ACTIVE.value,
            columns.from_day <= day,
            columns.until_day >= day,
        )
    return query


def versions(session: Session, name: str, *, after: int, limit: int) -> list[Version]:
    """At most `limit` versions of a row that follow a number, oldest first."""
    query = (
        sa.select(VERSIONS, ROWS.c.list, ROWS.c.create_time)
        .join_from(VERSIONS, ROWS, ROWS.c.name == VERSIONS.c.name)
        .where(VERSIONS.c.name == name, VERSIONS.c.version > after)
        .order_by(VERSIONS.c.version)
        .limit(limit)
    )
    return [
        Version(row=_row_of({**found, "update_time": found["changed_at"]}), actor=found["actor"])
        for found in session.execute(query).mappings()
    ]


def unknown_departments(session: Session, wanted: Collection[str]) -> set[str]:
    """Which of these departments are not registered; one statement."""
    query = sa.select(DEPARTMENTS.c.name).where(DEPARTMENTS.c.name.in_(wanted))
    return set(wanted) - set(session.scalars(query))


def resources(session: Session, wanted: Collection[str]) -> dict[str, DataResource]:
    """The resources in force of these names; one statement."""
    return catalog.resources(session, wanted)


def withdrawn(session: Session, wanted: Collection[str]) -> set[str]:
    """Which of these resources were withdrawn; one statement."""
    query = sa.select(ENTRIES.c.name).where(
        ENTRIES.c.name.in_(wanted), ENTRIES.c.state == EntryState.WITHDRAWN.value
    )
    return set(session.scalars(query))


def not_shared(session: Session, *, department: str | None, after: str, limit: int) -> list[str]:
    """At most `limit` resources in force that the catalog calls NOT_SHARED, after a name."""
    query = sa.select(ENTRIES.c.name).where(
        ENTRIES.c.kind == catalog.RESOURCE_KIND,
        ENTRIES.c.sharing == SharingType.NOT_SHARED.value,
        ENTRIES.c.state == EntryState.ACTIVE.value,
        ENTRIES.c.name > after,
    )
    if department is not None:
        query = query.where(ENTRIES.c.department == department)
    return list(session.scalars(query.order_by(ENTRIES.c.name).limit(limit)))


def granted(
    session: Session, *, resources: Collection[str], consumers: Collection[str], now: datetime
) -> Mapping[str, Mapping[str, set[str]]]:
    """The items that these consumers' grants in force give, by resource; one statement."""
    at, columns = sa.literal(now, UtcDateTime), GRANTS.c
    query = (
        sa.select(columns.resource, columns.consumer, columns["items"])
        .where(
            columns.consumer.in_(consumers),
            columns.resource.in_(resources),
            columns.state == GrantState.ACTIVE.value,
            columns.start_time <= at,
            columns.end_time > at,
        )
        .distinct()
    )
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for resource, consumer, items in session.execute(query):
        found[resource][consumer].update(code for code, _ in orjson.loads(items))
    return found


def _row_of(found: Mapping[Any, Any]) -> Row:
    made = row_of(List(found["list"]), orjson.loads(found["content"]), found["state"])
    return replace(
        made,
        version=found["version"],
        etag=found["etag"],
        create_time=found["create_time"],
        update_time=found["update_time"],
    )
