"""Long records in brief: a row filter judges them unread, on every database."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory

import exchange.server
from exchange.delivery import store as log
from exchange.delivery.briefs import store
from exchange.delivery.briefs.model import LONG, SEEN, brief_of
from exchange.delivery.intake import Batch
from exchange.delivery.reading import RecordReader
from exchange.grants.rows import RowCondition, RowTest
from exchange.query import filtering
from runtime.database import Database
from runtime.records import canonical
from tests.builders.catalog import CIVIL, NOON

RESOURCE = f"{CIVIL}/resources/notes"
MEN = SimpleNamespace(row_filter=(RowCondition(item="sex", test=RowTest.EQUALS, values=("1",)),))
ALL = SimpleNamespace(row_filter=())


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def text(sex: str, note: str) -> str:
    return canonical({"sex": sex, "note": note}).decode()


LONG_ONES = {"man": text("1", "址" * 90_000), "woman": text("2", "址" * 90_000)}
ROWS = {**LONG_ONES, "boy": text("1", "短"), "girl": text("2", "短")}


def publish(database, rows, at=NOON):
    batch = Batch(
        resource=RESOURCE, keys=list(rows), payloads=list(rows.values()), digest=b"d" * 32
    )
    with database.unit_of_work() as work:
        return log.write_batch(work, batch, publisher="p", at=at)


def test_a_brief_decides_as_the_whole_does():
    assert brief_of("x" * LONG) is None
    values = {"long": "b" * 5_000, "edge": "c" * (SEEN - 1), "over": "c" * SEEN}
    brief = orjson.loads(brief_of(canonical(values).decode()))
    assert {code: len(value) for code, value in brief.items()} == {
        "long": SEEN, "edge": SEEN - 1, "over": SEEN,
    }  # fmt: skip
    for test in (RowTest.EQUALS, RowTest.PREFIX, RowTest.IN):
        for wanted in ("b" * 200, "c" * 200, "b", "a"):
            for code in values:
                one = RowCondition(item=code, test=test, values=(wanted,))
                assert one.holds(values[code], bool) == one.holds(brief[code], bool)
    # Many short items are no brief matter: reading them twice would win nothing.
    assert brief_of(canonical({f"i{n}": "x" * 100 for n in range(50)}).decode()) is None


def test_a_long_record_outside_the_filter_is_not_read(database):
    publish(database, ROWS)
    records = RecordReader(database)
    places = [(RESOURCE, key) for key in (*ROWS, "none")]
    views = [MEN] * len(places)
    assert filtering.held(records, views, places) == [
        ROWS["man"], None, ROWS["boy"], None, None,
    ]  # fmt: skip
    assert filtering.held(records, [ALL] * 5, places) == [*ROWS.values(), None]
    found = records.tested(places)
    assert {key: one.whole for (_, key), one in found.items()} == {
        "man": False, "woman": False, "boy": True, "girl": True,
    }  # fmt: skip
    assert max(len(one.text) for one in found.values()) < LONG
    # The same of what it was before, and of one that is gone.
    publish(database, {"woman": None, "man": text("2", "x" * 90_000)}, NOON + timedelta(hours=1))
    assert filtering.held(records, views, places) == [None, None, ROWS["boy"], None, None]
    then = [records.as_of(RESOURCE, key, NOON) for _, key in places]
    assert filtering.held_at(records, views, then) == [ROWS["man"], None, ROWS["boy"], None, None]
    now = [records.as_of(RESOURCE, key, NOON + timedelta(hours=2)) for _, key in places]
    assert filtering.held_at(records, views, now) == [None, None, ROWS["boy"], None, None]


def test_the_migration_makes_the_table_and_the_briefs_of_what_is_there(database):
    def briefs():
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                                  name in store.METADATA.tables}
            )  # fmt: skip
            assert compare_metadata(context, store.METADATA) == []
            found = connection.execute(sa.text('SELECT "offset", items FROM brief ORDER BY 1'))
            return [tuple(row) for row in found]

    publish(database, ROWS)
    before = briefs()
    assert before
    settings = Config()
    settings.set_main_option("script_location", str(exchange.server.MIGRATIONS))
    migration = ScriptDirectory.from_config(settings).get_revision("0016").module
    with database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE brief"))
        with Operations.context(MigrationContext.configure(connection)):
            migration.upgrade()
    assert briefs() == before
