"""How two versions of a thing differ, and how those who offer a service item do; pure.

1. Lists of things with codes or names are compared thing by thing, so that an item that moved is
   not taken for another one; a changed order is told by itself.
2. Two service items are equal in an element where they say the same in any order. What stands in
   for a material is no part of the element: it is a link of each locality's own catalog.
3. Who says nothing of an element does not agree with who says something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from exchange.catalog.model import EntryState, etag_of
from exchange.catalog.service_item import ELEMENTS, DepartmentLevel
from runtime.records import canonical

GREATEST_DIFFERENCES = 1_000
GREATEST_COMPARED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version as history keeps it."""

    version: int
    content: bytes
    state: EntryState
    changed_at: datetime
    #: When the next one took its place; None of the newest.
    end_time: datetime | None
    batch: str

    @property
    def etag(self) -> str:
        """The etag that the entry or the department had."""
        return etag_of(self.content, self.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs; JSON, empty where it is not there."""

    field: str
    before: str
    after: str


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """The fields in which two bodies differ, in order."""
    for key in sorted({*before, *after}):
        yield from _differing(key, before.get(key), after.get(key))


def _differing(field: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for inner in differences(before, after):
            yield Difference(field=f"{field}.{inner.field}", before=inner.before, after=inner.after)
        return
    one, other = _by_key(before), _by_key(after)
    if one is None or other is None:
        yield Difference(field=field, before=_json(before), after=_json(after))
        return
    for key in dict.fromkeys([*one, *other]):
        yield from _differing(f"{field}[{key}]", one.get(key), other.get(key))
    if list(one) != list(other) and set(one) == set(other):
        yield Difference(field=f"{field}.order", before=_json(list(one)), after=_json(list(other)))


def _by_key(listed: Any) -> dict[str, Any] | None:
    """A list of things by what they are called; None of anything else."""
    if listed is None:
        return {}
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        return None
    keyed = {one.get("code") or one.get("display_name") or "": one for one in listed}
    return keyed if len(keyed) == len(listed) and "" not in keyed else None


def _json(value: Any) -> str:
    return "" if value is None else canonical(value).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A service item as one department offers it."""

    name: str
    level: DepartmentLevel
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What some offers say of an element; JSON, empty where they say nothing."""

    value: str
    service_items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """What is said of one of the ten elements, the highest department's first."""

    element: str
    variants: tuple[Variant, ...]

    @property
    def missing(self) -> bool:
        """Whether somebody says nothing."""
        return any(not variant.value for variant in self.variants)

    @property
    def equal(self) -> bool:
        """Whether all say the same, and say something."""
        return len(self.variants) == 1 and not self.missing


def in_order(offers: Sequence[Offer]) -> list[Offer]:
    """The highest department's first; those that say no level last."""
    return sorted(offers, key=lambda offer: (offer.level.rank or len(DepartmentLevel), offer.name))


def compare_offers(offers: Sequence[Offer]) -> list[Element]:
    """The ten elements in their order, each with what is said of it."""
    bodies = [(offer.name, orjson.loads(offer.content)) for offer in in_order(offers)]
    elements = []
    for element in ELEMENTS:
        said: dict[str, list[str]] = {}
        for name, body in bodies:
            said.setdefault(_said(element, body.get(element)), []).append(name)
        variants = tuple(Variant(value=v, service_items=tuple(n)) for v, n in said.items())
        elements.append(Element(element=element, variants=variants))
    return elements


def _said(element: str, value: Any) -> str:
    if element == "materials" and value:
        value = [{k: v for k, v in one.items() if k != "replaced_by"} for one in value]
    if isinstance(value, list):
        value = sorted(value, key=canonical)
    return canonical(value).decode() if value else ""
