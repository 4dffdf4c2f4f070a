"""Where words stand on the pages of an OFD.

1. Pages are read as `seal.ofd.text_codes` reads them: in bounded memory, whatever they hold.
2. A word is found within one TextCode, and over several of one line, whatever objects they are in:
   glyphs of one reading direction and base line, no farther apart than two of their size. White
   space does not count.
3. Text that shows nothing (invisible, squeezed to a line, with numbers that are none) is not found.
4. Boxes are estimates: fonts are not opened, so a glyph is as wide as its size, a narrow one half.

Source: GB/T 33190-2016 §11 (text: TextCode, DeltaX and DeltaY with `g` repeats, CTM, directions).
"""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from seal.ofd.markup import scan_xml
from seal.ofd.package import OfdPackage, limits_error
from seal.ofd.text_codes import MOST_GLYPHS, SPACE, Run, TextScan, deltas, number_in, object_of

_MOST_TEXT_BYTES: Final = 128 * 1024 * 1024  # of XML that is searched in one package
_ASCENT: Final = 0.88  # of the size, above the base line; the rest is below
_SAME_LINE: Final = 0.3  # of the size
_SAME_PLACE: Final = 0.3
_BAND: Final = 0.5  # mm: how lines are told apart before glyphs are laid out
_GAP: Final = 2.0


@dataclass(frozen=True, slots=True)
class Box:
    """Where a word stands, in mm from the page's upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> tuple[float, float]:
        """X and y."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class WordSearch:
    """Looks some words up in the files of a package, each of which is read once at most."""

    __slots__ = ("_bytes", "_found", "_package", "_words")

    def __init__(self, package: OfdPackage, words: Iterable[str]) -> None:
        self._package = package
        self._words = {word: SPACE.sub("", word) for word in words}
        self._found: dict[str, dict[str, tuple[Box, ...]]] = {}
        self._bytes = 0

    def find(self, file: str, word: str) -> tuple[Box, ...]:
        """Each occurrence in a page's or a template's content, in no order.

        Raises PackageError for a file that can't be read or has too much text.
        """
        if file not in self._found:
            self._bytes += self._package.size(file)
            if self._bytes > _MOST_TEXT_BYTES:
                raise limits_error(
                    "the pages have more text than is searched", "页面文字超出可搜索的数量"
                )
            self._found[file] = self._search(file)
        return self._found[file][word]

    def _search(self, file: str) -> dict[str, tuple[Box, ...]]:
        scan = TextScan()
        scan_xml(self._package, file, scan)
        there = set().union(*(run.text for run in scan.runs))
        return {
            word: tuple(_find(scan.runs, key)) if there.issuperset(key) else ()
            for word, key in self._words.items()
        }


def _find(runs: Sequence[Run], key: str) -> list[Box]:
    """The occurrences in single runs, then over several; only what may have one is laid out."""
    rows = [list(_glyphs(run)) for run in runs if key in run.key]
    # A word that goes on in another run begins where one ends with its beginning.
    begins = tuple(key[:size] for size in range(1, len(key)))
    last = [
        glyphs[-1]
        for run in runs
        if begins and run.key.endswith(begins)
        for glyphs in [list(_glyphs(run))]
        if glyphs
    ]
    bands: dict[int, set[int]] = defaultdict(set)
    for glyph in last:
        row = math.floor(glyph.across / _BAND)
        reach = math.ceil(_SAME_LINE * glyph.em / _BAND)
        bands[glyph.angle].update(range(row - min(reach, 99), row + min(reach, 99) + 1))
    if bands:
        near = [list(_glyphs(run)) for run in runs if _may_touch(run, bands)]
        rows += _lines([one for one in near if one])
    return _occurrences(rows, key)


def _may_touch(run: Run, bands: Mapping[int, set[int]]) -> bool:
    """Whether a run's first glyph is on one of these lines, or the run is not straight."""
    first = next(_glyphs(run, most=1), None)
    if first is None:
        return False
    rows = bands.get(first.angle)
    straight = run.delta_y is None if run.of_reads_across else run.delta_x is None
    return not straight or (rows is not None and math.floor(first.across / _BAND) in rows)


# --- where the glyphs are --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Glyph:
    """A character and its box; `along` and `across` are its origin's way in reading direction.

    `angle` is that direction in whole degrees, `ends` where the glyph ends along it, `em` its size.
    """

    text: str
    angle: int
    along: float
    across: float
    ends: float
    em: float
    box: Box


_TURNS: Final = ((1, 0), (0, 1), (-1, 0), (0, -1))  # cosine and sine of quarter turns


def _glyphs(run: Run, most: int = MOST_GLYPHS) -> Iterator[_Glyph]:
    """The glyphs of a TextCode but for white space; none where its numbers are none."""
    of, count = object_of(run.raw), min(len(run.text), most) - 1
    if of is None:
        return
    try:
        x, y = number_in(run.x), number_in(run.y)
        delta_x, delta_y = deltas(run.delta_x, count), deltas(run.delta_y, count)
    except ValueError:
        return
    a, b, c, d, e, f = of.matrix
    em = of.size * math.sqrt(abs(a * d - b * c))
    reads_x, reads_y = _TURNS[of.reads]
    along_x, along_y = a * reads_x + c * reads_y, b * reads_x + d * reads_y
    length = math.hypot(along_x, along_y)
    along_x, along_y = along_x / length, along_y / length
    angle = round(math.degrees(math.atan2(along_y, along_x))) % 360
    for index, text in enumerate(run.text):
        width = of.size * of.scale * (1.0 if _is_wide(text) else 0.5)
        if not text.isspace():
            corners = [
                (of.x + a * px + c * py + e, of.y + b * px + d * py + f)
                for px, py in _corners(x, y, width, of.size, of.turned)
            ]
            px, py = of.x + a * x + c * y + e, of.y + b * x + d * y + f
            xs, ys = [one[0] for one in corners], [one[1] for one in corners]
            along, across = px * along_x + py * along_y, py * along_x - px * along_y
            ends = max(one[0] * along_x + one[1] * along_y for one in corners)
            box = Box(min(xs), min(ys), max(xs), max(ys))
            yield _Glyph(text, angle, along, across, ends, em, box)
        # Neither offset said: the glyph's own width, in reading direction.
        said_x, said_y = index < len(delta_x), index < len(delta_y)
        step = width if of.reads % 2 == 0 else of.size
        x += delta_x[index] if said_x else 0.0 if said_y else step * reads_x
        y += delta_y[index] if said_y else 0.0 if said_x else step * reads_y


def _corners(
    x: float, y: float, width: float, size: float, turned: int
) -> Iterator[tuple[float, float]]:
    """The corners of a glyph whose origin is at (x, y), turned about it."""
    cosine, sine = _TURNS[turned]
    for dx in (0.0, width):
        for dy in (-_ASCENT * size, (1 - _ASCENT) * size):
            yield x + dx * cosine - dy * sine, y + dx * sine + dy * cosine


@lru_cache(maxsize=4096)
def _is_wide(text: str) -> bool:
    return unicodedata.east_asian_width(text) in ("W", "F", "A")


def _lines(runs: Sequence[Sequence[_Glyph]]) -> Iterator[list[_Glyph]]:
    """Glyphs of all runs that stand side by side (rule 2), but for those of one run alone."""
    directions: dict[int, list[tuple[_Glyph, int]]] = defaultdict(list)
    for number, run in enumerate(runs):
        for glyph in run:
            directions[glyph.angle].append((glyph, number))
    for members in directions.values():
        members.sort(key=lambda one: one[0].across)
        line: list[tuple[_Glyph, int]] = []
        for one in members:
            if line and one[0].across - line[-1][0].across > _SAME_LINE * one[0].em:
                yield from _stretches(line)
                line = []
            line.append(one)
        yield from _stretches(line)


def _stretches(line: list[tuple[_Glyph, int]]) -> Iterator[list[_Glyph]]:
    """A line parted where there is a gap; what is struck twice (for bold) counts once."""
    line.sort(key=lambda one: one[0].along)
    stretch: list[_Glyph] = []
    numbers: set[int] = set()
    ends = 0.0
    for glyph, number in line:
        if stretch and glyph.along - ends > _GAP * glyph.em:
            if len(numbers) > 1:
                yield stretch
            stretch, numbers = [], set()
        if any(_is_same(glyph, before) for before in stretch[-2:]):
            continue
        ends = max(ends, glyph.ends) if stretch else glyph.ends
        stretch.append(glyph)
        numbers.add(number)
    if len(numbers) > 1:
        yield stretch


def _is_same(one: _Glyph, other: _Glyph) -> bool:
    return one.text == other.text and abs(one.along - other.along) < _SAME_PLACE * one.em


# --- the words -------------------------------------------------------------------------------


def _occurrences(rows: Iterable[Sequence[_Glyph]], key: str) -> list[Box]:
    """The boxes of a word in rows of glyphs; what stands at one place is one occurrence."""
    found: dict[tuple[int, int], list[Box]] = defaultdict(list)
    for row in rows:
        text = "".join(glyph.text for glyph in row)
        begin = text.find(key)
        while begin >= 0:
            part = row[begin : begin + len(key)]
            box = Box(
                min(one.box.left for one in part),
                min(one.box.top for one in part),
                max(one.box.right for one in part),
                max(one.box.bottom for one in part),
            )
            _keep(found, box, part[0].em)
            begin = text.find(key, begin + len(key))
    return [box for boxes in found.values() for box in boxes]


def _keep(found: dict[tuple[int, int], list[Box]], box: Box, em: float) -> None:
    """Add a box unless one is there with nearly the same centre, looked up in cells of a glyph."""
    x, y = box.centre
    column, row = math.floor(x / em), math.floor(y / em)
    near = (
        other
        for one in (column - 1, column, column + 1)
        for two in (row - 1, row, row + 1)
        for other in found.get((one, two), ())
    )
    if all(math.dist(other.centre, (x, y)) >= em / 2 for other in near):
        found[column, row].append(box)


def in_reading_order(found: Iterable[Box]) -> list[Box]:
    """From the top; those of about one height from the left."""
    lines: list[list[Box]] = []
    for box in sorted(found, key=lambda one: one.centre[1]):
        if lines and box.centre[1] - lines[-1][0].centre[1] < (box.bottom - box.top) / 2:
            lines[-1].append(box)
        else:
            lines.append([box])
    return [box for line in lines for box in sorted(line, key=lambda one: one.centre[0])]
