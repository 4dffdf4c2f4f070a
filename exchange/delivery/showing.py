"""Which changes a subscriber sees under a grant that shows some records, or older ones otherwise.

1. A change is seen by the terms that hold at its offset (`Grant.view_at`). One outside them does
   not exist, but where what it replaced was shown, or may have been: then it is a withdrawal.
2. Who has seen nothing of a record is told nothing of it: not that it changed, not that it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import orjson

from exchange.delivery.model import LogEntry
from exchange.grants.model import Grant
from exchange.grants.rows import Holds, shows


def is_plain(grant: Grant) -> bool:
    """Whether every change is shown, and alike."""
    return not (grant.row_filter or grant.earlier)


class Seen:
    """The entries of the log that are seen; `ended` tells that the log had no more."""

    def __init__(self, entries: Iterable[LogEntry], grant: Grant, holds: Holds) -> None:
        self._entries = entries
        self._grant = grant
        self._holds = holds
        self.ended = False

    def __iter__(self) -> Iterator[LogEntry]:
        for entry in self._entries:
            if self._shown(entry.offset, entry.payload):
                yield entry
            elif entry.previous and self._was_shown(entry):
                yield entry if entry.payload is None else replace(entry, payload=None)
        self.ended = True

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
