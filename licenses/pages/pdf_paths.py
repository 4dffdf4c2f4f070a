"""Paths as a PDF's content: painting operators in millimetres (ISO 32000-1 §8.5).

The same path gives the same bytes wherever it is put: ornaments repeat, and deflate away.
"""

from __future__ import annotations

import re
from functools import lru_cache

from licenses.pages.model import IDENTITY, Color, Path
from licenses.pages.strokes import bounds, is_plain, moved, number, segments

# Path data longer than this is worth a frame of its own.
_LONG = 400
# Cubic control points of a quadratic lie two thirds of the way to its one control point.
_TWO_THIRDS = 2 / 3


def transformed(matrix: tuple[float, ...], drawn: str) -> str:
    """What is drawn, put through a matrix."""
    if matrix == IDENTITY:
        return drawn
    return f"q {' '.join(f'{value:.6f}'.rstrip('0').rstrip('.') for value in matrix)} cm {drawn} Q"


@lru_cache(maxsize=64)
def color(value: Color) -> str:
    """The operands of rg and RG."""
    return " ".join(number(channel / 255) for channel in value)


@lru_cache(maxsize=128)
def path(item: Path) -> str:
    """Painting operators of a path. Cached: ornaments repeat."""
    if not (item.stroke or item.fill):
        return ""
    data, transform = item.data, item.transform
    if len(data) > _LONG and transform == IDENTITY:
        # From its own corner: the same ornament elsewhere is the same bytes, and deflates away.
        x, y, _, _ = bounds(data)
        left, top = float(round(x)), float(round(y))
        data, transform = moved(data, -left, -top), (1.0, 0.0, 0.0, 1.0, left, top)
    words = _operators(data)
    rule = "*" if item.even_odd else ""
    paint = f"B{rule}" if item.stroke else f"f{rule}"
    if not item.fill:
        paint = "S"
    state = []
    if item.stroke:
        state.append(f"{color(item.stroke)} RG {number(item.line_width)} w")
    if item.fill:
        state.append(f"{color(item.fill)} rg")
    drawn = f"{' '.join(state)} {words} {paint}"
    if item.dash:
        drawn = f"q [{' '.join(number(value) for value in item.dash)}] 0 d {drawn} Q"
    return transformed(transform, drawn)


def _operators(data: str) -> str:
    """Path construction operators (ISO 32000-1 §8.5.2)."""
    if is_plain(data):
        return _STEP.sub(_step, data).replace("C", "h")
    words: list[str] = []
    here = (0.0, 0.0)
    for operator, v in segments(data):
        if operator == "C":
            words.append("h")
            continue
        if operator == "Q":
            v = (
                here[0] + _TWO_THIRDS * (v[0] - here[0]),
                here[1] + _TWO_THIRDS * (v[1] - here[1]),
                v[2] + _TWO_THIRDS * (v[0] - v[2]),
                v[3] + _TWO_THIRDS * (v[1] - v[3]),
                v[2],
                v[3],
            )
        words.extend(number(value) for value in v)
        words.append({"M": "m", "L": "l", "Q": "c", "B": "c"}[operator])
        here = (v[-2], v[-1])
    return " ".join(words)


_STEP = re.compile(r"([ML]) ([0-9]+ [0-9]+)")


def _step(found: re.Match[str]) -> str:
    return f"{found[2]} {found[1].lower()}"
