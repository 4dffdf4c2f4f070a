"""The tally of uses, and every SQL statement on it.

`grant_use_mark` has one row: how many records of the log are counted. Counting moves it in the
transaction that adds the counts, and only from where it began: of two who count, one is in vain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.grants import store as grant_store
from exchange.grants.model import Grant, GrantState, Operation
from exchange.grants.requests.store import REQUESTS
from exchange.grants.store import GRANTS
from exchange.oversight.model import Use
from runtime import names
from runtime.clock import CHINA
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class GrantUseRow(_Table, table=True):
    """Uses of a grant on a day that are alike."""

    __tablename__ = "grant_use"

    grant_name: str = Field(primary_key=True, sa_type=NAME)
    day: str = Field(primary_key=True, max_length=10)
    operation: str = Field(primary_key=True, max_length=16)
    items_hash: str = Field(primary_key=True, max_length=32)
    items: str = Field(sa_type=sa.Text)
    uses: int = Field(sa_type=sa.BigInteger)
    records: int = Field(sa_type=sa.BigInteger)


class GrantUseMarkRow(_Table, table=True):
    """How far the log is counted; one row."""

    __tablename__ = "grant_use_mark"

    id: int = Field(primary_key=True)
    size: int = Field(sa_type=sa.BigInteger)


METADATA = _Table.metadata

_ADD = """
    INSERT INTO grant_use (grant_name, day, operation, items_hash, items, uses, records)
    VALUES (:grant, :day, :operation, :items_hash, :items, :uses, :records)
    ON CONFLICT (grant_name, day, operation, items_hash) DO UPDATE
    SET uses = grant_use.uses + excluded.uses, records = grant_use.records + excluded.records
"""


def mark(session: Session) -> int:
    """How many records of the log are counted."""
    return int(session.execute(sa.text("SELECT size FROM grant_use_mark")).scalar_one())


def move_mark(session: Session, *, was: int, now: int) -> bool:
    """Move the mark; False where another has moved it meanwhile."""
    moved = sa.text("UPDATE grant_use_mark SET size = :now WHERE size = :was")
    result: Any = session.execute(moved, {"was": was, "now": now})
    return bool(result.rowcount == 1)


def add(session: Session, uses: Sequence[Use]) -> None:
    """Add counts."""
    if uses:
        rows = [
            {
                "grant": use.grant,
                "day": use.day,
                "operation": use.operation.value,
                "items_hash": use.items_hash,
                "items": orjson.dumps(use.items).decode(),
                "uses": use.uses,
                "records": use.records,
            }
            for use in sorted(uses, key=lambda one: (one.grant, one.day, one.operation, one.items))
        ]
        session.execute(sa.text(_ADD), rows)


def uses(
    session: Session, grants: Collection[str], *, from_day: str, until_day: str
) -> dict[str, list[Use]]:
    """Uses of grants between two days, both included; by grant."""
    columns = GrantUseRow.__table__.c  # type: ignore[attr-defined]  # made by the metaclass
    query = sa.select(GrantUseRow.__table__).where(  # type: ignore[attr-defined]
        columns.grant_name.in_(grants), columns.day >= from_day, columns.day <= until_day
    )
    found: dict[str, list[Use]] = {}
    for row in session.execute(query).mappings():
        found.setdefault(row["grant_name"], []).append(
            Use(
                grant=row["grant_name"],
                day=row["day"],
                operation=Operation(row["operation"]),
                items=tuple(orjson.loads(row["items"])),
                uses=row["uses"],
                records=row["records"],
            )
        )
    return found


def live_grants(
    session: Session, resource: str, *, now: datetime, after: str, limit: int
) -> list[Grant]:
    """Grants of a resource after a name that are in force or will be."""
    columns = GRANTS.c
    query = (
        sa.select(GRANTS)
        .where(
            columns.source == names.department_of(resource),
            columns.name > after,
            columns.resource == resource,
            columns.state == GrantState.ACTIVE.value,
            columns.end_time > sa.literal(now, UtcDateTime),
        )
        .order_by(columns.name)
        .limit(limit)
    )
    found = [grant_store.grant_of(row) for row in session.execute(query).mappings()]
    return grant_store.marked(session, found)


def requests(session: Session, resource: str, from_day: str, until_day: str) -> int:
    """How many requests for a resource were made between two days of China, both included."""
    first, last = (
        datetime.combine(date.fromisoformat(day), time(), CHINA) for day in (from_day, until_day)
    )
    columns = REQUESTS.c
    query = sa.select(sa.func.count()).where(
        columns.source == names.department_of(resource),
        columns.resource == resource,
        columns.create_time >= sa.literal(first, UtcDateTime),
        columns.create_time < sa.literal(last + timedelta(days=1), UtcDateTime),
    )
    return int(session.execute(query).scalar_one())
