"""Texts as units: a character, or what is drawn as one (a Tibetan stack, a letter with its marks).

Invariants:

- Tibetan, Mongolian and Arabic script are shaped by HarfBuzz with the font's own rules. What
  belongs together becomes one glyph of the document's font file, put together in advance: so every
  renderer draws the same, and none of them shapes. The text stays the characters as they were.
- `Unit.shapes` has one key a character. A key is a character, or a character, NUL and what to draw
  for it: `glyph,x,y` parted by `;` and the advance behind `@`; nothing behind NUL draws nothing.
- Arabic script runs to the left, and a text that begins with it is read from right to left, its
  numbers and words of other scripts each from the left (`bidi`).
- Mongolian lies on its side in a horizontal line, as it does wherever lines are horizontal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import uharfbuzz  # type: ignore[import-untyped]

from licenses.pages.sources import Part, Source, on_grid

_harfbuzz: Any = uharfbuzz
_COMPLEX = (
    (0x0F00, 0x0FFF),
    (0x1800, 0x18AF),
    (0x0600, 0x06FF),
    (0x0750, 0x077F),
    (0x08A0, 0x08FF),
)
# Between which they lie: Chinese and Latin letters, which most texts are of, do not.
_FIRST, _LAST = min(low for low, _ in _COMPLEX), max(high for _, high in _COMPLEX)
_RIGHT_TO_LEFT = (*_COMPLEX[2:], (0xFB50, 0xFDFF), (0xFE70, 0xFEFE))
# Joiners and the narrow space of Mongolian belong to the run they stand in.
_JOINING = frozenset("\u200c\u200d\u202f")


@dataclass(frozen=True, slots=True)
class Unit:
    """What is set as one: its characters, the face that has it, its advance in ems.

    `level`: its direction within its paragraph (`bidi.levels`).
    """

    text: str
    face: str
    width: float
    shapes: tuple[str, ...] = ()
    leftwards: bool = False
    level: int = 0


def is_complex(character: str) -> bool:
    """Whether a character needs shaping."""
    point = ord(character)
    return _FIRST <= point <= _LAST and any(low <= point <= high for low, high in _COMPLEX)


def is_stacked(character: str) -> bool:
    """Whether a character is Tibetan, whose letters stand below one another."""
    return _COMPLEX[0][0] <= ord(character) <= _COMPLEX[0][1]


def runs_left(character: str) -> bool:
    """Whether a character belongs to a script that runs to the left."""
    point = ord(character)
    return any(low <= point <= high for low, high in _RIGHT_TO_LEFT)


def run_length(text: str, start: int) -> int:
    """How many characters from `start` belong to one shaped run; 0 for a plain character."""
    if not is_complex(text[start]):
        return 0
    end = start + 1
    leftwards = runs_left(text[start])
    while end < len(text) and (
        text[end] in _JOINING or (is_complex(text[end]) and runs_left(text[end]) == leftwards)
    ):
        end += 1
    return end - start


@lru_cache(maxsize=16)
def _font(source: Source) -> Any:
    font = _harfbuzz.Font(_harfbuzz.Face(source.file()))
    font.scale = (1000, 1000)
    return font


@lru_cache(maxsize=4096)
def shape(run: str, face: str, source: Source) -> tuple[Unit, ...] | None:
    """The units of a run in reading order; None where the font lacks one of its characters."""
    buffer = _harfbuzz.Buffer()
    buffer.add_codepoints([ord(character) for character in run])
    buffer.guess_segment_properties()
    _harfbuzz.shape(_font(source), buffer)
    clusters: dict[int, tuple[list[Part], int]] = {}
    for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        if info.codepoint == 0:
            return None
        parts, advance = clusters.setdefault(info.cluster, ([], 0))
        parts.append((info.codepoint, advance + position.x_offset, position.y_offset))
        clusters[info.cluster] = (parts, advance + position.x_advance)
    starts = sorted(clusters)
    found = []
    for start, end in zip(starts, [*starts[1:], len(run)], strict=True):
        parts, advance = clusters[start]
        text = run[start:end]
        drawn = ";".join(f"{glyph},{x},{y}" for glyph, x, y in parts)
        found.append(
            Unit(
                text=text,
                face=face,
                width=on_grid(advance) / 1000,
                shapes=(f"{text[0]}\0{drawn}@{on_grid(advance)}", *(f"{c}\0" for c in text[1:])),
                leftwards=runs_left(text[0]),
            )
        )
    return tuple(found)


def parse_key(key: str) -> tuple[tuple[Part, ...], int]:
    """What a key that is no single character draws, and its advance in thousandths of an em."""
    _, _, plan = key.partition("\0")
    if not plan:
        return (), 0
    drawn, _, advance = plan.partition("@")
    parts = []
    for part in drawn.split(";"):
        glyph, x, y = (int(value) for value in part.split(","))
        parts.append((glyph, x, y))
    return tuple(parts), int(advance)
