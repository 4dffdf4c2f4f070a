"""Every page that a person comes to by links: each route once, by an address of its own."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Final

from starlette.routing import Route

from portal.app import make_app
from portal.node import NodeLink
from portal.settings import LinkSettings

_LINK = re.compile(r'href="(/[^"?#]*)["?#]')
#: Where each person's pages begin; all others' are found by links.
BEGINNINGS: Final = {
    "applicant": "/my/",
    "administrator": "/office",
    "auditor": "/audit",
    "officer": "/data",
    "visitor": "/verify",
}
#: What ends a session, or is the platform's; and what is there only when work was done.
_LEFT_OUT: Final = frozenset(
    {
        "/sign-in/platform", "/sign-in/platform/answer", "/audit/compare/result",
        "/audit/evidence/bundle",
    }
)  # fmt: skip


def free_address() -> str:
    """host:port where nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def routes() -> list[Route]:
    """Routes that are looked at."""
    app = make_app(NodeLink(LinkSettings(node="localhost:1", identity=Path())))
    return [
        route
        for route in app.routes
        if isinstance(route, Route)
        and "GET" in (route.methods or {"GET"})
        and route.path not in _LEFT_OUT
    ]


def found(person: str, read: Callable[[str], str]) -> Iterator[str]:
    """Addresses of a person's pages, one of each route; `read` gives a page's text, or nothing.

    Each is read as it is told, and its links lead on.
    """
    all_routes, beginning = routes(), BEGINNINGS[person]
    waiting = [
        route.path
        for route in all_routes
        if "{" not in route.path and route.path.startswith(beginning)
    ]
    seen = set(waiting)
    while waiting:
        path = waiting.pop(0)
        text = read(path)
        if not text:
            continue
        yield path
        for link in map(unescape, _LINK.findall(text)):
            route = next((one for one in all_routes if one.path_regex.match(link)), None)
            if route is None or "{" not in route.path or route.path in seen:
                continue
            if route.path.startswith(beginning):
                seen.add(route.path)
                waiting.append(link)
