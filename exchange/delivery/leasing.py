"""Leasing lanes (租约): several consumers share the work of one subscription.

1. The log is read without a lock, for it only grows; then one short transaction takes the lanes
   that are still as they were, and says what is sent of them. Whoever dies after it leaves leases
   that end, and nothing is lost.
2. A lease and its delivery are in the database, so consumers may be at different nodes.
3. A lease that ended is noticed by the next leasing, which tells what it failed at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.delivery.access import Access
from exchange.delivery.consumers import Consumer, check
from exchange.delivery.dead_letters import is_superseded
from exchange.delivery.lanes import model as rules
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import DeadLetterState, Lane
from exchange.delivery.lanes.service import LaneKeeping, cursor_of
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import (
    DELIVERY_SIZE,
    Change,
    LogEntry,
    Subscription,
    changes_wanted,
    cost_of,
    record_id,
)
from exchange.delivery.projecting import Projection
from exchange.delivery.settling import Settling
from exchange.grants.model import Grant
from exchange.grants.rates import Rates
from exchange.refusals import REFUSED
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal
from runtime.records import SealedRecord

#: A lane that has nothing to deliver is moved on where it lies so many changes behind.
WORTH_WRITING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a consumer holds of a lane: acknowledge `cursor` with the token when all is done."""

    lane: int
    token: str
    cursor: int
    expire_time: datetime
    deliveries: int
    #: Its one change is a dead letter's.
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Changes of leased lanes in the order of the log; `lanes[i]` is that of `changes[i]`."""

    changes: list[Change]
    lanes: list[int]
    leases: list[Lease]
    receipt: Receipt | None = None


NOTHING = Leased(changes=[], lanes=[], leases=[])


@dataclass(frozen=True, slots=True)
class _Standing:
    """Lanes as they are, the dead letter to replay next by lane, and the time of that."""

    lanes: dict[int, Lane]
    waiting: dict[int, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class _Scan:
    """Entries to deliver, free lanes without any up to `upto`."""

    entries: list[LogEntry]
    idle: set[int]
    upto: int


@dataclass(frozen=True, slots=True)
class _Found:
    """Lanes as they were leased, and what is delivered of them."""

    lanes: list[Lane]
    entries: list[LogEntry]


@dataclass(frozen=True, slots=True)
class _Prepared:
    leased: Leased
    record: SealedRecord
    about: bytes


class Leasing:
    """The use cases of consumers."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        audit: AuditLog,
        clock: Clock,
        rates: Rates,
    ) -> None:
        self._database = database
        self._access = access
        self._audit = audit
        self._clock = clock
        self._rates = rates
        self._log = LogReader(database)
        self._keeping = LaneKeeping(self._log, clock)
        self._settling = Settling(database, self._log)

    def lease(
        self, principal: Principal, *, name: str, consumer: Consumer, asked: bool = True
    ) -> Leased:
        """Changes of free lanes, with their leases; from a worker thread.

        Raises what `Subscribing.pull` raises and InvalidArgument (BAD_CONSUMER).
        """
        check(consumer)
        subscription = self._access.subscription(principal, name)
        try:
            grant = self._access.granted(subscription.grant, principal)
            if asked:
                self._rates.take(grant)
            prepared = self._prepare(principal, grant, subscription, consumer)
        except REFUSED as error:
            self._access.refuse(error, principal, subscription)
            raise
        if prepared is None:
            return NOTHING
        (receipt,) = self._audit.append_blocking([prepared.record], [prepared.about])
        return replace(prepared.leased, receipt=receipt)

    def end(self, name: str, tokens: Collection[str]) -> None:
        """End leases whose consumer is gone: its lanes need not wait for them to run out."""
        with self._database.unit_of_work() as work:
            now = self._clock.now()
            held = lanes.lanes(work.session, name, lock=True)
            gone = [replace(one, lease_until=now) for one in held if one.token in tokens]
            lanes.update(work.session, name, [one for one in gone if one.sent > one.cursor])

    def outstanding(self, name: str, consumer: str) -> int:
        """How many changes are under way to a consumer, about."""
        with self._database.reading() as session:
            held = lanes.lanes(session, name)
        return sum(one.size for one in held if one.token and one.consumer == consumer)

    def _prepare(
        self,
        principal: Principal,
        grant: Grant,
        subscription: Subscription,
        consumer: Consumer,
    ) -> _Prepared | None:
        settled = self._settling.at(subscription, grant, subscription.cursor)
        projection = Projection(self._log, grant, subscription, settled)
        held = self._standing(subscription, projection)
        found = self._replay(subscription, projection, consumer, held)
        if found is None:
            found = self._next(subscription, projection, consumer, held)
        if found is None or not found.entries:
            return None
        changes = projection.project(found.entries)
        numbers = [self._lane_of(subscription, entry.key) for entry in found.entries]
        keys = [entry.key for entry in found.entries]
        record = self._access.delivered(
            principal, grant, subscription, changes, keys, consumer=consumer.name
        )
        leased = Leased(changes=changes, lanes=numbers, leases=[_lease(one) for one in found.lanes])
        return _Prepared(leased, record, self._audit.tags(keys))

    def _standing(self, subscription: Subscription, projection: Projection) -> _Standing:
        """Lanes as they are now; what lapsed is told first."""
        now = self._clock.now()
        with self._database.reading() as session:
            held = lanes.lanes(session, subscription.name)
            waiting = lanes.replaying(session, subscription.name) if held else {}
        if not held or waiting or any(rules.has_lapsed(lane, now) for lane in held):
            with self._database.unit_of_work() as work:
                locked = self._keeping.locked(work, subscription)
                changed = {
                    lane.number: self._lapsed(work, subscription, lane)
                    for lane in locked.values()
                    if rules.has_lapsed(lane, now)
                }
                self._keeping.written(work, subscription, locked, changed)
                locked |= changed
                waiting = self._replayable(work, subscription, projection, locked)
            held = list(locked.values())
        now_held = {
            lane.number: replace(lane, cursor=cursor_of(subscription, lane)) for lane in held
        }
        return _Standing(now_held, waiting, now)

    def _replay(
        self,
        subscription: Subscription,
        projection: Projection,
        consumer: Consumer,
        standing: _Standing,
    ) -> _Found | None:
        """A dead letter that is to be replayed, alone; None where there is none to be taken now."""
        for number, offset in standing.waiting.items():
            if not rules.is_free(standing.lanes[number], standing.at):
                continue
            entry = projection.newest_of(offset)
            if entry is None:  # never of this resource, whatever made it
                continue
            with self._database.unit_of_work() as work:
                locked = self._keeping.locked(work, subscription)
                lane, at = locked[number], self._clock.now()
                # Asked anew under the lock: the lane may have gone on meanwhile.
                waiting = self._replayable(work, subscription, projection, locked)
                if waiting.get(number) != offset or not rules.is_free(lane, at):
                    continue
                taken = rules.leased(
                    lane, consumer.name, at, consumer.lease_seconds, replays=offset
                )
                taken = rules.delivered(taken, offset, offset, 1)
                self._keeping.written(work, subscription, locked, {number: taken})
            return _Found([taken], [entry])
        return None

    def _next(
        self,
        subscription: Subscription,
        projection: Projection,
        consumer: Consumer,
        standing: _Standing,
    ) -> _Found | None:
        """The next changes of free lanes, with their leases."""
        end = self._log.end()  # before reading: what comes meanwhile is not passed by
        free = {
            lane.number: lane
            for lane in standing.lanes.values()
            if rules.is_free(lane, standing.at) and lane.cursor < end
        }
        if not free:
            return None
        most = consumer.max_lanes or rules.fair_share(standing.lanes.values(), consumer.name)
        scan = self._scan(subscription, projection, free, consumer, most, end)
        behind = max((scan.upto - free[number].cursor for number in scan.idle), default=0)
        if not scan.entries and behind < WORTH_WRITING:
            return None
        offsets: dict[int, list[int]] = {}
        for entry in scan.entries:
            number = self._lane_of(subscription, entry.key)
            offsets.setdefault(number, []).append(entry.offset)
        with self._database.unit_of_work() as work:
            locked = self._keeping.locked(work, subscription)
            at = self._clock.now()
            changed: dict[int, Lane] = {}
            taken: list[Lane] = []
            for number, was in free.items():
                lane = locked[number]
                if not rules.is_free(lane, at) or lane.cursor != was.cursor:
                    continue  # somebody else has it
                if of_lane := offsets.get(number):
                    made = rules.leased(lane, consumer.name, at, consumer.lease_seconds)
                    made = rules.delivered(made, of_lane[0], of_lane[-1], len(of_lane))
                    taken.append(made)
                    changed[number] = made
                elif number in scan.idle:
                    changed[number] = rules.released(lane, scan.upto)
            self._keeping.written(work, subscription, locked, changed)
        kept = {lane.number for lane in taken}
        return _Found(
            taken,
            [one for one in scan.entries if self._lane_of(subscription, one.key) in kept],
        )

    def _scan(
        self,
        subscription: Subscription,
        projection: Projection,
        free: Mapping[int, Lane],
        consumer: Consumer,
        most: int,
        end: int,
    ) -> _Scan:
        """Entries of as many free lanes as have any, which have none, and how far that was read."""
        limit = changes_wanted(consumer.max_changes)
        left: dict[int, int] = {}
        busy: set[int] = set()
        found: list[LogEntry] = []
        size = 0
        upto = min(lane.cursor for lane in free.values())
        for entry in projection.entries(upto):
            number = self._lane_of(subscription, entry.key)
            lane = free.get(number)
            if lane is None or entry.offset <= lane.cursor:
                upto = entry.offset
                continue
            if number not in left and len(left) < most:
                left[number] = lane.width
            if left.get(number, 0) > 0:
                size += cost_of(entry)
                if found and size > DELIVERY_SIZE:  # the message is full without it
                    busy.add(number)
                    break
                found.append(entry)
                left[number] -= 1
            busy.add(number)
            upto = entry.offset
            if len(found) == limit or (len(left) == most and not any(left.values())):
                break
        else:
            upto = max(upto, end)
        return _Scan(found, set(free) - busy, upto)

    def _replayable(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        projection: Projection,
        held: dict[int, Lane],
    ) -> dict[int, int]:
        """The dead letter to replay next, by lane; those that were superseded meanwhile are so."""
        waiting = lanes.replaying(work.session, subscription.name)
        for number, offset in list(waiting.items()):
            letter = lanes.dead_letter(work.session, subscription.name, offset, lock=True)
            if letter and is_superseded(self._log, work, letter, projection.tells):
                state, at = DeadLetterState.SUPERSEDED, self._clock.now()
                lanes.put_dead_letter(work.session, replace(letter, state=state, update_time=at))
                del waiting[number]
        return waiting

    def _lapsed(self, work: UnitOfWork, subscription: Subscription, lane: Lane) -> Lane:
        room = self._keeping.room(work, subscription)
        failure = rules.lapsed(lane, subscription.max_deliveries, room=room)
        actor = f"{subscription.department}/consumers/{lane.consumer}"
        if lane.replays:
            self._keeping.settle(
                work,
                subscription,
                lane,
                DeadLetterState.OPEN,
                actor,
                reason=rules.LEASE_ENDED,
            )
        self._keeping.fail(work, subscription, failure, rules.LEASE_ENDED, actor)
        return failure.lane

    def _lane_of(self, subscription: Subscription, key: str) -> int:
        if subscription.lanes == 1:
            return 0
        return rules.lane_of(record_id(subscription.secret, key), subscription.lanes)


def _lease(lane: Lane) -> Lease:
    if lane.lease_until is None:
        raise ValueError("a lane that was sent has a lease")
    return Lease(
        lane=lane.number,
        token=lane.token,
        cursor=lane.sent,
        expire_time=lane.lease_until,
        deliveries=lane.deliveries + 1,
        replayed=bool(lane.replays),
    )
