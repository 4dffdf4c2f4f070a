"""What is delivered, and the pure rules of it.

1. The log of changes is the only truth. A change is at an offset, and offsets grow in the order of
   commits; a record is its newest change. A subscriber reads the log that publishers write.
2. A batch is of one resource. It is taken whole, or refused whole with what is wrong with each row,
   by item and never by value.
3. A row that says what is held already makes no change, and neither does withdrawing what is not
   held: publishing the same rows again costs a reading and no writing.
4. Within a batch a key stands once, so that the order of rows has no meaning.
5. A payload is canonical JSON of the items that are held (an empty value is not held), so equal
   texts mean equal records.
6. A subscriber never sees a record's key unless it is a granted item: `record_id` is its HMAC under
   a secret of the subscription. What is withdrawn carries no items.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson

from exchange.catalog.schema import ResourceSchema
from runtime.errors import FieldViolation, InvalidArgument, ResourceExhausted
from runtime.records import canonical, instant

GREATEST_BATCH = 1_000_000
GREATEST_BATCH_SIZE = 512 * 1024 * 1024  # characters of payloads: a batch is in memory once
GREATEST_KEY = 200  # characters
GREATEST_PAYLOAD = 262_144  # characters: answers of many records must fit a message
SHOWN_VIOLATIONS = 100
ROW_COST = 200  # what a row takes in memory beside its payload, about
#: What a department's batches under way may hold together: as much as its greatest batch does.
GREATEST_SHARE = GREATEST_BATCH_SIZE + GREATEST_BATCH * ROW_COST
GREATEST_UNDER_WAY = 2 * GREATEST_SHARE

DEFAULT_CHANGES = 500
GREATEST_CHANGES = 5_000
#: A message of changes holds about so much at most; the transport takes 20 MiB.
DELIVERY_SIZE = 8 * 1024 * 1024

Violations = list[tuple[str, str]]


class ChangeType(StrEnum):
    """What happened to a record."""

    UPSERT = "upsert"
    WITHDRAW = "withdraw"


class StartPosition(StrEnum):
    """Where a new subscription begins."""

    NOW = "now"
    EARLIEST = "earliest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Begins a batch: its resource, the order of each row's values, and the id of the act."""

    resource: str
    items: tuple[str, ...]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Checked rows, ready to be written: `payloads[i]` is None where `keys[i]` is withdrawn."""

    resource: str
    keys: list[str]
    payloads: list[str | None]
    #: SHA-256 of header and rows, however they were cut into messages.
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a batch did; `offset` is that of the last change in the log."""

    batch: int
    offset: int
    upserted: int
    withdrawn: int
    unchanged: int


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


class Intake:
    """Takes the rows of one batch as they come, and says at the end whether it is good.

    Memory is bounded by `GREATEST_BATCH` keys and `GREATEST_BATCH_SIZE`; nothing is written before
    `finish`.
    """

    def __init__(self, header: Header, schema: ResourceSchema) -> None:
        _check_header(header, schema)
        self._resource = header.resource
        self._width = len(header.items)
        self._key_item = schema.key_item
        self._key_column = header.items.index(schema.key_item)
        # A column that the header leaves out is read from the "" that is put behind a row.
        place = {code: n for n, code in enumerate(header.items)}
        self._in_order = _picker([place.get(code, self._width) for code in schema.position])
        self._codes = sorted(header.items)
        self._by_code = _picker([place[code] for code in self._codes])
        self._check, self._fit = schema.violations, schema.fit
        self._seen: set[str] = set()
        self._keys: list[str] = []
        self._payloads: list[str | None] = []
        self._violations: list[FieldViolation] = []
        self._rejected = 0
        self._rows = 0
        self._size = 0

    def add(self, rows: Sequence[tuple[bool, list[str]]]) -> None:
        """Take rows, each whether it withdraws and its values.

        Raises InvalidArgument, BATCH_TOO_LARGE.
        """
        first = self._rows
        self._rows += len(rows)
        if self._rows > GREATEST_BATCH:
            raise _too_large()
        kept = len(self._payloads)
        if rows and not self._take_good(rows):
            self._take_each(rows, first)
        self._size += sum(len(payload) for payload in self._payloads[kept:] if payload)
        if self._size > GREATEST_BATCH_SIZE:
            raise _too_large()

    def _take_good(self, rows: Sequence[tuple[bool, list[str]]]) -> bool:
        """Take rows among which none withdraws and none is wrong, or none at all.

        Works by columns, at several times the speed of rows; `_take_each` says the same of a row.
        """
        withdraws, table = zip(*rows, strict=True)
        if any(withdraws) or set(map(len, table)) != {self._width}:
            return False
        columns = [*zip(*table, strict=True), ("",)]
        keys = columns[self._key_column]
        new = set(keys)
        if (
            len(new) != len(keys)
            or not new.isdisjoint(self._seen)
            or not all(map(_plain_key, keys))
            or not self._fit(self._in_order(columns))
        ):
            return False
        named = self._by_code(columns)
        records: Iterable[dict[str, str]] = map(
            dict, map(zip, repeat(self._codes), zip(*named, strict=True))
        )
        if any("" in column for column in named):
            records = [{c: v for c, v in record.items() if v} for record in records]
        payloads = list(map(bytes.decode, map(orjson.dumps, records)))
        if max(map(len, payloads)) > GREATEST_PAYLOAD:
            return False
        self._seen |= new
        self._keys += keys
        self._payloads += payloads
        return True

    def _take_each(self, rows: Sequence[tuple[bool, list[str]]], first: int) -> None:
        for number, (withdraw, values) in enumerate(rows, first):
            if len(values) != self._width:
                wrong = f"has {len(values)} values where the header names {self._width} items"
                self._reject(number, [("", wrong)])
                continue
            key = values[self._key_column]
            found = self._key_problems(key)
            payload = None
            if not withdraw:
                found += self._check(self._in_order([*values, ""]))
                named = zip(self._codes, self._by_code(values), strict=True)
                payload = orjson.dumps({code: value for code, value in named if value}).decode()
                if len(payload) > GREATEST_PAYLOAD:
                    found.append(("", f"is longer than {GREATEST_PAYLOAD:,} characters"))
            if found:
                self._reject(number, found)
                continue
            self._seen.add(key)
            self._keys.append(key)
            self._payloads.append(payload)

    @property
    def held(self) -> int:
        """What the batch takes in memory, in characters, about."""
        return self._size + len(self._keys) * ROW_COST

    def finish(self, digest: bytes) -> Batch:
        """The batch. Raises InvalidArgument (ROWS_REJECTED) naming up to 100 violations."""
        if self._rejected:
            raise InvalidArgument(
                f"{self._rejected:,} of {self._rows:,} rows do not fit the resource's schema: "
                "correct them and publish the batch again; nothing was changed",
                reason="ROWS_REJECTED",
                message_zh=f"{self._rows:,} 行中有 {self._rejected:,} 行不符合资源的信息项定义："
                "请更正后重新发布整个批次；未作任何更改",
                violations=self._violations,
                rejected=str(self._rejected),
            )
        return Batch(
            resource=self._resource, keys=self._keys, payloads=self._payloads, digest=digest
        )

    def _key_problems(self, key: str) -> Violations:
        if key in self._seen:
            return [(self._key_item, "an earlier row of the batch has the same key")]
        if not _plain_key(key):
            wrong = f"a key is 1 to {GREATEST_KEY} printable characters"
            return [(self._key_item, wrong)]
        return []

    def _reject(self, row: int, found: Violations) -> None:
        self._rejected += 1
        for item, description in found:
            if len(self._violations) < SHOWN_VIOLATIONS:
                field = f"rows[{row}].{item}" if item else f"rows[{row}]"
                self._violations.append(FieldViolation(field, description))


class Room:
    """What batches under way may hold in memory: for all of them, and for a department's.

    A batch waits in memory for its end, so what one may hold bounds nothing while there may be any
    number of them.
    """

    def __init__(self, whole: int = GREATEST_UNDER_WAY, share: int = GREATEST_SHARE) -> None:
        self._whole = whole
        self._share = share
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, department: str, more: int) -> None:
        """Raises ResourceExhausted (TOO_MUCH_UNDER_WAY) where there is no room."""
        with self._lock:
            if (
                self._held[department] + more > self._share
                or self._held.total() + more > self._whole
            ):
                raise ResourceExhausted(
                    "too much is being published at once: wait for batches to end, and try again",
                    reason="TOO_MUCH_UNDER_WAY",
                    message_zh="同时发布的数据过多：请等待进行中的批次结束后重试",
                    retry_after=10,
                )
            self._held[department] += more

    def give_back(self, department: str, held: int) -> None:
        """Room that is needed no longer."""
        with self._lock:
            self._held[department] -= held
            self._held += Counter()  # forgets departments that hold nothing


class RowDigest:
    """SHA-256 of a header and rows, the same however the rows are cut into messages."""

    def __init__(self, header: Header) -> None:
        self._hash = hashlib.sha256(canonical([header.resource, list(header.items)]))

    def add(self, rows: Sequence[tuple[bool, list[str]]]) -> None:
        """Take rows."""
        if rows:
            self._hash.update(b"," + orjson.dumps(rows)[1:-1])

    def digest(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


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
        size += 160 + len(entry.payload or "") * 3
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


def record_id(secret: bytes, key: str) -> str:
    """The name of a record for one subscription: 128 bits of HMAC-SHA-256 of its key, hex."""
    return hmac.digest(secret, key.encode(), "sha256")[:16].hex()


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
                "publish_time": instant(change.publish_time),
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


def _too_large() -> InvalidArgument:
    return InvalidArgument(
        f"a batch has at most {GREATEST_BATCH:,} rows and {GREATEST_BATCH_SIZE:,} characters: "
        "cut it into several",
        reason="BATCH_TOO_LARGE",
        message_zh=f"每个批次至多 {GREATEST_BATCH:,} 行、{GREATEST_BATCH_SIZE:,} 个字符："
        "请拆分为多个批次",
    )


def _plain_key(key: str) -> bool:
    # `isprintable` keeps out NUL, which PostgreSQL cannot hold, and line breaks.
    return 0 < len(key) <= GREATEST_KEY and key.isprintable()


def _picker(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(places) == 1:
        place = places[0]
        return lambda values: (values[place],)
    return itemgetter(*places)


def _check_header(header: Header, schema: ResourceSchema) -> None:
    known = schema.position
    wrong = [
        FieldViolation(f"header.items[{n}]", "the resource has no such item")
        for n, code in enumerate(header.items)
        if code not in known
    ][:SHOWN_VIOLATIONS]
    if len(set(header.items)) != len(header.items):
        wrong.append(FieldViolation("header.items", "an item is named twice"))
    if schema.key_item not in header.items:
        wrong.append(
            FieldViolation("header.items", f"the key item {schema.key_item} must be among them")
        )
    if wrong:
        raise InvalidArgument(
            "the header's items do not fit the resource: read it with GetDataResource "
            "(`tongban catalog show`)",
            reason="BAD_HEADER",
            message_zh="批次头的信息项与资源不符：请用 GetDataResource"
            "（tongban catalog show）查看资源定义",
            violations=wrong,
        )
