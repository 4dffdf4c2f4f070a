"""Waiting for the log to grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from runtime.errors import Unavailable

#: How long another process's batch may stay unseen, and a revoked stream open.
POLL_SECONDS = 0.2


class LogTail:
    """Where the log ends, as far as this process knows, and who waits for more of it."""

    def __init__(self, read_end: Callable[[], int]) -> None:
        self._read_end = read_end
        self._end = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._poll: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the node is stopping."""
        return self._closed

    def announce(self, offset: int) -> None:
        """The log has grown; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._advance, offset)

    async def wait(self, after: int) -> bool:
        """Wait for the log to pass an offset; False when it did not within `POLL_SECONDS`."""
        self._loop = asyncio.get_running_loop()
        if self._end > after or self._closed:
            return True
        if self._poll is None or self._poll.done():
            self._poll = self._loop.create_task(self._watch())
        woken: asyncio.Future[None] = self._loop.create_future()
        self._waiting.add(woken)
        try:
            await asyncio.wait((woken,), timeout=POLL_SECONDS)
        finally:
            self._waiting.discard(woken)
        return self._end > after or self._closed

    def close(self) -> None:
        """Wake everybody, to end."""
        self._closed = True
        self._wake()
        if self._poll is not None:
            self._poll.cancel()

    def _advance(self, offset: int) -> None:
        if offset > self._end:
            self._end = offset
            self._wake()

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)

    async def _watch(self) -> None:
        # One look serves all who wait: batches of other processes announce nothing here.
        while self._waiting:
            with suppress(Unavailable):  # those who read next will be told
                self._advance(await asyncio.to_thread(self._read_end))
            await asyncio.sleep(POLL_SECONDS)


class Woken:
    """Streams of one process that wait for an acknowledgement, by subscription."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def wake(self, name: str) -> None:
        """Something was acknowledged; from any thread."""
        if name in self._waiting and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, name)

    @contextmanager
    def listening(self, name: str) -> Iterator[asyncio.Event]:
        """An event that is set at every acknowledgement of a subscription; on the loop."""
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            left = self._waiting[name]
            left.discard(event)
            if not left:
                del self._waiting[name]

    def _wake(self, name: str) -> None:
        for event in self._waiting.get(name, ()):
            event.set()
