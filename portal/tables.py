"""Tables for narrow windows: each cell is told which column it is of.

On a phone the style shows a row as a card, and before each value what it is. The names of columns
stand once, in the table's head; here they are put to the cells for all pages at once.
"""

from __future__ import annotations

import re
from typing import Final

_TABLE: Final = re.compile(r"<table\b[^>]*>.*?</table>", re.DOTALL)
_HEAD: Final = re.compile(r"<thead\b.*?</thead>", re.DOTALL)
_COLUMN: Final = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_MARK: Final = re.compile(r"<(tr|td|th)\b([^>]*)>")
_SPAN: Final = re.compile(r'colspan="(\d+)"')
_QUOTE: Final = '"'
_TAG: Final = re.compile(r"<[^>]*>")


def with_columns_told(page: str) -> str:
    """The page with `data-column` on the cells of tables that have a head."""
    return _TABLE.sub(lambda found: _told(found[0]), page)


def _told(table: str) -> str:
    head = _HEAD.search(table)
    if head is None:
        return table
    names = [_TAG.sub("", name).strip() for name in _COLUMN.findall(head[0])]
    place = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal place
        if found[1] == "tr":
            place = 0
            return found[0]
        span = _SPAN.search(found[2])
        at, place = place, place + (int(span[1]) if span else 1)
        if span or at >= len(names) or not names[at]:
            return found[0]
        return f'<{found[1]}{found[2]} data-column="{names[at].replace(_QUOTE, "&#34;")}">'

    return table[: head.end()] + _MARK.sub(mark, table[head.end() :])
