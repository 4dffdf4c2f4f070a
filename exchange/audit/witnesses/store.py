"""The tables of witnesses and cosignatures, and all their SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from exchange.audit.store import METADATA, NAME
from exchange.audit.witnesses.model import Cosignature, Witness
from runtime.database import Database, UnitOfWork, UtcDateTime


class _Table(SQLModel):
    metadata = METADATA


class WitnessRow(_Table, table=True):
    """A witness; a removed one stays, so that its name stays with its key."""

    __tablename__ = "witness"

    name: str = Field(sa_type=NAME, primary_key=True)
    verifier_key: str = Field(max_length=300)
    department: str = Field(sa_type=NAME)
    created_at: datetime = Field(sa_type=UtcDateTime)
    removed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CosignatureRow(_Table, table=True):
    """What a witness signed of one checkpoint."""

    __tablename__ = "cosignature"
    __table_args__ = (sa.Index("cosignature_of_witness", "witness", "size"),)

    size: int = Field(sa_type=sa.BigInteger, primary_key=True)
    witness: str = Field(sa_type=NAME, primary_key=True)
    line: str = Field(max_length=400)
    cosigned_at: int = Field(sa_type=sa.BigInteger)


_WITNESS = WitnessRow.__table__.c  # type: ignore[attr-defined]
_COSIGNED = CosignatureRow.__table__.c  # type: ignore[attr-defined]


def all_witnesses(work: UnitOfWork) -> list[Witness]:
    """As `every_witness`, and nobody else registers one before this transaction ends."""
    if work.session.get_bind().dialect.name == "postgresql":
        work.session.execute(sa.text("LOCK TABLE witness IN SHARE ROW EXCLUSIVE MODE"))
    return every_witness(work)


def every_witness(work: UnitOfWork) -> list[Witness]:
    """Every witness that ever was, by name."""
    rows = work.session.scalars(sa.select(WitnessRow).order_by(_WITNESS.name))
    return [_witness(row) for row in rows]


def put_witness(work: UnitOfWork, witness: Witness) -> None:
    """Write a witness, over its older row where there is one."""
    work.session.merge(
        WitnessRow(
            name=witness.name,
            verifier_key=witness.verifier_key,
            department=witness.department,
            created_at=witness.created_at,
            removed_at=witness.removed_at,
        )
    )
    work.session.flush()


def put_cosignature(work: UnitOfWork, cosignature: Cosignature) -> int:
    """Write a cosignature unless a later one is there; how many the checkpoint has."""
    session = work.session
    held = session.get(CosignatureRow, (cosignature.size, cosignature.witness))
    if held is None or held.cosigned_at < cosignature.cosigned_at:
        session.merge(
            CosignatureRow(
                size=cosignature.size,
                witness=cosignature.witness,
                line=cosignature.line,
                cosigned_at=cosignature.cosigned_at,
            )
        )
        session.flush()
    count = (
        sa.select(sa.func.count())
        .select_from(CosignatureRow)
        .join(WitnessRow, _WITNESS.name == _COSIGNED.witness)
        .where(_COSIGNED.size == cosignature.size, _WITNESS.removed_at.is_(None))
    )
    return int(session.scalar(count) or 0)


class WitnessReader:
    """What readers of the log ask about witnesses, by fixed statements."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        self._lines = self._held.sql(
            "SELECT c.line FROM cosignature c JOIN witness w ON w.name = c.witness"
            " WHERE c.size = ? AND w.removed_at IS NULL ORDER BY c.witness"
        )
        self._newest = self._held.sql(
            "SELECT c.size FROM cosignature c JOIN witness w ON w.name = c.witness"
            " WHERE w.removed_at IS NULL GROUP BY c.size HAVING count(*) >= ?"
            " ORDER BY c.size DESC LIMIT 1"
        )
        self._last = self._held.sql(
            "SELECT size, cosigned_at FROM cosignature WHERE witness = ? ORDER BY size DESC LIMIT 1"
        )

    def every(self) -> Iterator[tuple[int, str, str, str | None]]:
        """Size, line and witness's key of every cosignature, with its checkpoint's note if held."""
        query = self._held.sql(
            "SELECT c.size, c.witness, c.line, w.verifier_key, k.note FROM cosignature c"
            " JOIN witness w ON w.name = c.witness LEFT JOIN audit_checkpoint k ON k.size = c.size"
            " WHERE c.size > ? OR (c.size = ? AND c.witness > ?)"
            " ORDER BY c.size, c.witness LIMIT 1024"
        )
        at: tuple[int, int, str] = (-1, -1, "")
        while rows := self._held.rows(query, at):
            for size, witness, line, key, note in rows:
                at = (int(size), int(size), witness)
                yield int(size), line, key, note

    def lines(self, size: int) -> Sequence[str]:
        """Signature lines of a checkpoint by present witnesses, by name."""
        return [str(row[0]) for row in self._held.rows(self._lines, (size,))]

    def newest_cosigned(self, least: int) -> int | None:
        """Size of the newest checkpoint that at least so many present witnesses cosigned."""
        row = self._held.row(self._newest, (least,))
        return int(row[0]) if row else None

    def last_of(self, witness: str) -> tuple[int, int] | None:
        """Size and time of the largest checkpoint that a witness cosigned."""
        row = self._held.row(self._last, (witness,))
        return (int(row[0]), int(row[1])) if row else None


def _witness(row: WitnessRow) -> Witness:
    return Witness(
        name=row.name,
        verifier_key=row.verifier_key,
        department=row.department,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )
