"""Audit logs for tests: a database, a folder of tiles, a key, and records without persons."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchange.audit.appending import AuditLog
from exchange.audit.checking import fsck
from exchange.audit.merkle import TiledTree, leaf_hash, tiles_over
from exchange.audit.note import Checkpoint, Proof, checkpoint_text, proof_text, sign_note
from exchange.audit.service import AuditReader
from exchange.audit.store import MIGRATIONS
from exchange.audit.verify import verify_log
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.objects import FileStore
from runtime.records import SealedRecord, make_record
from runtime.signing import LogKey, WitnessKey

ORIGIN = "shifan.example/log"
NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)


def log_key(number: int = 1, origin: str = ORIGIN) -> LogKey:
    """A key that is the same in every test."""
    return LogKey(origin, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


def witness_key(number: int = 1, name: str = "") -> WitnessKey:
    """A witness's key that is the same in every test, and no log's."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([number, 2]) * 16)
    return WitnessKey(name or f"witness{number}.example/w", key)


def audit_database(url: str) -> Database:
    """The audit schema, migrated."""
    database = Database(url, schema="audit")
    database.migrate(MIGRATIONS)
    return database


def record(number: int) -> SealedRecord:
    """The record of a query, with one commitment."""
    return make_record(
        "query",
        at=NOON,
        actor="departments/housing/systems/desk",
        facts={"grant": "departments/housing/grants/g1", "number": number},
        commitments={"key": b"synthetic"},
    )


def proofs_of(leaves: Sequence[bytes], key: LogKey | None = None) -> list[str]:
    """The tlog-proof of each leaf of a log that holds these."""
    key = key or log_key()
    tiles = {(level, number): tile for level, number, tile in tiles_over(map(leaf_hash, leaves))}
    tree = TiledTree(len(leaves), lambda level, number, _: tiles[level, number])
    text = checkpoint_text(Checkpoint(origin=ORIGIN, size=tree.size, root=tree.root()))
    note = sign_note(text, ORIGIN, key.key_id, key.sign)
    return [
        proof_text(Proof(index=index, path=tuple(tree.inclusion_proof(index)), checkpoint=note))
        for index in range(len(leaves))
    ]


class LogFixture:
    """A log on a database and a folder, that can be opened again as after a crash."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = audit_database(url)
        self.outbox = Database(url, schema="audit")  # the ground's outbox, in the same tables
        self.folder = folder / "objects"
        self.clock = FixedClock(NOON)
        self.key = log_key()
        self.log = self.open()

    def open(self) -> AuditLog:
        """A new log object over the same state."""
        self.log = AuditLog(
            self.database,
            key=self.key,
            objects=FileStore(self.folder),
            outboxes=[self.outbox],
            clock=self.clock,
        )
        return self.log

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()
        self.outbox.close()


def execute(node: LogFixture, text: str, **values: object) -> None:
    """Run a statement on the log's database."""
    with node.database.engine.begin() as connection:
        connection.execute(sa.text(text), values)


def scalar(node: LogFixture, text: str) -> Any:
    """The one value of a query."""
    with node.database.engine.connect() as connection:
        return connection.execute(sa.text(text)).scalar()


def put_into_outbox(node: LogFixture, *numbers: int) -> None:
    """Records of other services that wait to be moved."""
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


def leaves_of(node: LogFixture) -> list[dict[str, Any]]:
    """What the log says, in its order."""
    leaves, _ = AuditReader(node.log).entries(0, 4096)
    return [json.loads(leaf) for leaf in leaves]
