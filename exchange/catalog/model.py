"""The catalog's things: departments, data resources, service items.

1. An entry is a data resource or a service item. Its etag is the hash of its content and its
   state, so equal etags mean that there is nothing to do.
2. A field that was added after the first release is left out of the content where it says nothing,
   so that what was held before it keeps its etag.
3. What the catalog knows of an entry and nobody sends (state, etag, version, times) is no content.

The rules of a batch that changes a directory are in `directory`; what records look like is in
`schema`; how fresh they are in `freshness`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson

# Told on: whoever needs an entry finds its parts here.
from exchange.catalog.service_item import DepartmentLevel as DepartmentLevel
from exchange.catalog.service_item import EntryState as EntryState
from exchange.catalog.service_item import ServiceItem as ServiceItem
from exchange.catalog.service_item import service_item_of
from runtime.records import canonical

#: Control characters besides tab and newline: PostgreSQL takes no NUL, people need none.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


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
    #: Ours: the guide has no type for it.
    GEOMETRY = "G"


class Sensitivity(StrEnum):
    """How sensitive an item's values are (敏感级别)."""

    UNSPECIFIED = ""
    PUBLIC = "public"
    INTERNAL = "internal"
    SENSITIVE = "sensitive"
    HIGHLY_SENSITIVE = "highly_sensitive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    """A department (部门): the parent of everything else."""

    name: str
    display_name: str
    credit_code: str
    region_code: str
    create_time: datetime
    level: DepartmentLevel = DepartmentLevel.UNSPECIFIED
    parent: str = ""
    etag: str = ""
    version: int = 1
    update_time: datetime | None = None


#: What a department says of itself; its name says the rest.
DEPARTMENT_FIELDS = ("display_name", "credit_code", "region_code", "level", "parent")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeValue:
    """One value of a list of values."""

    code: str
    display_name: str


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
    definition: str = ""
    sensitivity: Sensitivity = Sensitivity.UNSPECIFIED
    #: `library.word`: items of different resources with one element mean the same thing.
    element: str = ""
    code_list: str = ""
    code_values: tuple[CodeValue, ...] = ()

    @property
    def effective_sensitivity(self) -> Sensitivity:
        """What holds where nothing is said: INTERNAL, and SENSITIVE of a personal item."""
        if self.sensitivity is not Sensitivity.UNSPECIFIED:
            return self.sensitivity
        return Sensitivity.SENSITIVE if self.personal else Sensitivity.INTERNAL


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
    legal_basis: str = ""
    theme: str = ""
    quality: str = ""
    contact_office: str = ""
    signed_requests: bool = False
    state: EntryState = EntryState.ACTIVE
    etag: str = ""
    version: int = 0
    update_time: datetime | None = None
    #: The department's credit code.
    provider_code: str = ""
    #: When the newest batch of records was published.
    last_publish_time: datetime | None = None


Entry = DataResource | ServiceItem


#: What the catalog adds to an entry.
_NO_CONTENT = (
    "state", "etag", "version", "update_time", "provider_code", "last_publish_time"
)  # fmt: skip
#: Fields that came later: left out where they say nothing.
_ADDED = (
    "legal_basis", "theme", "quality", "contact_office", "item_type", "levels", "conditions",
    "audience", "materials", "time_limit", "fee_schedule", "signed_requests",
)  # fmt: skip
_ADDED_TO_ITEMS = ("definition", "sensitivity", "element", "code_list", "code_values")


def content_of(entry: Entry) -> bytes:
    """What an entry says, in canonical JSON."""
    body = asdict(entry)
    for key in _NO_CONTENT:
        body.pop(key, None)
    _drop_silent(body, _ADDED)
    for item in body.get("items", ()):
        _drop_silent(item, _ADDED_TO_ITEMS)
    return canonical(body)


def _drop_silent(body: dict[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if not body.get(key, True):
            del body[key]


def entry_from_content(content: bytes) -> Entry:
    """The entry whose `content_of` this is: active, without what the catalog adds."""
    body: dict[str, Any] = orjson.loads(content)
    if "items" not in body:
        return service_item_of(body)
    body["category"] = ResourceCategory(body["category"])
    body["sharing_type"] = SharingType(body["sharing_type"])
    body["related_resources"] = tuple(body["related_resources"])
    body["items"] = tuple(_item_of(item) for item in body["items"])
    return DataResource(**body)


def _item_of(body: dict[str, Any]) -> DataItem:
    body["type"] = ItemType(body["type"])
    body["sensitivity"] = Sensitivity(body.get("sensitivity", ""))
    body["code_values"] = tuple(CodeValue(**value) for value in body.get("code_values", ()))
    return DataItem(**body)


def etag_of(content: bytes, state: EntryState) -> str:
    """The etag of a content in a state: equal exactly when nothing would change."""
    return hashlib.sha256(state.encode() + b"\0" + content).hexdigest()[:32]


def department_content(department: Department) -> bytes:
    """What a department says, in canonical JSON."""
    return canonical({field: str(getattr(department, field)) for field in DEPARTMENT_FIELDS})


def date_problem(value: str) -> str | None:
    """What is wrong with a day written YYYY-MM-DD; None if good."""
    try:
        # fromisoformat alone would also take 20250131 and 2025-W05-5.
        if _DAY.fullmatch(value) and date.fromisoformat(value):
            return None
    except ValueError:
        pass
    return "is not a date, YYYY-MM-DD"
