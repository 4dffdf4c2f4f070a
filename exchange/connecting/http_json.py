"""Asks a department's HTTP service: the messages of FetchService as JSON (docs/integrator.md)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import orjson

from exchange.connecting.asking import Asked, Fetched, Outcome, SourceFailed
from exchange.connecting.model import Endpoint
from exchange.connecting.transport import Poster


class HttpConnector:
    """A connector of kind HTTP_JSON."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext) -> None:
        self._poster = Poster(endpoint.address, context, connections=endpoint.max_in_flight)

    async def fetch(self, asked: Asked, *, timeout: float) -> Sequence[Fetched]:  # noqa: ASYNC109
        """The records. Raises SourceFailed."""
        body = orjson.dumps(
            {
                "resource": asked.resource,
                "keys": asked.keys,
                "items": asked.items,
                "purpose": asked.purpose,
                "case_number": asked.case_number,
                "request_id": asked.request_id,
                "consumer": asked.consumer,
                "grant": asked.grant,
            }
        )
        headers = {"x-request-id": asked.request_id}
        return parse(await self._poster.post(body, headers, timeout=timeout))

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def parse(body: bytes) -> list[Fetched]:
    """The records of an answer. Raises SourceFailed, MALFORMED."""
    try:
        return [_record(one) for one in orjson.loads(body)["records"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SourceFailed(Outcome.MALFORMED) from None


def _record(told: Any) -> Fetched:
    key, found, items = told["key"], told["found"], told.get("items") or {}
    if not isinstance(key, str) or not isinstance(found, bool) or not isinstance(items, dict):
        raise TypeError
    return Fetched(key=key, found=found, items=items)
