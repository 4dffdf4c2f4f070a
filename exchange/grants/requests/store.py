"""The table of access requests, and every SQL statement on it.

1. Lists of names and codes are JSON texts: they are read and written whole.
2. A row is locked before it is decided upon, so of two decisions the second sees the first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.grants import content
from exchange.grants.model import OPEN, AccessRequest, AccessRequestState
from exchange.grants.store import NAME, listed, plain, table
from runtime.database import UtcDateTime


class AccessRequestRow(SQLModel, table=True):
    """A request."""

    __tablename__ = "access_request"
    __table_args__ = (
        sa.Index("access_request_by_consumer", "consumer", "name"),
        sa.Index("access_request_by_source", "source", "name"),
        sa.Index("access_request_by_resource", "consumer", "resource"),
        sa.Index("access_request_by_state", "consumer", "state"),
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


def requests(
    session: Session, *, consumer: str | None, party: str | None, after: str, limit: int
) -> list[AccessRequest]:
    """Requests after a name: of a consumer (None: of any) that a party sees (None: all)."""
    query = listed(REQUESTS, consumer=consumer, party=party, after=after, limit=limit)
    return [_request_of(row) for row in session.execute(query).mappings()]


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
    values = dict(row)
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
