"""How people read what others wrote, and when: texts on one line, times of one zone.

1. What comes out of a document, a certificate, a list or a file's name was written by whoever made
   it. Whatever is not seen, or moves what is (control and format characters, direction marks, line
   ends, private use, fillers), becomes a visible `�`, and what is too long is cut with `…`: no name
   can write a line of a report, colour it, or hide another.
2. Times are China Standard Time and say so. A time that has no place in that zone's calendar (the
   last hours of the year 9999, which certificates use for "no end") is told in UTC, and says so.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from runtime.clock import CHINA

LONGEST: Final = 120
"""Characters of a name."""
LONGEST_SENTENCE: Final = 2000
"""Characters of a sentence, with all the names in it."""

_KEPT_TIMES: Final = 1024
IN_HEAD: Final = 36
"""Characters of a name in a head; a longer one stands whole among the facts."""

_ANSWERS: Final = (
    "PASS",
    "FAIL",
    "DETERMIN",
    "VALID",
    "GOOD",
    "通过",
    "确定",
    "有效",
    "合格",
    "成立",
)
REPLACEMENT: Final = "�"
# Printable by their category, and yet nothing is seen of them: fillers, blanks, selectors; and more
# combining marks than any script has on one letter, which paint over the lines around.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U0001d159\U000e0100-\U000e01ef]"
    "|(?<=[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
)
_SPACES: Final = frozenset("\u00a0\u1680\u202f\u205f\u3000") | {chr(c) for c in range(8192, 8203)}


def plain(text: str, longest: int = LONGEST) -> str:
    """Text of a document on one line: nothing in it that is not seen (rule 1)."""
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    elif text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(REPLACEMENT, visible(text))


def in_head(name: str) -> str:
    """A name where answers stand: short, and in quotes where it might be taken for one."""
    name = plain(name, IN_HEAD)
    return f"“{name}”" if any(one in name.upper() for one in _ANSWERS) else name


def plain_path(text: str, longest: int = 300) -> str:
    """`plain`, of a path, whose end says most: what is too long loses its beginning."""
    return plain(text if len(text) <= longest else "…" + text[1 - longest :], longest)


def sentence(text: str) -> str:
    """A sentence of ours with names of others in it: the last guard, for texts made of `plain`."""
    if len(text) > LONGEST_SENTENCE:
        text = text[: LONGEST_SENTENCE - 1] + "…"
    return visible(text)


def visible(text: str, kept: str = "") -> str:
    """Text whose control, format and direction characters are seen; those of `kept` stay."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in kept else " " if c in _SPACES else REPLACEMENT for c in text
    )


@lru_cache(maxsize=_KEPT_TIMES)
def china_time(at: datetime) -> str:
    """An instant on a clock in China, `2026-02-01 16:00:00 +08:00` (rule 2)."""
    # `isoformat` in place of `strftime`, which takes three times as long.
    try:
        return at.astimezone(CHINA).isoformat(" ")[:19] + " +08:00"
    except OverflowError:
        return at.astimezone(UTC).isoformat(" ")[:19] + " +00:00"


def china_day(at: datetime) -> str:
    """The day in China of an instant, `2026-02-01`; that of UTC where there is none."""
    return china_time(at)[:10]


def moment(at: datetime | None) -> str:
    """`china_time`; a dash for none."""
    return "-" if at is None else china_time(at)
