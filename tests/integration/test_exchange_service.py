"""The exchange as departments meet it: over mTLS, on each database, refusals included."""

import asyncio
import uuid
from datetime import timedelta

import grpc
import pytest

from exchange.grants.model import Mask, Operation
from exchange.v1 import catalog_pb2, grants_pb2, query_pb2
from runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from runtime.identity import Role
from runtime.records import canonical
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, RESIDENTS, caller
from tests.builders.exchange import (
    citizen_number,
    exchange_node,
    person,
    refusal,
)
from tests.builders.questions import WHY, ask, check_receipt, claim


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


@pytest.fixture
async def embedded(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def test_publish_grant_query_verify_with_receipts(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    published = await source.publish(person(1), person(2, "某乙"), parts=2)
    assert published.batch == f"{RESIDENTS}/batches/1"
    assert (published.offset, published.upserted) == (2, 2)
    grant = node.grant()

    answer = await consumer.query.Query(ask(grant))
    assert answer.found
    assert dict(answer.items) == {"name": "某甲", "birth_date": "1990"}
    asked = {"grant": grant, "key": citizen_number(1), "items": [], **WHY}
    leaf = check_receipt(
        node,
        answer.receipt,
        key=citizen_number(1).encode(),
        purpose=WHY["purpose"].encode(),
        case_number=WHY["case_number"].encode(),
        request=canonical(asked),
        answer=canonical({"found": True, "items": dict(answer.items)}),
    )
    assert leaf["kind"] == "query"
    assert leaf["actor"] == f"{HOUSING}/systems/main"
    assert (leaf["grant"], leaf["resource"]) == (grant, RESIDENTS)
    assert leaf["found"] is True
    assert leaf["items"] == ["name", "birth_date"]
    assert b"1990" not in answer.receipt.leaf
    assert citizen_number(1).encode() not in answer.receipt.leaf

    part = await consumer.query.Query(ask(grant, items=["birth_date"]))
    assert dict(part.items) == {"birth_date": "1990"}
    absent = await consumer.query.Query(ask(grant, 77))
    assert not absent.found
    assert not absent.items

    result = await consumer.query.Verify(claim(grant))
    assert result.result == query_pb2.MATCH_RESULT_MATCH
    said = {"claims": {"name": "match"}, "result": "match"}
    leaf = check_receipt(node, result.receipt, answer=canonical(said))
    assert leaf["kind"] == "verify"
    assert "found" not in leaf


async def test_an_absent_record_verifies_like_one_without_the_items(node):
    consumer = node.connect(caller(HOUSING))
    await node.connect(caller(CIVIL)).publish(person(1))
    grant = node.grant({"name": Mask.WHOLE, "region": Mask.WHOLE})
    claims = {"name": "某乙", "region": "990102"}
    false = await consumer.query.Verify(claim(grant, 1, claims=claims))
    absent = await consumer.query.Verify(claim(grant, 2, claims=claims))
    told = (
        (false, query_pb2.MATCH_RESULT_NO_MATCH),
        (absent, query_pb2.MATCH_RESULT_NOT_HELD),
    )
    for answer, each in told:
        assert answer.result == query_pb2.MATCH_RESULT_NO_MATCH
        assert dict(answer.claims) == dict.fromkeys(claims, each)
        assert len(answer.receipt.leaf) == len(false.receipt.leaf)
    mixed = await consumer.query.Verify(claim(grant, claims={**claims, "name": "某甲"}))
    assert mixed.result == query_pb2.MATCH_RESULT_NO_MATCH
    assert mixed.claims["name"] == query_pb2.MATCH_RESULT_MATCH
    assert mixed.claims["region"] == query_pb2.MATCH_RESULT_NO_MATCH


async def test_questions_are_refused_and_refusals_are_logged(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    stranger = node.connect(caller(HEALTH))
    await source.publish(person(1))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    only_verify = node.grant({"name": Mask.WHOLE}, operations=[Operation.VERIFY])
    absent = f"{HOUSING}/grants/{uuid.uuid4().hex}"
    query, verify = consumer.query.Query, consumer.query.Verify
    refused = [
        (stranger.query.Query, ask(grant), NotFound, "GRANT_NOT_FOUND"),
        (query, ask(absent), NotFound, "GRANT_NOT_FOUND"),
        (query, ask(grant, items=["region"]), PermissionDenied, "ITEM_NOT_GRANTED"),
        (query, ask(only_verify), PermissionDenied, "OPERATION_NOT_GRANTED"),
        (verify, claim(grant, claims={"region": "x"}), PermissionDenied, "ITEM_NOT_GRANTED"),
        (
            verify,
            claim(grant, claims={"birth_date": "1990-01-02"}),
            PermissionDenied,
            "ITEM_GRANTED_IN_PART",
        ),
    ]
    texts = set()
    for method, request, kind, reason in refused:
        error = await refusal(method(request))
        assert (type(error), error.reason) == (kind, reason)
        assert error.message_zh != error.message
        if reason == "GRANT_NOT_FOUND":
            texts.add((error.message, error.message_zh, tuple(error.metadata)))
    assert len(texts) == 1  # absent and another's look alike
    logged = node.leaves("query_refused")
    assert [leaf["reason"] for leaf in logged] == [reason for *_, reason in refused]
    assert "grant" not in logged[0]
    assert logged[2]["grant"] == grant

    malformed = [
        (query, ask(grant, key="123"), "MALFORMED_KEY"),
        (query, ask(grant, purpose=""), "BAD_QUESTION"),
        (query, ask(grant, case_number="x" * 65), "BAD_QUESTION"),
        (verify, claim(grant, claims={}), "BAD_CLAIMS"),
        (verify, claim(grant, claims={"name": ""}), "BAD_CLAIMS"),
    ]
    for method, request, reason in malformed:
        error = await refusal(method(request))
        assert (type(error), error.reason) == (InvalidArgument, reason)
        assert error.violations
    # Of these only the key was a question; the others are counted (`exchange.refusing`).
    kept = [leaf["reason"] for leaf in node.leaves("query_refused")]
    assert kept[len(refused) :] == ["MALFORMED_KEY"]


async def test_times_and_revocation_of_a_grant(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(days=2)
    await consumer.query.Query(ask(grant))
    node.clock.advance(timedelta(days=2))
    assert (await refusal(consumer.query.Query(ask(grant)))).reason == "GRANT_EXPIRED"
    other = node.grant()
    await consumer.query.Query(ask(other))
    await consumer.grants.RevokeGrant(
        grants_pb2.RevokeGrantRequest(name=other, reason="用途已结束", request_id="r")
    )
    assert (await refusal(consumer.query.Query(ask(other)))).reason == "GRANT_REVOKED"


async def test_a_daily_quota_holds_under_questions_at_one_time(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(daily_quota=5)

    async def one(serial: int) -> str:
        call = consumer.query.Query if serial % 2 else consumer.query.Verify
        try:
            await call(ask(grant, serial) if serial % 2 else claim(grant, serial))
        except grant_errors as error:
            return error.code().name
        return "OK"

    grant_errors = grpc.aio.AioRpcError
    outcomes = await asyncio.gather(*map(one, range(12)))
    assert sorted(outcomes) == ["OK"] * 5 + ["RESOURCE_EXHAUSTED"] * 7
    error = await refusal(consumer.query.Query(ask(grant)))
    assert (type(error), error.reason) == (ResourceExhausted, "DAILY_QUOTA_EXCEEDED")
    assert error.retry_after == 12 * 3600  # NOON is noon in China
    node.clock.advance(timedelta(hours=12))
    assert await one(1) == "OK"


async def test_what_was_answered_is_there_after_a_restart(tmp_path):
    folder = tmp_path / "node"
    async with exchange_node(folder) as node:
        await node.connect(caller(CIVIL)).publish(person(1))
        grant = node.grant(daily_quota=2)
        await node.connect(caller(HOUSING)).query.Query(ask(grant))
    (folder / "authority").rename(tmp_path / "old-authority")
    async with exchange_node(folder, seed=False) as node:
        consumer = node.connect(caller(HOUSING))
        assert (await consumer.query.Query(ask(grant))).found
        error = await refusal(consumer.query.Query(ask(grant)))
        assert error.reason == "DAILY_QUOTA_EXCEEDED"
        assert len(node.leaves("query")) == 2


async def test_a_log_that_lost_its_key_does_not_go_on(tmp_path):
    folder = tmp_path / "node"
    async with exchange_node(folder) as node:
        await node.connect(caller(HOUSING)).query.Query(ask(node.grant()))
    (folder / "authority").rename(tmp_path / "old-authority")
    (folder / "keys" / "audit" / "audit-key.pem").unlink()
    with pytest.raises(FailedPrecondition) as caught:
        async with exchange_node(folder, seed=False):
            pass
    assert caught.value.reason == "LOG_KEY_MISSING"


async def test_no_answer_without_its_record(embedded, monkeypatch):
    """When the log cannot be written, a question is refused and uses no quota."""
    consumer = embedded.connect(caller(HOUSING))
    await embedded.connect(caller(CIVIL)).publish(person(1))
    grant = embedded.grant(daily_quota=1)

    def full(*_args, **_kwargs):
        raise Unavailable("the disk is full", reason="STORAGE_FULL")

    with monkeypatch.context() as broken:
        broken.setattr(embedded.service.audit.store, "append", full)
        error = await refusal(consumer.query.Query(ask(grant)))
        assert (type(error), error.reason) == (Unavailable, "STORAGE_FULL")
    assert (await consumer.query.Query(ask(grant))).found


async def test_an_unknown_caller_leaves_no_trace_in_the_log(embedded):
    revoked = embedded.connect(caller(HEALTH))
    await revoked.catalog.ListDepartments(catalog_pb2.ListDepartmentsRequest())
    embedded.revoke(caller(HEALTH))
    await asyncio.sleep(0.6)
    error = await refusal(revoked.query.Query(ask(embedded.grant())))
    assert error.reason == "CERTIFICATE_REVOKED"
    assert not embedded.leaves("query_refused")
    auditor = embedded.connect(caller(HOUSING, Role.AUDITOR))
    assert (await refusal(auditor.query.Query(ask(embedded.grant())))).reason == "ROLE_NOT_ALLOWED"
