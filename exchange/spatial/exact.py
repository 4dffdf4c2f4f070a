"""Does a geometry answer an area? The exact test, the same for every database.

The index finds candidates by their boxes; here each is judged as its record holds it, by GEOS
(shapely) and by `distance`. Shapely is imported with the first question: a node that nobody asks
about geometry neither starts later nor grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from exchange.spatial import distance
from exchange.spatial.model import Area, At, Box, Place, bounds

#: Metres from the area's place (0 for At and Box), or None where the geometry does not answer.
Test = Callable[[str], float | None]
#: The same of many texts at once, in order: a call of GEOS costs as much as its work on one.
Tests = Callable[[Sequence[str]], list[float | None]]
_SURFACES = frozenset({"Polygon", "MultiPolygon"})


def tests_of(area: Area) -> Tests:
    """The test of an area: takes the JSON texts of checked geometries."""
    if isinstance(area, At | Box):
        return _meeting(area)
    test = test_of(area)
    return lambda texts: [test(text) for text in texts]


def test_of(area: Area) -> Test:
    """`tests_of` for one geometry."""
    if isinstance(area, At | Box):
        tests = _meeting(area)
        return lambda text: tests([text])[0]
    place, radius = area.place, area.radius
    at = test_of(At(place=place))

    def in_reach(text: str) -> float | None:
        geometry = orjson.loads(text)
        if _has_surface(geometry) and _around(geometry, place) and at(text) is not None:
            return 0.0
        return distance.to_paths(place, geometry, radius)

    return in_reach


def _meeting(area: At | Box) -> Tests:
    shapely = _shapely()
    boxes = area.parts() if isinstance(area, Box) else ()
    if isinstance(area, At):
        shapes = [shapely.Point(area.place.longitude, area.place.latitude)]
    else:
        shapes = [_shape(part) for part in boxes]
        for shape in shapes:
            shapely.prepare(shape)

    def has_a_vertex_of(geometry: dict[str, Any]) -> bool:
        x, y = _a_vertex(geometry)
        return any(b.west <= x <= b.east and b.south <= y <= b.north for b in boxes)

    def meet(texts: Sequence[str]) -> list[float | None]:
        # Most of what is in a box has its first vertex there; reading for GEOS costs ten times as
        # much as seeing that.
        found = [bool(boxes) and has_a_vertex_of(orjson.loads(text)) for text in texts]
        unsure = [place for place, sure in enumerate(found) if not sure]
        if unsure:
            geometries = shapely.from_geojson([texts[place] for place in unsure])
            for shape in shapes:
                for place, met in zip(unsure, shapely.intersects(shape, geometries), strict=True):
                    found[place] = found[place] or bool(met)
        return [0.0 if one else None for one in found]

    return meet


def _a_vertex(geometry: dict[str, Any]) -> tuple[float, float]:
    """One of the points that a geometry passes through."""
    while "coordinates" not in geometry:
        geometry = geometry["geometries"][0]
    found = geometry["coordinates"]
    while isinstance(found[0], list):
        found = found[0]
    return found[0], found[1]


def _has_surface(geometry: dict[str, Any]) -> bool:
    if geometry["type"] in _SURFACES:
        return True
    return any(_has_surface(part) for part in geometry.get("geometries", ()))


def _around(geometry: dict[str, Any], place: Place) -> bool:
    """Whether a place is in the box around a geometry: without this it is not covered."""
    box = bounds(geometry)
    return box.west <= place.longitude <= box.east and box.south <= place.latitude <= box.north


def _shape(box: Box) -> Any:
    """A box, which may be a line or a point."""
    shapely = _shapely()
    low, high = (box.west, box.south), (box.east, box.north)
    if low == high:
        return shapely.Point(low)
    if box.west == box.east or box.south == box.north:
        return shapely.LineString([low, high])
    return shapely.box(*low, *high)


def _shapely() -> Any:
    import shapely  # type: ignore[import-untyped]  # publishes no types

    return shapely
