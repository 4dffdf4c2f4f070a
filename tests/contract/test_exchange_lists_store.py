"""The three lists by their methods, on SQLite and PostgreSQL alike."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from exchange.catalog.model import SharingType
from exchange.catalog.service import Schemas
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Jurisdiction, Kind
from exchange.deadlines.jurisdictions import content_of as jurisdiction_content
from exchange.deadlines.model import DeadlineState
from exchange.deadlines.tables.store import put_jurisdiction
from exchange.delivery.intake import Batch
from exchange.delivery.store import write_batch
from exchange.lists.rpc import POLICY, ListServicer
from exchange.v1 import lists_pb2 as pb
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
from tests.builders import grants as build
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    RESIDENTS,
    caller,
)

DAY = timedelta(days=1)
SUPPLIER, CONSUMER, STRANGER = caller(CIVIL), caller(HOUSING), caller(HEALTH)
EVERY = "departments/-"
ROW = f"{CIVIL}/responsibilities/residents"


class Node:
    """The service in a database, called as somebody."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database, self.clock = database, clock
        self._servicer = ListServicer(database, Schemas(database, clock), clock)

    def __call__(self, who: Principal, method: str, **fields):
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid.uuid4())
        return getattr(self._servicer, method)(request, Call(method, who, None))

    def promise(self, **changes) -> pb.Responsibility:
        return self(
            ADMINISTRATOR, "PutResponsibility", responsibility=row(**changes)
        ).responsibility

    def shortfalls(self, who: Principal = ADMINISTRATOR, **how) -> dict[str, list]:
        found = self(who, "CompareDelivery", **{"parent": EVERY, **how}).comparisons
        return {
            c.responsibility.name: [
                (pb.Shortfall.Name(f.shortfall).removeprefix("SHORTFALL_"), list(f.about))
                for f in c.findings
            ]
            for c in found
        }

    def publish(self, resource: str = RESIDENTS) -> None:
        with self.database.unit_of_work() as work:
            batch = Batch(resource=resource, keys=["k"], payloads=["{}"], digest=b"")
            write_batch(work, batch, publisher=SUPPLIER.system, at=self.clock.now())

    def records(self, kind: str) -> list[dict]:
        with self.database.reading() as session:
            rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
            return [leaf for found in rows if (leaf := orjson.loads(found[0]))["kind"] == kind]

    def statements(self, who: Principal, method: str, **fields) -> int:
        told: list[str] = []
        listen = lambda *a: told.extend([a[2]] * a[2].startswith("SELECT"))  # noqa: E731
        event.listen(self.database.engine, "before_cursor_execute", listen)
        self(who, method, **fields)
        event.remove(self.database.engine, "before_cursor_execute", listen)
        return len(told)


def row(**changes) -> pb.Responsibility:
    values = {
        "name": ROW,
        "resource": RESIDENTS,
        "display_name": "常住人口信息",
        "items": ["citizen_number", "name"],
        "update_cycle": "daily",
        "receivers": [HOUSING],
        "legal_basis": "示范县政务数据共享办法第五条",
        "from_day": "2026-01-01",
    }
    return pb.Responsibility(**{**values, **changes})


def demand(**changes) -> pb.Demand:
    values = {
        "display_name": "公积金缴存信息",
        "items": ["缴存基数", "缴存状态"],
        "purpose": "公共租赁住房资格审核",
        "legal_basis": "示范县公共租赁住房管理办法第九条",
        "supplier": CIVIL,
        "update_cycle": "monthly",
    }
    return pb.Demand(**{**values, **changes})


def negative(resource: str, **changes) -> pb.Negative:
    values = {
        "name": resource.replace("/resources/", "/negatives/"),
        "display_name": "不予共享的信息",
        "legal_basis": "示范县保密规定第三条",
        "from_day": "2026-01-01",
    }
    return pb.Negative(**{**values, **changes})


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    clock = FixedClock(county.NOON)  # 2 March 2026
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    county.put(database, county.resource(), county.unconditional(), clock=clock)
    yield Node(database, clock)
    database.close()


def refused(error: type[DomainError], call, *arguments, **fields) -> DomainError:
    with pytest.raises(error) as found:
        call(*arguments, **fields)
    assert found.value.message_zh
    return found.value


def test_every_method_has_a_policy_and_no_other():
    methods = pb.DESCRIPTOR.services_by_name["ListService"].methods
    assert {method.name for method in methods} == set(POLICY)
    assert all(hasattr(ListServicer, name) for name in POLICY)


def test_a_responsibility_has_versions_and_an_etag(node: Node):
    first = node.promise()
    assert (first.version, first.state) == (1, pb.ROW_STATE_ACTIVE)
    assert first.update_time.ToDatetime(UTC) == node.clock.now()
    assert refused(Aborted, node.promise, update_cycle="weekly").reason == "ETAG_MISMATCH"
    node.clock.advance(DAY)
    second = node.promise(update_cycle="weekly", etag=first.etag)
    assert (second.version, second.create_time) == (2, first.create_time)
    gone = node(ADMINISTRATOR, "RemoveResponsibility", name=ROW, etag=second.etag)
    assert gone.responsibility.state == pb.ROW_STATE_REMOVED
    assert refused(
        NotFound, node, ADMINISTRATOR, "RemoveResponsibility", name=ROW, etag=second.etag
    )
    # Its name is taken up again as a new row would be, and its versions go on.
    assert node.promise().version == 4
    told = node(STRANGER, "ListRowVersions", name=ROW, page_size=3)
    assert [v.responsibility.update_cycle for v in told.versions] == ["daily", "weekly", "weekly"]
    assert [v.responsibility.version for v in told.versions] == [1, 2, 3]
    assert {v.actor for v in told.versions} == {ADMINISTRATOR.system}
    rest = node(STRANGER, "ListRowVersions", name=ROW, page_token=told.next_page_token)
    assert [v.responsibility.version for v in rest.versions] == [4]
    leaves = node.records("responsibility_put")
    assert [leaf["version"] for leaf in leaves] == [1, 2, 4]
    assert "办法" not in orjson.dumps(leaves).decode()


def test_a_repeat_writes_once(node: Node):
    fields = {"responsibility": row(), "request_id": "one"}
    first = node(ADMINISTRATOR, "PutResponsibility", **fields)
    assert node(ADMINISTRATOR, "PutResponsibility", **fields) == first
    assert len(node.records("responsibility_put")) == 1
    fields["responsibility"] = row(note="别的")
    assert refused(AlreadyExists, node, ADMINISTRATOR, "PutResponsibility", **fields)


WRONG_RESPONSIBILITIES = [
    ({"resource": f"{HOUSING}/resources/x"}, "resource"),
    ({"resource": "residents"}, "resource"),
    ({"items": ["name", "name"]}, "items"),
    ({"items": ["Name"]}, "items[0]"),
    ({"items": [f"i{n}" for n in range(501)]}, "items"),
    ({"update_cycle": "sometimes"}, "update_cycle"),
    ({"receivers": [CIVIL]}, "receivers[0]"),
    ({"receivers": ["somebody"]}, "receivers[0]"),
    ({"receivers": [HOUSING, HOUSING]}, "receivers"),
    ({"display_name": ""}, "display_name"),
    ({"legal_basis": " "}, "legal_basis"),
    ({"note": "长" * 501}, "note"),
    ({"note": "\0"}, "note"),
    ({"from_day": ""}, "from_day"),
    ({"from_day": "2026-02-30"}, "from_day"),
    ({"until_day": "soon"}, "until_day"),
    ({"until_day": "2025-12-31"}, "until_day"),
]


def test_a_responsibility_that_is_wrong_is_refused_by_field(node: Node):
    for changes, field in WRONG_RESPONSIBILITIES:
        told = refused(InvalidArgument, node.promise, **changes)
        assert field in [v.field for v in told.violations]


def test_who_is_named_must_be_registered(node: Node):
    for changes in (
        {"receivers": ["departments/nobody"]},
        {"name": "departments/nobody/responsibilities/x",
         "resource": "departments/nobody/resources/x"},
    ):  # fmt: skip
        assert refused(NotFound, node.promise, **changes).reason == "DEPARTMENT_NOT_FOUND"


def test_a_list_is_read_by_department_resource_day_and_page(node: Node):
    for number in range(5):
        node.promise(
            name=f"{ROW}{number}",
            from_day=f"2026-0{number + 1}-01",
            until_day=f"2026-0{number + 1}-28",
        )
    listed = lambda **how: [  # noqa: E731
        r.name.removeprefix(ROW)
        for r in node(STRANGER, "ListResponsibilities", **{"parent": CIVIL, **how}).responsibilities
    ]
    assert listed() == listed(parent=EVERY) == listed(resource=RESIDENTS) == list("01234")
    assert listed(parent=HOUSING) == listed(resource=f"{CIVIL}/resources/none") == []
    assert listed(day="2026-03-28") == ["2"]
    assert listed(day="2026-03-29") == []
    page = node(STRANGER, "ListResponsibilities", parent=CIVIL, page_size=2)
    again = listed(page_size=2, page_token=page.next_page_token)
    assert again == ["2", "3"]
    assert refused(InvalidArgument, listed, day="march")
    one = page.responsibilities[0]
    node(ADMINISTRATOR, "RemoveResponsibility", name=one.name, etag=one.etag)
    assert listed() == list("1234")
    assert listed(show_removed=True) == list("01234")


def test_what_is_promised_is_held_against_what_is_delivered(node: Node):
    node.promise()
    assert node.shortfalls()[ROW] == [
        ("NEVER_PUBLISHED", []),
        ("RECEIVERS_WITHOUT_GRANT", [HOUSING]),
    ]
    node.publish()
    build.approve(node.database, build.ask(node.database, clock=node.clock), clock=node.clock)
    assert node.shortfalls() == {ROW: []}
    assert node.shortfalls(shortfalls_only=True) == {}
    node.clock.advance(DAY)
    assert node.shortfalls() == {ROW: []}
    node.clock.advance(timedelta(microseconds=1))
    assert node.shortfalls() == {ROW: [("STALE", [])]}
    (told,) = node(ADMINISTRATOR, "CompareDelivery", parent=EVERY).comparisons
    assert told.fresh_until.ToDatetime(UTC) - told.last_publish_time.ToDatetime(UTC) == DAY
    node.clock.advance(40 * DAY)  # the grant is over too
    assert node.shortfalls()[ROW][-1] == ("RECEIVERS_WITHOUT_GRANT", [HOUSING])


def change_of(node: Node, row: str = ROW):
    with node.database.reading() as session:
        return deadlines.of_subjects(session, [row]).get((row, Kind.CATALOG_CHANGE))


def test_what_the_catalog_lacks_of_a_promise_is_owed_until_it_has_it(node: Node):
    node.promise()
    assert change_of(node) is None  # the catalog has it
    wide = county.resource().items[0]
    later = f"{CIVIL}/resources/later"
    row = node.promise(name=f"{ROW}-2", resource=later, items=["citizen_number", "name"])
    began = change_of(node, row.name)
    assert (began.department, began.days) == (CIVIL, 10)
    assert began.due.isoformat() == "2026-03-16"
    made = county.resource(later, code="101001/000009", items=(wide,))
    county.put(node.database, made, clock=node.clock)
    assert change_of(node, row.name).state is DeadlineState.RUNNING  # the name is not there
    row = node.promise(**{**fields_of(row), "note": "再写一次", "etag": row.etag})
    assert change_of(node, row.name) == began
    node.clock.advance(14 * DAY)
    more = (*county.resource().items[:2],)
    county.put(node.database, county.resource(later, code="101001/000009", items=more),
               clock=node.clock)  # fmt: skip
    assert change_of(node, row.name).state is DeadlineState.MET
    assert len(node.records("deadline_finished")) == 1


def fields_of(row: pb.Responsibility) -> dict:
    return {f.name: value for f, value in row.ListFields() if not f.name.endswith("_time")}


def test_a_promise_of_later_counts_from_its_first_day_and_ends_with_its_row(node: Node):
    later = f"{CIVIL}/resources/later"
    row = node.promise(resource=later, from_day="2026-06-01")  # a Monday
    assert change_of(node).due.isoformat() == "2026-06-15"
    node(ADMINISTRATOR, "RemoveResponsibility", name=ROW, etag=row.etag)
    assert change_of(node).state is DeadlineState.CANCELLED
    again = node.promise(resource=later)
    again = node.promise(resource=later, note="再写一次", etag=again.etag)
    node(ADMINISTRATOR, "RemoveResponsibility", name=ROW, etag=again.etag)
    node.clock.advance(100 * DAY)
    again = node.promise(resource=later)
    assert change_of(node).state is DeadlineState.RUNNING
    node.promise(etag=again.etag)  # of what is there
    assert change_of(node).state is DeadlineState.MET


def test_grants_have_to_give_what_was_promised(node: Node):
    every = node.promise(items=[])
    node.publish()

    def give(*items: str, consumer: str = HOUSING) -> None:
        asked = build.ask(node.database, clock=node.clock, items=items, consumer=consumer)
        build.approve(node.database, asked, clock=node.clock)

    give("name")
    assert node.shortfalls()[ROW] == [("GRANTS_LACK_ITEMS", [HOUSING])]
    some = node.promise(items=["citizen_number", "name"], receivers=[HOUSING], etag=every.etag)
    assert node.shortfalls()[ROW] == [("GRANTS_LACK_ITEMS", [HOUSING])]
    give("citizen_number")  # by two grants together
    assert node.shortfalls()[ROW] == []
    # What the resource lacks is told once, and of no grant.
    node.promise(items=["name", "nonesuch"], receivers=[HOUSING, HEALTH], etag=some.etag)
    assert node.shortfalls()[ROW] == [
        ("ITEMS_MISSING", ["nonesuch"]), ("RECEIVERS_WITHOUT_GRANT", [HEALTH])
    ]  # fmt: skip


def test_a_receiver_compares_what_it_should_receive_and_hears_of_no_other(node: Node):
    node.publish()
    node.promise(receivers=[HOUSING, HEALTH])
    node.promise(name=f"{ROW}-all", receivers=[])
    node.promise(name=f"{ROW}-health", receivers=[HEALTH])
    node.promise(name=f"{ROW}-named", receivers=[HEALTH], display_name=HOUSING, note=HOUSING)
    own = {ROW: [("RECEIVERS_WITHOUT_GRANT", [HOUSING])], f"{ROW}-all": []}
    assert node.shortfalls(CONSUMER, receiver=HOUSING) == own
    assert node.shortfalls(CONSUMER, receiver=HOUSING, parent=CIVIL) == own
    assert node.shortfalls(ADMINISTRATOR, receiver=HOUSING, shortfalls_only=True) == {
        ROW: [("RECEIVERS_WITHOUT_GRANT", [HOUSING])]
    }
    assert node.shortfalls(CONSUMER, receiver=HOUSING, parent=HEALTH) == {}
    for who in (CONSUMER, SUPPLIER):
        told = refused(PermissionDenied, node.shortfalls, who, receiver=HEALTH)
        assert told.reason == "OWN_DEPARTMENT_ONLY"
    assert refused(InvalidArgument, node.shortfalls, CONSUMER, receiver="x")
    (one, _) = node(CONSUMER, "CompareDelivery", parent=EVERY, receiver=HOUSING).comparisons
    assert one.responsibility.receivers == [HOUSING, HEALTH]  # the list is open to all


def test_each_shortfall_has_its_name(node: Node):
    first = node.promise(items=["citizen_number", "nonesuch", "other"], receivers=[])
    assert node.shortfalls()[ROW][0] == ("ITEMS_MISSING", ["nonesuch", "other"])
    real_time = node.promise(update_cycle="real_time", items=[], receivers=[], etag=first.etag)
    assert node.shortfalls()[ROW] == [("SLOWER_CYCLE", ["daily"]), ("NEVER_PUBLISHED", [])]
    county.put(node.database, county.resource(update_cycle="weekly"), clock=node.clock)
    assert node.shortfalls()[ROW][0] == ("SLOWER_CYCLE", ["weekly"])
    closed = county.resource(
        sharing_type=SharingType.NOT_SHARED, sharing_condition="", legal_basis="示范县保密规定"
    )
    county.put(node.database, closed, clock=node.clock)
    assert node.shortfalls() == {ROW: [("NOT_SHARED", [])]}
    withdraw(node, RESIDENTS)
    assert node.shortfalls() == {ROW: [("RESOURCE_WITHDRAWN", [])]}
    node.promise(resource=f"{CIVIL}/resources/later", etag=real_time.etag)
    assert node.shortfalls() == {ROW: [("RESOURCE_MISSING", [])]}


def withdraw(node: Node, name: str) -> None:
    from exchange.catalog import service
    from exchange.catalog.directory import Withdrawal

    with node.database.unit_of_work() as work:
        service.apply_directory(
            work,
            ADMINISTRATOR,
            changes=[Withdrawal(name=name)],
            source="test",
            clock=node.clock,
            office=ADMINISTRATOR.department,
        )


def test_only_promises_in_force_are_compared_and_a_department_sees_its_own(node: Node):
    node.promise()
    node.promise(name=f"{ROW}-later", from_day="2026-03-03")
    node.promise(name=f"{ROW}-over", until_day="2026-03-01")
    assert set(node.shortfalls()) == set(node.shortfalls(AUDITOR)) == {ROW}
    assert set(node.shortfalls(SUPPLIER)) == set(node.shortfalls(SUPPLIER, parent=CIVIL)) == {ROW}
    assert node.shortfalls(CONSUMER) == {}
    assert refused(PermissionDenied, node.shortfalls, CONSUMER, parent=CIVIL).reason == (
        "OWN_DEPARTMENT_ONLY"
    )


def test_pages_cost_the_same_of_any_size(node: Node):
    for number in range(20):
        node.promise(name=f"{ROW}{number:02}", resource=f"{RESIDENTS}{number:02}")
        node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand())
        of = f"{CIVIL}/resources/n{number}"
        node(SUPPLIER, "PutNegative", negative=negative(of))
    for method, bound in (("CompareDelivery", 4), ("ListDemands", 2), ("ListNegatives", 3)):
        few = node.statements(ADMINISTRATOR, method, parent=EVERY, page_size=2)
        many = node.statements(ADMINISTRATOR, method, parent=EVERY, page_size=20)
        assert few == many <= bound, method
    found, token = [], ""
    while True:
        page = node(ADMINISTRATOR, "CompareDelivery", parent=EVERY, page_size=7, page_token=token)
        found += [c.responsibility.name for c in page.comparisons]
        if not (token := page.next_page_token):
            break
    assert found == [f"{ROW}{number:02}" for number in range(20)]


def test_a_demand_is_known_to_its_parties_and_overseers(node: Node):
    made = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand()).demand
    assert (made.state, made.version) == (pb.DEMAND_STATE_OPEN, 1)
    listed = lambda who, **how: [  # noqa: E731
        d.name for d in node(who, "ListDemands", **{"parent": EVERY, **how}).demands
    ]
    for who in (CONSUMER, SUPPLIER, ADMINISTRATOR, AUDITOR):
        assert listed(who) == [made.name]
        assert node(who, "ListRowVersions", name=made.name).versions
    assert listed(STRANGER) == []
    assert refused(NotFound, node, STRANGER, "ListRowVersions", name=made.name)
    assert listed(ADMINISTRATOR, parent=CIVIL) == []
    answer = {"state": pb.DEMAND_STATE_DECLINED, "answer": "不", "answer_legal_basis": "法"}
    assert refused(NotFound, node, STRANGER, "AnswerDemand", name=made.name, **answer)
    told = refused(PermissionDenied, node, CONSUMER, "AnswerDemand", name=made.name, **answer)
    assert told.reason == "NOT_RESPONSIBLE"
    assert refused(PermissionDenied, node, SUPPLIER, "WithdrawDemand", name=made.name)
    assert refused(PermissionDenied, node, CONSUMER, "CreateDemand", parent=CIVIL, demand=demand())
    leaf = orjson.dumps(node.records("demand_made")[0]).decode()
    assert "住房" not in leaf


def test_a_demand_for_what_is_shared_is_a_request_for_access(node: Node):
    asked = demand(resource=RESIDENTS, items=["name"])
    told = refused(FailedPrecondition, node, CONSUMER, "CreateDemand", parent=HOUSING, demand=asked)
    assert told.reason == "RESOURCE_IS_SHARED"
    # What the resource lacks may be asked for; once it has it, the list says so.
    asked = demand(resource=RESIDENTS, items=["name", "缴存基数"], supplier="")
    made = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=asked).demand
    assert made.supplier == CIVIL
    (held,) = node(CONSUMER, "ListDemands", parent=HOUSING).demands
    assert not held.offered


WRONG_DEMANDS = [
    ({"display_name": ""}, "display_name"),
    ({"purpose": ""}, "purpose"),
    ({"legal_basis": ""}, "legal_basis"),
    ({"supplier": HOUSING}, "supplier"),
    ({"supplier": "somebody"}, "supplier"),
    ({"resource": f"{HEALTH}/resources/x"}, "resource"),
    ({"service_item": "x"}, "service_item"),
    ({"update_cycle": "soon"}, "update_cycle"),
    ({"items": [""]}, "items[0]"),
    ({"items": ["长" * 101]}, "items[0]"),
    ({"items": ["一", "一"]}, "items"),
    ({"description": "长" * 501}, "description"),
]


def test_a_demand_that_is_wrong_is_refused_by_field(node: Node):
    for changes, field in WRONG_DEMANDS:
        told = refused(
            InvalidArgument,
            node,
            CONSUMER,
            "CreateDemand",
            parent=HOUSING,
            demand=demand(**changes),
        )
        assert field in [v.field for v in told.violations]


def test_a_demand_is_accepted_into_the_list_and_then_met(node: Node):
    name = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand()).demand.name
    accept = {"name": name, "state": pb.DEMAND_STATE_ACCEPTED, "answer": "列入责任清单"}
    told = refused(InvalidArgument, node, SUPPLIER, "AnswerDemand", **accept)
    assert [v.field for v in told.violations] == ["responsibility"]
    accept["responsibility"] = ROW
    told = refused(NotFound, node, SUPPLIER, "AnswerDemand", **accept)
    assert told.reason == "RESPONSIBILITY_NOT_FOUND"
    node.promise()
    accepted = node(SUPPLIER, "AnswerDemand", **accept).demand
    assert (accepted.state, accepted.responsibility) == (pb.DEMAND_STATE_ACCEPTED, ROW)
    meet = {"name": name, "state": pb.DEMAND_STATE_MET, "answer": "已共享"}
    told = refused(InvalidArgument, node, ADMINISTRATOR, "AnswerDemand", **meet)
    assert [v.field for v in told.violations] == ["resource"]
    missing = {**meet, "resource": f"{CIVIL}/resources/none"}
    told = refused(FailedPrecondition, node, ADMINISTRATOR, "AnswerDemand", **missing)
    assert told.reason == "RESOURCE_NOT_OFFERED"
    met = node(ADMINISTRATOR, "AnswerDemand", **meet, resource=RESIDENTS).demand
    assert (met.state, met.version, met.responsibility) == (pb.DEMAND_STATE_MET, 3, ROW)
    assert not node(CONSUMER, "ListDemands", parent=HOUSING, open_only=True).demands


ENDS = {
    "declined": pb.DEMAND_STATE_DECLINED,
    "met": pb.DEMAND_STATE_MET,
    "withdrawn": pb.DEMAND_STATE_WITHDRAWN,
}
ANSWERS = {
    "accepted": {"state": pb.DEMAND_STATE_ACCEPTED, "answer": "列入", "responsibility": ROW},
    "declined": {"state": pb.DEMAND_STATE_DECLINED, "answer": "不", "answer_legal_basis": "法"},
    "met": {"state": pb.DEMAND_STATE_MET, "answer": "已共享", "resource": RESIDENTS},
}


def step(node: Node, name: str, word: str) -> None:
    if word == "withdrawn":
        node(CONSUMER, "WithdrawDemand", name=name)
    else:
        node(ADMINISTRATOR, "AnswerDemand", name=name, **ANSWERS[word])


FORBIDDEN = [
    *((end, word) for end in ENDS for word in (*ANSWERS, "withdrawn")),
    ("accepted", "accepted"),
    ("accepted", "withdrawn"),
]


def clock_of(node: Node, demand: str):
    with node.database.reading() as session:
        return deadlines.of_subjects(session, [demand]).get((demand, Kind.REPLY_CONDITIONAL))


@pytest.mark.parametrize("word", [*ANSWERS, "withdrawn"])
def test_a_demand_has_a_clock_that_its_answer_ends(node: Node, word: str):
    node.promise()
    name = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand()).demand.name
    held = clock_of(node, name)
    assert (held.department, held.owner) == (CIVIL, HOUSING)
    assert held.due.isoformat() == "2026-03-16"
    node.clock.advance(15 * DAY)
    step(node, name, word)
    ended = DeadlineState.CANCELLED if word == "withdrawn" else DeadlineState.LATE
    assert clock_of(node, name).state is ended
    if word == "accepted":
        node.clock.advance(DAY)
        step(node, name, "met")  # of a second answer there is no clock
        assert clock_of(node, name).end_time == node.clock.now() - DAY


def test_a_demand_to_nobody_is_the_authoritys_to_answer(node: Node):
    ask = lambda: node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand(supplier=""))  # noqa: E731
    first = ask().demand.name
    assert clock_of(node, first) is None
    table = Jurisdiction(
        name="jurisdictions/shifan", region_prefix="9901", display_name="示范市", authority=HEALTH
    )
    with node.database.unit_of_work() as work:
        table = replace(table, etag="e", update_time=node.clock.now())
        put_jurisdiction(work.session, table, jurisdiction_content(table))
    second = ask().demand.name
    assert clock_of(node, second).department == HEALTH
    for name in (first, second):
        step(node, name, "declined")
    assert clock_of(node, second).state is DeadlineState.MET


def test_a_demand_goes_no_forbidden_way(node: Node):
    node.promise()
    for first, then in FORBIDDEN:
        name = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand()).demand.name
        step(node, name, first)
        assert refused(FailedPrecondition, step, node, name, then).reason == "DEMAND_ANSWERED"


def test_a_decline_needs_a_reason_and_a_legal_basis(node: Node):
    name = node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand()).demand.name
    decline = {"name": name, "state": pb.DEMAND_STATE_DECLINED}
    told = refused(InvalidArgument, node, SUPPLIER, "AnswerDemand", **decline)
    assert [v.field for v in told.violations] == ["answer", "answer_legal_basis"]
    for number in (0, pb.DEMAND_STATE_OPEN, pb.DEMAND_STATE_WITHDRAWN, 99):
        assert refused(InvalidArgument, node, SUPPLIER, "AnswerDemand", name=name, state=number)
    done = node(SUPPLIER, "AnswerDemand", **decline, answer="涉密", answer_legal_basis="保密法")
    assert done.demand.answer_legal_basis == "保密法"


def test_what_is_not_shared_is_listed_by_the_catalogs_word_and_by_row(node: Node):
    closed, listed = f"{CIVIL}/resources/closed", f"{CIVIL}/resources/listed"
    for name in (closed, listed):
        made = county.resource(
            name, code=f"101001/00001{len(name) % 10}", sharing_type=SharingType.NOT_SHARED,
            sharing_condition="", legal_basis="示范县档案规定",
        )  # fmt: skip
        county.put(node.database, made, clock=node.clock)
    later = f"{CIVIL}/resources/later"
    node(SUPPLIER, "PutNegative", negative=negative(listed))
    node(ADMINISTRATOR, "PutNegative", negative=negative(later))
    node(SUPPLIER, "PutNegative", negative=negative(RESIDENTS))
    found = {r.resource: r for r in node(STRANGER, "ListNegatives", parent=EVERY).rows}
    assert list(found) == sorted([closed, listed, later, RESIDENTS])
    doubts = {
        name: [pb.NegativeDoubt.Name(d).removeprefix("NEGATIVE_DOUBT_") for d in r.doubts]
        for name, r in found.items()
    }
    assert doubts == {
        closed: ["NOT_LISTED"],
        listed: [],
        later: ["RESOURCE_MISSING"],
        RESIDENTS: ["SHARED"],
    }
    assert found[closed].legal_basis == "示范县档案规定"
    assert found[listed].legal_basis == "示范县保密规定第三条"
    assert (found[listed].by_catalog, found[later].by_catalog) == (True, False)
    assert not node(STRANGER, "ListNegatives", parent=HOUSING).rows
    pages, token = [], ""
    while True:
        page = node(STRANGER, "ListNegatives", parent=CIVIL, page_size=1, page_token=token)
        pages += [r.resource for r in page.rows]
        if not (token := page.next_page_token):
            break
    assert pages == list(found)


def test_some_items_of_a_shared_resource_may_be_kept_back(node: Node):
    node(SUPPLIER, "PutNegative", negative=negative(RESIDENTS, items=["birth_date"]))
    (only,) = node(STRANGER, "ListNegatives", parent=CIVIL).rows
    assert (list(only.negative.items), list(only.doubts)) == (["birth_date"], [])


def test_the_negative_list_is_written_by_the_department_or_an_administrator(node: Node):
    asked = negative(RESIDENTS)
    told = refused(PermissionDenied, node, CONSUMER, "PutNegative", negative=asked)
    assert told.reason == "NOT_RESPONSIBLE"
    made = node(SUPPLIER, "PutNegative", negative=asked).negative
    assert refused(
        PermissionDenied, node, CONSUMER, "RemoveNegative", name=made.name, etag=made.etag
    )
    assert refused(Aborted, node, SUPPLIER, "RemoveNegative", name=made.name, etag="x")
    # Any administrator puts on the list; who is not above the department gives nothing back.
    less = negative(RESIDENTS, items=["name"], etag=made.etag)
    for who in (ADMINISTRATOR, caller(HOUSING, Role.ADMINISTRATOR)):
        gone = {"name": made.name, "etag": made.etag}
        for method, fields in (("RemoveNegative", gone), ("PutNegative", {"negative": less})):
            told = refused(PermissionDenied, node, who, method, **fields)
            assert told.reason == "NOT_RESPONSIBLE"
    own = caller(CIVIL, Role.ADMINISTRATOR)
    node(own, "RemoveNegative", name=made.name, etag=made.etag)
    assert not node(STRANGER, "ListNegatives", parent=CIVIL).rows
    node(ADMINISTRATOR, "PutNegative", negative=asked)
    for changes in ({"legal_basis": ""}, {"items": ["坏"]}, {"from_day": "x"}, {"reason": "\0"}):
        assert refused(
            InvalidArgument, node, SUPPLIER, "PutNegative", negative=negative(RESIDENTS, **changes)
        )
    # A row of the one list is not removed as one of the other.
    promised = node.promise()
    assert refused(
        NotFound, node, SUPPLIER, "RemoveNegative", name=promised.name, etag=promised.etag
    )
