"""The responsibility list by its methods, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from datetime import UTC, timedelta

import orjson
import pytest

from exchange.catalog.model import SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.lists.rpc import POLICY, ListServicer
from exchange.v1 import lists_pb2 as pb
from runtime.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Role
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
from tests.builders.lists import (
    CONSUMER,
    EVERY,
    ROW,
    STRANGER,
    SUPPLIER,
    Node,
    demand,
    negative,
    refused,
    row,
    running,
)

DAY = timedelta(days=1)


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    with running(database_url) as started:
        yield started


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


def test_a_row_is_written_by_its_department_from_above_or_by_the_office_only(node: Node):
    for who in (caller(HOUSING, Role.ADMINISTRATOR), caller(HEALTH, Role.ADMINISTRATOR)):
        told = refused(PermissionDenied, node, who, "PutResponsibility", responsibility=row())
        assert told.reason == "NOT_RESPONSIBLE"
    made = node(caller(CIVIL, Role.ADMINISTRATOR), "PutResponsibility", responsibility=row())
    etag = made.responsibility.etag
    less = caller(HOUSING, Role.ADMINISTRATOR)
    assert refused(PermissionDenied, node, less, "RemoveResponsibility", name=ROW, etag=etag)
    county.stand_below(node.database, CIVIL, HEALTH, clock=node.clock)
    above = caller(HEALTH, Role.ADMINISTRATOR)
    made = node(above, "PutResponsibility", responsibility=row(note="催办", etag=etag))
    gone = {"name": ROW, "etag": made.responsibility.etag}
    assert node(ADMINISTRATOR, "RemoveResponsibility", **gone).responsibility.version == 3


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
