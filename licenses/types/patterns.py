"""Regular expressions that a type may ask its texts to match.

A pattern comes from who puts a type, and its text from who asks for a license, so together they
must not keep a thread busy: what repeats a changing number of times holds nothing that does so or
chooses, and the ways in which the repetitions of a pattern can share a text are at most a million.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]  # not in the stubs
from re import _parser as parser  # type: ignore[attr-defined]  # likewise
from typing import Any

from licenses.types.model import FIELD_LIMIT

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_REFUSED = {
    codes.GROUPREF: "no references back",
    codes.GROUPREF_EXISTS: "no references back",
    codes.ASSERT: "no looking ahead or back",
    codes.ASSERT_NOT: "no looking ahead or back",
}
_MOST_WAYS = 1_000_000


def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern; "" if it may be used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what will mean something else one day
            re.compile(pattern)
            tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        return f"not a regular expression: {error}"
    try:
        if _ways(tree, inside=False) > _MOST_WAYS:
            return "too many repetitions: bound them, as in {1,20}"
    except ValueError as error:
        return str(error)
    return ""


def _ways(tree: Any, *, inside: bool) -> int:
    """In how many ways its repetitions can share a text. Raises ValueError with what is refused."""
    ways = 1
    for code, argument in tree:
        if code in _REFUSED:
            raise ValueError(_REFUSED[code])
        if code in _REPEATS:
            least, most, what = argument
            changing = least != most
            if inside and changing:
                raise ValueError("what repeats holds nothing that repeats")
            ways *= min(int(most), FIELD_LIMIT) - int(least) + 1
            ways *= _ways(what, inside=inside or int(most) > 1)
        elif code is codes.BRANCH:
            if inside:
                raise ValueError("what repeats holds no choice")
            ways *= max(_ways(one, inside=inside) for one in argument[1])
        elif code is codes.SUBPATTERN:
            ways *= _ways(argument[3], inside=inside)
        elif code is codes.ATOMIC_GROUP:
            ways *= _ways(argument, inside=inside)
    return ways


@lru_cache(maxsize=1000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches."""
    return _compiled(pattern).fullmatch(text) is not None
