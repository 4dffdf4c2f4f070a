"""Where licenses, presentations and what waits for the license library are held.

1. A license's row is written when its identifier is reserved and has all that is needed to finish
   issuing it; afterwards only its state and the digests of its files change.
2. Every change of state goes through an UPDATE that names the state before, so that of two changes
   at once one is told that it came second; and it leaves a row in `library_outbox` in the same
   transaction, with the record to publish as it is then.
3. The holder's code is found by a keyed index (HMAC-SHA256), so that an index alone tells nothing;
   a changed key is noticed at start, and the index is made again.
4. A presentation's use is taken by one UPDATE whose condition is the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, col, select

from licenses.model import HolderCodeType, License, LicenseState
from licenses.presentation import Presentation
from runtime.database import REQUEST_ID_LIMIT, UtcDateTime

TABLES = registry()
DIGEST = 32
_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PUBLISHING_LOCK = 0x746F6E676C6963  # "tonglic": any number nobody else takes


class _Table(SQLModel, registry=TABLES):
    pass


class LicenseRow(_Table, table=True):
    """One license; one shape for every type, since a type's own fields are in the metadata."""

    __tablename__ = "license"
    __table_args__ = (
        sa.UniqueConstraint("identifier", name="license_identifier_once"),
        sa.UniqueConstraint("actor", "request_id", name="license_request_once"),
        sa.Index("license_of_issuer", "issuer", "id"),
        sa.Index("license_of_holder", "holder_index", "id"),
        sa.Index("license_in_state", "state", "issue_time"),
    )

    id: str = Field(primary_key=True, max_length=32)
    issuer: str = Field(max_length=80)
    type_id: str = Field(max_length=63)
    identifier: str = Field(max_length=120)
    serial: str = Field(max_length=30)
    holder_name: str = Field(sa_type=sa.Text)
    holder_code: str = Field(max_length=18)
    holder_code_type: str = Field(max_length=3)
    holder_index: bytes
    metadata_json: str = Field(sa_type=sa.Text)
    metadata_sha256: str = Field(max_length=64)
    valid_from: str = Field(max_length=10)
    valid_to: str = Field(max_length=10)
    issue_time: datetime = Field(sa_type=UtcDateTime)
    seal: str = Field(max_length=200)
    state: str = Field(max_length=12)
    state_time: datetime = Field(sa_type=UtcDateTime)
    state_reason: str = Field(sa_type=sa.Text)
    activated_at: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    ofd_sha256: str = Field(max_length=64)
    pdf_sha256: str = Field(max_length=64)
    #: Who asked for it, with which request: a repeat goes on with this row.
    actor: str = Field(max_length=200)
    request_id: str = Field(max_length=REQUEST_ID_LIMIT)
    request_digest: bytes


class SerialRow(_Table, table=True):
    """The last serial number given out by an issuer for a type in a year."""

    __tablename__ = "serial_counter"

    issuer: str = Field(primary_key=True, max_length=80)
    type_id: str = Field(primary_key=True, max_length=63)
    year: int = Field(primary_key=True)
    last: int = Field(sa_type=sa.BigInteger)


class OutboxRow(_Table, table=True):
    """A record of the license library on its way to the exchange, in order of id."""

    __tablename__ = "library_outbox"

    id: int | None = Field(
        default=None, sa_column=sa.Column(_BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    record: str = Field(sa_type=sa.Text)


class PresentationRow(_Table, table=True):
    """One presentation; of its code only the digest."""

    __tablename__ = "presentation"
    __table_args__ = (
        sa.UniqueConstraint("code_digest", name="presentation_code_once"),
        sa.UniqueConstraint("actor", "request_id", name="presentation_request_once"),
        sa.Index("presentation_by_expiry", "expire_time"),
    )

    id: str = Field(primary_key=True, max_length=32)
    license_id: str = Field(max_length=32, foreign_key="license.id")
    code_digest: bytes
    fields: str = Field(sa_type=sa.Text)
    audience: str = Field(max_length=80)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    max_uses: int
    uses: int
    ended: bool
    actor: str = Field(max_length=200)
    request_id: str = Field(max_length=REQUEST_ID_LIMIT)


class AccessRow(_Table, table=True):
    """Who used a license for what, in words that may be personal and so are in no audit leaf."""

    __tablename__ = "license_access"
    __table_args__ = (sa.Index("access_of_license", "license_id", "id"),)

    id: int | None = Field(
        default=None, sa_column=sa.Column(_BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    at: datetime = Field(sa_type=UtcDateTime)
    system: str = Field(max_length=200)
    kind: str = Field(max_length=40)
    purpose: str = Field(sa_type=sa.Text)


class IndexKeyRow(_Table, table=True):
    """Fingerprint of the key of the holder index, in one row."""

    __tablename__ = "holder_index_key"

    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    fingerprint: bytes


# Licenses.


def add_license(
    session: Session,
    license_: License,
    *,
    holder_index: bytes,
    request_id: str,
    request_digest: bytes,
) -> None:
    """Write a reserved license."""
    session.add(
        LicenseRow(
            id=license_.id,
            issuer=license_.issuer,
            type_id=license_.type_id,
            identifier=license_.identifier,
            serial=license_.serial,
            holder_name=license_.holder_name,
            holder_code=license_.holder_code,
            holder_code_type=license_.holder_code_type.value,
            holder_index=holder_index,
            metadata_json=orjson.dumps(dict(license_.metadata)).decode(),
            metadata_sha256=license_.metadata_sha256,
            valid_from=license_.valid_from.isoformat(),
            valid_to=license_.valid_to.isoformat() if license_.valid_to else "",
            issue_time=license_.issue_time,
            seal=license_.seal,
            state=license_.state.value,
            state_time=license_.state_time,
            state_reason=license_.state_reason,
            activated_at=license_.activated_at,
            ofd_sha256=license_.ofd_sha256,
            pdf_sha256=license_.pdf_sha256,
            actor=license_.actor,
            request_id=request_id,
            request_digest=request_digest,
        )
    )
    session.flush()


def request_of(session: Session, actor: str, request_id: str) -> tuple[License, bytes] | None:
    """The license that a request began, and the digest of that request."""
    row = session.exec(
        select(LicenseRow).where(LicenseRow.actor == actor, LicenseRow.request_id == request_id)
    ).first()
    return None if row is None else (_license(row), row.request_digest)


def next_serial(session: Session, issuer: str, type_id: str, year: int) -> int:
    """The next number of an issuer for a type in a year, from 1; no number is given twice."""
    statement = sa.text(
        "INSERT INTO serial_counter (issuer, type_id, year, last) "
        "VALUES (:issuer, :type_id, :year, 1) "
        "ON CONFLICT (issuer, type_id, year) DO UPDATE SET last = serial_counter.last + 1 "
        "RETURNING last"
    )
    values = {"issuer": issuer, "type_id": type_id, "year": year}
    return int(session.execute(statement, values).scalar_one())


def identifier_taken(session: Session, identifier: str) -> bool:
    """Whether a license has this identifier."""
    found = session.exec(select(LicenseRow.id).where(LicenseRow.identifier == identifier)).first()
    return found is not None


def license_by_id(session: Session, license_id: str, *, lock: bool = False) -> License | None:
    """A license; `lock` holds its row until the transaction ends."""
    statement = select(LicenseRow).where(LicenseRow.id == license_id)
    row = session.exec(statement.with_for_update() if lock else statement).first()
    return None if row is None else _license(row)


def issued(session: Session, issuer: str, *, after: str, size: int) -> list[License]:
    """Licenses of an issuer in order of id."""
    return _page(session, LicenseRow.issuer == issuer, after, size)


def held(session: Session, holder_index: bytes, *, after: str, size: int) -> list[License]:
    """Licenses of a holder in order of id, without those that are being issued."""
    issued_ones = sa.and_(
        col(LicenseRow.holder_index) == holder_index,
        col(LicenseRow.state) != LicenseState.ISSUING.value,
    )
    return _page(session, issued_ones, after, size)


def _page(session: Session, condition: Any, after: str, size: int) -> list[License]:
    statement = (
        select(LicenseRow)
        .where(condition, col(LicenseRow.id) > after)
        .order_by(LicenseRow.id)
        .limit(size)
    )
    return [_license(row) for row in session.exec(statement)]


def unfinished(session: Session, limit: int) -> list[License]:
    """Licenses that are still being issued, oldest first."""
    statement = (
        select(LicenseRow)
        .where(LicenseRow.state == LicenseState.ISSUING.value)
        .order_by(col(LicenseRow.issue_time), LicenseRow.id)
        .limit(limit)
    )
    return [_license(row) for row in session.exec(statement)]


def move(
    session: Session,
    license_id: str,
    before: LicenseState,
    after: LicenseState,
    *,
    at: datetime,
    reason: str,
    **others: object,
) -> bool:
    """Change the state if it is still `before`; whether this call changed it."""
    done = session.execute(
        sa.update(LicenseRow)
        .where(col(LicenseRow.id) == license_id, col(LicenseRow.state) == before.value)
        .values(state=after.value, state_time=at, state_reason=reason, **others)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _license(row: LicenseRow) -> License:
    return License(
        id=row.id,
        issuer=row.issuer,
        type_id=row.type_id,
        identifier=row.identifier,
        serial=row.serial,
        holder_name=row.holder_name,
        holder_code=row.holder_code,
        holder_code_type=HolderCodeType(row.holder_code_type),
        metadata=orjson.loads(row.metadata_json),
        metadata_sha256=row.metadata_sha256,
        valid_from=date.fromisoformat(row.valid_from),
        valid_to=date.fromisoformat(row.valid_to) if row.valid_to else None,
        issue_time=row.issue_time,
        seal=row.seal,
        actor=row.actor,
        state=LicenseState(row.state),
        state_time=row.state_time,
        state_reason=row.state_reason,
        activated_at=row.activated_at,
        ofd_sha256=row.ofd_sha256,
        pdf_sha256=row.pdf_sha256,
    )


# What waits for the license library.


def enqueue(session: Session, license_id: str, record: Mapping[str, str]) -> None:
    """Leave a record to be published after this transaction."""
    row = orjson.dumps(dict(record)).decode()
    session.execute(sa.insert(OutboxRow).values(license_id=license_id, record=row))


def waiting(session: Session, limit: int) -> list[tuple[int, dict[str, str]]]:
    """The oldest records to publish with their places, no license twice.

    A second record of one license waits for the next batch, so that each change is published.
    """
    rows = session.exec(select(OutboxRow).order_by(col(OutboxRow.id)).limit(limit)).all()
    seen: set[str] = set()
    taken: list[tuple[int, dict[str, str]]] = []
    for row in rows:
        if row.license_id in seen or row.id is None:
            break
        seen.add(row.license_id)
        taken.append((row.id, orjson.loads(row.record)))
    return taken


def drop(session: Session, places: Sequence[int]) -> None:
    """Forget records that were published."""
    session.execute(sa.delete(OutboxRow).where(col(OutboxRow.id).in_(places)))


def publishing_turn(session: Session) -> bool:
    """Whether this replica may publish now, until the transaction ends: records stay in order.

    SQLite has one process, whose own lock does the same.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    statement = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(session.execute(statement, {"key": _PUBLISHING_LOCK}).scalar_one())


# Presentations.


def add_presentation(
    session: Session,
    presentation: Presentation,
    *,
    code_digest: bytes,
    actor: str,
    request_id: str,
) -> None:
    """Write a presentation."""
    session.add(
        PresentationRow(
            id=presentation.id,
            license_id=presentation.license_id,
            code_digest=code_digest,
            fields=orjson.dumps(list(presentation.fields)).decode(),
            audience=presentation.audience,
            expire_time=presentation.expire_time,
            max_uses=presentation.max_uses,
            uses=presentation.uses,
            ended=presentation.ended,
            actor=actor,
            request_id=request_id,
        )
    )
    session.flush()


def presentation_told(session: Session, actor: str, request_id: str) -> bool:
    """Whether a request made a presentation before."""
    statement = select(PresentationRow.id).where(
        PresentationRow.actor == actor, PresentationRow.request_id == request_id
    )
    return session.exec(statement).first() is not None


def presentation_by_code(session: Session, code_digest: bytes) -> Presentation | None:
    """The presentation that a code opens."""
    statement = select(PresentationRow).where(PresentationRow.code_digest == code_digest)
    row = session.exec(statement).first()
    return None if row is None else _presentation(row)


def presentation_by_id(session: Session, presentation_id: str) -> Presentation | None:
    """A presentation."""
    row = session.get(PresentationRow, presentation_id)
    return None if row is None else _presentation(row)


def use(session: Session, presentation_id: str) -> bool:
    """Count one use if one is left and the presentation was not ended; whether it was counted."""
    row = PresentationRow
    left = sa.or_(col(row.max_uses) == 0, col(row.uses) < col(row.max_uses))
    done = session.execute(
        sa.update(row)
        .where(col(row.id) == presentation_id, col(row.ended).is_(False), left)
        .values(uses=col(row.uses) + 1)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def end(session: Session, presentation_id: str) -> None:
    """End a presentation; nothing happens where it was ended."""
    session.execute(
        sa.update(PresentationRow)
        .where(col(PresentationRow.id) == presentation_id)
        .values(ended=True)
    )


def forget_presentations(session: Session, before: datetime) -> int:
    """Remove presentations whose time was over before an instant; how many there were."""
    done = session.execute(
        sa.delete(PresentationRow).where(col(PresentationRow.expire_time) < before)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE has one


def _presentation(row: PresentationRow) -> Presentation:
    return Presentation(
        id=row.id,
        license_id=row.license_id,
        fields=tuple(orjson.loads(row.fields)),
        audience=row.audience,
        expire_time=row.expire_time,
        max_uses=row.max_uses,
        uses=row.uses,
        ended=row.ended,
    )


# Who used a license; the holder index.


def add_access(
    session: Session, license_id: str, *, at: datetime, system: str, kind: str, purpose: str
) -> None:
    """Keep who used a license for what."""
    session.add(AccessRow(license_id=license_id, at=at, system=system, kind=kind, purpose=purpose))


def keep_index(session: Session, fingerprint: bytes, index: Callable[[str], bytes]) -> int:
    """Make the holder index again if its key is another than before; how many rows it touched."""
    held_key = session.get(IndexKeyRow, 1)
    if held_key is None:
        session.add(IndexKeyRow(id=1, fingerprint=fingerprint))
        return 0
    if held_key.fingerprint == fingerprint:
        return 0
    held_key.fingerprint = fingerprint
    rows = session.exec(select(LicenseRow.id, LicenseRow.holder_code)).all()
    for license_id, code in rows:
        session.execute(
            sa.update(LicenseRow)
            .where(col(LicenseRow.id) == license_id)
            .values(holder_index=index(code))
        )
    return len(rows)
