"""What is kept in memory of a table, and dropped as soon as the table's epoch says so.

1. Every change of the table raises its epoch, in the same transaction and before the rows change,
   so epochs commit in order; each row carries the epoch that last changed it.
2. The epoch is read at most every `CHECK_SECONDS`, and at once after `invalidate`; so another
   process sees a change within that time, this one with its next look.
3. Filling and dropping hold one lock: a row read before a change cannot be kept after the drop.
4. If the epoch cannot be read, the look-up fails: nothing is answered from stale memory.
5. At most `GREATEST_KEPT` values are kept; when there are as many, those kept longest make room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

CHECK_SECONDS = 0.05
GREATEST_KEPT = 200_000
MAKES_ROOM = GREATEST_KEPT // 16

Value = TypeVar("Value")


class Watch:
    """Looks at an epoch now and then, and says when it has moved (rules 2 to 4)."""

    def __init__(
        self,
        *,
        epoch: Callable[[], int],
        moved: Callable[[int, int], None],
        seconds: float = CHECK_SECONDS,
    ) -> None:
        """`moved` is told the epoch seen before and the one now; it holds `lock` meanwhile."""
        self.lock = threading.Lock()
        self._epoch = epoch
        self._moved = moved
        self._seconds = seconds
        self._seen = -1
        self._check_at = 0.0
        #: Another object after each `invalidate`.
        self._turn = object()

    def look(self) -> None:
        """See to it that what is kept is no older than `seconds`. Raises what `epoch` raises."""
        if time.monotonic() >= self._check_at:
            self._refresh()

    def invalidate(self) -> None:
        """Look at the epoch with the next `look`: called after a commit of this process."""
        self._turn = object()
        self._check_at = 0.0

    def _refresh(self) -> None:
        with self.lock:
            if time.monotonic() < self._check_at:
                return  # another thread looked while this one waited
            turn, looked_at = self._turn, time.monotonic()
            epoch = self._epoch()
            if epoch != self._seen:
                self._moved(self._seen, epoch)
                self._seen = epoch
            # Only now, so that nobody is answered from what is about to be dropped.
            self._check_at = looked_at + self._seconds
            if self._turn is not turn:  # an `invalidate` meanwhile is not lost
                self._check_at = 0.0


class Kept(Generic[Value]):
    """Values by name, read when first asked for."""

    def __init__(
        self,
        *,
        read: Callable[[str], Value | None],
        epoch: Callable[[], int],
        changed_since: Callable[[int], list[str]],
    ) -> None:
        self._read = read
        self._changed_since = changed_since
        self._values: dict[str, Value] = {}
        self._watch = Watch(epoch=epoch, moved=self._drop)

    def get(self, name: str) -> Value | None:
        """The value of this name, no older than `CHECK_SECONDS`; None where there is none."""
        self._watch.look()
        value = self._values.get(name)
        return value if value is not None else self._fill(name)

    def invalidate(self) -> None:
        """Look at the epoch with the next `get`: called after a commit of this process."""
        self._watch.invalidate()

    def _drop(self, seen: int, _: int) -> None:
        if self._values:
            for name in self._changed_since(seen):
                self._values.pop(name, None)

    def _fill(self, name: str) -> Value | None:
        with self._watch.lock:
            value = self._read(name)
            if value is not None:
                if len(self._values) >= GREATEST_KEPT:
                    # Not all at once: where there are more, most look-ups still find theirs.
                    for oldest in list(islice(self._values, MAKES_ROOM)):
                        del self._values[oldest]
                self._values[name] = value
            return value
