"""Where requests to wallets are held. One UPDATE takes an answer: of two at once one counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col

from licenses.store import Table
from licenses.wallets.model import WalletRequest
from runtime.database import UtcDateTime


class WalletRequestRow(Table, table=True):
    """One request."""

    __tablename__ = "wallet_request"
    __table_args__ = (sa.Index("wallet_request_by_expiry", "expire_time"),)

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
