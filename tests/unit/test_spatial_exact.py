"""The exact test takes every geometry that the check takes, however crossed or thin."""

import math

import orjson
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.spatial import drawing
from exchange.spatial.exact import test_of as exact_test_of
from exchange.spatial.exact import tests_of as exact_tests_of
from exchange.spatial.model import At, Box, Nearest, Place, Within, around, bounds, geometry_problem

degrees = st.tuples(
    st.floats(-180, 180) | st.sampled_from([-180, 0, 180]),
    st.floats(-90, 90) | st.sampled_from([-90, 0, 90]),
)
near = st.tuples(st.integers(-3, 3), st.integers(-3, 3))
positions = degrees | near | st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 9))
paths = st.lists(positions, min_size=2, max_size=7)
rings = st.lists(positions, min_size=3, max_size=7).map(lambda path: [*path, path[0]])


def made(kind, coordinates):
    return coordinates.map(lambda found: {"type": kind, "coordinates": found})


simple = (
    made("Point", positions)
    | made("MultiPoint", st.lists(positions, min_size=1, max_size=5))
    | made("LineString", paths)
    | made("MultiLineString", st.lists(paths, min_size=1, max_size=3))
    | made("Polygon", st.lists(rings, min_size=1, max_size=3))
    | made("MultiPolygon", st.lists(st.lists(rings, min_size=1, max_size=2), max_size=3))
)
geometries = simple | st.lists(simple, min_size=1, max_size=3).map(
    lambda parts: {"type": "GeometryCollection", "geometries": parts}
)


@settings(deadline=None, max_examples=300)
@given(geometry=geometries, place=degrees | near, far=st.floats(0.001, 1_000_000))
def test_whatever_is_taken_is_answered_and_the_index_would_have_found_it(geometry, place, far):
    text = orjson.dumps(geometry).decode()
    if geometry_problem(text) is not None:
        return
    here = Place(longitude=place[0], latitude=place[1])
    box = bounds(orjson.loads(text))
    covered = exact_test_of(At(place=here))(text)
    if covered is not None:
        assert _meet(box, Box(west=place[0], south=place[1], east=place[0], north=place[1]))
        assert exact_test_of(Nearest(place=here, radius=far))(text) == pytest.approx(0, abs=1e-3)
    asked = Box(west=place[0], south=place[1], east=place[0], north=min(90, place[1] + 1))
    if exact_test_of(asked)(text) is not None:
        assert _meet(box, asked)
    reached = exact_test_of(Within(place=here, radius=far))(text)
    if reached is not None:
        assert 0 <= reached <= far
        assert math.isfinite(reached)
        assert any(_meet(box, part) for part in around(here, far))


@settings(deadline=None, max_examples=150)
@given(
    some=st.lists(geometries, min_size=1, max_size=6),
    corner=st.tuples(st.integers(-4, 3), st.integers(-4, 3)),
    sides=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_many_at_once_answer_a_box_as_geos_says_of_each(some, corner, sides):
    texts = [text for text in map(orjson.dumps, some) if geometry_problem(text.decode()) is None]
    west, south = corner
    east, north = west + sides[0], south + sides[1]
    asked = Box(west=west, south=south, east=east, north=north)
    shape = shapely.box(west, south, east, north)
    if not all(sides):
        shape = shapely.LineString([(west, south), (east, north)])
    if not any(sides):
        shape = shapely.Point(west, south)
    told = exact_tests_of(asked)([text.decode() for text in texts])
    for text, one in zip(texts, told, strict=True):
        geometry = shapely.from_geojson(text)
        # Of crossed rings GEOS says one thing of a prepared shape and another of a plain one.
        if shapely.is_valid(geometry):
            assert (one is not None) == shapely.intersects(shape, geometry)
    assert told == [exact_test_of(asked)(text.decode()) for text in texts]


def _meet(one: Box, other: Box) -> bool:
    return (
        one.west <= other.east
        and other.west <= one.east
        and one.south <= other.north
        and other.south <= one.north
    )


def test_only_outlines_that_are_much_together_are_simplified_for_a_map():
    def ring(points: int) -> str:
        turns = [2 * math.pi * place / points for place in range(points)]
        path = [[105 + math.cos(turn), 30 + math.sin(turn)] for turn in turns]
        return orjson.dumps({"type": "Polygon", "coordinates": [[*path, path[0]]]}).decode()

    around = Box(west=104, south=29, east=106, north=31)
    few, many = ring(100), ring(20_000)
    assert len(many) > drawing.SMALL > len(few)
    (same,) = drawing.simplified([("a", few)], around)
    assert (same.label, same.geometry) == ("a", few)
    (fewer,) = drawing.simplified([("b", many)], around)
    assert 20 < len(orjson.loads(fewer.geometry)["coordinates"][0]) < 200
    assert drawing.simplified([], None) == []
