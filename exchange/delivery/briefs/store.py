"""Where briefs are held: by the offset of the change that they are of, and as lasting as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel

from exchange.delivery.briefs.model import LONG, brief_of
from runtime.database import Database

_TESTED = (
    'SELECT r.record_key, c."offset", b.items IS NULL, '
    "CASE WHEN b.items IS NULL THEN c.payload ELSE b.items END "
    'FROM record AS r JOIN change AS c ON c."offset" = r."offset" '
    'LEFT JOIN brief AS b ON b."offset" = r."offset" WHERE r.resource = ? AND r.record_key '
)
_TESTED_AT = (
    'SELECT c."offset", b.items IS NULL, '
    "CASE WHEN b.items IS NULL THEN c.payload ELSE b.items END "
    'FROM change AS c LEFT JOIN brief AS b ON b."offset" = c."offset" WHERE c."offset" '
)
_WHOLE = 'SELECT "offset", payload FROM change WHERE "offset" '
_LISTED_SQLITE = "IN (SELECT value FROM json_each(?))"
_LISTED_POSTGRESQL = "= ANY(?)"


class _Table(SQLModel, registry=registry()):
    pass


class BriefRow(_Table, table=True):
    """The brief of one change."""

    __tablename__ = "brief"

    offset: int = Field(
        sa_column=sa.Column(
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        )
    )
    items: str = Field(sa_type=sa.Text)


METADATA = _Table.metadata


class Tested(NamedTuple):
    """As much of a record as a row filter looks at."""

    offset: int
    #: Whether `text` is the record and not its brief.
    whole: bool
    #: None where the change is a withdrawal.
    text: str | None


#: What is not held.
ABSENT = Tested(0, True, None)


def keep(session: Session, first: int, payloads: Sequence[str | None]) -> None:
    """Keep the briefs of the long ones of changes whose offsets follow each other from `first`."""
    rows = [
        {"offset": offset, "items": brief}
        for offset, payload in enumerate(payloads, first)
        if payload is not None and len(payload) > LONG and (brief := brief_of(payload)) is not None
    ]
    if rows:
        session.execute(sa.insert(BriefRow), rows)


class BriefReader:
    """Reads as much of records as row filters look at, by fixed SQL on held connections."""

    def __init__(self, database: Database) -> None:
        self._held = database.held
        self._is_sqlite = database.is_sqlite
        listed = _LISTED_SQLITE if database.is_sqlite else _LISTED_POSTGRESQL
        self._tested = database.held.sql(_TESTED + listed)
        self._tested_at = database.held.sql(_TESTED_AT + listed)
        self._whole = database.held.sql(_WHOLE + listed)

    def tested(self, resource: str, keys: Sequence[str]) -> dict[str, Tested]:
        """The records of a resource that are held, by key."""
        these = orjson.dumps(keys).decode() if self._is_sqlite else list(keys)
        rows = self._held.rows(self._tested, (resource, these))
        return {row[0]: Tested(int(row[1]), bool(row[2]), row[3]) for row in rows}

    def tested_at(self, offsets: Iterable[int]) -> dict[int, Tested]:
        """The records of changes, by offset."""
        rows = self._held.rows(self._tested_at, (self._these(offsets),))
        return {int(row[0]): Tested(int(row[0]), bool(row[1]), row[2]) for row in rows}

    def whole(self, offsets: Iterable[int]) -> dict[int, str | None]:
        """The texts of changes, by offset."""
        rows = self._held.rows(self._whole, (self._these(offsets),))
        return {int(row[0]): row[1] for row in rows}

    def _these(self, offsets: Iterable[int]) -> object:
        wanted = list(offsets)
        return orjson.dumps(wanted).decode() if self._is_sqlite else wanted
