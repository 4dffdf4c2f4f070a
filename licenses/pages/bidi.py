"""The order of letters on a line where scripts run both ways (UAX #9, without its embeddings).

1. What is reordered is units (`shaping.Unit`), each by its first character; the text is as it was.
2. A paragraph has the direction of its first letter. Its levels are settled before it is broken
   into lines, so that brackets are known by each other wherever the lines end.
3. A bracket in what runs to the left is drawn as the other one of its pair.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final

# Pairs (BidiBrackets.txt), and what else is drawn the other way round (BidiMirroring.txt).
_BRACKETS: Final = (
    "()[]{}\u2045\u2046\u207d\u207e\u2329\u232a〈〉《》「」『』【】〔〕〖〗〘〙〚〛"
    "\uff08\uff09\uff3b\uff3d\uff5b\uff5d\uff5f\uff60\uff62\uff63"
)
_OPENING: Final = dict(zip(_BRACKETS[::2], _BRACKETS[1::2], strict=True))
_CLOSING: Final = frozenset(_OPENING.values())
_TURNED: Final = _BRACKETS + "<>«»‹›≤≥\uff1c\uff1e"
MIRRORED: Final = {
    **dict(zip(_TURNED[::2], _TURNED[1::2], strict=True)),
    **dict(zip(_TURNED[1::2], _TURNED[::2], strict=True)),
}
_MOST_OPEN: Final = 63  # BD16
_NEUTRAL: Final = frozenset({"ON", "WS", "S", "B"})
_NUMBERS: Final = frozenset({"EN", "AN"})
_STRONG: Final = frozenset({"L", "R"})
_LETTERS: Final = _STRONG | {"AL"}
_SIGNS: Final = frozenset({"ES", "ET", "CS"})
#: What stands in a text; all else is as a sign without direction.
_KNOWN: Final = _LETTERS | _NUMBERS | _SIGNS | {"NSM", "WS"}


def levels(texts: Sequence[str], *, leftwards: bool) -> list[int]:
    """The level of each unit of a paragraph: odd is to the left."""
    base = "R" if leftwards else "L"
    kinds = _weak([_kind(text[0]) for text in texts], base)
    _pairs(texts, kinds, base)
    _neutral(kinds, base)
    if leftwards:
        return [1 if kind == "R" else 2 for kind in kinds]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def order(row: Sequence[int]) -> list[int]:
    """The units of a line from left to right, by their levels (L2)."""
    found = list(range(len(row)))
    for level in range(max(row, default=0), 0, -1):
        at = 0
        for high, group in groupby([row[unit] >= level for unit in found]):
            end = at + len(list(group))
            if high:
                found[at:end] = reversed(found[at:end])
            at = end
    return found


def _kind(character: str) -> str:
    kind = unicodedata.bidirectional(character) or "L"
    return kind if kind in _KNOWN else "ON"


def _weak(kinds: list[str], base: str) -> list[str]:
    """W1 to W7: marks, and numbers with what stands in and around them."""
    before = strong = base
    for at, kind in enumerate(kinds):
        if kind == "NSM":
            kinds[at] = kind = before
        before = kind
        if kind in _LETTERS:
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[at] = before = "AN"
    kinds = _signs(["R" if kind == "AL" else kind for kind in kinds])
    strong = base
    for at, kind in enumerate(kinds):
        if kind in _STRONG:
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[at] = "L"
    return kinds


def _signs(kinds: list[str]) -> list[str]:
    """W4 to W6: one sign between two numbers, and any number of signs of money beside one."""
    for at in range(1, len(kinds) - 1):
        around = {kinds[at - 1], kinds[at + 1]}
        if around in ({"EN"}, {"AN"}) and kinds[at] in ("CS", "ES" if "EN" in around else "CS"):
            kinds[at] = around.pop()
    at = 0
    for kind, group in groupby(list(kinds)):
        end = at + len(list(group))
        if kind == "ET" and "EN" in (kinds[at - 1] if at else "", *kinds[end : end + 1]):
            kinds[at:end] = ["EN"] * (end - at)
        at = end
    return ["ON" if kind in _SIGNS else kind for kind in kinds]


def _way(kind: str) -> str:
    """What a unit is to its neighbours: numbers are as what runs to the left."""
    return "R" if kind in _NUMBERS else kind if kind in _STRONG else ""


def _pairs(texts: Sequence[str], kinds: list[str], base: str) -> None:
    """N0: both brackets of a pair go one way."""
    for start, end in _paired(texts, kinds):
        inside = {_way(kind) for kind in kinds[start + 1 : end]} - {""}
        if not inside:
            continue
        way = base
        if base not in inside:
            before = next((w for w in map(_way, reversed(kinds[:start])) if w), base)
            way = before if before in inside else base
        kinds[start] = kinds[end] = way


def _paired(texts: Sequence[str], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """The places of the pairs, in order of the opening ones (BD16)."""
    found: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for at, text in enumerate(texts):
        if kinds[at] != "ON":
            continue
        if text in _OPENING:
            if len(opened) == _MOST_OPEN:
                return []
            opened.append((_same(_OPENING[text]), at))
        elif text in _CLOSING:
            for depth in range(len(opened) - 1, -1, -1):
                if opened[depth][0] == _same(text):
                    found.append((opened[depth][1], at))
                    del opened[depth:]
                    break
    return sorted(found)


def _same(bracket: str) -> str:
    """Of two that are canonically one, the same."""
    return unicodedata.normalize("NFC", bracket)


def _neutral(kinds: list[str], base: str) -> None:
    """N1 and N2: what has no direction goes with its neighbours where they agree."""
    at = 0
    for neutral, group in groupby([kind in _NEUTRAL for kind in kinds]):
        end = at + len(list(group))
        if neutral:
            before = _way(kinds[at - 1]) if at else base
            after = _way(kinds[end]) if end < len(kinds) else base
            kinds[at:end] = [before if before == after else base] * (end - at)
        at = end
