"""Erasing salts and thinning out checkpoints, on SQLite and PostgreSQL alike."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.checking import fsck
from exchange.audit.erasures.store import Erasures
from exchange.audit.keeping import service, store
from exchange.audit.keeping.service import LEAST_AGE, Place
from exchange.audit.merkle import split_entries
from exchange.audit.model import Receipt
from exchange.audit.service import AuditReader
from exchange.audit.verify import SavedReceipt, verify_consistency, verify_log, verify_receipt
from exchange.audit.witnesses.service import Witnessing
from runtime.errors import DomainError
from runtime.records import commit
from tests.builders.audit import LogFixture, record, witness_key
from tests.builders.witnesses import ADMINISTRATOR, hand_in, register

REASON = "按申请删除"


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[LogFixture]:
    made = LogFixture(database_url, tmp_path)
    yield made
    made.close()


def grow(node: LogFixture, count: int) -> list[Receipt]:
    receipts = node.log.append_blocking([record(n) for n in range(count)])
    node.log.sequencer.run()
    return receipts


def erase(node: LogFixture, which: int | Place, reason: str = REASON) -> int:
    """Of a record that is old enough."""
    node.clock.advance(LEAST_AGE)
    with node.database.unit_of_work() as work:
        found = service.erase_one(work, ADMINISTRATOR, which, reason=reason, clock=node.clock)
    store.empty_the_wal(node.database)
    return found


def refused(act) -> str:
    with pytest.raises(DomainError) as found:
        act()
    assert found.value.message_zh
    return found.value.reason


def salts(node: LogFixture) -> list[bytes]:
    """Of the records in their order; empty where erased."""
    found: list[bytes] = []
    for _, batch in node.log.store.batches_in_order():
        held = split_entries(batch.salts)
        found += held or [b""] * batch.count
    return found


def check(node: LogFixture, earlier: list[str]) -> None:
    """The log is what it was, and more: no difference, no proof lost."""
    key = node.key.verifier_key
    assert fsck(node.log.store, node.log.sequencer.tiles, key) is None
    note = AuditReader(node.log).checkpoint().note
    assert verify_log(node.folder / "audit", note, key, earlier=earlier).passed
    for old in earlier:
        size = int(old.split("\n")[1])
        found = AuditReader(node.log).consistency_proof(size, 0)
        assert verify_consistency(old, note, found.hashes, key).passed


def test_an_erased_salt_unlinks_its_record_and_nothing_else(node: LogFixture) -> None:
    receipts = grow(node, 5)
    before = AuditReader(node.log).checkpoint().note
    held = salts(node)
    leaf = json.loads(receipts[2].leaf)
    assert commit(held[2], "key", b"synthetic") == leaf["commitments"]["key"]
    assert erase(node, 2) == 1
    left = salts(node)
    assert left[2] == b""
    assert [*left[:2], *left[3:]] == [*held[:2], *held[3:]]
    assert commit(left[2], "key", b"synthetic") != leaf["commitments"]["key"]
    assert erase(node, 2) == 0
    node.log.sequencer.run()
    check(node, [before])
    # What was given out is not reached: the receipt opens its commitment as before.
    index, proof = AuditReader(node.log).inclusion_proof(receipts[2].shard, 0, 2)
    saved = SavedReceipt(receipt=receipts[2], values={"key": "synthetic"}, proof=proof)
    assert index == 2
    assert verify_receipt(saved, node.key.verifier_key).passed
    # The act is itself in the log, its reason as a commitment.
    leaves = AuditReader(node.log).entries(5, 10)[0]
    kinds = [json.loads(one) for one in leaves]
    assert [(one["kind"], one["position"], one["erased"]) for one in kinds] == [
        ("salt_erased", 2, 1), ("salt_erased", 2, 0),
    ]  # fmt: skip
    assert REASON.encode() not in b"".join(leaves)


def test_a_salt_is_erased_by_its_receipt_before_the_record_is_in_the_log(node) -> None:
    (receipt,) = node.log.append_blocking([record(1)])
    place = Place(shard=receipt.shard, batch=receipt.batch, position=receipt.position)
    assert refused(lambda: erase(node, 0)) == "RECORD_UNKNOWN"
    assert erase(node, place) == 1
    node.log.sequencer.run()
    assert salts(node)[0] == b""
    check(node, [])


def test_nothing_of_an_erased_salt_is_left_in_the_files_of_sqlite(tmp_path: Path) -> None:
    node = LogFixture(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path)
    receipts = grow(node, 3)
    kept, gone = receipts[0].salt, receipts[1].salt
    assert erase(node, 1) == 1
    files = b"".join(path.read_bytes() for path in tmp_path.glob("audit.db*"))
    assert kept in files
    assert gone not in files
    node.close()


def test_what_cannot_be_erased_is_told(node: LogFixture) -> None:
    (receipt,) = grow(node, 1)
    for which in (1, 99, 1 << 70, Place(shard="none", batch=0, position=0),
                  Place(shard=receipt.shard, batch=1 << 70, position=0),
                  Place(shard=receipt.shard, batch=0, position=1)):  # fmt: skip
        assert refused(lambda which=which: erase(node, which)) == "RECORD_UNKNOWN"
    for reason in ("", " ", "x" * 501):
        assert refused(lambda reason=reason: erase(node, 0, reason)) == "REASON_REQUIRED"
    assert salts(node)[0] != b""


def test_salts_of_old_records_are_erased_a_portion_at_a_time(node, monkeypatch) -> None:
    monkeypatch.setattr(store, "BATCHES_AT_ONCE", 2)
    for _ in range(5):
        grow(node, 3)
        node.clock.advance(timedelta(days=1))
    before = node.clock.now() - timedelta(days=2, hours=12)  # three batches are older
    node.clock.advance(LEAST_AGE)

    def run() -> tuple[int, bool]:
        with node.database.unit_of_work() as work:
            return service.erase_before(
                work, ADMINISTRATOR, before, reason=REASON, clock=node.clock
            )

    erase(node, 1)  # what is gone already does not matter
    assert [run(), run(), run()] == [(6, True), (3, False), (0, False)]
    assert [bool(salt) for salt in salts(node)[:15]] == [False] * 9 + [True] * 6
    node.log.sequencer.run()
    check(node, [])
    with node.database.unit_of_work() as work:
        late = refused(lambda: service.erase_before(
            work, ADMINISTRATOR, node.clock.now(), reason=REASON, clock=node.clock))  # fmt: skip
    assert late == "TOO_RECENT"


def test_no_salt_is_erased_before_its_time(node: LogFixture) -> None:
    (receipt,) = grow(node, 1)
    place = Place(shard=receipt.shard, batch=receipt.batch, position=receipt.position)
    node.clock.advance(LEAST_AGE - timedelta(seconds=1))
    for which in (0, place):
        with node.database.unit_of_work() as work:
            late = refused(lambda which=which, work=work: service.erase_one(
                work, ADMINISTRATOR, which, reason=REASON, clock=node.clock))  # fmt: skip
        assert late == "TOO_RECENT"
    assert salts(node) == [receipt.salt]
    assert Erasures(node.database).told() == (0, [])
    node.clock.advance(timedelta(seconds=1))
    with node.database.unit_of_work() as work:
        service.erase_one(work, ADMINISTRATOR, 0, reason=REASON, clock=node.clock)
    total, (act,) = Erasures(node.database).told()
    assert (total, act.erased, act.index, act.first) == (1, 1, None, receipt.promise_time)
    node.log.sequencer.run()
    total, (act,) = Erasures(node.database).told()
    # Erasing the salt of the act's own record hides nothing of it.
    assert (total, act.index) == (1, 1)
    erase(node, 1)
    node.log.sequencer.run()
    assert Erasures(node.database).told()[0] == 2


def test_old_checkpoints_are_thinned_out_and_the_log_stays_provable(node: LogFixture) -> None:
    key = witness_key(1)
    witnessing = Witnessing(
        node.database, node.log.store, log_key=node.key.verifier_key, clock=node.clock
    )
    register(node, witnessing, key)
    for _ in range(3):
        for _ in range(4):
            grow(node, 1)
            node.clock.advance(timedelta(minutes=10))
        node.clock.advance(timedelta(minutes=20))
    sizes = [one.size for one in node.log.store.checkpoints_in_order()]
    kept = node.log.store.checkpoint(sizes[1]).note
    hand_in(node, witnessing, key, sizes[5], time=int(node.clock.now().timestamp()))
    node.clock.advance(timedelta(days=2))
    with node.database.unit_of_work() as work:
        removed = service.thin_checkpoints(
            work, ADMINISTRATOR, node.clock.now() - timedelta(days=1), clock=node.clock
        )
    left = [one.size for one in node.log.store.checkpoints_in_order()]
    assert left == [sizes[3], sizes[5], sizes[7], sizes[11]]
    assert removed == len(sizes) - len(left)
    grow(node, 1)
    check(node, [kept])
    with node.database.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM cosignature")).scalar() == 1


def test_few_salts_are_erased_at_once_so_that_nobody_waits_long(node, monkeypatch) -> None:
    monkeypatch.setattr(store, "RECORDS_AT_ONCE", 4)
    for _ in range(3):
        grow(node, 3)
    node.clock.advance(LEAST_AGE + timedelta(days=3))
    found = []
    for _ in range(3):
        with node.database.unit_of_work() as work:
            found.append(service.erase_before(
                work, ADMINISTRATOR, node.clock.now() - LEAST_AGE, reason=REASON,
                clock=node.clock,
            ))  # fmt: skip
    assert found == [(6, True), (3, False), (0, False)]
