"""The picture of a round official seal: a ring, the name on an arc, a five-pointed star.

Invariants:

1. Everything is outlines, in mm, y downwards, origin at the top left: nothing depends on the fonts
   of whoever looks. `outlines` is what PDF and OFD draw, `svg` the same as text, `render_png` the
   same as pixels.
2. The same arguments give the same bytes.
3. Proportions follow the county-level seal of 42 mm (State Council notice 国发〔1999〕25号: ring,
   star, name from left to right around it) and scale with the diameter.
4. Glyphs are condensed to fit the arc, as engravers do, and never overlap.
"""

# fontTools publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import noto_cjk_sans_otc  # type: ignore[import-untyped]
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageDraw

from runtime.errors import InvalidArgument

Point = tuple[float, float]
# ("M", (p,)), ("L", (p,)), ("C", (control, control, p)) and ("Z", ()).
Command = tuple[str, tuple[Point, ...]]
Outline = tuple[Command, ...]

RED: Final = (0xDD, 0x00, 0x00)
_SIMPLIFIED_CHINESE: Final = 2  # the face's number in the collection
_EM: Final = 1000
_DESCENT: Final = 120  # the ideographic em box runs from -120 to 880
_CIRCLE: Final = 4 * (math.sqrt(2) - 1) / 3  # a quarter circle as one cubic

# All in mm of a 42 mm seal.
_UNIT: Final = 42.0
_RADIUS: Final = 21.0
_RING: Final = 1.2
_TEXT_RADIUS: Final = 18.8  # where the heads of the glyphs are
_STAR_RADIUS: Final = 7.0
_BOTTOM_TOP: Final = 9.2
_BOTTOM_HEIGHT: Final = 3.8
_BOTTOM_WIDTH: Final = 18.0
_CODE_RADIUS: Final = 18.9
_CODE_HEIGHT: Final = 1.7

_LONGEST_NAME: Final = 30
_LONGEST_BOTTOM: Final = 12
_LONGEST_CODE: Final = 18
_SUPERSAMPLING: Final = 4
_CURVE_STEPS: Final = 8
_MAX_DPI: Final = 1200
_DEGREES: Final = bytes((0, 85, 170, 255))  # of opacity, from none to full


@dataclass(frozen=True, slots=True, kw_only=True)
class SealImage:
    """A drawn seal. `outlines` are filled with `RED` by the nonzero rule, each on its own."""

    outlines: tuple[Outline, ...]
    svg: str
    width_mm: float
    height_mm: float


def circular_seal(
    name: str, *, bottom: str = "", code: str = "", diameter_mm: float = _UNIT
) -> SealImage:
    """Draw the seal of the body called `name` (2 to 30 characters).

    `bottom` is a straight line under the star (a special seal's purpose, at most 12 characters);
    `code` small figures along the lower edge (at most 18). Raises `InvalidArgument`
    (`BAD_SEAL_TEXT`) for a text that does not fit or that the font cannot write.
    """
    _check("name", "印章名称", name, 2, _LONGEST_NAME)
    _check("bottom line", "印章下方文字", bottom, 0, _LONGEST_BOTTOM)
    _check("code", "印章编码", code, 0, _LONGEST_CODE)
    if not 10 <= diameter_mm <= 100:
        raise InvalidArgument(
            "A seal's diameter is between 10 and 100 mm.",
            reason="BAD_SEAL_TEXT",
            message_zh="印章直径应在 10 至 100 毫米之间。",
        )
    arc = _arc(name, 240.0 if bottom else 262.0 if code else 272.0)
    drawn = [_ring(), _star(), *arc]
    if bottom:
        drawn += _line(bottom)
    if code:
        drawn += _code(code)
    scale = diameter_mm / _UNIT
    outlines = tuple(_placed(outline, scale) for outline in drawn)
    return SealImage(
        outlines=outlines,
        svg=_svg(outlines, diameter_mm),
        width_mm=diameter_mm,
        height_mm=diameter_mm,
    )


def _check(what: str, what_zh: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise InvalidArgument(
            f"The {what} of a seal has {least} to {most} characters.",
            reason="BAD_SEAL_TEXT",
            message_zh=f"{what_zh}应为 {least} 至 {most} 个字。",
        )


# --- glyphs ----------------------------------------------------------------------------------

_font_lock = threading.Lock()


@lru_cache(maxsize=1)
def _font() -> tuple[Any, dict[int, str]]:
    """The glyph set and the character map; 0.2 s once."""
    font = TTFont(noto_cjk_sans_otc.FONT_PATH, fontNumber=_SIMPLIFIED_CHINESE, lazy=True)
    return font.getGlyphSet(), font.getBestCmap() or {}


@lru_cache(maxsize=4096)
def _glyph(character: str) -> tuple[int, Outline]:
    """Advance and outline in font units (y upwards)."""
    with _font_lock:  # the font reads its file lazily, at one position for all threads
        glyphs, characters = _font()
        word = characters.get(ord(character))
        if word is None:
            raise InvalidArgument(
                "The seal's text has a character that the font cannot write.",
                reason="BAD_SEAL_TEXT",
                message_zh="印章文字中有字体未收录的字符。",
            )
        pen = DecomposingRecordingPen(glyphs)
        glyphs[word].draw(pen)
        advance = glyphs[word].width
    letters = {"moveTo": "M", "lineTo": "L", "curveTo": "C", "closePath": "Z", "endPath": "Z"}
    outline = tuple(
        (letters[operator], tuple((float(x), float(y)) for x, y in points))
        for operator, points in pen.value
    )
    return advance, outline


def _weights(text: str) -> list[float]:
    """How much room each character takes, an ideograph being 1."""
    return [min(max(_glyph(character)[0] / _EM, 0.45), 1.0) for character in text]


def _cells(text: str, pitch: float) -> Iterator[tuple[str, float, float]]:
    """(character, middle of its cell, its width in cells), in units of `pitch`, around 0."""
    weights = _weights(text)
    at = -sum(weights) / 2
    for character, weight in zip(text, weights, strict=True):
        yield character, (at + weight / 2) * pitch, weight
        at += weight


def _upright(character: str, width: float, height: float) -> Outline:
    """A glyph in a box of `width` around x = 0, feet at y = 0, y upwards, in mm."""
    advance, outline = _glyph(character)
    across, up = width / advance, height / _EM

    def place(point: Point) -> Point:
        return (point[0] - advance / 2) * across, (point[1] + _DESCENT) * up

    return _mapped(outline, place)


def _mapped(outline: Outline, place: Callable[[Point], Point]) -> Outline:
    return tuple((letter, tuple(place(point) for point in points)) for letter, points in outline)


# --- the parts, around (0, 0), y downwards, in mm of a 42 mm seal ----------------------------


def _arc(name: str, span: float) -> list[Outline]:
    """The name on an arc of at most `span` degrees.

    Short names stand wide and tall; long ones get narrower before they get much smaller.
    """
    count = sum(_weights(name))
    height = min(7.2, max(4.4, 8.3 - 0.155 * count))
    pitch = math.radians(min(33.0, span / count))
    feet = _TEXT_RADIUS - height
    # The feet are nearest the centre, so closest together: they decide the width.
    width = min(height * 0.92, 2 * feet * math.tan(pitch / 2) * 0.97)
    drawn = []
    for character, angle, weight in _cells(name, pitch):
        sine, cosine = math.sin(angle), math.cos(angle)

        def place(
            point: Point, sine: float = sine, cosine: float = cosine, feet: float = feet
        ) -> Point:
            across, out = point[0], feet + point[1]
            return across * cosine + out * sine, across * sine - out * cosine

        drawn.append(_mapped(_upright(character, width * weight, height), place))
    return drawn


def _line(text: str) -> list[Outline]:
    """The straight line under the star, between the ends of the arc."""
    pitch = min(_BOTTOM_HEIGHT * 0.9, _BOTTOM_WIDTH / sum(_weights(text)))
    drawn = []
    for character, at, weight in _cells(text, pitch):

        def place(point: Point, at: float = at) -> Point:
            return point[0] + at, _BOTTOM_TOP + _BOTTOM_HEIGHT - point[1]

        drawn.append(_mapped(_upright(character, pitch * 0.97 * weight, _BOTTOM_HEIGHT), place))
    return drawn


def _code(text: str) -> list[Outline]:
    """Small figures along the lower edge, heads towards the centre, read from left to right."""
    pitch = min(math.radians(8.5), math.radians(76.0) / sum(_weights(text)))
    drawn = []
    for character, angle, weight in _cells(text, pitch):
        sine, cosine = math.sin(angle), math.cos(angle)

        def place(point: Point, sine: float = sine, cosine: float = cosine) -> Point:
            across, out = point[0], _CODE_RADIUS - point[1]
            return across * cosine + out * sine, -across * sine + out * cosine

        drawn.append(_mapped(_upright(character, _CODE_HEIGHT * weight, _CODE_HEIGHT), place))
    return drawn


def _ring() -> Outline:
    """The outer edge clockwise, the inner edge against it."""
    return (*_circle(_RADIUS, 1), *_circle(_RADIUS - _RING, -1))


def _circle(radius: float, turn: int) -> Outline:
    """Four cubics."""
    k = _CIRCLE
    quarter = [((1.0, k), (k, 1.0), (0.0, 1.0)), ((-k, 1.0), (-1.0, k), (-1.0, 0.0))]
    quarter += [((-1.0, -k), (-k, -1.0), (0.0, -1.0)), ((k, -1.0), (1.0, -k), (1.0, 0.0))]
    curves = [tuple((x * radius, y * radius * turn) for x, y in points) for points in quarter]
    return (("M", ((radius, 0.0),)), *(("C", points) for points in curves), ("Z", ()))


def _star() -> Outline:
    """A regular five-pointed star, one point up, its arms straight."""
    inner = _STAR_RADIUS * math.sin(math.pi / 10) / math.sin(7 * math.pi / 10)
    corners = []
    for index in range(10):
        radius = _STAR_RADIUS if index % 2 == 0 else inner
        angle = math.pi * index / 5
        corners.append((radius * math.sin(angle), -radius * math.cos(angle)))
    return (("M", (corners[0],)), *(("L", (corner,)) for corner in corners[1:]), ("Z", ()))


def _placed(outline: Outline, scale: float) -> Outline:
    """Scaled, moved so that the top left is (0, 0), and rounded to 1 µm: the same everywhere."""

    def place(point: Point) -> Point:
        return (
            round((point[0] + _RADIUS) * scale, 3) + 0.0,
            round((point[1] + _RADIUS) * scale, 3) + 0.0,
        )

    return _mapped(outline, place)


# --- output ----------------------------------------------------------------------------------


def path_data(outline: Outline) -> str:
    """SVG path data (M, L, C, Z; absolute), which OFD's AbbreviatedData resembles closely."""
    return " ".join(
        letter + " ".join(f"{x:g} {y:g}" for x, y in points) for letter, points in outline
    )


def _svg(outlines: Sequence[Outline], size: float) -> str:
    """One path a figure: figures that touch stay filled."""
    colour = "#{:02x}{:02x}{:02x}".format(*RED)
    paths = "".join(f'<path d="{path_data(outline)}"/>' for outline in outlines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size:g}mm" height="{size:g}mm" '
        f'viewBox="0 0 {size:g} {size:g}"><g fill="{colour}">{paths}</g></svg>'
    )


def render_png(image: SealImage, dpi: int = 300) -> bytes:
    """PNG with a transparent ground. Raises `InvalidArgument` (`BAD_RESOLUTION`) above 1200 dpi.

    Four degrees of the one red, two bits a pixel: every sealed OFD holds the picture twice, and
    more degrees make it larger without anyone seeing them at 300 dpi.
    """
    if not 36 <= dpi <= _MAX_DPI:
        raise InvalidArgument(
            f"The resolution is between 36 and {_MAX_DPI} dpi.",
            reason="BAD_RESOLUTION",
            message_zh=f"分辨率应在 36 至 {_MAX_DPI} dpi 之间。",
        )
    width = max(1, round(image.width_mm / 25.4 * dpi))
    height = max(1, round(image.height_mm / 25.4 * dpi))
    mask = Image.new("1", (width * _SUPERSAMPLING, height * _SUPERSAMPLING))
    for outline in image.outlines:
        _fill(mask, outline, width * _SUPERSAMPLING / image.width_mm)
    coverage = mask.convert("L").reduce(_SUPERSAMPLING)
    steps = len(_DEGREES) - 1
    degrees = coverage.point([round(value * steps / 255) for value in range(256)])
    degrees.putpalette(bytes(RED) * len(_DEGREES))
    return _png(degrees, round(dpi / 0.0254))


def _png(degrees: Image.Image, per_metre: int) -> bytes:
    """A PNG of palette indices below 4 (ISO/IEC 15948).

    Rows go unfiltered: slanted strokes are no more like the row above than like anything else, and
    filtering, as libraries do, makes the file a tenth larger.
    """
    width, height = degrees.size
    rows, stride = degrees.tobytes("raw", "P;2"), (width + 3) // 4
    lines = b"".join(b"\0" + rows[at * stride : (at + 1) * stride] for at in range(height))
    deflater = zlib.compressobj(9, memLevel=9)
    chunks = (
        (b"IHDR", struct.pack(">2L5B", width, height, 2, 3, 0, 0, 0)),
        (b"PLTE", bytes(RED) * len(_DEGREES)),
        (b"tRNS", _DEGREES),
        (b"pHYs", struct.pack(">2LB", per_metre, per_metre, 1)),
        (b"IDAT", deflater.compress(lines) + deflater.flush()),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _fill(mask: Image.Image, outline: Outline, scale: float) -> None:
    """Fill one outline. The contours of a glyph nest and never cross, so even-odd is nonzero."""
    contours = [
        [(x * scale, y * scale) for x, y in contour]
        for contour in _flattened(outline, _CURVE_STEPS)
    ]
    across = [x for contour in contours for x, _ in contour]
    down = [y for contour in contours for _, y in contour]
    if not across:
        return
    left, top = math.floor(min(across)), math.floor(min(down))
    size = (math.ceil(max(across)) - left + 1, math.ceil(max(down)) - top + 1)
    figure = Image.new("1", size)
    for contour in contours:
        one = Image.new("1", size)
        ImageDraw.Draw(one).polygon([(x - left, y - top) for x, y in contour], fill=1)
        figure = ImageChops.logical_xor(figure, one)
    mask.paste(1, (left, top), figure)


def _flattened(outline: Outline, steps: int) -> Iterator[list[Point]]:
    """The contours as polygons."""
    contour: list[Point] = []
    for letter, points in outline:
        if letter == "M":
            contour = [points[0]]
        elif letter == "L":
            contour.append(points[0])
        elif letter == "C":
            contour += _cubic(contour[-1], *points, steps=steps)
        elif len(contour) > 2:
            yield contour


def _cubic(p0: Point, p1: Point, p2: Point, p3: Point, *, steps: int) -> Iterator[Point]:
    """Points of a cubic after its start. Big arcs want more of them."""
    reach = max(abs(p3[0] - p0[0]), abs(p3[1] - p0[1]))
    count = steps * (8 if reach > 5 else 1)
    for index in range(1, count + 1):
        t = index / count
        s = 1 - t
        a, b, c, d = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
        yield (
            a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0],
            a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1],
        )
