"""The relay into a real NATS server: each change once and in order, whoever dies."""

import asyncio
import json
import os
import random
import signal
import sys

import nats
import pytest
from structlog.testing import capture_logs

from exchange.grants.model import Mask
from exchange.relaying import service
from exchange.relaying.model import OFFSET, Relayed, messages, target_of
from exchange.relaying.service import Broker, Relay
from exchange.v1 import delivery_pb2, grants_pb2
from runtime.errors import Aborted, FailedPrecondition, PermissionDenied
from tests.builders.catalog import CIVIL, HOUSING, NOON, caller
from tests.builders.exchange import citizen_number, exchange_node, person
from tests.builders.nats import nats_server
from tests.conftest import free_port

NAME = f"{HOUSING}/subscriptions/people"
SHOWN = {"citizen_number": Mask.WHOLE, "name": Mask.FIRST_CHARACTER}
TARGET = target_of(NAME)


@pytest.fixture
def broker(tmp_path):
    with nats_server(tmp_path / "nats", free_port()) as server:
        yield server


async def subscribed(node, **terms):
    housing = node.connect(caller(HOUSING))
    grant = node.grant(SHOWN, **terms)
    await housing.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id="people",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id="s",
        )
    )
    return housing, grant


def relay(housing, broker, **how):
    return Relay(
        channel=housing.channel, subscription=NAME, broker=Broker(url=broker.url), target=TARGET,
        **how,
    )  # fmt: skip


async def stored(broker):
    """All messages of the stream, as (offset of the header, payload)."""
    connection = await nats.connect(broker.url)
    try:
        context = connection.jetstream()
        state = (await context.stream_info(TARGET.stream)).state
        found = []
        for sequence in range(1, state.last_seq + 1):
            message = await context.get_msg(TARGET.stream, seq=sequence)
            found.append((int(message.headers[OFFSET]), json.loads(message.data)))
        return found
    finally:
        await connection.close()


async def test_changes_are_put_as_the_grant_shows_them_and_once(tmp_path, broker):
    async with exchange_node(tmp_path) as node:
        civil = node.connect(caller(CIVIL))
        await civil.publish(*(person(n) for n in range(5)))
        await civil.publish(person(1, "李乙"), withdraw=[citizen_number(2)])
        housing, _ = await subscribed(node, include_history=True)
        await relay(housing, broker, at_once=2).run(once=True)
        found = await stored(broker)
        assert [offset for offset, _ in found] == sorted({offset for offset, _ in found})
        assert all(offset == change["offset"] for offset, change in found)
        assert {frozenset(change["items"]) for _, change in found} <= {
            frozenset(SHOWN),
            frozenset(),
        }
        assert {change["items"].get("name") for _, change in found} <= {"某**", "李**", None}
        await relay(housing, broker).run(once=True)
        assert await stored(broker) == found
        await civil.publish(person(9))
        await relay(housing, broker).run(once=True)
        assert len(await stored(broker)) == len(found) + 1


async def test_what_was_put_and_not_acknowledged_is_not_put_again(tmp_path, broker, monkeypatch):
    async with exchange_node(tmp_path) as node:
        civil = node.connect(caller(CIVIL))
        await civil.publish(*(person(n) for n in range(7)))
        housing, _ = await subscribed(node)

        async def dies(self, cursor):
            raise KeyboardInterrupt

        acknowledge = Relay._acknowledge
        monkeypatch.setattr(Relay, "_acknowledge", dies)
        with pytest.raises(KeyboardInterrupt):
            await relay(housing, broker, at_once=3).run(once=True)
        assert len(await stored(broker)) == 3
        monkeypatch.setattr(Relay, "_acknowledge", acknowledge)
        await relay(housing, broker, at_once=5).run(once=True)
        offsets = [offset for offset, _ in await stored(broker)]
        assert offsets == sorted(set(offsets))
        assert len(offsets) == 7


async def test_a_revoked_grant_ends_the_relay(tmp_path, broker):
    async with exchange_node(tmp_path) as node:
        civil = node.connect(caller(CIVIL))
        housing, grant = await subscribed(node)
        told = asyncio.Queue()
        running = asyncio.create_task(relay(housing, broker, stored=told.put_nowait).run())
        await civil.publish(person(1), person(2))
        assert await asyncio.wait_for(told.get(), 30) > 0
        await civil.grants.RevokeGrant(
            grants_pb2.RevokeGrantRequest(name=grant, reason="用途已结束", request_id="r")
        )
        with pytest.raises(PermissionDenied) as refused:
            await asyncio.wait_for(running, 30)
        assert refused.value.reason == "GRANT_REVOKED"
        await civil.publish(person(3))
        assert len(await stored(broker)) == 2


async def test_a_stream_of_somebody_else_is_left_alone(tmp_path, broker):
    connection = await nats.connect(broker.url)
    context = connection.jetstream()
    await context.add_stream(name=TARGET.stream, subjects=["else.>"])
    async with exchange_node(tmp_path) as node:
        await node.connect(caller(CIVIL)).publish(person(1))
        housing, _ = await subscribed(node)
        with pytest.raises(FailedPrecondition) as refused:
            await relay(housing, broker).run(once=True)
        assert refused.value.reason == "STREAM_NOT_OURS"
        await context.delete_stream(TARGET.stream)
        await context.add_stream(name=TARGET.stream, subjects=[TARGET.subject])
        await context.publish(TARGET.subject, b"of somebody else")
        with pytest.raises(FailedPrecondition):
            await relay(housing, broker).run(once=True)
    await connection.close()


def relayed(*offsets):
    return [
        Relayed(offset=one, withdrawn=False, record_id="r", items={}, publish_time=NOON)
        for one in offsets
    ]


async def test_a_relay_that_another_one_overtook_puts_nothing_out_of_order(broker):
    async with service._Stream(Broker(url=broker.url), TARGET) as stream:
        start = await stream.place()
        await stream.put(messages(NAME, relayed(1, 2), start))
        late = await stream.place()
        await stream.put(messages(NAME, relayed(3), late))
    # The other one acknowledged 3, so the node gives what follows to who does not know of it.
    async with service._Stream(Broker(url=broker.url), TARGET) as stream:
        with pytest.raises(Aborted) as refused:
            await stream.put(messages(NAME, relayed(4, 5, 6), late))
        assert refused.value.reason == "STREAM_MOVED"
    assert [offset for offset, _ in await stored(broker)] == [1, 2, 3]


async def test_two_relays_of_one_subscription_put_each_change_once(tmp_path, broker):
    async with exchange_node(tmp_path) as node:
        civil = node.connect(caller(CIVIL))
        await civil.publish(*(person(n) for n in range(60)))
        housing, _ = await subscribed(node)
        both = [relay(housing, broker, at_once=size).run(once=True) for size in (3, 4)]
        with capture_logs() as told:
            await asyncio.wait_for(asyncio.gather(*both), 20)
        waits = {one["reason"] for one in told if one["event"] == "relay_waits"}
        assert waits <= {"STREAM_MOVED"}
        offsets = [offset for offset, _ in await stored(broker)]
        assert offsets == sorted(set(offsets))
        assert len(offsets) == 60


async def test_what_the_broker_refuses_is_told_at_once(tmp_path, broker, monkeypatch):
    connection = await nats.connect(broker.url)
    full = {"max_msgs": 1, "discard": "new"}
    await connection.jetstream().add_stream(name=TARGET.stream, subjects=[TARGET.subject], **full)
    async with exchange_node(tmp_path) as node:
        civil = node.connect(caller(CIVIL))
        await civil.publish(*(person(n) for n in range(3)))
        housing, _ = await subscribed(node)
        heard = asyncio.Event()
        monkeypatch.setattr(service._log, "warning", lambda *_, **how: heard.set())
        done = asyncio.Event()
        running = asyncio.create_task(relay(housing, broker, stored=lambda _: done.set()).run())
        await asyncio.wait_for(heard.wait(), 10)
        config = (await connection.jetstream().stream_info(TARGET.stream)).config
        config.max_msgs = -1
        await connection.jetstream().update_stream(config)
        await asyncio.wait_for(done.wait(), 10)
        assert len(await stored(broker)) == 3
        running.cancel()
    await connection.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_relay_and_broker_are_killed_and_nothing_is_lost_or_doubled(
    tmp_path, broker, database, request
):
    url = "" if database == "sqlite" else request.getfixturevalue("postgres_url")
    dice = random.Random(7)
    async with exchange_node(tmp_path, url) as node:
        civil = node.connect(caller(CIVIL))
        housing, _ = await subscribed(node)
        housing.credentials.write(tmp_path / "identity")
        command = [
            sys.executable, "-m", "tongban", "relay", NAME, "--to", broker.url,
            "--node", node.address, "--identity", str(tmp_path / "identity"),
        ]  # fmt: skip
        published = 0
        for round_ in range(4):
            process = await asyncio.create_subprocess_exec(
                *command, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TONGBAN_LANG": "en"}
            )
            assert b"relaying" in await asyncio.wait_for(process.stderr.readline(), 60)
            for _ in range(6):
                await civil.publish(*(person(published + n) for n in range(150)), parts=3)
                published += 150
                if round_ == 1 and dice.random() < 0.5:
                    broker.kill()
                    await asyncio.sleep(0.2)
                    broker.start()
            await asyncio.sleep(dice.uniform(0.1, 0.8))
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await relay(housing, broker).run(once=True)
        found = await stored(broker)
        assert [offset for offset, _ in found] == list(range(1, published + 1))
        keys = [change["items"]["citizen_number"] for _, change in found]
        assert keys == [citizen_number(n) for n in range(published)]
