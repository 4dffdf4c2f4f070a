"""How far a subscription is behind: what waits, since when, and nothing of what is not shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import exchange_node, person
from tests.integration.test_exchange_delivery_starts import subscribe


async def test_what_waits_is_counted_until_it_is_acknowledged(tmp_path):
    async with exchange_node(tmp_path / "node") as node:
        source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), pb.START_POSITION_NOW)

        async def held() -> pb.Subscription:
            request = pb.GetSubscriptionRequest(name=name)
            return (await consumer.delivery.GetSubscription(request)).subscription

        fresh = await held()
        assert (fresh.distance, fresh.undelivered) == (0, 0)
        assert not fresh.HasField("oldest_time")
        await source.publish(person(1), person(2))
        await source.publish(person(3))
        late = await held()
        assert (late.distance, late.undelivered) == (3, 3)
        first = late.oldest_time.ToDatetime(UTC)
        assert datetime.now(UTC) - first < timedelta(days=3650)
        got = await consumer.delivery.PullChanges(
            pb.PullChangesRequest(subscription=name, max_changes=1)
        )
        await consumer.delivery.AcknowledgeChanges(
            pb.AcknowledgeChangesRequest(subscription=name, cursor=got.cursor)
        )
        later = await held()
        assert (later.distance, later.undelivered) == (2, 2)
        assert later.oldest_time.ToDatetime(UTC) == first
