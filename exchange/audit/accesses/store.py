"""The index of accesses: its tables and all their SQL.

1. The tags of a batch are written with it, in its transaction, as one value of `access_waiting`: a
   group commit stays one small write. Once the log has ordered the batch, they move to `access`, a
   few at a time and off the hot path.
2. What is erased from the salts is erased here too: an entry that nobody can link to a person any
   more must not be linked by the index. Nor can its entry be proved any more.
3. `access_entries` is written with its batch, stays where it is, and tells nothing without a salt.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.audit.accesses.model import cut, joined, rows_of, split
from exchange.audit.merkle import split_entries
from exchange.audit.store import METADATA
from runtime.database import Database

BATCHES_AT_ONCE = 4
#: Of one transaction, which group commits wait for: one delivery alone may be of 5,000 records.
ROWS_AT_ONCE = 2_000
ROWS_A_RUN = 20_000
#: The sequencer waits for a run: checkpoints come about every second all the same.
SECONDS_A_RUN = 0.3
_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class _Table(SQLModel):
    metadata = METADATA


class AccessWaiting(_Table, table=True):
    """The tags of a batch that is not in the index yet."""

    __tablename__ = "access_waiting"
    __table_args__ = (sa.UniqueConstraint("shard", "sequence", name="access_waiting_batch"),)

    id: int = Field(sa_type=_BIG, primary_key=True)
    shard: str = Field(max_length=100)
    sequence: int = Field(sa_type=sa.BigInteger)
    tags: bytes


class Access(_Table, table=True):
    """A leaf of the log, by the tag of a key that it is about."""

    __tablename__ = "access"
    __table_args__ = (
        sa.Index("access_of_leaf", "leaf_index"),
        {"sqlite_with_rowid": False},
    )

    tag: bytes = Field(primary_key=True, sa_type=sa.LargeBinary)
    leaf_index: int = Field(primary_key=True, sa_type=sa.BigInteger)


class AccessEntries(_Table, table=True):
    """What is kept of a record about many people: `entries.hashes_of`, joined."""

    __tablename__ = "access_entries"

    shard: str = Field(max_length=100, primary_key=True)
    sequence: int = Field(sa_type=sa.BigInteger, primary_key=True)
    position: int = Field(primary_key=True)
    hashes: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLeaf:
    """A leaf as it is held; the salt is empty once it was erased."""

    leaf: bytes
    salt: bytes
    shard: str
    sequence: int
    position: int


_ORDERED = """
    SELECT w.id, b.first_index, w.tags FROM access_waiting AS w
    JOIN audit_batch AS b ON b.shard = w.shard AND b.sequence = w.sequence
    WHERE b.first_index IS NOT NULL ORDER BY w.id LIMIT ?
"""
_ORDERED_POSTGRESQL = _ORDERED + " FOR UPDATE OF w"
# All in one statement, which leaves the interpreter to others while it runs; a row at a time, each
# row would wait for its turn of it. A tag has 16 bytes.
_ADD = """
    INSERT INTO access (tag, leaf_index)
    SELECT substr(?, j.key * 16 + 1, 16), j.value FROM json_each(?) AS j WHERE true
    ON CONFLICT DO NOTHING
"""
_ADD_POSTGRESQL = """
    INSERT INTO access (tag, leaf_index) SELECT * FROM unnest(%s::bytea[], %s::bigint[])
    ON CONFLICT DO NOTHING
"""
_TAGS = "SELECT tags FROM access_waiting WHERE shard = :shard AND sequence = :sequence"
_FORGET = "DELETE FROM access_entries WHERE shard = :shard AND sequence = :sequence"
_LEAVE = "UPDATE access_waiting SET tags = :tags WHERE shard = :shard AND sequence = :sequence"


class AccessStore:
    """The index, on the driver's own connection."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        sql = self._held.sql
        # Held on to, so that what is being erased is not moved meanwhile.
        self._ordered = sql(_ORDERED if database.is_sqlite else _ORDERED_POSTGRESQL)
        self._is_sqlite = database.is_sqlite
        self._done = sql("DELETE FROM access_waiting WHERE id = ?")
        self._leave = sql("UPDATE access_waiting SET tags = ? WHERE id = ?")
        self._of = sql(
            "SELECT leaf_index FROM access WHERE tag = ? AND leaf_index < ?"
            " ORDER BY leaf_index DESC LIMIT ?"
        )
        self._rows = sql(
            "SELECT tag, leaf_index FROM access WHERE leaf_index >= ? AND leaf_index < ?"
        )
        self._waiting = sql("SELECT tags FROM access_waiting WHERE shard = ? AND sequence = ?")
        self._behind = sql(
            "SELECT 1 FROM access_waiting AS w JOIN audit_batch AS b"
            " ON b.shard = w.shard AND b.sequence = w.sequence"
            " WHERE b.promised_at <= ? LIMIT 1"
        )
        self._oldest = sql(
            "SELECT min(b.promised_at), min(b.first_index) FROM access_waiting AS w"
            " JOIN audit_batch AS b ON b.shard = w.shard AND b.sequence = w.sequence"
        )
        self._size = sql(
            "SELECT coalesce(max(first_index + count), 0) FROM audit_batch"
            " WHERE first_index >= (SELECT max(first_index) FROM audit_batch)"
        )
        self._holding = sql(
            "SELECT first_index, leaves, salts, shard, sequence FROM audit_batch"
            " WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1"
        )
        self._entries = sql(
            "SELECT hashes FROM access_entries WHERE shard = ? AND sequence = ? AND position = ?"
        )
        self._places = sql(
            "SELECT position, hashes FROM access_entries WHERE shard = ? AND sequence = ?"
        )

    def index(self) -> int:
        """Move the tags of ordered batches into the index, up to a bound; how many.

        In small transactions, since group commits wait for each; so none waits for the disk either.
        What a power cut takes back of them, it takes back whole, and the next run moves it again.
        """
        with self._held.undelayed():
            return self._index()

    def _index(self) -> int:
        moved, end = 0, time.monotonic() + SECONDS_A_RUN
        while moved < ROWS_A_RUN and time.monotonic() < end:
            with self._held.transaction() as connection:
                waiting = connection.execute(self._ordered, (BATCHES_AT_ONCE,)).fetchall()
                rows: list[tuple[bytes, int]] = []
                done: list[tuple[int]] = []
                left = b""
                for number, first_index, tags in waiting:
                    now, left = cut(bytes(tags), ROWS_AT_ONCE - len(rows))
                    rows += rows_of(int(first_index), now)
                    if left:
                        connection.execute(self._leave, (left, number))
                        break
                    done.append((number,))
                if rows:
                    self._add(connection, sorted(rows))
                if done:
                    connection.cursor().executemany(self._done, done)
            moved += len(rows)
            if len(waiting) < BATCHES_AT_ONCE and not left:
                break
        return moved

    def _add(self, connection: Any, rows: Sequence[tuple[bytes, int]]) -> None:
        tags, leaves = zip(*rows, strict=True)
        if self._is_sqlite:
            connection.execute(_ADD, (b"".join(tags), orjson.dumps(leaves).decode()))
        else:
            connection.execute(_ADD_POSTGRESQL, (list(tags), list(leaves)))

    def of(self, tag: bytes, before: int, limit: int) -> list[int]:
        """Indexes of leaves below one, the newest first."""
        return [int(row[0]) for row in self._held.rows(self._of, (tag, before, limit))]

    def rows(self, first: int, end: int) -> set[tuple[bytes, int]]:
        """(tag, index) of the leaves from `first` on and before `end`."""
        return {(bytes(tag), int(at)) for tag, at in self._held.rows(self._rows, (first, end))}

    def waiting(self, shard: str, sequence: int) -> bytes:
        """The tags of a batch that are not in the index yet, as `joined`."""
        row = self._held.row(self._waiting, (shard, sequence))
        return b"" if row is None else bytes(row[0])

    def is_behind(self, promised_at: str) -> bool:
        """Whether tags of batches promised up to a time (RFC 3339, UTC) are not in the index."""
        return self._held.row(self._behind, (promised_at,)) is not None

    def complete(self, now: str) -> tuple[str, int]:
        """Up to when, and up to which index of the log, all that was answered is in the index.

        `now` is taken before this is asked, RFC 3339 in UTC, and is the answer where nothing waits.
        Ask before reading the index: what moves meanwhile is then told beyond what was promised.
        """
        oldest = self._held.row(self._oldest, ())
        at, index = oldest if oldest else (None, None)
        if index is None:
            row = self._held.row(self._size, ())
            index = row[0] if row else 0
        return min(at or now, now), int(index)

    def leaf(self, index: int) -> HeldLeaf | None:
        """What is at an index."""
        row = self._held.row(self._holding, (index,))
        leaves = [] if row is None else split_entries(bytes(row[1]))
        place = index - int(row[0]) if row else 0
        if row is None or place >= len(leaves):
            return None
        salts = split_entries(bytes(row[2])) if row[2] else []
        return HeldLeaf(
            leaf=leaves[place],
            salt=salts[place] if place < len(salts) else b"",
            shard=row[3],
            sequence=int(row[4]),
            position=place,
        )

    def entries(self, held: HeldLeaf) -> bytes:
        """What is kept of a record about many people; empty where nothing is."""
        row = self._held.row(self._entries, (held.shard, held.sequence, held.position))
        return b"" if row is None else bytes(row[0])

    def entries_of(self, shard: str, sequence: int) -> dict[int, bytes]:
        """The same of all the records of a batch, by position."""
        found = self._held.rows(self._places, (shard, sequence))
        return {int(position): bytes(hashes) for position, hashes in found}

    def leaves(self, indexes: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """(index, leaf) of those that are there; a batch is read once for neighbours."""
        first, held = 0, list[bytes]()
        for index in indexes:
            if not first <= index < first + len(held):
                row = self._held.row(self._holding, (index,))
                first, held = (
                    (0, []) if row is None else (int(row[0]), split_entries(bytes(row[1])))
                )
            if first <= index < first + len(held):
                yield index, held[index - first]


def forget(session: Session, shard: str, sequence: int, position: int, index: int | None) -> None:
    """Forget whose data one leaf is about."""
    if index is not None:
        session.execute(sa.text("DELETE FROM access WHERE leaf_index = :i"), {"i": index})
    place = {"shard": shard, "sequence": sequence}
    session.execute(sa.text(_FORGET + " AND position = :at"), {**place, "at": position})
    held = session.execute(sa.text(_TAGS), place).scalar()
    if held is not None:
        left = joined(one for one in split(bytes(held)) if one[0] != position)
        session.execute(sa.text(_LEAVE), {**place, "tags": left})


def forget_batches(session: Session, places: Sequence[tuple[str, int, int | None, int]]) -> None:
    """Forget whose data the leaves of batches are about: (shard, number, first index, count)."""
    waiting = [{"shard": shard, "sequence": sequence} for shard, sequence, _, _ in places]
    ordered = [
        {"first": first, "end": first + count} for _, _, first, count in places if first is not None
    ]
    if waiting:
        session.execute(
            sa.text("DELETE FROM access_waiting WHERE shard = :shard AND sequence = :sequence"),
            waiting,
        )
        session.execute(sa.text(_FORGET), waiting)
    if ordered:
        session.execute(
            sa.text("DELETE FROM access WHERE leaf_index >= :first AND leaf_index < :end"), ordered
        )
