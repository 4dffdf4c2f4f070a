"""Time, always aware and always UTC, from one place that a test can set.

`Clock` is what use cases take; `SYSTEM` is the real one; `FixedClock` stands still until told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

# China has one zone and no daylight saving; "a day" of a quota or a validity is a day there.
CHINA = timezone(timedelta(hours=8), "CST")


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, aware, UTC, with microseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock for tests: it stands at `at` until `advance` or `set` moves it."""

    __slots__ = ("_at",)

    def __init__(self, at: datetime) -> None:
        self.set(at)

    def now(self) -> datetime:
        """Where the clock stands."""
        return self._at

    def set(self, at: datetime) -> None:
        """Move to an instant, which must be aware."""
        if at.tzinfo is None:
            raise ValueError("a clock takes aware times only")
        self._at = at.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move forward (or back, for a clock that jumps)."""
        self._at += by


SYSTEM = SystemClock()


def china_date(at: datetime) -> str:
    """The calendar day in China of an instant, `YYYY-MM-DD`."""
    return at.astimezone(CHINA).date().isoformat()
