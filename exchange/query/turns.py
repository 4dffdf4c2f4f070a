"""Questions that come one after another: asked ahead of their turn, answered in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TypeVar

#: Chunks that are read, or being read, before their turn.
AHEAD = 2

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


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
