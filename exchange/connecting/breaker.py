"""The circuit breaker (熔断): whether an endpoint is called, as a state machine without I/O.

    CLOSED --`failures` in a row--> OPEN --cool-down over--> HALF_OPEN --success--> CLOSED
                                      ^------------failure-------|

1. CLOSED calls. OPEN does not, for the cool-down, which doubles with each failed try up to 300 s.
   HALF_OPEN lets one question try; if nothing is heard of it for a cool-down, the next one tries.
2. A call is judged by the state in which it began (its `turn`): what comes late changes nothing.
3. A call that ended for a reason of the caller's own (gone, or a deadline shorter than the
   endpoint's) says nothing about the source, and that one consumer's questions alone are
   answered badly, or too late, may be of those questions: a consumer cannot close a source to the
   others.
4. A clock that jumps back keeps nothing closed longer than the longest cool-down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

LONGEST = timedelta(seconds=300)


class BreakerState(StrEnum):
    """Whether an endpoint is called."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a breaker opens, and for how long."""

    failures: int
    cool_down: timedelta

    def pause(self, trips: int) -> timedelta:
        """How long it stays open after having opened so often in a row."""
        doubled: timedelta = self.cool_down * (1 << min(trips - 1, 20))
        return min(doubled, LONGEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A breaker at one moment; every change makes another one."""

    rule: Rule
    state: BreakerState = BreakerState.CLOSED
    turn: int = 0
    failures: int = 0
    #: Whose questions failed in a row; "" where no question can be the cause.
    askers: frozenset[str] = frozenset()
    trips: int = 0
    since: datetime | None = None
    until: datetime | None = None

    def admit(self, now: datetime) -> tuple[Breaker, bool]:
        """Whether a call may be made; its turn is that of the breaker returned."""
        if self.state is BreakerState.CLOSED:
            return self, True
        if not self._over(now):
            return self, False
        trying = replace(
            self,
            state=BreakerState.HALF_OPEN,
            turn=self.turn + 1,
            since=now,
            until=now + self.rule.pause(self.trips),
        )
        return trying, True

    def succeeded(self, turn: int) -> Breaker:
        """A call of a turn was answered."""
        if turn != self.turn or self.state is BreakerState.OPEN:
            return self
        if self.state is BreakerState.CLOSED:
            return self if not self.failures else replace(self, failures=0, askers=frozenset())
        return Breaker(rule=self.rule, turn=self.turn + 1)

    def failed(self, turn: int, now: datetime, asker: str = "") -> Breaker:
        """A call of a turn failed by the source's fault; `asker`: on a question of one consumer."""
        if turn != self.turn or self.state is BreakerState.OPEN:
            return self
        if self.state is BreakerState.HALF_OPEN and asker and self.askers == {asker}:
            return self.abandoned(turn, now)
        failures, askers = self.failures + 1, self.askers | {asker}
        is_certain = "" in askers or len(askers) > 1
        if self.state is BreakerState.CLOSED and not (
            failures >= self.rule.failures and is_certain
        ):
            return replace(self, failures=failures, askers=askers)
        trips = self.trips + 1
        return replace(
            self,
            state=BreakerState.OPEN,
            turn=self.turn + 1,
            failures=failures,
            askers=frozenset({asker}),
            trips=trips,
            since=now,
            until=now + self.rule.pause(trips),
        )

    def abandoned(self, turn: int, now: datetime) -> Breaker:
        """A call of a turn ended without telling anything: the next one tries instead."""
        if turn != self.turn or self.state is not BreakerState.HALF_OPEN:
            return self
        return replace(self, state=BreakerState.OPEN, turn=self.turn + 1, since=now, until=now)

    def retry_after(self, now: datetime) -> float:
        """Seconds until a call may be made; at least a tenth."""
        if self.until is None:
            return 0.1
        left = (self.until - now).total_seconds()
        return min(max(left, 0.1), LONGEST.total_seconds())

    def _over(self, now: datetime) -> bool:
        if self.until is None or self.since is None:
            return True
        return now >= self.until or now < self.since
