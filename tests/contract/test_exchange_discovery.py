"""Discovery on SQLite and PostgreSQL alike: what is read, how often, and what nobody else sees."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest
import sqlalchemy as sa
from google.protobuf.json_format import Parse

from exchange.catalog import registering
from exchange.catalog.directory import Withdrawal
from exchange.catalog.model import SharingType
from exchange.discovery.rpc import DiscoveryServicer
from exchange.grants import replying, service
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import GrantedItem
from exchange.grants.rpc import GrantServicer
from exchange.v1 import discovery_pb2 as pb
from exchange.v1 import grants_pb2
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import InvalidArgument, NotFound, PermissionDenied
from runtime.identity import Principal
from runtime.rpc import Call
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import AUDITOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller

DAY = timedelta(days=1)
REGIONS = county.unconditional().name
ARCHIVE = f"{CIVIL}/resources/archive"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(county.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, clock=clock)
    archive = county.resource(
        ARCHIVE,
        code="301001/000009",
        base_library="",
        sharing_type=SharingType.NOT_SHARED,
        legal_basis="示范县档案管理办法第三条",
    )
    residents = county.resource(contact_office="基层政权科")
    county.put(database, residents, county.unconditional(), archive, clock=clock)
    yield database
    database.close()


def discover(
    database: Database, clock: FixedClock, who: Principal, office: str = "", **asked
) -> list:
    servicer = DiscoveryServicer(database, clock, office=office)
    answer = servicer.Discover(pb.DiscoverRequest(**asked), Call("Discover", who, None))
    return list(answer.resources)


def by_name(found: list) -> dict[str, pb.DiscoveredResource]:
    return {one.resource: one for one in found}


def reasons(found: pb.DiscoveredResource) -> list[int]:
    return [obstacle.reason for obstacle in found.obstacles]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def test_the_three_answers_of_a_fresh_department(database: Database, clock: FixedClock):
    found = by_name(discover(database, clock, caller(HOUSING)))
    assert list(found) == sorted(found)
    closed = found[ARCHIVE]
    assert closed.access == pb.ACCESS_CLOSED
    assert closed.obstacles[0].legal_basis == "示范县档案管理办法第三条"
    assert not closed.HasField("how_to_ask")
    at_once = found[REGIONS]
    assert at_once.access == pb.ACCESS_REQUESTABLE
    assert at_once.how_to_ask.method == pb.ASKING_METHOD_AT_ONCE
    assert at_once.how_to_ask.reply_working_days == 1
    assert not at_once.how_to_ask.needs_review
    asked = found[RESIDENTS].how_to_ask
    assert asked.method == pb.ASKING_METHOD_ON_REVIEW
    assert asked.department == CIVIL
    assert asked.contact_office == "基层政权科"
    assert asked.condition == county.resource().sharing_condition
    # Monday 2 March 2026 and ten working days: no holiday is on the way.
    assert (asked.reply_working_days, asked.reply_due) == (10, "2026-03-16")
    assert not asked.reply_due_provisional
    assert asked.period_sure
    assert not asked.needs_review  # of one region, and no levels are stated
    assert found[RESIDENTS].stale  # nothing was ever published


@pytest.mark.parametrize("resource", [RESIDENTS, REGIONS])
def test_the_request_given_is_one_that_the_node_takes(
    database: Database, clock: FixedClock, resource: str
):
    told = by_name(discover(database, clock, caller(HOUSING)))[resource].how_to_ask.request_json
    filled = json.loads(told)
    assert filled["accessRequest"]["purpose"] == ""
    filled["accessRequest"] |= {"purpose": build.PURPOSE, "legalBasis": build.LEGAL_BASIS}
    filled["requestId"] = "discovered-1"
    request = Parse(json.dumps(filled), grants_pb2.CreateAccessRequestRequest())
    servicer = GrantServicer(database, GrantIndex(database, clock), clock)
    made = servicer.CreateAccessRequest(
        request, Call("CreateAccessRequest", caller(HOUSING), None)
    ).access_request
    now = by_name(discover(database, clock, caller(HOUSING)))[resource]
    if resource == REGIONS:
        assert now.access == pb.ACCESS_USABLE
        assert [one.grant for one in now.grants] == [made.grant]
        assert not now.missing_items
    else:
        assert now.access == pb.ACCESS_REQUESTED
        pending = now.obstacles[1]
        assert (pending.subject, pending.due) == (made.name, made.reply_due or "2026-03-16")


def test_from_request_to_grant_to_amendment_to_its_end(database: Database, clock: FixedClock):
    def residents() -> pb.DiscoveredResource:
        return by_name(discover(database, clock, caller(HOUSING)))[RESIDENTS]

    request = build.ask(database, clock=clock)
    grant = build.approve(database, request, clock=clock, daily_quota=5)
    usable = residents()
    assert usable.access == pb.ACCESS_USABLE
    (one,) = usable.grants
    assert one.grant == grant.name
    assert [given.item for given in one.items] == ["citizen_number", "name", "birth_date"]
    assert one.daily_quota == 5
    assert one.end_time.ToDatetime(clock.now().tzinfo) == grant.end_time
    assert reasons(usable) == [pb.OBSTACLE_REASON_ITEMS_NOT_GRANTED]
    skeleton = json.loads(usable.how_to_ask.request_json)["accessRequest"]
    assert skeleton["amends"] == grant.name
    assert len(skeleton["items"]) == 8
    clock.advance(31 * DAY)
    assert reasons(residents()) == [pb.OBSTACLE_REASON_GRANT_EXPIRED]
    again = build.approve(database, build.ask(database, clock=clock), clock=clock)
    with database.unit_of_work() as work:
        service.revoke_grant(work, caller(CIVIL), name=again.name, reason="已办结", clock=clock)
    (ended,) = residents().obstacles
    assert ended.reason == pb.OBSTACLE_REASON_GRANT_REVOKED
    assert (ended.subject, ended.detail) == (again.name, "已办结")


def test_a_refusal_is_told_to_who_asked_with_its_law(database: Database, clock: FixedClock):
    request = build.ask(database, clock=clock)
    with database.unit_of_work() as work:
        replying.reject_access_request(
            work,
            caller(CIVIL),
            name=request.name,
            reason="与用途不符",
            legal_basis="示范县政务数据共享办法第九条",
            clock=clock,
        )
    found = by_name(discover(database, clock, caller(HOUSING)))[RESIDENTS]
    refused = found.obstacles[1]
    assert refused.reason == pb.OBSTACLE_REASON_REQUEST_REJECTED
    assert refused.detail == "与用途不符"
    assert refused.legal_basis == "示范县政务数据共享办法第九条"


def test_who_is_elsewhere_needs_the_authority_too(database: Database, clock: FixedClock):
    with database.unit_of_work() as work:
        registering.create_department(
            work,
            county.ADMINISTRATOR,
            department_id="neighbour",
            display_name="邻县住房局",
            credit_code=county.credit_code(9),
            region_code="990102",
            clock=clock,
            office=county.OFFICE,
        )
    neighbour = caller("departments/neighbour")
    asked = by_name(discover(database, clock, neighbour))
    assert asked[RESIDENTS].how_to_ask.needs_review
    assert asked[RESIDENTS].how_to_ask.review_working_days == 10
    assert not asked[REGIONS].how_to_ask.needs_review  # granted at once, wherever
    # It is what the node then does.
    request = build.ask(database, clock=clock, consumer="departments/neighbour")
    assert request.needs_review
    # Nobody knows where a department is that is not registered.
    nobody = by_name(discover(database, clock, caller("departments/nobody")))
    assert nobody[RESIDENTS].how_to_ask.needs_review


def test_who_keeps_a_directory_is_decided_on(database: Database, clock: FixedClock):
    def method(who: str, office: str = "") -> int:
        found = by_name(discover(database, clock, caller(who), office=office))[REGIONS].how_to_ask
        assert found.reply_working_days == 1
        return found.method

    assert method(HOUSING) == pb.ASKING_METHOD_AT_ONCE
    assert method(HOUSING, office=HOUSING) == pb.ASKING_METHOD_ON_REVIEW
    county.stand_below(database, CIVIL, HEALTH, clock=clock)
    assert method(HEALTH) == pb.ASKING_METHOD_ON_REVIEW
    assert method(HOUSING) == pb.ASKING_METHOD_AT_ONCE


def test_others_see_nothing_of_it(database: Database, clock: FixedClock):
    before = discover(database, clock, caller(HEALTH))
    build.approve(database, build.ask(database, clock=clock), clock=clock)
    build.ask(database, clock=clock)
    assert discover(database, clock, caller(HEALTH)) == before
    with pytest.raises(PermissionDenied) as refused:
        discover(database, clock, caller(HEALTH), consumer=HOUSING)
    assert refused.value.reason == "NOT_OWN_DEPARTMENT"
    # The source sees its own as its own; an auditor sees it as the consumer does.
    own = by_name(discover(database, clock, caller(CIVIL)))[RESIDENTS]
    assert (own.access, own.grants, own.obstacles) == (pb.ACCESS_OWN, [], [])
    seen = discover(database, clock, AUDITOR, consumer=HOUSING)
    assert seen == discover(database, clock, caller(HOUSING))


def test_what_was_withdrawn_is_told_where_it_is_asked_for(database: Database, clock: FixedClock):
    build.approve(database, build.ask(database, clock=clock), clock=clock)
    county.put(database, Withdrawal(name=RESIDENTS), clock=clock)
    assert RESIDENTS not in by_name(discover(database, clock, caller(HOUSING)))
    found = by_name(discover(database, clock, caller(HOUSING), show_withdrawn=True))[RESIDENTS]
    assert found.access == pb.ACCESS_CLOSED  # whatever was granted
    assert pb.OBSTACLE_REASON_WITHDRAWN in reasons(found)
    assert not found.HasField("how_to_ask")


def test_filters_and_pages(database: Database, clock: FixedClock):
    who = caller(HOUSING)
    build.ask(database, clock=clock, resource=REGIONS, items=("region", "region_name"))

    def named(**asked) -> list[str]:
        return [one.resource for one in discover(database, clock, who, **asked)]

    assert named(access=pb.ACCESS_USABLE) == [REGIONS]
    assert named(access=pb.ACCESS_CLOSED) == [ARCHIVE]
    assert named(sharing_type=2) == [RESIDENTS]
    assert named(base_library="population") == [REGIONS, RESIDENTS]
    assert named(parent=HEALTH) == []
    servicer, token, paged = DiscoveryServicer(database, clock), "", []
    while True:
        page = servicer.Discover(
            pb.DiscoverRequest(page_size=1, page_token=token), Call("Discover", who, None)
        )
        paged += [one.resource for one in page.resources]
        assert len(page.resources) <= 1
        if not (token := page.next_page_token):
            break
    assert paged == [ARCHIVE, REGIONS, RESIDENTS]
    with pytest.raises(InvalidArgument):
        named(parent="civil")
    with pytest.raises(InvalidArgument):
        named(page_token="eHg")  # a page's


def test_a_page_costs_the_same_statements_however_much_there_is(
    database: Database, clock: FixedClock
):
    def cost() -> int:
        with statements(database) as asked:
            discover(database, clock, caller(HOUSING))
        return len(asked)

    build.approve(database, build.ask(database, clock=clock), clock=clock)
    one = cost()
    more = [
        replace(county.resource(f"{CIVIL}/resources/more-{n}"), code=f"101001/{n + 10:06d}")
        for n in range(20)
    ]
    county.put(database, *more, clock=clock)
    for resource in more[:8]:
        request = build.ask(database, clock=clock, resource=resource.name)
        build.approve(database, request, clock=clock)
        build.ask(database, clock=clock, resource=resource.name)
    assert cost() == one
    assert one <= 12


def test_of_very_many_grants_a_few_are_read(database: Database, clock: FixedClock):
    for number in range(25):
        request = build.ask(database, clock=clock)
        build.approve(
            database,
            request,
            clock=clock,
            items=(GrantedItem(item="name"),),
            end_time=clock.now() + timedelta(days=number + 1),
        )
    found = by_name(discover(database, clock, caller(HOUSING)))[RESIDENTS]
    assert len(found.grants) == 20
    assert found.more_grants
    clock.advance(40 * DAY)
    found = by_name(discover(database, clock, caller(HOUSING)))[RESIDENTS]
    assert reasons(found) == [pb.OBSTACLE_REASON_GRANT_EXPIRED]


def test_a_descriptor_describes_and_refuses_records(database: Database, clock: FixedClock):
    servicer = DiscoveryServicer(database, clock)
    call = Call("GetDescriptor", caller(HEALTH), None)
    answer = servicer.GetDescriptor(pb.GetDescriptorRequest(name=RESIDENTS), call)
    told = json.loads(answer.descriptor_json)
    assert told["etag"] == answer.etag
    assert told["source"]["credit_code"] == county.credit_code(1)
    assert told["freshness"] == {
        "update_cycle": "daily",
        "cycle_days": 1,
        "stale": True,
        "last_publish_time": None,
        "fresh_until": None,
    }
    schema = told["record_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["name"]["x-sensitivity"] == "sensitive"
    with pytest.raises(NotFound):
        servicer.GetDescriptor(pb.GetDescriptorRequest(name=f"{CIVIL}/resources/none"), call)
