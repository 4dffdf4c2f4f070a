"""The table of access requests, and every SQL statement on it.

1. Lists of names and codes are JSON texts: they are read and written whole.
2. A row is locked before it is decided upon, so of two decisions the second sees the first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.deadlines.model import OPEN_STATES
from exchange.deadlines.store import DEADLINES
from exchange.grants import content
from exchange.grants.model import OPEN, AccessRequest, AccessRequestState
from exchange.grants.store import NAME, plain, table
from runtime.database import UtcDateTime


class AccessRequestRow(SQLModel, table=True):
    """A request."""

    __tablename__ = "access_request"
    __table_args__ = (
        sa.Index("access_request_by_consumer", "consumer", "name"),
        sa.Index("access_request_by_source", "source", "name"),
        sa.Index("access_request_by_resource", "consumer", "resource"),
        sa.Index("access_request_by_state", "consumer", "state"),
        sa.Index("access_request_by_time", "create_time", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    consumer: str = Field(sa_type=NAME)
    source: str = Field(sa_type=NAME)
    resource: str = Field(sa_type=NAME)
    items: str = Field(sa_type=sa.Text)
    operations: str = Field(sa_type=sa.Text)
    purpose: str = Field(max_length=200)
    legal_basis: str = Field(max_length=500)
    state: str = Field(max_length=16)
    grant: str = Field(sa_type=NAME)
    decision_reason: str = Field(max_length=500)
    create_time: datetime = Field(sa_type=UtcDateTime)
    decide_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    service_item: str = Field(sa_type=NAME)
    amends: str = Field(sa_type=NAME)
    row_filter: str = Field(sa_type=sa.Text)
    cross_region: bool
    cross_level: bool
    needs_review: bool
    authority: str = Field(sa_type=NAME)
    review_note: str = Field(max_length=500)
    decision_legal_basis: str = Field(max_length=500)
    proposal: str = Field(sa_type=sa.Text)


REQUESTS = table(AccessRequestRow)
TABLES = (REQUESTS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which requests a list shows; None, and no states, are without a bound."""

    consumer: str | None = None
    party: str | None = None
    source: str | None = None
    states: Collection[AccessRequestState] = ()


def insert_request(session: Session, request: AccessRequest) -> None:
    """Write a new request."""
    session.execute(REQUESTS.insert().values(**_request_values(request)))


def update_request(session: Session, request: AccessRequest) -> None:
    """Write what a request has become."""
    session.execute(
        sa.update(REQUESTS)
        .where(REQUESTS.c.name == request.name)
        .values(**_request_values(request))
    )


def request(session: Session, name: str, *, lock: bool = False) -> AccessRequest | None:
    """The request of this name; locked until the transaction ends where it will be decided."""
    query = sa.select(REQUESTS).where(REQUESTS.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _request_of(row)


def requests(session: Session, wanted: Wanted, *, after: str, limit: int) -> list[AccessRequest]:
    """Requests after a name, in order of names."""
    query = _wanted(wanted).where(REQUESTS.c.name > after).order_by(REQUESTS.c.name)
    return [_request_of(row) for row in session.execute(query.limit(limit)).mappings()]


def newest(
    session: Session, wanted: Wanted, *, before: tuple[datetime, str] | None, limit: int
) -> list[AccessRequest]:
    """Requests before a moment and a name, the newest first."""
    columns = REQUESTS.c
    query = _wanted(wanted)
    if before is not None:
        query = query.where(sa.tuple_(columns.create_time, columns.name) < before)
    query = query.order_by(columns.create_time.desc(), columns.name.desc()).limit(limit)
    return [_request_of(row) for row in session.execute(query).mappings()]


def due(
    session: Session, wanted: Wanted, kinds: Collection[str], *, after: tuple[str, str], limit: int
) -> list[tuple[str, AccessRequest]]:
    """Requests with an open clock of these kinds, after a due day and a name, in that order.

    With each its due day; `~`, the last of all, is that of a clock that stands without one.
    """
    clocks, columns = DEADLINES.c, REQUESTS.c
    day = sa.func.min(sa.case((clocks.due == "", "~"), else_=clocks.due)).label("day")
    running = (
        sa.select(clocks.subject, day)
        .where(clocks.state.in_([state.value for state in OPEN_STATES]), clocks.kind.in_(kinds))
        .group_by(clocks.subject)
        .subquery()
    )
    query = _wanted(wanted).join(running, running.c.subject == columns.name)
    query = query.add_columns(running.c.day)
    if after != ("", ""):
        query = query.where(sa.tuple_(running.c.day, columns.name) > after)
    rows = session.execute(query.order_by(running.c.day, columns.name).limit(limit)).mappings()
    return [(row["day"], _request_of(row)) for row in rows]


def _wanted(wanted: Wanted) -> sa.Select[Any]:
    query, columns = sa.select(REQUESTS), REQUESTS.c
    if wanted.consumer is not None:
        query = query.where(columns.consumer == wanted.consumer)
    if wanted.party is not None:
        of_party = sa.or_(columns.consumer == wanted.party, columns.source == wanted.party)
        query = query.where(of_party)
    if wanted.source is not None:
        query = query.where(columns.source == wanted.source)
    if wanted.states:
        query = query.where(columns.state.in_([state.value for state in wanted.states]))
    return query


def open_requests(session: Session, consumer: str, limit: int) -> int:
    """How many requests of a consumer wait for an answer, counted up to a limit."""
    waiting = waiting_of(consumer, limit=limit).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0


def waiting_of(consumer: str, *, limit: int) -> sa.Select[Any]:
    """The states of a consumer's requests that wait; read from an index, without the past ones."""
    columns = REQUESTS.c
    states = [state.value for state in OPEN]
    wanted = columns.consumer == consumer, columns.state.in_(states)
    return sa.select(columns.state).where(*wanted).limit(limit)


def _request_values(request: AccessRequest) -> dict[str, Any]:
    proposal = request.proposal
    return {
        **plain(request, REQUESTS),
        "items": orjson.dumps(request.items).decode(),
        "operations": orjson.dumps(request.operations).decode(),
        "state": request.state.value,
        "row_filter": content.dumped(content.conditions(request.row_filter)),
        "proposal": ""
        if proposal is None
        else content.dumped({**content.terms(proposal), "by": request.proposed_by}),
    }


def _request_of(row: sa.RowMapping) -> AccessRequest:
    values = {column.name: row[column.name] for column in REQUESTS.columns}
    for derived in ("consumer", "source"):
        del values[derived]
    return AccessRequest(
        **{
            **values,
            "items": tuple(orjson.loads(values["items"])),
            "operations": content.operations_of(orjson.loads(values["operations"])),
            "state": AccessRequestState(values["state"]),
            "row_filter": content.conditions_of(orjson.loads(values["row_filter"])),
            "proposal": content.terms_of(values["proposal"]),
            "proposed_by": content.proposer_of(values["proposal"]),
        }
    )
