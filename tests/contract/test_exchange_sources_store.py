"""Source cases on every database: what is kept, streamed and deleted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import exchange.server
from exchange.delivery import store as delivery
from exchange.delivery.intake import Batch
from exchange.sources import store
from exchange.sources.model import Measurement, Publisher, SourceCase, SourceCaseState
from runtime.database import Database
from runtime.errors import Aborted
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, NOON, RESIDENTS

ONE = Publisher(resource=RESIDENTS, item="name", key_standard="GB 11643")
OTHER = Publisher(resource=f"{HOUSING}/resources/tenants", item="name", key_standard="GB 11643")
CASE = SourceCase(
    name="sourceCases/a",
    element="population.name",
    parties=(ONE, OTHER),
    measurements=(
        Measurement(pair=1, first=ONE.resource, second=OTHER.resource, equal=7, different=2,
                    only_first=1, only_second=3),
    ),
    create_time=NOON,
    measure_time=NOON,
)  # fmt: skip
HASHES = [(1, bytes([n]) * 16) for n in range(5)]


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def put(database, case, hashes=(), run_key=b"k" * 32):
    with database.unit_of_work() as work:
        store.put_case(work.session, case, run_key=run_key, hashes=hashes)


def test_the_migration_makes_the_tables_that_the_store_declares(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in store.METADATA.tables}
        )  # fmt: skip
        assert compare_metadata(context, store.METADATA) == []


def test_a_case_comes_back_and_its_hashes_go_with_its_end(database):
    put(database, CASE, HASHES)
    with database.reading() as session:
        assert store.case(session, CASE.name) == CASE
        assert store.run_key(session, CASE.name) == b"k" * 32
        first = store.hashes(session, CASE.name, 1, after=b"", limit=2)
        assert first == [bytes([0]) * 16, bytes([1]) * 16]
        assert len(store.hashes(session, CASE.name, 1, after=first[-1], limit=9)) == 3
        assert store.hashes(session, CASE.name, 2, after=b"", limit=9) == []
    put(database, CASE, HASHES[:1], b"l" * 32)  # measured anew
    closed = replace(CASE, state=SourceCaseState.DECIDED, source=RESIDENTS, reason="以民政为准",
                     decide_time=NOON)  # fmt: skip
    with database.reading() as session:
        assert len(store.hashes(session, CASE.name, 1, after=b"", limit=9)) == 1
    put(database, closed, (), b"")
    with database.reading() as session:
        assert store.case(session, CASE.name) == closed
        assert store.run_key(session, CASE.name) == b""
        assert store.hashes(session, CASE.name, 1, after=b"", limit=9) == []


def test_one_case_about_an_element_is_open_at_a_time(database):
    put(database, CASE)
    with pytest.raises(Aborted):
        put(database, replace(CASE, name="sourceCases/b"))
    put(database, replace(CASE, state=SourceCaseState.DISMISSED))
    put(database, replace(CASE, name="sourceCases/b"))


def test_lists_by_party_element_and_state(database):
    def named(**how):
        with database.reading() as session:
            found = store.cases(
                session,
                **{"party": None, "element": "", "state": None, "after": "", "limit": 9} | how,
            )
        return [case.name[-1] for case in found]

    third = Publisher(resource=f"{HEALTH}/resources/patients", item="n", key_standard="GB 11643")
    put(database, CASE)
    put(database, replace(CASE, name="sourceCases/b", element="population.address",
                          parties=(ONE, third), state=SourceCaseState.DISMISSED))  # fmt: skip
    assert named() == ["a", "b"]
    assert named(party=HOUSING) == ["a"]
    assert named(party=HEALTH) == ["b"]
    assert named(party=CIVIL, after="sourceCases/a") == ["b"]
    assert named(element="population.name") == ["a"]
    assert named(state=SourceCaseState.DISMISSED) == ["b"]
    with database.reading() as session:
        assert store.newest_case(session, "population.name") == CASE
        assert store.newest_case(session, "population.name", SourceCaseState.DECIDED) is None
        assert [one.name[-1] for one in store.cases_about(session, ["population.name"])] == ["a"]


def test_values_stream_in_the_order_of_bytes(database):
    keys = ["b", "B", "某", "Ａ", "\U0001f600", "a", "é", *(f"{n:04d}" for n in range(1200))]
    batch = Batch(
        resource=RESIDENTS,
        keys=[*keys, "none"],
        payloads=[orjson.dumps({"name": key}).decode() for key in keys] + ["{}"],
        digest=b"d",
    )
    with database.unit_of_work() as work:
        delivery.write_batch(work, batch, publisher="p", at=NOON)
    with database.reading() as session:
        store.snapshot(database, session)
        streamed = [key for key, _ in store.values(session, ONE, until=NOON)]
        before = store.values(session, ONE, until=NOON - timedelta(seconds=1))
        assert not list(before)  # what has changed since does not count
    assert streamed == sorted(keys, key=str.encode)
