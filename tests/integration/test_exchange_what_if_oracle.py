"""Nobody but the source learns by what-if what records hold, or whether there are any."""

import asyncio

import pytest

from exchange.grants.model import Mask
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import grants_pb2, oversight_pb2, query_pb2
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    caller,
)
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

WHY = {"purpose": "公租房资格审核", "case_number": "1"}
NEAR = grants_pb2.RowCondition(item="region", test=grants_pb2.ROW_TEST_PREFIX, values=["9901"])
BORN = grants_pb2.RowCondition(
    item="birth_date", test=grants_pb2.ROW_TEST_PREFIX, values=["1990-01-02"]
)
NAME = grants_pb2.RowCondition(item="name", test=grants_pb2.ROW_TEST_PREFIX, values=["某"])
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


async def counted(stubs, grant: str, least: int, **change):
    """The answer once the log has so many uses: the sequencer takes them in every second."""
    async with asyncio.timeout(20):
        while True:
            answer = await stubs.oversight.WhatIf(
                oversight_pb2.WhatIfRequest(grant=grant, **change)
            )
            if answer.uses >= least:
                return answer
            await asyncio.sleep(0.2)


WHO = [
    (caller(CIVIL), None),
    (caller(CIVIL, Role.ADMINISTRATOR, system="admin"), None),
    (caller(HOUSING), "NOT_THE_SOURCE"),
    (caller(HOUSING, Role.ADMINISTRATOR, system="admin"), "NOT_THE_SOURCE"),
    (caller(HOUSING, Role.AUDITOR, system="auditor"), "NOT_THE_SOURCE"),
    (ADMINISTRATOR, "NOT_THE_SOURCE"),
    (AUDITOR, "NOT_THE_SOURCE"),
    (caller(HEALTH, Role.ADMINISTRATOR, system="admin"), "NOT_THE_SOURCE"),
    (caller(HEALTH), "GRANT_NOT_FOUND"),
]


async def test_only_the_source_tries_a_row_filter(node):
    await node.connect(caller(CIVIL)).publish(person(1))
    grant = node.grant({"name": Mask.WHOLE, "birth_date": Mask.YEAR})
    asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(1), **WHY)
    await node.connect(caller(HOUSING)).query.Query(asked)
    for who, reason in WHO:
        # Of an item that is not granted, of one granted in part, of one granted whole.
        for condition in (NEAR, BORN, NAME):
            call = node.connect(who).oversight.WhatIf(
                oversight_pb2.WhatIfRequest(grant=grant, row_filter=[condition])
            )
            if reason is None:
                await call
                continue
            assert (await refusal(call)).reason == reason


async def test_a_consumer_cannot_tell_a_hidden_record_from_none(node):
    await node.connect(caller(CIVIL)).publish([*person(1)[:3], "980101"])
    consumer, told = node.connect(caller(HOUSING)), []
    for serial in (1, 99):  # outside the grant's row filter, and nowhere
        grant = node.grant({"name": Mask.WHOLE}, row_filter=(HERE,), reason="按地区")
        asked = query_pb2.QueryRequest(grant=grant, key=citizen_number(serial), **WHY)
        assert not (await consumer.query.Query(asked)).found
        for change in (
            {"daily_quota": 1},
            {"rate_per_minute": 1},
            {"operations": [grants_pb2.OPERATION_VERIFY]},
            {"items": [grants_pb2.GrantedItem(item="name", mask=grants_pb2.MASK_YEAR)]},
        ):
            answer = await counted(consumer, grant, 1, **change)
            answer.ClearField("tally")
            answer.look.ClearField("from_time")
            told.append((serial, answer.SerializeToString(deterministic=True)))
    assert [one for serial, one in told if serial == 1] == [
        one for serial, one in told if serial == 99
    ]
