"""The versions of entries and departments, and every SQL statement on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from exchange.catalog.history.model import Offer, Version
from exchange.catalog.model import DEPARTMENT_FIELDS, Department, DepartmentLevel, EntryState
from exchange.catalog.registry.store import DEPARTMENT_VERSIONS, DEPARTMENTS, department_of
from exchange.catalog.store import BATCHES, ENTRIES, SERVICE_ITEM_KIND, VERSIONS
from runtime.database import UtcDateTime
from runtime.records import canonical

VersionsOf = Callable[..., list[Version]]


def history(session: Session, name: str) -> list[Version]:
    """Every version of an entry, oldest first."""
    return versions(session, name, below=None, limit=None)[::-1]


def versions(session: Session, name: str, *, below: int | None, limit: int | None) -> list[Version]:
    """At most `limit` versions of an entry before version `below`, newest first."""
    return _versions(session, _ended(VERSIONS, name), VERSIONS, below, limit)


def version_at(session: Session, name: str, *, at: datetime | None, version: int) -> Version | None:
    """The version of this number, or else the newest one, at a time where one is given."""
    query = _ended(VERSIONS, name)
    if version:
        query = query.where(VERSIONS.c.version == version)
    if at is not None:
        query = query.where(VERSIONS.c.changed_at <= at)
    found = _versions(session, query, VERSIONS, None, 1)
    return found[0] if found else None


def department_versions(
    session: Session, name: str, *, below: int | None, limit: int | None
) -> list[Version]:
    """At most `limit` versions of a department before version `below`, newest first."""
    query = _ended(DEPARTMENT_VERSIONS, name)
    return _versions(session, query, DEPARTMENT_VERSIONS, below, limit)


def department_at(session: Session, name: str, at: datetime) -> Department | None:
    """A department as it was at a time."""
    columns = DEPARTMENT_VERSIONS.c
    query = (
        sa.select(DEPARTMENT_VERSIONS, DEPARTMENTS.c.create_time)
        .join(DEPARTMENTS, DEPARTMENTS.c.name == columns.name)
        .where(columns.name == name, columns.changed_at <= at)
        .order_by(columns.version.desc())
        .limit(1)
    )
    row = session.execute(query).mappings().first()
    if row is None:
        return None
    told = {key: value for key, value in row.items() if key != "changed_at"}
    return department_of({**told, "update_time": row["changed_at"]})


def published_at(session: Session, name: str, at: datetime) -> datetime | None:
    """When the batch of a resource that was the newest at a time had been published."""
    newest = sa.select(sa.func.max(BATCHES.c.published_at, type_=UtcDateTime))
    found = newest.where(BATCHES.c.resource == name, BATCHES.c.published_at <= at)
    return session.execute(found).scalar_one_or_none()


def _ended(table: sa.Table, name: str) -> sa.Select[Any]:
    """Versions with the time when the next one took their place."""
    later = table.alias("later")
    end = (
        sa.select(later.c.changed_at)
        .where(later.c.name == table.c.name, later.c.version == table.c.version + 1)
        .scalar_subquery()
    )
    return sa.select(table, end.label("end_time")).where(table.c.name == name)


def _versions(
    session: Session,
    query: sa.Select[Any],
    table: sa.Table,
    below: int | None,
    limit: int | None,
) -> list[Version]:
    if below is not None:
        query = query.where(table.c.version < below)
    query = query.order_by(table.c.version.desc()).limit(limit)
    return [
        Version(
            version=row["version"],
            content=row["content"].encode() if "content" in row else _told(row),
            state=EntryState(row.get("state", EntryState.ACTIVE)),
            changed_at=row["changed_at"],
            end_time=row["end_time"],
            batch=row.get("batch", ""),
        )
        for row in session.execute(query).mappings()
    ]


def _told(row: Mapping[Any, Any]) -> bytes:
    return canonical({field: row[field] for field in DEPARTMENT_FIELDS})


def offers(session: Session, code: str, *, limit: int) -> list[Offer]:
    """At most `limit` service items in force that have a code."""
    columns = ENTRIES.c
    query = (
        sa.select(columns.name, columns.content, DEPARTMENTS.c.level)
        .join(DEPARTMENTS, DEPARTMENTS.c.name == columns.department)
        .where(columns.kind == SERVICE_ITEM_KIND, columns.code == code)
        .where(columns.state == EntryState.ACTIVE.value)
        .order_by(columns.name)
        .limit(limit)
    )
    return [
        Offer(name=name, level=DepartmentLevel(level), content=content.encode())
        for name, content, level in session.execute(query)
    ]
