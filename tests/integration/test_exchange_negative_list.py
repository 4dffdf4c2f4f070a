"""What gets onto the negative list is read no longer under grants that stand; over mTLS."""

import uuid
from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.grants.model import Mask, Operation
from exchange.v1 import (
    delivery_pb2,
    discovery_pb2,
    lists_pb2,
    oversight_pb2,
    query_pb2,
    spatial_pb2,
)
from runtime.errors import FailedPrecondition, NotFound, PermissionDenied
from tests.builders.catalog import AUDITOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller, put
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tests.builders.spatial import ITEMS, PARCELS, parcels, point

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
MASKS = {"name": Mask.WHOLE, "birth_date": Mask.YEAR}
ROW = f"{CIVIL}/negatives/residents"
TODAY = "2026-03-02"
DAY = timedelta(days=1)
REASON = "ON_NEGATIVE_LIST"


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


async def keep_back(stubs, *items: str, name: str = ROW, from_day: str = TODAY, **row):
    asked = lists_pb2.Negative(
        name=name,
        display_name="不予共享的信息",
        items=items,
        legal_basis="示范县保密规定第三条",
        from_day=from_day,
        **row,
    )
    return await stubs.lists.PutNegative(
        lists_pb2.PutNegativeRequest(negative=asked, request_id=str(uuid.uuid4()))
    )


async def take_off(stubs, etag: str) -> None:
    await stubs.lists.RemoveNegative(
        lists_pb2.RemoveNegativeRequest(name=ROW, etag=etag, request_id=str(uuid.uuid4()))
    )


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
    return query_pb2.VerifyRequest(grant=grant, key=citizen_number(1), claims={item: "某甲"}, **WHY)


async def batch(stubs, grant: str):
    asked = query_pb2.BatchQueryRequest(grant=grant, keys=[citizen_number(1)], **WHY)
    (answer,) = [one async for one in stubs.query.BatchQuery(iter([asked]))]
    return answer


def paths(node, stubs, grant: str, subscription: str):
    """Every way to read all that a grant gives, by name."""
    then = Timestamp()
    then.FromDatetime(node.clock.now())
    pull = delivery_pb2.PullChangesRequest(subscription=subscription)
    stream = stubs.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=subscription))
    return {
        "query": stubs.query.Query(query(grant)),
        "several": stubs.query.Query(query(grant, key="", keys=[citizen_number(1)])),
        "as of": stubs.query.Query(query(grant, read_time=then)),
        "batch": batch(stubs, grant),
        "export": stubs.query.Export(query_pb2.ExportRequest(grant=grant, **WHY)),
        "pull": stubs.delivery.PullChanges(pull),
        "stream": stream.read(),
    }


def shown(told) -> dict[str, list[dict[str, str]]]:
    """What each way has shown of records."""
    return {
        path: [dict(answer.items)]
        if path in ("query", "as of")
        else [dict(one.items) for one in getattr(answer, "records", None) or answer.changes]
        for path, answer in told.items()
    }


async def test_an_item_is_read_no_longer_from_the_next_message_on(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(MASKS, operations=list(Operation))
    await source.publish(person(1))
    name = await subscribed(consumer, grant)
    live = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=await subscribed(consumer, grant))
    )
    assert dict((await live.read()).changes[0].items) == {"name": "某甲", "birth_date": "1990"}
    made = (await keep_back(source, "name")).negative
    await source.publish(person(2))
    assert dict((await live.read()).changes[0].items) == {"birth_date": "1990"}
    live.cancel()
    told = {path: await asked for path, asked in paths(node, consumer, grant, name).items()}
    for path, records in shown(told).items():
        assert (path, records) == (path, [{"birth_date": "1990"}] * len(records))
        assert records
    for asked in (
        consumer.query.Query(query(grant, items=["name"])),
        consumer.query.Verify(verify(grant, "name")),
    ):
        error = await refusal(asked)
        assert (type(error), error.reason) == (FailedPrecondition, REASON)
        assert "示范县保密规定第三条" in error.message
    # Its contract did not change: what is taken off the list is read again.
    await take_off(source, made.etag)
    again = {path: await asked for path, asked in paths(node, consumer, grant, name).items()}
    for records in shown(again).values():
        assert all("name" in record for record in records)


@pytest.mark.parametrize("items", [(), tuple(MASKS)], ids=["resource", "every item"])
async def test_where_nothing_is_left_every_reading_is_refused(node, items):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(MASKS, operations=list(Operation))
    await source.publish(person(1))
    name = await subscribed(consumer, grant)
    live = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    await live.read()
    await keep_back(source, *items)
    await source.publish(person(2))
    assert (await refusal(live.read())).reason == REASON
    every = paths(node, consumer, grant, name)
    every["verify"] = consumer.query.Verify(verify(grant, "birth_date"))
    for path, asked in every.items():
        assert (path, (await refusal(asked)).reason) == (path, REASON)


async def test_a_row_works_from_its_first_day_to_its_last(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(MASKS)
    await source.publish(person(1))
    await keep_back(source, "name", from_day="2026-03-04", until_day="2026-03-05")
    found = []
    for _ in range(5):  # at noon of each day
        found.append("name" in (await consumer.query.Query(query(grant))).items)
        node.clock.advance(DAY)
    assert found == [True, True, False, False, True]


async def test_a_geometry_that_is_kept_back_is_not_asked_by_place(tmp_path):
    async with exchange_node(tmp_path / "node") as node:
        put(node.service.database, parcels(), clock=node.clock)
        node.service.schemas.invalidate()
        source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        await source.publish(["p1", "某甲", point(10.0, 40.0)], resource=PARCELS, items=ITEMS)
        grant = node.grant(dict.fromkeys(ITEMS, Mask.WHOLE), resource=PARCELS)
        asked = spatial_pb2.SpatialQueryRequest(
            grant=grant, at=spatial_pb2.Place(longitude=10.0, latitude=40.0), **WHY
        )
        row = f"{CIVIL}/negatives/parcels"
        made = (await keep_back(source, "owner", name=row)).negative
        (record,) = (await consumer.spatial.SpatialQuery(asked)).records
        assert set(record.items) == {"parcel_number", "shape"}
        await keep_back(source, "shape", name=row, etag=made.etag)
        assert (await refusal(consumer.spatial.SpatialQuery(asked))).reason == REASON


async def test_grants_that_collide_are_told_to_who_writes_the_row(node):
    source = node.connect(caller(CIVIL))
    both = node.grant(MASKS)
    node.grant({"birth_date": Mask.WHOLE})
    over = node.grant(MASKS, days=1)
    others = node.grant({"name": Mask.LAST_FOUR}, department=HEALTH)
    node.clock.advance(2 * DAY)
    made = await keep_back(source, "name", "photo", from_day="2027-01-01")
    told = [(one.grant, one.consumer, list(one.items)) for one in made.collisions]
    assert sorted(told) == sorted([(both, HOUSING, ["name"]), (others, HEALTH, ["name"])])
    assert over not in {one.grant for one in made.collisions}
    seen, token = [], ""
    while True:
        page = await source.lists.ListGrantCollisions(
            lists_pb2.ListGrantCollisionsRequest(name=ROW, page_size=1, page_token=token)
        )
        seen += page.collisions
        if not (token := page.next_page_token):
            break
    assert seen == list(made.collisions)
    asked = lists_pb2.ListGrantCollisionsRequest(name=ROW)
    assert len((await node.connect(AUDITOR).lists.ListGrantCollisions(asked)).collisions) == 2
    error = await refusal(node.connect(caller(HOUSING)).lists.ListGrantCollisions(asked))
    assert (type(error), error.reason) == (PermissionDenied, "NOT_RESPONSIBLE")
    await take_off(source, made.negative.etag)
    assert isinstance(await refusal(source.lists.ListGrantCollisions(asked)), NotFound)


@pytest.mark.parametrize("items", [(), ("name",)])
async def test_explain_and_discover_say_so(node, items):
    node.grant({"name": Mask.WHOLE})
    source = node.connect(caller(CIVIL))
    asked = oversight_pb2.ExplainAccessRequest(resource=RESIDENTS, item="name")
    explain = node.connect(AUDITOR).oversight.ExplainAccess
    assert len((await explain(asked)).accesses) == 1
    before = Timestamp()
    before.FromDatetime(node.clock.now())
    node.clock.advance(DAY)
    await keep_back(source, *items, from_day="2026-03-01")
    assert not (await explain(asked)).accesses
    past = oversight_pb2.ExplainAccessRequest(resource=RESIDENTS, item="name", time=before)
    assert len((await explain(past)).accesses) == 1  # nobody had written the row yet
    found = await node.connect(caller(HOUSING)).discovery.Discover(discovery_pb2.DiscoverRequest())
    (one,) = (one for one in found.resources if one.resource == RESIDENTS)
    wanted = discovery_pb2.ACCESS_REQUESTABLE if items else discovery_pb2.ACCESS_CLOSED
    assert one.access == wanted
    assert not one.usable_items
