"""The portal as one ASGI application: its pages, what stands before them, its link to the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from portal.guarding import Guard
from portal.node import NodeLink
from portal.pages import FOLDER, page, plain_refusal, refusal
from portal.settings import LinkSettings
from portal.verifier.pages import ROUTES as VERIFIER
from runtime.errors import (
    DomainError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)

_STATUSES: Final = {
    InvalidArgument: 400,
    Unauthenticated: 403,
    PermissionDenied: 404,  # denied and absent look alike
    NotFound: 404,
    ResourceExhausted: 429,
    Unavailable: 503,
}


def make() -> Starlette:
    """The application of this process, as the environment says (see `settings`)."""
    return make_app(NodeLink(LinkSettings.of_environment()))


def make_app(node: NodeLink) -> Starlette:
    """The application that asks `node`."""

    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        node.open()
        app.state.node = node
        try:
            yield
        finally:
            await node.close()

    return Starlette(
        routes=[
            Route("/", _start),
            *VERIFIER,
            Mount("/static", _Static(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: _refused_by_route, DomainError: _refused},
        lifespan=connected,
    )


class _Static(StaticFiles):
    """The portal's own style, scripts and pictures."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """A file that may be kept for an hour."""
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer


async def _start(request: Request) -> Response:
    return page(request, "start.html")


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, DomainError):
        raise error
    kinds = (status for cls, status in _STATUSES.items() if isinstance(error, cls))
    return refusal(request, error, next(kinds, 409))


async def _refused_by_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return plain_refusal(request, status)
