"""The table of pictures and scans.

1. A row is written before its object; a row that is named never goes, and its object neither.
2. What nobody names goes in one transaction with its object: who notes the same picture meanwhile
   waits for the end of it, and puts the object again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.store import Table
from runtime.database import UtcDateTime


class EnclosureRow(Table, table=True):
    """One picture or scan by its SHA-256, hex; when it was last put, and whether it is used."""

    __tablename__ = "license_enclosure"
    __table_args__ = (sa.Index("license_enclosure_loose", "named", "noted_at"),)

    sha256: str = Field(primary_key=True, max_length=64)
    noted_at: datetime = Field(sa_type=UtcDateTime)
    named: bool


def note(session: Session, digests: Collection[str], at: datetime) -> None:
    """Say that these are about to be put; in order, so that no two wait for each other."""
    statement = sa.text(
        "INSERT INTO license_enclosure (sha256, noted_at, named) VALUES (:sha256, :at, :named) "
        "ON CONFLICT (sha256) DO UPDATE SET noted_at = excluded.noted_at"
    ).bindparams(sa.bindparam("at", type_=UtcDateTime()), sa.bindparam("named", type_=sa.Boolean()))
    for digest in sorted(digests):
        session.execute(statement, {"sha256": digest, "at": at, "named": False})


def name(session: Session, digests: Collection[str]) -> bool:
    """Say that a license names these, for good; whether all of them are there."""
    known = 0
    for digest in sorted(digests):
        done = session.execute(
            sa.update(EnclosureRow).where(col(EnclosureRow.sha256) == digest).values(named=True)
        )
        known += done.rowcount  # type: ignore[attr-defined]  # an UPDATE has one
    return known == len(digests)


def loose(session: Session, before: datetime, limit: int) -> list[str]:
    """What no license names and nobody noted since, longest left first."""
    statement = (
        select(EnclosureRow.sha256)
        .where(col(EnclosureRow.named).is_(False), col(EnclosureRow.noted_at) < before)
        .order_by(col(EnclosureRow.noted_at))
        .limit(limit)
    )
    return list(session.exec(statement))


def forget(session: Session, digest: str, before: datetime) -> bool:
    """Take the row of one away if it is still loose; its object goes before this is committed."""
    done = session.execute(
        sa.delete(EnclosureRow).where(
            col(EnclosureRow.sha256) == digest,
            col(EnclosureRow.named).is_(False),
            col(EnclosureRow.noted_at) < before,
        )
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # a DELETE has one
