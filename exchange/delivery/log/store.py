"""Reading the log and the records, by fixed SQL on a connection of the calling thread.

1. What is read after an offset comes in the order of the log, and in parts of `READ_CHUNK`.
2. Read compacted (`newest_after`), the log gives of each record its newest change and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, cast

import orjson
import sqlalchemy as sa

from exchange.delivery.model import LogEntry
from runtime.database import Database, UtcDateTime, storage_errors

READ_CHUNK = 500

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
        self._since = sql(
            'WITH RECURSIVE chain ("offset", previous) AS ('
            'SELECT c."offset", c.previous FROM change AS c WHERE c."offset" = ? '
            'UNION ALL SELECT c."offset", c.previous FROM chain '
            'JOIN change AS c ON c."offset" = chain.previous WHERE chain.previous > ?) '
            'SELECT "offset" FROM chain WHERE "offset" > ? LIMIT ?'
        )
        # CROSS JOIN keeps SQLite to this order: batches of the resource, then each one's changes.
        self._after = sql(
            'SELECT c."offset", c.record_key, c.payload, b.published_at '
            "FROM batch AS b CROSS JOIN change AS c "
            "WHERE b.resource = ? AND b.last_offset > ? "
            'AND c."offset" >= CASE WHEN b.first_offset > ? THEN b.first_offset ELSE ? END '
            'AND c."offset" <= b.last_offset ORDER BY b.last_offset, c."offset" LIMIT ?'
        )
        # The same with what each change replaced, for who sees some of the records only.
        self._after_with_previous = self._after.replace(
            "b.published_at ", "b.published_at, c.previous, p.payload ", 1
        ).replace("WHERE", 'LEFT JOIN change AS p ON p."offset" = c.previous WHERE', 1)
        newest = (
            'SELECT c."offset", c.record_key, c.payload, b.published_at, c.previous '
            "FROM batch AS b CROSS JOIN change AS c "
            "JOIN record AS r ON r.resource = b.resource AND r.record_key = c.record_key "
            'AND r."offset" = c."offset" '
            "WHERE b.resource = ? AND b.last_offset > ? AND b.first_offset <= ? "
            'AND c."offset" >= CASE WHEN b.first_offset > ? THEN b.first_offset ELSE ? END '
            'AND c."offset" <= CASE WHEN b.last_offset < ? THEN b.last_offset ELSE ? END '
            'ORDER BY b.last_offset, c."offset" LIMIT ?'
        )
        self._newest = sql(newest)
        ended = newest.replace("JOIN record", "JOIN withdrawn")
        self._ended = sql(ended)
        self._begins = sql(
            "SELECT min(first_offset) FROM batch WHERE resource = ? AND published_at >= ?"
        )
        self._held_after = sql(
            'SELECT c."offset", c.payload FROM batch AS b CROSS JOIN change AS c '
            "JOIN record AS r ON r.resource = b.resource AND r.record_key = c.record_key "
            'AND r."offset" = c."offset" '
            "WHERE b.resource = ? AND b.last_offset > ? "
            'AND c."offset" >= CASE WHEN b.first_offset > ? THEN b.first_offset ELSE ? END '
            'AND c."offset" <= b.last_offset ORDER BY b.last_offset, c."offset" LIMIT ?'
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
            place = (resource, offset, offset + 1, offset + 1, wanted)
            with storage_errors():
                rows = self._held.rows(self._after, place)
            for row in rows:
                yield LogEntry(
                    offset=row[0], key=row[1], payload=row[2], publish_time=self._time(row[3])
                )
            if len(rows) < wanted:
                return
            offset, limit = rows[-1][0], limit - wanted

    def after_with_previous(self, resource: str, offset: int) -> Iterator[LogEntry]:
        """Changes of a resource after an offset in order, with what each replaced."""
        while True:
            place = (resource, offset, offset + 1, offset + 1, READ_CHUNK)
            with storage_errors():
                rows = self._held.rows(self._after_with_previous, place)
            for row in rows:
                yield LogEntry(
                    offset=row[0],
                    key=row[1],
                    payload=row[2],
                    publish_time=self._time(row[3]),
                    previous=row[4],
                    previous_payload=row[5],
                )
            if len(rows) < READ_CHUNK:
                return
            offset = rows[-1][0]

    def newest_after(
        self, resource: str, offset: int, until: int, *, ended_after: int
    ) -> Iterator[LogEntry]:
        """Changes after an offset and up to another that are their records' newest, in order.

        Withdrawals among them only after `ended_after`; `previous_payload` is not read.
        """
        while offset < until:
            rows = self._newest_rows(self._newest, resource, offset, until)
            upto = rows[-1][0] if len(rows) == READ_CHUNK else until
            if upto > ended_after:
                gone = self._newest_rows(self._ended, resource, max(offset, ended_after), upto)
                if len(gone) == READ_CHUNK:  # more than fit: the rest comes with the next part
                    upto = gone[-1][0]
                    rows = [row for row in rows if row[0] <= upto]
                rows = sorted([*rows, *gone], key=itemgetter(0))
            for row in rows:
                yield self._entry(row)
            offset = upto

    def _newest_rows(
        self, text: str, resource: str, offset: int, until: int
    ) -> list[tuple[Any, ...]]:
        after = offset + 1
        place = (resource, offset, until, after, after, until, until, READ_CHUNK)
        with storage_errors():
            return self._held.rows(text, place)

    def begins(self, resource: str, at: datetime) -> int | None:
        """Offset of a resource's first change that was published at or after a time, if any."""
        row = self._held.row(self._begins, (resource, self._held.time(at)))
        return None if row is None or row[0] is None else int(row[0])

    def held_after(self, resource: str, offset: int, limit: int) -> list[tuple[int, str]]:
        """Records that are held now, as (offset of the newest change, JSON text), in that order."""
        place = (resource, offset, offset + 1, offset + 1, limit)
        with storage_errors():
            return [(row[0], row[1]) for row in self._held.rows(self._held_after, place)]

    def _time(self, value: str | datetime) -> datetime:
        # SQLite's driver gives the text that SQLAlchemy stored, in UTC and without a zone.
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        aware = UtcDateTime().process_result_value(value, cast("sa.Dialect", None))
        return cast("datetime", aware)
