"""Subscriptions (订阅): reading the log of changes after a cursor, under a grant.

1. A subscription belongs to its department, and to one grant. To other departments it does not
   exist.
2. Every batch is authorized anew, so a grant that is revoked or expired, and a resource that is
   shared no longer, ends a live stream at its next batch, an idle one within `POLL_SECONDS`.
3. What is delivered is projected to the grant, and its audit record is durable before it is sent.
   Records outside the grant's filter are not delivered (`showing`); the cursor passes them by only
   together with the end of the whole log, so that it tells nothing of them.
4. Reading moves no cursor: what is not acknowledged is delivered again (at least once). A cursor
   only moves forward, and never past the end of the log.
5. Whose records were delivered goes to the index of accesses with the delivery's own audit record,
   in the same write: an applicant is told of deliveries too.
6. A resource whose requests must be signed is not delivered: no delivery has a request to sign.
7. A subscriber that does not read is waited for: one batch is under way, and no more is read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.catalog.service import Schemas
from exchange.delivery import store
from exchange.delivery.model import (
    Change,
    LogEntry,
    StartPosition,
    Subscription,
    delivered,
    project,
)
from exchange.delivery.showing import Seen, is_plain
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import Grant, Operation
from exchange.grants.rates import Rates
from exchange.grants.sharing import admitted
from exchange.refusals import REFUSED, refusal
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    AlreadyExists,
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    Unavailable,
)
from runtime.identity import Principal
from runtime.records import SealedRecord, make_record
from runtime.signed import takes_no_signature

#: How long another process's batch may stay unseen, and a revoked stream open.
POLL_SECONDS = 0.2


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
    #: Whose data the changes are: `AuditLog.tags`.
    about: bytes = b""


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


class Subscribing:
    """The use cases of subscribers."""

    def __init__(
        self,
        *,
        database: Database,
        grants: GrantIndex,
        schemas: Schemas,
        audit: AuditLog,
        clock: Clock,
        rates: Rates | None = None,
    ) -> None:
        self._database = database
        self._grants = grants
        self._schemas = schemas
        self._audit = audit
        self._clock = clock
        self._rates = rates or Rates(clock)
        self._log = store.LogReader(database)
        self.tail = LogTail(self._log.end)

    def create(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        parent: str,
        subscription_id: str,
        grant: str,
        start: StartPosition,
    ) -> Subscription:
        """Make a subscription.

        Raises PermissionDenied (NOT_YOUR_DEPARTMENT, or what the grant does not allow), NotFound
        (GRANT_NOT_FOUND) and AlreadyExists (SUBSCRIPTION_EXISTS).
        """
        _own(principal, parent)
        names.check_id(subscription_id, field="subscription_id")
        granted = self._authorize(grant, principal)
        at = self._clock.now()
        subscription = Subscription(
            name=f"{principal.department}/subscriptions/{subscription_id}",
            department=principal.department,
            grant=grant,
            cursor=0 if start is StartPosition.EARLIEST else store.end_of_log(work.session),
            create_time=at,
            secret=secrets.token_bytes(32),
        )
        if not store.add_subscription(work.session, subscription):
            raise AlreadyExists(
                "the department has a subscription of this name: choose another",
                reason="SUBSCRIPTION_EXISTS",
                message_zh="本部门已有同名订阅：请换一个名称",
            )
        work.record(
            make_record(
                "subscription_created",
                at=at,
                actor=principal.system,
                facts={
                    "subscription": subscription.name,
                    "grant": grant,
                    "contract": granted.contract_hash,
                    "resource": granted.resource,
                    "cursor": subscription.cursor,
                },
            )
        )
        return subscription

    def get(self, principal: Principal, name: str) -> Subscription:
        """A subscription of the caller's department. Raises NotFound, SUBSCRIPTION_NOT_FOUND."""
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        with self._database.reading() as session:
            return _found(principal, store.subscription(session, name))

    def page(
        self, principal: Principal, *, parent: str, page_size: int, page_token: str
    ) -> tuple[list[Subscription], str]:
        """A page of the caller's department's subscriptions, and the token of the next page."""
        _own(principal, parent)
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        with self._database.reading() as session:
            found = store.subscriptions(session, principal.department, after, size + 1)
        return paging.cut(found, size, lambda subscription: subscription.name)

    def acknowledge(
        self, work: UnitOfWork, principal: Principal, *, name: str, cursor: int
    ) -> Subscription:
        """Move a cursor forward.

        Raises OutOfRange (CURSOR_BEYOND_LOG) past the end of the log, and InvalidArgument where it
        is negative.
        """
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        _found(principal, store.subscription(work.session, name))
        if cursor < 0:
            raise InvalidArgument(
                "cursor must not be negative",
                message_zh="cursor 不能为负",
                violations=[FieldViolation("cursor", "negative")],
            )
        if cursor > store.end_of_log(work.session):
            raise OutOfRange(
                "the log is not that long: acknowledge the cursor of a message of changes",
                reason="CURSOR_BEYOND_LOG",
                message_zh="游标超出日志末尾：请使用收到的变更消息中的游标",
            )
        store.advance_cursor(work.session, name, cursor)
        work.session.expire_all()
        return _found(principal, store.subscription(work.session, name))

    def pull(self, principal: Principal, *, name: str, limit: int) -> Delivery:
        """The next changes after the cursor; from a worker thread.

        Raises NotFound (SUBSCRIPTION_NOT_FOUND, GRANT_NOT_FOUND), PermissionDenied and what
        `admitted` raises.
        """
        subscription = self.get(principal, name)
        try:
            batch = self._next(principal, subscription, subscription.cursor, limit, asked=True)
        except REFUSED as error:
            self._audit.append_blocking([self._refused(error, principal, subscription)])
            raise
        if batch.record is None:
            return Delivery(changes=[], cursor=batch.cursor, receipt=None)
        (receipt,) = self._audit.append_blocking([batch.record], [batch.about])
        return Delivery(changes=batch.changes, cursor=batch.cursor, receipt=receipt)

    async def stream(
        self, principal: Principal, *, name: str, limit: int
    ) -> AsyncIterator[Delivery]:
        """Changes from the cursor on, as they come; ends only by an error or by cancellation.

        Raises as `pull`, at any time, and Unavailable (NODE_STOPPING).
        """
        subscription = await asyncio.to_thread(self.get, principal, name)
        position = subscription.cursor
        try:
            while not self.tail.closed:
                seen = await asyncio.to_thread(self._log.end)
                batch = await asyncio.to_thread(
                    self._next, principal, subscription, position, limit
                )
                position = batch.cursor
                if batch.record is not None:
                    receipt = await self._audit.append(batch.record, tags=batch.about)
                    yield Delivery(changes=batch.changes, cursor=position, receipt=receipt)
                else:
                    while not await self.tail.wait(seen):
                        self._authorize(subscription.grant, principal)
        except REFUSED as error:
            await self._audit.append(self._refused(error, principal, subscription))
            raise
        raise Unavailable(
            "the node is stopping: subscribe again, from the cursor",
            reason="NODE_STOPPING",
            message_zh="节点正在停止：请稍后从游标处重新订阅",
            retry_after=1,
        )

    def _next(
        self,
        principal: Principal,
        subscription: Subscription,
        after: int,
        limit: int,
        *,
        asked: bool = False,
    ) -> _Batch:
        grant = self._authorize(subscription.grant, principal)
        if asked:
            self._rates.take(grant)
        changes, cursor, about = self._changes(grant, subscription, after, limit)
        if not changes:
            return _Batch([], cursor, None)
        record = make_record(
            "changes_delivered",
            at=self._clock.now(),
            actor=principal.system,
            facts={
                "subscription": subscription.name,
                "grant": grant.name,
                "contract": grant.contract_hash,
                "resource": grant.resource,
                "items": list(grant.masks),
                "first_offset": changes[0].offset,
                "last_offset": changes[-1].offset,
                "count": len(changes),
            },
            commitments={"changes": delivered(changes)},
        )
        return _Batch(changes, cursor, record, about)

    def _changes(
        self, grant: Grant, subscription: Subscription, after: int, limit: int
    ) -> tuple[list[Change], int, bytes]:
        """The next changes that are seen, how far the log was read for them, and whose they are."""
        secret = subscription.secret
        keys: list[str] = []
        if is_plain(grant):
            entries = self._log.after(grant.resource, after, limit)
            changes = project(_noting(entries, keys), grant.project, secret)
            about = self._audit.tags(keys[: len(changes)])
            return changes, changes[-1].offset if changes else after, about
        end = self._log.end()  # before reading: what comes meanwhile is not passed by
        seen = Seen(self._log.after_with_previous(grant.resource, after), grant, self._log.holds)
        changes = project(
            _noting(islice(seen, limit), keys),
            grant.project,
            secret,
            shown_at=lambda offset: grant.view_at(offset).project,
        )
        last = changes[-1].offset if changes else after
        about = self._audit.tags(keys[: len(changes)])
        return changes, max(last, end) if seen.ended and not changes else last, about

    def _authorize(self, grant: str, principal: Principal) -> Grant:
        granted = self._grants.authorize(
            grant, department=principal.department, operation=Operation.SUBSCRIBE
        )
        schema = self._schemas.schema(granted.resource)
        if schema.signed_requests:  # a delivery answers no single request that could be signed
            raise takes_no_signature()
        return admitted(granted, schema)

    def _refused(
        self, error: DomainError, principal: Principal, subscription: Subscription
    ) -> SealedRecord:
        return refusal(
            error,
            at=self._clock.now(),
            actor=principal.system,
            operation=Operation.SUBSCRIBE.value,
            grant=subscription.grant,
        )


def _noting(entries: Iterable[LogEntry], keys: list[str]) -> Iterator[LogEntry]:
    """The entries; notes whose they are as they go by."""
    for entry in entries:
        keys.append(entry.key)
        yield entry


def _own(principal: Principal, parent: str) -> None:
    names.parse(names.DEPARTMENT, parent, field="parent")
    if parent != principal.department:
        raise PermissionDenied(
            "subscriptions are made and listed by their own department",
            reason="NOT_YOUR_DEPARTMENT",
            message_zh="只能创建和查看本部门的订阅",
        )


def _found(principal: Principal, subscription: Subscription | None) -> Subscription:
    if subscription is None or subscription.department != principal.department:
        raise NotFound(
            "no such subscription: check its name with ListSubscriptions",
            reason="SUBSCRIPTION_NOT_FOUND",
            message_zh="没有该订阅：请用订阅列表核对其名称",
        )
    return subscription
