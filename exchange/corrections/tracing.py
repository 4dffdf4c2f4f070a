"""Who got a wrong record: found in the log once a request is accepted, and told by notices.

1. One notice for each grant that a wrong version was told under, and for each subscription that
   delivered one. All of them are written in one transaction, once; a process that ends before has
   written none, and the next one begins again.
2. The search waits until the index of accesses has all that was told before the answer.
3. What was told is judged by the terms of then, which the leaf names by their contract: of the
   corrected items only those count that were asked for and shown, of records only those that the
   row filter lets through. So a notice tells nobody of an item or a record that it was not shown.
   Where a grant was narrowed or has ended since, what it was shown then is corrected all the same.
4. A verification counts for what the record held: it was answered by that. A delivery counts by
   its offsets, a question by the versions that were held when it was answered: who was told the
   first of a hundred wrong ones is told of it, and who asked while it was hidden is not.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.corrections import store
from exchange.corrections.model import (
    SHOWN_ACCESSES,
    Correction,
    Notice,
    Tracing,
    Version,
)
from exchange.corrections.receiving import DELIVERED, SLACK, Told, told_of
from exchange.corrections.versions import store as log
from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant, Mask
from exchange.grants.rows import shows
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.records import instant, make_record
from runtime.telemetry import Repeated

GREATEST_LEAVES = 200_000
#: So many wrong versions are in memory at once.
HELD_VERSIONS = 20
#: After the answer, for what was on its way to the log.
SETTLED = timedelta(seconds=2)
ONCE = 20
POLL_SECONDS = 1.0
_BY_FILTER = frozenset({"batch_query", "verify", DELIVERED})
_ACTOR = "rule/correction-notices"


@dataclass(slots=True)
class _Got:
    """What was told under one grant, or by one subscription."""

    items: set[str] = field(default_factory=set)
    accesses: list[int] = field(default_factory=list)
    count: int = 0
    key_known: bool = False
    first: datetime | None = None
    last: datetime | None = None

    def add(self, told: Told, items: set[str], *, key_known: bool) -> None:
        self.items |= items
        self.count += 1
        self.key_known = self.key_known or key_known
        self.first = told.time if self.first is None else min(self.first, told.time)
        self.last = told.time if self.last is None else max(self.last, told.time)
        if len(self.accesses) < SHOWN_ACCESSES:
            self.accesses.append(told.index)


class Tracer:
    """The search, now and then in a thread."""

    def __init__(
        self, *, database: Database, audit: AuditLog, schemas: Schemas, clock: Clock
    ) -> None:
        self._database = database
        self._audit = audit
        self._schemas = schemas
        self._records = RecordReader(database)
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look for what is to be traced, every second."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._go_on, name="corrections", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; a search that is under way begins again with the next start."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()
            self._stopping.clear()

    def run(self) -> int:
        """Trace what is ready; how many requests were."""
        with self._database.reading() as session:
            waiting = store.pending(session, ONCE)
        done, failure = 0, None
        for held in waiting:
            try:
                done += self._trace(held)
            except Exception as error:  # noqa: BLE001  # one that fails does not keep the others
                failure = error
        if failure is not None:
            raise failure
        return done

    def _go_on(self) -> None:
        told = Repeated("correction_tracing_failed", "correction_tracing_resumed")
        while not self._stopping.wait(POLL_SECONDS):
            try:
                self.run()
            except Exception as error:  # noqa: BLE001  # the next round tries again
                told.failed(error)
            else:
                told.succeeded()

    def _trace(self, held: Correction) -> bool:
        """Find who got a wrong version and write the notices; whether it was time for it."""
        assert held.end_time is not None  # noqa: S101  # accepted
        settled = held.end_time + SETTLED
        if self._clock.now() < settled or self._audit.accesses.is_behind(instant(settled)):
            return False
        found = self._found(held) if held.wrong else {}
        if self._stopping.is_set():
            return False
        now = self._clock.now()
        made = [_notice(held, via, got, now) for via, got in found.items()]
        with self._database.unit_of_work() as work:
            current = store.correction(work.session, held.name, lock=True)
            if current is None or current.tracing is not Tracing.PENDING:
                return False
            store.add_notices(work.session, made)
            store.update(work.session, replace(current, tracing=Tracing.DONE))
            work.record(
                make_record(
                    "correction_notices_made",
                    at=now,
                    actor=_ACTOR,
                    facts={
                        "correction": held.name,
                        "resource": held.resource,
                        "items": list(held.accepted_items),
                        "first_wrong_offset": held.wrong[0] if held.wrong else 0,
                        "last_wrong_offset": held.wrong[-1] if held.wrong else 0,
                        "corrected_offset": held.corrected,
                        "recipients": sorted({notice.recipient for notice in made}),
                        "count": len(made),
                    },
                )
            )
        return True

    def _found(self, held: Correction) -> Mapping[tuple[str, str], _Got]:
        """What was told of the wrong versions, by grant and subscription."""
        corrected = self._version(held.corrected)
        times = [
            (offset, one.publish_time)  # without what it holds: there may be a thousand
            for offset in held.wrong
            if (one := self._version(offset)) is not None
        ]
        if not times or corrected is None:
            return {}
        judging = Judging(
            held=held,
            offsets=[offset for offset, _ in times],
            begins=[at for _, at in times],
            end=corrected.publish_time,
            version=lru_cache(HELD_VERSIONS)(self._version),
            key_item=self._schemas.schema(held.resource).key_item,
            terms=self._terms,
            holds=self._holds,
        )
        found: dict[tuple[str, str], _Got] = {}
        for told in told_of(self._audit, held.record_key, limit=GREATEST_LEAVES):
            if told.time < judging.begins[0] - SLACK * 2 or self._stopping.is_set():
                break
            items, key_known = judging.shown(told)
            if items:
                got = found.setdefault((told.grant, told.subscription), _Got())
                got.add(told, items, key_known=key_known)
        return found

    def _version(self, offset: int) -> Version | None:
        with self._database.reading() as session:
            found = log.change(session, offset)
        return None if found is None else found.version

    def _terms(self, grant: str) -> Mapping[str, Grant]:
        with self._database.reading() as session:
            return store.terms_of(session, grant)

    def _holds(self, resource: str, key: str) -> bool:
        place = (resource, key)
        return self._records.payloads([place]).get(place) is not None


@dataclass(slots=True, kw_only=True)
class Judging:
    """Which of the corrected items a leaf says that somebody was shown wrong."""

    held: Correction
    #: Of the wrong versions, oldest first, with the times when they were published.
    offsets: list[int]
    begins: list[datetime]
    #: When the first that is not wrong was published.
    end: datetime
    version: Callable[[int], Version | None]
    key_item: str
    terms: Callable[[str], Mapping[str, Grant]]
    holds: Callable[[str, str], bool]
    _known: dict[str, Mapping[str, Grant]] = field(default_factory=dict)

    def shown(self, told: Told) -> tuple[set[str], bool]:
        """The items, and whether the key was told too."""
        nothing: tuple[set[str], bool] = (set(), False)
        wanted = set(self.held.accepted_items) & set(told.items)
        if told.resource != self.held.resource or told.by_endpoint or told.found is False:
            return nothing
        offsets = self._told(told)
        if not wanted or not offsets:
            return nothing
        if told.grant not in self._known:
            self._known[told.grant] = self.terms(told.grant)
        known = self._known[told.grant]
        grant = known.get(told.contract) or known.get("")
        if grant is None:
            return nothing
        shown: set[str] = set()
        key_known = told.by_key
        for offset in reversed(offsets):
            view = grant.view_at(offset)
            version = self.version(offset)
            values = None if version is None else version.values
            if values is None or not view.masks:
                continue
            # The leaf does not say that this record, in this version, was told: the filter does.
            if told.kind in _BY_FILTER and not shows(view.row_filter, values, self.holds):
                continue
            items = wanted & view.masks.keys()
            # Verifying what a record does not hold is answered like verifying against none.
            shown |= items & values.keys() if told.kind == "verify" else items
            key_known = key_known or (
                self.key_item in told.items and view.masks.get(self.key_item) is Mask.WHOLE
            )
            if key_known and shown == wanted:
                break
        return shown, key_known

    def _told(self, told: Told) -> list[int]:
        """The wrong versions that a leaf may have told of."""
        if told.kind == DELIVERED:
            first = bisect_left(self.offsets, told.first_offset)
            return self.offsets[first : bisect_right(self.offsets, told.last_offset)]
        if told.read_offset:
            until = bisect_right(self.offsets, told.read_offset)
            return self.offsets[until - 1 : until] if told.read_offset < self.held.corrected else []
        slack = SLACK if told.read_time is None else timedelta()
        at = told.read_time or told.time
        if at > self.end + slack or (told.read_time is not None and at == self.end):
            return []
        first = max(bisect_right(self.begins, at - slack) - 1, 0)
        return self.offsets[first : bisect_right(self.begins, at + slack)]


def _notice(held: Correction, via: tuple[str, str], got: _Got, now: datetime) -> Notice:
    grant, subscription = via
    assert got.first is not None  # noqa: S101  # there is one at least
    assert got.last is not None  # noqa: S101
    return Notice(
        name=f"{names.department_of(grant)}/correctionNotices/{names.random_id()}",
        correction=held.name,
        items=tuple(code for code in held.accepted_items if code in got.items),
        grant_name=grant,
        subscription=subscription,
        key_known=got.key_known,
        accesses=tuple(got.accesses),
        access_count=got.count,
        first_access_time=got.first,
        last_access_time=got.last,
        create_time=now,
    )
