"""Reading the log: its checkpoint, its proofs, its entries; and taking in others' events.

1. Everybody reads what the newest checkpoint covers, and nothing beyond it.
2. What is read comes from the tiles, as any outside reader of the log would get it.
3. An event of another service is appended once, by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from exchange.audit.appending import AuditLog
from exchange.audit.merkle import TILE_WIDTH, ProofError, TiledTree, levels_of, split_hashes
from exchange.audit.model import SignedCheckpoint
from exchange.audit.note import Proof, proof_text
from exchange.audit.promising import promise
from exchange.audit.store import AuditStore
from exchange.audit.witnesses.service import Witnessing
from runtime.clock import Clock
from runtime.errors import (
    Aborted,
    DataLoss,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OutOfRange,
    Unavailable,
)
from runtime.records import SealedRecord, check_record
from runtime.signing import LogKey

DEFAULT_ENTRIES = 256
GREATEST_ENTRIES = 4096
#: A page of entries stays well below the wire's message limit, whatever the leaves' sizes.
GREATEST_PAGE_BYTES = 8 * 1024 * 1024
GREATEST_EVENTS = 1000
EVENTS = "events"
#: About 10 MiB; the tiles of a log of sixteen million leaves.
UPPER_TILES_KEPT = 256
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """That one size of the log is a prefix of another."""

    hashes: list[bytes]
    second_size: int
    #: Note of the checkpoint of the second size; empty where none was signed.
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An audit record of another service, with the id that it chose."""

    id: str
    record: SealedRecord


class AuditReader:
    """What anyone may ask of the log."""

    def __init__(self, log: AuditLog, witnessing: Witnessing | None = None) -> None:
        self._store = log.store
        self._witnessing = witnessing
        self._tiles = log.sequencer.tiles
        # A tile never changes while its width is the same; those above the leaves' are few.
        self._upper = lru_cache(maxsize=UPPER_TILES_KEPT)(self._read_tree)
        self.verifier_key = log.key.verifier_key

    def checkpoint(self, cosignatures: int = 0) -> SignedCheckpoint:
        """The newest checkpoint, or the newest that at least so many witnesses cosigned.

        Raises Unavailable (NOT_YET_SEQUENCED) in the first second, and as `Witnessing.newest`.
        """
        if cosignatures and self._witnessing is not None:
            return self._witnessing.newest(cosignatures)
        newest = self._store.newest_checkpoint()
        if newest is None:
            raise _not_yet()
        return newest

    def note(self, checkpoint: SignedCheckpoint) -> str:
        """A checkpoint's note as readers get it, with the cosignatures there are."""
        return (
            checkpoint.note if self._witnessing is None else self._witnessing.with_lines(checkpoint)
        )

    def inclusion_proof(
        self, shard: str, batch: int, position: int, *, cosignatures: int = 0
    ) -> tuple[int, str]:
        """The index of a promised leaf and its tlog-proof, to `checkpoint(cosignatures)`.

        Raises NotFound (PROMISE_UNKNOWN) for a promise that this node did not make, and Unavailable
        (NOT_YET_SEQUENCED, retry after a second) until a checkpoint covers the leaf.
        """
        place = self._store.place(shard, batch) if 0 <= batch < 1 << 63 else None
        if place is None or not 0 <= position < place[0]:
            raise NotFound(
                "this node made no such promise: check shard, batch and position of the receipt",
                reason="PROMISE_UNKNOWN",
                message_zh="本节点没有作出该承诺：请核对回执的分片、批次和位置",
            )
        newest = self.checkpoint(cosignatures)
        if place[1] is None or place[1] + position >= newest.size:
            raise _not_yet()
        index = place[1] + position
        return index, self._proof(index, newest)

    def inclusion_proof_at(self, index: int, *, cosignatures: int = 0) -> str:
        """The tlog-proof of the leaf at an index, as `entries` counts.

        Raises InvalidArgument for a negative index, and OutOfRange (INDEX_OUT_OF_RANGE) for one
        that the newest checkpoint does not cover.
        """
        if index < 0:
            raise InvalidArgument(
                "index must not be negative",
                message_zh="index 不能为负",
                violations=[FieldViolation("index", "negative")],
            )
        newest = self.checkpoint(cosignatures)
        if index >= newest.size:
            raise OutOfRange(
                f"the log has {newest.size} leaves so far, counted from 0: ask for a lower index, "
                "or again in a second",
                reason="INDEX_OUT_OF_RANGE",
                message_zh=f"日志目前有 {newest.size} 条，序号自 0 起：请减小序号，或稍后再试",
            )
        return self._proof(index, newest)

    def _proof(self, index: int, newest: SignedCheckpoint) -> str:
        """By as many tiles as the tree is high, whatever its size."""
        path = self._tree(newest.size).inclusion_proof(index)
        return proof_text(Proof(index=index, path=tuple(path), checkpoint=self.note(newest)))

    def consistency_proof(self, first: int, second: int) -> Consistency:
        """That the log of size `first` is a prefix of that of size `second`; 0 is the newest.

        Raises OutOfRange (SIZE_OUT_OF_RANGE) for sizes that are not in order or not covered yet.
        """
        newest = self.checkpoint()
        second = second or newest.size
        if not 0 <= first <= second <= newest.size:
            raise OutOfRange(
                f"sizes must be in order and at most {newest.size}, the newest checkpoint's",
                reason="SIZE_OUT_OF_RANGE",
                message_zh=f"大小须依次递增，且不超过最新检查点的 {newest.size}",
            )
        hashes = self._tree(newest.size).prefix(second).consistency_proof(first)
        held = self._store.checkpoint(second)
        return Consistency(
            hashes=hashes, second_size=second, checkpoint=self.note(held) if held else ""
        )

    def entries(self, start: int, count: int) -> tuple[list[bytes], int]:
        """Leaves from `start` on, and the size of the log; fewer than asked near its end.

        Raises InvalidArgument for negative numbers and OutOfRange (START_OUT_OF_RANGE) past the
        end.
        """
        if start < 0 or count < 0:
            raise InvalidArgument(
                "start and page_size must not be negative",
                message_zh="start 和 page_size 不能为负",
                violations=[FieldViolation("start" if start < 0 else "page_size", "negative")],
            )
        size = self.checkpoint().size
        if start > size:
            raise OutOfRange(
                f"the log has {size} leaves so far",
                reason="START_OUT_OF_RANGE",
                message_zh=f"日志目前有 {size} 条",
            )
        end = min(size, start + min(count or DEFAULT_ENTRIES, GREATEST_ENTRIES))
        leaves: list[bytes] = []
        total = 0
        while start < end and total < GREATEST_PAGE_BYTES:
            number, within = divmod(start, TILE_WIDTH)
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            part = self._entries(number, width)[within : within + end - start]
            leaves.extend(part)
            total += sum(map(len, part))
            start += len(part)
        return leaves, size

    def _entries(self, number: int, width: int) -> list[bytes]:
        try:
            entries = self._tiles.entries(number, width)
        except (ProofError, NotFound) as error:
            raise _damaged() from error
        if len(entries) < width:
            raise _damaged()
        return entries

    def _tree(self, size: int) -> TiledTree:
        return TiledTree(size, self._read, upper=self._upper)

    def _read_tree(self, level: int, number: int, width: int) -> list[list[bytes]]:
        return levels_of(split_hashes(self._read(level, number, width)))

    def _read(self, level: int, number: int, width: int) -> bytes:
        try:
            return self._tiles.read(level, number, width)
        except NotFound as error:
            raise _damaged() from error


class EventRecorder:
    """Takes in the audit records of the node's other services."""

    def __init__(self, store: AuditStore, *, key: LogKey, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock

    def record(self, source: str, events: Sequence[Event]) -> int:
        """Append those events of a source that were not there yet; how many. Durable on return.

        Raises InvalidArgument for too many events, a missing id or a record no bundle can hold,
        and Aborted where others keep coming first.
        """
        _check(events)
        by_id = {event.id: event for event in events}
        for _ in range(_TRIES):
            new = self._store.unknown_events(source, list(by_id))
            if not new:
                return 0
            fresh = [event for event in by_id.values() if event.id in new]
            batch, _ = promise(
                [event.record for event in fresh],
                shard=EVENTS,
                sequence=self._store.next_sequence(EVENTS),
                at=self._clock.now(),
                key=self._key,
            )
            try:
                self._store.append_events(batch, source, [event.id for event in fresh])
            except Aborted:
                continue  # another call took the number or brought one of the events: look again
            return len(fresh)
        raise Aborted(
            "too many services record events at this moment: repeat",
            reason="CONCURRENT_CHANGE",
            message_zh="同时写入的服务过多：请重试",
        )


def _check(events: Sequence[Event]) -> None:
    if len(events) > GREATEST_EVENTS:
        raise InvalidArgument(
            f"at most {GREATEST_EVENTS} events at once",
            message_zh=f"一次最多 {GREATEST_EVENTS} 个事件",
            violations=[FieldViolation("events", "too many")],
        )
    for number, event in enumerate(events):
        if not 0 < len(event.id) <= 100:
            raise InvalidArgument(
                "an event has an id of at most 100 characters",
                message_zh="事件须有不超过 100 个字符的标识",
                violations=[FieldViolation(f"events[{number}].id", "missing or too long")],
            )
        check_record(event.record)


def _not_yet() -> Unavailable:
    return Unavailable(
        "the promise is kept within about a second: ask again",
        reason="NOT_YET_SEQUENCED",
        message_zh="承诺约在一秒内兑现：请稍后再试",
        retry_after=1,
    )


def _damaged() -> DataLoss:
    return DataLoss(
        "a tile of the audit log is missing or damaged: run `tongban audit fsck` and restore it",
        reason="TILE_DAMAGED",
        message_zh="审计日志的瓦片缺失或损坏：请运行 `tongban audit fsck` 并恢复",
    )
