"""What a record was: its changes, from the newest back, and where those of a withdrawn one end.

1. A change says which change of the same record came before it (`change.previous`, 0 for none), a
   withdrawal included; so the versions of a record are found without an index over the log.
2. `withdrawn` points from the key of a record that is not held now to the change that ended it, as
   `record` does for one that is held. A key is in one of them at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.delivery.log.store import spans, windows
from runtime.database import Database

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class WithdrawnRow(_Table, table=True):
    """The change that withdrew a record."""

    __tablename__ = "withdrawn"
    __table_args__ = ({"sqlite_with_rowid": False},)

    resource: str = Field(primary_key=True, sa_type=NAME)
    record_key: str = Field(primary_key=True, sa_type=KEY)
    offset: int = Field(sa_type=sa.BigInteger)


METADATA = _Table.metadata
BATCHES_AT_ONCE = 200

_ENDED_SQLITE = """
    SELECT j.value, w."offset" FROM json_each(?) AS j
    CROSS JOIN withdrawn AS w ON w.resource = ? AND w.record_key = j.value
"""
_ENDED_POSTGRESQL = """
    SELECT record_key, "offset" FROM withdrawn WHERE record_key = ANY(%s) AND resource = %s
"""
_END = """
    INSERT INTO withdrawn (resource, record_key, "offset")
    SELECT :resource, record_key, "offset" FROM change
    WHERE "offset" BETWEEN :first AND :last AND payload IS NULL
    ORDER BY record_key
    ON CONFLICT (resource, record_key) DO UPDATE SET "offset" = excluded."offset"
"""
_BEGIN_AGAIN = """
    DELETE FROM withdrawn WHERE resource = :resource AND record_key IN (
        SELECT record_key FROM change
        WHERE "offset" BETWEEN :first AND :last AND payload IS NOT NULL AND previous > 0
    )
"""
# Back from the newest change to the first that was published by then.
_AS_OF = """
    WITH RECURSIVE chain ("offset", previous, published_at) AS (
        SELECT c."offset", c.previous, b.published_at
        FROM change AS c JOIN batch AS b ON b.number = c.batch
        WHERE c."offset" = coalesce(
            (SELECT "offset" FROM record WHERE resource = ? AND record_key = ?),
            (SELECT "offset" FROM withdrawn WHERE resource = ? AND record_key = ?)
        )
        UNION ALL
        SELECT c."offset", c.previous, b.published_at
        FROM chain JOIN change AS c ON c."offset" = chain.previous
        JOIN batch AS b ON b.number = c.batch
        WHERE chain.published_at > ?
    )
    SELECT "offset" FROM chain WHERE published_at <= ? ORDER BY "offset" DESC LIMIT 1
"""


# Batches of a resource that hold changes after an offset, up to another.
_BATCHES = """
    SELECT first_offset, last_offset FROM batch
    WHERE resource = ? AND last_offset > ? AND first_offset <= ? AND last_offset >= first_offset
    ORDER BY last_offset LIMIT ?
"""
# What was held at an offset: what no change up to it had replaced.
# A plain range of the log's key, in its order: with the batches joined, every part would sort all
# that is left of a batch. A scalar subquery, which both databases answer row by row from the key.
_HELD_AT = """
    SELECT c."offset", c.payload FROM change AS c
    WHERE c."offset" BETWEEN ? AND ? AND c.payload IS NOT NULL
    AND coalesce(
        (SELECT s.by_offset FROM superseded AS s WHERE s."offset" = c."offset") > ?, true
    )
    ORDER BY c."offset" LIMIT ?
"""


def ended(
    session: Session, connection: Any, resource: str, keys: Sequence[str], *, chunk: int
) -> dict[str, int]:
    """The changes that withdrew records of these keys; `connection` is the session's driver's."""
    known = sa.text("SELECT 1 FROM withdrawn WHERE resource = :resource LIMIT 1")
    if not keys or session.execute(known, {"resource": resource}).first() is None:
        return {}
    sqlite = session.get_bind().dialect.name == "sqlite"
    found: dict[str, int] = {}
    for start in range(0, len(keys), chunk):
        part = keys[start : start + chunk]
        if sqlite:
            rows = connection.execute(_ENDED_SQLITE, (orjson.dumps(part).decode(), resource))
        else:
            rows = connection.execute(_ENDED_POSTGRESQL, (list(part), resource))
        found.update((row[0], int(row[1])) for row in rows)
    return found


def end(session: Session, resource: str, first: int, last: int) -> None:
    """Point to what the changes between these offsets withdrew."""
    session.execute(sa.text(_END), {"resource": resource, "first": first, "last": last})


def begin_again(session: Session, resource: str, first: int, last: int) -> None:
    """Point no more to what the changes between these offsets brought back."""
    session.execute(sa.text(_BEGIN_AGAIN), {"resource": resource, "first": first, "last": last})


class HistoryReader:
    """Records as they were, by fixed SQL on a connection of the calling thread."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        self._as_of = database.held.sql(_AS_OF)
        self._batches = database.held.sql(_BATCHES)
        self._held_at = database.held.sql(_HELD_AT)

    def as_of(self, resource: str, key: str, at: datetime) -> int:
        """Offset of the change that a record was at a time; 0 where there was no record yet."""
        time = self._held.time(at)
        place = (resource, key)
        row = self._held.row(self._as_of, (*place, *place, time, time))
        return 0 if row is None else int(row[0])

    def held_at(
        self, resource: str, offset: int, after: int, limit: int
    ) -> tuple[list[tuple[int, str]], int | None]:
        """Records as they were once the log ended at an offset, and where to go on.

        They are (offset of the change, JSON text) in that order, those after `after`; there are no
        more where it says None. Each record comes once, whatever is published meanwhile.
        """
        batches = self._held.rows(self._batches, (resource, after, offset, BATCHES_AT_ONCE))
        found: list[tuple[int, str]] = []
        for first, last in spans((row[0], row[1]) for row in batches):
            for ends in windows(max(first, after + 1), min(last, offset)):
                wanted = limit - len(found)
                rows = self._held.rows(self._held_at, (*ends, offset, wanted))
                found += rows
                if len(rows) == wanted:
                    return found, int(rows[-1][0])
        return found, int(batches[-1][1]) if len(batches) == BATCHES_AT_ONCE else None
