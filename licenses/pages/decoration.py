"""Ornaments of templates: rows of TOML to shapes; the curves themselves are in `ornament`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from licenses.pages import ornament
from licenses.pages.model import Box, Color, Line, Path, Rect, Shape
from licenses.pages.rows import Row
from licenses.pages.strokes import number, rectangle

Colors = Mapping[str, Color]
# Curves of one ornament: the most elaborate one that ships has 1,200.
MOST_CURVES = 12_000


def shapes(row: Row, colors: Colors) -> list[Shape]:
    """One ornament; `kind` says which."""
    kind = row.word("kind", _KINDS.keys())
    if row.value("kind") != kind:
        return []  # its other keys mean nothing yet
    found = _KINDS[kind](row, colors)
    row.done()
    return found


def _affordable(row: Row, curves: float) -> bool:
    """Whether an ornament is small enough to be drawn at all; noted where it is not."""
    if curves > MOST_CURVES:
        row.wrong("", f"is made of more than {MOST_CURVES:,} curves: make it coarser")
    return curves <= MOST_CURVES


def _width(row: Row) -> float:
    return row.number("width", 0.2, most=20)


def _fill(row: Row, colors: Colors) -> list[Shape]:
    x, y, w, h = row.box("box")
    return [Rect(x=x, y=y, width=w, height=h, stroke=None, fill=row.color("color", colors))]


def _rule(row: Row, colors: Colors) -> list[Shape]:
    x, y, w, h = row.box("box")
    stroke = row.color("color", colors)
    radius = row.number("radius", 0, most=min(w, h) / 2)
    if not radius:
        return [Rect(x=x, y=y, width=w, height=h, stroke=stroke, line_width=_width(row))]
    return [Path(data=_rounded((x, y, w, h), radius), stroke=stroke, line_width=_width(row))]


def _rounded(box: Box, radius: float) -> str:
    x, y, w, h = box
    right, bottom, r = x + w, y + h, radius
    points = [
        *(f"M {x + r:g} {y:g} L {right - r:g} {y:g}", f"A {r:g} {r:g} 0 0 1 {right:g} {y + r:g}"),
        *(f"L {right:g} {bottom - r:g}", f"A {r:g} {r:g} 0 0 1 {right - r:g} {bottom:g}"),
        *(f"L {x + r:g} {bottom:g}", f"A {r:g} {r:g} 0 0 1 {x:g} {bottom - r:g}"),
        *(f"L {x:g} {y + r:g}", f"A {r:g} {r:g} 0 0 1 {x + r:g} {y:g} C"),
    ]
    return " ".join(points)


def _frame(row: Row, colors: Colors) -> list[Shape]:
    """A border filled with a colour: from the box inwards by `depth`."""
    x, y, w, h = row.box("box")
    d = row.number("depth", most=min(w, h) / 2)
    data = f"{rectangle(x, y, w, h)} {rectangle(x + d, y + d, w - 2 * d, h - 2 * d)}"
    return [Path(data=data, stroke=None, fill=row.color("color", colors), even_odd=True)]


def _line(row: Row, colors: Colors) -> list[Shape]:
    (x1, y1), (x2, y2) = row.numbers("from", 2), row.numbers("to", 2)
    color = row.color("color", colors)
    dash = row.number("dash", 0, most=20)
    line_width = _width(row)
    return [
        Line(
            x1=x1,
            y1=y1,
            x2=x2,
            y2=y2,
            color=color,
            line_width=line_width,
            dash=(dash, dash) if dash else (),
        )
    ]


def _band(row: Row, colors: Colors) -> list[Shape]:
    period = row.number("period", least=0.5, most=100)
    box, height = row.box("box"), row.number("height", most=50)
    names = row.value("colors")
    if not isinstance(names, list) or len(names) != 4 or not set(names) <= set(colors):
        row.wrong("colors", "must be four names of [colors]")
        return []
    width = _width(row)
    if not _affordable(row, 16 * (box[2] + box[3]) / period):
        return []
    strands = ornament.band(box, period=period, height=height)
    return [
        one
        for strand, name in zip(strands, names, strict=True)
        for one in _stroked(strand, colors[name], width)
    ]


def _stroked(curves: Iterable[ornament.Placed], color: Color, width: float) -> list[Shape]:
    return [
        Path(data=data, stroke=color, line_width=width, transform=place) for data, place in curves
    ]


def _loops(row: Row, colors: Colors) -> list[Shape]:
    cx, cy = row.numbers("centre", 2)
    curves = ornament.loops(
        (cx, cy),
        radius=row.number("radius", most=500),
        lobes=row.whole("lobes", least=3, most=120),
        share=row.number("share", most=1),
    )
    return _stroked(curves, row.color("color", colors), _width(row))


def _rosettes(row: Row, colors: Colors) -> list[Shape]:
    cx, cy = row.numbers("centre", 2)
    return _rosette(row, (cx, cy), row.color("color", colors), _width(row))


def _rosette(row: Row, centre: tuple[float, float], color: Color, width: float) -> list[Shape]:
    """`count` rosettes turned against each other."""
    count, petals = row.whole("count", 1, least=1, most=60), row.whole("petals", least=1, most=120)
    radius, depth = row.number("radius", most=500), row.number("depth", most=1)
    if not _affordable(row, 6 * count * petals):
        count = petals = 1
    curves = (
        ornament.rosette(
            centre, radius=radius, petals=petals, depth=depth, turn=2 * math.pi * i / count
        )
        for i in range(count)
    )
    return _stroked(curves, color, width)


def _corners(row: Row, colors: Colors) -> list[Shape]:
    x, y, w, h = row.box("box")
    back, color, width = row.color("back", colors), row.color("color", colors), _width(row)
    radius = row.number("radius", most=100)
    found: list[Shape] = []
    for centre in ((x, y), (x + w, y), (x, y + h), (x + w, y + h)):
        data, place = ornament.rosette(centre, radius=radius, petals=1, depth=0.0)
        found.append(Path(data=data, stroke=None, fill=back, transform=place))
        found.extend(_rosette(row, centre, color, width))
    return found


def _meander(row: Row, colors: Colors) -> list[Shape]:
    """The fret of squared spirals (回纹) around a box; `unit` is the side of one spiral."""
    box, unit = row.box("box"), row.number("unit", least=1, most=50)
    color, width = row.color("color", colors), _width(row)
    if not _affordable(row, 18 * (box[2] + box[3]) / unit):
        return []
    return [Path(data=ornament.meander(box, unit=unit), stroke=color, line_width=width)]


def _waves(row: Row, colors: Colors) -> list[Shape]:
    """Fine waves across a box, `step` apart, every other one the other way up."""
    box, period = row.box("box"), row.number("period", least=2, most=500)
    height, step = row.number("height", most=50), row.number("step", least=0.5, most=50)
    color, width = row.color("color", colors), _width(row)
    if not _affordable(row, 2 * box[2] / period * box[3] / step):
        return []
    return _stroked(ornament.waves(box, period=period, height=height, step=step), color, width)


def _cells(row: Row, colors: Colors) -> list[Shape]:
    """The box of a form and the lines inside it, as x1, y1, x2, y2."""
    x, y, w, h = row.box("box")
    color, width = row.color("color", colors), _width(row)
    words = [rectangle(x, y, w, h)]
    for segment in row.value("lines", []):
        good = isinstance(segment, list) and len(segment) == 4
        if not good or not all(isinstance(one, int | float) for one in segment):
            row.wrong("lines", "must be lists of x1, y1, x2, y2")
            break
        x1, y1, x2, y2 = (number(float(one)) for one in segment)
        words.append(f"M {x1} {y1} L {x2} {y2}")
    return [Path(data=" ".join(words), stroke=color, line_width=width)]


_KINDS: Mapping[str, Callable[[Row, Colors], list[Shape]]] = {
    "fill": _fill,
    "rule": _rule,
    "frame": _frame,
    "line": _line,
    "band": _band,
    "loops": _loops,
    "rosettes": _rosettes,
    "corners": _corners,
    "meander": _meander,
    "waves": _waves,
    "cells": _cells,
}
