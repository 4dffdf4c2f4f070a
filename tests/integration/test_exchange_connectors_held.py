"""What is answered by a department's own system has no past here, and nothing to export."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from exchange.grants.model import Operation
from exchange.v1 import corrections_pb2, delivery_pb2, query_pb2
from tests.builders.connected import KEY, MASKS, WHY, opened
from tests.builders.exchange import exchange_node, refusal
from tests.integration.test_exchange_delivery_starts import subscribe


@pytest.fixture
async def http(tmp_path):
    async with exchange_node(tmp_path / "node") as node, AsyncExitStack() as stack:
        yield await opened(stack, node, "http", tmp_path / "source")


async def test_it_has_no_past_and_is_not_exported(http):
    await http.connect()
    grant = http.node.grant(MASKS, operations=[Operation.QUERY, Operation.EXPORT])
    assert (await http.ask(grant)).found
    asked = len(http.source.asked)
    for which in ({"key": KEY}, {"keys": [KEY]}):
        then = query_pb2.QueryRequest(grant=grant, **which, **WHY)
        then.read_time.FromDatetime(http.node.clock.now())
        assert (await refusal(http.consumer.query.Query(then))).reason == "BAD_READ_TIME"
    everything = query_pb2.ExportRequest(grant=grant, **WHY)
    error = await refusal(http.consumer.query.Export(everything))
    assert error.reason == "RESOURCE_NOT_HELD"
    assert len(http.source.asked) == asked


async def test_it_is_not_subscribed_to_and_what_was_ends(http):
    grant = http.node.grant(MASKS, operations=[Operation.QUERY, Operation.SUBSCRIBE])
    before = await subscribe(http.consumer, grant, delivery_pb2.START_POSITION_EARLIEST)
    await http.connect()
    pull = delivery_pb2.PullChangesRequest(subscription=before)
    for asked in (
        http.consumer.delivery.PullChanges(pull),
        http.consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=before)).read(),
        subscribe(http.consumer, grant, delivery_pb2.START_POSITION_NOW),
    ):
        error = await refusal(asked)
        assert error.reason == "RESOURCE_NOT_HELD"
        assert "Query" in error.message


async def test_its_records_are_doubted_in_writing(http):
    await http.connect()
    grant = http.node.grant(MASKS)
    assert (await http.ask(grant)).found
    doubt = corrections_pb2.SubmitCorrectionRequest(
        answered=corrections_pb2.AnsweredRecord(grant=grant, key=KEY),
        items=["name"],
        fault=corrections_pb2.CORRECTION_FAULT_WRONG_VALUE,
        statement="疑有误",
        request_id="doubt",
    )
    error = await refusal(http.consumer.corrections.SubmitCorrection(doubt))
    assert error.reason == "RESOURCE_NOT_HELD"
