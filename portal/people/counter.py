"""A counter's pages: the account of an applicant whom it has identified, made or set up anew.

The number of an applicant goes in a form and stands in no address. A link is shown once; with it,
the applicant alone enrols.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from portal.node import told
from portal.pages import page
from portal.people.asking import asking
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import Role

_COUNTER = for_roles(Role.COUNTER)
_NONE_GIVEN: Final[Mapping[str, str]] = {"code": "", "name": ""}


@_COUNTER
async def ask_whom(request: Request, person: Person) -> Response:
    """Whom the counter has identified."""
    return _inviting(request)


def _inviting(
    request: Request,
    error: DomainError | None = None,
    given: Mapping[str, str] = _NONE_GIVEN,
    *,
    again: bool = False,
) -> Response:
    return page(
        request,
        "people/invite.html",
        request_id=str(uuid.uuid4()),
        given=given,
        again=again,
        error=error,
    )


@_COUNTER
async def invite(request: Request, person: Person) -> Response:
    """Make an applicant's account, and show the link once."""
    given = await form_of(request, person)
    code, name = one(given, "code").upper(), one(given, "name")
    ask = asking(request, person)
    try:
        made = await ask.invite(code, name, one(given, "request_id"))
    except DomainError as error:
        return _inviting(request, error, {"code": code, "name": name})
    return await _invited(request, made, again=False)


@_COUNTER
async def ask_whose(request: Request, person: Person) -> Response:
    """Whose account is to be set up anew."""
    return _inviting(request, again=True)


@_COUNTER
async def reset(request: Request, person: Person) -> Response:
    """Take away by what an applicant signed in, and show a fresh link once."""
    given = await form_of(request, person)
    code = one(given, "code").upper()
    ask = asking(request, person)
    try:
        made = await ask.reset(code, one(given, "request_id"))
    except DomainError as error:
        return _inviting(request, error, {"code": code, "name": ""}, again=True)
    return await _invited(request, made, again=True)


async def _invited(request: Request, made: Any, *, again: bool) -> Response:
    asked = pb.GetSignInWaysRequest()
    ways = await told(request.app.state.node.signing_in.GetSignInWays(asked, timeout=20))
    token = made.invitation.token
    return page(
        request,
        "people/invited.html",
        account=made.account,
        link=f"{ways.origin}/enrol#{token}" if token else "",
        until=made.invitation.expire_time.ToDatetime(UTC),
        again=again,
    )


ROUTES: Final = (
    Route("/counter/accounts", ask_whom, methods=["GET"]),
    Route("/counter/accounts", invite, methods=["POST"]),
    Route("/counter/accounts/reset", ask_whose, methods=["GET"]),
    Route("/counter/accounts/reset", reset, methods=["POST"]),
)
