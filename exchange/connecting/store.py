"""Tables of endpoints and of approved hosts.

1. What an endpoint says is one JSON text, read and written whole; its secret is sealed before it
   comes here.
2. Every change of either table raises the epoch in the same transaction, before the rows change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.connecting.model import (
    ApprovedHost,
    Endpoint,
    Kind,
    Platform,
    Prefix,
    content_of,
)
from runtime.database import Database, UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
HOST = sa.String(261).with_variant(sa.String(261, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class EndpointRow(_Table, table=True):
    """An endpoint."""

    __tablename__ = "endpoint"
    __table_args__ = (sa.Index("endpoint_by_department", "department", "resource"),)

    resource: str = Field(primary_key=True, sa_type=NAME)
    department: str = Field(sa_type=NAME)
    content: str = Field(sa_type=sa.Text)
    secret: bytes
    etag: str = Field(max_length=32)
    update_time: datetime = Field(sa_type=UtcDateTime)


class ApprovedHostRow(_Table, table=True):
    """A host that may be called."""

    __tablename__ = "approved_host"

    host: str = Field(primary_key=True, sa_type=HOST)
    create_time: datetime = Field(sa_type=UtcDateTime)


class EpochRow(_Table, table=True):
    """How often both have changed."""

    __tablename__ = "endpoint_epoch"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    value: int = Field(sa_type=sa.BigInteger)


METADATA = _Table.metadata


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


ENDPOINTS = _table(EndpointRow)
HOSTS = _table(ApprovedHostRow)
EPOCH = _table(EpochRow)


def bump(session: Session) -> None:
    """Raise the epoch; the row's lock lets one change at a time."""
    session.execute(sa.update(EPOCH).where(EPOCH.c.id == 1).values(value=EPOCH.c.value + 1))


def endpoint(session: Session, resource: str) -> Endpoint | None:
    """The endpoint of a resource."""
    row = session.execute(sa.select(ENDPOINTS).where(ENDPOINTS.c.resource == resource))
    found = row.mappings().first()
    return None if found is None else _endpoint_of(found)


def endpoints(
    session: Session, *, department: str | None, after: str, limit: int
) -> list[Endpoint]:
    """At most `limit` endpoints after a resource, of a department (None: of all)."""
    query = sa.select(ENDPOINTS).where(ENDPOINTS.c.resource > after)
    if department is not None:
        query = query.where(ENDPOINTS.c.department == department)
    rows = session.execute(query.order_by(ENDPOINTS.c.resource).limit(limit)).mappings()
    return [_endpoint_of(row) for row in rows]


def put_endpoint(session: Session, made: Endpoint) -> None:
    """Write an endpoint in place of the one of its resource."""
    remove_endpoint(session, made.resource)
    session.execute(
        ENDPOINTS.insert().values(
            resource=made.resource,
            department=made.source,
            content=content_of(made).decode(),
            secret=made.secret,
            etag=made.etag,
            update_time=made.update_time,
        )
    )


def remove_endpoint(session: Session, resource: str) -> None:
    """Remove an endpoint."""
    session.execute(sa.delete(ENDPOINTS).where(ENDPOINTS.c.resource == resource))


def count_endpoints(session: Session) -> int:
    """How many there are."""
    return int(session.execute(sa.select(sa.func.count()).select_from(ENDPOINTS)).scalar_one())


def approved(session: Session, hosts: set[str]) -> set[str]:
    """Which of these hosts are approved."""
    rows = session.execute(sa.select(HOSTS.c.host).where(HOSTS.c.host.in_(hosts)))
    return set(rows.scalars())


def approved_host(session: Session, host: str) -> ApprovedHost | None:
    """The approval of a host."""
    row = session.execute(sa.select(HOSTS).where(HOSTS.c.host == host)).mappings().first()
    return None if row is None else ApprovedHost(**row)


def approved_hosts(session: Session, *, after: str, limit: int) -> list[ApprovedHost]:
    """At most `limit` approved hosts after one of them, in order."""
    query = sa.select(HOSTS).where(HOSTS.c.host > after).order_by(HOSTS.c.host).limit(limit)
    return [ApprovedHost(**row) for row in session.execute(query).mappings()]


def approve(session: Session, host: ApprovedHost) -> None:
    """Keep an approval."""
    session.execute(HOSTS.insert().values(host=host.host, create_time=host.create_time))


def disapprove(session: Session, host: str) -> None:
    """Remove an approval."""
    session.execute(sa.delete(HOSTS).where(HOSTS.c.host == host))


class EndpointReader:
    """All endpoints with their hosts' approval, for a process that keeps them in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = database.held.sql("SELECT value FROM endpoint_epoch WHERE id = 1")

    def epoch(self) -> int:
        """How often endpoints and approvals have changed."""
        row = self._database.held.row(self._epoch, ())
        return -1 if row is None else int(row[0])

    def read(self) -> dict[str, tuple[Endpoint, bool]]:
        """Endpoints by resource, each with whether its host is approved."""
        with self._database.reading() as session:
            hosts = set(session.execute(sa.select(HOSTS.c.host)).scalars())
            rows = session.execute(sa.select(ENDPOINTS)).mappings()
            every = [_endpoint_of(row) for row in rows]
        return {one.resource: (one, one.place in hosts) for one in every}


def _endpoint_of(row: sa.RowMapping) -> Endpoint:
    content: dict[str, Any] = orjson.loads(row["content"])
    platform = content.pop("platform", None)
    if platform is not None:
        platform = Platform(
            **{
                **platform,
                "prefix": Prefix(platform["prefix"]),
                "success_values": tuple(platform["success_values"]),
            }
        )
    return Endpoint(
        **{**content, "kind": Kind(content["kind"])},
        resource=row["resource"],
        platform=platform,
        secret=bytes(row["secret"]),
        etag=row["etag"],
        update_time=row["update_time"],
    )
