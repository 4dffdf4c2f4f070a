"""Clocks and their notices, and every SQL statement on them.

1. A clock is locked before it changes. An index holds that one runs for a subject and a kind.
2. A due day and the day of the end are texts `YYYY-MM-DD` of China, empty where there is none.
3. Lists are in order of due day; a report counts in the database, in groups of days.

What they run by, jurisdictions and the calendar, is in `tables.store`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.deadlines.model import OPEN_STATES, Deadline, DeadlineState, Extension, Pause
from exchange.deadlines.notices import Notice, Stage
from runtime.database import UtcDateTime
from runtime.workdays import china_day

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
DAY = sa.String(10).with_variant(sa.String(10, collation="C"), "postgresql")
_OPEN = [state.value for state in OPEN_STATES]
_CHUNK = 1000


class DeadlineRow(SQLModel, table=True):
    """A clock."""

    __tablename__ = "deadline"

    name: str = Field(primary_key=True, sa_type=NAME)
    subject: str = Field(sa_type=NAME)
    owner: str = Field(sa_type=NAME)
    kind: str = Field(max_length=40)
    department: str = Field(sa_type=NAME)
    region_code: str = Field(max_length=6)
    jurisdiction: str = Field(sa_type=NAME)
    days: int
    extension_limit: int
    start_time: datetime = Field(sa_type=UtcDateTime)
    pauses: str = Field(sa_type=sa.Text)
    extensions: str = Field(sa_type=sa.Text)
    state: str = Field(max_length=16)
    due: str = Field(sa_type=DAY)
    provisional: bool
    end_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_day: str = Field(sa_type=DAY)


class NoticeRow(SQLModel, table=True):
    """A notice."""

    __tablename__ = "deadline_notice"

    number: int = Field(primary_key=True)
    deadline: str = Field(sa_type=NAME)
    stage: str = Field(max_length=16)
    due: str = Field(sa_type=DAY)
    recipient: str = Field(sa_type=NAME)
    create_time: datetime = Field(sa_type=UtcDateTime)
    acknowledge_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    acknowledged_by: str = Field(sa_type=NAME)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


DEADLINES = _table(DeadlineRow)
NOTICES = _table(NoticeRow)
TABLES = (DEADLINES, NOTICES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which clocks a list shows; None is without a bound."""

    department: str | None = None
    party: str | None = None
    subject: str | None = None
    kinds: tuple[str, ...] = ()
    open_only: bool = False
    late_on: date | None = None
    due_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many clocks are alike in all that a report asks; no days of those that were met."""

    department: str
    kind: str
    state: DeadlineState
    due: date | None
    end_day: date | None
    count: int


def insert(session: Session, deadline: Deadline) -> None:
    """Write a new clock."""
    session.execute(DEADLINES.insert().values(**_values(deadline)))


def update(session: Session, deadlines: Sequence[Deadline]) -> None:
    """Write what may change of clocks; one statement."""
    columns = ("pauses", "extensions", "state", "due", "provisional", "end_time", "end_day")
    rows = []
    for deadline in deadlines:
        values = _values(deadline)
        rows.append({"of": deadline.name, **{f"new_{c}": values[c] for c in columns}})
    if rows:
        change = sa.update(DEADLINES).where(DEADLINES.c.name == sa.bindparam("of"))
        session.connection().execute(
            change.values({column: sa.bindparam(f"new_{column}") for column in columns}), rows
        )


def deadline(session: Session, name: str, *, lock: bool = False) -> Deadline | None:
    """The clock of this name; locked until the transaction ends where it will change."""
    query = sa.select(DEADLINES).where(DEADLINES.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _deadline_of(row)


def running(session: Session, subject: str, kind: str) -> Deadline | None:
    """The clock that is open for a subject and a kind, locked."""
    query = sa.select(DEADLINES).where(
        DEADLINES.c.subject == subject, DEADLINES.c.kind == kind, DEADLINES.c.state.in_(_OPEN)
    )
    row = session.execute(query.with_for_update()).mappings().first()
    return None if row is None else _deadline_of(row)


def subjects_owed(session: Session, department: str, kind: str) -> list[str]:
    """What clocks of a kind that are open for a department are about; one statement."""
    query = sa.select(DEADLINES.c.subject).where(
        DEADLINES.c.department == department,
        DEADLINES.c.kind == kind,
        DEADLINES.c.state.in_(_OPEN),
    )
    return list(session.scalars(query))


def open_subjects(session: Session, subjects: Collection[str], kind: str) -> set[str]:
    """For which of these subjects a clock of a kind is open; one statement."""
    query = sa.select(DEADLINES.c.subject).where(
        DEADLINES.c.subject.in_(subjects),
        DEADLINES.c.kind == kind,
        DEADLINES.c.state.in_(_OPEN),
    )
    return set(session.scalars(query))


def newest(session: Session, subjects: Collection[str]) -> dict[tuple[str, str], Deadline]:
    """The newest clock by subject and kind; one statement."""
    if not subjects:
        return {}
    query = sa.select(DEADLINES).where(DEADLINES.c.subject.in_(subjects))
    rows = session.execute(query.order_by(DEADLINES.c.start_time)).mappings()
    return {(row["subject"], row["kind"]): _deadline_of(row) for row in rows}


def deadlines(
    session: Session, wanted: Wanted, *, after: tuple[str, str], limit: int
) -> list[Deadline]:
    """At most `limit` clocks after a due day and a name, in that order."""
    columns = DEADLINES.c
    query = sa.select(DEADLINES)
    if after != ("", ""):
        query = query.where(sa.tuple_(columns.due, columns.name) > after)
    if wanted.department is not None:
        query = query.where(columns.department == wanted.department)
    if wanted.party is not None:
        query = query.where(
            sa.or_(columns.department == wanted.party, columns.owner == wanted.party)
        )
    if wanted.subject is not None:
        query = query.where(columns.subject == wanted.subject)
    if wanted.kinds:
        query = query.where(columns.kind.in_(wanted.kinds))
    if wanted.open_only:
        query = query.where(columns.state.in_(_OPEN))
    if wanted.late_on is not None:
        query = query.where(
            sa.or_(
                columns.state == DeadlineState.LATE.value,
                sa.and_(
                    columns.state.in_(_OPEN),
                    columns.due != "",
                    columns.due < wanted.late_on.isoformat(),
                ),
            )
        )
    if wanted.due_until is not None:
        query = query.where(columns.due != "", columns.due <= wanted.due_until.isoformat())
    rows = session.execute(query.order_by(columns.due, columns.name).limit(limit)).mappings()
    return [_deadline_of(row) for row in rows]


def counted_in(session: Session, year: int) -> Iterator[list[Deadline]]:
    """Open clocks whose due day a year of the calendar may move, locked, in pieces."""
    columns, after = DEADLINES.c, ""
    while True:
        query = (
            sa.select(DEADLINES)
            .where(
                columns.name > after,
                columns.state.in_(_OPEN),
                columns.due >= date(year, 1, 1).isoformat(),
            )
            .order_by(columns.name)
            .limit(_CHUNK)
            .with_for_update()
        )
        piece = [_deadline_of(row) for row in session.execute(query).mappings()]
        yield piece
        if len(piece) < _CHUNK:
            return
        after = piece[-1].name


def tallies(session: Session, *, first: date, last: date, department: str | None) -> list[Tally]:
    """Clocks due from one day to another, counted by department, kind, state and days.

    With them those that stand without a due day, whatever the days.
    """
    columns = DEADLINES.c
    # Of what was met the days are not asked: without them it is one group, not one for each day.
    met = columns.state == DeadlineState.MET.value
    due = sa.case((met, ""), else_=columns.due)
    ended = sa.case((met, ""), else_=columns.end_day)
    by = (columns.department, columns.kind, columns.state, due, ended)
    query = sa.select(*by, sa.func.count()).where(
        sa.or_(
            sa.and_(columns.due >= first.isoformat(), columns.due <= last.isoformat()),
            sa.and_(columns.due == "", columns.state == DeadlineState.PAUSED.value),
        ),
        columns.state != DeadlineState.CANCELLED.value,
    )
    if department is not None:
        query = query.where(columns.department == department)
    return [
        Tally(
            department=who,
            kind=kind,
            state=DeadlineState(state),
            due=date.fromisoformat(due) if due else None,
            end_day=date.fromisoformat(ended) if ended else None,
            count=count,
        )
        for who, kind, state, due, ended, count in session.execute(
            # By place, since PostgreSQL takes two parameters of one value for two expressions.
            query.group_by(*(sa.literal_column(str(place)) for place in range(1, 6)))
        )
    ]


def unnoticed(
    session: Session, stage: Stage, *, first: date | None, last: date, limit: int
) -> list[Deadline]:
    """Open clocks due from one day to another that have no notice of a stage for that day."""
    columns = DEADLINES.c
    noticed = sa.exists().where(
        NOTICES.c.deadline == columns.name,
        NOTICES.c.stage == stage.value,
        NOTICES.c.due == columns.due,
    )
    query = sa.select(DEADLINES).where(
        columns.state.in_(_OPEN),
        columns.due >= (first.isoformat() if first else "0"),
        columns.due <= last.isoformat(),
        ~noticed,
    )
    rows = session.execute(query.order_by(columns.due, columns.name).limit(limit)).mappings()
    return [_deadline_of(row) for row in rows]


def add_notices(session: Session, notices: Sequence[Notice]) -> None:
    """Write notices; their numbers are the database's."""
    rows = [
        {
            "deadline": notice.deadline,
            "stage": notice.stage.value,
            "due": notice.due.isoformat(),
            "recipient": notice.recipient,
            "create_time": notice.create_time,
            "acknowledged_by": "",
        }
        for notice in notices
    ]
    if rows:
        session.execute(NOTICES.insert(), rows)


def notices(
    session: Session, *, recipient: str | None, open_only: bool, after: int, limit: int
) -> list[Notice]:
    """At most `limit` notices after a number: to a recipient (None: to any)."""
    columns = NOTICES.c
    query = _notices().where(columns.number > after)
    if recipient is not None:
        query = query.where(columns.recipient == recipient)
    if open_only:
        query = query.where(columns.acknowledge_time.is_(None))
    rows = session.execute(query.order_by(columns.number).limit(limit)).mappings()
    return [_notice_of(row) for row in rows]


def notice(session: Session, number: int) -> Notice | None:
    """The notice of this number, locked until the transaction ends."""
    query = (
        _notices()
        .where(NOTICES.c.number == sa.literal(number, sa.BigInteger))
        .with_for_update(of=NOTICES)
    )
    row = session.execute(query).mappings().first()
    return None if row is None else _notice_of(row)


def acknowledge(session: Session, notice: Notice) -> None:
    """Write who has acknowledged a notice, and when."""
    session.execute(
        sa.update(NOTICES)
        .where(NOTICES.c.number == notice.number)
        .values(acknowledge_time=notice.acknowledge_time, acknowledged_by=notice.acknowledged_by)
    )


def _notices() -> sa.Select[Any]:
    return sa.select(NOTICES, DEADLINES.c.subject, DEADLINES.c.kind).join_from(
        NOTICES, DEADLINES, DEADLINES.c.name == NOTICES.c.deadline
    )


def _notice_of(row: Mapping[Any, Any]) -> Notice:
    return Notice(**{**row, "stage": Stage(row["stage"]), "due": date.fromisoformat(row["due"])})


def _values(deadline: Deadline) -> dict[str, Any]:
    ended = deadline.end_time
    return {
        "name": deadline.name,
        "subject": deadline.subject,
        "owner": deadline.owner,
        "kind": deadline.kind,
        "department": deadline.department,
        "region_code": deadline.region_code,
        "jurisdiction": deadline.jurisdiction,
        "days": deadline.days,
        "extension_limit": deadline.extension_limit,
        "start_time": deadline.start_time,
        "pauses": _text(
            [
                [p.start, p.end, p.reason, p.by, *([p.until] if p.until else ())]
                for p in deadline.pauses
            ]
        ),
        "extensions": _text([[e.days, e.reason, e.by, e.at] for e in deadline.extensions]),
        "state": deadline.state.value,
        "due": deadline.due.isoformat() if deadline.due else "",
        "provisional": deadline.provisional,
        "end_time": ended,
        "end_day": china_day(ended).isoformat() if ended else "",
    }


def _deadline_of(row: Mapping[Any, Any]) -> Deadline:
    values = dict(row)
    for derived in ("owner", "end_day"):
        del values[derived]
    return Deadline(
        **{
            **values,
            "pauses": tuple(_pause_of(*told) for told in orjson.loads(values["pauses"])),
            "extensions": tuple(
                Extension(days=days, reason=reason, by=by, at=_time(at))
                for days, reason, by, at in orjson.loads(values["extensions"])
            ),
            "state": DeadlineState(values["state"]),
            "due": date.fromisoformat(values["due"]) if values["due"] else None,
        }
    )


def _pause_of(start: str, end: str | None, reason: str, by: str, until: str = "") -> Pause:
    ended, last = _time(end) if end else None, date.fromisoformat(until) if until else None
    return Pause(start=_time(start), end=ended, reason=reason, by=by, until=last)


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
