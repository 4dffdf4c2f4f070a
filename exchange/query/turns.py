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
    line: asyncio.Queue[asyncio.Task[Answered] | None] = asyncio.Queue(AHEAD - 1)
    begun: set[asyncio.Task[Answered]] = set()

    async def read() -> None:
        try:
            async for question in questions:
                task = asyncio.ensure_future(_awaited(ask(question)))
                begun.add(task)
                await line.put(task)
        finally:
            await line.put(None)

    reader = asyncio.ensure_future(read())
    try:
        while (task := await line.get()) is not None:
            yield await task
            begun.discard(task)
        await reader
    finally:
        for one in (reader, *begun):
            one.cancel()
        await asyncio.gather(reader, *begun, return_exceptions=True)


async def _awaited(one: Awaitable[Answered]) -> Answered:
    return await one
