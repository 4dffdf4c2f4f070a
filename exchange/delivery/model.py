"""What is delivered, and the pure rules of it.

1. The log of changes is the only truth. A change is at an offset, and offsets grow in the order of
   commits; a record is its newest change. A subscriber reads the log that publishers write.
2. A row that says what is held already makes no change, and neither does withdrawing what is not
   held: publishing the same rows again costs a reading and no writing.
3. A subscriber never sees a record's key unless it is a granted item: `record_id` is its HMAC under
   a secret of the subscription. What is withdrawn carries no items.
4. Read compacted, the log gives of each record its newest change only. That is a snapshot in the
   order of the log: what is changed meanwhile moves to the log's end, and comes by it. So a
   subscription reads up to `snapshot_end` compacted and the rest change by change, with one cursor
   and without a gap; and so it reads what was published before its grant's decision, unless that
   includes history.
5. What ended before the subscription was made (`origin`) was never shown to it, and is not told.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import orjson

from runtime.errors import FieldViolation, InvalidArgument
from runtime.records import canonical, instant

DEFAULT_CHANGES = 500
GREATEST_CHANGES = 5_000
#: A message of changes holds about so much at most; the transport takes 20 MiB.
DELIVERY_SIZE = 8 * 1024 * 1024


class ChangeType(StrEnum):
    """What happened to a record."""

    UPSERT = "upsert"
    WITHDRAW = "withdraw"


class StartPosition(StrEnum):
    """Where a new subscription begins."""

    NOW = "now"
    EARLIEST = "earliest"
    SNAPSHOT = "snapshot"
    TIME = "time"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a new subscription begins: with the first change at or after `time`, after `offset`."""

    position: StartPosition = StartPosition.NOW
    time: datetime | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A durable subscription (订阅): all up to `cursor` was acknowledged."""

    name: str
    department: str
    grant: str
    cursor: int
    create_time: datetime
    #: 32 random bytes, never shown: makes record ids.
    secret: bytes
    #: The end of the log when it was made.
    origin: int = 0
    #: Up to there it reads compacted.
    snapshot_end: int = 0
    #: How many consumers may work at it at once; 1 is one cursor.
    lanes: int = 1
    #: After so many deliveries in vain a change becomes a dead letter.
    max_deliveries: int = 5
    #: The office that looks after its dead letters, as text.
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One change as it is in the log; `payload` is None where the record was withdrawn."""

    offset: int
    key: str
    payload: str | None
    publish_time: datetime
    #: The change that it replaced, 0 for none; read only where a grant shows some records.
    previous: int = 0
    previous_payload: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change as a subscriber sees it."""

    offset: int
    type: ChangeType
    record_id: str
    items: Mapping[str, str]
    publish_time: datetime


def project(
    entries: Iterable[LogEntry],
    shown: Callable[[Mapping[str, str]], dict[str, str]],
    secret: bytes,
    *,
    shown_at: Callable[[int], Callable[[Mapping[str, str]], dict[str, str]]] | None = None,
) -> list[Change]:
    """Entries of the log as a subscriber may see them; `shown` projects to the grant.

    `shown_at` tells the projection by offset, where a grant shows earlier changes otherwise.

    The list ends early where it would pass `DELIVERY_SIZE`, after one entry at the least.
    """
    changes: list[Change] = []
    size = 0
    for entry in entries:
        size += cost_of(entry)
        if changes and size > DELIVERY_SIZE:
            break
        withdrawn = entry.payload is None
        show = shown if shown_at is None else shown_at(entry.offset)
        changes.append(
            Change(
                offset=entry.offset,
                type=ChangeType.WITHDRAW if withdrawn else ChangeType.UPSERT,
                record_id=record_id(secret, entry.key),
                items={} if entry.payload is None else show(orjson.loads(entry.payload)),
                publish_time=entry.publish_time,
            )
        )
    return changes


def cost_of(entry: LogEntry) -> int:
    """What an entry takes of a message, in bytes, at most about."""
    return 160 + len(entry.payload or "") * 3


def record_id(secret: bytes, key: str) -> str:
    """The name of a record for one subscription: 128 bits of HMAC-SHA-256 of its key, hex."""
    return hmac.digest(secret, key.encode(), "sha256")[:16].hex()


#: All changes of a batch have one time.
_instant = lru_cache(maxsize=64)(instant)


def delivered(changes: Sequence[Change]) -> bytes:
    """What a receipt of a delivery commits to as `changes`: canonical JSON of the list.

    Each is `{items, offset, publish_time, record_id, type}`, the time as RFC 3339 with
    microseconds, the type `upsert` or `withdraw`.
    """
    return canonical(
        [
            {
                "offset": change.offset,
                "type": change.type.value,
                "record_id": change.record_id,
                "items": change.items,
                "publish_time": _instant(change.publish_time),
            }
            for change in changes
        ]
    )


def changes_wanted(asked: int) -> int:
    """How many changes a message has at most. Raises InvalidArgument for a negative number."""
    if asked < 0:
        raise InvalidArgument(
            "max_changes must not be negative",
            message_zh="max_changes 不能为负",
            violations=[FieldViolation("max_changes", "negative")],
        )
    return min(asked or DEFAULT_CHANGES, GREATEST_CHANGES)
