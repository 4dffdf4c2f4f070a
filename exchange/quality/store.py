"""Where measurements are kept, and all SQL on them."""

from __future__ import annotations

from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.quality.model import Counts, ItemQuality, Quality, QualityState
from runtime.database import UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")


class _Table(SQLModel, registry=registry()):
    pass


class QualityRow(_Table, table=True):
    """The newest measurement of a resource."""

    __tablename__ = "quality"

    resource: str = Field(primary_key=True, sa_type=NAME)
    state: str = Field(max_length=16)
    begin_time: datetime = Field(sa_type=UtcDateTime)
    end_time: datetime | None = Field(default=None, sa_type=UtcDateTime)
    records: int = Field(sa_type=sa.BigInteger)
    result: str = Field(sa_type=sa.Text)


METADATA = _Table.metadata
_RECORDS = "SELECT count(*) FROM record WHERE resource = :resource"
_DIFFERING = (
    "SELECT count(*) FROM source_difference WHERE source_case = :source_case AND pair = :pair"
)


def records(session: Session, resource: str) -> int:
    """How many records of a resource are held."""
    return int(session.execute(sa.text(_RECORDS), {"resource": resource}).scalar_one())


def differing(session: Session, source_case: str, pair: int) -> int:
    """Keys that an open case keeps, on which a pair of publishers differs."""
    which = {"source_case": source_case, "pair": pair}
    return int(session.execute(sa.text(_DIFFERING), which).scalar_one())


def get(session: Session, resource: str) -> Quality:
    """The newest measurement; state NONE where there is none."""
    row = session.get(QualityRow, resource)
    if row is None:
        return Quality(resource=resource)
    said = orjson.loads(row.result)
    return Quality(
        resource=resource,
        state=QualityState(row.state),
        measured=row.records if row.state == QualityState.DONE.value else 0,
        records=row.records,
        begin_time=row.begin_time,
        end_time=row.end_time,
        counts=Counts(
            items=tuple(
                ItemQuality(item=item, filled=filled, valid=valid, distinct=distinct)
                for item, filled, valid, distinct in said.get("items", [])
            ),
            faultless=said.get("faultless", 0),
            duplicates=said.get("duplicates", 0),
        ),
    )


def put(session: Session, quality: Quality) -> None:
    """Keep a measurement in place of the one before."""
    counts = quality.counts
    said = {
        "items": [[one.item, one.filled, one.valid, one.distinct] for one in counts.items],
        "faultless": counts.faultless,
        "duplicates": counts.duplicates,
    }
    session.merge(
        QualityRow(
            resource=quality.resource,
            state=quality.state.value,
            begin_time=quality.begin_time,  # type: ignore[arg-type]  # it was begun
            end_time=quality.end_time,
            records=quality.records,
            result=orjson.dumps(said).decode(),
        )
    )
