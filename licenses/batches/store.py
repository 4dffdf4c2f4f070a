"""The table of batches, and what holds for a batch with its rows (`licenses.batches.rows`).

1. A worker holds a batch by a lease: a random token, until `next_time`, which it puts off while it
   works. Results are written only under it, so of two workers one writes and the other stops.
2. The counts in a batch's row change in the transaction of the results that they count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from licenses.batches.model import Batch, BatchState, Result, RowState
from licenses.batches.rows import store as rows
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class _Table(SQLModel, registry=registry()):
    pass


class IssueBatchRow(_Table, table=True):
    """A batch."""

    __tablename__ = "issue_batch"
    __table_args__ = (
        sa.Index("issue_batch_by_issuer", "issuer", "name"),
        sa.Index("issue_batch_by_time", "next_time"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    issuer: str = Field(sa_type=NAME)
    type_id: str = Field(max_length=63)
    type_version: int
    seal: str = Field(max_length=200)
    state: str = Field(max_length=12)
    actor: str = Field(max_length=200)
    create_time: datetime = Field(sa_type=UtcDateTime)
    end_time: datetime | None = Field(sa_type=UtcDateTime, nullable=True)
    row_count: int
    issued_count: int
    failed_count: int
    waiting_reason: str = Field(max_length=64)
    rows_sha256: str = Field(max_length=64)
    next_time: datetime = Field(sa_type=UtcDateTime)
    lease: str = Field(max_length=32)


METADATA = _Table.metadata


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


BATCHES = _table(IssueBatchRow)


# --- receiving ---------------------------------------------------------------------------------


def add(session: Session, batch: Batch) -> None:
    """Hold a batch that is being received; nobody works on it."""
    session.execute(
        BATCHES.insert().values(
            name=batch.name,
            issuer=batch.issuer,
            type_id=batch.type_id,
            type_version=batch.type_version,
            seal=batch.seal,
            state=batch.state.value,
            actor=batch.actor,
            create_time=batch.create_time,
            end_time=None,
            row_count=0,
            issued_count=0,
            failed_count=0,
            waiting_reason="",
            rows_sha256="",
            next_time=NEVER,
            lease="",
        )
    )


def begin(session: Session, batch: Batch) -> bool:
    """A batch whose rows are all here: RUNNING, and due now; False where it is gone."""
    return _changed(
        session,
        sa.update(BATCHES)
        .where(BATCHES.c.name == batch.name, BATCHES.c.state == BatchState.RECEIVING.value)
        .values(
            state=BatchState.RUNNING.value,
            row_count=batch.row_count,
            rows_sha256=batch.rows_sha256,
            next_time=batch.create_time,
        ),
    )


def delete(session: Session, name: str) -> None:
    """Forget a batch and its rows."""
    rows.delete(session, name)
    session.execute(sa.delete(BATCHES).where(BATCHES.c.name == name))


def stale(session: Session, *, received_before: datetime, ended_before: datetime) -> list[str]:
    """Batches that never came whole, and those whose results were kept long enough."""
    query = sa.select(BATCHES.c.name).where(
        sa.or_(
            sa.and_(
                BATCHES.c.state == BatchState.RECEIVING.value,
                BATCHES.c.create_time < received_before,
            ),
            BATCHES.c.end_time < ended_before,
        )
    )
    return list(session.execute(query.limit(100)).scalars())


# --- reading -----------------------------------------------------------------------------------


def batch(session: Session, name: str) -> Batch | None:
    """A batch."""
    row = session.execute(sa.select(BATCHES).where(BATCHES.c.name == name)).mappings().first()
    return None if row is None else _batch(row)


def batches(session: Session, issuer: str, *, before: str, size: int) -> list[Batch]:
    """Batches of a department that came whole, newest first."""
    query = sa.select(BATCHES).where(
        BATCHES.c.issuer == issuer, BATCHES.c.state != BatchState.RECEIVING.value
    )
    if before:
        query = query.where(BATCHES.c.name < before)
    found = session.execute(query.order_by(BATCHES.c.name.desc()).limit(size))
    return [_batch(row) for row in found.mappings()]


def live(session: Session, issuer: str) -> int:
    """How many batches of a department have not ended."""
    count = sa.select(sa.func.count()).where(
        BATCHES.c.issuer == issuer, BATCHES.c.end_time.is_(None)
    )
    return int(session.execute(count).scalar_one())


# --- working -----------------------------------------------------------------------------------


def due(session: Session, now: datetime) -> str | None:
    """Name of a batch that a worker may take now."""
    query = (
        sa.select(BATCHES.c.name)
        .where(BATCHES.c.next_time <= now, BATCHES.c.state == BatchState.RUNNING.value)
        .order_by(BATCHES.c.next_time)
        .limit(1)
    )
    return session.execute(query).scalar_one_or_none()


def take(session: Session, name: str, *, lease: str, now: datetime, until: datetime) -> bool:
    """Hold a due batch until a time; False where somebody came first."""
    return _changed(
        session,
        sa.update(BATCHES)
        .where(
            BATCHES.c.name == name,
            BATCHES.c.next_time <= now,
            BATCHES.c.state == BatchState.RUNNING.value,
        )
        .values(lease=lease, next_time=until),
    )


def put_off(session: Session, name: str, *, lease: str, until: datetime) -> bool:
    """Hold a batch for longer; False where it is not this worker's any more."""
    return _held(session, name, lease, next_time=until)


def take_up(session: Session, now: datetime) -> int:
    """Make due now what somebody held who is gone for certain; how many batches."""
    done = session.execute(
        sa.update(BATCHES)
        .where(BATCHES.c.state == BatchState.RUNNING.value, BATCHES.c.lease != "")
        .values(lease="", next_time=now)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def keep(
    session: Session,
    name: str,
    done: Sequence[Result],
    *,
    lease: str,
    until: datetime,
    waiting_reason: str = "",
) -> bool:
    """Write results and give the batch back until a time; `waiting_reason` says why not before.

    False where the batch is not this worker's any more. Of one that was cancelled meanwhile, what
    was issued is written.
    """
    issued = sum(one.state is RowState.ISSUED for one in done)
    held = _held(
        session,
        name,
        lease,
        cancelled_too=True,
        lease="",
        next_time=sa.case(
            (BATCHES.c.state == BatchState.RUNNING.value, sa.literal(until, UtcDateTime)),
            else_=BATCHES.c.next_time,
        ),
        waiting_reason=waiting_reason[:64],
        issued_count=BATCHES.c.issued_count + issued,
        failed_count=BATCHES.c.failed_count + len(done) - issued,
    )
    if held and done:
        rows.write(session, name, done)
    return held


def finish(session: Session, name: str, *, lease: str, at: datetime) -> bool:
    """End a batch whose rows all have results; False where it is not this worker's any more."""
    return _held(
        session,
        name,
        lease,
        state=BatchState.FINISHED.value,
        end_time=at,
        next_time=NEVER,
        lease="",
        waiting_reason="",
    )


def cancel(session: Session, name: str, *, at: datetime) -> bool:
    """End a batch; False where it had ended. Who works on it still writes what it has issued."""
    changed = _changed(
        session,
        sa.update(BATCHES)
        .where(BATCHES.c.name == name, BATCHES.c.state == BatchState.RUNNING.value)
        .values(
            state=BatchState.CANCELLED.value,
            end_time=at,
            next_time=NEVER,
            waiting_reason="",
        ),
    )
    if changed:
        rows.empty(session, name)
    return changed


def _held(
    session: Session, name: str, held_by: str, *, cancelled_too: bool = False, **values: object
) -> bool:
    states = [BatchState.RUNNING.value] + [BatchState.CANCELLED.value] * cancelled_too
    return _changed(
        session,
        sa.update(BATCHES)
        .where(BATCHES.c.name == name, BATCHES.c.lease == held_by, BATCHES.c.state.in_(states))
        .values(**values),
    )


def _changed(session: Session, statement: Any) -> bool:
    return bool(session.execute(statement).rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _batch(row: Mapping[Any, Any]) -> Batch:
    return Batch(
        name=row["name"],
        type_id=row["type_id"],
        type_version=row["type_version"],
        seal=row["seal"],
        state=BatchState(row["state"]),
        actor=row["actor"],
        create_time=row["create_time"],
        row_count=row["row_count"],
        issued_count=row["issued_count"],
        failed_count=row["failed_count"],
        waiting_reason=row["waiting_reason"],
        end_time=row["end_time"],
        rows_sha256=row["rows_sha256"],
        held_until=row["next_time"] if row["lease"] else None,
    )
