"""Checking (fsck) that database, tiles and checkpoints of this node still say the same.

1. It goes from the leaves up, in one pass, and stops at the first difference: what comes after a
   difference cannot be judged by it.
2. Each batch must still have the root that was promised, under a good signature; each checkpoint
   that was ever signed must still be a prefix of the log.
3. It changes nothing.
4. Salts must be those that their leaves commit to, or erased (`runtime.records`).
5. The index of accesses must tell of the keys that each leaf is about, and of no more.
6. The counts of grants' quotas must hold what the records say was taken (`counting.checking`).
7. The checkpoint that was signed before another must be there, or have been thinned out. Each
   cosignature must be good, and of a checkpoint that is there; that one is gone, nothing says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.audit.accesses.checking import difference
from exchange.audit.accesses.store import AccessStore
from exchange.audit.counting.checking import Counted
from exchange.audit.merkle import (
    HASH_SIZE,
    TILE_WIDTH,
    Frontier,
    ProofError,
    leaf_hash,
    root_of,
    split_entries,
    tile_name,
    tiles_over,
)
from exchange.audit.model import Batch, Difference, SignedCheckpoint
from exchange.audit.note import NoteError, Promise, Verifier, open_checkpoint
from exchange.audit.sequencing import Tiles
from exchange.audit.store import AuditStore
from exchange.audit.witnesses.checking import first_bad
from exchange.audit.witnesses.store import WitnessReader
from runtime.errors import NotFound
from runtime.records import salt_fits


class _Found(Exception):
    """Carries the first difference out of the pass."""

    def __init__(self, where: str, detail: str, detail_zh: str) -> None:
        super().__init__(where)
        self.difference = Difference(where=where, detail=detail, detail_zh=detail_zh)


def fsck(
    store: AuditStore, tiles: Tiles, verifier_key: str, accesses: AccessStore | None = None
) -> Difference | None:
    """The first difference between database, tiles and checkpoints; None where they agree.

    With `accesses` the index of them is compared too.

    Raises Unavailable where a storage does not answer.
    """
    try:
        _Pass(store, tiles, Verifier(verifier_key), accesses).run()
    except _Found as found:
        return found.difference
    return None


class _Pass:
    def __init__(
        self, store: AuditStore, tiles: Tiles, verifier: Verifier, accesses: AccessStore | None
    ) -> None:
        self._store = store
        self._accesses = accesses
        self._tiles = tiles
        self._verifier = verifier
        self._frontier = Frontier()
        self._entries: list[bytes] = []
        self._counted = Counted()
        self._before: int | None = None
        self._checkpoints = store.checkpoints_in_order()
        self._next_checkpoint = next(self._checkpoints, None)

    def run(self) -> None:
        newest = self._store.newest_checkpoint()
        if newest is None:
            if self._tiles.read_checkpoint() is not None:
                raise _Found("checkpoint", "published, but not in the database", "数据库中没有")
            return
        for level, number, tile in tiles_over(self._leaves(newest.size)):
            width = len(tile) // HASH_SIZE
            if self._tile(level, number, width)[: len(tile)] != tile:
                raise _Found(
                    tile_name(level, number, width),
                    "the tile does not hold the hashes of the database's leaves",
                    "瓦片与数据库中的叶不一致",
                )
        if self._frontier.size < newest.size:
            raise _Found(
                f"leaf {self._frontier.size}",
                "the database lacks leaves that a checkpoint covers",
                "数据库缺少检查点所涵盖的叶",
            )
        self._compare_counts()
        self._compare_cosignatures()
        if self._tiles.read_checkpoint() != newest.note:
            raise _Found(
                "checkpoint",
                "the published checkpoint is not the newest one signed",
                "已发布的检查点不是最新签署的检查点",
            )

    def _leaves(self, size: int) -> Iterator[bytes]:
        """Hashes of the database's leaves; batches, bundles and checkpoints are compared too."""
        self._compare_checkpoints()
        for first_index, batch in self._store.batches_in_order():
            for entry, value in self._batch(first_index, batch):
                if self._frontier.size == size:
                    return
                self._frontier.add(value)
                self._counted.add(entry)
                self._entries.append(entry)
                self._compare_checkpoints()
                if len(self._entries) == TILE_WIDTH or self._frontier.size == size:
                    self._compare_bundle()
                yield value

    def _batch(self, first_index: int, batch: Batch) -> Iterator[tuple[bytes, bytes]]:
        where = f"batch {batch.sequence} of shard {batch.shard}"
        if first_index != self._frontier.size:
            raise _Found(where, "the order of the log has a gap here", "日志在此处有缺口")
        try:
            entries = split_entries(batch.leaves)
            hashes = [leaf_hash(entry) for entry in entries]
            if len(entries) != batch.count or root_of(hashes) != batch.root:
                raise ProofError("the leaves are not those that were promised")
            if batch.salts and len(split_entries(batch.salts)) != batch.count:
                raise ProofError("the salts are not as many as the leaves")
            promise = Promise(
                origin=self._verifier.name,
                shard=batch.shard,
                batch=batch.sequence,
                count=batch.count,
                root=batch.root,
                time=batch.promised_at,
            )
            self._verifier.check(promise.text(), batch.signature)
        except (ProofError, NoteError) as error:
            raise _Found(where, str(error), "该批次的叶或签名与承诺不一致") from None
        self._compare_salts(batch, entries)
        if self._accesses is not None:
            self._compare_accesses(self._accesses, batch, entries)
        yield from zip(entries, hashes, strict=True)

    def _compare_salts(self, batch: Batch, entries: Sequence[bytes]) -> None:
        salts = split_entries(batch.salts)
        for position, (entry, salt) in enumerate(zip(entries, salts, strict=False)):
            if not salt_fits(entry, salt):
                raise _Found(
                    f"leaf {self._frontier.size + position}",
                    "its salt was replaced: what the leaf commits to cannot be shown with it",
                    "该叶的盐值已被替换：无法再以其证明该叶所承诺的内容",
                )

    def _compare_accesses(
        self, accesses: AccessStore, batch: Batch, entries: Sequence[bytes]
    ) -> None:
        salts = split_entries(batch.salts) if batch.salts else []
        position = difference(accesses, self._frontier.size, batch, entries, salts)
        if position is not None:
            raise _Found(
                f"leaf {self._frontier.size + position}",
                "the index of accesses tells of other people than the leaf: who asks who looked "
                "at their data is told too little or too much",
                "访问索引与该叶不一致：本人查询被访问情况时，所告知的会有遗漏或多出",
            )

    def _compare_bundle(self) -> None:
        width = len(self._entries)
        number = (self._frontier.size - 1) // TILE_WIDTH
        try:
            held = self._tiles.bundle(number, width)
        except (NotFound, ProofError):
            held = []
        # The log may have grown meanwhile, to a whole bundle at most.
        if held[:width] != self._entries or len(held) not in (width, TILE_WIDTH):
            raise _Found(
                tile_name("entries", number, width),
                "the entry bundle is missing or does not hold the database's leaves",
                "条目包缺失或与数据库中的叶不一致",
            )
        self._entries = []

    def _compare_checkpoints(self) -> None:
        checkpoint = self._next_checkpoint
        if checkpoint is None or checkpoint.size != self._frontier.size:
            return
        if not self._is_good(checkpoint):
            raise _Found(
                f"checkpoint of size {checkpoint.size}",
                "its signature or its root is not that of the database's leaves",
                "检查点的签名或根与数据库中的叶不一致",
            )
        self._compare_previous(checkpoint)
        self._next_checkpoint = next(self._checkpoints, None)

    def _compare_previous(self, checkpoint: SignedCheckpoint) -> None:
        said = checkpoint.previous
        previous, self._before = self._before, checkpoint.size
        if said in (None, previous):
            return
        again = self._store.checkpoint(checkpoint.size)  # it may be thinned out meanwhile
        wanted = again.previous if again else None
        if wanted is not None and self._store.checkpoint(wanted) is None:
            raise _Found(
                f"checkpoint of size {wanted}",
                "it was signed and is not in the database any more, and was not thinned out",
                "该检查点曾被签署，现已不在数据库中，且并非被精简",
            )

    def _compare_cosignatures(self) -> None:
        bad = first_bad(WitnessReader(self._store.database))
        if bad is not None:
            raise _Found(
                f"cosignature of {bad[1]} on the checkpoint of size {bad[0]}",
                "it is not what the witness signed, or its checkpoint is gone",
                "它不是见证方所签内容，或其检查点已不在",
            )

    def _compare_counts(self) -> None:
        lacking = self._counted.lacking(self._store.database)
        if lacking is not None:
            grant, day = lacking
            raise _Found(
                f"quota of {grant} on {day}",
                "less is counted than the records say was taken: it was lowered or lost, and more "
                "could be asked for than the grant allows",
                "计数少于日志记载的调用量：计数被调低或丢失，可能超出授权额度调用",
            )

    def _is_good(self, checkpoint: SignedCheckpoint) -> bool:
        try:
            said = open_checkpoint(checkpoint.note, self._verifier)
        except NoteError:
            return False
        return (
            (said.size, said.root)
            == (checkpoint.size, self._frontier.root())
            == (
                checkpoint.size,
                checkpoint.root,
            )
        )

    def _tile(self, level: int, number: int, width: int) -> bytes:
        try:
            return self._tiles.read(level, number, width)
        except NotFound:
            return b""
