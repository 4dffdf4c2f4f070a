"""Who decides on a request as things are at the decision, on each database: hierarchy and lists."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.catalog import registering
from exchange.deadlines.jurisdictions import Jurisdiction
from exchange.deadlines.tables import service as tables
from exchange.grants import replying, requesting, service
from exchange.grants.amending import Narrowing
from exchange.grants.model import AccessRequestState, GrantedItem
from exchange.grants.rows import RowCondition, RowTest
from exchange.lists import service as lists
from exchange.lists.model import Negative
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import DomainError, FailedPrecondition
from runtime.identity import Principal, Role
from tests.builders import catalog as county
from tests.builders import grants as build
from tests.builders.catalog import ADMINISTRATOR, CIVIL, HEALTH, HOUSING, RESIDENTS, caller

DAY = timedelta(days=1)
HERE = RowCondition(item="region", test=RowTest.PREFIX, values=("9901",))
CITY, OFFICE = "departments/city-civil-affairs", "departments/city-data-office"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(county.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(county.MIGRATIONS)
    county.register(database, CIVIL, HOUSING, HEALTH, CITY, OFFICE, clock=clock)
    county.put(database, county.resource(), county.unconditional(), clock=clock)
    yield database
    database.close()


def act(database: Database, use_case, who: Principal, **how):
    with database.unit_of_work() as work:
        return use_case(work, who, **how)


def put_under(database: Database, clock: FixedClock, parent: str) -> None:
    """Let the source stand below a department."""
    wanted = registering.Wanted(
        display_name="", credit_code="", region_code="990101", parent=parent
    )
    act(
        database,
        registering.update_department,
        ADMINISTRATOR,
        name=CIVIL,
        wanted=wanted,
        etag="",
        mask=["parent"],
        clock=clock,
        office=county.OFFICE,
    )


def name_authority(database: Database, clock: FixedClock, authority: str) -> None:
    """Name the authority of the source's region."""
    table = Jurisdiction(
        name="jurisdictions/county",
        region_prefix="990101",
        display_name="示范县",
        authority=authority,
    )
    held = [one.etag for one in tables.list_jurisdictions(database) if one.name == table.name]
    with database.unit_of_work() as work:
        asked = replace(table, etag=held[0] if held else "")
        tables.put_jurisdiction(
            database, work, ADMINISTRATOR, asked=asked, clock=clock, office=county.OFFICE
        )


def decide(database: Database, clock: FixedClock, who: Principal) -> str:
    """What comes of an approval, a refusal and a return, which are alike."""
    asked = [build.ask(database, clock=clock) for _ in range(3)]
    told = set()
    how = {
        "items": [GrantedItem(item="name")],
        "operations": [],
        "daily_quota": 0,
        "start_time": None,
        "end_time": clock.now() + DAY,
    }
    for use_case, request, more in (
        (replying.approve_access_request, asked[0], how),
        (replying.reject_access_request, asked[1], {"reason": "不符", "legal_basis": "某办法"}),
        (replying.return_access_request, asked[2], {"note": "请补充"}),
    ):
        try:
            act(database, use_case, who, name=request.name, clock=clock, **more)
            told.add("done")
        except DomainError as error:
            told.add(error.reason)
    (only,) = told
    return only


def test_only_who_is_above_the_source_decides_in_its_place(database: Database, clock: FixedClock):
    def admin(department: str) -> Principal:
        return caller(department, Role.ADMINISTRATOR)

    assert decide(database, clock, caller(CIVIL)) == "done"
    assert decide(database, clock, admin(CIVIL)) == "done"
    for who in (ADMINISTRATOR, admin(HEALTH), admin(HOUSING), admin(CITY), admin(OFFICE)):
        assert decide(database, clock, who) == "NOT_THE_SOURCE"
    put_under(database, clock, CITY)
    assert decide(database, clock, admin(CITY)) == "done"
    assert decide(database, clock, caller(CITY)) == "ACCESS_REQUEST_NOT_FOUND"
    assert decide(database, clock, admin(OFFICE)) == "NOT_THE_SOURCE"
    name_authority(database, clock, OFFICE)
    assert decide(database, clock, admin(OFFICE)) == "done"
    assert decide(database, clock, admin(HEALTH)) == "NOT_THE_SOURCE"
    # Nobody decides on what its own department asks for, wherever it stands.
    name_authority(database, clock, HOUSING)
    assert decide(database, clock, admin(HOUSING)) == "NOT_THE_SOURCE"
    put_under(database, clock, "")
    assert decide(database, clock, admin(CITY)) == "NOT_THE_SOURCE"


def test_who_is_above_the_source_adds_any_condition_to_a_grant(
    database: Database, clock: FixedClock
):
    grant = build.approve(database, build.ask(database, clock=clock), clock=clock)
    how = {
        "name": grant.name,
        "to": Narrowing(row_filter=(HERE,)),
        "reason": "按地区",
        "etag": "",
        "clock": clock,
    }
    city = caller(CITY, Role.ADMINISTRATOR)
    for who in (city, ADMINISTRATOR, caller(HOUSING, Role.ADMINISTRATOR)):
        with pytest.raises(DomainError) as refused:
            act(database, service.narrow_grant, who, **how)
        assert refused.value.reason == "NOT_NARROWER"
    put_under(database, clock, CITY)
    assert act(database, service.narrow_grant, city, **how).row_filter == (HERE,)


@pytest.mark.parametrize("moves", [True, False])
def test_what_crosses_is_decided_at_the_decision(database: Database, clock: FixedClock, moves):
    asked = build.ask(database, clock=clock)
    assert not asked.needs_review
    if moves:  # the consumer is of another region now
        wanted = registering.Wanted(display_name="", credit_code="", region_code="990201")
        act(
            database,
            registering.update_department,
            ADMINISTRATOR,
            name=HOUSING,
            wanted=wanted,
            etag="",
            mask=["region_code"],
            clock=clock,
            office=county.OFFICE,
        )
    how = {
        "name": asked.name,
        "items": [GrantedItem(item="name")],
        "operations": [],
        "daily_quota": 0,
        "start_time": None,
        "end_time": clock.now() + 30 * DAY,
        "clock": clock,
    }
    decided, grant = act(database, replying.approve_access_request, caller(CIVIL), **how)
    assert (decided.cross_region, decided.needs_review, grant is None) == (moves, moves, moves)
    read = requesting.get_access_request(database, caller(HOUSING), asked.name)
    assert (read.cross_region, read.needs_review) == (moves, moves)
    if moves:
        state = AccessRequestState.AWAITING_AUTHORITY
        assert (decided.state, read.state) == (state, state)


def keep_back(database: Database, clock: FixedClock, resource: str = RESIDENTS, **row) -> None:
    """Put a resource, or items of it, on the negative list."""
    values = {
        "name": resource.replace("/resources/", "/negatives/"),
        "display_name": "不予共享的信息",
        "legal_basis": "示范县保密规定第三条",
        "from_day": "2026-01-01",
    }
    act(database, lists.put, caller(CIVIL), row=Negative(**(values | row)), clock=clock)


@pytest.mark.parametrize(("items", "told"), [((), "该信息资源"), (("name",), "name")])
def test_what_is_on_the_negative_list_is_not_asked_for(
    database: Database, clock: FixedClock, items, told
):
    keep_back(database, clock, items=items)
    with pytest.raises(FailedPrecondition) as refused:
        build.ask(database, clock=clock)
    assert refused.value.reason == "ON_NEGATIVE_LIST"
    assert "示范县保密规定第三条" in refused.value.message
    assert told in refused.value.message_zh
    if items:
        assert build.ask(database, clock=clock, items=("birth_date",)).name


def test_a_row_that_is_not_in_force_keeps_nothing(database: Database, clock: FixedClock):
    keep_back(database, clock, until_day="2026-02-01")
    assert build.ask(database, clock=clock).name


def test_the_negative_list_keeps_what_is_unconditional_too(database: Database, clock: FixedClock):
    name = county.unconditional().name
    keep_back(database, clock, name)
    with pytest.raises(FailedPrecondition) as refused:
        build.ask(
            database, clock=clock, resource=name, items=[county.unconditional().items[0].code]
        )
    assert refused.value.reason == "ON_NEGATIVE_LIST"


def test_what_got_onto_the_negative_list_is_not_granted(database: Database, clock: FixedClock):
    asked = build.ask(database, clock=clock)
    keep_back(database, clock, items=("name",))
    with pytest.raises(FailedPrecondition) as refused:
        build.approve(database, asked, clock=clock)
    assert refused.value.reason == "ON_NEGATIVE_LIST"
    how = {
        "name": asked.name,
        "items": [GrantedItem(item="birth_date")],
        "operations": [],
        "daily_quota": 0,
        "start_time": None,
        "end_time": clock.now() + 30 * DAY,
        "clock": clock,
    }
    _, grant = act(database, replying.approve_access_request, caller(CIVIL), **how)
    assert set(grant.masks) == {"birth_date"}
