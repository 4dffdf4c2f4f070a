"""The portal as one ASGI application: its pages, what stands before them, its link to the node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from portal.answers import PATH, Answers, owners_of
from portal.applicant.pages import ROUTES as APPLICANT
from portal.auditor.pages import ROUTES as AUDITOR
from portal.guarding import Guard
from portal.node import NodeLink
from portal.office.pages import ROUTES as OFFICE
from portal.officer.pages import ROUTES as OFFICER
from portal.pages import FOLDER, again, make_ready, page, plain_refusal, refusal
from portal.people.counter import ROUTES as COUNTER
from portal.people.own import ROUTES as OWN
from portal.people.pages import ROUTES as PEOPLE
from portal.sessions.access import Recognising, sign_in_address
from portal.sessions.keeping import COOKIE, SCOPE_PERSON, Sessions, person_of, take_cookie
from portal.sessions.kept import given_back
from portal.settings import LinkSettings
from portal.signin.pages import ROUTES as SIGN_IN
from portal.signin.pages import home_of
from portal.verifier.pages import ROUTES as VERIFIER
from portal.verifier.pages import Verifying
from portal.wallets.pages import ROUTES as WALLETS
from portal.wallets.statuses import ROUTES as STATUSES
from runtime.errors import (
    DomainError,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from runtime.telemetry import configure_logging

_STATUSES: Final = {
    InvalidArgument: 400,
    Unauthenticated: 403,
    PermissionDenied: 404,  # denied and absent look alike
    NotFound: 404,
    OutOfRange: 404,  # no such record of the log
    ResourceExhausted: 429,
    Unavailable: 503,
}


def make() -> Starlette:
    """The application of this process, as the environment says (see `settings`).

    Its log is the node's, line by line: what nobody set up prints, of a page that failed, whatever
    the page held.
    """
    settings = LinkSettings.of_environment()
    configure_logging(level=settings.log_level, as_json=settings.log_json)
    return make_app(NodeLink(settings))


def make_app(node: NodeLink, sessions: Sessions | None = None) -> Starlette:
    """The application that asks `node`."""
    sessions = sessions or Sessions(node=node.address)

    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        node.open()
        app.state.node = node
        app.state.sessions = sessions
        app.state.verifying = Verifying(node)
        sweeping = asyncio.create_task(sessions.keep_swept())
        keeping = asyncio.create_task(app.state.answers.keep_swept())
        preparing = asyncio.create_task(asyncio.to_thread(make_ready))
        try:
            yield
        finally:
            sweeping.cancel()
            keeping.cancel()
            await preparing
            await sessions.close()
            await node.close()

    app = Starlette(
        routes=[
            Route("/", _start),
            Route(PATH + "{answer:str}", _again, methods=["GET"]),
            *VERIFIER,
            *WALLETS,
            *STATUSES,
            *SIGN_IN,
            *APPLICANT,
            *OFFICE,
            *PEOPLE,
            *OWN,
            *COUNTER,
            *AUDITOR,
            *OFFICER,
            Mount("/static", GZipMiddleware(_Static(directory=FOLDER / "static"))),
        ],
        middleware=[
            Middleware(Guard, settings=node.settings),
            Middleware(Recognising, sessions=sessions),
        ],
        exception_handlers={HTTPException: _refused_by_route, DomainError: _refused},
        lifespan=connected,
    )
    app.state.answers = Answers()
    return app


class _Static(StaticFiles):
    """The portal's own style, scripts and pictures."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The file's bytes, not its name for the server to send: that could not be compressed."""
        extensions = dict(scope.get("extensions") or {})
        extensions.pop("http.response.pathsend", None)
        await super().__call__({**scope, "extensions": extensions}, receive, send)

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """A file that may be kept for an hour."""
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer


#: What a service says to a session that is over.
_OVER: Final = frozenset({"SESSION_ENDED", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED"})


#: What is wrong with the files of a form, and not with its words.
_FILES: Final = frozenset({"TOO_MANY_FILES", "FILE_TOO_LARGE"})


async def _start(request: Request) -> Response:
    person = person_of(request)
    return page(request, "start.html", home=home_of(person) if person else "")


async def _again(request: Request) -> Response:
    """What answered a form, once more."""
    held: Answers = request.app.state.answers
    answer = held.find(request.path_params["answer"], owners_of(request))
    if answer is None:
        raise NotFound(
            "this answer is not kept any more: answers to forms are kept for a quarter of an hour, "
            "for who got them; open the form again",
            reason="ANSWER_GONE",
            message_zh="该结果已不再保留：表单结果仅为提交人保留 15 分钟，请重新填写提交",
        )
    return again(request, answer)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, DomainError):
        raise error
    person = person_of(request)
    if person is not None and error.reason in _OVER:
        await request.app.state.sessions.forget(person)
        request.scope[SCOPE_PERSON] = None
        asked = sign_in_address(request)
        answer = given_back(request, signed_in=False) or RedirectResponse(
            asked + ("&ended=1" if "?" in asked else "?ended=1"), 303
        )
        take_cookie(answer, COOKIE)
        return answer
    if error.reason == "FORM_EXPIRED" and (again := given_back(request, signed_in=True)):
        return again
    if error.reason in _FILES and (back := given_back(request, signed_in=True, error=error)):
        return back
    kinds = (status for cls, status in _STATUSES.items() if isinstance(error, cls))
    return refusal(request, error, next(kinds, 500 if error.reason == "INTERNAL" else 409))


async def _refused_by_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return plain_refusal(request, status)
