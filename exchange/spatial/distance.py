"""Geodesic distance from a place to a geometry, on the ellipsoid of WGS 84.

1. Between two places: Vincenty's inverse formula (Survey Review 23, 1975), good to half a
   millimetre; it is asked only up to `model.GREATEST_RADIUS`, far from where it fails.
2. To a line: its edges are straight in longitude and latitude (RFC 7946 §3.1.1). A chord through
   the earth is never longer than the way over it, so the chord to a piece of an edge, less what the
   piece bulges, bounds the distance from below. Pieces are taken in that order until none can be
   nearer: one that bulges much (about a quarter of a degree) is halved, another is measured, by
   golden section.
3. Whether a surface holds the place is asked of `exact`; here a surface is its rings.

Distances are good to a centimetre: the tests compare them with PostGIS's (GeographicLib).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

from exchange.spatial.model import Place, paths

_A = 6_378_137.0
_F = 1 / 298.257223563
_B = _A * (1 - _F)
_E2 = _F * (2 - _F)
_COARSE = 20.0  # metres that a piece may bulge and still be measured
_GOLDEN = (math.sqrt(5) - 1) / 2
_FINE = 5e-4  # metres that a piece may bulge and still be measured where its chord is nearest

_Vector = tuple[float, float, float]
_Degrees = tuple[float, float]


def between(one: Place, longitude: float, latitude: float) -> float:
    """Metres between two places that are not nearly opposite on the earth."""
    if one.longitude == longitude and one.latitude == latitude:
        return 0.0
    span = math.radians(longitude - one.longitude)
    u1 = math.atan((1 - _F) * math.tan(math.radians(one.latitude)))
    u2 = math.atan((1 - _F) * math.tan(math.radians(latitude)))
    sin1, cos1, sin2, cos2 = math.sin(u1), math.cos(u1), math.sin(u2), math.cos(u2)
    angle = span
    for _ in range(100):
        sin_angle, cos_angle = math.sin(angle), math.cos(angle)
        sin_arc = math.hypot(cos2 * sin_angle, cos1 * sin2 - sin1 * cos2 * cos_angle)
        if sin_arc == 0:
            return 0.0
        cos_arc = sin1 * sin2 + cos1 * cos2 * cos_angle
        arc = math.atan2(sin_arc, cos_arc)
        sin_azimuth = cos1 * cos2 * sin_angle / sin_arc
        cos2_azimuth = 1 - sin_azimuth * sin_azimuth
        middle = cos_arc - 2 * sin1 * sin2 / cos2_azimuth if cos2_azimuth > 1e-15 else 0.0
        c = _F / 16 * cos2_azimuth * (4 + _F * (4 - 3 * cos2_azimuth))
        turned = arc + c * sin_arc * (middle + c * cos_arc * (2 * middle * middle - 1))
        before, angle = angle, span + (1 - c) * _F * sin_azimuth * turned
        if abs(angle - before) < 1e-12:
            break
    square = cos2_azimuth * (_A * _A - _B * _B) / (_B * _B)
    a = 1 + square / 16384 * (4096 + square * (-768 + square * (320 - 175 * square)))
    b = square / 1024 * (256 + square * (-128 + square * (74 - 47 * square)))
    inner = cos_arc * (2 * middle * middle - 1) - b / 6 * middle * (4 * sin_arc * sin_arc - 3) * (
        4 * middle * middle - 3
    )
    return _B * a * (arc - b * sin_arc * (middle + b / 4 * inner))


def to_paths(place: Place, geometry: dict[str, Any], limit: float) -> float | None:
    """Metres from a place to the nearest point, line or ring of a checked geometry.

    None where that is more than `limit` metres, which is at most `model.GREATEST_RADIUS`.
    """
    here = _vector(place.longitude, place.latitude)
    nearest, found = limit, False
    pieces = [_piece(here, one, other) for one, other in _edges(geometry)]
    heapify(pieces)
    while pieces and pieces[0][0] <= nearest:
        _, one, other = heappop(pieces)
        if _bulge(one, other) > _COARSE:
            middle = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
            for half in (_piece(here, one, middle), _piece(here, middle, other)):
                if half[0] <= nearest:
                    heappush(pieces, half)
            continue
        reached = _to_piece(place, here, one, other)
        if reached <= nearest:
            nearest, found = reached, True
    return nearest if found else None


def _edges(geometry: dict[str, Any]) -> Iterator[tuple[_Degrees, _Degrees]]:
    """The edges of a geometry; a point is an edge from itself to itself."""
    for path in paths(geometry):
        for one, other in pairwise(path) if len(path) > 1 else ((path[0], path[0]),):
            yield (one[0], one[1]), (other[0], other[1])


def _piece(here: _Vector, one: _Degrees, other: _Degrees) -> tuple[float, _Degrees, _Degrees]:
    """A piece with the metres that it is away at the least."""
    chord, _ = _to_chord(here, _vector(*one), _vector(*other))
    return chord - _bulge(one, other), one, other


def _to_piece(place: Place, here: _Vector, one: _Degrees, other: _Degrees) -> float:
    """Metres to the nearest point of one piece."""
    across, up = other[0] - one[0], other[1] - one[1]

    def at(share: float) -> float:
        return between(place, one[0] + across * share, one[1] + up * share)

    if one == other:
        return at(0)
    if _bulge(one, other) < _FINE:
        return at(_to_chord(here, _vector(*one), _vector(*other))[1])
    low, high = 0.0, 1.0
    left, right = high - _GOLDEN, low + _GOLDEN
    at_left, at_right = at(left), at(right)
    while high - low > 1e-7:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = at(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = at(right)
    return min(at_left, at_right, at(0), at(1))


def _bulge(one: _Degrees, other: _Degrees) -> float:
    """Metres that a piece is from its chord at the most: a sagitta, half as much again."""
    turn = math.radians(math.hypot(other[0] - one[0], other[1] - one[1]))
    return _A * turn * turn / 8 * 1.5


def _vector(longitude: float, latitude: float) -> _Vector:
    """A place of the ellipsoid from the middle of the earth, metres."""
    east, north = math.radians(longitude), math.radians(latitude)
    normal = _A / math.sqrt(1 - _E2 * math.sin(north) ** 2)
    flat = normal * math.cos(north)
    return flat * math.cos(east), flat * math.sin(east), normal * (1 - _E2) * math.sin(north)


def _to_chord(here: _Vector, start: _Vector, end: _Vector) -> tuple[float, float]:
    """Metres from a point to a straight line's nearest point, and where that is from 0 to 1."""
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    px, py, pz = here[0] - start[0], here[1] - start[1], here[2] - start[2]
    square = dx * dx + dy * dy + dz * dz
    share = 0.0 if square == 0 else (px * dx + py * dy + pz * dz) / square
    share = min(max(share, 0.0), 1.0)
    x, y, z = px - dx * share, py - dy * share, pz - dz * share
    return math.sqrt(x * x + y * y + z * z), share
