"""A large TrueType font read in place, as `collection` reads a CFF one; nothing is held of it.

fontTools holds 100 MB of a font of 60,000 ideographs, of which a license shows one. Only what draws
is read: `cmap` format 12, `hmtx`, `loca` and `glyf`. A glyph made of others is as one it lacks.

Source: OpenType 1.9 (cmap, glyf, hmtx, loca).
"""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import Struct, error, unpack_from
from typing import Any

from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib.tables._g_l_y_f import Glyph

from licenses.pages.truetype import STEP, UNITS_PER_EM
from runtime.errors import InvalidArgument

# fontTools is untyped.
_glyph: Any = Glyph
_transform_pen: Any = TransformPen
_GROUP = Struct(">III")
_RECORD = Struct(">4sIII")
_THOUSAND = 1000
_GRID = UNITS_PER_EM / _THOUSAND


class LargeTrueType:
    """One font file. Raises InvalidArgument FONT_UNREADABLE."""

    def __init__(self, path: Path, family: str) -> None:
        self._path = path
        self.family = family
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read()
        except (OSError, ValueError, KeyError, IndexError, error) as problem:
            raise InvalidArgument(
                f"the font {path.name} cannot be read: install it anew, or remove it",
                reason="FONT_UNREADABLE",
                message_zh=f"字体 {path.name} 无法解析：请重新安装或卸载",
            ) from problem

    def _read(self) -> None:
        data = self._data
        tables: dict[bytes, int] = {}
        for row in range(unpack_from(">H", data, 4)[0]):
            tag, _, offset, _ = _RECORD.unpack_from(data, 12 + 16 * row)
            tables[tag] = offset
        self._scale = _THOUSAND / int(unpack_from(">H", data, tables[b"head"] + 18)[0])
        self._long = unpack_from(">h", data, tables[b"head"] + 50)[0] == 1
        ascent, descent = unpack_from(">hh", data, tables[b"hhea"] + 4)
        self.ascent, self.descent = round(ascent * self._scale), round(descent * self._scale)
        self._long_metrics = int(unpack_from(">H", data, tables[b"hhea"] + 34)[0])
        self._metrics, self._loca = tables[b"hmtx"], tables[b"loca"]
        self._glyf = tables[b"glyf"]
        cmap = tables[b"cmap"]
        for row in range(unpack_from(">H", data, cmap + 2)[0]):
            offset = cmap + unpack_from(">I", data, cmap + 8 + 8 * row)[0]
            if unpack_from(">H", data, offset)[0] == 12:
                self._groups = offset + 16
                self._group_count = int(unpack_from(">I", data, offset + 12)[0])
                return
        raise ValueError("no full Unicode cmap (format 12)")

    def glyph(self, code_point: int) -> int | None:
        """The number of a character's glyph, or None."""
        low, high = 0, self._group_count
        while low < high:
            middle = (low + high) // 2
            first, last, glyph = _GROUP.unpack_from(self._data, self._groups + 12 * middle)
            if code_point < first:
                high = middle
            elif code_point > last:
                low = middle + 1
            else:
                found = int(glyph) + code_point - int(first)
                return found if found and self._is_simple(found) else None
        return None

    def _is_simple(self, glyph: int) -> bool:
        start, end = self._place(glyph)
        return start == end or unpack_from(">h", self._data, start)[0] >= 0

    def _place(self, glyph: int) -> tuple[int, int]:
        if self._long:
            start, end = unpack_from(">II", self._data, self._loca + 4 * glyph)
        else:
            start, end = (2 * at for at in unpack_from(">HH", self._data, self._loca + 2 * glyph))
        return self._glyf + start, self._glyf + end

    def advance(self, glyph: int) -> float:
        """Advance width in thousandths of an em, on the grid of a subset."""
        row = min(glyph, self._long_metrics - 1)
        width = unpack_from(">H", self._data, self._metrics + 4 * row)[0]
        return float(STEP * round(width * self._scale / STEP))

    def contours(self, glyph: int, pen: Any, shift: tuple[int, int]) -> None:
        """Draw TrueType contours on a subset's grid; `shift` is in thousandths of an em."""
        start, end = self._place(glyph)
        if start < end:
            outline = _glyph(self._data[start:end])
            outline.expand(None)
            scale, grid = self._scale * _GRID, _GRID
            outline.draw(
                _transform_pen(pen, (scale, 0, 0, scale, shift[0] * grid, shift[1] * grid)), None
            )

    def file(self) -> bytes:
        """The font as an OpenType file."""
        return self._path.read_bytes()
