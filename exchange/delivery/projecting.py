"""What a subscriber sees of the log under a grant: the one way to read it, on every path.

1. A change is seen by the terms that hold at its offset (`Grant.view_at`). One outside them does
   not exist, but where what it replaced was shown, or may have been: then it is a withdrawal.
2. Who has seen nothing of a record is told nothing of it: not that it changed, not that it ended.
3. Who was told the version before is not told of a change that alters nothing of what it is shown:
   that an item it is not given was changed, and when, is not its business (`settling`).
4. Up to `Grant.history_from`, and up to a subscription's `snapshot_end`, the log is read compacted:
   no superseded value is shown (rule 4 of `model`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

from exchange.delivery.log.store import LogReader
from exchange.delivery.model import Change, LogEntry, Subscription, project
from exchange.delivery.settling import UNKNOWN, Settled
from exchange.grants.model import Grant
from exchange.grants.rows import Holds, shows

ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class Reading:
    """Changes as they are seen, whose they are, and how far the log was read for them."""

    changes: list[Change]
    keys: list[str]
    upto: int


class Projection:
    """The log as one subscription sees it under its grant as that is now.

    Made anew for each reading: a grant changes. `ended` tells that the log had no more.
    """

    def __init__(
        self,
        log: LogReader,
        grant: Grant,
        subscription: Subscription,
        settled: Settled = UNKNOWN,
    ) -> None:
        self._log = log
        self._settled = settled
        self._grant = grant
        self._subscription = subscription
        self._bound = max(grant.history_from, subscription.snapshot_end)
        #: Every record is shown, and alike.
        self._plain = not (grant.row_filter or grant.earlier)
        self._holds: Holds = log.holds
        self.ended = False

    def read(self, after: int, limit: int) -> Reading:
        """The next changes after an offset, at most `limit`."""
        end = self._log.end()  # what comes meanwhile is not passed by
        keys: list[str] = []
        changes = self.project(islice(self.entries(after, limit), limit), keys)
        if changes:
            return Reading(changes, keys, changes[-1].offset)
        # What is not shown is passed by only together with the end of the whole log, so that the
        # cursor tells nothing of it.
        passed = end if self.ended else after
        return Reading([], [], max(after, passed, self._bound))

    def entries(self, after: int, limit: int = ENDLESS) -> Iterator[LogEntry]:
        """Entries that are seen after an offset; `limit` of them are wanted."""
        older: Iterable[LogEntry] = ()
        bound, resource = max(after, self._bound), self._grant.resource
        if after < self._bound:
            origin = self._subscription.origin
            older = self._log.newest_after(resource, after, self._bound, ended_after=origin)
        for entry in older:
            seen = entry if self._plain else self._newest_seen(entry)
            if seen is not None:
                yield seen
        for entry in self._log.after_with_previous(resource, bound, limit):
            seen = self._seen(entry)
            if seen is not None:
                yield seen
        self.ended = True

    def project(self, entries: Iterable[LogEntry], keys: list[str] | None = None) -> list[Change]:
        """Entries as the subscriber sees them; ends early where they would pass a message.

        `keys` takes whose they are.
        """
        grant, secret = self._grant, self._subscription.secret
        if self._plain:
            return project(entries, grant.project, secret, keys=keys)
        return project(
            entries,
            grant.project,
            secret,
            shown_at=lambda offset: grant.view_at(offset).project,
            keys=keys,
        )

    def at(self, offset: int) -> LogEntry | None:
        """One change of the log, where it is shown now."""
        found = self._log.at(offset)
        if found is None or found[0] != self._grant.resource:
            return None
        entry = found[1]
        if offset <= self._bound:  # compacted: shown only where it is still the newest
            newest = self._log.last_of(self._grant.resource, entry.key)
            if newest is None or newest.offset != offset:
                return None
        if self._plain or entry.payload is None or self._shown(offset, entry.payload):
            return entry
        return None

    def state(self, entry: LogEntry) -> LogEntry:
        """The newest change of a record, as who has its record id may see it now.

        One that is not shown is a withdrawal.
        """
        if self._plain or self._shown(entry.offset, entry.payload):
            return entry
        return entry._replace(payload=None)

    def _newest_seen(self, entry: LogEntry) -> LogEntry | None:
        """The same of a compacted reading: what lies between is not known, so it may be."""
        if self._shown(entry.offset, entry.payload):
            return entry
        told = entry.previous and entry.offset > self._subscription.origin
        return entry._replace(payload=None) if told else None

    def tells(self, offset: int) -> bool:
        """Whether a change is one that the subscriber is told, or was.

        In doubt it is not: of those up to the bound only a record's newest is known to be.
        """
        found = self._log.at(offset)
        if found is None:
            return False
        entry = found[1]
        if offset <= self._bound:
            newest = self._log.last_of(self._grant.resource, entry.key)
            is_newest = newest is not None and newest.offset == offset
            return is_newest and (self._plain or self._newest_seen(entry) is not None)
        before = self._log.at(entry.previous) if entry.previous else None
        text = None if before is None else before[1].payload
        return self._seen(entry._replace(previous_payload=text)) is not None

    def may_have_told(self, offset: int) -> bool:
        """Whether a change may be among what was delivered: what was not is no business of theirs.

        In doubt it is: one of those up to the bound may have been superseded since.
        """
        found = self._log.at(offset)
        if found is None or found[0] != self._grant.resource:
            return False
        entry = found[1]
        if offset > self._bound:
            return self.tells(offset)
        if self._log.replaced_by(offset) in range(1, self._bound + 1):
            return False  # it was not the newest when these were read
        if self._plain:
            return entry.payload is not None or offset > self._subscription.origin
        return self._newest_seen(entry) is not None

    def newest_of(self, offset: int) -> LogEntry | None:
        """What the record of a change is now, as who was told that change may see it.

        None where the change is not of the resource.
        """
        found = self._log.at(offset)
        if found is None or found[0] != self._grant.resource:
            return None
        return self.state(self._log.last_of(found[0], found[1].key) or found[1])

    def _seen(self, entry: LogEntry) -> LogEntry | None:
        if self._plain or self._shown(entry.offset, entry.payload):
            return None if self._says_nothing(entry) else entry
        if entry.previous and self._was_shown(entry):
            return entry if entry.payload is None else entry._replace(payload=None)
        return None

    def _says_nothing(self, entry: LogEntry) -> bool:
        """Whether what is shown of a record is just what the subscriber was told of it."""
        offset, _, payload, _, previous, before = entry
        if payload is None or before is None or not self._settled.leaves_out(offset, previous):
            return False
        if self._plain:
            show = self._grant.project
            return show(orjson.loads(before)) == show(orjson.loads(payload))
        if not self._shown(previous, before):
            return False
        then, now = self._grant.view_at(previous), self._grant.view_at(offset)
        return then.project(orjson.loads(before)) == now.project(orjson.loads(payload))

    def _shown(self, offset: int, payload: str | None) -> bool:
        if payload is None:
            return False
        view = self._grant.view_at(offset)
        return bool(view.masks) and shows(view.row_filter, orjson.loads(payload), self._holds)

    def _was_shown(self, entry: LogEntry) -> bool:
        if entry.previous_payload is None:
            return False
        if self._shown(entry.previous, entry.previous_payload):
            return True
        formerly = self._grant.view_at(entry.previous).formerly
        return formerly is not None and shows(
            formerly, orjson.loads(entry.previous_payload), self._holds
        )
