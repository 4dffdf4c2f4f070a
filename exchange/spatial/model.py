"""Geometry as a record holds it, and the areas that a question asks about.

1. A value of a GEOMETRY item is one geometry object of RFC 7946 as JSON text: longitude and
   latitude in degrees on WGS 84 (CGCS2000 agrees with it within decimetres), altitude ignored. An
   edge is a straight line in longitude and latitude (RFC 7946 §3.1.1), so nothing crosses the
   antimeridian: what does is cut there (§3.1.9).
2. The check is pure, bounded and total: any text gives a description of what is wrong or None, and
   a description never repeats a value.
3. Members besides `type`, `coordinates`, `geometries` and `bbox` are refused: a geometry is
   granted as one item, and nothing else may travel in it.
4. A question has one area. Its numbers are rounded on arrival (9 decimals of a degree,
   millimetres), so that what a receipt commits to is exactly what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from runtime.errors import FieldViolation, InvalidArgument

GREATEST_TEXT = 200_000  # characters: a record's payload has at most 262,144
GREATEST_VERTICES = 10_000
GREATEST_RADIUS = 1_000_000.0  # metres
GREATEST_PAGE = 1000
DEFAULT_PAGE = 100
#: Metres of a degree of latitude, at the least: 110,574 at the equator.
_DEGREE = 110_500.0

_POSITION, _POSITIONS, _PATHS, _SURFACES = range(4)
#: Depth of the coordinates of a type; whether its paths are rings; least positions of a path.
_SHAPES: dict[str, tuple[int, bool, int]] = {
    "Point": (_POSITION, False, 1),
    "MultiPoint": (_POSITIONS, False, 1),
    "LineString": (_POSITIONS, False, 2),
    "MultiLineString": (_PATHS, False, 2),
    "Polygon": (_PATHS, True, 4),
    "MultiPolygon": (_SURFACES, True, 4),
}
#: Least places that differ, by the least positions of a path.
_APART = {1: 0, 2: 2, 4: 3}
_COLLECTION = "GeometryCollection"
_NOT_A_GEOMETRY = "is not a geometry of RFC 7946"

#: A position: longitude, latitude and, perhaps, altitude.
Position = Sequence[float]
Path = Sequence[Position]


class _Wrong(Exception):
    """What is wrong with a geometry; told without any of its values."""


def geometry_problem(value: str) -> str | None:
    """What is wrong with the JSON text of a geometry (RFC 7946); None if good."""
    if len(value) > GREATEST_TEXT:
        return f"is longer than {GREATEST_TEXT:,} characters"
    try:
        geometry = orjson.loads(value)
        _check(geometry, [0], in_collection=False)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return "is not JSON"
    except _Wrong as wrong:
        return str(wrong)
    return None


def _check(geometry: Any, vertices: list[int], *, in_collection: bool) -> None:
    if not isinstance(geometry, dict):
        raise _Wrong(_NOT_A_GEOMETRY)
    kind = geometry.get("type")
    if kind == _COLLECTION and not in_collection:
        _check_collection(geometry, vertices)
        return
    shape = _SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise _Wrong(f"{_NOT_A_GEOMETRY}: its type is none of those that are taken")
    _check_members(geometry, "coordinates")
    depth, rings, least = shape
    for path in _paths_in(geometry["coordinates"], depth):
        _check_path(path, rings, least, vertices)


def _check_collection(geometry: dict[str, Any], vertices: list[int]) -> None:
    _check_members(geometry, "geometries")
    parts = geometry["geometries"]
    if not isinstance(parts, list) or not parts:
        raise _Wrong("has no geometries in its collection")
    if len(parts) > GREATEST_VERTICES:
        raise _too_many()
    for part in parts:
        _check(part, vertices, in_collection=True)


def _check_members(geometry: dict[str, Any], needed: str) -> None:
    if needed not in geometry:
        raise _Wrong(f"has no {needed}")
    if not geometry.keys() <= {"type", needed, "bbox"}:
        raise _Wrong(f"has members besides type, {needed} and bbox")
    if "bbox" in geometry:
        box = geometry["bbox"]
        if not isinstance(box, list) or len(box) not in (4, 6) or not all(map(_is_number, box)):
            raise _Wrong("has a bbox that is not 4 or 6 numbers")


def _paths_in(coordinates: Any, depth: int) -> Iterator[list[Any]]:
    """The paths of coordinates: lists of what should be positions."""
    if depth == _POSITION:
        yield [coordinates]
        return
    if not isinstance(coordinates, list) or not coordinates:
        raise _Wrong("has coordinates that are not lists of the depth of its type")
    if depth == _POSITIONS:
        yield coordinates
        return
    for part in coordinates:
        yield from _paths_in(part, depth - 1)


def _check_path(path: list[Any], rings: bool, least: int, vertices: list[int]) -> None:
    vertices[0] += len(path)
    if vertices[0] > GREATEST_VERTICES:
        raise _too_many()
    for position in path:
        _check_position(position)
    if len(path) < least:
        raise _Wrong(f"has a {'ring' if rings else 'line'} of fewer than {least} positions")
    if rings and path[0] != path[-1]:
        raise _Wrong("has a ring that is not closed: its last position is not its first")
    apart = {(position[0], position[1]) for position in path} if least > 1 else set()
    if len(apart) < _APART[least]:  # GEOS has no one answer to a line without length
        raise _Wrong(f"has a {'ring' if rings else 'line'} whose positions are the same places")


def _check_position(position: Any) -> None:
    if (
        not isinstance(position, list)
        or not 2 <= len(position) <= 3
        or not all(map(_is_number, position))
    ):
        raise _Wrong("has a position that is not 2 or 3 numbers")
    if not -180 <= position[0] <= 180 or not -90 <= position[1] <= 90:
        raise _Wrong("has a position outside longitude -180 to 180, latitude -90 to 90")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _too_many() -> _Wrong:
    return _Wrong(f"has more than {GREATEST_VERTICES:,} positions")


def paths(geometry: dict[str, Any]) -> Iterator[Path]:
    """Every point, line and ring of a checked geometry, as positions; a point is one position."""
    if geometry["type"] == _COLLECTION:
        for part in geometry["geometries"]:
            yield from paths(part)
        return
    depth = _SHAPES[geometry["type"]][0]
    if geometry["type"] == "MultiPoint":
        yield from ([position] for position in geometry["coordinates"])
    else:
        yield from _paths_in(geometry["coordinates"], depth)


def bounds(geometry: dict[str, Any]) -> Box:
    """The least box around a checked geometry; its own `bbox` is not believed."""
    places = [position for path in paths(geometry) for position in path]
    return Box(
        west=min(place[0] for place in places),
        south=min(place[1] for place in places),
        east=max(place[0] for place in places),
        north=max(place[1] for place in places),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in degrees; `west` is greater than `east` where it crosses the antimeridian (§5.2)."""

    west: float
    south: float
    east: float
    north: float

    def parts(self) -> tuple[Box, ...]:
        """The box, or its two parts on both sides of the antimeridian."""
        if self.west <= self.east:
            return (self,)
        return (
            Box(west=self.west, south=self.south, east=180.0, north=self.north),
            Box(west=-180.0, south=self.south, east=self.east, north=self.north),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in degrees."""

    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Which geometries cover a place: hold it inside or on their border."""

    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Which geometries come as near to a place as `radius` metres, in any order."""

    place: Place
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The geometries nearest to a place, nearest first, none farther than `radius` metres."""

    place: Place
    radius: float


#: What a question asks about; a Box finds the geometries that have a point in common with it.
Area = At | Box | Within | Nearest


def check_area(area: Area) -> Area:
    """The area, rounded. Raises InvalidArgument, BAD_AREA, naming every field that is wrong."""
    wrong: list[FieldViolation] = []
    if isinstance(area, Box):
        for field in ("west", "east"):
            _check_degrees(wrong, f"box.{field}", getattr(area, field), 180)
        for field in ("south", "north"):
            _check_degrees(wrong, f"box.{field}", getattr(area, field), 90)
        if not wrong and area.south > area.north:
            wrong.append(FieldViolation("box.south", "is north of box.north"))
        if not wrong:
            return Box(
                west=_degrees(area.west),
                south=_degrees(area.south),
                east=_degrees(area.east),
                north=_degrees(area.north),
            )
        raise _bad_area(wrong)
    _check_degrees(wrong, "longitude", area.place.longitude, 180)
    _check_degrees(wrong, "latitude", area.place.latitude, 90)
    radius = 0.0 if isinstance(area, At) else area.radius
    if not isinstance(area, At) and not 0 < radius <= GREATEST_RADIUS:
        wrong.append(FieldViolation("radius", f"is not above 0 and at most {GREATEST_RADIUS:,.0f}"))
    if wrong:
        raise _bad_area(wrong)
    place = Place(longitude=_degrees(area.place.longitude), latitude=_degrees(area.place.latitude))
    if isinstance(area, At):
        return At(place=place)
    return type(area)(place=place, radius=max(round(radius, 3), 0.001))


def _check_degrees(wrong: list[FieldViolation], field: str, value: float, limit: int) -> None:
    if not -limit <= value <= limit:  # nor is a NaN
        wrong.append(FieldViolation(field, f"is not between -{limit} and {limit} degrees"))


def _degrees(value: float) -> float:
    return round(value, 9) + 0.0  # no negative zero


def _bad_area(wrong: list[FieldViolation]) -> InvalidArgument:
    return InvalidArgument(
        "the area is not one on earth: give degrees (longitude, latitude) and metres",
        reason="BAD_AREA",
        message_zh="查询范围无效：请以度（经度、纬度）和米给出",
        violations=wrong,
    )


def text_of(area: Area) -> dict[str, Any]:
    """An area as a receipt commits to it: degrees with 9 decimals, the radius in millimetres."""
    if isinstance(area, Box):
        sides = {side: getattr(area, side) for side in ("west", "south", "east", "north")}
        return {"box": {side: f"{value:.9f}" for side, value in sides.items()}}
    place = {
        "longitude": f"{area.place.longitude:.9f}",
        "latitude": f"{area.place.latitude:.9f}",
    }
    if isinstance(area, At):
        return {"at": place}
    word = "within" if isinstance(area, Within) else "nearest"
    return {word: {**place, "radius_mm": round(area.radius * 1000)}}


def around(place: Place, radius: float) -> tuple[Box, ...]:
    """Boxes that hold every place within a radius in metres; more besides, never less."""
    up = radius / _DEGREE
    south, north = place.latitude - up, place.latitude + up
    if south <= -90 or north >= 90:  # a pole is within: so is every longitude
        return (Box(west=-180.0, south=max(south, -90.0), east=180.0, north=min(north, 90.0)),)
    # On a sphere: sin(Δλ) = sin(r) / cos(φ); wider by the flattening of the earth.
    reach = math.sin(math.radians(up)) / math.cos(math.radians(place.latitude))
    if reach >= 1:
        return (Box(west=-180.0, south=south, east=180.0, north=north),)
    aside = math.degrees(math.asin(reach)) * 1.01
    west, east = place.longitude - aside, place.longitude + aside
    if east - west >= 360:
        west, east = -180.0, 180.0
    elif west < -180:
        west += 360
    elif east > 180:
        east -= 360
    return Box(west=west, south=south, east=east, north=north).parts()


def page_wanted(asked: int) -> int:
    """How many records an answer has at most. Raises InvalidArgument for a negative number."""
    if asked < 0:
        raise InvalidArgument(
            "page_size must not be negative",
            message_zh="page_size 不能为负",
            violations=[FieldViolation("page_size", "negative")],
        )
    return min(asked or DEFAULT_PAGE, GREATEST_PAGE)
