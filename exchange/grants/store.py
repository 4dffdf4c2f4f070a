"""Tables of grants, and every SQL statement on them; those of requests are in `requests.store`.

1. Lists of names and codes are JSON texts: they are read and written whole.
2. A row is locked before it is decided upon, so of two decisions the second sees the first.
3. `grant_epoch` has one row, raised before every change of a grant (see `freshness`).
4. `grant_version` keeps every version of a grant as it was given; of each grant at most the newest
   is without an end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.grants import content, model
from exchange.grants.model import AccessRequest, Grant, GrantVersion
from runtime.database import Database, UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class GrantRow(SQLModel, table=True):
    """A grant; `grant` alone is a word of SQL."""

    __tablename__ = "access_grant"
    __table_args__ = (
        sa.Index("access_grant_by_consumer", "consumer", "name"),
        sa.Index("access_grant_by_source", "source", "name"),
        sa.Index("access_grant_by_resource", "consumer", "resource"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    consumer: str = Field(sa_type=NAME)
    source: str = Field(sa_type=NAME)
    resource: str = Field(sa_type=NAME)
    items: str = Field(sa_type=sa.Text)
    operations: str = Field(sa_type=sa.Text)
    purpose: str = Field(max_length=200)
    legal_basis: str = Field(max_length=500)
    daily_quota: int
    start_time: datetime = Field(sa_type=UtcDateTime)
    end_time: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(max_length=16)
    revoke_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoke_reason: str = Field(max_length=500)
    contract_hash: str = Field(max_length=64)
    access_request: str = Field(sa_type=NAME, unique=True)
    create_time: datetime = Field(sa_type=UtcDateTime)
    service_item: str = Field(sa_type=NAME)
    row_filter: str = Field(sa_type=sa.Text)
    rate_per_minute: int
    version: int
    earlier: str = Field(sa_type=sa.Text)
    include_history: bool
    history_from: int = Field(sa_type=sa.BigInteger)
    epoch: int = Field(sa_type=sa.BigInteger, index=True)


class GrantVersionRow(SQLModel, table=True):
    """One version of a grant."""

    __tablename__ = "grant_version"
    __table_args__ = (sa.Index("grant_version_of_resource", "resource", "name", "version"),)

    name: str = Field(primary_key=True, sa_type=NAME)
    version: int = Field(primary_key=True)
    resource: str = Field(sa_type=NAME)
    act: str = Field(max_length=16)
    actor: str = Field(sa_type=NAME)
    from_time: datetime = Field(sa_type=UtcDateTime)
    until_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    from_offset: int = Field(sa_type=sa.BigInteger)
    content: str = Field(sa_type=sa.Text)


class GrantEpochRow(SQLModel, table=True):
    """How often grants have changed; one row."""

    __tablename__ = "grant_epoch"

    id: int = Field(primary_key=True)
    value: int = Field(sa_type=sa.BigInteger)


def table(row: type[SQLModel]) -> sa.Table:
    """The table of a class of rows."""
    made = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(made, sa.Table)  # noqa: S101  # for the type checker
    return made


GRANTS = table(GrantRow)
VERSIONS = table(GrantVersionRow)
EPOCH = table(GrantEpochRow)
_DERIVED = ("consumer", "source", "epoch")
TABLES = (GRANTS, VERSIONS, EPOCH)


def bump(session: Session) -> int:
    """Raise the epoch, before a grant changes, and return it."""
    value = EPOCH.c.value
    raised = sa.update(EPOCH).where(EPOCH.c.id == 1).values(value=value + 1).returning(value)
    return int(session.execute(raised).scalar_one())


def insert_grant(session: Session, grant: Grant, *, epoch: int) -> None:
    """Write a new grant."""
    session.execute(GRANTS.insert().values(**row_of(grant, epoch=epoch)))


def row_of(grant: Grant, *, epoch: int) -> dict[str, Any]:
    """The row of a grant."""
    return {**_grant_values(grant), "epoch": epoch}


def update_grant(session: Session, grant: Grant, *, epoch: int) -> None:
    """Write the end of a grant, or its next version."""
    session.execute(
        sa.update(GRANTS).where(GRANTS.c.name == grant.name).values(**row_of(grant, epoch=epoch))
    )


def add_version(session: Session, version: GrantVersion) -> None:
    """Write a version, and end the one before it."""
    end_version(session, version.grant.name, version.from_time)
    session.execute(
        VERSIONS.insert().values(
            name=version.grant.name,
            version=version.grant.version,
            resource=version.grant.resource,
            act=version.act,
            actor=version.actor,
            from_time=version.from_time,
            until_time=version.until_time,
            from_offset=version.from_offset,
            content=_content_of(version.grant),
        )
    )


def end_version(session: Session, name: str, at: datetime) -> None:
    """End the newest version of a grant."""
    session.execute(
        sa.update(VERSIONS)
        .where(VERSIONS.c.name == name, VERSIONS.c.until_time.is_(None))
        .values(until_time=at)
    )


def versions(session: Session, name: str, *, limit: int) -> list[GrantVersion]:
    """Versions of a grant, the newest first."""
    query = (
        sa.select(VERSIONS)
        .where(VERSIONS.c.name == name)
        .order_by(VERSIONS.c.version.desc())
        .limit(limit)
    )
    return [_version_of(row) for row in session.execute(query).mappings()]


def version(session: Session, name: str, number: int) -> GrantVersion | None:
    """One version of a grant."""
    query = sa.select(VERSIONS).where(VERSIONS.c.name == name, VERSIONS.c.version == number)
    row = session.execute(query).mappings().first()
    return None if row is None else _version_of(row)


def versions_at(
    session: Session, resource: str, at: datetime, *, after: str, limit: int
) -> list[GrantVersion]:
    """The versions of a resource's grants that were in force at a time, after a grant's name."""
    query = (
        sa.select(VERSIONS)
        .where(
            VERSIONS.c.resource == resource,
            VERSIONS.c.name > after,
            VERSIONS.c.from_time <= at,
            sa.or_(VERSIONS.c.until_time.is_(None), VERSIONS.c.until_time > at),
        )
        .order_by(VERSIONS.c.name, VERSIONS.c.version)
        .limit(limit)
    )
    return [_version_of(row) for row in session.execute(query).mappings()]


def grant(session: Session, name: str, *, lock: bool = False) -> Grant | None:
    """The grant of this name; locked until the transaction ends where it will be changed."""
    query = sa.select(GRANTS).where(GRANTS.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else grant_of(row)


def grants(
    session: Session, *, consumer: str | None, party: str | None, after: str, limit: int
) -> list[Grant]:
    """Grants after a name: of a consumer (None: of any) that a party sees (None: all)."""
    query = sa.select(GRANTS).where(GRANTS.c.name > after)
    if consumer is not None:
        query = query.where(GRANTS.c.consumer == consumer)
    if party is not None:
        query = query.where(sa.or_(GRANTS.c.consumer == party, GRANTS.c.source == party))
    rows = session.execute(query.order_by(GRANTS.c.name).limit(limit)).mappings()
    return [grant_of(row) for row in rows]


def grants_of(session: Session, resource: str, among: Collection[str]) -> list[str]:
    """Which of these grants are of a resource, by name; one statement."""
    query = sa.select(GRANTS.c.name).where(GRANTS.c.resource == resource, GRANTS.c.name.in_(among))
    return list(session.scalars(query.order_by(GRANTS.c.name)))


def given_at_once(
    session: Session, among: Sequence[str], at: datetime | None = None
) -> frozenset[str]:
    """Which of these grants the node's rule gave last, without a decision, as of a time or now.

    One statement; a narrowing decides on nothing.
    """
    columns = VERSIONS.c
    latest = sa.select(columns.name, sa.func.max(columns.version).label("version")).where(
        columns.name.in_(among), columns.act != "narrowed"
    )
    if at is not None:
        latest = latest.where(columns.from_time <= sa.literal(at, UtcDateTime))
    last = latest.group_by(columns.name).subquery()
    same = sa.and_(last.c.name == columns.name, last.c.version == columns.version)
    found = sa.select(columns.name).join(last, same)
    return frozenset(session.scalars(found.where(columns.actor == model.UNCONDITIONAL_RULE)))


def marked(session: Session, grants: Sequence[Grant], at: datetime | None = None) -> list[Grant]:
    """The grants, with `at_once` told."""
    rule = given_at_once(session, [one.name for one in grants], at)
    return [replace(one, at_once=one.name in rule) for one in grants]


#: Who decided on the terms last: a narrowing decides on none.
_DECIDED_BY = (
    "(SELECT v.actor FROM grant_version v WHERE v.name = access_grant.name"
    " AND v.act <> 'narrowed' ORDER BY v.version DESC LIMIT 1)"
)


class Freshness:
    """The epoch and what changed since, by fixed SQL on the hot path's own connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = database.held.sql("SELECT value FROM grant_epoch WHERE id = 1")
        self._changed = database.held.sql("SELECT name FROM access_grant WHERE epoch > ?")
        held = [column for column in GRANTS.columns if column.name not in _DERIVED]
        self._columns = [column.name for column in held]
        self._times = [column.name for column in held if isinstance(column.type, UtcDateTime)]
        self._grant = database.held.sql(
            f"SELECT {', '.join(self._columns)}, {_DECIDED_BY} FROM access_grant WHERE name = ?"  # noqa: S608  # our own columns
        )

    def read(self, name: str) -> Grant | None:
        """The grant of this name, as committed."""
        row = self._database.held.row(self._grant, (name,))
        if row is None:
            return None
        *held, decided_by = row
        values = dict(zip(self._columns, held, strict=True))
        values["at_once"] = decided_by == model.UNCONDITIONAL_RULE
        for key in self._times:
            values[key] = _time(values[key])
        return content.grant_of(values)

    def epoch(self) -> int:
        """The epoch, as committed."""
        row = self._database.held.row(self._epoch, ())
        return -1 if row is None else int(row[0])

    def changed_since(self, epoch: int) -> list[str]:
        """Names of the grants that changed after an epoch."""
        return [row[0] for row in self._database.held.rows(self._changed, (epoch,))]


def plain(thing: AccessRequest | Grant, columns: sa.Table) -> dict[str, Any]:
    """The columns whose values the thing has as they are."""
    special = {"items", "operations", "state", "epoch", "row_filter", "earlier", "proposal"}
    return {c.name: getattr(thing, c.name) for c in columns.columns if c.name not in special}


def _grant_values(grant: Grant) -> dict[str, Any]:
    return {
        **plain(grant, GRANTS),
        "items": content.dumped(content.items(grant.items)),
        "operations": orjson.dumps(grant.operations).decode(),
        "state": grant.state.value,
        "row_filter": content.dumped(content.conditions(grant.row_filter)),
        "earlier": content.dumped(content.earlier(grant.earlier)),
    }


def _content_of(grant: Grant) -> str:
    values = _grant_values(grant)
    for derived in ("consumer", "source"):
        del values[derived]
    return content.dumped(values)


def grant_of(row: sa.RowMapping) -> Grant:
    """The grant of a row."""
    values = dict(row)
    for derived in _DERIVED:
        del values[derived]
    return content.grant_of(values)


def _time(value: str | datetime | None) -> datetime | None:
    # SQLite's driver gives the text that SQLAlchemy stored, in UTC and without a zone.
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return UtcDateTime().process_result_value(value, cast("sa.Dialect", None))


def _version_of(row: sa.RowMapping) -> GrantVersion:
    return GrantVersion(
        grant=content.grant_of(orjson.loads(row["content"])),
        act=row["act"],
        actor=row["actor"],
        from_time=row["from_time"],
        until_time=row["until_time"],
        from_offset=row["from_offset"],
    )
