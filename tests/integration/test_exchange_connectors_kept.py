"""Endpoints as they are kept: the national platform's, its secret, hosts, who may write them."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from exchange.v1 import connecting_pb2 as pb
from runtime.identity import Role
from tests.builders.catalog import (
    AUDITOR,
    RESIDENTS,
    caller,
)
from tests.builders.connected import KEY, MASKS, RECORD, SECRET, WHY, opened
from tests.builders.endpoints import http_source
from tests.builders.exchange import citizen_number, exchange_node, refusal


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


@pytest.fixture(params=["grpc", "http", "platform"])
async def scene(request, node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, request.param, tmp_path / "source")


@pytest.fixture
async def http(node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, "http", tmp_path / "source")


@pytest.fixture
async def platform(node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, "platform", tmp_path / "source")


# The national platform.


async def test_the_platform_refuses_a_wrong_signature_a_wrong_clock_and_replays(platform):
    await platform.connect()
    grant = platform.node.grant(MASKS)
    # Questions at one instant of the node's clock are no replays of each other.
    await asyncio.gather(*(platform.ask(grant) for _ in range(5)))
    assert platform.source.refused == []
    platform.source.secret = b"another"
    assert (await refusal(platform.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    platform.source.secret = SECRET.encode()
    from runtime.clock import FixedClock

    platform.source.clock = FixedClock(platform.node.clock.now() + timedelta(hours=1))
    assert (await refusal(platform.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert platform.source.refused == ["wrong signature", "clock skew"]


async def test_the_other_prefix(platform):
    made = platform.endpoint().platform
    made.prefix = pb.PLATFORM_PREFIX_GJZWFWPT
    await platform.connect(platform=made)
    platform.source.prefix = "gjzwfwpt_"
    assert (await platform.ask(platform.node.grant(MASKS))).found


async def test_a_secret_goes_in_and_never_comes_out(platform):
    first = await platform.connect()
    assert (first.platform.app_secret, first.platform.has_secret) == ("", True)
    asked = pb.GetEndpointRequest(resource=RESIDENTS)
    for stubs in (platform.own, platform.administrator, platform.node.connect(AUDITOR)):
        held = (await stubs.connectors.GetEndpoint(asked)).endpoint
        assert SECRET not in str(held)
    # What is read may be written back: the secret that is held stays.
    held.timeout_ms = 900
    call = pb.PutEndpointRequest(endpoint=held, request_id="again")
    await platform.own.connectors.PutEndpoint(call)
    assert (await platform.ask(platform.node.grant(MASKS))).found
    database = platform.node.service.database
    rows = database.held.rows("SELECT content, secret FROM endpoint", ())
    answers = database.held.rows("SELECT answer FROM answered_request", ())
    leaves = platform.node.leaves("endpoint_put")
    assert SECRET not in str(rows) + str(answers) + str(leaves)
    assert len(leaves) == 2
    bare = platform.endpoint(etag=(await platform.own.connectors.GetEndpoint(asked)).endpoint.etag)
    bare.platform.app_secret = "x" * 501
    error = await refusal(
        platform.own.connectors.PutEndpoint(pb.PutEndpointRequest(endpoint=bare, request_id="l"))
    )
    assert error.reason == "ENDPOINT_INVALID"


# Who keeps endpoints.


async def test_hosts_are_approved_by_administrators_and_looked_at_with_every_question(http):
    node = http.node
    assert (await refusal(http.put())).reason == "HOST_NOT_APPROVED"
    approve = pb.ApproveHostRequest(host=http.source.place, request_id="a")
    assert (await refusal(http.own.connectors.ApproveHost(approve))).reason == "ROLE_NOT_ALLOWED"
    await http.approve()
    await http.approve()  # again is as before
    assert len(node.leaves("host_approved")) == 1
    await http.put()
    grant = node.grant(MASKS)
    assert (await http.ask(grant)).found
    listed = await http.own.connectors.ListApprovedHosts(pb.ListApprovedHostsRequest())
    assert [one.host for one in listed.hosts] == [http.source.place]
    back = pb.DisapproveHostRequest(host=http.source.place, request_id="b")
    await http.administrator.connectors.DisapproveHost(back)
    asked = len(http.source.asked)
    assert (await refusal(http.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert len(http.source.asked) == asked
    held = await http.own.connectors.GetEndpoint(pb.GetEndpointRequest(resource=RESIDENTS))
    assert not held.endpoint.approved
    again = pb.DisapproveHostRequest(host=http.source.place, request_id="c")
    error = await refusal(http.administrator.connectors.DisapproveHost(again))
    assert error.reason == "HOST_NOT_FOUND"


async def test_the_source_or_an_administrator_keeps_it_under_its_etag(http):
    first = await http.connect()
    assert (await refusal(http.put())).reason == "ETAG_MISMATCH"
    second = await http.put(stubs=http.administrator, etag=first.etag, timeout_ms=700)
    assert second.etag != first.etag
    other = http.consumer
    assert (await refusal(http.put(stubs=other, etag=second.etag))).reason == "NOT_THE_SOURCE"
    get = pb.GetEndpointRequest(resource=RESIDENTS)
    assert (await refusal(other.connectors.GetEndpoint(get))).reason == "ENDPOINT_NOT_FOUND"
    gone = pb.DeleteEndpointRequest(resource=RESIDENTS, request_id="1")
    assert (await refusal(other.connectors.DeleteEndpoint(gone))).reason == "ENDPOINT_NOT_FOUND"
    listed = await other.connectors.ListEndpoints(pb.ListEndpointsRequest())
    assert list(listed.endpoints) == []
    auditor = http.node.connect(AUDITOR)
    listed = await auditor.connectors.ListEndpoints(pb.ListEndpointsRequest())
    assert [one.resource for one in listed.endpoints] == [RESIDENTS]
    assert (await refusal(auditor.connectors.DeleteEndpoint(gone))).reason == "ROLE_NOT_ALLOWED"
    stale = pb.DeleteEndpointRequest(resource=RESIDENTS, etag=first.etag, request_id="2")
    assert (await refusal(http.own.connectors.DeleteEndpoint(stale))).reason == "ETAG_MISMATCH"
    await http.own.connectors.DeleteEndpoint(gone)
    await http.own.connectors.DeleteEndpoint(gone)  # a repeat is the first answer
    assert (await refusal(http.own.connectors.GetEndpoint(get))).reason == "ENDPOINT_NOT_FOUND"
    assert len(http.node.leaves("endpoint_deleted")) == 1


async def test_an_endpoint_that_changes_is_called_as_it_is_now(http, tmp_path):
    first = await http.connect()
    grant = http.node.grant(MASKS)
    await http.ask(grant)
    with http_source(tmp_path / "other", trusts=http.node.authority) as other:
        other.records[KEY] = {**RECORD, "name": "新名"}
        http.source = other
        await http.connect(etag=first.etag)
        assert (await http.ask(grant)).items["name"] == "新名"


async def test_a_try_tells_how_it_went_and_no_value(scene):
    await scene.connect(timeout_ms=400)

    async def tried(stubs, key=KEY) -> pb.TestEndpointResponse:
        return await stubs.connectors.TestEndpoint(
            pb.TestEndpointRequest(resource=RESIDENTS, key=key, **WHY), timeout=10
        )

    if scene.kind == "platform":  # the record has other names there
        scene.source.records[KEY] = {"xm": "某甲", "csrq": "1990-01-02"}
    told = await tried(scene.own)
    assert (told.outcome, told.found) == (pb.TEST_OUTCOME_ANSWERED, True)
    assert not (await tried(scene.own, citizen_number(9))).found
    assert not (await tried(scene.administrator)).found  # not theirs to know
    scene.source.records[KEY] |= {"csrq": "x", "birth_date": "x"}
    told = await tried(scene.administrator)
    assert told.outcome == pb.TEST_OUTCOME_INVALID_RECORD
    assert list(told.invalid_items) == ["birth_date"]
    scene.source.behaviour = "refuse_500"
    told = await tried(scene.own)
    assert (told.outcome, told.status) == (
        pb.TEST_OUTCOME_REFUSED, 13 if scene.kind == "grpc" else 500,
    )  # fmt: skip
    scene.source.behaviour, scene.source.delay = "slow", 1
    assert (await tried(scene.own)).outcome == pb.TEST_OUTCOME_TIMED_OUT
    assert (await refusal(tried(scene.consumer))).reason == "ENDPOINT_NOT_FOUND"
    assert (await refusal(tried(scene.own, "1"))).reason == "MALFORMED_KEY"
    leaves = scene.node.leaves("endpoint_tried")
    assert [leaf["outcome"] for leaf in leaves] == [
        "answered", "answered", "answered", "invalid_record", "refused", "timed_out",
    ]  # fmt: skip
    assert KEY not in str(leaves)
    both = caller("departments/data-office", Role.ADMINISTRATOR, Role.AUDITOR, system="two")
    assert (await tried(scene.node.connect(both))).outcome == pb.TEST_OUTCOME_TIMED_OUT


async def test_a_try_of_a_platform_that_lacks_items_tells_which(platform):
    await platform.connect()

    async def tried(stubs) -> pb.TestEndpointResponse:
        return await stubs.connectors.TestEndpoint(
            pb.TestEndpointRequest(resource=RESIDENTS, key=KEY, **WHY), timeout=10
        )

    platform.source.records[KEY] = {"csrq": "1990-01-02"}  # its service has no names
    told = await tried(platform.own)
    assert (told.outcome, told.found) == (pb.TEST_OUTCOME_ANSWERED, True)
    assert {"name", "region"} <= set(told.missing_items)
    assert not {"birth_date", "citizen_number"} & set(told.missing_items)
    assert not told.invalid_items
    told = await tried(platform.administrator)
    assert (told.outcome, told.found) == (pb.TEST_OUTCOME_ANSWERED, False)
    assert not told.missing_items  # not theirs to know
    # What it sends has to fit, whatever it lacks.
    platform.source.records[KEY] = {"csrq": "x"}
    told = await tried(platform.own)
    assert told.outcome == pb.TEST_OUTCOME_INVALID_RECORD
    assert list(told.invalid_items) == ["birth_date"]
    assert "name" in told.missing_items
