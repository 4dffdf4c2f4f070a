"""Characters as outlines, so that nothing drawn depends on the fonts of whoever looks.

An outline is a run of commands in absolute coordinates: `M`, `L` and `C` (cubic) with their points,
and `Z`. Glyphs have y upwards, everything placed has y downwards.
"""

# fontTools publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import noto_cjk_sans_otc  # type: ignore[import-untyped]
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont

from runtime.errors import InvalidArgument

Point = tuple[float, float]
# ("M", (p,)), ("L", (p,)), ("C", (control, control, p)) and ("Z", ()).
Command = tuple[str, tuple[Point, ...]]
Outline = tuple[Command, ...]

_SIMPLIFIED_CHINESE: Final = 2  # the face's number in the collection
_EM: Final = 1000
_DESCENT: Final = 120  # the ideographic em box runs from -120 to 880

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
            code = f"U+{ord(character):04X}"
            shown = f"{character} ({code})" if character.isprintable() else code
            raise InvalidArgument(
                f"The seal's text has a character that the font cannot write: {shown}. Write it "
                "with another, or send the image.",
                reason="BAD_SEAL_TEXT",
                message_zh=f"印章文字中有字体未收录的字符：{shown}。请换字，或上传印章图像。",
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


def weights(text: str) -> list[float]:
    """How much room each character takes, an ideograph being 1."""
    return [min(max(_glyph(character)[0] / _EM, 0.45), 1.0) for character in text]


def cells(text: str, pitch: float) -> Iterator[tuple[str, float, float]]:
    """(character, middle of its cell, its width in cells), in units of `pitch`, around 0."""
    widths = weights(text)
    at = -sum(widths) / 2
    for character, weight in zip(text, widths, strict=True):
        yield character, (at + weight / 2) * pitch, weight
        at += weight


def upright(character: str, width: float, height: float) -> Outline:
    """A glyph in a box of `width` around x = 0, feet at y = 0, y upwards, in mm."""
    advance, outline = _glyph(character)
    across, up = width / advance, height / _EM

    def place(point: Point) -> Point:
        return (point[0] - advance / 2) * across, (point[1] + _DESCENT) * up

    return mapped(outline, place)


def mapped(outline: Outline, place: Callable[[Point], Point]) -> Outline:
    """The outline with every point put elsewhere."""
    return tuple((letter, tuple(place(point) for point in points)) for letter, points in outline)


def flattened(outline: Outline, steps: int) -> Iterator[list[Point]]:
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
