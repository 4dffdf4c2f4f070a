"""Whatever a grant says, no way of reading shows an item that it does not give, or more of it.

Those by place and from a source's own system are in `test_exchange_projection_elsewhere`.
"""

import uuid
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.grants.model import Mask, Operation
from exchange.v1 import delivery_pb2, query_pb2
from runtime.errors import PermissionDenied
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import (
    ExchangeNode,
    Stubs,
    exchange_node,
    refusal,
)
from tests.builders.projection import MASKS, RECORD, WHY, check_shown


@dataclass
class Parties:
    node: ExchangeNode
    consumer: Stubs


@pytest.fixture(scope="module")
def loop():
    """One loop and one node for all examples."""
    import asyncio

    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def parties(loop, tmp_path_factory):
    context = exchange_node(tmp_path_factory.mktemp("projection"))
    node = loop.run_until_complete(context.__aenter__())
    source, consumer = (
        loop.run_until_complete(_connected(node, department)) for department in (CIVIL, HOUSING)
    )
    loop.run_until_complete(source.publish(list(RECORD.values()), items=list(RECORD)))
    yield Parties(node, consumer)
    loop.run_until_complete(context.__aexit__(None, None, None))


async def _connected(node: ExchangeNode, department: str) -> Stubs:
    return node.connect(caller(department))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(masks=MASKS, asked=st.sets(st.sampled_from(sorted(RECORD))))
def test_no_reading_shows_more_than_the_grant(parties, loop, masks, asked):
    loop.run_until_complete(_check(parties, masks, sorted(asked)))


async def _check(parties: Parties, masks: dict[str, Mask], asked: list[str]) -> None:
    grant = parties.node.grant(masks)
    question = {"grant": grant, "key": RECORD["citizen_number"], **WHY}
    query, verify = parties.consumer.query.Query, parties.consumer.query.Verify

    answer = await query(query_pb2.QueryRequest(**question))
    check_shown(answer, dict(answer.items), masks)
    narrowed = query(query_pb2.QueryRequest(**question, items=asked))
    if set(asked) <= set(masks):
        part = await narrowed
        wanted = {code: masks[code] for code in asked} or masks
        check_shown(part, dict(part.items), wanted)
    else:
        assert (await refusal(narrowed)).reason == "ITEM_NOT_GRANTED"

    keys = {"grant": grant, "keys": [RECORD["citizen_number"]], **WHY}
    past = query_pb2.QueryRequest(**question)
    past.read_time.FromDatetime(parties.node.clock.now())
    was = await query(past)
    check_shown(was, dict(was.items), masks)
    few = await query(query_pb2.QueryRequest(**keys))
    stream = parties.consumer.query.BatchQuery(iter([query_pb2.BatchQueryRequest(**keys)]))
    (many,) = [one async for one in stream]
    for several in (few, many):
        check_shown(several, dict(several.records[0].items), masks)
    narrow = parties.consumer.query.BatchQuery(
        iter([query_pb2.BatchQueryRequest(**keys, items=asked)])
    )
    if set(asked) <= set(masks):
        (part,) = [one async for one in narrow]
        check_shown(part, dict(part.records[0].items), wanted)
    else:
        error = await refusal(narrow.read())
        told = error.message + error.message_zh + repr(error.metadata)
        assert error.reason == "ITEM_NOT_GRANTED"
        assert not any(v in told for v in RECORD.values() if v != "true")

    for code in RECORD:
        claimed = verify(query_pb2.VerifyRequest(**question, claims={code: RECORD[code]}))
        if masks.get(code) is Mask.WHOLE:
            found = await claimed
            assert found.result == query_pb2.MATCH_RESULT_MATCH
            check_shown(found, {}, {})
        else:
            error = await refusal(claimed)
            assert isinstance(error, PermissionDenied)
            told = error.message + error.message_zh + repr(error.metadata)
            assert RECORD[code] not in told or RECORD[code] == "true"

    made = await parties.consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id=uuid.uuid4().hex,
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id=str(uuid.uuid4()),
        )
    )
    name = made.subscription.name
    pulled = await parties.consumer.delivery.PullChanges(
        delivery_pb2.PullChangesRequest(subscription=name)
    )
    check_shown(pulled, dict(pulled.changes[0].items), masks)
    stream = parties.consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    sent = await stream.read()
    stream.cancel()
    check_shown(sent, dict(sent.changes[0].items), masks)
    shared = await _check_shared(parties, grant, masks)
    exported = await parties.consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
    assert len(exported.records) == 1
    check_shown(exported, dict(exported.records[0].items), masks)
    answers = (answer, was, few, many, pulled, sent, *shared, exported)
    for receipt in (one.receipt for one in answers):
        leaf = orjson.loads(receipt.leaf)
        assert set(leaf["items"]) == set(masks)


async def _check_shared(parties: Parties, grant: str, masks: dict[str, Mask]) -> list:
    """A snapshot in lanes, pulled and streamed; a dead letter, shown and replayed."""
    delivery = parties.consumer.delivery
    request = delivery_pb2.CreateSubscriptionRequest(
        parent=HOUSING,
        subscription_id=uuid.uuid4().hex,
        grant=grant,
        start=delivery_pb2.START_POSITION_SNAPSHOT,
        request_id=str(uuid.uuid4()),
        lanes=2,
    )
    name = (await delivery.CreateSubscription(request)).subscription.name
    leased = await delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=name))
    (lease,) = leased.leases
    await delivery.RejectChange(
        delivery_pb2.RejectChangeRequest(
            subscription=name,
            lane=lease.lane,
            token=lease.token,
            offset=lease.cursor,
            reason="BAD",
            permanent=True,
            request_id=str(uuid.uuid4()),
        )
    )
    letters = await delivery.ListDeadLetters(delivery_pb2.ListDeadLettersRequest(parent=name))
    letter = letters.dead_letters[0].name
    told = letters.SerializeToString().decode(errors="replace")
    assert not any(value in told for value in RECORD.values() if len(value) > 4)
    shown = await delivery.GetDeadLetter(delivery_pb2.GetDeadLetterRequest(name=letter))
    await delivery.ReplayDeadLetters(
        delivery_pb2.ReplayDeadLettersRequest(parent=name, request_id=str(uuid.uuid4()))
    )
    stream = delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=name, consumer="w", max_outstanding=1)
    )
    replayed = await stream.read()
    stream.cancel()
    assert replayed.leases[0].replayed
    for answer in (leased, replayed):
        _check_leased(answer, masks)
    check_shown(_without_names(shown), dict(shown.change.items), masks)
    return [leased, shown, replayed]


def _check_leased(answer, masks: dict[str, Mask]) -> None:
    bare = type(answer)()
    bare.CopyFrom(answer)
    del bare.leases[:]  # their tokens are random
    check_shown(bare, dict(bare.changes[0].items), masks)


def _without_names(shown) -> delivery_pb2.GetDeadLetterResponse:
    bare = delivery_pb2.GetDeadLetterResponse()
    bare.CopyFrom(shown)
    bare.ClearField("dead_letter")
    bare.change.record_id = ""
    return bare


def test_every_operation_was_looked_at():
    looked_at = {Operation.QUERY, Operation.VERIFY, Operation.SUBSCRIBE, Operation.EXPORT}
    assert set(Operation) == looked_at
