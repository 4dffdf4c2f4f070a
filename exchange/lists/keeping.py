"""What the negative list keeps back, and from when; pure.

1. From its first day to its last, by China's calendar, a row keeps back the items it names, or all
   of its resource: they are not asked for, not granted, and not read under grants that stand. So
   putting a row on the list works like a narrowing of all grants at once (`grants.sharing`), and
   taking it off gives back what they say: their contracts do not change.
2. Grants that give what a row keeps back collide with it: they are told to who writes the row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from exchange.lists.model import Negative, RowState
from runtime.errors import FailedPrecondition


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """A grant that gives what a row of the negative list keeps back."""

    grant: str
    consumer: str
    items: tuple[str, ...]
    start_time: datetime
    end_time: datetime


def is_in_force(negative: Negative, day: str) -> bool:
    """Whether a row keeps anything back on a day of China, `YYYY-MM-DD`."""
    if negative.state is not RowState.ACTIVE or day < negative.from_day:
        return False
    return not negative.until_day or day <= negative.until_day


def listed(negative: Negative | None, items: Iterable[str]) -> tuple[str, ...]:
    """Which of these items of its resource a row of the negative list keeps back."""
    if negative is None:
        return ()
    return tuple(item for item in items if not negative.items or item in negative.items)


def check_unlisted(negative: Negative | None, items: Iterable[str]) -> None:
    """Refuse to share what a row in force keeps. Raises FailedPrecondition, ON_NEGATIVE_LIST."""
    kept = listed(negative, items)
    if negative is None or not kept:
        return
    raise on_negative_list(negative, kept)


def check_readable(negative: Negative, given: Collection[str], asked: Iterable[str]) -> None:
    """Refuse to show what a row in force keeps of the items that a grant gives.

    Raises FailedPrecondition (ON_NEGATIVE_LIST) where an item asked for is kept, or nothing is left
    of those given.
    """
    kept = listed(negative, asked)
    if kept or not negative.items or len(listed(negative, given)) == len(given):
        raise on_negative_list(negative, kept)


def on_negative_list(negative: Negative, kept: Collection[str]) -> FailedPrecondition:
    """The refusal of what a row keeps, with its legal basis."""
    known = [item for item in kept if item in negative.items]
    basis = negative.legal_basis
    what, what_zh = ("items " + ", ".join(known[:20]), "信息项 " + "、".join(known[:20]))
    if not known:
        what, what_zh = "the resource", "该信息资源"
    return FailedPrecondition(
        f"{what}: not shared, neither asked for, granted nor read: on the negative list by {basis}",
        reason="ON_NEGATIVE_LIST",
        message_zh=f"{what_zh}已列入负面清单，不予共享（不得申请、授权或读取）：依据{basis}",
        negative=negative.name,
    )
