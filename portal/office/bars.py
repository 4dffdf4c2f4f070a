"""Bars of several parts beside each other, as a picture (SVG); geometry only.

Each line has a name, its parts from left to right, and what it says at its end. All lines have one
scale. Colours are told in words beside the picture and by a table beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 900
LEFT: Final = 250
RIGHT: Final = 230
HIGH: Final = 22
STEP: Final = 34
TOP: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a bar: how long, and of which kind (a class of the style)."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One bar."""

    label: str
    y: float
    parts: tuple[Part, ...]
    end: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """All of them, and how high the picture is."""

    lines: tuple[Line, ...]
    height: float
    width: int = WIDTH
    left: int = LEFT
    high: int = HIGH


def drawn(rows: Sequence[tuple[str, Sequence[tuple[str, int]], str]]) -> Bars:
    """The picture of rows of (name, [(kind, number), …], what is said at the end)."""
    most = max((sum(number for _, number in parts) for _, parts, _ in rows), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    lines = []
    for place, (label, numbers, said) in enumerate(rows):
        x, parts = float(LEFT), []
        for kind, number in numbers:
            if number:
                parts.append(Part(x=x, width=number * scale, kind=kind))
                x += number * scale
        y = float(TOP + place * STEP)
        lines.append(Line(label=label, y=y, parts=tuple(parts), end=x, said=said))
    return Bars(lines=tuple(lines), height=TOP + len(rows) * STEP)
