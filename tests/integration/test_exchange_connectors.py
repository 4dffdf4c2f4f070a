"""Questions answered by departments' own systems: real servers over TLS, on each database."""

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta

import orjson
import pytest

from exchange.grants.model import Mask
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import connecting_pb2 as pb
from exchange.v1 import query_pb2
from runtime.errors import Unavailable
from tests.builders.catalog import (
    CIVIL,
    HOUSING,
    RESIDENTS,
    put,
    resource,
)
from tests.builders.connected import KEY, MASKS, PLATFORM_FIELDS, RECORD, SECRET, WHY, opened
from tests.builders.endpoints import SAID, http_source
from tests.builders.exchange import citizen_number, exchange_node, person, refusal


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


@pytest.fixture(params=["grpc", "http", "platform"])
async def scene(request, node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, request.param, tmp_path / "source")


@pytest.fixture
async def http(node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, "http", tmp_path / "source")


@pytest.fixture
async def platform(node, tmp_path):
    async with AsyncExitStack() as stack:
        yield await opened(stack, node, "platform", tmp_path / "source")


def facts(receipt) -> dict[str, object]:
    leaf = orjson.loads(receipt.leaf)
    return {name: leaf[name] for name in leaf if name not in ("time", "commitments")}


# Answers.


async def test_an_answer_is_projected_masked_and_on_record(scene):
    # What is published of the resource is not what is answered.
    await scene.own.publish(person(1, name="旧名"))
    grant = scene.node.grant(MASKS)
    assert (await scene.ask(grant)).items["name"] == "旧名"
    await scene.connect()
    answer = await scene.ask(grant)
    assert (answer.found, dict(answer.items)) == (True, {"name": "某甲", "birth_date": "1990"})
    leaf = facts(answer.receipt)
    assert (leaf["kind"], leaf["source"], leaf["items"], leaf["found"]) == (
        "query", "endpoint", ["name", "birth_date"], True,
    )  # fmt: skip
    # No item that was not granted was even asked for, and none is anywhere in the answer.
    sent = answer.SerializeToString()
    assert KEY.encode() not in sent
    assert b"990101\x12" not in sent
    if scene.kind != "platform":
        (asked,) = scene.source.asked
        uuid.UUID(asked.pop("request_id"))
        assert asked == {
            "resource": RESIDENTS, "keys": [KEY], "items": ["name", "birth_date"],
            "consumer": HOUSING, "grant": grant, **WHY,
        }  # fmt: skip
    one = await scene.ask(grant, items=["name"])
    assert dict(one.items) == {"name": "某甲"}
    absent = await scene.ask(grant, citizen_number(9))
    assert (absent.found, dict(absent.items)) == (False, {})


async def test_verify_tells_match_and_no_match_in_one_shape(scene):
    await scene.connect()
    grant = scene.node.grant({"name": Mask.WHOLE, "birth_date": Mask.WHOLE})
    true = await scene.claim(grant, name="某甲", birth_date="1990-01-02")
    assert true.result == query_pb2.MATCH_RESULT_MATCH
    partly = await scene.claim(grant, name="某甲", birth_date="1990-01-03")
    false = await scene.claim(grant, name="某乙", birth_date="1990-01-03")
    absent = await scene.claim(grant, citizen_number(9), name="某甲", birth_date="1990-01-02")
    assert partly.claims["name"] == query_pb2.MATCH_RESULT_MATCH
    assert false.claims.keys() == absent.claims.keys()
    assert query_pb2.MATCH_RESULT_MATCH not in absent.claims.values()
    assert false.result == absent.result == query_pb2.MATCH_RESULT_NO_MATCH
    assert facts(false.receipt) == facts(absent.receipt)
    assert facts(false.receipt)["source"] == "endpoint"
    assert false.ByteSize() == absent.ByteSize()


@pytest.mark.parametrize("kind", ["grpc", "http", "platform"])
async def test_on_each_database(kind, database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as node, AsyncExitStack() as stack:
        scene = await opened(stack, node, kind, tmp_path / "source")
        await scene.connect()
        grant = node.grant(MASKS, daily_quota=3)
        told = await asyncio.gather(*(scene.ask(grant) for _ in range(3)))
        assert all(dict(one.items) == {"name": "某甲", "birth_date": "1990"} for one in told)
        assert (await refusal(scene.ask(grant))).reason == "DAILY_QUOTA_EXCEEDED"


async def test_many_records_come_in_few_questions(http):
    await http.connect()
    for serial in range(1, 251):
        http.hold({**RECORD, "citizen_number": citizen_number(serial), "name": f"某{serial}"})
    outside = {"citizen_number": citizen_number(7), "name": "某7", "region": "980101"}
    http.hold(outside)
    here = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
    grant = http.node.grant({"name": Mask.WHOLE}, row_filter=(here,), reason="仅限示范县")
    keys = [citizen_number(serial) for serial in range(1, 260)]

    async def chunks():
        yield query_pb2.BatchQueryRequest(grant=grant, keys=keys, **WHY)

    (answer,) = [one async for one in http.consumer.query.BatchQuery(chunks(), timeout=20)]
    assert [len(one["keys"]) for one in http.source.asked] == [100, 100, 59]
    names = [record.items.get("name", "") for record in answer.records]
    assert names == [f"某{n}" if n <= 250 and n != 7 else "" for n in range(1, 260)]
    leaf = facts(answer.receipt)
    assert (leaf["kind"], leaf["source"], leaf["found"]) == ("batch_query", "endpoint", 249)
    few = query_pb2.QueryRequest(grant=grant, keys=keys[:3], **WHY)
    assert len((await http.consumer.query.Query(few)).records) == 3
    http.source.behaviour = "refuse_500"
    error = await refusal(http.consumer.query.Query(few))
    assert error.reason == "SOURCE_UNAVAILABLE"
    assert http.node.leaves("query_refused")[0]["reason"] == "SOURCE_UNAVAILABLE"


async def test_a_row_filter_is_judged_by_what_the_source_sends(http):
    await http.connect()
    outside = {**RECORD, "citizen_number": citizen_number(2), "region": "980101"}
    http.hold(outside)
    nowhere = {"citizen_number": citizen_number(3), "name": "某丙"}
    http.hold(nowhere)
    here = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
    grant = http.node.grant({"name": Mask.WHOLE}, row_filter=(here,), reason="仅限示范县")
    assert (await http.ask(grant)).found
    assert http.source.asked[-1]["items"] == ["name", "region"]
    for serial in (2, 3, 4):
        answer = await http.ask(grant, citizen_number(serial))
        assert (answer.found, dict(answer.items)) == (False, {})
        verified = await http.claim(grant, citizen_number(serial), name="某甲")
        assert verified.result == query_pb2.MATCH_RESULT_NO_MATCH


async def test_resources_shared_otherwise_and_without_an_endpoint_are_read_here(http):
    tables = f"{CIVIL}/resources/tables"
    put(
        http.node.service.database,
        resource(tables, code="101001/000009", sharing_mode="table"),
        clock=http.node.clock,
    )
    await http.approve()
    error = await refusal(http.put(resource=tables))
    assert error.reason == "NOT_A_SERVICE_RESOURCE"
    await http.put()
    await http.own.publish(person(1, name="旧名"))
    grant = http.node.grant(MASKS)
    assert (await http.ask(grant)).items["name"] == "某甲"
    # A resource whose entry says another mode now is read here, and so is one without an endpoint.
    put(http.node.service.database, resource(sharing_mode="table"), clock=http.node.clock)
    http.node.service.schemas.invalidate()
    answer = await http.ask(grant)
    assert (answer.items["name"], "source" in facts(answer.receipt)) == ("旧名", False)
    put(http.node.service.database, resource(), clock=http.node.clock)
    http.node.service.schemas.invalidate()
    assert (await http.ask(grant)).items["name"] == "某甲"
    gone = pb.DeleteEndpointRequest(resource=RESIDENTS, request_id="1")
    await http.own.connectors.DeleteEndpoint(gone)
    assert (await http.ask(grant)).items["name"] == "旧名"


async def test_connections_are_pooled(http):
    await http.connect(max_in_flight=8)
    grant = http.node.grant(MASKS)
    for _ in range(5):
        await http.ask(grant)
    assert http.source.connections == 1
    await asyncio.gather(*(http.ask(grant) for _ in range(4)))
    assert http.source.connections <= 4


# What a source must not do.

BREAKS = {
    "grpc": ["slow", "drip", "huge", "refuse_500", "refuse_404", "other_key", "unasked", "nothing"],
    "http": ["slow", "drip", "hang_up", "huge", "huge_chunked", "garbage", "zipped", "refuse_500",
             "refuse_404", "refuse_301", "refuse_204", "redirect", "other_key", "unasked",
             "nothing"],
    "platform": ["slow", "drip", "hang_up", "huge", "garbage", "refuse_500", "refuse_302"],
}  # fmt: skip


async def test_no_failure_of_a_source_shows_more_than_that_it_failed(
    scene, tmp_path, caplog, capfd
):
    grant = scene.node.grant(MASKS)
    scene.source.delay = 3
    await scene.connect(timeout_ms=400, failures=100)
    with http_source(tmp_path / "elsewhere", trusts=b"") as elsewhere:
        scene.source.elsewhere = elsewhere.address
        for behaviour in BREAKS[scene.kind]:
            scene.source.behaviour = behaviour
            began = time.monotonic()
            error = await refusal(scene.ask(grant))
            took = time.monotonic() - began
            assert (error.reason, type(error)) == ("SOURCE_UNAVAILABLE", Unavailable), behaviour
            assert error.retry_after
            assert took < 1.5, (behaviour, took)
            said = error.message + error.message_zh + str(error.metadata)
            assert not any(word in said for word in (SAID, "hunter2", KEY, "某甲", "127.0.0.1"))
            scene.node.clock.advance(timedelta(milliseconds=1))  # so that no two leaves are alike
            claimed = await refusal(scene.claim(grant, name="某甲"))
            assert claimed.reason == "SOURCE_UNAVAILABLE", behaviour
        assert elsewhere.connections == 0
    scene.source.behaviour = "ok"
    assert (await scene.ask(grant)).found
    refused = scene.node.leaves("query_refused")
    assert len(refused) == 2 * len(BREAKS[scene.kind])
    assert {leaf["reason"] for leaf in refused} == {"SOURCE_UNAVAILABLE"}
    assert {leaf["grant"] for leaf in refused} == {grant}
    logged = caplog.text + "".join(capfd.readouterr())
    assert "source_failed" in logged
    assert not any(word in logged for word in (KEY, "hunter2", "某甲", SECRET, WHY["purpose"]))


async def test_a_record_that_does_not_fit_is_refused_without_its_values(http):
    await http.connect(failures=1)
    grant = http.node.grant(MASKS)
    for wrong in ({"name": ""}, {"birth_date": "yesterday"}, {"name": 7},
                  {"citizen_number": citizen_number(2)}):  # fmt: skip
        http.source.records[KEY] = {**RECORD, **wrong}
        error = await refusal(http.ask(grant))
        assert error.reason == "SOURCE_DATA_INVALID"
        assert not any(str(v) in error.message for v in wrong.values() if v)
    # That is about one record: the others are answered on, and the source stays open.
    http.source.records[KEY] = RECORD
    assert (await http.ask(grant)).found


async def test_items_that_nobody_asked_for_go_nowhere(scene):
    await scene.connect()
    mark = "标记" * 5
    noisy = {**RECORD, "household_size": mark, "photo": mark, "未知": mark, "region": mark}
    scene.source.records[KEY] = {
        (PLATFORM_FIELDS.get(k, k) if scene.kind == "platform" else k): v for k, v in noisy.items()
    }
    grant = scene.node.grant(MASKS)
    answer = await scene.ask(grant)
    assert answer.items.keys() == {"name", "birth_date"}
    verified = await scene.claim(grant, name=mark)
    for told in (answer, verified):
        assert mark.encode() not in told.SerializeToString()
    error = await refusal(scene.ask(grant, items=["household_size"]))
    assert error.reason == "ITEM_NOT_GRANTED"
    assert len(scene.source.asked) == 2  # the refused question did not reach the source


async def test_a_hidden_records_faults_do_not_tell_that_there_is_one(scene):
    await scene.connect()
    elsewhere = RowCondition(item="birth_date", test=RowTest.PREFIX, values=("2001",))
    grant = scene.node.grant(MASKS, row_filter=(elsewhere,), reason="仅限本地")
    here = scene.node.grant(MASKS)
    scene.hold({**RECORD, "name": "x" * 100_000})
    error = await refusal(scene.ask(here))
    assert error.reason == "SOURCE_DATA_INVALID"
    hidden = await scene.ask(grant)
    absent = await scene.ask(grant, citizen_number(999_999))
    assert (hidden.found, absent.found) == (False, False)
    told = await scene.claim(grant, name="某甲")
    assert list(told.claims.values()) == [query_pb2.MATCH_RESULT_NOT_HELD]


async def test_a_source_gets_no_cookie_back(http):
    http.source.behaviour = "cookie"
    await http.connect()
    grant = http.node.grant(MASKS)
    for _ in range(3):
        await http.ask(grant)
    assert http.source.cookies == ["", "", ""]
