"""Who shares with whom, as a picture: bands from the departments that give to those that get.

Geometry only. A band is as wide as its uses say, on a scale of square roots, so that a grant that
is used once is seen beside one that is used a million times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 900
LEFT: Final = 230
NODE: Final = 14
GAP: Final = 18
#: Of a picture for a phone, where names stand above their bars, and take the room between.
NARROW: Final = 340
NARROW_GAP: Final = 34
LEAST: Final = 3.0
WIDEST: Final = 60.0
COLOURS: Final = ("#0b5c6b", "#8a4b00", "#14693a", "#6b3fa0", "#a3161a", "#2456a6")

RECEIVER: Final = "#4c5d66"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What one department lets another have."""

    source: str
    receiver: str
    grants: int
    uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A department: where its bar stands and its name."""

    name: str
    x: float
    y: float
    height: float
    text_x: float
    text_y: float
    anchor: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One Shared: a path (SVG) and how wide it is drawn."""

    shared: Shared
    path: str
    width: float
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it."""

    nodes: tuple[Node, ...]
    bands: tuple[Band, ...]
    height: float
    width: int


def between(uses: Iterable[tuple[str, str, int]]) -> list[Shared]:
    """Sums of (source, receiver, uses) of one grant each, the most used first."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for source, receiver, count in uses:
        grants, total = sums.get((source, receiver), (0, 0))
        sums[source, receiver] = (grants + 1, total + count)
    found = [
        Shared(source=source, receiver=receiver, grants=grants, uses=total)
        for (source, receiver), (grants, total) in sums.items()
    ]
    return sorted(found, key=lambda one: (-one.uses, one.source, one.receiver))


def both(shared: list[Shared]) -> tuple[tuple[Picture, str], tuple[Picture, str]]:
    """The picture for wide windows and that for narrow ones, each with its class of the style."""
    return (drawn(shared), "wide-only"), (drawn(shared, narrow=True), "narrow-only")


def drawn(shared: list[Shared], *, narrow: bool = False) -> Picture:
    """The picture of what is shared."""
    whole, left_x, gap = (NARROW, 0, NARROW_GAP) if narrow else (WIDTH, LEFT, GAP)
    right_x = whole - left_x
    most = math.sqrt(max((one.uses for one in shared), default=0)) or 1.0
    widths = {
        (one.source, one.receiver): max(LEAST, WIDEST * math.sqrt(one.uses) / most)
        for one in shared
    }
    sources = _column(dict.fromkeys(dict.fromkeys(s.source for s in shared), 0.0), widths, 0, gap)
    receivers = _column(
        dict.fromkeys(dict.fromkeys(s.receiver for s in shared), 0.0), widths, 1, gap
    )
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(sources)}
    left, right = {k: v[0] for k, v in sources.items()}, {k: v[0] for k, v in receivers.items()}
    bands = []
    for one in shared:
        width = widths[one.source, one.receiver]
        begin, end = left[one.source] + width / 2, right[one.receiver] + width / 2
        left[one.source] += width
        right[one.receiver] += width
        middle = whole / 2
        path = (
            f"M{left_x + NODE} {begin:.1f} C{middle} {begin:.1f} {middle} {end:.1f} "
            f"{right_x - NODE} {end:.1f}"
        )
        bands.append(Band(shared=one, path=path, width=width, colour=colours[one.source]))
    nodes = []
    for side, held in enumerate((sources, receivers)):
        for name, (y, high) in held.items():
            outside = 0 if narrow else 10
            text_x = right_x + outside if side else left_x - outside
            nodes.append(
                Node(
                    name=name,
                    x=right_x - NODE if side else left_x,
                    y=y,
                    height=high,
                    text_x=text_x,
                    text_y=y - 7 if narrow else y + high / 2 + 5,
                    anchor="start" if narrow != bool(side) else "end",
                    colour=RECEIVER if side else colours[name],
                )
            )
    lowest = max((node.y + node.height for node in nodes), default=0.0)
    return Picture(nodes=tuple(nodes), bands=tuple(bands), height=lowest + GAP, width=whole)


def _column(
    heights: dict[str, float], widths: Mapping[tuple[str, str], float], side: int, gap: int
) -> dict[str, tuple[float, float]]:
    """Where each department of a side begins, and how high it is."""
    for ends, width in widths.items():
        heights[ends[side]] += width
    found, y = {}, float(gap)
    for name, height in heights.items():
        high = max(height, NODE)
        found[name] = (y, high)
        y += high + gap
    return found
