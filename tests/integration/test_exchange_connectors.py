"""Questions answered by departments' own systems: real servers over TLS, on each database."""

import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
import orjson
import pytest

from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import connecting_pb2 as pb
from exchange.v1 import query_pb2
from runtime.errors import Unavailable
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    RESIDENTS,
    caller,
    put,
    resource,
)
from tests.builders.endpoints import SAID, grpc_source, http_source, platform_simulator
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)
RECORD = {
    "citizen_number": KEY,
    "name": "某甲",
    "birth_date": "1990-01-02",
    "region": "990101",
    "household_size": "3",
}
MASKS = {"name": Mask.WHOLE, "birth_date": Mask.YEAR}
KINDS = {
    "grpc": pb.ENDPOINT_KIND_GRPC,
    "http": pb.ENDPOINT_KIND_HTTP_JSON,
    "platform": pb.ENDPOINT_KIND_PLATFORM,
}
SECRET = "synthetic app secret"
PLATFORM_FIELDS = {"name": "xm", "birth_date": "csrq"}


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


class Scene:
    """A node, a source of some kind, and the callers."""

    def __init__(self, node, source, kind: str) -> None:
        self.node, self.source, self.kind = node, source, kind
        self.administrator = node.connect(ADMINISTRATOR)
        self.own = node.connect(caller(CIVIL))
        self.consumer = node.connect(caller(HOUSING))
        self.hold(RECORD)

    def hold(self, record: dict[str, str]) -> None:
        """Let the source have a record."""
        names = PLATFORM_FIELDS if self.kind == "platform" else {}
        held = {names.get(code, code): value for code, value in record.items()}
        self.source.records[record["citizen_number"]] = held

    def endpoint(self, **changes) -> pb.Endpoint:
        made = {
            "resource": RESIDENTS,
            "kind": KINDS[self.kind],
            "address": self.source.address,
            "authority": self.source.authority,
            "timeout_ms": 2000,
        }
        if self.kind == "platform":
            made["platform"] = pb.Platform(
                prefix=pb.PLATFORM_PREFIX_GJGXJHPT,
                rid=self.source.rid,
                sid=self.source.sid,
                app_secret=SECRET,
                key_parameter="sfzh",
                fields=PLATFORM_FIELDS,
            )
        return pb.Endpoint(**{**made, **changes})

    async def approve(self, place: str = "") -> None:
        await self.administrator.connectors.ApproveHost(
            pb.ApproveHostRequest(host=place or self.source.place, request_id=str(uuid.uuid4()))
        )

    async def put(self, stubs=None, **changes) -> pb.Endpoint:
        call = pb.PutEndpointRequest(
            endpoint=self.endpoint(**changes), request_id=str(uuid.uuid4())
        )
        return (await (stubs or self.own).connectors.PutEndpoint(call)).endpoint

    async def connect(self, **changes) -> pb.Endpoint:
        await self.approve()
        return await self.put(**changes)

    def ask(self, grant: str, key: str = KEY, *, timeout: float = 20, items=()):
        asked = query_pb2.QueryRequest(grant=grant, key=key, items=items, **WHY)
        return self.consumer.query.Query(asked, timeout=timeout)

    def claim(self, grant: str, key: str = KEY, **claims: str):
        asked = query_pb2.VerifyRequest(grant=grant, key=key, claims=claims, **WHY)
        return self.consumer.query.Verify(asked, timeout=20)

    async def state(self) -> int:
        asked = pb.GetEndpointRequest(resource=RESIDENTS)
        return (await self.own.connectors.GetEndpoint(asked)).endpoint.breaker


async def opened(stack: AsyncExitStack, node, kind: str, folder) -> Scene:
    if kind == "grpc":
        source = await stack.enter_async_context(grpc_source(folder, trusts=node.authority))
    elif kind == "http":
        source = stack.enter_context(http_source(folder, trusts=node.authority))
    else:
        source = stack.enter_context(platform_simulator(folder, clock=node.clock))
    return Scene(node, source, kind)


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
    await http.connect(max_in_flight=4)
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


# The breaker, and time.


async def test_a_source_that_is_down_is_asked_no_more_and_comes_back(scene):
    await scene.connect(failures=3, cool_down_seconds=10)
    grant = scene.node.grant(MASKS)
    scene.source.behaviour = "refuse_500"
    for _ in range(5):  # one consumer's questions alone close nothing to the others
        await refusal(scene.ask(grant))
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    other = scene.node.connect(caller(HEALTH))
    asked = query_pb2.QueryRequest(grant=scene.node.grant(MASKS, department=HEALTH), key=KEY, **WHY)
    await refusal(other.query.Query(asked))
    assert await scene.state() == pb.BREAKER_STATE_OPEN
    scene.source.behaviour, scene.source.delay = "slow", 1
    asked = len(scene.source.asked)
    began = time.monotonic()
    error = await refusal(scene.ask(grant))
    assert time.monotonic() - began < 0.5
    assert (error.reason, error.retry_after) == ("SOURCE_UNAVAILABLE", 10)
    assert len(scene.source.asked) == asked
    # One question tries; those beside it are refused at once.
    scene.node.clock.advance(timedelta(seconds=10))
    told = await asyncio.gather(*(scene.ask(grant) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 1
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    scene.source.behaviour = "ok"
    assert (await scene.ask(grant)).found


async def test_what_takes_a_source_too_long_closes_it_for_no_other(http):
    await http.connect(failures=2, timeout_ms=200)
    grant = http.node.grant(MASKS)
    http.source.behaviour, http.source.delay = "slow", 0.5
    for _ in range(4):
        assert (await refusal(http.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert await http.state() == pb.BREAKER_STATE_CLOSED
    other = http.node.connect(caller(HEALTH))
    theirs = http.node.grant(MASKS, department=HEALTH)
    await refusal(other.query.Query(query_pb2.QueryRequest(grant=theirs, key=KEY, **WHY)))
    assert await http.state() == pb.BREAKER_STATE_OPEN


async def test_who_has_no_time_does_not_close_a_source_to_the_others(scene):
    await scene.connect(failures=1)
    grant = scene.node.grant(MASKS)
    scene.source.behaviour, scene.source.delay = "slow", 0.6
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await scene.ask(grant, timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError):
        await scene.ask(grant, timeout=0.03)
    assert await scene.state() == pb.BREAKER_STATE_CLOSED
    asking = scene.ask(grant)
    await asyncio.sleep(0.3)
    asking.cancel()
    await asyncio.sleep(0.3)
    # Who does not wait has asked all the same.
    assert "CALLER_GONE" in {leaf["reason"] for leaf in scene.node.leaves("query_refused")}
    # An answer of a source that is asked for no record that fits closes nothing either.
    assert (await scene.ask(grant)).found


async def test_no_more_questions_at_one_time_than_an_endpoint_takes(http):
    await http.connect(max_in_flight=2)
    grant = http.node.grant(MASKS)
    http.source.behaviour, http.source.delay = "slow", 0.4
    told = await asyncio.gather(*(http.ask(grant) for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 2


async def test_a_grant_that_is_revoked_while_the_source_is_asked_shows_nothing(http):
    await http.connect()
    grant = http.node.grant(MASKS)
    http.source.behaviour, http.source.delay = "slow", 0.8
    asking = asyncio.ensure_future(refusal(http.ask(grant)))
    await asyncio.sleep(0.3)
    from exchange.grants import service

    with http.node.service.database.unit_of_work() as work:
        service.revoke_grant(
            work, caller(CIVIL), name=grant, reason="用途已结束", clock=http.node.clock
        )
    http.node.service.grants.invalidate()
    assert (await asking).reason == "GRANT_REVOKED"
    assert http.node.leaves("query") == []


async def test_questions_at_one_time_pass_no_quota_together(http):
    await http.connect()
    grant = http.node.grant(MASKS, daily_quota=3)
    told = await asyncio.gather(*(http.ask(grant) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 3


async def test_what_is_refused_here_is_not_asked_there(http):
    await http.connect()
    grant = http.node.grant({"name": Mask.WHOLE}, operations=[Operation.VERIFY])
    assert (await refusal(http.ask(grant))).reason == "OPERATION_NOT_GRANTED"
    assert (await refusal(http.ask(grant.replace("housing", "health")))).reason
    bad = query_pb2.QueryRequest(grant=grant, key=KEY, purpose="", case_number="1")
    assert (await refusal(http.consumer.query.Query(bad))).reason == "BAD_QUESTION"
    assert (await refusal(http.claim(grant, "9" * 18, name="x"))).reason == "MALFORMED_KEY"
    assert http.source.asked == []


# TLS.


async def test_only_the_pinned_authority_is_trusted(node, tmp_path):
    async with AsyncExitStack() as stack:
        for kind in ("grpc", "http"):
            scene = await opened(stack, node, kind, tmp_path / kind)
            other = await opened(stack, node, "http", tmp_path / f"{kind}-other")
            held = await scene.administrator.connectors.ListEndpoints(pb.ListEndpointsRequest())
            etag = held.endpoints[0].etag if held.endpoints else ""
            await scene.connect(authority=other.source.authority, etag=etag)
            grant = node.grant(MASKS)
            assert (await refusal(scene.ask(grant))).reason == "SOURCE_UNAVAILABLE"
            assert scene.source.asked == []


async def test_a_source_admits_the_node_by_its_certificate(node, tmp_path):
    async with AsyncExitStack() as stack:
        for kind in ("grpc", "http"):
            scene = await opened(stack, node, kind, tmp_path / kind)
            # A source that trusts another authority than the node's turns the node away.
            strict = scene.source.authority.encode()
            make = grpc_source if kind == "grpc" else http_source
            made = make(tmp_path / f"{kind}-strict", trusts=strict)
            if kind == "grpc":
                scene.source = await stack.enter_async_context(made)
            else:
                scene.source = stack.enter_context(made)
            held = await scene.administrator.connectors.ListEndpoints(pb.ListEndpointsRequest())
            await scene.connect(etag=held.endpoints[0].etag if held.endpoints else "")
            grant = node.grant(MASKS)
            assert (await refusal(scene.ask(grant))).reason == "SOURCE_UNAVAILABLE"
            assert scene.source.asked == []


# The national platform.


async def test_the_platform_refuses_a_wrong_signature_a_wrong_clock_and_replays(platform):
    await platform.connect()
    grant = platform.node.grant(MASKS)
    # Questions at one instant of the node's clock are no replays of each other.
    await asyncio.gather(*(platform.ask(grant) for _ in range(5)))
    assert platform.source.refused == []
    platform.source.secret = b"another"
    assert (await refusal(platform.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    platform.source.secret = SECRET.encode()
    from runtime.clock import FixedClock

    platform.source.clock = FixedClock(platform.node.clock.now() + timedelta(hours=1))
    assert (await refusal(platform.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert platform.source.refused == ["wrong signature", "clock skew"]


async def test_the_other_prefix(platform):
    made = platform.endpoint().platform
    made.prefix = pb.PLATFORM_PREFIX_GJZWFWPT
    await platform.connect(platform=made)
    platform.source.prefix = "gjzwfwpt_"
    assert (await platform.ask(platform.node.grant(MASKS))).found


async def test_a_secret_goes_in_and_never_comes_out(platform):
    first = await platform.connect()
    assert (first.platform.app_secret, first.platform.has_secret) == ("", True)
    asked = pb.GetEndpointRequest(resource=RESIDENTS)
    for stubs in (platform.own, platform.administrator, platform.node.connect(AUDITOR)):
        held = (await stubs.connectors.GetEndpoint(asked)).endpoint
        assert SECRET not in str(held)
    # What is read may be written back: the secret that is held stays.
    held.timeout_ms = 900
    call = pb.PutEndpointRequest(endpoint=held, request_id="again")
    await platform.own.connectors.PutEndpoint(call)
    assert (await platform.ask(platform.node.grant(MASKS))).found
    database = platform.node.service.database
    rows = database.held.rows("SELECT content, secret FROM endpoint", ())
    answers = database.held.rows("SELECT answer FROM answered_request", ())
    leaves = platform.node.leaves("endpoint_put")
    assert SECRET not in str(rows) + str(answers) + str(leaves)
    assert len(leaves) == 2
    bare = platform.endpoint(etag=(await platform.own.connectors.GetEndpoint(asked)).endpoint.etag)
    bare.platform.app_secret = "x" * 501
    error = await refusal(
        platform.own.connectors.PutEndpoint(pb.PutEndpointRequest(endpoint=bare, request_id="l"))
    )
    assert error.reason == "ENDPOINT_INVALID"


# Who keeps endpoints.


async def test_hosts_are_approved_by_administrators_and_looked_at_with_every_question(http):
    node = http.node
    assert (await refusal(http.put())).reason == "HOST_NOT_APPROVED"
    approve = pb.ApproveHostRequest(host=http.source.place, request_id="a")
    assert (await refusal(http.own.connectors.ApproveHost(approve))).reason == "ROLE_NOT_ALLOWED"
    await http.approve()
    await http.approve()  # again is as before
    assert len(node.leaves("host_approved")) == 1
    await http.put()
    grant = node.grant(MASKS)
    assert (await http.ask(grant)).found
    listed = await http.own.connectors.ListApprovedHosts(pb.ListApprovedHostsRequest())
    assert [one.host for one in listed.hosts] == [http.source.place]
    back = pb.DisapproveHostRequest(host=http.source.place, request_id="b")
    await http.administrator.connectors.DisapproveHost(back)
    asked = len(http.source.asked)
    assert (await refusal(http.ask(grant))).reason == "SOURCE_UNAVAILABLE"
    assert len(http.source.asked) == asked
    held = await http.own.connectors.GetEndpoint(pb.GetEndpointRequest(resource=RESIDENTS))
    assert not held.endpoint.approved
    again = pb.DisapproveHostRequest(host=http.source.place, request_id="c")
    error = await refusal(http.administrator.connectors.DisapproveHost(again))
    assert error.reason == "HOST_NOT_FOUND"


async def test_the_source_or_an_administrator_keeps_it_under_its_etag(http):
    first = await http.connect()
    assert (await refusal(http.put())).reason == "ETAG_MISMATCH"
    second = await http.put(stubs=http.administrator, etag=first.etag, timeout_ms=700)
    assert second.etag != first.etag
    other = http.consumer
    assert (await refusal(http.put(stubs=other, etag=second.etag))).reason == "NOT_THE_SOURCE"
    get = pb.GetEndpointRequest(resource=RESIDENTS)
    assert (await refusal(other.connectors.GetEndpoint(get))).reason == "ENDPOINT_NOT_FOUND"
    gone = pb.DeleteEndpointRequest(resource=RESIDENTS, request_id="1")
    assert (await refusal(other.connectors.DeleteEndpoint(gone))).reason == "ENDPOINT_NOT_FOUND"
    listed = await other.connectors.ListEndpoints(pb.ListEndpointsRequest())
    assert list(listed.endpoints) == []
    auditor = http.node.connect(AUDITOR)
    listed = await auditor.connectors.ListEndpoints(pb.ListEndpointsRequest())
    assert [one.resource for one in listed.endpoints] == [RESIDENTS]
    assert (await refusal(auditor.connectors.DeleteEndpoint(gone))).reason == "ROLE_NOT_ALLOWED"
    stale = pb.DeleteEndpointRequest(resource=RESIDENTS, etag=first.etag, request_id="2")
    assert (await refusal(http.own.connectors.DeleteEndpoint(stale))).reason == "ETAG_MISMATCH"
    await http.own.connectors.DeleteEndpoint(gone)
    await http.own.connectors.DeleteEndpoint(gone)  # a repeat is the first answer
    assert (await refusal(http.own.connectors.GetEndpoint(get))).reason == "ENDPOINT_NOT_FOUND"
    assert len(http.node.leaves("endpoint_deleted")) == 1


async def test_an_endpoint_that_changes_is_called_as_it_is_now(http, tmp_path):
    first = await http.connect()
    grant = http.node.grant(MASKS)
    await http.ask(grant)
    with http_source(tmp_path / "other", trusts=http.node.authority) as other:
        other.records[KEY] = {**RECORD, "name": "新名"}
        http.source = other
        await http.connect(etag=first.etag)
        assert (await http.ask(grant)).items["name"] == "新名"


async def test_a_try_tells_how_it_went_and_no_value(scene):
    await scene.connect(timeout_ms=400)

    async def tried(stubs, key=KEY) -> pb.TestEndpointResponse:
        return await stubs.connectors.TestEndpoint(
            pb.TestEndpointRequest(resource=RESIDENTS, key=key, **WHY), timeout=10
        )

    if scene.kind == "platform":  # the record has other names there
        scene.source.records[KEY] = {"xm": "某甲", "csrq": "1990-01-02"}
    told = await tried(scene.own)
    assert (told.outcome, told.found) == (pb.TEST_OUTCOME_ANSWERED, True)
    assert not (await tried(scene.own, citizen_number(9))).found
    assert not (await tried(scene.administrator)).found  # not theirs to know
    scene.source.records[KEY] |= {"csrq": "x", "birth_date": "x"}
    told = await tried(scene.administrator)
    assert told.outcome == pb.TEST_OUTCOME_INVALID_RECORD
    assert list(told.invalid_items) == ["birth_date"]
    scene.source.behaviour = "refuse_500"
    told = await tried(scene.own)
    assert (told.outcome, told.status) == (
        pb.TEST_OUTCOME_REFUSED, 13 if scene.kind == "grpc" else 500,
    )  # fmt: skip
    scene.source.behaviour, scene.source.delay = "slow", 1
    assert (await tried(scene.own)).outcome == pb.TEST_OUTCOME_TIMED_OUT
    assert (await refusal(tried(scene.consumer))).reason == "ENDPOINT_NOT_FOUND"
    assert (await refusal(tried(scene.own, "1"))).reason == "MALFORMED_KEY"
    leaves = scene.node.leaves("endpoint_tried")
    assert [leaf["outcome"] for leaf in leaves] == [
        "answered", "answered", "answered", "invalid_record", "refused", "timed_out",
    ]  # fmt: skip
    assert KEY not in str(leaves)
    both = caller("departments/data-office", Role.ADMINISTRATOR, Role.AUDITOR, system="two")
    assert (await tried(scene.node.connect(both))).outcome == pb.TEST_OUTCOME_TIMED_OUT
