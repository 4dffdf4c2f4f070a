"""Grants on some of the records, over mTLS and on each database.

A record outside the filter answers as one that does not exist, whichever way it is asked for; a
subscriber hears of it again only to be told that it is gone, and only if it had it.
"""

import asyncio
import time
import uuid
from datetime import timedelta

import grpc
import orjson
import pytest

from exchange import pacing
from exchange.grants import replying, requesting, service
from exchange.grants.amending import Narrowing
from exchange.grants.model import GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import delivery_pb2, query_pb2
from tests.builders.catalog import CIVIL, HOUSING, RESIDENTS, caller, put, resource
from tests.builders.exchange import citizen_number, exchange_node, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
TENANTS = f"{HOUSING}/resources/tenants"
OWN = RowCondition(item="citizen_number", test=RowTest.OWN_CLIENTS, values=(TENANTS,))
UPSERT, WITHDRAW = delivery_pb2.CHANGE_TYPE_UPSERT, delivery_pb2.CHANGE_TYPE_WITHDRAW
NAMED = {"name": Mask.WHOLE}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def person(serial: int, region: str = "990101", name: str = "某甲") -> list[str]:
    return [citizen_number(serial), name, "1990-01-02", region]


def ask(grant: str, serial: int = 1) -> query_pb2.QueryRequest:
    return query_pb2.QueryRequest(grant=grant, key=citizen_number(serial), **WHY)


def claim(grant: str, serial: int = 1) -> query_pb2.VerifyRequest:
    key = citizen_number(serial)
    return query_pb2.VerifyRequest(grant=grant, key=key, claims={"name": "某甲"}, **WHY)


async def subscribed(stubs, grant: str) -> str:
    made = await stubs.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id=uuid.uuid4().hex,
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id=str(uuid.uuid4()),
        )
    )
    return made.subscription.name


async def pulled(stubs, subscription: str, limit: int = 0):
    """What a pull brings, acknowledged: (type, items) of each change."""
    answer = await stubs.delivery.PullChanges(
        delivery_pb2.PullChangesRequest(subscription=subscription, max_changes=limit)
    )
    await stubs.delivery.AcknowledgeChanges(
        delivery_pb2.AcknowledgeChangesRequest(subscription=subscription, cursor=answer.cursor)
    )
    return [(change.type, dict(change.items)) for change in answer.changes]


def narrow(node, grant: str, **to) -> None:
    with node.service.database.unit_of_work() as work:
        service.narrow_grant(
            work,
            caller(CIVIL),
            name=grant,
            to=Narrowing(**to),
            reason="用途缩小",
            etag="",
            clock=node.clock,
        )
    node.service.grants.invalidate()


def amend(node, grant: str, masks: dict[str, Mask], **terms) -> None:
    with node.service.database.unit_of_work() as work:
        asked = requesting.create_access_request(
            work,
            caller(HOUSING),
            parent=HOUSING,
            resource=terms.pop("resource", RESIDENTS),
            items=list(masks),
            operations=list(Operation),
            purpose="公租房资格审核",
            legal_basis="示范县政务数据共享办法第一条",
            clock=node.clock,
            amends=grant,
        )
        replying.approve_access_request(
            work,
            caller(CIVIL),
            name=asked.name,
            items=[GrantedItem(item=item, mask=mask) for item, mask in masks.items()],
            operations=terms.pop("operations", ()),
            daily_quota=0,
            start_time=None,
            end_time=node.clock.now().replace(year=2027),
            clock=node.clock,
            **terms,
        )
    node.service.grants.invalidate()


async def test_a_record_outside_the_filter_answers_as_an_absent_one(node):
    await node.connect(caller(CIVIL)).publish(person(1), person(2, "980101"))
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(NAMED, row_filter=(HERE,), reason="仅限示范县")
    assert (await consumer.query.Query(ask(grant, 1))).found
    told = []
    for serial in (2, 77):
        answer = await consumer.query.Query(ask(grant, serial))
        verified = await consumer.query.Verify(claim(grant, serial))
        leaves = [orjson.loads(r.receipt.leaf) for r in (answer, verified)]
        for leaf in leaves:
            for noise in ("time", "commitments"):
                del leaf[noise]
        told.append((answer.found, dict(answer.items), verified.result, leaves))
    assert told[0] == told[1]
    assert (told[0][0], told[0][2]) == (False, query_pb2.MATCH_RESULT_NO_MATCH)
    assert (await consumer.query.Verify(claim(grant, 1))).result == query_pb2.MATCH_RESULT_MATCH


async def test_questions_of_one_moment_are_each_judged_by_their_own_grant(node):
    await node.connect(caller(CIVIL)).publish(person(1), person(2, "980101"))
    consumer = node.connect(caller(HOUSING))
    here = node.grant(NAMED, row_filter=(HERE,), reason="仅限示范县")
    everywhere = node.grant(NAMED)
    asked = [(here, 1), (everywhere, 1), (here, 2), (everywhere, 2), (here, 3), (everywhere, 3)] * 5
    answers = await asyncio.gather(*(consumer.query.Query(ask(*one)) for one in asked))
    assert [answer.found for answer in answers] == [True, True, False, True, False, False] * 5


async def test_only_ones_own_clients(node):
    put(node.service.database, resource(TENANTS, code="401001/000009"), clock=node.clock)
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1), person(2))
    grant = node.grant(NAMED, row_filter=(OWN,), reason="仅限服务对象")
    assert not (await consumer.query.Query(ask(grant, 1))).found
    await consumer.publish(person(1), resource=TENANTS)
    assert (await consumer.query.Query(ask(grant, 1))).found
    assert not (await consumer.query.Query(ask(grant, 2))).found
    assert (await consumer.query.Verify(claim(grant, 1))).result == query_pb2.MATCH_RESULT_MATCH
    exported = await consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
    assert len(exported.records) == 1
    assert await pulled(consumer, await subscribed(consumer, grant)) == [(UPSERT, {"name": "某甲"})]
    await consumer.publish(withdraw=[citizen_number(1)], resource=TENANTS)
    assert not (await consumer.query.Query(ask(grant, 1))).found


async def test_a_record_that_leaves_the_filter_is_withdrawn_if_it_was_delivered(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(NAMED, row_filter=(HERE,), reason="仅限示范县")
    name = await subscribed(consumer, grant)
    await source.publish(person(1), person(2, "980101"))
    assert await pulled(consumer, name) == [(UPSERT, {"name": "某甲"})]
    # The second, which was never shown, changes, moves within the outside, and ends: not a word.
    await source.publish(person(2, "980101", "某乙"))
    await source.publish(person(2, "980102", "某乙"))
    await source.publish(withdraw=[citizen_number(2)])
    assert await pulled(consumer, name) == []
    # The first leaves: gone, once. What becomes of it outside is not told; it comes back whole.
    await source.publish(person(1, "980101"))
    assert await pulled(consumer, name) == [(WITHDRAW, {})]
    await source.publish(person(1, "980102", "某丙"))
    assert await pulled(consumer, name) == []
    await source.publish(person(1, "990102", "某丙"))
    assert await pulled(consumer, name) == [(UPSERT, {"name": "某丙"})]
    await source.publish(withdraw=[citizen_number(1)])
    assert await pulled(consumer, name) == [(WITHDRAW, {})]
    # One that was withdrawn outside and comes back outside stays unseen.
    await source.publish(person(3, "980101"))
    await source.publish(withdraw=[citizen_number(3)])
    await source.publish(person(3, "980101"))
    assert await pulled(consumer, name) == []


async def test_the_cursor_passes_hidden_changes_by_with_the_end_of_the_log(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant(NAMED, row_filter=(HERE,), reason="仅限示范县")
    name = await subscribed(consumer, grant)
    await source.publish(*(person(n, "980101") for n in range(1, 1200)), person(1200))
    await source.publish(*(person(n, "980101") for n in range(1201, 1210)))
    assert await pulled(consumer, name, limit=5) == [(UPSERT, {"name": "某甲"})]
    assert await pulled(consumer, name) == []
    held = await consumer.delivery.GetSubscription(delivery_pb2.GetSubscriptionRequest(name=name))
    assert held.subscription.cursor == 1209
    # How much waits would tell of the records that the filter hides.
    assert not held.subscription.HasField("undelivered")


async def test_a_live_stream_sees_only_its_records_and_a_narrowing_at_once(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    name = await subscribed(consumer, grant)
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=name))
    await source.publish(person(1), person(2, "980101"))
    first = await stream.read()
    assert len(first.changes) == 2
    narrow(node, grant, row_filter=(HERE,), items=(GrantedItem(item="name"),))
    await source.publish(person(3, "980101"), person(4))
    second = await stream.read()
    assert [dict(change.items) for change in second.changes] == [{"name": "某甲"}]
    # What the version before had delivered is taken back when it changes.
    await source.publish(person(2, "980101", "某乙"))
    third = await stream.read()
    assert [change.type for change in third.changes] == [WITHDRAW]
    assert third.changes[0].record_id in {change.record_id for change in first.changes}
    stream.cancel()
    assert not (await consumer.query.Query(ask(grant, 2))).found


async def test_widening_shows_nothing_of_what_was_published_before(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.FIRST_CHARACTER}, row_filter=(HERE,), reason="仅限示范县")
    await source.publish(person(1), person(2, "980101"))
    more = {"name": Mask.WHOLE, "birth_date": Mask.WHOLE}
    amend(node, grant, more)
    await source.publish(person(3), person(4, "980101"))
    assert await pulled(consumer, await subscribed(consumer, grant)) == [
        (UPSERT, {"name": "某**"}),
        (UPSERT, {"name": "某甲", "birth_date": "1990-01-02"}),
        (UPSERT, {"name": "某甲", "birth_date": "1990-01-02"}),
    ]
    # Questions are answered from what is held now, by the terms as they are now.
    assert (await consumer.query.Query(ask(grant, 2))).items["birth_date"] == "1990-01-02"
    amend(node, grant, more, include_history=True)
    everything = await pulled(consumer, await subscribed(consumer, grant))
    assert everything == [(UPSERT, {"name": "某甲", "birth_date": "1990-01-02"})] * 4


async def test_an_export_is_paged_filtered_counted_and_proved(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(*(person(n, "990101" if n % 2 else "980101", f"某{n}") for n in range(9)))
    await source.publish(person(1, name="某新"))
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县", daily_quota=3)
    seen, token = [], ""
    first = await consumer.query.Export(query_pb2.ExportRequest(grant=grant, page_size=2, **WHY))
    seen += [dict(record.items)["name"] for record in first.records]
    token = first.next_page_token
    second = await consumer.query.Export(
        query_pb2.ExportRequest(grant=grant, page_size=2, page_token=token, **WHY)
    )
    seen += [dict(record.items)["name"] for record in second.records]
    assert seen == ["某3", "某5", "某7"]
    assert second.next_page_token
    leaf = orjson.loads(second.receipt.leaf)
    assert (leaf["kind"], leaf["count"]) == ("export", 1)
    assert citizen_number(3).encode() not in first.SerializeToString()
    again = query_pb2.ExportRequest(grant=grant, page_token=second.next_page_token, **WHY)
    assert (await refusal(consumer.query.Export(again))).reason == "DAILY_QUOTA_EXCEEDED"
    unbounded = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
    whole = await consumer.query.Export(query_pb2.ExportRequest(grant=unbounded, **WHY))
    assert [dict(one.items)["name"] for one in whole.records] == ["某3", "某5", "某7", "某新"]
    assert not whole.next_page_token
    bad = query_pb2.ExportRequest(grant=unbounded, page_token="8JCAgA", **WHY)
    assert (await refusal(consumer.query.Export(bad))).reason == "BAD_PAGE_TOKEN"


async def test_a_filtered_page_of_an_export_comes_at_a_step_of_time(node, monkeypatch):
    monkeypatch.setattr(pacing, "STEP", 0.5)
    consumer = node.connect(caller(HOUSING))
    await node.connect(caller(CIVIL)).publish(person(1, "980101"))
    filtered = node.grant(NAMED, row_filter=(HERE,), reason="仅限示范县")

    async def seconds(grant: str) -> float:
        began = time.monotonic()
        await consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
        return time.monotonic() - began

    # Whether records are there that are not shown, or none at all.
    assert await seconds(filtered) >= 0.5
    assert await seconds(node.grant(NAMED)) < 0.5


async def test_exports_and_queries_at_one_time_pass_no_quota_together(node):
    consumer = node.connect(caller(HOUSING))
    await node.connect(caller(CIVIL)).publish(*(person(n) for n in range(20)))
    grant = node.grant(NAMED, daily_quota=10)
    exported = query_pb2.ExportRequest(grant=grant, page_size=7, **WHY)

    async def taken(call, count) -> int:
        try:
            return count(await call)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            return 0

    exports = [
        taken(consumer.query.Export(exported), lambda page: len(page.records)) for _ in range(6)
    ]
    queries = [taken(consumer.query.Query(ask(grant, n)), lambda _: 1) for n in range(6)]
    assert sum(await asyncio.gather(*exports, *queries)) == 10


async def test_a_rate_bounds_the_questions_of_a_minute(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(NAMED, rate_per_minute=3)
    for _ in range(3):
        await consumer.query.Query(ask(grant))
    error = await refusal(consumer.query.Query(ask(grant)))
    assert (error.reason, error.retry_after) == ("RATE_EXCEEDED", 20)
    assert (await refusal(consumer.query.Verify(claim(grant)))).reason == "RATE_EXCEEDED"
    exported = query_pb2.ExportRequest(grant=grant, **WHY)
    assert (await refusal(consumer.query.Export(exported))).reason == "RATE_EXCEEDED"
    name = await subscribed(consumer, grant)
    pull = delivery_pb2.PullChangesRequest(subscription=name)
    assert (await refusal(consumer.delivery.PullChanges(pull))).reason == "RATE_EXCEEDED"
    node.clock.advance(timedelta(seconds=20))
    await consumer.query.Query(ask(grant))
    assert (await refusal(consumer.query.Query(ask(grant)))).reason == "RATE_EXCEEDED"
    # Whose grant it is not is told nothing of its rate.
    stranger = node.connect(caller(CIVIL))
    assert (await refusal(stranger.query.Query(ask(grant)))).reason == "GRANT_NOT_FOUND"
