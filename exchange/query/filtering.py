"""Row filters at work: of records that were read, those outside their grant's filter are absent.

1. A record outside the filter costs what an absent one does: of a long one its brief is read and
   judged (`exchange.delivery.briefs`), and the whole only where it is shown. An absent one is
   judged too, by a decoy.
2. What is shown is the very change that was judged, whatever is published meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from exchange.delivery.briefs.store import ABSENT, Tested
from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant, View
from exchange.grants.rows import looked_up, shows
from exchange.query.model import DECOY


def held(
    records: RecordReader, views: Sequence[Grant | View], places: Sequence[tuple[str, str]]
) -> list[str | None]:
    """The newest records at these places, with None for each that is absent or not shown."""
    if not any(view.row_filter for view in views):
        texts = records.payloads(places)
        return [texts.get(place) for place in places]
    found = records.tested(places)
    return _judged(records, views, [found.get(place, ABSENT) for place in places])


def held_at(
    records: RecordReader, views: Sequence[Grant | View], offsets: Sequence[int]
) -> list[str | None]:
    """The same of what was published at offsets of the log; 0 is none."""
    found = records.tested_at(offsets)
    return _judged(records, views, [found.get(offset, ABSENT) for offset in offsets])


def _judged(
    records: RecordReader, views: Sequence[Grant | View], found: Sequence[Tested]
) -> list[str | None]:
    texts = shown(records, views, [one.text for one in found])
    brief = {
        one.offset
        for one, text in zip(found, texts, strict=True)
        if text is not None and not one.whole
    }
    if not brief:
        return texts
    whole = records.whole(brief)
    return [
        whole[one.offset] if text is not None and one.offset in brief else text
        for one, text in zip(found, texts, strict=True)
    ]


def shown(
    records: RecordReader, views: Sequence[Grant | View], texts: Sequence[str | None]
) -> list[str | None]:
    """The records with None for each outside the filter that it is seen by.

    One look-up serves all of them.
    """
    values: list[Mapping[str, str]] = [
        orjson.loads(DECOY if text is None else text) if view.row_filter else {}
        for view, text in zip(views, texts, strict=True)
    ]
    wanted = {
        place
        for view, value in zip(views, values, strict=True)
        for place in looked_up(view.row_filter, value)
    }
    clients = records.payloads(wanted) if wanted else {}

    def holds(resource: str, key: str) -> bool:
        return clients.get((resource, key)) is not None

    return [
        text if shows(view.row_filter, value, holds) else None
        for view, text, value in zip(views, texts, values, strict=True)
    ]
