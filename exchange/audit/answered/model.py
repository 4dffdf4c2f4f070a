"""Signed requests that were answered, so that one signature gets one answer.

1. What was answered is remembered in the transaction of the answer's record: two processes, or one
   that was killed, never answer the same signature twice.
2. A signature is good for five minutes before and after its time, so what was answered earlier
   than that is forgotten: the table holds a quarter of an hour of signed answers, and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from runtime.signed import TOLERANCE

#: How long an answer is remembered.
KEPT = 3 * TOLERANCE
EVERY = timedelta(minutes=1)


class AnsweredBeforeError(Exception):
    """These were answered before; nothing of the batch was written."""

    def __init__(self, digests: Collection[bytes]) -> None:
        super().__init__(f"{len(digests)} signed requests were answered before")
        self.digests = frozenset(digests)


def twice(digests: Iterable[bytes]) -> set[int]:
    """Places of those that stand earlier already; of empty ones none."""
    seen: set[bytes] = set()
    found: set[int] = set()
    for place, digest in enumerate(digests):
        if not digest:
            continue
        if digest in seen:
            found.add(place)
        seen.add(digest)
    return found
