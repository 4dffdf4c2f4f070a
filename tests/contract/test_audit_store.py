"""The audit log on SQLite and PostgreSQL alike: appending, sequencing, crashes, damage."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from exchange.audit import store as audit_store
from exchange.audit.checking import fsck
from exchange.audit.model import Usage
from exchange.audit.service import AuditReader, Event, EventRecorder
from exchange.audit.store import AuditStore, Outbox
from exchange.audit.verify import (
    SavedReceipt,
    verify_consistency,
    verify_inclusion,
    verify_log,
    verify_receipt,
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
    Unavailable,
)
from runtime.objects import FileStore
from runtime.records import SealedRecord
from tests.builders.audit import LogFixture, log_key, record

GRANT = "departments/housing/grants/g1"
DAY = "2026-11-02"


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


def execute(node: LogFixture, text: str, **values) -> None:
    with node.database.engine.begin() as connection:
        connection.execute(sa.text(text), values)


def scalar(node: LogFixture, text: str):
    with node.database.engine.connect() as connection:
        return connection.execute(sa.text(text)).scalar()


def put_into_outbox(node: LogFixture, *numbers: int) -> None:
    for number in numbers:
        with node.outbox.unit_of_work() as work:
            work.record(record(number))


def check_all(node: LogFixture, size: int, *, earlier: list[str] | None = None) -> str:
    """The log holds `size` leaves, and everything about it is right; its checkpoint."""
    key = node.key.verifier_key
    assert fsck(node.log.store, node.log.sequencer.tiles, key) is None
    note = AuditReader(node.log).checkpoint().note
    assert note.split("\n")[1] == str(size)
    answer = verify_log(node.folder / "audit", note, key, earlier=earlier or [])
    assert answer.passed, answer
    return note


def leaves_of(node: LogFixture) -> list[dict]:
    leaves, _ = AuditReader(node.log).entries(0, 4096)
    return [json.loads(leaf) for leaf in leaves]


def test_the_migration_makes_the_tables_that_the_code_expects(node: LogFixture) -> None:
    # Like the services, compare both sets of tables with what the migration made.
    assert {WitnessRow.__tablename__, CosignatureRow.__tablename__} <= set(
        audit_store.METADATA.tables
    )
    both = sa.MetaData()
    for metadata in (audit_store.METADATA, GROUND):
        for table in metadata.tables.values():
            table.to_metadata(both)
    with node.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), both) == []


# Appending.


async def test_a_receipt_is_proof_at_once_and_inclusion_follows(node: LogFixture) -> None:
    sealed = record(1)
    receipt = await node.log.append(sealed)
    saved = SavedReceipt(receipt=receipt, values={"key": "synthetic"})
    assert verify_receipt(saved, node.key.verifier_key).passed
    reader = AuditReader(node.log)
    with pytest.raises(Unavailable) as early:
        reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
    assert (early.value.reason, early.value.retry_after) == ("NOT_YET_SEQUENCED", 1)
    node.log.sequencer.run()
    index, proof = reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
    assert index == 0
    assert verify_inclusion(proof, sealed.leaf, node.key.verifier_key).passed
    assert not verify_inclusion(proof, record(2).leaf, node.key.verifier_key).passed
    check_all(node, 1)


async def test_200_at_once_share_few_commits_and_none_a_place(node: LogFixture) -> None:
    receipts = await asyncio.gather(*(node.log.append(record(n)) for n in range(200)))
    assert len({(r.shard, r.batch, r.position) for r in receipts}) == 200
    assert len({r.batch for r in receipts}) <= 4
    assert [json.loads(r.leaf)["number"] for r in receipts] == list(range(200))
    key = node.key.verifier_key
    assert all(verify_receipt(SavedReceipt(receipt=r), key).passed for r in receipts)
    node.log.sequencer.run()
    check_all(node, 200)


async def test_more_than_a_batch_holds_makes_several(node: LogFixture) -> None:
    receipts = await asyncio.gather(*(node.log.append(record(n)) for n in range(1100)))
    assert max(r.batch_size for r in receipts) == 512
    node.log.sequencer.run()
    check_all(node, 1100)


async def test_who_comes_alone_does_not_wait(node: LogFixture, monkeypatch) -> None:
    await node.log.append(record(0))
    waits: list[object] = []
    monkeypatch.setattr(node.log, "_look", waits.append)  # what a record that must wait waits for
    for number in range(5):
        await asyncio.sleep(0.002)  # as long as a caller needs to come back
        assert (await node.log.append(record(number))).batch_size == 1
    assert waits == []


async def test_those_who_come_together_are_gathered(node: LogFixture) -> None:
    async def caller(number: int) -> list[int]:
        return [(await node.log.append(record(number))).batch_size for _ in range(10)]

    sizes = await asyncio.gather(*(caller(n) for n in range(32)))
    assert min(min(s[1:]) for s in sizes) == 32


async def test_a_caller_who_goes_away_does_not_harm_the_others(node: LogFixture) -> None:
    gone = asyncio.create_task(node.log.append(record(1)))
    stays = asyncio.create_task(node.log.append(record(2)))
    await asyncio.sleep(0)
    gone.cancel()
    receipt = await stays
    assert receipt.batch_size == 2  # what was asked stays on record


async def test_usage_is_counted_on_its_way_and_durably(node: LogFixture) -> None:
    usage = Usage(grant=GRANT, day=DAY, count=2)
    assert node.log.used(GRANT, DAY) == 0
    coming = [asyncio.create_task(node.log.append(record(n), usage)) for n in range(3)]
    await asyncio.sleep(0)
    assert node.log.used(GRANT, DAY) == 6
    await asyncio.gather(*coming)
    assert node.log.used(GRANT, DAY) == 6
    assert node.log.used(GRANT, "2026-11-03") == 0
    assert node.open().used(GRANT, DAY) == 6


async def test_two_processes_add_to_one_quota(node: LogFixture) -> None:
    usage = Usage(grant=GRANT, day=DAY, count=1)
    first, second = node.open(), node.open()
    await first.append(record(1), usage)
    await second.append(record(2), usage)
    await first.append(record(3), usage)
    assert first.used(GRANT, DAY) == 3
    assert node.open().used(GRANT, DAY) == 3


async def test_when_the_commit_fails_nothing_is_kept_and_all_are_told(node: LogFixture) -> None:
    await node.log.append(record(0))
    usage = Usage(grant=GRANT, day=DAY, count=1)
    execute(node, "ALTER TABLE grant_usage RENAME TO elsewhere")
    failed = await asyncio.gather(
        *(node.log.append(record(n), usage) for n in range(20)), return_exceptions=True
    )
    assert {type(error) for error in failed} == {Unavailable}
    assert scalar(node, "SELECT count(*) FROM audit_batch") == 1
    execute(node, "ALTER TABLE elsewhere RENAME TO grant_usage")
    assert node.log.used(GRANT, DAY) == 0
    receipt = await node.log.append(record(1), usage)
    assert receipt.batch == 1
    assert node.log.used(GRANT, DAY) == 1


async def test_a_full_disk_is_told_and_goes_by(tmp_path: Path) -> None:
    node = LogFixture(f"sqlite:///{tmp_path / 'full.db'}", tmp_path)
    await node.log.append(record(0))
    pages = node.database.held.row("PRAGMA page_count", ())[0]
    node.database.held.row(f"PRAGMA max_page_count={pages + 2}", ())
    big = SealedRecord(leaf=b'{"x":"' + b"x" * 60_000 + b'"}', salt=b"s" * 16)
    failed = await asyncio.gather(*(node.log.append(big) for _ in range(4)), return_exceptions=True)
    assert [error.reason for error in failed] == ["STORAGE_FULL"] * 4
    node.database.held.row("PRAGMA max_page_count=100000", ())
    receipt = await node.log.append(big)
    assert (receipt.batch, receipt.batch_size) == (1, 1)
    node.log.sequencer.run()
    check_all(node, 2)
    node.close()


async def test_a_record_that_no_bundle_can_hold_is_refused(node: LogFixture) -> None:
    with pytest.raises(InvalidArgument):
        await node.log.append(SealedRecord(leaf=b"x" * 65_536, salt=b""))
    with pytest.raises(InvalidArgument):
        node.log.append_blocking([SealedRecord(leaf=b"", salt=b"")])


async def test_records_are_made_together_when_they_are_committed(node: LogFixture) -> None:
    asked: list[list[int]] = []

    def make(acts: Sequence[int]) -> list[SealedRecord]:
        asked.append(list(acts))
        return [record(act) for act in acts]

    receipts = await asyncio.gather(*(node.log.append_made(make, n) for n in range(20)))
    assert asked == [list(range(20))]
    assert [json.loads(receipt.leaf)["number"] for receipt in receipts] == list(range(20))


async def test_a_record_that_cannot_be_made_takes_nothing_from_a_quota(node: LogFixture) -> None:
    usage = Usage(grant=GRANT, day=DAY, count=1)

    def fail(_acts: Sequence[int]) -> list[SealedRecord]:
        raise Unavailable("not now")

    def make(acts: Sequence[int]) -> list[SealedRecord]:
        big = SealedRecord(leaf=b"x" * 65_536, salt=b"")
        return [record(act) if act else big for act in acts]

    told = await asyncio.gather(
        node.log.append_made(fail, 1, usage),
        node.log.append_made(make, 2, usage),
        node.log.append_made(make, 0, usage),
        node.log.append_made(fail, 3, usage),
        node.log.append(record(4), usage),
        return_exceptions=True,
    )
    assert [type(one).__name__ for one in told] == [
        *("Unavailable", "Receipt", "InvalidArgument", "Unavailable", "Receipt")
    ]
    assert scalar(node, "SELECT sum(count) FROM audit_batch") == 2
    assert node.log.used(GRANT, DAY) == 2


async def test_threads_join_the_loops_commits(node: LogFixture) -> None:
    await node.log.append(record(0))
    receipts = await asyncio.gather(
        *(
            asyncio.to_thread(node.log.append_blocking, [record(n), record(n + 1)])
            for n in range(0, 16, 2)
        )
    )
    places = {(r.shard, r.batch, r.position) for pair in receipts for r in pair}
    assert len(places) == 16
    node.log.sequencer.run()
    check_all(node, 17)


def test_without_a_loop_threads_commit_by_themselves(node: LogFixture) -> None:
    receipts = node.log.append_blocking([record(1), record(2)])
    assert [(r.batch, r.position, r.batch_size) for r in receipts] == [(0, 0, 2), (0, 1, 2)]


async def test_two_who_write_one_shard_do_not_lose_records(node: LogFixture) -> None:
    one = node.log
    one._shard = "node"
    two = node.open()
    two._shard = "node"
    batches = [(await log.append(record(n))).batch for n, log in enumerate([one, two, one, two])]
    assert batches == [0, 1, 2, 3]


# Sequencing.


def test_an_empty_log_has_a_checkpoint(node: LogFixture) -> None:
    with pytest.raises(Unavailable):
        AuditReader(node.log).checkpoint()
    assert node.log.sequencer.run() == 0
    check_all(node, 0)


async def test_all_shards_get_one_order_and_every_promise_is_kept(node: LogFixture) -> None:
    logs = [node.log, node.open(), node.open()]
    receipts, notes = [], []
    for round_ in range(4):
        for number, log in enumerate(logs):
            receipts += await asyncio.gather(
                *(log.append(record(100 * round_ + number)) for _ in range(29))
            )
        node.log.sequencer.run()
        notes.append(check_all(node, len(receipts), earlier=notes))
    reader, key = AuditReader(node.log), node.key.verifier_key
    indexes = set()
    for receipt in receipts:
        index, proof = reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
        assert verify_inclusion(proof, receipt.leaf, key).passed
        indexes.add(index)
    assert indexes == set(range(348))
    for old, size in zip(notes, (87, 174, 261, 348), strict=True):
        found = reader.consistency_proof(size, 0)
        assert verify_consistency(old, found.checkpoint, found.hashes, key).passed
    between = reader.consistency_proof(87, 261)
    assert between.checkpoint == notes[2]
    assert verify_consistency(notes[0], notes[2], between.hashes, key).passed
    partial = [n for n in FileStore(node.folder).list("audit/tile/") if ".p/" in n]
    assert all("/001.p/" in n or "/1/" in n for n in partial), "full tiles replace partial ones"


async def test_a_restarted_node_sequences_its_tail(node: LogFixture) -> None:
    await asyncio.gather(*(node.log.append(record(n)) for n in range(5)))
    log = node.open()
    log.start()
    await asyncio.to_thread(wait_for, lambda: log.store.newest_checkpoint() is not None)
    await log.append(record(9))
    await log.stop()
    check_all(node, 6)
    assert not any(t.name == "audit" for t in threading.enumerate())


def wait_for(condition) -> None:
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("waited in vain")


def test_only_one_sequences_at_a_time(node: LogFixture) -> None:
    other = node.open().store
    result = []
    with node.log.store.sequencing() as mine:
        assert mine

        def attempt() -> None:
            with other.sequencing() as also_mine:
                result.append(also_mine)

        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert result == [False]
    assert node.log.sequencer.run() == 0


def test_the_outbox_is_moved_in_order(node: LogFixture) -> None:
    put_into_outbox(node, *range(7))
    node.log.sequencer.run()
    put_into_outbox(node, 7, 8)  # SQLite gives the first ids out again
    node.log.sequencer.run()
    assert [leaf["number"] for leaf in leaves_of(node)] == list(range(9))
    assert scalar(node, "SELECT count(*) FROM audit_outbox") == 0
    assert scalar(node, "SELECT count(*) FROM outbox_mark") == 0
    check_all(node, 9)


class Crash(Exception):
    """The process dies here."""


class Crashing:
    """Dies at the n-th step; a step is before or after each durable effect."""

    STORE = ("take_from_outbox", "clear_marks", "assign_indexes", "add_checkpoint")

    def __init__(self, node: LogFixture, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = at
        for name in self.STORE:
            monkeypatch.setattr(AuditStore, name, self.wrap(getattr(AuditStore, name)))
        for name in ("put", "delete"):
            monkeypatch.setattr(FileStore, name, self.wrap(getattr(FileStore, name)))
        monkeypatch.setattr(Outbox, "let_go", self.wrap(Outbox.let_go))

    def wrap(self, effect):
        def step(*arguments, **named):
            self.tick()
            result = effect(*arguments, **named)
            self.tick()
            return result

        return step

    def tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Crash


async def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(
    node: LogFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(node.log.append(record(-1)) for _ in range(250)))
    node.log.sequencer.run()
    note, size, moved = check_all(node, 250), 250, []
    step = 0
    while True:
        step += 1
        await asyncio.gather(*(node.log.append(record(-1)) for _ in range(3)))
        put_into_outbox(node, 2 * step, 2 * step + 1)
        moved += [2 * step, 2 * step + 1]
        with monkeypatch.context() as patch:
            Crashing(node, step, patch)
            try:
                node.log.sequencer.run()
            except Crash:
                crashed = True
            else:
                crashed = False
        size += 5
        node.open().sequencer.run()
        note = check_all(node, size, earlier=[note])
        if not crashed:
            break
    assert step > 12
    assert [leaf["number"] for leaf in leaves_of(node) if leaf["number"] >= 0] == moved


async def test_a_checkpoint_is_not_signed_over_rewritten_tiles(node: LogFixture) -> None:
    await asyncio.gather(*(node.log.append(record(n)) for n in range(10)))
    node.log.sequencer.run()
    tile = node.folder / "audit/tile/0/000.p/10"
    tile.write_bytes(b"\1" * 32 + tile.read_bytes()[32:])
    await node.log.append(record(10))
    with pytest.raises(DataLoss) as refused:
        node.log.sequencer.run()
    assert refused.value.reason == "LOG_REWRITTEN"
    assert AuditReader(node.log).checkpoint().size == 10


@pytest.mark.parametrize("statement", [
    "DELETE FROM audit_checkpoint WHERE size = 2",
    "UPDATE audit_checkpoint SET size = 3 WHERE size = 2",
])  # fmt: skip
async def test_an_old_backup_or_a_changed_row_does_not_fork_the_log(
    node: LogFixture, statement: str
) -> None:
    for number in range(2):
        await node.log.append(record(number))
        node.log.sequencer.run()
    execute(node, statement)
    with pytest.raises(DataLoss) as refused:
        node.open().sequencer.run()
    assert refused.value.reason == "CHECKPOINT_CONFLICT"


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


# Damage.


async def damaged_log(node: LogFixture) -> None:
    for _ in range(3):
        await asyncio.gather(*(node.log.append(record(n)) for n in range(100)))
        node.log.sequencer.run()
    check_all(node, 300)


def change_file(node: LogFixture, name: str) -> None:
    path = node.folder / "audit" / name
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))


def change_leaf(node: LogFixture) -> None:
    with node.database.engine.begin() as connection:
        query = "SELECT leaves FROM audit_batch WHERE first_index = 100"
        leaves = bytes(connection.execute(sa.text(query)).scalar())
        changed = leaves.replace(b'"number":5,', b'"number":6,')
        assert changed != leaves
        update = "UPDATE audit_batch SET leaves = :new WHERE first_index = 100"
        connection.execute(sa.text(update), {"new": changed})


def swap_batches(node: LogFixture) -> None:
    for old, new in ((0, 1000), (100, 0), (1000, 100)):
        execute(
            node, "UPDATE audit_batch SET first_index = :n WHERE first_index = :o", o=old, n=new
        )


def drop_last_batch(node: LogFixture) -> None:
    execute(node, "DELETE FROM audit_batch WHERE first_index = 200")


def forge_promise(node: LogFixture) -> None:
    execute(
        node,
        "UPDATE audit_batch SET signature = :s WHERE first_index = 100",
        s=log_key(2).sign(b"x"),
    )


def change_old_checkpoint(node: LogFixture) -> None:
    execute(node, "UPDATE audit_checkpoint SET root = :r WHERE size = 100", r=b"\0" * 32)


def change_published(node: LogFixture) -> None:
    change_file(node, "checkpoint")


@pytest.mark.parametrize(
    ("harm", "where"),
    [
        (lambda node: change_file(node, "tile/0/000"), "tile/0/000"),
        (lambda node: change_file(node, "tile/0/001.p/44"), "tile/0/001.p/44"),
        (lambda node: (node.folder / "audit/tile/1/000.p/1").unlink(), "tile/1/000.p/1"),
        (lambda node: change_file(node, "tile/entries/001.p/44"), "tile/entries/001.p/44"),
        (lambda node: (node.folder / "audit/tile/entries/000").unlink(), "tile/entries/000"),
        (change_leaf, "batch 1 of shard"),
        (forge_promise, "batch 1 of shard"),
        (swap_batches, "checkpoint of size 100"),
        (drop_last_batch, "leaf 200"),
        (change_old_checkpoint, "checkpoint of size 100"),
        (change_published, "checkpoint"),
    ],
)
async def test_fsck_names_the_first_difference(node: LogFixture, harm, where: str) -> None:
    await damaged_log(node)
    harm(node)
    found = fsck(node.log.store, node.log.sequencer.tiles, node.key.verifier_key)
    assert found is not None
    assert found.where.startswith(where)


async def test_fsck_knows_its_key(node: LogFixture) -> None:
    await damaged_log(node)
    found = fsck(node.log.store, node.log.sequencer.tiles, log_key(2).verifier_key)
    assert found is not None
