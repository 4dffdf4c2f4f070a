"""QR codes (GB/T 18284) as one path: sharp at every size, and a kilobyte."""

from __future__ import annotations

from functools import lru_cache

import segno

from licenses.pages.model import BLACK, Box, Path
from runtime.errors import InvalidArgument

# White around the code, in modules; the paper adds what ISO/IEC 18004 asks beyond it.
_QUIET = 1


@lru_cache(maxsize=256)
def qr_path(text: str, box: Box) -> Path:
    """The code of a text, fitted to a box. Raises InvalidArgument, QR_TOO_LONG."""
    try:
        matrix = segno.make_qr(text, error="m").matrix
    except (segno.DataOverflowError, ValueError) as error:
        raise InvalidArgument(
            "the text is too long for a QR code",
            reason="QR_TOO_LONG",
            message_zh="内容过长，无法生成二维码",
        ) from error
    x, y, width, height = box
    unit = min(width, height) / (len(matrix) + 2 * _QUIET)
    words: list[str] = []
    for row, bits in enumerate(matrix):
        start = None
        for column, bit in enumerate((*bits, 0)):
            if bit and start is None:
                start = column
            elif not bit and start is not None:
                words.append(f"M {start} {row} L {column} {row} L {column} {row + 1}")
                words.append(f"L {start} {row + 1} C")
                start = None
    # Whole numbers, and the size once: a third of the bytes.
    place = (unit, 0.0, 0.0, unit, x + _QUIET * unit, y + _QUIET * unit)
    return Path(data=" ".join(words), stroke=None, fill=BLACK, transform=place)
