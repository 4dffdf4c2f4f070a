"""Departments that change, versions, as-of reading, comparing and staleness, on each database."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from exchange.catalog import registering, service, store
from exchange.catalog.directory import Withdrawal
from exchange.catalog.history import service as history
from exchange.catalog.model import DepartmentLevel, EntryState, SharingType
from exchange.catalog.registering import Wanted
from exchange.catalog.service_item import FeeSchedule, Material, MaterialKind, TimeLimit
from exchange.delivery.store import BatchRow
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import Aborted, AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import Role
from tests.builders import catalog as build

DAY = timedelta(days=1)


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


def update(database: Database, clock: FixedClock, name=build.HOUSING, mask=(), etag="", **said):
    held = service.get_department(database, name)
    fields = {
        "display_name": held.display_name, "credit_code": held.credit_code,
        "region_code": held.region_code, "level": held.level, "parent": held.parent,
    }  # fmt: skip
    with database.unit_of_work() as work:
        return registering.update_department(
            work,
            build.ADMINISTRATOR,
            name=name,
            wanted=Wanted(**{**fields, **said}),
            etag=etag,
            mask=mask,
            clock=clock,
            office=build.OFFICE,
        )


def published(database: Database, resource: str, *times, first: int = 1) -> None:
    with database.unit_of_work() as work:
        for number, at in enumerate(times, first):
            work.session.add(
                BatchRow(
                    number=number, resource=resource, publisher=build.CIVIL, published_at=at,
                    first_offset=1, last_offset=0, upserted=0, withdrawn=0, unchanged=0, digest=b"",
                )
            )  # fmt: skip


def test_a_department_changes_and_its_past_is_kept(database: Database, clock: FixedClock):
    first = service.get_department(database, build.HOUSING)
    assert (first.version, first.update_time, len(first.etag)) == (1, build.NOON, 32)
    clock.advance(DAY)
    changed = update(
        database, clock, etag=first.etag, level=DepartmentLevel.COUNTY, parent=build.CIVIL
    )
    assert (changed.version, changed.parent) == (2, build.CIVIL)
    assert changed == service.get_department(database, build.HOUSING)
    assert changed.etag != first.etag
    assert changed.create_time == build.NOON
    again = update(database, clock, etag=first.etag)
    assert again == changed  # nothing would change: no version, and a stale etag does no harm
    then = history.department_then(database, build.HOUSING, build.NOON)
    assert (then.version, then.parent, then.etag) == (1, "", first.etag)
    assert history.department_then(database, build.HOUSING, clock.now()) == changed
    with pytest.raises(NotFound):
        history.department_then(database, build.HOUSING, build.NOON - DAY)
    versions, token = history.list_versions(database, build.HOUSING, page_size=0, page_token="")
    assert [one.version for one in versions] == [2, 1]
    assert [one.end_time for one in versions] == [None, clock.now()]
    assert [one.etag for one in versions] == [changed.etag, first.etag]
    assert token == ""


def test_a_mask_chooses_what_changes(database: Database, clock: FixedClock):
    changed = update(
        database, clock, mask=("display_name",), display_name="示范县住建局", region_code="990199"
    )
    assert (changed.display_name, changed.region_code) == ("示范县住建局", "990101")
    with pytest.raises(InvalidArgument) as refused:
        update(database, clock, mask=("name",), display_name="x")
    assert refused.value.reason == "UPDATE_MASK_UNKNOWN"


def test_a_stale_etag_of_a_department_is_refused(database: Database, clock: FixedClock):
    old = service.get_department(database, build.HOUSING).etag
    update(database, clock, display_name="一", etag=old)
    with pytest.raises(Aborted) as refused:
        update(database, clock, display_name="二", etag=old)
    assert refused.value.reason == "ETAG_MISMATCH"


def test_a_credit_code_of_another_is_refused(database: Database, clock: FixedClock):
    with pytest.raises(AlreadyExists) as refused:
        update(database, clock, credit_code=build.credit_code(1))
    assert refused.value.reason == "CREDIT_CODE_TAKEN"
    assert update(database, clock, credit_code=build.credit_code(9)).version == 2


def test_departments_stand_in_no_circle(database: Database, clock: FixedClock):
    update(database, clock, name=build.HOUSING, parent=build.CIVIL)
    with pytest.raises(InvalidArgument) as refused:
        update(database, clock, name=build.CIVIL, parent=build.HOUSING)
    assert refused.value.reason == "DEPARTMENT_INVALID"
    assert [v.field for v in refused.value.violations] == ["department.parent"]


def test_a_tree_of_departments_has_a_depth(database: Database, clock: FixedClock):
    line = [build.CIVIL, *(f"departments/d{n}" for n in range(5))]
    for serial, (parent, name) in enumerate(pairwise(line), 20):
        with database.unit_of_work() as work:
            registering.create_department(
                work,
                build.ADMINISTRATOR,
                department_id=name.removeprefix("departments/"),
                display_name=name,
                credit_code=build.credit_code(serial),
                region_code="990101",
                parent=parent,
                clock=clock,
                office=build.OFFICE,
            )
    with pytest.raises(InvalidArgument):  # five stand below it
        update(database, clock, name=build.CIVIL, parent=build.HOUSING)
    with pytest.raises(InvalidArgument):  # six stand above it
        update(database, clock, name=build.HOUSING, parent=line[-1])
    assert update(database, clock, name=build.HOUSING, parent=line[-2]).version == 2


def test_an_absent_department_is_not_changed(database: Database, clock: FixedClock):
    with pytest.raises(NotFound) as refused, database.unit_of_work() as work:
        registering.update_department(
            work,
            build.ADMINISTRATOR,
            name="departments/none",
            wanted=Wanted(display_name="x", credit_code="", region_code=""),
            etag="",
            mask=(),
            clock=clock,
            office=build.OFFICE,
        )
    assert refused.value.reason == "DEPARTMENT_NOT_FOUND"


def test_an_entry_is_read_as_of_a_time_and_in_a_version(database: Database, clock: FixedClock):
    build.put(database, build.resource(), clock=clock)
    published(database, build.RESIDENTS, build.NOON + DAY / 2)
    clock.advance(DAY)
    build.put(database, build.resource(abstract="二"), clock=clock)
    update(database, clock, name=build.CIVIL, credit_code=build.credit_code(9))
    clock.advance(DAY)
    build.put(database, Withdrawal(name=build.RESIDENTS), clock=clock)  # type: ignore[arg-type]

    def then(at=None, version=0):
        return history.entry_then(
            database, build.RESIDENTS, at=at, version=version, clock=clock
        )  # fmt: skip

    first, told = then(at=build.NOON)
    assert first == build.resource(
        etag=first.etag, version=1, update_time=build.NOON, provider_code=build.credit_code(1)
    )
    assert told == build.NOON
    second, told = then(version=2)
    assert (second.abstract, second.provider_code) == ("二", build.credit_code(9))
    assert second.last_publish_time == build.NOON + DAY / 2
    assert told == build.NOON + 2 * DAY
    assert then(at=build.NOON + 1.5 * DAY)[0] == second
    last, told = then(at=clock.now() + 100 * DAY)  # what comes nobody knows
    assert (last.state, last.version, told) == (EntryState.WITHDRAWN, 3, clock.now())
    with pytest.raises(NotFound) as absent:
        then(at=build.NOON - DAY)
    assert absent.value.reason == "VERSION_NOT_FOUND"
    with pytest.raises(NotFound):
        then(version=4)
    with pytest.raises(InvalidArgument) as refused:
        then(at=build.NOON, version=1)
    assert refused.value.reason == "TIME_OR_VERSION"


def test_versions_come_in_pages_and_are_compared(database: Database, clock: FixedClock):
    items = build.resource().items
    build.put(database, build.resource(), clock=clock)
    build.put(
        database,
        build.resource(abstract="二", items=(items[0], items[2], items[1]), theme="credit"),
        clock=clock,
    )
    build.put(database, Withdrawal(name=build.RESIDENTS), clock=clock)  # type: ignore[arg-type]
    page, token = history.list_versions(database, build.RESIDENTS, page_size=2, page_token="")
    assert [(one.version, one.state) for one in page] == [(3, "withdrawn"), (2, "active")]
    page, token = history.list_versions(database, build.RESIDENTS, page_size=2, page_token=token)
    assert ([one.version for one in page], token) == ([1], "")
    before, after, found, cut = history.compare_versions(
        database, build.RESIDENTS, before=1, after=2
    )
    assert (before.version, after.version, cut) == (1, 2, False)
    assert [one.field for one in found] == [
        "abstract",
        *(f"items[{one.code}]" for one in items[3:]),
        "theme",
    ]
    assert (found[-1].before, found[-1].after) == ("", '"credit"')
    *_, newest, _ = history.compare_versions(database, build.RESIDENTS, before=0, after=0)
    assert [(one.field, one.after) for one in newest] == [("state", '"withdrawn"')]
    for wrong in ((2, 1), (1, 1), (0, 1)):
        with pytest.raises(InvalidArgument) as refused:
            history.compare_versions(
                database, build.RESIDENTS, before=wrong[0], after=wrong[1]
            )  # fmt: skip
        assert refused.value.reason == "VERSION_ORDER"
    for absent in ((1, 9), (0, -1)):
        with pytest.raises((NotFound, InvalidArgument)):
            history.compare_versions(database, build.RESIDENTS, before=absent[0], after=absent[1])
    with pytest.raises(NotFound):
        history.list_versions(database, f"{build.CIVIL}/resources/x", page_size=0, page_token="")
    with pytest.raises(InvalidArgument):
        history.list_versions(database, "licenseTypes/x", page_size=0, page_token="")


def test_items_in_another_order_differ_in_their_order(database: Database, clock: FixedClock):
    items = build.resource().items
    build.put(database, build.resource(), clock=clock)
    build.put(database, build.resource(items=items[:1] + items[:0:-1]), clock=clock)
    *_, found, _ = history.compare_versions(database, build.RESIDENTS, before=1, after=2)
    assert [one.field for one in found] == ["items.order"]


def test_the_ten_elements_are_compared(database: Database, clock: FixedClock):
    update(database, clock, name=build.CIVIL, region_code="990100", level=DepartmentLevel.CITY)
    update(database, clock, level=DepartmentLevel.COUNTY)
    identity = Material(display_name="身份证", kind=MaterialKind.COPY, copies=1)
    photo = Material(display_name="照片", kind=MaterialKind.ELECTRONIC)
    city = build.service_item(
        item_type="public_service",
        legal_basis=("甲条例", "乙办法"),
        materials=(identity, photo),
        time_limit=TimeLimit(promised_days=5),
        fee_schedule=FeeSchedule(),
    )
    county = build.service_item(
        f"{build.HOUSING}/serviceItems/old-age-card",
        item_type="public_service",
        legal_basis=("乙办法", "甲条例"),
        materials=(photo, identity),
        time_limit=TimeLimit(promised_days=3),
    )
    gone = build.service_item(f"{build.HOUSING}/serviceItems/gone")
    build.put(database, county, city, gone, clock=clock)
    build.put(database, Withdrawal(name=gone.name), clock=clock)  # type: ignore[arg-type]
    offers, elements, cut = history.compare_service_items(database, city.code)
    assert (offers, cut) == ([city.name, county.name], False)
    assert len(elements) == 10
    told = {one.element: one for one in elements}
    assert {name for name, one in told.items() if one.equal} == {
        "display_name", "code", "item_type", "legal_basis", "materials",
    }  # fmt: skip
    assert [v.service_items for v in told["time_limit"].variants] == [(city.name,), (county.name,)]
    assert not told["time_limit"].missing
    # Free of charge is said; nothing is not.
    assert told["fee_schedule"].variants[0].value == '{"fees":[]}'
    assert told["fee_schedule"].missing
    assert told["conditions"].missing
    assert not told["conditions"].equal
    with pytest.raises(NotFound):
        history.compare_service_items(database, "none")
    with pytest.raises(InvalidArgument):
        history.compare_service_items(database, "")


def test_what_is_stale_is_listed_and_costs_one_statement(database: Database, clock: FixedClock):
    names = [f"{build.CIVIL}/resources/r{n}" for n in range(6)]
    withheld = {"sharing_type": SharingType.NOT_SHARED, "legal_basis": "某条例"}
    build.put(
        database,
        build.resource(names[0], update_cycle="weekly"),
        build.resource(names[1], update_cycle="weekly"),
        build.resource(names[2], update_cycle="yearly"),
        build.resource(names[3]),
        build.resource(names[4], **withheld),
        build.resource(names[5]),
        clock=clock,
    )
    build.put(database, Withdrawal(name=names[5]), clock=clock)  # type: ignore[arg-type]
    clock.advance(30 * DAY)
    now = clock.now()
    published(database, names[0], now - 20 * DAY, now - 8 * DAY)
    published(database, names[1], now - 20 * DAY, now - 6 * DAY, first=3)
    published(database, names[2], now - 100 * DAY, first=5)
    seen: list[str] = []

    def note(_c, _cursor, statement, *_):
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    page, _ = service.list_resources(
        database, parent=build.CIVIL, page_size=0, page_token="", withdrawn=True, stale_at=now
    )
    sa.event.remove(database.engine, "before_cursor_execute", note)
    assert [one.name for one in page] == [names[0], names[3]]
    assert [one.last_publish_time for one in page] == [now - 8 * DAY, None]
    assert len([one for one in seen if one.startswith("SELECT")]) == 1
    with database.reading() as session:
        every = store.entries(
            session, store.RESOURCE_KIND, department=None, withdrawn=True, after="", limit=10
        )
    assert [one.name for one in every] == names


def test_what_was_held_before_is_migrated(database_url: str):
    """Departments have a version, entries what lists ask for; the index is the node's affair."""
    from alembic import command
    from alembic.config import Config

    database = Database(database_url, schema="exchange")
    config = Config()
    config.set_main_option("script_location", str(build.MIGRATIONS))
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS exchange"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        at = "2026-03-02 04:00:00.000000" if database.is_sqlite else build.NOON
        connection.execute(
            sa.text("INSERT INTO department VALUES (:name, '示范县民政局', :code, '990101', :at)"),
            {"name": build.CIVIL, "code": build.credit_code(1), "at": at},
        )
        content = (
            '{"code":"101001/000001","items":[],"sharing_type":"conditional",'
            '"update_cycle":"daily","name":"x"}'
        )
        connection.execute(
            sa.text(
                "INSERT INTO catalog_entry VALUES "
                "(:name, 'resources', :department, 1, :content, 'active', 'e', :at, 1)"
            ),
            {"name": build.RESIDENTS, "department": build.CIVIL, "content": content, "at": at},
        )
    database.migrate(build.MIGRATIONS)
    held = service.get_department(database, build.CIVIL)
    assert (held.version, held.update_time, held.level) == (1, build.NOON, "")
    assert history.department_then(database, build.CIVIL, build.NOON) == held
    with database.reading() as session:
        row = session.execute(
            sa.select(store.ENTRIES.c.code, store.ENTRIES.c.sharing, store.ENTRIES.c.cycle)
        ).one()
    assert tuple(row) == ("101001/000001", "conditional", "daily")
    database.close()


def test_no_administrator_takes_another_department(database: Database, clock: FixedClock):
    housing = build.caller(build.HOUSING, Role.ADMINISTRATOR)

    def change(who, **said):
        held = service.get_department(database, build.CIVIL)
        with database.unit_of_work() as work:
            return registering.update_department(
                work,
                who,
                name=held.name,
                wanted=Wanted(
                    display_name=said.get("display_name", held.display_name),
                    credit_code=held.credit_code,
                    region_code=said.get("region_code", held.region_code),
                    level=held.level,
                    parent=said.get("parent", held.parent),
                ),
                etag="",
                mask=tuple(said),
                clock=clock,
                office=build.OFFICE,
            )

    for said in ({"parent": build.HOUSING}, {"region_code": "990102"}, {"display_name": "改"}):
        with pytest.raises(PermissionDenied) as refused:
            change(housing, **said)
        assert refused.value.reason == "NOT_ABOVE"
    own = build.caller(build.CIVIL, Role.ADMINISTRATOR)
    with pytest.raises(PermissionDenied):
        change(own, region_code="990102")
    assert change(own, display_name="示范县民政局（改）").version == 2
    with pytest.raises(PermissionDenied) as refused, database.unit_of_work() as work:
        service.apply_directory(
            work, housing, changes=[build.resource()], source="x", clock=clock, office=build.OFFICE
        )
    assert refused.value.reason == "NOT_OWN_DIRECTORY"
    # The office puts it below another: from then on, its administrators act for it.
    change(build.ADMINISTRATOR, parent=build.HOUSING)
    with database.unit_of_work() as work:
        service.apply_directory(
            work, housing, changes=[build.resource()], source="x", clock=clock, office=build.OFFICE
        )
    assert change(housing, display_name="示范县民政局").version == 4
    with pytest.raises(PermissionDenied):  # it stays below, and no one else gets it
        change(housing, parent=build.HEALTH)
