"""Row filters at work: of records that were read, those outside their grant's filter are absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from exchange.delivery.reading import RecordReader
from exchange.grants.model import Grant, View
from exchange.grants.rows import looked_up, shows
from exchange.query.model import DECOY


def shown(
    records: RecordReader, views: Sequence[Grant | View], texts: Sequence[str | None]
) -> list[str | None]:
    """The records with None for each outside the filter that it is seen by.

    An absent one is judged too, so that both cost the same. One look-up serves all of them.
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
