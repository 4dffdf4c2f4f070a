"""Reading one record: the door through which other features come to what is published."""

from __future__ import annotations

from exchange.delivery.store import LogReader
from runtime.database import Database


class RecordReader:
    """Records as they were last published."""

    __slots__ = ("payload",)

    def __init__(self, database: Database) -> None:
        #: `payload(resource, key)` is the canonical JSON text of a record, None where none is held.
        #: Fixed SQL on a connection of the calling thread; bound here to save a call.
        self.payload = LogReader(database).payload
