"""Where outlines come from: the two large fonts of the built-in faces, and the fallback files.

Invariants:

- A source is opened when its first character is asked for, never at import.
- Outlines leave here as TrueType contours of one grid, whatever the file was; advances are whole
  units of that grid, so that what is measured is what the files say; shifts and
  several glyphs put together into one (a Tibetan stack, a letter with its marks) are done here too,
  so that no renderer has to know of them.
- A fallback file is bounded in bytes, and one that cannot be read is refused by its name.

The fonts: Noto Sans CJK SC (package `noto-cjk-sans-otc`), Noto Serif SC (`pylopdf-fonts-zh-cn`),
and for other scripts the files in `licenses/fonts`; all under the SIL Open Font License 1.1.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import noto_cjk_sans_otc  # type: ignore[import-untyped]
import pylopdf_fonts_zh_cn
from fontTools.misc import sstruct
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, TTLibError

from licenses.pages.collection import CollectionFont
from licenses.pages.truetype import STEP, UNITS_PER_EM, Glyph
from runtime.errors import InvalidArgument

UNITS = 1000
MAX_FONT_BYTES = 64 << 20
# How far a converted outline may be from the font's own, in thousandths of an em: 0.02 mm in the
# largest letters of a text, 0.1 mm in the largest title; a twelfth of the file is saved.
_ERROR = 4.0
_GRID = UNITS_PER_EM / UNITS
# Order of faces in Noto's collection: JP, KR, SC, TC, HK, then the monospaced five.
_SIMPLIFIED_CHINESE = 2
# fontTools is untyped.
_quadratic_pen: Any = Cu2QuPen
_glyph_pen: Any = TTGlyphPen
_transform_pen: Any = TransformPen
_recording_pen: Any = DecomposingRecordingPen
_open_font: Any = TTFont
# What fontTools lets out of a hostile file, as fuzzing found.
BROKEN_FONT = (
    *(TTLibError, KeyError, ValueError, AssertionError, IndexError, OSError, ArithmeticError),
    *(struct.error, sstruct.Error, AttributeError, TypeError, NotImplementedError),
)
#: A glyph of a source, moved by (x, y) in thousandths of an em.
Part = tuple[int, int, int]


class Source(Protocol):
    """A font outlines are taken from."""

    family: str
    ascent: int
    descent: int

    def __hash__(self) -> int: ...

    def glyph(self, code_point: int) -> int | None:
        """The number of a character's glyph, or None."""
        ...

    def advance(self, glyph: int) -> float:
        """Advance width in thousandths of an em."""
        ...

    def contours(self, glyph: int, pen: Any, shift: tuple[int, int]) -> None:
        """Draw TrueType contours on a subset's grid; `shift` is in thousandths of an em."""
        ...

    def file(self) -> bytes:
        """The font as an OpenType file, for who shapes with it."""
        ...


def on_grid(advance: float) -> int:
    """An advance in thousandths of an em as the nearest that a subset can say."""
    return STEP * round(advance / STEP)


class LargeFont:
    """One of the CFF fonts of the built-in faces."""

    def __init__(self, path: Path, number: int, family: str) -> None:
        self._path = path
        self._font = CollectionFont(path, number)
        self.family = family
        self.ascent, self.descent = self._font.ascent, self._font.descent

    def glyph(self, code_point: int) -> int | None:
        """The number of a character's glyph, or None."""
        return self._font.glyph(code_point)

    def advance(self, glyph: int) -> float:
        """Advance width in thousandths of an em."""
        return on_grid(self._font.advance(glyph))

    def contours(self, glyph: int, pen: Any, shift: tuple[int, int]) -> None:
        """Draw the outline; TrueType fills to the right of a contour, CFF to the left."""
        target = _quadratic_pen(pen, _ERROR * _GRID, reverse_direction=True)
        moved = (shift[0] * _GRID, shift[1] * _GRID)
        self._font.draw(glyph, _transform_pen(target, (_GRID, 0, 0, _GRID, *moved)))

    def file(self) -> bytes:
        """The whole file."""
        return self._path.read_bytes()


class FileFont:
    """A fallback font: TrueType or OpenType, a WOFF file of either, or the first of a collection.

    Raises InvalidArgument FONT_UNREADABLE, FONT_TOO_LARGE.
    """

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > MAX_FONT_BYTES:
            raise InvalidArgument(
                f"the font {path.name} is larger than {MAX_FONT_BYTES >> 20} MiB",
                reason="FONT_TOO_LARGE",
                message_zh=f"字体 {path.name} 过大",
            )
        self._path = path
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._font = _open_font(data, lazy=True, fontNumber=0)
            self._numbers = self._font.getReverseGlyphMap()
            self._order = self._font.getGlyphOrder()
            self._scale = UNITS / int(self._font["head"].unitsPerEm)
            self._metrics = self._font["hmtx"].metrics
            self.ascent = round(self._font["hhea"].ascent * self._scale)
            self.descent = round(self._font["hhea"].descent * self._scale)
            self._cff = "glyf" not in self._font
            self._cmap: dict[int, str] = self._font.getBestCmap() or {}
            self._glyphs = self._font.getGlyphSet()
            self.family = str(self._font["name"].getDebugName(1) or path.stem)
        except BROKEN_FONT as error:
            raise InvalidArgument(
                f"the font {path.name} cannot be read: take it out of the folder, or replace it "
                "by a TrueType or OpenType font",
                reason="FONT_UNREADABLE",
                message_zh=f"字体 {path.name} 无法解析：请移除或换用 TrueType/OpenType 字体",
            ) from error

    def glyph(self, code_point: int) -> int | None:
        """The number of a character's glyph, or None."""
        name = self._cmap.get(code_point)
        return None if name is None else int(self._numbers[name])

    def advance(self, glyph: int) -> float:
        """Advance width in thousandths of an em."""
        return on_grid(self._metrics[self._order[glyph]][0] * self._scale)

    def contours(self, glyph: int, pen: Any, shift: tuple[int, int]) -> None:
        """Draw the outline with its components put in place."""
        recorded = _recording_pen(self._glyphs)
        self._glyphs[self._order[glyph]].draw(recorded)
        target = _quadratic_pen(pen, _ERROR * _GRID, reverse_direction=self._cff)
        scale = self._scale * _GRID
        moved = (shift[0] * _GRID, shift[1] * _GRID)
        recorded.replay(_transform_pen(target, (scale, 0, 0, scale, *moved)))

    def file(self) -> bytes:
        """The font as an OpenType file."""
        data = self._path.read_bytes()
        if data[:4] not in (b"wOFF", b"ttcf"):
            return data
        target = BytesIO()
        font = _open_font(BytesIO(data), fontNumber=0)
        font.flavor = None
        font.save(target)
        return target.getvalue()


@lru_cache(maxsize=1)
def sans() -> Source:
    """Noto Sans CJK SC."""
    return LargeFont(noto_cjk_sans_otc.FONT_PATH, _SIMPLIFIED_CHINESE, "Noto Sans CJK SC")


@lru_cache(maxsize=1)
def serif() -> Source:
    """Noto Serif SC."""
    return LargeFont(pylopdf_fonts_zh_cn.serif_path(), 0, "Noto Serif SC")


def compile_glyph(source: Source, parts: Sequence[Part], advance: float, spread: float) -> Glyph:
    """Glyphs of a source as one TrueType outline, ready to be put into a subset.

    `spread`: how far the outline is moved outwards, for bold; thousandths of an em.
    """
    pen = _glyph_pen(None)
    for glyph, x, y in parts:
        source.contours(glyph, pen, (x, y))
    outline = pen.glyph()
    if spread and outline.numberOfContours > 0:
        _spread(outline, spread * _GRID / 2)
    data = bytes(outline.compile(None))
    bounds = (0, 0, 0, 0)
    points = contours = 0
    if outline.numberOfContours > 0:
        bounds = (outline.xMin, outline.yMin, outline.xMax, outline.yMax)
        points, contours = len(outline.coordinates), outline.numberOfContours
    return Glyph(
        advance=on_grid(advance), data=data, bounds=bounds, points=points, contours=contours
    )


def _spread(outline: Any, half: float) -> None:
    """Move every point outwards along the bisector of its two edges.

    A sharp corner is held to the length of its shorter edge, so that no outline turns inside out.
    """
    start = 0
    for end in outline.endPtsOfContours:
        points = [outline.coordinates[i] for i in range(start, end + 1)]
        for i, point in enumerate(points):
            before, after = points[i - 1], points[(i + 1) % len(points)]
            ix, iy = point[0] - before[0], point[1] - before[1]
            ox, oy = after[0] - point[0], after[1] - point[1]
            into, out = math.hypot(ix, iy), math.hypot(ox, oy)
            if not into or not out:
                continue
            ix, iy, ox, oy = ix / into, iy / into, ox / out, oy / out
            cosine = ix * ox + iy * oy
            if cosine < -0.94:  # a spike: its bisector points nowhere useful
                shift = (0.0, 0.0)
            else:
                # Contours run clockwise, so outside is to the left of the direction of travel.
                scale = min(half / (1 + cosine), max(min(into, out), half))
                shift = (-(iy + oy) * scale, (ix + ox) * scale)
            outline.coordinates[start + i] = (
                round(point[0] + shift[0]),
                round(point[1] + shift[1]),
            )
        start = end + 1
