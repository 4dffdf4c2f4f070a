"""The stand-alone verifier on everything of the log, offline: receipt, inclusion, consistency, a
whole copy, witnesses, evidence against the log. Each with something that must fail.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exchange.audit.evidence import Evidence, Kind, evidence_to_json, promise_broken
from exchange.audit.model import Receipt
from exchange.audit.note import cosign_line, split_note
from exchange.audit.service import AuditReader
from exchange.audit.verify import SavedReceipt, receipt_to_json
from runtime.records import make_record
from runtime.signing import LogKey
from tests.builders import verifier
from tests.builders.audit import NOON, LogFixture, record, witness_key

WITNESSES = (witness_key(1), witness_key(2))


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> verifier.Verifier:
    wheel = verifier.build(tmp_path_factory.mktemp("dist"))
    return verifier.install(wheel, tmp_path_factory.mktemp("verify") / "environment")


def cosigned(note: str, *keys: LogKey) -> str:
    at = int(NOON.timestamp())
    lines = (cosign_line(split_note(note)[0], key.origin, key.key_id, at, key.sign) for key in keys)
    return note + "".join(f"{line}\n" for line in lines)


def log_in(folder: Path, numbers: list[int], *, late: int = 0) -> tuple[LogFixture, list[Receipt]]:
    """A log of these records, and of some two minutes later."""
    folder.mkdir()
    node = LogFixture(f"sqlite:///{folder / 'audit.db'}", folder)
    receipts = node.log.append_blocking([record(n) for n in numbers])
    node.log.sequencer.run()
    node.clock.advance(timedelta(minutes=2))
    for _ in range(late):
        node.log.append_blocking(
            [make_record("query", at=node.clock.now(), actor="departments/a/systems/b", facts={})]
        )
        node.log.sequencer.run()
    return node, receipts


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    node, receipts = log_in(folder / "node", list(range(300)), late=3)
    other, lost = log_in(folder / "other", [*range(150), -1, *range(151, 310)])
    reader = AuditReader(node.log)
    (folder / "log-key.txt").write_text(node.key.verifier_key + "\n")
    for key in WITNESSES:
        (folder / f"{key.origin.partition('.')[0]}.txt").write_text(key.verifier_key + "\n")

    note = reader.checkpoint().note
    receipt = receipts[42]
    _, proof = reader.inclusion_proof(receipt.shard, receipt.batch, receipt.position)
    seen = proof.replace(note, cosigned(note, *WITNESSES))
    saved = SavedReceipt(receipt=receipt, values={"key": "synthetic"}, proof=seen)
    (folder / "receipt.json").write_text(receipt_to_json(saved))
    moved = SavedReceipt(receipt=replace(receipt, position=43), proof=seen)
    (folder / "moved.json").write_text(receipt_to_json(moved))

    old = node.log.store.checkpoint(300).note
    hashes = tuple(reader.consistency_proof(300, 303).hashes)
    grown = Evidence(kind=Kind.CONTINUED, earlier=old, later=cosigned(note, WITNESSES[0]),
                     proof=hashes)  # fmt: skip
    (folder / "grown.json").write_text(evidence_to_json(grown))
    wrong = replace(grown, proof=hashes[:-1])
    (folder / "not-grown.json").write_text(evidence_to_json(wrong))

    theirs = AuditReader(other.log)
    rewritten = Evidence(kind=Kind.REWRITTEN, earlier=old, later=theirs.checkpoint().note,
                         proof=tuple(theirs.consistency_proof(300, 310).hashes))  # fmt: skip
    (folder / "rewritten.json").write_text(evidence_to_json(rewritten))
    honest = replace(rewritten, later=note, proof=hashes)
    (folder / "honest.json").write_text(evidence_to_json(honest))

    broken = promise_broken(SavedReceipt(receipt=lost[150]), note)
    (folder / "broken.json").write_text(evidence_to_json(broken))
    kept = promise_broken(SavedReceipt(receipt=receipt), note)
    (folder / "kept.json").write_text(evidence_to_json(kept))

    shutil.copytree(node.folder / "audit", folder / "copy")
    shutil.copytree(node.folder / "audit", folder / "changed")
    bundle = folder / "changed" / "tile" / "entries" / "000"
    data = bytearray(bundle.read_bytes())
    data[500] ^= 1
    bundle.write_bytes(bytes(data))
    (folder / "monday.txt").write_text(cosigned(old, *WITNESSES))
    (folder / "tuesday.txt").write_text(theirs.checkpoint().note)
    for one in (node, other):
        one.close()
    return folder


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("receipt.json", 0),
        ("receipt.json --witness witness1.txt --witness witness2.txt", 0),
        ("receipt.json --witness witness1.txt --witness witness2.txt --require 1", 0),
        ("moved.json", 1),
        ("grown.json", 0),
        ("grown.json --witness witness1.txt", 0),
        ("grown.json --witness witness2.txt", 1),
        ("grown.json --witness witness1.txt --witness witness2.txt --require 1", 0),
        ("grown.json --witness witness1.txt --require 2", 4),
        ("grown.json --witness log-key.txt", 4),
        ("not-grown.json", 1),
        ("rewritten.json", 0),
        ("honest.json", 1),
        ("broken.json --log copy", 0),
        ("broken.json", 6),
        ("kept.json --log copy", 1),
        ("copy/checkpoint", 0),
        ("copy", 0),
        ("copy --witness witness1.txt", 1),
        ("copy/checkpoint --earlier monday.txt --witness witness1.txt", 0),
        ("copy/checkpoint --witness witness1.txt", 1),
        ("copy/checkpoint --earlier tuesday.txt", 1),
        ("changed/checkpoint", 1),
        ("changed", 1),
    ],
)
def test_everything_of_the_log_is_verified_offline(installed, files, asked: str, code: int) -> None:
    said = installed.run(*asked.split(), "--log-key", "log-key.txt", cwd=files)
    assert said.returncode == code, said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    if code < 2:
        assert said.stdout.startswith("FAILED" if code else "PASSED")
