"""Geodesic distances, against known ones and against looking at very many points."""

import random

import pytest

from exchange.spatial.distance import between, to_paths
from exchange.spatial.model import Place

FAR = 1_000_000.0


def line(*positions) -> dict:
    return {"type": "LineString", "coordinates": [list(one) for one in positions]}


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (1, 0), 111_319.4908),  # a degree of the equator: a·π/180
        ((0, 0), (0, 1), 110_574.3886),  # a degree of the meridian there
        ((0, 89), (0, 90), 111_693.8650),
        ((10, 40), (10, 40), 0),
        ((179.5, 0), (-179.5, 0), 111_319.4908),
        ((-180, 10), (180, 10), 0),
        ((0, 90), (123, 90), 0),
    ],
)
def test_known_distances(one, other, metres):
    measured = between(Place(longitude=one[0], latitude=one[1]), *other)
    assert measured == pytest.approx(metres, abs=0.002)


def test_the_nearest_point_of_a_line_is_found():
    chance = random.Random(3)
    for _ in range(25):
        here = Place(longitude=chance.uniform(-180, 180), latitude=chance.uniform(-85, 85))
        ends = [
            (
                max(-180.0, min(180.0, here.longitude + chance.uniform(-3, 3))),
                max(-90.0, min(90.0, here.latitude + chance.uniform(-3, 3))),
            )
            for _ in range(2)
        ]
        measured = to_paths(here, line(*ends), FAR)
        assert measured == pytest.approx(_looked_at(here, *ends), abs=0.01)


def _looked_at(here: Place, one, other) -> float:
    """The least distance of 2,000 points of a line, then of 2,000 around the nearest of them."""
    low, high = 0.0, 1.0
    for _ in range(3):
        step = (high - low) / 2000
        shares = [low + step * n for n in range(2001)]
        distances = [
            between(
                here,
                one[0] + (other[0] - one[0]) * share,
                one[1] + (other[1] - one[1]) * share,
            )
            for share in shares
        ]
        nearest = shares[distances.index(min(distances))]
        low, high = max(0.0, nearest - step), min(1.0, nearest + step)
    return min(distances)


def test_an_edge_is_straight_in_degrees_and_no_great_circle():
    """RFC 7946, 3.1.1: the middle of a long edge along a parallel is on that parallel."""
    here = Place(longitude=0, latitude=60)
    assert to_paths(here, line((-20, 60), (20, 60)), FAR) == pytest.approx(0, abs=0.01)


def test_what_is_beyond_the_limit_is_none():
    here = Place(longitude=10, latitude=40)
    near = line((10.01, 40), (10.02, 40))
    assert to_paths(here, near, 853) is None
    assert to_paths(here, near, 854.5) == pytest.approx(853.93, abs=0.1)
    other_side = line((-170, -40), (-169, -41))
    assert to_paths(here, other_side, FAR) is None


def test_every_part_of_a_collection_counts():
    here = Place(longitude=0, latitude=0)
    ring = [[1, 1], [2, 1], [2, 2], [1, 1]]
    collection = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "MultiPolygon", "coordinates": [[ring]]},
            {"type": "MultiPoint", "coordinates": [[5, 5], [0.001, 0]]},
        ],
    }
    assert to_paths(here, collection, FAR) == pytest.approx(111.319, abs=0.01)


def test_a_geometry_of_the_greatest_size_is_measured_in_time():
    zigzag = line(*((-180 if n % 2 else 180, n / 200 - 25) for n in range(10_000)))
    assert to_paths(Place(longitude=0, latitude=0), zigzag, FAR) is not None
