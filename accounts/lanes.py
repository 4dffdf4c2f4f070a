"""A few threads of one's own and a short queue before them, for what takes long.

1. What runs here takes no thread from the node's other calls, and never more than its own.
2. Who comes when the queue is full is told to come again (SIGN_IN_BUSY): nobody waits behind work
   that is not done in time.
3. What waits is dropped when its caller goes; what runs keeps its place until it is done.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from runtime.errors import Unavailable

_T = TypeVar("_T")


class Lane:
    """Threads, and places to wait."""

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._free = threads + waiting

    async def run(self, act: Callable[..., _T], *given: Any, **named: Any) -> _T:
        """What `act` returns or raises. Raises Unavailable (SIGN_IN_BUSY)."""
        with self._lock:
            if self._free < 1:
                raise busy()
            self._free -= 1
        try:
            job = self._threads.submit(act, *given, **named)
        except RuntimeError:  # the node is stopping
            self._left()
            raise busy() from None
        job.add_done_callback(lambda _: self._left())
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Wait for what runs; what waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _left(self) -> None:
        with self._lock:
            self._free += 1


def busy() -> Unavailable:
    """What is said when the queue is full."""
    return Unavailable(
        "very many people are signing in at this moment: try again in a few seconds",
        reason="SIGN_IN_BUSY",
        message_zh="当前登录人数很多：请几秒后再试",
        retry_after=3.0,
    )
