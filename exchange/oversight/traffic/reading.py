"""Single uses of a grant in some days, and which of their records a row filter would show.

Bounded: the newest `GREATEST_LEAVES` leaves of the log in those days, and `GREATEST_RECORDS` of the
resource's records. Keys are never told: records are matched by the tags of the index of accesses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial

import orjson

from exchange.audit.store import AuditStore
from exchange.delivery.reading import RecordReader
from exchange.grants.rows import RowCondition, looked_up, shows
from exchange.oversight.model import Recorded, day_of, recorded
from exchange.oversight.traffic.store import LogReader
from runtime.clock import CHINA
from runtime.database import Database

GREATEST_LEAVES = 200_000
GREATEST_RECORDS = 200_000
RECORDS_AT_ONCE = 2_000
OVERLAP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was looked at: uses, each with its batch in the log, since when, and whether all."""

    uses: list[Recorded]
    batches: dict[int, tuple[str, int]]
    from_time: datetime
    complete: bool


class Traffic:
    """Reads single uses."""

    def __init__(
        self,
        *,
        database: Database,
        log: AuditStore,
        tags: Callable[[Iterable[str]], bytes],
    ) -> None:
        self._log = LogReader(log.database)
        self._records = RecordReader(database)
        self._tags = tags

    def look(self, grant: str, first: str, last: str) -> Look:
        """The uses of a grant between two days of China, both included; the newest if too many."""
        begin_time = datetime.combine(date.fromisoformat(first), time(), CHINA)
        after = datetime.combine(date.fromisoformat(last), time(), CHINA) + timedelta(days=1)
        # A leaf is written before its batch is promised: it may lie a little after the days' end.
        end = min(self._log.first_at(after) + OVERLAP, self._log.size())
        earliest = self._log.first_at(begin_time)
        begin = max(earliest, end - GREATEST_LEAVES)
        complete = begin == earliest
        found: list[Recorded] = []
        batches: dict[int, tuple[str, int]] = {}
        from_time: datetime | None = None
        name = grant.encode()
        for place, leaf, batch in self._log.leaves(begin, end):
            if from_time is None:
                from_time = datetime.fromisoformat(orjson.loads(leaf)["time"])
            if name not in leaf:  # most are of others: not worth parsing
                continue
            use = recorded(place, leaf)
            if use is None or use.grant != grant:
                continue
            if first <= day_of(use.time).isoformat() <= last:
                found.append(use)
                batches[place] = batch
        return Look(
            uses=found,
            batches=batches,
            from_time=begin_time if complete or from_time is None else from_time,
            complete=complete,
        )

    def about(self, look: Look) -> dict[int, set[bytes]]:
        """Tags of the records that uses are about, by their places in the log."""
        return self._log.tags(list(look.batches.items()))

    def shown(
        self, resource: str, key_item: str, wanted: Collection[bytes],
        row_filter: Sequence[RowCondition],
    ) -> dict[bytes, bool]:  # fmt: skip
        """Whether a filter shows the records of these tags, as far as they are held."""
        found: dict[bytes, bool] = {}
        after = looked_at = 0
        while looked_at < GREATEST_RECORDS and len(found) < len(wanted):
            rows = self._records.held_after(resource, after, RECORDS_AT_ONCE)
            values = [orjson.loads(text) for _, text in rows]
            mine = [one for one in values if self._tags((one[key_item],)) in wanted]
            asked = {place for one in mine for place in looked_up(row_filter, one)}
            clients = self._records.payloads(asked) if asked else {}
            holds = partial(_holds, clients)
            for one in mine:
                found[self._tags((one[key_item],))] = shows(row_filter, one, holds)
            if len(rows) < RECORDS_AT_ONCE:
                break
            after, looked_at = rows[-1][0], looked_at + len(rows)
        return found


def _holds(clients: Mapping[tuple[str, str], str | None], resource: str, key: str) -> bool:
    return clients.get((resource, key)) is not None
