"""Discovery against a running exchange, over mTLS, on each database."""

import json

import jsonschema
import pytest

from exchange.grants.model import Mask, Operation
from exchange.v1 import discovery_pb2 as pb
from exchange.v1 import query_pb2
from runtime.errors import NotFound, PermissionDenied
from runtime.identity import Role
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, RESIDENTS, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


async def residents(stubs) -> pb.DiscoveredResource:
    (one,) = (await stubs.discovery.Discover(pb.DiscoverRequest())).resources
    return one


async def test_what_is_discovered_is_what_the_node_does(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    assert (await residents(consumer)).access == pb.ACCESS_REQUESTABLE
    assert (await residents(consumer)).stale
    await source.publish(*(person(serial) for serial in range(20)))
    fresh = await residents(consumer)
    assert not fresh.stale
    masks = {"citizen_number": Mask.WHOLE, "name": Mask.WHOLE, "birth_date": Mask.YEAR}
    node.grant(masks, operations=[Operation.QUERY])
    found = await residents(consumer)
    assert found.access == pb.ACCESS_USABLE
    (grant,) = found.grants
    # What it says may be used is used: that grant, those items.
    answer = await consumer.query.Query(
        query_pb2.QueryRequest(
            grant=grant.grant, key=citizen_number(1), items=found.usable_items, **WHY
        )
    )
    assert set(answer.items) == set(found.usable_items)


async def test_the_descriptor_takes_what_a_query_answers(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(*(person(serial) for serial in range(20)))
    answer = await consumer.discovery.GetDescriptor(pb.GetDescriptorRequest(name=RESIDENTS))
    told = json.loads(answer.descriptor_json)
    assert not told["freshness"]["stale"]
    schema = told["record_schema"]
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    codes = ("citizen_number", "name", "birth_date", "region")
    grant = node.grant(dict.fromkeys(codes, Mask.WHOLE))
    for serial in range(20):
        record = await consumer.query.Query(
            query_pb2.QueryRequest(grant=grant, key=citizen_number(serial), **WHY)
        )
        assert record.found
        validator.validate(dict(record.items))
    unknown = pb.GetDescriptorRequest(name=f"{CIVIL}/resources/none")
    assert isinstance(await refusal(consumer.discovery.GetDescriptor(unknown)), NotFound)


async def test_others_discover_nothing_of_it(node):
    stranger = node.connect(caller(HEALTH))
    before = await stranger.discovery.Discover(pb.DiscoverRequest())
    node.grant()
    assert await stranger.discovery.Discover(pb.DiscoverRequest()) == before
    asked = stranger.discovery.Discover(pb.DiscoverRequest(consumer=HOUSING))
    assert isinstance(await refusal(asked), PermissionDenied)
    auditor = node.connect(caller("departments/audit-office", Role.AUDITOR))
    (seen,) = (await auditor.discovery.Discover(pb.DiscoverRequest(consumer=HOUSING))).resources
    assert seen.access == pb.ACCESS_USABLE
