"""Where subscriptions are held."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, select

from exchange.delivery.model import Subscription
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class SubscriptionRow(_Table, table=True):
    """A subscription."""

    __tablename__ = "subscription"
    __table_args__ = (sa.Index("subscription_of_department", "department", "name"),)

    name: str = Field(primary_key=True, sa_type=NAME)
    department: str = Field(sa_type=NAME)
    grant_name: str = Field(sa_type=NAME)
    cursor: int = Field(sa_type=sa.BigInteger)
    secret: bytes
    created_at: datetime = Field(sa_type=UtcDateTime)
    origin: int = Field(sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    snapshot_end: int = Field(sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})
    lanes: int = Field(sa_column_kwargs={"server_default": "1"})
    max_deliveries: int = Field(sa_column_kwargs={"server_default": "5"})
    owner: str = Field(max_length=200, sa_column_kwargs={"server_default": ""})
    #: Since then it is no more than the secret that its record ids were made with.
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled: int = Field(sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "-1"})
    told_end: int = Field(sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})


METADATA = _Table.metadata
_ROWS = METADATA.tables["subscription"]


def add(session: Session, subscription: Subscription) -> bool:
    """Hold a new subscription; False where its name is taken."""
    if session.get(SubscriptionRow, subscription.name) is not None:
        return False
    session.add(
        SubscriptionRow(
            name=subscription.name,
            department=subscription.department,
            grant_name=subscription.grant,
            cursor=subscription.cursor,
            secret=subscription.secret,
            created_at=subscription.create_time,
            origin=subscription.origin,
            snapshot_end=subscription.snapshot_end,
            lanes=subscription.lanes,
            max_deliveries=subscription.max_deliveries,
            owner=subscription.owner,
            settled=subscription.settled,
            told_end=subscription.told_end,
        )
    )
    session.flush()
    return True


def count(session: Session, department: str) -> tuple[int, int]:
    """How many subscriptions a department has, and how many lanes they have together."""
    row = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_ROWS.c.lanes), 0)).where(
            _ROWS.c.department == department, _ROWS.c.ended_at.is_(None)
        )
    ).one()
    return int(row[0]), int(row[1])


def end(session: Session, name: str, at: datetime) -> None:
    """A subscription is there no longer; its name stays taken."""
    session.execute(sa.update(_ROWS).where(_ROWS.c.name == name).values(ended_at=at))
    session.expire_all()


def settle(session: Session, name: str, settled: int, told_end: int) -> None:
    """All up to `settled` was told, before the log passed `told_end`; the first to say so wins."""
    session.execute(
        sa.update(_ROWS)
        .where(_ROWS.c.name == name, _ROWS.c.settled < settled)
        .values(settled=settled, told_end=told_end)
    )


def unsettle(session: Session, name: str) -> None:
    """It reads compacted again: what it was told is not known until that is behind it."""
    session.execute(sa.update(_ROWS).where(_ROWS.c.name == name).values(settled=-1))


def get(session: Session, name: str) -> Subscription | None:
    """The subscription of a name, unless it has ended."""
    row = session.get(SubscriptionRow, name)
    return None if row is None or row.ended_at is not None else _subscription(row)


def ever(session: Session, name: str) -> Subscription | None:
    """The same, whether it has ended or not."""
    row = session.get(SubscriptionRow, name)
    return None if row is None else _subscription(row)


def page(session: Session, department: str, after: str, limit: int) -> list[Subscription]:
    """Subscriptions of a department in order of name."""
    found = session.exec(
        select(SubscriptionRow)
        .where(
            SubscriptionRow.department == department,
            SubscriptionRow.name > after,
            _ROWS.c.ended_at.is_(None),
        )
        .order_by(SubscriptionRow.name)
        .limit(limit)
    )
    return [_subscription(row) for row in found]


def advance(session: Session, name: str, cursor: int) -> None:
    """Move a cursor forward; one that is there or further already stays."""
    row = sa.table("subscription", sa.column("name"), sa.column("cursor"))
    session.execute(
        sa.update(row).where(row.c.name == name, row.c.cursor < cursor).values(cursor=cursor)
    )


def _subscription(row: SubscriptionRow) -> Subscription:
    return Subscription(
        name=row.name,
        department=row.department,
        grant=row.grant_name,
        cursor=row.cursor,
        create_time=row.created_at,
        secret=row.secret,
        origin=row.origin,
        snapshot_end=row.snapshot_end,
        lanes=row.lanes,
        max_deliveries=row.max_deliveries,
        owner=row.owner,
        settled=row.settled,
        told_end=row.told_end,
    )
