"""Reading records: the door through which other features come to what is published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from exchange.delivery import store
from exchange.delivery.briefs.store import BriefReader, Tested
from exchange.delivery.history.store import HistoryReader
from exchange.delivery.log.store import LogReader
from runtime.database import Database, UnitOfWork


def end_of_log(work: UnitOfWork) -> int:
    """Offset of the last change that was published, as the transaction sees it."""
    return store.end_of_log(work.session)


class RecordReader:
    """Records as they were last published, by fixed SQL on a connection of the calling thread."""

    def __init__(self, database: Database) -> None:
        self._log = LogReader(database)
        self._briefs = BriefReader(database)
        self._history = HistoryReader(database)

    def held_after(self, resource: str, offset: int, limit: int) -> list[tuple[int, str]]:
        """Records of a resource as (offset of the newest change, JSON text), in that order."""
        return self._log.held_after(resource, offset, limit)

    def held_at(
        self, resource: str, offset: int, after: int, limit: int
    ) -> tuple[list[tuple[int, str]], int | None]:
        """Records as they were once the log ended at an offset: `HistoryReader.held_at`."""
        return self._history.held_at(resource, offset, after, limit)

    def as_of(self, resource: str, key: str, at: datetime) -> int:
        """Offset of the change that a record was at a time; 0 where there was no record yet."""
        return self._history.as_of(resource, key, at)

    def tested(self, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Tested]:
        """As much of records as row filters look at, by (resource, key); none of absent ones."""
        return {
            (resource, key): found
            for resource, wanted in _by_resource(asked).items()
            for key, found in self._briefs.tested(resource, list(wanted)).items()
        }

    def tested_at(self, offsets: Iterable[int]) -> dict[int, Tested]:
        """The same of what was published at offsets of the log."""
        return self._briefs.tested_at(offsets)

    def whole(self, offsets: Iterable[int]) -> dict[int, str | None]:
        """The canonical JSON texts of what was published at offsets; None of a withdrawal."""
        return self._briefs.whole(offsets)

    def publish_time(self, offset: int) -> datetime | None:
        """When a change was published; None where there is none at the offset."""
        return self._log.publish_time(offset) if offset else None

    def texts(self, resource: str, keys: Sequence[str]) -> dict[str, str | None]:
        """The canonical JSON texts of records of a resource, by key, in one statement.

        One that is not held is None or left out.
        """
        return self._log.payloads(resource, list(keys))

    def payloads(self, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
        """The canonical JSON texts of records, by (resource, key).

        One that is not held is None or left out. One statement a resource, however many its keys.
        """
        return {
            (resource, key): text
            for resource, wanted in _by_resource(asked).items()
            for key, text in self._log.payloads(resource, list(wanted)).items()
        }


def _by_resource(asked: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    keys: dict[str, set[str]] = {}
    for resource, key in asked:
        keys.setdefault(resource, set()).add(key)
    return keys
