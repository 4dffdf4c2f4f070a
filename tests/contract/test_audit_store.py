"""The audit log on SQLite and PostgreSQL alike: its tables, reading, events of other services."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from exchange.audit import store as audit_store
from exchange.audit.finding import index_of
from exchange.audit.keeping.store import SaltWatermark
from exchange.audit.service import AuditReader, Event, EventRecorder
from exchange.audit.store import AuditStore
from exchange.audit.verify import (
    verify_inclusion,
)
from exchange.audit.witnesses.store import CosignatureRow, WitnessRow
from runtime.database import GROUND
from runtime.errors import (
    Aborted,
    DataLoss,
    DomainError,
    InvalidArgument,
    NotFound,
    OutOfRange,
)
from runtime.records import SealedRecord
from tests.builders.audit import (
    LogFixture,
    check_all,
    record,
    scalar,
)


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


def test_the_migration_makes_the_tables_that_the_code_expects(node: LogFixture) -> None:
    # Like the services, compare both sets of tables with what the migration made.
    assert {row.__tablename__ for row in (WitnessRow, CosignatureRow, SaltWatermark)} <= set(
        audit_store.METADATA.tables
    )
    both = sa.MetaData()
    for metadata in (audit_store.METADATA, GROUND):
        for table in metadata.tables.values():
            table.to_metadata(both)
    with node.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), both) == []


# Reading.


async def test_entries_are_read_in_pages(node: LogFixture) -> None:
    await asyncio.gather(*(node.log.append(record(n)) for n in range(600)))
    node.log.sequencer.run()
    await node.log.append(record(600))  # not covered yet
    reader = AuditReader(node.log)
    seen: list[int] = []
    while len(seen) < 600:
        leaves, size = reader.entries(len(seen), 100)
        assert size == 600
        seen += [json.loads(leaf)["number"] for leaf in leaves]
    assert seen == list(range(600))
    assert len(reader.entries(0, 0)[0]) == 256
    assert reader.entries(600, 10) == ([], 600)
    for start, count, error in ((601, 1, OutOfRange), (-1, 1, InvalidArgument),
                                (0, -1, InvalidArgument)):  # fmt: skip
        with pytest.raises(error):
            reader.entries(start, count)


async def test_unknown_promises_and_sizes_are_refused(node: LogFixture) -> None:
    receipt = await node.log.append(record(0))
    node.log.sequencer.run()
    reader = AuditReader(node.log)
    for shard, batch, position in (
        ("other", receipt.batch, 0), (receipt.shard, 1, 0), (receipt.shard, -1, 0),
        (receipt.shard, 0, 1), (receipt.shard, 0, -1), (receipt.shard, 1 << 62, 0),
    ):  # fmt: skip
        with pytest.raises(NotFound) as unknown:
            reader.inclusion_proof(shard, batch, position)
        assert unknown.value.reason == "PROMISE_UNKNOWN"
    for first, second in ((2, 0), (0, 2), (-1, 1), (1, -1)):
        with pytest.raises(OutOfRange):
            reader.consistency_proof(first, second)
    assert reader.consistency_proof(0, 0).hashes == []


async def test_a_leaf_is_proved_by_its_index(node: LogFixture) -> None:
    await asyncio.gather(*(node.log.append(record(n)) for n in range(600)))
    node.log.sequencer.run()
    await node.log.append(record(600))  # not covered yet
    reader = AuditReader(node.log)
    leaves = reader.entries(0, 600)[0]
    for index in (0, 255, 256, 599):
        proof = reader.inclusion_proof_at(index)
        assert f"\nindex {index}\n" in proof
        assert verify_inclusion(proof, leaves[index], node.key.verifier_key).passed
    for index in (600, 1 << 62):
        with pytest.raises(OutOfRange) as beyond:
            reader.inclusion_proof_at(index)
        assert beyond.value.reason == "INDEX_OUT_OF_RANGE"
    with pytest.raises(InvalidArgument):
        reader.inclusion_proof_at(-1)
    for index in (0, 255, 599):
        assert index_of(reader, leaves[index]) == index
    with pytest.raises(NotFound) as absent:
        index_of(reader, record(601).leaf)
    assert absent.value.reason == "LEAF_NOT_FOUND"
    for nonsense in (b"{", b"[]", b'{"time":"noon"}'):
        with pytest.raises(InvalidArgument):
            index_of(reader, nonsense)


async def test_a_missing_tile_is_told(node: LogFixture) -> None:
    receipts = [await node.log.append(record(n)) for n in range(3)]
    node.log.sequencer.run()
    (node.folder / "audit/tile/0/000.p/3").unlink()
    (node.folder / "audit/tile/entries/000.p/3").unlink()
    reader = AuditReader(node.log)
    with pytest.raises(DataLoss):
        reader.inclusion_proof(receipts[0].shard, 0, 0)
    with pytest.raises(DataLoss):
        reader.entries(0, 3)


# Events of other services.


def test_an_event_is_appended_once(node: LogFixture) -> None:
    recorder = EventRecorder(node.log.store, key=node.key, clock=node.clock)
    events = [Event(id=f"e{n}", record=record(n)) for n in range(5)]
    source = "departments/node/systems/licenses"
    assert recorder.record(source, events[:3]) == 3
    assert recorder.record(source, events) == 2
    assert recorder.record(source, [*events, *events]) == 0
    assert recorder.record("departments/node/systems/seal", events[:1]) == 1
    node.log.sequencer.run()
    check_all(node, 6)


def test_events_of_two_processes_at_once_are_appended_once(node: LogFixture) -> None:
    events = [Event(id=f"e{n}", record=record(n)) for n in range(20)]
    errors: list[DomainError] = []

    def send() -> None:
        recorder = EventRecorder(AuditStore(node.database), key=node.key, clock=node.clock)
        try:
            for start in range(0, 20, 4):
                recorder.record("s", events[start : start + 4])
        except DomainError as error:
            errors.append(error)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(error, Aborted) for error in errors)
    EventRecorder(node.log.store, key=node.key, clock=node.clock).record("s", events)
    node.log.sequencer.run()
    check_all(node, 20)


@pytest.mark.parametrize("events", [
    [Event(id="", record=record(1))],
    [Event(id="x" * 101, record=record(1))],
    [Event(id="x", record=SealedRecord(leaf=b"x" * 65_536, salt=b""))],
    [Event(id=str(n), record=record(1)) for n in range(1001)],
])  # fmt: skip
def test_malformed_events_are_refused(node: LogFixture, events: list[Event]) -> None:
    recorder = EventRecorder(node.log.store, key=node.key, clock=node.clock)
    with pytest.raises(InvalidArgument):
        recorder.record("s", events)
    assert scalar(node, "SELECT count(*) FROM audit_batch") == 0
