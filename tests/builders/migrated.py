"""Fresh databases without waiting for migrations: what the first one became, again.

The migrations of a service are run once for a folder, by the service's own code. Every later
database that is still empty gets what they left: SQLite a copy of the file, PostgreSQL the same
statements in one go. One that holds anything is migrated as ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import sqlalchemy as sa

from runtime.database import Database

_READS: Final = ("SELECT", "SHOW", "PRAGMA")


@contextmanager
def from_the_first(folder: Path) -> Iterator[None]:
    """Within this, `Database.migrate` runs a service's migrations on the first empty database."""
    plainly = Database.migrate

    def in_file(database: Database, migrations: Path, first: Path) -> None:
        path = Path(database.url.database or "")
        if path.exists() and _holds_anything(path):
            plainly(database, migrations)
        elif first.exists():
            with closing(sqlite3.connect(path)) as made:
                made.execute("PRAGMA journal_mode=WAL")
                with closing(sqlite3.connect(first)) as held:
                    held.backup(made)
        else:
            plainly(database, migrations)
            with _whole(first) as file, closing(sqlite3.connect(path)) as made:
                made.execute("VACUUM INTO ?", (str(file),))

    def on_server(database: Database, migrations: Path, first: Path) -> None:
        with database.engine.connect() as connection:
            known = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            empty = connection.execute(known, {"name": database.schema}).first() is None
        if not empty:
            plainly(database, migrations)
        elif first.exists():
            with database.engine.begin() as connection:
                connection.exec_driver_sql(first.read_text("utf-8"))
        else:
            with _told(database) as told:
                plainly(database, migrations)
            with _whole(first) as file:
                file.write_text(";\n".join(told), "utf-8")

    def migrate(database: Database, migrations: Path) -> None:
        name = sha256(f"{migrations} {database.schema}".encode()).hexdigest()[:32]
        if database.is_sqlite:
            in_file(database, migrations, folder / f"{name}.db")
        else:
            on_server(database, migrations, folder / f"{name}.sql")

    Database.migrate = migrate  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database.migrate = plainly  # type: ignore[method-assign]


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """What is written within this is there as a whole or not at all: others look for it too."""
    part = path.with_suffix(f".{uuid4().hex}")
    yield part
    part.replace(path)


def _holds_anything(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as held:
        return held.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


@contextmanager
def _told(database: Database) -> Iterator[list[str]]:
    """What is executed on a server within this, but for what only reads."""
    told: list[str] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, __: Any, ___: bool) -> None:
        if not statement.lstrip().upper().startswith(_READS):
            with psycopg.ClientCursor(cursor.connection) as plain:
                told.append(plain.mogrify(statement, parameters or None))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)
