"""QR codes (GB/T 18284) as one path: sharp at every size, and a kilobyte."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import segno

from licenses.pages.model import BLACK, Box, Path
from licenses.pages.qr_masks import masked
from runtime.errors import InvalidArgument

# White around the code, in modules; the paper adds what ISO/IEC 18004 asks beyond it.
_QUIET = 1


@lru_cache(maxsize=16)
def qr_path(text: str, box: Box) -> Path:
    """The code of a text, fitted to a box. Raises InvalidArgument, QR_TOO_LONG."""
    try:
        _, matrix = masked(segno.make_qr(text, error="m", mask=0))
    except (segno.DataOverflowError, ValueError) as error:
        raise InvalidArgument(
            "the text is too long for a QR code",
            reason="QR_TOO_LONG",
            message_zh="内容过长，无法生成二维码",
        ) from error
    x, y, width, height = box
    unit = min(width, height) / (len(matrix) + 2 * _QUIET)
    # Whole numbers, and the size once: a third of the bytes.
    place = (unit, 0.0, 0.0, unit, x + _QUIET * unit, y + _QUIET * unit)
    return Path(data=_outlines(matrix), stroke=None, fill=BLACK, even_odd=True, transform=place)


def _outlines(matrix: Sequence[Sequence[int]]) -> str:
    """The borders between dark and light, each a closed contour; by the even-odd rule.

    Half the words of a rectangle for every run, and no seams between rows.
    """
    size = len(matrix)
    wide = size + 2  # a point is a number: its row times this, and its column
    lines = [bytes((0, *map(bool, row), 0)) for row in matrix]
    rows = [0, *(int.from_bytes(line, "big") for line in lines), 0]
    # By the point an edge starts in: how far it goes, dark on its right. Two meet where two dark
    # modules touch by a corner only.
    edges: dict[int, int] = {}
    second: dict[int, int] = {}
    for y, (above, row) in enumerate(pairwise(rows)):
        # Of each module: 1 where the one above differs, 2 where the one before, 4 where it is dark.
        kinds = ((above ^ row) + 2 * (row ^ (row >> 8)) + 4 * row).to_bytes(wide, "big")
        for point, kind in enumerate(kinds[1:], start=y * wide):
            if kind & 1:
                start, step = (point, 1) if kind & 4 else (point + 1, -1)
                (second if start in edges else edges)[start] = step
            if kind & 2:
                start, step = (point + wide, -wide) if kind & 4 else (point, wide)
                (second if start in edges else edges)[start] = step
    words: list[str] = []
    for first in list(edges):
        while first in edges:
            words.append(f"M {first % wide} {first // wide}")
            step = second.pop(first, 0) or edges.pop(first)
            here = first + step
            while here != first:
                after = second.pop(here, 0) or edges.pop(here)
                if after != step:
                    words.append(f"L {here % wide} {here // wide}")
                step = after
                here += step
            words.append("C")
    return " ".join(words)
