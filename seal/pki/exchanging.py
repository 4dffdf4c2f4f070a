"""One bounded exchange over HTTP(S): with a time-stamp authority, a list's server, a responder.

1. One deadline for the whole of it after connecting, and a largest answer: nobody keeps us waiting
   nor fills the memory. No redirect is followed, no proxy and no password is used.
2. Where the address was chosen by others (`Reach.PUBLIC`), it is looked up once, and connected to
   is what was looked up, if it is public: a certificate cannot make a node ask its own network.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import SplitResult, urlsplit

_WEB_PORTS: Final = frozenset({80, 443})
_FIRST_FREE_PORT: Final = 1024
_MOST_PLACES: Final = 3
# Networks whose addresses stand for others, which may be private: NAT64, Teredo, 6to4.
_WRAPPED: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/32", "2001::/32", "2002::/16")))


class Reach(Enum):
    """Where a connection may lead."""

    ANYWHERE = "anywhere"
    PUBLIC = "public"


NOT_PUBLIC: Final = (
    "its address is of a private network, or of no web server: it was not asked",
    "其地址属于专用网络或不是网站端口，未查询",
)
"""What an ExchangeFailed says where `Reach.PUBLIC` kept from asking."""


class _NotPublicError(OSError):
    """`Reach.PUBLIC` does not lead there."""


class ExchangeFailed(Exception):
    """There is no whole answer. `is_late` tells that it took too long; the text names no host."""

    def __init__(self, what: str, what_zh: str, *, is_late: bool = False) -> None:
        super().__init__(what)
        self.what, self.what_zh, self.is_late = what, what_zh, is_late


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `body` is None where it was larger than allowed."""

    status: int
    content_type: str
    body: bytes | None


def web_address(url: str) -> SplitResult | None:
    """The parts of an http(s) address without a password; None for anything else."""
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.port != 0  # reading the port may raise
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not named or "@" in parts.netloc:
        return None
    # What http.client would refuse later, or a server read otherwise than we.
    return parts if url.isascii() and url.isprintable() and " " not in url else None


def host_of(url: str) -> str:
    """`host`, or `host:port` where it is not the scheme's own, in small letters; else empty."""
    parts = web_address(url)
    if parts is None:
        return ""
    own = 443 if parts.scheme == "https" else 80
    host = (parts.hostname or "").lower()
    return host if parts.port in (None, own) else f"{host}:{parts.port}"


def exchange(
    address: SplitResult,
    *,
    body: bytes | None = None,
    content_type: str = "",
    timeout: float,
    largest: int,
    reach: Reach = Reach.ANYWHERE,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """POST a body, or GET without one. `timeout` in seconds, `largest` in octets.

    Raises ExchangeFailed.
    """
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    connection = _connection(address, timeout, reach, tls)
    late = threading.Event()
    try:
        connection.connect()
        # A drop at a time would outlast the timeout of each reading: so hang up in time.
        with _deadline(connection.sock, timeout, late):
            headers = {"Content-Type": content_type} if body is not None else {}
            connection.request("GET" if body is None else "POST", target, body, headers)
            with connection.getresponse() as response:
                return _read(response, largest)
    except _NotPublicError as error:
        raise ExchangeFailed(*NOT_PUBLIC) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            raise ExchangeFailed("it took too long", "响应超时", is_late=True) from error
        raise ExchangeFailed(type(error).__name__, "连接失败") from error
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, largest: int) -> Answer:
    body: bytes | None = response.read(largest + 1)
    if body is not None and len(body) > largest:
        body = None
    elif response.length:
        raise http.client.IncompleteRead(body or b"")
    return Answer(
        status=response.status, content_type=response.headers.get_content_type(), body=body
    )


def _connection(
    address: SplitResult, timeout: float, reach: Reach, tls: ssl.SSLContext | None
) -> http.client.HTTPConnection:
    host, port = address.hostname or "", address.port
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        context = tls or ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    if reach is Reach.PUBLIC:
        # The one place where http.client lets a caller choose what is connected to.
        connection._create_connection = _connect_public  # type: ignore[attr-defined]  # noqa: SLF001
    return connection


def _connect_public(
    address: tuple[str, int], timeout: float, _source: tuple[str, int] | None = None
) -> socket.socket:
    """`socket.create_connection` to public addresses alone. Raises OSError."""
    host, port = address
    if port not in _WEB_PORTS and port < _FIRST_FREE_PORT:
        raise _NotPublicError("not a port of the web")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    public = [one for one in found if is_public(str(one[4][0]))]
    if len(public) < len(found):
        # Not even beside a public one: whose name answers with both is up to something.
        raise _NotPublicError("an address of a private network")
    last: OSError = OSError("no address")
    for family, kind, protocol, _, place in public[:_MOST_PLACES]:
        one = socket.socket(family, kind, protocol)
        try:
            one.settimeout(timeout)
            one.connect(place)
        except OSError as error:
            one.close()
            last = error
        else:
            return one
    raise last


def is_public(text: str) -> bool:
    """Whether an IP address is of the public internet, and stands for itself."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(str(address.ipv4_mapped))
        if any(address in one for one in _WRAPPED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@contextmanager
def _deadline(connected: socket.socket, seconds: float, late: threading.Event) -> Iterator[None]:
    """Hang up after so many seconds, unless it is over before."""

    def hang_up() -> None:
        late.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
        if late.is_set():
            raise TimeoutError
    finally:
        timer.cancel()
