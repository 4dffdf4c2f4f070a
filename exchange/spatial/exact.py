"""Does a geometry answer an area? The exact test, the same for every database.

The index finds candidates by their boxes; here each is judged as its record holds it, by GEOS
(shapely) and by `distance`. Shapely is imported with the first question: a node that nobody asks
about geometry neither starts later nor grows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from exchange.spatial import distance
from exchange.spatial.model import Area, At, Box, Place, bounds

#: Metres from the area's place (0 for At and Box), or None where the geometry does not answer.
Test = Callable[[str], float | None]
_SURFACES = frozenset({"Polygon", "MultiPolygon"})


def test_of(area: Area) -> Test:
    """The test of an area: takes the JSON text of a checked geometry."""
    shapely = _shapely()
    if isinstance(area, At):
        point = shapely.Point(area.place.longitude, area.place.latitude)
        return lambda text: 0.0 if shapely.intersects(shapely.from_geojson(text), point) else None
    if isinstance(area, Box):
        shapes = [_shape(part) for part in area.parts()]
        for shape in shapes:
            shapely.prepare(shape)

        def in_box(text: str) -> float | None:
            geometry = shapely.from_geojson(text)
            return 0.0 if any(shapely.intersects(shape, geometry) for shape in shapes) else None

        return in_box
    place, radius = area.place, area.radius
    at = test_of(At(place=place))

    def in_reach(text: str) -> float | None:
        geometry = orjson.loads(text)
        if _has_surface(geometry) and _around(geometry, place) and at(text) is not None:
            return 0.0
        return distance.to_paths(place, geometry, radius)

    return in_reach


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
