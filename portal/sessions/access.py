"""Who may open which page: a page is for some roles, and to others it does not exist.

1. Whoever is not signed in is sent to sign in and comes back; only to a page of this portal.
2. A form is read once, bounded, and only with the session's token. One that came too late is given
   back (`kept`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from portal.sessions import kept
from portal.sessions.keeping import (
    COOKIE,
    SCOPE_PERSON,
    Person,
    Sessions,
    check_form_token,
    person_of,
)
from runtime.identity import Role

GREATEST_FIELDS: Final = 100
_PAGE = re.compile(r"/[a-z0-9/-]{0,200}")
Page = Callable[[Request, Person], Awaitable[Response]]


class Recognising:
    """An ASGI application around the portal's: says whose request it is."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            request = Request(scope)
            cookie = request.cookies.get(COOKIE, "")
            scope[SCOPE_PERSON] = await self._sessions.find(cookie) if cookie else None
        await self._app(scope, receive, send)


def for_roles(*roles: Role) -> Callable[[Page], Callable[[Request], Awaitable[Response]]]:
    """A page for whoever has one of the roles."""

    def around(shown: Page) -> Callable[[Request], Awaitable[Response]]:
        @wraps(shown)
        async def guarded(request: Request) -> Response:
            person = person_of(request)
            if person is None:
                await kept.read(request)
                again = kept.given_back(request, signed_in=False)
                return again or RedirectResponse(sign_in_address(request), 303)
            if person.roles.isdisjoint(roles):
                raise HTTPException(404)
            return await shown(request, person)

        return guarded

    return around


def sign_in_address(request: Request) -> str:
    """Where to sign in, and come back to a page that is only looked at."""
    back = request.url.path if request.method == "GET" else ""
    return f"/sign-in?back={quote(back)}" if own_page(back) else "/sign-in"


def own_page(path: str) -> str:
    """A path of this portal, or nothing: no other host, no second slash, nothing to interpret."""
    return path if _PAGE.fullmatch(path) and "//" not in path else ""


async def form_of(
    request: Request, person: Person, *, fields: int = GREATEST_FIELDS
) -> Mapping[str, list[str]]:
    """The fields of a form that the session's own page sent. Raises as `check_form_token`."""
    async with request.form(max_files=0, max_fields=fields, max_part_size=65_536) as form:
        sent = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        kept.note(request, form)
        check_form_token(person, form.get("token"))
        found: dict[str, list[str]] = {}
        for name, value in sent:
            found.setdefault(name, []).append(value)
        return found


def one(fields: Mapping[str, list[str]], name: str) -> str:
    """A field's only value; empty where it was not given."""
    return (fields.get(name) or [""])[0].strip()
