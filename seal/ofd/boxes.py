"""A box (ST_Box): x, y, width and height in mm, in every spelling of xs:double of one meaning.

Programs print doubles by themselves: `3.3000000000000003`, `1.0E-4`, `140.`, `.5`. What is not a
number of that grammar (NaN, INF, `1_0`, commas), too long, or beyond a kilometre is no box.

Source: GB/T 33190-2016 §6 (ST_Box), XML Schema Part 2 §3.2.5 (double).
"""

from __future__ import annotations

import re
from typing import Final

Box = tuple[float, float, float, float]
"""x, y, width, height in mm."""

# As many digits as programs print of a double at the most; float() would also take "nan" and "1_0".
_NUMBER: Final = r"([+-]?(?:[0-9]{1,17}(?:\.[0-9]{0,25})?|\.[0-9]{1,25})(?:[eE][+-]?[0-9]{1,3})?)"
_BOX: Final = re.compile(r"[ \t\r\n]+".join([_NUMBER] * 4))
_BEYOND: Final = 1e6


def box_of(written: str) -> Box | None:
    """The box that is written; None where it is none."""
    found = _BOX.fullmatch(written.strip(" \t\r\n"))
    if found is None:
        return None
    x, y, width, height = map(float, found.groups())
    box = x, y, width, height
    return box if all(-_BEYOND < one < _BEYOND for one in box) else None
