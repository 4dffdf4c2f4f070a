"""Appending: no answer leaves before its audit record is durable.

1. Group commit: the records that wait at the same moment share one transaction (one fsync) and one
   signature. It runs inline on the event loop, which is faster than handing it to a thread.
2. The window adapts. Callers who come one by one (the last batch held one record) do not wait for
   each other: a record is committed in the next iteration of the loop, but for every eighth, which
   looks whether that is still so; and once it was for long, for every sixty-fourth. Callers who
   come together are gathered until none came for a millisecond and at least half as many wait as
   the last time, for at most ten times what the last commit took (5 to 20 ms) or 512 records; and
   no longer than until as many wait as the last time, where that commit is as long ago. So commits
   take about a tenth of the loop's time, on a slow disk too.
3. If the storage fails, every waiter of the batch is told so, and neither record nor usage is kept.
   What fails for any other reason fails alone: a caller's own text harms nobody else's question.
4. A signed request is answered once (`once`): a record that answers it again fails alone, too.
5. Each process appends to a shard of its own; the sequencer gives all shards one order.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future as ThreadFuture
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

from exchange.audit.accesses.model import joined, tagging
from exchange.audit.accesses.store import AccessStore
from exchange.audit.answered.model import AnsweredBeforeError, twice
from exchange.audit.answered.store import AnsweredStore
from exchange.audit.making import made
from exchange.audit.model import Receipt, Usage
from exchange.audit.promising import fresh_shard, promise
from exchange.audit.sequencing import Sequencer
from exchange.audit.store import AuditStore
from exchange.audit.usage import UsageBook, summed
from runtime.clock import SYSTEM, Clock
from runtime.database import Database
from runtime.errors import Aborted
from runtime.objects import ObjectStore
from runtime.records import SealedRecord, check_record
from runtime.signed import signature_used
from runtime.signing import LogKey
from runtime.telemetry import Repeated

__all__ = ["AuditLog", "Receipt", "Usage"]

LEAST_WINDOW = 0.005  # seconds
GREATEST_WINDOW = 0.020
COMMITS_A_WINDOW = 10
QUIET_SECONDS = 0.001
LOOK_EVERY = 8
LOOK_SELDOM = 64
GREATEST_BATCH = 512
SEQUENCE_SECONDS = 1.0


Act = TypeVar("Act")


@dataclass(slots=True)
class _Waiter:
    record: SealedRecord | None
    usage: Usage | None
    receipt: asyncio.Future[Receipt] | ThreadFuture[Receipt]
    make: Callable[[Sequence[Any]], Sequence[SealedRecord]] | None = None
    act: Any = None
    #: Whose data the record is about: `AuditLog.tags`.
    tags: bytes = b""


class AuditLog:
    """The log as its users see it: records go in, receipts come out.

    `outboxes` are the databases of this process whose audit records the sequencer moves. Usable
    from one event loop, and by `append_blocking` from any thread.
    """

    def __init__(
        self,
        database: Database,
        *,
        key: LogKey,
        objects: ObjectStore,
        outboxes: Sequence[Database] = (),
        shard: str = "",
        clock: Clock = SYSTEM,
    ) -> None:
        self.database = database
        self.store = AuditStore(database)
        self.key = key
        self.objects = objects
        self.accesses = AccessStore(database)
        self._tag = tagging(key.secret_for("index of accesses"))
        self.sequencer = Sequencer(
            self.store,
            key=key,
            objects=objects,
            outboxes=outboxes,
            clock=clock,
            afterwards=self.accesses.index,
        )
        self._clock = clock
        self._shard = shard or fresh_shard()
        self._sequence: int | None = None
        self._lock = threading.RLock()  # the shard's numbers, the usage, the waiting line
        self._waiting: list[_Waiter] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Handle | None = None
        self._began = self._newest = 0.0  # when the first and the newest that wait came
        self._window = LEAST_WINDOW
        self._flushed = 0.0  # when the last commit had ended
        self._last = 0  # how many the last batch held
        self._alone = 0  # batches of one in a row
        self._usage = UsageBook(self.store)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._answered = AnsweredStore(database)
        self._owed: list[Callable[[], Awaitable[None]]] = []

    def tags(self, keys: Iterable[str]) -> bytes:
        """Of the keys that a record is about, what the index of accesses knows them by."""
        return b"".join([self._tag(key) for key in keys])

    async def append(
        self, record: SealedRecord, usage: Usage | None = None, tags: bytes = b""
    ) -> Receipt:
        """Make a record durable, with the usage it causes, and return its receipt.

        Raises Unavailable where the storage fails; then neither record nor usage is there. Raises
        InvalidArgument for a record that no bundle can hold.
        """
        check_record(record)
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        self._join(loop, [_Waiter(record, usage, receipt, tags=tags)])
        return await receipt

    async def append_made(
        self,
        make: Callable[[Sequence[Act]], Sequence[SealedRecord]],
        act: Act,
        usage: Usage | None = None,
        tags: bytes = b"",
    ) -> Receipt:
        """`append` of a record that is made when it is committed, with all others of its batch.

        `make` gets the acts that wait for it, in order, and returns a record for each; it runs on
        the loop. Raises what `make` raises of this act: of the others only that storage fails.
        """
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        self._join(loop, [_Waiter(None, usage, receipt, make, act, tags)])
        return await receipt

    def append_blocking(
        self, records: Sequence[SealedRecord], tags: Sequence[bytes] = ()
    ) -> list[Receipt]:
        """Make records durable from a worker thread; they join the loop's next group commit.

        All of them are in one batch (at most 512 at once, else in several). `tags`: none, or those
        of each record. Raises as `append`.
        """
        for record in records:
            check_record(record)
        waiters = [
            _Waiter(record, None, ThreadFuture(), tags=about)
            for record, about in zip(records, tags or repeat(b""), strict=bool(tags))
        ]
        loop = self._loop
        if loop is None or not loop.is_running() or _on(loop):
            self._commit(waiters)
        else:
            loop.call_soon_threadsafe(self._join, loop, waiters)
        return [_result(waiter) for waiter in waiters]

    def used(self, grant: str, day: str) -> int:
        """Records taken from a grant on a day of China, those on their way included."""
        with self._lock:
            return self._usage.used(grant, day)

    def start(self) -> None:
        """Begin sequencing in a thread: what an earlier run left at once, then every second."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._sequence_on, name="audit", daemon=True)
            self._thread.start()

    def before_stopping(self, act: Callable[[], Awaitable[None]]) -> None:
        """Let somebody write what is still owed a record, when the log is about to stop."""
        self._owed.append(act)

    async def stop(self) -> None:
        """Commit what waits and what is owed, sequence it, and end the thread."""
        for act in self._owed:
            await act()
        self._flush()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            await asyncio.to_thread(thread.join)

    # The waiting line; on the loop.

    def _join(self, loop: asyncio.AbstractEventLoop, waiters: Sequence[_Waiter]) -> None:
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self.database.held.leave_checkpoints()  # to the sequencer
        with self._lock:
            for waiter in waiters:
                if waiter.usage is not None:
                    self._usage.reserve(waiter.usage)
        self._waiting.extend(waiters)
        now = self._newest = time.monotonic()
        count = len(self._waiting)
        everybody = count >= self._last > 1 and now - self._flushed >= self._window
        if everybody or count >= GREATEST_BATCH:
            self._flush()
        elif self._timer is None:
            self._began = now
            if self._alone % (LOOK_EVERY if self._alone < LOOK_SELDOM else LOOK_SELDOM):
                self._timer = loop.call_soon(self._flush)
            else:
                self._timer = loop.call_later(QUIET_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        # By the real clock: the loop's stands still while it works, and its timers come too early.
        now = time.monotonic()
        quiet = now - self._newest >= QUIET_SECONDS and len(self._waiting) * 2 >= self._last
        if quiet or now - self._began >= self._window:
            self._flush()
        else:
            self._timer = loop.call_later(QUIET_SECONDS, self._look, loop)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self._last = len(waiting)
        self._alone = self._alone + 1 if self._last == 1 else 0
        began = time.monotonic()
        self._commit(waiting)
        self._flushed = time.monotonic()
        took = self._flushed - began
        self._window = min(max(took * COMMITS_A_WINDOW, LEAST_WINDOW), GREATEST_WINDOW)

    # The commit; on the loop or, without one, on the caller's thread.

    def _commit(self, waiters: Sequence[_Waiter]) -> None:
        for start in range(0, len(waiters), GREATEST_BATCH):
            part = self._made(waiters[start : start + GREATEST_BATCH])
            part = self._without(part, twice(_once_of(waiter) for waiter in part))
            while part:
                try:
                    receipts = self._commit_batch(part)
                except AnsweredBeforeError as before:
                    with self._lock:  # what was given back with the batch is taken again
                        for waiter in part:
                            if waiter.usage is not None:
                                self._usage.reserve(waiter.usage)
                    part = self._without(
                        part, {n for n, one in enumerate(part) if _once_of(one) in before.digests}
                    )
                    continue
                except Exception as error:  # noqa: BLE001  # whatever it is, each waiter is told
                    _tell(part, error)
                else:
                    for waiter, receipt in zip(part, receipts, strict=True):
                        if not waiter.receipt.done():
                            waiter.receipt.set_result(receipt)
                break

    def _without(self, waiters: Sequence[_Waiter], answered: set[int]) -> Sequence[_Waiter]:
        """Those whose signed request is not answered yet; the others, by their places, are told."""
        if not answered:
            return waiters
        gone = [waiters[place] for place in sorted(answered)]
        with self._lock:
            self._usage.settle(_usages(gone), {})
        _tell(gone, signature_used())
        return [waiter for place, waiter in enumerate(waiters) if place not in answered]

    def _made(self, waiters: Sequence[_Waiter]) -> Sequence[_Waiter]:
        """Make the records that are still to be made; those that wait on, the others being told."""
        making: dict[Any, list[_Waiter]] = {}
        for waiter in waiters:
            if waiter.make is not None:
                making.setdefault(waiter.make, []).append(waiter)
        failed: list[_Waiter] = []
        for make, those in making.items():
            records = made(make, [waiter.act for waiter in those])
            for waiter, record in zip(those, records, strict=True):
                try:
                    if isinstance(record, Exception):
                        raise record
                    check_record(record)
                    waiter.record = record
                except Exception as error:  # noqa: BLE001  # whatever it is, its waiter is told
                    failed.append(waiter)
                    _tell([waiter], error)
        if not failed:
            return waiters
        with self._lock:
            self._usage.settle(_usages(failed), {})
        gone = set(map(id, failed))
        return [waiter for waiter in waiters if id(waiter) not in gone]

    def _commit_batch(self, waiters: Sequence[_Waiter]) -> list[Receipt]:
        usages = _usages(waiters)
        records = [waiter.record for waiter in waiters if waiter.record is not None]
        with self._lock:
            durable: dict[tuple[str, str], int] = {}
            try:
                tags = joined((place, waiter.tags) for place, waiter in enumerate(waiters))
                receipts, durable = self._write(records, usages, tags)
            finally:
                self._usage.settle(usages, durable)
        return receipts

    def _write(
        self, records: Sequence[SealedRecord], usages: dict[tuple[str, str], int], tags: bytes
    ) -> tuple[list[Receipt], dict[tuple[str, str], int]]:
        for last_try in (False, True):
            # After a failure the number is read again: what a broken commit left is not known.
            sequence, self._sequence = self._sequence, None
            if sequence is None:
                sequence = self.store.next_sequence(self._shard)
            now = self._clock.now()
            batch, receipts = promise(
                records,
                shard=self._shard,
                sequence=sequence,
                at=now,
                key=self.key,
                tags=tags,
            )
            try:
                once = [record.once for record in records if record.once]
                also = partial(self._answered.add, once, now) if once else None
                durable = self.store.append(batch, usages, also)
            except Aborted:
                if last_try:
                    raise
            else:
                self._sequence = sequence + 1
                return receipts, durable
        raise AssertionError("unreachable")

    # The sequencer's thread.

    def _sequence_on(self) -> None:
        pause, stopping = 0.0, False
        told = Repeated("audit_sequencing_failed", "audit_sequencing_resumed")
        while not stopping:
            stopping = self._stopping.wait(pause)
            pause = SEQUENCE_SECONDS
            try:
                self.sequencer.run()
                self._answered.forget(self._clock.now())
            except Exception as error:  # noqa: BLE001  # the next round tries again
                told.failed(error)
            else:
                told.succeeded()


def _once_of(waiter: _Waiter) -> bytes:
    return waiter.record.once if waiter.record else b""


def _usages(waiters: Sequence[_Waiter]) -> dict[tuple[str, str], int]:
    """What they take, by grant and day."""
    return summed(waiter.usage for waiter in waiters)


def _tell(waiters: Sequence[_Waiter], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.receipt.done():
            waiter.receipt.set_exception(error)


def _on(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _result(waiter: _Waiter) -> Receipt:
    receipt = waiter.receipt
    assert isinstance(receipt, ThreadFuture)  # noqa: S101  # made so by append_blocking
    return receipt.result()
