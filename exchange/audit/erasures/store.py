"""What is remembered of each erasing of salts: whom an answer would else not name as missing.

1. A row is written in the transaction of its act. Nothing erases it: not the erasing of the act's
   own salt either.
2. Where the act's record stands in the log is noted as it is moved there, within about a second;
   until then the row has no index, and counts all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from exchange.audit.store import METADATA
from runtime.database import Database, UnitOfWork
from runtime.records import SealedRecord

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_KIND = b'"kind":"salt'
#: Acts that are told one by one, the newest first; of all, how many records they erased.
GREATEST_TOLD = 100


class SaltErasure(SQLModel, table=True):
    """One act of erasing. Times are RFC 3339, UTC."""

    metadata = METADATA
    __tablename__ = "salt_erasure"

    id: int | None = Field(default=None, sa_type=_BIG, primary_key=True)
    leaf_hash: bytes = Field(sa_type=sa.LargeBinary, index=True)
    erased: int = Field(sa_type=sa.BigInteger)
    actor: str = Field(max_length=255)
    at: str = Field(max_length=32)
    #: When the first and the last of the records that were erased had been promised.
    first_at: str = Field(max_length=32)
    last_at: str = Field(max_length=32)
    shard: str | None = Field(default=None, max_length=100)
    sequence: int | None = Field(default=None, sa_type=sa.BigInteger)
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """One act, as it is told."""

    at: datetime
    actor: str
    erased: int
    first: datetime
    last: datetime
    #: Of the act's record in the log; None while it is on its way there.
    index: int | None


def remember(
    work: UnitOfWork, record: SealedRecord, *, actor: str, at: str, erased: int, first: str,
    last: str,
) -> None:  # fmt: skip
    """Remember an act by its record."""
    work.session.add(
        SaltErasure(
            leaf_hash=sha256(record.leaf).digest(),
            erased=erased,
            actor=actor,
            at=at,
            first_at=first,
            last_at=last,
        )
    )


class Erasures:
    """The acts, on the driver's own connection."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        sql = self._held.sql
        self._place = sql(
            "UPDATE salt_erasure SET shard = ?, sequence = ?, position = ? WHERE leaf_hash = ?"
        )
        self._total = sql("SELECT coalesce(sum(erased), 0) FROM salt_erasure")
        self._newest = sql(
            "SELECT e.at, e.actor, e.erased, e.first_at, e.last_at, b.first_index + e.position"
            " FROM salt_erasure AS e LEFT JOIN audit_batch AS b"
            " ON b.shard = e.shard AND b.sequence = e.sequence ORDER BY e.id DESC LIMIT ?"
        )

    def place(self, shard: str, sequence: int, leaves: Sequence[bytes]) -> None:
        """Note where acts come to stand; before the batch is written; a crash repeats it."""
        found = [
            (shard, sequence, position, sha256(leaf).digest())
            for position, leaf in enumerate(leaves)
            if _KIND in leaf
        ]
        if found:
            with self._held.transaction() as connection:
                connection.cursor().executemany(self._place, found)

    def told(self) -> tuple[int, list[Erasing]]:
        """How many records' salts were erased in all, and the newest acts."""
        total = self._held.row(self._total, ())
        rows = self._held.rows(self._newest, (GREATEST_TOLD,))
        return int(total[0]) if total else 0, [
            Erasing(
                at=datetime.fromisoformat(at),
                actor=actor,
                erased=int(erased),
                first=datetime.fromisoformat(first),
                last=datetime.fromisoformat(last),
                index=None if index is None else int(index),
            )
            for at, actor, erased, first, last, index in rows
        ]
