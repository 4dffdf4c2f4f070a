"""Runs and rejects, and all SQL on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.syncing.model import GREATEST_RUNS, Reject, RejectState, Row, Run
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


class _Table(SQLModel, registry=registry()):
    pass


class SyncRunRow(_Table, table=True):
    """A run."""

    __tablename__ = "sync_run"
    __table_args__ = (
        sa.Index("sync_run_of", "department", "number"),
        {"sqlite_autoincrement": True},
    )

    number: int = Field(
        default=None, sa_column=sa.Column(SERIAL, primary_key=True, autoincrement=True)
    )
    name: str = Field(sa_type=NAME, unique=True)
    department: str = Field(sa_type=NAME)
    files: str = Field(sa_type=sa.Text)
    create_time: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(sa_type=NAME)
    added: int
    changed: int
    withdrawn: int
    unchanged: int
    rejected: int
    open: int


class SyncRejectRow(_Table, table=True):
    """A reject; no content once it is settled."""

    __tablename__ = "sync_reject"

    run: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=sa.Column(sa.Integer, primary_key=True, autoincrement=False))
    file: str = Field(max_length=200)
    line: int
    entry: str = Field(sa_type=NAME)
    reason: str = Field(max_length=64)
    detail: str = Field(sa_type=sa.Text)
    detail_zh: str = Field(sa_type=sa.Text)
    content: str = Field(sa_type=sa.Text)
    state: str = Field(max_length=16)
    settle_time: datetime | None = Field(default=None, sa_type=UtcDateTime)


METADATA = _Table.metadata


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


RUNS = _table(SyncRunRow)
REJECTS = _table(SyncRejectRow)


def add(session: Session, run: Run) -> None:
    """Keep a run, and let those of its department go that are too many."""
    row = SyncRunRow(
        name=run.name,
        department=run.department,
        files=orjson.dumps(list(run.files)).decode(),
        create_time=run.create_time,  # type: ignore[arg-type]  # it is being kept
        actor=run.actor,
        added=run.added,
        changed=run.changed,
        withdrawn=run.withdrawn,
        unchanged=run.unchanged,
        rejected=len(run.rejects),
        open=len(run.rejects),
    )
    session.add(row)
    session.flush()
    if run.rejects:
        session.execute(REJECTS.insert(), [_values(row.number, one) for one in run.rejects])
    columns = RUNS.c
    kept = (
        sa.select(columns.number)
        .where(columns.department == run.department)
        .order_by(columns.number.desc())
        .offset(GREATEST_RUNS)
        .limit(1)
    )
    oldest = session.execute(kept).scalar()
    if oldest is not None:
        gone = sa.select(columns.number).where(
            columns.department == run.department, columns.number <= oldest
        )
        session.execute(sa.delete(REJECTS).where(REJECTS.c.run.in_(gone)))
        session.execute(
            sa.delete(RUNS).where(columns.department == run.department, columns.number <= oldest)
        )


def get(session: Session, name: str) -> Run | None:
    """A run with its rejects."""
    row = session.execute(sa.select(RUNS).where(RUNS.c.name == name)).mappings().first()
    if row is None:
        return None
    rejects = session.execute(
        sa.select(REJECTS).where(REJECTS.c.run == row["number"]).order_by(REJECTS.c.number)
    ).mappings()
    return _run(row, tuple(_reject(one) for one in rejects))


def page(session: Session, department: str, *, before: int, limit: int) -> list[Run]:
    """Runs of a department before a number (0: all), the newest first, without rejects."""
    query = sa.select(RUNS).where(RUNS.c.department == department)
    if before:
        query = query.where(RUNS.c.number < before)
    rows = session.execute(query.order_by(RUNS.c.number.desc()).limit(limit)).mappings()
    return [_run(row, ()) for row in rows]


def settle(session: Session, run: Run, number: int, state: RejectState, at: datetime) -> bool:
    """Settle an open reject, and forget its rows; whether it was open."""
    columns = REJECTS.c
    done: Any = session.execute(
        sa.update(REJECTS)
        .where(
            columns.run == run.number,
            columns.number == number,
            columns.state == RejectState.OPEN.value,
        )
        .values(state=state.value, settle_time=at, content="[]")
    )
    if not done.rowcount:
        return False
    session.execute(sa.update(RUNS).where(RUNS.c.number == run.number).values(open=RUNS.c.open - 1))
    return True


def _values(run: int, one: Reject) -> dict[str, Any]:
    return {
        "run": run,
        "number": one.number,
        "file": one.file,
        "line": one.line,
        "entry": one.entry,
        "reason": one.reason,
        "detail": one.detail,
        "detail_zh": one.detail_zh,
        "content": orjson.dumps([[row.line, row.cells] for row in one.rows]).decode(),
        "state": one.state.value,
        "settle_time": None,
    }


def _reject(row: Any) -> Reject:
    return Reject(
        number=row["number"],
        file=row["file"],
        line=row["line"],
        entry=row["entry"],
        reason=row["reason"],
        detail=row["detail"],
        detail_zh=row["detail_zh"],
        rows=tuple(
            Row(line=line, cells=tuple((column, value) for column, value in cells))
            for line, cells in orjson.loads(row["content"])
        ),
        state=RejectState(row["state"]),
        settle_time=row["settle_time"],
    )


def _run(row: Any, rejects: tuple[Reject, ...]) -> Run:
    return Run(
        number=row["number"],
        name=row["name"],
        department=row["department"],
        files=tuple(orjson.loads(row["files"])),
        create_time=row["create_time"],
        actor=row["actor"],
        added=row["added"],
        changed=row["changed"],
        withdrawn=row["withdrawn"],
        unchanged=row["unchanged"],
        rejected=row["rejected"],
        open=row["open"],
        rejects=rejects,
    )
