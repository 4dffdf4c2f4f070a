"""Text into boxes: wrapping, shrinking, aligning.

Invariants:

- Pure: the only thing asked of a font is what it has and how wide that is.
- Nothing is cut off. A text that does not fit at the smallest size allowed is refused
  (TEXT_TOO_LONG) by its field's name, never by its value.
- Chinese breaks between any two characters except where a line would start with closing
  punctuation or end with opening punctuation (GB/T 15834, as far as it concerns line ends); runs
  of Latin letters and digits stay whole where they fit on a line; a longer one breaks behind a
  full stop, as an identifier's parts end, unless it has room only without. The dot in a name (·)
  never starts a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from licenses.pages.bidi import order
from licenses.pages.fonts import directed, units
from licenses.pages.model import BLACK, Box, Color, Text
from licenses.pages.shaping import Unit, is_complex, is_stacked
from runtime.errors import InvalidArgument

Align = Literal["left", "center", "right", "spread"]
Vertical = Literal["top", "middle", "bottom"]
Width = Callable[[str], float]
#: Characters by face that documents share (`Document.shared`).
Shared = Mapping[str, frozenset[str]]
NOT_SHARED: Shared = {}

# May not start a line; may not end one.
_CLOSING = frozenset(
    "·•‧、。,.;:!?)]}》〉」』】〕〗”’…—%‰℃々"
    "\uff0c\uff0e\uff1b\uff1a\uff01\uff1f\uff09\uff3d\uff5d\uff05"  # full-width forms
    "»›\u060c\u061b\u061f"  # of Uyghur and Kazakh
)
_OPENING = frozenset("([{《〈「『【〔〖“‘¥$«‹\uff08\uff3b\uff5b\uffe5")
# A space, and the dot that ends a syllable of Tibetan.
_BREAKS_AFTER = " \u0f0b"
# Baseline below the top of a line, in ems: puts Chinese in the optical middle of its line.
_ASCENT = 0.88
_STEP = 0.97
# Distance of baselines where room is short, in ems.
_DENSE = 1.1
# Of Tibetan, whose vowels stand above and whose letters hang below each other: what is above and
# below the baseline of a line, and the least distance of baselines, in ems.
_TALL_ASCENT, _TALL_DESCENT, _TALL_LEADING = 1.0, 0.5, 1.7
# No text is narrower a character, in ems: marks have no width, but stand on letters that have.
_NARROWEST = 0.05
# Lines are measured in floating point; this much over (mm) is still on the line.
_SLACK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a text is set; sizes in mm. `leading` is the distance of baselines in ems."""

    size: float
    smallest: float = 0.0
    font: str = "regular"
    color: Color = BLACK
    align: Align = "left"
    vertical: Vertical = "middle"
    lines: int = 1
    leading: float = 1.25
    spacing: float = 0.0


@dataclass(frozen=True, slots=True)
class Lines:
    """A text broken into lines at a size (mm); `tall` if letters reach beyond lines of Chinese."""

    rows: tuple[tuple[Unit, ...], ...]
    size: float
    spacing: float
    tall: bool = field(init=False)

    def __post_init__(self) -> None:
        tall = any(is_stacked(unit.text[0]) for row in self.rows for unit in row)
        object.__setattr__(self, "tall", tall)

    @property
    def leftwards(self) -> bool:
        """Whether it is read from right to left."""
        return _runs_left(unit for row in self.rows for unit in row)

    def height(self, leading: float) -> float:
        """From the top of the first line to the bottom of the last, mm."""
        body = _TALL_ASCENT + _TALL_DESCENT if self.tall else 1.0
        return ((len(self.rows) - 1) * self.step(leading) + body) * self.size

    def step(self, leading: float) -> float:
        """Distance of baselines, in ems."""
        return max(leading, _TALL_LEADING) if self.tall else leading

    def widest(self) -> float:
        """Length of the longest line, mm."""
        return max(_length(row, self.size, self.spacing) for row in self.rows)


def wrap(text: str, width: float, measure: Width) -> list[str]:
    """Break a text into lines of at most `width`, in the unit of `measure` (of one character).

    A line may be wider than asked only where a single character is.
    """
    rows: list[str] = []
    for paragraph in text.split("\n"):
        widths = [measure(character) for character in paragraph]
        rows += ["".join(paragraph[a:b]).strip(" ") for a, b in _breaks(paragraph, widths, width)]
    return rows or [""]


def _breaks(
    texts: Sequence[str], widths: Sequence[float], width: float, *, stops: bool = True
) -> list[tuple[int, int]]:
    """From and to of each line; the spaces where a line was broken belong to neither line."""
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(texts):
        end = _fitting(widths, start, width)
        if end < len(texts):
            end = _break(texts, start, end, stops=stops)
        found.append((start, end))
        start = end
        while start < len(texts) and texts[start] == " ":
            start += 1
    return found


def _fitting(widths: Sequence[float], start: int, width: float) -> int:
    total = 0.0
    for at in range(start, len(widths)):
        total += widths[at]
        if total > width + _SLACK:
            return max(at, start + 1)
    return len(widths)


def _break(texts: Sequence[str], start: int, end: int, *, stops: bool) -> int:
    """The last place at or before `end` where the line may end; `end` where there is none.

    With `stops` a word that is longer than the line ends behind a full stop, if that does not leave
    most of the line empty.
    """
    for at in range(end, start, -1):
        if may_break(texts[at - 1][-1], texts[at][0]):
            return at
    for at in range(end, start + (end - start) // 3, -1):
        if stops and texts[at - 1] == "." and texts[at].isalnum():
            return at
    return end


def may_break(before: str, after: str) -> bool:
    """Whether a line may end between two characters."""
    if after in _CLOSING or before in _OPENING or unicodedata.category(after)[0] == "M":
        return False
    if before in _BREAKS_AFTER or after == " ":
        return True
    return not (_is_word(before) and _is_word(after))


def _is_word(character: str) -> bool:
    if is_complex(character):
        return True
    return character.isascii() and (character.isalnum() or character in "-_./@#&+'")


def _length(row: Sequence[Unit], size: float, spacing: float) -> float:
    return sum(unit.width * size + spacing for unit in row) - spacing


def break_lines(text: str, width: float, style: Style, size: float) -> Lines:
    """A text in lines of at most `width` mm at a size. Raises InvalidArgument, GLYPH_MISSING."""
    return _broken(_paragraphs(text, style), width, style, size)


def _paragraphs(text: str, style: Style) -> list[tuple[Unit, ...]]:
    found = [units(paragraph, style.font) for paragraph in text.split("\n")]
    leftwards = _runs_left(unit for own in found for unit in own)
    return [directed(own, leftwards=leftwards) for own in found]


def _runs_left(found: Iterable[Unit]) -> bool:
    """Whether a text is read from right to left: its first letter says it."""
    return next((one.leftwards for one in found if one.text[0].isalpha()), False)


def _broken(
    paragraphs: Sequence[tuple[Unit, ...]],
    width: float,
    style: Style,
    size: float,
    *,
    stops: bool = True,
) -> Lines:
    spacing = style.spacing * size / style.size
    rows: list[tuple[Unit, ...]] = []
    for own in paragraphs:
        widths = [unit.width * size + spacing for unit in own]
        texts = [unit.text for unit in own]
        for a, b in _breaks(texts, widths, width + spacing, stops=stops):
            while b > a and own[b - 1].text == " ":
                b -= 1
            rows.append(own[a:b])
    return Lines(tuple(rows) or ((),), size, spacing)


def fitted(text: str, width: float, height: float, style: Style) -> Lines | None:
    """The largest lines that fit a width and height, or None where not even the smallest do.

    The size goes down from `style.size` to `style.smallest` until the text fits in at most
    `style.lines` lines. Raises InvalidArgument, GLYPH_MISSING.
    """
    smallest = min(style.smallest or style.size, style.size)
    if len(text) * _NARROWEST * smallest > width * style.lines:
        return None  # before every character is looked at
    paragraphs = _paragraphs(text, style)
    ways = (True, False) if "." in text and style.lines > 1 else (True,)
    found = (_shrunk(paragraphs, width, height, style, stops=stops) for stops in ways)
    return next((lines for lines in found if lines), None)


def _shrunk(
    paragraphs: Sequence[tuple[Unit, ...]],
    width: float,
    height: float,
    style: Style,
    *,
    stops: bool,
) -> Lines | None:
    size = style.size
    smallest = min(style.smallest or style.size, style.size)
    while True:
        lines = _broken(paragraphs, width, style, size, stops=stops)
        tall = lines.height(style.leading)
        fits = lines.widest() <= width + _SLACK and tall <= height + _SLACK
        if fits and len(lines.rows) <= style.lines:
            return lines
        if size <= smallest:
            return None
        size = max(size * _STEP, smallest)


def dense(style: Style, height: float, smallest: float) -> Style:
    """A style that goes down to `smallest` (mm) and sets as many lines as there is room for."""
    least = min(style.smallest or style.size, smallest)
    lines = int((height - least) / (_DENSE * least) + 1 + _SLACK)
    leading = min(style.leading, _DENSE)
    return replace(style, smallest=least, lines=max(lines, style.lines), leading=leading)


def beginning(text: str, note: str, box: Box, style: Style) -> tuple[Lines, str] | None:
    """As much of a text as fits a box with a note behind it, and the rest of the text.

    None where not even the note has room.
    """
    places = [0, *(i for i in range(1, len(text)) if may_break(text[i - 1], text[i]))]

    def so_far(count: int) -> Lines | None:
        return fitted(text[: places[count]].rstrip() + note, box[2], box[3], style)

    low, high = 0, len(places)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if so_far(middle) else (low, middle)
    lines = so_far(low)
    return (lines, text[places[low] :].lstrip(" ")) if lines else None


def room(text: str, box: Box, style: Style) -> int:
    """How many characters of a text fit a box."""
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        fits = fitted(text[:middle], box[2], box[3], style)
        low, high = (middle, high) if fits else (low, middle)
    return low


def no_room(field: str, text: str, box: Box, style: Style) -> InvalidArgument:
    """The refusal of a text for a box, with how much of it would fit."""
    count = room(text, box, style)
    return too_long(
        field, f" (room for {count} characters like these)", f"（此处约可容纳 {count} 个这样的字）"
    )


def too_long(field: str, why: str = "", why_zh: str = "") -> InvalidArgument:
    """The refusal of a text that has no room, by its field and never by its value."""
    return InvalidArgument(
        f"the value of {field} does not fit its place{why}; shorten it",
        reason="TEXT_TOO_LONG",
        message_zh=f"“{field}”的内容过长{why_zh}，无法排入版面，请缩短",
        field=field,
    )


def fit(
    text: str, box: Box, style: Style, field: str = "text", shared: Shared = NOT_SHARED
) -> list[Text]:
    """Set a text in a box (x, y, width, height, mm): shrunk, then wrapped, as little as needed.

    Raises InvalidArgument TEXT_TOO_LONG naming `field`, and GLYPH_MISSING.
    """
    lines = fitted(text, box[2], box[3], style)
    if lines is None:
        raise no_room(field, text, box, style)
    return place(lines, box, style, shared)


def place(lines: Lines, box: Box, style: Style, shared: Shared = NOT_SHARED) -> list[Text]:
    """Lines as texts in a box: one text for what is set in one face."""
    x, y, width, height = box
    tall = lines.height(style.leading)
    slack = {"top": 0.0, "middle": (height - tall) / 2, "bottom": height - tall}[style.vertical]
    own = _own_file(lines, shared)
    ascent, step = _TALL_ASCENT if lines.tall else _ASCENT, lines.step(style.leading)
    # What is read from right to left begins at the right; a single line stays by its label.
    ragged = "right" if style.align == "left" and lines.leftwards else style.align
    align = ragged if len(lines.rows) > 1 else style.align
    found: list[Text] = []
    for number, row in enumerate(lines.rows):
        if not row:
            continue
        steps = [unit.width * lines.size + lines.spacing for unit in row]
        natural = sum(steps) - lines.spacing
        if style.align == "spread" and len(row) > 1:
            extra = (width - natural) / (len(row) - 1)
            steps, natural = [step + extra for step in steps], width
        indent = {"center": (width - natural) / 2, "right": width - natural}.get(align, 0.0)
        baseline = y + slack + (number * step + ascent) * lines.size
        exact = bool(lines.spacing) or style.align == "spread"
        places = _places(row, steps, x + indent)
        found += _set_row(row, steps, places, baseline, lines.size, style, exact, own)
    return found


def _own_file(lines: Lines, shared: Shared) -> frozenset[str]:
    """The faces in which a text has characters the shared file lacks."""
    needed: dict[str, set[str]] = {}
    for row in lines.rows:
        for unit in row:
            needed.setdefault(unit.face, set()).update(unit.shapes or unit.text)
    return frozenset(name for name, keys in needed.items() if keys - shared.get(name, keys))


def _set_row(
    row: Sequence[Unit],
    steps: Sequence[float],
    places: Sequence[float],
    baseline: float,
    size: float,
    style: Style,
    exact: bool,
    own: frozenset[str],
) -> list[Text]:
    """A line as texts; what runs to the left has one a unit."""
    found: list[Text] = []
    at = 0
    while at < len(row):
        unit, end = row[at], at + 1
        while (
            end < len(row)
            and row[end].face == unit.face
            and not (unit.leftwards or row[end].leftwards)
            and abs(places[end] - places[end - 1] - steps[end - 1]) < _SLACK
        ):
            end += 1
        group = row[at:end]
        shaped = any(one.shapes for one in group)
        advances: list[float] = []
        for one, step in zip(group, steps[at:end], strict=True):
            advances += [step, *([0.0] * (len(one.text) - 1))]
        found.append(
            Text(
                x=places[at],
                y=baseline,
                text="".join(one.text for one in group),
                size=size,
                font=f"{unit.face}+" if unit.face in own else unit.face,
                color=style.color,
                advances=tuple(advances[:-1]) if exact else (),
                shapes=tuple(k for one in group for k in one.shapes or one.text) if shaped else (),
            )
        )
        at = end
    return found


def _places(row: Sequence[Unit], steps: Sequence[float], x: float) -> list[float]:
    """Where each unit starts."""
    places = [0.0] * len(row)
    for at in order([unit.level for unit in row]):
        places[at] = x
        x += steps[at]
    return places
