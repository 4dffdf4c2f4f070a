"""The exchange as departments meet it: over mTLS, on each database, refusals included."""

import asyncio
import uuid
from datetime import UTC, timedelta

import grpc
import orjson
import pytest

from exchange.audit.merkle import leaf_hash, root_from_path
from exchange.audit.note import Promise, Verifier
from exchange.delivery import publishing
from exchange.delivery.places import Room
from exchange.grants.model import Mask, Operation
from exchange.v1 import audit_pb2, catalog_pb2, delivery_pb2, grants_pb2, query_pb2
from runtime.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from runtime.identity import Role
from runtime.records import canonical, commit, instant
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, RESIDENTS, caller
from tests.builders.exchange import (
    ITEMS,
    batch,
    citizen_number,
    exchange_node,
    person,
    refusal,
)

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


@pytest.fixture
async def embedded(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


async def eventually(true) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


def ask(grant: str, serial: int = 1, **changes) -> query_pb2.QueryRequest:
    values = {"grant": grant, "key": citizen_number(serial), **WHY}
    return query_pb2.QueryRequest(**{**values, **changes})


def claim(grant: str, serial: int = 1, **changes) -> query_pb2.VerifyRequest:
    values = {"grant": grant, "key": citizen_number(serial), "claims": {"name": "某甲"}, **WHY}
    return query_pb2.VerifyRequest(**{**values, **changes})


async def subscribed(stubs, grant: str, name: str = "one", earliest: bool = True) -> str:
    start = delivery_pb2.START_POSITION_EARLIEST if earliest else delivery_pb2.START_POSITION_NOW
    made = await stubs.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id=name,
            grant=grant,
            start=start,
            request_id=str(uuid.uuid4()),
        )
    )
    return made.subscription.name


def check_receipt(node, receipt: audit_pb2.Receipt, **commitments: bytes) -> dict:
    """Check a receipt as its holder does, offline; returns the leaf."""
    verifier = Verifier(node.service.audit.key.verifier_key)
    promise = Promise(
        origin=verifier.name,
        shard=receipt.shard,
        batch=receipt.batch,
        count=receipt.batch_size,
        root=root_from_path(
            leaf_hash(receipt.leaf), receipt.position, receipt.batch_size, list(receipt.path)
        ),
        time=instant(receipt.promise_time.ToDatetime(UTC)),
    )
    verifier.check(promise.text(), receipt.signature)
    leaf = orjson.loads(receipt.leaf)
    for label, value in commitments.items():
        assert leaf["commitments"][label] == commit(receipt.salt, label, value)
    return leaf


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


async def test_pull_and_acknowledge(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2, "某乙"))
    await source.publish(withdraw=[citizen_number(1)])
    name = await subscribed(consumer, node.grant(include_history=True))
    pull = delivery_pb2.PullChangesRequest(subscription=name, max_changes=2)
    first = await consumer.delivery.PullChanges(pull)
    assert [c.offset for c in first.changes] == [1, 2]
    assert dict(first.changes[1].items) == {"name": "某乙", "birth_date": "1990"}
    assert first.changes[0].publish_time.ToDatetime().year == 2026
    assert first.cursor == 2
    said = [
        {
            "offset": c.offset,
            "type": "upsert",
            "record_id": c.record_id,
            "items": dict(c.items),
            "publish_time": instant(node.clock.now()),
        }
        for c in first.changes
    ]
    leaf = check_receipt(node, first.receipt, changes=canonical(said))
    assert leaf["kind"] == "changes_delivered"
    assert (leaf["first_offset"], leaf["last_offset"], leaf["count"]) == (1, 2, 2)
    # Nothing was acknowledged: the same again, with the same ids.
    again = await consumer.delivery.PullChanges(pull)
    assert list(again.changes) == list(first.changes)

    async def acknowledge(cursor: int) -> int:
        done = await consumer.delivery.AcknowledgeChanges(
            delivery_pb2.AcknowledgeChangesRequest(subscription=name, cursor=cursor)
        )
        return done.subscription.cursor

    assert await acknowledge(2) == 2
    assert await acknowledge(1) == 2
    error = await refusal(acknowledge(4))
    assert (type(error), error.reason) == (OutOfRange, "CURSOR_BEYOND_LOG")
    assert isinstance(await refusal(acknowledge(-1)), InvalidArgument)
    last = await consumer.delivery.PullChanges(pull)
    (withdrawn,) = last.changes
    assert withdrawn.type == delivery_pb2.CHANGE_TYPE_WITHDRAW
    assert not withdrawn.items
    assert withdrawn.record_id == first.changes[0].record_id
    assert citizen_number(1) not in withdrawn.record_id
    await acknowledge(3)
    empty = await consumer.delivery.PullChanges(pull)
    assert not empty.changes
    assert empty.cursor == 3
    assert not empty.HasField("receipt")


async def test_subscriptions_belong_to_their_department(node):
    consumer, stranger = node.connect(caller(HOUSING)), node.connect(caller(HEALTH))
    grant = node.grant()
    names = [await subscribed(consumer, grant, f"s-{n}") for n in range(3)]
    get = delivery_pb2.GetSubscriptionRequest
    assert (await consumer.delivery.GetSubscription(get(name=names[0]))).subscription.grant == grant
    absent = f"{HOUSING}/subscriptions/absent"
    texts = {
        (await refusal(call)).message
        for call in (
            stranger.delivery.GetSubscription(get(name=names[0])),
            consumer.delivery.GetSubscription(get(name=absent)),
            stranger.delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=names[0])),
        )
    }
    assert len(texts) == 1
    page = await consumer.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING, page_size=2)
    )
    rest = await consumer.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING, page_token=page.next_page_token)
    )
    assert [s.name for s in (*page.subscriptions, *rest.subscriptions)] == names
    assert not rest.next_page_token
    listed = stranger.delivery.ListSubscriptions(
        delivery_pb2.ListSubscriptionsRequest(parent=HOUSING)
    )
    assert (await refusal(listed)).reason == "NOT_YOUR_DEPARTMENT"
    assert (await refusal(subscribed(stranger, grant))).reason == "NOT_YOUR_DEPARTMENT"
    taken = await refusal(subscribed(consumer, grant, "s-1"))
    assert (type(taken), taken.reason) == (AlreadyExists, "SUBSCRIPTION_EXISTS")
    query_only = node.grant(operations=[Operation.QUERY])
    refused = await refusal(subscribed(consumer, query_only, "s-9"))
    assert refused.reason == "OPERATION_NOT_GRANTED"
    other = node.grant(department=HEALTH)
    assert (await refusal(subscribed(consumer, other, "s-9"))).reason == "GRANT_NOT_FOUND"
    await node.connect(caller(CIVIL)).publish(person(1))
    later = await subscribed(consumer, grant, "s-4", earliest=False)
    found = await consumer.delivery.GetSubscription(get(name=later))
    assert found.subscription.cursor == 1


async def test_a_stream_delivers_what_comes_until_the_grant_is_revoked(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2), person(3))
    grant = node.grant()
    name = await subscribed(consumer, grant)
    stream = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=name, max_changes=2)
    )
    first, second = await stream.read(), await stream.read()
    assert [c.offset for c in (*first.changes, *second.changes)] == [1, 2, 3]
    leaf = check_receipt(node, second.receipt)
    assert leaf["subscription"] == name

    await source.publish(person(4, "某丁"))
    live = await asyncio.wait_for(stream.read(), 5)
    assert [c.items["name"] for c in live.changes] == ["某丁"]

    await source.grants.RevokeGrant(
        grants_pb2.RevokeGrantRequest(name=grant, reason="用途已结束", request_id="r")
    )
    error = await refusal(asyncio.wait_for(stream.read(), 5))
    assert (type(error), error.reason) == (PermissionDenied, "GRANT_REVOKED")
    assert node.leaves("query_refused")[-1]["operation"] == "subscribe"
    # Nothing was acknowledged: under a new grant, all of it comes again from the cursor.
    get = delivery_pb2.GetSubscriptionRequest(name=name)
    assert (await consumer.delivery.GetSubscription(get)).subscription.cursor == 0
    pulled = consumer.delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=name))
    assert (await refusal(pulled)).reason == "GRANT_REVOKED"


async def test_a_stream_ends_when_its_grant_expires(embedded):
    consumer = embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant(days=1))
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.3)
    embedded.clock.advance(timedelta(days=1))
    assert (await refusal(asyncio.wait_for(reading, 5))).reason == "GRANT_EXPIRED"


async def test_a_stream_ends_when_the_certificate_is_revoked(embedded, tmp_path):
    source, consumer = embedded.connect(caller(CIVIL)), embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant())
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    await source.publish(person(1))
    assert (await stream.read()).cursor == 1
    embedded.revoke(caller(HOUSING))
    await asyncio.sleep(0.6)
    await source.publish(person(2))
    assert (await refusal(asyncio.wait_for(stream.read(), 5))).reason == "CERTIFICATE_REVOKED"


async def test_a_stream_sees_what_another_process_publishes(node):
    """Nobody announces it here: the poll finds it."""
    consumer = node.connect(caller(HOUSING))
    name = await subscribed(consumer, node.grant())
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.3)
    node.service._tail.announce = lambda offset: None
    node.service._delivery._publishing._announce = lambda offset: None
    await node.connect(caller(CIVIL)).publish(person(1))
    assert (await asyncio.wait_for(reading, 5)).cursor == 1


async def test_a_cancelled_stream_leaves_nothing_behind(embedded):
    consumer = embedded.connect(caller(HOUSING))
    name = await subscribed(consumer, embedded.grant())
    tail = embedded.service._tail
    streams = [
        consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
        for _ in range(5)
    ]
    for stream in streams:
        asyncio.ensure_future(stream.read()).add_done_callback(lambda done: done.exception())
    await asyncio.sleep(0.5)
    assert len(tail._waiting) == 5
    for stream in streams:
        stream.cancel()
    for _ in range(50):
        await asyncio.sleep(0.05)
        if not tail._waiting and tail._poll.done():
            break
    assert not tail._waiting
    assert tail._poll.done()


async def test_a_slow_subscriber_is_waited_for(embedded, monkeypatch):
    """One batch is under way at a time: an unread stream reads no further than the transport."""
    source, consumer = embedded.connect(caller(CIVIL)), embedded.connect(caller(HOUSING))
    photo = "AAAA" * 20_000
    items = ("citizen_number", "name", "photo")
    for part in range(4):
        await source.publish(
            *[[citizen_number(part * 50 + n), "某甲", photo] for n in range(50)], items=items
        )
    name = await subscribed(consumer, embedded.grant({"photo": Mask.WHOLE}))
    stream = consumer.delivery.Subscribe(
        delivery_pb2.SubscribeRequest(subscription=name, max_changes=1)
    )
    await stream.read()
    await asyncio.sleep(1)
    assert len(embedded.leaves("changes_delivered")) < 200
    seen = 1
    while seen < 200:
        seen += len((await stream.read()).changes)
    stream.cancel()


async def test_streams_end_when_the_node_stops(tmp_path):
    async with exchange_node(tmp_path / "node") as node:
        consumer = node.connect(caller(HOUSING))
        name = await subscribed(consumer, node.grant())
        stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0.3)
        node.service.end_streams()
        error = await refusal(asyncio.wait_for(reading, 5))
        assert (type(error), error.reason) == (Unavailable, "NODE_STOPPING")
        assert error.retry_after == 1


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
