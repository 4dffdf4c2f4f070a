"""Asks a service of the national platform: its interface, as a client (STANDARDS §9, v0.55).

1. Four headers, their names with the platform's prefix: `rid` (requester), `sid` (service), `rtime`
   (milliseconds since 1970) and `sign` = base64(HMAC-SHA256(appsecret, sid + rid + rtime)).
2. The platform signs neither body nor answer: what protects them is TLS with the pinned authority,
   and what proves them is the exchange's own receipt.
3. No two questions have one `rtime`, so that each signature is fresh: a platform may refuse
   repeats.
4. One key a question; several keys are asked one after another, within one deadline.
5. Where the key goes and where the record is differs by service: the endpoint says it. Numbers
   are taken as they are written, true and false as these words, null as no value.
"""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from exchange.connecting.asking import Asked, Fetched, Outcome, SourceFailed
from exchange.connecting.model import Endpoint, Platform
from exchange.connecting.transport import Poster
from runtime.clock import Clock


class PlatformConnector:
    """A connector of kind PLATFORM."""

    def __init__(
        self, endpoint: Endpoint, context: ssl.SSLContext, *, secret: bytes, clock: Clock
    ) -> None:
        assert endpoint.platform is not None  # noqa: S101  # checked when it was written
        self._platform = endpoint.platform
        self._secret = secret
        self._clock = clock
        self._last = 0
        self._poster = Poster(endpoint.address, context, connections=endpoint.max_in_flight)

    async def fetch(self, asked: Asked, *, timeout: float) -> Sequence[Fetched]:  # noqa: ASYNC109
        """The records. Raises SourceFailed."""
        until = time.monotonic() + timeout
        found = []
        for key in asked.keys:
            left = until - time.monotonic()
            if left <= 0:
                raise SourceFailed(Outcome.TIMED_OUT)
            body = orjson.dumps({self._platform.key_parameter: key})
            headers = headers_of(self._platform, self._secret, self._instant())
            answer = await self._poster.post(body, headers, timeout=left)
            found.append(parse(answer, key, asked.items, self._platform))
        return found

    def _instant(self) -> str:
        """Milliseconds since 1970, later than any said before."""
        now = int(self._clock.now().timestamp() * 1000)
        self._last = max(now, self._last + 1)
        return str(self._last)

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def headers_of(platform: Platform, secret: bytes, rtime: str) -> dict[str, str]:
    """The four headers of a question."""
    signed = f"{platform.sid}{platform.rid}{rtime}".encode()
    prefix = platform.prefix.value
    return {
        f"{prefix}rid": platform.rid,
        f"{prefix}sid": platform.sid,
        f"{prefix}rtime": rtime,
        f"{prefix}sign": base64.b64encode(hmac.digest(secret, signed, "sha256")).decode(),
    }


def parse(body: bytes, key: str, items: Sequence[str], platform: Platform) -> Fetched:
    """The record of an answer. Raises SourceFailed: REFUSED by its status, MALFORMED."""
    try:
        # Not a fast parser but one that keeps a number as it is written.
        answer = json.loads(body, parse_int=str, parse_float=str, parse_constant=str)
        status, record = _at(answer, platform.status_path), _at(answer, platform.record_path)
    except (ValueError, RecursionError):
        raise SourceFailed(Outcome.MALFORMED) from None
    if status is None:
        raise SourceFailed(Outcome.MALFORMED)
    if _word(status) not in platform.success_values:
        raise SourceFailed(Outcome.REFUSED, down=False)
    if isinstance(record, list):
        if len(record) > 1:
            raise SourceFailed(Outcome.MALFORMED)
        record = record[0] if record else None
    if record is None or record == {}:
        return Fetched(key=key, found=False, items={})
    if not isinstance(record, dict):
        raise SourceFailed(Outcome.MALFORMED)
    values = {code: _word(record.get(platform.fields.get(code, code))) for code in items}
    return Fetched(key=key, found=True, items={c: v for c, v in values.items() if v is not None})


def _at(answer: Any, path: str) -> Any:
    """What is at a path; None where nothing is. Raises ValueError where the way is no object."""
    for name in path.split("."):
        if answer is None:
            return None
        if not isinstance(answer, Mapping):
            raise ValueError
        answer = answer.get(name)
    return answer


def _word(value: Any) -> Any:
    """A plain value as a text; what else stays what it is, and will not fit the resource."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
