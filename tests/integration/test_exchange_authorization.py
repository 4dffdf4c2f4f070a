"""The table of authorization cases against a running exchange, over mTLS, on each database.

Grants are asked for, approved, narrowed, amended and revoked as people do it, then resources become
what the table says of them, and each case is asked at its time by a system of its department.
"""

import uuid
from datetime import datetime, timedelta

import pytest

from exchange.catalog import service as catalog
from exchange.catalog.directory import Withdrawal
from exchange.catalog.model import EntryState
from exchange.grants import replying, requesting, service
from exchange.grants.amending import Narrowing
from exchange.lists import service as lists
from exchange.v1 import delivery_pb2, query_pb2
from runtime.errors import DomainError
from tests.builders import authorization as table
from tests.builders.authorization import CASES, GRANTS, Case, Given
from tests.builders.catalog import CIVIL, HOUSING, NOON, caller, put, resource
from tests.builders.exchange import ExchangeNode, Stubs, exchange_node, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "1"}
TENANTS = f"{HOUSING}/resources/tenants"


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def made(node: ExchangeNode, given: Given) -> str:
    """The grant of a line, by the acts that lead to it; its name."""
    operations, items = given.was or (given.operations, given.items)
    narrowed = given.was is not None and set(given.operations) <= set(operations)
    first = () if narrowed else given.rows
    name = _decided(node, given, operations, items, first, amends="")
    with node.service.database.unit_of_work() as work:
        if narrowed:
            to = Narrowing(
                items=given.items if given.items != items else (),
                operations=given.operations,
                row_filter=given.rows,
            )
            try:
                service.narrow_grant(
                    work, caller(given.by), name=name, to=to, reason="缩小", etag="",
                    clock=node.clock,
                )  # fmt: skip
            except DomainError as error:
                assert error.reason == given.refused  # of some it is expected
            else:
                assert not given.refused
        if given.revoked:
            service.revoke_grant(work, caller(CIVIL), name=name, reason="完", clock=node.clock)
    if given.was is not None and not narrowed:
        _decided(node, given, given.operations, given.items, given.rows, amends=name)
    return name


def _decided(node: ExchangeNode, given: Given, operations, items, rows, *, amends: str) -> str:
    with node.service.database.unit_of_work() as work:
        asked = requesting.create_access_request(
            work,
            caller(given.consumer),
            parent=given.consumer,
            resource=table.resource_name(given.resource),
            items=[one.item for one in items],
            operations=operations,
            purpose="公租房资格审核",
            legal_basis="示范县政务数据共享办法第一条",
            clock=node.clock,
            amends=amends,
        )
        _, grant = replying.approve_access_request(
            work,
            caller(CIVIL),
            name=asked.name,
            items=items,
            operations=operations,
            daily_quota=0,
            start_time=NOON + given.start if given.start else None,
            end_time=NOON + given.end,
            row_filter=rows,
            reason="按用途限定范围" if rows else "",
            clock=node.clock,
        )
    assert grant is not None
    return grant.name


def become(node: ExchangeNode) -> None:
    """What the table says of its resources happens."""
    for name in table.RESOURCES:
        then, negative = table.resource_of(name, then=True), table.negative_of(name)
        if then.state is EntryState.WITHDRAWN:
            with node.service.database.unit_of_work() as work:
                gone = [Withdrawal(name=then.name)]
                catalog.apply_directory(
                    work, caller(CIVIL), changes=gone, source="test", clock=node.clock
                )
        else:
            put(node.service.database, then, clock=node.clock)
        if negative is not None:
            with node.service.database.unit_of_work() as work:
                lists.put(work, caller(CIVIL), row=negative, clock=node.clock)
    node.service.schemas.invalidate()


async def told(stubs: Stubs, case: Case, grant: str) -> str:
    """What comes of a case, in the words of the table."""
    match case.operation.value:
        case "query":
            question = query_pb2.QueryRequest(
                grant=grant, key=table.key_of(case.record), items=case.items, **WHY
            )
            answer = await stubs.query.Query(question)
            return "shown" if answer.found else "nothing"
        case "verify":
            held = table.values_of(case.record) or {}
            claim = query_pb2.VerifyRequest(
                grant=grant,
                key=table.key_of(case.record),
                claims={item: held.get(item, "x") for item in case.items},
                **WHY,
            )
            matched = (await stubs.query.Verify(claim)).result == query_pb2.MATCH_RESULT_MATCH
            return "shown" if matched else "nothing"
        case "subscribe":
            await stubs.delivery.CreateSubscription(
                delivery_pb2.CreateSubscriptionRequest(
                    parent=case.who,
                    subscription_id=uuid.uuid4().hex,
                    grant=grant,
                    request_id=str(uuid.uuid4()),
                )
            )
            return "allowed"
        case _:
            await stubs.query.Export(query_pb2.ExportRequest(grant=grant, **WHY))
            return "allowed"


async def outcome(stubs: Stubs, case: Case, grant: str) -> str:
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await told(stubs, case, grant))

    try:
        error: DomainError = await refusal(ask())
    except AssertionError:
        return answers[0]
    return error.reason


async def test_every_case(node: ExchangeNode):
    put(node.service.database, resource(TENANTS, code="401001/000009"), clock=node.clock)
    held = {name: table.values_of(name) or {} for name in table.RECORDS}
    source = node.connect(caller(CIVIL))
    for name in table.RESOURCES:
        made_of = table.resource_of(name)
        put(node.service.database, made_of, clock=node.clock)
        rows = (list(one.values()) for one in held.values())
        await source.publish(*rows, resource=made_of.name)
    tenants = [list(held[name].values()) for name in table.CLIENTS]
    await node.connect(caller(HOUSING)).publish(*tenants, resource=TENANTS)
    grants = {name: made(node, given) for name, given in GRANTS.items()}
    become(node)
    grants["none"] = f"{HOUSING}/grants/nosuchgrant"
    node.service.grants.invalidate()
    stubs = {who: node.connect(caller(who)) for who in {case.who for case in CASES}}
    wrong = []
    for case in sorted(CASES, key=lambda case: case.when):
        _set(node, NOON + case.when)
        answer = await outcome(stubs[case.who], case, grants[case.grant])
        if answer != case.answer:
            wrong.append((case, answer))
    assert wrong == []


def _set(node: ExchangeNode, at: datetime) -> None:
    passed = at - node.clock.now()
    if passed != timedelta(0):
        node.clock.advance(passed)
