"""Nobody gains time by its own hand: pauses have an end, the calendar is not its own."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from exchange.deadlines import service
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import GREATEST_PAUSED
from exchange.deadlines.rpc import DeadlineServicer
from exchange.v1 import deadlines_pb2 as pb
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import DomainError, FailedPrecondition, PermissionDenied
from runtime.identity import Principal, Role
from runtime.rpc import Call
from tests.builders import catalog as county
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller

SOURCE, CONSUMER = caller(CIVIL), caller(HOUSING)
KEEPER = caller(county.OFFICE, Role.ADMINISTRATOR)
OFF = "2026-03-09/2026-03-20"


class Node:
    """The service in a database, called as somebody."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self._servicer = DeadlineServicer(database, clock, office=county.OFFICE)

    def __call__(self, who: Principal, method: str, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            request.request_id = str(uuid.uuid4())
        return getattr(self._servicer, method)(request, Call(method, who, None))

    def begin(self, number: int = 1, department: str = CIVIL, owner: str = HOUSING) -> str:
        with self.database.unit_of_work() as work:
            return service.start(
                work,
                subject=f"{owner}/accessRequests/r{number}",
                kind=Kind.REPLY_CONDITIONAL,
                at=self.clock.now(),
                region_code="990101",
                department=department,
                actor=CONSUMER.system,
            ).name

    def due(self, name: str) -> str:
        return self(KEEPER, "GetDeadline", name=name).deadline.due

    def year(self, *more: str) -> pb.WorkYear:
        (year,) = [y for y in self(KEEPER, "ListWorkYears").years if y.year == 2026]
        year.off.extend(more)
        return year


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    clock = FixedClock(datetime(2026, 3, 2, 4, tzinfo=UTC))  # a Monday
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    yield Node(database, clock)
    database.close()


def refused(error: type[DomainError], call, *arguments, **fields) -> str:
    with pytest.raises(error) as found:
        call(*arguments, **fields)
    assert found.value.message_zh != found.value.message
    return found.value.reason


#: Who writes the calendar (a department's administrator), whose clock it moves, the refusal.
KEEPERS = [
    (county.OFFICE, CIVIL, HOUSING, None),
    (CIVIL, CIVIL, HOUSING, "OWN_CLOCK_MOVED"),
    (HOUSING, CIVIL, HOUSING, "NOT_THE_OFFICE"),
    (HEALTH, CIVIL, HOUSING, "NOT_THE_OFFICE"),
    (county.OFFICE, county.OFFICE, HOUSING, "OWN_CLOCK_MOVED"),
    (CIVIL, county.OFFICE, HOUSING, None),
]


@pytest.mark.parametrize(("writer", "owes", "asks", "reason"), KEEPERS)
def test_who_moves_due_days_by_the_calendar(node: Node, writer, owes, asks, reason):
    name = node.begin(department=owes, owner=asks)
    before, who = node.due(name), caller(writer, Role.ADMINISTRATOR)
    if reason is None:
        assert node(who, "PutWorkYear", year=node.year(OFF)).moved == 1
        assert node.due(name) > before
        return
    assert refused(PermissionDenied, node, who, "PutWorkYear", year=node.year(OFF)) == reason
    assert node.due(name) == before
    assert node.year().shipped


def test_who_asks_does_not_make_another_late_by_the_calendar(node: Node):
    node.begin(department=CIVIL, owner=county.OFFICE)
    year = node.year()
    year.working.append("2026-03-07")
    assert refused(PermissionDenied, node, KEEPER, "PutWorkYear", year=year) == "OWN_CLOCK_MOVED"
    assert node(caller(CIVIL, Role.ADMINISTRATOR), "PutWorkYear", year=year).moved == 1


def test_a_pause_by_hand_ends_by_itself_and_its_clock_gets_late(node: Node):
    name = node.begin()
    paused = node(SOURCE, "PauseDeadline", name=name, reason="等").deadline
    assert (paused.state, bool(paused.due)) == (pb.DEADLINE_STATE_PAUSED, True)
    (row,) = node(KEEPER, "ReportLateness", parent="departments/-").rows
    assert (row.running, row.paused, row.overdue) == (1, 1, 0)
    node.clock.advance(timedelta(days=90))
    late = node(CONSUMER, "GetDeadline", name=name).deadline
    assert (late.due, late.late) == (paused.due, True)
    (row,) = node(KEEPER, "ReportLateness", parent="departments/-").rows
    assert (row.running, row.paused, row.overdue) == (0, 1, 1)
    # Resumed long after, it stood no longer than it could.
    assert node(SOURCE, "ResumeDeadline", name=name).deadline.due == paused.due


def test_all_pauses_by_hand_together_are_bounded(node: Node):
    name = node.begin()
    once = node(SOURCE, "PauseDeadline", name=name, reason="等").deadline.due
    node(SOURCE, "ResumeDeadline", name=name)
    for day in range(1, 26):  # from that Monday to the Friday three weeks later
        node.clock.advance(timedelta(days=1))
        for _ in range(2 if day == 1 else 1):  # a day that it stood already is not counted twice
            node(SOURCE, "PauseDeadline", name=name, reason="等")
            assert node.due(name) <= once
            node(SOURCE, "ResumeDeadline", name=name)
    assert GREATEST_PAUSED == 20  # working days, and those were: no Saturday or Sunday counts
    reason = refused(FailedPrecondition, node, SOURCE, "PauseDeadline", name=name, reason="等")
    assert reason == "PAUSED_TOO_LONG"


def test_a_clock_is_changed_by_who_owes_and_who_is_above_it(node: Node):
    name = node.begin()

    def changed_by(who: Principal) -> bool:
        acts = {"PauseDeadline": {"reason": "等"}, "ResumeDeadline": {}}
        acts["ExtendDeadline"] = {"reason": "数据量大", "days": 1}
        told = []
        for act, fields in acts.items():
            try:
                node(who, act, name=name, **fields)
            except PermissionDenied as error:
                assert error.reason == "NOT_RESPONSIBLE"
                told.append(False)
            else:
                told.append(True)
        assert len(set(told)) == 1
        return told[0]

    above = caller(HEALTH, Role.ADMINISTRATOR)
    assert changed_by(SOURCE)
    assert changed_by(caller(CIVIL, Role.ADMINISTRATOR))
    assert changed_by(KEEPER)
    assert not changed_by(above)
    assert not changed_by(caller(HOUSING, Role.ADMINISTRATOR))
    county.stand_below(node.database, CIVIL, HEALTH, clock=node.clock)
    assert changed_by(above)


def test_who_asks_objects_to_a_pause_by_hand_and_to_no_other(node: Node):
    name = node.begin()
    before = node.due(name)
    node(SOURCE, "PauseDeadline", name=name, reason="等")
    again = node(CONSUMER, "ResumeDeadline", name=name).deadline
    assert again.state == pb.DEADLINE_STATE_RUNNING
    assert again.due >= before
    with node.database.unit_of_work() as work:
        service.pause(
            work,
            subject=f"{HOUSING}/accessRequests/r1",
            kind=Kind.REPLY_CONDITIONAL,
            reason="待补充材料",
            at=node.clock.now(),
            actor=SOURCE.system,
        )
    assert node.due(name) == ""
    reason = refused(PermissionDenied, node, CONSUMER, "ResumeDeadline", name=name)
    assert reason == "NOT_RESPONSIBLE"
    (row,) = node(KEEPER, "ReportLateness", parent="departments/-").rows
    assert (row.running, row.paused) == (0, 1)
