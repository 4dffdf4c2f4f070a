"""What a department may have of subscriptions and streams, and how a subscription ends."""

import asyncio
import uuid

import pytest

from exchange.delivery import managing, places, subscribing
from exchange.delivery.subscriptions import store as subscriptions
from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller
from tests.builders.exchange import exchange_node, person, refusal
from tests.builders.questions import eventually
from tests.integration.test_exchange_delivery_starts import read, subscribe


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def end(stubs, name: str, request_id: str = ""):
    return stubs.delivery.DeleteSubscription(
        pb.DeleteSubscriptionRequest(name=name, request_id=request_id or str(uuid.uuid4()))
    )


async def test_streams_of_a_subscription_are_bounded_and_end_with_it(node, monkeypatch):
    monkeypatch.setattr(places, "STREAMS_OF_SUBSCRIPTION", 1)
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1, "甲"))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), pb.START_POSITION_EARLIEST)
    asked = pb.SubscribeRequest(subscription=name)
    first = consumer.delivery.Subscribe(asked)
    await first.read()
    error = await refusal(consumer.delivery.Subscribe(asked).read())
    assert error.reason == "TOO_MANY_STREAMS"
    first.cancel()
    await eventually(lambda: not node.service._delivery._places._streams)
    second = consumer.delivery.Subscribe(asked)
    await second.read()
    await end(consumer, name)
    assert (await refusal(second.read())).reason == "SUBSCRIPTION_NOT_FOUND"


async def test_a_subscription_ends_with_its_lanes_and_makes_room(node, monkeypatch):
    monkeypatch.setattr(managing, "GREATEST_SUBSCRIPTIONS", 2)
    monkeypatch.setattr(managing, "GREATEST_LANES_IN_ALL", 9)
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    earliest = pb.START_POSITION_EARLIEST
    shared = await subscribe(consumer, grant, earliest, lanes=8)
    error = await refusal(subscribe(consumer, grant, earliest, lanes=2))
    assert error.reason == "TOO_MANY_SUBSCRIPTIONS"
    plain = await subscribe(consumer, grant, earliest)
    assert (await refusal(subscribe(consumer, grant, earliest))).reason == error.reason

    await source.publish(person(1, "甲"))
    asked = pb.PullChangesRequest(subscription=shared, consumer="a")
    assert (await consumer.delivery.PullChanges(asked)).changes
    stranger = node.connect(caller(HEALTH))
    assert (await refusal(end(stranger, shared))).reason == "SUBSCRIPTION_NOT_FOUND"
    await end(consumer, shared, "once")
    await end(consumer, shared, "once")  # the first answer
    for gone in (
        consumer.delivery.PullChanges(asked),
        consumer.delivery.GetSubscription(pb.GetSubscriptionRequest(name=shared)),
        end(consumer, shared),
    ):
        assert (await refusal(gone)).reason == "SUBSCRIPTION_NOT_FOUND"
    listed = await consumer.delivery.ListSubscriptions(pb.ListSubscriptionsRequest(parent=HOUSING))
    assert [one.name for one in listed.subscriptions] == [plain]
    again = pb.CreateSubscriptionRequest(
        parent=HOUSING, subscription_id=shared.rpartition("/")[2], grant=grant,
        request_id=str(uuid.uuid4()),
    )  # fmt: skip
    taken = await refusal(consumer.delivery.CreateSubscription(again))
    assert taken.reason == "SUBSCRIPTION_EXISTS"
    assert "has ended" in taken.message
    assert await read(consumer, await subscribe(consumer, grant, earliest)) == [(1, "甲")]
    (ended,) = node.leaves("subscription_ended")
    assert ended["subscription"] == shared


async def test_a_stream_ends_with_its_subscription_whichever_process_ended_that(node, monkeypatch):
    monkeypatch.setattr(subscribing, "LOOK_SECONDS", 0.0)
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1, "甲"))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), pb.START_POSITION_EARLIEST)
    stream = consumer.delivery.Subscribe(pb.SubscribeRequest(subscription=name))
    await stream.read()
    with node.service.database.unit_of_work() as work:  # as another process would
        subscriptions.end(work.session, name, node.clock.now())
    error = await refusal(asyncio.wait_for(stream.read(), 10))
    assert error.reason == "SUBSCRIPTION_NOT_FOUND"
