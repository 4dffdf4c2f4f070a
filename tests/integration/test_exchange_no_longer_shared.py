"""What the catalog takes back is shown on no path, whatever grants say; over mTLS."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.catalog import service
from exchange.catalog.directory import Withdrawal
from exchange.catalog.model import EntryState, SharingType
from exchange.grants.model import Mask, Operation
from exchange.v1 import delivery_pb2, discovery_pb2, oversight_pb2, query_pb2, spatial_pb2
from runtime.errors import FailedPrecondition, PermissionDenied
from tests.builders.catalog import AUDITOR, CIVIL, HOUSING, RESIDENTS, caller, put, resource
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tests.builders.spatial import ITEMS, PARCELS, parcels, point

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
MASKS = {"name": Mask.WHOLE, "birth_date": Mask.YEAR}
EVERY = list(Operation)
CLOSED = [
    ({"state": EntryState.WITHDRAWN}, "RESOURCE_WITHDRAWN"),
    ({"sharing_type": SharingType.NOT_SHARED, "legal_basis": "l"}, "RESOURCE_NOT_SHARED"),
]


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


def change(node, made) -> None:
    if made.state is EntryState.WITHDRAWN:
        with node.service.database.unit_of_work() as work:
            service.apply_directory(
                work,
                caller(CIVIL),
                changes=[Withdrawal(name=made.name)],
                source="test",
                clock=node.clock,
            )
    else:
        put(node.service.database, made, clock=node.clock)
    node.service.schemas.invalidate()


async def subscribed(stubs, grant: str) -> str:
    made = await stubs.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id=uuid.uuid4().hex,
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id=str(uuid.uuid4()),
        )
    )
    return made.subscription.name


def query(grant: str, **how) -> query_pb2.QueryRequest:
    return query_pb2.QueryRequest(grant=grant, **({"key": citizen_number(1)} | how), **WHY)


def verify(grant: str, item: str) -> query_pb2.VerifyRequest:
    key = citizen_number(1)
    return query_pb2.VerifyRequest(grant=grant, key=key, claims={item: "某甲"}, **WHY)


async def batch(stubs, grant: str):
    asked = query_pb2.BatchQueryRequest(grant=grant, keys=[citizen_number(1)], **WHY)
    (answer,) = [one async for one in stubs.query.BatchQuery(iter([asked]))]
    return answer


def paths(node, stubs, grant: str, subscription: str):
    """Every way to read, by name."""
    then = Timestamp()
    then.FromDatetime(node.clock.now())
    pull = delivery_pb2.PullChangesRequest(subscription=subscription)
    stream = stubs.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=subscription))
    return {
        "query": stubs.query.Query(query(grant)),
        "several": stubs.query.Query(query(grant, key="", keys=[citizen_number(1)])),
        "as of": stubs.query.Query(query(grant, read_time=then)),
        "verify": stubs.query.Verify(verify(grant, "name")),
        "batch": batch(stubs, grant),
        "export": stubs.query.Export(query_pb2.ExportRequest(grant=grant, **WHY)),
        "pull": stubs.delivery.PullChanges(pull),
        "stream": stream.read(),
        "subscription": subscribed(stubs, grant),
    }


@pytest.mark.parametrize(("closing", "reason"), CLOSED, ids=lambda one: str(one)[:20])
async def test_a_closed_resource_is_read_on_no_path(node, closing, reason):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(MASKS, operations=EVERY)
    await source.publish(person(1))
    name = await subscribed(consumer, grant)
    for path in paths(node, consumer, grant, name).values():
        await path
    live = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=await subscribed(consumer, grant))
    )
    assert len((await live.read()).changes) == 1
    change(node, resource(**closing))
    if reason == "RESOURCE_NOT_SHARED":  # what is withdrawn takes no data
        await source.publish(person(2))
    ended = await refusal(live.read())
    assert (type(ended), ended.reason) == (FailedPrecondition, reason)
    for path, asked in paths(node, consumer, grant, name).items():
        error = await refusal(asked)
        assert (path, type(error), error.reason) == (path, FailedPrecondition, reason)
    # The grants stand: what is shared again is read again.
    change(node, resource())
    for path in paths(node, consumer, grant, name).values():
        await path


@pytest.mark.parametrize(("closing", "reason"), CLOSED, ids=lambda one: str(one)[:20])
async def test_a_closed_resource_is_not_asked_by_place(node, closing, reason):
    put(node.service.database, parcels(), clock=node.clock)
    node.service.schemas.invalidate()
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(["p1", "某甲", point(10.0, 40.0)], resource=PARCELS, items=ITEMS)
    grant = node.grant(dict.fromkeys(ITEMS, Mask.WHOLE), resource=PARCELS)
    asked = spatial_pb2.SpatialQueryRequest(
        grant=grant, at=spatial_pb2.Place(longitude=10.0, latitude=40.0), **WHY
    )
    assert (await consumer.spatial.SpatialQuery(asked)).records
    change(node, replace(parcels(), **closing))
    assert (await refusal(consumer.spatial.SpatialQuery(asked))).reason == reason


async def test_an_item_that_was_taken_out_is_shown_no_longer(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(MASKS, operations=EVERY)
    await source.publish(person(1))
    name = await subscribed(consumer, grant)
    left = tuple(item for item in resource().items if item.code != "name")
    change(node, resource(items=left))
    shown = {"birth_date": "1990"}
    del_name = paths(node, consumer, grant, name)
    error = await refusal(del_name.pop("verify"))
    assert (type(error), error.reason) == (PermissionDenied, "ITEM_NOT_IN_RESOURCE")
    told = {path: await asked for path, asked in del_name.items()}
    assert dict(told["query"].items) == dict(told["as of"].items) == shown
    assert [dict(one.items) for one in told["several"].records] == [shown]
    assert [dict(one.items) for one in told["batch"].records] == [shown]
    assert [dict(one.items) for one in told["export"].records] == [shown]
    for path in ("pull", "stream"):
        assert [dict(one.items) for one in told[path].changes] == [shown]
    error = await refusal(consumer.query.Query(query(grant, items=["name"])))
    assert error.reason == "ITEM_NOT_IN_RESOURCE"


@pytest.mark.parametrize(("closing", "reason"), CLOSED, ids=lambda one: str(one)[:20])
async def test_explain_and_discover_say_so(node, closing, reason):
    node.grant(MASKS, operations=EVERY)
    asked = oversight_pb2.ExplainAccessRequest(resource=RESIDENTS)
    explain = node.connect(AUDITOR).oversight.ExplainAccess
    assert len((await explain(asked)).accesses) == 1
    before = Timestamp()
    before.FromDatetime(node.clock.now())
    node.clock.advance(timedelta(days=1))
    change(node, resource(**closing))
    assert not (await explain(asked)).accesses
    past = oversight_pb2.ExplainAccessRequest(resource=RESIDENTS, time=before)
    assert len((await explain(past)).accesses) == 1
    found = await node.connect(caller(HOUSING)).discovery.Discover(
        discovery_pb2.DiscoverRequest(show_withdrawn=True)
    )
    (one,) = (one for one in found.resources if one.resource == RESIDENTS)
    assert one.access == discovery_pb2.ACCESS_CLOSED
    assert not one.usable_items
