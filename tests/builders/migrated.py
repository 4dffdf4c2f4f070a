"""Fresh databases without waiting for migrations: what the first one became, again.

The migrations of a service are run once in a process, by the service's own code. Every later
database that is still empty gets what they left: SQLite a copy of the file, PostgreSQL the same
statements in one go. One that holds anything is migrated as ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import sqlalchemy as sa

from runtime.database import Database

_READS: Final = ("SELECT", "SHOW", "PRAGMA")


@contextmanager
def from_the_first(folder: Path) -> Iterator[None]:
    """Within this, `Database.migrate` runs a service's migrations on the first empty database."""
    plainly = Database.migrate
    files: dict[Path, Path] = {}
    scripts: dict[tuple[Path, str], str] = {}

    def in_file(database: Database, migrations: Path) -> None:
        path = Path(database.url.database or "")
        if path.exists() and _holds_anything(path):
            plainly(database, migrations)
        elif migrations in files:
            with closing(sqlite3.connect(path)) as made:
                made.execute("PRAGMA journal_mode=WAL")
                with closing(sqlite3.connect(files[migrations])) as first:
                    first.backup(made)
        else:
            plainly(database, migrations)
            first_file = folder / f"{len(files)}.db"
            with closing(sqlite3.connect(path)) as made:
                made.execute("VACUUM INTO ?", (str(first_file),))
            files[migrations] = first_file

    def on_server(database: Database, migrations: Path) -> None:
        with database.engine.connect() as connection:
            known = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            empty = connection.execute(known, {"name": database.schema}).first() is None
        script = scripts.get((migrations, database.schema)) if empty else None
        if not empty:
            plainly(database, migrations)
        elif script is not None:
            with database.engine.begin() as connection:
                connection.exec_driver_sql(script)
        else:
            with _told(database) as told:
                plainly(database, migrations)
            scripts[migrations, database.schema] = ";\n".join(told)

    def migrate(database: Database, migrations: Path) -> None:
        if database.is_sqlite:
            in_file(database, migrations)
        else:
            on_server(database, migrations)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Database, "migrate", migrate)
        yield


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
