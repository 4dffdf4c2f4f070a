"""Faces: how wide a character is, and font files with just the characters of a document.

Invariants:

- A character a face lacks never vanishes or becomes a box: InvalidArgument names its code point
  (GLYPH_MISSING).
- Subsets are TrueType; the collection's CFF outlines are converted (cu2qu, within a thousandth of
  an em). Poppler and PDFium draw either alike; TrueType is what the most readers know, and such a
  subset is a tenth smaller.
- A subset is assembled from cached glyphs and not by a subsetter: fontTools' takes some 400 ms for
  this font, this under 1 ms. Same characters, same bytes.
- The collection holds one weight. "bold" is that weight with its outlines spread outwards, done
  in the font file, so that every viewer shows the same.

The font is Noto Sans CJK SC (SIL Open Font License 1.1), package `noto-cjk-sans-otc`.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import Any, Protocol

import noto_cjk_sans_otc  # type: ignore[import-untyped]
from fontTools.misc import sstruct
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, TTLibError

from licenses.pages import truetype
from licenses.pages.collection import CollectionFont
from licenses.pages.truetype import Glyph
from runtime.errors import InvalidArgument

# Order of faces in Noto's collection: JP, KR, SC, TC, HK, then the monospaced five.
_SIMPLIFIED_CHINESE = 2
_UNITS = 1000
# fontTools is untyped.
_quadratic_pen: Any = Cu2QuPen
_glyph_pen: Any = TTGlyphPen
_open_font: Any = TTFont
# How far bold outlines are spread, in thousandths of an em (half on each side of a stroke).
_BOLD_SPREAD = 34.0
MAX_FONT_BYTES = 32 << 20
# What fontTools lets out of a hostile file, as fuzzing found.
_BROKEN_FONT = (
    *(TTLibError, KeyError, ValueError, AssertionError, IndexError, OSError, ArithmeticError),
    *(struct.error, sstruct.Error, AttributeError, TypeError),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FontSubset:
    """A font file and how to use it.

    `glyphs`: character to glyph number in `data`; `advances`: thousandths of an em, by glyph
    number; `name`: PostScript name with a subset tag; `cff`: an OpenType file with CFF outlines.
    """

    name: str
    family: str
    data: bytes = field(repr=False)
    glyphs: dict[str, int] = field(repr=False)
    advances: Sequence[float] = field(repr=False)
    ascent: float
    descent: float
    cff: bool = False


class Face(Protocol):
    """A font a text can be set in."""

    def advance(self, character: str) -> float:
        """Advance width in ems; InvalidArgument GLYPH_MISSING where the face has no such glyph."""
        ...

    def subset(self, characters: frozenset[str]) -> FontSubset:
        """A font file that has at least these characters."""
        ...


def _missing(character: str) -> InvalidArgument:
    point = f"U+{ord(character):04X}"
    return InvalidArgument(
        f"the font has no glyph for {point}; use another character for it",
        reason="GLYPH_MISSING",
        message_zh=f"字库中没有 {point} 对应的字形，请改用其他字符",
        code_point=point,
    )


@lru_cache(maxsize=1)
def _collection() -> CollectionFont:
    return CollectionFont(noto_cjk_sans_otc.FONT_PATH, _SIMPLIFIED_CHINESE)


@lru_cache(maxsize=65_536)
def _glyph_number(character: str) -> int:
    glyph = _collection().glyph(ord(character))
    if glyph is None:
        raise _missing(character)
    return glyph


@lru_cache(maxsize=65_536)
def _advance(character: str) -> float:
    return _collection().advance(_glyph_number(character)) / _UNITS


# About 300 bytes a glyph: full, the cache takes 4 MB.
@lru_cache(maxsize=8_192)
def _outline(glyph: int, bold: bool) -> Glyph:
    """A glyph as a TrueType outline, ready to be put into a subset."""
    pen = _glyph_pen(None)
    collection = _collection()
    # TrueType fills to the right of a contour, CFF to the left.
    collection.draw(glyph, _quadratic_pen(pen, 1.0, reverse_direction=True))
    outline = pen.glyph()
    if bold and outline.numberOfContours > 0:
        _spread(outline)
    data = bytes(outline.compile(None))
    bounds = (0, 0, 0, 0)
    points = contours = 0
    if outline.numberOfContours > 0:
        bounds = (outline.xMin, outline.yMin, outline.xMax, outline.yMax)
        points, contours = len(outline.coordinates), outline.numberOfContours
    return Glyph(
        advance=collection.advance(glyph),
        data=data,
        bounds=bounds,
        points=points,
        contours=contours,
    )


def _spread(outline: Any) -> None:
    """Move every point outwards along the bisector of its two edges.

    A sharp corner is held to the length of its shorter edge, so that no outline turns inside out.
    """
    start = 0
    half = _BOLD_SPREAD / 2
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


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    """A face of the collection."""

    bold: bool

    def advance(self, character: str) -> float:
        return _advance(character)

    def subset(self, characters: frozenset[str]) -> FontSubset:
        return _built_in_subset(characters, self.bold)


@lru_cache(maxsize=32)
def _built_in_subset(characters: frozenset[str], bold: bool) -> FontSubset:
    ordered = sorted(characters)
    numbers = [_glyph_number(character) for character in ordered]
    outlines = [_outline(glyph, bold) for glyph in (0, *numbers)]
    style = "Bold" if bold else "Regular"
    digest = hashlib.sha256("".join(ordered).encode() + style.encode()).digest()
    tag = "".join(chr(ord("A") + byte % 26) for byte in digest[:6])
    name = f"{tag}+NotoSansCJKsc-{style}"
    collection = _collection()
    data = truetype.build(
        outlines,
        [ord(character) for character in ordered],
        name=name,
        family="Noto Sans CJK SC",
        bold=bold,
        ascent=collection.ascent,
        descent=collection.descent,
    )
    return FontSubset(
        name=name,
        family="Noto Sans CJK SC",
        data=data,
        glyphs={character: position for position, character in enumerate(ordered, start=1)},
        advances=[outline.advance for outline in outlines],
        ascent=collection.ascent,
        descent=collection.descent,
    )


class EmbeddedFace:
    """A font file that came with a document (read for previews); embedded again as it is."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_FONT_BYTES:
            raise InvalidArgument(
                f"an embedded font is larger than {MAX_FONT_BYTES >> 20} MiB",
                reason="FONT_TOO_LARGE",
                message_zh="内嵌字体过大",
            )
        try:
            font = _open_font(BytesIO(data), lazy=True)
            numbers = font.getReverseGlyphMap()
            cmap = font.getBestCmap() or {}
            self._cmap = {point: int(numbers[name]) for point, name in cmap.items()}
            scale = _UNITS / font["head"].unitsPerEm
            metrics = font["hmtx"].metrics
            self._advances = [metrics[name][0] * scale for name in font.getGlyphOrder()]
            self._vertical = (font["hhea"].ascent * scale, font["hhea"].descent * scale)
            self._cff = "CFF " in font
        except _BROKEN_FONT as error:
            raise InvalidArgument(
                "an embedded font cannot be read; embed a TrueType or OpenType font",
                reason="FONT_UNREADABLE",
                message_zh="内嵌字体无法解析",
            ) from error
        self._data = data
        self._digest = hashlib.sha256(data).hexdigest()

    def _glyph(self, character: str) -> int:
        glyph = self._cmap.get(ord(character))
        if glyph is None:
            raise _missing(character)
        return glyph

    def advance(self, character: str) -> float:
        """Advance width in ems."""
        return float(self._advances[self._glyph(character)]) / _UNITS

    def subset(self, characters: frozenset[str]) -> FontSubset:
        """The whole file: it is a subset already, and its bytes are the document's."""
        letters = "".join(chr(ord("A") + int(digit, 16)) for digit in self._digest[:6])
        return FontSubset(
            name=f"{letters}+Embedded-{self._digest[:8]}",
            family="Embedded",
            data=self._data,
            glyphs={character: self._glyph(character) for character in sorted(characters)},
            advances=self._advances,
            ascent=self._vertical[0],
            descent=self._vertical[1],
            cff=self._cff,
        )


_BUILT_IN: dict[str, Face] = {"regular": _BuiltIn(False), "bold": _BuiltIn(True)}


@lru_cache(maxsize=16)
def _embedded(data: bytes) -> EmbeddedFace:
    return EmbeddedFace(data)


def face(name: str, file: bytes | None = None) -> Face:
    """The face of a name: a font file where the document has one, else a built-in face.

    Raises InvalidArgument FONT_UNKNOWN.
    """
    if file is not None:
        return _embedded(file)
    found = _BUILT_IN.get(name)
    if found is None:
        raise InvalidArgument(
            f"no face is called {name!r}; there are {', '.join(sorted(_BUILT_IN))}",
            reason="FONT_UNKNOWN",
            message_zh="没有这个名称的字体",
        )
    return found
