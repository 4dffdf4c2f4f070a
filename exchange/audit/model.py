"""What the audit log gives and takes, as plain data.

1. A receipt proves an answer before the log has sequenced it: the leaf, its path to the root of the
   batch it was committed with, and the node's signed promise to put that batch into the log.
2. A batch is durable before any of its receipts exists.
3. Usage counts against a quota are made durable with the records that caused them, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What proves an answer (`Receipt` of exchange/v1/audit.proto)."""

    #: Canonical JSON, no personal data.
    leaf: bytes
    #: Opens the leaf's commitments.
    salt: bytes
    #: Which appender promised.
    shard: str
    #: Number of the batch within the shard, from 0.
    batch: int
    #: Position of the leaf in the batch, from 0.
    position: int
    #: Leaves in the batch.
    batch_size: int
    #: From the leaf to the batch's root, 32 bytes each (RFC 6962 2.1.1).
    path: tuple[bytes, ...]
    #: When the batch was promised, UTC.
    promise_time: datetime
    #: Ed25519 by the log's key over the promise's text.
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Records taken from a grant's daily quota."""

    #: Resource name of the grant.
    grant: str
    #: Calendar day in China, `YYYY-MM-DD` (`runtime.clock.china_date`).
    day: str
    #: Records asked for.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one group commit makes durable, with its promise."""

    shard: str
    sequence: int
    #: An entry bundle (c2sp.org/tlog-tiles) of the leaves.
    leaves: bytes
    #: A bundle of the salts, in the order of the leaves.
    salts: bytes
    count: int
    root: bytes
    #: RFC 3339, UTC, microseconds: as it is signed.
    promised_at: str
    signature: bytes
    #: Whose data the leaves are about (`accesses.model.joined`); goes to the index, not to the log.
    tags: bytes = b""
    #: Of leaves about many people: position, and what is kept to prove each one's entry
    #: (`entries.hashes_of`, joined).
    entries: Sequence[tuple[int, bytes]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint that was signed, and its note."""

    size: int
    root: bytes
    note: str
    #: Size of the one signed before it, of those that are kept; None of the first, and of those
    #: signed before it was noted.
    previous: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first place where database, tiles and checkpoint do not agree."""

    #: What was looked at: a tile's name, a batch, the checkpoint.
    where: str
    detail: str
    detail_zh: str
