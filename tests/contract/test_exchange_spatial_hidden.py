"""What a row filter hides cannot be told from pages, bounds or refusals; on each database."""

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exchange.server
from exchange.delivery import store as delivery
from exchange.delivery.intake import Batch
from exchange.delivery.reading import RecordReader
from exchange.grants.pages import PageTokens
from exchange.grants.rows import RowCondition, RowTest, shows
from exchange.spatial import searching, store
from exchange.spatial.model import Box, Nearest, Place
from exchange.spatial.places.store import PlaceReader
from exchange.spatial.searching import Search
from runtime.database import Database
from runtime.errors import FailedPrecondition, InvalidArgument
from tests.builders import grants as build
from tests.builders.catalog import HOUSING, NOON
from tests.builders.spatial import PARCELS, point

WORLD = Box(west=-180, south=-90, east=180, north=90)
HERE = Place(longitude=10.001, latitude=40)
CLIENTS = f"{HOUSING}/resources/tenants"
OURS = (RowCondition(item="owner", test=RowTest.EQUALS, values=("ours",)),)


@pytest.fixture
def database(spatial_database_url):
    made = Database(spatial_database_url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    yield made
    made.close()


def publish(database: Database, owners: dict[str, str], resource: str = PARCELS) -> None:
    """Parcels at one place, by key, with their owners; an empty one is left out."""
    payloads = [
        orjson.dumps(
            {"key": key, "shape": point(10, 40)} | ({"owner": owner} if owner else {})
        ).decode()
        for key, owner in owners.items()
    ]
    batch = Batch(resource=resource, keys=list(owners), payloads=payloads, digest=b"d")
    with database.unit_of_work() as work:
        done = delivery.write_batch(work, batch, publisher="p", at=NOON)
        first = done.offset - done.upserted + 1
        store.write_changes(work, resource, ["shape"], first=first, last=done.offset)


def search(database: Database, area, row_filter=OURS) -> Search:
    records = RecordReader(database)

    def holds(resource: str, key: str) -> bool:
        return records.payloads([(resource, key)]).get((resource, key)) is not None

    grant = build.grant(resource=PARCELS, row_filter=row_filter)
    return Search(PlaceReader(database), holds, grant, "shape", area)


def pages(database: Database, size: int) -> list[list[str]]:
    seen, after = [], 0
    while True:
        found, after = search(database, WORLD).page(size, after)
        seen.append([one.values["key"] for one in found])
        if not after:
            return seen


@pytest.mark.parametrize("size", [3, 20, 100])
def test_pages_are_those_of_a_node_that_holds_nothing_else(database, monkeypatch, size):
    monkeypatch.setattr(searching, "GREATEST_LOOKED_AT", 20)
    monkeypatch.setattr(searching, "PLACES_AT_ONCE", 50)
    monkeypatch.setattr(searching, "LEFT_OUT_AT_ONCE", 7)
    monkeypatch.setattr(searching, "GREATEST_TEXT_READ", 4_000)
    ours = {f"{n:03d}": "ours" for n in range(0, 300, 9)}
    publish(database, ours)
    alone = pages(database, size)
    assert [key for page in alone for key in page] == list(ours)
    publish(database, dict.fromkeys(ours, "theirs"))
    publish(database, {f"x{n:03d}": "theirs" for n in range(200)})
    assert pages(database, size) == [[]]  # nothing there, and no page after it
    publish(database, {f"{n:03d}": "theirs" for n in range(300)} | ours)
    assert pages(database, size) == alone


def test_a_crowd_that_is_hidden_refuses_nothing(database, monkeypatch):
    monkeypatch.setattr(searching, "GREATEST_LOOKED_AT", 20)
    publish(database, {f"{n:03d}": "theirs" for n in range(60)} | {"a": "ours", "b": "ours"})
    nearest = Nearest(place=HERE, radius=1000)
    found, _ = search(database, nearest).page(5, 0)
    assert [one.values["key"] for one in found] == ["a", "b"]
    publish(database, {f"{n:03d}": "ours" for n in range(60)})
    with pytest.raises(FailedPrecondition) as refused:
        search(database, nearest).page(5, 0)
    assert refused.value.reason == "AREA_TOO_CROWDED"


def test_what_leaving_out_may_take_is_bounded(database, monkeypatch):
    monkeypatch.setattr(searching, "GREATEST_SECONDS_OUT", 0.0)
    publish(database, {"a": "ours"})
    with pytest.raises(FailedPrecondition) as refused:
        search(database, WORLD).page(5, 0)
    assert refused.value.reason == "AREA_TOO_CROWDED"


values = st.text(st.sampled_from("ab'\"\\{}$.%_ 某é𠮷"), min_size=1, max_size=4)
conditions = st.lists(
    st.builds(
        RowCondition,
        item=st.sampled_from(["owner", "key"]),
        test=st.sampled_from([RowTest.PREFIX, RowTest.EQUALS]),
        values=st.tuples(values),
    )
    | st.builds(
        RowCondition,
        item=st.just("owner"),
        test=st.just(RowTest.IN),
        values=st.lists(values, min_size=1, max_size=3).map(tuple),
    )
    | st.just(RowCondition(item="owner", test=RowTest.OWN_CLIENTS, values=(CLIENTS,))),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    owners=st.lists(values | st.just(""), min_size=1, max_size=6),
    clients=st.sets(values, max_size=3),
    row_filter=conditions,
)
def test_the_database_leaves_out_what_the_rule_does_not_show(database, owners, clients, row_filter):
    held = {f"{n}": "" for n in range(6)} | {str(n): one for n, one in enumerate(owners)}
    publish(database, held)
    known = dict.fromkeys(clients, "x")
    publish(database, known, CLIENTS)
    with database.reading() as session:
        here = {
            row[0]
            for row in session.execute(
                delivery.sa.text("SELECT record_key FROM record WHERE resource = :r"),
                {"r": CLIENTS},
            )
        }
    shown = {
        key
        for key, owner in held.items()
        if shows(
            row_filter,
            {"key": key} | ({"owner": owner} if owner else {}),
            lambda _, value: value in here,
        )
    }
    reader = PlaceReader(database)
    layer = reader.layer(PARCELS, "shape")
    numbers = reader.candidates(layer, (WORLD,), after=0, limit=100)
    left = reader.shown(PARCELS, numbers, row_filter)
    keys = [orjson.loads(text)["key"] for _, text in reader.payloads(PARCELS, left)]
    assert set(keys) == shown
    assert left == sorted(left)


def test_a_token_tells_no_number_and_is_of_its_grant():
    tokens = PageTokens(b"s" * 32)
    made = {number: tokens.after("g", number) for number in (1, 2, 3, 10**6, 2**63)}
    assert {tokens.number("g", token): token for token in made.values()} == made
    assert len({token[:8] for token in made.values()}) == len(made)
    assert tokens.after("g", 0) == ""
    assert tokens.number("g", "") == 0
    for wrong in (made[1], "x", "AAAA", "é", made[1][:-1], "A" * 22):
        with pytest.raises(InvalidArgument) as refused:
            tokens.number("h", wrong)
        assert refused.value.reason == "BAD_PAGE_TOKEN"
