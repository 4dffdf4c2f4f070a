"""The index of geometries on SQLite and on PostgreSQL with PostGIS: the same answers."""

import random
from datetime import timedelta
from pathlib import Path

import orjson
import psycopg
import pytest
import shapely
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exchange.server
from exchange.delivery import store as delivery
from exchange.delivery.intake import Batch
from exchange.grants.model import Grant, GrantedItem, Operation
from exchange.spatial import searching, store
from exchange.spatial.distance import between
from exchange.spatial.exact import test_of as exact_test_of
from exchange.spatial.model import At, Box, Nearest, Place, Within, around
from exchange.spatial.places.store import PlaceReader
from exchange.spatial.searching import Search
from runtime.database import Database
from runtime.errors import FailedPrecondition
from tests.builders.catalog import CIVIL, HOUSING, NOON, RESIDENTS

PARCELS = f"{HOUSING}/resources/parcels"
WORLD = (Box(west=-180, south=-90, east=180, north=90),)


def open_database(url: str) -> Database:
    made = Database(url, schema="exchange")
    made.migrate(Path(exchange.server.MIGRATIONS))
    return made


@pytest.fixture
def database(spatial_database_url):
    made = open_database(spatial_database_url)
    yield made
    made.close()


def point(longitude: float, latitude: float) -> dict:
    return {"type": "Point", "coordinates": [longitude, latitude]}


def square(west: float, south: float, size: float) -> dict:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def publish(
    database: Database, shapes: dict[str, dict | None], resource=PARCELS, items=("shape",)
) -> None:
    """Records whose one item is a geometry; None withdraws."""
    payloads = [
        None
        if shape is None
        else orjson.dumps({"key": key, "shape": orjson.dumps(shape).decode()}).decode()
        for key, shape in shapes.items()
    ]
    batch = Batch(resource=resource, keys=list(shapes), payloads=payloads, digest=b"d")
    with database.unit_of_work() as work:
        done = delivery.write_batch(work, batch, publisher="p", at=NOON)
        changed = done.upserted + done.withdrawn
        store.write_changes(
            work, resource, items, first=done.offset - changed + 1, last=done.offset
        )


def found(database: Database, boxes=WORLD, resource=PARCELS, after=0, limit=1000) -> list[str]:
    reader = PlaceReader(database)
    layer = reader.layer(resource, "shape")
    assert layer is not None
    numbers = reader.candidates(layer, boxes, after=after, limit=limit)
    return [orjson.loads(payload)["key"] for _, payload in reader.payloads(resource, numbers)]


def test_the_migration_makes_the_tables_that_the_store_declares(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or
                              name in store.METADATA.tables}
        )  # fmt: skip
        assert compare_metadata(context, store.METADATA) == []


def test_places_come_move_and_go_with_their_records(database):
    publish(database, {"a": point(1, 1), "b": square(10, 10, 2)})
    assert found(database) == ["a", "b"]
    assert found(database, (Box(west=11, south=11, east=11, north=11),)) == ["b"]
    publish(database, {"a": point(50, 50), "c": point(1, 1)})
    assert found(database, (Box(west=0, south=0, east=2, north=2),)) == ["c"]
    assert found(database, (Box(west=49, south=49, east=51, north=51),)) == ["a"]
    publish(database, {"a": None})
    assert found(database) == ["b", "c"]
    publish(database, {"b": square(10, 10, 2)})  # changes nothing
    assert found(database) == ["b", "c"]


def test_a_layer_sees_no_other(database):
    publish(database, {"a": point(1, 1)})
    publish(database, {"a": point(1, 1), "z": point(2, 2)}, f"{HOUSING}/resources/houses")
    assert found(database) == ["a"]
    assert found(database, resource=f"{HOUSING}/resources/houses") == ["a", "z"]


def test_pages_follow_the_numbers(database):
    publish(database, {f"{n:03d}": point(n / 10, 1) for n in range(50)})
    reader = PlaceReader(database)
    layer = reader.layer(PARCELS, "shape")
    seen, after = [], 0
    while part := reader.candidates(layer, WORLD, after=after, limit=7):
        assert len(part) <= 7
        seen += [orjson.loads(payload)["key"] for _, payload in reader.payloads(PARCELS, part)]
        after = part[-1]
    assert seen == [f"{n:03d}" for n in range(50)]


def test_both_sides_of_the_antimeridian(database):
    publish(database, {"east": point(179.9, 0), "west": point(-179.9, 0), "far": point(0, 0)})
    box = Box(west=179, south=-1, east=-179, north=1)
    assert found(database, box.parts()) == ["east", "west"]
    assert found(database, around(Place(longitude=180, latitude=0), 20_000)) == ["east", "west"]


def test_an_item_that_becomes_a_geometry_is_indexed_with_the_next_batch(database):
    publish(database, {"a": point(1, 1), "b": point(2, 2)}, items=())
    with pytest.raises(FailedPrecondition) as refused:
        PlaceReader(database).layer(PARCELS, "shape")
    assert refused.value.reason == "NOT_INDEXED"
    assert PlaceReader(database).layer(RESIDENTS, "shape") is None
    publish(database, {})
    assert found(database) == ["a", "b"]
    publish(database, {}, items=())  # no geometry any more
    with pytest.raises(FailedPrecondition):
        PlaceReader(database).layer(PARCELS, "shape")


def test_what_was_published_before_may_be_no_geometry(database):
    batch = Batch(resource=PARCELS, keys=["x", "y"],
                  payloads=['{"shape":"north of the river"}', "{}"], digest=b"d")  # fmt: skip
    with database.unit_of_work() as work:
        delivery.write_batch(work, batch, publisher="p", at=NOON)
    publish(database, {"a": point(1, 1)})
    assert found(database) == ["a"]


def test_a_failed_batch_leaves_no_place(database):
    publish(database, {"a": point(1, 1)})

    def fail() -> None:
        with database.unit_of_work() as work:
            store.write_changes(work, PARCELS, [], first=1, last=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert found(database) == ["a"]


ALTITUDE = {"type": "LineString", "coordinates": [[1, 1, 5], [2, 2, 6]]}
COLLECTION = {"type": "GeometryCollection", "geometries": [ALTITUDE, square(5, 5, 1)]}
BOXED = {**point(7, 7), "bbox": [0, 0, 1, 1]}
ZIGZAG = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


def test_every_shape_that_is_taken_can_be_indexed(database):
    shapes = {"altitude": ALTITUDE, "collection": COLLECTION, "boxed": BOXED, "zigzag": ZIGZAG}
    publish(database, shapes)
    assert set(found(database)) == set(shapes)
    assert found(database, (Box(west=6.9, south=6.9, east=7.1, north=7.1),)) == ["boxed"]


degrees = st.floats(min_value=-2, max_value=2, allow_nan=False, width=32)
places = st.builds(point, degrees, degrees)
squares = st.builds(square, degrees, degrees, st.floats(min_value=0.001, max_value=1))
lines = st.lists(st.tuples(degrees, degrees), min_size=2, max_size=5, unique=True).map(
    lambda path: {"type": "LineString", "coordinates": path}
)
shapes = st.lists(places | squares | lines, min_size=1, max_size=12)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(shapes=shapes, west=degrees, south=degrees, wide=st.floats(0, 2), high=st.floats(0, 2))
def test_answers_are_those_of_looking_at_every_geometry(database, shapes, west, south, wide, high):
    """Index and exact test find what brute force finds, on each database."""
    held = {f"{n:02d}": shape for n, shape in enumerate(shapes)}
    everything = {f"{n:02d}": None for n in range(12)}
    publish(database, everything | held)
    box = Box(west=west, south=south, east=west + wide, north=south + high)
    place = Place(longitude=west, latitude=south)
    texts = {key: orjson.dumps(shape).decode() for key, shape in held.items()}
    geometries = {key: shapely.from_geojson(text) for key, text in texts.items()}
    corner = shapely.Point(west, south)
    # A box as thin as a line or a point is no polygon: its hull is what it is.
    area = shapely.MultiPoint(
        [(box.west, box.south), (box.east, box.south), (box.east, box.north), (box.west, box.north)]
    ).convex_hull
    assert _asked(database, box, box.parts(), texts) == {
        key for key, geometry in geometries.items() if geometry.intersects(area)
    }
    at = (Box(west=west, south=south, east=west, north=south),)
    assert _asked(database, At(place=place), at, texts) == {
        key for key, geometry in geometries.items() if geometry.intersects(corner)
    }
    for radius in (1_000.0, 50_000.0):
        near = {
            key
            for key, geometry in geometries.items()
            if geometry.intersects(corner) or _sampled(place, geometry) <= radius - 60
        }
        reached = _asked(database, Within(place=place, radius=radius), around(place, radius), texts)
        assert near <= reached
        assert all(
            geometries[key].intersects(corner) or _sampled(place, geometries[key]) <= radius + 60
            for key in reached
        )


def _asked(database, area, boxes, texts) -> set[str]:
    test = exact_test_of(area)
    return {key for key in found(database, boxes) if test(texts[key]) is not None}


def _sampled(place: Place, geometry) -> float:
    """Distance to a geometry's points, one every 60 metres at the most."""
    dense = shapely.segmentize(geometry, 0.0005) if geometry.geom_type != "Point" else geometry
    coordinates = shapely.get_coordinates(dense)
    # Only those that can be the nearest: the others cost the formula for nothing.
    flat = (coordinates[:, 0] - place.longitude) ** 2 + (coordinates[:, 1] - place.latitude) ** 2
    nearest = coordinates[flat <= flat.min() * 1.1 + 1e-6]
    return min(between(place, float(lon), float(lat)) for lon, lat in nearest[:400])


def search(database, area) -> Search:
    grant = Grant(
        name=f"{CIVIL}/grants/g",
        resource=PARCELS,
        items=(GrantedItem(item="shape"),),
        operations=(Operation.QUERY,),
        purpose="p",
        legal_basis="l",
        start_time=NOON,
        end_time=NOON + timedelta(days=1),
        access_request="r",
        create_time=NOON,
    )
    return Search(PlaceReader(database), lambda *_: False, grant, "shape", area)


@pytest.mark.parametrize("looked_at", [10_000, 40])
def test_the_nearest_are_those_of_measuring_all(database, monkeypatch, looked_at):
    """Where a circle holds too much it shrinks, and the answer is the same."""
    monkeypatch.setattr(searching, "GREATEST_LOOKED_AT", looked_at)
    chance = random.Random(11)
    places = {f"{n:03d}": (chance.gauss(10, 0.05), chance.gauss(40, 0.05)) for n in range(300)}
    publish(database, {key: point(*place) for key, place in places.items()})
    for _ in range(5):
        here = Place(longitude=chance.gauss(10, 0.05), latitude=chance.gauss(40, 0.05))
        all_of_them = sorted((between(here, *place), key) for key, place in places.items())
        found, token = search(database, Nearest(place=here, radius=1_000_000)).page(7, 0)
        assert [one.values["key"] for one in found] == [key for _, key in all_of_them[:7]]
        assert [one.distance_mm for one in found] == [round(m * 1000) for m, _ in all_of_them[:7]]
        assert token == 0


def test_a_crowd_is_refused_and_a_page_may_end_early(database, monkeypatch):
    monkeypatch.setattr(searching, "GREATEST_LOOKED_AT", 20)
    publish(database, {f"{n:03d}": point(10, 40) for n in range(50)})
    here = Place(longitude=10.001, latitude=40)
    with pytest.raises(FailedPrecondition) as refused:
        search(database, Nearest(place=here, radius=1000)).page(5, 0)
    assert refused.value.reason == "AREA_TOO_CROWDED"
    seen, after = [], 0
    while True:
        found, token = search(database, WORLD[0]).page(100, after)
        seen += [one.values["key"] for one in found]
        if not token:
            break
        assert len(found) <= 20
        after = token
    assert seen == [f"{n:03d}" for n in range(50)]


def test_distances_are_those_of_postgis(postgis_url):
    """Point to point as GeographicLib says, which PostGIS's geography uses."""
    chance = random.Random(7)
    plain = postgis_url.replace("postgresql+psycopg://", "postgresql://")
    worst = 0.0
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis")
        for _ in range(500):
            one = (chance.uniform(-180, 180), chance.uniform(-89, 89))
            other = (
                max(-180, min(180, one[0] + chance.uniform(-9, 9))),
                max(-90, min(90, one[1] + chance.uniform(-9, 9))),
            )
            (metres,) = connection.execute(
                "SELECT ST_Distance(ST_MakePoint(%s, %s)::geography, "
                "ST_MakePoint(%s, %s)::geography)",
                (*one, *other),
            ).fetchone()
            ours = between(Place(longitude=one[0], latitude=one[1]), *other)
            worst = max(worst, abs(ours - metres))
    assert worst < 0.002


def test_postgresql_without_postgis_says_what_to_install(postgres_url):
    database = open_database(postgres_url)
    try:
        publish(database, {"a": None}, items=())  # everything else works
        with pytest.raises(FailedPrecondition) as refused:
            publish(database, {"a": point(1, 1)})
        assert refused.value.reason == "POSTGIS_MISSING"
        assert "postgis-3" in refused.value.message
        with pytest.raises(FailedPrecondition) as refused:
            PlaceReader(database).layer(PARCELS, "shape")
        assert refused.value.reason == "POSTGIS_MISSING"
        with database.reading() as session:  # nothing of the refused batch is there
            assert session.execute(sa.text("SELECT count(*) FROM record")).scalar_one() == 0
    finally:
        database.close()


def test_a_node_that_may_not_create_the_extension_says_who_may(postgis_url):
    plain = postgis_url.replace("postgresql+psycopg://", "postgresql://")
    name = plain.rpartition("/")[2]
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS plain_node")
        connection.execute("CREATE ROLE plain_node LOGIN")
        connection.execute(f'GRANT CREATE ON DATABASE "{name}" TO plain_node')
    own = postgis_url.replace("tongban@", "plain_node@")
    database = open_database(own)
    try:
        with pytest.raises(FailedPrecondition) as refused:
            publish(database, {"a": point(1, 1)})
        assert refused.value.reason == "POSTGIS_NOT_ALLOWED"
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION postgis SCHEMA public")
        publish(database, {"a": point(1, 1)})
        assert found(database) == ["a"]
    finally:
        database.close()
