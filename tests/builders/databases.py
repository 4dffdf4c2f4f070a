"""Fresh databases on a PostgreSQL server: a new one, or one that was emptied after its test.

To make a database takes longer than to empty one, and hundreds of them are gigabytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

_CONNECTED = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_SCHEMAS = """SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"""
#: What somebody made where nothing of ours is; what came with an extension is not meant.
_ELSEWHERE = """SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')"""


class Databases:
    """The databases of one server, whose address names the one to make others from.

    An extension stays in an emptied database.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._empty: list[str] = []

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """An empty database, for SQLAlchemy with psycopg; it is emptied where nobody uses it."""
        name = self._empty.pop() if self._empty else self._made()
        yield self._address(name).replace("postgresql://", "postgresql+psycopg://", 1)
        if self._emptied(name):
            self._empty.append(name)

    def _made(self) -> str:
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return name

    def _address(self, name: str) -> str:
        head, question, query = self._server.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{question}{query}"

    def _emptied(self, name: str) -> bool:
        with psycopg.connect(self._address(name), autocommit=True) as connection:
            for used in (_CONNECTED, _ELSEWHERE):
                if connection.execute(used).fetchone() != (0,):
                    return False
            for (schema,) in connection.execute(_SCHEMAS).fetchall():
                drop = sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema))
                connection.execute(drop)
        return True
