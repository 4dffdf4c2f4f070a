"""How a page is made: templates, the reader's language, and the headers that every page carries.

1. Chinese first: a page is Chinese until its reader asks for English, which a cookie remembers.
2. What a page says stands in its template in both languages, side by side: `say(english, chinese)`,
   as in the commands.
3. A page runs no script but the portal's own files, is framed by nobody, and asks nothing of any
   other host.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from runtime.clock import CHINA
from runtime.errors import DomainError

LANGUAGES: Final = ("zh", "en")
COOKIE: Final = "lang"
FOLDER: Final = Path(__file__).parent
YEAR: Final = 365 * 24 * 3600
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Strict-Transport-Security": f"max-age={YEAR}",
    "Cache-Control": "no-store",
}


def language_of(request: Request) -> str:
    """The reader's language: what the address asks for, else what was chosen before, else zh."""
    asked = request.query_params.get(COOKIE) or request.cookies.get(COOKIE)
    return asked if asked in LANGUAGES else LANGUAGES[0]


def page(request: Request, template: str, *, status: int = 200, **facts: Any) -> Response:
    """A page in the reader's language."""
    language = language_of(request)
    text = (
        _environment()
        .get_template(template)
        .render(
            **facts,
            lang=language,
            say=sayer(language),
            path=request.url.path,
            person=request.scope.get("tongban.person"),
            other_language=_other(request, language),
        )
    )
    answer = HTMLResponse(text, status_code=status, headers={"Content-Language": language})
    if request.query_params.get(COOKIE) == language:
        answer.set_cookie(
            COOKIE, language, max_age=YEAR, secure=True, httponly=True, samesite="lax"
        )
    return answer


def picture_of_code(text: str) -> str:
    """A QR code as an address of data, PNG."""
    return segno.make(text, error="m").png_data_uri(scale=6, border=4)


def picture(png: bytes) -> str:
    """A PNG picture as an address of data."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def refusal(request: Request, error: DomainError, status: int) -> Response:
    """The page that says what happened, and what to do, in plain words."""
    told = {"message": error.message, "message_zh": error.message_zh or error.message}
    return page(request, "refusal.html", status=status, reason=error.reason, **told)


def plain_refusal(request: Request, status: int) -> Response:
    """The page of an answer that has nothing more to say: not found, not allowed."""
    return page(
        request,
        "refusal.html",
        status=status,
        reason=HTTPStatus(status).phrase.upper().replace(" ", "_"),
        message="There is no such page. Go back to the start.",
        message_zh="没有这个页面，请返回首页。",
    )


def sayer(language: str) -> Callable[[str, str], str]:
    """Chooses between an English and a Chinese text."""
    return (lambda english, chinese: english) if language == "en" else (lambda _, chinese: chinese)


def _other(request: Request, language: str) -> str:
    """The address of this page in the other language."""
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    asked = [(k, v) for k, v in request.query_params.multi_items() if k != COOKIE]
    return "?" + urlencode([*asked, (COOKIE, other)])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = _time
    environment.filters["last"] = lambda name: str(name).rpartition("/")[2]
    environment.globals["icon"] = icon
    return environment


def _time(at: datetime) -> str:
    """A time as people here read it, in China's."""
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


@cache
def icon(name: str) -> Markup:
    """A picture of the portal's own, to stand within a page; said by the words beside it."""
    return Markup((FOLDER / "static" / "icons" / f"{name}.svg").read_text("utf-8"))  # noqa: S704  # our own file
