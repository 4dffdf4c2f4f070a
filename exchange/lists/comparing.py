"""Promised against delivered: where a department falls short of the responsibility list; pure.

1. A row in force is held against the catalog, the newest batch and the grants, at one time.
2. Of a resource that is missing, withdrawn or not shared nothing more is told: the rest follows.
3. What was published is stale by the promised cycle, whichever one the catalog has; that the
   catalog has a slower one is told by itself.
4. A receiver named in the list should have grants in force that give all promised items, shown in
   part or whole; who asked for none finds it here too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from exchange.catalog.model import DataResource, SharingType
from exchange.catalog.staleness import CYCLE_DAYS
from exchange.lists.model import Responsibility

#: Cycles from the fastest to the slowest; daily is slower than real time.
_PACE = {cycle: place for place, cycle in enumerate(CYCLE_DAYS)}


class Shortfall(StrEnum):
    """How what is delivered falls short of what is promised."""

    RESOURCE_MISSING = "resource_missing"
    RESOURCE_WITHDRAWN = "resource_withdrawn"
    NOT_SHARED = "not_shared"
    ITEMS_MISSING = "items_missing"
    SLOWER_CYCLE = "slower_cycle"
    NEVER_PUBLISHED = "never_published"
    STALE = "stale"
    RECEIVERS_WITHOUT_GRANT = "receivers_without_grant"
    GRANTS_LACK_ITEMS = "grants_lack_items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A shortfall, and the items or departments that it is about."""

    shortfall: Shortfall
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What there is of a promised resource: None where the catalog has none in force."""

    resource: DataResource | None
    withdrawn: bool
    #: The items that each receiver's grants in force give, all of them together.
    granted: Mapping[str, Collection[str]]


def fresh_until(promised: Responsibility, resource: DataResource | None) -> datetime | None:
    """Until when the newest batch keeps the promise; None where there is none."""
    if resource is None or resource.last_publish_time is None:
        return None
    return resource.last_publish_time + timedelta(days=CYCLE_DAYS[promised.update_cycle])


def compare(promised: Responsibility, delivered: Delivered, now: datetime) -> list[Finding]:
    """Where a promise is not kept; empty where it is."""
    return list(_findings(promised, delivered, now))


def _findings(promised: Responsibility, delivered: Delivered, now: datetime) -> Iterator[Finding]:
    resource = delivered.resource
    if resource is None:
        gone = delivered.withdrawn
        yield Finding(
            shortfall=Shortfall.RESOURCE_WITHDRAWN if gone else Shortfall.RESOURCE_MISSING
        )
        return
    if resource.sharing_type is SharingType.NOT_SHARED:
        yield Finding(shortfall=Shortfall.NOT_SHARED)
        return
    held = {item.code for item in resource.items}
    if missing := tuple(code for code in promised.items if code not in held):
        yield Finding(shortfall=Shortfall.ITEMS_MISSING, about=missing)
    if _PACE.get(resource.update_cycle, len(_PACE)) > _PACE[promised.update_cycle]:
        yield Finding(shortfall=Shortfall.SLOWER_CYCLE, about=(resource.update_cycle,))
    until = fresh_until(promised, resource)
    if until is None:
        yield Finding(shortfall=Shortfall.NEVER_PUBLISHED)
    elif until < now:
        yield Finding(shortfall=Shortfall.STALE)
    if without := tuple(r for r in promised.receivers if r not in delivered.granted):
        yield Finding(shortfall=Shortfall.RECEIVERS_WITHOUT_GRANT, about=without)
    wanted = held.intersection(promised.items) if promised.items else held
    given = delivered.granted
    if less := tuple(r for r in promised.receivers if r in given and not wanted <= set(given[r])):
        yield Finding(shortfall=Shortfall.GRANTS_LACK_ITEMS, about=less)
