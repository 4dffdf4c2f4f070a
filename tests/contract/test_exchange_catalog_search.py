"""Finding things in the catalog by words, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from exchange.catalog.directory import Withdrawal
from exchange.catalog.model import DataItem, ItemType, SharingType
from exchange.catalog.search import model, service, store
from exchange.catalog.search.model import Filters
from exchange.delivery.store import BatchRow
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.errors import InvalidArgument
from tests.builders import catalog as build

HOUSES = f"{build.HOUSING}/resources/houses"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(build.NOON)


@pytest.fixture
def database(database_url: str, clock: FixedClock) -> Iterator[Database]:
    database = Database(database_url, schema="exchange")
    database.migrate(build.MIGRATIONS)
    build.register(database, build.CIVIL, build.HOUSING, clock=clock)
    build.put(database, build.resource(), build.unconditional(), build.service_item(), clock=clock)
    houses = build.resource(
        HOUSES,
        code="301002/000001",
        display_name="房屋产权信息",
        abstract="人口普查用房屋台账",
        base_library="",
        items=(
            DataItem(
                code="title_no",
                display_name="不动产权证号",
                type=ItemType.CHARACTER,
                required=True,
                definition="登记簿上的 Ｎｏ. 编号",
            ),
        ),
        key_item="title_no",
    )
    build.put(database, houses, clock=clock)
    yield database
    database.close()


def found(database: Database, clock: FixedClock, query: str = "", **filters: object) -> list[str]:
    """What a search shows, one at a time, so that every page token is used."""
    seen: list[str] = []
    token = ""
    while True:
        page, token = service.search(
            database, query, Filters(**filters), page_size=1, page_token=token, clock=clock
        )
        seen += [f"{one.entry.rpartition('/')[2]}.{one.item}".rstrip(".") for one in page]
        if not token:
            return seen


def test_names_come_first_and_resources_before_items(database: Database, clock: FixedClock):
    # 人口 is in the name of one resource and in the abstract of the other; items know their
    # resource's name.
    shown = found(database, clock, "人口")
    assert shown[:3] == ["residents", "regions", "houses"]
    assert all("." in one for one in shown[3:])
    assert len(shown) == 3 + len(build.resource().items) + 2


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("产权", "houses"),
        ("房屋产权", "houses"),
        ("姓名", "residents.name"),
        ("CITIZEN number", "residents.citizen_number"),
        ("ｃｉｔｉｚｅｎ", "residents.citizen_number"),
        ("no", "houses.title_no"),
        ("301002", "houses"),
        ("优待证", "old-age-card"),
        ("000511001000", "old-age-card"),
        ("照", "residents.photo"),
        ("常住 身份", "residents.citizen_number"),
    ],
)
def test_one_thing_is_found(database: Database, clock: FixedClock, query: str, first: str):
    assert found(database, clock, query)[0] == first


@pytest.mark.parametrize("query", ["产屋", "人口 优待", "nothing", "'); --'a", 'a" OR "b'])
def test_nothing_is_found_where_a_word_is_missing(
    database: Database, clock: FixedClock, query: str
):
    assert found(database, clock, query) == []


def test_filters(database: Database, clock: FixedClock):
    assert found(database, clock, "人口", department=build.HOUSING) == ["houses"]
    assert found(database, clock, department=build.HOUSING) == ["houses"]
    assert found(database, clock, base_library="population") == ["residents", "regions"]
    assert found(database, clock, sharing_type="unconditional") == ["regions"]
    assert found(database, clock, kind=model.SERVICE_ITEM) == ["old-age-card"]
    assert found(database, clock, "区划", kind=model.DATA_ITEM) == [
        "residents.region",
        "regions.region",
    ]
    assert found(database, clock, "区划", kind=model.DATA_ITEM, sharing_type="unconditional") == [
        "regions.region"
    ]
    assert found(database, clock, stale_only=True) == ["residents", "regions", "houses"]
    assert found(database, clock, kind=model.SERVICE_ITEM, stale_only=True) == []


def test_a_hit_says_its_base_library_and_whether_it_is_stale(database: Database, clock: FixedClock):
    with database.unit_of_work() as work:
        work.session.add(
            BatchRow(
                number=1, resource=build.RESIDENTS, publisher=build.CIVIL, published_at=clock.now(),
                first_offset=1, last_offset=0, upserted=0, withdrawn=0, unchanged=0, digest=b"",
            )
        )  # fmt: skip
    page, _ = service.search(database, "人口", Filters(), page_size=100, page_token="", clock=clock)
    of_residents = {(one.base_library, one.stale) for one in page if one.entry == build.RESIDENTS}
    assert of_residents == {("population", False)}  # the resource and its items
    assert {(one.base_library, one.stale) for one in page if one.entry == HOUSES} == {("", True)}
    (card,), _ = service.search(
        database, "优待证", Filters(), page_size=1, page_token="", clock=clock
    )
    assert (card.base_library, card.stale) == ("", False)


def test_the_index_follows_the_catalog(database: Database, clock: FixedClock):
    build.put(database, build.resource(display_name="户籍登记"), clock=clock)
    assert found(database, clock, "户籍", kind=model.RESOURCE) == ["residents"]
    build.put(database, Withdrawal(name=build.RESIDENTS), clock=clock)  # type: ignore[arg-type]
    assert found(database, clock, "户籍") == []
    build.put(database, build.resource(display_name="户籍登记"), clock=clock)
    assert found(database, clock, "户籍", kind=model.RESOURCE) == ["residents"]


def test_an_index_that_is_not_there_is_made_anew(database: Database, clock: FixedClock):
    before = found(database, clock, "人口")
    with database.unit_of_work() as work:
        store.clear(work.session)
    assert found(database, clock, "人口") == []
    service.make_index(database)
    assert sorted(found(database, clock, "人口")) == sorted(before)
    with database.unit_of_work() as work:
        store.clear(work.session)
    service.make_index(database)  # of these tokens already
    assert found(database, clock, "人口") == []


def test_a_withheld_resource_is_not_stale(database: Database, clock: FixedClock):
    withheld = replace(
        build.unconditional(), sharing_type=SharingType.NOT_SHARED, legal_basis="某条例第三条"
    )
    build.put(database, withheld, Withdrawal(name=build.RESIDENTS), clock=clock)  # type: ignore[arg-type]
    assert found(database, clock, stale_only=True) == ["houses"]


@pytest.mark.parametrize(
    ("query", "token", "reason"),
    [
        ("", "", "QUERY_REQUIRED"),
        ("，。", "", "QUERY_INVALID"),
        ("人" * 101, "", "QUERY_INVALID"),
        ("人口", "eA", "BAD_PAGE_TOKEN"),
    ],
)
def test_a_query_that_says_nothing_is_refused(
    database: Database, clock: FixedClock, query: str, token: str, reason: str
):
    with pytest.raises(InvalidArgument) as refused:
        service.search(database, query, Filters(), page_size=1, page_token=token, clock=clock)
    assert refused.value.reason == reason


def test_a_page_costs_a_statement_a_step(database: Database, clock: FixedClock):
    seen: list[str] = []

    def note(_c, _cursor, statement, *_):
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    service.search(database, "人口", Filters(), page_size=100, page_token="", clock=clock)
    sa.event.remove(database.engine, "before_cursor_execute", note)
    assert len([one for one in seen if one.startswith("SELECT")]) == 6
