"""Checking that the index of accesses tells of each question that the log holds, and of no other.

The index is not in the log, so nothing proves it; but a leaf says how many keys it is about. A leaf
whose salt was erased is about nobody any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import orjson

from exchange.audit.accesses.model import rows_of
from exchange.audit.accesses.store import AccessStore
from exchange.audit.model import Batch

#: Kinds of leaves about as many people as they say; about at least one, and at most as many.
_EXACT = {"query": "", "verify": "", "batch_query": "count"}
_AT_MOST = {"export": "count", "changes_delivered": "count", "spatial_query": "found"}


def difference(
    store: AccessStore, first: int, batch: Batch, leaves: Sequence[bytes], salts: Sequence[bytes]
) -> int | None:
    """The position of the first leaf of a batch that the index tells otherwise of; None if none."""
    # What waits is read first: what moves meanwhile is then seen twice, and not missed.
    rows = set(rows_of(first, store.waiting(batch.shard, batch.sequence)))
    rows |= store.rows(first, first + len(leaves))
    told = Counter(index for _, index in rows)
    for position, (least, most) in enumerate(_expected(leaves, salts)):
        if not least <= told[first + position] <= most:
            return position
    return None


def _expected(leaves: Sequence[bytes], salts: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    for position, leaf in enumerate(leaves):
        if position >= len(salts) or not salts[position]:
            yield 0, 0
            continue
        said = orjson.loads(leaf)
        kind = said["kind"]
        if kind in _EXACT:
            count = said[_EXACT[kind]] if _EXACT[kind] else 1
            yield count, count
        else:
            count = said[_AT_MOST[kind]] if kind in _AT_MOST else 0
            yield min(count, 1), count
