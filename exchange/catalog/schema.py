"""What a record of a resource must look like.

1. A record is a row of strings in the order of the resource's items; an empty string is an absent
   value. `ResourceSchema` says what is wrong with a row, by item, and never repeats a value.
2. An item with a list of values takes those and nothing else, whatever its type.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from exchange.catalog.model import (
    CONTROL,
    DataItem,
    DataResource,
    EntryState,
    ItemType,
    SharingType,
    date_problem,
)
from exchange.lists.model import Negative
from exchange.spatial.model import geometry_problem
from runtime.idcodes import STANDARDS, are_citizen_numbers, citizen_number_problem

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DATES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:\n[0-9]{4}-[0-9]{2}-[0-9]{2})*")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)

Check = Callable[[str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSchema:
    """What the records of a resource look like: made once per version of the resource.

    `items` are in order; `position` tells where an item's value stands in a row; `key_position`
    where the one that identifies the record does; `kept_back` is the row of the negative list.
    """

    resource: str
    display_name: str
    state: EntryState
    sharing_type: SharingType
    sharing_mode: str
    signed_requests: bool
    key_item: str
    key_position: int
    items: tuple[DataItem, ...]
    position: Mapping[str, int]
    _checks: tuple[tuple[int, str, bool, tuple[Check, ...]], ...]
    kept_back: Negative | None = None

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
                whole = check.of_all if isinstance(check, _Within) else _OF_ALL.get(check)
                if not (whole and whole(distinct)) and any(map(check, distinct)):
                    return False
        return True


def schema_of(resource: DataResource, kept_back: Negative | None = None) -> ResourceSchema:
    """The schema of a resource's records, and what the negative list keeps back of them."""
    position = {item.code: place for place, item in enumerate(resource.items)}
    return ResourceSchema(
        resource=resource.name,
        display_name=resource.display_name,
        state=resource.state,
        sharing_type=resource.sharing_type,
        sharing_mode=resource.sharing_mode,
        signed_requests=resource.signed_requests,
        key_item=resource.key_item,
        key_position=position[resource.key_item],
        items=resource.items,
        position=position,
        _checks=tuple(
            (place, item.code, item.required, tuple(_checks_of(item)))
            for place, item in enumerate(resource.items)
        ),
        kept_back=kept_back,
    )


def _checks_of(item: DataItem) -> list[Check]:
    checks: list[Check] = []
    if item.length:
        checks.append(_Within(item.length))
    checks.append(_TYPE_CHECKS[item.type])
    if item.standard:
        checks.append(STANDARDS[item.standard])
    if item.code_values:
        codes = frozenset(value.code for value in item.code_values)
        checks.append(lambda value: None if value in codes else "is not in the item's list")
    return checks


@dataclass(frozen=True, slots=True)
class _Within:
    limit: int

    def __call__(self, value: str) -> str | None:
        return f"is longer than {self.limit} characters" if len(value) > self.limit else None

    def of_all(self, values: Collection[str]) -> bool:
        return max(map(len, values), default=0) <= self.limit


def _character_problem(value: str) -> str | None:
    if value.isprintable() or not CONTROL.search(value):
        return None
    return "holds control characters"


def _number_problem(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else "is not a decimal number in its plain form"


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


def _are_dates(values: Collection[str]) -> bool:
    lines = "\n".join(values)
    if len(lines) != 11 * len(values) - 1 or not _DATES.fullmatch(lines):
        return False
    try:
        return all(map(date.fromisoformat, values))
    except ValueError:
        return False


#: Checks that are quicker of many values at once: these tell that surely none is wrong.
_OF_ALL: Mapping[Check, Callable[[Collection[str]], bool]] = {
    _character_problem: lambda values: "".join(values).isprintable(),
    date_problem: _are_dates,
    citizen_number_problem: are_citizen_numbers,
}
_TYPE_CHECKS: Mapping[ItemType, Check] = {
    ItemType.CHARACTER: _character_problem,
    ItemType.NUMBER: _number_problem,
    ItemType.DATE: date_problem,
    ItemType.TIME: _time_problem,
    ItemType.LOGICAL: _logical_problem,
    ItemType.BINARY: _binary_problem,
    ItemType.GEOMETRY: geometry_problem,
}
