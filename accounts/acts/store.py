"""Where acts are held that wait for a second person. Reasons come in and go out sealed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from runtime.database import UtcDateTime

_ACT = sa.Table(
    "asked_act",
    sa.MetaData(),
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("kind", sa.String(24)),
    sa.Column("subject", sa.String(200)),
    sa.Column("department", sa.String(80)),
    sa.Column("reason", sa.LargeBinary),
    sa.Column("asked_by", sa.String(200)),
    sa.Column("ask_time", UtcDateTime),
    sa.Column("expire_time", UtcDateTime),
    sa.Column("state", sa.String(16)),
    sa.Column("decided_by", sa.String(200)),
    sa.Column("decide_time", UtcDateTime),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActRow:
    """An act as it lies in its table."""

    id: str
    kind: str
    subject: str
    department: str
    reason: bytes
    asked_by: str
    ask_time: datetime
    expire_time: datetime
    state: str
    decided_by: str
    decide_time: datetime | None


def add(session: Session, row: ActRow) -> None:
    """Keep a new act."""
    session.execute(
        _ACT.insert().values(**{name: getattr(row, name) for name in row.__dataclass_fields__})
    )


def act(session: Session, act_id: str, *, hold: bool = False) -> ActRow | None:
    """An act; with `hold` nobody else decides it until the transaction ends."""
    query = sa.select(_ACT).where(_ACT.c.id == act_id)
    row = session.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else ActRow(**row)


def is_asked(session: Session, *, kind: str, subject: str, department: str, now: datetime) -> bool:
    """Whether the same act of a department waits already."""
    query = sa.select(_ACT.c.id).where(
        _ACT.c.subject == subject,
        _ACT.c.department == department,
        _ACT.c.state == "ASKED",
        _ACT.c.kind == kind,
        _ACT.c.expire_time > now,
    )
    return session.execute(query).first() is not None


def decide(session: Session, act_id: str, *, state: str, by: str, at: datetime) -> None:
    """Keep what was decided."""
    session.execute(
        _ACT.update().where(_ACT.c.id == act_id).values(state=state, decided_by=by, decide_time=at)
    )


def page(
    session: Session,
    *,
    departments: Mapping[str, Collection[str] | None],
    open_at: datetime | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[ActRow]:
    """Acts, the newest first: of each kind those of some departments (None: of all).

    Of `open_at` only what waits.
    """
    columns = _ACT.c
    query = sa.select(_ACT).where(
        sa.or_(
            sa.false(),
            *(
                columns.kind == kind
                if of is None
                else sa.and_(columns.kind == kind, columns.department.in_(sorted(of)))
                for kind, of in departments.items()
            ),
        )
    )
    if open_at is not None:
        query = query.where(columns.state == "ASKED", columns.expire_time > open_at)
    if before is not None:
        at, act_id = before
        query = query.where(
            sa.or_(
                columns.ask_time < at,
                sa.and_(columns.ask_time == at, columns.id < act_id),
            )
        )
    query = query.order_by(columns.ask_time.desc(), columns.id.desc()).limit(limit)
    return [ActRow(**row) for row in session.execute(query).mappings()]
