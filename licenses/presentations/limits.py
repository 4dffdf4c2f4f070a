"""How many codes that open nothing may be tried.

1. A system has 20 at once, then one every 3 seconds.
2. A node has 200 at once, then five a second. While they are spent, a system that tried one of its
   own lately waits; one that tried none is served, so that nobody shuts out honest verifiers.
3. A code has 128 bits: at that rate nobody finds one. The bound keeps a broken or hostile system
   from filling the audit log, and many hostile ones together too. It is each process's own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from runtime.errors import ResourceExhausted

UNKNOWN_CODES = 20
SECONDS_A_CODE = 3.0
NODE_CODES = 200
NODE_SECONDS_A_CODE = 0.2
SYSTEMS_WATCHED = 10_000


class UnknownCodes:
    """Buckets of wrong codes. Thread-safe; the oldest of too many systems is forgotten."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._of_node = (0.0, 0.0)

    def check(self, system: str) -> None:
        """Raises ResourceExhausted, TOO_MANY_UNKNOWN_CODES."""
        with self._lock:
            own = self._left(self._spent.get(system), SECONDS_A_CODE)
            of_all = self._left(self._of_node, NODE_SECONDS_A_CODE)
        if own > UNKNOWN_CODES - 1 or (own > 0 and of_all > NODE_CODES - 1):
            raise ResourceExhausted(
                "too many codes that open nothing: check what is scanned, and try again later",
                reason="TOO_MANY_UNKNOWN_CODES",
                message_zh="无效核验码过多：请检查扫描内容，稍后再试",
                retry_after=SECONDS_A_CODE,
            )

    def count(self, system: str) -> None:
        """One more code of this system opened nothing."""
        with self._lock:
            now = self._monotonic()
            self._spent[system] = (self._left(self._spent.get(system), SECONDS_A_CODE) + 1, now)
            self._spent.move_to_end(system)
            while len(self._spent) > SYSTEMS_WATCHED:
                self._spent.popitem(last=False)
            self._of_node = (self._left(self._of_node, NODE_SECONDS_A_CODE) + 1, now)

    def _left(self, bucket: tuple[float, float] | None, seconds: float) -> float:
        spent, at = bucket or (0.0, 0.0)
        return max(0.0, spent - (self._monotonic() - at) / seconds)
