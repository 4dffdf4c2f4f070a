"""Long work of who is signed in: it goes on when its page is closed, and stands there afterwards.

1. Work asks the node as who began it. When their session ends it stands where it is, and goes on as
   soon as they have signed in again and open one of its pages.
2. Of each kind somebody has one, and a new one takes its place. What came of it is held in
   memory, for who began it alone, and let go an hour after it ended.
3. It works in small portions off the loop, so that no page waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
import structlog
from starlette.requests import Request

from portal.plain import plain_words
from portal.sessions.keeping import Person
from runtime.errors import DomainError, Unauthenticated, Unavailable

HELD: Final = timedelta(hours=1)
AT_ONCE: Final = 0.3
"""Seconds that a page waits for work that may be short, if it says nothing else."""
TRIES: Final = 3
_log = structlog.get_logger()


@dataclass(slots=True, eq=False, kw_only=True)
class Work:
    """One piece of work: how far it is, and what came of it."""

    #: Goes on where the work stands, as who began it; it says its outcome.
    run: Callable[[Work, Person], Awaitable[None]]
    #: What it is about, of which its pages tell.
    about: Any
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    size: int = 0
    done: int = 0
    ended: datetime | None = None
    #: PASSED, FAILED, STOPPED, REFUSED or WAITS; empty while it runs.
    outcome: str = ""
    detail: tuple[str, str] = ("", "")
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def share(self) -> int:
        """How much of it is done, of a hundred."""
        return min(100 * self.done // self.size, 100) if self.size else 0

    def end(self, outcome: str, english: str = "", chinese: str = "") -> None:
        """Say what came of it."""
        self.outcome, self.detail = outcome, (english, chinese)


class Works:
    """Works of everybody of this process."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Work] = {}

    def of(self, person: Person, kind: str) -> Work | None:
        """The newest work of a kind; one that waited for who began it goes on."""
        held = self._held.get((person.account, kind))
        if held is not None and held.outcome == "WAITS":
            held.outcome = ""
            held.task = asyncio.create_task(self._through(held, person))
        return held

    async def begin(
        self, person: Person, kind: str, work: Work, *, seconds: float = AT_ONCE
    ) -> None:
        """Begin, in place of what is held, and wait so long; nothing where one runs."""
        held = self._held.get((person.account, kind))
        if held is not None and not held.outcome:
            return
        self._held[person.account, kind] = work
        work.task = asyncio.create_task(self._through(work, person))
        await asyncio.wait({work.task}, timeout=seconds)

    def stop(self, person: Person, kind: str) -> None:
        """Stop the work of a kind, if one runs."""
        held = self._held.get((person.account, kind))
        if held is not None and held.task is not None and not held.outcome:
            held.end("STOPPED", "it was stopped", "已停止")
            held.task.cancel()

    async def close(self) -> None:
        """Stop all."""
        for work in self._held.values():
            if work.task is not None and not work.outcome:
                work.end("STOPPED")
                work.task.cancel()

    def _let_go(self, work: Work) -> None:
        for place in [place for place, held in self._held.items() if held is work]:
            del self._held[place]

    async def _through(self, work: Work, person: Person) -> None:
        """Rule 1: with a fresh connection where the old one was closed meanwhile."""
        tries, at = 0, -1
        while not work.outcome and tries < TRIES:
            tries, at = (tries + 1 if at == work.done else 1), work.done
            try:
                await work.run(work, person)
            except Unauthenticated:
                await person.close_channel()
                break
            except Unavailable:
                break
            except DomainError as error:
                work.end("REFUSED", *plain_words(error))
            except (asyncio.CancelledError, grpc.aio.UsageError):
                continue  # its connection was closed, as those are that no page uses for a while
            except Exception:  # noqa: BLE001  # nobody awaits the task: its page tells
                _log.exception("work_failed")
                work.end("REFUSED", "it failed, and that was noted", "处理失败，系统已记录")
        if not work.outcome:
            work.end("WAITS", "it goes on when you open this page again", "再次打开本页时继续")
        else:
            asyncio.get_running_loop().call_later(HELD.total_seconds(), self._let_go, work)
        work.ended = datetime.now(UTC)


def works_of(request: Request) -> Works:
    """The works of this process."""
    state = request.app.state
    if not hasattr(state, "works"):
        state.works = Works()
    held: Works = state.works
    return held
