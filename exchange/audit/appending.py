"""Appending: no answer leaves before its audit record is durable.

One transaction and one signature serve all the records that wait at the same moment (group commit).
"""

from __future__ import annotations

from collections.abc import Sequence

from exchange.audit.model import Receipt, Usage
from runtime.clock import SYSTEM, Clock
from runtime.database import Database
from runtime.objects import ObjectStore
from runtime.records import SealedRecord
from runtime.signing import LogKey

__all__ = ["AuditLog", "Receipt", "Usage"]


class AuditLog:
    """The log as its users see it: records go in, receipts come out."""

    def __init__(
        self,
        database: Database,
        *,
        key: LogKey,
        objects: ObjectStore,
        outboxes: Sequence[Database] = (),
        shard: str = "node",
        clock: Clock = SYSTEM,
    ) -> None:
        raise NotImplementedError

    async def append(self, record: SealedRecord, usage: Usage | None = None) -> Receipt:
        """Make a record durable, with the usage it causes, and return its receipt.

        Raises Unavailable where the storage fails; then neither record nor usage is there.
        """
        raise NotImplementedError

    def append_blocking(self, records: Sequence[SealedRecord]) -> list[Receipt]:
        """Make records durable from a worker thread; they join the loop's next group commit."""
        raise NotImplementedError

    def used(self, grant: str, day: str) -> int:
        """Records taken from a grant on a day of China, those on their way included."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin sequencing, about every second, in a thread."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Commit what waits, sequence it, and end the thread."""
        raise NotImplementedError
