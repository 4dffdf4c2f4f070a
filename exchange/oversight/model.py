"""What was used of grants, as the log tells it; pure.

1. A use is one record of the audit log about an answer: a question, a page of an export, a message
   of changes. Refusals are no uses.
2. The log says of a use its grant, operation, items and time, and commits to the rest.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson

from exchange.grants.model import Grant, Operation
from runtime.clock import CHINA

#: Kinds of records that are uses, with their operation.
USES = {
    "query": Operation.QUERY,
    "batch_query": Operation.QUERY,
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
class Recorded:
    """One use; `index` is its place in the log, `questions` what it took from the rate."""

    index: int
    grant: str
    time: datetime
    operation: Operation
    items: tuple[str, ...]
    taken: int
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far the log is counted."""

    size: int
    complete: bool


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
        used = recorded(0, leaf)
        if used is None:
            continue
        both = found[used.grant, day_of(used.time).isoformat(), used.operation, used.items]
        both[0] += 1
        both[1] += used.taken
    return [
        Use(grant=grant, day=day, operation=operation, items=items, uses=uses, records=records)
        for (grant, day, operation, items), (uses, records) in found.items()
    ]


def recorded(index: int, leaf: bytes) -> Recorded | None:
    """The use that a leaf of the log tells of, if it does."""
    record = orjson.loads(leaf)
    operation = USES.get(record.get("kind"))
    if operation is None or "grant" not in record:
        return None
    # A question by place uses the geometry that it looks at, shown or not.
    looked_at = {record["geometry_item"]} if "geometry_item" in record else set()
    return Recorded(
        index=index,
        grant=record["grant"],
        time=datetime.fromisoformat(record["time"]),
        operation=operation,
        items=tuple(sorted({*record.get("items", ()), *looked_at})),
        taken=_taken(record),
        questions=int(record["count"]) if record["kind"] == "batch_query" else 1,
    )


def day_of(at: datetime) -> date:
    """The day in China."""
    return at.astimezone(CHINA).date()


def _taken(record: dict[str, Any]) -> int:
    """What a use took from the quota."""
    if record["kind"] in ("export", "batch_query"):
        return int(record.get("count", 0))
    return max(int(record["found"]), 1) if record["kind"] == "spatial_query" else 1


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
