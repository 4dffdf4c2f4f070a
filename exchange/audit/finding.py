"""Where in the log a record is that somebody holds: by the record itself.

1. Records come into the log about in order of their times: the log is halved to half a minute
   before the record's own, and read on from there.
2. So many are read and no more: who holds a record that came late is told that it was not found.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import orjson

from runtime.errors import FieldViolation, InvalidArgument, NotFound
from runtime.records import instant

EARLY: Final = timedelta(seconds=30)
LATE: Final = timedelta(minutes=10)
PAGE: Final = 1024
MOST_PAGES: Final = 32


class Entries(Protocol):
    """The log, as it is read."""

    def entries(self, start: int, count: int) -> tuple[list[bytes], int]:
        """Leaves from `start` on, and the size of the log."""
        ...


def index_of(log: Entries, leaf: bytes) -> int:
    """The index of a record. Raises InvalidArgument (BAD_LEAF) and NotFound (LEAF_NOT_FOUND)."""
    at = _moment(leaf)
    start = _begin(log, instant(at - EARLY))
    last = instant(at + LATE)
    for _ in range(MOST_PAGES):
        page, size = log.entries(start, PAGE)
        for offset, one in enumerate(page):
            if one == leaf:
                return start + offset
        start += len(page)
        if not page or start >= size or _time(page[-1]) > last:
            break
    raise NotFound(
        "the log has no such record about its time: it may not have come there yet",
        reason="LEAF_NOT_FOUND",
        message_zh="日志中该时间前后没有这条记录：可能尚未收录",
    )


def _begin(log: Entries, earliest: str) -> int:
    """The first index whose record is not older, as far as records are in order."""
    low, high = 0, log.entries(0, 1)[1]
    while low < high:
        middle = (low + high) // 2
        found, _ = log.entries(middle, 1)
        if found and _time(found[0]) < earliest:
            low = middle + 1
        else:
            high = middle
    return low


def _moment(leaf: bytes) -> datetime:
    try:
        return datetime.fromisoformat(_time(leaf)).astimezone(UTC)
    except ValueError:
        raise InvalidArgument(
            "leaf is not a record of the log: hand it in as it was told",
            reason="BAD_LEAF",
            message_zh="leaf 不是日志记录：请按原样提交",
            violations=[FieldViolation("leaf", "not a record")],
        ) from None


def _time(leaf: bytes) -> str:
    """RFC 3339 of one form, so that texts compare as times do; "" of what is no record."""
    try:
        found: Any = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return ""
    return str(found.get("time", "")) if isinstance(found, dict) else ""
