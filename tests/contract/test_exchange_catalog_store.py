"""The catalog on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from datetime import timedelta

import orjson
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from exchange.catalog import directory, registering, service, store
from exchange.catalog.directory import Withdrawal
from exchange.catalog.history import store as history_store
from exchange.catalog.model import EntryState
from exchange.catalog.registry import store as registry
from exchange.catalog.search import store as search_store
from exchange.grants import store as grants_store
from exchange.grants.requests import store as requests_store
from runtime.clock import FixedClock
from runtime.database import GROUND, Database, audit_outbox
from runtime.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from tests.builders import catalog as build


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(build.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(build.MIGRATIONS)
    build.register(database, build.CIVIL, build.HOUSING, clock=clock)
    yield database
    database.close()


def apply(database: Database, *changes: directory.Change, clock: FixedClock, who=None):
    with database.unit_of_work() as work:
        return service.apply_directory(
            work,
            who or build.ADMINISTRATOR,
            changes=changes,
            source="directory.xlsx",
            clock=clock,
            office=build.OFFICE,
        )


def leaves(database: Database) -> list[dict]:
    with database.reading() as session:
        rows = session.execute(sa.select(audit_outbox.c.leaf).order_by(audit_outbox.c.id))
        return [orjson.loads(row[0]) for row in rows]


def counted(database: Database) -> tuple[list[str], object]:
    seen: list[str] = []

    def note(_c, _cursor, statement, _p, _context, _many):
        seen.append(statement.split(None, 1)[0].upper())

    sa.event.listen(database.engine, "before_cursor_execute", note)
    return seen, note


def test_migrations_make_the_tables_of_the_stores(database: Database):
    wanted = {
        t.name
        for t in (
            *registry.TABLES,
            *store.TABLES,
            *search_store.TABLES,
            *grants_store.TABLES,
            *requests_store.TABLES,
            *GROUND.tables.values(),
        )
    }
    expected = sa.MetaData()
    for table in (
        *registry.TABLES,
        *store.TABLES,
        *search_store.TABLES,
        *grants_store.TABLES,
        *requests_store.TABLES,
        *GROUND.tables.values(),
    ):
        table.to_metadata(expected)

    def include(_object, name, kind, _reflected, _compare):
        return kind != "table" or name in wanted

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": include, "compare_type": True}
        )
        assert compare_metadata(context, expected) == []


def test_a_department_is_read_back_and_registered_once(database: Database, clock: FixedClock):
    got = service.get_department(database, build.CIVIL)
    assert got.create_time == build.NOON
    assert got.region_code == "990101"
    with pytest.raises(AlreadyExists) as refused:
        build.register(database, build.CIVIL, clock=clock)
    assert refused.value.reason == "DEPARTMENT_EXISTS"
    with pytest.raises(NotFound) as absent:
        service.get_department(database, "departments/none")
    assert absent.value.reason == "DEPARTMENT_NOT_FOUND"


def test_a_credit_code_is_of_one_department(database: Database, clock: FixedClock):
    held = service.get_department(database, build.CIVIL)
    with pytest.raises(AlreadyExists) as refused, database.unit_of_work() as work:
        registering.create_department(
            work,
            build.ADMINISTRATOR,
            department_id="another",
            display_name="示范县某局",
            credit_code=held.credit_code,
            region_code="990101",
            clock=clock,
            office=build.OFFICE,
        )
    assert refused.value.reason == "CREDIT_CODE_TAKEN"
    assert build.CIVIL in refused.value.message
    with pytest.raises(NotFound):
        service.get_department(database, "departments/another")


def test_no_department_has_the_name_of_applicants(database: Database, clock: FixedClock):
    with pytest.raises(InvalidArgument) as refused, database.unit_of_work() as work:
        registering.create_department(
            work,
            build.ADMINISTRATOR,
            department_id="applicants",
            display_name="示范县某局",
            credit_code="11990101000000043E",
            region_code="990101",
            clock=clock,
            office=build.OFFICE,
        )
    assert refused.value.reason == "NAME_OF_PERSONS"


def test_a_department_with_a_wrong_credit_code_is_refused(database: Database, clock: FixedClock):
    with pytest.raises(InvalidArgument) as refused, database.unit_of_work() as work:
        registering.create_department(
            work,
            build.ADMINISTRATOR,
            department_id="wrong",
            display_name=" ",
            credit_code="119901010000000000",
            region_code="0",
            clock=clock,
            office=build.OFFICE,
        )
    assert [v.field for v in refused.value.violations] == [
        "department.display_name",
        "department.credit_code",
        "department.region_code",
    ]


def test_what_is_put_is_read_back_whole(database: Database, clock: FixedClock):
    plan = apply(database, build.resource(), build.service_item(), clock=clock)
    assert (plan.added, plan.changed, plan.withdrawn, plan.unchanged) == (2, 0, 0, 0)
    got = service.get_resource(database, build.RESIDENTS)
    assert got == build.resource(
        etag=got.etag, version=1, update_time=build.NOON, provider_code=build.credit_code(1)
    )
    item = service.get_service_item(database, build.service_item().name)
    assert item.handling_type == "即办件"


def test_a_batch_adds_changes_revives_withdraws_and_leaves_alone(
    database: Database, clock: FixedClock
):
    names = [f"{build.CIVIL}/resources/r{n}" for n in range(4)]
    apply(database, *(build.resource(name) for name in names), clock=clock)
    apply(database, Withdrawal(name=names[3]), clock=clock)
    clock.advance(timedelta(days=1))
    plan = apply(
        database,
        build.resource(names[0]),
        build.resource(names[1], abstract="改"),
        Withdrawal(name=names[2]),
        build.resource(names[3]),
        build.resource(f"{build.CIVIL}/resources/r4"),
        clock=clock,
    )
    assert (plan.added, plan.changed, plan.withdrawn, plan.unchanged) == (1, 2, 1, 1)
    assert service.get_resource(database, names[0]).update_time == build.NOON
    assert service.get_resource(database, names[1]).update_time == clock.now()
    assert service.get_resource(database, names[2]).state is EntryState.WITHDRAWN
    assert service.get_resource(database, names[3]).state is EntryState.ACTIVE
    with database.reading() as session:
        versions = history_store.history(session, names[3])
        untouched = history_store.history(session, names[0])
    assert [v.state for v in versions] == ["active", "withdrawn", "active"]
    assert [v.version for v in versions] == [1, 2, 3]
    assert len({v.batch for v in versions}) == 3
    assert versions[0].content == versions[2].content
    assert len(untouched) == 1


def test_a_batch_with_a_problem_changes_nothing(database: Database, clock: FixedClock):
    good = build.resource()
    bad = build.resource(f"{build.CIVIL}/resources/bad", key_item="none")
    before = len(leaves(database))
    with pytest.raises(InvalidArgument) as refused:
        apply(database, good, bad, Withdrawal(name=f"{build.CIVIL}/resources/x"), clock=clock)
    assert [v.field for v in refused.value.violations] == [
        "changes[1].put_resource.key_item",
        "changes[2].withdraw",
    ]
    with pytest.raises(NotFound):
        service.get_resource(database, good.name)
    assert len(leaves(database)) == before


def test_an_entry_of_an_unregistered_department_is_refused(database: Database, clock: FixedClock):
    with pytest.raises(InvalidArgument) as refused:
        apply(database, build.resource("departments/unknown/resources/r"), clock=clock)
    assert refused.value.violations[0].field == "changes[0].put_resource.name"


def test_a_department_changes_its_own_directory_only(database: Database, clock: FixedClock):
    housing = build.caller(build.HOUSING)
    with pytest.raises(PermissionDenied) as refused:
        apply(database, build.resource(), clock=clock, who=housing)
    assert refused.value.reason == "NOT_OWN_DIRECTORY"
    own = build.resource(f"{build.HOUSING}/resources/houses")
    assert apply(database, own, clock=clock, who=housing).added == 1


def test_a_stale_etag_is_refused_unless_nothing_would_change(database: Database, clock: FixedClock):
    apply(database, build.resource(), clock=clock)
    old = service.get_resource(database, build.RESIDENTS)
    apply(database, build.resource(abstract="二", etag=old.etag), clock=clock)
    with pytest.raises(Aborted) as refused:
        apply(database, build.resource(abstract="三", etag=old.etag), clock=clock)
    assert refused.value.reason == "ETAG_MISMATCH"
    same = apply(database, build.resource(abstract="二", etag=old.etag), clock=clock)
    assert same.unchanged == 1


def test_the_audit_record_commits_to_the_batch(database: Database, clock: FixedClock):
    apply(database, build.resource(), clock=clock)
    leaf = leaves(database)[-1]
    assert leaf["kind"] == "directory_applied"
    assert (leaf["added"], leaf["source"]) == (1, "directory.xlsx")
    assert len(leaf["digest"]) == 64


def test_pages_follow_one_another_in_order_of_name(database: Database, clock: FixedClock):
    names = sorted(
        f"{department}/resources/{word}"
        for department in (build.CIVIL, build.HOUSING)
        for word in ("a", "a-b", "a0", "ab", "b")
    )
    apply(database, *(build.resource(name) for name in names), build.service_item(), clock=clock)
    apply(database, Withdrawal(name=names[0]), clock=clock)

    def all_of(parent: str, withdrawn: bool) -> list[str]:
        seen, token = [], ""
        while True:
            page, token = service.list_resources(
                database, parent=parent, page_size=3, page_token=token, withdrawn=withdrawn
            )
            seen += [resource.name for resource in page]
            if not token:
                return seen

    assert all_of("departments/-", True) == names
    assert all_of("departments/-", False) == names[1:]
    assert all_of(build.HOUSING, False) == [n for n in names if n.startswith(build.HOUSING)]
    assert all_of("departments/none", False) == []
    departments, token = service.list_departments(database, page_size=1, page_token="")
    assert departments[0].name == build.CIVIL
    departments, token = service.list_departments(database, page_size=1, page_token=token)
    assert (departments[0].name, token) == (build.HOUSING, "")
    with pytest.raises(InvalidArgument):
        service.list_departments(database, page_size=1, page_token="AAAA")


def test_a_full_batch_costs_a_fixed_number_of_statements(database: Database, clock: FixedClock):
    def batch(word: str):
        return [
            build.service_item(f"{build.CIVIL}/serviceItems/s{n}", remark=word)
            for n in range(directory.GREATEST_BATCH)
        ]

    for word, versions in (("一", 1), ("二", 2)):
        seen, note = counted(database)
        plan = apply(database, *batch(word), clock=clock)
        sa.event.remove(database.engine, "before_cursor_execute", note)
        assert plan.added + plan.changed == directory.GREATEST_BATCH
        # SQLAlchemy parts a bulk insert into pages of about a thousand rows.
        assert len([s for s in seen if s == "SELECT"]) == 2
        assert len([s for s in seen if s == "UPDATE"]) == versions
        assert len(seen) < 30
    with pytest.raises(InvalidArgument) as refused:
        apply(database, *batch("三"), build.resource(), clock=clock)
    assert refused.value.reason == "BATCH_SIZE"


def test_schemas_are_kept_and_follow_changes(database: Database, clock: FixedClock):
    schemas = service.Schemas(database)
    with pytest.raises(NotFound):
        schemas.schema(build.RESIDENTS)
    apply(database, build.resource(), build.service_item(), clock=clock)
    schemas.invalidate()
    first = schemas.schema(build.RESIDENTS)
    assert first.key_position == 0
    assert schemas.schema(build.RESIDENTS) is first
    with pytest.raises(NotFound):
        schemas.schema(build.service_item().name)
    shorter = build.resource().items[:2]
    apply(database, build.resource(items=shorter), clock=clock)
    schemas.invalidate()
    assert schemas.schema(build.RESIDENTS).items == shorter
    apply(database, Withdrawal(name=build.RESIDENTS), clock=clock)
    schemas.invalidate()
    assert schemas.schema(build.RESIDENTS).state is EntryState.WITHDRAWN


def test_two_batches_on_one_entry_both_keep_their_version(database: Database, clock: FixedClock):
    from concurrent.futures import ThreadPoolExecutor

    apply(database, build.resource(), clock=clock)

    def change(number: int) -> bool:
        try:
            return apply(database, build.resource(abstract=str(number)), clock=clock).changed == 1
        except Aborted:
            return False

    with ThreadPoolExecutor(4) as threads:
        done = sum(threads.map(change, range(8)))
    with database.reading() as session:
        versions = history_store.history(session, build.RESIDENTS)
    assert [v.version for v in versions] == list(range(1, done + 2))


def test_titles_are_told_of_many_and_of_withdrawn_ones_too(database, clock):
    apply(database, build.resource(build.RESIDENTS), clock=clock)
    apply(database, Withdrawal(name=build.RESIDENTS), clock=clock)
    other = f"{build.CIVIL}/resources/none"
    found = service.titles(database, [build.RESIDENTS, other, build.RESIDENTS])
    assert found == {build.RESIDENTS: build.resource(build.RESIDENTS).display_name}
    with pytest.raises(InvalidArgument):
        service.titles(database, [other] * (service.GREATEST_TITLES + 1))
