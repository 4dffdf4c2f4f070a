"""A record as it was, over mTLS and on each database: as far back as the grant lets one see."""

from datetime import timedelta

import orjson
import pytest

from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import query_pb2
from runtime.records import canonical, commit, instant
from tests.builders.catalog import CIVIL, HOUSING, NOON, caller
from tests.builders.exchange import citizen_number, exchange_node, refusal
from tests.integration.test_exchange_row_filters import amend

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
KEY = citizen_number(1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def ask(grant: str, at, **more) -> query_pb2.QueryRequest:
    request = query_pb2.QueryRequest(grant=grant, key=KEY, **WHY, **more)
    request.read_time.FromDatetime(at)
    return request


async def history(node, *rows) -> None:
    """One version an hour, from noon on; None withdraws."""
    source = node.connect(caller(CIVIL))
    for row in rows:
        if row is None:
            await source.publish(withdraw=[KEY])
        else:
            await source.publish([KEY, *row])
        node.clock.advance(HOUR)


async def test_each_version_is_read_at_its_time(node):
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    await history(node, ("甲", "1990-01-02", "990101"), None, ("乙", "1991-01-02", "990101"))
    consumer = node.connect(caller(HOUSING))

    async def at(hours: float):
        answer = await consumer.query.Query(ask(grant, NOON + hours * HOUR))
        return answer.found, dict(answer.items)

    assert await at(0.5) == (True, {"name": "甲", "birth_date": "1990"})
    assert await at(1.5) == (False, {})
    assert await at(2.5) == (True, {"name": "乙", "birth_date": "1991"})
    answer = await consumer.query.Query(ask(grant, NOON, items=["name"]))
    assert dict(answer.items) == {"name": "甲"}
    leaf = orjson.loads(answer.receipt.leaf)
    assert (leaf["kind"], leaf["read_time"], leaf["items"]) == ("query", instant(NOON), ["name"])
    request = {"grant": grant, "key": KEY, "items": ["name"], **WHY, "read_time": instant(NOON)}
    for label, value in (
        ("request", request),
        ("answer", {"found": True, "items": {"name": "甲"}}),
    ):
        opened = commit(answer.receipt.salt, label, canonical(value))
        assert leaf["commitments"][label] == opened


async def test_no_time_to_come_and_none_from_before_the_grant(node):
    await history(node, ("甲", "1990-01-02", "990101"), ("乙", "1990-01-02", "990101"))
    asking = node.grant(operations=[Operation.QUERY])
    both = [Operation.QUERY, Operation.SUBSCRIBE]
    everything = node.grant(operations=both, include_history=True)
    no_history = node.grant(operations=both)
    consumer = node.connect(caller(HOUSING))
    error = await refusal(consumer.query.Query(ask(asking, node.clock.now() + HOUR)))
    assert error.reason == "BAD_READ_TIME"
    error = await refusal(consumer.query.Query(ask(asking, NOON)))
    assert error.reason == "READ_TIME_BEFORE_GRANT"
    assert node.leaves("query_refused")[-1]["reason"] == "READ_TIME_BEFORE_GRANT"
    assert (await consumer.query.Query(ask(everything, NOON))).items["name"] == "甲"
    error = await refusal(consumer.query.Query(ask(no_history, NOON)))
    assert error.reason == "READ_TIME_BEFORE_GRANT"
    assert (await consumer.query.Query(ask(asking, node.clock.now()))).items["name"] == "乙"
    several = query_pb2.QueryRequest(grant=everything, keys=[KEY], **WHY)
    several.read_time.FromDatetime(NOON)
    (record,) = (await consumer.query.Query(several)).records
    assert record.items["name"] == "甲"
    several.grant = asking
    assert (await refusal(consumer.query.Query(several))).reason == "READ_TIME_BEFORE_GRANT"
    chunk = query_pb2.BatchQueryRequest(grant=asking, keys=[KEY], **WHY)
    chunk.read_time.FromDatetime(NOON)
    error = await refusal(consumer.query.BatchQuery(iter([chunk])).read())
    assert error.reason == "READ_TIME_BEFORE_GRANT"
    assert node.leaves("query_refused")[-1]["reason"] == "READ_TIME_BEFORE_GRANT"


async def test_many_are_read_as_of_a_time_like_one(node):
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
    await history(node, ("甲", "1990-01-02", "990101"), None, ("乙", "1991-01-02", "990201"))
    source, other = node.connect(caller(CIVIL)), citizen_number(2)
    await source.publish([other, "丙", "1992-01-02", "990102"])
    consumer = node.connect(caller(HOUSING))
    keys = [citizen_number(3), KEY, other]

    async def at(when):
        chunk = query_pb2.BatchQueryRequest(grant=grant, keys=keys, items=["name"], **WHY)
        chunk.read_time.FromDatetime(when)
        stream = consumer.query.BatchQuery(iter([chunk]))
        (answer,) = [one async for one in stream]
        leaf = orjson.loads(answer.receipt.leaf)
        assert (leaf["kind"], leaf["read_time"]) == ("batch_query", instant(when))
        asked = {"grant": grant, "keys": keys, "items": ["name"], **WHY}
        request = canonical({**asked, "read_time": instant(when)})
        assert leaf["commitments"]["request"] == commit(answer.receipt.salt, "request", request)
        alone = [await consumer.query.Query(one_at(key, when)) for key in keys]
        assert [one.found for one in answer.records] == [one.found for one in alone]
        return [dict(one.items) for one in answer.records]

    def one_at(key, when):
        request = query_pb2.QueryRequest(grant=grant, key=key, items=["name"], **WHY)
        request.read_time.FromDatetime(when)
        return request

    assert await at(NOON + 0.5 * HOUR) == [{}, {"name": "甲"}, {}]
    assert await at(NOON + 1.5 * HOUR) == [{}, {}, {}]
    assert await at(node.clock.now()) == [{}, {}, {"name": "丙"}]


async def test_what_an_amendment_widens_is_not_shown_of_what_was_before(node):
    grant = node.grant({"name": Mask.WHOLE})
    await history(node, ("甲", "1990-01-02", "990101"))
    amend(node, grant, {"name": Mask.WHOLE, "region": Mask.WHOLE})
    await history(node, ("乙", "1990-01-02", "990102"))
    consumer = node.connect(caller(HOUSING))
    before = await consumer.query.Query(ask(grant, NOON))
    after = await consumer.query.Query(ask(grant, node.clock.now()))
    assert dict(before.items) == {"name": "甲"}
    assert dict(after.items) == {"name": "乙", "region": "990102"}
    asked = await consumer.query.Query(ask(grant, NOON, items=["region"]))
    assert (asked.found, dict(asked.items)) == (True, {})


async def test_an_amendment_that_lets_the_past_be_read_begins_it(node):
    grant = node.grant({"name": Mask.WHOLE}, operations=[Operation.VERIFY])
    await history(node, ("甲", "1990-01-02", "990101"), ("乙", "1990-01-02", "990101"))
    amend(node, grant, {"name": Mask.WHOLE}, operations=[Operation.VERIFY, Operation.QUERY])
    consumer = node.connect(caller(HOUSING))
    error = await refusal(consumer.query.Query(ask(grant, NOON)))
    assert error.reason == "READ_TIME_BEFORE_GRANT"
    assert (await consumer.query.Query(ask(grant, node.clock.now()))).items["name"] == "乙"


async def test_a_version_outside_the_filter_is_absent(node):
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
    await history(node, ("甲", "1990-01-02", "980101"), ("乙", "1990-01-02", "990101"))
    consumer = node.connect(caller(HOUSING))
    assert not (await consumer.query.Query(ask(grant, NOON))).found
    assert (await consumer.query.Query(ask(grant, NOON + HOUR))).items["name"] == "乙"


async def test_it_takes_of_the_quota(node):
    grant = node.grant(daily_quota=1)
    await history(node, ("甲", "1990-01-02", "990101"))
    consumer = node.connect(caller(HOUSING))
    assert (await consumer.query.Query(ask(grant, NOON))).found
    error = await refusal(consumer.query.Query(ask(grant, NOON)))
    assert error.reason == "DAILY_QUOTA_EXCEEDED"
