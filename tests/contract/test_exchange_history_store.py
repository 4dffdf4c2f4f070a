"""What a record was at any time, on every database, against a plain replay of what came."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exchange.server
from exchange.delivery import store as log
from exchange.delivery.history import store
from exchange.delivery.intake import Batch
from exchange.delivery.reading import RecordReader
from runtime.database import Database
from tests.builders.catalog import CIVIL, NOON

KEYS = "abc"


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def publish(database: Database, resource: str, rows: dict[str, str | None], at) -> int:
    batch = Batch(
        resource=resource, keys=list(rows), payloads=list(rows.values()), digest=b"d" * 32
    )
    with database.unit_of_work() as work:
        return log.write_batch(work, batch, publisher="p", at=at).offset


def text_as_of(reader: RecordReader, resource: str, key: str, at) -> str | None:
    offset = reader.as_of(resource, key, at)
    return reader.whole([offset])[offset] if offset else None


def test_the_migration_makes_the_table_that_the_store_declares(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in store.METADATA.tables}
        )  # fmt: skip
        assert compare_metadata(context, store.METADATA) == []


BATCHES = st.lists(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["1", "2", None]), min_size=1),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=BATCHES)
def test_a_record_is_what_was_published_last_by_then(database, batches):
    resource = f"{CIVIL}/resources/{uuid.uuid4().hex}"
    reader = RecordReader(database)
    held: dict[str, str | None] = {}
    replay, ends = [], []
    for step, rows in enumerate(batches):
        ends.append(publish(database, resource, rows, NOON + timedelta(hours=step)))
        held = {**held, **rows}
        replay.append(held)
    for step, then in enumerate(replay):
        for minutes in (0, 59):
            at = NOON + timedelta(hours=step, minutes=minutes)
            assert {key: text_as_of(reader, resource, key, at) for key in KEYS} == {
                key: then.get(key) for key in KEYS
            }
    for end, then in zip(ends, replay, strict=True):
        texts, more = reader.held_at(resource, end, 0, 100)
        assert sorted(text for _, text in texts) == sorted(
            v for v in then.values() if v is not None
        )
        assert more is None
    before = NOON - timedelta(microseconds=1)
    assert [reader.as_of(resource, key, before) for key in KEYS] == [0] * 3
    # What is held now, and what is withdrawn, are told apart by one pointer each.
    tables = ("record", "withdrawn")
    with database.engine.connect() as connection:
        pointers = {
            table: set(
                connection.execute(
                    sa.text(f"SELECT record_key FROM {table} WHERE resource = :r"),
                    {"r": resource},
                ).scalars()
            )
            for table in tables
        }
    assert pointers["record"] == {key for key, value in held.items() if value is not None}
    assert not pointers["record"] & pointers["withdrawn"]


def test_a_clock_that_was_set_back_hides_no_later_version(database):
    resource = f"{CIVIL}/resources/clock"
    reader = RecordReader(database)
    for step, value in ((0, "1"), (2, "2"), (1, "3")):
        publish(database, resource, {"a": value}, NOON + timedelta(hours=step))
    assert text_as_of(reader, resource, "a", NOON) == "1"
    assert text_as_of(reader, resource, "a", NOON + timedelta(hours=1)) == "3"
    assert text_as_of(reader, resource, "a", NOON + timedelta(hours=3)) == "3"


def test_logs_from_before_are_completed_by_the_migration(database):
    resource = f"{CIVIL}/resources/old"
    for step, rows in enumerate(({"a": "1", "b": "1"}, {"a": None, "b": None}, {"a": "2"})):
        publish(database, resource, rows, NOON + timedelta(hours=step))
    with database.engine.begin() as connection:
        connection.execute(sa.text('UPDATE change SET previous = 0 WHERE "offset" = 5'))
        connection.execute(sa.text("DROP TABLE withdrawn"))
        connection.execute(sa.text("DROP TABLE superseded"))
        with Operations.context(MigrationContext.configure(connection)):
            for revision in ("0009", "0014"):
                _migration(revision).upgrade()
    reader = RecordReader(database)
    assert text_as_of(reader, resource, "a", NOON) == "1"
    assert text_as_of(reader, resource, "a", NOON + timedelta(hours=1)) is None
    assert text_as_of(reader, resource, "b", NOON) == "1"
    assert text_as_of(reader, resource, "b", NOON + timedelta(hours=5)) is None
    assert [reader.held_at(resource, end, 0, 9)[0] for end in (2, 4, 5)] == [
        [(1, "1"), (2, "1")], [], [(5, "2")],
    ]  # fmt: skip


def _migration(revision: str):
    config = Config()
    config.set_main_option("script_location", str(exchange.server.MIGRATIONS))
    return ScriptDirectory.from_config(config).get_revision(revision).module
