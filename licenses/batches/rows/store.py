"""The table of rows.

1. What stands in a row is dropped in the statement that writes its result; of all rows that wait,
   when their batch is cancelled.
2. A result is written by who holds the row's batch (`licenses.batches.store`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from licenses.batches.model import Result, Row, RowState

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class IssueBatchItemRow(_Table, table=True):
    """One row of a batch; `content` is empty as soon as it has its result."""

    __tablename__ = "issue_batch_row"
    __table_args__ = (
        sa.Index("issue_batch_row_by_state", "batch", "state", "number"),
        sa.Index("issue_batch_row_by_key", "batch", "row_key", "number"),
    )

    batch: str = Field(primary_key=True, sa_type=NAME)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    row_key: str = Field(max_length=64)
    state: str = Field(max_length=8)
    content: bytes
    attempts: int
    license: str = Field(max_length=200)
    identifier: str = Field(max_length=120)
    repeated: bool
    told: str = Field(sa_type=sa.Text)


METADATA = _Table.metadata
_TABLE = IssueBatchItemRow.__table__  # type: ignore[attr-defined]  # made by the metaclass
assert isinstance(_TABLE, sa.Table)  # noqa: S101  # for the type checker
ROWS: sa.Table = _TABLE
_RESULT = [one for one in ROWS.c if one.name != "content"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A row that waits: how often it was tried, and the first row of the batch with its key."""

    number: int
    row: Row
    content: bytes
    attempts: int
    first: int


def add(session: Session, batch: str, first: int, rows: Sequence[tuple[str, bytes]]) -> None:
    """Hold rows (key, content), numbered from `first`."""
    session.execute(
        ROWS.insert(),
        [
            {
                "batch": batch,
                "number": first + index,
                "row_key": key,
                "state": RowState.WAITING.value,
                "content": content,
                "attempts": 0,
                "license": "",
                "identifier": "",
                "repeated": False,
                "told": "",
            }
            for index, (key, content) in enumerate(rows)
        ],
    )


def results(
    session: Session, name: str, *, state: RowState | None, after: int, size: int
) -> list[Result]:
    """Rows of a batch in order of number, as they are now."""
    query = sa.select(*_RESULT).where(ROWS.c.batch == name, ROWS.c.number > after)
    if state is not None:
        query = query.where(ROWS.c.state == state.value)
    found = session.execute(query.order_by(ROWS.c.number).limit(size))
    return [_result(row) for row in found.mappings()]


def waiting(session: Session, name: str, size: int) -> list[Waiting]:
    """The next rows of a batch that wait."""
    query = (
        sa.select(ROWS.c.number, ROWS.c.row_key, ROWS.c.content, ROWS.c.attempts)
        .where(ROWS.c.batch == name, ROWS.c.state == RowState.WAITING.value)
        .order_by(ROWS.c.number)
        .limit(size)
    )
    found = session.execute(query).all()
    firsts = _firsts(session, name, {row.row_key for row in found})
    return [
        Waiting(
            number=row.number,
            row=Row.from_json(bytes(row.content), key=row.row_key),
            content=bytes(row.content),
            attempts=row.attempts,
            first=firsts[row.row_key],
        )
        for row in found
    ]


def _firsts(session: Session, name: str, keys: Collection[str]) -> dict[str, int]:
    if not keys:
        return {}
    query = (
        sa.select(ROWS.c.row_key, sa.func.min(ROWS.c.number))
        .where(ROWS.c.batch == name, ROWS.c.row_key.in_(keys))
        .group_by(ROWS.c.row_key)
    )
    return {key: int(number) for key, number in session.execute(query)}


def write(session: Session, batch: str, done: Sequence[Result]) -> None:
    """Write what came of rows, and drop what stood in them."""
    session.execute(
        sa.update(ROWS)
        .where(ROWS.c.batch == batch, ROWS.c.number == sa.bindparam("of_number"))
        .values(
            state=sa.bindparam("new_state"),
            content=b"",
            license=sa.bindparam("new_license"),
            identifier=sa.bindparam("new_identifier"),
            repeated=sa.bindparam("new_repeated"),
            told=sa.bindparam("new_told"),
        ),
        [_written(one) for one in done],
    )


def empty(session: Session, batch: str) -> None:
    """Drop what stands in the rows that wait."""
    waits = sa.and_(ROWS.c.batch == batch, ROWS.c.state == RowState.WAITING.value)
    session.execute(sa.update(ROWS).where(waits).values(content=b""))


def delete(session: Session, batch: str) -> None:
    """Forget all rows of a batch."""
    session.execute(sa.delete(ROWS).where(ROWS.c.batch == batch))


def attempted(session: Session, name: str, numbers: Collection[int]) -> None:
    """Count a try of rows that wait on."""
    session.execute(
        sa.update(ROWS)
        .where(ROWS.c.batch == name, ROWS.c.number.in_(numbers))
        .values(attempts=ROWS.c.attempts + 1)
    )


def _written(one: Result) -> dict[str, Any]:
    one = one.bounded()
    told = {
        "reason": one.reason,
        "message": one.message,
        "message_zh": one.message_zh,
        "violations": one.violations,
    }
    return {
        "of_number": one.number,
        "new_state": one.state.value,
        "new_license": one.license,
        "new_identifier": one.identifier,
        "new_repeated": one.repeated,
        "new_told": orjson.dumps(told).decode() if one.reason else "",
    }


def _result(row: Mapping[Any, Any]) -> Result:
    told = orjson.loads(row["told"]) if row["told"] else {}
    return Result(
        number=row["number"],
        key=row["row_key"],
        state=RowState(row["state"]),
        license=row["license"],
        identifier=row["identifier"],
        repeated=bool(row["repeated"]),
        reason=told.get("reason", ""),
        message=told.get("message", ""),
        message_zh=told.get("message_zh", ""),
        violations=tuple(told.get("violations", ())),
    )
