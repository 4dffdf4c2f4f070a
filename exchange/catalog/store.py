"""Tables of the catalog's entries, and every SQL statement on them; departments: `registry.store`.

1. `catalog_entry` holds the newest version of each entry; `catalog_version` every version, so that
   "what did the catalog say then?" has an answer. Content is the canonical JSON of the model.
2. A batch costs a fixed number of statements: one select and one bulk write a table.
3. Names sort by bytes in both databases, so that pages mean the same in both.
4. `catalog_epoch` has one row, raised by every batch that changes something (see `freshness`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.catalog.directory import Held, NewVersion
from exchange.catalog.model import (
    DataResource,
    Entry,
    EntryState,
    SharingType,
    entry_from_content,
)
from exchange.catalog.registry.store import DEPARTMENTS, NAME, table
from exchange.catalog.staleness import published_before
from runtime import names
from runtime.database import Database, UtcDateTime


class EntryRow(SQLModel, table=True):
    """The newest version of a data resource or a service item."""

    __tablename__ = "catalog_entry"
    __table_args__ = (
        sa.Index("catalog_entry_by_department", "kind", "department", "name"),
        sa.Index("catalog_entry_by_code", "kind", "code"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    kind: str = Field(max_length=16)
    department: str = Field(sa_type=NAME)
    version: int
    content: str = Field(sa_type=sa.Text)
    state: str = Field(max_length=16)
    etag: str = Field(max_length=64)
    update_time: datetime = Field(sa_type=UtcDateTime)
    epoch: int = Field(sa_type=sa.BigInteger, index=True)
    #: Of the content, for what is asked of many entries: code, sharing type, update cycle.
    code: str = Field(max_length=64)
    sharing: str = Field(max_length=16)
    cycle: str = Field(max_length=16)


class VersionRow(SQLModel, table=True):
    """One version that an entry has had."""

    __tablename__ = "catalog_version"

    name: str = Field(primary_key=True, sa_type=NAME)
    version: int = Field(primary_key=True)
    content: str = Field(sa_type=sa.Text)
    state: str = Field(max_length=16)
    changed_at: datetime = Field(sa_type=UtcDateTime)
    batch: str = Field(max_length=64, index=True)


class CatalogEpochRow(SQLModel, table=True):
    """How often the catalog has changed; one row."""

    __tablename__ = "catalog_epoch"

    id: int = Field(primary_key=True)
    value: int = Field(sa_type=sa.BigInteger)


ENTRIES = table(EntryRow)
VERSIONS = table(VersionRow)
EPOCH = table(CatalogEpochRow)
TABLES = (ENTRIES, VERSIONS, EPOCH)

#: What is asked of the batches of records; they belong to delivery.
BATCHES = sa.table("batch", sa.column("resource", NAME), sa.column("published_at", UtcDateTime))

#: Kind of an entry by the collection that its name has: the word after its department.
RESOURCE_KIND = "resources"
SERVICE_ITEM_KIND = "serviceItems"


def lock_departments(session: Session) -> None:
    """Keep everybody else from changing departments' places until the transaction ends."""
    session.execute(sa.update(EPOCH).where(EPOCH.c.id == 1).values(value=EPOCH.c.value))


def entry(session: Session, name: str) -> Entry | None:
    """The entry of this name, withdrawn or not."""
    row = session.execute(_entries().where(ENTRIES.c.name == name)).first()
    return None if row is None else _entry_of(row)


def resources(session: Session, wanted: Collection[str]) -> dict[str, DataResource]:
    """The resources in force of these names; one statement."""
    in_force = ENTRIES.c.state == EntryState.ACTIVE.value
    rows = session.execute(_entries().where(ENTRIES.c.name.in_(wanted), in_force))
    found = (_entry_of(row) for row in rows)
    return {one.name: one for one in found if isinstance(one, DataResource)}


def titles(session: Session, wanted: Collection[str]) -> dict[str, str]:
    """What the entries of these names are called, withdrawn or not; one statement."""
    rows = session.execute(_entries().where(ENTRIES.c.name.in_(wanted)))
    return {one.name: one.display_name for one in map(_entry_of, rows)}


def entries(
    session: Session,
    kind: str,
    *,
    department: str | None,
    withdrawn: bool,
    after: str,
    limit: int,
    stale_at: datetime | None = None,
) -> list[Entry]:
    """At most `limit` entries of a kind whose names follow `after`; of all where None is given.

    `stale_at` leaves only what was in force and stale at that time.
    """
    query = _entries().where(ENTRIES.c.kind == kind, ENTRIES.c.name > after)
    if department is not None:
        query = query.where(ENTRIES.c.department == department)
    if not withdrawn or stale_at is not None:
        query = query.where(ENTRIES.c.state == EntryState.ACTIVE.value)
    if stale_at is not None:
        query = query.where(stale(stale_at))
    rows = session.execute(query.order_by(ENTRIES.c.name).limit(limit))
    return [_entry_of(row) for row in rows]


def stale(at: datetime) -> sa.ColumnElement[bool]:
    """Whether an entry in force is a resource that is stale, as `staleness.is_stale` says."""
    never = sa.literal(datetime(1970, 1, 1, tzinfo=UTC), UtcDateTime)
    before = {cycle: sa.literal(time, UtcDateTime) for cycle, time in published_before(at).items()}
    return sa.and_(
        ENTRIES.c.kind == RESOURCE_KIND,
        ENTRIES.c.sharing != SharingType.NOT_SHARED.value,
        sa.func.coalesce(_newest_batch(), never) < sa.case(before, value=ENTRIES.c.cycle),
    )


def held_for_change(session: Session, wanted: Collection[str]) -> dict[str, Held]:
    """What is held under these names, locked until the transaction ends; one statement."""
    query = (
        sa.select(
            ENTRIES.c.name,
            ENTRIES.c.version,
            ENTRIES.c.content,
            ENTRIES.c.state,
            ENTRIES.c.etag,
            sa.exists().where(BATCHES.c.resource == ENTRIES.c.name),
        )
        .where(ENTRIES.c.name.in_(wanted))
        .order_by(ENTRIES.c.name)  # two batches lock in one order: no deadlock
        .with_for_update(of=ENTRIES)
    )
    return {
        name: Held(
            name=name,
            version=version,
            content=content.encode(),
            state=EntryState(state),
            etag=etag,
            published=published,
        )
        for name, version, content, state, etag, published in session.execute(query)
    }


def bump(session: Session) -> int:
    """Raise the epoch, before the rows change, and return it."""
    value = EPOCH.c.value
    raised = sa.update(EPOCH).where(EPOCH.c.id == 1).values(value=value + 1).returning(value)
    return int(session.execute(raised).scalar_one())


def touch(session: Session, name: str) -> None:
    """Let every process read an entry anew, of which something beside it has changed."""
    epoch = bump(session)
    session.execute(sa.update(ENTRIES).where(ENTRIES.c.name == name).values(epoch=epoch))


def write(
    session: Session, versions: Sequence[NewVersion], *, at: datetime, batch: str, epoch: int
) -> None:
    """Write new versions, each to its entry and to history; three statements at most."""
    rows = [
        {
            "name": new.name,
            "kind": new.name.split("/")[2],
            "department": names.department_of(new.name),
            "version": new.version,
            "content": new.content.decode(),
            "state": new.state.value,
            "etag": new.etag,
            "update_time": at,
            "epoch": epoch,
            **_asked(new.content),
        }
        for new in versions
    ]
    added = [row for row in rows if row["version"] == 1]
    if added:
        session.execute(ENTRIES.insert(), added)
    columns = (
        "version", "content", "state", "etag", "update_time", "epoch", "code", "sharing", "cycle"
    )  # fmt: skip
    changed = [
        {"of": row["name"], **{f"new_{column}": row[column] for column in columns}}
        for row in rows
        if row["version"] != 1
    ]
    if changed:
        update = sa.update(ENTRIES).where(ENTRIES.c.name == sa.bindparam("of"))
        session.connection().execute(
            update.values({column: sa.bindparam(f"new_{column}") for column in columns}), changed
        )
    if rows:
        session.execute(
            VERSIONS.insert(),
            [
                {
                    "name": row["name"],
                    "version": row["version"],
                    "content": row["content"],
                    "state": row["state"],
                    "changed_at": at,
                    "batch": batch,
                }
                for row in rows
            ],
        )


def _asked(content: bytes) -> dict[str, str]:
    """What the columns repeat of a content."""
    said = orjson.loads(content)
    keys = {"code": "code", "sharing": "sharing_type", "cycle": "update_cycle"}
    return {column: said.get(key, "") for column, key in keys.items()}


class Freshness:
    """The epoch and what changed since, by fixed SQL on the hot path's own connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = database.held.sql("SELECT value FROM catalog_epoch WHERE id = 1")
        self._changed = database.held.sql("SELECT name FROM catalog_entry WHERE epoch > ?")

    def read(self, name: str) -> Entry | None:
        """The entry of this name, as committed."""
        with self._database.reading() as session:
            return entry(session, name)

    def epoch(self) -> int:
        """The epoch, as committed."""
        row = self._database.held.row(self._epoch, ())
        return -1 if row is None else int(row[0])

    def changed_since(self, epoch: int) -> list[str]:
        """Names of the entries that changed after an epoch."""
        return [row[0] for row in self._database.held.rows(self._changed, (epoch,))]


Row = tuple[str, str, str, int, datetime, str | None, datetime | None]


def _entries() -> sa.Select[Row]:
    columns = ENTRIES.c
    return sa.select(
        columns.content,
        columns.state,
        columns.etag,
        columns.version,
        columns.update_time,
        DEPARTMENTS.c.credit_code,
        _newest_batch().label("published"),
    ).join(DEPARTMENTS, DEPARTMENTS.c.name == columns.department)


def _newest_batch() -> sa.ScalarSelect[datetime]:
    """When the newest batch of an entry's records was published: one look into an index."""
    newest = sa.select(sa.func.max(BATCHES.c.published_at, type_=UtcDateTime))
    return newest.where(BATCHES.c.resource == ENTRIES.c.name).scalar_subquery()


def _entry_of(row: sa.Row[Row]) -> Entry:
    content, state, etag, version, update_time, credit_code, published = row
    found = replace(
        entry_from_content(content.encode()),
        state=EntryState(state),
        etag=etag,
        version=version,
        update_time=update_time,
    )
    if isinstance(found, DataResource):
        return replace(found, provider_code=credit_code or "", last_publish_time=published)
    return found
