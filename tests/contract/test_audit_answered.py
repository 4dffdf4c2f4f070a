"""One signature gets one answer, whichever process it comes to, on both databases."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.answered.model import KEPT
from exchange.audit.answered.store import AnsweredStore
from exchange.audit.model import Usage
from exchange.audit.service import AuditReader
from runtime.records import SealedRecord
from tests.builders.audit import NOON, LogFixture, record

GRANT = "departments/housing/grants/g1"
DAY = "2026-11-02"


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


def scalar(node: LogFixture, text: str):
    with node.database.engine.connect() as connection:
        return connection.execute(sa.text(text)).scalar()


def leaves_of(node: LogFixture) -> list[dict]:
    leaves, _ = AuditReader(node.log).entries(0, 4096)
    return [json.loads(leaf) for leaf in leaves]


def answered(number: int, once: bytes) -> SealedRecord:
    return replace(record(number), once=once)


async def test_a_signed_request_is_answered_once_by_whichever_process(node: LogFixture) -> None:
    usage = Usage(grant=GRANT, day=DAY, count=1)
    first, second = node.open(), node.open()
    assert await first.append(answered(0, b"a"), usage)
    told = await asyncio.gather(
        *(
            second.append(answered(n, once), usage)
            for n, once in enumerate((b"a", b"b", b"b", b""))
        ),
        return_exceptions=True,
    )
    assert [getattr(one, "reason", "") for one in told] == [
        "SIGNATURE_USED",
        "",
        "SIGNATURE_USED",
        "",
    ]
    node.log.sequencer.run()
    assert [leaf["number"] for leaf in leaves_of(node)] == [0, 1, 3], "the others were not harmed"
    # What was refused takes nothing from the quota, here and in a process that begins.
    assert (second.used(GRANT, DAY), node.open().used(GRANT, DAY)) == (3, 3)
    kept = AnsweredStore(node.database)
    kept.forget(NOON)
    assert scalar(node, "SELECT count(*) FROM used_signature") == 2
    AnsweredStore(node.database).forget(NOON + KEPT + timedelta(minutes=1))
    assert scalar(node, "SELECT count(*) FROM used_signature") == 0
