"""QR codes (GB/T 18284) as one path: sharp at every size, and a kilobyte."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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
    padded = [bytes(size + 2), *(bytes((0, *map(bool, row), 0)) for row in matrix), bytes(size + 2)]
    # By the point an edge starts in: where it ends, dark on its right. Two meet where two dark
    # modules touch by a corner only.
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for y in range(size + 1):
        above, row = padded[y], padded[y + 1]
        for x in range(size + 1):
            if above[x + 1] != row[x + 1]:
                start, end = ((x, y), (x + 1, y)) if row[x + 1] else ((x + 1, y), (x, y))
                edges.setdefault(start, []).append(end)
            if row[x] != row[x + 1]:
                start, end = ((x, y + 1), (x, y)) if row[x + 1] else ((x, y), (x, y + 1))
                edges.setdefault(start, []).append(end)
    words: list[str] = []
    for first in list(edges):
        while edges[first]:
            words.append(f"M {first[0]} {first[1]}")
            here = edges[first].pop()
            before = first
            while here != first:
                after = edges[here].pop()
                if after[0] - here[0] != here[0] - before[0] or (
                    after[1] - here[1] != here[1] - before[1]
                ):
                    words.append(f"L {here[0]} {here[1]}")
                before, here = here, after
            words.append("C")
    return " ".join(words)
