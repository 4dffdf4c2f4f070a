"""Publishing over mTLS, on each database: batches, senders that fail, refusals."""

import asyncio

import pytest

from exchange.delivery import publishing
from exchange.delivery.places import Room
from exchange.v1 import catalog_pb2, delivery_pb2
from runtime.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Role
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, RESIDENTS, caller
from tests.builders.exchange import (
    ITEMS,
    batch,
    citizen_number,
    exchange_node,
    person,
    refusal,
)
from tests.builders.questions import ask, eventually


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


@pytest.fixture
async def embedded(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def test_publishing_again_changing_and_withdrawing(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2))
    again = await source.publish(person(1), person(2))
    assert (again.upserted, again.unchanged, again.offset) == (0, 2, 2)
    changed = await source.publish(person(1), person(2, "某丙"), withdraw=[citizen_number(3)])
    assert (changed.upserted, changed.withdrawn, changed.unchanged) == (1, 0, 2)
    gone = await source.publish(withdraw=[citizen_number(1)])
    assert (gone.withdrawn, gone.offset) == (1, 4)
    grant = node.grant()
    assert not (await consumer.query.Query(ask(grant, 1))).found
    assert (await consumer.query.Query(ask(grant, 2))).items["name"] == "某丙"
    kinds = node.leaves("batch_published")
    assert [leaf["upserted"] for leaf in kinds] == [2, 0, 1, 0]


async def test_a_batch_is_taken_once_by_its_request_id(node):
    source = node.connect(caller(CIVIL))
    first = await source.publish(person(1), person(2), request_id="one")
    repeated = await source.publish(person(1), person(2), request_id="one", parts=2)
    assert repeated == first
    error = await refusal(source.publish(person(1), person(3), request_id="one"))
    assert isinstance(error, AlreadyExists)
    assert error.reason == "REQUEST_ID_REUSED"
    assert len(node.leaves("batch_published")) == 1
    error = await refusal(source.delivery.Publish(iter([delivery_pb2.PublishRequest(
        header=delivery_pb2.PublishHeader(resource=RESIDENTS, items=ITEMS))])))  # fmt: skip
    assert error.reason == "REQUEST_ID_REQUIRED"


async def test_what_is_under_way_is_bounded_and_given_back(embedded, monkeypatch):
    """A batch waits in memory for its end: any number of them must not."""
    room = Room(whole=3_000, share=3_000)
    monkeypatch.setattr(embedded.service._delivery._publishing, "_room", room)
    source = embedded.connect(caller(CIVIL))
    go_on = asyncio.Event()

    async def slowly(sent: asyncio.Event):
        first, *rest = batch(*map(person, range(8)))
        yield first
        for part in rest:
            yield part
        sent.set()
        await go_on.wait()

    sent = asyncio.Event()
    under_way = source.delivery.Publish(slowly(sent))
    await sent.wait()
    await eventually(lambda: room._held.total() > 1_000)
    error = await refusal(source.publish(*map(person, range(10, 18))))
    assert error.reason == "TOO_MUCH_UNDER_WAY"
    go_on.set()
    assert (await under_way).upserted == 8
    await eventually(lambda: room._held.total() == 0)
    assert (await source.publish(*map(person, range(10, 18)))).upserted == 8


async def test_a_sender_that_falls_silent_is_given_up(embedded, monkeypatch):
    monkeypatch.setattr(publishing, "SILENT_SECONDS", 0.2)
    source = embedded.connect(caller(CIVIL))

    async def silent():
        yield batch(person(1))[0]
        await asyncio.sleep(30)

    assert (await refusal(source.delivery.Publish(silent()))).reason == "SENDER_SILENT"


async def test_a_sender_who_is_cut_off_has_published_nothing(embedded):
    source, consumer = embedded.connect(caller(CIVIL)), embedded.connect(caller(HOUSING))
    held = embedded.service._delivery._publishing._room._held
    header, *rows, last = batch(*map(person, range(8)), request_id="cut-off", parts=4)

    async def cut_off(sent: asyncio.Event):
        yield header
        for part in rows:
            yield part
        sent.set()
        await asyncio.sleep(30)

    for _ in range(5):
        sent = asyncio.Event()
        under_way = source.delivery.Publish(cut_off(sent))
        await sent.wait()
        await eventually(lambda: held.total() > 0)
        under_way.cancel()
        await eventually(lambda: held.total() == 0)
    assert not (await consumer.query.Query(ask(embedded.grant(), 0))).found
    whole = await source.delivery.Publish(iter([header, *rows, last]))
    assert (whole.offset, whole.upserted) == (8, 8)


async def test_a_batch_with_wrong_rows_is_refused_whole(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    rows = [person(n) for n in range(20)]
    rows[17][1] = ""
    rows[18][2] = "1990-02-31"
    error = await refusal(source.publish(*rows, parts=3))
    assert isinstance(error, InvalidArgument)
    assert error.reason == "ROWS_REJECTED"
    assert error.metadata == {"rejected": "2"}
    assert [v.field for v in error.violations] == ["rows[17].name", "rows[18].birth_date"]
    assert "1990-02-31" not in error.message + error.message_zh + repr(error.violations)
    assert not (await consumer.query.Query(ask(node.grant(), 0))).found
    assert (await source.publish(person(1))).offset == 1


async def test_publishing_is_refused(node):
    source, stranger = node.connect(caller(CIVIL)), node.connect(caller(HEALTH))
    error = await refusal(stranger.publish(person(1)))
    assert (type(error), error.reason) == (PermissionDenied, "NOT_THE_SOURCE")
    auditor = node.connect(caller(CIVIL, Role.AUDITOR))
    assert (await refusal(auditor.publish(person(1)))).reason == "ROLE_NOT_ALLOWED"
    error = await refusal(source.publish(resource=f"{CIVIL}/resources/absent"))
    assert (type(error), error.reason) == (NotFound, "RESOURCE_NOT_FOUND")
    error = await refusal(source.publish(items=["name"]))
    assert (type(error), error.reason) == (InvalidArgument, "BAD_HEADER")
    error = await refusal(source.delivery.Publish(iter([])))
    assert error.reason == "HEADER_REQUIRED"
    error = await refusal(source.delivery.Publish(iter(batch(person(1))[1:])))
    assert error.reason == "HEADER_REQUIRED"
    header, rows = batch(person(1))
    error = await refusal(source.delivery.Publish(iter([header, header, rows])))
    assert error.reason == "HEADER_REQUIRED"
    error = await refusal(source.delivery.Publish(iter([header, rows, rows])))
    assert (type(error), error.reason) == (Aborted, "BATCH_NOT_WHOLE")
    error = await refusal(source.delivery.Publish(iter([header])))
    assert error.reason == "BATCH_NOT_WHOLE"
    withdraw = catalog_pb2.DirectoryChange(withdraw=RESIDENTS)
    await source.catalog.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(changes=[withdraw], request_id="w", source="test")
    )
    error = await refusal(source.publish(person(1)))
    assert (type(error), error.reason) == (FailedPrecondition, "RESOURCE_WITHDRAWN")
