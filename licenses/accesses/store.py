"""Who used a license for what, in words that may be personal and so are in no audit leaf."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session

from licenses.store import BIG_ID, Table
from runtime.database import UtcDateTime


class AccessRow(Table, table=True):
    """One use of a license."""

    __tablename__ = "license_access"
    __table_args__ = (sa.Index("access_of_license", "license_id", "id"),)

    id: int | None = Field(
        default=None, sa_column=sa.Column(BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    system: str = Field(max_length=200)
    kind: str = Field(max_length=40)
    purpose: str = Field(sa_type=sa.Text)


def add_access(
    session: Session, license_id: str, *, at: datetime, system: str, kind: str, purpose: str
) -> None:
    """Keep who used a license for what."""
    session.add(AccessRow(license_id=license_id, at=at, system=system, kind=kind, purpose=purpose))
