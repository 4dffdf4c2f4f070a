"""The demand list by its methods, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Jurisdiction, Kind
from exchange.deadlines.jurisdictions import content_of as jurisdiction_content
from exchange.deadlines.model import DeadlineState
from exchange.deadlines.tables.store import put_jurisdiction
from exchange.v1 import lists_pb2 as pb
from runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Role
from tests.builders import catalog as county
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    RESIDENTS,
    caller,
)
from tests.builders.lists import (
    CONSUMER,
    EVERY,
    ROW,
    STRANGER,
    SUPPLIER,
    Node,
    demand,
    refused,
    running,
)

DAY = timedelta(days=1)


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    with running(database_url) as started:
        yield started


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


def test_a_demand_is_answered_by_who_is_asked_or_above_it_and_never_by_who_asks(node: Node):
    decline = {"state": pb.DEMAND_STATE_DECLINED, "answer": "不", "answer_legal_basis": "法"}
    ask = lambda **how: (  # noqa: E731
        node(CONSUMER, "CreateDemand", parent=HOUSING, demand=demand(**how)).demand.name
    )
    of_housing, of_health = (caller(d, Role.ADMINISTRATOR) for d in (HOUSING, HEALTH))
    asked, nobody = ask(), ask(supplier="")
    for who, name in ((of_housing, asked), (of_health, asked), (of_housing, nobody)):
        told = refused(PermissionDenied, node, who, "AnswerDemand", name=name, **decline)
        assert told.reason == "NOT_RESPONSIBLE"
    # Where nobody is asked and nobody stands above, every other administrator answers.
    node(of_health, "AnswerDemand", name=nobody, **decline)
    node(caller(CIVIL, Role.ADMINISTRATOR), "AnswerDemand", name=asked, **decline)
    county.stand_below(node.database, CIVIL, HEALTH, clock=node.clock)
    node(of_health, "AnswerDemand", name=ask(), **decline)


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
