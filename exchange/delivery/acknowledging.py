"""Acknowledging: what is done of a subscription, and what could not be.

1. A cursor only moves forward, and never past what there is.
2. Where the work is shared, only who holds the lease of a lane moves its cursor; a rejection is
   told in the transaction that makes it.
3. What is rejected is a change that was delivered: of this lane and resource, and one that the
   grant shows. Of what lies between those, a dead letter must tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from exchange.delivery import store
from exchange.delivery.access import Access
from exchange.delivery.lanes import model as rules
from exchange.delivery.lanes.model import DeadLetterState, Lane
from exchange.delivery.lanes.service import LaneKeeping
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Subscription, record_id
from exchange.delivery.projecting import Projection
from exchange.delivery.settling import Settled
from exchange.delivery.subscriptions import store as subscriptions
from exchange.delivery.tail import Woken
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument, OutOfRange
from runtime.identity import Principal
from runtime.records import make_record

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """All of a lane up to `cursor` is done."""

    lane: int
    token: str
    cursor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A change that the consumer cannot take; `permanent` where it never will."""

    lane: int
    token: str
    offset: int
    reason: str
    permanent: bool


class Acknowledging:
    """The use cases of who has worked."""

    def __init__(self, *, database: Database, access: Access, clock: Clock, woken: Woken) -> None:
        self._access = access
        self._clock = clock
        self._woken = woken
        self._log = LogReader(database)
        self._keeping = LaneKeeping(self._log, clock)

    def committed(self, name: str) -> None:
        """Wake the streams of a subscription; after the commit, from any thread."""
        self._woken.wake(name)

    def move(
        self, work: UnitOfWork, principal: Principal, *, name: str, cursor: int
    ) -> Subscription:
        """Move the cursor of a subscription forward.

        Raises OutOfRange (CURSOR_BEYOND_LOG) past the end of the log, InvalidArgument where it is
        negative and FailedPrecondition (LEASE_REQUIRED) where the work is shared.
        """
        subscription = self._access.held(work, principal, name)
        if subscription.lanes > 1:
            raise FailedPrecondition(
                "this subscription has lanes: acknowledge the leases that came with the changes",
                reason="LEASE_REQUIRED",
                message_zh="该订阅分道处理：请按收到的租约逐道确认",
            )
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
        return self._access.held(work, principal, name)

    def acknowledge(
        self,
        work: UnitOfWork,
        principal: Principal,
        *,
        name: str,
        acknowledgements: Sequence[Acknowledgement],
    ) -> Subscription:
        """Move the cursors of leased lanes: all of them, or none.

        Raises FailedPrecondition (LEASE_LOST) and InvalidArgument (NOT_DELIVERED).
        """
        subscription = self._access.held(work, principal, name)
        held = self._keeping.locked(work, subscription)
        changed: dict[int, Lane] = {}
        for one in acknowledgements:
            lane = changed.get(one.lane) or held.get(one.lane) or _no_lane(one.lane)
            changed[one.lane] = rules.acknowledged(lane, one.token, one.cursor)
            if lane.replays:
                self._keeping.settle(
                    work, subscription, lane, DeadLetterState.DELIVERED, principal.system
                )
        return self._keeping.written(work, subscription, held, changed)

    def reject(
        self, work: UnitOfWork, principal: Principal, *, name: str, rejection: Rejection
    ) -> tuple[Lane, bool]:
        """Give a lane back with a change that could not be taken; whether it is a dead letter now.

        Raises as `acknowledge`, and what the grant refuses.
        """
        if not _REASON.fullmatch(rejection.reason):
            raise InvalidArgument(
                "reason is a code of up to 64 of A-Z, 0-9 and _, as ADDRESS_UNKNOWN",
                reason="BAD_REASON",
                message_zh="reason 应为代码（至多 64 个大写字母、数字或下划线）",
                violations=[FieldViolation("reason", "is not a code")],
            )
        subscription = self._access.held(work, principal, name)
        held = self._keeping.locked(work, subscription)
        lane = held.get(rejection.lane) or _no_lane(rejection.lane)
        failure = rules.rejected(
            lane,
            rejection.token,
            rejection.offset,
            self._clock.now(),
            subscription.max_deliveries,
            permanent=rejection.permanent,
            room=self._keeping.room(work, subscription),
        )
        if not lane.replays and not self._told(principal, subscription, lane, rejection.offset):
            raise rules.not_delivered("offset")
        if lane.replays:
            self._keeping.settle(
                work,
                subscription,
                lane,
                DeadLetterState.OPEN,
                principal.system,
                reason=rejection.reason,
            )
        self._keeping.fail(work, subscription, failure, rejection.reason, principal.system)
        self._keeping.written(work, subscription, held, {lane.number: failure.lane})
        work.record(
            make_record(
                "change_rejected",
                at=self._clock.now(),
                actor=principal.system,
                facts={
                    "subscription": subscription.name,
                    "offset": lane.replays or rejection.offset,
                    "reason": rejection.reason,
                    "dead": bool(failure.dead or lane.replays),
                },
            )
        )
        return failure.lane, bool(failure.dead or lane.replays)

    def _told(
        self, principal: Principal, subscription: Subscription, lane: Lane, offset: int
    ) -> bool:
        """Whether a change between those that were delivered is one of them."""
        grant = self._access.granted(subscription.grant, principal)
        settled = Settled(subscription.settled, subscription.told_end)
        projection = Projection(self._log, grant, subscription, settled)
        found = self._log.at(offset)
        if found is None or not projection.may_have_told(offset):
            return False
        record = record_id(subscription.secret, found[1].key)
        return rules.lane_of(record, subscription.lanes) == lane.number


def _no_lane(number: int) -> Lane:
    raise InvalidArgument(
        "the subscription has no such lane",
        reason="NOT_DELIVERED",
        message_zh="该订阅没有此分道",
        violations=[FieldViolation("lane", f"{number} is not one of its lanes")],
    )


def beyond_log() -> OutOfRange:
    """The refusal of an offset that the log has not come to."""
    return OutOfRange(
        "the log is not that long: acknowledge the cursor of a message of changes",
        reason="CURSOR_BEYOND_LOG",
        message_zh="游标超出日志末尾：请使用收到的变更消息中的游标",
    )
