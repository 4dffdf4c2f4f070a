"""Where the versions of license types are held: rows are added, and never changed."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, col, select

from licenses.types.model import TypeVersion
from licenses.types.reading import parse
from runtime.database import UtcDateTime

TABLES = registry()


class _Table(SQLModel, registry=TABLES):
    pass


class TypeVersionRow(_Table, table=True):
    """One version of a type, as it was put."""

    __tablename__ = "license_type_version"
    __table_args__ = (sa.Index("license_type_by_code", "code"),)

    type_id: str = Field(primary_key=True, max_length=63)
    version: int = Field(primary_key=True)
    code: str = Field(max_length=21)
    toml: str = Field(sa_type=sa.Text)
    template_toml: str = Field(sa_type=sa.Text)
    digest: str = Field(max_length=64)
    put_time: datetime = Field(sa_type=UtcDateTime)
    put_by: str = Field(max_length=200)


_NEWEST = sa.text("SELECT max(version) FROM license_type_version WHERE type_id = :type_id")


def add(session: Session, one: TypeVersion) -> None:
    """Write a version. Two of one number make the second's transaction fail (Aborted)."""
    session.add(
        TypeVersionRow(
            type_id=one.type.id,
            version=one.version,
            code=one.type.code,
            toml=one.text,
            template_toml=one.template_text,
            digest=one.digest,
            put_time=one.put_time,
            put_by=one.put_by,
        )
    )
    session.flush()


def newest(session: Session, type_id: str) -> int:
    """The number of the newest version; 0 where there is no such type."""
    return int(session.execute(_NEWEST, {"type_id": type_id}).scalar_one() or 0)


def version(session: Session, type_id: str, number: int) -> TypeVersion | None:
    """One version of a type."""
    row = session.get(TypeVersionRow, (type_id, number))
    return None if row is None else _version(row)


def versions(session: Session, type_id: str, *, after: int, size: int) -> list[TypeVersion]:
    """The versions of a type, oldest first."""
    statement = (
        select(TypeVersionRow)
        .where(TypeVersionRow.type_id == type_id, col(TypeVersionRow.version) > after)
        .order_by(col(TypeVersionRow.version))
        .limit(size)
    )
    return [_version(row) for row in session.exec(statement)]


def types(session: Session, *, after: str, size: int) -> list[tuple[str, int]]:
    """Ids of types in order, each with the number of its newest version."""
    statement = (
        select(TypeVersionRow.type_id, sa.func.max(TypeVersionRow.version))
        .where(col(TypeVersionRow.type_id) > after)
        .group_by(TypeVersionRow.type_id)
        .order_by(TypeVersionRow.type_id)
        .limit(size)
    )
    return [(type_id, int(number)) for type_id, number in session.exec(statement)]


def id_of_code(session: Session, code: str) -> str:
    """The id of the type that has this code; "" where none has."""
    statement = select(TypeVersionRow.type_id).where(TypeVersionRow.code == code)
    return session.exec(statement).first() or ""


def _version(row: TypeVersionRow) -> TypeVersion:
    return TypeVersion(
        type=parse(row.toml),
        version=row.version,
        text=row.toml,
        template_text=row.template_toml,
        digest=row.digest,
        put_time=row.put_time,
        put_by=row.put_by,
    )
