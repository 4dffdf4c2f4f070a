"""What erases salts and thins out checkpoints: all its SQL.

1. A salt that is erased is an empty entry of its batch's bundle; a batch whose salts are all erased
   has an empty bundle. Nothing else of a batch changes, so the log stays what it was.
2. On SQLite what was erased is overwritten in the file, and the write-ahead log is emptied after.
   PostgreSQL keeps old row versions until its vacuum has gone by.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from exchange.audit.accesses import store as accesses
from exchange.audit.merkle import join_entries, split_entries
from exchange.audit.store import METADATA, AuditBatch, AuditCheckpoint
from exchange.audit.witnesses.store import CosignatureRow
from runtime.database import Database, UnitOfWork

BATCHES_AT_ONCE = 1000
RECORDS_AT_ONCE = 20_000  # a row is rewritten with its leaves, and appends wait for it meanwhile
_TRIES = 3

_BATCH = AuditBatch.__table__.c  # type: ignore[attr-defined]
_COUNT = _BATCH["count"].label("held")  # a row has a method of the column's own name
_CHECKPOINT = AuditCheckpoint.__table__.c  # type: ignore[attr-defined]
_COSIGNED = CosignatureRow.__table__.c  # type: ignore[attr-defined]


class SaltWatermark(SQLModel, table=True):
    """One row: batches up to this id have no salts any more."""

    metadata = METADATA
    __tablename__ = "salt_watermark"

    id: int = Field(sa_type=sa.Integer, primary_key=True)
    batch_id: int = Field(sa_type=sa.BigInteger)


def place_of(work: UnitOfWork, index: int) -> tuple[str, int, int] | None:
    """Shard, batch and position of the leaf at an index; None where there is none."""
    row = work.session.execute(
        sa.select(_BATCH.shard, _BATCH.sequence, _BATCH.first_index, _COUNT)
        .where(_BATCH.first_index <= index)
        .order_by(_BATCH.first_index.desc())
        .limit(1)
    ).first()
    if row is None or index >= row.first_index + row.held:
        return None
    return row.shard, int(row.sequence), index - int(row.first_index)


def promised_at(work: UnitOfWork, shard: str, batch: int, position: int) -> str | None:
    """When a record was promised (RFC 3339, UTC); None where there is none."""
    row = work.session.execute(
        sa.select(_BATCH.promised_at, _COUNT).where(_BATCH.shard == shard, _BATCH.sequence == batch)
    ).first()
    return str(row.promised_at) if row is not None and 0 <= position < row.held else None


def erase_salt(work: UnitOfWork, shard: str, batch: int, position: int) -> int | None:
    """How many salts went, 0 or 1; None where there is no such record."""
    _overwrite(work)
    query = sa.select(_BATCH.id, _COUNT, _BATCH.salts, _BATCH.first_index)
    row = work.session.execute(
        query.where(_BATCH.shard == shard, _BATCH.sequence == batch).with_for_update()
    ).first()
    if row is None or not 0 <= position < row.held:
        return None
    index = None if row.first_index is None else int(row.first_index) + position
    accesses.forget(work.session, shard, batch, position, index)
    salts = split_entries(row.salts)
    if not salts or not salts[position]:
        return 0
    salts[position] = b""
    left = join_entries(salts) if any(salts) else b""
    work.session.execute(sa.update(AuditBatch).where(_BATCH.id == row.id).values(salts=left))
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one portion of erasing took."""

    records: int
    more: bool
    #: When its first and its last batch were promised.
    first: str = ""
    last: str = ""


def erase_before(work: UnitOfWork, promised_before: str) -> Portion:
    """Erase the salts of the oldest batches; whether there may be more.

    Batches are taken in the order they were written, up to the first that is not old enough.
    """
    _overwrite(work)
    session = work.session
    watermark = session.get(SaltWatermark, 1, with_for_update=True)
    rows = session.execute(
        sa.select(
            _BATCH.id, _COUNT, _BATCH.promised_at, _BATCH.shard, _BATCH.sequence, _BATCH.first_index
        )
        .where(_BATCH.id > (watermark.batch_id if watermark else 0))
        .order_by(_BATCH.id)
        .limit(BATCHES_AT_ONCE + 1)
    ).all()
    old, records = [], 0
    for row in rows[:BATCHES_AT_ONCE]:
        if row.promised_at >= promised_before or records >= RECORDS_AT_ONCE:
            break
        old.append(row)
        records += int(row.held)
    if not old:
        return Portion(records=0, more=False)
    last = int(old[-1].id)
    first = int(old[0].id)
    session.execute(
        sa.update(AuditBatch)
        .where(_BATCH.id.between(first, last), sa.func.length(_BATCH.salts) > 0)
        .values(salts=b"")
    )
    accesses.forget_batches(
        session, [(row.shard, row.sequence, row.first_index, int(row.held)) for row in old]
    )
    session.merge(SaltWatermark(id=1, batch_id=last))
    more = len(rows) > len(old) and rows[len(old)].promised_at < promised_before
    return Portion(records=records, more=more, first=old[0].promised_at, last=old[-1].promised_at)


def thin_checkpoints(work: UnitOfWork, signed_before: str) -> int:
    """Remove what was signed before, but for the last of each hour and what is cosigned."""
    old = _CHECKPOINT.signed_at < signed_before
    hour = sa.func.substr(_CHECKPOINT.signed_at, 1, 13)
    last = sa.select(sa.func.max(_CHECKPOINT.size)).where(old).group_by(hour)
    gone = sa.and_(
        old, _CHECKPOINT.size.not_in(last), _CHECKPOINT.size.not_in(sa.select(_COSIGNED.size))
    )
    sizes = sa.select(_CHECKPOINT.size).where(gone)
    followers = work.session.scalars(
        sa.select(_CHECKPOINT.size).where(sa.not_(gone), _CHECKPOINT.previous.in_(sizes))
    ).all()
    found = work.session.execute(sa.delete(AuditCheckpoint).where(gone))
    before = AuditCheckpoint.__table__.alias()  # type: ignore[attr-defined]
    kept = sa.select(sa.func.max(before.c.size)).where(before.c.size < _CHECKPOINT.size)
    for start in range(0, len(followers), 500):
        work.session.execute(
            sa.update(AuditCheckpoint)
            .where(_CHECKPOINT.size.in_(followers[start : start + 500]))
            .values(previous=kept.scalar_subquery())
        )
    return int(found.rowcount)  # type: ignore[attr-defined]


def empty_the_wal(database: Database) -> None:
    """After erasing: nothing of it is left in SQLite's write-ahead log either."""
    if not database.is_sqlite:
        return
    for _ in range(_TRIES):
        row = database.held.row("PRAGMA wal_checkpoint(TRUNCATE)", ())
        if row is None or not row[0]:
            return


def _overwrite(work: UnitOfWork) -> None:
    if work.session.get_bind().dialect.name == "sqlite":
        work.session.execute(sa.text("PRAGMA secure_delete = ON"))
