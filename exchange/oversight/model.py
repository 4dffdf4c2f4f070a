"""What was used of grants, and what a change of one would have met; pure.

1. A use is one record of the audit log about an answer: a question, a page of an export, a message
   of changes. Refusals are no uses.
2. The log says of a use its grant, operation, items and time, and commits to the rest: so what a
   change of the row filter would do cannot be told from it.
3. A query that named no items stands in the log with all that it was shown. If one of them went, it
   would show less; one that named it would be refused. The log does not tell the two apart, so such
   uses are told as shown less.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from exchange.grants.model import Grant, GrantedItem, Mask, Operation
from runtime.clock import CHINA

#: Kinds of records that are uses, with their operation.
USES = {
    "query": Operation.QUERY,
    "verify": Operation.VERIFY,
    "changes_delivered": Operation.SUBSCRIBE,
    "export": Operation.EXPORT,
    "spatial_query": Operation.QUERY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Uses of a grant on a day of China (`YYYY-MM-DD`) that are alike."""

    grant: str
    day: str
    operation: Operation
    items: tuple[str, ...]
    uses: int
    #: What they took from the quota.
    records: int = 0

    @property
    def items_hash(self) -> str:
        """Stands for the items in a key."""
        return hashlib.sha256("\n".join(self.items).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far the log is counted."""

    size: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would hold for a grant; what is empty or None stays."""

    items: tuple[GrantedItem, ...] = ()
    operations: tuple[Operation, ...] = ()
    daily_quota: int | None = None
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Uses that a change would have refused, or that would have shown less."""

    reason: str
    operation: Operation
    item: str = ""
    uses: int
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantUse:
    """What a grant gives against what was used of it."""

    grant: Grant
    uses: int
    last_day: str
    unused_operations: tuple[Operation, ...]
    unused_items: tuple[str, ...]
    busiest_day: int

    @property
    def is_wider(self) -> bool:
        """Whether it gives more than was used."""
        return not self.uses or bool(self.unused_operations or self.unused_items)


def counted(leaves: Iterable[bytes]) -> list[Use]:
    """The uses that leaves of the log record, alike ones together."""
    found: dict[tuple[str, str, Operation, tuple[str, ...]], list[int]] = defaultdict(
        lambda: [0, 0]
    )
    for leaf in leaves:
        record = orjson.loads(leaf)
        operation = USES.get(record.get("kind"))
        if operation is None or "grant" not in record:
            continue
        day = datetime.fromisoformat(record["time"]).astimezone(CHINA).date().isoformat()
        # A question by place uses the geometry that it looks at, shown or not.
        looked_at = {record["geometry_item"]} if "geometry_item" in record else set()
        items = tuple(sorted({*record.get("items", ()), *looked_at}))
        both = found[record["grant"], day, operation, items]
        both[0] += 1
        both[1] += _taken(record)
    return [
        Use(grant=grant, day=day, operation=operation, items=items, uses=uses, records=records)
        for (grant, day, operation, items), (uses, records) in found.items()
    ]


def _taken(record: dict[str, Any]) -> int:
    """What a use took from the quota."""
    if record["kind"] == "export":
        return int(record.get("count", 0))
    return max(int(record["found"]), 1) if record["kind"] == "spatial_query" else 1


def what_if(grant: Grant, change: Change, uses: Sequence[Use]) -> list[Affected]:
    """What recorded uses would have met, by reason, operation and item; in order of those."""
    met: dict[tuple[str, Operation, str, bool], int] = defaultdict(int)
    for use in uses:
        for reason, item, refused in _met(grant, change, use):
            met[reason, use.operation, item, refused] += use.uses
    for use_operation, over in _over_quota(change, uses):
        met["DAILY_QUOTA_EXCEEDED", use_operation, "", True] += over
    return [
        Affected(reason=reason, operation=operation, item=item, uses=count, refused=refused)
        for (reason, operation, item, refused), count in sorted(met.items())
    ]


def _met(grant: Grant, change: Change, use: Use) -> Iterator[tuple[str, str, bool]]:
    operation = use.operation
    if change.end_time is not None and _day_of(change.end_time) <= date.fromisoformat(use.day):
        yield "GRANT_EXPIRED", "", True
    if change.operations and operation not in change.operations:
        yield "OPERATION_NOT_GRANTED", "", True
    if not change.items:
        return
    left = {given.item: given.mask for given in change.items}
    for item in use.items:
        mask = left.get(item)
        if mask is None:
            yield "ITEM_NOT_GRANTED", item, operation is Operation.VERIFY
        elif mask not in (Mask.WHOLE, grant.masks.get(item)):
            yield "ITEM_GRANTED_IN_PART", item, operation is Operation.VERIFY


def _over_quota(change: Change, uses: Sequence[Use]) -> Iterator[tuple[Operation, int]]:
    """By operation what a day's quota would have refused; which of a day's is not told apart."""
    if not change.daily_quota:
        return
    days: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        if use.operation is not Operation.SUBSCRIBE:  # changes are not counted against it
            days[use.day].append(use)
    for day in days.values():
        over = sum(use.records for use in day) - change.daily_quota
        for use in sorted(day, key=lambda one: one.records, reverse=True):
            if over <= 0:
                break
            cut = min(over, use.records)
            yield use.operation, cut
            over -= cut


def use_of(grant: Grant, uses: Sequence[Use]) -> GrantUse:
    """What was used of a grant."""
    asked = {item for use in uses for item in use.items}
    done = {use.operation for use in uses}
    days: dict[str, int] = defaultdict(int)
    for use in uses:
        days[use.day] += use.uses
    return GrantUse(
        grant=grant,
        uses=sum(days.values()),
        last_day=max(days, default=""),
        unused_operations=tuple(one for one in grant.operations if one not in done),
        unused_items=tuple(item for item in grant.masks if item not in asked),
        busiest_day=max(days.values(), default=0),
    )


def _day_of(at: datetime) -> date:
    return at.astimezone(CHINA).date()
