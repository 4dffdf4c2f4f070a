"""What is asked of the log of changes: the versions of one record, and whose record a change is.

It goes by the log's keys: the newest change of a record, then back from change to change, one at a
time, so that no more than one payload is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from exchange.corrections.model import Version
from runtime.database import UtcDateTime

_CHANGE = """
    SELECT c."offset", c.batch, c.record_key, c.payload, c.previous, b.resource, b.published_at
    FROM change AS c JOIN batch AS b ON b.number = c.batch WHERE c."offset" = :offset
"""
_NEWEST = """
    SELECT coalesce(
        (SELECT "offset" FROM record WHERE resource = :resource AND record_key = :key),
        (SELECT "offset" FROM withdrawn WHERE resource = :resource AND record_key = :key), 0)
"""


def secrets_of(session: Session, subscriptions: Collection[str]) -> dict[str, bytes]:
    """The secrets of these subscriptions; one statement."""
    columns = sa.table("subscription", sa.column("name"), sa.column("secret"))
    query = sa.select(columns).where(columns.c.name.in_(subscriptions))
    return {row[0]: bytes(row[1]) for row in session.execute(query)} if subscriptions else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the log, with whose it is."""

    resource: str
    key: str
    previous: int
    version: Version


def change(session: Session, offset: int) -> Change | None:
    """The change at an offset."""
    statement = sa.text(_CHANGE).columns(published_at=UtcDateTime)
    row = session.execute(statement, {"offset": offset}).mappings().first()
    if row is None:
        return None
    payload = row["payload"]
    return Change(
        resource=row["resource"],
        key=row["record_key"],
        previous=int(row["previous"]),
        version=Version(
            offset=int(row["offset"]),
            batch=int(row["batch"]),
            publish_time=row["published_at"],
            values=None if payload is None else orjson.loads(payload),
        ),
    )


def newest(session: Session, resource: str, key: str) -> int:
    """Offset of the newest change of a record, 0 where it never was."""
    return int(session.scalar(sa.text(_NEWEST), {"resource": resource, "key": key}) or 0)


def back(session: Session, offset: int) -> Iterator[Version]:
    """The versions of a record from one back, the newest first."""
    while offset and (found := change(session, offset)) is not None:
        yield found.version
        offset = found.previous
