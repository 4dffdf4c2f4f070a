"""What is refused: within bounds, before any work, and on record as far as it was a question."""

import asyncio
from datetime import timedelta

import grpc
import orjson
import pytest

from exchange import refusing
from exchange.grants.model import Mask
from exchange.query import model
from exchange.v1 import delivery_pb2, files_pb2, query_pb2
from runtime.channels import LIMITS
from runtime.errors import DomainError
from runtime.records import canonical, commit
from runtime.signed import RequestSigner, digest_of
from runtime.status import from_rpc_error
from tests.builders.catalog import CIVIL, HOUSING, caller, put
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tests.builders.spatial import PARCELS, parcels
from tongban.client import sign_request

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        await started.connect(caller(CIVIL)).publish(*map(person, range(1, 20)))
        yield started


def query(grant: str, **more) -> query_pb2.QueryRequest:
    keyed = {} if "keys" in more else {"key": KEY}
    return query_pb2.QueryRequest(**{"grant": grant, **keyed, **WHY, **more})


def claim(grant: str, **claims: str) -> query_pb2.VerifyRequest:
    return query_pb2.VerifyRequest(grant=grant, key=KEY, claims=claims, **WHY)


async def batch_refusal(stubs, *chunks) -> DomainError:
    try:
        async for _ in stubs.query.BatchQuery(iter(chunks)):
            pass
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the call was not refused")


async def test_everything_a_caller_sends_has_a_bound(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant()
    ask, verify = consumer.query.Query, consumer.query.Verify
    long_grant = f"{HOUSING}/grants/{'y' * 300}"
    over = [
        (ask, query(long_grant), "BAD_QUESTION"),
        (ask, query(grant, key="1" * 201), "BAD_QUESTION"),
        (ask, query(grant, items=["name", "name"]), "BAD_QUESTION"),
        (ask, query(grant, items=["n" * 65]), "BAD_QUESTION"),
        (ask, query(grant, keys=["1" * 201]), "BAD_KEYS"),
        (ask, query(f"{HOUSING}/grants/{'y' * 200_000}"), "MESSAGE_TOO_LARGE"),
        (verify, claim(grant, name="x" * 20_001), "BAD_CLAIMS"),
        (verify, claim(grant, **{"n" * 65: "x"}), "BAD_CLAIMS"),
        (verify, claim(grant, name="x" * 100_000, region="y" * 100_000), "MESSAGE_TOO_LARGE"),
    ]
    for number, (method, request, reason) in enumerate(over):
        assert (await refusal(method(request))).reason == reason, number
    twice = query_pb2.BatchQueryRequest(grant=grant, keys=[KEY], items=["name"] * 2, **WHY)
    assert (await batch_refusal(consumer, twice)).reason == "BAD_QUESTION"
    # No grant is called so: PostgreSQL is not asked, which would say that a value is not storable.
    for name in (f"{grant}\0", "x", f"{HOUSING}/grants/Y"):
        assert (await refusal(ask(query(name)))).reason == "GRANT_NOT_FOUND"
    assert (await ask(query(grant, items=["name"]))).found
    assert dict(LIMITS)["grpc.max_receive_message_length"] > 1024 * 1024


async def test_a_key_that_no_database_holds_fails_its_own_question_only(node):
    put(node.service.database, parcels(), clock=node.clock)  # whose key is any text
    node.service.schemas.invalidate()
    free = node.grant({"parcel_number": Mask.WHOLE}, resource=PARCELS)
    consumer, grant = node.connect(caller(HOUSING)), node.grant()
    past = query(free, key="a\0b")
    past.read_time.FromDatetime(node.clock.now())
    wrong = [query(free, key="a\0b"), query(free, keys=["a\0b", "c"]), past]
    told = await asyncio.gather(
        *(consumer.query.Query(query(grant)) for _ in range(20)),
        *(refusal(consumer.query.Query(one)) for one in wrong),
        *(consumer.query.Query(query(grant)) for _ in range(20)),
    )
    assert [error.reason for error in told[20:23]] == ["MALFORMED_KEY"] * 3
    assert all(answer.found for answer in (*told[:20], *told[23:]))
    assert not (await consumer.query.Query(query(free, key="c"))).found


async def test_a_refused_attempt_keeps_what_was_asked_and_its_signature(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    signer = RequestSigner(consumer.credentials)
    request = query(grant, items=["region"])
    sign_request(signer, "Query", request, at=node.clock.now())
    assert (await refusal(consumer.query.Query(request))).reason == "ITEM_NOT_GRANTED"
    leaf = node.leaves("query_refused")[-1]
    asked = canonical({"grant": grant, "key": KEY, "items": ["region"], **WHY})
    assert leaf["signed"]["method"] == "Query"
    assert leaf["signed"]["digest"] == digest_of(request.signature.nonce, asked)
    assert set(leaf["commitments"]) == {"key", "purpose", "case_number", "request", "salt"}
    (salt,) = (
        s for s in node.salts() if commit(s, "key", KEY.encode()) == leaf["commitments"]["key"]
    )
    assert leaf["commitments"]["request"] == commit(salt, "request", asked)
    assert KEY not in orjson.dumps(leaf).decode()

    # Another's, or one over another request, is not taken for the caller's word.
    request.items[:] = ["birth_date"]
    assert (await refusal(consumer.query.Query(request))).reason == "ITEM_NOT_GRANTED"
    assert "signed" not in node.leaves("query_refused")[-1]
    # Refused after being authorized: the key, the quota. And of several keys.
    assert (await refusal(consumer.query.Query(query(grant, key="123")))).reason == "MALFORMED_KEY"
    assert node.leaves("query_refused")[-1]["reason"] == "MALFORMED_KEY"
    chunk = query_pb2.BatchQueryRequest(grant=grant, keys=[KEY], items=["region"], **WHY)
    sign_request(signer, "BatchQuery", chunk, at=node.clock.now())
    assert (await batch_refusal(consumer, chunk)).reason == "ITEM_NOT_GRANTED"
    leaf = node.leaves("query_refused")[-1]
    assert leaf["signed"]["method"] == "BatchQuery"
    assert set(leaf["commitments"]) == {"keys", "purpose", "case_number", "request", "salt"}


async def test_many_refusals_are_counted_and_the_first_are_kept(node, monkeypatch):
    monkeypatch.setattr(refusing, "AT_ONCE", 5)
    monkeypatch.setattr(refusing, "COUNT_SECONDS", 0.3)
    consumer = node.connect(caller(HOUSING))
    other = node.connect(caller(CIVIL))
    absent = query(f"{HOUSING}/grants/none")
    errors = await asyncio.gather(*(refusal(consumer.query.Query(absent)) for _ in range(30)))
    assert {error.reason for error in errors} == {"GRANT_NOT_FOUND"}
    await refusal(other.query.Query(absent))
    refused = node.leaves("query_refused")
    by_actor = [leaf["actor"] for leaf in refused]
    assert sorted(map(by_actor.count, set(by_actor))) == [1, 5]  # nobody uses up another's
    for _ in range(3):
        assert (
            await refusal(consumer.query.Query(query("x", purpose="")))
        ).reason == "BAD_QUESTION"
    await asyncio.sleep(1)
    counted = {leaf["reason"]: leaf for leaf in node.leaves("queries_refused")}
    assert {reason: leaf["count"] for reason, leaf in counted.items()} == {
        "GRANT_NOT_FOUND": 25,
        "BAD_QUESTION": 3,
    }
    assert counted["GRANT_NOT_FOUND"]["operation"] == "query"
    assert counted["GRANT_NOT_FOUND"]["actor"] == max(by_actor, key=by_actor.count)


async def test_subscriptions_and_files_share_a_systems_refusals(node, monkeypatch):
    monkeypatch.setattr(refusing, "AT_ONCE", 4)
    monkeypatch.setattr(refusing, "COUNT_SECONDS", 0.3)
    consumer = node.connect(caller(HOUSING))
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING, subscription_id="late", grant=node.grant(days=1), request_id="1" * 8
        )
    )
    node.clock.advance(timedelta(days=2))
    name = made.subscription.name
    pull = delivery_pb2.PullChangesRequest(subscription=name)
    live = delivery_pb2.SubscribeRequest(subscription=name)
    links = files_pb2.CreateDownloadLinksRequest(name=f"{HOUSING}/exportJobs/none")
    await refusal(consumer.query.Query(query(f"{HOUSING}/grants/none")))
    ways = (
        (consumer.delivery.PullChanges, pull),
        (consumer.files.CreateDownloadLinks, links),
    )
    told = await asyncio.gather(*(refusal(ask(what)) for ask, what in ways for _ in range(7)))
    await refusal(consumer.delivery.Subscribe(live).read())
    refused = node.leaves("query_refused")
    assert len(refused) == 4
    assert all("request" in leaf["commitments"] for leaf in refused)
    await asyncio.sleep(1)
    counted = sum(leaf["count"] for leaf in node.leaves("queries_refused"))
    assert counted == len(told) + 2 - 4
    assert name not in str(node.leaves("queries_refused"))


async def test_what_is_counted_is_written_when_the_node_stops(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        consumer = started.connect(caller(HOUSING))
        await refusal(consumer.query.Query(query("x", case_number="")))
        assert not started.leaves("queries_refused")
        await started.service.audit.stop()
        assert [leaf["count"] for leaf in started.leaves("queries_refused")] == [1]


async def test_an_answer_that_is_too_large_is_refused_before_it_is_said_to_be_given(
    node, monkeypatch
):
    monkeypatch.setattr(model, "GREATEST_ANSWER", 300)
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, daily_quota=100)
    keys = [citizen_number(n) for n in range(1, 12)]
    error = await refusal(consumer.query.Query(query(grant, keys=keys)))
    assert (error.reason, "fewer keys" in error.message) == ("ANSWER_TOO_LARGE", True)
    chunk = query_pb2.BatchQueryRequest(grant=grant, keys=keys, **WHY)
    assert (await batch_refusal(consumer, chunk)).reason == "ANSWER_TOO_LARGE"
    monkeypatch.setattr(model, "GREATEST_ANSWER", 10)
    assert (await refusal(consumer.query.Query(query(grant)))).reason == "ANSWER_TOO_LARGE"
    past = query(grant)
    past.read_time.FromDatetime(node.clock.now())
    assert (await refusal(consumer.query.Query(past))).reason == "ANSWER_TOO_LARGE"
    assert not [*node.leaves("query"), *node.leaves("batch_query")]
    assert [leaf["reason"] for leaf in node.leaves("query_refused")] == ["ANSWER_TOO_LARGE"] * 4
    monkeypatch.undo()
    assert (await consumer.query.Query(query(grant, keys=keys))).found
    day = node.service.audit_database.held.rows("SELECT sum(used) FROM grant_usage", ())
    assert day[0][0] == len(keys)
