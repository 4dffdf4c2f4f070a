"""A counter's pages: the account of an applicant whom it has identified, made or set up anew.

1. The number of an applicant goes in a form and stands in no address. A link is shown once; with
   it, the applicant alone enrols.
2. An account is set up anew by two people of the counter: one asks, another confirms and gets the
   link. The service holds that, not these pages.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from portal.node import told
from portal.pages import page
from portal.people.asking import PAGE, asking
from portal.people.pages import list_of_acts, page_of_act
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import Role

_COUNTER = for_roles(Role.COUNTER)
_NONE_GIVEN: Final[Mapping[str, str]] = {"code": "", "name": ""}


@_COUNTER
async def ask_whom(request: Request, person: Person) -> Response:
    """Whom the counter has identified; and whether a colleague waits to be confirmed."""
    waiting = await asking(request, person).acts(size=PAGE, kind=pb.ACT_KIND_RESET_ACCOUNT)
    others = any(each.asked_by != person.system for each in waiting.acts)
    return _inviting(request, waiting=others)


def _inviting(
    request: Request,
    error: DomainError | None = None,
    given: Mapping[str, str] = _NONE_GIVEN,
    *,
    waiting: bool = False,
) -> Response:
    return page(
        request,
        "people/invite.html",
        request_id=str(uuid.uuid4()),
        given=given,
        waiting=waiting,
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
    return await _invited(request, made.account.display_name, made.invitation, again=False)


@_COUNTER
async def ask_whose(request: Request, person: Person) -> Response:
    """Whose account is to be set up anew."""
    return _resetting(request)


def _resetting(
    request: Request, error: DomainError | None = None, code: str = "", reason: str = ""
) -> Response:
    return page(
        request,
        "people/reset.html",
        request_id=str(uuid.uuid4()),
        code=code,
        reason=reason,
        error=error,
    )


@_COUNTER
async def reset(request: Request, person: Person) -> Response:
    """Ask that all be taken away by what an applicant signed in; somebody else confirms it."""
    given = await form_of(request, person)
    code, reason = one(given, "code").upper(), one(given, "reason")
    try:
        await asking(request, person).ask_reset(code, reason, one(given, "request_id"))
    except DomainError as error:
        return _resetting(request, error, code, reason)
    return RedirectResponse("/counter/acts?asked=1", 303)


@_COUNTER
async def acts(request: Request, person: Person) -> Response:
    """What people of this counter asked for and others of it confirm."""
    return await list_of_acts(request, person, at="counter", kind=pb.ACT_KIND_RESET_ACCOUNT)


@_COUNTER
async def one_act(request: Request, person: Person) -> Response:
    """Whose account is to be reset, who asked, why; and to confirm it."""
    return await page_of_act(request, person, at="counter")


@_COUNTER
async def confirm(request: Request, person: Person) -> Response:
    """Confirm a reset as the second person: it is done, and the fresh link shown once."""
    await form_of(request, person)
    ask = asking(request, person)
    held = await ask.act(f"acts/{request.path_params['act']}")
    try:
        done = await ask.confirm(held)
    except DomainError as error:
        if error.reason != "SECOND_PERSON_NEEDED":
            raise
        return await page_of_act(request, person, error, at="counter")
    return await _invited(request, held.subject_name, done.invitation, again=True)


@_COUNTER
async def decline(request: Request, person: Person) -> Response:
    """Decline a reset, or take it back."""
    await form_of(request, person)
    await asking(request, person).decline(f"acts/{request.path_params['act']}")
    return RedirectResponse("/counter/acts?all=1", 303)


async def _invited(
    request: Request, name: str, invitation: pb.Invitation, *, again: bool
) -> Response:
    asked = pb.GetSignInWaysRequest()
    ways = await told(request.app.state.node.signing_in.GetSignInWays(asked, timeout=20))
    return page(
        request,
        "people/invited.html",
        name=name,
        link=f"{ways.origin}/enrol#{invitation.token}" if invitation.token else "",
        until=invitation.expire_time.ToDatetime(UTC),
        again=again,
    )


ROUTES: Final = (
    Route("/counter/accounts", ask_whom, methods=["GET"]),
    Route("/counter/accounts", invite, methods=["POST"]),
    Route("/counter/accounts/reset", ask_whose, methods=["GET"]),
    Route("/counter/accounts/reset", reset, methods=["POST"]),
    Route("/counter/acts", acts, methods=["GET"]),
    Route("/counter/acts/{act}", one_act, methods=["GET"]),
    Route("/counter/acts/{act}/confirm", confirm, methods=["POST"]),
    Route("/counter/acts/{act}/decline", decline, methods=["POST"]),
)
