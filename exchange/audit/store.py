"""The audit log's tables, and all their SQL.

1. A batch is one row: a group commit is one insert. `first_index` is set once, in order of id, by
   the sequencer, and makes the order of the log final.
2. The leaves here are the log's truth; tiles and checkpoints are made from them and can be made
   again.
3. Statements are fixed texts on a driver's own connection: appending is a hot path.
4. A record moves from an outbox exactly once: its mark and its batch are one transaction, and the
   mark stays until the outbox has let go of it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from exchange.audit.model import Batch, SignedCheckpoint
from runtime.database import Database
from runtime.errors import Aborted
from runtime.records import SealedRecord

METADATA = sa.MetaData()
MIGRATIONS = Path(__file__).parent / "migrations"
_SEQUENCING = 0x746F6E67  # PostgreSQL's advisory lock of the one who sequences
# As in the other services: names sort by bytes in both databases.
NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
#: Id and record of an outbox (`exchange.audit.outboxes`).
OutboxRow = tuple[int, SealedRecord]


class _Table(SQLModel):
    metadata = METADATA


class AuditBatch(_Table, table=True):
    """One group commit."""

    __tablename__ = "audit_batch"
    __table_args__ = (
        sa.UniqueConstraint("shard", "sequence", name="audit_batch_promise"),
        sa.UniqueConstraint("first_index", name="audit_batch_first_index"),
    )

    id: int = Field(sa_type=_BIG, primary_key=True)
    shard: str = Field(max_length=100)
    sequence: int = Field(sa_type=sa.BigInteger)
    leaves: bytes
    salts: bytes
    count: int
    root: bytes
    promised_at: str = Field(max_length=27)
    signature: bytes
    first_index: int | None = Field(default=None, sa_type=sa.BigInteger)


class AuditCheckpoint(_Table, table=True):
    """Every checkpoint that was signed."""

    __tablename__ = "audit_checkpoint"

    size: int = Field(sa_type=sa.BigInteger, primary_key=True)
    root: bytes
    note: str = Field(sa_type=sa.Text)
    #: RFC 3339, UTC, microseconds; None of those signed before it was kept.
    signed_at: str | None = Field(default=None, max_length=27)
    previous: int | None = Field(default=None, sa_type=sa.BigInteger)


class GrantUsage(_Table, table=True):
    """Records taken from a grant's quota on a day."""

    __tablename__ = "grant_usage"

    grant_name: str = Field(sa_type=NAME, primary_key=True)
    day: str = Field(max_length=10, primary_key=True)
    used: int = Field(sa_type=sa.BigInteger)


class OutboxMark(_Table, table=True):
    """A record that was taken from an outbox which may not have let go of it yet."""

    __tablename__ = "outbox_mark"

    outbox: str = Field(max_length=100, primary_key=True)
    row_id: int = Field(sa_type=sa.BigInteger, primary_key=True)
    salt: bytes


class RecordedEvent(_Table, table=True):
    """An event of another service that was appended."""

    __tablename__ = "recorded_event"

    source: str = Field(sa_type=NAME, primary_key=True)
    event_id: str = Field(max_length=100, primary_key=True)


_SELECT = "SELECT size, root, note, previous FROM audit_checkpoint"
_IN_ORDER = (
    "SELECT first_index, shard, sequence, leaves, salts, count, root, promised_at, signature "
    "FROM audit_batch WHERE first_index > ? ORDER BY first_index LIMIT ?"
)
# Any column of SQLite may hold text, which need not even be readable as such.
_IN_ORDER_SQLITE = (
    "SELECT first_index, shard, sequence, CASE typeof(leaves) WHEN 'blob' THEN leaves ELSE x'FF' "
    "END, CASE typeof(salts) WHEN 'blob' THEN salts ELSE x'FF' END, count, CASE typeof(root) WHEN "
    "'blob' THEN root ELSE x'FF' END, promised_at, CASE typeof(signature) WHEN 'blob' THEN "
    "signature ELSE x'FF' END FROM audit_batch WHERE first_index > ? ORDER BY first_index LIMIT ?"
)


class AuditStore:
    """The audit database."""

    def __init__(self, database: Database) -> None:
        self.database = self._database = database
        self._held = database.held
        sql = self._held.sql
        self._insert = sql(
            "INSERT INTO audit_batch (shard, sequence, leaves, salts, count, root, promised_at,"
            " signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self._tag = sql("INSERT INTO access_waiting (shard, sequence, tags) VALUES (?, ?, ?)")
        self._enter = sql(
            "INSERT INTO access_entries (shard, sequence, position, hashes) VALUES (?, ?, ?, ?)"
        )
        self._use = sql(
            "INSERT INTO grant_usage (grant_name, day, used) VALUES (?, ?, ?) ON CONFLICT"
            " (grant_name, day) DO UPDATE SET used = grant_usage.used + excluded.used"
            " RETURNING used"
        )
        self._used = sql("SELECT used FROM grant_usage WHERE grant_name = ? AND day = ?")
        self._next = sql("SELECT coalesce(max(sequence) + 1, 0) FROM audit_batch WHERE shard = ?")
        self._position = sql(
            "SELECT count, first_index FROM audit_batch WHERE shard = ? AND sequence = ?"
        )
        self._from = sql(
            "SELECT first_index, leaves FROM audit_batch WHERE first_index >= ?"
            " ORDER BY first_index LIMIT ?"
        )
        self._containing = sql(
            "SELECT first_index, leaves FROM audit_batch WHERE first_index <= ?"
            " ORDER BY first_index DESC LIMIT 1"
        )
        self._newest = f"{_SELECT} ORDER BY size DESC LIMIT 1"
        self._checkpoint = sql(f"{_SELECT} WHERE size = ?")
        self._event = sql(
            "INSERT INTO recorded_event (source, event_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
        )
        self._known_event = sql("SELECT 1 FROM recorded_event WHERE source = ? AND event_id = ?")

    # Appending.

    def is_empty(self) -> bool:
        """Whether nothing was ever logged."""
        return self._held.row("SELECT 1 FROM audit_batch LIMIT 1", ()) is None

    def next_sequence(self, shard: str) -> int:
        """Number of the shard's next batch."""
        row = self._held.row(self._next, (shard,))
        return int(row[0]) if row else 0

    def append(
        self,
        batch: Batch,
        usages: Mapping[tuple[str, str], int],
        also: Callable[[Any], None] | None = None,
    ) -> dict[tuple[str, str], int]:
        """Make a batch and its usage durable; what each (grant, day) has used since.

        `also` is done on the connection in the same transaction. Raises what that does, and Aborted
        (CONCURRENT_CHANGE) where the shard has a batch of this number.
        """
        with self._held.transaction() as connection:
            self._insert_batch(connection, batch)
            if also is not None:
                also(connection)
            if batch.tags:
                connection.execute(self._tag, (batch.shard, batch.sequence, batch.tags))
            for position, hashes in batch.entries:
                connection.execute(self._enter, (batch.shard, batch.sequence, position, hashes))
            return {
                key: connection.execute(self._use, (*key, taken)).fetchone()[0]
                for key, taken in sorted(usages.items())
            }

    def _insert_batch(self, connection: Any, batch: Batch) -> None:
        connection.execute(
            self._insert,
            (
                batch.shard,
                batch.sequence,
                batch.leaves,
                batch.salts,
                batch.count,
                batch.root,
                batch.promised_at,
                batch.signature,
            ),
        )

    def used(self, grant: str, day: str) -> int:
        """Records taken from a grant on a day, as far as they are durable."""
        row = self._held.row(self._used, (grant, day))
        return int(row[0]) if row else 0

    # Events of other services.

    def unknown_events(self, source: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that were not appended yet."""
        known = self._known_event
        return {e for e in ids if self._held.row(known, (source, e)) is None}

    def append_events(self, batch: Batch, source: str, ids: Sequence[str]) -> None:
        """Make a batch of events durable, and remember their ids in the same transaction.

        Raises Aborted (CONCURRENT_CHANGE) where one is known, or the batch's number is taken.
        """
        with self._held.transaction() as connection:
            for event_id in ids:
                if connection.execute(self._event, (source, event_id)).rowcount != 1:
                    raise _overtaken()
            self._insert_batch(connection, batch)

    # Outboxes.

    def take_from_outbox(self, batch: Batch, outbox: str, rows: Sequence[OutboxRow]) -> None:
        """Make a batch of an outbox's records durable, and mark them as taken."""
        mark = self._held.sql("INSERT INTO outbox_mark (outbox, row_id, salt) VALUES (?, ?, ?)")
        with self._held.transaction() as connection:
            self._insert_batch(connection, batch)
            connection.cursor().executemany(
                mark, [(outbox, row_id, record.salt) for row_id, record in rows]
            )

    def marks(self, outbox: str) -> list[tuple[int, bytes]]:
        """Ids and salts of the records that an outbox still has to let go of."""
        query = self._held.sql("SELECT row_id, salt FROM outbox_mark WHERE outbox = ?")
        return [(int(row[0]), bytes(row[1])) for row in self._held.rows(query, (outbox,))]

    def clear_marks(self, outbox: str, row_ids: Sequence[int]) -> None:
        """Forget marks of records that their outbox has let go of."""
        clear = self._held.sql("DELETE FROM outbox_mark WHERE outbox = ? AND row_id = ?")
        with self._held.transaction() as connection:
            connection.cursor().executemany(clear, [(outbox, row_id) for row_id in row_ids])

    # Sequencing.

    @contextmanager
    def sequencing(self) -> Iterator[bool]:
        """Whether this process may sequence now; no other may until the context ends."""
        if self._database.is_sqlite:
            with Path(f"{self._database.url.database}.sequencing").open("wb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield False
                else:
                    yield True
            return
        row = self._held.row("SELECT pg_try_advisory_lock(%s)", (_SEQUENCING,))
        mine = bool(row and row[0])
        try:
            yield mine
        finally:
            if mine:
                with suppress(Exception):  # a lost connection has let go of it already
                    self._held.row("SELECT pg_advisory_unlock(%s)", (_SEQUENCING,))

    def assign_indexes(self, limit: int, *, least: int = 0) -> int:
        """Give up to `limit` batches without an index theirs, in order of id; the log's new size.

        Nothing is assigned, and the size that is there returned, where it is below `least`: new
        records must not take the places of lost ones. Two that do this at once wait for each other,
        so the order is one whoever holds the guard.
        """
        with self._held.transaction() as connection:
            if not self._database.is_sqlite:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SEQUENCING + 1,))
            last = connection.execute(
                "SELECT first_index + count FROM audit_batch WHERE first_index IS NOT NULL"
                " ORDER BY first_index DESC LIMIT 1"
            ).fetchone()
            size = int(last[0]) if last else 0
            if size < least:
                return size
            waiting = connection.execute(
                self._held.sql(
                    "SELECT id, count FROM audit_batch WHERE first_index IS NULL"
                    " ORDER BY id LIMIT ?"
                ),
                (limit,),
            ).fetchall()
            assigned = []
            for batch_id, count in waiting:
                assigned.append((size, batch_id))
                size += count
            if assigned:
                connection.cursor().executemany(
                    self._held.sql("UPDATE audit_batch SET first_index = ? WHERE id = ?"), assigned
                )
            return size

    def batches_from(self, index: int, limit: int = 256) -> Iterator[tuple[int, bytes]]:
        """First index and bundle of each sequenced batch, from the one that holds `index` on."""
        row = self._held.row(self._containing, (index,))
        if row is None:
            return
        at = int(row[0])
        while rows := self._held.rows(self._from, (at, limit)):
            for first_index, leaves in rows:
                yield int(first_index), bytes(leaves)
            at = int(rows[-1][0]) + 1

    def batches_in_order(self, limit: int = 256) -> Iterator[tuple[int, Batch]]:
        """First index of every sequenced batch, and the batch whole, in the order of the log.

        Where SQLite holds something else than bytes, it is told as one byte, which is nothing.
        """
        query = self._held.sql(_IN_ORDER_SQLITE if self._database.is_sqlite else _IN_ORDER)
        at = -1
        while rows := self._held.rows(query, (at, limit)):
            for row in rows:
                at = int(row[0])
                yield (
                    at,
                    Batch(
                        shard=row[1],
                        sequence=int(row[2]),
                        leaves=bytes(row[3]),
                        salts=bytes(row[4]),
                        count=int(row[5]),
                        root=bytes(row[6]),
                        promised_at=row[7],
                        signature=bytes(row[8]),
                    ),
                )

    def place(self, shard: str, sequence: int) -> tuple[int, int | None] | None:
        """Number of leaves and first index of a batch; the index is None until sequenced."""
        row = self._held.row(self._position, (shard, sequence))
        return None if row is None else (int(row[0]), None if row[1] is None else int(row[1]))

    # Checkpoints.

    def newest_checkpoint(self) -> SignedCheckpoint | None:
        """The checkpoint of the largest size."""
        return _checkpoint(self._held.row(self._newest, ()))

    def checkpoint(self, size: int) -> SignedCheckpoint | None:
        """The checkpoint of a size, if one was signed."""
        return _checkpoint(self._held.row(self._checkpoint, (size,)))

    def checkpoints_in_order(self, limit: int = 1024) -> Iterator[SignedCheckpoint]:
        """Every checkpoint that was signed, the smallest first."""
        query = self._held.sql(f"{_SELECT} WHERE size > ? ORDER BY size LIMIT ?")
        at = -1
        while rows := self._held.rows(query, (at, limit)):
            for row in rows:
                at = int(row[0])
                yield SignedCheckpoint(size=at, root=bytes(row[1]), note=row[2], previous=row[3])

    def add_checkpoint(self, checkpoint: SignedCheckpoint, after: int | None, at: str) -> None:
        """Keep a checkpoint signed at a time (RFC 3339, UTC, microseconds).

        Raises Aborted (CONCURRENT_CHANGE) unless the newest one is still that of size `after`.
        """
        insert = self._held.sql(
            "INSERT INTO audit_checkpoint (size, root, note, signed_at, previous)"
            " VALUES (?, ?, ?, ?, ?)"
        )
        with self._held.transaction() as connection:
            if not self._database.is_sqlite:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SEQUENCING + 1,))
            newest = connection.execute(self._newest).fetchone()
            if (newest and newest[0]) != after:
                raise _overtaken()
            size, root, note = checkpoint.size, checkpoint.root, checkpoint.note
            connection.execute(insert, (size, root, note, at, after))


def _checkpoint(row: tuple[Any, ...] | None) -> SignedCheckpoint | None:
    if row is None:
        return None
    return SignedCheckpoint(size=int(row[0]), root=bytes(row[1]), note=row[2], previous=row[3])


def _overtaken() -> Aborted:
    return Aborted(
        "another process came first: repeat",
        reason="CONCURRENT_CHANGE",
        message_zh="另一进程在先：请重试",
    )
