"""What grants have used: durable counts, and those on their way.

A count that is on its way is taken already, so that questions at one time cannot pass together; it
becomes durable with the records that caused it, or is given back.
"""

from __future__ import annotations

from collections.abc import Iterable

from exchange.audit.model import Usage
from exchange.audit.store import AuditStore


class UsageBook:
    """The counts by grant and day. Not safe for threads by itself: the log holds its lock."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._durable: dict[tuple[str, str], int] = {}
        self._coming: dict[tuple[str, str], int] = {}

    def used(self, grant: str, day: str) -> int:
        """Records taken, those on their way included."""
        pair = (grant, day)
        if pair not in self._durable:
            self._forget_other_days(day)
            self._durable[pair] = self._store.used(grant, day)
        return self._durable[pair] + self._coming.get(pair, 0)

    def reserve(self, usage: Usage) -> None:
        """More is on its way."""
        pair = (usage.grant, usage.day)
        self._coming[pair] = self._coming.get(pair, 0) + usage.count

    def settle(
        self, usages: dict[tuple[str, str], int], durable: dict[tuple[str, str], int]
    ) -> None:
        """What was on its way is durable now, or has failed."""
        self._durable.update(durable)
        for pair, taken in usages.items():
            left = self._coming.get(pair, 0) - taken
            if left > 0:
                self._coming[pair] = left
            else:
                self._coming.pop(pair, None)

    def _forget_other_days(self, day: str) -> None:
        if len(self._durable) >= 10_000:
            self._durable = {p: n for p, n in self._durable.items() if p[1] == day}


def summed(usages: Iterable[Usage | None]) -> dict[tuple[str, str], int]:
    """What they take together, by grant and day."""
    sums: dict[tuple[str, str], int] = {}
    for usage in usages:
        if usage is not None:
            pair = (usage.grant, usage.day)
            sums[pair] = sums.get(pair, 0) + usage.count
    return sums
