"""Lanes within a transaction: locked, written, and what failed told."""

from __future__ import annotations

from dataclasses import replace

from exchange.delivery.dead_letters import make_dead_letter
from exchange.delivery.lanes import model as rules
from exchange.delivery.lanes import store as lanes
from exchange.delivery.lanes.model import DeadLetterState, Lane
from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Subscription
from exchange.delivery.subscriptions import store as subscriptions
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.records import make_record


class LaneKeeping:
    """What leasing, acknowledging and rejecting do to lanes alike."""

    def __init__(self, log: LogReader, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def locked(self, work: UnitOfWork, subscription: Subscription) -> dict[int, Lane]:
        """All lanes of a subscription by number, locked; made where it never had a consumer."""
        held = lanes.lanes(work.session, subscription.name, lock=True)
        if not held:
            lanes.add(work.session, subscription.name, subscription.cursor, subscription.lanes)
            held = lanes.lanes(work.session, subscription.name, lock=True)
        return {lane.number: replace(lane, cursor=cursor_of(subscription, lane)) for lane in held}

    def fail(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        failure: rules.Failure,
        reason: str,
        actor: str,
    ) -> None:
        """Hold the dead letter that a failure made, if it made one."""
        if not failure.dead:
            return
        now = self._clock.now()
        letter = make_dead_letter(
            self._log,
            subscription,
            offset=failure.dead,
            lane=failure.lane.number,
            reason=reason,
            deliveries=failure.deliveries,
            at=now,
            actor=actor,
        )
        lanes.put_dead_letter(work.session, letter)
        work.record(
            make_record(
                "dead_letter_made",
                at=now,
                actor=actor,
                facts={
                    "subscription": subscription.name,
                    "offset": letter.offset,
                    "reason": reason,
                    "deliveries": failure.deliveries,
                },
            )
        )

    def settle(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        lane: Lane,
        state: DeadLetterState,
        actor: str,
        *,
        reason: str = "",
    ) -> None:
        """What a replay made of a dead letter; one that was closed meanwhile stays so."""
        letter = lanes.dead_letter(work.session, subscription.name, lane.replays, lock=True)
        if letter is None or letter.state is not DeadLetterState.REPLAYING:
            return
        lanes.put_dead_letter(
            work.session,
            replace(
                letter,
                state=state,
                reason=reason or letter.reason,
                deliveries=letter.deliveries + 1,
                update_time=self._clock.now(),
                actor=actor,
            ),
        )

    def written(
        self,
        work: UnitOfWork,
        subscription: Subscription,
        held: dict[int, Lane],
        changed: dict[int, Lane],
    ) -> Subscription:
        """Write lanes, and the cursor of all of them with the slowest."""
        lanes.update(work.session, subscription.name, changed.values())
        slowest = min(lane.cursor for lane in (held | changed).values())
        if slowest > subscription.cursor:
            subscriptions.advance(work.session, subscription.name, slowest)
        return replace(subscription, cursor=max(slowest, subscription.cursor))

    def room(self, work: UnitOfWork, subscription: Subscription) -> bool:
        """Whether there may be one more dead letter."""
        count = lanes.open_count(work.session, subscription.name)
        return count < rules.GREATEST_DEAD_LETTERS


def cursor_of(subscription: Subscription, lane: Lane) -> int:
    """A lane's cursor: where there is one lane, the subscription's may have been moved too."""
    return max(lane.cursor, subscription.cursor) if subscription.lanes == 1 else lane.cursor
