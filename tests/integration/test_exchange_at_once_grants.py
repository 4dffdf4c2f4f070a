"""What was granted without a decision is read while its resource is unconditional; over mTLS."""

import asyncio
import json
import uuid
from datetime import timedelta

import pytest

from exchange.catalog.model import SharingType
from exchange.v1 import catalog_pb2, discovery_pb2, grants_pb2, oversight_pb2, query_pb2
from runtime.errors import FailedPrecondition
from tests.builders import catalog as county
from tests.builders.catalog import CIVIL, HOUSING, caller, put
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

NAME = f"{CIVIL}/resources/at-once"
WHY = {"purpose": "公租房资格审核", "case_number": "1"}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def share(node, how: SharingType) -> None:
    made = county.resource(NAME, code="101001/000098", sharing_type=how)
    put(node.service.database, made, clock=node.clock)
    node.service.schemas.invalidate()


def ask(stubs, **more):
    asked = grants_pb2.AccessRequest(
        resource=NAME,
        items=["name", "citizen_number"],
        operations=[grants_pb2.OPERATION_QUERY],
        purpose="公租房资格审核",
        legal_basis="示范县政务数据共享办法第一条",
        **more,
    )
    return stubs.grants.CreateAccessRequest(
        grants_pb2.CreateAccessRequestRequest(
            parent=HOUSING, access_request=asked, request_id=str(uuid.uuid4())
        )
    )


async def test_it_is_refused_until_it_is_decided_on(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    share(node, SharingType.UNCONDITIONAL)
    await source.publish(person(1), resource=NAME)
    grant = (await ask(consumer)).access_request.grant
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    assert (await consumer.query.Query(asked)).found
    share(node, SharingType.CONDITIONAL)
    for narrowed in (False, True):  # narrowed by its consumer, it is decided on no more than before
        error = await refusal(consumer.query.Query(asked))
        assert (type(error), error.reason) == (FailedPrecondition, "RESOURCE_NOW_CONDITIONAL")
        if narrowed:
            break
        await consumer.grants.NarrowGrant(
            grants_pb2.NarrowGrantRequest(
                name=grant,
                items=[grants_pb2.GrantedItem(item="name")],
                reason="用途缩小",
                request_id=str(uuid.uuid4()),
            )
        )
    assert [leaf["reason"] for leaf in node.leaves("query_refused")] == [
        "RESOURCE_NOW_CONDITIONAL"
    ] * 2
    amended = (await ask(consumer, amends=grant)).access_request
    decided = grants_pb2.ApproveAccessRequestRequest(
        name=amended.name,
        items=[grants_pb2.GrantedItem(item="name")],
        request_id=str(uuid.uuid4()),
    )
    decided.end_time.FromDatetime(node.clock.now().replace(year=2027))
    await source.grants.ApproveAccessRequest(decided)
    assert dict((await consumer.query.Query(asked)).items) == {"name": "某甲"}


async def test_all_that_explains_says_so(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    share(node, SharingType.UNCONDITIONAL)
    await source.publish(person(1), resource=NAME)
    grant = (await ask(consumer)).access_request.grant
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    await consumer.query.Query(asked)

    async def discovered():
        found = (await consumer.discovery.Discover(discovery_pb2.DiscoverRequest())).resources
        return next(one for one in found if one.resource == NAME)

    async def who(days: float = 0):
        then = oversight_pb2.ExplainAccessRequest(resource=NAME, item="name")
        then.time.FromDatetime(node.clock.now() + timedelta(days=days))
        return [one.grant.name for one in (await source.oversight.ExplainAccess(then)).accesses]

    async def supposed():
        change = oversight_pb2.WhatIfCatalogRequest(
            resource=NAME, sharing_type=catalog_pb2.SHARING_TYPE_CONDITIONAL
        )
        for _ in range(100):  # the log is counted when it is promised
            told = (await source.oversight.WhatIfCatalog(change)).grants
            if told[0].uses:
                break
            await asyncio.sleep(0.05)
        return told

    assert (await discovered()).access == discovery_pb2.ACCESS_USABLE
    assert await who() == [grant]
    (one,) = await supposed()
    assert (one.grant, one.closed) == (grant, True)
    assert [(met.reason, met.refused) for met in one.affected] == [
        ("RESOURCE_NOW_CONDITIONAL", True)
    ]
    node.clock.advance(timedelta(days=1))
    share(node, SharingType.CONDITIONAL)
    assert (await refusal(consumer.query.Query(asked))).reason == "RESOURCE_NOW_CONDITIONAL"
    found = await discovered()
    assert found.access == discovery_pb2.ACCESS_REQUESTABLE
    assert not found.usable_items
    (why,) = found.obstacles
    assert why.reason == discovery_pb2.OBSTACLE_REASON_NOW_CONDITIONAL
    assert why.subject == grant
    assert json.loads(found.how_to_ask.request_json)["accessRequest"]["amends"] == grant
    assert await who() == []
    assert await who(-0.5) == [grant]
