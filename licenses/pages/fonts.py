"""Faces: how wide a character is, and font files with just the characters of a document.

Invariants:

- A character a face lacks never vanishes or becomes a box: another font of the chain has it
  (`fallback`), or InvalidArgument names its code point (GLYPH_MISSING).
- Subsets are TrueType; CFF outlines are converted (cu2qu, within four thousandths of an em).
  Poppler and PDFium draw either alike; TrueType is what the most readers know, and such a subset is
  a tenth smaller.
- A subset is assembled from cached glyphs and not by a subsetter: fontTools' takes some 400 ms for
  this font, this under 1 ms. Same characters, same bytes.
- The large fonts have one weight. "bold" is that weight with its outlines spread outwards, done in
  the font file, so that every viewer shows the same.
- A name with `+` is the same face in a second file: what one document needs beyond the characters
  that all of its template share (`Document.shared`), so that the shared file is made and deflated
  once for all licenses of a type, whether they are issued one by one or in a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from typing import Any, Protocol

from fontTools.ttLib import TTFont

from licenses.pages import bidi, fallback, truetype
from licenses.pages.shaping import Unit, parse_key, run_length, shape
from licenses.pages.sources import BROKEN_FONT, UNITS, Source, compile_glyph, on_grid, sans, serif
from licenses.pages.truetype import Glyph
from runtime.errors import InvalidArgument

_open_font: Any = TTFont
# How far bold outlines are spread, in thousandths of an em (half on each side of a stroke).
_BOLD_SPREAD = 34.0
MAX_FONT_BYTES = 32 << 20
_TEXT_LIMIT = 4096
# Characters that a refusal names at most.
_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FontSubset:
    """A font file and how to use it.

    `glyphs`: key to glyph number in `data`, a key being a character or as `shaping` says;
    `advances`: thousandths of an em, by glyph number; `name`: PostScript name with a subset tag;
    `cff`: an OpenType file with CFF outlines.
    """

    name: str
    family: str
    data: bytes = field(repr=False)
    glyphs: dict[str, int] = field(repr=False)
    advances: Sequence[float] = field(repr=False)
    ascent: float
    descent: float
    cff: bool = False
    bold: bool = False


class Face(Protocol):
    """A font a text can be set in."""

    def advance(self, character: str) -> float:
        """Advance width in ems; InvalidArgument GLYPH_MISSING where the face has no such glyph."""
        ...

    def subset(self, characters: frozenset[str]) -> FontSubset:
        """A font file that has at least these characters (or keys)."""
        ...


def _missing(*characters: str) -> InvalidArgument:
    """The refusal of characters by their code points; `code_point` is the first."""
    points = [f"U+{ord(one):04X}" for one in dict.fromkeys(characters)][:_NAMED]
    told = ", ".join(points)
    return InvalidArgument(
        f"no font here has a glyph for {told}; use another character for it, or have the operator "
        "add a font that has it",
        reason="GLYPH_MISSING",
        message_zh=f"字库中没有 {told} 对应的字形，请改用其他字符，或请运维人员添加含该字形的字体",
        code_point=points[0],
    )


@dataclass(frozen=True, slots=True)
class _BuiltIn:
    """A face of one of our fonts."""

    name: str
    style: str
    bold: bool

    @property
    def source(self) -> Source:
        if self.style == "serif":
            return serif()
        if self.style == "sans":
            return sans()
        found = fallback.source(self.style)
        if found is None:
            raise _unknown(self.name)
        return found

    def advance(self, character: str) -> float:
        return _advance(self.source, character)

    def subset(self, characters: frozenset[str]) -> FontSubset:
        return _subset(self.source, characters, self.bold)


@lru_cache(maxsize=65_536)
def _glyph_number(source: Source, character: str) -> int:
    glyph = source.glyph(ord(character))
    if glyph is None:
        raise _missing(character)
    return glyph


@lru_cache(maxsize=65_536)
def _advance(source: Source, character: str) -> float:
    return source.advance(_glyph_number(source, character)) / UNITS


# About 300 bytes a glyph: full, the cache takes 4 MB.
@lru_cache(maxsize=8_192)
def _outline(source: Source, key: str, bold: bool) -> Glyph:
    """What a key draws, as a TrueType outline; the empty key is .notdef."""
    spread = _BOLD_SPREAD if bold else 0.0
    if len(key) > 1:
        parts, advance = parse_key(key)
        return compile_glyph(source, parts, advance, spread)
    glyph = _glyph_number(source, key) if key else 0
    return compile_glyph(source, [(glyph, 0, 0)], source.advance(glyph), spread)


@lru_cache(maxsize=64)
def _subset(source: Source, characters: frozenset[str], bold: bool) -> FontSubset:
    ordered = sorted(characters)
    outlines = [_outline(source, key, bold) for key in ("", *ordered)]
    style = "Bold" if bold else "Regular"
    family = source.family
    digest = hashlib.sha256(f"{''.join(ordered)}{style}{family}".encode()).digest()
    tag = "".join(chr(ord("A") + byte % 26) for byte in digest[:6])
    name = f"{tag}+{''.join(c for c in family if c.isascii() and c.isalnum())}-{style}"
    data = truetype.build(
        outlines,
        _code_points(ordered),
        name=name,
        family=family,
        bold=bold,
        ascent=source.ascent,
        descent=source.descent,
    )
    return FontSubset(
        name=name,
        family=family,
        data=data,
        glyphs={key: position for position, key in enumerate(ordered, start=1)},
        advances=[outline.advance for outline in outlines],
        ascent=source.ascent,
        descent=source.descent,
        bold=bold,
    )


def _code_points(ordered: Sequence[str]) -> dict[int, int]:
    """Glyph numbers by code point: a character's own glyph, else the first that is drawn for it."""
    found: dict[int, int] = {}
    for position, key in enumerate(ordered, start=1):
        point = ord(key[0])
        if point not in found or (ordered[found[point] - 1].endswith("\0") and len(key) > 2):
            found[point] = position
    return found


def units(text: str, name: str) -> tuple[Unit, ...]:
    """A text's units in reading order, each in the first face of the chain that has it.

    `name`: a built-in face. Raises InvalidArgument: GLYPH_MISSING, FONT_UNKNOWN.
    """
    own, generation = _built_in(name), fallback.generation()
    found: list[Unit] = []
    missing: list[str] = []
    at = 0
    while at < len(text):
        length = run_length(text, at)
        shaped = _shaped(text[at : at + length], own.bold) if length else None
        if shaped:
            found.extend(shaped)
            at += length
            continue
        unit = _plain(text[at], own, generation)
        if unit is None:
            missing.append(text[at])
        else:
            found.append(unit)
        at += 1
    if missing:
        raise _missing(*missing)
    return tuple(found)


def directed(found: Sequence[Unit], *, leftwards: bool) -> tuple[Unit, ...]:
    """The units of a paragraph with their levels; a bracket that runs to the left is turned."""
    if not leftwards and not any(unit.leftwards for unit in found):
        return tuple(found)
    known = bidi.levels([unit.text for unit in found], leftwards=leftwards)
    return tuple(
        replace(_turned(unit) if level % 2 else unit, level=level)
        for unit, level in zip(found, known, strict=True)
    )


def _turned(unit: Unit) -> Unit:
    """A bracket as the other one of its pair is drawn: the text stays what it is."""
    other = bidi.MIRRORED.get(unit.text)
    source = _built_in(unit.face).source
    glyph = source.glyph(ord(other)) if other else None
    if glyph is None:
        return unit
    return replace(unit, shapes=(f"{unit.text}\0{glyph},0,0@{on_grid(unit.width * 1000)}",))


def _shaped(run: str, bold: bool) -> tuple[Unit, ...] | None:
    """A run by the first fallback font that shapes all of it."""
    for name in fallback.names():
        source = fallback.source(name) if name != fallback.SANS else None
        if source is not None and source.glyph(ord(run[0])) is not None:
            shaped = shape(run, f"{name}-bold" if bold else name, source)
            if shaped:
                return shaped
    return None


@lru_cache(maxsize=16_384)
def _plain(character: str, own: _BuiltIn, _generation: int) -> Unit | None:
    if own.source.glyph(ord(character)) is not None:
        return Unit(character, own.name, own.advance(character))
    other = fallback.find(ord(character))
    if other is None:
        return None
    name = other
    if own.bold:
        name = "bold" if other == fallback.SANS else f"{other}-bold"
    return Unit(character, name, _built_in(name).advance(character))


def shared(texts: Mapping[str, Iterable[str]]) -> Mapping[str, frozenset[str]]:
    """The characters that documents with these texts (by face) share, for `Document.shared`.

    Every document with the same shared characters embeds the same file, which is subset and
    deflated once a process; a text that needs another character is set wholly in the face's `+`.
    """
    return {name: frozenset("".join(own)) for name, own in texts.items()}


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
            scale = UNITS / font["head"].unitsPerEm
            metrics = font["hmtx"].metrics
            self._advances = [metrics[name][0] * scale for name in font.getGlyphOrder()]
            self._vertical = (font["hhea"].ascent * scale, font["hhea"].descent * scale)
            self._cff = "CFF " in font
        except BROKEN_FONT as error:
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
        return float(self._advances[self._glyph(character)]) / UNITS

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


_BUILT_IN = {
    one.name: one
    for one in (
        _BuiltIn("regular", "sans", False),
        _BuiltIn("bold", "sans", True),
        _BuiltIn("serif", "serif", False),
        _BuiltIn("serif-bold", "serif", True),
    )
}
#: The faces a template may name.
FACES = tuple(_BUILT_IN)


def _unknown(name: str) -> InvalidArgument:
    return InvalidArgument(
        f"no face is called {name!r}; there are {', '.join(sorted(_BUILT_IN))}",
        reason="FONT_UNKNOWN",
        message_zh="没有这个名称的字体",
    )


@lru_cache(maxsize=256)
def _built_in(name: str) -> _BuiltIn:
    found = _BUILT_IN.get(name.removesuffix("+"))
    if found is not None:
        return found
    style = name.removesuffix("+").removesuffix("-bold")
    if style not in fallback.names():
        raise _unknown(name)
    return _BuiltIn(name, style, name.removesuffix("+").endswith("-bold"))


@lru_cache(maxsize=16)
def _embedded(data: bytes) -> EmbeddedFace:
    return EmbeddedFace(data)


def face(name: str, file: bytes | None = None) -> Face:
    """The face of a name: a font file where the document has one, else a built-in or fallback face.

    Raises InvalidArgument FONT_UNKNOWN.
    """
    if file is not None:
        return _embedded(file)
    return _built_in(name)
