"""Reading the log and the records, by fixed SQL on a connection of the calling thread.

1. What is read after an offset comes in the order of the log, and in parts of `READ_CHUNK`. Each
   part is plain ranges of the log's key (`_ranges`): joined with the batches in one statement, it
   would sort all that is left of a batch, and reading would take the square of a batch's size.
2. Read compacted (`newest_after`), the log gives of each record its newest change and no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

import orjson
import sqlalchemy as sa

from exchange.delivery.model import LogEntry
from runtime.database import Database, UtcDateTime
from runtime.storage_errors import storage_errors

READ_CHUNK = 500
BATCHES_AT_ONCE = 200
BATCHES_COUNTED = 10_000
_END = 1 << 62

_PAYLOADS_SQLITE = (
    'SELECT r.record_key, c.payload FROM record AS r JOIN change AS c ON c."offset" = r."offset" '
    "WHERE r.resource = ? AND r.record_key IN (SELECT value FROM json_each(?))"
)
_PAYLOADS_POSTGRESQL = (
    'SELECT r.record_key, c.payload FROM record AS r JOIN change AS c ON c."offset" = r."offset" '
    "WHERE r.resource = ? AND r.record_key = ANY(?)"
)


class LogReader:
    """Reads the log and the records by fixed SQL on held connections."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        sql = database.held.sql
        self._payload = sql(
            'SELECT c.payload FROM record AS r JOIN change AS c ON c."offset" = r."offset" '
            "WHERE r.resource = ? AND r.record_key = ?"
        )
        self._payloads = sql(_PAYLOADS_SQLITE if database.is_sqlite else _PAYLOADS_POSTGRESQL)
        self._is_sqlite = database.is_sqlite
        self._end = sql("SELECT last_offset FROM log_end WHERE id = 1")
        self._published = sql(
            "SELECT b.published_at FROM change AS c JOIN batch AS b ON b.number = c.batch "
            'WHERE c."offset" = ?'
        )
        self._at = sql(
            'SELECT c."offset", c.record_key, c.payload, b.published_at, c.previous, b.resource '
            'FROM change AS c JOIN batch AS b ON b.number = c.batch WHERE c."offset" = ?'
        )
        self._last_of = sql(
            'SELECT coalesce((SELECT "offset" FROM record WHERE resource = ? AND record_key = ?), '
            '(SELECT "offset" FROM withdrawn WHERE resource = ? AND record_key = ?))'
        )
        self._replaced_by = sql('SELECT by_offset FROM superseded WHERE "offset" = ?')
        self._since = sql(
            'WITH RECURSIVE chain ("offset", previous) AS ('
            'SELECT c."offset", c.previous FROM change AS c WHERE c."offset" = ? '
            'UNION ALL SELECT c."offset", c.previous FROM chain '
            'JOIN change AS c ON c."offset" = chain.previous WHERE chain.previous > ?) '
            'SELECT "offset" FROM chain WHERE "offset" > ? LIMIT ?'
        )
        self._batches = sql(
            "SELECT number, first_offset, last_offset, published_at FROM batch WHERE resource = ? "
            "AND last_offset > ? AND first_offset <= ? AND last_offset >= first_offset "
            "ORDER BY last_offset LIMIT ?"
        )
        self._waiting = sql(
            "SELECT first_offset, last_offset, published_at FROM batch WHERE resource = ? "
            "AND last_offset > ? AND last_offset >= first_offset ORDER BY last_offset LIMIT 1"
        )
        self._waiting_in_all = sql(
            "SELECT coalesce(sum(last_offset - first_offset + 1), 0) FROM (SELECT first_offset, "
            "last_offset FROM batch WHERE resource = ? AND last_offset > ? "
            "AND last_offset >= first_offset LIMIT ?) AS b"
        )
        columns = 'SELECT c."offset", c.record_key, c.payload, c.batch, c.previous '
        ranged = 'c."offset" BETWEEN ? AND ? ORDER BY c."offset" LIMIT ?'
        self._after = sql(f"{columns} FROM change AS c WHERE {ranged}")
        # The same with what each change replaced, for who sees some of the records only.
        self._after_with_previous = sql(
            f"{columns}, p.payload FROM change AS c "
            f'LEFT JOIN change AS p ON p."offset" = c.previous WHERE {ranged}'
        )
        # A scalar subquery, which both databases answer row by row from the key.
        newest = (
            '(c.payload IS NOT NULL OR c."offset" > ?) AND '
            '(SELECT s.by_offset FROM superseded AS s WHERE s."offset" = c."offset") IS NULL'
        )
        self._newest = sql(f"{columns} FROM change AS c WHERE {newest} AND {ranged}")
        self._begins = sql(
            "SELECT min(first_offset) FROM batch WHERE resource = ? AND published_at >= ?"
        )

    def payload(self, resource: str, key: str) -> str | None:
        """The JSON text of a record, if it is held."""
        row = self._held.row(self._payload, (resource, key))
        return None if row is None else row[0]

    def holds(self, resource: str, key: str) -> bool:
        """Whether a record of the key is held."""
        return self.payload(resource, key) is not None

    def payloads(self, resource: str, keys: Sequence[str]) -> dict[str, str | None]:
        """The JSON texts of records of a resource, by key; one not held is None or left out."""
        if len(keys) == 1:
            return {keys[0]: self.payload(resource, keys[0])}
        these = orjson.dumps(keys).decode() if self._is_sqlite else keys
        return dict(self._held.rows(self._payloads, (resource, these)))

    def end(self) -> int:
        """Offset of the last change there is, of any resource."""
        with storage_errors():
            row = self._held.row(self._end, ())
        return int(row[0]) if row else 0

    def publish_time(self, offset: int) -> datetime | None:
        """When a change was published; None where there is none at the offset."""
        row = self._held.row(self._published, (offset,))
        return None if row is None else self._time(row[0])

    def at(self, offset: int) -> tuple[str, LogEntry] | None:
        """The resource and the change at an offset, if there is one."""
        row = self._held.row(self._at, (offset,))
        return None if row is None else (row[5], self._entry(row))

    def last_of(self, resource: str, key: str) -> LogEntry | None:
        """The newest change of a record, a withdrawal included."""
        row = self._held.row(self._last_of, (resource, key, resource, key))
        found = None if row is None or row[0] is None else self.at(int(row[0]))
        return None if found is None else found[1]

    def replaced_by(self, offset: int) -> int:
        """Offset of the change that replaced another, 0 for none."""
        row = self._held.row(self._replaced_by, (offset,))
        return 0 if row is None else int(row[0])

    def since(self, last: int, offset: int, limit: int) -> list[int]:
        """Offsets of a record's changes after an offset, from its newest one `last` back."""
        rows = self._held.rows(self._since, (last, offset, offset, limit))
        return [int(row[0]) for row in rows]

    def _entry(self, row: tuple[Any, ...]) -> LogEntry:
        return LogEntry(
            offset=row[0],
            key=row[1],
            payload=row[2],
            publish_time=self._time(row[3]),
            previous=row[4],
        )

    def after(self, resource: str, offset: int, limit: int) -> Iterator[LogEntry]:
        """Changes of a resource after an offset in order, at most `limit`; read as consumed."""
        while limit > 0:
            wanted = min(limit, READ_CHUNK)
            rows, times = self._ranges(self._after, resource, offset, _END, wanted)
            for row in rows:
                yield LogEntry(row[0], row[1], row[2], times[row[3]])
            if len(rows) < wanted:
                return
            offset, limit = rows[-1][0], limit - wanted

    def after_with_previous(
        self, resource: str, offset: int, wanted: int = READ_CHUNK
    ) -> Iterator[LogEntry]:
        """Changes of a resource after an offset in order, with what each replaced.

        Reads `wanted` of them at first.
        """
        text, wanted = self._after_with_previous, min(wanted, READ_CHUNK)
        while True:
            rows, times = self._ranges(text, resource, offset, _END, wanted)
            for row in rows:
                yield LogEntry(row[0], row[1], row[2], times[row[3]], row[4], row[5])
            if len(rows) < wanted:
                return
            offset, wanted = rows[-1][0], READ_CHUNK

    def newest_after(
        self, resource: str, offset: int, until: int, *, ended_after: int
    ) -> Iterator[LogEntry]:
        """Changes after an offset and up to another that are their records' newest, in order.

        Withdrawals among them only after `ended_after`; `previous_payload` is not read.
        """
        while offset < until:
            rows, times = self._ranges(
                self._newest, resource, offset, until, READ_CHUNK, ended_after
            )
            for row in rows:
                yield LogEntry(row[0], row[1], row[2], times[row[3]], row[4])
            if len(rows) < READ_CHUNK:
                return
            offset = rows[-1][0]

    def _ranges(
        self, text: str, resource: str, offset: int, until: int, limit: int, *first: object
    ) -> tuple[list[tuple[Any, ...]], dict[int, datetime]]:
        """Rows of a statement over changes of a resource, and when their batches were published.

        They are after an offset and up to another, in order, at most `limit`. The statement takes
        `first`, then the ends of a range, and how many rows it may give.
        """
        found: list[tuple[Any, ...]] = []
        times: dict[int, datetime] = {}
        with storage_errors():
            while True:
                at_once = min(limit, BATCHES_AT_ONCE)
                batches = self._held.rows(self._batches, (resource, offset, until, at_once))
                times |= {row[0]: self._time(row[3]) for row in batches}
                for begin, end in spans((row[1], row[2]) for row in batches):
                    for ends in windows(max(begin, offset + 1), min(end, until)):
                        found += self._held.rows(text, (*first, *ends, limit - len(found)))
                        if len(found) == limit:
                            return found, times
                if len(batches) < at_once:
                    return found, times
                offset = batches[-1][2]

    def begins(self, resource: str, at: datetime) -> int | None:
        """Offset of a resource's first change that was published at or after a time, if any."""
        row = self._held.row(self._begins, (resource, self._held.time(at)))
        return None if row is None or row[0] is None else int(row[0])

    def undelivered(self, resource: str, offset: int) -> tuple[int, datetime | None]:
        """Changes of a resource after an offset, and when the oldest of them was published.

        Of more than `BATCHES_COUNTED` batches only so many are counted.
        """
        first = self._held.row(self._waiting, (resource, offset))
        total = self._held.row(self._waiting_in_all, (resource, offset, BATCHES_COUNTED))
        if first is None or total is None:
            return 0, None
        done = max(0, offset - int(first[0]) + 1)
        return int(total[0]) - done, self._time(first[2])

    def held_after(self, resource: str, offset: int, limit: int) -> list[tuple[int, str]]:
        """Records that are held now, as (offset of the newest change, JSON text), in that order."""
        rows, _ = self._ranges(self._newest, resource, offset, _END, limit, _END)
        return [(row[0], row[2]) for row in rows]

    def _time(self, value: str | datetime) -> datetime:
        # SQLite's driver gives the text that SQLAlchemy stored, in UTC and without a zone.
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        aware = UtcDateTime().process_result_value(value, cast("sa.Dialect", None))
        return cast("datetime", aware)


def spans(batches: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First and last offsets of batches in order, neighbours joined."""
    begun: tuple[int, int] | None = None
    for first, last in batches:
        if begun is not None and first == begun[1] + 1:
            begun = (begun[0], last)
            continue
        if begun is not None:
            yield begun
        begun = (first, last)
    if begun is not None:
        yield begun


def windows(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """A span in parts: in a larger one PostgreSQL would rather sort than follow the key."""
    for start in range(begin, end + 1, READ_CHUNK):
        yield start, min(start + READ_CHUNK - 1, end)
