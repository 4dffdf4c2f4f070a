"""Several consumers share a subscription: leases, rejections, dead letters, flow control."""

import asyncio
import uuid
from datetime import UTC, timedelta
from itertools import chain

import pytest

from exchange.grants import service
from exchange.grants.model import Mask
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import exchange_node, person, refusal
from tests.integration.test_exchange_delivery_starts import subscribe

LANES = 4


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def names_of(changes) -> list[str]:
    return [c.items["name"] if c.items else "gone" for c in changes]


async def pull(stubs, name: str, consumer: str = "a", **how) -> pb.PullChangesResponse:
    return await stubs.delivery.PullChanges(
        pb.PullChangesRequest(subscription=name, consumer=consumer, **how)
    )


async def acknowledge(stubs, name: str, *leases: pb.Lease, cursor: int = 0) -> None:
    said = [
        pb.LeaseAcknowledgement(lane=one.lane, token=one.token, cursor=cursor or one.cursor)
        for one in leases
    ]
    await stubs.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, leases=said)
    )


async def reject(stubs, name: str, lease: pb.Lease, offset: int, **how) -> pb.RejectChangeResponse:
    return await stubs.delivery.RejectChange(
        pb.RejectChangeRequest(
            subscription=name,
            lane=lease.lane,
            token=lease.token,
            offset=offset,
            **{"reason": "ADDRESS_UNKNOWN", "request_id": str(uuid.uuid4()), **how},
        )
    )


async def dead_letters(stubs, name: str, *states: int) -> list[pb.DeadLetter]:
    listed = await stubs.delivery.ListDeadLetters(
        pb.ListDeadLettersRequest(parent=name, states=states)
    )
    return list(listed.dead_letters)


async def replay(stubs, name: str, *offsets: int) -> list[int]:
    done = await stubs.delivery.ReplayDeadLetters(
        pb.ReplayDeadLettersRequest(parent=name, offsets=offsets, request_id=str(uuid.uuid4()))
    )
    return [letter.state for letter in done.dead_letters]


@pytest.fixture
async def parties(node):
    """A source, a consumer, and a subscription of four lanes."""
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    name = await subscribe(
        consumer,
        grant,
        pb.START_POSITION_EARLIEST,
        lanes=LANES,
        max_deliveries=2,
        owner="数据共享科",
    )
    return source, consumer, name


async def test_consumers_share_the_work_and_every_record_has_one_lane(node, parties):
    source, consumer, name = parties
    for turn in "甲乙":
        await source.publish(*(person(n, f"{turn}{n}") for n in range(40)))
    first = await pull(consumer, name, "a")
    second = await pull(consumer, name, "b")
    assert len(first.leases) == LANES  # alone at work, it has all there is
    assert not second.changes
    await acknowledge(consumer, name, *first.leases[2:])
    third = await pull(consumer, name, "b")
    assert not third.changes  # all of those lanes is done
    half = {one.lane for one in first.leases[2:]}
    assert {c.lane for c in first.changes} == set(range(LANES))
    lane_of: dict[str, set[int]] = {}
    for change in first.changes:
        lane_of.setdefault(change.record_id, set()).add(change.lane)
    assert all(len(lanes) == 1 for lanes in lane_of.values())
    await source.publish(*(person(n, f"丙{n}") for n in range(40)))
    rest = await pull(consumer, name, "b")
    assert {c.lane for c in rest.changes} == half
    state = (await consumer.delivery.GetSubscription(
        pb.GetSubscriptionRequest(name=name))).subscription  # fmt: skip
    assert [one.consumer for one in state.lane_states].count("b") == 2
    assert state.cursor == 0
    await acknowledge(consumer, name, *first.leases[:2], *rest.leases)
    last = await pull(consumer, name, "a")
    assert {c.lane for c in last.changes} == set(range(LANES)) - half
    await acknowledge(consumer, name, *last.leases)
    assert not (await pull(consumer, name, "a")).changes
    every = [*first.changes, *rest.changes, *last.changes]
    assert sorted(c.offset for c in every) == list(range(1, 121))
    facts = node.leaves("changes_delivered")[0]
    assert facts["consumer"] == "a"


async def test_what_is_not_acknowledged_goes_to_another_in_order(node, parties):
    source, consumer, name = parties  # so many people that each lane has several
    await source.publish(*(person(n) for n in range(60)))
    lost = await pull(consumer, name, "a", lease_seconds=30)
    await source.publish(*(person(n, "某乙") for n in range(60)))
    node.clock.advance(timedelta(seconds=31))
    assert not (await pull(consumer, name, "b")).changes  # the lanes rest
    node.clock.advance(timedelta(seconds=5))
    again = await pull(consumer, name, "b")
    assert {c.offset for c in again.changes} < {c.offset for c in lost.changes}
    error = await refusal(acknowledge(consumer, name, lost.leases[0]))
    assert error.reason == "LEASE_LOST"
    seen: dict[str, list[int]] = {}
    for _ in range(40):
        for change in again.changes:
            seen.setdefault(change.record_id, []).append(change.offset)
        if not again.changes:
            break
        await acknowledge(consumer, name, *again.leases)
        again = await pull(consumer, name, "b")
    assert sorted(chain.from_iterable(seen.values())) == list(range(1, 121))
    assert all(offsets == sorted(offsets) for offsets in seen.values())


async def test_what_cannot_be_taken_becomes_a_dead_letter_and_is_replayed(node, parties):
    source, consumer, name = parties
    await source.publish(person(1, "甲"))
    for turn in range(2):
        part = await pull(consumer, name)
        (lease,) = part.leases
        assert lease.deliveries == turn + 1
        answer = await reject(consumer, name, lease, 1)
        assert answer.dead_letter == (turn == 1)
        assert not (await pull(consumer, name)).changes
        node.clock.advance(timedelta(seconds=2))
    (letter,) = await dead_letters(consumer, name)
    assert (letter.offset, letter.reason, letter.deliveries) == (1, "ADDRESS_UNKNOWN", 2)
    assert letter.owner == "数据共享科"
    assert letter.name == f"{name}/deadLetters/1"
    assert letter.record_id == part.changes[0].record_id
    # Others see nothing of it.
    stranger = node.connect(caller(CIVIL))
    error = await refusal(stranger.delivery.GetDeadLetter(
        pb.GetDeadLetterRequest(name=letter.name)))  # fmt: skip
    assert error.reason == "SUBSCRIPTION_NOT_FOUND"
    shown = await consumer.delivery.GetDeadLetter(pb.GetDeadLetterRequest(name=letter.name))
    assert dict(shown.change.items) == {"name": "甲"}
    assert shown.receipt.leaf
    assert await replay(consumer, name) == [pb.DEAD_LETTER_STATE_REPLAYING]
    part = await pull(consumer, name)
    (lease,) = part.leases
    assert lease.replayed
    assert names_of(part.changes) == ["甲"]
    await reject(consumer, name, lease, lease.cursor)
    (letter,) = await dead_letters(consumer, name)
    assert (letter.state, letter.deliveries) == (pb.DEAD_LETTER_STATE_OPEN, 3)
    await replay(consumer, name, 1)
    part = await pull(consumer, name)
    await acknowledge(consumer, name, *part.leases)
    assert await dead_letters(consumer, name) == []
    (letter,) = await dead_letters(consumer, name, pb.DEAD_LETTER_STATE_DELIVERED)
    assert letter.offset == 1
    error = await refusal(replay(consumer, name, 1))
    assert error.reason == "DEAD_LETTER_NOT_OPEN"
    kinds = ("change_rejected", "dead_letter_made", "dead_letters_replayed")
    assert all(node.leaves(kind) for kind in kinds)


async def test_a_replay_shows_what_the_record_is_now_or_nothing_where_that_was_delivered(
    node, parties
):
    source, consumer, name = parties
    await source.publish(person(1, "甲"))
    (lease,) = (await pull(consumer, name)).leases
    assert (await reject(consumer, name, lease, 1, permanent=True)).dead_letter
    await source.publish(person(1, "乙"))
    # Its lane will deliver the later change.
    assert await replay(consumer, name) == [pb.DEAD_LETTER_STATE_SUPERSEDED]
    (lease,) = (await pull(consumer, name)).leases
    assert (await reject(consumer, name, lease, 2, permanent=True)).dead_letter
    assert await replay(consumer, name, 2) == [pb.DEAD_LETTER_STATE_REPLAYING]
    # What came after the replay was asked for leaves it nothing to deliver.
    await source.publish(person(1, "丙"))
    part = await pull(consumer, name)
    assert names_of(part.changes) == ["丙"]
    assert not part.leases[0].replayed
    settled = await dead_letters(consumer, name, pb.DEAD_LETTER_STATE_SUPERSEDED)
    assert [letter.offset for letter in settled] == [1, 2]


async def test_a_dead_letter_shows_what_the_grant_shows_now(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    here = RowCondition(item="region", test=RowTest.PREFIX, values=("990101",))
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(here,), reason="仅限示范县")
    name = await subscribe(consumer, grant, pb.START_POSITION_EARLIEST, lanes=2)
    await source.publish(person(1, "甲"))
    (lease,) = (await pull(consumer, name)).leases
    await reject(consumer, name, lease, 1, permanent=True)
    await source.publish([*person(1, "甲")[:3], "990102"])
    part = await pull(consumer, name)
    assert names_of(part.changes) == ["gone"]
    await reject(consumer, name, part.leases[0], 2, permanent=True)
    first = await consumer.delivery.GetDeadLetter(
        pb.GetDeadLetterRequest(name=f"{name}/deadLetters/2")
    )
    assert not first.HasField("change")
    assert await replay(consumer, name, 2) == [pb.DEAD_LETTER_STATE_REPLAYING]
    part = await pull(consumer, name)
    assert names_of(part.changes) == ["gone"]


async def test_dead_letters_are_closed_with_a_reason(node, parties):
    source, consumer, name = parties
    await source.publish(*(person(n) for n in range(6)))
    part = await pull(consumer, name)
    for lease in part.leases:
        first = min(c.offset for c in part.changes if c.lane == lease.lane)
        await reject(consumer, name, lease, first, permanent=True)
    letters = await dead_letters(consumer, name)
    assert len(letters) == len(part.leases)

    def close(**how):
        return consumer.delivery.CloseDeadLetters(
            pb.CloseDeadLettersRequest(parent=name, request_id=str(uuid.uuid4()), **how)
        )

    assert (await refusal(close())).reason == "REASON_REQUIRED"
    error = await refusal(close(reason="重复", offsets=[77]))
    assert error.reason == "DEAD_LETTER_NOT_FOUND"
    done = await close(reason="重复")
    assert {one.state for one in done.dead_letters} == {pb.DEAD_LETTER_STATE_CLOSED}
    assert not done.more
    assert await dead_letters(consumer, name) == []
    found = (await consumer.delivery.GetSubscription(
        pb.GetSubscriptionRequest(name=name))).subscription  # fmt: skip
    assert found.dead_letters == 0


async def test_one_lane_may_be_leased_too_and_has_one_cursor(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(consumer, node.grant(), pb.START_POSITION_EARLIEST)
    await source.publish(person(1), person(2), person(3))
    await consumer.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, cursor=1)
    )
    part = await pull(consumer, name)
    assert [c.offset for c in part.changes] == [2, 3]
    await acknowledge(consumer, name, *part.leases, cursor=2)
    plain = await consumer.delivery.PullChanges(pb.PullChangesRequest(subscription=name))
    assert [c.offset for c in plain.changes] == [3]
    assert not plain.leases


async def test_what_is_asked_of_lanes_is_checked(node, parties):
    _, consumer, name = parties
    for wrong in ({"consumer": "x" * 64}, {"max_lanes": -1}, {"lease_seconds": 3601}):
        error = await refusal(pull(consumer, name, **wrong))
        assert error.reason == "BAD_CONSUMER"
    error = await refusal(consumer.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, cursor=0)))  # fmt: skip
    assert error.reason == "LEASE_REQUIRED"
    lease = pb.Lease(lane=9, token="x")
    assert (await refusal(acknowledge(consumer, name, lease))).reason == "NOT_DELIVERED"
    error = await refusal(reject(consumer, name, lease, 1, reason="it was 某甲"))
    assert error.reason == "BAD_REASON"
    grant = node.grant()
    for sharing in ({"lanes": 65}, {"max_deliveries": 101}, {"owner": "科" * 201}):
        error = await refusal(subscribe(consumer, grant, pb.START_POSITION_NOW, **sharing))
        assert error.reason == "BAD_SHARING"


async def test_a_revoked_grant_ends_leases_and_replays(node, parties):
    source, consumer, name = parties
    await source.publish(person(1), person(2))
    part = await pull(consumer, name, max_lanes=1)
    await reject(consumer, name, part.leases[0], part.changes[0].offset, permanent=True)
    letter = (await dead_letters(consumer, name))[0].name

    held = (await consumer.delivery.GetSubscription(
        pb.GetSubscriptionRequest(name=name))).subscription  # fmt: skip
    with node.service.database.unit_of_work() as work:
        service.revoke_grant(
            work, caller(CIVIL), name=held.grant, reason="不再需要", clock=node.clock
        )
    node.service.grants.invalidate()
    shown = consumer.delivery.GetDeadLetter(pb.GetDeadLetterRequest(name=letter))
    for attempt in (pull(consumer, name), shown):
        assert (await refusal(attempt)).reason == "GRANT_REVOKED"


async def test_a_stream_leases_lanes_and_waits_for_acknowledgements(node, parties):
    source, consumer, name = parties
    await source.publish(*(person(n) for n in range(30)))
    stream = consumer.delivery.Subscribe(
        pb.SubscribeRequest(subscription=name, consumer="a", max_outstanding=10)
    )
    seen = []
    while len(seen) < 30:
        part = await asyncio.wait_for(stream.read(), 10)
        assert len(part.changes) <= 10
        seen += [c.offset for c in part.changes]
        await acknowledge(consumer, name, *part.leases)
    assert sorted(seen) == list(range(1, 31))
    stream.cancel()


async def test_the_leases_of_a_stream_end_with_it(node, parties):
    source, consumer, name = parties
    await source.publish(*(person(n) for n in range(8)))
    stream = consumer.delivery.Subscribe(
        pb.SubscribeRequest(subscription=name, consumer="a", lease_seconds=3600)
    )
    part = await stream.read()
    await acknowledge(consumer, name, part.leases[0])
    stream.cancel()

    async def ended() -> bool:
        request = pb.GetSubscriptionRequest(name=name)
        found = (await consumer.delivery.GetSubscription(request)).subscription
        now = node.clock.now()
        return all(
            lane.expire_time.ToDatetime(UTC) <= now
            for lane in found.lane_states
            if lane.HasField("expire_time")
        )

    async with asyncio.timeout(10):
        while not await ended():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.05)
    assert not (await pull(consumer, name, "b")).changes  # the lanes rest
    node.clock.advance(timedelta(seconds=3))
    rest = await pull(consumer, name, "b")
    assert {c.lane for c in rest.changes} == {one.lane for one in part.leases[1:]}


async def test_a_stream_is_bounded_by_what_is_not_acknowledged(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(consumer, node.grant(), pb.START_POSITION_EARLIEST)
    await source.publish(*(person(n) for n in range(25)))
    stream = consumer.delivery.Subscribe(
        pb.SubscribeRequest(subscription=name, max_changes=4, max_outstanding=10)
    )
    seen = []
    for expected in (4, 4, 2):
        part = await stream.read()
        assert len(part.changes) == expected
        seen += [c.offset for c in part.changes]
    waiting = asyncio.ensure_future(stream.read())
    done, _ = await asyncio.wait((waiting,), timeout=0.6)
    assert not done
    await consumer.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, cursor=7)
    )
    part = await asyncio.wait_for(waiting, 10)
    assert [c.offset for c in part.changes] == [11, 12, 13, 14]
    stream.cancel()
    error = await refusal(consumer.delivery.Subscribe(
        pb.SubscribeRequest(subscription=name, max_outstanding=-1)).read())  # fmt: skip
    assert error.reason == "BAD_CONSUMER"
