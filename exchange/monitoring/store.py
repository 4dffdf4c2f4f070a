"""Tables of monitoring, in a database of their own, and all their SQL.

Of its own, so that writing records never makes the audit log or a question wait. Fixed SQL on the
driver's connection: thousands of records a second are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exchange.monitoring.model import HOUR, REFUSALS, Alert, AlertKind, CallRecord
from exchange.monitoring.traffic import counted
from runtime.database import Database

GREATEST_OUTBOX = 10_000
#: Of the past, so many hours of grants are read back after a start.
GREATEST_HISTORY = 200_000
_COLUMNS = (
    "system, method, request_in, handler_begin, handler_end, response_out, request_bytes,"
    " response_bytes, code, reason, grant_name, resource, purpose, row_count, items"
)
_ALERT = "id, kind, subject, system, window_start, window_end, count, threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An alert on its way to one target."""

    alert: Alert
    target: str
    tries: int


class MonitoringStore:
    """Records, alerts and the outbox of the feed."""

    def __init__(self, database: Database) -> None:
        self._held = held = database.held
        marks = ", ".join("?" * 15)
        self._count = held.sql(
            "INSERT INTO call_traffic (start, outcome, class, calls) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (start, outcome, class)"
            " DO UPDATE SET calls = call_traffic.calls + excluded.calls"
        )
        self._add = held.sql(f"INSERT INTO call_record ({_COLUMNS}) VALUES ({marks})")  # noqa: S608

    def write(
        self, calls: Sequence[CallRecord], alerts: Sequence[Alert], targets: Sequence[str], now: int
    ) -> tuple[list[Alert], int]:
        """Keep records and alerts in one transaction.

        Which alerts are new, and how many were not put into the outbox because it is full.
        """
        rows = [(*call[:-2], ",".join(call.items)[:2000]) for call in calls]
        new, dropped = [], 0
        with self._held.transaction() as connection:
            if rows:
                cursor = connection.cursor()
                cursor.executemany(self._add, rows)
                cursor.executemany(self._count, counted(calls))
            for alert in alerts:
                if self._grew(connection, alert):
                    continue
                number = self._insert(connection, alert)
                new.append(alert)
                for target in targets:
                    dropped += not self._enqueue(connection, number, target, now)
        return new, dropped

    def _grew(self, connection: Any, alert: Alert) -> bool:
        text = self._held.sql(
            "UPDATE alert SET count = CASE WHEN count < ? THEN ? ELSE count END"
            " WHERE kind = ? AND subject = ? AND window_start = ?"
        )
        at = self._held.time(alert.window_start)
        values = (alert.count, alert.count, alert.kind.value, alert.subject, at)
        return bool(connection.execute(text, values).rowcount)

    def _insert(self, connection: Any, alert: Alert) -> int:
        text = self._held.sql(
            "INSERT INTO alert (kind, subject, system, window_start, window_end, count, threshold)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id"
        )
        values = (
            alert.kind.value, alert.subject, alert.system, self._held.time(alert.window_start),
            self._held.time(alert.window_end), alert.count, alert.threshold,
        )  # fmt: skip
        return int(connection.execute(text, values).fetchone()[0])

    def _enqueue(self, connection: Any, alert: int, target: str, now: int) -> bool:
        full = connection.execute("SELECT count(*) FROM feed_outbox").fetchone()[0]
        if full >= GREATEST_OUTBOX:
            return False
        text = "INSERT INTO feed_outbox (alert, target, tries, next_at) VALUES (?, ?, 0, ?)"
        connection.execute(self._held.sql(text), (alert, target, now))
        return True

    def records(
        self, *, before: int, limit: int, system: str, grant: str, refused: bool
    ) -> list[CallRecord]:
        """Records with a lower number, the newest first."""
        wheres: list[str] = ["id < ?"]
        values: list[Any] = [before or 1 << 62]
        for column, value in (("system", system), ("grant_name", grant)):
            if value:
                wheres.append(f"{column} = ?")
                values.append(value)
        if refused:
            wheres.append(f"code IN ({', '.join('?' * len(REFUSALS))})")
            values.extend(sorted(REFUSALS))
        text = (
            f"SELECT id, {_COLUMNS} FROM call_record WHERE {' AND '.join(wheres)}"  # noqa: S608
            " ORDER BY id DESC LIMIT ?"
        )
        return [_record(row) for row in self._held.rows(self._held.sql(text), (*values, limit))]

    def traffic(self, start: int, end: int, length: int) -> list[tuple[int, int, int, int]]:
        """Calls between two times (seconds), as (step's start, outcome, class of time, calls)."""
        text = self._held.sql(
            "SELECT start / ? * ?, outcome, class, sum(calls) FROM call_traffic"
            " WHERE start >= ? AND start < ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        rows = self._held.rows(text, (length, length, start, end))
        return [(int(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in rows]

    def alerts(self, *, before: int, limit: int, kind: str) -> list[Alert]:
        """Alerts with a lower number, the newest first."""
        also = " AND kind = ?" if kind else ""
        text = f"SELECT {_ALERT} FROM alert WHERE id < ?{also} ORDER BY id DESC LIMIT ?"  # noqa: S608
        values = (before or 1 << 62, *([kind] if kind else []), limit)
        return [_alert(row) for row in self._held.rows(self._held.sql(text), values)]

    def rows_by_hour(self, since: int) -> dict[str, list[tuple[int, int]]]:
        """By grant, its hours with answers (number of the hour since 1970) and their rows."""
        text = self._held.sql(
            f"SELECT grant_name, request_in / {HOUR}, sum(CASE WHEN row_count > 1 THEN row_count"  # noqa: S608
            " ELSE 1 END) FROM call_record WHERE request_in >= ? AND code = 'OK'"
            f" AND grant_name <> '' GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {GREATEST_HISTORY}"
        )
        found: dict[str, list[tuple[int, int]]] = {}
        for grant, hour, rows in self._held.rows(text, (since,)):
            found.setdefault(grant, []).append((int(hour), int(rows)))
        return found

    def due(self, now: int, limit: int) -> list[Waiting]:
        """What is to be sent now, the oldest first."""
        columns = ", ".join(f"a.{name.strip()}" for name in _ALERT.split(","))
        text = self._held.sql(
            f"SELECT {columns}, o.target, o.tries FROM feed_outbox o JOIN alert a ON a.id = o.alert"  # noqa: S608
            " WHERE o.next_at <= ? ORDER BY o.next_at, o.alert LIMIT ?"
        )
        return [
            Waiting(alert=_alert(row), target=row[8], tries=int(row[9]))
            for row in self._held.rows(text, (now, limit))
        ]

    def sent(self, waiting: Waiting) -> None:
        """It arrived, or was given up."""
        text = self._held.sql("DELETE FROM feed_outbox WHERE alert = ? AND target = ?")
        with self._held.transaction() as connection:
            connection.execute(text, (waiting.alert.number, waiting.target))

    def failed(self, waiting: Waiting, next_at: int) -> None:
        """Try it again then."""
        text = self._held.sql(
            "UPDATE feed_outbox SET tries = tries + 1, next_at = ? WHERE alert = ? AND target = ?"
        )
        with self._held.transaction() as connection:
            connection.execute(text, (next_at, waiting.alert.number, waiting.target))

    def waiting(self) -> int:
        """How much is on its way."""
        row = self._held.row("SELECT count(*) FROM feed_outbox", ())
        return int(row[0]) if row else 0

    def prune(self, *, before: int, most: int, portion: int = 5000) -> int:
        """Delete records older than a time (microseconds) or beyond `most`; how many.

        At most `portion` at once. Alerts go by the same time, once nothing of them is on its way.
        """
        text = self._held.sql(
            "DELETE FROM call_record WHERE id IN (SELECT id FROM call_record WHERE request_in < ?"
            " OR id <= (SELECT max(id) FROM call_record) - ? ORDER BY id LIMIT ?)"
        )
        old = self._held.sql(
            "DELETE FROM alert WHERE window_end < ? AND id NOT IN (SELECT alert FROM feed_outbox)"
        )
        aged = self._held.sql("DELETE FROM call_traffic WHERE start < ?")
        with self._held.transaction() as connection:
            count = int(connection.execute(text, (before, most, portion)).rowcount)
            end = datetime.fromtimestamp(before / 1e6, UTC)
            connection.execute(old, (self._held.time(end),))
            connection.execute(aged, (before // 1_000_000,))
        return count


def _record(row: Sequence[Any]) -> CallRecord:
    return CallRecord(
        number=row[0], system=row[1], method=row[2], request_in=row[3], handler_begin=row[4],
        handler_end=row[5], response_out=row[6], request_bytes=row[7], response_bytes=row[8],
        code=row[9], reason=row[10], grant=row[11], resource=row[12], purpose=row[13],
        rows=row[14], items=tuple(row[15].split(",")) if row[15] else (),
    )  # fmt: skip


def _alert(row: Sequence[Any]) -> Alert:
    return Alert(
        number=row[0], kind=AlertKind(row[1]), subject=row[2], system=row[3],
        window_start=_time(row[4]), window_end=_time(row[5]), count=row[6], threshold=row[7],
    )  # fmt: skip


def _time(value: Any) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
