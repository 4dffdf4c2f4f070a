"""Alerts come of what was answered, however a call ends and whatever else it asked."""

import asyncio
import uuid

import pytest

from exchange.grants.model import Mask, Operation
from exchange.monitoring.looking import some_of
from exchange.monitoring.model import KEYS_OF_A_CALL
from exchange.v1 import delivery_pb2, files_pb2, monitoring_pb2, query_pb2
from runtime.identity import Role
from tests.builders.catalog import AUDITOR, CIVIL, HOUSING, RESIDENTS, caller
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
MANY = 60


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path) as started:
        source = started.connect(caller(CIVIL))
        await source.publish(*(person(number) for number in range(1, MANY)))
        yield started


async def alerts(node, kind: int) -> dict[str, int]:
    await asyncio.to_thread(node.service.monitoring.flush)
    overseer = node.connect(AUDITOR)
    for _ in range(40):  # what the node's own thread took is written by it
        told = await overseer.monitoring.ListAlerts(monitoring_pb2.ListAlertsRequest())
        found = {one.subject: one.count for one in told.alerts if one.kind == kind}
        if found:
            return found
        await asyncio.sleep(0.1)
    return {}


def asked(grant: str, *numbers: int, **other) -> query_pb2.BatchQueryRequest:
    keys = [citizen_number(number) for number in numbers]
    return query_pb2.BatchQueryRequest(grant=grant, keys=keys, **(WHY | other))


async def cancelled(stubs, grant: str) -> None:
    async def questions():
        yield asked(grant, *range(1, MANY))
        await asyncio.sleep(60)

    call = stubs.query.BatchQuery(questions())
    assert len((await call.read()).records) == MANY - 1
    call.cancel()


async def ended_badly(stubs, grant: str) -> None:
    call = stubs.query.BatchQuery(
        iter([asked(grant, *range(1, MANY)), asked(grant, 1, purpose="", case_number="")])
    )
    assert len((await call.read()).records) == MANY - 1
    await refusal(call.read())


async def mixed_with_another(stubs, grant: str, other: str) -> None:
    call = stubs.query.BatchQuery(iter([asked(grant, *range(1, MANY)), asked(other, 1)]))
    assert [len(one.records) async for one in call] == [MANY - 1, 1]


@pytest.mark.parametrize("way", ["cancelled", "ended badly", "mixed with another"])
async def test_a_batch_in_sequence_is_seen_however_it_ends(node, way):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant()
    if way == "cancelled":
        await cancelled(consumer, grant)
    elif way == "ended badly":
        await ended_badly(consumer, grant)
    else:
        await mixed_with_another(consumer, grant, node.grant())
    found = await alerts(node, monitoring_pb2.ALERT_KIND_SEQUENTIAL_KEYS)
    assert list(found) == [grant]


async def test_what_a_subscription_delivers_counts_for_its_grant(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, operations=[Operation.SUBSCRIBE])
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING, subscription_id="all", grant=grant, request_id=str(uuid.uuid4()),
            start=delivery_pb2.START_POSITION_EARLIEST,
        )
    )  # fmt: skip
    node.service.monitoring._watch._rules = _strict(node)
    name = made.subscription.name
    pulled = await consumer.delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=name))
    assert len(pulled.changes) == MANY - 1
    found = await alerts(node, monitoring_pb2.ALERT_KIND_UNUSUAL_VOLUME)
    assert found == {grant: MANY - 1}
    overseer = node.connect(AUDITOR)
    told = await overseer.monitoring.ListCallRecords(
        monitoring_pb2.ListCallRecordsRequest(system=caller(HOUSING).system)
    )
    (record,) = [one for one in told.records if one.method.endswith("PullChanges")]
    assert (record.grant, record.resource, record.rows) == (grant, RESIDENTS, MANY - 1)


@pytest.mark.parametrize("way", ["pages", "files"])
async def test_what_is_exported_counts_for_its_grant(node, way):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, operations=[Operation.EXPORT])
    node.service.monitoring._watch._rules = _strict(node)
    if way == "pages":
        await consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
    else:
        request = files_pb2.CreateExportJobRequest(
            parent=HOUSING, grant=grant, request_id=str(uuid.uuid4()), **WHY
        )
        made = (await consumer.files.CreateExportJob(request)).export_job
        while made.state != files_pb2.EXPORT_JOB_STATE_SUCCEEDED:
            await asyncio.sleep(0.05)
            asked = files_pb2.GetExportJobRequest(name=made.name)
            made = (await consumer.files.GetExportJob(asked)).export_job
    assert await alerts(node, monitoring_pb2.ALERT_KIND_UNUSUAL_VOLUME) == {grant: MANY - 1}
    told = await node.connect(AUDITOR).monitoring.ListCallRecords(
        monitoring_pb2.ListCallRecordsRequest(system=caller(HOUSING).system)
    )
    method = "Export" if way == "pages" else "CreateExportJob"
    (record,) = [one for one in told.records if one.method.endswith(f"/{method}")]
    assert (record.grant, record.resource) == (grant, RESIDENTS)
    assert record.purpose_hash


async def test_a_counter_that_asks_about_one_after_the_other_is_seen(node):
    counter = caller(HOUSING, Role.COUNTER)
    desk = node.connect(counter)
    for number in range(1, 40):
        await desk.query.MyAccess(
            query_pb2.MyAccessRequest(key=citizen_number(number), case_number="1")
        )
    found = await alerts(node, monitoring_pb2.ALERT_KIND_SEQUENTIAL_KEYS)
    assert list(found) == [counter.system]


def _strict(node):
    rules = node.service.monitoring._watch._rules
    return type(rules)(volume_factor=1, volume_floor=10, hours=rules.hours)


def test_keys_are_looked_at_in_their_own_order_from_where_nobody_foretells():
    keys = [f"{number:06}" for number in range(5 * KEYS_OF_A_CALL)]
    begins = set()
    for _ in range(50):
        some = some_of(keys[::-1])
        first = int(some[0])
        assert list(some) == keys[first : first + KEYS_OF_A_CALL]
        begins.add(first)
    assert len(begins) > 10
