"""Tables of access requests and grants, and every SQL statement on them.

1. Lists of names and codes are JSON texts: they are read and written whole.
2. A row is locked before it is decided upon, so of two decisions the second sees the first.
3. `grant_epoch` has one row, raised before every change of a grant (see `freshness`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
)
from runtime.database import Database, UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class AccessRequestRow(SQLModel, table=True):
    """A request."""

    __tablename__ = "access_request"
    __table_args__ = (
        sa.Index("access_request_by_consumer", "consumer", "name"),
        sa.Index("access_request_by_source", "source", "name"),
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


class GrantRow(SQLModel, table=True):
    """A grant; `grant` alone is a word of SQL."""

    __tablename__ = "access_grant"
    __table_args__ = (
        sa.Index("access_grant_by_consumer", "consumer", "name"),
        sa.Index("access_grant_by_source", "source", "name"),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    consumer: str = Field(sa_type=NAME)
    source: str = Field(sa_type=NAME)
    resource: str = Field(sa_type=NAME)
    items: str = Field(sa_type=sa.Text)
    operations: str = Field(sa_type=sa.Text)
    purpose: str = Field(max_length=200)
    legal_basis: str = Field(max_length=500)
    daily_quota: int
    start_time: datetime = Field(sa_type=UtcDateTime)
    end_time: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(max_length=16)
    revoke_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoke_reason: str = Field(max_length=500)
    contract_hash: str = Field(max_length=64)
    access_request: str = Field(sa_type=NAME, unique=True)
    create_time: datetime = Field(sa_type=UtcDateTime)
    epoch: int = Field(sa_type=sa.BigInteger, index=True)


class GrantEpochRow(SQLModel, table=True):
    """How often grants have changed; one row."""

    __tablename__ = "grant_epoch"

    id: int = Field(primary_key=True)
    value: int = Field(sa_type=sa.BigInteger)


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


REQUESTS = _table(AccessRequestRow)
GRANTS = _table(GrantRow)
EPOCH = _table(GrantEpochRow)
TABLES = (REQUESTS, GRANTS, EPOCH)


def insert_request(session: Session, request: AccessRequest) -> None:
    """Write a new request."""
    session.execute(REQUESTS.insert().values(**_request_values(request)))


def update_request(session: Session, request: AccessRequest) -> None:
    """Write the decision on a request."""
    session.execute(
        sa.update(REQUESTS)
        .where(REQUESTS.c.name == request.name)
        .values(
            state=request.state.value,
            grant=request.grant,
            decision_reason=request.decision_reason,
            decide_time=request.decide_time,
        )
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
    query = _listed(REQUESTS, consumer=consumer, party=party, after=after, limit=limit)
    return [_request_of(row) for row in session.execute(query).mappings()]


def bump(session: Session) -> int:
    """Raise the epoch, before a grant changes, and return it."""
    value = EPOCH.c.value
    raised = sa.update(EPOCH).where(EPOCH.c.id == 1).values(value=value + 1).returning(value)
    return int(session.execute(raised).scalar_one())


def insert_grant(session: Session, grant: Grant, *, epoch: int) -> None:
    """Write a new grant."""
    session.execute(GRANTS.insert().values(**_grant_values(grant), epoch=epoch))


def update_grant(session: Session, grant: Grant, *, epoch: int) -> None:
    """Write the end of a grant; its terms never change."""
    session.execute(
        sa.update(GRANTS)
        .where(GRANTS.c.name == grant.name)
        .values(
            state=grant.state.value,
            revoke_time=grant.revoke_time,
            revoke_reason=grant.revoke_reason,
            epoch=epoch,
        )
    )


def grant(session: Session, name: str, *, lock: bool = False) -> Grant | None:
    """The grant of this name; locked until the transaction ends where it will be changed."""
    query = sa.select(GRANTS).where(GRANTS.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _grant_of(row)


def grants(
    session: Session, *, consumer: str | None, party: str | None, after: str, limit: int
) -> list[Grant]:
    """Grants after a name: of a consumer (None: of any) that a party sees (None: all)."""
    query = _listed(GRANTS, consumer=consumer, party=party, after=after, limit=limit)
    return [_grant_of(row) for row in session.execute(query).mappings()]


class Freshness:
    """The epoch and what changed since, by fixed SQL on the hot path's own connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = database.held.sql("SELECT value FROM grant_epoch WHERE id = 1")
        self._changed = database.held.sql("SELECT name FROM access_grant WHERE epoch > ?")

    def read(self, name: str) -> Grant | None:
        """The grant of this name, as committed."""
        with self._database.reading() as session:
            return grant(session, name)

    def epoch(self) -> int:
        """The epoch, as committed."""
        row = self._database.held.row(self._epoch, ())
        return -1 if row is None else int(row[0])

    def changed_since(self, epoch: int) -> list[str]:
        """Names of the grants that changed after an epoch."""
        return [row[0] for row in self._database.held.rows(self._changed, (epoch,))]


def _listed(
    table: sa.Table, *, consumer: str | None, party: str | None, after: str, limit: int
) -> sa.Select[Any]:
    query = sa.select(table).where(table.c.name > after)
    if consumer is not None:
        query = query.where(table.c.consumer == consumer)
    if party is not None:
        query = query.where(sa.or_(table.c.consumer == party, table.c.source == party))
    return query.order_by(table.c.name).limit(limit)


def _plain(thing: AccessRequest | Grant, columns: sa.Table) -> dict[str, Any]:
    """The columns whose values the thing has as they are."""
    special = {"items", "operations", "state", "epoch"}
    return {c.name: getattr(thing, c.name) for c in columns.columns if c.name not in special}


def _request_values(request: AccessRequest) -> dict[str, Any]:
    return {
        **_plain(request, REQUESTS),
        "items": orjson.dumps(request.items).decode(),
        "operations": orjson.dumps(request.operations).decode(),
        "state": request.state.value,
    }


def _grant_values(grant: Grant) -> dict[str, Any]:
    items = [[given.item, given.mask.value] for given in grant.items]
    return {
        **_plain(grant, GRANTS),
        "items": orjson.dumps(items).decode(),
        "operations": orjson.dumps(grant.operations).decode(),
        "state": grant.state.value,
    }


def _request_of(row: sa.RowMapping) -> AccessRequest:
    values = dict(row)
    for derived in ("consumer", "source"):
        del values[derived]
    return AccessRequest(
        **{
            **values,
            "items": tuple(orjson.loads(values["items"])),
            "operations": _operations(values["operations"]),
            "state": AccessRequestState(values["state"]),
        }
    )


def _grant_of(row: sa.RowMapping) -> Grant:
    values = dict(row)
    for derived in ("consumer", "source", "epoch"):
        del values[derived]
    given = orjson.loads(values["items"])
    return Grant(
        **{
            **values,
            "items": tuple(GrantedItem(item=item, mask=Mask(mask)) for item, mask in given),
            "operations": _operations(values["operations"]),
            "state": GrantState(values["state"]),
        }
    )


def _operations(text: str) -> tuple[Operation, ...]:
    return tuple(Operation(word) for word in orjson.loads(text))
