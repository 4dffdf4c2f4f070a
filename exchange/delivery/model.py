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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import orjson

from runtime.errors import FieldViolation, InvalidArgument
from runtime.keyed import keyed
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
    #: What was read compacted up to `settled` was read before the log passed `told_end`; -1 where
    #: that is not known.
    settled: int = -1
    told_end: int = 0


class LogEntry(NamedTuple):
    """One change as it is in the log; `payload` is None where the record was withdrawn.

    A tuple, as `Change` is: a snapshot makes one for every record, and they are made in a fifth of
    a frozen dataclass's time.
    """

    offset: int
    key: str
    payload: str | None
    publish_time: datetime
    #: The change that it replaced, 0 for none; read only where a grant shows some records.
    previous: int = 0
    previous_payload: str | None = None


class Change(NamedTuple):
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
    keys: list[str] | None = None,
) -> list[Change]:
    """Entries of the log as a subscriber may see them; `shown` projects to the grant.

    `shown_at` tells the projection by offset, where a grant shows earlier changes otherwise;
    `keys` takes whose the changes are.

    The list ends early where it would pass `DELIVERY_SIZE`, after one entry at the least.
    """
    changes: list[Change] = []
    keys = [] if keys is None else keys
    size, name, show = 0, naming(secret), shown
    for entry in entries:
        offset, key, payload, at, _, _ = entry
        size += cost_of(entry)
        if changes and size > DELIVERY_SIZE:
            break
        keys.append(key)
        if payload is None:
            changes.append(Change(offset, ChangeType.WITHDRAW, name(key), {}, at))
            continue
        if shown_at is not None:
            show = shown_at(offset)
        items = show(orjson.loads(payload))
        changes.append(Change(offset, ChangeType.UPSERT, name(key), items, at))
    return changes


def cost_of(entry: LogEntry) -> int:
    """What an entry takes of a message, in bytes, at most about."""
    return 160 + len(entry.payload or "") * 3


def record_id(secret: bytes, key: str) -> str:
    """The name of a record for one subscription: 128 bits of HMAC-SHA-256 of its key, hex."""
    return naming(secret)(key)


@lru_cache(maxsize=64)
def naming(secret: bytes) -> Callable[[str], str]:
    """What makes the record ids of a subscription."""
    make = keyed(secret)
    return lambda key: make(key).hex()


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
                "items": items,
                "offset": offset,
                "publish_time": _instant(at),
                "record_id": record,
                # By identity: an enumeration hashes and tells its value in Python.
                "type": "withdraw" if kind is ChangeType.WITHDRAW else "upsert",
            }
            for offset, kind, record, items, at in changes
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
