"""Endpoints and approved hosts on every database."""

from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import exchange.server
from exchange.connecting import store
from exchange.connecting.model import ApprovedHost, Endpoint, Kind, Platform, Prefix, etag_of
from exchange.connecting.store import EndpointReader
from runtime.database import Database
from runtime.errors import Aborted
from tests.builders.catalog import CIVIL, HOUSING, NOON, RESIDENTS

PLAIN = Endpoint(
    resource=RESIDENTS,
    kind=Kind.GRPC,
    address="https://data.example:8443",
    authority="PEM\n",
    timeout_ms=900,
    update_time=NOON,
)
PLATFORM = Endpoint(
    resource=f"{HOUSING}/resources/tenants",
    kind=Kind.PLATFORM,
    address="https://platform.example/services/7",
    authority="PEM\n",
    platform=Platform(
        prefix=Prefix.GJZWFWPT,
        rid="r",
        sid="s",
        key_parameter="sfzh",
        success_values=("0", "200"),
        fields={"name": "xm"},
    ),
    secret=b"\x01\x00sealed",
    update_time=NOON,
)


@pytest.fixture
def database(database_url):
    made = Database(database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def put(database, *endpoints):
    with database.unit_of_work() as work:
        store.bump(work.session)
        for one in endpoints:
            store.put_endpoint(work.session, replace(one, etag=etag_of(one)))


def test_the_migration_makes_the_tables_that_the_store_declares(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in store.METADATA.tables}
        )  # fmt: skip
        assert compare_metadata(context, store.METADATA) == []


def test_an_endpoint_comes_back_is_replaced_and_removed(database):
    put(database, PLAIN, PLATFORM)
    with database.reading() as session:
        assert store.endpoint(session, RESIDENTS) == replace(PLAIN, etag=etag_of(PLAIN))
        held = store.endpoint(session, PLATFORM.resource)
        assert held == replace(PLATFORM, etag=etag_of(PLATFORM))
        assert store.count_endpoints(session) == 2
    changed = replace(PLAIN, kind=Kind.HTTP_JSON, address="https://other.example/x")
    put(database, changed)
    with database.reading() as session:
        assert store.endpoint(session, RESIDENTS) == replace(changed, etag=etag_of(changed))
    with database.unit_of_work() as work:
        store.remove_endpoint(work.session, RESIDENTS)
    with database.reading() as session:
        assert store.endpoint(session, RESIDENTS) is None


def test_pages_and_departments(database):
    many = [replace(PLAIN, resource=f"{CIVIL}/resources/r{n}") for n in range(5)]
    put(database, PLATFORM, *many)
    with database.reading() as session:
        every = store.endpoints(session, department=None, after="", limit=9)
        assert [one.resource for one in every] == sorted(one.resource for one in every)
        assert len(every) == 6
        page = store.endpoints(session, department=CIVIL, after=many[1].resource, limit=2)
        assert [one.resource for one in page] == [many[2].resource, many[3].resource]
        assert store.endpoints(session, department="departments/none", after="", limit=9) == []


def test_approvals(database):
    with database.unit_of_work() as work:
        for host in ("b.example:1", "a.example:443"):
            store.approve(work.session, ApprovedHost(host=host, create_time=NOON))
    with database.reading() as session:
        listed = store.approved_hosts(session, after="", limit=9)
        assert [one.host for one in listed] == ["a.example:443", "b.example:1"]
        assert store.approved_hosts(session, after="a.example:443", limit=9) == listed[1:]
        assert store.approved(session, {"a.example:443", "c.example:1"}) == {"a.example:443"}
        assert store.approved_host(session, "b.example:1") == listed[1]
    with pytest.raises(Aborted), database.unit_of_work() as work:
        store.approve(work.session, listed[0])
    with database.unit_of_work() as work:
        store.disapprove(work.session, "a.example:443")
    with database.reading() as session:
        assert store.approved_host(session, "a.example:443") is None


def test_what_a_process_keeps_in_memory(database):
    reader = EndpointReader(database)
    first = reader.epoch()
    assert reader.read() == {}
    put(database, PLAIN, PLATFORM)
    with database.unit_of_work() as work:
        store.bump(work.session)
        store.approve(work.session, ApprovedHost(host="platform.example:443", create_time=NOON))
    assert reader.epoch() == first + 2
    found = reader.read()
    assert {name: approved for name, (_, approved) in found.items()} == {
        RESIDENTS: False,
        PLATFORM.resource: True,
    }
