"""Signed requests, over mTLS: required where the resource says so, and checked offline after."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from exchange.audit.rpc import receipt_of
from exchange.audit.verify import SavedReceipt, receipt_from_json, receipt_to_json, verify_receipt
from exchange.files import working
from exchange.grants.model import Mask
from exchange.v1 import delivery_pb2, files_pb2, query_pb2, spatial_pb2
from runtime.signed import RequestSigner
from tests.builders.catalog import CIVIL, HOUSING, caller, put, resource
from tests.builders.exchange import citizen_number, exchange_node, person, refusal
from tongban.client import sign_request
from tongban.exported import manifest_of
from tongban.keeping import as_committed

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        await started.connect(caller(CIVIL)).publish(person(1), person(2))
        require(started, required=True)
        yield started


def require(node, *, required: bool) -> None:
    put(node.service.database, resource(signed_requests=required), clock=node.clock)
    node.service.schemas.invalidate()


def signed(node, stubs, method: str, request, *, at=None, signer=None):
    made = signer or RequestSigner(stubs.credentials)
    sign_request(made, method, request, at=at or node.clock.now())
    return request


def query(grant: str, **more) -> query_pb2.QueryRequest:
    return query_pb2.QueryRequest(**{"grant": grant, "key": KEY, **WHY, **more})


async def test_every_way_of_asking_takes_a_signature_and_needs_one(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    past = query(grant)
    past.read_time.FromDatetime(node.clock.now())
    call = consumer.query
    claims = {"name": "某甲"}
    ways = [
        (call.Query, "Query", query(grant)),
        (call.Query, "Query", query(grant, items=["name"])),
        (call.Query, "Query", past),
        (call.Query, "Query", query_pb2.QueryRequest(grant=grant, keys=[KEY], **WHY)),
        (call.Verify, "Verify", query_pb2.VerifyRequest(
            grant=grant, key=KEY, claims=claims, **WHY)),
        (call.Export, "Export", query_pb2.ExportRequest(grant=grant, page_size=1, **WHY)),
    ]  # fmt: skip
    for method, name, request in ways:
        error = await refusal(method(request))
        assert error.reason == "SIGNATURE_REQUIRED", name
        assert node.leaves("query_refused")[-1]["reason"] == "SIGNATURE_REQUIRED"
        answer = await method(signed(node, consumer, name, request))
        leaf = orjson.loads(answer.receipt.leaf)
        assert leaf["signed"]["method"] == name
        assert request.signature.nonce.hex() not in answer.receipt.leaf.decode()
    chunk = query_pb2.BatchQueryRequest(grant=grant, keys=[KEY], **WHY)
    error = await refusal(call.BatchQuery(iter([chunk])).read())
    assert error.reason == "SIGNATURE_REQUIRED"
    stream = call.BatchQuery(iter([signed(node, consumer, "BatchQuery", chunk)]))
    (many,) = [one async for one in stream]
    assert orjson.loads(many.receipt.leaf)["signed"]["method"] == "BatchQuery"


async def test_no_other_signature_passes(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    other = node.connect(caller(HOUSING, system="second"))
    late = node.clock.now() - timedelta(minutes=6)
    early = node.clock.now() + timedelta(minutes=6)
    wrong = [
        signed(node, consumer, "Verify", query(grant)),
        signed(node, other, "Query", query(grant)),
        signed(node, consumer, "Query", query(grant), at=late),
        signed(node, consumer, "Query", query(grant), at=early),
    ]
    for change in (
        {"key": citizen_number(2)}, {"items": ["name"]}, {"purpose": "其他"}, {"case_number": "2"},
    ):  # fmt: skip
        request = signed(node, consumer, "Query", query(grant))
        changed = query(grant, **change)
        changed.signature.CopyFrom(request.signature)
        wrong.append(changed)
    weak = signed(node, consumer, "Query", query(grant))
    weak.signature.nonce = bytes(16)
    for request in (*wrong, weak):
        error = await refusal(consumer.query.Query(request))
        assert error.reason == "BAD_SIGNATURE"
        assert KEY not in error.message + error.message_zh


async def test_a_signed_request_is_answered_once(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE}, daily_quota=50)
    call = consumer.query
    past = query(grant)
    past.read_time.FromDatetime(node.clock.now())
    claims = {"name": "某甲"}
    ways = [
        (call.Query, "Query", query(grant)),
        (call.Query, "Query", past),
        (call.Query, "Query", query_pb2.QueryRequest(grant=grant, keys=[KEY], **WHY)),
        (call.Verify, "Verify", query_pb2.VerifyRequest(
            grant=grant, key=KEY, claims=claims, **WHY)),
        (call.Export, "Export", query_pb2.ExportRequest(grant=grant, page_size=1, **WHY)),
    ]  # fmt: skip
    for method, name, request in ways:
        signed(node, consumer, name, request)
        first = orjson.loads((await method(request)).receipt.leaf)
        error = await refusal(method(request))
        assert error.reason == "SIGNATURE_USED", name
        # A nanosecond is not signed, so no request has one.
        request.signature.sign_time.nanos += 1
        assert (await refusal(method(request))).reason == "BAD_SIGNATURE"
        kind = first["kind"]
        same = [one for one in node.leaves(kind) if one["signed"] == first["signed"]]
        assert len(same) == 1, "one signature, one answer"
        refused = node.leaves("query_refused")[-1]
        assert (refused["reason"], refused["signed"]) == ("SIGNATURE_USED", first["signed"])
        assert (await method(signed(node, consumer, name, request))).receipt.leaf
    # Together in one group commit, too.
    request = signed(node, consumer, "Query", query(grant))
    told = await asyncio.gather(*(call.Query(request) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in told) == 1
    chunk = signed(node, consumer, "BatchQuery",
                   query_pb2.BatchQueryRequest(grant=grant, keys=[KEY], **WHY))  # fmt: skip
    (_,) = [one async for one in call.BatchQuery(iter([chunk]))]
    error = await refusal(call.BatchQuery(iter([chunk])).read())
    assert error.reason == "SIGNATURE_USED"


async def test_the_receipt_proves_the_request_offline(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    request = signed(node, consumer, "Query", query(grant))
    answer = await consumer.query.Query(request)
    asked = {"grant": grant, "key": KEY, "items": [], **WHY}
    key = node.service.audit.key.verifier_key
    saved = SavedReceipt(
        receipt=receipt_of(answer.receipt),
        values={"request": asked, "answer": {"found": True, "items": {"name": "某甲"}}},
        certificate=consumer.credentials.certificate.decode(),
        nonce=request.signature.nonce,
    )
    read = receipt_from_json(receipt_to_json(saved))
    assert read == saved
    found = verify_receipt(read, key, certificate=read.certificate)
    assert found.passed, found
    assert "request_signature" in [check.name for check in found.checks]
    # Any node can issue a certificate in this name, so by itself it shows nobody's hand.
    alone = verify_receipt(read, key)
    assert (alone.failed(), alone.open()) == ([], ["certificate"])
    other = node.connect(caller(HOUSING, system="second")).credentials.certificate.decode()
    for broken in (
        replace(saved, certificate=other),
        replace(saved, certificate=""),
        replace(saved, certificate="-----BEGIN"),
        replace(saved, nonce=b"x" * 16),
    ):
        assert verify_receipt(broken, key).failed() == ["request_signature"]
    denied = replace(saved, values={"request": {**asked, "key": citizen_number(2)}})
    assert verify_receipt(denied, key).failed() == ["opening:request", "request_signature"]


def job(grant: str, **more) -> files_pb2.CreateExportJobRequest:
    more = {"parent": HOUSING, "grant": grant, "request_id": str(uuid.uuid4()), **WHY, **more}
    return files_pb2.CreateExportJobRequest(**more)


async def test_files_are_asked_for_by_a_signature_that_their_receipt_proves(node):
    consumer, other = (node.connect(caller(HOUSING, system=name)) for name in ("first", "second"))
    grant = node.grant({"citizen_number": Mask.WHOLE})
    create = consumer.files.CreateExportJob
    assert (await refusal(create(job(grant)))).reason == "SIGNATURE_REQUIRED"
    good = signed(node, consumer, "CreateExportJob", job(grant))
    receiver = other.credentials.certificate.decode()
    for changed in (
        job(grant, case_number="2"),
        job(grant, purpose="其他"),
        job(grant, format=files_pb2.FILE_FORMAT_PARQUET),
        job(node.grant({"name": Mask.WHOLE})),
    ):
        changed.signature.CopyFrom(good.signature)
        assert (await refusal(create(changed))).reason == "BAD_SIGNATURE"
    assert (await refusal(other.files.CreateExportJob(good))).reason == "BAD_SIGNATURE"
    made = (await create(good)).export_job
    again = signed(node, consumer, "CreateExportJob", job(grant, request_id=good.request_id))
    assert (await create(again)).export_job.name == made.name
    twice = job(grant)
    twice.signature.CopyFrom(good.signature)
    assert (await refusal(create(twice))).reason == "SIGNATURE_USED"
    (leaf,) = node.leaves("export_job_created")
    assert leaf["signed"]["method"] == "CreateExportJob"
    refused = node.leaves("query_refused")[-1]
    assert (refused["reason"], refused["signed"]) == ("SIGNATURE_USED", leaf["signed"])

    async with asyncio.timeout(30):
        while made.state != files_pb2.EXPORT_JOB_STATE_SUCCEEDED:
            await asyncio.sleep(0.05)
            asked = files_pb2.GetExportJobRequest(name=made.name)
            made = (await other.files.GetExportJob(asked)).export_job
    request = as_committed("CreateExportJob", good, consumer.credentials.certificate)
    saved = SavedReceipt(
        receipt=receipt_of(made.receipt),
        values={"request": request, "answer": manifest_of(made)},
        certificate=made.signing_certificate,
        nonce=made.signature.nonce,
    )
    key = node.service.audit.key.verifier_key
    own = consumer.credentials.certificate.decode()
    assert verify_receipt(saved, key, certificate=own).passed
    for broken in (replace(saved, certificate=receiver), replace(saved, nonce=b"x" * 16)):
        assert verify_receipt(broken, key).failed() == ["request_signature"]
    ended = files_pb2.CancelExportJobRequest(name=made.name, request_id="c")
    assert not (await consumer.files.CancelExportJob(ended)).export_job.HasField("signature")
    twice.request_id = str(uuid.uuid4())
    assert (await refusal(create(twice))).reason == "SIGNATURE_USED"


async def test_an_unsigned_job_ends_where_signatures_come_to_be_required(node, monkeypatch):
    monkeypatch.setattr(working, "POLL_SECONDS", 0.05)
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"citizen_number": Mask.WHOLE})
    require(node, required=False)
    made = (await consumer.files.CreateExportJob(job(grant))).export_job
    require(node, required=True)
    async with asyncio.timeout(30):
        while made.state != files_pb2.EXPORT_JOB_STATE_FAILED:
            await asyncio.sleep(0.05)
            asked = files_pb2.GetExportJobRequest(name=made.name)
            made = (await consumer.files.GetExportJob(asked)).export_job
    assert made.failure_reason == "SIGNATURE_REQUIRED"


async def test_nothing_is_subscribed_to_or_asked_by_place_without_a_signature(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    asked = spatial_pb2.SpatialQueryRequest(grant=grant, geometry_item="name", **WHY)
    asked.at.longitude, asked.at.latitude = 116, 30
    error = await refusal(consumer.spatial.SpatialQuery(asked))
    assert error.reason == "SIGNATURE_REQUIRED"
    asked = delivery_pb2.CreateSubscriptionRequest(
        parent=HOUSING, subscription_id="residents", grant=grant, request_id="1"
    )
    error = await refusal(consumer.delivery.CreateSubscription(asked))
    assert error.reason == "SIGNATURE_REQUIRED"
    assert "signed export" in error.message
    assert "签名导出" in error.message_zh


async def test_a_subscription_ends_where_signatures_come_to_be_required(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE})
    require(node, required=False)
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id="residents",
            request_id="subscribe",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
        )
    )
    asked = delivery_pb2.PullChangesRequest(subscription=made.subscription.name)
    assert (await consumer.delivery.PullChanges(asked)).changes
    stream = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=made.subscription.name)
    )
    assert (await stream.read()).changes
    require(node, required=True)
    for call in (consumer.delivery.PullChanges(asked), stream.read()):
        assert (await refusal(call)).reason == "SIGNATURE_REQUIRED"
