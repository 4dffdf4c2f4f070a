"""Days of China, which quotas are counted by."""

from __future__ import annotations

from datetime import datetime, timedelta

from runtime.clock import CHINA


class Days:
    """Days of China, made once a day."""

    def __init__(self) -> None:
        self._begin = self._end = datetime.fromtimestamp(0, CHINA)
        self._day = ""

    def at(self, now: datetime) -> tuple[str, float]:
        """The day, `YYYY-MM-DD`, and the seconds left of it."""
        if not self._begin <= now < self._end:
            local = now.astimezone(CHINA)
            self._begin = local.replace(hour=0, minute=0, second=0, microsecond=0)
            self._end = self._begin + timedelta(days=1)
            self._day = local.date().isoformat()
        return self._day, (self._end - now).total_seconds()
