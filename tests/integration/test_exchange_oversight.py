"""Questions of oversight, from a running exchange on each database."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from exchange.audit.note import NoteError, Verifier
from exchange.grants import service
from exchange.grants.amending import Narrowing
from exchange.grants.contracts import is_under, open_contract
from exchange.grants.model import GrantedItem, Mask, Operation
from exchange.oversight.service import OF_A_LOOK, TRIALS_A_MINUTE
from exchange.oversight.traffic import reading
from exchange.v1 import catalog_pb2, delivery_pb2, grants_pb2, oversight_pb2, query_pb2
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    NOON,
    RESIDENTS,
    caller,
)
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "1"}
DAY = timedelta(days=1)
BOTH = {"name": Mask.WHOLE, "birth_date": Mask.WHOLE}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


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


async def counted(node, stubs, least: int, **how):
    """A report once the log has so many records: the sequencer takes them in every second."""
    async with asyncio.timeout(20):
        while True:
            answer = await stubs.oversight.ReportGrantUse(
                oversight_pb2.ReportGrantUseRequest(parent="departments/-", **how)
            )
            if sum(one.uses for one in answer.grants) >= least:
                return answer
            await asyncio.sleep(0.2)


async def test_who_could_read_an_item_then(node):
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    other = node.grant({"name": Mask.FIRST_CHARACTER}, department=HEALTH, days=2)
    node.clock.advance(DAY)
    narrow(node, grant, items=(GrantedItem(item="name"),))
    node.clock.advance(DAY)

    async def who(item: str, days: float, stubs=None) -> dict[str, tuple]:
        asked = oversight_pb2.ExplainAccessRequest(resource=RESIDENTS, item=item)
        asked.time.FromDatetime(node.clock.now() + days * DAY)
        stubs = stubs or node.connect(AUDITOR)
        answer = await stubs.oversight.ExplainAccess(asked)
        return {
            one.grant.name: (one.consumer, one.grant.version, one.act, one.mask)
            for one in answer.accesses
        }

    year, first = grants_pb2.MASK_YEAR, grants_pb2.MASK_FIRST_CHARACTER
    assert await who("birth_date", -1.5) == {grant: (HOUSING, 1, "granted", year)}
    assert await who("birth_date", -0.5) == {}
    assert await who("name", -0.5) == {
        grant: (HOUSING, 2, "narrowed", 0),
        other: (HEALTH, 1, "granted", first),
    }
    assert set(await who("name", 0)) == {grant}  # the other's time is over
    assert await who("name", -3) == {}
    assert set(await who("", -1.5)) == {grant, other}
    assert set(await who("name", -0.5, node.connect(caller(CIVIL)))) == {grant, other}
    outsider = node.connect(caller(HEALTH))
    error = await refusal(
        outsider.oversight.ExplainAccess(oversight_pb2.ExplainAccessRequest(resource=RESIDENTS))
    )
    assert error.reason == "NOT_THE_SOURCE"


async def test_what_a_change_would_have_refused(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1))
    grant = node.grant(BOTH)
    key = citizen_number(1)
    for _ in range(3):
        await consumer.query.Query(query_pb2.QueryRequest(grant=grant, key=key, **WHY))
    claims = {"name": "某甲", "birth_date": "1990-01-02"}
    await consumer.query.Verify(query_pb2.VerifyRequest(grant=grant, key=key, claims=claims, **WHY))
    await refusal(
        consumer.query.Query(query_pb2.QueryRequest(grant=grant, key=key, items=["x"], **WHY))
    )
    await counted(node, source, 4)

    async def if_(**change) -> set[tuple]:
        answer = await source.oversight.WhatIf(oversight_pb2.WhatIfRequest(grant=grant, **change))
        assert (answer.uses, answer.tally.complete) == (4, True)
        return {
            (one.reason, one.operation, one.item, one.uses, one.refused) for one in answer.affected
        }

    query, verify = grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_VERIFY
    assert await if_() == set()
    assert await if_(operations=[verify]) == {("OPERATION_NOT_GRANTED", query, "", 3, True)}
    assert await if_(items=[grants_pb2.GrantedItem(item="name")]) == {
        ("ITEM_NOT_GRANTED", query, "birth_date", 3, False),
        ("ITEM_NOT_GRANTED", verify, "birth_date", 1, True),
    }
    masked = grants_pb2.GrantedItem(item="birth_date", mask=grants_pb2.MASK_YEAR)
    assert await if_(items=[grants_pb2.GrantedItem(item="name"), masked]) == {
        ("ITEM_GRANTED_IN_PART", query, "birth_date", 3, False),
        ("ITEM_GRANTED_IN_PART", verify, "birth_date", 1, True),
    }
    assert await if_(daily_quota=3) == {("DAILY_QUOTA_EXCEEDED", query, "", 1, True)}
    assert await if_(daily_quota=4) == set()
    before = oversight_pb2.WhatIfRequest(grant=grant)
    before.end_time.FromDatetime(node.clock.now() - DAY)
    ended = await source.oversight.WhatIf(before)
    assert {(one.reason, one.uses) for one in ended.affected} == {
        ("GRANT_EXPIRED", 3),
        ("GRANT_EXPIRED", 1),
    }
    outsider = node.connect(caller(HEALTH))
    hidden = outsider.oversight.WhatIf(oversight_pb2.WhatIfRequest(grant=grant))
    assert (await refusal(hidden)).reason == "GRANT_NOT_FOUND"
    bad = source.oversight.WhatIf(oversight_pb2.WhatIfRequest(grant=grant, from_day="yesterday"))
    assert (await refusal(bad)).violations[0].field == "from_day"


async def test_what_a_row_filter_or_a_rate_would_have_met(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    far = [*person(2)[:3], "980101"]
    await source.publish(person(1), far, person(3))
    grant = node.grant(BOTH)
    here, there, gone = (citizen_number(serial) for serial in (1, 2, 3))
    ask, many = consumer.query.Query, consumer.query.BatchQuery
    for key in (here, there, there, gone):
        await ask(query_pb2.QueryRequest(grant=grant, key=key, **WHY))
    await consumer.query.Verify(
        query_pb2.VerifyRequest(grant=grant, key=there, claims={"name": "某甲"}, **WHY)
    )
    asked = query_pb2.BatchQueryRequest(grant=grant, keys=[here, there], **WHY)
    assert [one async for one in many(iter([asked]))]
    await consumer.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
    await source.publish(withdraw=[gone])
    await counted(node, source, 7)

    async def if_(**change):
        answer = await source.oversight.WhatIf(oversight_pb2.WhatIfRequest(grant=grant, **change))
        assert (answer.look.uses, answer.look.complete) == (7, True)
        told = {
            (one.reason, one.operation, one.uses, one.records, one.refused)
            for one in answer.affected
        }
        return told, answer.look.unjudged

    query, verify = grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_VERIFY
    export = grants_pb2.OPERATION_EXPORT
    near = grants_pb2.RowCondition(item="region", test=grants_pb2.ROW_TEST_PREFIX, values=["9901"])
    # Nobody can say any more where the one was that is gone: it was asked for and exported.
    assert await if_(row_filter=[near]) == (
        {
            ("RECORD_NOT_SHOWN", query, 3, 3, False),
            ("RECORD_NOT_SHOWN", verify, 1, 1, False),
            ("RECORD_NOT_SHOWN", export, 1, 1, False),
        },
        2,
    )
    # All at one moment: of 8 questions, a rate of 7 has none left for the last.
    told, _ = await if_(rate_per_minute=7)
    assert {(reason, uses, refused) for reason, _, uses, _, refused in told} == {
        ("RATE_EXCEEDED", 1, True)
    }
    assert await if_(rate_per_minute=8) == (set(), 0)
    bad = source.oversight.WhatIf(
        oversight_pb2.WhatIfRequest(
            grant=grant,
            row_filter=[grants_pb2.RowCondition(item="x", test=near.test, values=["9"])],
        )
    )
    assert (await refusal(bad)).reason == "CHANGE_INVALID"
    away = oversight_pb2.WhatIfRequest(
        grant=grant, rate_per_minute=1, from_day="2026-01-01", until_day="2026-03-01"
    )
    assert (await source.oversight.WhatIf(away)).look.uses == 0


async def test_what_is_looked_at_is_bounded_and_told(node, monkeypatch):
    monkeypatch.setattr(reading, "GREATEST_LEAVES", 3)
    consumer = node.connect(caller(HOUSING))
    await node.connect(caller(CIVIL)).publish(person(1))
    grant = node.grant(BOTH)
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    for _ in range(9):
        await consumer.query.Query(asked)
        node.clock.advance(timedelta(minutes=1))
    await counted(node, consumer, 9)
    answer = await consumer.oversight.WhatIf(
        oversight_pb2.WhatIfRequest(grant=grant, rate_per_minute=1)
    )
    assert not answer.look.complete
    assert answer.look.uses <= 3
    assert answer.look.from_time.ToDatetime(NOON.tzinfo) >= NOON
    # So are the looks of one system in a minute; another one's are its own.
    node.clock.advance(timedelta(minutes=1))
    look = oversight_pb2.WhatIfRequest(grant=grant, rate_per_minute=1)
    for _ in range(TRIALS_A_MINUTE // OF_A_LOOK):
        await consumer.oversight.WhatIf(look)
    error = await refusal(consumer.oversight.WhatIf(look))
    assert error.reason == "RATE_EXCEEDED"
    assert (await node.connect(caller(CIVIL)).oversight.WhatIf(look)).HasField("look")
    node.clock.advance(timedelta(minutes=1))
    assert (await consumer.oversight.WhatIf(look)).HasField("look")


async def test_what_a_change_of_the_catalog_would_have_met(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1))
    both, name = node.grant(BOTH), node.grant({"name": Mask.WHOLE}, department=HEALTH)
    over = node.grant(BOTH, days=0.5)
    key = citizen_number(1)
    await consumer.query.Query(query_pb2.QueryRequest(grant=both, key=key, **WHY))
    claims = {"birth_date": "1990-01-02"}
    await consumer.query.Verify(query_pb2.VerifyRequest(grant=both, key=key, claims=claims, **WHY))
    await counted(node, source, 2)
    node.clock.advance(DAY)

    async def if_(stubs=source, **change):
        answer = await stubs.oversight.WhatIfCatalog(
            oversight_pb2.WhatIfCatalogRequest(resource=RESIDENTS, **change)
        )
        return answer, {
            one.grant: (
                one.closed,
                list(one.lost_items),
                {(a.reason, a.operation, a.item, a.uses, a.refused) for a in one.affected},
            )
            for one in answer.grants
        }

    query, verify = grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_VERIFY
    assert (await if_())[1] == {}
    assert (await if_(removed_items=["birth_date"]))[1] == {
        both: (
            False,
            ["birth_date"],
            {
                ("ITEM_NOT_IN_RESOURCE", query, "birth_date", 1, False),
                ("ITEM_NOT_IN_RESOURCE", verify, "birth_date", 1, True),
            },
        )
    }
    listed = (await if_(negative_items=["name"]))[1]
    assert listed[name] == (True, ["name"], set())
    assert listed[both][:2] == (False, ["name"])
    not_shared = catalog_pb2.SHARING_TYPE_NOT_SHARED
    for change, reason in (
        ({"withdrawn": True}, "RESOURCE_WITHDRAWN"),
        ({"negative": True}, "ON_NEGATIVE_LIST"),
        ({"sharing_type": not_shared}, "RESOURCE_NOT_SHARED"),
    ):
        answer, told = await if_(**change)
        assert set(told) == {both, name}
        assert over not in told
        assert told[both][2] == {(reason, query, "", 1, True), (reason, verify, "", 1, True)}
        assert told[name] == (True, [], set())
        assert answer.requests == 0
    answer, told = await if_(sharing_type=catalog_pb2.SHARING_TYPE_UNCONDITIONAL)
    assert (answer.requests, told) == (3, {})
    seen, token = [], ""
    while True:
        page, told = await if_(withdrawn=True, page_size=1, page_token=token)
        seen += told
        if not (token := page.next_page_token):
            break
    assert seen == sorted({both, name})
    assert set((await if_(node.connect(AUDITOR), withdrawn=True))[1]) == {both, name}
    error = await refusal(if_(consumer, withdrawn=True))
    assert error.reason == "NOT_THE_SOURCE"
    for wrong in ({"removed_items": ["x"]}, {"removed_items": ["citizen_number"]}):
        assert (await refusal(if_(**wrong))).reason == "CHANGE_INVALID"


async def test_what_is_given_and_not_used(node):
    source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
    await source.publish(person(1))
    used, idle = node.grant(BOTH), node.grant({"name": Mask.WHOLE}, department=HEALTH)
    exact = node.grant({"name": Mask.WHOLE}, operations=[Operation.QUERY], daily_quota=9)
    for grant in (used, exact):
        asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), items=["name"], **WHY)
        await consumer.query.Query(asked)
    made = await consumer.delivery.CreateSubscription(
        delivery_pb2.CreateSubscriptionRequest(
            parent=HOUSING,
            subscription_id="one",
            grant=used,
            start=delivery_pb2.START_POSITION_EARLIEST,
            request_id=str(uuid.uuid4()),
        )
    )
    await consumer.delivery.PullChanges(
        delivery_pb2.PullChangesRequest(subscription=made.subscription.name)
    )
    administrator = node.connect(ADMINISTRATOR)
    answer = await counted(node, administrator, 3)
    told = {one.grant: one for one in answer.grants}
    assert set(told) == {used, idle, exact}
    assert (told[idle].uses, told[idle].last_day) == (0, "")
    assert (told[used].uses, told[used].busiest_day) == (2, 2)
    assert told[used].last_day == "2026-03-02"
    verify, export = grants_pb2.OPERATION_VERIFY, grants_pb2.OPERATION_EXPORT
    assert list(told[used].unused_operations) == [verify, export]
    assert list(told[used].unused_items) == []  # the subscription was sent all of them
    assert (told[exact].uses, told[exact].daily_quota) == (1, 9)
    wider = await counted(node, administrator, 2, wider_only=True)
    assert {one.grant for one in wider.grants} == {used, idle}
    mine = await consumer.oversight.ReportGrantUse(
        oversight_pb2.ReportGrantUseRequest(parent=HOUSING)
    )
    assert {one.grant for one in mine.grants} == {used, exact}
    assert all(one.in_force for one in mine.grants)
    ended = grants_pb2.RevokeGrantRequest(name=exact, reason="不再需要", request_id="ended")
    await source.grants.RevokeGrant(ended)
    mine = await consumer.oversight.ReportGrantUse(
        oversight_pb2.ReportGrantUseRequest(parent=HOUSING)
    )
    assert {one.grant for one in mine.grants if one.in_force} == {used}


async def test_of_two_who_count_one_is_in_vain(node):
    consumer = node.connect(caller(HOUSING))
    await node.connect(caller(CIVIL)).publish(person(1))
    grant = node.grant(BOTH)
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    await asyncio.gather(*(consumer.query.Query(asked) for _ in range(20)))
    administrator = node.connect(ADMINISTRATOR)
    async with asyncio.timeout(20):
        while True:
            request = oversight_pb2.ReportGrantUseRequest(parent="departments/-")
            reports = await asyncio.gather(
                *(administrator.oversight.ReportGrantUse(request) for _ in range(4))
            )
            most = max(report.grants[0].uses for report in reports)
            assert most <= 20
            if most == 20:
                break
            await asyncio.sleep(0.2)


async def test_a_contract_is_checked_without_the_node(node):
    consumer = node.connect(caller(HOUSING))
    grant = node.grant(BOTH)
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    first = await consumer.query.Query(asked)
    narrow(node, grant, items=(GrantedItem(item="name"),))
    second = await consumer.query.Query(asked)
    verifier = Verifier(node.service.audit.key.verifier_key)

    async def contract(version: int = 0):
        answer = await consumer.grants.GetGrantContract(
            grants_pb2.GetGrantContractRequest(name=grant, version=version)
        )
        held = open_contract(answer.note, verifier)
        assert held.contract_hash == answer.contract_hash
        return held, answer.note

    old, note = await contract(1)
    new, _ = await contract()
    assert old.terms["items"] == [["name", "whole"], ["birth_date", "whole"]]
    assert (new.terms["items"], new.terms["version"]) == ([["name", "whole"]], 2)
    assert is_under(old, first.receipt.leaf)
    assert is_under(new, second.receipt.leaf)
    assert not is_under(new, first.receipt.leaf)
    assert not is_under(old, b"not json")
    for forged in (
        note.replace("birth_date", "citizen_no"),
        note.replace(old.contract_hash, new.contract_hash),
        note.replace("tongban-contract/v1", "tongban-contract/v2"),
        node.service.audit.store.newest_checkpoint().note,
        "",
    ):
        with pytest.raises(NoteError):
            open_contract(forged, verifier)
    hidden = node.connect(caller(HEALTH)).grants.GetGrantContract(
        grants_pb2.GetGrantContractRequest(name=grant)
    )
    assert (await refusal(hidden)).reason == "GRANT_NOT_FOUND"
