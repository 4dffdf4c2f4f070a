"""Checking that the index of accesses tells of each question that the log holds, and of no other.

The index is not in the log, so nothing proves it; but a leaf says how many keys it is about, and of
what is kept to prove each one's entry it has the root. A leaf whose salt was erased is about nobody
any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from exchange.audit.accesses.model import rows_of
from exchange.audit.accesses.store import AccessStore
from exchange.audit.entries import has_entries, is_root_of
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
    kept = store.entries_of(batch.shard, batch.sequence)
    for position, leaf in enumerate(leaves):
        alive = position < len(salts) and bool(salts[position])
        said = orjson.loads(leaf) if alive else {}
        least, most = _expected(said)
        if not least <= told[first + position] <= most:
            return position
        if not _fits(said, kept.get(position)):
            return position
    return None


def _expected(said: Mapping[str, Any]) -> tuple[int, int]:
    """About how many a leaf is, at least and at most; one whose salt was erased is about nobody."""
    kind = said.get("kind", "")
    if kind in _EXACT:
        count = said[_EXACT[kind]] if _EXACT[kind] else 1
        return count, count
    count = said[_AT_MOST[kind]] if kind in _AT_MOST else 0
    return min(count, 1), count


def _fits(said: Mapping[str, Any], held: bytes | None) -> bool:
    if not has_entries(said):
        return held is None
    return held is not None and is_root_of(said, held)
