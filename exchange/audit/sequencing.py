"""Sequencing: one order for all shards, tiles, and a signed checkpoint, about every second.

1. One process sequences at a time. Two at once would still agree: the order is made in
   transactions, and all that follows is a function of the order.
2. The steps are: outboxes, order, tiles, check, checkpoint row, checkpoint object. After a crash
   between any two, the next run writes the same bytes again and goes on.
3. Tiles are made from the new leaves and the tiles on the right edge alone, and are durable before
   a checkpoint speaks of them.
4. No checkpoint is signed before its tree is read back from the store and proven to extend the
   last signed one, by its row and by the published object; otherwise nothing is signed, and an
   operator must look (DataLoss). So neither rewritten tiles nor an old backup forks the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from exchange.audit.erasures.store import Erasures
from exchange.audit.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    TILE_WIDTH,
    ProofError,
    TiledTree,
    check_consistency,
    grow,
    join_entries,
    leaf_hash,
    split_entries,
    tile_name,
)
from exchange.audit.model import SignedCheckpoint
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Verifier,
    checkpoint_text,
    open_checkpoint,
    sign_note,
)
from exchange.audit.outboxes.store import Outbox
from exchange.audit.promising import promise
from exchange.audit.store import AuditStore
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import DataLoss, NotFound
from runtime.objects import ObjectStore
from runtime.records import instant
from runtime.signing import LogKey

CHECKPOINT = "checkpoint"
ACTS = "acts"
OUTBOX_ROWS = 512
BATCHES_A_RUN = 16_384
LEAVES_A_STEP = 65_536


class Tiles:
    """The log's tiles and entry bundles in an object store.

    `folder` is what stands before the names of c2sp.org/tlog-tiles.
    """

    def __init__(self, objects: ObjectStore, folder: str = "audit") -> None:
        self.objects = objects
        self._folder = f"{folder}/"

    def read(self, level: int, number: int, width: int) -> bytes:
        """A tile at least `width` hashes wide. Raises NotFound."""
        return self._get(level, number, width)

    def entries(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises NotFound."""
        return self.bundle(number, width)[:width]

    def bundle(self, number: int, width: int) -> list[bytes]:
        """All entries of a bundle at least `width` wide. Raises NotFound."""
        return split_entries(self._get("entries", number, width))

    def _get(self, level: int | str, number: int, width: int) -> bytes:
        try:
            return self.objects.get(self._folder + tile_name(level, number, width))
        except NotFound:
            # A partial one goes when the full one has come (c2sp.org/tlog-tiles, partial tiles).
            return self.objects.get(self._folder + tile_name(level, number))

    def write(self, level: int | str, number: int, width: int, data: bytes) -> None:
        """Write a tile or a bundle, durably. Writing it again writes the same."""
        self.objects.put(self._folder + tile_name(level, number, width), data)

    def clear_partial(self, level: int | str, number: int) -> None:
        """Delete the partial forms of what is full."""
        for name in self.objects.list(self._folder + tile_name(level, number) + ".p/"):
            self.objects.delete(name)

    def read_checkpoint(self) -> str | None:
        """The published checkpoint's note."""
        try:
            return self.objects.get(self._folder + CHECKPOINT).decode()
        except NotFound:
            return None

    def write_checkpoint(self, note: str) -> None:
        """Publish a checkpoint's note."""
        self.objects.put(self._folder + CHECKPOINT, note.encode())


class Sequencer:
    """Brings the log forward."""

    def __init__(
        self,
        store: AuditStore,
        *,
        key: LogKey,
        objects: ObjectStore,
        clock: Clock,
        outboxes: Sequence[Database] = (),
        afterwards: Callable[[], object] | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._verifier = Verifier(key.verifier_key)
        self._clock = clock
        self._afterwards = afterwards
        self._outboxes = [Outbox(database) for database in outboxes]
        self._erasures = Erasures(store.database)
        self.tiles = Tiles(objects)

    def run(self) -> int | None:
        """Sequence all that waits; the size of the newest checkpoint.

        None where another process is sequencing. Raises Unavailable where a storage fails, and
        DataLoss (LOG_REWRITTEN) where the tiles do not extend what was signed.
        """
        with self._store.sequencing() as mine:
            if not mine:
                return None
            for outbox in self._outboxes:
                self._drain(outbox)
            newest = self._last_signed()
            signed = newest.size if newest else 0
            ordered = self._store.assign_indexes(BATCHES_A_RUN, least=signed)
            if ordered < signed:
                raise _conflict(f"{signed - ordered} of the records that it covers are missing")
            while newest is None or newest.size < ordered:
                newest = self._extend(newest, ordered)
            self._publish(newest)
            if self._afterwards is not None:
                self._afterwards()
            return newest.size

    def _last_signed(self) -> SignedCheckpoint | None:
        """The newest checkpoint's row, if its signature and the published one agree with it."""
        newest, published = self._store.newest_checkpoint(), self.tiles.read_checkpoint()
        try:
            if newest is not None:
                said = open_checkpoint(newest.note, self._verifier)
                if (said.size, said.root) != (newest.size, newest.root):
                    raise NoteError("its row says something else")
            if published is not None:
                outside = open_checkpoint(published, self._verifier).size
                if outside > (newest.size if newest else -1):
                    raise NoteError("the published checkpoint is newer than the database")
        except NoteError as error:
            raise _conflict(str(error)) from error
        return newest

    # Step 1: outboxes.

    def _drain(self, outbox: Outbox) -> None:
        """Move an outbox's records into the log, each once, whatever crashes."""
        self._let_go(outbox)
        while rows := outbox.read(OUTBOX_ROWS):
            batch, _ = promise(
                [record for _, record in rows],
                shard=ACTS,
                sequence=self._store.next_sequence(ACTS),
                at=self._clock.now(),
                key=self._key,
            )
            self._erasures.place(ACTS, batch.sequence, [record.leaf for _, record in rows])
            self._store.take_from_outbox(batch, outbox.name, rows)
            self._let_go(outbox)

    def _let_go(self, outbox: Outbox) -> None:
        marks = self._store.marks(outbox.name)
        if marks:
            outbox.let_go(marks)
            self._store.clear_marks(outbox.name, [row_id for row_id, _ in marks])

    # Steps 2 and 3: tiles, then the checkpoint.

    def _extend(self, newest: SignedCheckpoint | None, ordered: int) -> SignedCheckpoint:
        size, root = (newest.size, newest.root) if newest else (0, EMPTY_ROOT)
        leaves = self._leaves(size, min(ordered, size + LEAVES_A_STEP))
        filled = [*self._write_entries(size, leaves), *self._write_tiles(size, leaves)]
        grown = self._checked(size, root, size + len(leaves))
        at = instant(self._clock.now())
        self._store.add_checkpoint(grown, after=newest.size if newest else None, at=at)
        self._publish(grown)
        for level, number in filled:
            self.tiles.clear_partial(level, number)
        return grown

    def _leaves(self, begin: int, end: int) -> list[bytes]:
        """Leaves from `begin` to the end of the batch that reaches `end`."""
        leaves: list[bytes] = []
        for first_index, bundle in self._store.batches_from(begin):
            if first_index >= end:
                break
            leaves.extend(islice(split_entries(bundle), max(begin - first_index, 0), None))
        return leaves

    def _write_entries(self, size: int, leaves: Sequence[bytes]) -> list[tuple[int | str, int]]:
        number, width = divmod(size, TILE_WIDTH)
        held = self.tiles.entries(number, width) if width else []
        entries = [*held, *leaves]
        filled: list[tuple[int | str, int]] = []
        for start in range(0, len(entries), TILE_WIDTH):
            part = entries[start : start + TILE_WIDTH]
            self.tiles.write("entries", number, len(part), join_entries(part))
            if len(part) == TILE_WIDTH:
                filled.append(("entries", number))
            number += 1
        return filled

    def _write_tiles(self, size: int, leaves: Sequence[bytes]) -> list[tuple[int | str, int]]:
        filled: list[tuple[int | str, int]] = []
        for level, number, tile in grow(size, [leaf_hash(x) for x in leaves], self.tiles.read):
            width = len(tile) // HASH_SIZE
            self.tiles.write(level, number, width, tile)
            if width == TILE_WIDTH:
                filled.append((level, number))
        return filled

    def _checked(self, size: int, root: bytes, new_size: int) -> SignedCheckpoint:
        """The signed checkpoint of the larger tree, after its proof against the last one."""
        tree = TiledTree(new_size, self.tiles.read)
        try:
            new_root = tree.root()
            check_consistency(size, root, new_size, new_root, tree.consistency_proof(size))
        except ProofError as error:
            raise DataLoss(
                f"the log's tiles do not extend the checkpoint of size {size}: nothing was signed; "
                "run `tongban audit fsck` and restore the tiles from a backup",
                reason="LOG_REWRITTEN",
                message_zh=f"审计日志的瓦片与大小为 {size} 的检查点不一致：未签署新检查点；"
                "请运行 `tongban audit fsck` 并从备份恢复",
            ) from error
        text = checkpoint_text(Checkpoint(origin=self._key.origin, size=new_size, root=new_root))
        note = sign_note(text, self._key.origin, self._key.key_id, self._key.sign)
        return SignedCheckpoint(size=new_size, root=new_root, note=note)

    def _publish(self, checkpoint: SignedCheckpoint) -> None:
        if self.tiles.read_checkpoint() != checkpoint.note:
            self.tiles.write_checkpoint(checkpoint.note)


def _conflict(why: str) -> DataLoss:
    return DataLoss(
        f"the last checkpoint and the audit database do not agree ({why}): nothing was signed; "
        "restore the audit database from its newest backup",
        reason="CHECKPOINT_CONFLICT",
        message_zh="上一个检查点与审计数据库不一致：未签署新检查点；请用最新备份恢复审计数据库",
    )
