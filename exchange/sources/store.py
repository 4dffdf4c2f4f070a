"""Tables of source cases, and the streams that a comparison reads.

1. Parties and measurements are JSON texts: they are read and written whole. They hold names and
   counts, never a key or a value of a record.
2. One case about an element is open at a time (a partial unique index says so).
3. Hashes and the key of the run are there while the case is open, and deleted with its end.
4. A stream reads a resource in order of key, some records at a time, within one snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.catalog.model import ItemType
from exchange.sources.model import Measurement, Publisher, SourceCase, SourceCaseState
from runtime.database import Database, UtcDateTime

NAME = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")
READ_AT_ONCE = 500
WRITE_AT_ONCE = 5_000
_OPEN = sa.text("state = 'open'")


class _Table(SQLModel, registry=registry()):
    pass


class SourceCaseRow(_Table, table=True):
    """A case."""

    __tablename__ = "source_case"
    __table_args__ = (
        sa.Index("source_case_by_element", "element", "name"),
        sa.Index(
            "source_case_open_once",
            "element",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    name: str = Field(primary_key=True, sa_type=NAME)
    element: str = Field(max_length=130)
    state: str = Field(max_length=16)
    parties: str = Field(sa_type=sa.Text)
    measurements: str = Field(sa_type=sa.Text)
    run_key: bytes
    source: str = Field(sa_type=NAME)
    reason: str = Field(max_length=500)
    create_time: datetime = Field(sa_type=UtcDateTime)
    measure_time: datetime = Field(sa_type=UtcDateTime)
    decide_time: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PartyRow(_Table, table=True):
    """A department and a case that is about its resource."""

    __tablename__ = "source_case_party"

    department: str = Field(primary_key=True, sa_type=NAME)
    source_case: str = Field(primary_key=True, sa_type=NAME)


class DifferenceRow(_Table, table=True):
    """The keyed hash of a key on which a pair differs."""

    __tablename__ = "source_difference"
    __table_args__ = ({"sqlite_with_rowid": False},)

    source_case: str = Field(primary_key=True, sa_type=NAME)
    pair: int = Field(primary_key=True)
    key_hash: bytes = Field(primary_key=True)


METADATA = _Table.metadata


def _table(row: type[SQLModel]) -> sa.Table:
    table = row.__table__  # type: ignore[attr-defined]  # made by the metaclass
    assert isinstance(table, sa.Table)  # noqa: S101  # for the type checker
    return table


CASES = _table(SourceCaseRow)
PARTIES = _table(PartyRow)
DIFFERENCES = _table(DifferenceRow)


def put_case(
    session: Session, case: SourceCase, *, run_key: bytes, hashes: Sequence[tuple[int, bytes]]
) -> None:
    """Write a case, new or known, with the hashes of its newest run in place of any before."""
    values = _values(case) | {"run_key": run_key}
    known = session.execute(sa.select(CASES.c.name).where(CASES.c.name == case.name)).first()
    if known is None:
        session.execute(CASES.insert().values(**values))
    else:
        session.execute(sa.update(CASES).where(CASES.c.name == case.name).values(**values))
    session.execute(sa.delete(PARTIES).where(PARTIES.c.source_case == case.name))
    session.execute(
        PARTIES.insert(),
        [{"department": one, "source_case": case.name} for one in sorted(case.departments)],
    )
    session.execute(sa.delete(DIFFERENCES).where(DIFFERENCES.c.source_case == case.name))
    for start in range(0, len(hashes), WRITE_AT_ONCE):
        session.execute(
            DIFFERENCES.insert(),
            [
                {"source_case": case.name, "pair": pair, "key_hash": key_hash}
                for pair, key_hash in hashes[start : start + WRITE_AT_ONCE]
            ],
        )


def case(session: Session, name: str, *, lock: bool = False) -> SourceCase | None:
    """The case of a name; locked until the transaction ends where it will be decided."""
    query = sa.select(CASES).where(CASES.c.name == name)
    row = session.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _case_of(row)


def newest_case(
    session: Session, element: str, state: SourceCaseState | None = None
) -> SourceCase | None:
    """The case about an element that was opened last; of a state, where one is given."""
    query = sa.select(CASES).where(CASES.c.element == element)
    if state is not None:
        query = query.where(CASES.c.state == state.value)
    query = query.order_by(CASES.c.create_time.desc(), CASES.c.name).limit(1)
    row = session.execute(query).mappings().first()
    return None if row is None else _case_of(row)


def cases(
    session: Session,
    *,
    party: str | None,
    element: str,
    state: SourceCaseState | None,
    after: str,
    limit: int,
) -> list[SourceCase]:
    """Cases after a name that a party sees (None: all), about an element (empty: any)."""
    query = sa.select(CASES).where(CASES.c.name > after)
    if party is not None:
        query = query.join(PARTIES, PARTIES.c.source_case == CASES.c.name).where(
            PARTIES.c.department == party
        )
    if element:
        query = query.where(CASES.c.element == element)
    if state is not None:
        query = query.where(CASES.c.state == state.value)
    rows = session.execute(query.order_by(CASES.c.name).limit(limit)).mappings()
    return [_case_of(row) for row in rows]


def cases_about(session: Session, elements: Sequence[str]) -> list[SourceCase]:
    """The cases about these elements that are open or decided, the oldest first."""
    query = sa.select(CASES).where(
        CASES.c.element.in_(elements), CASES.c.state != SourceCaseState.DISMISSED.value
    )
    rows = session.execute(query.order_by(CASES.c.create_time, CASES.c.name)).mappings()
    return [_case_of(row) for row in rows]


def run_key(session: Session, name: str) -> bytes:
    """The key of a case's newest run; empty once it is closed."""
    return bytes(
        session.execute(sa.select(CASES.c.run_key).where(CASES.c.name == name)).scalar_one()
    )


def hashes(session: Session, name: str, pair: int, *, after: bytes, limit: int) -> list[bytes]:
    """Hashes of a pair's differing keys in order, after one of them."""
    columns = DIFFERENCES.c
    query = (
        sa.select(columns.key_hash)
        .where(columns.source_case == name, columns.pair == pair, columns.key_hash > after)
        .order_by(columns.key_hash)
        .limit(limit)
    )
    return [bytes(one) for one in session.scalars(query)]


def snapshot(database: Database, session: Session) -> None:
    """Let a session that reads for long see one moment. To be called before it reads."""
    if not database.is_sqlite:  # SQLite's transactions are so by themselves
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def values(session: Session, publisher: Publisher, *, until: datetime) -> Iterator[tuple[str, str]]:
    """Keys and values of a publisher's item in order of key; a record without one is left out.

    So is one that has changed after a time.
    """
    after = ""
    batches = sa.text(
        "SELECT MAX(last_offset) FROM batch WHERE resource = :resource AND published_at <= :until"
    ).bindparams(sa.bindparam("until", type_=UtcDateTime))
    before = {"resource": publisher.resource, "until": until}
    settled = session.execute(batches, before).scalar()
    statement = sa.text(
        "SELECT r.record_key, c.payload FROM record AS r"
        ' JOIN change AS c ON c."offset" = r."offset"'
        ' WHERE r.resource = :resource AND r.record_key > :after AND r."offset" <= :settled'
        " ORDER BY r.record_key LIMIT :limit"
    )
    while settled is not None:
        place = {
            "resource": publisher.resource,
            "after": after,
            "limit": READ_AT_ONCE,
            "settled": settled,
        }
        rows = session.execute(statement, place).all()
        for key, payload in rows:
            value = orjson.loads(payload).get(publisher.item)
            if value:
                yield key, value
        if len(rows) < READ_AT_ONCE:
            return
        after = rows[-1][0]


def catalog_epoch(database: Database) -> int:
    """How often the catalog has changed."""
    row = database.held.row("SELECT value FROM catalog_epoch WHERE id = 1", ())
    return -1 if row is None else int(row[0])


def _values(case: SourceCase) -> dict[str, Any]:
    return {
        "name": case.name,
        "element": case.element,
        "state": case.state.value,
        "parties": orjson.dumps(
            [[p.resource, p.item, p.key_standard, p.type.value] for p in case.parties]
        ).decode(),
        "measurements": orjson.dumps(
            [
                [m.pair, m.first, m.second, m.comparable, m.equal, m.different, m.only_first,
                 m.only_second]
                for m in case.measurements
            ]
        ).decode(),
        "source": case.source,
        "reason": case.reason,
        "create_time": case.create_time,
        "measure_time": case.measure_time,
        "decide_time": case.decide_time,
    }  # fmt: skip


def _case_of(row: sa.RowMapping) -> SourceCase:
    return SourceCase(
        name=row["name"],
        element=row["element"],
        state=SourceCaseState(row["state"]),
        parties=tuple(
            Publisher(resource=resource, item=item, key_standard=standard, type=ItemType(kind))
            for resource, item, standard, kind in orjson.loads(row["parties"])
        ),
        measurements=tuple(
            Measurement(
                pair=pair,
                first=first,
                second=second,
                comparable=comparable,
                equal=equal,
                different=different,
                only_first=only_first,
                only_second=only_second,
            )
            for pair, first, second, comparable, equal, different, only_first, only_second in (
                orjson.loads(row["measurements"])
            )
        ),
        source=row["source"],
        reason=row["reason"],
        create_time=row["create_time"],
        measure_time=row["measure_time"],
        decide_time=row["decide_time"],
    )
