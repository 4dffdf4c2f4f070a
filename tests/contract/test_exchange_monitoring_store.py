"""Records, alerts and the feed's outbox, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange.monitoring import store as module
from exchange.monitoring.model import HOUR, Alert, AlertKind, CallRecord
from exchange.monitoring.store import MonitoringStore
from exchange.monitoring.traffic import told
from runtime.database import Database

MIGRATIONS = Path(module.__file__).parent / "migrations"
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
BEGIN = int(NOON.timestamp() * 1e6)
GRANT = "departments/housing/grants/one"
SYSTEM = "departments/housing/systems/desk"
RECORD = CallRecord(
    system=SYSTEM, method="/x/Query", request_in=BEGIN, handler_begin=BEGIN + 1,
    handler_end=BEGIN + 2, response_out=BEGIN + 3, request_bytes=10, response_bytes=20, code="OK",
    grant=GRANT, resource="departments/civil/resources/people", purpose="0123456789abcdef", rows=2,
    items=("name", "region"),
)  # fmt: skip
ALERT = Alert(
    kind=AlertKind.VOLUME, subject=GRANT, system=SYSTEM, window_start=NOON,
    window_end=NOON + timedelta(hours=1), count=11, threshold=10,
)  # fmt: skip


@pytest.fixture
def held(database_url: str) -> Iterator[MonitoringStore]:
    database = Database(database_url, schema="monitoring")
    database.migrate(MIGRATIONS)
    yield MonitoringStore(database)
    database.close()


def records(held: MonitoringStore, **how) -> list[CallRecord]:
    every = {"before": 0, "limit": 100, "system": "", "grant": "", "refused": False}
    return held.records(**{**every, **how})


def test_records_come_back_as_they_went_the_newest_first(held):
    refused = RECORD._replace(code="NOT_FOUND", reason="GRANT_NOT_FOUND", grant="", items=())
    held.write([RECORD, refused, RECORD._replace(system="other")], [], [], 0)
    found = records(held)
    assert [one.number for one in found] == [3, 2, 1]
    assert found[2]._replace(number=0) == RECORD
    assert [one.number for one in records(held, refused=True)] == [2]
    assert [one.number for one in records(held, grant=GRANT)] == [3, 1]
    assert [one.number for one in records(held, system=SYSTEM, before=2)] == [1]
    assert [one.number for one in records(held, limit=1)] == [3]


def test_an_alert_is_kept_and_sent_once_and_grows(held):
    targets = ["udp://a:1", "https://b/"]
    assert held.write([], [ALERT], targets, 5) == ([ALERT], 0)
    assert held.write([], [replace(ALERT, count=30)], targets, 5) == ([], 0)
    assert held.write([], [replace(ALERT, count=3)], targets, 5) == ([], 0)
    (kept,) = held.alerts(before=0, limit=9, kind="")
    assert kept == replace(ALERT, number=1, count=30)
    assert held.alerts(before=0, limit=9, kind="off_hours") == []
    assert held.due(4, 9) == []
    due = held.due(5, 9)
    assert sorted(one.target for one in due) == sorted(targets)
    held.sent(due[0])
    held.failed(due[1], 50)
    assert held.due(49, 9) == []
    assert [one.tries for one in held.due(50, 9)] == [1]
    assert held.waiting() == 1


def test_the_outbox_is_bounded(held, monkeypatch):
    monkeypatch.setattr(module, "GREATEST_OUTBOX", 2)
    assert held.write([], [ALERT], ["a", "b", "c"], 0) == ([ALERT], 1)
    assert held.waiting() == 2


def test_the_past_of_grants_is_by_hour(held):
    later = RECORD._replace(request_in=BEGIN + HOUR, rows=0)
    held.write([RECORD, RECORD, later, later._replace(code="NOT_FOUND")], [], [], 0)
    hour = BEGIN // HOUR
    assert held.rows_by_hour(BEGIN) == {GRANT: [(hour, 4), (hour + 1, 1)]}
    assert held.rows_by_hour(BEGIN + 1) == {GRANT: [(hour + 1, 1)]}


def test_old_and_too_many_records_go_in_portions(held):
    held.write([RECORD._replace(request_in=BEGIN + n) for n in range(10)], [ALERT], ["t"], 0)
    assert held.prune(before=BEGIN + 4, most=100, portion=3) == 3
    assert held.prune(before=BEGIN + 4, most=100, portion=3) == 1
    assert held.prune(before=0, most=2) == 4
    assert [one.number for one in records(held)] == [10, 9]
    end = BEGIN + 2 * HOUR
    held.prune(before=end, most=100)
    assert len(held.alerts(before=0, limit=9, kind="")) == 1  # on its way
    held.sent(held.due(0, 1)[0])
    held.prune(before=end, most=100)
    assert held.alerts(before=0, limit=9, kind="") == []


def test_calls_are_counted_by_step_outcome_and_time(held):
    slow = RECORD._replace(response_out=BEGIN + 100_000)
    later = RECORD._replace(request_in=BEGIN + 301_000_000, response_out=BEGIN + 301_001_000)
    refused = RECORD._replace(code="PERMISSION_DENIED")
    held.write([RECORD, slow, later], [], [], 0)
    held.write([refused, RECORD._replace(method="/x/Subscribe")], [], [], 0)
    start = BEGIN // 1_000_000
    both = list(told(held.traffic(start, start + 600, 300)))
    assert [(one.start, one.calls, one.refused) for one in both] == [
        (start, 3, 1), (start + 300, 1, 0),
    ]  # fmt: skip
    assert 100 <= both[0].p95_ms <= 120
    assert both[0].median_ms < 1
    (one,) = told(held.traffic(start, start + 600, 600))
    assert one.calls == 4
    held.prune(before=BEGIN + 300_000_000, most=1000)
    assert [one.start for one in told(held.traffic(start, start + 600, 300))] == [start + 300]
