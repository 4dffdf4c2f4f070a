"""Sources that are down, slow, busy or strangers, and what their consumers can do to each other."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
import pytest

from exchange.grants.model import Mask, Operation
from exchange.v1 import connecting_pb2 as pb
from exchange.v1 import query_pb2
from tests.builders.catalog import (
    CIVIL,
    HEALTH,
    caller,
)
from tests.builders.connected import KEY, MASKS, WHY, opened
from tests.builders.endpoints import grpc_source, http_source
from tests.builders.exchange import exchange_node, refusal


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


# The breaker, and time.


async def test_a_source_that_is_down_is_asked_no_more_and_comes_back(scene):
    await scene.connect(failures=3, cool_down_seconds=10)
    grant = scene.node.grant(MASKS)
    scene.source.behaviour = "refuse_500"
    for _ in range(5):  # one consumer's questions alone close nothing to the others
        await refusal(scene.ask(grant))
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    other = scene.node.connect(caller(HEALTH))
    asked = query_pb2.QueryRequest(grant=scene.node.grant(MASKS, department=HEALTH), key=KEY, **WHY)
    await refusal(other.query.Query(asked))
    assert await scene.state() == pb.BREAKER_STATE_OPEN
    scene.source.behaviour, scene.source.delay = "slow", 1
    asked = len(scene.source.asked)
    began = time.monotonic()
    error = await refusal(scene.ask(grant))
    assert time.monotonic() - began < 0.5
    assert (error.reason, error.retry_after) == ("SOURCE_UNAVAILABLE", 10)
    assert len(scene.source.asked) == asked
    # One question tries; those beside it are refused at once.
    scene.node.clock.advance(timedelta(seconds=10))
    told = await asyncio.gather(*(scene.ask(grant) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 1
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    scene.source.behaviour = "ok"
    assert (await scene.ask(grant)).found


async def test_what_takes_a_source_too_long_closes_it_for_no_other(http):
    # Long enough to be connected with on a busy machine: it is the answer that is awaited in vain.
    await http.connect(failures=2, timeout_ms=600)
    grant = http.node.grant(MASKS)
    http.source.behaviour, http.source.delay = "slow", 1.5
    for _ in range(4):
        assert (await refusal(http.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert await http.state() == pb.BREAKER_STATE_CLOSED
    other = http.node.connect(caller(HEALTH))
    theirs = http.node.grant(MASKS, department=HEALTH)
    await refusal(other.query.Query(query_pb2.QueryRequest(grant=theirs, key=KEY, **WHY)))
    assert await http.state() == pb.BREAKER_STATE_OPEN


async def test_who_has_no_time_does_not_close_a_source_to_the_others(scene):
    await scene.connect(failures=1)
    grant = scene.node.grant(MASKS)
    scene.source.behaviour, scene.source.delay = "slow", 0.6
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await scene.ask(grant, timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError):
        await scene.ask(grant, timeout=0.03)
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    asking = scene.ask(grant)
    await asyncio.sleep(0.3)
    asking.cancel()
    await asyncio.sleep(0.3)
    # Who does not wait has asked all the same.
    assert "CALLER_GONE" in {leaf["reason"] for leaf in scene.node.leaves("query_refused")}
    # An answer of a source that is asked for no record that fits closes nothing either.
    assert (await scene.ask(grant)).found


async def test_one_departments_slow_questions_leave_places_to_the_others(http):
    await http.connect(max_in_flight=4, timeout_ms=5000)
    grant, theirs = http.node.grant(MASKS), http.node.grant(MASKS, department=HEALTH)
    http.source.behaviour, http.source.delay = "slow", 1
    crowd = [asyncio.ensure_future(http.ask(grant)) for _ in range(6)]
    try:
        await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
        http.source.behaviour = "ok"
        asked = query_pb2.QueryRequest(grant=theirs, key=KEY, **WHY)
        assert (await http.node.connect(caller(HEALTH)).query.Query(asked, timeout=20)).found
    finally:
        told = await asyncio.gather(*crowd, return_exceptions=True)
    # Of four places one department has at most two; what it gave back it has again.
    assert sum(not isinstance(one, BaseException) for one in told) == 2
    assert (await http.ask(grant)).found


async def test_a_grant_that_is_revoked_while_the_source_is_asked_shows_nothing(http):
    await http.connect()
    grant = http.node.grant(MASKS)
    http.source.behaviour, http.source.delay = "slow", 0.8
    asking = asyncio.ensure_future(refusal(http.ask(grant)))
    await asyncio.sleep(0.3)
    from exchange.grants import service

    with http.node.service.database.unit_of_work() as work:
        service.revoke_grant(
            work, caller(CIVIL), name=grant, reason="用途已结束", clock=http.node.clock
        )
    http.node.service.grants.invalidate()
    assert (await asking).reason == "GRANT_REVOKED"
    assert http.node.leaves("query") == []


async def test_questions_at_one_time_pass_no_quota_together(http):
    await http.connect()
    grant = http.node.grant(MASKS, daily_quota=3)
    told = await asyncio.gather(*(http.ask(grant) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 3


async def test_what_is_refused_here_is_not_asked_there(http):
    await http.connect()
    grant = http.node.grant({"name": Mask.WHOLE}, operations=[Operation.VERIFY])
    assert (await refusal(http.ask(grant))).reason == "OPERATION_NOT_GRANTED"
    assert (await refusal(http.ask(grant.replace("housing", "health")))).reason
    bad = query_pb2.QueryRequest(grant=grant, key=KEY, purpose="", case_number="1")
    assert (await refusal(http.consumer.query.Query(bad))).reason == "BAD_QUESTION"
    assert (await refusal(http.claim(grant, "9" * 18, name="x"))).reason == "MALFORMED_KEY"
    assert http.source.asked == []


# TLS.


async def test_only_the_pinned_authority_is_trusted(node, tmp_path):
    async with AsyncExitStack() as stack:
        for kind in ("grpc", "http"):
            scene = await opened(stack, node, kind, tmp_path / kind)
            other = await opened(stack, node, "http", tmp_path / f"{kind}-other")
            held = await scene.administrator.connectors.ListEndpoints(pb.ListEndpointsRequest())
            etag = held.endpoints[0].etag if held.endpoints else ""
            await scene.connect(authority=other.source.authority, etag=etag)
            grant = node.grant(MASKS)
            assert (await refusal(scene.ask(grant))).reason == "SOURCE_UNAVAILABLE"
            assert scene.source.asked == []


async def test_a_source_admits_the_node_by_its_certificate(node, tmp_path):
    async with AsyncExitStack() as stack:
        for kind in ("grpc", "http"):
            scene = await opened(stack, node, kind, tmp_path / kind)
            # A source that trusts another authority than the node's turns the node away.
            strict = scene.source.authority.encode()
            make = grpc_source if kind == "grpc" else http_source
            made = make(tmp_path / f"{kind}-strict", trusts=strict)
            if kind == "grpc":
                scene.source = await stack.enter_async_context(made)
            else:
                scene.source = stack.enter_context(made)
            held = await scene.administrator.connectors.ListEndpoints(pb.ListEndpointsRequest())
            await scene.connect(etag=held.endpoints[0].etag if held.endpoints else "")
            grant = node.grant(MASKS)
            assert (await refusal(scene.ask(grant))).reason == "SOURCE_UNAVAILABLE"
            assert scene.source.asked == []
