"""What a department may ask for, and what it is given at once, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator

import pytest

from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.grants import replying, requesting, service
from exchange.grants.model import AccessRequestState
from exchange.grants.requests import store as requests
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import InvalidArgument, PermissionDenied, ResourceExhausted
from runtime.identity import Role
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(county.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    county.put(
        database,
        county.resource(),
        county.unconditional(),
        county.service_item(),
        clock=clock,
    )
    yield database
    database.close()


def test_a_request_names_an_item_of_its_own_department_or_of_one_above_it(
    database: Database, clock: FixedClock
):
    theirs = county.service_item().name
    with pytest.raises(InvalidArgument) as refused:
        build.ask(database, clock=clock, service_item=theirs)
    assert refused.value.reason == "NOT_YOUR_SERVICE_ITEM"
    county.stand_below(database, HOUSING, CIVIL, clock=clock)
    assert build.ask(database, clock=clock, service_item=theirs).service_item == theirs


def test_a_department_has_so_many_requests_open(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(requesting, "GREATEST_OPEN", 2)
    first, _ = (build.ask(database, clock=clock) for _ in range(2))
    with pytest.raises(ResourceExhausted) as refused:
        build.ask(database, clock=clock)
    assert refused.value.reason == "TOO_MANY_OPEN_REQUESTS"
    build.ask(database, clock=clock, resource=county.unconditional().name, items=("region",))
    build.approve(database, first, clock=clock)
    build.ask(database, clock=clock)


def test_requests_that_wait_are_counted_without_the_past_ones(
    database: Database, clock: FixedClock
):
    with database.engine.connect() as connection:
        statement = requests.waiting_of(HOUSING, limit=200)
        if connection.dialect.name == "postgresql":  # of a small table it would read all
            connection.exec_driver_sql("SET enable_seqscan = off")
        word = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        told = statement.compile(connection, compile_kwargs={"literal_binds": True})
        plan = " ".join(str(row) for row in connection.exec_driver_sql(word + str(told)))
    assert "access_request_by_state" in plan


def test_who_keeps_a_directory_is_granted_nothing_at_once_of_it(
    database: Database, clock: FixedClock
):
    asked = {"resource": county.unconditional().name, "items": ("region",)}
    office = build.ask(database, clock=clock, consumer=HEALTH, office=HEALTH, **asked)
    assert (office.state, office.grant) == (AccessRequestState.PENDING, "")
    # The source answers within the one working day of the unconditional, from Monday 2 March 2026.
    assert office.reply_due == "2026-03-03"
    assert build.ask(database, clock=clock, consumer=HEALTH, office=HOUSING, **asked).grant
    county.stand_below(database, CIVIL, HOUSING, clock=clock)
    above = build.ask(database, clock=clock, **asked)
    # Nor does it approve what it asks for itself: the source does.
    own = caller(HOUSING, Role.ADMINISTRATOR)
    with pytest.raises(PermissionDenied) as refused:
        build.approve(database, above, clock=clock, by=own)
    assert refused.value.reason == "NOT_THE_SOURCE"
    grant = build.approve(database, above, clock=clock)
    (version,) = service.list_grant_versions(database, caller(HOUSING), grant.name)
    assert version.actor == caller(CIVIL).system
    with database.reading() as session:
        clocks = deadlines.of_subjects(session, [office.name, above.name])
    assert {(subject, kind): clock.state for (subject, kind), clock in clocks.items()} == {
        (office.name, Kind.REPLY_UNCONDITIONAL): DeadlineState.RUNNING,
        (above.name, Kind.REPLY_UNCONDITIONAL): DeadlineState.MET,
    }
    with database.unit_of_work() as work:  # its clock stands while material is awaited
        replying.return_access_request(
            work, caller(CIVIL), name=office.name, note="请补充用途", clock=clock
        )
    with database.reading() as session:
        (stands,) = deadlines.of_subjects(session, [office.name]).values()
    assert stands.state is DeadlineState.PAUSED
