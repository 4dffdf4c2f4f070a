"""What is read off the messages of methods that answer data; on the hot path, so it is little."""

from __future__ import annotations

from typing import Any

from exchange.monitoring.model import KEYS_OF_A_CALL
from runtime.observing import Look, Seen

GREATEST_ITEMS = 64


def _asked(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose


def _asked_key(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose
    seen.keys = (request.key,)


def _asked_query(seen: Seen, request: Any) -> None:
    seen.grant = request.grant
    seen.purpose = request.purpose
    key = request.key
    seen.keys = (key,) if key else tuple(request.keys[:KEYS_OF_A_CALL])


def _asked_batch(seen: Seen, request: Any) -> None:
    if not seen.grant:
        seen.grant = request.grant
        seen.purpose = request.purpose
    elif request.grant != seen.grant:
        seen.grant = "-"  # several in one stream: none is told
    if len(seen.keys) < KEYS_OF_A_CALL:
        seen.keys = (*seen.keys, *request.keys[:KEYS_OF_A_CALL])


def _told_query(seen: Seen, answer: Any) -> None:
    if answer.found:
        seen.rows = 1
        seen.items = tuple(answer.items)
        if not seen.items:
            seen.rows = 0
            _told_records(seen, answer)


def _told_records(seen: Seen, answer: Any) -> None:
    for record in answer.records:
        # A record that was not found has no items.
        if record.items:
            seen.rows += 1
            if not seen.items:
                seen.items = tuple(record.items)


def _told_verify(seen: Seen, answer: Any) -> None:
    seen.rows = 1
    seen.items = tuple(answer.claims)


def _told_changes(seen: Seen, answer: Any) -> None:
    seen.rows += len(answer.changes)


def _asked_publish(seen: Seen, request: Any) -> None:
    if request.HasField("header"):
        seen.resource = request.header.resource
    else:
        seen.rows += len(request.rows)


_EXCHANGE = "/tongban.exchange.v1."
LOOKS: dict[str, tuple[Look | None, Look | None]] = {
    f"{_EXCHANGE}QueryService/Query": (_asked_query, _told_query),
    f"{_EXCHANGE}QueryService/BatchQuery": (_asked_batch, _told_records),
    f"{_EXCHANGE}QueryService/Verify": (_asked_key, _told_verify),
    f"{_EXCHANGE}QueryService/Export": (_asked, _told_records),
    f"{_EXCHANGE}SpatialService/SpatialQuery": (_asked, _told_records),
    f"{_EXCHANGE}DeliveryService/PullChanges": (None, _told_changes),
    f"{_EXCHANGE}DeliveryService/Subscribe": (None, _told_changes),
    f"{_EXCHANGE}DeliveryService/Publish": (_asked_publish, None),
}
