"""fsck finds what was taken out beside the log: counts of quotas, checkpoints, cosignatures."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.checking import fsck
from exchange.audit.keeping import service
from exchange.audit.model import Usage
from exchange.audit.store import MIGRATIONS
from exchange.audit.witnesses.service import Witnessing
from runtime.records import SealedRecord, make_record
from tests.builders.audit import NOON, LogFixture, record, witness_key
from tests.builders.witnesses import ADMINISTRATOR, hand_in, register

DESK = "departments/housing/systems/desk"
GRANT = "departments/housing/grants/g1"
DAY = "2026-11-02"  # of China; NOON is in UTC


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


def taken(count: int, **more: str) -> SealedRecord:
    facts = {"grant": GRANT, "counted": count, **more}
    return make_record("batch_query", at=NOON, actor=DESK, facts=facts)


def found(node: LogFixture) -> str | None:
    seen = fsck(node.log.store, node.log.sequencer.tiles, node.key.verifier_key)
    return None if seen is None else seen.where


def execute(node: LogFixture, text: str, **values: object) -> None:
    with node.database.engine.begin() as connection:
        connection.execute(sa.text(text), values)


async def test_counts_below_what_the_records_say_are_told(node: LogFixture) -> None:
    await node.log.append(taken(3), Usage(grant=GRANT, day=DAY, count=3))
    of_before_midnight = taken(4, counted_day=DAY, time="2026-11-03T04:00:00.000000Z")
    await node.log.append(of_before_midnight, Usage(grant=GRANT, day=DAY, count=4))
    await node.log.append(record(1), Usage(grant=GRANT, day=DAY, count=1))  # as of before
    node.log.sequencer.run()
    assert found(node) is None
    execute(node, "UPDATE grant_usage SET used = 7")
    assert found(node) is None
    for harm in ("UPDATE grant_usage SET used = 6", "DELETE FROM grant_usage"):
        execute(node, harm)
        assert found(node) == f"quota of {GRANT} on {DAY}"


def grow(node: LogFixture, times: int) -> None:
    for number in range(times):
        node.log.append_blocking([record(number)])
        node.log.sequencer.run()
        node.clock.advance(timedelta(minutes=20))


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        ("size = 3", "checkpoint of size 3"),
        ("size = 1", "checkpoint of size 1"),
        ("size < 5", "checkpoint of size 4"),
        ("size IN (2, 3)", "checkpoint of size 3"),
    ],
)
def test_an_older_checkpoint_that_is_gone_is_missed(node: LogFixture, harm, where) -> None:
    grow(node, 5)
    assert found(node) is None
    execute(node, f"DELETE FROM audit_checkpoint WHERE {harm}")
    assert found(node) == where


def test_what_was_thinned_out_is_not_missed_and_what_is_gone_after_that_is(node) -> None:
    grow(node, 8)
    node.clock.advance(timedelta(days=2))
    grow(node, 3)
    before = node.clock.now() - timedelta(days=1)
    with node.database.unit_of_work() as work:
        assert service.thin_checkpoints(work, ADMINISTRATOR, before, clock=node.clock) == 5
    node.log.sequencer.run()
    assert found(node) is None
    execute(node, "DELETE FROM audit_checkpoint WHERE size = 8")
    assert found(node) == "checkpoint of size 8"


def test_a_log_of_before_does_not_name_what_was_before(node: LogFixture) -> None:
    grow(node, 3)
    execute(node, "UPDATE audit_checkpoint SET previous = NULL")
    grow(node, 2)
    execute(node, "DELETE FROM audit_checkpoint WHERE size = 2")
    assert found(node) is None
    execute(node, "DELETE FROM audit_checkpoint WHERE size = 3")
    assert found(node) == "checkpoint of size 3"


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE cosignature SET size = 1",
        "UPDATE cosignature SET size = 77",
        "UPDATE cosignature SET line = substr(line, 1, length(line) - 8) || 'AAAAAAA='",
        "UPDATE cosignature SET line = 'x'",
    ],
)
def test_a_cosignature_is_what_its_witness_signed(node: LogFixture, harm: str) -> None:
    key = witness_key()
    witnessing = Witnessing(
        node.database, node.log.store, log_key=node.key.verifier_key, clock=node.clock
    )
    register(node, witnessing, key)
    grow(node, 2)
    hand_in(node, witnessing, key, 2)
    assert found(node) is None
    execute(node, harm)
    assert (found(node) or "").startswith("cosignature of witness1.example/w on the checkpoint")


def test_whether_a_database_is_of_this_version_is_told(node: LogFixture) -> None:
    assert node.database.is_newest(MIGRATIONS)
    execute(node, "UPDATE alembic_version SET version_num = '0004'")
    assert not node.database.is_newest(MIGRATIONS)
