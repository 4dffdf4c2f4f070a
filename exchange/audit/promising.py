"""Promising: a batch of records becomes one signed promise and a receipt for each.

1. The promise covers origin, shard, number, count, root and time: a receipt cannot be moved to
   another batch, position or log.
2. One signature serves the batch; each receipt carries the path from its leaf to the signed root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from exchange.audit.merkle import join_entries, leaf_hash, levels_of, paths_of
from exchange.audit.model import Batch, Receipt
from exchange.audit.note import Promise
from runtime.records import SealedRecord, instant
from runtime.signing import LogKey


def promise(
    records: Sequence[SealedRecord],
    *,
    shard: str,
    sequence: int,
    at: datetime,
    key: LogKey,
    tags: bytes = b"",
) -> tuple[Batch, list[Receipt]]:
    """The batch of at least one record, signed, and the receipts in the order of the records."""
    leaves = [record.leaf for record in records]
    levels = levels_of([leaf_hash(leaf) for leaf in leaves])
    root = levels[-1][0]
    time = instant(at)
    text = Promise(
        origin=key.origin, shard=shard, batch=sequence, count=len(leaves), root=root, time=time
    ).text()
    signature = key.sign(text)
    batch = Batch(
        shard=shard,
        sequence=sequence,
        leaves=join_entries(leaves),
        salts=join_entries([record.salt for record in records]),
        count=len(leaves),
        root=root,
        promised_at=time,
        signature=signature,
        tags=tags,
        entries=[(at, one.entries) for at, one in enumerate(records) if one.entries],
    )
    receipts = [
        Receipt(
            leaf=record.leaf,
            salt=record.salt,
            shard=shard,
            batch=sequence,
            position=position,
            batch_size=len(leaves),
            path=path,
            promise_time=at,
            signature=signature,
        )
        for position, (record, path) in enumerate(zip(records, paths_of(levels), strict=True))
    ]
    return batch, receipts


def fresh_shard() -> str:
    """A name of a shard that nobody else has: an appender that starts takes one of its own.

    Numbers then begin at 0, and an older process that is still ending cannot get in the way.
    """
    return os.urandom(6).hex()
