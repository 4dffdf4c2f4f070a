"""Where copies are held. A row is written before a copy is made, and says its hash afterwards."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.copies.model import EndorsedCopy
from licenses.model import LicenseFormat
from licenses.store import Table
from runtime.database import REQUEST_ID_LIMIT, UtcDateTime


class CopyRow(Table, table=True):
    """One copy."""

    __tablename__ = "license_copy"
    __table_args__ = (
        sa.UniqueConstraint("actor", "request_id", name="license_copy_request_once"),
        sa.Index("license_copy_of_license", "license_id", "id"),
    )

    id: str = Field(primary_key=True, max_length=32)
    license_id: str = Field(max_length=32)
    form: str = Field(max_length=4)
    sha256: str = Field(max_length=64)
    original_sha256: str = Field(max_length=64)
    purpose: str = Field(sa_type=sa.Text)
    receiver: str = Field(sa_type=sa.Text)
    maker: str = Field(sa_type=sa.Text)
    valid_to: str = Field(max_length=10)
    make_time: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=200)
    request_id: str = Field(max_length=REQUEST_ID_LIMIT)
    request_digest: bytes


def add(
    session: Session, copy: EndorsedCopy, *, actor: str, request_id: str, request_digest: bytes
) -> None:
    """Write a copy that is to be made."""
    session.add(
        CopyRow(
            id=copy.id,
            license_id=copy.license_id,
            form=copy.form.value,
            sha256=copy.sha256,
            original_sha256=copy.original_sha256,
            purpose=copy.purpose,
            receiver=copy.receiver,
            maker=copy.maker,
            valid_to=copy.valid_to.isoformat(),
            make_time=copy.make_time,
            actor=actor,
            request_id=request_id,
            request_digest=request_digest,
        )
    )
    session.flush()


def of_request(session: Session, actor: str, request_id: str) -> tuple[EndorsedCopy, bytes] | None:
    """The copy that a request began, and the digest of that request."""
    row = session.exec(
        select(CopyRow).where(CopyRow.actor == actor, CopyRow.request_id == request_id)
    ).first()
    return None if row is None else (_copy(row), row.request_digest)


def of_id(session: Session, copy_id: str) -> EndorsedCopy | None:
    """A copy."""
    row = session.get(CopyRow, copy_id)
    return None if row is None else _copy(row)


def made(session: Session, copy_id: str, sha256: str) -> bool:
    """Say the hash of a copy that was made; whether this call said it."""
    done = session.execute(
        sa.update(CopyRow)
        .where(col(CopyRow.id) == copy_id, col(CopyRow.sha256) == "")
        .values(sha256=sha256)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _copy(row: CopyRow) -> EndorsedCopy:
    return EndorsedCopy(
        id=row.id,
        license_id=row.license_id,
        form=LicenseFormat(row.form),
        sha256=row.sha256,
        original_sha256=row.original_sha256,
        purpose=row.purpose,
        receiver=row.receiver,
        maker=row.maker,
        valid_to=date.fromisoformat(row.valid_to),
        make_time=row.make_time,
    )
