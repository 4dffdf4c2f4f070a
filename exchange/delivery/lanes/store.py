"""Where lanes and dead letters are held.

1. A lane is locked before it is changed; all lanes of a subscription are locked in their order.
2. Who leases locks lane 0 first, so of two consumers the second sees what the first has taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.delivery.lanes.model import DeadLetter, DeadLetterState, Lane
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class LaneRow(_Table, table=True):
    """A lane of a subscription."""

    __tablename__ = "subscription_lane"

    subscription: str = Field(primary_key=True, sa_type=NAME)
    lane: int = Field(sa_column=sa.Column(sa.Integer, primary_key=True, autoincrement=False))
    cursor: int = Field(sa_type=sa.BigInteger)
    consumer: str = Field(max_length=63)
    token: str = Field(max_length=32)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    head: int = Field(sa_type=sa.BigInteger)
    sent: int = Field(sa_type=sa.BigInteger)
    size: int
    deliveries: int
    failures: int
    width: int
    replays: int = Field(sa_type=sa.BigInteger)


class DeadLetterRow(_Table, table=True):
    """A dead letter."""

    __tablename__ = "dead_letter"
    __table_args__ = (sa.Index("dead_letter_by_state", "subscription", "state", "lane", "offset"),)

    subscription: str = Field(primary_key=True, sa_type=NAME)
    offset: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    lane: int
    record_id: str = Field(max_length=32)
    reason: str = Field(max_length=64)
    deliveries: int
    state: str = Field(max_length=16)
    create_time: datetime = Field(sa_type=UtcDateTime)
    update_time: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(sa_type=NAME)


METADATA = _Table.metadata
LANES = METADATA.tables["subscription_lane"]
DEAD = METADATA.tables["dead_letter"]


def add(session: Session, subscription: str, cursor: int, lanes: int) -> None:
    """Hold the lanes of a new subscription."""
    made = [Lane(number=number, cursor=cursor) for number in range(lanes)]
    session.execute(LANES.insert(), [_values(subscription, lane) for lane in made])


def lanes(session: Session, subscription: str, *, lock: bool = False) -> list[Lane]:
    """All lanes of a subscription in order; none where it never had a consumer."""
    query = sa.select(LANES).where(LANES.c.subscription == subscription).order_by(LANES.c.lane)
    rows = session.execute(query.with_for_update() if lock else query).mappings()
    return [_lane(row) for row in rows]


def update(session: Session, subscription: str, changed: Iterable[Lane]) -> None:
    """Write what lanes have become."""
    for lane in changed:
        session.execute(
            sa.update(LANES)
            .where(LANES.c.subscription == subscription, LANES.c.lane == lane.number)
            .values(**_values(subscription, lane))
        )


def drop(session: Session, subscription: str) -> int:
    """Forget the lanes and dead letters of a subscription; how many dead letters waited."""
    waiting = open_count(session, subscription)
    session.execute(sa.delete(LANES).where(LANES.c.subscription == subscription))
    session.execute(sa.delete(DEAD).where(DEAD.c.subscription == subscription))
    return waiting


def replaying(session: Session, subscription: str) -> dict[int, int]:
    """The next dead letter to replay, by lane."""
    query = (
        sa.select(DEAD.c.lane, sa.func.min(DEAD.c.offset))
        .where(
            DEAD.c.subscription == subscription,
            DEAD.c.state == DeadLetterState.REPLAYING.value,
        )
        .group_by(DEAD.c.lane)
    )
    return {int(lane): int(offset) for lane, offset in session.execute(query)}


def open_count(session: Session, subscription: str) -> int:
    """How many dead letters wait for somebody."""
    states = (DeadLetterState.OPEN.value, DeadLetterState.REPLAYING.value)
    query = sa.select(sa.func.count()).where(
        DEAD.c.subscription == subscription, DEAD.c.state.in_(states)
    )
    return int(session.execute(query).scalar_one())


def put_dead_letter(session: Session, letter: DeadLetter) -> None:
    """Hold a dead letter, or what one has become."""
    values = {**asdict(letter), "state": letter.state.value}
    mine = (DEAD.c.subscription == letter.subscription, DEAD.c.offset == letter.offset)
    if session.execute(sa.update(DEAD).where(*mine).values(**values)).rowcount == 0:  # type: ignore[attr-defined]
        session.execute(DEAD.insert().values(**values))


def dead_letter(
    session: Session, subscription: str, offset: int, *, lock: bool = False
) -> DeadLetter | None:
    """One dead letter."""
    query = sa.select(DEAD).where(DEAD.c.subscription == subscription, DEAD.c.offset == offset)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _dead(row)


def dead_letters(
    session: Session,
    subscription: str,
    *,
    states: Sequence[DeadLetterState],
    after: int,
    limit: int,
) -> list[DeadLetter]:
    """Dead letters in order of offset."""
    query = (
        sa.select(DEAD)
        .where(
            DEAD.c.subscription == subscription,
            DEAD.c.offset > after,
            DEAD.c.state.in_([state.value for state in states]),
        )
        .order_by(DEAD.c.offset)
        .limit(limit)
    )
    return [_dead(row) for row in session.execute(query).mappings()]


def are_dead(session: Session, subscription: str, offsets: Sequence[int]) -> set[int]:
    """Which of these changes became dead letters that were not delivered since."""
    lost = (DeadLetterState.OPEN.value, DeadLetterState.REPLAYING.value)
    query = sa.select(DEAD.c.offset).where(
        DEAD.c.subscription == subscription,
        DEAD.c.offset.in_(offsets),
        DEAD.c.state.in_(lost),
    )
    return set(session.scalars(query))


def _values(subscription: str, lane: Lane) -> dict[str, Any]:
    values = asdict(lane)
    return {"subscription": subscription, "lane": values.pop("number"), **values}


def _lane(row: sa.RowMapping) -> Lane:
    values = dict(row)
    del values["subscription"]
    return Lane(number=values.pop("lane"), **values)


def _dead(row: sa.RowMapping) -> DeadLetter:
    values = dict(row)
    return DeadLetter(**{**values, "state": DeadLetterState(values["state"])})
