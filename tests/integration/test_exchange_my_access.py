"""An applicant's own view: who asked for their data, as the log has it, on each database."""

import asyncio
from datetime import UTC, timedelta

import orjson
import pytest

from exchange.audit.accesses import store as accesses
from exchange.audit.entries import check_asked, check_entry
from exchange.audit.keeping.service import LEAST_AGE
from exchange.audit.verify import verify_inclusion
from exchange.grants.model import Mask
from exchange.grants.rows import RowCondition, RowTest
from exchange.query.telling import PEOPLE_A_MINUTE
from exchange.v1 import audit_pb2, delivery_pb2, query_pb2
from runtime import paging
from runtime.identity import Principal, Role
from runtime.records import commit
from tests.builders.catalog import CIVIL, HOUSING, caller
from tests.builders.exchange import applicant, citizen_number, exchange_node, person, refusal
from tongban.commands.audit_access import own_entry

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        await started.connect(caller(CIVIL)).publish(person(1), person(2))
        yield started


@pytest.fixture
def counter(node):
    system = "departments/service-centre/systems/counter"
    return node.connect(
        Principal(
            system=system,
            department="departments/service-centre",
            roles=frozenset({Role.COUNTER}),
            serial=0,
        )
    )


async def told(node, counter, key: str = KEY, **page) -> query_pb2.MyAccessResponse:
    await asyncio.to_thread(node.service.audit.sequencer.run)
    return await counter.query.MyAccess(
        query_pb2.MyAccessRequest(key=key, case_number="SF-1", **page)
    )


async def ask_in_every_way(node) -> str:
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    await consumer.query.Query(query_pb2.QueryRequest(grant=grant, key=KEY, **WHY))
    await consumer.query.Verify(
        query_pb2.VerifyRequest(grant=grant, key=KEY, claims={"name": "某甲"}, **WHY)
    )
    keys = [citizen_number(2), KEY]
    await consumer.query.Query(query_pb2.QueryRequest(grant=grant, keys=keys, **WHY))
    await consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
    past = query_pb2.QueryRequest(grant=grant, key=KEY, items=["name"], **WHY)
    past.read_time.FromDatetime(node.clock.now())
    await consumer.query.Query(past)
    await consumer.query.Query(query_pb2.QueryRequest(grant=grant, key=citizen_number(2), **WHY))
    return grant


async def test_every_question_is_told_with_its_proof(node, counter):
    grant = await ask_in_every_way(node)
    answer = await told(node, counter)
    assert [one.kind for one in answer.accesses] == [
        "query", "export", "batch_query", "verify", "query",
    ]  # fmt: skip
    assert list(answer.accesses[0].items) == ["name"]
    key = node.service.audit.key.verifier_key
    for one in answer.accesses:
        assert (one.grant, one.purpose) == (grant, "公租房资格审核")
        assert one.legal_basis == "示范县政务数据共享办法第一条"
        assert one.actor.startswith(HOUSING)
        proof = await counter.audit.GetInclusionProof(
            audit_pb2.GetInclusionProofRequest(index=one.index)
        )
        assert verify_inclusion(proof.proof, one.leaf, key).passed
        leaf = orjson.loads(one.leaf)
        alone = "key" in leaf["commitments"]
        assert bool(one.salt) == alone
        assert one.HasField("entry") is not alone
        if alone:
            assert leaf["commitments"]["key"] == commit(one.salt, "key", KEY.encode())
        else:
            own = own_entry(one)
            assert own is not None
            check_entry(leaf, own, KEY)
            check_asked(leaf, own, "purpose", WHY["purpose"])
    assert len((await told(node, counter, citizen_number(2))).accesses) == 3
    assert not (await told(node, counter, citizen_number(3))).accesses
    assert [leaf["count"] for leaf in node.leaves("accesses_told")] == [5, 3, 0]


async def test_page_by_page_the_newest_first(node, counter):
    await ask_in_every_way(node)
    whole = [one.index for one in (await told(node, counter)).accesses]
    token, found = "", []
    for _ in range(3):
        page = await told(node, counter, page_size=2, page_token=token)
        found += [one.index for one in page.accesses]
        token = page.next_page_token
    assert found == whole == sorted(whole, reverse=True)
    assert not token


async def test_a_counter_asks_about_so_many_people_a_minute(node, counter):
    people = [citizen_number(n) for n in range(1, PEOPLE_A_MINUTE + 2)]
    for key in people[:-1]:
        await counter.query.MyAccess(query_pb2.MyAccessRequest(key=key, case_number="SF-1"))
    # Further pages of one are not counted; another person's with a token are.
    last = query_pb2.MyAccessRequest(
        key=people[-2], case_number="SF-1", page_token=paging.token_after("7")
    )
    await counter.query.MyAccess(last)
    for page_token in ("", last.page_token):
        error = await refusal(
            counter.query.MyAccess(
                query_pb2.MyAccessRequest(key=people[-1], case_number="SF-1", page_token=page_token)
            )
        )
        assert error.reason == "RATE_EXCEEDED"
        assert 0 < error.retry_after <= 60
    node.clock.advance(timedelta(minutes=1))
    last.page_token = ""
    await counter.query.MyAccess(last)


async def test_only_who_acts_for_an_applicant_may_ask(node, counter):
    asked = query_pb2.MyAccessRequest(key=KEY, case_number="SF-1")
    for who in (caller(HOUSING), caller(CIVIL)):
        error = await refusal(node.connect(who).query.MyAccess(asked))
        assert error.reason == "ROLE_NOT_ALLOWED"
    for wrong, reason in (({"key": "1"}, "MALFORMED_KEY"), ({"case_number": " "}, "BAD_QUESTION")):
        request = query_pb2.MyAccessRequest(**{"key": KEY, "case_number": "SF-1", **wrong})
        assert (await refusal(counter.query.MyAccess(request))).reason == reason


async def test_an_applicant_is_told_of_their_own_and_of_nobody_elses(node):
    await ask_in_every_way(node)
    own, other = node.connect(applicant(KEY)), node.connect(applicant(citizen_number(2)))
    accesses = (await told(node, own)).accesses
    assert {one.kind for one in accesses} >= {"query", "verify"}
    assert not (await told(node, other)).accesses
    proof = await own.audit.GetInclusionProof(
        audit_pb2.GetInclusionProofRequest(index=accesses[0].index)
    )
    assert proof.index == accesses[0].index


async def test_the_database_holds_no_key_and_the_log_no_tag(node, counter):
    await ask_in_every_way(node)
    await told(node, counter)
    held = node.service.audit_database.held
    tags = {bytes(row[0]) for row in held.rows("SELECT tag FROM access", ())}
    assert len(tags) == 2
    assert not held.rows("SELECT 1 FROM access_waiting", ())
    bundles = b"".join(bytes(r[0]) for r in held.rows("SELECT leaves FROM audit_batch", ()))
    assert KEY.encode() not in bundles
    assert not any(tag in bundles or tag.hex().encode() in bundles for tag in tags)


async def test_what_is_erased_is_not_linked_any_more(node, counter):
    await ask_in_every_way(node)
    first, *rest = (await told(node, counter)).accesses
    office = node.connect(caller("departments/data-office", Role.ADMINISTRATOR))
    one_of = audit_pb2.EraseSaltsRequest(index=first.index, reason="本人要求", request_id="1")
    assert (await refusal(office.audit.EraseSalts(one_of))).reason == "TOO_RECENT"
    node.clock.advance(LEAST_AGE)
    asked_then = node.clock.now()
    await office.audit.EraseSalts(one_of)
    for _ in range(200):  # the act's own record is moved into the log beside this
        left = await told(node, counter)
        if left.erasures and left.erasures[0].HasField("index"):
            break
        await asyncio.sleep(0.05)
    assert [one.index for one in left.accesses] == [one.index for one in rest]
    # Whoever asks is told, also of whom the record was not.
    for answer in (left, await told(node, counter, citizen_number(3))):
        (act,) = answer.erasures
        assert (answer.erased, act.erased) == (1, 1)
        assert act.actor.startswith("departments/data-office/")
        assert act.time.ToDatetime(UTC) == asked_then
        assert act.first_time == act.last_time
        assert 0 <= (asked_then - LEAST_AGE - act.first_time.ToDatetime(UTC)).total_seconds() < 60
        (leaf,) = (await counter.audit.ListEntries(
            audit_pb2.ListEntriesRequest(start=act.index, page_size=1)
        )).leaves  # fmt: skip
        assert orjson.loads(leaf)["kind"] == "salt_erased"
    held = node.service.audit_database.held
    sql = held.sql("SELECT 1 FROM access WHERE leaf_index = ?")
    assert held.row(sql, (first.index,)) is None
    assert len(held.rows("SELECT 1 FROM access_entries", ())) == 2
    node.clock.advance(timedelta(days=2))
    before = left.complete_size
    request = audit_pb2.EraseSaltsRequest(reason="到期", request_id="2")
    request.before.FromDatetime(node.clock.now() - LEAST_AGE)
    done = await office.audit.EraseSalts(request)
    # Before its record is in the log, too.
    answer = await counter.query.MyAccess(query_pb2.MyAccessRequest(key=KEY, case_number="SF-1"))
    assert answer.erased == done.erased + 1
    assert not answer.erasures[0].HasField("index")
    answer = await told(node, counter)
    assert not answer.accesses
    assert answer.erasures[0].index >= before
    assert answer.erasures[0].erased == done.erased
    assert held.row("SELECT 1 FROM access", ()) is None
    assert held.row("SELECT 1 FROM access_entries", ()) is None


async def test_up_to_when_the_answer_is_complete_is_told(node, counter):
    asked = query_pb2.MyAccessRequest(key=KEY, case_number="SF-1")
    answer = await told(node, counter)
    assert answer.complete_time.ToDatetime(UTC) == node.clock.now()
    started = node.clock.now()
    await ask_in_every_way(node)
    node.clock.advance(timedelta(seconds=40))
    # Nothing was moved into the index since.
    behind = await counter.query.MyAccess(asked)
    assert not behind.accesses
    assert behind.complete_time.ToDatetime(UTC) == started
    answer = await told(node, counter)
    assert answer.complete_time.ToDatetime(UTC) == node.clock.now()
    assert behind.complete_size <= answer.accesses[-1].index
    assert answer.complete_size > answer.accesses[0].index
    assert not answer.erasures


async def pull(consumer, grant: str) -> tuple[str, delivery_pb2.PullChangesResponse]:
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id="residents",
            request_id="subscribe",
            grant=grant,
            start=delivery_pb2.START_POSITION_EARLIEST,
        )
    )
    name = made.subscription.name
    asked = delivery_pb2.PullChangesRequest(subscription=name)
    return name, await consumer.delivery.PullChanges(asked)


async def test_what_was_delivered_to_subscribers_is_told(node, counter, monkeypatch):
    monkeypatch.setattr(accesses, "ROWS_AT_ONCE", 1)
    consumer = node.connect(caller(HOUSING))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    subscription, pulled = await pull(consumer, grant)
    assert [change.items["name"] for change in pulled.changes] == ["某甲", "某甲"]
    stream = consumer.delivery.Subscribe(delivery_pb2.SubscribeRequest(subscription=subscription))
    sent = await stream.read()
    stream.cancel()
    for number, times in ((1, 2), (2, 2), (3, 0)):
        answer = await told(node, counter, citizen_number(number))
        assert len(answer.accesses) == times
        assert {one.kind for one in answer.accesses} <= {"changes_delivered"}
    answer = await told(node, counter)
    leaves = [orjson.loads(one.leaf) for one in answer.accesses]
    assert [leaf["count"] for leaf in leaves] == [2, 2]
    assert answer.accesses[0].leaf == sent.receipt.leaf
    assert answer.accesses[1].leaf == pulled.receipt.leaf
    key = node.service.audit.key.verifier_key
    for one in answer.accesses:
        assert (one.grant, sorted(one.items)) == (grant, ["birth_date", "name"])
        assert (one.actor, one.purpose) == (caller(HOUSING).system, "公租房资格审核")
        assert not one.salt  # it would open the other people's records too
        own = own_entry(one)
        assert own is not None
        check_entry(orjson.loads(one.leaf), own, KEY)
        proof = await counter.audit.GetInclusionProof(
            audit_pb2.GetInclusionProofRequest(index=one.index)
        )
        assert verify_inclusion(proof.proof, one.leaf, key).passed


async def test_what_a_filter_kept_back_is_no_access(node, counter):
    consumer = node.connect(caller(HOUSING))
    condition = RowCondition(
        item="citizen_number", test=RowTest.PREFIX, values=(citizen_number(2)[:17],)
    )
    grant = node.grant({"name": Mask.WHOLE}, row_filter=(condition,), reason="仅限本人")
    assert len((await pull(consumer, grant))[1].changes) == 1
    assert not (await told(node, counter)).accesses
    assert len((await told(node, counter, citizen_number(2))).accesses) == 1
