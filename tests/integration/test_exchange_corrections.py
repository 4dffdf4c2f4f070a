"""Corrections on a running exchange: who got a wrong record is told, and nobody else learns."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import corrections_pb2 as pb
from exchange.v1 import deadlines_pb2, delivery_pb2, query_pb2
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
        await asyncio.to_thread(self.node.service.audit.sequencer.run)
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
        got = await delivery.PullChanges(
            delivery_pb2.PullChangesRequest(subscription=subscription)
        )
        await asyncio.to_thread(self.node.service.audit.sequencer.run)
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
        await asyncio.to_thread(self.node.service.audit.sequencer.run)
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
