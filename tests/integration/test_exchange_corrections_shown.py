"""Random grants, questions and corrections: notices tell exactly what was shown, and no more."""

import asyncio
import random
import uuid
from datetime import timedelta

import grpc
import pytest
from google.protobuf.json_format import MessageToJson

from exchange.corrections.tracing import HELD_VERSIONS
from exchange.grants.model import Mask, Operation
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import corrections_pb2 as pb
from exchange.v1 import delivery_pb2, query_pb2
from runtime.status import from_rpc_error
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller
from tests.builders.exchange import ITEMS, citizen_number, exchange_node, person
from tests.integration.test_exchange_delivery_hidden import EARLIEST, born
from tests.integration.test_exchange_delivery_starts import HERE, subscribe
from tests.integration.test_exchange_row_filters import amend

WHY = {"purpose": "公租房资格审核", "case_number": "990101-2026-0001"}
ROUNDS, GRANTS = 4, 4
MINUTES = timedelta(minutes=2)
CODES = ("name", "birth_date", "region")


class Round:
    """One record: who was shown what of it, as the answers themselves say."""

    def __init__(self, node, seed: int, serial: int) -> None:
        self.node, self.random = node, random.Random(f"{seed}-{serial}")
        self.key = citizen_number(serial)
        self.wrong = self.row("甲")
        self.shown: dict[tuple[str, str], set[str]] = {}
        self.key_known: set[tuple[str, str]] = set()

    def row(self, mark: str) -> dict[str, str]:
        name = f"某{mark}{self.key[-4:]}"
        birth = f"19{50 + self.random.randrange(40)}-01-02"
        return dict(zip(ITEMS, (self.key, name, birth, "990101"), strict=True))

    async def publish(self, row: dict[str, str]) -> str:
        self.node.clock.advance(MINUTES)
        made = await self.node.connect(caller(CIVIL)).publish(list(row.values()))
        self.node.clock.advance(MINUTES)
        return made.batch

    async def read(self, department: str) -> None:
        """A grant by chance, and what is asked under it."""
        chance = self.random
        codes = chance.sample(ITEMS, chance.randrange(1, len(ITEMS) + 1))
        masks = {code: chance.choice([Mask.WHOLE, Mask.WHOLE, Mask.FIRST_CHARACTER])
                 for code in codes}  # fmt: skip
        region = chance.choice(["", "", "9901", "9902"])
        terms = {}
        if region:
            row_filter = [RowCondition(item="region", test=RowTest.PREFIX, values=(region,))]
            terms = {"row_filter": row_filter, "reason": "仅限一地"}
        grant = self.node.grant(masks, department=department, operations=tuple(Operation), **terms)
        ways = [self.query, self.verify, self.batch, self.export, self.pull]
        for way in chance.sample(ways, chance.randrange(3)):
            await way(department, grant, masks, region != "9902")

    def note(self, via: tuple[str, str], items, *, key_known: bool) -> None:
        self.shown.setdefault(via, set()).update(items)
        if key_known:
            self.key_known.add(via)

    async def query(self, department, grant, masks, seen) -> None:
        items = self.random.choice([[], self.random.sample(list(masks), 1)])
        asked = query_pb2.QueryRequest(grant=grant, key=self.key, items=items, **WHY)
        answer = await self.node.connect(caller(department)).query.Query(asked)
        assert answer.found == seen
        if seen:
            self.note((grant, ""), items or masks, key_known=True)

    async def verify(self, department, grant, masks, seen) -> None:
        claims = {code: "x" for code, mask in masks.items() if mask is Mask.WHOLE}
        if claims:
            asked = query_pb2.VerifyRequest(grant=grant, key=self.key, claims=claims, **WHY)
            await self.node.connect(caller(department)).query.Verify(asked)
            if seen:
                self.note((grant, ""), claims, key_known=True)

    async def batch(self, department, grant, masks, seen) -> None:
        keys = [citizen_number(900), self.key]
        asked = query_pb2.QueryRequest(grant=grant, keys=keys, **WHY)
        await self.node.connect(caller(department)).query.Query(asked)
        if seen:
            self.note((grant, ""), masks, key_known=True)

    async def export(self, department, grant, masks, seen) -> None:
        asked = query_pb2.ExportRequest(grant=grant, **WHY)
        await self.node.connect(caller(department)).query.Export(asked)
        if seen:
            self.note((grant, ""), masks, key_known=masks.get(ITEMS[0]) is Mask.WHOLE)

    async def pull(self, department, grant, masks, seen) -> None:
        delivery = self.node.connect(caller(department)).delivery
        made = await delivery.CreateSubscription(
            delivery_pb2.CreateSubscriptionRequest(
                parent=department,
                subscription_id=grant.rpartition("/")[2],
                grant=grant,
                start=delivery_pb2.START_POSITION_EARLIEST,
                request_id=str(uuid.uuid4()),
            )
        )
        name = made.subscription.name
        await delivery.PullChanges(delivery_pb2.PullChangesRequest(subscription=name))
        if seen:
            self.note((grant, name), masks, key_known=masks.get(ITEMS[0]) is Mask.WHOLE)


async def correct(one: Round, items: list[str] | None = None) -> tuple[pb.Correction, list[str]]:
    """The source finds its mistake in some items, and corrects these."""
    items = items or one.random.sample(CODES[:2], one.random.randrange(1, 3))
    stubs = one.node.connect(caller(CIVIL)).corrections
    made = await stubs.SubmitCorrection(
        pb.SubmitCorrectionRequest(
            own=pb.OwnRecord(resource=RESIDENTS, key=one.key),
            items=items,
            fault=pb.CORRECTION_FAULT_WRONG_VALUE,
            statement="录入有误",
            request_id=str(uuid.uuid4()),
        )
    )
    name = made.correction.name
    await one.publish(one.wrong | {code: one.row("乙")[code] for code in items} | {
        "birth_date": "1949-10-01" if "birth_date" in items else one.wrong["birth_date"]
    })  # fmt: skip
    await stubs.ReviewCorrection(
        pb.ReviewCorrectionRequest(name=name, request_id=str(uuid.uuid4()))
    )
    answered = await stubs.AnswerCorrection(
        pb.AnswerCorrectionRequest(
            name=name, state=pb.CORRECTION_STATE_ACCEPTED, request_id=str(uuid.uuid4())
        )
    )
    one.node.clock.advance(MINUTES)
    await one.node.index()
    await asyncio.to_thread(one.node.service.tracer.run)
    return answered.correction, items


@pytest.mark.parametrize("seed", [1, 2])
async def test_notices_tell_what_was_shown_and_no_more(database_url, tmp_path, seed):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as node:
        node.service.tracer.stop()
        told = 0
        for serial in range(1, ROUNDS + 1):
            one = Round(node, seed, serial)
            await one.publish(one.wrong)
            for _ in range(GRANTS):
                await one.read(one.random.choice([HOUSING, HEALTH]))
            made, items = await correct(one)
            expected = {
                via: shown & set(items) for via, shown in one.shown.items() if shown & set(items)
            }
            found = await lineage(node, caller(CIVIL), made.name)
            notices = {(n.grant, n.subscription): set(n.items) for n in found.notices}
            assert notices == expected
            told += len(notices)
            await check_shown(node, one, made.name, expected)
        assert told


async def lineage(node, who, name):
    asked = pb.GetCorrectionLineageRequest(name=name)
    return await node.connect(who).corrections.GetCorrectionLineage(asked)


async def check_shown(node, one: Round, name: str, expected) -> None:
    """What each caller reads of notices and requests has no value, and no key but a known one."""
    for department in (HOUSING, HEALTH):
        stubs = node.connect(caller(department)).corrections
        page = await stubs.ListCorrectionNotices(pb.ListCorrectionNoticesRequest())
        text = MessageToJson(page, ensure_ascii=False)
        assert "某" not in text
        assert not any(f'"{value}"' in text for value in (*one.wrong.values(), "1949-10-01")
                       if value != one.key)  # fmt: skip
        for notice in page.notices:
            via = (notice.grant, notice.subscription)
            assert notice.name.startswith(department)
            if via in expected:
                assert (notice.key == one.key) == (via in one.key_known)
        assert not (await stubs.ListCorrections(pb.ListCorrectionsRequest())).corrections
    for who in (ADMINISTRATOR, caller(CIVIL)):
        text = MessageToJson(await lineage(node, who, name), ensure_ascii=False)
        assert "某" not in text
        assert (one.key in text) == (who.department == CIVIL)


async def doubt(node, subscription: str, change, offset: int) -> str:
    """What a doubt about a change of a delivered record comes to: made, or its refusal."""
    record = pb.DeliveredRecord(
        subscription=subscription, record_id=change.record_id, offset=offset
    )
    asked = pb.SubmitCorrectionRequest(
        delivered=record,
        items=["name"],
        fault=pb.CORRECTION_FAULT_WRONG_VALUE,
        statement="姓名有误",
        request_id=str(uuid.uuid4()),
    )
    stubs = node.connect(caller(HOUSING)).corrections
    try:
        made = (await stubs.SubmitCorrection(asked)).correction
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error).reason
    await stubs.WithdrawCorrection(
        pb.WithdrawCorrectionRequest(name=made.name, request_id=str(uuid.uuid4()))
    )
    return "made"


async def test_no_doubt_finds_a_change_that_was_not_told(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as node:
        source, consumer = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
        name = await subscribe(consumer, grant, EARLIEST)
        elsewhere = [*person(1, "丙")[:3], "990202"]
        for row in (born(1, "甲", 1), born(1, "甲", 2), born(1, "丙", 2), elsewhere):
            await source.publish(row)
        await source.publish([*elsewhere[:2], "1990-01-09", "990202"])
        pulled = await consumer.delivery.PullChanges(
            delivery_pb2.PullChangesRequest(subscription=name)
        )
        told = [c.offset for c in pulled.changes]
        assert told == [1, 3, 4]
        found = [await doubt(node, name, pulled.changes[0], offset) for offset in range(1, 6)]
        hidden = "RECORD_NOT_RECEIVED"
        assert found == ["made", hidden, "made", "made", hidden]
        # What was told is doubted also when a later decision would show it no more.
        await source.publish(born(1, "丁", 3))
        amend(node, grant, {"name": Mask.WHOLE}, row_filter=(HERE,), reason="仅限示范县")
        await source.publish(born(1, "丁", 4))
        assert await doubt(node, name, pulled.changes[0], 1) == "made"
        assert await doubt(node, name, pulled.changes[0], 2) == hidden
        await consumer.delivery.DeleteSubscription(
            delivery_pb2.DeleteSubscriptionRequest(name=name, request_id=str(uuid.uuid4()))
        )
        assert await doubt(node, name, pulled.changes[0], 3) == "made"


async def test_who_got_the_first_of_many_wrong_versions_is_told_too(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as node:
        node.service.tracer.stop()
        one = Round(node, 1, 1)
        masks = {"name": Mask.WHOLE}
        grant = node.grant(masks, row_filter=(HERE,), reason="仅限示范县")
        await one.publish(one.wrong)
        await one.pull(HOUSING, grant, masks, True)
        await one.batch(HEALTH, node.grant(masks, department=HEALTH), masks, True)
        for day in range(HELD_VERSIONS + 2):
            await one.publish({**one.wrong, "birth_date": f"1948-01-{day + 1:02}"})
        made, _ = await correct(one, ["name"])
        found = await lineage(node, caller(CIVIL), made.name)
        assert len(found.wrong) == HELD_VERSIONS + 3
        assert {(n.grant, n.subscription) for n in found.notices} == set(one.shown)
