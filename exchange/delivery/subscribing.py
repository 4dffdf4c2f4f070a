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
7. A subscriber that does not read is waited for: one batch is under way, and no more is read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.catalog.service import Schemas
from exchange.delivery import store
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Change, Start, StartPosition, Subscription, delivered
from exchange.delivery.projecting import Projection
from exchange.delivery.subscriptions import store as subscriptions
from exchange.delivery.tail import LogTail
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
        self._log = LogReader(database)
        self.tail = LogTail(self._log.end)

    def create(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        parent: str,
        subscription_id: str,
        grant: str,
        start: Start,
    ) -> Subscription:
        """Make a subscription.

        Raises PermissionDenied (NOT_YOUR_DEPARTMENT, or what the grant does not allow), NotFound
        (GRANT_NOT_FOUND), InvalidArgument and OutOfRange (BAD_START, CURSOR_BEYOND_LOG) and
        AlreadyExists (SUBSCRIPTION_EXISTS).
        """
        _own(principal, parent)
        names.check_id(subscription_id, field="subscription_id")
        granted = self._authorize(grant, principal)
        at = self._clock.now()
        end = store.end_of_log(work.session)
        subscription = Subscription(
            name=f"{principal.department}/subscriptions/{subscription_id}",
            department=principal.department,
            grant=grant,
            cursor=self._first_cursor(granted.resource, start, end),
            create_time=at,
            secret=secrets.token_bytes(32),
            origin=end,
            snapshot_end=end if start.position is StartPosition.SNAPSHOT else 0,
        )
        if not subscriptions.add(work.session, subscription):
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

    def _first_cursor(self, resource: str, start: Start, end: int) -> int:
        match start.position:
            case StartPosition.NOW:
                return end
            case StartPosition.EARLIEST | StartPosition.SNAPSHOT:
                return 0
            case StartPosition.TIME:
                if start.time is None:
                    raise bad_start("start_time", "is required to start from a time")
                first = self._log.begins(resource, start.time)
                return end if first is None else min(first - 1, end)
            case StartPosition.OFFSET:
                if start.offset < 0:
                    raise bad_start("start_offset", "is negative")
                if start.offset > end:
                    raise beyond_log()
                return start.offset

    def get(self, principal: Principal, name: str) -> Subscription:
        """A subscription of the caller's department. Raises NotFound, SUBSCRIPTION_NOT_FOUND."""
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        with self._database.reading() as session:
            return _found(principal, subscriptions.get(session, name))

    def page(
        self, principal: Principal, *, parent: str, page_size: int, page_token: str
    ) -> tuple[list[Subscription], str]:
        """A page of the caller's department's subscriptions, and the token of the next page."""
        _own(principal, parent)
        size, after = paging.page_size(page_size), paging.last_of(page_token)
        with self._database.reading() as session:
            found = subscriptions.page(session, principal.department, after, size + 1)
        return paging.cut(found, size, lambda subscription: subscription.name)

    def acknowledge(
        self, work: UnitOfWork, principal: Principal, *, name: str, cursor: int
    ) -> Subscription:
        """Move a cursor forward.

        Raises OutOfRange (CURSOR_BEYOND_LOG) past the end of the log, and InvalidArgument where it
        is negative.
        """
        names.parse(names.SUBSCRIPTION, name, field="subscription")
        _found(principal, subscriptions.get(work.session, name))
        if cursor < 0:
            raise InvalidArgument(
                "cursor must not be negative",
                message_zh="cursor 不能为负",
                violations=[FieldViolation("cursor", "negative")],
            )
        if cursor > store.end_of_log(work.session):
            raise beyond_log()
        subscriptions.advance(work.session, name, cursor)
        work.session.expire_all()
        return _found(principal, subscriptions.get(work.session, name))

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
        reading = Projection(self._log, grant, subscription).read(after, limit)
        changes = reading.changes
        if not changes:
            return _Batch([], reading.upto, None)
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
        return _Batch(changes, reading.upto, record, self._audit.tags(reading.keys))

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


def bad_start(field: str, wrong: str) -> InvalidArgument:
    """The refusal of a start that is none."""
    return InvalidArgument(
        f"the start of the subscription is not right: {field} {wrong}",
        reason="BAD_START",
        message_zh=f"订阅起点有误：请检查 {field}",
        violations=[FieldViolation(field, wrong)],
    )


def beyond_log() -> OutOfRange:
    """The refusal of an offset that the log has not come to."""
    return OutOfRange(
        "the log is not that long: acknowledge the cursor of a message of changes",
        reason="CURSOR_BEYOND_LOG",
        message_zh="游标超出日志末尾：请使用收到的变更消息中的游标",
    )
