"""Tables of periods and years of the calendar, and every SQL statement on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.deadlines.jurisdictions import Jurisdiction, Period, ReviewWhen
from runtime.database import UtcDateTime
from runtime.workdays import Workdays, WorkYear, shipped

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class JurisdictionRow(SQLModel, table=True):
    """A table of periods."""

    __tablename__ = "jurisdiction"

    name: str = Field(primary_key=True, sa_type=NAME)
    region_prefix: str = Field(max_length=6)
    content: str = Field(sa_type=sa.Text)
    etag: str = Field(max_length=64)
    update_time: datetime = Field(sa_type=UtcDateTime)


class WorkYearRow(SQLModel, table=True):
    """A year of the calendar."""

    __tablename__ = "work_year"

    year: int = Field(primary_key=True)
    content: str = Field(sa_type=sa.Text)
    etag: str = Field(max_length=64)
    update_time: datetime = Field(sa_type=UtcDateTime)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


JURISDICTIONS = _table(JurisdictionRow)
WORK_YEARS = _table(WorkYearRow)
TABLES = (JURISDICTIONS, WORK_YEARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldYear:
    """A year of the calendar as the node holds it."""

    year: WorkYear
    etag: str
    update_time: datetime


def jurisdictions(session: Session, *, lock: bool = False) -> list[Jurisdiction]:
    """Every table that the node holds, by name; there is one a region at most."""
    query = sa.select(JURISDICTIONS).order_by(JURISDICTIONS.c.name)
    rows = session.execute(query.with_for_update() if lock else query).mappings()
    return [_jurisdiction_of(row) for row in rows]


def fitting(session: Session, region_code: str) -> list[Jurisdiction]:
    """The tables whose prefix a region code has."""
    prefixes = [region_code[:size] for size in range(len(region_code) + 1)]
    query = sa.select(JURISDICTIONS).where(JURISDICTIONS.c.region_prefix.in_(prefixes))
    return [_jurisdiction_of(row) for row in session.execute(query).mappings()]


def put_jurisdiction(session: Session, held: Jurisdiction, content: bytes) -> None:
    """Write a table in place of the one of its name."""
    remove_jurisdiction(session, held.name)
    session.execute(
        JURISDICTIONS.insert().values(
            name=held.name,
            region_prefix=held.region_prefix,
            content=content.decode(),
            etag=held.etag,
            update_time=held.update_time,
        )
    )


def remove_jurisdiction(session: Session, name: str) -> None:
    """Remove a table."""
    session.execute(sa.delete(JURISDICTIONS).where(JURISDICTIONS.c.name == name))


def years(session: Session) -> dict[int, HeldYear]:
    """Every year that the node holds itself."""
    query = sa.select(WORK_YEARS).order_by(WORK_YEARS.c.year)
    return {
        row["year"]: HeldYear(
            year=WorkYear.read(row["year"], **orjson.loads(row["content"])),
            etag=row["etag"],
            update_time=row["update_time"],
        )
        for row in session.execute(query).mappings()
    }


def put_year(session: Session, held: HeldYear) -> None:
    """Write a year in place of the one held."""
    session.execute(sa.delete(WORK_YEARS).where(WORK_YEARS.c.year == held.year.year))
    session.execute(
        WORK_YEARS.insert().values(
            year=held.year.year,
            content=orjson.dumps(held.year.texts()).decode(),
            etag=held.etag,
            update_time=held.update_time,
        )
    )


def calendar(session: Session) -> Workdays:
    """The calendar: the shipped years, replaced and followed by those that the node holds."""
    return shipped().replaced({year: held.year for year, held in years(session).items()})


def _jurisdiction_of(row: Mapping[Any, Any]) -> Jurisdiction:
    content = orjson.loads(row["content"])
    told = content["review_when"]
    return Jurisdiction(
        name=row["name"],
        region_prefix=row["region_prefix"],
        display_name=content["display_name"],
        authority=content["authority"],
        review_when=None if told is None else tuple(ReviewWhen(word) for word in told),
        periods={kind: Period(**period) for kind, period in content["periods"].items()},
        etag=row["etag"],
        update_time=row["update_time"],
    )
