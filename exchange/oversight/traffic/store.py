"""The log and its index of accesses, read for single uses of a grant: all SQL on them here.

The audit database belongs to `exchange.audit`; this only reads it. The log is in order of time but
for group commits that overlap, so the first batch of a day is found by halving.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from exchange.audit.accesses.model import TAG_SIZE, split
from exchange.audit.merkle import split_entries
from runtime.database import Database

BATCHES_AT_ONCE = 64
LEAVES_AT_ONCE = 500


class LogReader:
    """Leaves and tags, by fixed SQL on a connection of the calling thread."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        sql = self._held.sql
        self._size = "SELECT coalesce(max(first_index + count), 0) FROM audit_batch"
        self._at = sql(
            "SELECT first_index, promised_at FROM audit_batch WHERE first_index <= ?"
            " ORDER BY first_index DESC LIMIT 1"
        )
        self._from = sql(
            "SELECT first_index, shard, sequence, leaves FROM audit_batch WHERE first_index >= ?"
            " ORDER BY first_index LIMIT ?"
        )
        marks = ", ".join("?" * LEAVES_AT_ONCE)
        self._tags = sql(f"SELECT leaf_index, tag FROM access WHERE leaf_index IN ({marks})")  # noqa: S608  # our own text
        self._waiting = sql("SELECT tags FROM access_waiting WHERE shard = ? AND sequence = ?")

    def size(self) -> int:
        """How many leaves have a place in the log."""
        row = self._held.row(self._size, ())
        return int(row[0]) if row else 0

    def first_at(self, at: datetime) -> int:
        """The place of a batch such that none that was written at or after a time is before it."""
        low, high = 0, self.size()
        while low < high:
            middle = (low + high) // 2
            row = self._held.row(self._at, (middle,))
            if row is not None and datetime.fromisoformat(str(row[1])) < at:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0)

    def leaves(self, first: int, end: int) -> Iterator[tuple[int, bytes, tuple[str, int]]]:
        """Place, leaf and batch of each leaf from one place to another."""
        row = self._held.row(self._at, (first,))
        at = int(row[0]) if row else 0
        while rows := self._held.rows(self._from, (at, BATCHES_AT_ONCE)):
            for begin, shard, sequence, bundle in rows:
                for place, leaf in enumerate(split_entries(bytes(bundle)), int(begin)):
                    if first <= place < end:
                        yield place, leaf, (shard, int(sequence))
            at = int(rows[-1][0]) + 1
            if at >= end:
                return

    def tags(self, places: Sequence[tuple[int, tuple[str, int]]]) -> dict[int, set[bytes]]:
        """Tags of the records that leaves are about, by their places; given with their batches."""
        found: dict[int, set[bytes]] = defaultdict(set)
        wanted = [place for place, _ in places]
        for start in range(0, len(wanted), LEAVES_AT_ONCE):
            part = wanted[start : start + LEAVES_AT_ONCE]
            padded = part + [-1] * (LEAVES_AT_ONCE - len(part))
            for place, tag in self._held.rows(self._tags, padded):
                found[int(place)].add(bytes(tag))
        batches: dict[tuple[str, int], list[int]] = defaultdict(list)
        for place, batch in places:
            if place not in found:
                batches[batch].append(place)
        for (shard, sequence), those in batches.items():
            self._add_waiting(found, shard, sequence, set(those))
        return found

    def _add_waiting(
        self, found: dict[int, set[bytes]], shard: str, sequence: int, wanted: set[int]
    ) -> None:
        """Tags that are not in the index yet: they lie beside their batch."""
        row = self._held.row(self._waiting, (shard, sequence))
        if row is None:
            return
        first = self._first_of(shard, sequence)
        for position, tags in split(bytes(row[0])):
            if first + position in wanted:
                found[first + position].update(
                    tags[at : at + TAG_SIZE] for at in range(0, len(tags), TAG_SIZE)
                )

    def _first_of(self, shard: str, sequence: int) -> int:
        text = self._held.sql(
            "SELECT first_index FROM audit_batch WHERE shard = ? AND sequence = ?"
        )
        row = self._held.row(text, (shard, sequence))
        return int(row[0]) if row else 0
