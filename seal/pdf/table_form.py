"""Whether the tables of a PDF are such as every reader takes (ISO 32000-2 §7.5.4, §7.5.8).

A reader that cannot take a table makes one of its own, and some look for objects line by line then,
inside streams and strings too.
"""

from __future__ import annotations

import re
from typing import Any, Final

# Of no lines nothing but `0 0` is usual: readers look at the number nevertheless.
_TABLE: Final = re.compile(
    rb"xref\s+(?:(?:0 0|\d{1,7} [1-9]\d{0,6})\s+(?:\d{10} \d{5} [nf][ \r\n]{2})*)*"
)
_AFTER: Final = re.compile(rb"\s*trailer")
_WIDEST: Final = 8  # octets of a number in a table that is a stream


def table_end(data: bytes, at: int) -> int | None:
    """Where a table in the usual form ends; -1 for another form, None where none begins there."""
    found = _TABLE.match(data, at)
    if found is None:
        return None
    return found.end() if _AFTER.match(data, found.end()) else -1


def is_usual_stream(held: Any) -> bool:
    """A table that is a stream: of numbers of a usual size, and none of its ranges is empty."""
    widths = [int(one) for one in held["/W"]]
    counts = [int(one) for one in held.get("/Index", ())][1::2]
    return all(0 <= one <= _WIDEST for one in widths) and all(one > 0 for one in counts)
