"""Long work off the loop, in turns: who asks for much does not keep the others waiting.

1. Work waits in a line of its caller, and the lines take turns: one piece of each, whoever came
   first. So what one caller waits for depends on how many callers there are, not on how much
   they ask for.
2. Pieces are small (a chunk of keys), and few run at a time: the loop, which serves everybody,
   competes with each of them for the interpreter.
3. Work whose caller is gone before its turn is not begun.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

Done = TypeVar("Done")
_Piece = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class FairThreads:
    """A few threads and a line for each caller; used from one event loop."""

    def __init__(self, threads: int, *, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threads
        self._closed = False
        #: The callers that wait, in the order of their turns.
        self._lines: dict[str, deque[_Piece]] = {}

    async def run(self, caller: str, work: Callable[[], Done]) -> Done:
        """What `work` returns, done in a thread when it is the caller's turn."""
        told: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append((work, told))
        self._begin()
        return await told

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way; from a thread not the loop's."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        while self._free and self._lines and not self._closed:
            caller = next(iter(self._lines))
            line = self._lines.pop(caller)
            work, told = line.popleft()
            if line:
                self._lines[caller] = line  # behind the others
            if told.done():
                continue
            self._free -= 1
            doing = told.get_loop().run_in_executor(self._pool, work)
            doing.add_done_callback(partial(self._end, told))

    def _end(self, told: asyncio.Future[Any], done: asyncio.Future[Any]) -> None:
        self._free += 1
        if not told.done():
            if done.cancelled():
                told.cancel()
            elif error := done.exception():
                told.set_exception(error)
            else:
                told.set_result(done.result())
        elif not done.cancelled():
            done.exception()  # nobody asks any more
        self._begin()
