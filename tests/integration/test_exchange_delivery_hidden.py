"""A subscriber is not told that an item changed which it is not given, nor when."""

import pytest

from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, person
from tests.integration.test_exchange_delivery_lanes import (
    acknowledge,
    dead_letters,
    pull,
    reject,
    replay,
)
from tests.integration.test_exchange_delivery_starts import HERE, read, subscribe
from tests.integration.test_exchange_row_filters import amend

EARLIEST, NOW, SNAPSHOT = (
    pb.START_POSITION_EARLIEST,
    pb.START_POSITION_NOW,
    pb.START_POSITION_SNAPSHOT,
)


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def born(serial: int, name: str, day: int) -> list[str]:
    """A person whose day of birth is not given to the subscriber."""
    return [*person(serial, name)[:2], f"1990-01-{day:02}", *person(serial, name)[3:]]


async def test_what_alters_nothing_shown_is_left_out_by_every_start(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(born(1, "甲", 1), born(2, "乙", 1))
    grant = node.grant({"name": Mask.WHOLE})
    known = {start: await subscribe(consumer, grant, start) for start in (EARLIEST, NOW, SNAPSHOT)}
    held = [(1, "甲"), (2, "乙")]
    for start, name in known.items():
        assert await read(consumer, name) == ([] if start == NOW else held)
    stream = consumer.delivery.Subscribe(pb.SubscribeRequest(subscription=known[NOW]))
    for day in (2, 3):
        await source.publish(born(1, "甲", day))
    await source.publish(born(1, "丙", 3))
    await source.publish(born(1, "丙", 4), withdraw=[citizen_number(2)])
    told = [(5, "丙"), (7, "gone")]
    for name in known.values():
        assert await read(consumer, name) == told
    live = [c.offset for c in (await stream.read()).changes]
    while len(live) < 2:
        live += [c.offset for c in (await stream.read()).changes]
    stream.cancel()
    assert live == [5, 7]


async def test_a_record_that_a_snapshot_passed_by_comes_whatever_altered_it(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    await source.publish(*(born(n, f"人{n}", 1) for n in range(1, 5)))
    name = await subscribe(consumer, grant, SNAPSHOT)
    part = await consumer.delivery.PullChanges(
        pb.PullChangesRequest(subscription=name, max_changes=1)
    )
    await source.publish(born(3, "人3", 2))  # not read yet, and moved behind the snapshot
    await consumer.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, cursor=part.cursor)
    )
    assert await read(consumer, name) == [(2, "人2"), (4, "人4"), (5, "人3")]
    await source.publish(born(2, "人2", 2), born(3, "人3", 3))
    assert await read(consumer, name) == []
    # A decision without history begins a part that is read compacted anew, as nothing is known.
    await source.publish(born(4, "人4", 2))
    amend(node, grant, {"name": Mask.WHOLE, "birth_date": Mask.WHOLE})
    await source.publish(born(4, "人4", 3), born(1, "人1", 2))
    assert [what for _, what in await read(consumer, name)] == ["人4", "人1"]


async def test_a_mask_that_shows_the_same_shows_no_change_but_a_row_that_begins_to_be_shown_does(
    node,
):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1, "甲甲"), [*person(2, "乙乙")[:3], "990102"])
    terms = {"row_filter": (HERE,), "reason": "仅限示范县"}
    name = await subscribe(consumer, node.grant({"name": Mask.FIRST_CHARACTER}, **terms), NOW)
    await source.publish(person(1, "甲丙"), person(2, "乙乙"))
    assert await read(consumer, name) == [(4, "乙**")]
    await source.publish(person(1, "丁丙"), [*person(2, "乙乙")[:3], "990102"])
    assert await read(consumer, name) == [(5, "丁**"), (6, "gone")]


async def test_a_dead_letter_is_not_superseded_by_what_is_left_out(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(
        consumer, node.grant({"name": Mask.WHOLE}), EARLIEST, lanes=2, max_deliveries=2
    )
    await source.publish(born(1, "甲", 1))
    (lease,) = (await pull(consumer, name)).leases
    await reject(consumer, name, lease, lease.cursor, permanent=True)
    await source.publish(born(1, "甲", 2))
    assert not (await pull(consumer, name)).changes
    assert [letter.offset for letter in await dead_letters(consumer, name)] == [1]
    assert await replay(consumer, name) == [pb.DEAD_LETTER_STATE_REPLAYING]
    replayed = await pull(consumer, name)
    assert [(c.offset, c.items["name"]) for c in replayed.changes] == [(2, "甲")]
    await acknowledge(consumer, name, *replayed.leases)
    assert not await dead_letters(consumer, name)


async def test_a_dead_letter_shows_no_value_that_was_superseded_where_history_is_not_granted(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1, "甲"), person(2, "乙"))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), SNAPSHOT)
    (lease,) = (await pull(consumer, name)).leases
    await reject(consumer, name, lease, 1, permanent=True)
    (letter,) = await dead_letters(consumer, name)
    looking = pb.GetDeadLetterRequest(name=letter.name)
    assert (await consumer.delivery.GetDeadLetter(looking)).change.items == {"name": "甲"}
    await source.publish(person(1, "丙"))
    assert not (await consumer.delivery.GetDeadLetter(looking)).HasField("change")


async def test_what_a_widening_gives_is_shown_of_what_comes_after_it(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    name = await subscribe(consumer, grant, NOW)
    await source.publish(person(1, "甲"), person(2, "乙"))
    amend(node, grant, {"name": Mask.WHOLE, "region": Mask.WHOLE})
    await source.publish(person(3, "丙"))
    shown = [dict(c.items) for c in (await pull(consumer, name)).changes]
    assert shown == [{"name": "甲"}, {"name": "乙"}, {"name": "丙", "region": "990101"}]
