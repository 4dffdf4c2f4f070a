"""Questions that come one after another: asked ahead of their turn, answered in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from runtime.errors import ResourceExhausted

#: Chunks that are read, or being read, before their turn.
AHEAD = 2
#: Streams of one system at a time: each may hold `AHEAD` answers that its caller does not take.
GREATEST_STREAMS = 16


Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Streams:
    """How many streams each system has; on the loop."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, system: str) -> Iterator[None]:
        """A stream while it lasts. Raises ResourceExhausted, TOO_MANY_STREAMS."""
        if self._open[system] >= GREATEST_STREAMS:
            raise ResourceExhausted(
                f"a system asks in {GREATEST_STREAMS} streams at a time at most: end one, or ask "
                "on in it",
                reason="TOO_MANY_STREAMS",
                message_zh=f"每个系统最多同时使用 {GREATEST_STREAMS} 个流：请结束其一或继续使用",
                retry_after=1,
            )
        self._open[system] += 1
        try:
            yield
        finally:
            self._open[system] -= 1
            if not self._open[system]:
                del self._open[system]


async def in_turn(
    questions: AsyncIterator[Asked], ask: Callable[[Asked], Awaitable[Answered]]
) -> AsyncGenerator[Answered, None]:
    """What is asked, in the order of the questions, up to `AHEAD` of them being asked at a time.

    Ends with the first question that fails, which is raised after the answers before it.
    """
    # Without a bound of its own, so that its end can always be put into it.
    line: asyncio.Queue[asyncio.Task[Answered] | None] = asyncio.Queue()
    room = asyncio.Semaphore(AHEAD)
    begun: set[asyncio.Task[Answered]] = set()

    async def read() -> None:
        try:
            async for question in questions:
                await room.acquire()
                task = asyncio.ensure_future(_asked(ask, question))
                begun.add(task)
                line.put_nowait(task)
        finally:
            line.put_nowait(None)

    reader = asyncio.ensure_future(read())
    try:
        while (task := await line.get()) is not None:
            answered = await task
            begun.discard(task)
            room.release()
            yield answered
        await reader
    finally:
        for one in (reader, *begun):
            one.cancel()
        await asyncio.gather(reader, *begun, return_exceptions=True)


async def _asked(ask: Callable[[Asked], Awaitable[Answered]], question: Asked) -> Answered:
    # Not begun before its task is: one that is cancelled before has nothing to clear up.
    return await ask(question)
