"""Path data: reading, writing and bounding it.

The syntax is OFD's abbreviated data (GB/T 33190 §9.1); every renderer starts from `segments()`,
where arcs have become cubics, so that all of them draw the same curve.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from licenses.pages.model import IDENTITY, Box, Matrix
from runtime.errors import InvalidArgument

# An operator (M, L, Q, B or C) with its coordinates.
Segment = tuple[str, tuple[float, ...]]

_OPERANDS = {"S": 2, "M": 2, "L": 2, "Q": 4, "B": 6, "A": 7, "C": 0}
MAX_SEGMENTS = 200_000


def number(value: float) -> str:
    """A length as short text: three decimals (a micrometre), no trailing zeros, never `-0`."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _bad(why: str) -> InvalidArgument:
    return InvalidArgument(
        f"path data cannot be read: {why}", reason="PATH_INVALID", message_zh="矢量路径数据无法解析"
    )


@lru_cache(maxsize=256)
def segments(data: str) -> tuple[Segment, ...]:
    """Parse path data into M, L, Q, B and C; InvalidArgument PATH_INVALID where it is malformed."""
    found: list[Segment] = []
    tokens = data.replace(",", " ").split()
    at = 0
    here = (0.0, 0.0)
    while at < len(tokens):
        operator = tokens[at]
        count = _OPERANDS.get(operator)
        if count is None or at + count >= len(tokens) + (count == 0):
            raise _bad("unknown operator or too few operands")
        try:
            operands = tuple(float(token) for token in tokens[at + 1 : at + 1 + count])
        except ValueError:
            raise _bad("an operand is not a number") from None
        if not all(math.isfinite(operand) for operand in operands):
            raise _bad("an operand is not finite")
        at += 1 + count
        if operator == "A":
            found.extend(_arc(here, operands))
        else:
            found.append(("M" if operator == "S" else operator, operands))
        if operands:
            here = (operands[-2], operands[-1])
        if len(found) > MAX_SEGMENTS:
            raise _bad("too many segments")
    return tuple(found)


def _arc(start: tuple[float, float], operands: tuple[float, ...]) -> list[Segment]:
    """An elliptical arc as cubics (the endpoint form; SVG 1.1 appendix F.6 gives the formulas)."""
    rx, ry, angle, large, sweep, x, y = operands
    rx, ry = abs(rx), abs(ry)
    if (x, y) == start:
        return []
    if not rx or not ry:
        return [("L", (x, y))]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    dx, dy = (start[0] - x) / 2, (start[1] - y) / 2
    px, py = cos * dx + sin * dy, -sin * dx + cos * dy
    over = (px / rx) ** 2 + (py / ry) ** 2
    if over > 1:
        rx, ry = rx * math.sqrt(over), ry * math.sqrt(over)
    below = (rx * py) ** 2 + (ry * px) ** 2
    root = math.sqrt(max(0.0, ((rx * ry) ** 2 - below) / below))
    if bool(large) == bool(sweep):
        root = -root
    cx, cy = root * rx * py / ry, -root * ry * px / rx
    first = math.atan2((py - cy) / ry, (px - cx) / rx)
    turn = math.atan2((-py - cy) / ry, (-px - cx) / rx) - first
    if sweep and turn < 0:
        turn += 2 * math.pi
    elif not sweep and turn > 0:
        turn -= 2 * math.pi
    centre = (cos * cx - sin * cy + (start[0] + x) / 2, sin * cx + cos * cy + (start[1] + y) / 2)
    frame: Matrix = (rx * cos, rx * sin, -ry * sin, ry * cos, centre[0], centre[1])
    return _unit_arc(first, turn, frame)


def _unit_arc(first: float, turn: float, frame: Matrix) -> list[Segment]:
    """Cubics of at most a quarter turn each along the unit circle, seen through `frame`."""
    pieces = max(1, math.ceil(abs(turn) / (math.pi / 2) - 1e-9))
    step = turn / pieces
    reach = 4 / 3 * math.tan(step / 4)
    found: list[Segment] = []
    for piece in range(pieces):
        a, b = first + piece * step, first + (piece + 1) * step
        points = (
            (math.cos(a) - reach * math.sin(a), math.sin(a) + reach * math.cos(a)),
            (math.cos(b) + reach * math.sin(b), math.sin(b) - reach * math.cos(b)),
            (math.cos(b), math.sin(b)),
        )
        found.append(("B", tuple(v for point in points for v in apply(frame, *point))))
    return found


def apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    """A point through a transform."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def compose(outer: Matrix, inner: Matrix) -> Matrix:
    """The transform that applies `inner` first, then `outer`."""
    if outer == IDENTITY:
        return inner
    a, b, c, d, _, _ = outer
    ia, ib, ic, id_, ie, if_ = inner
    e, f = apply(outer, ie, if_)
    return (a * ia + c * ib, b * ia + d * ib, a * ic + c * id_, b * ic + d * id_, e, f)


@lru_cache(maxsize=256)
def bounds(data: str) -> Box:
    """A box (x, y, width, height) that holds the path: that of its control points."""
    points = [operands for _, operands in segments(data)]
    xs = [value for operands in points for value in operands[0::2]] or [0.0]
    ys = [value for operands in points for value in operands[1::2]] or [0.0]
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


# Bounded, so that what is malformed cannot cost more than its length.
_PLAIN = re.compile(r"M [0-9]{1,6} [0-9]{1,6}(?: (?:[ML] [0-9]{1,6} [0-9]{1,6}|C))*")


def is_plain(data: str) -> bool:
    """Whether path data is lines between whole numbers, as of a QR code: it is written as it is."""
    return _PLAIN.fullmatch(data) is not None


@lru_cache(maxsize=256)
def moved(data: str, dx: float, dy: float) -> str:
    """Path data shifted by (dx, dy), in short numbers, arcs turned into cubics."""
    if not dx and not dy and is_plain(data):
        return data
    words: list[str] = []
    for operator, operands in segments(data):
        words.append(operator)
        for position, value in enumerate(operands):
            words.append(number(value + (dy if position % 2 else dx)))
    return " ".join(words)


def rectangle(x: float, y: float, width: float, height: float) -> str:
    """Path data of a rectangle."""
    left, top, right, bottom = (number(v) for v in (x, y, x + width, y + height))
    return f"M {left} {top} L {right} {top} L {right} {bottom} L {left} {bottom} C"
