"""Whether dictionaries end as they should: by `>>`, and by nothing that only looks like it.

The library takes any octet after a first `>` for the second. Other readers take none, and what
follows is inside the dictionary for them: the one sees entries that the other does not.
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(
    rb"(?:[^%<>(]++|%[^\r\n]*+|<[0-9A-Fa-f\x00\t\n\f\r ]*+>|\((?:[^()\\]++|\\.)*+\))*+"
    rb"(<<|>>|\(|\Z|.)",
    re.DOTALL,
)
_WHITE: Final = re.compile(rb"(?:[\x00\t\n\f\r ]++|%[^\r\n]*+)*+")
_BRACKET: Final = re.compile(rb"(?:[^()\\]++|\\.)*+([()])", re.DOTALL)


def closes_well(data: bytes, begin: int, end: int) -> bool:
    """Whether all dictionaries of a value end by `>>`: up to there, or to its stream's octets."""
    depth = 0
    while found := _PART.match(data, begin, end):
        begin, kind = found.end(), found[1]
        if kind == b"":
            return depth == 0
        if kind == b"(":
            begin = _after_string(data, begin, end)
        elif kind == b"<<":
            depth += 1
        elif kind == b">>" and depth:
            depth -= 1
            if not depth and data.startswith(b"stream", _white_end(data, begin, end)):
                return True
        else:
            return False
    return False


def _white_end(data: bytes, begin: int, end: int) -> int:
    found = _WHITE.match(data, begin, end)
    return found.end() if found else begin


def _after_string(data: bytes, begin: int, end: int) -> int:
    """Where a string ends that has brackets in it, of which one is open."""
    depth = 1
    while depth and (found := _BRACKET.match(data, begin, end)):
        begin = found.end()
        depth += 1 if found[1] == b"(" else -1
    return begin if not depth else end
