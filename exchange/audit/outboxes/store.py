"""The audit outbox of a service's database: what the log takes from it, and lets it forget."""

from __future__ import annotations

from collections.abc import Sequence

from exchange.audit.store import OutboxRow
from runtime.database import Database
from runtime.records import SealedRecord


class Outbox:
    """The audit outbox of a service's database, as the log takes from it."""

    def __init__(self, database: Database) -> None:
        self.name = database.schema
        self._held = database.held
        self._read = self._held.sql("SELECT id, leaf, salt FROM audit_outbox ORDER BY id LIMIT ?")
        # The salt is compared too: SQLite gives the id of a deleted last row out again.
        self._delete = self._held.sql("DELETE FROM audit_outbox WHERE id = ? AND salt = ?")

    def read(self, limit: int) -> list[OutboxRow]:
        """The oldest records, with their ids."""
        return [
            (int(row[0]), SealedRecord(leaf=bytes(row[1]), salt=bytes(row[2])))
            for row in self._held.rows(self._read, (limit,))
        ]

    def let_go(self, marks: Sequence[tuple[int, bytes]]) -> None:
        """Delete records by id and salt."""
        with self._held.transaction() as connection:
            connection.cursor().executemany(self._delete, marks)
