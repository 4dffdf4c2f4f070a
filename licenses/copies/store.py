"""Where copies are held. A row is written before a copy is made, and says its hash afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.copies.model import EndorsedCopy, HeldCopy, still_serves
from licenses.delegations.store import DelegationRow, delegation_of
from licenses.model import LicenseFormat
from licenses.store import HolderRow, LicenseRow, Table, license_of
from runtime.clock import china_date
from runtime.database import REQUEST_ID_LIMIT, UtcDateTime


class CopyRow(Table, table=True):
    """One copy."""

    __tablename__ = "license_copy"
    __table_args__ = (
        sa.UniqueConstraint("actor", "request_id", name="license_copy_request_once"),
        sa.Index("license_copy_of_license", "license_id", "id"),
        sa.Index("license_copy_of_bytes", "sha256"),
        sa.Index("license_copy_of_collection", "collection"),
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
    delegation: str = Field(max_length=32)
    receiver_department: str = Field(max_length=80)
    shared: bool
    service_item: str = Field(max_length=200)
    end_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    collection: str = Field(max_length=32)
    swept_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)


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
            delegation=copy.delegation,
            receiver_department=copy.receiver_department,
            shared=copy.shared,
            service_item=copy.service_item,
            end_time=copy.end_time,
            collection=copy.collection,
            swept_time=None,
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


def of_bytes(session: Session, sha256: str) -> EndorsedCopy | None:
    """The copy whose bytes have this SHA-256, hex."""
    row = session.exec(select(CopyRow).where(CopyRow.sha256 == sha256)).first()
    return None if row is None else _copy(row)


def open_count(session: Session, license_id: str, now: datetime) -> int:
    """How many copies of a license are good, or being made."""
    row = CopyRow
    statement = select(sa.func.count()).where(
        col(row.license_id) == license_id,
        col(row.end_time).is_(None),
        col(row.valid_to) >= china_date(now),
    )
    return int(session.exec(statement).one())


def end(session: Session, copy_id: str, at: datetime) -> bool:
    """End a copy; whether this call ended it."""
    done = session.execute(
        sa.update(CopyRow)
        .where(col(CopyRow.id) == copy_id, col(CopyRow.end_time).is_(None))
        .values(end_time=at)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def over(session: Session, before: datetime, size: int) -> list[EndorsedCopy]:
    """Made copies that serve nobody since then: past their day, withdrawn, their delegation ended.

    Not those that a collection keeps.
    """
    row, of = CopyRow, DelegationRow
    ended = (
        select(of.id).where(col(of.id) == col(row.delegation), col(of.end_time) < before).exists()
    )
    statement = (
        select(row)
        .where(
            col(row.swept_time).is_(None),
            col(row.sha256) != "",
            col(row.collection) == "",
            sa.or_(
                col(row.valid_to) < china_date(before),
                col(row.end_time) < before,
                sa.and_(col(row.delegation) != "", ended),
            ),
        )
        .limit(size)
    )
    return [_copy(found) for found in session.exec(statement)]


def swept(session: Session, copy_id: str, at: datetime) -> None:
    """Note that nobody has a copy's bytes here any more."""
    session.execute(sa.update(CopyRow).where(col(CopyRow.id) == copy_id).values(swept_time=at))


def release(session: Session, collections: Sequence[str]) -> None:
    """Collections, by id, that are no more: they keep no copies."""
    session.execute(
        sa.update(CopyRow).where(col(CopyRow.collection).in_(collections)).values(collection="")
    )


def end_of_collections(
    session: Session, collections: Any, at: datetime, *, but: Sequence[str] = ()
) -> None:
    """End what was made, or begun, for collections that came to nothing.

    `collections`: their ids, or a SELECT of them. `but`: SHA-256 of what is kept.
    """
    session.execute(
        sa.update(CopyRow)
        .where(
            col(CopyRow.collection).in_(collections),
            col(CopyRow.end_time).is_(None),
            col(CopyRow.sha256).not_in(but),
        )
        .values(end_time=at)
    )


def of_holder(
    session: Session,
    holder_index: bytes,
    *,
    license_id: str,
    before: tuple[datetime, str] | None,
    size: int,
    now: datetime,
) -> list[HeldCopy]:
    """Copies that were made of a holder's licenses, or of one, newest first."""
    row = CopyRow
    conditions: list[Any] = [
        col(HolderRow.holder_index) == holder_index,
        col(row.sha256) != "",
        col(row.swept_time).is_(None),
    ]
    if license_id:
        conditions.append(col(row.license_id) == license_id)
    if before is not None:
        at, last = before
        same = sa.and_(col(row.make_time) == at, col(row.id) < last)
        conditions.append(sa.or_(col(row.make_time) < at, same))
    statement = (
        select(row, LicenseRow, DelegationRow)
        .join(LicenseRow, col(LicenseRow.id) == col(row.license_id))
        .join(HolderRow, col(HolderRow.license_id) == col(row.license_id))
        .outerjoin(DelegationRow, col(DelegationRow.id) == col(row.delegation))
        .where(*conditions)
        .order_by(col(row.make_time).desc(), col(row.id).desc())
        .limit(size)
    )
    return [
        HeldCopy(
            copy=_copy(found),
            license=f"{of.issuer}/licenses/{found.license_id}",
            title=str(orjson.loads(of.metadata_json)["ZZMC"]),
            stands=still_serves(_copy(found), license_of(of), now) and _allows(found, under, now),
        )
        for found, of, under in session.exec(statement)
    ]


def _allows(row: CopyRow, under: DelegationRow | None, now: datetime) -> bool:
    """Whether the delegation that a copy was made under allows it still; under none, always."""
    return not row.delegation or (under is not None and delegation_of(under).was_open(now))


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
        delegation=row.delegation,
        receiver_department=row.receiver_department,
        shared=row.shared,
        service_item=row.service_item,
        end_time=row.end_time,
        collection=row.collection,
        swept=row.swept_time is not None,
    )
