"""Leasing lanes (租约): several consumers share the work of one subscription.

1. Leasing is three steps: take lanes in a transaction, read the log without one, say in another
   what is sent. Whoever dies between them leaves leases that end, and nothing is lost.
2. A lease and its delivery are in the database, so consumers may be at different nodes.
3. A lease that ended is noticed by the next leasing, which tells what it failed at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.delivery.access import Access
from exchange.delivery.dead_letters import is_superseded, newest_of
from exchange.delivery.lanes import model as rules
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import DeadLetterState, Lane
from exchange.delivery.lanes.service import LaneKeeping, cursor_of
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import (
    Change,
    LogEntry,
    Subscription,
    changes_wanted,
    record_id,
)
from exchange.delivery.projecting import Projection
from exchange.grants.model import Grant
from exchange.grants.rates import Rates
from exchange.refusals import REFUSED
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Principal
from runtime.records import SealedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who takes a part of the work, and how much of it."""

    name: str
    max_changes: int
    max_lanes: int = 0
    lease_seconds: int = rules.DEFAULT_LEASE


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

    def lease(
        self, principal: Principal, *, name: str, consumer: Consumer, asked: bool = True
    ) -> Leased:
        """Changes of free lanes, with their leases; from a worker thread.

        Raises what `Subscribing.pull` raises and InvalidArgument (BAD_CONSUMER).
        """
        _check(consumer)
        subscription = self._access.subscription(principal, name)
        try:
            grant = self._access.granted(subscription.grant, principal)
            if asked:
                self._rates.take(grant)
            prepared = self._prepare(principal, grant, subscription, consumer)
        except REFUSED as error:
            refused = self._access.refused(error, principal, subscription.grant)
            self._audit.append_blocking([refused])
            raise
        if prepared is None:
            return NOTHING
        (receipt,) = self._audit.append_blocking([prepared.record], [prepared.about])
        return replace(prepared.leased, receipt=receipt)

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
        if not self._has_work(subscription):
            return None
        with self._database.unit_of_work() as work:
            taken = self._take(work, subscription, consumer)
        if not taken:
            return None
        end = self._log.end()  # before reading: what comes meanwhile is not passed by
        projection = Projection(self._log, grant, subscription)
        replays = [lane for lane in taken if lane.replays]
        if replays:
            # One dead letter alone; other lanes that were taken wait for the next leasing.
            entries = [projection.state(newest_of(self._log, replays[0].replays))]
            upto = 0
        else:
            entries, upto = self._entries(subscription, projection, taken, consumer, end)
        changes = projection.project(entries)
        if len(changes) < len(entries):  # the message is full: nothing after it was sent
            entries = entries[: len(changes)]
            upto = entries[-1].offset
        with self._database.unit_of_work() as work:
            sent = self._sent(work, subscription, taken, entries, upto)
        if not sent or not changes:
            return None
        numbers = [self._lane_of(subscription, entry.key) for entry in entries]
        leases = [_lease(lane) for lane in sent]
        kept = {lane.number for lane in sent}
        shown = [place for place, number in enumerate(numbers) if number in kept]
        changes = [changes[place] for place in shown]
        record = self._access.delivered(
            principal, grant, subscription, changes, consumer=consumer.name
        )
        leased = Leased(changes=changes, lanes=[numbers[p] for p in shown], leases=leases)
        return _Prepared(leased, record, self._audit.tags([entries[p].key for p in shown]))

    def _has_work(self, subscription: Subscription) -> bool:
        """Whether it is worth a transaction; costs nothing but reading."""
        now, end = self._clock.now(), self._log.end()
        with self._database.reading() as session:
            held = lanes.lanes(session, subscription.name)
            waiting = lanes.replaying(session, subscription.name) if held else {}
        return not held or any(
            rules.has_lapsed(lane, now)
            or (
                rules.is_free(lane, now)
                and (cursor_of(subscription, lane) < end or lane.number in waiting)
            )
            for lane in held
        )

    def _take(self, work: UnitOfWork, subscription: Subscription, consumer: Consumer) -> list[Lane]:
        """Lease free lanes that may have work, those that are furthest behind first."""
        now, end = self._clock.now(), self._log.end()
        held = self._keeping.locked(work, subscription)
        changed: dict[int, Lane] = {}
        for lane in held.values():
            if rules.has_lapsed(lane, now):
                changed[lane.number] = self._lapsed(work, subscription, lane)
        lanes.update(work.session, subscription.name, changed.values())
        held |= changed
        waiting = self._replayable(work, subscription, held)
        free = [
            lane
            for lane in held.values()
            if rules.is_free(lane, now) and (lane.cursor < end or lane.number in waiting)
        ]
        free.sort(key=lambda lane: (lane.number not in waiting, lane.cursor))
        most = consumer.max_lanes or _fair_share(held.values(), consumer.name)
        replays = next((waiting[lane.number] for lane in free if lane.number in waiting), 0)
        if replays:
            most = 1
        taken = [
            rules.leased(lane, consumer.name, now, consumer.lease_seconds, replays=replays)
            for lane in free[:most]
        ]
        self._keeping.written(work, subscription, held, {lane.number: lane for lane in taken})
        return taken

    def _replayable(
        self, work: UnitOfWork, subscription: Subscription, held: dict[int, Lane]
    ) -> dict[int, int]:
        """The dead letter to replay next, by lane; those that were superseded meanwhile are so."""
        waiting = lanes.replaying(work.session, subscription.name)
        for number, offset in list(waiting.items()):
            letter = lanes.dead_letter(work.session, subscription.name, offset, lock=True)
            cursor = held[number].cursor
            if letter and is_superseded(self._log, work, subscription, letter, cursor):
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

    def _entries(
        self,
        subscription: Subscription,
        projection: Projection,
        taken: Sequence[Lane],
        consumer: Consumer,
        end: int,
    ) -> tuple[list[LogEntry], int]:
        """Entries for these lanes, and how far the log was read."""
        left = {lane.number: lane.width for lane in taken}
        cursors = {lane.number: lane.cursor for lane in taken}
        most = changes_wanted(consumer.max_changes)
        found: list[LogEntry] = []
        upto = after = min(cursors.values())
        for entry in projection.entries(after):
            upto = entry.offset
            number = self._lane_of(subscription, entry.key)
            if left.get(number, 0) and entry.offset > cursors[number]:
                found.append(entry)
                left[number] -= 1
                if len(found) == most or not any(left.values()):
                    return found, upto
        return found, max(upto, end)

    def _sent(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        taken: Sequence[Lane],
        entries: Sequence[LogEntry],
        upto: int,
    ) -> list[Lane]:
        """Say what is sent of each lane that is still leased; give back the others."""
        held = self._keeping.locked(work, subscription)
        offsets: dict[int, list[int]] = {}
        for entry in entries:
            number = self._lane_of(subscription, entry.key)
            offsets.setdefault(number, []).append(entry.offset)
        changed: dict[int, Lane] = {}
        sent: list[Lane] = []
        for lane in taken:
            if held[lane.number].token != lane.token:
                continue
            if lane.replays:
                made = rules.delivered(lane, lane.replays, lane.replays, 1)
                sent.append(made)
            elif of_lane := offsets.get(lane.number):
                made = rules.delivered(lane, of_lane[0], of_lane[-1], len(of_lane))
                sent.append(made)
            else:
                # Nothing of it lies before the first change that another lane was cut at.
                made = rules.released(lane, upto)
            changed[lane.number] = made
        self._keeping.written(work, subscription, held, changed)
        return sent

    def _lane_of(self, subscription: Subscription, key: str) -> int:
        if subscription.lanes == 1:
            return 0
        return rules.lane_of(record_id(subscription.secret, key), subscription.lanes)


def _fair_share(every: Collection[Lane], consumer: str) -> int:
    """So many lanes that each consumer at work may have as many."""
    others = {lane.consumer for lane in every if lane.token} | {consumer}
    return -(-len(every) // len(others))


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


def _check(consumer: Consumer) -> None:
    wrong = []
    name = consumer.name
    if not 0 < len(name) <= rules.GREATEST_CONSUMER or not name.isprintable():
        wrong.append(
            FieldViolation("consumer", f"is 1 to {rules.GREATEST_CONSUMER} printable characters")
        )
    if not 0 <= consumer.max_lanes <= rules.GREATEST_LANES:
        wrong.append(FieldViolation("max_lanes", f"is 0 to {rules.GREATEST_LANES}"))
    if not 1 <= consumer.lease_seconds <= rules.GREATEST_LEASE:
        wrong.append(FieldViolation("lease_seconds", f"is 1 to {rules.GREATEST_LEASE}"))
    if wrong:
        raise InvalidArgument(
            "this consumer cannot lease: see the violations",
            reason="BAD_CONSUMER",
            message_zh="消费者参数有误：请查看字段说明",
            violations=wrong,
        )
