"""Pulling and streaming changes over mTLS, on each database: how a stream ends, and who waits."""

import asyncio
from datetime import timedelta

import pytest

from exchange.grants.model import Mask, Operation
from exchange.v1 import delivery_pb2, grants_pb2
from runtime.errors import (
    AlreadyExists,
    InvalidArgument,
    OutOfRange,
    PermissionDenied,
    Unavailable,
)
from runtime.records import canonical, instant
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller
from tests.builders.exchange import (
    citizen_number,
    exchange_node,
    person,
    refusal,
)
from tests.builders.questions import check_receipt, subscribed


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


@pytest.fixture
async def embedded(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def test_pull_and_acknowledge(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2, "某乙"))
    await source.publish(withdraw=[citizen_number(1)])
    name = await subscribed(consumer, node.grant(include_history=True))
    pull = delivery_pb2.PullChangesRequest(subscription=name, max_changes=2)
    first = await consumer.delivery.PullChanges(pull)
    assert [c.offset for c in first.changes] == [1, 2]
    assert dict(first.changes[1].items) == {"name": "某乙", "birth_date": "1990"}
    assert first.changes[0].publish_time.ToDatetime().year == 2026
    assert first.cursor == 2
    said = [
        {
            "offset": c.offset,
            "type": "upsert",
            "record_id": c.record_id,
            "items": dict(c.items),
            "publish_time": instant(node.clock.now()),
        }
        for c in first.changes
    ]
    leaf = check_receipt(node, first.receipt, changes=canonical(said))
    assert leaf["kind"] == "changes_delivered"
    assert (leaf["first_offset"], leaf["last_offset"], leaf["count"]) == (1, 2, 2)
    # Nothing was acknowledged: the same again, with the same ids.
    again = await consumer.delivery.PullChanges(pull)
    assert list(again.changes) == list(first.changes)

    async def acknowledge(cursor: int) -> int:
        done = await consumer.delivery.AcknowledgeChanges(
            delivery_pb2.AcknowledgeChangesRequest(subscription=name, cursor=cursor)
        )
        return done.subscription.cursor

    assert await acknowledge(2) == 2
    assert await acknowledge(1) == 2
    error = await refusal(acknowledge(4))
    assert (type(error), error.reason) == (OutOfRange, "CURSOR_BEYOND_LOG")
    assert isinstance(await refusal(acknowledge(-1)), InvalidArgument)
    last = await consumer.delivery.PullChanges(pull)
    (withdrawn,) = last.changes
    assert withdrawn.type == delivery_pb2.CHANGE_TYPE_WITHDRAW
    assert not withdrawn.items
    assert withdrawn.record_id == first.changes[0].record_id
    assert citizen_number(1) not in withdrawn.record_id
    await acknowledge(3)
    empty = await consumer.delivery.PullChanges(pull)
    assert not empty.changes
    assert empty.cursor == 3
    assert not empty.HasField("receipt")


async def test_subscriptions_belong_to_their_department(node):
    consumer, stranger = node.connect(caller(HOUSING)), node.connect(caller(HEALTH))
    grant = node.grant()
    names = [await subscribed(consumer, grant, f"s-{n}") for n in range(3)]
    get = delivery_pb2.GetSubscriptionRequest
    assert (await consumer.delivery.GetSubscription(get(name=names[0]))).subscription.grant == grant
    absent = f"{HOUSING}/subscriptions/absent"
    texts = {
        (await refusal(call)).message
        for call in (
            stranger.delivery.GetSubscription(get(name=names[0])),
            consumer.delivery.GetSubscription(get(name=absent)),
            stranger.delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=names[0])),
        )
    }
    assert len(texts) == 1
    page = await consumer.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING, page_size=2)
    )
    rest = await consumer.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING, page_token=page.next_page_token)
    )
    assert [s.name for s in (*page.subscriptions, *rest.subscriptions)] == names
    assert not rest.next_page_token
    listed = stranger.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING)
    )
    assert (await refusal(listed)).reason == "NOT_YOUR_DEPARTMENT"
    assert (await refusal(subscribed(stranger, grant))).reason == "NOT_YOUR_DEPARTMENT"
    taken = await refusal(subscribed(consumer, grant, "s-1"))
    assert (type(taken), taken.reason) == (AlreadyExists, "SUBSCRIPTION_EXISTS")
    assert "go on with it" in taken.message
    query_only = node.grant(operations=[Operation.QUERY])
    refused = await refusal(subscribed(consumer, query_only, "s-9"))
    assert refused.reason == "OPERATION_NOT_GRANTED"
    other = node.grant(department=HEALTH)
    assert (await refusal(subscribed(consumer, other, "s-9"))).reason == "GRANT_NOT_FOUND"
    await node.connect(caller(CIVIL)).publish(person(1))
    later = await subscribed(consumer, grant, "s-4", earliest=False)
    found = await consumer.delivery.GetSubscription(get(name=later))
    assert found.subscription.cursor == 1


async def test_a_stream_delivers_what_comes_until_the_grant_is_revoked(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2), person(3))
    grant = node.grant()
    name = await subscribed(consumer, grant)
    stream = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=name, max_changes=2)
    )
    first, second = await stream.read(), await stream.read()
    assert [c.offset for c in (*first.changes, *second.changes)] == [1, 2, 3]
    leaf = check_receipt(node, second.receipt)
    assert leaf["subscription"] == name

    await source.publish(person(4, "某丁"))
    live = await asyncio.wait_for(stream.read(), 5)
    assert [c.items["name"] for c in live.changes] == ["某丁"]

    await source.grants.RevokeGrant(
        grants_pb2.RevokeGrantRequest(name=grant, reason="用途已结束", request_id="r")
    )
    error = await refusal(asyncio.wait_for(stream.read(), 5))
    assert (type(error), error.reason) == (PermissionDenied, "GRANT_REVOKED")
    assert node.leaves("query_refused")[-1]["operation"] == "subscribe"
    # Nothing was acknowledged: under a new grant, all of it comes again from the cursor.
    get = delivery_pb2.GetSubscriptionRequest(name=name)
    assert (await consumer.delivery.GetSubscription(get)).subscription.cursor == 0
    pulled = consumer.delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=name))
    assert (await refusal(pulled)).reason == "GRANT_REVOKED"


async def test_a_stream_ends_when_its_grant_expires(embedded):
    consumer = embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant(days=1))
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.3)
    embedded.clock.advance(timedelta(days=1))
    assert (await refusal(asyncio.wait_for(reading, 5))).reason == "GRANT_EXPIRED"


async def test_a_stream_ends_when_the_certificate_is_revoked(embedded, tmp_path):
    source, consumer = embedded.connect(caller(CIVIL)), embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant())
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    await source.publish(person(1))
    assert (await stream.read()).cursor == 1
    embedded.revoke(caller(HOUSING))
    await asyncio.sleep(0.6)
    await source.publish(person(2))
    assert (await refusal(asyncio.wait_for(stream.read(), 5))).reason == "CERTIFICATE_REVOKED"


async def test_a_stream_sees_what_another_process_publishes(node):
    """Nobody announces it here: the poll finds it."""
    consumer = node.connect(caller(HOUSING))
    name = await subscribed(consumer, node.grant())
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.3)
    node.service._tail.announce = lambda offset: None
    node.service._delivery._publishing._announce = lambda offset: None
    await node.connect(caller(CIVIL)).publish(person(1))
    assert (await asyncio.wait_for(reading, 5)).cursor == 1


async def test_a_cancelled_stream_leaves_nothing_behind(embedded):
    consumer = embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant())
    tail = embedded.service._tail
    streams = [
        consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
        for _ in range(5)
    ]
    for stream in streams:
        asyncio.ensure_future(stream.read()).add_done_callback(lambda done: done.exception())
    await asyncio.sleep(0.5)
    assert len(tail._waiting) == 5
    for stream in streams:
        stream.cancel()
    for _ in range(50):
        await asyncio.sleep(0.05)
        if not tail._waiting and tail._poll.done():
            break
    assert not tail._waiting
    assert tail._poll.done()


async def test_a_slow_subscriber_is_waited_for(embedded, monkeypatch):
    """One batch is under way at a time: an unread stream reads no further than the transport."""
    source, consumer = embedded.connect(caller(CIVIL)), embedded.connect(caller(HOUSING))
    photo = "AAAA" * 20_000
    items = ("citizen_number", "name", "photo")
    for part in range(4):
        await source.publish(
            *[[citizen_number(part * 50 + n), "某甲", photo] for n in range(50)], items=items
        )
    name = await subscribed(consumer, embedded.grant({"photo": Mask.WHOLE}))
    stream = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=name, max_changes=1)
    )
    await stream.read()
    await asyncio.sleep(1)
    assert len(embedded.leaves("changes_delivered")) < 200
    seen = 1
    while seen < 200:
        seen += len((await stream.read()).changes)
    stream.cancel()


async def test_streams_end_when_the_node_stops(tmp_path):
    async with exchange_node(tmp_path / "node") as node:
        consumer = node.connect(caller(HOUSING))
        name = await subscribed(consumer, node.grant())
        stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0.3)
        node.service.end_streams()
        error = await refusal(asyncio.wait_for(reading, 5))
        assert (type(error), error.reason) == (Unavailable, "NODE_STOPPING")
        assert error.retry_after == 1
