"""Events a second, and from end to end, to 1, 10 and 100 subscribers, against NATS JetStream.

Ours: a department publishes batches over mTLS; every subscriber has a durable subscription under
one grant, reads its stream over a connection of its own, and acknowledges every message. Each event
is authorized, projected and audited. Theirs: JetStream with file storage and `sync_interval:
always`, the same rows as JSON, published with as many at once as our batches have; every subscriber
is a durable consumer on a connection of its own that acknowledges likewise (all up to the last).
Both clients are Python, in one process with the publisher; theirs speak without TLS.

An event is a change that one subscriber got: the rate is changes times subscribers over the seconds
from the first publishing to the last arrival. Latency is of single changes, published one by one:
from before the call that publishes to its arrival at each subscriber.

The disk decides who is ahead: theirs syncs what it publishes message by message, ours batch by
batch and with each delivery's record; the slower a sync, the better ours compares. TLS, projection
and audit are in our favour nowhere.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import nats
import orjson
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig

from exchange.v1 import delivery_pb2, delivery_pb2_grpc, grants_pb2
from runtime.channels import aio_channel
from runtime.clock import SYSTEM
from runtime.identity import Credentials
from tests.benchmarks.county import EMPLOYMENT, POPULATION, County, batch_messages, fresh
from tests.benchmarks.measure import Entry, rounded, say, spread
from tests.benchmarks.publish import METHOD
from tests.builders.nats import nats_server
from tongban.people import PERSON_ITEMS, people

SUBSCRIBERS = {1: 4_000, 10: 2_000, 100: 500}
BATCH = 500
SINGLE = 20
PAUSE = 0.05
ROUNDS = 3
AIM = 1.0
PATIENCE = 120.0
SHOWN = ("name", "birth_date", "residence_address")


@dataclass
class Arrivals:
    """What subscribers got: how many, and when each got its last."""

    wanted: int = 0
    counts: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, subscribers: int, events: int) -> None:
        """Begin anew."""
        self.wanted, self.counts, self.times = events, [0] * subscribers, [0.0] * subscribers
        self.done.clear()

    def got(self, subscriber: int, events: int) -> None:
        """One subscriber got some."""
        self.counts[subscriber] += events
        self.times[subscriber] = time.perf_counter()
        if min(self.counts) >= self.wanted:
            self.done.set()

    async def all(self) -> None:
        """Wait until every subscriber got all."""
        async with asyncio.timeout(PATIENCE):
            await self.done.wait()


def run(county: County, folder: Path, only: Sequence[str] = ()) -> list[Entry]:
    """Measure."""
    # Far behind what the other figures publish.
    rows = (person.row() for person in islice(people(600_000), 500_000, None))
    grant = delivery_grant(county)
    with nats_server(folder / "nats", _free_port()) as broker:
        return [
            entry
            for subscribers, events in SUBSCRIBERS.items()
            if not only or {f"fan-out-{subscribers}", f"fan-out-latency-{subscribers}"} & set(only)
            for entry in asyncio.run(_both(county, broker.url, grant, rows, subscribers, events))
        ]


def names() -> tuple[str, ...]:
    """The figures' names."""
    return tuple(
        f"{name}-{number}" for number in SUBSCRIBERS for name in ("fan-out", "fan-out-latency")
    )


async def _both(
    county: County, url: str, grant: str, rows: Any, subscribers: int, events: int
) -> list[Entry]:
    mine: list[float] = []
    other: list[float] = []
    late: list[float] = []
    late_there: list[float] = []
    async with AsyncExitStack() as stack:
        ours = await _ours(stack, county, grant, subscribers)
        theirs = await _theirs(stack, url, subscribers)
        for number in range(1, ROUNDS + 1):
            taken = [next(rows) for _ in range(events)]
            mine.append(await _rate(*ours, taken, subscribers))
            other.append(await _rate(*theirs, taken, subscribers))
            say(f"fan-out-{subscribers}: round {number}/{ROUNDS}: ours {mine[-1]:,.0f}, "
                f"theirs {other[-1]:,.0f} events/s")  # fmt: skip
        for publish, arrivals, found in ((*ours, late), (*theirs, late_there)):
            for _ in range(SINGLE):
                arrivals.expect(subscribers, 1)
                began = time.perf_counter()
                await publish([next(rows)])
                await arrivals.all()
                found += [(at - began) * 1000 for at in arrivals.times]
                await asyncio.sleep(PAUSE)
    ratio = statistics.median(mine) / statistics.median(other)
    slower = statistics.median(late) / statistics.median(late_there)
    against = "NATS JetStream, file storage, sync_interval: always, the same client language"
    return [
        Entry(
            name=f"fan-out-{subscribers}",
            unit="events/s",
            ours=rounded(statistics.median(mine)),
            against=against,
            theirs=rounded(statistics.median(other)),
            ratio=float(f"{ratio:.3g}"),
            aim=f">= {AIM}x" if subscribers == 10 else "none",
            met=ratio >= AIM if subscribers == 10 else None,
            extra={
                "rounds": ROUNDS,
                "changes": events,
                "subscribers": subscribers,
                "spread": {"ours": spread(mine), "theirs": spread(other)},
                "note": f"published {BATCH} at a time; ours over mTLS, projected and audited",
            },
        ),
        Entry(
            name=f"fan-out-latency-{subscribers}",
            unit="ms",
            ours=rounded(statistics.median(late)),
            against=against,
            theirs=rounded(statistics.median(late_there)),
            ratio=float(f"{slower:.3g}"),
            aim="none",
            met=None,
            extra={
                "subscribers": subscribers,
                "p99": {"ours": rounded(_p99(late)), "theirs": rounded(_p99(late_there))},
                "note": "from before the publishing call to the arrival; published one by one",
            },
        ),
    ]


async def _rate(publish: Any, arrivals: Arrivals, rows: list[list[str]], subscribers: int) -> float:
    arrivals.expect(subscribers, len(rows))
    began = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        await publish(rows[start : start + BATCH])
    await arrivals.all()
    return len(rows) * subscribers / (max(arrivals.times) - began)


async def _ours(
    stack: AsyncExitStack, county: County, grant: str, subscribers: int
) -> tuple[Callable[[list[list[str]]], Any], Arrivals]:
    arrivals = Arrivals()
    police = Credentials.read(county.identity("police"))
    publishing = await stack.enter_async_context(aio_channel(county.node.address, police))
    call = publishing.stream_unary(METHOD)  # bytes in, bytes out

    async def publish(rows: list[list[str]]) -> None:
        await call(iter(batch_messages(rows)), timeout=PATIENCE)

    credentials = Credentials.read(county.identity("employment"))
    for number in range(subscribers):
        channel = await stack.enter_async_context(aio_channel(county.node.address, credentials))
        stub: Any = delivery_pb2_grpc.DeliveryServiceStub(channel)
        made = await stub.CreateSubscription(
            delivery_pb2.CreateSubscriptionRequest(
                parent=EMPLOYMENT,
                subscription_id=f"fan-{subscribers}-{number}",
                grant=grant,
                start=delivery_pb2.START_POSITION_NOW,
                request_id=fresh(),
            )
        )
        task = asyncio.create_task(_subscribed(stub, made.subscription.name, number, arrivals))
        stack.push_async_callback(_ended, task)
    await asyncio.sleep(1.0)
    return publish, arrivals


async def _subscribed(stub: Any, name: str, number: int, arrivals: Arrivals) -> None:
    async for answer in stub.Subscribe(delivery_pb2.SubscribeRequest(subscription=name)):
        arrivals.got(number, len(answer.changes))
        await stub.AcknowledgeChanges(
            delivery_pb2.AcknowledgeChangesRequest(subscription=name, cursor=answer.cursor)
        )


async def _theirs(
    stack: AsyncExitStack, url: str, subscribers: int
) -> tuple[Callable[[list[list[str]]], Any], Arrivals]:
    arrivals = Arrivals()
    connection = await nats.connect(url)
    stack.push_async_callback(connection.close)
    context = connection.jetstream()
    stream, subject = f"S{subscribers}", f"s{subscribers}"
    await context.add_stream(
        StreamConfig(name=stream, subjects=[subject], storage=StorageType.FILE)
    )
    places = [PERSON_ITEMS.index(item) for item in SHOWN]

    async def publish(rows: list[list[str]]) -> None:
        stored = [
            await context.publish_async(
                subject, orjson.dumps({PERSON_ITEMS[at]: row[at] for at in places})
            )
            for row in rows
        ]
        await asyncio.gather(*stored)

    for number in range(subscribers):
        own = await nats.connect(url)
        stack.push_async_callback(own.close)
        found = await own.jetstream().subscribe(
            subject,
            durable=f"c{number}",
            stream=stream,
            manual_ack=True,
            config=ConsumerConfig(ack_policy=AckPolicy.ALL, max_ack_pending=100_000),
        )
        task = asyncio.create_task(_consumed(found, number, arrivals))
        stack.push_async_callback(_ended, task)
    await asyncio.sleep(1.0)
    return publish, arrivals


async def _consumed(found: Any, number: int, arrivals: Arrivals) -> None:
    waiting = 0
    async for message in found.messages:
        orjson.loads(message.data)
        waiting += 1
        arrivals.got(number, 1)
        # As seldom as ours: an acknowledgement of JetStream's is synced like a message.
        if waiting >= BATCH or arrivals.counts[number] >= arrivals.wanted:
            await message.ack()
            waiting = 0


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def delivery_grant(county: County) -> str:
    with county.client("employment") as employment, county.client("police") as police:
        asked = employment.grants.CreateAccessRequest(
            grants_pb2.CreateAccessRequestRequest(
                parent=EMPLOYMENT,
                access_request=grants_pb2.AccessRequest(
                    resource=POPULATION,
                    items=SHOWN,
                    operations=[grants_pb2.OPERATION_SUBSCRIBE, grants_pb2.OPERATION_EXPORT],
                    purpose="办理就业创业登记时核实申请人身份",
                    legal_basis="《就业服务与就业管理规定》",
                ),
                request_id=fresh(),
            ),
            timeout=30,
        ).access_request
        approval = grants_pb2.ApproveAccessRequestRequest(
            name=asked.name,
            items=[grants_pb2.GrantedItem(item=item) for item in SHOWN],
            request_id=fresh(),
        )
        approval.end_time.seconds = int(SYSTEM.now().timestamp()) + 86_400
        return police.grants.ApproveAccessRequest(approval, timeout=30).grant.name


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
