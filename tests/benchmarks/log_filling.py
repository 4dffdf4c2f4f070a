"""A log of any size on the disk within seconds: as the sequencer would have left it, made in bulk.

Every batch holds the same 512 leaves under a promise of its own. So two entry bundles and two tiles
of leaves alternate, and are linked under all their names; the tiles above them, the checkpoint and
the rows of the database are made as they are. What is measured afterwards reads and extends this
log like any other, and the sequencer proves that what it adds extends it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from exchange.audit.merkle import (
    TILE_WIDTH,
    TiledTree,
    join_entries,
    leaf_hash,
    root_of,
    tile_name,
)
from exchange.audit.model import SignedCheckpoint
from exchange.audit.note import Checkpoint, Promise, checkpoint_text, sign_note
from exchange.audit.promising import promise
from runtime.records import SealedRecord, instant
from tests.builders.audit import NOON, ORIGIN, LogFixture

ROUND = 2 * TILE_WIDTH
#: Names of one file: file systems allow some ten thousand.
GREATEST_LINKS = 30_000
_INSERT = (
    "INSERT INTO audit_batch (shard, sequence, leaves, salts, count, root, promised_at, signature,"
    " first_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def fill(node: LogFixture, database: Path, records: Sequence[SealedRecord], rounds: int) -> int:
    """Make an empty log one of so many rounds of these 512 records; its size."""
    if len(records) != ROUND:
        raise ValueError(f"a round is {ROUND} records")
    _rows(node, database, records, rounds)
    leaves = [record.leaf for record in records]
    folder = node.folder / "audit"
    halves = [leaves[:TILE_WIDTH], leaves[TILE_WIDTH:]]
    hashes = [[leaf_hash(leaf) for leaf in half] for half in halves]
    _alternate(folder, "entries", [join_entries(half) for half in halves], rounds)
    _alternate(folder, 0, [b"".join(half) for half in hashes], rounds)
    _upper(folder, [root_of(half) for half in hashes] * rounds)
    size = rounds * ROUND
    tiles = node.log.sequencer.tiles
    root = TiledTree(size, tiles.read).root()
    text = checkpoint_text(Checkpoint(origin=ORIGIN, size=size, root=root))
    note = sign_note(text, ORIGIN, node.key.key_id, node.key.sign)
    signed = SignedCheckpoint(size=size, root=root, note=note)
    node.log.store.add_checkpoint(signed, after=None, at=instant(NOON))
    tiles.write_checkpoint(note)
    os.sync()  # else what follows would wait for all of it to be written
    return size


def _rows(node: LogFixture, database: Path, records: Sequence[SealedRecord], rounds: int) -> None:
    batch, _ = promise(records, shard="fill", sequence=0, at=NOON, key=node.key)

    def rows() -> Iterator[tuple[object, ...]]:
        for number in range(rounds):
            text = Promise(
                origin=ORIGIN, shard=batch.shard, batch=number, count=batch.count,
                root=batch.root, time=batch.promised_at,
            ).text()  # fmt: skip
            yield (
                batch.shard, number, batch.leaves, batch.salts, batch.count, batch.root,
                batch.promised_at, node.key.sign(text), number * ROUND,
            )  # fmt: skip

    connection = sqlite3.connect(database)
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        connection.executemany(_INSERT, rows())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _alternate(folder: Path, level: int | str, both: Sequence[bytes], rounds: int) -> None:
    """Two full tiles under the names of `rounds` pairs."""
    firsts: list[Path] = []
    for number, data in zip(range(2 * rounds), cycle(both), strict=False):
        path = folder / tile_name(level, number)
        if number % 1000 < 2:
            path.parent.mkdir(parents=True, exist_ok=True)
        if number // 2 % GREATEST_LINKS == 0:
            path.write_bytes(data)
            firsts = [*firsts[-1:], path]
        else:
            os.link(firsts[number % 2], path)


def _upper(folder: Path, hashes: list[bytes]) -> None:
    """The tiles from level 1 on, over the roots of the full tiles of level 0."""
    level = 1
    while hashes:
        parts = [hashes[at : at + TILE_WIDTH] for at in range(0, len(hashes), TILE_WIDTH)]
        for number, part in enumerate(parts):
            path = folder / tile_name(level, number, len(part))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(part))
        hashes = [root_of(part) for part in parts if len(part) == TILE_WIDTH]
        level += 1
