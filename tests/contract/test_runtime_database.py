"""What a unit of work promises on SQLite and PostgreSQL, beside what the services' stores prove."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from runtime.database import GROUND, Database, audit_outbox
from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, Unavailable
from runtime.records import SealedRecord

NUMBER = "990101199003070019"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, schema="public")
    GROUND.create_all(found.engine)
    yield found
    found.close()


def test_a_record_that_the_log_cannot_hold_fails_its_act(database: Database) -> None:
    """Else the sequencer would stand before it for ever, and the whole log with it."""
    with pytest.raises(InvalidArgument) as refused, database.unit_of_work() as work:
        work.record(SealedRecord(leaf=b"x" * 65_536, salt=b"s" * 16))
    assert refused.value.reason == "LEAF_TOO_LARGE"
    with database.unit_of_work() as work:
        assert work.session.execute(sa.select(audit_outbox)).all() == []
        work.record(SealedRecord(leaf=b"x" * 65_535, salt=b"s" * 16))


def test_a_failed_statement_tells_no_value(database: Database) -> None:
    with pytest.raises(Unavailable) as told, database.unit_of_work() as work:
        work.session.execute(sa.text("INSERT INTO nowhere VALUES (:number)"), {"number": NUMBER})
    assert NUMBER not in f"{told.value}{told.value.__cause__}"


def test_what_the_caller_is_sent_to_the_log_for_is_in_the_log(database: Database) -> None:
    with capture_logs() as lines:
        with pytest.raises(Unavailable) as told, database.unit_of_work() as work:
            work.session.execute(sa.text("SELECT * FROM nowhere WHERE a = :a"), {"a": NUMBER})
        with pytest.raises(Unavailable):
            database.held.row("SELECT * FROM nowhere", ())
    assert told.value.reason == "STORAGE_FAILED"
    assert [line["event"] for line in lines] == ["storage_failed"] * 2
    assert NUMBER not in str(lines)


def test_a_text_that_no_database_holds_is_the_callers_fault(database: Database) -> None:
    """PostgreSQL holds no NUL; to try again would not help."""

    def ask() -> None:
        with database.unit_of_work() as work:
            work.answered("a\0b", "method", "id")

    def ask_held() -> None:
        sql = database.held.sql("SELECT 1 FROM answered_request WHERE actor = ?")
        database.held.row(sql, ("a\0b",))

    for act in (ask, ask_held):
        try:
            act()
        except DomainError as error:
            assert not database.is_sqlite
            assert isinstance(error, InvalidArgument)
            assert error.reason == "VALUE_NOT_STORABLE"
        else:
            assert database.is_sqlite


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_of_postgresql_needs_no_driver(scheme: str) -> None:
    made = Database(f"{scheme}://one@127.0.0.1:1/two", schema="ground")
    assert made.url.drivername == "postgresql+psycopg"
    made.close()


@pytest.mark.parametrize(
    "url", ["nothing", "mysql://one:hush@h/two", "postgresql+asyncpg://one:hush@h/two",
            "postgresql://one:hush@h:port/two"],
)  # fmt: skip
def test_a_database_that_is_neither_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        Database(url, schema="ground")
    assert refused.value.reason == "BAD_DATABASE_URL"
    assert "hush" not in str(refused.value)
