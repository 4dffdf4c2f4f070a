"""What stands before every page: headers, the bound on what is sent, and where it comes from.

1. Every answer carries `pages.HEADERS`, those of static files too, which may be kept for an hour.
   Browsers are told to come by TLS alone only where the portal has a name of its own: at localhost
   that would hold for every other program there.
2. Nobody sends more than the page takes: a document to verify, files to a page for who works with
   them, else 1 MiB. The bound is counted, not believed.
3. What changes or asks something comes from a page of this portal: a browser says where a request
   comes from (`Sec-Fetch-Site`, `Origin`), and one that comes from elsewhere is refused. Wallets
   come from anywhere: where they post no cookie counts.
4. A request comes from the address of its connection; where that is a proxy that the settings name,
   from the last address before it that is none (`X-Forwarded-For`).
5. A citizen number in an address is refused and repeated nowhere: addresses stay in histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote_plus, urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.pages import HEADERS, plain_refusal, refusal
from portal.settings import LinkSettings
from runtime.errors import InvalidArgument
from runtime.idcodes import holds_citizen_number

MIB: Final = 1024 * 1024
GREATEST_BODY: Final = 130 * MIB
"""A document of the greatest that is verified, and the form around it."""
SMALL_BODY: Final = MIB
#: What pages take whose path begins so; all others take `SMALL_BODY`.
BODIES: Final[Mapping[str, int]] = {
    "/verify/": SMALL_BODY,
    "/verify": GREATEST_BODY,
    "/audit/": 40 * MIB,
    "/data/": 40 * MIB,
}
_FOR_WALLETS: Final = "/wallet/"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HSTS: Final = "Strict-Transport-Security"

_log = structlog.get_logger()


class TooLarge(Exception):
    """More was sent than the page takes."""


class Guard:
    """An ASGI application around the portal's."""

    def __init__(self, app: ASGIApp, settings: LinkSettings) -> None:
        self._app = app
        self._origin = settings.origin
        self._proxies = tuple(ip_network(one) for one in settings.proxies)
        local = not settings.origin or urlsplit(settings.origin).hostname in _LOOPBACK
        self._headers = {
            name: value for name, value in HEADERS.items() if not (local and name == _HSTS)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, most, started = Headers(scope=scope), _greatest_body(scope["path"]), False
        self._set_client(scope, headers)

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                found = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    found.setdefault(name, value)
            await send(message)

        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise TooLarge
            return message

        turned_away = self._turned_away(scope, headers, most)
        if turned_away is not None:
            await turned_away(scope, _nothing, with_headers)
            return
        try:
            await self._app(scope, counted, with_headers)
        except TooLarge:
            if not started:
                await _refused(scope, 413)(scope, _nothing, with_headers)
        except Exception:
            # Nothing of the request is logged: a form may hold what is personal.
            _log.exception("page_failed", route=getattr(scope.get("route"), "path", ""))
            if started:
                raise
            await _refused(scope, 500)(scope, _nothing, with_headers)

    def _turned_away(self, scope: Scope, headers: Headers, most: int) -> Response | None:
        """The answer to a request that comes no further, by its head alone."""
        asks = scope["method"] not in _READING and not scope["path"].startswith(_FOR_WALLETS)
        if asks and self._is_from_elsewhere(headers):
            return _refused(scope, 403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 12 or int(length) > most:
            return _refused(scope, 413)
        if _names_a_person(scope):
            return refusal(_bare(scope), _number_in_address(), 400)
        return None

    def _is_from_elsewhere(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return True
        origin = headers.get("origin")
        if origin is None:
            return False
        # At the portal's own name, or at the very one that was opened where none is set for it.
        here = {self._origin, f"https://{headers.get('host')}" if self._is_local(headers) else ""}
        return origin not in here - {""}

    def _is_local(self, headers: Headers) -> bool:
        """Whether the host that was opened is this machine, under whatever name and port."""
        opened = urlsplit(f"//{headers.get('host', '')}").hostname
        return not self._origin or opened in _LOOPBACK

    def _set_client(self, scope: Scope, headers: Headers) -> None:
        """Rule 4: whoever looks at the request's client sees who sent it."""
        client = scope.get("client")
        if not self._proxies or not client or not self._is_proxy(client[0]):
            return
        named = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for address in reversed([one.strip() for one in named if one.strip()]):
            if not _is_address(address):
                break
            scope["client"] = (address, 0)
            if not self._is_proxy(address):
                break

    def _is_proxy(self, address: str) -> bool:
        if not _is_address(address):
            return False
        found = ip_address(address)
        return any(found in one for one in self._proxies)


def _greatest_body(path: str) -> int:
    return next((most for start, most in BODIES.items() if path.startswith(start)), SMALL_BODY)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _names_a_person(scope: Scope) -> bool:
    """Whether a citizen number stands in the address, however it is written."""
    query = unquote_plus(scope.get("query_string", b"").decode("latin-1"))
    return holds_citizen_number(f"{scope['path']} {query}".upper())


def _number_in_address() -> InvalidArgument:
    return InvalidArgument(
        "an address of a page holds no citizen number, since addresses are kept in the browser's "
        "history: search by other words",
        reason="NUMBER_IN_ADDRESS",
        message_zh="页面地址中不得含有身份证号（地址会留在浏览器历史记录中）：请改用其他检索词",
    )


def _bare(scope: Scope) -> Request:
    """The request without what it asked: its answer repeats nothing of that."""
    return Request({**scope, "path": "/", "raw_path": b"/", "query_string": b""})


def _refused(scope: Scope, status: int) -> Response:
    """A page that says it; the connection is closed, as what was sent is not read."""
    answer = plain_refusal(_bare(scope), status)
    answer.headers["Connection"] = "close"
    return answer


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
