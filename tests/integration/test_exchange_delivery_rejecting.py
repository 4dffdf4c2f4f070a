"""What is rejected is what was delivered: no other lane's, no other resource's, nothing hidden."""

import uuid

import pytest

from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2 as pb
from exchange.v1 import grants_pb2
from tests.builders.catalog import CIVIL, HOUSING, caller, put, resource
from tests.builders.exchange import exchange_node, person, refusal
from tests.integration.test_exchange_delivery_hidden import born
from tests.integration.test_exchange_delivery_lanes import dead_letters, pull, reject, replay
from tests.integration.test_exchange_delivery_starts import HERE, subscribe

EARLIEST, SNAPSHOT = pb.START_POSITION_EARLIEST, pb.START_POSITION_SNAPSHOT
SUSPECTS = f"{CIVIL}/resources/suspects"


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


async def not_delivered(stubs, name: str, lease: pb.Lease, offset: int) -> None:
    error = await refusal(reject(stubs, name, lease, offset, permanent=True))
    assert error.reason == "NOT_DELIVERED"
    assert not await dead_letters(stubs, name)


async def test_another_resources_change_is_neither_a_dead_letter_nor_replayed(node):
    put(node.service.database, resource(SUSPECTS, code="101001/000007"), clock=node.clock)
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), EARLIEST)
    await source.publish(person(1, "甲"))
    await source.publish(person(1, "嫌疑人"), resource=SUSPECTS)
    await source.publish(person(2, "乙"))
    part = await pull(consumer, name)
    assert [c.offset for c in part.changes] == [1, 3]
    await not_delivered(consumer, name, part.leases[0], 2)
    assert await replay(consumer, name) == []


async def test_another_lanes_change_is_not_rejected_by_this_lease(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), EARLIEST, lanes=2)
    await source.publish(*(person(n) for n in range(40)))
    part = await pull(consumer, name)
    lease = next(one for one in part.leases if one.lane == part.changes[-1].lane)
    other = next(c.offset for c in part.changes if c.lane != lease.lane)
    await not_delivered(consumer, name, lease, other)
    mine = next(c.offset for c in part.changes if c.lane == lease.lane)
    assert (await reject(consumer, name, lease, mine, permanent=True)).dead_letter


async def test_what_is_hidden_is_not_found_by_rejecting_it(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    terms = {"row_filter": (HERE,), "reason": "仅限示范县"}
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}, **terms), EARLIEST)
    await source.publish(born(1, "甲", 1), [*person(2, "乙")[:3], "990202"])
    await source.publish(born(1, "甲", 2))
    await source.publish(born(1, "丙", 2))
    part = await pull(consumer, name)
    assert [c.offset for c in part.changes] == [1, 4]
    for hidden in (2, 3):
        await not_delivered(consumer, name, part.leases[0], hidden)


async def test_what_a_snapshot_delivered_is_rejected_though_it_is_superseded_since(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1, "甲"), person(2, "乙"), person(3, "丙"))
    await source.publish(person(2, "丁"))
    name = await subscribe(consumer, node.grant({"name": Mask.WHOLE}), SNAPSHOT)
    part = await pull(consumer, name)
    assert [c.offset for c in part.changes] == [1, 3, 4]
    await not_delivered(consumer, name, part.leases[0], 2)  # passed by
    await source.publish(person(1, "戊"))
    assert (await reject(consumer, name, part.leases[0], 1, permanent=True)).dead_letter


async def test_nothing_is_rejected_under_a_grant_that_ended(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    name = await subscribe(consumer, grant, EARLIEST)
    await source.publish(person(1, "甲"))
    (lease,) = (await pull(consumer, name)).leases
    await source.grants.RevokeGrant(
        grants_pb2.RevokeGrantRequest(name=grant, reason="结束", request_id=str(uuid.uuid4()))
    )
    error = await refusal(reject(consumer, name, lease, 1, permanent=True))
    assert error.reason == "GRANT_REVOKED"
