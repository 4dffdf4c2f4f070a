"""How a page is made: templates, the reader's language, and the headers that every page carries.

1. Chinese first: a page is Chinese until its reader asks for English, which a cookie remembers.
2. What a page says stands in its template in both languages, side by side: `say(english, chinese)`,
   as in the commands.
   What is made in one language before it comes to the page comes as `InLanguage`.
3. What answers a form is kept (`answers`), and shown at an address of its own where a browser asks:
   so it can be loaded anew and had in the other language, and the form is not sent twice.
4. A page runs no script but the portal's own files, is framed by nobody, and asks nothing of any
   other host.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from portal import answers
from portal.answers import Answer
from portal.languages import with_chinese_marked
from portal.plain import STATUSES, sentences
from portal.tables import with_columns_told
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument, ResourceExhausted

LANGUAGES: Final = ("zh", "en")
LANGUAGE_COOKIE: Final = "lang"
FOLDER: Final = Path(__file__).parent
#: After how long a session that is not used is over; `sessions.keeping` holds it.
IDLE_SECONDS: Final = 30 * 60
YEAR: Final = 365 * 24 * 3600
_TOKEN: Final = 2000
#: Where a request's scope keeps what files its form had, by field and name: browsers choose none
#: again by themselves, so where the form is refused it is said which.
SCOPE_FILES: Final = "tongban.files"
_NAMED: Final = 5
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
    asked = request.query_params.get(LANGUAGE_COOKIE) or request.cookies.get(LANGUAGE_COOKIE)
    return asked if asked in LANGUAGES else LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class InLanguage:
    """A fact of a page that differs by its language, and is made by that."""

    made: Callable[[str], Any]


#: Which fields of a form a refusal is about, by its reason.
WRONG: Final[Mapping[str, str]] = {
    "REASON_REQUIRED": "reason",
    "BAD_HOLDER_CODE": "code",
    "ACCOUNT_EXISTS": "code",
    "ACCOUNT_NOT_FOUND": "code",
    "BAD_NAME": "name",
    "WEAK_PASSWORD": "password",
    "WRONG_CODE": "code",
    "SIGN_IN_REFUSED": "password login code",
    "INVITATION_NOT_FOUND": "link",
}


def page(
    request: Request,
    template: str,
    *,
    status: int = 0,
    error: DomainError | None = None,
    wrong: str = "",
    **facts: Any,
) -> Response:
    """A page in the reader's language.

    With `error`, `said` is the notice of it, and `marked(field)` the attributes by which a field is
    told to be wrong and described by the notice: the fields `wrong` (space between), or those that
    `WRONG` names; the first of them has the focus. Its status is then 422, or 429 of who asks too
    much, unless another one is given.
    """
    if error is not None and (files := request.scope.get(SCOPE_FILES)):
        facts = {**facts, "chosen": [name for _, name in files]}
    refused = 429 if isinstance(error, ResourceExhausted) else 422
    status = status or (refused if error else 200)
    if request.method == "POST" and (held := answers.answers_of(request)) is not None:
        owners, cookie = answers.owners_of(request), ""
        if not owners:
            cookie = secrets.token_urlsafe(32)
            owners = [answers.visitor(cookie)]
        place = held.keep(
            Answer(
                path=request.url.path, template=template, status=status, error=error, wrong=wrong,
                facts=facts,
            ),
            owners[0],
        )  # fmt: skip
        # Who brought no cookie may take none: what is refused stays where it was sent.
        if status == 200 and not cookie and answers.navigates(request):
            return RedirectResponse(place, 303)
        answer = _page(request, template, status, error, wrong, facts, again=place)
        return known(answer, cookie) if cookie else answer
    return _page(request, template, status, error, wrong, facts)


def again(request: Request, answer: Answer) -> Response:
    """A page that answered a form, once more."""
    where = Request({**request.scope, "path": answer.path, "raw_path": answer.path.encode()})
    return _page(where, answer.template, answer.status, answer.error, answer.wrong, answer.facts)


def known(answer: Response, cookie: str = "") -> Response:
    """A page that gives a visitor's browser the cookie by which it has answers again."""
    cookie = cookie or secrets.token_urlsafe(32)
    answer.set_cookie(answers.COOKIE, cookie, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _page(
    request: Request,
    template: str,
    status: int,
    error: DomainError | None,
    wrong: str,
    facts: Mapping[str, Any],
    *,
    again: str = "",
) -> Response:
    """A page, and `again` where it may be had once more, if that is elsewhere."""
    answer = HTMLResponse(
        text_of(request, template, facts, error=error, wrong=wrong, again=again),
        status_code=status,
        headers={"Content-Language": language_of(request)},
    )
    if request.query_params.get(LANGUAGE_COOKIE) == language_of(request):
        answer.set_cookie(
            LANGUAGE_COOKIE, language_of(request), max_age=YEAR, secure=True, httponly=True,
            samesite="lax",
        )  # fmt: skip
    return answer


def text_of(
    request: Request,
    template: str,
    facts: Mapping[str, Any],
    *,
    error: DomainError | None = None,
    wrong: str = "",
    again: str = "",
) -> str:
    """The text of a page in the reader's language, as `page` says."""
    language = language_of(request)
    say = sayer(language)
    fields = (wrong or WRONG.get(error.reason, "")).split() if error else []
    text = (
        _environment()
        .get_template(template)
        .render(
            **{
                name: fact.made(language) if isinstance(fact, InLanguage) else fact
                for name, fact in facts.items()
            },
            error=error,
            said=_said(error, language, facts.get("chosen", ())),
            marked=_marker(fields),
            lang=language,
            say=say,
            path=request.url.path,
            idle_seconds=IDLE_SECONDS,
            person=request.scope.get("tongban.person"),
            other_language=_other(request, language, again),
        )
    )
    text = with_columns_told(text)
    return with_chinese_marked(text) if language == "en" else text


_MARK: Final = Markup(' aria-invalid="true" aria-describedby="said"')
#: The first field that was wrong is where whoever types goes on.
_FIRST: Final = _MARK + Markup(" autofocus")


def _marker(fields: list[str]) -> Callable[[str], Markup]:
    def marked(field: str) -> Markup:
        if field not in fields:
            return Markup()
        return _FIRST if field == fields[0] else _MARK

    return marked


def _said(error: DomainError | None, language: str, files: Sequence[str]) -> Markup:
    """The notice above a form that was refused, which its fields are described by.

    `files`: what those are called that were chosen, and are not any more.
    """
    if error is None:
        return Markup()
    text = sayer(language)(*sentences(error))
    if files:
        some = files[:_NAMED]
        more = sayer(language)(" and others", "等") if len(files) > len(some) else ""
        text += sayer(language)(
            f" Choose again: {', '.join(some)}{more}.",
            f"请重新选择文件：{'、'.join(some)}{more}。",
        )
    return Markup('<p class="notice bad" role="alert" id="said">{}</p>').format(text)


def rendered(template: str, language: str, **facts: Any) -> str:
    """The text of a template that is no page of a site, in a language."""
    found = _environment().get_template(template)
    return found.render(**facts, lang=language, say=sayer(language))


def picture_of_code(text: str) -> str:
    """A QR code as an address of data, PNG."""
    return segno.make(text, error="m").png_data_uri(scale=6, border=4)


def picture(png: bytes) -> str:
    """A PNG picture as an address of data."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def after(request: Request) -> str:
    """Where the page of a list begins, by its address."""
    return request.query_params.get("after", "")[:_TOKEN]


def chosen(word: str, known: Container[str]) -> str:
    """What an address chooses: one of those known, or nothing.

    A page that left out what it does not know would answer another question than was asked. Raises
    InvalidArgument (UNKNOWN_CHOICE).
    """
    if word and word not in known:
        raise unknown_choice()
    return word


def unknown_choice() -> InvalidArgument:
    """The refusal of an address that asks for what its page does not have."""
    return InvalidArgument(
        "the page does not offer what was asked for: open it from the menu, and choose there",
        reason="UNKNOWN_CHOICE",
        message_zh="所选条件不在可选范围内：请从菜单打开页面，重新选择",
    )


def to_save(content: bytes | str, media_type: str, name: str) -> Response:
    """A file, which a browser keeps and does not open by itself."""
    called = quote(name)
    said = f'filename="{name}"' if called == name else f"filename*=UTF-8''{called}"
    headers = {"Content-Disposition": f"attachment; {said}"}
    return Response(content, media_type=media_type, headers=headers)


def refusal(request: Request, error: DomainError, status: int) -> Response:
    """The page that says what happened, and what to do, in plain words."""
    message, message_zh = sentences(error)
    return page(
        request,
        "refusal.html",
        status=status,
        reason=error.reason,
        message=message,
        message_zh=message_zh,
    )


def plain_refusal(request: Request, status: int) -> Response:
    """The page of an answer that has nothing more to say: not found, not allowed."""
    message, message_zh = STATUSES.get(status, STATUSES[404])
    return page(
        request,
        "refusal.html",
        status=status,
        reason=HTTPStatus(status).phrase.upper().replace(" ", "_"),
        message=message,
        message_zh=message_zh,
    )


def sayer(language: str) -> Callable[[str, str], str]:
    """Chooses between an English and a Chinese text."""
    return (lambda english, chinese: english) if language == "en" else (lambda _, chinese: chinese)


def _other(request: Request, language: str, again: str) -> str:
    """The address of this page in the other language; none where it cannot be had again."""
    if request.method == "POST" and not again:
        return ""
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    known = request.query_params.multi_items() if not again else ()
    asked = [(k, v) for k, v in known if k != LANGUAGE_COOKIE]
    return f"{again}?" + urlencode([*asked, (LANGUAGE_COOKIE, other)])


def make_ready() -> None:
    """Compile every template, so that nobody waits for that who opens a page first."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["time"] = shown_time
    environment.filters["day"] = lambda at: shown_time(at)[:10]
    environment.filters["last"] = lambda name: str(name).rpartition("/")[2]
    environment.globals["icon"] = icon
    return environment


def shown_time(at: datetime) -> str:
    """A time as people here read it, in China's."""
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


@cache
def icon(name: str) -> Markup:
    """A picture of the portal's own, to stand within a page; said by the words beside it."""
    return Markup((FOLDER / "static" / "icons" / f"{name}.svg").read_text("utf-8"))  # noqa: S704  # our own file
