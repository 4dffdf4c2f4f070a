"""Text into boxes: wrapping, shrinking, aligning.

Invariants:

- Pure: the only thing asked of a font is how wide a character is.
- Nothing is cut off. A text that does not fit at the smallest size allowed is refused
  (TEXT_TOO_LONG) by its field's name, never by its value.
- Chinese breaks between any two characters except where a line would start with closing
  punctuation or end with opening punctuation (GB/T 15834, as far as it concerns line ends); runs
  of Latin letters and digits stay whole where they fit on a line. The dot in a name (·) never
  starts a line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from licenses.pages.fonts import Face, face
from licenses.pages.model import BLACK, Box, Color, Text
from runtime.errors import InvalidArgument

Align = Literal["left", "center", "right", "spread"]
Vertical = Literal["top", "middle", "bottom"]
Width = Callable[[str], float]

# May not start a line; may not end one.
_CLOSING = frozenset(
    "·•‧、。,.;:!?)]}》〉」』】〕〗”’…—%‰℃々"
    "\uff0c\uff0e\uff1b\uff1a\uff01\uff1f\uff09\uff3d\uff5d\uff05"  # full-width forms
)
_OPENING = frozenset("([{《〈「『【〔〖“‘¥$\uff08\uff3b\uff5b\uffe5")
# Baseline below the top of a line, in ems: puts Chinese in the optical middle of its line.
_ASCENT = 0.88
_STEP = 0.97
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


def wrap(text: str, width: float, measure: Width) -> list[str]:
    """Break a text into lines of at most `width`, in the unit of `measure` (of one character).

    A line may be wider than asked only where a single character is.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        rest = paragraph
        while rest:
            count = _fitting(rest, width, measure)
            if count < len(rest):
                count = _break(rest, count)
            lines.append(rest[:count].rstrip(" "))
            rest = rest[count:].lstrip(" ")
    return lines or [""]


def _fitting(text: str, width: float, measure: Width) -> int:
    total = 0.0
    for count, character in enumerate(text):
        total += measure(character)
        if total > width + _SLACK:
            return max(count, 1)
    return len(text)


def _break(text: str, count: int) -> int:
    """The last place at or before `count` where the line may end; `count` where there is none."""
    for at in range(count, 0, -1):
        if _may_break(text[at - 1], text[at]):
            return at
    return count


def _may_break(before: str, after: str) -> bool:
    if after in _CLOSING or before in _OPENING:
        return False
    if before == " " or after == " ":
        return True
    return not (_is_word(before) and _is_word(after))


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "-_./@#&+'")


def fit(text: str, box: Box, style: Style, field: str = "text") -> list[Text]:
    """Set a text in a box (x, y, width, height, mm): shrunk, then wrapped, as little as needed.

    The size goes down from `style.size` to `style.smallest` until the text fits in at most
    `style.lines` lines. Raises InvalidArgument TEXT_TOO_LONG naming `field`, and GLYPH_MISSING.
    """
    font = face(style.font)
    _, _, width, height = box
    size = style.size
    smallest = min(style.smallest or style.size, style.size)
    while True:
        spacing = style.spacing * size / style.size
        lines = wrap(text, width + spacing, _measure(font, size, spacing))
        tall = ((len(lines) - 1) * style.leading + 1) * size
        wide = max(sum(font.advance(c) * size + spacing for c in line) - spacing for line in lines)
        fits = wide <= width + _SLACK and tall <= height + _SLACK
        if fits and len(lines) <= style.lines:
            return _set(lines, box, style, size, spacing)
        if size <= smallest:
            raise InvalidArgument(
                f"the value of {field} does not fit its place; shorten it",
                reason="TEXT_TOO_LONG",
                message_zh=f"“{field}”的内容过长，无法排入版面，请缩短",
                field=field,
            )
        size = max(size * _STEP, smallest)


def _measure(font: Face, size: float, spacing: float) -> Width:
    return lambda character: font.advance(character) * size + spacing


def _set(lines: list[str], box: Box, style: Style, size: float, spacing: float) -> list[Text]:
    x, y, width, height = box
    font = face(style.font)
    tall = ((len(lines) - 1) * style.leading + 1) * size
    slack = {"top": 0.0, "middle": (height - tall) / 2, "bottom": height - tall}[style.vertical]
    found = []
    for row, line in enumerate(lines):
        if not line:
            continue
        steps = [font.advance(character) * size + spacing for character in line]
        natural = sum(steps) - spacing
        if style.align == "spread" and len(line) > 1:
            extra = (width - natural) / (len(line) - 1)
            steps, natural = [step + extra for step in steps], width
        indent = {"center": (width - natural) / 2, "right": width - natural}.get(style.align, 0.0)
        found.append(
            Text(
                x=x + indent,
                y=y + slack + (row * style.leading + _ASCENT) * size,
                text=line,
                size=size,
                font=style.font,
                color=style.color,
                advances=tuple(steps[:-1]) if spacing or style.align == "spread" else (),
            )
        )
    return found
