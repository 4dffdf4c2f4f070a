"""What stands before every page: headers, the bound on what is sent, and where it comes from.

1. Every answer carries `pages.HEADERS`, those of static files too, which may be kept for an hour.
2. Nobody sends more than a document has; the bound is counted, not believed.
3. What changes or asks something comes from a page of this portal: a browser says where a request
   comes from (`Sec-Fetch-Site`, `Origin`), and one that comes from elsewhere is refused.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.pages import HEADERS

GREATEST_BODY: Final = 130 * 1024 * 1024
"""A document of the greatest that is verified, and the form around it."""
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class TooLarge(Exception):
    """More was sent than a document may have."""


class Guard:
    """An ASGI application around the portal's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] not in _READING and _is_from_elsewhere(headers):
            await _refuse(send, 403)
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > GREATEST_BODY:
            await _refuse(send, 413)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > GREATEST_BODY:
                raise TooLarge
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, counted, with_headers)
        except TooLarge:
            await _refuse(send, 413)


def _is_from_elsewhere(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


async def _refuse(send: Send, status: int) -> None:
    """An answer without a page: who gets it came from elsewhere, or sent far too much."""
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
