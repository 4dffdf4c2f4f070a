"""Corrections on a running exchange: who got a wrong record is told, and nobody else learns."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from exchange.corrections import service as corrections
from exchange.corrections import store
from exchange.corrections.tracing import Tracer
from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import corrections_pb2 as pb
from exchange.v1 import deadlines_pb2, delivery_pb2, grants_pb2, query_pb2
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    RESIDENTS,
    caller,
)
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
KEY = citizen_number(1)
CENTRE = "departments/service-centre"
COUNTER = caller(CENTRE, Role.COUNTER, system="counter")
MINUTES = timedelta(minutes=2)


class Scene:
    """A node, and corrections asked of it as somebody."""

    def __init__(self, node) -> None:
        self.node = node

    def at(self, who):
        return self.node.connect(who)

    async def __call__(self, who, method: str, **fields):
        stubs = self.node.connect(who)
        request = getattr(pb, f"{method}Request")(**fields)
        if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
            request.request_id = str(uuid.uuid4())
        return await getattr(stubs.corrections, method)(request)

    async def publish(self, *rows, **how):
        self.node.clock.advance(MINUTES)
        made = await self.node.connect(caller(CIVIL)).publish(*rows, **how)
        self.node.clock.advance(MINUTES)
        return made

    async def query(self, department: str, grant: str, key: str = KEY, **how):
        question = query_pb2.QueryRequest(grant=grant, key=key, **{**WHY, **how})
        answer = await self.node.connect(caller(department)).query.Query(question)
        await self.node.index()
        return answer

    async def subscribe(self, department: str, grant: str, name: str = "s"):
        delivery = self.node.connect(caller(department)).delivery
        made = await delivery.CreateSubscription(
            delivery_pb2.CreateSubscriptionRequest(
                parent=department,
                subscription_id=name,
                grant=grant,
                start=delivery_pb2.START_POSITION_EARLIEST,
                request_id=str(uuid.uuid4()),
            )
        )
        return made.subscription.name

    async def pull(self, department: str, subscription: str):
        delivery = self.node.connect(caller(department)).delivery
        got = await delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=subscription))
        await self.node.index()
        return got.changes

    async def submit(self, who, *items, **record) -> pb.Correction:
        made = await self(
            who,
            "SubmitCorrection",
            items=items or ["name"],
            fault=pb.CORRECTION_FAULT_WRONG_VALUE,
            statement="姓名与居民身份证不符",
            **record,
        )
        return made.correction

    async def accept(self, name: str, **how) -> pb.Correction:
        await self(caller(CIVIL), "ReviewCorrection", name=name)
        done = await self(
            caller(CIVIL), "AnswerCorrection", name=name, state=pb.CORRECTION_STATE_ACCEPTED, **how
        )
        return done.correction

    async def trace(self) -> int:
        self.node.clock.advance(MINUTES)
        await self.node.index()
        return await asyncio.to_thread(self.node.service.tracer.run)

    async def notices(self, who, **how):
        return (await self(who, "ListCorrectionNotices", **how)).notices

    async def lineage(self, who, name: str):
        return await self(who, "GetCorrectionLineage", name=name)


@pytest.fixture
async def scene(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        started.service.tracer.stop()  # told by hand, so that a test says when
        await started.connect(caller(CIVIL)).publish(person(1), person(2))
        started.clock.advance(MINUTES)
        yield Scene(started)


def answered(grant: str, key: str = KEY) -> dict:
    return {"answered": pb.AnsweredRecord(grant=grant, key=key)}


async def test_all_who_got_the_wrong_record_are_told_and_acknowledge(scene):
    asks = scene.node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    takes = scene.node.grant(
        {"name": Mask.FIRST_CHARACTER}, department=HEALTH, operations=[Operation.SUBSCRIBE]
    )
    unconcerned = scene.node.grant({"birth_date": Mask.WHOLE}, department=HEALTH)
    assert (await scene.query(HOUSING, asks)).items["name"] == "某甲"
    await scene.query(HEALTH, unconcerned)
    subscription = await scene.subscribe(HEALTH, takes)
    wrong = (await scene.pull(HEALTH, subscription))[0]

    made = await scene.submit(
        COUNTER, own=pb.OwnRecord(resource=RESIDENTS, key=KEY, case_number="SF-1")
    )
    assert (made.state, made.key) == (pb.CORRECTION_STATE_SUBMITTED, "")
    assert made.due == "2026-03-16"
    (owed,) = (await scene(caller(CIVIL), "ListCorrections", open_only=True)).corrections
    assert (owed.key, owed.statement) == (KEY, "姓名与居民身份证不符")
    early = await refusal(scene.accept(made.name))
    assert early.reason == "NOT_CORRECTED"

    batch = (await scene.publish(person(1, "某乙"))).batch
    await scene.query(HOUSING, asks)  # gets the correct one
    done = (
        await scene(
            caller(CIVIL),
            "AnswerCorrection",
            name=made.name,
            state=pb.CORRECTION_STATE_ACCEPTED,
            batch=batch,
        )
    ).correction
    assert list(done.accepted_items) == ["name"]
    assert not (await scene.lineage(caller(CIVIL), made.name)).traced
    assert await scene.trace() == 1
    assert await scene.trace() == 0  # once

    (housing,) = await scene.notices(caller(HOUSING))
    assert (housing.grant, housing.key, list(housing.items)) == (asks, KEY, ["name"])
    assert (housing.access_count, len(housing.accesses)) == (1, 1)
    (health,) = await scene.notices(caller(HEALTH))
    assert (health.subscription, health.record_id) == (subscription, wrong.record_id)
    assert health.key == ""
    assert await scene.notices(caller(CIVIL)) == []
    for who, notice in ((caller(HOUSING), housing), (caller(HEALTH), health)):
        read = await scene(who, "AcknowledgeCorrectionNotice", name=notice.name)
        assert read.notice.acknowledged_by == who.system
    assert await scene.notices(caller(HOUSING), open_only=True) == []

    whole = await scene.lineage(caller(CIVIL), made.name)
    assert whole.traced
    assert [one.offset for one in whole.wrong] == [wrong.offset]
    assert whole.corrected.batch == batch
    assert (whole.notice_count, whole.acknowledged_count) == (2, 2)
    assert {n.grant for n in whole.notices} == {asks, takes}
    assert {(n.key, n.record_id) for n in whole.notices} == {("", "")}
    mine = await scene.lineage(COUNTER, made.name)
    assert (mine.notice_count, mine.acknowledged_count, list(mine.notices)) == (2, 2, [])
    kinds = ["correction_submitted", "correction_answered", "correction_notices_made",
             "correction_notice_acknowledged"]  # fmt: skip
    assert [len(scene.node.leaves(kind)) for kind in kinds] == [1, 1, 1, 2]
    assert KEY not in str([scene.node.leaves(kind) for kind in kinds])
    told = await scene(COUNTER, "MyCorrections", key=KEY, case_number="SF-2")
    assert [one.state for one in told.corrections] == [pb.CORRECTION_STATE_ACCEPTED]


async def test_a_receiver_doubts_what_it_was_told_and_learns_nothing_by_it(scene):
    grant = scene.node.grant(
        {"name": Mask.WHOLE},
        row_filter=[RowCondition(item="region", test=RowTest.PREFIX, values=("9902",))],
        reason="仅限邻县",
    )
    absent = citizen_number(9)
    for key in (KEY, absent):  # one is there and hidden by the filter, one is not
        assert not (await scene.query(HOUSING, grant, key)).found
    others = scene.node.grant({"name": Mask.WHOLE}, department=HEALTH)
    await scene.query(HEALTH, others)  # who is told of it then, and is not the first one's business
    hidden = await scene.submit(caller(HOUSING), **answered(grant))
    nobody = await scene.submit(caller(HOUSING), **answered(grant, absent))
    told = [pb.Correction.FromString(one.SerializeToString()) for one in (hidden, nobody)]
    for one in told:
        one.ClearField("name")
        one.ClearField("create_time")
    assert told[0] == told[1]
    await scene.publish(person(1, "某乙"), person(9))
    lineages = []
    for made in (hidden, nobody):
        await scene.accept(made.name)
        await scene.trace()
        found = await scene.lineage(caller(HOUSING), made.name)
        lineages.append((list(found.wrong), found.HasField("corrected"), found.notice_count))
    assert lineages == [([], False, 0)] * 2
    assert await scene.notices(caller(HOUSING)) == []
    assert len(await scene.notices(caller(HEALTH))) == 1


async def test_what_was_never_told_to_the_caller_is_like_what_is_not_there(scene):
    grant = scene.node.grant({"name": Mask.WHOLE})
    takes = scene.node.grant({"name": Mask.WHOLE}, department=HEALTH)
    subscription = await scene.subscribe(HEALTH, takes)
    (change, other) = await scene.pull(HEALTH, subscription)
    good = {"subscription": subscription, "record_id": change.record_id, "offset": change.offset}
    unknown = f"{HEALTH}/subscriptions/x"
    attempts = [
        (HOUSING, answered(grant)),
        (HOUSING, answered(grant, "x")),
        (HOUSING, {"delivered": pb.DeliveredRecord(**good)}),
        (HEALTH, {"delivered": pb.DeliveredRecord(**{**good, "offset": other.offset})}),
        (HEALTH, {"delivered": pb.DeliveredRecord(**{**good, "offset": 10**6})}),
        (HEALTH, {"delivered": pb.DeliveredRecord(**{**good, "offset": -1})}),
        (HEALTH, {"delivered": pb.DeliveredRecord(**{**good, "record_id": "0" * 32})}),
        (HEALTH, {"delivered": pb.DeliveredRecord(**{**good, "subscription": unknown})}),
    ]  # fmt: skip
    for department, record in attempts:
        refused = await refusal(scene.submit(caller(department), **record))
        assert refused.reason == "RECORD_NOT_RECEIVED", record
    assert (await refusal(scene.submit(caller(HEALTH), **answered(grant)))).reason == (
        "GRANT_NOT_FOUND"
    )
    made = await scene.submit(caller(HEALTH), delivered=pb.DeliveredRecord(**good))
    assert (made.record_id, made.key, made.origin) == (
        change.record_id,
        "",
        pb.CORRECTION_ORIGIN_SUBSCRIPTION,
    )
    for method in ("GetCorrection", "ReviewCorrection", "WithdrawCorrection",
                   "GetCorrectionLineage"):  # fmt: skip
        told = await refusal(scene(caller(HOUSING), method, name=made.name))
        same = await refusal(scene(caller(HOUSING), method, name=f"{HEALTH}/corrections/x"))
        assert (told.reason, told.message) == (same.reason, same.message)
        assert told.reason == "CORRECTION_NOT_FOUND"
    assert not (await scene(caller(HOUSING), "ListCorrections")).corrections
    for who in (ADMINISTRATOR, AUDITOR):
        (seen,) = (await scene(who, "ListCorrections")).corrections
        assert (seen.name, seen.statement, seen.key, seen.record_id) == (made.name, "", "", "")


async def test_nobody_tries_keys_out_of_records_that_were_told_without_theirs(scene):
    await scene.publish(person(1), person(2))
    housing = scene.at(caller(HOUSING)).query
    for mask in (None, Mask.LAST_FOUR, Mask.WHOLE):
        shown = {"name": Mask.WHOLE} | ({} if mask is None else {"citizen_number": mask})
        grant = scene.node.grant(shown)
        await housing.Export(query_pb2.ExportRequest(grant=grant, **WHY))
        await scene.node.index()
        if mask is Mask.WHOLE:
            assert (await scene.submit(caller(HOUSING), **answered(grant))).grant == grant
        else:
            refused = await refusal(scene.submit(caller(HOUSING), **answered(grant)))
            assert refused.reason == "RECORD_NOT_RECEIVED"


async def test_who_may_doubt_what(scene):
    own = {"own": pb.OwnRecord(resource=RESIDENTS, key=KEY, case_number="")}
    citizens = {"own": pb.OwnRecord(resource=RESIDENTS, key=KEY, case_number="SF-1")}
    assert (await refusal(scene.submit(caller(HOUSING), **citizens))).reason == "NOT_YOUR_RECORD"
    assert (await refusal(scene.submit(COUNTER, **own))).reason == "BAD_QUESTION"
    short = {"own": pb.OwnRecord(resource=RESIDENTS, key="1", case_number="SF-1")}
    assert (await refusal(scene.submit(COUNTER, **short))).reason == "MALFORMED_KEY"
    grant = scene.node.grant({"name": Mask.WHOLE})
    await scene.query(HOUSING, grant)
    narrow = await refusal(scene.submit(caller(HOUSING), "birth_date", **answered(grant)))
    assert (narrow.reason, narrow.metadata["item"]) == ("ITEM_NOT_RECEIVED", "birth_date")
    assert (await refusal(scene.submit(COUNTER, **answered(grant)))).reason == (
        "COUNTERS_ACT_FOR_CITIZENS"
    )
    made = await scene.submit(caller(CIVIL), **own)
    assert made.origin == pb.CORRECTION_ORIGIN_SOURCE
    assert made.key == KEY
    again = await refusal(scene.submit(caller(CIVIL), **own))
    assert (again.reason, again.metadata["correction"]) == ("CORRECTION_OPEN", made.name)
    gone = (await scene(caller(CIVIL), "WithdrawCorrection", name=made.name)).correction
    assert gone.state == pb.CORRECTION_STATE_WITHDRAWN
    await scene.submit(caller(CIVIL), **own)


async def test_open_requests_are_bounded(scene, monkeypatch):
    monkeypatch.setattr(corrections, "GREATEST_OPEN", 1)
    own = [pb.OwnRecord(resource=RESIDENTS, key=citizen_number(n)) for n in (1, 2)]
    await scene.submit(caller(CIVIL), own=own[0])
    assert (await refusal(scene.submit(caller(CIVIL), own=own[1]))).reason == "TOO_MANY_OPEN"


async def test_a_repeat_has_the_first_answer(scene):
    own = pb.OwnRecord(resource=RESIDENTS, key=KEY)
    asked = {
        "items": ["name"],
        "fault": pb.CORRECTION_FAULT_OUTDATED,
        "statement": "已改名",
        "own": own,
        "request_id": "one",
    }
    first = await scene(caller(CIVIL), "SubmitCorrection", **asked)
    assert await scene(caller(CIVIL), "SubmitCorrection", **asked) == first
    assert len(scene.node.leaves("correction_submitted")) == 1


async def test_notices_are_written_once_whoever_looks_and_after_a_crash_too(scene, monkeypatch):
    grant = scene.node.grant({"name": Mask.WHOLE})
    await scene.query(HOUSING, grant)
    made = await scene.submit(caller(CIVIL), own=pb.OwnRecord(resource=RESIDENTS, key=KEY))
    await scene.publish(person(1, "某乙"))
    await scene.accept(made.name)
    scene.node.clock.advance(MINUTES)
    await scene.node.index()
    service = scene.node.service
    others = [
        Tracer(
            database=service.database,
            audit=service.audit,
            schemas=service.schemas,
            clock=scene.node.clock,
        )
        for _ in range(3)
    ]
    with monkeypatch.context() as broken:
        broken.setattr(store, "add_notices", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            others[0].run()
    assert not (await scene.lineage(caller(CIVIL), made.name)).traced
    runs = await asyncio.gather(*(asyncio.to_thread(one.run) for one in others))
    assert sum(runs) == 1
    found = await scene.lineage(caller(CIVIL), made.name)
    assert (found.traced, found.notice_count) == (True, 1)
    assert len(scene.node.leaves("correction_notices_made")) == 1


async def test_an_answer_that_does_not_come_is_late_in_the_report(scene):
    await scene.submit(caller(CIVIL), own=pb.OwnRecord(resource=RESIDENTS, key=KEY))
    scene.node.clock.advance(timedelta(days=15))
    report = await scene.at(ADMINISTRATOR).deadlines.ReportLateness(
        deadlines_pb2.ReportLatenessRequest(parent="departments/-")
    )
    late = [(one.department, one.kind) for one in report.rows if one.overdue]
    assert (CIVIL, "correction") in late


async def test_every_way_to_get_a_record_counts_and_others_do_not(scene):
    grants = {
        way: scene.node.grant({"name": Mask.WHOLE, "citizen_number": Mask.WHOLE})
        for way in ("verify", "batch", "export", "past", "ended", "other", "after")
    }
    housing = scene.at(caller(HOUSING)).query
    seen = scene.node.clock.now()
    await housing.Verify(
        query_pb2.VerifyRequest(grant=grants["verify"], key=KEY, claims={"name": "x"}, **WHY)
    )
    keys = [citizen_number(2), KEY]
    await housing.Query(query_pb2.QueryRequest(grant=grants["batch"], keys=keys, **WHY))
    await housing.Export(query_pb2.ExportRequest(grant=grants["export"], **WHY))
    await scene.query(HOUSING, grants["ended"])
    await scene.query(HOUSING, grants["other"], citizen_number(2))
    await scene.publish(person(1, "某乙"))
    past = query_pb2.QueryRequest(grant=grants["past"], key=KEY, **WHY)
    past.read_time.FromDatetime(seen)
    assert (await housing.Query(past)).items["name"] == "某甲"
    await scene.query(HOUSING, grants["after"])
    await scene.at(caller(HOUSING)).grants.RevokeGrant(
        grants_pb2.RevokeGrantRequest(name=grants["ended"], reason="不再需要", request_id="r")
    )
    made = await scene.submit(caller(CIVIL), own=pb.OwnRecord(resource=RESIDENTS, key=KEY))
    # The doubted version is the newest, which is right: so the source says that nothing was wrong.
    assert (await refusal(scene.accept(made.name))).reason == "NOT_CORRECTED"
    await scene.publish(person(1, "某丙"))
    await scene(caller(CIVIL), "AnswerCorrection", name=made.name,
                state=pb.CORRECTION_STATE_ACCEPTED)  # fmt: skip
    await scene.trace()
    assert [one.grant for one in await scene.notices(caller(HOUSING))] == [grants["after"]]
    # And of the first version, which a receiver doubts by what it was told.
    doubted = await scene.submit(caller(HOUSING), **answered(grants["batch"]))
    await scene.accept(doubted.name)
    await scene.trace()
    notices = {one.grant: one for one in await scene.notices(caller(HOUSING))}
    ways = {way for way, name in grants.items() if name in notices}
    assert ways == {"verify", "batch", "export", "past", "ended", "after"}
    assert {one.key for one in notices.values()} == {KEY}
    told = await scene.lineage(caller(HOUSING), doubted.name)
    assert (len(told.wrong), told.HasField("corrected"), list(told.notices)) == (1, True, [])
