"""A slow subscriber slows nobody, and nothing is kept for it but its cursor."""

import asyncio
import base64
import time
import tracemalloc

import pytest

from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node
from tests.integration.test_exchange_delivery_starts import subscribe

ITEMS = ("citizen_number", "name", "photo")
PHOTO = base64.b64encode(b"p" * 15_000).decode()
ROWS = 1_500  # of 20 kB each


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def test_who_does_not_read_is_waited_for_and_others_are_not(node):
    source, slow, quick = (
        node.connect(caller(department, system=system))
        for department, system in ((CIVIL, "main"), (HOUSING, "slow"), (HOUSING, "quick"))
    )
    grant = node.grant({"name": Mask.WHOLE, "photo": Mask.WHOLE})
    names = [await subscribe(one, grant, pb.START_POSITION_NOW) for one in (slow, quick)]
    stuck = slow.delivery.Subscribe(pb.SubscribeRequest(subscription=names[0], max_changes=5))
    running = quick.delivery.Subscribe(pb.SubscribeRequest(subscription=names[1], max_changes=5))
    await asyncio.sleep(0.3)
    tracemalloc.start()
    began = time.monotonic()
    for start in range(0, ROWS, 100):
        rows = [[citizen_number(n), "某甲", PHOTO] for n in range(start, start + 100)]
        await source.publish(*rows, items=ITEMS)
    seen = 0
    while seen < ROWS:
        seen += len((await asyncio.wait_for(running.read(), 20)).changes)
    assert time.monotonic() - began < 30
    await asyncio.sleep(1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sent = [one for one in node.leaves("changes_delivered") if one["subscription"] == names[0]]
    assert len(sent) * 5 < ROWS / 2  # what fits the windows of the connection, and no more
    assert held < 8 * 1024 * 1024
    # It has missed nothing: it reads on where it stands.
    slowly = 0
    while slowly < ROWS:
        slowly += len((await asyncio.wait_for(stuck.read(), 20)).changes)
    stuck.cancel()
    running.cancel()
