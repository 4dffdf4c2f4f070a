"""Tables of departments, and every SQL statement on them.

`department` holds the newest version of each, `department_version` every version. Names sort by
bytes in both databases, so that pages mean the same in both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.catalog.model import (
    DEPARTMENT_FIELDS,
    Department,
    DepartmentLevel,
    EntryState,
    department_content,
    etag_of,
)
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class DepartmentRow(SQLModel, table=True):
    """A department."""

    __tablename__ = "department"
    __table_args__ = (sa.Index("department_by_parent", "parent"),)

    name: str = Field(primary_key=True, sa_type=NAME)
    display_name: str = Field(max_length=200)
    credit_code: str = Field(max_length=18)
    region_code: str = Field(max_length=6)
    create_time: datetime = Field(sa_type=UtcDateTime)
    level: str = Field(max_length=16)
    parent: str = Field(sa_type=NAME)
    version: int
    update_time: datetime | None = Field(sa_type=UtcDateTime)


class DepartmentVersionRow(SQLModel, table=True):
    """One version that a department has had."""

    __tablename__ = "department_version"

    name: str = Field(primary_key=True, sa_type=NAME)
    version: int = Field(primary_key=True)
    display_name: str = Field(max_length=200)
    credit_code: str = Field(max_length=18)
    region_code: str = Field(max_length=6)
    level: str = Field(max_length=16)
    parent: str = Field(sa_type=NAME)
    changed_at: datetime = Field(sa_type=UtcDateTime)


def table(row: type[SQLModel]) -> sa.Table:
    """The table of a class of rows."""
    made = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(made, sa.Table)  # noqa: S101  # for the type checker
    return made


DEPARTMENTS = table(DepartmentRow)
DEPARTMENT_VERSIONS = table(DepartmentVersionRow)
TABLES = (DEPARTMENTS, DEPARTMENT_VERSIONS)


def insert_department(session: Session, department: Department) -> None:
    """Write a department that is not held, and its first version."""
    columns = {
        **_said_by(department),
        "version": department.version,
        "create_time": department.create_time,
        "update_time": department.update_time,
    }
    session.execute(DEPARTMENTS.insert().values(name=department.name, **columns))
    _keep_department(session, department)


def update_department(session: Session, department: Department) -> None:
    """Write a department that is held, and its new version."""
    change = sa.update(DEPARTMENTS).where(DEPARTMENTS.c.name == department.name)
    columns = _said_by(department)
    columns |= {"version": department.version, "update_time": department.update_time}
    session.execute(change.values(**columns))
    _keep_department(session, department)


def _keep_department(session: Session, department: Department) -> None:
    session.execute(
        DEPARTMENT_VERSIONS.insert().values(
            name=department.name,
            version=department.version,
            changed_at=department.update_time,
            **_said_by(department),
        )
    )


def _said_by(department: Department) -> dict[str, object]:
    return {field: str(getattr(department, field)) for field in DEPARTMENT_FIELDS}


def holder_of(session: Session, credit_code: str) -> str | None:
    """Name of the department that has a credit code."""
    wanted = sa.select(DEPARTMENTS.c.name).where(DEPARTMENTS.c.credit_code == credit_code)
    return session.execute(wanted.limit(1)).scalar_one_or_none()


def department(session: Session, name: str) -> Department | None:
    """The department of this name."""
    query = sa.select(DEPARTMENTS).where(DEPARTMENTS.c.name == name)
    row = session.execute(query).mappings().first()
    return None if row is None else department_of(row)


def departments(session: Session, *, after: str, limit: int) -> list[Department]:
    """At most `limit` departments whose names follow `after`."""
    query = (
        sa.select(DEPARTMENTS)
        .where(DEPARTMENTS.c.name > after)
        .order_by(DEPARTMENTS.c.name)
        .limit(limit)
    )
    return [department_of(row) for row in session.execute(query).mappings()]


def children(session: Session, parents: Collection[str]) -> list[Department]:
    """The departments right below these."""
    query = sa.select(DEPARTMENTS).where(DEPARTMENTS.c.parent.in_(parents))
    return [department_of(row) for row in session.execute(query).mappings()]


def department_of(row: Mapping[Any, Any]) -> Department:
    """The department of a row."""
    found = Department(**{**row, "level": DepartmentLevel(row["level"])})
    return replace(found, etag=etag_of(department_content(found), EntryState.ACTIVE))


def known_departments(session: Session, wanted: Collection[str]) -> set[str]:
    """Which of these departments are registered; one statement."""
    query = sa.select(DEPARTMENTS.c.name).where(DEPARTMENTS.c.name.in_(wanted))
    return set(session.scalars(query))
