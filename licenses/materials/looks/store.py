"""Where looks at collections are held, for as long as the collection is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.materials.model import Look
from licenses.store import Table
from runtime.database import UtcDateTime


class CollectionLookRow(Table, table=True):
    """One look at a collection."""

    __tablename__ = "collection_look"
    __table_args__ = (sa.Index("looks_at_collection", "collection", "number"),)

    number: int | None = Field(default=None, primary_key=True)
    collection: str = Field(max_length=32)
    time: datetime = Field(sa_type=UtcDateTime)
    system: str = Field(max_length=200)
    kind: str = Field(max_length=40)
    purpose: str = Field(sa_type=sa.Text)


def add(session: Session, collection: str, look: Look) -> None:
    """Write a look at a collection, by its id."""
    session.add(
        CollectionLookRow(
            collection=collection,
            time=look.time,
            system=look.system,
            kind=look.kind,
            purpose=look.purpose,
        )
    )
    session.flush()


def of(session: Session, collection: str, *, size: int) -> list[Look]:
    """Looks at a collection, newest first."""
    row = CollectionLookRow
    statement = select(row).where(col(row.collection) == collection)
    found = session.exec(statement.order_by(col(row.number).desc()).limit(size))
    return [
        Look(time=one.time, system=one.system, kind=one.kind, purpose=one.purpose) for one in found
    ]


def forget(session: Session, collections: Sequence[str]) -> None:
    """Forget the looks at collections, by id, that are no more."""
    row = CollectionLookRow
    session.execute(sa.delete(row).where(col(row.collection).in_(collections)))
