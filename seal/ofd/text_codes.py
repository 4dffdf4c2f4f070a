"""The text of a page of an OFD as it is written: its TextCodes, and the numbers that they say.

A page is read event by event and no tree is built; what it may hold is bounded, and numbers count
only as far as there are characters (`g 999999999 1` costs nothing).

Source: GB/T 33190-2016 §11 (text: TextCode, DeltaX and DeltaY with `g` repeats).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from seal.ofd.markup import XmlScan, tag
from seal.ofd.package import limits_error

MOST_GLYPHS: Final = 100_000
"""Of one page; a full one of small print has some 10,000."""
SPACE: Final = re.compile(r"\s+")
_GREATEST: Final = 1e6  # mm
_TEXT_OBJECT: Final = tag("TextObject")
_TEXT_CODE: Final = tag("TextCode")
_TOKEN: Final = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class TextObject:
    """What of a TextObject says where its glyphs are; angles in quarter turns, clockwise."""

    x: float
    y: float
    matrix: tuple[float, float, float, float, float, float]
    size: float
    scale: float
    reads: int
    turned: int


@dataclass(frozen=True, slots=True)
class Run:
    """One TextCode as written; `raw` are the attributes `_RAW` of its TextObject."""

    raw: tuple[str | None, ...]
    x: str
    y: str
    delta_x: str | None
    delta_y: str | None
    text: str
    key: str

    @property
    def of_reads_across(self) -> bool:
        """Whether the next glyph is to the side, not below."""
        return self.raw[_RAW.index("ReadDirection")] in (None, "0", "180")


_RAW: Final = ("Boundary", "Size", "CTM", "HScale", "Visible", "ReadDirection", "CharDirection")


class TextScan(XmlScan):
    """Gathers the TextCodes of a page."""

    __slots__ = ("_code", "_count", "_of", "_text", "_x", "_y", "runs")

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []
        self._of: tuple[str | None, ...] | None = None
        self._code: Mapping[str, str] | None = None
        self._text: list[str] = []
        self._count = 0
        self._x = self._y = "0"

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if name == _TEXT_OBJECT:
            self._of = tuple(map(attributes.get, _RAW))
            self._x = self._y = "0"
        elif name == _TEXT_CODE and self._of is not None:
            self._code = attributes
            self._text = []

    def data(self, text: str) -> None:
        """A piece of text."""
        if self._code is not None:
            self._count += len(text)
            if self._count > MOST_GLYPHS:
                raise limits_error(
                    f"a page has more than {MOST_GLYPHS} characters",
                    f"页面文字多于 {MOST_GLYPHS} 个",
                )
            self._text.append(text)

    def end(self, name: str) -> None:
        """An element ends."""
        if name == _TEXT_OBJECT:
            self._of = None
        elif name == _TEXT_CODE and self._code is not None and self._of is not None:
            self._add(self._of, self._code, "".join(self._text))
            self._code = None

    def _add(self, of: tuple[str | None, ...], code: Mapping[str, str], text: str) -> None:
        if text[:1] in ("\n", "\r"):  # the writer's layout, not the page's
            text = text.strip()
        # What is left out is as in the TextCode before.
        self._x, self._y = code.get("X", self._x), code.get("Y", self._y)
        key = SPACE.sub("", text)
        if key:
            said = code.get("DeltaX"), code.get("DeltaY")
            self.runs.append(Run(of, self._x, self._y, *said, text, key))


@lru_cache(maxsize=256)
def object_of(raw: tuple[str | None, ...]) -> TextObject | None:
    """A TextObject, or None where it shows nothing (rule 3)."""
    boundary, height, matrix, wide, visible, reading, turning = raw
    if visible in ("false", "0"):
        return None
    try:
        x, y, _, _ = _numbers(boundary or "", 4)
        a, b, c, d, e, f = _numbers(matrix or "1 0 0 1 0 0", 6)
        size, scale = number_in(height or ""), number_in(wide or "1")
        reads, turned = int(reading or "0"), int(turning or "0")
    except ValueError:
        return None
    if size <= 0 or scale <= 0 or abs(a * d - b * c) < 1e-9 or reads % 90 or turned % 90:
        return None
    return TextObject(x, y, (a, b, c, d, e, f), size, scale, reads // 90 % 4, turned // 90 % 4)


def number_in(text: str) -> float:
    """A finite number of bounded size; ValueError for anything else."""
    if len(text) > 32 or "_" in text:
        raise ValueError
    value = float(text)
    if not abs(value) <= _GREATEST:
        raise ValueError
    return value


def _numbers(text: str, count: int) -> list[float]:
    words = text.split(None, count)
    if len(words) != count:
        raise ValueError
    return [number_in(word) for word in words]


def deltas(text: str | None, count: int) -> list[float]:
    """At most `count` offsets of a DeltaX or DeltaY; `g n v` stands for n times v."""
    found: list[float] = []
    if text is None:
        return found
    words = (match[0] for match in _TOKEN.finditer(text))
    for word in words:
        if len(found) >= count:
            break
        if word != "g":
            found.append(number_in(word))
            continue
        times, value = next(words, ""), next(words, "")
        if not times.isdecimal() or len(times) > 18:
            raise ValueError
        found += [number_in(value)] * min(int(times), count - len(found))
    return found
