"""Where subscriptions begin, what they are shown of what was before, and snapshots."""

import uuid
from datetime import timedelta

import pyarrow as pa
import pyarrow.ipc
import pytest

from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import delivery_pb2 as pb
from tests.builders.catalog import CIVIL, HOUSING, NOON, RESIDENTS, caller
from tests.builders.exchange import ITEMS, batch, citizen_number, exchange_node, person, refusal
from tests.integration.test_exchange_row_filters import amend

HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("990101",))


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


async def subscribe(stubs, grant: str, start: int, **where) -> str:
    asked = pb.CreateSubscriptionRequest(
        parent=HOUSING,
        subscription_id=uuid.uuid4().hex,
        grant=grant,
        start=start,
        request_id=str(uuid.uuid4()),
        **where,
    )
    return (await stubs.delivery.CreateSubscription(asked)).subscription.name


async def read(stubs, name: str, *, max_changes: int = 0, acknowledge: bool = True) -> list:
    """All changes that there are, as (offset, type, name)."""
    found = []
    while True:
        part = await stubs.delivery.PullChanges(
            pb.PullChangesRequest(subscription=name, max_changes=max_changes)
        )
        found += [
            (c.offset, "gone" if c.type == pb.CHANGE_TYPE_WITHDRAW else c.items.get("name", ""))
            for c in part.changes
        ]
        if not part.changes or not acknowledge:
            return found
        await stubs.delivery.AcknowledgeChanges(
            pb.AcknowledgeChangesRequest(subscription=name, cursor=part.cursor)
        )


async def some_history(source) -> None:
    """Offsets 1-3 甲 乙 丙, 4 乙 is 丁, 5 丙 is withdrawn."""
    await source.publish(person(1, "甲"), person(2, "乙"), person(3, "丙"))
    await source.publish(person(2, "丁"))
    await source.publish(withdraw=[citizen_number(3)])


async def test_a_new_grant_shows_of_what_was_before_only_what_is_held(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await some_history(source)
    grant = node.grant({"name": Mask.WHOLE})
    await source.publish(person(4, "戊"))
    await source.publish(person(4, "己"))
    after = [(6, "戊"), (7, "己")]
    starts = {
        pb.START_POSITION_EARLIEST: [(1, "甲"), (4, "丁"), *after],
        pb.START_POSITION_SNAPSHOT: [(1, "甲"), (4, "丁"), (7, "己")],
        pb.START_POSITION_NOW: [],
    }
    for start, expected in starts.items():
        for limit in (0, 1):
            name = await subscribe(consumer, grant, start)
            assert await read(consumer, name, max_changes=limit) == expected
    name = await subscribe(consumer, grant, pb.START_POSITION_OFFSET, start_offset=1)
    assert await read(consumer, name) == [(4, "丁"), *after]
    stream = consumer.delivery.Subscribe(pb.SubscribeRequest(subscription=await subscribe(
        consumer, grant, pb.START_POSITION_EARLIEST)))  # fmt: skip
    sent = await stream.read()
    stream.cancel()
    assert [c.offset for c in sent.changes] == [1, 4, 6, 7]


async def test_a_decision_may_include_history(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await some_history(source)
    grant = node.grant({"name": Mask.WHOLE}, include_history=True)
    everything = [(1, "甲"), (2, "乙"), (3, "丙"), (4, "丁"), (5, "gone")]
    name = await subscribe(consumer, grant, pb.START_POSITION_EARLIEST)
    assert await read(consumer, name, max_changes=2) == everything
    name = await subscribe(consumer, grant, pb.START_POSITION_SNAPSHOT)
    assert await read(consumer, name, max_changes=1) == [(1, "甲"), (4, "丁")]
    plain = node.grant({"name": Mask.WHOLE})
    contracts = {node.service.grants._kept.get(one).contract_hash for one in (grant, plain)}
    assert len(contracts) == 2


async def test_a_second_grant_does_not_undo_a_narrowing(node):
    """What was withheld by the first grant while it was narrow is not replayed by the next."""
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    node.grant({"name": Mask.WHOLE})
    await source.publish(person(1, "秘密"))
    await source.publish(person(1, "公开"))
    second = node.grant({"name": Mask.WHOLE})
    name = await subscribe(consumer, second, pb.START_POSITION_EARLIEST)
    assert await read(consumer, name) == [(2, "公开")]


async def test_what_an_amendment_newly_lets_be_read_is_compacted_before_it(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, operations=[Operation.VERIFY])
    await some_history(source)
    amend(node, grant, {"name": Mask.WHOLE}, operations=[Operation.VERIFY, Operation.SUBSCRIBE])
    name = await subscribe(consumer, grant, pb.START_POSITION_EARLIEST)
    assert await read(consumer, name) == [(1, "甲"), (4, "丁")]


async def test_a_row_filter_holds_in_a_compacted_reading(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    elsewhere = [*person(2, "外")[:3], "990102"]
    await source.publish(person(1, "甲"), person(2, "乙"))
    await source.publish(elsewhere)
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
    name = await subscribe(consumer, grant, pb.START_POSITION_SNAPSHOT)
    assert await read(consumer, name) == [(1, "甲")]
    await source.publish([*person(1, "甲")[:3], "990102"])
    assert await read(consumer, name) == [(4, "gone")]


async def test_a_snapshot_is_followed_by_changes_without_a_gap(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(*(person(n, "旧") for n in range(1, 7)))
    name = await subscribe(consumer, node.grant(), pb.START_POSITION_SNAPSHOT)
    first = await read(consumer, name, max_changes=2, acknowledge=False)
    assert first == [(1, "旧"), (2, "旧")]
    await consumer.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=name, cursor=2)
    )
    # Changed and withdrawn while it is being read: they come once, at the end of the log.
    await source.publish(person(1, "新"), person(3, "新"), withdraw=[citizen_number(4)])
    rest = await read(consumer, name, max_changes=2)
    assert rest == [(5, "旧"), (6, "旧"), (7, "新"), (8, "新"), (9, "gone")]


async def test_a_subscription_begins_at_a_time_or_after_an_offset(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    for number, name in enumerate("甲乙丙"):
        node.clock.set(NOON + timedelta(minutes=number))
        await source.publish(person(1, name))
    at = {NOON: "甲乙丙", NOON + timedelta(seconds=61): "丙", NOON + timedelta(hours=1): ""}
    for moment, expected in at.items():
        one = await subscribe(consumer, grant, pb.START_POSITION_TIME, start_time=moment)
        assert "".join(name for _, name in await read(consumer, one)) == expected
    one = await subscribe(consumer, grant, pb.START_POSITION_OFFSET, start_offset=2)
    assert await read(consumer, one) == [(3, "丙")]
    position = pb.START_POSITION_OFFSET
    error = await refusal(subscribe(consumer, grant, position, start_offset=4))
    assert error.reason == "CURSOR_BEYOND_LOG"
    for wrong in (
        {"start": position, "start_offset": -1},
        {"start": pb.START_POSITION_TIME},
        {"start": 77},
    ):
        error = await refusal(subscribe(consumer, grant, **wrong))
        assert error.reason == "BAD_START"


async def test_a_published_snapshot_withdraws_what_it_leaves_out(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    name = await subscribe(consumer, node.grant(), pb.START_POSITION_NOW)
    await source.publish(person(1, "甲"), person(2, "乙"), person(3, "丙"))

    def snapshot(*rows, request_id: str, **how) -> list:
        messages = batch(*rows, request_id=request_id, **how)
        messages[0].header.mode = pb.PUBLISH_MODE_SNAPSHOT
        return messages

    whole = snapshot(person(1, "甲"), person(3, "丁"), person(4, "戊"), request_id="one")
    done = await source.delivery.Publish(iter(whole))
    assert (done.upserted, done.withdrawn, done.unchanged, done.offset) == (2, 1, 1, 6)
    assert await source.delivery.Publish(iter(whole)) == done
    assert await read(consumer, name) == [
        (1, "甲"), (2, "乙"), (3, "丙"), (4, "丁"), (5, "戊"), (6, "gone"),
    ]  # fmt: skip
    error = await refusal(source.publish(person(1), person(3, "丁"), request_id="one"))
    assert error.reason == "REQUEST_ID_REUSED"
    refused = {
        "SNAPSHOT_EMPTY": snapshot(request_id="two"),
        "ROWS_REJECTED": snapshot(person(1), withdraw=[citizen_number(3)], request_id="three"),
    }
    for reason, messages in refused.items():
        error = await refusal(source.delivery.Publish(iter(messages)))
        assert error.reason == reason
    unknown = batch(person(1))
    unknown[0].header.mode = 9
    assert (await refusal(source.delivery.Publish(iter(unknown)))).reason == "BAD_HEADER"
    assert [leaf.get("mode") for leaf in node.leaves("batch_published")] == [None, "snapshot"]


async def test_a_batch_may_come_as_arrow(node):
    source = node.connect(caller(CIVIL))
    rows = [person(n, f"某{n}") for n in range(1, 6)]

    def part(rows: list[list[str]], **more) -> bytes:
        columns = dict(zip(ITEMS, map(list, zip(*rows, strict=True)), strict=True)) | more
        made = pa.record_batch(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, made.schema) as writer:
            writer.write_batch(made)
        return sink.getvalue().to_pybytes()

    def messages(*parts: bytes, request_id: str) -> list[pb.PublishRequest]:
        header = pb.PublishHeader(resource=RESIDENTS, items=ITEMS, request_id=request_id)
        made = [pb.PublishRequest(header=header), *(pb.PublishRequest(arrow=p) for p in parts)]
        made[-1].last = True
        return made

    arrow = messages(part(rows[:3]), part(rows[3:]), request_id="one")
    done = await source.delivery.Publish(iter(arrow))
    assert (done.upserted, done.offset) == (5, 5)
    # The rows are the same batch, however they come.
    assert await source.publish(*rows, request_id="one") == done
    assert (await source.publish(*rows)).unchanged == 5
    flags = {"tongban.withdraw": [True, False]}
    mixed = messages(part([rows[0], person(2, "另")], **flags), request_id="two")
    done = await source.delivery.Publish(iter(mixed))
    assert (done.upserted, done.withdrawn) == (1, 1)
    wrong = messages(part([person(1), ["1", "某", "x", "990101"]]), request_id="three")
    error = await refusal(source.delivery.Publish(iter(wrong)))
    assert error.reason == "ROWS_REJECTED"
    assert {v.field for v in error.violations} == {
        "rows[1].citizen_number", "rows[1].birth_date",
    }  # fmt: skip
    error = await refusal(source.delivery.Publish(iter(messages(b"x", request_id="four"))))
    assert error.reason == "BAD_ARROW"
