"""The large OpenType fonts the built-in faces come from, read in place.

Invariants:

- Nothing is held but the memory map and a few numbers: a node that has drawn no page yet has not
  touched the 30 MB of the fonts. (A full parse costs 150 ms and 32 MB: names for 65,535 glyphs of
  which a license uses sixty.)
- Only what is needed to draw is read: `cmap` format 12, `hmtx`, and of `CFF ` the charstrings with
  the subroutines they call. Outlines are drawn by fontTools' charstring interpreter.

Sources: OpenType 1.9 (collections, cmap, hmtx), Adobe Technical Note 5176 (CFF).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, unpack_from
from typing import Any

from fontTools.misc.psCharStrings import T2CharString

# fontTools is untyped: one door through which its interpreter is called.
_charstring: Any = T2CharString
_GROUP = Struct(">III")
_RECORD = Struct(">4sIII")


class _Index:
    """A CFF INDEX: `count` byte strings, found by arithmetic instead of by reading them all."""

    def __init__(self, data: mmap.mmap, start: int) -> None:
        self._data = data
        self.count = unpack_from(">H", data, start)[0]
        self._width = data[start + 2] if self.count else 1
        self._offsets = start + 3
        self._base = self._offsets + (self.count + 1) * self._width - 1
        self.end = self._base + self._offset(self.count) if self.count else start + 2

    def _offset(self, position: int) -> int:
        at = self._offsets + position * self._width
        return int.from_bytes(self._data[at : at + self._width], "big")

    def __len__(self) -> int:
        return int(self.count)

    def __getitem__(self, position: int) -> bytes:
        if not 0 <= position < self.count:
            raise IndexError(position)
        first, last = self._offset(position), self._offset(position + 1)
        return self._data[self._base + first : self._base + last]


class _Subroutines:
    """Subroutines as the charstring interpreter wants them: a sized list of charstrings."""

    def __init__(self, index: _Index | None) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index) if self._index is not None else 0

    def __getitem__(self, position: int) -> Any:
        if self._index is None:
            raise IndexError(position)
        return _charstring(bytecode=self._index[position])


@dataclass(frozen=True, slots=True)
class _Private:
    """What a glyph's font dictionary gives the interpreter; widths come from `hmtx` instead."""

    Subrs: _Subroutines
    nominalWidthX: int = 0  # noqa: N815 - the interpreter reads these names
    defaultWidthX: int = 0  # noqa: N815


def _dictionary(data: bytes) -> dict[int, list[int]]:
    """Operators of a CFF DICT with their integer operands; 12 x is 1200 + x. Reals become 0."""
    found: dict[int, list[int]] = {}
    operands: list[int] = []
    at = 0
    while at < len(data):
        byte = data[at]
        at += 1
        if byte <= 21:
            if byte == 12:
                byte, at = 1200 + data[at], at + 1
            found[byte], operands = operands, []
        elif byte == 28:
            operands.append(int.from_bytes(data[at : at + 2], "big", signed=True))
            at += 2
        elif byte == 29:
            operands.append(int.from_bytes(data[at : at + 4], "big", signed=True))
            at += 4
        elif byte == 30:
            while data[at] & 0x0F != 0x0F:
                at += 1
            at += 1
            operands.append(0)
        elif byte <= 246:
            operands.append(byte - 139)
        elif byte <= 250:
            operands.append((byte - 247) * 256 + data[at] + 108)
            at += 1
        else:
            operands.append(-(byte - 251) * 256 - data[at] - 108)
            at += 1
    return found


class CollectionFont:
    """A CID-keyed CFF font, alone or one of a collection: characters, advances and outlines."""

    def __init__(self, path: Path, number: int = 0) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        data = self._data
        start = 0
        if data[:4] == b"ttcf":
            start = unpack_from(">I", data, 12 + 4 * number)[0]
        elif data[:4] != b"OTTO":
            raise ValueError(f"{path.name} is neither an OpenType collection nor a CFF font")
        tables: dict[bytes, int] = {}
        for row in range(unpack_from(">H", data, start + 4)[0]):
            tag, _, offset, _ = _RECORD.unpack_from(data, start + 12 + 16 * row)
            tables[tag] = offset
        self.units_per_em: int = unpack_from(">H", data, tables[b"head"] + 18)[0]
        self.ascent, self.descent = unpack_from(">hh", data, tables[b"hhea"] + 4)
        self._metrics = tables[b"hmtx"]
        self._long_metrics: int = unpack_from(">H", data, tables[b"hhea"] + 34)[0]
        self._read_cmap(tables[b"cmap"])
        self._read_cff(tables[b"CFF "])

    def _read_cmap(self, cmap: int) -> None:
        for row in range(unpack_from(">H", self._data, cmap + 2)[0]):
            offset = cmap + unpack_from(">I", self._data, cmap + 4 + 8 * row + 4)[0]
            if unpack_from(">H", self._data, offset)[0] == 12:
                self._groups = offset + 16
                self._group_count: int = unpack_from(">I", self._data, offset + 12)[0]
                return
        raise ValueError("the font has no full Unicode cmap (format 12)")

    def _read_cff(self, cff: int) -> None:
        data = self._data
        names = _Index(data, cff + data[cff + 2])
        tops = _Index(data, names.end)
        strings = _Index(data, tops.end)
        self._global = _Subroutines(_Index(data, strings.end))
        top = _dictionary(tops[0])
        self._charstrings = _Index(data, cff + top[17][0])
        self._select = cff + top[1237][0]
        self._privates: list[_Private] = []
        fonts = _Index(data, cff + top[1236][0])
        for number in range(len(fonts)):
            size, offset = _dictionary(fonts[number])[18]
            private = _dictionary(data[cff + offset : cff + offset + size])
            local = _Index(data, cff + offset + private[19][0]) if 19 in private else None
            self._privates.append(_Private(Subrs=_Subroutines(local)))

    def glyph(self, code_point: int) -> int | None:
        """Glyph number of a character, or None where the font has none (`cmap` binary search)."""
        low, high = 0, self._group_count
        while low < high:
            middle = (low + high) // 2
            first, last, glyph = _GROUP.unpack_from(self._data, self._groups + 12 * middle)
            if code_point < first:
                high = middle
            elif code_point > last:
                low = middle + 1
            else:
                return int(glyph) + code_point - int(first) or None
        return None

    def advance(self, glyph: int) -> int:
        """Advance width in font units."""
        row = min(glyph, self._long_metrics - 1)
        return int(unpack_from(">H", self._data, self._metrics + 4 * row)[0])

    def draw(self, glyph: int, pen: Any) -> None:
        """Draw the outline (cubic, counter-clockwise) with a fontTools segment pen."""
        private = self._privates[self._font_dictionary(glyph)]
        outline = _charstring(
            bytecode=self._charstrings[glyph], private=private, globalSubrs=self._global
        )
        outline.draw(pen)

    def _font_dictionary(self, glyph: int) -> int:
        """FDSelect: formats 0 (a byte a glyph) and 3 (ranges)."""
        data, start = self._data, self._select
        if data[start] == 0:
            return data[start + 1 + glyph]
        low, high = 0, unpack_from(">H", data, start + 1)[0]
        while high - low > 1:
            middle = (low + high) // 2
            if unpack_from(">H", data, start + 3 + 3 * middle)[0] <= glyph:
                low = middle
            else:
                high = middle
        return data[start + 3 + 3 * low + 2]
