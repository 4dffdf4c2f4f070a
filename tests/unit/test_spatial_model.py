"""What a geometry must look like, and the areas of questions."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.spatial.model import (
    GREATEST_TEXT,
    GREATEST_VERTICES,
    At,
    Box,
    Nearest,
    Place,
    Within,
    around,
    bounds,
    check_area,
    geometry_problem,
    page_wanted,
    paths,
    text_of,
)
from runtime.errors import InvalidArgument

SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]
GOOD = [
    {"type": "Point", "coordinates": [116.5, 35.25]},
    {"type": "Point", "coordinates": [-180, 90, 12.5]},
    {"type": "MultiPoint", "coordinates": [[0, 0], [1, 1]]},
    {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
    {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]},
    {"type": "Polygon", "coordinates": [SQUARE, [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 0.5]]]},
    {"type": "MultiPolygon", "coordinates": [[SQUARE]], "bbox": [0, 0, 2, 2]},
    {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [5, 6]},
            {"type": "Polygon", "coordinates": [SQUARE]},
        ],
    },
]
WRONG = [
    ("", "is not JSON"),
    ("{", "is not JSON"),
    ("[" * 5000, "is not JSON"),
    ("\ud800", "is not JSON"),
    ('{"type": "Point", "coordinates": [NaN, 1]}', "is not JSON"),
    ("null", "is not a geometry"),
    ("[1, 2]", "is not a geometry"),
    ("{}", "its type"),
    ('{"type": ["Point"], "coordinates": [1, 2]}', "its type"),
    ('{"type": "Feature", "geometry": null}', "its type"),
    ('{"type": "Circle", "coordinates": [1, 2]}', "its type"),
    ('{"type": "Point"}', "has no coordinates"),
    ('{"type": "Point", "coordinates": []}', "has a position"),
    ('{"type": "Point", "coordinates": [1]}', "has a position"),
    ('{"type": "Point", "coordinates": [1, 2, 3, 4]}', "has a position"),
    ('{"type": "Point", "coordinates": [true, 2]}', "has a position"),
    ('{"type": "Point", "coordinates": ["1", "2"]}', "has a position"),
    ('{"type": "Point", "coordinates": {"0": 1}}', "has a position"),
    ('{"type": "Point", "coordinates": [180.1, 0]}', "outside"),
    ('{"type": "Point", "coordinates": [0, -90.1]}', "outside"),
    ('{"type": "Point", "coordinates": [35.2, 116.5]}', "outside"),
    ('{"type": "Point", "coordinates": [1, 2], "crs": {}}', "has members"),
    ('{"type": "Point", "coordinates": [1, 2], "bbox": ["a", 1, 2, 3]}', "has a bbox"),
    ('{"type": "Point", "coordinates": [1, 2], "bbox": [0]}', "has a bbox"),
    ('{"type": "MultiPoint", "coordinates": []}', "lists"),
    ('{"type": "LineString", "coordinates": [[0, 0]]}', "fewer than 2"),
    ('{"type": "LineString", "coordinates": [[1, 1], [1, 1, 5]]}', "the same places"),
    ('{"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,0],[0,0]]]}', "the same places"),
    ('{"type": "LineString", "coordinates": [0, 0]}', "has a position"),
    ('{"type": "Polygon", "coordinates": [[]]}', "lists"),
    ('{"type": "Polygon", "coordinates": [[[0,0],[1,0],[0,0]]]}', "fewer than 4"),
    ('{"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,1]]]}', "not closed"),
    ('{"type": "MultiPolygon", "coordinates": [[[0,0],[1,0]]]}', "position"),
    ('{"type": "GeometryCollection", "geometries": []}', "no geometries"),
    ('{"type": "GeometryCollection", "coordinates": [1, 2]}', "has no geometries"),
    (
        '{"type": "GeometryCollection", "geometries": '
        '[{"type": "GeometryCollection", "geometries": []}]}',
        "its type",
    ),
]


def text(value: object) -> str:
    return orjson.dumps(value).decode()


@pytest.mark.parametrize("geometry", GOOD, ids=lambda geometry: geometry["type"])
def test_each_type_of_the_standard_is_taken(geometry):
    assert geometry_problem(text(geometry)) is None


@pytest.mark.parametrize(("value", "told"), WRONG)
def test_what_is_wrong_is_told(value, told):
    problem = geometry_problem(value)
    assert problem is not None
    assert told in problem


def test_size_is_bounded():
    many = {"type": "MultiPoint", "coordinates": [[1, 2]] * GREATEST_VERTICES}
    assert geometry_problem(text(many)) is None
    many["coordinates"].append([1, 2])
    assert "positions" in (geometry_problem(text(many)) or "")
    shared = {"type": "LineString", "coordinates": [[1, 2], [3, 4]] * (GREATEST_VERTICES // 4 + 1)}
    assert "positions" in (
        geometry_problem(text({"type": "GeometryCollection", "geometries": [shared] * 2})) or ""
    )
    assert "characters" in (geometry_problem(" " * (GREATEST_TEXT + 1)) or "")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-200, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["Point", "Polygon", "GeometryCollection", "x"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["type", "coordinates", "geometries", "bbox", "crs"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(st.text() | JSON.map(text))
def test_no_text_breaks_the_check(value):
    problem = geometry_problem(value)
    if problem is None:
        geometry = orjson.loads(value)
        assert list(paths(geometry))
        box = bounds(geometry)
        assert -180 <= box.west <= box.east <= 180


def test_bounds_are_those_of_every_part():
    assert bounds(GOOD[7]) == Box(west=0, south=0, east=5, north=6)
    assert bounds(GOOD[0]) == Box(west=116.5, south=35.25, east=116.5, north=35.25)
    assert [len(path) for path in paths(GOOD[5])] == [5, 4]
    assert [len(path) for path in paths(GOOD[2])] == [1, 1]


HERE = Place(longitude=116.5, latitude=35.25)


@pytest.mark.parametrize(
    ("area", "fields"),
    [
        (At(place=Place(longitude=math.nan, latitude=91)), ["longitude", "latitude"]),
        (Within(place=HERE, radius=0), ["radius"]),
        (Within(place=HERE, radius=math.inf), ["radius"]),
        (Nearest(place=HERE, radius=1_000_001), ["radius"]),
        (Box(west=-181, south=-91, east=0, north=0), ["box.west", "box.south"]),
        (Box(west=0, south=2, east=0, north=1), ["box.south"]),
    ],
)
def test_areas_that_are_none(area, fields):
    with pytest.raises(InvalidArgument) as refused:
        check_area(area)
    assert refused.value.reason == "BAD_AREA"
    assert [violation.field for violation in refused.value.violations] == fields


def test_an_area_is_rounded_and_told_exactly():
    asked = Within(place=Place(longitude=-0.0000000001, latitude=35.12345678949), radius=12.34567)
    taken = check_area(asked)
    assert text_of(taken) == {
        "within": {"longitude": "0.000000000", "latitude": "35.123456789", "radius_mm": 12346}
    }
    assert text_of(check_area(Box(west=1, south=2, east=3, north=4))) == {
        "box": {
            "west": "1.000000000",
            "south": "2.000000000",
            "east": "3.000000000",
            "north": "4.000000000",
        }
    }
    assert text_of(At(place=HERE))["at"]["longitude"] == "116.500000000"
    assert list(text_of(Nearest(place=HERE, radius=1))) == ["nearest"]


def test_boxes_around_a_place_cross_the_antimeridian_and_the_poles():
    east, west = around(Place(longitude=179.9, latitude=10), 50_000)
    assert east.east == 180
    assert west.west == -180
    (cap,) = around(Place(longitude=10, latitude=89.9), 50_000)
    assert (cap.west, cap.east, cap.north) == (-180, 180, 90)
    (plain,) = around(HERE, 1000)
    assert plain.west < 116.49
    assert plain.east > 116.51


def test_a_page_is_bounded():
    assert [page_wanted(asked) for asked in (0, 7, 5000)] == [100, 7, 1000]
    with pytest.raises(InvalidArgument):
        page_wanted(-1)
