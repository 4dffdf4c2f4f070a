"""The tables of the seal service; what is asked of them stands in `seal.store` and `seal.notes`."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from runtime.database import UtcDateTime

METADATA = sa.MetaData()


class Table(SQLModel):
    """A table of the seal service."""

    metadata = METADATA


class SealRow(Table, table=True):
    """A seal."""

    __tablename__ = "seal"

    name: str = Field(sa_column=sa.Column(sa.String(160), primary_key=True))
    department: str = Field(sa_column=sa.Column(sa.String(80), nullable=False, index=True))
    display_name: str = Field(sa_column=sa.Column(sa.String(80), nullable=False))
    credit_code: str = Field(sa_column=sa.Column(sa.String(18), nullable=False, index=True))
    es_id: str = Field(sa_column=sa.Column(sa.String(64), nullable=False, unique=True))
    state: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    start_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    end_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    seal_data: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    image: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    width_mm: float = Field(sa_column=sa.Column(sa.Float, nullable=False))
    height_mm: float = Field(sa_column=sa.Column(sa.Float, nullable=False))
    certificate: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    pdf_certificate: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    shape: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    version: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))
    signer_list: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    bottom_line: str = Field(sa_column=sa.Column(sa.String(80), nullable=False))
    seal_code: str = Field(sa_column=sa.Column(sa.String(80), nullable=False))
    allowed: str = Field(sa_column=sa.Column(sa.Text, nullable=False))
    pending: str | None = Field(sa_column=sa.Column(sa.Text, nullable=True))
    pending_by: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    requested_by: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    wanted_end: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    replaces: str = Field(sa_column=sa.Column(sa.String(160), nullable=False))
    replaced_by: str = Field(sa_column=sa.Column(sa.String(160), nullable=False))
    create_time: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    revoked_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    revision: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))


class SealEventRow(Table, table=True):
    """Something that befell a seal."""

    __tablename__ = "seal_event"
    __table_args__ = (sa.Index("ix_seal_event_seal", "seal", "id"),)

    id: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        )
    )
    seal: str = Field(sa_column=sa.Column(sa.ForeignKey("seal.name"), nullable=False))
    event_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    kind: str = Field(sa_column=sa.Column(sa.String(24), nullable=False))
    actor: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    reason: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))


class SealingRow(Table, table=True):
    """One use of a seal on one document."""

    __tablename__ = "sealing"
    __table_args__ = (
        sa.Index("ix_sealing_request", "actor", "request_id"),
        sa.Index("ix_sealing_seal", "seal", "prepared_at"),
    )

    id: str = Field(sa_column=sa.Column(sa.String(36), primary_key=True))
    seal: str = Field(sa_column=sa.Column(sa.ForeignKey("seal.name"), nullable=False))
    actor: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    request_id: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    request_digest: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    format: str = Field(sa_column=sa.Column(sa.String(8), nullable=False))
    kind: str = Field(sa_column=sa.Column(sa.String(128), nullable=False))
    reason: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    sha256_before: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    state: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    tbs: bytes | None = Field(sa_column=sa.Column(sa.LargeBinary, nullable=True))
    seal_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    sha256_after: str | None = Field(sa_column=sa.Column(sa.String(64), nullable=True))
    stamp_count: int = Field(sa_column=sa.Column(sa.Integer, nullable=False))
    failure: str | None = Field(sa_column=sa.Column(sa.String(64), nullable=True))
    prepared_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    signed_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    ended_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))


class RevocationListRow(Table, table=True):
    """A revocation list that a root of this node issued."""

    __tablename__ = "revocation_list"

    issuer: str = Field(sa_column=sa.Column(sa.String(32), primary_key=True))
    number: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    this_update: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    next_update: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    encoded: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
