"""Every way to tamper with the log, and which commands catch it: as the auditor's guide says.

A way is done by somebody who has the node: its database, its files and, where it says so, the log's
own key. What catches it is asked of every command, so the table also says which ones do not.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from exchange.audit.checking import fsck
from exchange.audit.evidence import (
    Evidence,
    Kind,
    evidence_from_json,
    evidence_to_json,
    promise_broken,
    verify_evidence,
)
from exchange.audit.merkle import join_entries, split_entries
from exchange.audit.model import Receipt
from exchange.audit.note import checkpoint_text, encode, open_checkpoint, sign_note
from exchange.audit.service import AuditReader
from exchange.audit.verify import Quorum, SavedReceipt, verify_consistency, verify_receipt
from exchange.audit.witnesses.service import Witnessing
from runtime.errors import DataLoss, DomainError, InvalidArgument
from runtime.records import SealedRecord, make_record
from tests.builders.audit import ORIGIN, LogFixture, log_key, record, witness_key
from tests.builders.witnesses import hand_in, register
from tongban import honouring, proofs
from tongban.witnessing import WitnessFolder

GUIDES = [Path(__file__).parents[2] / "docs" / name for name in ("auditor.md", "auditor.zh.md")]
COMMANDS = ("start", "fsck", "log", "log --earlier", "consistency", "witness", "complete",
            "promise")  # fmt: skip


class Reading:
    """The log of a fixture, as a witness asks for it."""

    def __init__(self, node: LogFixture) -> None:
        self._reader = AuditReader(node.log)

    def checkpoint(self) -> str:
        return self._reader.checkpoint().note

    def consistency(self, first: int, second: int) -> list[bytes]:
        return self._reader.consistency_proof(first, second).hashes

    def first_leaf(self) -> tuple[bytes, str]:
        return self._reader.entries(0, 1)[0][0], self._reader.inclusion_proof_at(0)


@dataclass
class Scene:
    """A log of 300 records, and what others have kept of it."""

    node: LogFixture
    records: list[SealedRecord]
    receipts: list[Receipt]
    kept: list[str]
    watch: WitnessFolder

    def execute(self, text: str, **values: object) -> None:
        with self.node.database.engine.begin() as connection:
            connection.execute(sa.text(text), values)

    def grow(self, records: list[SealedRecord]) -> list[Receipt]:
        receipts = self.node.log.append_blocking(records)
        self.node.log.sequencer.run()
        return receipts

    def write_anew(self, records: list[SealedRecord]) -> None:
        """What who has the key can do: another history, whole and signed."""
        for table in ("audit_batch", "audit_checkpoint", "audit_outbox"):
            self.execute(f"DELETE FROM {table}")
        shutil.rmtree(self.node.folder / "audit")
        self.node.open()
        self.grow(records)

    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        path = self.node.folder / "audit" / name
        path.write_bytes(change(path.read_bytes()))

    def change_entries(self, change: Callable[[list[bytes]], object]) -> None:
        def changed(data: bytes) -> bytes:
            entries = split_entries(data)
            change(entries)
            return join_entries(entries)

        self.change("tile/entries/000", changed)


@pytest.fixture
def scene(database_url: str, tmp_path: Path) -> Iterator[Scene]:
    node = LogFixture(database_url, tmp_path)
    watch = WitnessFolder(tmp_path / "watch", name="watch.example/w", log_key=node.key.verifier_key)
    records = [record(n) for n in range(300)]
    made = Scene(node, records, [], [], watch)
    for start in (0, 100, 200):
        made.receipts += made.grow(records[start : start + 100])
        if start < 200:
            made.kept.append(node.log.store.newest_checkpoint().note)
            assert watch.look(Reading(node), at=0).evidence is None
    yield made
    node.close()


# The ways.


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def changed_row(scene: Scene) -> None:
    batch = scene.node.database.held.row(
        scene.node.database.held.sql("SELECT leaves FROM audit_batch WHERE first_index = ?"), (100,)
    )
    leaves = bytes(batch[0]).replace(b'"number":150,', b'"number":151,')
    scene.execute("UPDATE audit_batch SET leaves = :n WHERE first_index = 100", n=leaves)


def replaced_salt(scene: Scene) -> None:
    held = scene.node.database.held
    row = held.row(held.sql("SELECT salts FROM audit_batch WHERE first_index = ?"), (100,))
    salts = split_entries(bytes(row[0]))
    salts[50] = salts[51]
    scene.execute(
        "UPDATE audit_batch SET salts = :n WHERE first_index = 100", n=join_entries(salts)
    )


def swapped_rows(scene: Scene) -> None:
    for old, new in ((0, 9000), (100, 0), (9000, 100)):
        scene.execute(
            "UPDATE audit_batch SET first_index = :n WHERE first_index = :o", o=old, n=new
        )


def dropped_row(scene: Scene) -> None:
    scene.execute("DELETE FROM audit_batch WHERE first_index = 200")


def dropped_inner_row(scene: Scene) -> None:
    scene.execute("DELETE FROM audit_batch WHERE first_index = 100")


def changed_entry(scene: Scene) -> None:
    scene.change_entries(lambda entries: entries.__setitem__(150, record(151).leaf))


def dropped_entry(scene: Scene) -> None:
    scene.change_entries(lambda entries: entries.pop(150))


def swapped_entries(scene: Scene) -> None:
    scene.change_entries(lambda entries: entries.insert(150, entries.pop(151)))


def added_entry(scene: Scene) -> None:
    """More than a bundle holds: what reads the first 256 of it sees nothing."""
    scene.change_entries(lambda entries: entries.append(record(-1).leaf))


def changed_older(scene: Scene) -> None:
    """A partial bundle that the log has grown beyond, as who mirrors it may still hold it."""
    folder = scene.node.folder / "audit/tile/entries"
    entries = split_entries((folder / "001.p/44").read_bytes())[:20]
    (folder / "001.p/20").write_bytes(join_entries([*entries[:19], record(-1).leaf]))


def changed_tile(scene: Scene) -> None:
    scene.change("tile/0/000", flip(32 * 150))


def changed_edge(scene: Scene) -> None:
    scene.change("tile/0/001.p/44", flip(40))


def rewritten(scene: Scene) -> None:
    scene.write_anew([*scene.records[:150], record(-1), *scene.records[151:]])


def shortened(scene: Scene) -> None:
    scene.write_anew(scene.records[:150])


def split(scene: Scene) -> None:
    scene.write_anew([*scene.records[:150], record(-1), *scene.records[151:193]])  # and 7 more


def withheld(scene: Scene) -> None:
    """A batch that was promised never gets into the log."""
    (promised,) = scene.node.log.append_blocking([record(1000)])
    scene.receipts[150] = promised
    where = "shard = :s AND sequence = :n"
    scene.execute(f"DELETE FROM audit_batch WHERE {where}", s=promised.shard, n=promised.batch)


def forged_publication(scene: Scene) -> None:
    other = log_key(2)
    text = checkpoint_text(open_checkpoint(scene.kept[1], proofs_verifier(scene)))
    note = sign_note(text, ORIGIN, other.key_id, other.sign)
    scene.change("checkpoint", lambda _: note.encode())


def forged_row(scene: Scene) -> None:
    other, store = log_key(2), scene.node.log.store
    text = checkpoint_text(open_checkpoint(store.newest_checkpoint().note, proofs_verifier(scene)))
    note = sign_note(text, ORIGIN, other.key_id, other.sign)
    scene.execute("UPDATE audit_checkpoint SET note = :n WHERE size = 300", n=note)


def proofs_verifier(scene: Scene):
    return scene.watch.verifier


_COPY = {"fsck", "log", "log --earlier"}
_ANEW = {"log --earlier", "consistency", "witness", "complete", "promise"}
WAYS: dict[str, tuple[Callable[[Scene], None], set[str]]] = {
    "leaf changed in the database": (changed_row, {"fsck"}),
    "leaf changed in the published log": (changed_entry, _COPY),
    "salt replaced in the database": (replaced_salt, {"fsck"}),
    "last leaves dropped from the database": (dropped_row, {"fsck", "start"}),
    "inner leaves dropped from the database": (dropped_inner_row, {"fsck", "complete"}),
    "leaf dropped from the published log": (dropped_entry, _COPY),
    "leaves reordered in the database": (swapped_rows, {"fsck", "complete"}),
    "leaves reordered in the published log": (swapped_entries, _COPY),
    "leaf added to a full bundle of the published log": (added_entry, _COPY),
    "left-over partial bundle changed": (changed_older, {"log", "log --earlier"}),
    "history rewritten with the log's key": (rewritten, _ANEW),
    "history cut off with the log's key": (shortened, _ANEW),
    "split view: two histories of one size": (split, _ANEW),
    "promise not honoured": (withheld, {"complete", "promise"}),
    "tile changed": (changed_tile, _COPY | {"consistency", "witness"}),
    "tile at the right edge changed": (
        changed_edge, _COPY | {"start", "consistency", "witness", "complete"}
    ),
    "published checkpoint forged": (forged_publication, _COPY | {"start"}),
    "checkpoint forged in the database": (
        forged_row, {"start", "fsck", "consistency", "witness", "complete"}
    ),
}  # fmt: skip


def go_on(scene: Scene) -> bool:
    """Let the node go on, two minutes later; whether it refuses to sign."""
    scene.node.clock.advance(timedelta(minutes=2))
    late = [
        make_record(
            "query", at=scene.node.clock.now(), actor="departments/housing/systems/desk", facts={}
        )
        for _ in range(7)
    ]
    try:
        scene.grow(late)
    except DataLoss:
        return True
    return False


def catchers(scene: Scene) -> dict[str, bool]:
    """Which commands catch it."""
    node, key = scene.node, scene.node.key.verifier_key
    folder, receipt = node.folder / "audit", scene.receipts[150]
    reader = AuditReader(node.log)

    def copy(earlier: list[str]) -> bool:
        return proofs.verify_copy(folder, key, earlier=earlier)["indication"] != "PASSED"

    def consistency() -> bool:
        found = reader.consistency_proof(200, 0)
        return not verify_consistency(
            scene.kept[1], reader.checkpoint().note, found.hashes, key
        ).passed

    def complete() -> bool:
        _, proof = reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
        return not verify_receipt(SavedReceipt(receipt=receipt, proof=proof), key).passed

    asked: dict[str, Callable[[], bool]] = {
        "fsck": lambda: fsck(node.log.store, node.log.sequencer.tiles, key) is not None,
        "log": lambda: copy([]),
        "log --earlier": lambda: copy(scene.kept),
        "consistency": consistency,
        "witness": lambda: scene.watch.look(Reading(node), at=0).evidence is not None,
        "complete": complete,
        "promise": lambda: honouring.in_copy(
            SavedReceipt(receipt=receipt), key, folder
        ).outcome == honouring.BROKEN,
    }  # fmt: skip
    found = {"start": go_on(scene)}
    for command, ask in asked.items():
        try:
            found[command] = ask()
        except DomainError as error:
            found[command] = error.reason != "BAD_COPY"  # refused; that one sends to `log`
    return found


@pytest.mark.parametrize("way", WAYS)
def test_tampering_is_caught_by_the_commands_that_the_guide_names(scene: Scene, way: str) -> None:
    harm, expected = WAYS[way]
    harm(scene)
    found = {command for command, caught in catchers(scene).items() if caught}
    assert found == expected


def test_an_untouched_log_is_caught_by_none(scene: Scene) -> None:
    assert not any(catchers(scene).values())


def caught(scene: Scene):
    """What a witness writes down: kind, and the evidence as its file has it."""
    seen = scene.watch.look(Reading(scene.node), at=0)
    assert seen.evidence is not None
    assert seen.line == ""
    assert scene.watch.last() == scene.kept[1], "what was seen stays"
    found = evidence_from_json(seen.evidence.read_text(encoding="utf-8"))
    assert found.kind is seen.kind
    return found


@pytest.mark.parametrize(
    ("harm", "kind"),
    [(rewritten, Kind.REWRITTEN), (split, Kind.SPLIT_VIEW), (shortened, Kind.NOT_CONTINUED),
     (changed_tile, Kind.NOT_CONTINUED)],
)  # fmt: skip
def test_a_witness_leaves_evidence_that_the_logs_key_alone_proves(
    scene: Scene, harm, kind: Kind
) -> None:
    harm(scene)
    go_on(scene)
    found, key = caught(scene), scene.node.key.verifier_key
    assert found.kind is kind
    failed = verify_evidence(found, key).failed()
    assert failed == (["contradiction"] if kind is Kind.NOT_CONTINUED else [])
    # Nobody else's word, and no other pair of checkpoints, proves it.
    assert not verify_evidence(found, log_key(2).verifier_key).passed
    for changed in (
        replace(found, earlier=found.later),
        replace(found, earlier=scene.kept[0]),
        replace(found, later=found.earlier),
        replace(found, proof=(*found.proof, b"\0" * 32), kind=Kind.REWRITTEN),
    ):
        assert not verify_evidence(changed, key).passed


def test_evidence_against_a_size_of_a_power_of_two(scene: Scene) -> None:
    """There a consistency proof leaves the earlier root out; the first leaf's path has it."""
    scene.write_anew(scene.records[:256])
    (scene.watch.path / "last-checkpoint").unlink()
    assert scene.watch.look(Reading(scene.node), at=0).evidence is None
    scene.kept[1] = scene.watch.last()
    scene.write_anew([*scene.records[:150], record(-1), *scene.records[151:290]])
    found, key = caught(scene), scene.node.key.verifier_key
    assert found.kind is Kind.REWRITTEN
    assert verify_evidence(found, key).passed
    assert not verify_evidence(replace(found, leaf=b"x"), key).passed
    honest = Evidence(kind=Kind.REWRITTEN, earlier=found.later, later=found.later,
                      proof=found.proof, leaf=found.leaf)  # fmt: skip
    assert not verify_evidence(honest, key).passed


def test_evidence_of_a_denied_promise_convicts_by_a_later_copy(scene: Scene, tmp_path) -> None:
    """It is written when the node denies; the minute beyond the promise comes after that."""
    withheld(scene)
    key, copy = scene.node.key.verifier_key, scene.node.folder / "audit"
    early = tmp_path / "early"
    shutil.copytree(copy, early)
    newest = (copy / "checkpoint").read_text(encoding="utf-8")
    found = promise_broken(SavedReceipt(receipt=scene.receipts[150]), newest)
    told = verify_evidence(found, key, copy=early)
    assert (told.failed(), told.open()) == ([], ["overdue", "absent"])
    go_on(scene)
    assert verify_evidence(found, key, copy=copy).passed
    (copy / "checkpoint").write_text(newest.replace("— ", "— x"), encoding="utf-8")
    assert not verify_evidence(found, key, copy=copy).passed, "a checkpoint that nobody signed"


def test_a_broken_promise_is_evidence(scene: Scene) -> None:
    withheld(scene)
    key, copy = scene.node.key.verifier_key, scene.node.folder / "audit"
    saved = SavedReceipt(receipt=scene.receipts[150], values={"key": "synthetic"})
    early = honouring.in_copy(saved, key, copy)
    assert (early.outcome, early.evidence) == (honouring.PENDING, None)
    go_on(scene)
    told = honouring.in_copy(saved, key, copy)
    assert told.outcome == honouring.BROKEN
    assert told.evidence is not None
    text = evidence_to_json(told.evidence)
    assert "synthetic" not in text
    assert encode(saved.receipt.salt) not in text
    found = evidence_from_json(text)
    assert verify_evidence(found, key, copy=copy).passed
    alone = verify_evidence(found, key)
    assert alone.failed() == []
    assert alone.open() == ["entries", "root", "overdue", "absent"], "there is no copy"
    # Of a promise that was kept, and of one that nobody made, there is none.
    kept = SavedReceipt(receipt=scene.receipts[10])
    assert honouring.in_copy(kept, key, copy).outcome == honouring.HONOURED
    newest = (copy / "checkpoint").read_text(encoding="utf-8")
    assert verify_evidence(promise_broken(kept, newest), key, copy=copy).failed() == ["absent"]
    forged = promise_broken(SavedReceipt(receipt=replace(saved.receipt, leaf=b"{}")), newest)
    assert "promise" in verify_evidence(forged, key, copy=copy).failed()
    with pytest.raises(InvalidArgument) as none:
        honouring.in_copy(SavedReceipt(receipt=replace(saved.receipt, batch=9)), key, copy)
    assert none.value.reason == "NO_PROMISE"


def test_a_promise_about_a_signed_request_is_kept_or_broken_as_any_other(scene: Scene) -> None:
    signed = make_record(
        "query", at=scene.node.clock.now(), actor="departments/housing/systems/desk",
        facts={"grant": "departments/housing/grants/g1", "signed": {"method": "Query"}},
    )  # fmt: skip
    (receipt,) = scene.grow([signed])
    saved = SavedReceipt(receipt=receipt, certificate="a certificate")
    key, copy = scene.node.key.verifier_key, scene.node.folder / "audit"
    assert honouring.in_copy(saved, key, copy).outcome == honouring.HONOURED
    scene.write_anew(scene.records)
    go_on(scene)
    told = honouring.in_copy(saved, key, copy)
    assert told.outcome == honouring.BROKEN
    found = evidence_from_json(evidence_to_json(told.evidence))
    assert verify_evidence(found, key, copy=copy).passed


def test_a_forged_cosignature_is_caught_by_whoever_asks_for_witnesses(scene: Scene) -> None:
    node, key = scene.node, witness_key(1)
    witnessing = Witnessing(
        node.database, node.log.store, log_key=node.key.verifier_key, clock=node.clock
    )
    register(node, witnessing, key)
    hand_in(node, witnessing, key, 300)
    reader = AuditReader(node.log, witnessing)
    receipt = scene.receipts[150]

    def verified() -> list[str]:
        _, proof = reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
        quorum = Quorum(witnesses=(key.verifier_key,), required=1)
        saved = SavedReceipt(receipt=receipt, proof=proof)
        return verify_receipt(saved, node.key.verifier_key, quorum=quorum).failed()

    assert verified() == []
    (line,) = witnessing.reader.lines(300)
    scene.execute("UPDATE cosignature SET line = :l", l=line[:-8] + "AAAAAA==")
    assert verified() == ["cosignatures"]
    scene.execute("DELETE FROM cosignature")
    assert verified() == ["cosignatures"]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_the_guide_says_what_catches_what(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    table = text.partition("<!-- ways to tamper -->")[2].partition("<!-- end of ways -->")[0]
    rows = [line.strip("|").split("|") for line in table.strip().splitlines()[2:]]
    said = [set(re.findall(r"`([a-z -]+)`", row[1])) for row in rows]
    assert len(rows) == len(WAYS)
    assert said == [expected for _, expected in WAYS.values()]
    if guide.name == "auditor.md":
        assert [row[0].strip() for row in rows] == list(WAYS)
