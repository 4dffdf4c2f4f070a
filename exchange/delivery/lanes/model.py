"""Lanes (分道): the rules by which consumers share a subscription's work; pure.

1. A record belongs to one lane, by its record id, so its changes come in order. A lane has one
   cursor, and one delivery under way at most: to who holds its lease, until the lease ends.
2. What is acknowledged is done. What is rejected, and what is not acknowledged before its lease
   ends, is delivered again after a while that doubles with each failure (`backoff`).
3. A delivery of several that fails says nothing of each: the next one is half as long, until one
   change is alone. Only a change that failed alone, or was rejected by its offset, is counted.
4. After `max_deliveries` a change becomes a dead letter and the lane goes on. Where there are too
   many of those already, it is tried again and again instead: nothing is ever dropped.
5. A dead letter that is replayed is delivered alone, in its lane, under a lease of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from exchange.delivery.model import GREATEST_CHANGES
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument

GREATEST_LANES = 64
DEFAULT_DELIVERIES = 5
GREATEST_DELIVERIES = 100
DEFAULT_LEASE = 60
GREATEST_LEASE = 3_600
GREATEST_BACKOFF = 300
GREATEST_OWNER = 200
GREATEST_CONSUMER = 63
#: Open ones of a subscription.
GREATEST_DEAD_LETTERS = 10_000

LEASE_ENDED = "LEASE_ENDED"
REJECTED = "REJECTED"


class DeadLetterState(StrEnum):
    """What becomes of a dead letter."""

    OPEN = "open"
    REPLAYING = "replaying"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane: all of it up to `cursor` is done."""

    number: int
    cursor: int
    consumer: str = ""
    #: Names the lease; empty where there is none.
    token: str = ""
    lease_until: datetime | None = None
    not_before: datetime | None = None
    #: Of the last delivery: its first change, its last one (0 while none was sent), how many.
    head: int = 0
    sent: int = 0
    size: int = 0
    #: How often the head failed by itself.
    deliveries: int = 0
    #: How often deliveries failed in a row.
    failures: int = 0
    #: The greatest size of the next delivery.
    width: int = GREATEST_CHANGES
    #: The dead letter that is being replayed, 0 for none.
    replays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A change that could not be delivered (死信); its values stay in the log."""

    subscription: str
    offset: int
    lane: int
    record_id: str
    reason: str
    deliveries: int
    state: DeadLetterState
    create_time: datetime
    update_time: datetime
    #: Who did the last thing with it: a system, or the consumer whose lease ended.
    actor: str

    @property
    def name(self) -> str:
        """`departments/{department}/subscriptions/{subscription}/deadLetters/{offset}`."""
        return f"{self.subscription}/deadLetters/{self.offset}"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed delivery makes of a lane, and the offset that became a dead letter, or 0."""

    lane: Lane
    dead: int = 0
    deliveries: int = 0


def lane_of(record_id: str, lanes: int) -> int:
    """The lane of a record, from 0."""
    return int(record_id[:8], 16) % lanes


def backoff(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: 2, 4, 8 … seconds, five minutes at most."""
    return timedelta(seconds=min(2 ** min(failures, 20), GREATEST_BACKOFF))


def has_lapsed(lane: Lane, now: datetime) -> bool:
    """Whether its lease has ended and nobody has said so yet."""
    return bool(lane.token) and lane.lease_until is not None and lane.lease_until <= now


def fair_share(every: Collection[Lane], consumer: str) -> int:
    """So many lanes that each consumer at work may have as many."""
    others = {lane.consumer for lane in every if lane.token} | {consumer}
    return -(-len(every) // len(others))


def is_free(lane: Lane, now: datetime) -> bool:
    """Whether it may be leased; one that has lapsed is to be told so first."""
    return not lane.token and (lane.not_before is None or lane.not_before <= now)


def leased(lane: Lane, consumer: str, now: datetime, seconds: int, *, replays: int = 0) -> Lane:
    """The lane with a lease; nothing is sent yet."""
    return replace(
        lane,
        consumer=consumer,
        token=secrets.token_hex(16),
        lease_until=now + timedelta(seconds=seconds),
        not_before=None,
        sent=0,
        size=0,
        replays=replays,
    )


def delivered(lane: Lane, first: int, last: int, size: int) -> Lane:
    """The lane whose changes from `first` to `last` are being sent."""
    known = first == lane.head
    return replace(
        lane, head=first, sent=last, size=size, deliveries=lane.deliveries if known else 0
    )


def released(lane: Lane, cursor: int) -> Lane:
    """The lane without its lease, as nothing was there to be sent."""
    return _without_lease(replace(lane, cursor=max(lane.cursor, cursor)))


def lapsed(lane: Lane, max_deliveries: int, *, room: bool = True) -> Failure:
    """The lane whose lease ended; `room` tells whether there may be one more dead letter."""
    free = _without_lease(lane)
    if not lane.sent or lane.replays or lane.lease_until is None:
        return Failure(free)  # nothing of the lane itself was sent
    if lane.size > 1:
        failures = lane.failures + 1
        return Failure(
            replace(
                free,
                failures=failures,
                width=max(1, lane.size // 2),
                not_before=lane.lease_until + backoff(failures),
            )
        )
    return _failed(free, lane.head, lane.lease_until, max_deliveries, room=room)


def acknowledged(lane: Lane, token: str, cursor: int) -> Lane:
    """The lane with its cursor moved; without its lease where all that was sent is done.

    Raises FailedPrecondition (LEASE_LOST) and InvalidArgument (NOT_DELIVERED).
    """
    _check_lease(lane, token)
    if lane.replays:
        return _without_lease(lane)
    if cursor > lane.sent:
        raise not_delivered("cursor")
    if cursor <= lane.cursor:
        return lane
    done = replace(lane, cursor=cursor, deliveries=0, failures=0, head=0)
    if cursor < lane.sent:
        return done
    return replace(_without_lease(done), width=min(GREATEST_CHANGES, lane.width * 2))


def rejected(
    lane: Lane,
    token: str,
    offset: int,
    now: datetime,
    max_deliveries: int,
    *,
    permanent: bool,
    room: bool = True,
) -> Failure:
    """The lane without its lease, to deliver `offset` again; all before it is done.

    Raises FailedPrecondition (LEASE_LOST) and InvalidArgument (NOT_DELIVERED).
    """
    _check_lease(lane, token)
    free = _without_lease(lane)
    if lane.replays:
        return Failure(free)
    if not lane.cursor < offset <= lane.sent:
        raise not_delivered("offset")
    before = lane.deliveries if offset == lane.head else 0
    moved = replace(free, cursor=max(lane.cursor, offset - 1), head=offset, deliveries=before)
    if before == 0:
        moved = replace(moved, failures=0)
    return _failed(moved, offset, now, 1 if permanent else max_deliveries, room=room)


def _failed(lane: Lane, offset: int, at: datetime, most: int, *, room: bool) -> Failure:
    deliveries, failures = lane.deliveries + 1, lane.failures + 1
    if deliveries >= most and room:
        on = replace(lane, cursor=offset, head=0, deliveries=0, failures=0, not_before=None)
        return Failure(on, dead=offset, deliveries=deliveries)
    again = replace(
        lane,
        head=offset,
        deliveries=min(deliveries, GREATEST_DELIVERIES),
        failures=failures,
        not_before=at + backoff(failures),
    )
    return Failure(again, deliveries=deliveries)


def _without_lease(lane: Lane) -> Lane:
    return replace(lane, token="", lease_until=None, sent=0, size=0, replays=0)


def _check_lease(lane: Lane, token: str) -> None:
    if not token or not secrets.compare_digest(lane.token.encode(), token.encode()):
        raise FailedPrecondition(
            "this lease is over: its changes are delivered again, to whom asks next",
            reason="LEASE_LOST",
            message_zh="租约已失效：相关变更将重新投递",
        )


def not_delivered(field: str) -> InvalidArgument:
    """The refusal of an offset or a cursor that a lease did not bring."""
    return InvalidArgument(
        f"{field} is not among what this lease delivered: use the offsets that came with it",
        reason="NOT_DELIVERED",
        message_zh=f"{field} 不在本次租约投递的范围内：请使用收到的偏移",
        violations=[FieldViolation(field, "was not delivered under this lease")],
    )
