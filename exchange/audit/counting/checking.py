"""Checking (fsck) that the counts of grants' quotas hold what the log says was taken.

1. A record says `counted`, how many it took of its day's quota, and is written with the count: so
   no day's count may be less than its records say. More it may be: records of before do not say
   it.
2. The day is that of China in which the record was made, or what the record says in `counted_day`:
   a file is begun before its record is made.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import orjson

from exchange.audit.counting.store import used_of
from runtime.clock import china_date
from runtime.database import Database

_SAYS = b'"counted":'


class Counted:
    """What the records say, one after another."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, str]] = Counter()

    def add(self, leaf: bytes) -> None:
        """Take a record in."""
        if _SAYS not in leaf:  # most say nothing
            return
        said = orjson.loads(leaf)
        if isinstance(said.get("counted"), int):
            day = said.get("counted_day") or china_date(datetime.fromisoformat(said["time"]))
            self._taken[said["grant"], day] += said["counted"]

    def lacking(self, database: Database) -> tuple[str, str] | None:
        """The first grant and day of which the database has counted less; None if there is none."""
        left = dict(self._taken)
        for grant, day, used in used_of(database):
            if left.get((grant, day), used + 1) <= used:
                del left[grant, day]
        return min(left, key=lambda one: (one[1], one[0])) if left else None
