"""What is on the negative list is not told by row filters either; over mTLS, on each database."""

import uuid
from datetime import timedelta

import pytest

from exchange.catalog.model import SharingType
from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import delivery_pb2, discovery_pb2, grants_pb2, lists_pb2, oversight_pb2, query_pb2
from runtime.errors import FailedPrecondition
from tests.builders import catalog as county
from tests.builders.catalog import CIVIL, HOUSING, RESIDENTS, caller, put
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "1"}
REASON = "ON_NEGATIVE_LIST"
PREFIX, OWN = grants_pb2.ROW_TEST_PREFIX, grants_pb2.ROW_TEST_OWN_CLIENTS
NEAR = grants_pb2.RowCondition(item="region", test=PREFIX, values=["9901"])
CLIENTS = grants_pb2.RowCondition(item="region", test=OWN, values=[f"{HOUSING}/resources/tenants"])
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        put(
            started.service.database,
            county.resource(f"{HOUSING}/resources/tenants", code="101001/000099"),
            clock=started.clock,
        )
        yield started


async def keep_back(node, *items: str, day: str = "2026-03-02", resource: str = "residents"):
    asked = lists_pb2.Negative(
        name=f"{CIVIL}/negatives/{resource}",
        display_name="不予共享的信息",
        items=items,
        legal_basis="示范县保密规定第三条",
        from_day=day,
    )
    return await node.connect(caller(CIVIL)).lists.PutNegative(
        lists_pb2.PutNegativeRequest(negative=asked, request_id=str(uuid.uuid4()))
    )


def ask(stubs, *row_filter, resource: str = RESIDENTS):
    asked = grants_pb2.AccessRequest(
        resource=resource,
        items=["name"],
        operations=[grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_EXPORT],
        purpose="公租房资格审核",
        legal_basis="示范县政务数据共享办法第一条",
        row_filter=row_filter,
    )
    return stubs.grants.CreateAccessRequest(
        grants_pb2.CreateAccessRequestRequest(
            parent=HOUSING, access_request=asked, request_id=str(uuid.uuid4())
        )
    )


def approve(stubs, name: str, end, *row_filter):
    asked = grants_pb2.ApproveAccessRequestRequest(
        name=name,
        items=[grants_pb2.GrantedItem(item="name")],
        row_filter=row_filter,
        reason="按地区",
        request_id=str(uuid.uuid4()),
    )
    asked.end_time.FromDatetime(end)
    return stubs.grants.ApproveAccessRequest(asked)


async def test_no_filter_that_tests_it_is_added_whoever_adds_it(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    before = await ask(consumer, NEAR)
    plain = await ask(consumer)
    grant = node.grant({"name": Mask.WHOLE, "region": Mask.WHOLE})
    at_once = f"{CIVIL}/resources/at-once"
    put(
        node.service.database,
        county.resource(at_once, code="101001/000098", sharing_type=SharingType.UNCONDITIONAL),
        clock=node.clock,
    )
    await keep_back(node, "region")
    await keep_back(node, "region", resource="at-once")
    node.service.schemas.invalidate()
    end = node.clock.now() + timedelta(days=9)

    def narrow(stubs, condition):
        return stubs.grants.NarrowGrant(
            grants_pb2.NarrowGrantRequest(
                name=grant, row_filter=[condition], reason="按地区", request_id=str(uuid.uuid4())
            )
        )

    for called in (
        ask(consumer, NEAR),
        ask(consumer, CLIENTS),
        ask(consumer, NEAR, resource=at_once),
        ask(consumer, CLIENTS, resource=at_once),
        approve(source, before.access_request.name, end),
        approve(source, plain.access_request.name, end, NEAR),
        narrow(consumer, NEAR),
        narrow(consumer, CLIENTS),
        narrow(source, NEAR),
    ):
        error = await refusal(called)
        assert (type(error), error.reason) == (FailedPrecondition, REASON)
    assert (await ask(consumer, resource=at_once)).access_request.grant


async def test_a_grant_whose_filter_tests_it_shows_nothing_from_that_day(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(
        {"name": Mask.WHOLE}, operations=list(Operation), row_filter=(HERE,), reason="按地区"
    )
    await source.publish(person(1), [*person(2)[:3], "980101"])
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id="one",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id=str(uuid.uuid4()),
        )
    )
    tried = await source.oversight.WhatIfCatalog(
        oversight_pb2.WhatIfCatalogRequest(resource=RESIDENTS, negative_items=["region"])
    )
    assert [(one.grant, one.closed) for one in tried.grants] == [(grant, True)]

    def ways():
        pull = delivery_pb2.PullChangesRequest(subscription=made.subscription.name)
        return (
            *(
                consumer.query.Query(
                    query_pb2.QueryRequest(grant=grant, key=citizen_number(serial), **WHY)
                )
                for serial in (1, 2, 9)
            ),
            consumer.query.Verify(
                query_pb2.VerifyRequest(
                    grant=grant, key=citizen_number(1), claims={"name": "某甲"}, **WHY
                )
            ),
            consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY)),
            consumer.delivery.PullChanges(pull),
        )

    await keep_back(node, "region", day="2026-03-03")
    for asked in ways():
        await asked  # its day has not come
    node.clock.advance(timedelta(days=1))
    told = set()
    for asked in ways():
        error = await refusal(asked)
        assert (type(error), error.reason) == (FailedPrecondition, REASON)
        told.add(error.message)
    assert len(told) == 1  # a record that the filter hides, and none, are refused alike
    collisions = await source.lists.ListGrantCollisions(
        lists_pb2.ListGrantCollisionsRequest(name=f"{CIVIL}/negatives/residents")
    )
    assert [list(one.items) for one in collisions.collisions] == [["region"]]
    standing = await consumer.discovery.Discover(discovery_pb2.DiscoverRequest())
    (one,) = [s for s in standing.resources if s.resource == RESIDENTS]
    assert not one.usable_items
    who = await source.oversight.ExplainAccess(
        oversight_pb2.ExplainAccessRequest(resource=RESIDENTS, item="name")
    )
    assert not who.accesses
