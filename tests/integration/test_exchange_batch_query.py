"""Many records in one call, over mTLS and on each database: whole chunks, in turn, each proven."""

import asyncio

import grpc
import orjson
import pytest

from exchange.grants.model import Mask
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import query_pb2
from runtime.records import canonical, commit
from runtime.status import from_rpc_error
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import citizen_number, exchange_node, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        await started.connect(caller(CIVIL)).publish(
            *([citizen_number(n), f"某{n}", "1990-01-02", "990101"] for n in range(1, 40)),
            [citizen_number(50), "某远", "1990-01-02", "980101"],
        )
        yield started


def chunk(grant: str, *serials: int, **more) -> query_pb2.BatchQueryRequest:
    keys = [citizen_number(serial) for serial in serials]
    return query_pb2.BatchQueryRequest(grant=grant, keys=keys, **WHY, **more)


async def answers(stubs, *chunks):
    return [answer async for answer in stubs.query.BatchQuery(iter(chunks))]


async def failure(stubs, *chunks):
    """What was answered, and the error that the stream then ended with."""
    told = []
    try:
        async for answer in stubs.query.BatchQuery(iter(chunks)):
            told.append(answer)  # noqa: PERF401  # what came before the error counts
    except grpc.aio.AioRpcError as error:
        return told, from_rpc_error(error)
    raise AssertionError("the call was not refused")


def names_of(answer) -> list[str | None]:
    return [record.items["name"] if record.found else None for record in answer.records]


async def test_each_chunk_is_answered_in_order_with_a_leaf_of_its_own(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    asked = [chunk(grant, 3, 99, 1), chunk(grant, 2, items=["name"]), chunk(grant, 98)]
    told = await answers(consumer, *asked)
    assert [names_of(one) for one in told] == [["某3", None, "某1"], ["某2"], [None]]
    assert dict(told[0].records[0].items) == {"name": "某3", "birth_date": "1990"}
    assert dict(told[1].records[0].items) == {"name": "某2"}
    for request, answer in zip(asked, told, strict=True):
        leaf, salt = orjson.loads(answer.receipt.leaf), answer.receipt.salt
        assert (leaf["kind"], leaf["count"]) == ("batch_query", len(request.keys))
        assert leaf["found"] == sum(record.found for record in answer.records)
        keys, items = list(request.keys), list(request.items)
        records = [{"found": r.found, "items": dict(r.items)} for r in answer.records]
        openings = {
            "keys": canonical(keys),
            "purpose": WHY["purpose"].encode(),
            "case_number": WHY["case_number"].encode(),
            "request": canonical({"grant": grant, "keys": keys, "items": items, **WHY}),
            "answer": canonical({"records": records}),
            "salt": b"",
        }
        assert leaf["commitments"] == {k: commit(salt, k, v) for k, v in openings.items()}
        assert not any(key.encode() in answer.receipt.leaf for key in keys)


async def test_a_caller_may_wait_for_each_answer_before_it_asks_on(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant()
    call = consumer.query.BatchQuery()
    for serial in (1, 2, 3):
        await call.write(chunk(grant, serial))
        answer = await asyncio.wait_for(call.read(), 20)
        assert names_of(answer) == [f"某{serial}"]
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_few_keys_in_one_plain_call(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant()
    keys = [citizen_number(n) for n in (1, 99)]
    told = await consumer.query.Query(query_pb2.QueryRequest(grant=grant, keys=keys, **WHY))
    assert (told.found, dict(told.items), names_of(told)) == (True, {}, ["某1", None])
    assert orjson.loads(told.receipt.leaf)["kind"] == "batch_query"
    for wrong in ({"keys": keys, "key": keys[0]}, {"keys": keys * 60}, {"keys": keys[:1] * 2}):
        error = await refusal(consumer.query.Query(query_pb2.QueryRequest(
            grant=grant, **WHY, **wrong
        )))  # fmt: skip
        assert error.reason == "BAD_KEYS"


async def test_what_was_answered_stays_when_a_later_chunk_is_refused(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant()
    bad = query_pb2.BatchQueryRequest(grant=grant, keys=[citizen_number(1), "123"], **WHY)
    told, error = await failure(consumer, chunk(grant, 1), bad, chunk(grant, 2))
    assert [names_of(one) for one in told] == [["某1"]]
    assert error.reason == "MALFORMED_KEY"
    assert [violation.field for violation in error.violations] == ["keys[1]"]
    assert "123" not in error.message + error.message_zh + repr(error.violations)
    for keys in ([], [citizen_number(1)] * 2, [citizen_number(n) for n in range(1, 1002)]):
        wrong = query_pb2.BatchQueryRequest(grant=grant, keys=keys, **WHY)
        assert (await failure(consumer, wrong))[1].reason == "BAD_KEYS"
    told, error = await failure(consumer, chunk(grant, 1, items=["region"]))
    assert (told, error.reason) == ([], "ITEM_NOT_GRANTED")
    told, error = await failure(node.connect(caller(CIVIL)), chunk(grant, 1))
    assert (told, error.reason) == ([], "GRANT_NOT_FOUND")


async def test_a_quota_is_never_overdrawn_and_a_chunk_takes_all_or_nothing(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(daily_quota=10)
    told, error = await failure(consumer, chunk(grant, 1, 2, 3, 4), chunk(grant, *range(5, 12)))
    assert len(told) == 1
    assert error.reason == "DAILY_QUOTA_EXCEEDED"
    assert len(await answers(consumer, chunk(grant, *range(1, 7)))) == 1
    assert (await failure(consumer, chunk(grant, 1)))[1].reason == "DAILY_QUOTA_EXCEEDED"
    many = node.grant(daily_quota=10)

    async def ask() -> int:
        try:
            return len((await answers(consumer, chunk(many, 1, 2, 3)))[0].records)
        except grpc.aio.AioRpcError:
            return 0

    assert sum(await asyncio.gather(*(ask() for _ in range(8)))) == 9
    refused = node.leaves("query_refused")
    assert refused[-1]["reason"] == "DAILY_QUOTA_EXCEEDED"


async def test_each_key_counts_against_the_rate(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(rate_per_minute=5)
    told, error = await failure(consumer, chunk(grant, 1, 2, 3), chunk(grant, 4, 5, 6))
    assert len(told) == 1
    assert error.reason == "RATE_EXCEEDED"
    assert len(await answers(consumer, chunk(grant, 1, 2))) == 1


async def test_a_record_outside_the_filter_is_absent(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
    (told,) = await answers(consumer, chunk(grant, 50, 1, 77))
    assert [(r.found, dict(r.items)) for r in told.records] == [
        (False, {}), (True, {"name": "某1"}), (False, {}),
    ]  # fmt: skip


async def test_verify_says_what_is_not_held_and_nothing_by_its_shape(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    bare = ["citizen_number", "name", "birth_date"]
    await source.publish([citizen_number(60), "某裸", "1990-01-02"], items=bare)
    grant = node.grant({"name": Mask.WHOLE, "region": Mask.WHOLE})
    here = node.grant(
        {"name": Mask.WHOLE, "region": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县"
    )

    async def verify(serial: int, under: str = grant, **claims: str):
        return await consumer.query.Verify(
            query_pb2.VerifyRequest(grant=under, key=citizen_number(serial), claims=claims, **WHY)
        )

    match, no_match, not_held = 1, 2, 3
    told = await verify(60, name="某裸", region="990101")
    assert (told.result, dict(told.claims)) == (no_match, {"name": match, "region": not_held})
    told = await verify(1, name="某裸", region="990101")
    assert (told.result, dict(told.claims)) == (no_match, {"name": no_match, "region": match})
    alike = [
        await verify(60, region="990101"),
        await verify(88, region="990101"),
        await verify(50, here, region="980101"),
    ]
    shapes = set()
    for one in alike:
        assert (one.result, dict(one.claims)) == (no_match, {"region": not_held})
        leaf = orjson.loads(one.receipt.leaf)
        shapes.add((one.ByteSize() - one.receipt.ByteSize(), tuple(leaf), tuple(leaf["items"])))
    assert len(shapes) == 1
    every = {
        query_pb2.VerifyResponse(result=2, claims={"region": result}).ByteSize()
        for result in (match, no_match, not_held)
    }
    assert len(every) == 1
