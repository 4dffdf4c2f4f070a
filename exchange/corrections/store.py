"""Requests for correction and their notices, and every SQL statement on them.

1. A request and a notice are locked before they change. Lists of items and offsets are JSON texts.
2. What is asked of the log of changes goes by its keys: the newest change of a record, then back
   from change to change, one at a time, so that no more than one payload is held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.corrections.model import (
    OPEN_STATES,
    Correction,
    CorrectionState,
    Fault,
    Notice,
    Origin,
    Tracing,
)
from exchange.grants.model import Grant
from exchange.grants.store import grant, versions
from runtime import names
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_OPEN = [state.value for state in OPEN_STATES]
GREATEST_TERMS = 1000


class CorrectionRow(SQLModel, table=True):
    """A request."""

    __tablename__ = "correction"
    __table_args__ = (
        sa.Index("correction_of_requester", "requester", "name"),
        sa.Index("correction_of_source", "source", "name"),
        sa.Index("correction_open_of", "requester", "state", "record_key"),
        sa.Index("correction_of_record", "record_key", "name"),
        sa.Index("correction_by_tracing", "tracing", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    requester: str = Field(sa_type=NAME)
    source: str = Field(sa_type=NAME)
    resource: str = Field(sa_type=NAME)
    origin: str = Field(max_length=16)
    items: str = Field(sa_type=sa.Text)
    fault: str = Field(max_length=16)
    statement: str = Field(sa_type=sa.Text)
    record_key: str = Field(sa_type=KEY)
    grant_name: str = Field(sa_type=NAME)
    subscription: str = Field(sa_type=NAME)
    record_id: str = Field(max_length=64)
    doubted: int = Field(sa_type=sa.BigInteger)
    state: str = Field(max_length=16)
    accepted_items: str = Field(sa_type=sa.Text)
    answer: str = Field(sa_type=sa.Text)
    answer_legal_basis: str = Field(sa_type=sa.Text)
    wrong: str = Field(sa_type=sa.Text)
    corrected: int = Field(sa_type=sa.BigInteger)
    tracing: str = Field(max_length=16)
    create_time: datetime = Field(sa_type=UtcDateTime)
    review_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_time: datetime | None = Field(default=None, sa_type=UtcDateTime)


class NoticeRow(SQLModel, table=True):
    """A notice."""

    __tablename__ = "correction_notice"
    __table_args__ = (
        sa.UniqueConstraint(
            "correction", "grant_name", "subscription", name="correction_notice_once"
        ),
        sa.Index("correction_notice_to", "recipient", "name"),
        sa.Index("correction_notice_of", "correction", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    correction: str = Field(sa_type=NAME)
    recipient: str = Field(sa_type=NAME)
    items: str = Field(sa_type=sa.Text)
    grant_name: str = Field(sa_type=NAME)
    subscription: str = Field(sa_type=NAME)
    key_known: bool
    accesses: str = Field(sa_type=sa.Text)
    access_count: int
    first_access_time: datetime = Field(sa_type=UtcDateTime)
    last_access_time: datetime = Field(sa_type=UtcDateTime)
    create_time: datetime = Field(sa_type=UtcDateTime)
    acknowledge_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    acknowledged_by: str = Field(sa_type=NAME)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


CORRECTIONS = _table(CorrectionRow)
NOTICES = _table(NoticeRow)
TABLES = (CORRECTIONS, NOTICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests a list shows; None is without a bound."""

    #: Requests of this department; a citizen's only with `as_counter`, others only without it or
    #: with `as_department`.
    party: str | None = None
    as_counter: bool = False
    as_department: bool = False
    #: A citizen's own, by their number.
    citizen_key: str | None = None
    resource: str | None = None
    open_only: bool = False


def insert(session: Session, held: Correction) -> None:
    """Write a new request."""
    session.execute(CORRECTIONS.insert().values(**_values(held)))


def update(session: Session, held: Correction) -> None:
    """Write what a request has become."""
    session.execute(
        sa.update(CORRECTIONS).where(CORRECTIONS.c.name == held.name).values(**_values(held))
    )


def correction(session: Session, name: str, *, lock: bool = False) -> Correction | None:
    """The request of this name; locked until the transaction ends where it will change."""
    query = sa.select(CORRECTIONS).where(CORRECTIONS.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _correction_of(row)


def corrections(session: Session, wanted: Wanted, *, after: str, limit: int) -> list[Correction]:
    """At most `limit` requests whose names follow `after`."""
    columns = CORRECTIONS.c
    query = sa.select(CORRECTIONS).where(columns.name > after)
    if wanted.party is not None:
        citizens = columns.origin == Origin.CITIZEN.value
        seen: list[sa.ColumnElement[bool]] = [sa.false()]
        if wanted.as_counter:
            seen.append(columns.requester == wanted.party)
        if wanted.as_department:
            seen.append(columns.source == wanted.party)
            seen.append(sa.and_(columns.requester == wanted.party, sa.not_(citizens)))
        query = query.where(sa.or_(*seen))
    if wanted.citizen_key is not None:
        query = query.where(
            columns.record_key == wanted.citizen_key, columns.origin == Origin.CITIZEN.value
        )
    if wanted.resource is not None:
        query = query.where(columns.resource == wanted.resource)
    if wanted.open_only:
        query = query.where(columns.state.in_(_OPEN))
    rows = session.execute(query.order_by(columns.name).limit(limit)).mappings()
    return [_correction_of(row) for row in rows]


def open_of(session: Session, requester: str, *, resource: str, key: str) -> tuple[int, str]:
    """How many requests of a department are open, and its own one about a record, if any."""
    columns = CORRECTIONS.c
    mine = (columns.requester == requester, columns.state.in_(_OPEN))
    count = session.scalar(sa.select(sa.func.count()).select_from(CORRECTIONS).where(*mine))
    same = sa.select(columns.name).where(
        *mine,
        columns.resource == resource,
        columns.record_key == key,
        columns.origin != Origin.CITIZEN.value,  # a citizen's is not the department's own
    )
    return int(count or 0), session.scalar(same.limit(1)) or ""


def open_of_citizen(session: Session, *, resource: str, key: str) -> tuple[int, str]:
    """The same of a citizen, whoever asked for them."""
    columns = CORRECTIONS.c
    theirs = (
        columns.record_key == key,
        columns.origin == Origin.CITIZEN.value,
        columns.state.in_(_OPEN),
    )
    count = session.scalar(sa.select(sa.func.count()).select_from(CORRECTIONS).where(*theirs))
    same = sa.select(columns.name).where(*theirs, columns.resource == resource)
    return int(count or 0), session.scalar(same.limit(1)) or ""


def pending(session: Session, limit: int) -> list[Correction]:
    """Accepted requests of which those who got a wrong version are still to be found."""
    query = sa.select(CORRECTIONS).where(CORRECTIONS.c.tracing == Tracing.PENDING.value)
    rows = session.execute(query.order_by(CORRECTIONS.c.name).limit(limit)).mappings()
    return [_correction_of(row) for row in rows]


def add_notices(session: Session, notices: Sequence[Notice]) -> None:
    """Write new notices."""
    if notices:
        session.execute(NOTICES.insert(), [_notice_values(notice) for notice in notices])


def update_notice(session: Session, notice: Notice) -> None:
    """Write that a notice was acknowledged."""
    session.execute(
        sa.update(NOTICES).where(NOTICES.c.name == notice.name).values(**_notice_values(notice))
    )


def notice(session: Session, name: str) -> Notice | None:
    """The notice of this name, locked until the transaction ends."""
    query = sa.select(NOTICES).where(NOTICES.c.name == name).with_for_update()
    row = session.execute(query).mappings().first()
    return None if row is None else _notice_of(row)


def notices(
    session: Session,
    *,
    recipient: str | None = None,
    correction: str | None = None,
    open_only: bool = False,
    after: str,
    limit: int,
) -> list[Notice]:
    """At most `limit` notices after a name: to a recipient, of a request (None: of any)."""
    columns = NOTICES.c
    query = sa.select(NOTICES).where(columns.name > after)
    if recipient is not None:
        query = query.where(columns.recipient == recipient)
    if correction is not None:
        query = query.where(columns.correction == correction)
    if open_only:
        query = query.where(columns.acknowledge_time.is_(None))
    rows = session.execute(query.order_by(columns.name).limit(limit)).mappings()
    return [_notice_of(row) for row in rows]


def of_notices(session: Session, names_of: Collection[str]) -> dict[str, Correction]:
    """The requests of these names; one statement for a page of notices."""
    query = sa.select(CORRECTIONS).where(CORRECTIONS.c.name.in_(names_of))
    rows = session.execute(query).mappings() if names_of else ()
    return {row["name"]: _correction_of(row) for row in rows}


def notice_counts(session: Session, name: str) -> tuple[int, int]:
    """How many notices a request has led to, and how many of them were acknowledged."""
    columns = NOTICES.c
    counted = sa.select(sa.func.count(), sa.func.count(columns.acknowledge_time))
    row = session.execute(counted.where(columns.correction == name)).one()
    return int(row[0]), int(row[1])


def grant_of(session: Session, name: str) -> Grant | None:
    """The grant of a name, as it is."""
    return grant(session, name)


def terms_of(session: Session, name: str) -> dict[str, Grant]:
    """All versions of a grant, by the hash of their contract, and "" for as it is."""
    found = {
        one.grant.contract_hash: one.grant for one in versions(session, name, limit=GREATEST_TERMS)
    }
    now = grant(session, name)
    return found if now is None else {**found, "": now}


def terms_by_offset(session: Session, name: str) -> list[tuple[Grant, int | None]]:
    """A grant as it is and as it was, with the last change that was published while it was so."""
    found: list[tuple[Grant, int | None]] = []
    last: int | None = None
    for one in versions(session, name, limit=GREATEST_TERMS):
        found.append((one.grant, last))
        last = one.from_offset
    now = grant(session, name) if not found else None
    return found if now is None else [(now, None)]


def _values(held: Correction) -> dict[str, Any]:
    return {
        "name": held.name,
        "requester": held.requester,
        "source": held.source,
        "resource": held.resource,
        "origin": held.origin.value,
        "items": _text(held.items),
        "fault": held.fault.value,
        "statement": held.statement,
        "record_key": held.record_key,
        "grant_name": held.grant_name,
        "subscription": held.subscription,
        "record_id": held.record_id,
        "doubted": held.doubted,
        "state": held.state.value,
        "accepted_items": _text(held.accepted_items),
        "answer": held.answer,
        "answer_legal_basis": held.answer_legal_basis,
        "wrong": _text(held.wrong),
        "corrected": held.corrected,
        "tracing": held.tracing.value,
        "create_time": held.create_time,
        "review_time": held.review_time,
        "end_time": held.end_time,
    }


def _correction_of(row: Mapping[Any, Any]) -> Correction:
    values = dict(row)
    for derived in ("requester", "source"):
        del values[derived]
    return Correction(
        **{
            **values,
            "origin": Origin(values["origin"]),
            "items": tuple(orjson.loads(values["items"])),
            "fault": Fault(values["fault"]),
            "state": CorrectionState(values["state"]),
            "accepted_items": tuple(orjson.loads(values["accepted_items"])),
            "wrong": tuple(orjson.loads(values["wrong"])),
            "tracing": Tracing(values["tracing"]),
        }
    )


def _notice_values(held: Notice) -> dict[str, Any]:
    return {
        "name": held.name,
        "correction": held.correction,
        "recipient": names.department_of(held.name),
        "items": _text(held.items),
        "grant_name": held.grant_name,
        "subscription": held.subscription,
        "key_known": held.key_known,
        "accesses": _text(held.accesses),
        "access_count": held.access_count,
        "first_access_time": held.first_access_time,
        "last_access_time": held.last_access_time,
        "create_time": held.create_time,
        "acknowledge_time": held.acknowledge_time,
        "acknowledged_by": held.acknowledged_by,
    }


def _notice_of(row: Mapping[Any, Any]) -> Notice:
    values = dict(row)
    del values["recipient"]
    return Notice(
        **{
            **values,
            "items": tuple(orjson.loads(values["items"])),
            "accesses": tuple(orjson.loads(values["accesses"])),
        }
    )


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
