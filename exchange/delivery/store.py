"""Where changes, records and batches are held; `log.store` reads them.

1. `change` is the log and is only appended to. `record` points from a key to its newest change, and
   has no row for what is withdrawn. A change says which change of the same record came before it
   (`previous`; 0 for none), which costs little to know when it is written; `superseded` says the
   same from the earlier one's side, so that the newest changes of a range, now or at any offset,
   are found by the log's own key.
2. A batch takes the offsets that follow each other from `first_offset`; it alone knows its resource
   and its time, so the log repeats neither.
3. `log_end` has one row. Every publishing begins by locking it, so offsets are handed out in the
   order of commits on every database, and who has read up to an offset has missed nothing.
4. The bulk runs on the driver's own connection within the unit of work: the ORM would take several
   times as long (17,500 rows/s instead of more than 100,000).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import repeat
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.delivery.briefs import store as briefs
from exchange.delivery.history import store as history
from exchange.delivery.intake import GREATEST_BATCH, Batch, Published, too_large
from runtime.database import UnitOfWork, UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

LOOKUP_CHUNK = 5_000


class _Table(SQLModel, registry=registry()):
    pass


class LogEndRow(_Table, table=True):
    """The end of the log, in one row."""

    __tablename__ = "log_end"

    id: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    last_offset: int = Field(sa_type=sa.BigInteger)
    last_batch: int = Field(sa_type=sa.BigInteger)


class BatchRow(_Table, table=True):
    """One published batch (发布批次)."""

    __tablename__ = "batch"
    __table_args__ = (
        sa.Index("batch_of_resource", "resource", "last_offset"),
        sa.Index("batch_of_resource_by_time", "resource", "published_at"),
    )

    number: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    resource: str = Field(sa_type=NAME)
    publisher: str = Field(sa_type=NAME)
    published_at: datetime = Field(sa_type=UtcDateTime)
    #: Without changes: last_offset is first_offset - 1.
    first_offset: int = Field(sa_type=sa.BigInteger)
    last_offset: int = Field(sa_type=sa.BigInteger)
    upserted: int
    withdrawn: int
    unchanged: int
    digest: bytes


class ChangeRow(_Table, table=True):
    """One change; no payload means that the record was withdrawn."""

    __tablename__ = "change"

    offset: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        )
    )
    batch: int = Field(sa_type=sa.BigInteger)
    record_key: str = Field(sa_type=KEY)
    payload: str | None = Field(sa_type=sa.Text)
    previous: int = Field(sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})


class SupersededRow(_Table, table=True):
    """A change that is not its record's newest, and the one that replaced it."""

    __tablename__ = "superseded"

    offset: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        )
    )
    by_offset: int = Field(sa_type=sa.BigInteger)


class RecordRow(_Table, table=True):
    """The newest change of a record that is held."""

    __tablename__ = "record"
    __table_args__ = ({"sqlite_with_rowid": False},)

    resource: str = Field(primary_key=True, sa_type=NAME)
    record_key: str = Field(primary_key=True, sa_type=KEY)
    offset: int = Field(sa_type=sa.BigInteger)


METADATA = _Table.metadata

_LOCK_END = """
    UPDATE log_end SET last_offset = last_offset WHERE id = 1 RETURNING last_offset, last_batch
"""
_HELD_SQLITE = """
    SELECT j.value, c.payload, r."offset"
    FROM json_each(?) AS j
    CROSS JOIN record AS r ON r.resource = ? AND r.record_key = j.value
    CROSS JOIN change AS c ON c."offset" = r."offset"
"""
_HELD_POSTGRESQL = """
    SELECT r.record_key, c.payload, r."offset"
    FROM record AS r JOIN change AS c ON c."offset" = r."offset"
    WHERE r.record_key = ANY(%s) AND r.resource = %s
"""
# Of a key that never had a change there is no record, and on PostgreSQL an insert that looks for a
# conflict takes three times as long.
_POINT_NEW = """
    INSERT INTO record (resource, record_key, "offset")
    SELECT :resource, record_key, "offset" FROM change
    WHERE "offset" BETWEEN :first AND :last AND payload IS NOT NULL AND previous = 0
    ORDER BY record_key
"""
_POINT = """
    INSERT INTO record (resource, record_key, "offset")
    SELECT :resource, record_key, "offset" FROM change
    WHERE "offset" BETWEEN :first AND :last AND payload IS NOT NULL AND previous > 0
    ORDER BY record_key
    ON CONFLICT (resource, record_key) DO UPDATE SET "offset" = excluded."offset"
"""
_DROP = """
    DELETE FROM record WHERE resource = :resource AND record_key IN (
        SELECT record_key FROM change
        WHERE "offset" BETWEEN :first AND :last AND payload IS NULL
    )
"""
_SUPERSEDE = """
    INSERT INTO superseded ("offset", by_offset)
    SELECT previous, "offset" FROM change
    WHERE "offset" BETWEEN :first AND :last AND previous > 0
    ORDER BY previous
"""
_KEYS = "SELECT record_key FROM record WHERE resource = :resource ORDER BY record_key"
_MOVE_END = "UPDATE log_end SET last_offset = :last, last_batch = :batch WHERE id = 1"


def write_batch(work: UnitOfWork, batch: Batch, *, publisher: str, at: datetime) -> Published:
    """Append what differs from what is held, point the records to it, and keep the batch's row.

    Raises InvalidArgument (BATCH_TOO_LARGE) where a snapshot leaves out more than a batch holds.
    """
    session = work.session
    end = session.execute(sa.text(_LOCK_END)).one()
    if batch.snapshot:
        batch = _with_withdrawals(session, batch)
    last_offset, number = int(end[0]), int(end[1]) + 1
    keys, payloads, previous = _differing(session, batch)
    back = _ended(session, batch.resource, keys, previous)
    first, last = last_offset + 1, last_offset + len(keys)
    withdrawn = payloads.count(None)
    if keys:
        _append(session, first, number, keys, payloads, previous)
        briefs.keep(session, first, payloads)
        span = {"resource": batch.resource, "first": first, "last": last}
        if 0 in previous:
            session.execute(sa.text(_POINT_NEW), span)
        if any(previous):
            session.execute(sa.text(_SUPERSEDE), {"first": first, "last": last})
            session.execute(sa.text(_POINT), span)
        if back:
            history.begin_again(session, batch.resource, first, last)
        if withdrawn:
            session.execute(sa.text(_DROP), span)
            history.end(session, batch.resource, first, last)
    published = Published(
        batch=number,
        offset=last,
        upserted=len(keys) - withdrawn,
        withdrawn=withdrawn,
        unchanged=len(batch.keys) - len(keys),
    )
    session.add(
        BatchRow(
            number=number,
            resource=batch.resource,
            publisher=publisher,
            published_at=at,
            first_offset=first,
            last_offset=last,
            upserted=published.upserted,
            withdrawn=withdrawn,
            unchanged=published.unchanged,
            digest=batch.digest,
        )
    )
    session.execute(sa.text(_MOVE_END), {"last": last, "batch": number})
    return published


def _with_withdrawals(session: Session, batch: Batch) -> Batch:
    """A snapshot with the withdrawals of what it leaves out."""
    kept = set(batch.keys)
    gone: list[str] = []
    held = session.execute(sa.text(_KEYS), {"resource": batch.resource})
    for part in held.partitions(LOOKUP_CHUNK):
        gone += [key for (key,) in part if key not in kept]
        if len(gone) > GREATEST_BATCH:
            raise too_large()
    return replace(
        batch, keys=[*batch.keys, *gone], payloads=[*batch.payloads, *repeat(None, len(gone))]
    )


def _driver(session: Session) -> Any:
    """The driver's connection under a session, in the session's transaction."""
    return session.connection().connection.driver_connection


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _differing(session: Session, batch: Batch) -> tuple[list[str], list[str | None], list[int]]:
    """The rows that are not held just so, and the changes that they replace."""
    get = _held(session, batch).get
    keys: list[str] = []
    payloads: list[str | None] = []
    previous: list[int] = []
    for key, payload in zip(batch.keys, batch.payloads, strict=True):
        _, held, offset = get(key, _NOTHING)
        if held != payload:
            keys.append(key)
            payloads.append(payload)
            previous.append(offset)
    return keys, payloads, previous


def _ended(session: Session, resource: str, keys: list[str], previous: list[int]) -> int:
    """Put in which changes withdrew what comes back; how many there are."""
    new = [key for key, before in zip(keys, previous, strict=True) if not before]
    found = history.ended(session, _driver(session), resource, new, chunk=LOOKUP_CHUNK)
    if found:
        previous[:] = [
            before or found.get(key, 0) for key, before in zip(keys, previous, strict=True)
        ]
    return len(found)


_Held = tuple[str, str | None, int]
_NOTHING: _Held = ("", None, 0)


def _held(session: Session, batch: Batch) -> dict[str, _Held]:
    """Key, payload and offset of what is held now, by key; only of the batch's keys."""
    held: dict[str, _Held] = {}
    first = session.execute(
        sa.select(RecordRow.record_key).where(RecordRow.resource == batch.resource).limit(1)  # type: ignore[call-overload]
    ).first()
    if first is None:
        return held
    connection, sqlite = _driver(session), _is_sqlite(session)
    keys = sorted(batch.keys)  # neighbours in the index are read together
    for start in range(0, len(keys), LOOKUP_CHUNK):
        chunk = keys[start : start + LOOKUP_CHUNK]
        if sqlite:
            rows = connection.execute(_HELD_SQLITE, (orjson.dumps(chunk).decode(), batch.resource))
        else:
            rows = connection.execute(_HELD_POSTGRESQL, (chunk, batch.resource))
        held.update({row[0]: row for row in rows})
    return held


def _append(
    session: Session,
    first: int,
    number: int,
    keys: list[str],
    payloads: list[str | None],
    previous: list[int],
) -> None:
    connection = _driver(session)
    offsets = range(first, first + len(keys))
    rows = zip(offsets, repeat(number), keys, payloads, previous, strict=False)
    if _is_sqlite(session):
        connection.executemany(
            'INSERT INTO change ("offset", batch, record_key, payload, previous) '
            "VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(
            'COPY change ("offset", batch, record_key, payload, previous) FROM STDIN'
        ) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def end_of_log(session: Session) -> int:
    """Offset of the last change there is, within a transaction."""
    return int(
        session.execute(sa.text("SELECT last_offset FROM log_end WHERE id = 1")).scalar_one()
    )
