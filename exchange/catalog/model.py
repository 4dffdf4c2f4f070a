"""The catalog's things, and what a record of a resource must look like.

1. An entry is a data resource or a service item. Its etag is the hash of its content and its
   state, so equal etags mean that there is nothing to do.
2. A record is a row of strings in the order of the resource's items; an empty string is an absent
   value. `ResourceSchema` says what is wrong with a row, by item, and never repeats a value.

The rules of a batch that changes a directory are in `directory`.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson

from runtime.idcodes import STANDARDS
from runtime.records import canonical

#: Control characters besides tab and newline: PostgreSQL takes no NUL, people need none.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


class EntryState(StrEnum):
    """Whether an entry is in force."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class SharingType(StrEnum):
    """How a resource is shared (共享类型)."""

    UNSPECIFIED = ""
    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_SHARED = "not_shared"


class ResourceCategory(StrEnum):
    """The guide's three classes."""

    UNSPECIFIED = ""
    BASE = "base"
    THEME = "theme"
    DEPARTMENT = "department"


class ItemType(StrEnum):
    """The guide's item types."""

    UNSPECIFIED = ""
    CHARACTER = "C"
    NUMBER = "N"
    DATE = "D"
    TIME = "T"
    LOGICAL = "L"
    BINARY = "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department (部门): the parent of everything else."""

    name: str
    display_name: str
    credit_code: str
    region_code: str
    create_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DataItem:
    """One column of a resource (信息项); `length` counts characters, 0 is unlimited."""

    code: str
    display_name: str
    type: ItemType
    length: int = 0
    required: bool = False
    personal: bool = False
    standard: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataResource:
    """A data resource (信息资源) with the guide's core metadata."""

    name: str
    code: str
    display_name: str
    abstract: str = ""
    category: ResourceCategory
    base_library: str = ""
    format: str
    sharing_type: SharingType
    sharing_condition: str = ""
    sharing_mode: str
    open: bool = False
    update_cycle: str
    publish_date: str = ""
    related_resources: tuple[str, ...] = ()
    items: tuple[DataItem, ...]
    key_item: str
    state: EntryState = EntryState.ACTIVE
    etag: str = ""
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem:
    """A service item (政务服务事项)."""

    name: str
    code: str
    display_name: str
    handling_type: str = ""
    remark: str = ""
    state: EntryState = EntryState.ACTIVE
    etag: str = ""
    update_time: datetime | None = None


Entry = DataResource | ServiceItem


def content_of(entry: Entry) -> bytes:
    """What an entry says, in canonical JSON, without state, etag and time."""
    body = asdict(entry)
    for key in ("state", "etag", "update_time"):
        del body[key]
    return canonical(body)


def entry_from_content(content: bytes) -> Entry:
    """The entry whose `content_of` this is: active, without etag and time."""
    body: dict[str, Any] = orjson.loads(content)
    if "items" not in body:
        return ServiceItem(**body)
    body["category"] = ResourceCategory(body["category"])
    body["sharing_type"] = SharingType(body["sharing_type"])
    body["related_resources"] = tuple(body["related_resources"])
    body["items"] = tuple(
        DataItem(**{**item, "type": ItemType(item["type"])}) for item in body["items"]
    )
    return DataResource(**body)


def etag_of(content: bytes, state: EntryState) -> str:
    """The etag of a content in a state: equal exactly when nothing would change."""
    return hashlib.sha256(state.encode() + b"\0" + content).hexdigest()[:32]


Check = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSchema:
    """What the records of a resource look like: made once per version of the resource.

    `items` are in order; `position` tells where an item's value stands in a row; `key_position`
    where the one that identifies the record does.
    """

    resource: str
    display_name: str
    state: EntryState
    sharing_type: SharingType
    key_item: str
    key_position: int
    items: tuple[DataItem, ...]
    position: Mapping[str, int]
    _checks: tuple[tuple[int, str, bool, tuple[Check, ...]], ...]

    def violations(self, values: Sequence[str]) -> list[tuple[str, str]]:
        """What is wrong with a row, as (item code, description); empty when nothing is.

        `values` are in the order of `items`. Descriptions never repeat a value.
        """
        if len(values) != len(self.items):
            return [("", f"has {len(values)} values where {len(self.items)} items are declared")]
        found: list[tuple[str, str]] = []
        for position, code, required, checks in self._checks:
            value = values[position]
            if not value:
                if required:
                    found.append((code, "is required"))
                continue
            for check in checks:
                problem = check(value)
                if problem is not None:
                    found.append((code, problem))
                    break
        return found

    def fit(self, columns: Sequence[Collection[str]]) -> bool:
        """Whether `violations` would find nothing in any row of a table given by its columns.

        `columns` are in the order of `items`. Equal values are looked at once, and the loops are
        the interpreter's own: several times as fast as asking row by row.
        """
        for position, _, required, checks in self._checks:
            distinct = set(columns[position])
            if "" in distinct:
                if required:
                    return False
                distinct.discard("")
            for check in checks:
                if any(map(check, distinct)):
                    return False
        return True


def schema_of(resource: DataResource) -> ResourceSchema:
    """The schema of a resource's records."""
    position = {item.code: place for place, item in enumerate(resource.items)}
    return ResourceSchema(
        resource=resource.name,
        display_name=resource.display_name,
        state=resource.state,
        sharing_type=resource.sharing_type,
        key_item=resource.key_item,
        key_position=position[resource.key_item],
        items=resource.items,
        position=position,
        _checks=tuple(
            (place, item.code, item.required, tuple(_checks_of(item)))
            for place, item in enumerate(resource.items)
        ),
    )


def _checks_of(item: DataItem) -> list[Check]:
    checks: list[Check] = []
    if item.length:
        limit = item.length
        problem = f"is longer than {limit} characters"
        checks.append(lambda value: problem if len(value) > limit else None)
    checks.append(_TYPE_CHECKS[item.type])
    if item.standard:
        checks.append(STANDARDS[item.standard])
    return checks


def _character_problem(value: str) -> str | None:
    if value.isprintable() or not CONTROL.search(value):
        return None
    return "holds control characters"


def _number_problem(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else "is not a decimal number in its plain form"


def date_problem(value: str) -> str | None:
    """What is wrong with a day written YYYY-MM-DD; None if good."""
    try:
        # fromisoformat alone would also take 20250131 and 2025-W05-5.
        if _DAY.fullmatch(value) and date.fromisoformat(value):
            return None
    except ValueError:
        pass
    return "is not a date, YYYY-MM-DD"


def _time_problem(value: str) -> str | None:
    try:
        if _INSTANT.fullmatch(value) and datetime.fromisoformat(value):
            return None
    except ValueError:
        pass
    return "is not an instant of RFC 3339"


def _logical_problem(value: str) -> str | None:
    return None if value in ("true", "false") else "is neither true nor false"


def _binary_problem(value: str) -> str | None:
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except (binascii.Error, ValueError):
        return "is not base64"
    return None


_TYPE_CHECKS: Mapping[ItemType, Check] = {
    ItemType.CHARACTER: _character_problem,
    ItemType.NUMBER: _number_problem,
    ItemType.DATE: date_problem,
    ItemType.TIME: _time_problem,
    ItemType.LOGICAL: _logical_problem,
    ItemType.BINARY: _binary_problem,
}
