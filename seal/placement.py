"""Where a seal stands on a document: the caller's wish, before it is resolved to boxes.

All lengths are mm, from the upper left corner of a page as it is seen; pages count from 1. A size
of 0 is the seal's own; a width given scales the height in proportion. OFD and PDF resolve the same
wishes: `At` and `EveryPage` by arithmetic, `Keyword` by the document's text, `AcrossEdges` (骑缝章)
by slicing the image over consecutive pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LARGEST_MM: Final = 100.0
"""Longest side of a seal that those who signed before may find on their pages, and the side of the
square that all seals of one signature on one page may fill together (GB/T 33481: seals are at most
some 58 mm wide).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """On one page, by the upper left corner."""

    page: int
    x_mm: float
    y_mm: float
    size_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyword:
    """Centred on a word, moved by (dx, dy); `occurrence` 0 is each, -1 the last."""

    text: str
    dx_mm: float = 0.0
    dy_mm: float = 0.0
    occurrence: int = 0
    size_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryPage:
    """On every page at one place."""

    x_mm: float
    y_mm: float
    size_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AcrossEdges:
    """Across the right edges of all pages, a slice on each; see EdgePlacement in the proto."""

    y_mm: float
    size_mm: float = 0.0
    pages_per_image: int = 20


Placement = At | Keyword | EveryPage | AcrossEdges


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A wish resolved: the whole image's box on a page, and the part of it that shows.

    `clip_mm` is x, y, width, height within the box; None shows all of it. A box may reach over the
    page's edge where a clip keeps what shows on the page.
    """

    page: int
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    clip_mm: tuple[float, float, float, float] | None = None
