"""The pictures of official seals: circular, oval and square, drawn as outlines.

Invariants:

1. Everything is outlines, in mm, y downwards, origin at the top left: nothing depends on the fonts
   of whoever looks.
2. The same arguments give the same bytes.
3. Proportions follow the round seal of 42 mm (国发〔1999〕25号: ring, star, name from left to right
   around it), the invoice seal of 40 x 30 mm (oval) and common practice (square), and scale with
   the size.
4. Glyphs are condensed to fit, as engravers do, and never overlap.

Weaker than the rule: it wants a Song typeface, and ours is a sans-serif one; the national emblem of
governments' own seals is not drawn (upload the engraver's picture, `seal.image.upload`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from runtime.errors import FieldViolation, InvalidArgument
from seal.image.glyphs import Outline, Point, cells, mapped, upright, weights
from seal.image.render import RED as RED
from seal.image.render import Drawing as Drawing
from seal.image.render import render_png as render_png
from seal.image.render import render_svg as render_svg

SIZES_MM: Final = (10.0, 100.0)
"""The least and the largest width or height of a seal."""
_LONGEST_NAME: Final = 40
_LONGEST_LINE: Final = 12
_LONGEST_CODE: Final = 18
_LONGEST_SQUARE: Final = 16
_CIRCLE: Final = 4 * (math.sqrt(2) - 1) / 3  # a quarter circle as one cubic
_STEPS: Final = 720  # of half a turn, to measure lengths along an ellipse

# The circular seal, in mm of one of 42 mm.
_DIAMETER: Final = 42.0
_RING: Final = 1.2
_TEXT_RADIUS: Final = 18.8  # where the heads of the glyphs are
_STAR_RADIUS: Final = 7.0
_LINE_TOP: Final = 9.2
_LINE_HEIGHT: Final = 3.8
_LINE_WIDTH: Final = 18.0
_CODE_RADIUS: Final = 18.9
_CODE_HEIGHT: Final = 1.7

# The oval seal, in mm of one 30 mm high (发票专用章: ring 1, gap 0.5, figures 3.7, line 4.2 below).
_OVAL_HEIGHT: Final = 30.0
_OVAL_WIDTH: Final = 40.0
_OVAL_RING: Final = 1.0
_OVAL_GAP: Final = 0.7
_OVAL_CODE_HEIGHT: Final = 3.4
_OVAL_LINE_TOP: Final = 3.9
_OVAL_LINE_HEIGHT: Final = 4.4

# The square seal, in mm of one of 20 mm.
_SQUARE: Final = 20.0
_SQUARE_BORDER: Final = 1.0
_SQUARE_MARGIN: Final = 1.0
_SQUARE_GAP: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Ellipse:
    """An ellipse around (0, 0), walked clockwise from its top; lengths in mm."""

    across: float
    down: float

    def at(self, length: float) -> tuple[Point, float]:
        """The point after `length` (negative: the other way), and which way the walk turned."""
        turn = math.copysign(_turn_after(self.across, self.down, abs(length)), length)
        point = (self.across * math.sin(turn), -self.down * math.cos(turn))
        return point, math.atan2(self.down * math.sin(turn), self.across * math.cos(turn))

    def length(self, degrees: float) -> float:
        """How long the part within `degrees` of the parameter, half to each side of the top, is."""
        measured = _lengths(self.across, self.down)
        return 2 * measured[round(degrees / 360 * _STEPS)]


@lru_cache(maxsize=64)
def _lengths(across: float, down: float) -> tuple[float, ...]:
    """The length from the top to each of the steps of half a turn."""
    found, sofar, last = [0.0], 0.0, (0.0, -down)
    for index in range(1, _STEPS + 1):
        turn = math.pi * index / _STEPS
        point = (across * math.sin(turn), -down * math.cos(turn))
        sofar += math.dist(last, point)
        found.append(sofar)
        last = point
    return tuple(found)


def _turn_after(across: float, down: float, length: float) -> float:
    measured = _lengths(across, down)
    after = min(max(bisect_left(measured, length), 1), _STEPS)
    begin, end = measured[after - 1], measured[after]
    return math.pi * (after - 1 + (length - begin) / (end - begin)) / _STEPS


# --- the three shapes ------------------------------------------------------------------------


def circular_seal(
    name: str,
    *,
    bottom: str = "",
    code: str = "",
    star: bool = True,
    diameter_mm: float = _DIAMETER,
) -> Drawing:
    """The round seal of the body called `name` (2 to 40 characters).

    `bottom` is a straight line under the star (a special seal's purpose, at most 12 characters);
    `code` small figures along the lower edge (at most 18). Raises `InvalidArgument`:
    `BAD_SEAL_TEXT` for a text that does not fit or that the font cannot write, `BAD_SEAL_SIZE`.
    """
    _check_texts(name, bottom, code)
    _check_size(diameter_mm)
    span = 246.0 if bottom else 268.0 if code else 280.0
    half = _DIAMETER / 2
    drawn = [_ring(half, half, _RING), *_round_name(name, span)]
    if star:
        drawn.insert(1, _star())
    if bottom:
        drawn += _line(bottom, top=_LINE_TOP, height=_LINE_HEIGHT, width=_LINE_WIDTH)
    if code:
        drawn += _round_code(code)
    return _drawing(drawn, half, half, diameter_mm / _DIAMETER)


def oval_seal(
    name: str,
    *,
    bottom: str = "",
    code: str = "",
    width_mm: float = _OVAL_WIDTH,
    height_mm: float = _OVAL_HEIGHT,
) -> Drawing:
    """An oval special seal (专用章): `name` on an arc (2 to 40 characters), a line across.

    `bottom` is the line (at most 12 characters), lower when `code` (at most 18) takes the middle.
    Raises `InvalidArgument` (`BAD_SEAL_TEXT`, `BAD_SEAL_SIZE`), also for a seal that is not wider
    than high, or more than twice as wide.
    """
    _check_texts(name, bottom, code)
    _check_size(width_mm, height_mm)
    if not height_mm < width_mm <= 2 * height_mm:
        raise _bad_size(
            "an oval seal is wider than high, by twice at most", "椭圆章应宽大于高且不超过两倍"
        )
    scale = height_mm / _OVAL_HEIGHT
    across, down = width_mm / scale / 2, _OVAL_HEIGHT / 2
    drawn = [_ring(across, down, _OVAL_RING), *_oval_name(name, across, down)]
    width = 1.1 * across
    if code:
        drawn += _line(code, top=-2.2, height=_OVAL_CODE_HEIGHT, width=1.24 * across)
    if bottom:
        top = _OVAL_LINE_TOP if code else 0.8
        drawn += _line(bottom, top=top, height=_OVAL_LINE_HEIGHT, width=width)
    return _drawing(drawn, across, down, scale)


def square_seal(text: str, *, size_mm: float = _SQUARE) -> Drawing:
    """A square seal (名章): up to 16 characters in columns, read from the right, downwards.

    Raises `InvalidArgument` (`BAD_SEAL_TEXT`, `BAD_SEAL_SIZE`).
    """
    _check_text("display_name", "--name", text, 1, _LONGEST_SQUARE, kind="square ", kind_zh="方形")
    _check_size(size_mm)
    half = _SQUARE / 2
    drawn = [_frame(half, _SQUARE_BORDER)]
    inner = _SQUARE - 2 * (_SQUARE_BORDER + _SQUARE_MARGIN)
    columns = _columns(text)
    pitch = (inner + _SQUARE_GAP) / len(columns)
    for at, column in enumerate(columns):
        middle = inner / 2 - pitch * at - (pitch - _SQUARE_GAP) / 2
        step = (inner + _SQUARE_GAP) / len(column)
        height = step - _SQUARE_GAP
        width = min(pitch - _SQUARE_GAP, 1.6 * height)
        for row, character in enumerate(column):
            feet = -inner / 2 + step * row + height
            drawn.append(_moved(upright(character, width, height), middle, feet))
    return _drawing(drawn, half, half, size_mm / _SQUARE)


# --- what is refused -------------------------------------------------------------------------


def _check_texts(name: str, line: str, code: str) -> None:
    _check_text("display_name", "--name", name, 2, _LONGEST_NAME)
    _check_text("bottom_line", "--bottom-line", line, 0, _LONGEST_LINE)
    _check_text("seal_code", "--code", code, 0, _LONGEST_CODE)


def _check_text(
    field: str, option: str, text: str, least: int, most: int, *, kind: str = "", kind_zh: str = ""
) -> None:
    if not least <= len(text) <= most:
        said = f"{least} to {most}" if least else f"at most {most}"
        said_zh = f"{least} 至 {most}" if least else f"至多 {most}"
        raise InvalidArgument(
            f"{field} ({option}) of a {kind}seal has {said} characters: shorten it, or upload a "
            "picture (--image)",
            reason="BAD_SEAL_TEXT",
            message_zh=f"{kind_zh}印章的 {field}（{option}）应为 {said_zh} 个字："
            "请缩短，或上传图片（--image）",
            violations=[FieldViolation(field, f"{said} characters")],
        )


def _check_size(*sizes: float) -> None:
    if not all(SIZES_MM[0] <= size <= SIZES_MM[1] for size in sizes):
        raise _bad_size(
            "a seal measures 10 to 100 mm (--width, --height)",
            "印章尺寸应在 10 至 100 毫米之间（--width、--height）",
        )


def _bad_size(what: str, what_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"The seal cannot be drawn: {what}.",
        reason="BAD_SEAL_SIZE",
        message_zh=f"无法绘制印章：{what_zh}。",
    )


# --- the parts, around (0, 0), y downwards ---------------------------------------------------


def _along(
    text: str, feet: _Ellipse, *, pitch: float, width: float, height: float
) -> list[Outline]:
    """A text around the top of an ellipse, its feet on it, heads outwards.

    `pitch` and `width` are those of a whole ideograph. Feet are nearest the centre, so closest
    together: glyphs that do not meet there meet nowhere.
    """
    drawn = []
    for character, length, weight in cells(text, pitch):
        (x, y), turn = feet.at(length)
        sine, cosine = math.sin(turn), math.cos(turn)

        def place(
            point: Point, x: float = x, y: float = y, sine: float = sine, cosine: float = cosine
        ) -> Point:
            across, out = point
            return x + across * cosine + out * sine, y + across * sine - out * cosine

        drawn.append(mapped(upright(character, width * weight, height), place))
    return drawn


def _round_name(name: str, span: float) -> list[Outline]:
    """The name of a circular seal, on an arc of at most `span` degrees.

    Short names stand wide and tall; long ones get narrower before they get much smaller.
    """
    count = sum(weights(name))
    height = min(7.2, max(4.2, 8.3 - 0.155 * count))
    feet = _Ellipse(_TEXT_RADIUS - height, _TEXT_RADIUS - height)
    pitch = min(feet.across * math.radians(33.0), feet.length(span) / count)
    return _along(name, feet, pitch=pitch, width=min(height * 0.92, pitch * 0.97), height=height)


def _oval_name(name: str, across: float, down: float) -> list[Outline]:
    """The name of an oval seal; heads as near the ring as in the model."""
    count = sum(weights(name))
    height = min(4.6, max(3.3, 5.2 - 0.06 * count))
    inset = _OVAL_RING + _OVAL_GAP + height
    feet = _Ellipse(across - inset, down - inset)
    pitch = min(height * 1.25, feet.length(238.0) / count)
    return _along(name, feet, pitch=pitch, width=min(height * 0.92, pitch * 0.97), height=height)


def _line(text: str, *, top: float, height: float, width: float) -> list[Outline]:
    """A straight line, at most so wide."""
    pitch = min(height * 0.9, width / sum(weights(text)))
    return [
        _moved(upright(character, pitch * 0.97 * weight, height), at, top + height)
        for character, at, weight in cells(text, pitch)
    ]


def _round_code(text: str) -> list[Outline]:
    """Small figures along the lower edge, heads towards the centre, read from left to right."""
    pitch = min(math.radians(8.5), math.radians(76.0) / sum(weights(text)))
    drawn = []
    for character, angle, weight in cells(text, pitch):
        sine, cosine = math.sin(angle), math.cos(angle)

        def place(point: Point, sine: float = sine, cosine: float = cosine) -> Point:
            across, out = point[0], _CODE_RADIUS - point[1]
            return across * cosine + out * sine, -across * sine + out * cosine

        drawn.append(mapped(upright(character, _CODE_HEIGHT * weight, _CODE_HEIGHT), place))
    return drawn


def _columns(text: str) -> list[str]:
    """As square as it goes, the columns at the right the fuller ones."""
    count = max(1, math.ceil(math.sqrt(len(text)))) if len(text) > 2 else 1
    rows, longer = divmod(len(text), count)
    columns, at = [], 0
    for index in range(count):
        size = rows + (index < longer)
        columns.append(text[at : at + size])
        at += size
    return columns


def _ring(across: float, down: float, width: float) -> Outline:
    """The outer edge clockwise, the inner edge against it."""
    return (*_ellipse(across, down, 1), *_ellipse(across - width, down - width, -1))


def _ellipse(across: float, down: float, turn: int) -> Outline:
    """Four cubics."""
    k = _CIRCLE
    quarter = [((1.0, k), (k, 1.0), (0.0, 1.0)), ((-k, 1.0), (-1.0, k), (-1.0, 0.0))]
    quarter += [((-1.0, -k), (-k, -1.0), (0.0, -1.0)), ((k, -1.0), (1.0, -k), (1.0, 0.0))]
    curves = [tuple((x * across, y * down * turn) for x, y in points) for points in quarter]
    return (("M", ((across, 0.0),)), *(("C", points) for points in curves), ("Z", ()))


def _frame(half: float, width: float) -> Outline:
    """The outer edge clockwise, the inner edge against it."""
    inner = half - width
    outside = ((-half, -half), (half, -half), (half, half), (-half, half))
    inside = ((-inner, -inner), (-inner, inner), (inner, inner), (inner, -inner))
    return (*_polygon(*outside), *_polygon(*inside))


def _polygon(*corners: Point) -> Outline:
    return (("M", (corners[0],)), *(("L", (corner,)) for corner in corners[1:]), ("Z", ()))


def _star() -> Outline:
    """A regular five-pointed star, one point up, its arms straight."""
    inner = _STAR_RADIUS * math.sin(math.pi / 10) / math.sin(7 * math.pi / 10)
    corners = []
    for index in range(10):
        radius = _STAR_RADIUS if index % 2 == 0 else inner
        angle = math.pi * index / 5
        corners.append((radius * math.sin(angle), -radius * math.cos(angle)))
    return _polygon(*corners)


def _moved(glyph: Outline, x: float, feet: float) -> Outline:
    """An upright glyph with its middle at `x`, its feet at `feet`."""
    return mapped(glyph, lambda point: (point[0] + x, feet - point[1]))


def _drawing(drawn: list[Outline], across: float, down: float, scale: float) -> Drawing:
    """Moved so that the top left is (0, 0), scaled, rounded to 1 µm: the same everywhere."""

    def place(point: Point) -> Point:
        return (
            round((point[0] + across) * scale, 3) + 0.0,
            round((point[1] + down) * scale, 3) + 0.0,
        )

    return Drawing(
        outlines=tuple(mapped(outline, place) for outline in drawn),
        width_mm=round(2 * across * scale, 3),
        height_mm=round(2 * down * scale, 3),
    )
