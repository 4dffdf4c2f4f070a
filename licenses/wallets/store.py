"""Where requests to wallets are held. One UPDATE takes an answer: of two at once one counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.store import Table
from licenses.wallets.model import WalletRequest
from runtime.database import UtcDateTime


class WalletRequestRow(Table, table=True):
    """One request."""

    __tablename__ = "wallet_request"
    __table_args__ = (
        sa.Index("wallet_request_by_expiry", "expire_time"),
        sa.Index("wallet_request_of_department", "department", "expire_time"),
    )

    id: str = Field(primary_key=True, max_length=32)
    department: str = Field(max_length=80)
    system: str = Field(max_length=200)
    type_id: str = Field(max_length=63)
    fields: str = Field(sa_type=sa.Text)
    purpose: str = Field(sa_type=sa.Text)
    nonce: str = Field(max_length=64)
    client_id: str = Field(max_length=200)
    response_uri: str = Field(sa_type=sa.Text)
    create_time: datetime = Field(sa_type=UtcDateTime)
    expire_time: datetime = Field(sa_type=UtcDateTime)
    answer_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    result: str = Field(max_length=40)
    license_id: str = Field(max_length=32)
    #: What was shown, as JSON; gone with the row.
    disclosed: str = Field(sa_type=sa.Text)
    verifier_name: str = Field(sa_type=sa.Text)
    purpose_bound: bool


class WalletCredentialRow(Table, table=True):
    """A credential that a wallet got, by its issuer's signature; one for each key of a license."""

    __tablename__ = "wallet_credential"
    __table_args__ = (
        sa.UniqueConstraint("license_id", "key_sha256", name="wallet_credential_once"),
    )

    sha256: str = Field(primary_key=True, max_length=64)
    license_id: str = Field(max_length=32)
    key_sha256: str = Field(max_length=64)
    make_time: datetime = Field(sa_type=UtcDateTime)


def note_credential(
    session: Session, sha256: str, *, license_id: str, key_sha256: str, at: datetime
) -> bool:
    """Note a credential that is given out; whether it is new."""
    row = WalletCredentialRow
    held = session.exec(
        select(row).where(row.license_id == license_id, row.key_sha256 == key_sha256)
    ).first()
    if held is not None and held.sha256 == sha256:
        return False
    if held is not None:  # sealed anew, as after a change of the seal
        session.delete(held)
        session.flush()
    session.add(row(sha256=sha256, license_id=license_id, key_sha256=key_sha256, make_time=at))
    session.flush()
    return True


def credential_made(session: Session, license_id: str, key_sha256: str) -> datetime | None:
    """When a wallet's key first got a license's credential; None if it has none."""
    row = WalletCredentialRow
    statement = select(row.make_time).where(
        row.license_id == license_id, row.key_sha256 == key_sha256
    )
    return session.exec(statement).first()


def license_of_credential(session: Session, sha256: str) -> str:
    """The id of the license that a credential is of; "" of one that was never given out."""
    row = session.get(WalletCredentialRow, sha256)
    return row.license_id if row else ""


def credentials_since(session: Session, license_id: str, since: datetime) -> int:
    """How many keys a license was bound to since."""
    row = WalletCredentialRow
    statement = select(sa.func.count()).where(
        col(row.license_id) == license_id, col(row.make_time) > since
    )
    return int(session.exec(statement).one())


def open_count(session: Session, department: str, now: datetime) -> int:
    """How many requests of a department can still be answered."""
    row = WalletRequestRow
    statement = select(sa.func.count()).where(
        col(row.department) == department,
        col(row.expire_time) > now,
        col(row.answer_time).is_(None),
    )
    return int(session.exec(statement).one())


def add(session: Session, request: WalletRequest) -> None:
    """Write a request."""
    session.add(
        WalletRequestRow(
            id=request.id,
            department=request.department,
            system=request.system,
            type_id=request.type_id,
            fields=orjson.dumps(list(request.fields)).decode(),
            purpose=request.purpose,
            nonce=request.nonce,
            client_id=request.client_id,
            response_uri=request.response_uri,
            create_time=request.create_time,
            expire_time=request.expire_time,
            answer_time=request.answer_time,
            result=request.result,
            license_id=request.license_id,
            disclosed=orjson.dumps(dict(request.disclosed)).decode(),
            verifier_name=request.verifier_name,
            purpose_bound=request.purpose_bound,
        )
    )
    session.flush()


def request_by_id(session: Session, request_id: str) -> WalletRequest | None:
    """A request."""
    row = session.get(WalletRequestRow, request_id)
    if row is None:
        return None
    return WalletRequest(
        id=row.id,
        department=row.department,
        system=row.system,
        type_id=row.type_id,
        fields=tuple(orjson.loads(row.fields)),
        purpose=row.purpose,
        nonce=row.nonce,
        client_id=row.client_id,
        response_uri=row.response_uri,
        create_time=row.create_time,
        expire_time=row.expire_time,
        answer_time=row.answer_time,
        result=row.result,
        license_id=row.license_id,
        disclosed=orjson.loads(row.disclosed),
        verifier_name=row.verifier_name,
        purpose_bound=row.purpose_bound,
    )


def answer(
    session: Session,
    request_id: str,
    *,
    at: datetime,
    result: str,
    license_id: str,
    disclosed: Mapping[str, str],
) -> bool:
    """Keep what came of a request, if nothing came before; whether it was kept."""
    row = WalletRequestRow
    done = session.execute(
        sa.update(row)
        .where(col(row.id) == request_id, col(row.answer_time).is_(None))
        .values(
            answer_time=at,
            result=result,
            license_id=license_id,
            disclosed=orjson.dumps(dict(disclosed)).decode(),
        )
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def forget(session: Session, before: datetime) -> None:
    """Remove requests whose time was over before an instant, with what was shown."""
    session.execute(sa.delete(WalletRequestRow).where(col(WalletRequestRow.expire_time) < before))
