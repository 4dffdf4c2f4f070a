"""Appending to the log, on SQLite and PostgreSQL alike: receipts, shared commits, usage."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exchange.audit.model import Usage
from exchange.audit.service import AuditReader
from exchange.audit.verify import (
    SavedReceipt,
    verify_inclusion,
    verify_receipt,
)
from runtime.errors import (
    InvalidArgument,
    Unavailable,
)
from runtime.records import SealedRecord
from tests.builders.audit import (
    LogFixture,
    check_all,
    execute,
    record,
    scalar,
)

GRANT = "departments/housing/grants/g1"
DAY = "2026-11-02"


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


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
