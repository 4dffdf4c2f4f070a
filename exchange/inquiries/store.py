"""Inquiries and the rows of their files, and every SQL statement on them.

An inquiry and a file are locked before they change. The files of a page of inquiries are one
statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.inquiries.model import (
    Attachment,
    AttachmentState,
    Inquiry,
    InquiryState,
    Part,
)
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class InquiryRow(SQLModel, table=True):
    """An inquiry."""

    __tablename__ = "inquiry"
    __table_args__ = (
        sa.Index("inquiry_of_asker", "asker", "name"),
        sa.Index("inquiry_open_of", "asker", "state"),
        sa.Index("inquiry_of_recipient", "recipient", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    asker: str = Field(sa_type=NAME)
    recipient: str = Field(sa_type=NAME)
    title: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
    about: str = Field(sa_type=NAME)
    state: str = Field(max_length=16)
    answer: str = Field(sa_type=sa.Text)
    create_time: datetime = Field(sa_type=UtcDateTime)
    answer_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_time: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AttachmentRow(SQLModel, table=True):
    """A file."""

    __tablename__ = "inquiry_attachment"
    __table_args__ = (
        sa.Index("inquiry_attachment_of", "inquiry", "part", "place"),
        sa.Index("inquiry_attachment_by", "department", "inquiry", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    department: str = Field(sa_type=NAME)
    inquiry: str = Field(sa_type=NAME)
    part: str = Field(max_length=16)
    place: int = Field(sa_type=sa.SmallInteger)
    file_name: str = Field(sa_type=sa.Text)
    media_type: str = Field(sa_type=sa.Text)
    size: int = Field(sa_type=sa.BigInteger)
    digest: str = Field(max_length=64)
    state: str = Field(max_length=16)
    create_time: datetime = Field(sa_type=UtcDateTime)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


INQUIRIES = _table(InquiryRow)
ATTACHMENTS = _table(AttachmentRow)
TABLES = (INQUIRIES, ATTACHMENTS)


def insert(session: Session, held: Inquiry) -> None:
    """Write a new inquiry."""
    session.execute(INQUIRIES.insert().values(**_values(held)))


def update(session: Session, held: Inquiry) -> None:
    """Write what an inquiry has become."""
    session.execute(
        sa.update(INQUIRIES).where(INQUIRIES.c.name == held.name).values(**_values(held))
    )


def inquiry(session: Session, name: str, *, lock: bool = False) -> Inquiry | None:
    """The inquiry of this name with its files; locked until the transaction ends for a change."""
    query = sa.select(INQUIRIES).where(INQUIRIES.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _inquiry_of(row, files(session, [name])[name])


def inquiries(
    session: Session, *, party: str | None, open_only: bool, after: str, limit: int
) -> list[Inquiry]:
    """At most `limit` inquiries of a department (None: of any) after a name, with their files."""
    columns = INQUIRIES.c
    query = sa.select(INQUIRIES).where(columns.name > after)
    if party is not None:
        query = query.where(sa.or_(columns.asker == party, columns.recipient == party))
    if open_only:
        query = query.where(columns.state == InquiryState.OPEN.value)
    rows = list(session.execute(query.order_by(columns.name).limit(limit)).mappings())
    held = files(session, [row["name"] for row in rows])
    return [_inquiry_of(row, held[row["name"]]) for row in rows]


def open_count(session: Session, asker: str) -> int:
    """How many inquiries of a department are without an answer."""
    query = sa.select(sa.func.count()).select_from(INQUIRIES)
    mine = (INQUIRIES.c.asker == asker, INQUIRIES.c.state == InquiryState.OPEN.value)
    return int(session.scalar(query.where(*mine)) or 0)


def insert_file(session: Session, held: Attachment) -> None:
    """Write the row of a new file."""
    session.execute(ATTACHMENTS.insert().values(**_file_values(held)))


def update_file(session: Session, held: Attachment) -> None:
    """Write what a file has become."""
    session.execute(
        sa.update(ATTACHMENTS).where(ATTACHMENTS.c.name == held.name).values(**_file_values(held))
    )


def delete_file(session: Session, name: str) -> None:
    """Remove the row of a file."""
    session.execute(sa.delete(ATTACHMENTS).where(ATTACHMENTS.c.name == name))


def file(session: Session, name: str, *, lock: bool = False) -> Attachment | None:
    """The file of this name; locked until the transaction ends where it will change."""
    query = sa.select(ATTACHMENTS).where(ATTACHMENTS.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _file_of(row)


def files(session: Session, of: Collection[str]) -> Mapping[str, list[Attachment]]:
    """The files of these inquiries, in their order; one statement."""
    found: dict[str, list[Attachment]] = defaultdict(list)
    if of:
        columns = ATTACHMENTS.c
        query = sa.select(ATTACHMENTS).where(columns.inquiry.in_(of))
        for row in session.execute(query.order_by(columns.part, columns.place)).mappings():
            found[row["inquiry"]].append(_file_of(row))
    return found


def unnamed_count(session: Session, department: str) -> int:
    """How many files of a department no inquiry names."""
    query = sa.select(sa.func.count()).select_from(ATTACHMENTS)
    mine = (ATTACHMENTS.c.department == department, ATTACHMENTS.c.inquiry == "")
    return int(session.scalar(query.where(*mine)) or 0)


def orphans(session: Session, before: datetime, limit: int) -> list[Attachment]:
    """Files that no inquiry names, made before a time; locked until the transaction ends."""
    columns = ATTACHMENTS.c
    query = (
        sa.select(ATTACHMENTS)
        .where(columns.inquiry == "", columns.create_time < sa.literal(before, UtcDateTime))
        .order_by(columns.name)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_file_of(row) for row in session.execute(query).mappings()]


def _values(held: Inquiry) -> dict[str, Any]:
    return {
        "name": held.name,
        "asker": held.asker,
        "recipient": held.recipient,
        "title": held.title,
        "text": held.text,
        "about": held.about,
        "state": held.state.value,
        "answer": held.answer,
        "create_time": held.create_time,
        "answer_time": held.answer_time,
        "end_time": held.end_time,
    }


def _inquiry_of(row: Mapping[Any, Any], held: Sequence[Attachment]) -> Inquiry:
    values = dict(row)
    del values["asker"]
    return Inquiry(
        **{
            **values,
            "state": InquiryState(values["state"]),
            "attachments": tuple(one for one in held if one.part == Part.QUESTION),
            "answer_attachments": tuple(one for one in held if one.part == Part.ANSWER),
        }
    )


def _file_values(held: Attachment) -> dict[str, Any]:
    columns = [column.name for column in ATTACHMENTS.columns if column.name != "state"]
    return {**{name: getattr(held, name) for name in columns}, "state": held.state.value}


def _file_of(row: Mapping[Any, Any]) -> Attachment:
    values = dict(row)
    del values["department"]
    return Attachment(**{**values, "state": AttachmentState(values["state"])})
