"""Notes of several sealings in one transaction: each is durable when `write` returns.

1. Whoever comes while a transaction commits waits for it, and then all who wait share the next one:
   the first of them writes the notes of all. Nobody waits for company that is not there yet.
2. A note may be run twice: what it does is to the transaction alone. Where one of a group fails,
   the group is rolled back and each is written by itself, so that each has its own outcome.
3. What a transaction has read of a seal serves all its notes: it holds the row (`seal.notes`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, cast

from runtime.database import Database, FixedWork

T = TypeVar("T")
_GREATEST_GROUP: Final = 64


class _Waiting(Generic[T]):
    """A note in the queue, and what came of it."""

    __slots__ = ("done", "error", "note", "result")

    def __init__(self, note: Callable[[FixedWork], T]) -> None:
        self.note = note
        self.done = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self.result)


class Ledger:
    """Writes notes into one database, from any number of threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting[Any]] = deque()
        self._turn = threading.Lock()

    def write(self, note: Callable[[FixedWork], T]) -> T:
        """Run a note in a transaction that has committed on return; raises what the note raises."""
        mine = _Waiting(note)
        self._queue.append(mine)
        while not mine.done:
            with self._turn:
                if not mine.done:
                    self._write_group()
        return mine.outcome()

    def _write_group(self) -> None:
        group = [self._queue.popleft() for _ in range(min(len(self._queue), _GREATEST_GROUP))]
        try:
            self._write(group)
        except BaseException as error:
            # Nobody may wait for ever, even where this thread is being stopped.
            for one in group:
                if not one.done:
                    one.error, one.done = error, True
            raise

    def _write(self, group: list[_Waiting[Any]]) -> None:
        try:
            with self._database.fixed_work() as work:
                results = [one.note(work) for one in group]
        except Exception as error:  # noqa: BLE001  # each gets its own below
            if len(group) == 1:
                group[0].error, group[0].done = error, True
                return
            for one in group:
                self._write([one])
        else:
            for one, result in zip(group, results, strict=True):
                one.result, one.done = result, True
