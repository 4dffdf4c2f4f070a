"""Tables of the seal service and every SQL statement on them.

1. A seal's row is written once, whole; later only its state changes, from ACTIVE to REVOKED.
2. A sealing's state moves only from the states that `_move` names: a lost race moves nothing.
3. What was to be signed is dropped at release: the released document holds it, byte for byte.
4. Revocation lists are kept, numbered from 1 per root; the newest is the one in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from runtime.database import UtcDateTime
from seal.registry import Format, HeldSeal, SealingState, SealState

METADATA = sa.MetaData()


class _Table(SQLModel):
    metadata = METADATA


class SealRow(_Table, table=True):
    """A seal."""

    __tablename__ = "seal"

    name: str = Field(sa_column=sa.Column(sa.String(160), primary_key=True))
    department: str = Field(sa_column=sa.Column(sa.String(80), nullable=False, index=True))
    display_name: str = Field(sa_column=sa.Column(sa.String(80), nullable=False))
    credit_code: str = Field(sa_column=sa.Column(sa.String(18), nullable=False))
    es_id: str = Field(sa_column=sa.Column(sa.String(64), nullable=False, unique=True))
    state: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    start_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    end_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    seal_data: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    image: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    diameter_mm: float = Field(sa_column=sa.Column(sa.Float, nullable=False))
    certificate: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    pdf_certificate: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))
    revoked_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))


class SealingRow(_Table, table=True):
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
    reason: str = Field(sa_column=sa.Column(sa.String(200), nullable=False))
    sha256_before: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    state: str = Field(sa_column=sa.Column(sa.String(16), nullable=False))
    tbs: bytes | None = Field(sa_column=sa.Column(sa.LargeBinary, nullable=True))
    seal_time: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    sha256_after: str | None = Field(sa_column=sa.Column(sa.String(64), nullable=True))
    failure: str | None = Field(sa_column=sa.Column(sa.String(64), nullable=True))
    prepared_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    signed_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))
    ended_at: datetime | None = Field(sa_column=sa.Column(UtcDateTime, nullable=True))


class RevocationListRow(_Table, table=True):
    """A revocation list that a root of this node issued."""

    __tablename__ = "revocation_list"

    issuer: str = Field(sa_column=sa.Column(sa.String(32), primary_key=True))
    number: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    this_update: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    next_update: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    encoded: bytes = Field(sa_column=sa.Column(sa.LargeBinary, nullable=False))


_SEAL: Any = SealRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SEALING: Any = SealingRow.__table__  # type: ignore[attr-defined]
_LIST: Any = RevocationListRow.__table__  # type: ignore[attr-defined]
_LARGE = ("seal_data", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A revocation list as kept: DER, and the times it says."""

    number: int
    this_update: datetime
    next_update: datetime
    encoded: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """One use of a seal, as far as it came; hashes are SHA-256, hex."""

    id: str
    seal: str
    format: Format
    reason: str
    sha256_before: str
    state: SealingState
    tbs: bytes | None
    seal_time: datetime
    sha256_after: str | None
    failure: str | None


# --- seals -----------------------------------------------------------------------------------


def add_seal(session: Session, seal: HeldSeal) -> None:
    """Keep a new seal. A name or an es_id in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(
        _SEAL.insert().values(
            name=seal.name,
            department=seal.department,
            display_name=seal.display_name,
            credit_code=seal.credit_code,
            es_id=seal.es_id,
            state=seal.state.value,
            start_time=seal.start_time,
            end_time=seal.end_time,
            seal_data=seal.seal_data,
            image=seal.image,
            diameter_mm=seal.diameter_mm,
            certificate=seal.certificate,
            pdf_certificate=seal.pdf_certificate,
        )
    )


def find_seal(session: Session, name: str) -> HeldSeal | None:
    """A seal by its name."""
    row = session.execute(sa.select(_SEAL).where(_SEAL.c.name == name)).mappings().first()
    return None if row is None else _held(row)


def page_of_seals(
    session: Session, *, department: str | None, after: str, limit: int
) -> list[HeldSeal]:
    """Seals in order of name after `after`, of one department or of all, without their pictures."""
    columns = [column for column in _SEAL.c if column.name not in _LARGE]
    query = sa.select(*columns).where(_SEAL.c.name > after).order_by(_SEAL.c.name).limit(limit)
    if department is not None:
        query = query.where(_SEAL.c.department == department)
    rows = session.execute(query).mappings()
    return [_held({**dict.fromkeys(_LARGE, b""), **row}) for row in rows]


def revoke_seal(session: Session, name: str, *, at: datetime) -> bool:
    """Make an ACTIVE seal REVOKED; whether it was ACTIVE."""
    done = session.execute(
        _SEAL.update()
        .where(_SEAL.c.name == name, _SEAL.c.state == SealState.ACTIVE.value)
        .values(state=SealState.REVOKED.value, revoked_at=at)
    )
    return _count(done) == 1


def revoked_certificates(session: Session) -> list[tuple[bytes, bytes, datetime]]:
    """(SM2 certificate, P-256 certificate, since when) of each revoked seal."""
    columns = _SEAL.c
    query = sa.select(columns.certificate, columns.pdf_certificate, columns.revoked_at)
    rows = session.execute(
        query.where(columns.state == SealState.REVOKED.value).order_by(columns.name)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _held(row: Any) -> HeldSeal:
    values = dict(row)
    return HeldSeal(**{**values, "state": SealState(values["state"])})


# --- sealings --------------------------------------------------------------------------------


def add_sealing(
    session: Session,
    sealing: Sealing,
    *,
    actor: str,
    request_id: str,
    request_digest: bytes,
    at: datetime,
) -> None:
    """Keep a sealing that is PREPARED: before its key is asked."""
    session.execute(
        _SEALING.insert().values(
            id=sealing.id,
            seal=sealing.seal,
            actor=actor,
            request_id=request_id,
            request_digest=request_digest,
            format=sealing.format.value,
            reason=sealing.reason,
            sha256_before=sealing.sha256_before,
            state=sealing.state.value,
            tbs=sealing.tbs,
            seal_time=sealing.seal_time,
            prepared_at=at,
        )
    )


def mark_signed(session: Session, sealing: str, *, sha256_after: str, at: datetime) -> bool:
    """PREPARED → SIGNED; whether it was PREPARED."""
    return _move(
        session,
        sealing,
        (SealingState.PREPARED,),
        state=SealingState.SIGNED.value,
        sha256_after=sha256_after,
        signed_at=at,
    )


def mark_released(session: Session, sealing: str, *, at: datetime) -> bool:
    """SIGNED → RELEASED, dropping what was to be signed; whether it was SIGNED."""
    return _move(
        session,
        sealing,
        (SealingState.SIGNED,),
        state=SealingState.RELEASED.value,
        tbs=None,
        ended_at=at,
    )


def mark_failed(session: Session, sealing: str, *, failure: str, at: datetime) -> bool:
    """PREPARED or SIGNED → FAILED, with a stable word why; whether it was either."""
    return _move(
        session,
        sealing,
        (SealingState.PREPARED, SealingState.SIGNED),
        state=SealingState.FAILED.value,
        failure=failure,
        ended_at=at,
    )


def _move(session: Session, sealing: str, before: Sequence[SealingState], **values: object) -> bool:
    done = session.execute(
        _SEALING.update()
        .where(_SEALING.c.id == sealing, _SEALING.c.state.in_([one.value for one in before]))
        .values(**values)
    )
    return _count(done) == 1


def find_sealing(session: Session, sealing: str) -> Sealing | None:
    """A sealing by its id."""
    row = session.execute(sa.select(_SEALING).where(_SEALING.c.id == sealing)).first()
    return None if row is None else _sealing(row)


def unfinished(
    session: Session, *, actor: str, request_id: str, request_digest: bytes
) -> list[Sealing]:
    """Sealings of one request that began and neither ended nor failed, the furthest first."""
    columns = _SEALING.c
    rows = session.execute(
        sa.select(_SEALING)
        .where(
            columns.actor == actor,
            columns.request_id == request_id,
            columns.request_digest == request_digest,
            columns.state.in_([SealingState.PREPARED.value, SealingState.SIGNED.value]),
        )
        .order_by(columns.state.desc(), columns.prepared_at.desc())
    )
    return [_sealing(row) for row in rows]


def sealings_of(session: Session, seal: str, *, limit: int) -> list[Sealing]:
    """The newest uses of a seal, newest first."""
    query = sa.select(_SEALING).where(_SEALING.c.seal == seal)
    rows = session.execute(query.order_by(_SEALING.c.prepared_at.desc()).limit(limit))
    return [_sealing(row) for row in rows]


def _sealing(row: Any) -> Sealing:
    return Sealing(
        id=row.id,
        seal=row.seal,
        format=Format(row.format),
        reason=row.reason,
        sha256_before=row.sha256_before,
        state=SealingState(row.state),
        tbs=row.tbs,
        seal_time=row.seal_time,
        sha256_after=row.sha256_after,
        failure=row.failure,
    )


# --- revocation lists ------------------------------------------------------------------------


def newest_list(session: Session, issuer: str) -> RevocationList | None:
    """The revocation list in force of one root."""
    row = session.execute(
        sa.select(_LIST).where(_LIST.c.issuer == issuer).order_by(_LIST.c.number.desc()).limit(1)
    ).first()
    if row is None:
        return None
    return RevocationList(
        number=row.number,
        this_update=row.this_update,
        next_update=row.next_update,
        encoded=row.encoded,
    )


def add_list(session: Session, issuer: str, found: RevocationList) -> None:
    """Keep a newer revocation list. A number in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(
        _LIST.insert().values(
            issuer=issuer,
            number=found.number,
            this_update=found.this_update,
            next_update=found.next_update,
            encoded=found.encoded,
        )
    )


def _count(done: Any) -> int:
    return int(done.rowcount)
