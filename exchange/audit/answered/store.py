"""Signatures whose requests were answered: the table and all its SQL."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from exchange.audit.answered.model import EVERY, KEPT, AnsweredBeforeError
from exchange.audit.store import METADATA
from runtime.database import Database


class UsedSignature(SQLModel, table=True):
    """A signed request that was answered."""

    metadata = METADATA
    __tablename__ = "used_signature"
    __table_args__ = (
        sa.Index("used_signature_age", "answered_at"),
        {"sqlite_with_rowid": False},
    )

    #: SHA-256 of who signed what, and when.
    digest: bytes = Field(primary_key=True, sa_type=sa.LargeBinary)
    #: Seconds since 1970.
    answered_at: int = Field(sa_type=sa.BigInteger)


class AnsweredStore:
    """The table, on the driver's own connection."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        sql = self._held.sql
        self._add = sql(
            "INSERT INTO used_signature (digest, answered_at) VALUES (?, ?) ON CONFLICT DO NOTHING"
        )
        self._forgotten: datetime | None = None
        self._forget = sql("DELETE FROM used_signature WHERE answered_at < ?")

    def add(self, digests: Collection[bytes], at: datetime, connection: Any) -> None:
        """Remember them in the transaction of a batch. Raises AnsweredBeforeError."""
        seconds = int(at.timestamp())
        before = [
            digest
            for digest in sorted(digests)
            if connection.execute(self._add, (digest, seconds)).rowcount != 1
        ]
        if before:
            raise AnsweredBeforeError(before)

    def forget(self, now: datetime) -> None:
        """Forget what no signature that is still good can be of; looks about once a minute."""
        if self._forgotten is not None and abs(now - self._forgotten) < EVERY:
            return
        self._forgotten = now
        with self._held.transaction() as connection:
            connection.execute(self._forget, (int((now - KEPT).timestamp()),))
