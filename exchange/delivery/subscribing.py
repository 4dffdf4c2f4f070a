"""Subscriptions (订阅): reading the log of changes after a cursor, under a grant.

1. A subscription belongs to its department, and to one grant. To other departments it does not
   exist.
2. Every batch is authorized anew, so a grant that is revoked or expired, and a resource that is
   shared no longer, ends a live stream at its next batch, an idle one within `POLL_SECONDS`.
3. What is delivered is projected to the grant, and its audit record is durable before it is sent.
   Records outside its filter are not delivered (`projecting`); the cursor passes them by only
   together with the end of the whole log, so that it tells nothing of them.
4. Reading moves no cursor: what is not acknowledged is delivered again (at least once). A cursor
   only moves forward, and never past the end of the log.
5. Whose records were delivered goes to the index of accesses with the delivery's own audit record,
   in the same write: an applicant is told of deliveries too.
6. A resource whose requests must be signed is not delivered: no delivery has a request to sign.
7. A subscriber that does not read is waited for: one batch is under way, and no more is read. One
   that asks for it is waited for too while so many changes are not acknowledged.
8. Where consumers share the work, a stream is a consumer that leases again and again (`leasing`).
9. Under a row filter a reading waits for its turn, and is told at a step of time (`reads`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.delivery.access import Access
from exchange.delivery.consumers import Consumer
from exchange.delivery.leasing import Leased, Leasing
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Change, Subscription
from exchange.delivery.projecting import Projection
from exchange.delivery.reads import Reads
from exchange.delivery.settling import Settled, Settling
from exchange.delivery.tail import POLL_SECONDS, LogTail, Woken
from exchange.grants.rates import Rates
from exchange.refusals import REFUSED
from runtime.errors import FieldViolation, InvalidArgument, Unavailable
from runtime.identity import Principal
from runtime.records import SealedRecord

GREATEST_OUTSTANDING = 100_000
Done = TypeVar("Done")
#: So often a stream looks whether its subscription was ended in another process of the node.
LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Changes that may be sent, with the proof of it; neither where there are none."""

    changes: list[Change]
    cursor: int
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class _Batch:
    changes: list[Change]
    cursor: int
    record: SealedRecord | None
    settled: Settled
    #: Whose data the changes are: `AuditLog.tags`.
    about: bytes = b""


@dataclass(slots=True)
class _Window:
    """How much of a stream is sent and not acknowledged."""

    greatest: int  # 0 is without bound
    sent: deque[int] = field(default_factory=deque)

    def acknowledged(self, cursor: int) -> None:
        while self.sent and self.sent[0] <= cursor:
            self.sent.popleft()

    def limit(self, limit: int) -> int:
        return min(limit, self.greatest - len(self.sent)) if self.greatest else limit

    def take(self, changes: list[Change]) -> None:
        if self.greatest:
            self.sent.extend(change.offset for change in changes)


class Subscribing:
    """The use cases of subscribers."""

    def __init__(
        self,
        *,
        access: Access,
        log: LogReader,
        leasing: Leasing,
        audit: AuditLog,
        rates: Rates,
        woken: Woken,
        settling: Settling,
    ) -> None:
        self._access = access
        self._log = log
        self._leasing = leasing
        self._audit = audit
        self._rates = rates
        self._woken = woken
        self._settling = settling
        self.tail = LogTail(self._log.end)
        self._reads = Reads()

    def subscription(self, principal: Principal, name: str) -> Subscription:
        """A subscription of the caller's department. Raises NotFound, SUBSCRIPTION_NOT_FOUND."""
        return self._access.subscription(principal, name)

    async def read(
        self, principal: Principal, subscription: Subscription, read: Callable[[], Done]
    ) -> Done:
        """What a reading of a subscription returns, in its turn and at its time (`reads`)."""
        filtered = partial(self._access.is_filtered, principal, subscription)
        return await self._reads.run(principal, filtered, read)

    def pull(self, principal: Principal, subscription: Subscription, *, limit: int) -> Delivery:
        """The next changes after the cursor; from a worker thread.

        Raises NotFound (GRANT_NOT_FOUND), PermissionDenied and what `admitted` raises.
        """
        try:
            batch = self._next(principal, subscription, subscription.cursor, limit, asked=True)
        except REFUSED as error:
            self._access.refuse(error, principal, subscription)
            raise
        if batch.record is None:
            return Delivery(changes=[], cursor=batch.cursor, receipt=None)
        (receipt,) = self._audit.append_blocking([batch.record], [batch.about])
        return Delivery(changes=batch.changes, cursor=batch.cursor, receipt=receipt)

    async def stream(
        self,
        principal: Principal,
        subscription: Subscription,
        *,
        limit: int,
        max_outstanding: int = 0,
    ) -> AsyncIterator[Delivery]:
        """Changes from the cursor on, as they come; ends only by an error or by cancellation.

        No more than `max_outstanding` are sent before they are acknowledged; 0 is without bound.
        Raises as `pull`, at any time, and Unavailable (NODE_STOPPING).
        """
        position, window = subscription.cursor, _window(max_outstanding)
        settled: Settled | None = None
        looked = time.monotonic()
        try:
            while not self.tail.closed:
                if time.monotonic() - looked >= LOOK_SECONDS:
                    await asyncio.to_thread(self.subscription, principal, subscription.name)
                    looked = time.monotonic()
                await self._room(principal, subscription, window)
                seen = await asyncio.to_thread(self._log.end)
                left = window.limit(limit)
                nextly = partial(self._next, principal, subscription, position, left, settled)
                batch = await self.read(principal, subscription, nextly)
                position, settled = batch.cursor, batch.settled
                if batch.record is not None:
                    receipt = await self._audit.append(batch.record, tags=batch.about)
                    window.take(batch.changes)
                    yield Delivery(changes=batch.changes, cursor=position, receipt=receipt)
                else:
                    while not await self.tail.wait(seen):
                        self._access.still(principal, subscription)
                        if time.monotonic() - looked >= LOOK_SECONDS:
                            break
        except REFUSED as error:
            await self._access.refuse_stream(error, principal, subscription)
            raise
        raise _stopping()

    async def work(
        self, principal: Principal, *, name: str, consumer: Consumer, max_outstanding: int = 0
    ) -> AsyncIterator[Leased]:
        """Changes of lanes as these come free, as `Leasing.lease` gives them; ends like `stream`.

        What is under way when it ends is delivered again soon: its leases end with it.
        """
        window = _window(max_outstanding)
        tokens: dict[int, str] = {}
        try:
            async for leased in self._leased(principal, name, consumer, window):
                tokens |= {lease.lane: lease.token for lease in leased.leases}
                yield leased
        finally:
            if tokens:
                ending = asyncio.to_thread(self._leasing.end, name, set(tokens.values()))
                await asyncio.shield(ending)

    async def _leased(
        self, principal: Principal, name: str, consumer: Consumer, window: _Window
    ) -> AsyncIterator[Leased]:
        held = await asyncio.to_thread(self.subscription, principal, name)
        with self._woken.listening(name) as acknowledged:
            while not self.tail.closed:
                acknowledged.clear()
                seen = await asyncio.to_thread(self._log.end)
                left = consumer.max_changes
                if window.greatest:
                    under_way = await asyncio.to_thread(
                        self._leasing.outstanding, name, consumer.name
                    )
                    left = min(left, window.greatest - under_way)
                leased = None
                if left > 0:
                    asking = replace(consumer, max_changes=left)
                    lease = partial(self._lease, principal, name, asking)
                    leased = await self.read(principal, held, lease)
                if leased is not None and leased.changes:
                    yield leased
                    continue
                await self._something(seen, acknowledged)
        raise _stopping()

    def _lease(self, principal: Principal, name: str, consumer: Consumer) -> Leased:
        return self._leasing.lease(principal, name=name, consumer=consumer, asked=False)

    async def _something(self, seen: int, acknowledged: asyncio.Event) -> None:
        """Wait until the log has grown, a lane may have come free, or `POLL_SECONDS`."""
        grown = asyncio.ensure_future(self.tail.wait(seen))
        freed = asyncio.ensure_future(acknowledged.wait())
        try:
            await asyncio.wait(
                (grown, freed), timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            grown.cancel()
            freed.cancel()

    async def _room(
        self, principal: Principal, subscription: Subscription, window: _Window
    ) -> None:
        """Wait until so few changes are under way that one more may be."""
        if not window.greatest or window.limit(1) > 0:
            return
        with self._woken.listening(subscription.name) as acknowledged:
            while not self.tail.closed:
                acknowledged.clear()
                held = await asyncio.to_thread(
                    self._access.subscription, principal, subscription.name
                )
                window.acknowledged(held.cursor)
                if window.limit(1) > 0:
                    return
                self._access.still(principal, subscription)
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await acknowledged.wait()
                except TimeoutError:
                    continue

    def _next(
        self,
        principal: Principal,
        subscription: Subscription,
        after: int,
        limit: int,
        settled: Settled | None = None,
        *,
        asked: bool = False,
    ) -> _Batch:
        grant = self._access.still(principal, subscription)
        if asked:
            self._rates.take(grant)
        settled = self._settling.at(subscription, grant, after, settled)
        reading = Projection(self._log, grant, subscription, settled).read(after, limit)
        changes = reading.changes
        if not changes:
            return _Batch([], reading.upto, None, settled)
        record = self._access.delivered(principal, grant, subscription, changes, reading.keys)
        return _Batch(changes, reading.upto, record, settled, self._audit.tags(reading.keys))


def _window(max_outstanding: int) -> _Window:
    if not 0 <= max_outstanding <= GREATEST_OUTSTANDING:
        raise InvalidArgument(
            f"max_outstanding is 0 to {GREATEST_OUTSTANDING:,}",
            reason="BAD_CONSUMER",
            message_zh=f"max_outstanding 应为 0 至 {GREATEST_OUTSTANDING:,}",
            violations=[FieldViolation("max_outstanding", "is out of its bounds")],
        )
    return _Window(max_outstanding)


def _stopping() -> Unavailable:
    return Unavailable(
        "the node is stopping: subscribe again, from the cursor",
        reason="NODE_STOPPING",
        message_zh="节点正在停止：请稍后从游标处重新订阅",
        retry_after=1,
    )
