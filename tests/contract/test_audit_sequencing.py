"""One order for all shards, on SQLite and PostgreSQL alike: restarts, crashes, old backups."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.audit.outboxes.store import Outbox
from exchange.audit.service import AuditReader
from exchange.audit.store import AuditStore
from exchange.audit.verify import (
    verify_consistency,
    verify_inclusion,
)
from runtime.errors import (
    DataLoss,
    Unavailable,
)
from runtime.objects import FileStore
from tests.builders.audit import (
    LogFixture,
    check_all,
    execute,
    leaves_of,
    put_into_outbox,
    record,
    scalar,
)


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


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
