"""Connections of the database's driver, one a thread, for fixed SQL on hot paths.

1. Writers of one process take turns, so that SQLite's own waiting (asleep, and then once more) is
   left to other processes.
2. A transaction is durable when it ends; what need not be says so (`Held.undelayed`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from runtime.storage_errors import errors_of, storage_errors

if TYPE_CHECKING:
    from runtime.database import Database

BUSY_TIMEOUT_MS = 10_000
GREATEST_AHEAD = 16_384  # pages of 4 KiB


class Held:
    """A driver's own connection, kept per thread, for fixed SQL on a hot path.

    Placeholders are `?` and are rewritten once for PostgreSQL. Statements outside `transaction`
    commit by themselves.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: list[Any] = []
        self._turn = threading.RLock()
        self.add_record = self.sql("INSERT INTO audit_outbox (leaf, salt) VALUES (?, ?)")
        self.find_answer = self.sql(
            "SELECT request_digest, answer FROM answered_request "
            "WHERE actor = ? AND method = ? AND request_id = ?"
        )
        self.add_answer = self.sql(
            "INSERT INTO answered_request "
            "(actor, method, request_id, request_digest, answer, answered_at) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )

    def _connection(self) -> Any:
        connection = getattr(self._local, "connection", None)
        # PostgreSQL's is closed when the server went away; SQLite's has no such state.
        if connection is None or getattr(connection, "closed", False):
            connection = self._database.connect_driver()
            self._local.connection = connection
            with self._lock:
                self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Close the connections of all threads, which must be done with them."""
        with self._lock:
            opened, self._opened = self._opened, []
        for connection in opened:
            connection.close()

    def sql(self, text: str) -> str:
        """`text` with the placeholders of this database."""
        return text if self._database.is_sqlite else text.replace("?", "%s")

    def time(self, at: datetime) -> object:
        """An aware time as a parameter, stored as `UtcDateTime` does."""
        at = at.astimezone(UTC)
        return at.strftime("%Y-%m-%d %H:%M:%S.%f") if self._database.is_sqlite else at

    def answered(self, actor: str, method: str, request_id: str) -> bool:
        """Whether an answer is held for a request id."""
        return self.row(self.find_answer, (actor, method, request_id)) is not None

    def row(self, text: str, parameters: Sequence[object]) -> tuple[Any, ...] | None:
        """The first row of a fixed statement already passed through `sql`."""
        with storage_errors(self._database.folder):
            return cast(
                "tuple[Any, ...] | None", self._connection().execute(text, parameters).fetchone()
            )

    def rows(self, text: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """All rows of a fixed statement already passed through `sql`."""
        with storage_errors(self._database.folder):
            return cast(
                "list[tuple[Any, ...]]", self._connection().execute(text, parameters).fetchall()
            )

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        # SQLite lets one write at a time, and whoever waits for it sleeps and asks again. Threads
        # of one process wait for each other here, and go on at once; what waits for longer than it
        # may is told so by SQLite.
        taken = self._database.is_sqlite and self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            yield
        finally:
            if taken:
                self._turn.release()

    def leave_checkpoints(self) -> None:
        """Let other threads' transactions move into the file what this one's wrote ahead of it.

        Of SQLite, and up to `GREATEST_AHEAD`: a transaction that does it takes ten times as long as
        another. So some other thread has to write now and then.
        """
        if self._database.is_sqlite:
            self._connection().execute(f"PRAGMA wal_autocheckpoint={GREATEST_AHEAD}")

    @contextmanager
    def undelayed(self) -> Iterator[None]:
        """Until it ends, this thread's transactions do not wait for SQLite's disk.

        They are whole or not there, in their order, after a power cut too; those of the last moment
        may then be gone, until any other transaction has waited. PostgreSQL's wait as ever.
        """
        if not self._database.is_sqlite:
            yield
            return
        connection = self._connection()
        connection.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            connection.execute("PRAGMA synchronous=FULL")

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A durable transaction on the driver's connection."""
        with storage_errors(self._database.folder), self._in_turn():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE" if self._database.is_sqlite else "BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled back already: then there is nothing to undo.
                with suppress(*errors_of("Error")):
                    connection.execute("ROLLBACK")
                raise
