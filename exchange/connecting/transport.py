"""HTTP as both HTTP connectors use it: one POST, bounded in every way.

1. TLS 1.2 or newer with the endpoint's own authority and no other; the node shows its certificate.
2. No redirect is followed, no proxy of the environment used, no cookie kept, no compression taken.
3. An answer is read up to `GREATEST_ANSWER` bytes and until the deadline, whichever comes first.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

from exchange.connecting.asking import GREATEST_ANSWER, Outcome, SourceFailed
from runtime.errors import FailedPrecondition

KEPT_ALIVE = 16
_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "content-type": "application/json; charset=utf-8",
    "user-agent": "tongban",
}


def tls(authority: str, identity: Path) -> ssl.SSLContext:
    """What an endpoint is trusted by, and what the node shows it.

    Raises FailedPrecondition (IDENTITY_MISSING) where the node's own certificate is not there.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authority)
    try:
        context.load_cert_chain(identity / "cert.pem", identity / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise FailedPrecondition(
            "the node's own certificate is missing or unreadable: restart the node",
            reason="IDENTITY_MISSING",
            message_zh="本节点的证书缺失或不可读：请重启节点",
        ) from error
    return context


#: Of the time for an answer, what connecting may take: who is not reached by then is down, while
#: who is reached and does not answer may have been asked for what takes long.
_CONNECTING = 0.9


class Poster:
    """A pool of connections to one address."""

    def __init__(self, address: str, context: ssl.SSLContext, *, connections: int) -> None:
        self._address = address
        self._client = httpx.AsyncClient(
            verify=context,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=connections,
                max_keepalive_connections=min(connections, KEPT_ALIVE),
                keepalive_expiry=30,
            ),
        )

    async def post(self, body: bytes, headers: Mapping[str, str], *, timeout: float) -> bytes:  # noqa: ASYNC109
        """The body of a 200 answer of JSON. Raises SourceFailed."""
        try:
            async with asyncio.timeout(timeout):
                return await self._post(body, headers, timeout)
        except httpx.ConnectTimeout:
            raise SourceFailed(Outcome.UNREACHABLE) from None
        except (TimeoutError, httpx.TimeoutException):
            raise SourceFailed(Outcome.TIMED_OUT) from None
        except (httpx.RemoteProtocolError, httpx.DecodingError):
            raise SourceFailed(Outcome.MALFORMED) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            # From None: what a library says of a failure may quote what was sent.
            raise SourceFailed(Outcome.UNREACHABLE) from None

    async def _post(self, body: bytes, headers: Mapping[str, str], seconds: float) -> bytes:
        async with self._client.stream(
            "POST",
            self._address,
            content=body,
            headers={**_HEADERS, **headers},
            timeout=httpx.Timeout(seconds, connect=seconds * _CONNECTING),
        ) as answer:
            self._client.cookies.clear()
            if answer.status_code != httpx.codes.OK:
                raise _refused(answer.status_code)
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise SourceFailed(Outcome.MALFORMED)
            if _declared(answer) > GREATEST_ANSWER:
                raise SourceFailed(Outcome.TOO_LARGE, down=False)
            read = bytearray()
            async for piece in answer.aiter_raw():
                read += piece
                if len(read) > GREATEST_ANSWER:
                    raise SourceFailed(Outcome.TOO_LARGE, down=False)
            return bytes(read)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _refused(status: int) -> SourceFailed:
    """A 4xx is about this question, unless it is about who asks or how often."""
    about_us = status in (401, 403, 407, 429)
    return SourceFailed(Outcome.REFUSED, status=status, down=about_us or not 400 <= status < 500)


def _declared(answer: httpx.Response) -> int:
    text = answer.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
