"""Guilloche: the fine interlaced lines of official papers, as vector paths.

Pure geometry in mm. Curves are few and long cubics, and what repeats is told once and placed by a
matrix, so that a page stays small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from licenses.pages.model import Matrix

Point = tuple[float, float]
#: Path data, and where it is put.
Placed = tuple[str, Matrix]

# A half wave of a sine as one cubic: control points this far in and 4/3 of the height up.
_REACH = 0.3642


# Curves that stretch further than this (mm) are written to a tenth instead of a hundredth.
_LARGE = 10.0


def _short(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _cubics(
    start: Point, triples: Sequence[tuple[Point, Point, Point]], closed: bool, digits: int = 2
) -> str:
    words = [f"M {_short(start[0], digits)} {_short(start[1], digits)}"]
    words.extend(
        "B " + " ".join(_short(v, digits) for point in triple for v in point) for triple in triples
    )
    if closed:
        words.append("C")
    return " ".join(words)


@lru_cache(maxsize=64)
def wave(start: Point, end: Point, *, halves: int, height: float, first: int = 1) -> str:
    """A sine of `halves` half waves from `start` to `end`, `height` mm high to either side."""
    dx, dy = (end[0] - start[0]) / halves, (end[1] - start[1]) / halves
    length = math.hypot(dx, dy)
    nx, ny = -dy / length * height * 4 / 3, dx / length * height * 4 / 3
    triples = []
    for half in range(halves):
        side = first if half % 2 == 0 else -first
        x, y = start[0] + dx * half, start[1] + dy * half
        triples.append(
            (
                (x + dx * _REACH + nx * side, y + dy * _REACH + ny * side),
                (x + dx * (1 - _REACH) + nx * side, y + dy * (1 - _REACH) + ny * side),
                (x + dx, y + dy),
            )
        )
    return _cubics(start, triples, closed=False, digits=1 if length > _LARGE / 2 else 2)


def _placed(start: Point, end: Point, *, halves: int, height: float, first: int = 1) -> Placed:
    """A sine as `wave` draws it, told as one that starts in the origin, and where that is put.

    Waves of one size are the same words then, whichever way they run, and deflate to nothing.
    """
    length = math.dist(start, end)
    ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    data = wave((0.0, 0.0), (length, 0.0), halves=halves, height=height)
    return data, (ux, uy, -uy * first, ux * first, start[0], start[1])


def band(
    box: tuple[float, float, float, float], *, period: float, height: float
) -> list[list[Placed]]:
    """Interlaced waves around a rectangle (x, y, width, height), from corner to corner.

    Whole periods a side, so that the strands meet the corners; four strands of falling height.
    """
    x, y, width, height_of_box = box
    corners = [(x, y), (x + width, y), (x + width, y + height_of_box), (x, y + height_of_box)]
    strands: list[list[Placed]] = []
    for share in (1.0, 0.62, -0.62, -1.0):
        parts = []
        for i, start in enumerate(corners):
            end = corners[(i + 1) % 4]
            halves = 2 * max(1, round(math.dist(start, end) / period))
            first = 1 if share > 0 else -1
            parts.append(
                _placed(start, end, halves=halves, height=abs(share) * height, first=first)
            )
        strands.append(parts)
    return strands


# A squared spiral in a cell of 8 by 8, and on to the next cell.
_FRET = ((0, 8), (0, 0), (7, 0), (7, 6), (2, 6), (2, 2), (5, 2), (5, 4), (4, 4))


def meander(box: tuple[float, float, float, float], *, unit: float) -> str:
    """Squared spirals along the inner side of a box, whole ones a side, and one in each corner."""
    x, y, width, height = box
    words: list[str] = []
    sides = (
        ((x, y), (1, 0), (0, 1), width),
        ((x + width, y), (0, 1), (-1, 0), height),
        ((x + width, y + height), (-1, 0), (0, -1), width),
        ((x, y + height), (0, -1), (1, 0), height),
    )
    for (ox, oy), (ax, ay), (bx, by), length in sides:
        count = max(1, round(length / unit) - 1)
        step = length / (count + 1)
        for cell in range(count):
            along = cell * step
            points = []
            for u, v in _FRET:
                a, b = along + u * step / 8, v * unit / 8
                points.append(f"{_short(ox + ax * a + bx * b)} {_short(oy + ay * a + by * b)}")
            words.append(f"M {points[0]} " + " ".join(f"L {point}" for point in points[1:]))
    return " ".join(words)


def waves(
    box: tuple[float, float, float, float], *, period: float, height: float, step: float
) -> list[Placed]:
    """Sines across a box from left to right, `step` apart, every other one mirrored."""
    x, y, width, tall = box
    halves = 2 * max(1, round(width / period))
    rows = []
    for row in range(max(1, int(tall / step)) + 1):
        level = y + row * step
        if level > y + tall + 1e-9:
            break
        first = 1 if row % 2 == 0 else -1
        ends = ((x, level), (x + width, level))
        rows.append(_placed(*ends, halves=halves, height=height, first=first))
    return rows


def _turned(centre: Point, angle: float) -> Matrix:
    cos, sin = math.cos(angle), math.sin(angle)
    return cos, sin, -sin, cos, centre[0], centre[1]


def rosette(
    centre: Point, *, radius: float, petals: int, depth: float, turn: float = 0.0
) -> Placed:
    """A closed curve r(θ) = radius · (1 - depth + depth · cos(petals · θ + turn)).

    `depth` 0 is a circle; 0.5 reaches the centre.
    """
    return _rosette(radius, petals, depth), _turned(centre, -turn / petals)


@lru_cache(maxsize=64)
def _rosette(radius: float, petals: int, depth: float) -> str:
    def place(angle: float) -> Point:
        r = radius * (1 - depth + depth * math.cos(petals * angle))
        return r * math.cos(angle), r * math.sin(angle)

    return _smooth(place, petals * 6 if petals < 6 else petals * 4, 1 if radius > 30 else 2)


# A curve of equal lobes is told by at most so many equal parts.
_MOST_PARTS = 6


def loops(centre: Point, *, radius: float, lobes: int, share: float) -> list[Placed]:
    """A hypotrochoid of `lobes` loops within `radius`; `share` is the small circle's.

    Given as equal arcs, each some lobes long, turned around the centre.
    """
    parts = next(count for count in range(_MOST_PARTS, 0, -1) if lobes % count == 0)
    data = _loops(radius, lobes, share, parts)
    return [(data, _turned(centre, 2 * math.pi * i / parts)) for i in range(parts)]


@lru_cache(maxsize=64)
def _loops(radius: float, lobes: int, share: float, parts: int) -> str:
    inner = radius * share
    outer = radius - inner

    def place(angle: float) -> Point:
        x = outer * math.cos(angle) + inner * math.cos((lobes - 1) * angle)
        y = outer * math.sin(angle) - inner * math.sin((lobes - 1) * angle)
        return x, y

    return _smooth(place, lobes * 5, 1 if radius > 30 else 2, parts)


def _smooth(place: Callable[[float], Point], count: int, digits: int, parts: int = 1) -> str:
    """A closed curve through `count` points as cubics, tangents by central differences.

    Of several `parts` it is the first only, which is open.
    """
    step = 2 * math.pi / count
    small = step / 100
    points = [place(i * step) for i in range(count)]
    slopes = []
    for i in range(count):
        (ax, ay), (bx, by) = place(i * step - small), place(i * step + small)
        slopes.append(((bx - ax) / (2 * small) * step / 3, (by - ay) / (2 * small) * step / 3))
    triples = []
    for i in range(count // parts):
        j = (i + 1) % count
        triples.append(
            (
                (points[i][0] + slopes[i][0], points[i][1] + slopes[i][1]),
                (points[j][0] - slopes[j][0], points[j][1] - slopes[j][1]),
                points[j],
            )
        )
    return _cubics(points[0], triples, closed=parts == 1, digits=digits)
