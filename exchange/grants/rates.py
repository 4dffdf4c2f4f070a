"""Questions a minute under a grant, or of whoever else has a rate, counted in this process.

A bucket for each name holds as many questions as its rate and fills evenly; so a burst of a whole
minute's questions passes once. Each process of a node counts its own: the rate protects the node,
the quota (durable, for all processes) bounds what is taken.
"""

from __future__ import annotations

import threading
from datetime import datetime

from exchange.grants.model import Grant
from runtime.clock import Clock
from runtime.errors import ResourceExhausted

GREATEST_BUCKETS = 10_000


class Rates:
    """Buckets by the name of a grant, or of another thing that has a rate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: What is left, and when it was counted.
        self._left: dict[str, tuple[float, datetime]] = {}

    def take(self, grant: Grant, count: int = 1) -> None:
        """So many questions, all or none. Raises ResourceExhausted, RATE_EXCEEDED."""
        if grant.rate_per_minute:
            self.take_of(grant.name, grant.rate_per_minute, count)

    def take_of(self, name: str, rate: int, count: int = 1) -> None:
        """So many of a name that has `rate` of them a minute. Raises as `take`."""
        now = self._clock.now()
        with self._lock:
            held = self._left.get(name)
            left = float(rate)
            if held is not None:
                passed = max((now - held[1]).total_seconds(), 0.0)
                left = min(left, held[0] + passed * rate / 60)
            elif len(self._left) >= GREATEST_BUCKETS:
                self._forget(now)
            if left < count:
                raise _exceeded(rate, (min(count, rate) - left) * 60 / rate)
            self._left[name] = (left - count, now)

    def _forget(self, now: datetime) -> None:
        """Drop buckets that are full again; all of them, if none is."""
        full = [name for name, (_, at) in self._left.items() if (now - at).total_seconds() >= 60]
        for name in full or list(self._left):
            del self._left[name]


def _exceeded(rate: int, seconds: float) -> ResourceExhausted:
    return ResourceExhausted(
        f"{rate} questions a minute are allowed here: ask more slowly",
        reason="RATE_EXCEEDED",
        message_zh=f"此处每分钟至多 {rate} 次：请降低调用频率",
        retry_after=seconds,
    )
