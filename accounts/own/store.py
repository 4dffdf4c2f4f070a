"""Where it is held what happened to an account, for its owner to see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from runtime.database import UtcDateTime

_EVENT = sa.Table(
    "account_event",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("account", sa.String(16)),
    sa.Column("kind", sa.String(24)),
    sa.Column("method", sa.String(16)),
    sa.Column("time", UtcDateTime),
    sa.Column("reason", sa.LargeBinary),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """What happened to an account; `reason` is sealed, or empty."""

    kind: str
    method: str
    time: datetime
    reason: bytes = b""


def add_event(
    session: Session,
    account_id: str,
    *,
    kind: str,
    at: datetime,
    method: str = "",
    reason: bytes = b"",
) -> None:
    """Note what happened to an account."""
    session.execute(
        _EVENT.insert().values(
            account=account_id, kind=kind, method=method, time=at, reason=reason or None
        )
    )


def events_of(session: Session, account_id: str, limit: int) -> list[EventRow]:
    """What happened to an account, the newest first."""
    query = sa.select(_EVENT).where(_EVENT.c.account == account_id)
    rows = session.execute(query.order_by(_EVENT.c.id.desc()).limit(limit))
    return [
        EventRow(kind=row.kind, method=row.method, time=row.time, reason=row.reason or b"")
        for row in rows
    ]


def sweep(session: Session, *, before: datetime) -> None:
    """Forget what happened long ago."""
    session.execute(_EVENT.delete().where(_EVENT.c.time < before))
