"""What recorded uses would have met under a change of a grant, of the catalog or a list; pure.

1. A query that named no items stands in the log with all that it was shown. If one of them went, it
   would show less; one that named it would be refused. The log does not tell the two apart, so such
   uses are told as shown less.
2. A quota takes a day's greatest uses first: which of a day it would refuse is not told apart. A
   rate is played through in order of time (`grants.rates`): a burst passes once.
3. What a row filter would hide is asked of the records as they are held now, through the index of
   accesses by keyed hashes; no key is told, and what cannot be judged is counted apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from exchange.catalog.model import SharingType
from exchange.grants.model import Grant, GrantedItem, Mask, Operation
from exchange.grants.rows import RowCondition
from exchange.grants.sharing import tested_by
from exchange.oversight.model import Recorded, Use, day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would hold for a grant; what is empty or None stays, `row_filter` would be added."""

    items: tuple[GrantedItem, ...] = ()
    operations: tuple[Operation, ...] = ()
    daily_quota: int | None = None
    rate_per_minute: int | None = None
    row_filter: tuple[RowCondition, ...] = ()
    end_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogChange:
    """What would hold for a resource; what is empty stays."""

    removed_items: tuple[str, ...] = ()
    withdrawn: bool = False
    sharing_type: SharingType = SharingType.UNSPECIFIED
    negative_items: tuple[str, ...] = ()
    negative: bool = False

    def why(self, item: str) -> str:
        """The reason of a refusal to show an item; empty where it is shown."""
        if item in self.removed_items:
            return "ITEM_NOT_IN_RESOURCE"
        return "ON_NEGATIVE_LIST" if item in self.negative_items else ""

    @property
    def closing(self) -> str:
        """The reason of every refusal; empty where the resource stays open."""
        if self.withdrawn:
            return "RESOURCE_WITHDRAWN"
        if self.sharing_type is SharingType.NOT_SHARED:
            return "RESOURCE_NOT_SHARED"
        return "ON_NEGATIVE_LIST" if self.negative else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Uses that a change would have refused, or that would have shown less."""

    reason: str
    operation: Operation
    item: str = ""
    uses: int
    refused: bool
    records: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAffected:
    """What a change of the catalog would do to one grant."""

    grant: Grant
    closed: bool
    lost_items: tuple[str, ...]
    uses: int
    affected: list[Affected]


@dataclass(slots=True)
class _Met:
    """Uses by reason, operation, item and whether they are refused."""

    found: dict[tuple[str, Operation, str, bool], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )

    def add(
        self, reason: str, operation: Operation, item: str, *, refused: bool, uses: int,
        records: int = 0,
    ) -> None:  # fmt: skip
        both = self.found[reason, operation, item, refused]
        both[0] += uses
        both[1] += records

    def told(self) -> list[Affected]:
        return [
            Affected(
                reason=reason,
                operation=operation,
                item=item,
                uses=uses,
                refused=refused,
                records=records,
            )
            for (reason, operation, item, refused), (uses, records) in sorted(self.found.items())
        ]


def what_if(grant: Grant, change: Change, uses: Sequence[Use]) -> list[Affected]:
    """What uses counted by day would have met, by reason, operation and item; in order of those."""
    met = _Met()
    for use in uses:
        for reason, item, refused in _by_terms(grant, change, use):
            met.add(reason, use.operation, item, refused=refused, uses=use.uses)
    for operation, over in _over_quota(change, uses):
        met.add("DAILY_QUOTA_EXCEEDED", operation, "", refused=True, uses=over)
    return met.told()


def what_if_catalog(grant: Grant, change: CatalogChange, uses: Sequence[Use]) -> GrantAffected:
    """What a change of the catalog or the negative list would do to a grant and to its uses."""
    lost = tuple(item for item in grant.masks if change.why(item))
    closing = change.closing
    if grant.at_once and change.sharing_type is SharingType.CONDITIONAL:
        closing = closing or "RESOURCE_NOW_CONDITIONAL"
    nothing_left = len(lost) == len(grant.masks) and change.why(lost[0]) if lost else ""
    if any(item in change.negative_items for item in tested_by(grant)):
        nothing_left = "ON_NEGATIVE_LIST"
    met = _Met()
    for use in uses:
        if reason := closing or nothing_left:
            met.add(reason, use.operation, "", refused=True, uses=use.uses)
            continue
        for item in use.items:
            if reason := change.why(item):
                named = use.operation is Operation.VERIFY
                met.add(reason, use.operation, item, refused=named, uses=use.uses)
    return GrantAffected(
        grant=grant,
        closed=bool(closing or nothing_left),
        lost_items=lost,
        uses=sum(use.uses for use in uses),
        affected=met.told(),
    )


def by_rate(rate: int, uses: Iterable[Recorded]) -> list[Affected]:
    """The uses that a rate would have refused, in order of their times; 0 is without bound."""
    met = _Met()
    left, at = float(rate), None
    for use in sorted(uses, key=lambda one: (one.time, one.index)) if rate else ():
        if at is not None:
            left = min(float(rate), left + max((use.time - at).total_seconds(), 0.0) * rate / 60)
        at = use.time
        if left < use.questions:
            met.add("RATE_EXCEEDED", use.operation, "", refused=True, uses=1)
        else:
            left -= use.questions
    return met.told()


def by_rows(
    uses: Iterable[Recorded], about: Mapping[int, Collection[bytes]], shown: Mapping[bytes, bool]
) -> tuple[list[Affected], int]:
    """The uses that would have hidden a record, and how many cannot be judged.

    `about` has the tags of the records that a use is about, by its place in the log; `shown` says
    of each that is held whether the filter would show it.
    """
    met, unjudged = _Met(), 0
    for use in uses:
        tags = about.get(use.index, ())
        hidden = sum(1 for tag in tags if not shown.get(tag, True))
        unjudged += not tags or any(tag not in shown for tag in tags)
        if hidden:
            met.add("RECORD_NOT_SHOWN", use.operation, "", refused=False, uses=1, records=hidden)
    return met.told(), unjudged


def _by_terms(grant: Grant, change: Change, use: Use) -> Iterator[tuple[str, str, bool]]:
    operation = use.operation
    if change.end_time is not None and day_of(change.end_time) <= date.fromisoformat(use.day):
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
