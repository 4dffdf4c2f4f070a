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
HIGH: Final = 22
STEP: Final = 34
TOP: Final = 8
#: Of a picture for a phone, where names stand above their bars.
NARROW: Final = 340
NARROW_STEP: Final = 58
CHARACTER: Final = 15.0
"""How wide what is said at a bar's end is: at most that, a character."""


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
    label_x: float
    label_y: float
    anchor: str
    y: float
    parts: tuple[Part, ...]
    end: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """All of them, and how high the picture is."""

    lines: tuple[Line, ...]
    height: float
    width: int
    high: int = HIGH


Rows = Sequence[tuple[str, Sequence[tuple[str, int]], str]]


def both(rows: Rows) -> tuple[tuple[Bars, str], tuple[Bars, str]]:
    """The picture for wide windows and that for narrow ones, each with its class of the style."""
    return (drawn(rows), "wide-only"), (drawn(rows, narrow=True), "narrow-only")


def drawn(rows: Rows, *, narrow: bool = False) -> Bars:
    """The picture of rows of (name, [(kind, number), …], what is said at the end)."""
    width, left, step = (NARROW, 0, NARROW_STEP) if narrow else (WIDTH, LEFT, STEP)
    most = max((sum(number for _, number in parts) for _, parts, _ in rows), default=0) or 1
    end = max((_width(said) for _, _, said in rows), default=0.0)
    scale = (width - left - end) / most
    lines = []
    for place, (label, numbers, said) in enumerate(rows):
        x, parts = float(left), []
        for kind, number in numbers:
            if number:
                parts.append(Part(x=x, width=number * scale, kind=kind))
                x += number * scale
        y = float(TOP + place * step + (step - STEP))
        lines.append(
            Line(
                label=label,
                label_x=0 if narrow else left - 10,
                label_y=y - 6 if narrow else y + 16,
                anchor="start" if narrow else "end",
                y=y,
                parts=tuple(parts),
                end=x,
                said=said,
            )
        )
    return Bars(lines=tuple(lines), height=TOP + len(rows) * step, width=width)


def _width(said: str) -> float:
    """How wide a text is, at the most; Latin letters are narrow."""
    return 16 + sum(CHARACTER if ord(one) > 0x2E7F else CHARACTER * 0.6 for one in said)
