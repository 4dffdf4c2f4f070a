"""Taking in a batch: its rows are checked as they come, pure.

1. A batch is of one resource. It is taken whole, or refused whole with what is wrong with each row,
   by item and never by value.
2. Within a batch a key stands once, so that the order of rows has no meaning.
3. A payload is canonical JSON of the items that are held (an empty value is not held), so equal
   texts mean equal records.
4. A snapshot is all there is: what is held and not in it is withdrawn with it. One without a row
   is refused, so that a file that came out empty withdraws nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson

from exchange.catalog.schema import ResourceSchema
from runtime.errors import FieldViolation, InvalidArgument
from runtime.records import canonical

GREATEST_BATCH = 1_000_000
GREATEST_BATCH_SIZE = 512 * 1024 * 1024  # characters of payloads: a batch is in memory once
GREATEST_KEY = 200  # characters
GREATEST_PAYLOAD = 262_144  # characters: answers of many records must fit a message
SHOWN_VIOLATIONS = 100
ROW_COST = 200  # what a row takes in memory beside its payload, about

Violations = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Begins a batch: its resource, the order of each row's values, and the id of the act."""

    resource: str
    items: tuple[str, ...]
    request_id: str
    #: Whether the batch is all there is.
    snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Checked rows, ready to be written: `payloads[i]` is None where `keys[i]` is withdrawn."""

    resource: str
    keys: list[str]
    payloads: list[str | None]
    #: SHA-256 of header and rows, however they were cut into messages.
    digest: bytes
    #: What is held and not among the keys is to be withdrawn.
    snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a batch did; `offset` is that of the last change in the log."""

    batch: int
    offset: int
    upserted: int
    withdrawn: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows by their columns, at least one; `withdraw` is None where no row withdraws."""

    values: Sequence[Sequence[str]]
    withdraw: Sequence[bool] | None = None

    def rows(self) -> list[tuple[bool, list[str]]]:
        """The same as rows."""
        withdraws = self.withdraw if self.withdraw is not None else repeat(False)
        return list(zip(withdraws, map(list, zip(*self.values, strict=True)), strict=False))


class Intake:
    """Takes the rows of one batch as they come, and says at the end whether it is good.

    Memory is bounded by `GREATEST_BATCH` keys and `GREATEST_BATCH_SIZE`; nothing is written before
    `finish`.
    """

    def __init__(self, header: Header, schema: ResourceSchema) -> None:
        _check_header(header, schema)
        self._resource = header.resource
        self._snapshot = header.snapshot
        self._width = len(header.items)
        self._key_item = schema.key_item
        self._key_column = header.items.index(schema.key_item)
        # A column that the header leaves out is read from the "" that is put behind a row.
        place = {code: n for n, code in enumerate(header.items)}
        self._in_order = _picker([place.get(code, self._width) for code in schema.position])
        self._codes = sorted(header.items)
        self._by_code = _picker([place[code] for code in self._codes])
        #: What `orjson` makes of values that need no escape.
        members = ",".join(f'"{code.replace("%", "%%")}":"%s"' for code in self._codes)
        self._template = f"{{{members}}}"
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
        if not rows:
            return
        first = self._count(len(rows))
        kept = len(self._payloads)
        withdraws, table = zip(*rows, strict=True)
        plain = not any(withdraws) and set(map(len, table)) == {self._width}
        if not plain or not self._take_good(list(zip(*table, strict=True))):
            self._take_each(rows, first)
        self._weigh(kept)

    def add_columns(self, columns: Columns) -> None:
        """Take rows by their columns, in the header's order; raises as `add`."""
        if columns.withdraw is not None:
            self.add(columns.rows())
            return
        first = self._count(len(columns.values[0]))
        kept = len(self._payloads)
        if not self._take_good(columns.values):
            self._take_each(columns.rows(), first)
        self._weigh(kept)

    def _count(self, rows: int) -> int:
        first = self._rows
        self._rows += rows
        if self._rows > GREATEST_BATCH:
            raise too_large()
        return first

    def _weigh(self, kept: int) -> None:
        self._size += sum(len(payload) for payload in self._payloads[kept:] if payload)
        if self._size > GREATEST_BATCH_SIZE:
            raise too_large()

    def _take_good(self, table: Sequence[Sequence[str]]) -> bool:
        """Take rows by their columns, if none of them is wrong, or none at all.

        Works by columns, at several times the speed of rows; `_take_each` says the same of a row.
        """
        columns = [*table, ("",)]
        keys = columns[self._key_column]
        new = set(keys)
        if (
            len(new) != len(keys)
            or not new.isdisjoint(self._seen)
            or not all(map(_plain_key, keys))
            or not self._fit(self._in_order(columns))
        ):
            return False
        payloads = self._payloads_of(self._by_code(columns))
        if max(map(len, payloads)) > GREATEST_PAYLOAD:
            return False
        self._seen |= new
        self._keys += keys
        self._payloads += payloads
        return True

    def _payloads_of(self, named: Sequence[Sequence[str]]) -> list[str]:
        """The payloads of rows, given by columns in the order of `_codes`."""
        if all(map(_needs_no_escape, named)):
            return list(map(self._template.__mod__, zip(*named, strict=True)))
        records: Iterable[dict[str, str]] = map(
            dict, map(zip, repeat(self._codes), zip(*named, strict=True))
        )
        if any("" in column for column in named):
            records = [{c: v for c, v in record.items() if v} for record in records]
        return list(map(bytes.decode, map(orjson.dumps, records)))

    def _take_each(self, rows: Sequence[tuple[bool, list[str]]], first: int) -> None:
        for number, (withdraw, values) in enumerate(rows, first):
            if len(values) != self._width:
                wrong = f"has {len(values)} values where the header names {self._width} items"
                self._reject(number, [("", wrong)])
                continue
            key = values[self._key_column]
            found = self._key_problems(key)
            payload = None
            if withdraw and self._snapshot:
                found.append(("", "a snapshot withdraws what it leaves out: leave this row out"))
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
        """The batch.

        Raises InvalidArgument: ROWS_REJECTED naming up to 100 violations, SNAPSHOT_EMPTY.
        """
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
        if self._snapshot and not self._keys:
            raise InvalidArgument(
                "a snapshot without a row would withdraw every record: publish withdrawals instead",
                reason="SNAPSHOT_EMPTY",
                message_zh="空的全量快照会撤回全部记录：如确需撤回，请逐条发布撤回",
            )
        return Batch(
            resource=self._resource,
            keys=self._keys,
            payloads=self._payloads,
            digest=digest,
            snapshot=self._snapshot,
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


class RowDigest:
    """SHA-256 of a header and rows, the same however the rows are cut into messages."""

    def __init__(self, header: Header) -> None:
        mode = ["snapshot"] if header.snapshot else []
        self._hash = hashlib.sha256(canonical([header.resource, list(header.items), *mode]))

    def add(self, rows: Sequence[tuple[bool, Sequence[str]]]) -> None:
        """Take rows."""
        if rows:
            self._hash.update(b"," + orjson.dumps(rows)[1:-1])

    def add_columns(self, columns: Columns) -> None:
        """Take rows by their columns: the digest is that of the rows."""
        withdraws = columns.withdraw if columns.withdraw is not None else repeat(False)
        self.add(list(zip(withdraws, zip(*columns.values, strict=True), strict=False)))

    def digest(self) -> bytes:
        """32 bytes."""
        return self._hash.digest()


def too_large() -> InvalidArgument:
    """The refusal of a batch that passes a bound."""
    return InvalidArgument(
        f"a batch has at most {GREATEST_BATCH:,} rows and {GREATEST_BATCH_SIZE:,} characters: "
        "cut it into several",
        reason="BATCH_TOO_LARGE",
        message_zh=f"每个批次至多 {GREATEST_BATCH:,} 行、{GREATEST_BATCH_SIZE:,} 个字符："
        "请拆分为多个批次",
    )


def _needs_no_escape(values: Sequence[str]) -> bool:
    """Whether JSON holds these values as they are, and all of them."""
    if "" in values:
        return False
    text = "".join(values)
    return text.isprintable() and '"' not in text and "\\" not in text


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
