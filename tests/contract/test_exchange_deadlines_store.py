"""The statutory clock on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import orjson
import pytest
import sqlalchemy as sa

from exchange.deadlines import service, store
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import Deadline, DeadlineState
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import DomainError, FailedPrecondition
from tests.builders import catalog as county
from tests.builders.catalog import CIVIL, HOUSING

ACTOR = f"{CIVIL}/systems/registry"
SUBJECT = f"{HOUSING}/accessRequests/one"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 9, 21, 1, tzinfo=UTC))  # a Monday


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    yield database
    database.close()


def begin(database: Database, clock: FixedClock, **how) -> Deadline:
    values = {
        "subject": SUBJECT,
        "kind": Kind.REPLY_CONDITIONAL,
        "region_code": "990101",
        "department": CIVIL,
        "actor": ACTOR,
    }
    with database.unit_of_work() as work:
        return service.start(work, **{**values, **how}, at=clock.now())


def act(database: Database, clock: FixedClock, verb: str, **how) -> Deadline | None:
    with database.unit_of_work() as work:
        return getattr(service, verb)(
            work,
            **{"subject": SUBJECT, "kind": Kind.REPLY_CONDITIONAL, **how},
            at=clock.now(),
            actor=ACTOR,
        )


def kinds(database: Database) -> list[str]:
    with database.reading() as session:
        rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
        return [orjson.loads(row[0])["kind"] for row in rows]


def test_a_clock_lives_from_start_to_finish_and_is_read_back_whole(
    database: Database, clock: FixedClock
):
    made = begin(database, clock)
    # 22-24 and 28-30 September, 8-10 October (the 10th is a make-up Saturday), 12 October.
    assert (made.due, made.provisional) == (date(2026, 10, 12), False)
    clock.set(datetime(2026, 9, 22, 3, tzinfo=UTC))
    paused = act(database, clock, "pause", reason="待补充材料")
    assert (paused.state, paused.due) == (DeadlineState.PAUSED, None)
    clock.set(datetime(2026, 9, 28, 3, tzinfo=UTC))
    assert act(database, clock, "resume").due == date(2026, 10, 16)
    assert act(database, clock, "extend", days=2, reason="数据量大").due == date(2026, 10, 20)
    clock.set(datetime(2026, 10, 20, 15, 59, tzinfo=UTC))
    done = act(database, clock, "finish")
    assert (done.state, done.end_time) == (DeadlineState.MET, clock.now())
    with database.reading() as session:
        assert store.deadline(session, made.name) == done
        found = service.of_subjects(session, [SUBJECT, "departments/x/accessRequests/none"])
    assert found == {(SUBJECT, Kind.REPLY_CONDITIONAL): done}
    assert kinds(database) == [
        "deadline_started",
        "deadline_paused",
        "deadline_resumed",
        "deadline_extended",
        "deadline_finished",
    ]


def test_one_clock_runs_for_a_subject_and_a_kind(database: Database, clock: FixedClock):
    first = begin(database, clock)
    with pytest.raises(FailedPrecondition) as refused:
        begin(database, clock)
    assert refused.value.reason == "DEADLINE_RUNS"
    begin(database, clock, kind=Kind.SUPPLY_AFTER_CONSENT)
    act(database, clock, "cancel")
    assert begin(database, clock).name != first.name


def test_of_two_that_start_at_once_one_wins(database: Database, clock: FixedClock):
    def attempt(_number: int) -> str:
        try:
            begin(database, clock)
        except DomainError as error:
            return error.reason
        return ""

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(attempt, range(4)))
    assert told[0] == ""
    assert set(told[1:]) <= {"DEADLINE_RUNS", "CONCURRENT_CHANGE"}
    assert kinds(database) == ["deadline_started"]


def test_of_two_that_extend_at_once_the_bound_holds(database: Database, clock: FixedClock):
    begin(database, clock)

    def attempt(_number: int) -> str:
        try:
            act(database, clock, "extend", days=4, reason="数据量大")
        except DomainError as error:
            return error.reason
        return ""

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(attempt, range(4)))
    assert sorted(told) == ["", "", "EXTENSION_TOO_LONG", "EXTENSION_TOO_LONG"]


def test_where_no_clock_runs_the_other_verbs_do_nothing(database: Database, clock: FixedClock):
    assert act(database, clock, "pause", reason="待补充材料") is None
    assert act(database, clock, "resume") is None
    assert act(database, clock, "extend", days=1, reason="数据量大") is None
    assert act(database, clock, "finish") is None
    assert act(database, clock, "cancel") is None
    assert kinds(database) == []


def test_a_kind_that_no_table_has_is_refused(database: Database, clock: FixedClock):
    with pytest.raises(FailedPrecondition) as refused:
        begin(database, clock, kind="nonesuch")
    assert refused.value.reason == "DEADLINE_KIND_UNKNOWN"
