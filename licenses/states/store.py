"""Which state a license was in at a time, and what an abandoned one leaves free.

`licenses.store.move` writes each change here.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.model import LicenseState
from licenses.store import BIG_ID, LicenseRow, Table
from runtime.database import UtcDateTime


class StateRow(Table, table=True):
    """A state that began."""

    __tablename__ = "license_state"
    __table_args__ = (sa.Index("license_state_since", "license_id", "id"),)

    id: int | None = Field(
        default=None, sa_column=sa.Column(BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(max_length=12)


def state_at(
    session: Session, license_id: str, at: datetime
) -> tuple[LicenseState, datetime] | None:
    """The state that a license was in at a time, and since when; None before its first."""
    statement = (
        select(StateRow)
        .where(StateRow.license_id == license_id, col(StateRow.at) <= at)
        .order_by(col(StateRow.at).desc(), col(StateRow.id).desc())
        .limit(1)
    )
    found = session.exec(statement).first()
    return None if found is None else (LicenseState(found.state), found.at)


def only_abandoned(session: Session, issuer: str, type_id: str, serial: str) -> bool:
    """Whether no license of a serial number ever was, or is to be, in force."""
    statement = select(LicenseRow.id).where(
        LicenseRow.issuer == issuer,
        LicenseRow.type_id == type_id,
        LicenseRow.serial == serial,
        LicenseRow.state != LicenseState.ABANDONED.value,
    )
    return session.exec(statement).first() is None


def free_request(session: Session, license_id: str) -> None:
    """Let the request that began an abandoned license begin another one."""
    session.execute(
        sa.update(LicenseRow)
        .where(
            col(LicenseRow.id) == license_id,
            col(LicenseRow.state) == LicenseState.ABANDONED.value,
        )
        .values(request_id=f"abandoned:{license_id}")
    )
