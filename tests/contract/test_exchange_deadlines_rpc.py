"""DeadlineService by its methods, on SQLite and PostgreSQL alike."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from exchange.deadlines import noticing, service
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import Deadline
from exchange.deadlines.rpc import POLICY, DeadlineServicer
from exchange.v1 import deadlines_pb2 as pb
from runtime.clock import FixedClock
from runtime.database import Database, audit_outbox
from runtime.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.rpc import Call
from tests.builders import catalog as county
from tests.builders.catalog import ADMINISTRATOR, AUDITOR, CIVIL, HEALTH, HOUSING, caller

DAY = timedelta(days=1)
SOURCE, CONSUMER, STRANGER = caller(CIVIL), caller(HOUSING), caller(HEALTH)
EVERY = "departments/-"


class Node:
    """The service in a database, called as somebody."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self._servicer = DeadlineServicer(database, clock, office=county.OFFICE)

    def __call__(self, who: Principal, method: str, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid.uuid4())
        return getattr(self._servicer, method)(request, Call(method, who, None))

    def begin(self, number: int = 1, kind: str = Kind.REPLY_CONDITIONAL, **how) -> Deadline:
        values = {"region_code": "990101", "department": CIVIL, "actor": CONSUMER.system, **how}
        subject = f"{HOUSING}/accessRequests/r{number}"
        with self.database.unit_of_work() as work:
            return service.start(work, subject=subject, kind=kind, at=self.clock.now(), **values)

    def finish(self, deadline: Deadline) -> None:
        with self.database.unit_of_work() as work:
            service.finish(
                work,
                subject=deadline.subject,
                kind=deadline.kind,
                at=self.clock.now(),
                actor=SOURCE.system,
            )

    def await_material(self, deadline: Deadline) -> None:
        with self.database.unit_of_work() as work:
            service.pause(
                work,
                subject=deadline.subject,
                kind=deadline.kind,
                reason="待补充材料",
                at=self.clock.now(),
                actor=SOURCE.system,
            )

    def records(self, kind: str) -> list[dict]:
        with self.database.reading() as session:
            rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
            return [leaf for row in rows if (leaf := orjson.loads(row[0]))["kind"] == kind]


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    clock = FixedClock(datetime(2026, 3, 2, 4, tzinfo=UTC))  # a Monday
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    yield Node(database, clock)
    database.close()


def refused(error: type[DomainError], call, *arguments, **fields) -> DomainError:
    with pytest.raises(error) as found:
        call(*arguments, **fields)
    assert found.value.message_zh
    return found.value


def test_every_method_has_a_policy_and_no_other():
    methods = pb.DESCRIPTOR.services_by_name["DeadlineService"].methods
    assert {method.name for method in methods} == set(POLICY)
    assert all(hasattr(DeadlineServicer, name) for name in POLICY)


def test_parties_and_overseers_see_a_clock_and_nobody_else(node: Node):
    name = node.begin().name
    for who in (SOURCE, CONSUMER, ADMINISTRATOR, AUDITOR):
        found = node(who, "GetDeadline", name=name).deadline
        assert (found.due, found.days_left, found.late) == ("2026-03-16", 10, False)
        assert [d.name for d in node(who, "ListDeadlines", parent=EVERY).deadlines] == [name]
    assert refused(NotFound, node, STRANGER, "GetDeadline", name=name).reason == (
        refused(NotFound, node, STRANGER, "GetDeadline", name="deadlines/none").reason
    )
    assert not node(STRANGER, "ListDeadlines", parent=EVERY).deadlines
    assert not node(STRANGER, "ListDeadlines", parent=CIVIL).deadlines


def test_who_must_act_pauses_resumes_and_extends_and_the_asker_does_not(node: Node):
    name = node.begin().name
    for method, fields in (
        ("PauseDeadline", {"reason": "等"}),
        ("ResumeDeadline", {}),  # nothing is stopped by hand
        ("ExtendDeadline", {"days": 1, "reason": "等"}),
    ):
        told = refused(PermissionDenied, node, CONSUMER, method, name=name, **fields)
        assert told.reason == "NOT_RESPONSIBLE"
        assert refused(NotFound, node, STRANGER, method, name=name, **fields)
    node.clock.advance(DAY)
    paused = node(SOURCE, "PauseDeadline", name=name, reason="待补充材料").deadline
    # It stands up to the 30th, twenty working days, if nobody resumes it.
    assert (paused.state, paused.due) == (pb.DEADLINE_STATE_PAUSED, "2026-04-14")
    assert paused.pauses[0].reason == "待补充材料"
    node.clock.advance(DAY)
    again = node(ADMINISTRATOR, "ResumeDeadline", name=name).deadline
    # The 3rd and the 4th were touched by the pause: ten days from the 5th.
    assert (again.state, again.due) == (pb.DEADLINE_STATE_RUNNING, "2026-03-18")
    extended = node(SOURCE, "ExtendDeadline", name=name, days=3, reason="数据量大").deadline
    assert (extended.due, extended.extensions[0].days) == ("2026-03-23", 3)
    leaf = node.records("deadline_extended")[0]
    assert leaf["extended"] == 3
    assert "数据量大" not in orjson.dumps(leaf).decode()
    assert len(leaf["commitments"]["reason"]) == 64


def test_a_repeat_extends_once(node: Node):
    fields = {"name": node.begin().name, "days": 3, "reason": "数据量大", "request_id": "one"}
    first = node(SOURCE, "ExtendDeadline", **fields)
    assert node(SOURCE, "ExtendDeadline", **fields) == first
    assert len(node.records("deadline_extended")) == 1
    told = refused(AlreadyExists, node, SOURCE, "ExtendDeadline", **{**fields, "days": 4})
    assert told.reason == "REQUEST_ID_REUSED"


def test_a_list_is_in_order_of_due_days_and_its_pages_join(node: Node):
    for number, kind in enumerate((Kind.REPLY_CONDITIONAL, Kind.REPLY_UNCONDITIONAL) * 4):
        node.begin(number, kind)
    node.await_material(node.begin(50))
    whole = list(node(SOURCE, "ListDeadlines", parent=CIVIL).deadlines)
    assert [d.due for d in whole] == ["", *["2026-03-03"] * 4, *["2026-03-16"] * 4]
    found, token = [], ""
    while True:
        page = node(SOURCE, "ListDeadlines", parent=CIVIL, page_size=2, page_token=token)
        found += page.deadlines
        if not (token := page.next_page_token):
            break
    assert found == whole
    assert not node(SOURCE, "ListDeadlines", parent=HOUSING).deadlines
    one = node(SOURCE, "ListDeadlines", parent=EVERY, subject=whole[1].subject).deadlines
    assert [d.name for d in one] == [whole[1].name]
    kinds = [Kind.REPLY_UNCONDITIONAL, "inquiry"]
    alike = node(SOURCE, "ListDeadlines", parent=EVERY, kinds=kinds).deadlines
    assert {(d.kind, d.due) for d in alike} == {(kinds[0], "2026-03-03")}
    told = refused(InvalidArgument, node, SOURCE, "ListDeadlines", parent=EVERY, kinds=kinds * 9)
    assert told.reason == "TOO_MANY_KINDS"
    soon = node(SOURCE, "ListDeadlines", parent=EVERY, due_within=3).deadlines
    assert {d.due for d in soon} == {"2026-03-03"}


def test_late_ones_are_listed_done_or_not(node: Node):
    done, open_, timely = (node.begin(n, Kind.REPLY_UNCONDITIONAL) for n in (1, 2, 3))
    node.finish(timely)
    node.clock.advance(4 * DAY)
    node.finish(done)
    late = node(SOURCE, "ListDeadlines", parent=CIVIL, late_only=True).deadlines
    assert {d.name for d in late} == {done.name, open_.name}
    assert {d.days_over for d in late} == {3}
    still = node(SOURCE, "ListDeadlines", parent=CIVIL, late_only=True, open_only=True).deadlines
    assert [d.name for d in still] == [open_.name]
    told = refused(
        FailedPrecondition, node, SOURCE, "ExtendDeadline", name=open_.name, days=1, reason="等"
    )
    assert told.reason == "DEADLINE_PASSED"


def test_a_page_costs_two_statements_of_any_size(node: Node):
    for number in range(30):
        node.begin(number)
    counts = []
    for size in (2, 30):
        told: list[str] = []
        listen = lambda *a, told=told: told.extend([a[2]] * a[2].startswith("SELECT"))  # noqa: E731
        event.listen(node.database.engine, "before_cursor_execute", listen)
        node(SOURCE, "ListDeadlines", parent=CIVIL, page_size=size)
        event.remove(node.database.engine, "before_cursor_execute", listen)
        counts.append(len(told))
    assert counts == [2, 2]


def test_a_report_counts_who_is_late_and_by_how_much(node: Node):
    met, late = node.begin(1, Kind.REPLY_UNCONDITIONAL), node.begin(2, Kind.REPLY_UNCONDITIONAL)
    node.begin(3, Kind.REPLY_UNCONDITIONAL)
    node.begin(4)
    node.begin(5, department=HEALTH)
    node.finish(met)
    node.clock.set(datetime(2026, 3, 6, 1, tzinfo=UTC))
    node.finish(late)  # three working days over
    node.clock.set(datetime(2026, 3, 9, 1, tzinfo=UTC))  # four for the open one
    report = node(ADMINISTRATOR, "ReportLateness", parent=EVERY)
    assert (report.first_day, report.last_day) == ("2026-01-01", "2026-12-31")
    rows = {(r.department, r.kind): r for r in report.rows}
    row = rows[CIVIL, Kind.REPLY_UNCONDITIONAL]
    assert (row.running, row.overdue, row.met, row.late, row.days_over, row.worst) == (
        0, 1, 1, 1, 7, 4,
    )  # fmt: skip
    assert rows[CIVIL, Kind.REPLY_CONDITIONAL].running == 1
    assert report.rows[0] == row
    own = node(STRANGER, "ReportLateness", parent=EVERY).rows
    assert [r.department for r in own] == [HEALTH]
    assert refused(PermissionDenied, node, STRANGER, "ReportLateness", parent=CIVIL)
    empty = node(
        ADMINISTRATOR, "ReportLateness", parent=EVERY, first_day="2026-04-01", last_day="2026-04-30"
    )
    assert not empty.rows
    for first, last in (("2026-4-1", ""), ("2026-05-01", "2026-04-01"), ("1990-01-01", "")):
        assert refused(
            InvalidArgument,
            node,
            ADMINISTRATOR,
            "ReportLateness",
            parent=EVERY,
            first_day=first,
            last_day=last,
        )


def test_notices_come_in_stages_each_once(node: Node):
    deadline = node.begin()  # due on the 16th of March
    send = lambda: node(ADMINISTRATOR, "SendNotices")  # noqa: E731
    assert send() == pb.SendNoticesResponse()
    node.clock.set(datetime(2026, 3, 12, 1, tzinfo=UTC))
    assert (send().reminders, send().reminders) == (1, 0)
    node(SOURCE, "ExtendDeadline", name=deadline.name, days=1, reason="等")  # the 17th
    node.clock.set(datetime(2026, 3, 17, 1, tzinfo=UTC))
    assert (send().reminders, send().reminders) == (1, 0)
    node.clock.set(datetime(2026, 3, 18, 1, tzinfo=UTC))
    assert send() == pb.SendNoticesResponse(overdue=1)
    node.clock.set(datetime(2026, 3, 20, 1, tzinfo=UTC))
    assert send() == pb.SendNoticesResponse(escalations=1)
    assert send() == pb.SendNoticesResponse()
    own = node(SOURCE, "ListNotices", parent=CIVIL).notices
    assert [(n.stage, n.due) for n in own] == [
        (pb.NOTICE_STAGE_REMINDER, "2026-03-16"),
        (pb.NOTICE_STAGE_REMINDER, "2026-03-17"),
        (pb.NOTICE_STAGE_OVERDUE, "2026-03-17"),
    ]
    assert {(n.deadline, n.subject) for n in own} == {(deadline.name, deadline.subject)}
    every = node(ADMINISTRATOR, "ListNotices", parent=EVERY, page_size=3)
    assert list(every.notices) == list(own)
    last = node(
        ADMINISTRATOR, "ListNotices", parent=EVERY, page_token=every.next_page_token
    ).notices
    assert [(n.stage, n.recipient) for n in last] == [(pb.NOTICE_STAGE_ESCALATION, "")]
    assert refused(PermissionDenied, node, STRANGER, "ListNotices", parent=CIVIL)
    assert refused(PermissionDenied, node, SOURCE, "ListNotices", parent=EVERY)
    assert len(node.records("notices_sent")) == 4


def test_a_notice_is_acknowledged_once_by_whom_it_is_for(node: Node):
    node.begin()  # due on the 16th of March
    node.clock.set(datetime(2026, 3, 20, 1, tzinfo=UTC))
    node(ADMINISTRATOR, "SendNotices")
    own, up = node(ADMINISTRATOR, "ListNotices", parent=EVERY).notices
    assert (own.recipient, up.recipient) == (CIVIL, "")
    assert not own.HasField("acknowledge_time")
    read = lambda who, number: node(who, "AcknowledgeNotice", number=number)  # noqa: E731
    for who, number in ((CONSUMER, own.number), (SOURCE, up.number), (SOURCE, 0), (SOURCE, -1),
                        (ADMINISTRATOR, 99), (SOURCE, 2**63 - 1)):  # fmt: skip
        assert refused(NotFound, read, who, number).reason == "NOTICE_NOT_FOUND"
    first = read(SOURCE, own.number).notice
    assert first.acknowledged_by == SOURCE.system
    assert first.acknowledge_time.ToDatetime(UTC) == node.clock.now()
    node.clock.advance(DAY)
    assert read(ADMINISTRATOR, own.number).notice == first
    assert list(node(SOURCE, "ListNotices", parent=CIVIL).notices) == [first]
    assert not node(SOURCE, "ListNotices", parent=CIVIL, open_only=True).notices
    left = node(ADMINISTRATOR, "ListNotices", parent=EVERY, open_only=True).notices
    assert [n.number for n in left] == [up.number]
    assert read(ADMINISTRATOR, up.number).notice.acknowledged_by == ADMINISTRATOR.system
    assert [r["stage"] for r in node.records("notice_acknowledged")] == ["overdue", "escalation"]


def test_a_paused_or_finished_clock_gets_no_notice(node: Node):
    node.await_material(node.begin(1))
    node.finish(node.begin(2))
    node.clock.set(datetime(2026, 4, 30, 1, tzinfo=UTC))
    assert node(ADMINISTRATOR, "SendNotices") == pb.SendNoticesResponse()


def test_notices_are_written_in_bounded_pieces(node: Node):
    for number in range(5):
        node.begin(number, Kind.REPLY_UNCONDITIONAL)
    counts = []
    while True:
        with node.database.unit_of_work() as work:
            sent = noticing.send(
                work, ADMINISTRATOR, remind_before=0, escalate_after=0, clock=node.clock, at_once=2
            )
        counts.append(sum(sent.counts.values()))
        if not sent.more:
            break
    assert counts == [2, 2, 1]
    assert refused(InvalidArgument, node, ADMINISTRATOR, "SendNotices", remind_before=61)
    assert refused(InvalidArgument, node, ADMINISTRATOR, "SendNotices", escalate_after=-1)


def own_table(**changes) -> pb.Jurisdiction:
    values = {
        "name": "jurisdictions/shifan",
        "region_prefix": "9901",
        "display_name": "示范市",
        "authority": HEALTH,
        "inherit_review": True,
        "periods": [
            pb.Period(kind=Kind.REPLY_CONDITIONAL, days=5, extension=2, source="示范市办法")
        ],
    }
    return pb.Jurisdiction(**{**values, **changes})


def test_a_localitys_table_holds_for_clocks_that_start_in_its_region(node: Node):
    before = node.begin(1)
    made = node(ADMINISTRATOR, "PutJurisdiction", jurisdiction=own_table()).jurisdiction
    assert made.etag
    assert made.update_time.ToDatetime(UTC) == node.clock.now()
    after, elsewhere = node.begin(2), node.begin(3, region_code="980101")
    assert (after.days, after.extension_limit) == (5, 2)
    assert (after.jurisdiction, elsewhere.jurisdiction) == (made.name, "jurisdictions/default")
    assert (elsewhere.days, before.days) == (10, 10)
    # What the locality leaves out comes from the shipped table.
    assert node.begin(4, Kind.SUPPLY_AFTER_CONSENT).days == 20
    with node.database.reading() as session:
        held = service.ruling(session, "990101")
        assert held.authority == HEALTH
        assert {word.value for word in held.review_when} == {"cross_region", "cross_level"}
    listed = node(STRANGER, "ListJurisdictions").jurisdictions
    assert [j.name for j in listed] == ["jurisdictions/default", made.name]
    # Escalations of its region go to its authority.
    node.clock.set(datetime(2026, 3, 31, 1, tzinfo=UTC))
    node(ADMINISTRATOR, "SendNotices")
    assert node(STRANGER, "ListNotices", parent=HEALTH).notices[0].stage == (
        pb.NOTICE_STAGE_ESCALATION
    )


NOBODYS = [  # who, what of a table whose authority is HEALTH
    (CIVIL, {"authority": CIVIL}),
    (CIVIL, {"name": "jurisdictions/own", "region_prefix": "990101", "authority": CIVIL}),
    (CIVIL, {"name": "jurisdictions/own", "region_prefix": "990101", "inherit_review": False}),
    (HEALTH, {"name": "jurisdictions/wider", "region_prefix": "99"}),
    (HEALTH, {"name": "jurisdictions/beside", "region_prefix": "9902"}),
    (HEALTH, {"region_prefix": "99"}),
]


@pytest.mark.parametrize(("department", "changes"), NOBODYS)
def test_no_party_names_who_reviews(node: Node, department: str, changes: dict):
    made = node(ADMINISTRATOR, "PutJurisdiction", jurisdiction=own_table(region_prefix="9901"))
    who = caller(department, Role.ADMINISTRATOR)
    etag = "" if "name" in changes else made.jurisdiction.etag
    table = own_table(**{"region_prefix": "9901", "etag": etag, **changes})
    told = refused(PermissionDenied, node, who, "PutJurisdiction", jurisdiction=table)
    assert told.reason == "NOT_THE_AUTHORITY"


def test_the_authority_in_force_writes_its_table(node: Node):
    made = node(ADMINISTRATOR, "PutJurisdiction", jurisdiction=own_table(region_prefix="9901"))
    health, civil = caller(HEALTH, Role.ADMINISTRATOR), caller(CIVIL, Role.ADMINISTRATOR)
    again = own_table(region_prefix="9901", display_name="新", etag=made.jurisdiction.etag)
    held = node(health, "PutJurisdiction", jurisdiction=again).jurisdiction
    remove = {"name": held.name, "etag": held.etag}
    told = refused(PermissionDenied, node, civil, "DeleteJurisdiction", **remove)
    assert told.reason == "NOT_THE_AUTHORITY"
    node(
        health,
        "PutJurisdiction",
        jurisdiction=own_table(name="jurisdictions/n", region_prefix="990101"),
    )
    node(health, "DeleteJurisdiction", **remove)


def test_a_table_is_changed_and_removed_under_its_etag(node: Node):
    put = lambda table: node(ADMINISTRATOR, "PutJurisdiction", jurisdiction=table).jurisdiction  # noqa: E731
    made = put(own_table())
    assert refused(Aborted, put, own_table(authority="")).reason == "ETAG_MISMATCH"
    changed = put(own_table(authority="", etag=made.etag))
    assert changed.etag != made.etag
    taken = own_table(name="jurisdictions/other")
    assert refused(AlreadyExists, put, taken).reason == "REGION_TAKEN"
    shipped = node(SOURCE, "ListJurisdictions").jurisdictions[0]
    shipped.periods[0].days = 3
    assert put(shipped).periods[0].days == 3
    remove = lambda **f: node(ADMINISTRATOR, "DeleteJurisdiction", name=made.name, **f)  # noqa: E731
    assert refused(Aborted, remove, etag=made.etag)
    remove(etag=changed.etag)
    assert refused(NotFound, remove, etag=changed.etag).reason == "JURISDICTION_NOT_FOUND"
    assert node.records("jurisdiction_deleted")[0]["jurisdiction"] == made.name


WRONG_TABLES = [
    ({"name": "jurisdictions/A"}, "jurisdiction.name"),
    ({"region_prefix": "99a"}, "region_prefix"),
    ({"region_prefix": ""}, "region_prefix"),
    ({"display_name": " "}, "display_name"),
    ({"authority": "somebody"}, "authority"),
    ({"periods": [pb.Period(kind="Reply", days=1)]}, "periods"),
    ({"periods": [pb.Period(kind="reply", days=0)]}, "periods[reply].days"),
    ({"periods": [pb.Period(kind="reply", days=1, extension=999)]}, "periods[reply].extension"),
    ({"periods": [pb.Period(kind="reply", days=1)] * 2}, "jurisdiction.periods"),
    ({"review_when": [99], "inherit_review": False}, "jurisdiction.review_when"),
    ({"review_when": [1]}, "jurisdiction.inherit_review"),
]


def test_a_table_that_is_wrong_is_refused_by_field(node: Node):
    for changes, field in WRONG_TABLES:
        told = refused(
            InvalidArgument,
            node,
            ADMINISTRATOR,
            "PutJurisdiction",
            jurisdiction=own_table(**changes),
        )
        assert field in [v.field for v in told.violations]


def test_an_authority_must_be_registered(node: Node):
    table = own_table(authority="departments/nobody")
    told = refused(NotFound, node, ADMINISTRATOR, "PutJurisdiction", jurisdiction=table)
    assert told.reason == "DEPARTMENT_NOT_FOUND"


def test_a_year_that_is_announced_moves_the_clocks_that_run_through_it(node: Node):
    node.clock.set(datetime(2031, 9, 29, 1, tzinfo=UTC))  # a Monday of a year not announced
    running, done = node.begin(1), node.begin(2)
    node.finish(done)
    paused = node.begin(3)
    node.await_material(paused)
    assert running.due is not None
    assert (running.due.isoformat(), running.provisional) == ("2031-10-13", True)
    year = pb.WorkYear(year=2031, off=["2031-10-01/2031-10-07"], working=["2031-10-11"])
    put = node(ADMINISTRATOR, "PutWorkYear", year=year)
    assert (put.moved, put.year.shipped) == (1, False)
    moved = node(SOURCE, "GetDeadline", name=running.name).deadline
    # 30 September; 8 to 10, 11 (worked), 13 to 17 October.
    assert (moved.due, moved.provisional) == ("2031-10-17", False)
    assert node(SOURCE, "GetDeadline", name=done.name).deadline.due == "2031-10-13"
    resumed = node(SOURCE, "ResumeDeadline", name=paused.name).deadline
    assert (resumed.due, resumed.provisional) == ("2031-10-17", False)
    assert refused(Aborted, node, ADMINISTRATOR, "PutWorkYear", year=year).reason == "ETAG_MISMATCH"
    again = node(ADMINISTRATOR, "PutWorkYear", year=pb.WorkYear(year=2031, etag=put.year.etag))
    assert again.moved == 2
    assert node.records("work_year_put")[1]["moved"] == 2


def test_the_calendar_is_listed_and_counts(node: Node):
    years = {y.year: y for y in node(STRANGER, "ListWorkYears").years}
    assert "2026-10-01/2026-10-07" in years[2026].off
    assert "2026-10-10" in years[2026].working
    assert years[2026].shipped
    shipped = years[2026]
    shipped.working.remove("2026-10-10")
    own = node(ADMINISTRATOR, "PutWorkYear", year=shipped).year
    assert not own.shipped
    count = node(STRANGER, "CountWorkdays", after="2026-09-30", days=3)
    assert (count.day, count.provisional) == ("2026-10-12", False)
    assert node(STRANGER, "CountWorkdays", days=1).day == "2026-03-03"
    assert node(STRANGER, "CountWorkdays", after="2035-01-01", days=1).provisional
    for fields in ({"after": "nonsense"}, {"days": 2001}, {"days": -1},
                   {"after": "9999-12-31", "days": 1}):  # fmt: skip
        assert refused(InvalidArgument, node, STRANGER, "CountWorkdays", **fields)
    bad = pb.WorkYear(year=2027, off=["2026-01-01"])
    assert refused(InvalidArgument, node, ADMINISTRATOR, "PutWorkYear", year=bad).reason == (
        "CALENDAR_INVALID"
    )
