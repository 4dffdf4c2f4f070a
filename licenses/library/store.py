"""What waits for the license library: records in the order of the acts that left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from licenses.store import BIG_ID, Table

_PUBLISHING_LOCK = 0x746F6E676C6963  # "tonglic": any number nobody else takes


class OutboxRow(Table, table=True):
    """A record of the license library on its way to the exchange, in order of id."""

    __tablename__ = "library_outbox"

    id: int | None = Field(
        default=None, sa_column=sa.Column(BIG_ID, primary_key=True, autoincrement=True)
    )
    license_id: str = Field(max_length=32)
    record: str = Field(sa_type=sa.Text)


_ENQUEUE = sa.text("INSERT INTO library_outbox (license_id, record) VALUES (:license_id, :record)")


def enqueue(session: Session, license_id: str, record: Mapping[str, str]) -> None:
    """Leave a record to be published after this transaction."""
    row = orjson.dumps(dict(record)).decode()
    session.execute(_ENQUEUE, {"license_id": license_id, "record": row})


def waiting(session: Session, limit: int) -> list[tuple[int, dict[str, str]]]:
    """The oldest records to publish with their places, no license twice.

    A second record of one license waits for the next batch, so that each change is published.
    """
    rows = session.exec(select(OutboxRow).order_by(col(OutboxRow.id)).limit(limit)).all()
    seen: set[str] = set()
    taken: list[tuple[int, dict[str, str]]] = []
    for row in rows:
        if row.license_id in seen or row.id is None:
            break
        seen.add(row.license_id)
        taken.append((row.id, orjson.loads(row.record)))
    return taken


def drop(session: Session, places: Sequence[int]) -> None:
    """Forget records that were published."""
    session.execute(sa.delete(OutboxRow).where(col(OutboxRow.id).in_(places)))


def publishing_turn(session: Session) -> bool:
    """Whether this replica may publish now, until the transaction ends: records stay in order.

    SQLite has one process, whose own lock does the same.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    statement = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(session.execute(statement, {"key": _PUBLISHING_LOCK}).scalar_one())
