"""The pages of signing in: by password and code, by passkey, at the identity platform; and out.

1. Whoever signs in gets a fresh session and a fresh cookie, whatever cookies came.
2. What was asked of a browser is bound to it by a cookie of ten minutes (`__Host-flow`): nobody is
   signed in by an answer that somebody else was given.
3. A wrong try is answered by the same page, with what the service says and the login alone.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from portal.node import NodeLink, told
from portal.pages import page, picture_of_code
from portal.sessions.access import form_of, own_page
from portal.sessions.keeping import (
    COOKIE,
    Person,
    Sessions,
    give_cookie,
    person_of,
    take_cookie,
)
from portal.sessions.keys import SessionKey
from runtime.errors import DomainError
from runtime.identity import Role

FLOW: Final = "__Host-flow"
FLOW_SECONDS: Final = 600
SECONDS: Final = 20
_STATUS: Final = 422


async def ask(request: Request) -> Response:
    """The page to sign in on."""
    person = person_of(request)
    back = own_page(request.query_params.get("back", ""))
    if person is not None:
        return RedirectResponse(back or home_of(person), 303)
    return await _page(request, back=back)


async def by_password(request: Request) -> Response:
    """Sign in by password and code."""
    fields = await _fields(request)
    key, back = SessionKey(), own_page(fields.get("back", ""))
    asked = pb.SignInByPasswordRequest(
        login=fields.get("login", "")[:200],
        password=fields.get("password", "")[:1000],
        totp_code=fields.get("code", "")[:40],
        public_key=key.public,
        client=_place(request),
    )
    node: NodeLink = request.app.state.node
    try:
        begun = await told(node.signing_in.SignInByPassword(asked, timeout=SECONDS))
    except DomainError as error:
        return await _page(request, back=back, error=error, login=asked.login, status=_STATUS)
    return await _begin(request, begun.session, key, back)


async def passkey_options(request: Request) -> Response:
    """What a browser is asked for, to its script."""
    node: NodeLink = request.app.state.node
    begun = await told(node.signing_in.BeginPasskey(pb.BeginPasskeyRequest(), timeout=SECONDS))
    answer = Response(begun.options, media_type="application/json")
    give_cookie(answer, FLOW, begun.flow, seconds=FLOW_SECONDS)
    return answer


async def by_passkey(request: Request) -> Response:
    """Sign in by what the browser's authenticator signed."""
    fields = await _fields(request)
    key, back = SessionKey(), own_page(fields.get("back", ""))
    asked = pb.SignInByPasskeyRequest(
        flow=request.cookies.get(FLOW, "")[:64],
        passkey=fields.get("passkey", "")[:16384],
        public_key=key.public,
        client=_place(request),
    )
    node: NodeLink = request.app.state.node
    try:
        begun = await told(node.signing_in.SignInByPasskey(asked, timeout=SECONDS))
    except DomainError as error:
        return await _page(request, back=back, error=error, status=_STATUS)
    return await _begin(request, begun.session, key, back)


async def to_platform(request: Request) -> Response:
    """Send the browser to the identity platform."""
    node: NodeLink = request.app.state.node
    try:
        begun = await told(node.signing_in.BeginOpenId(pb.BeginOpenIdRequest(), timeout=SECONDS))
    except DomainError as error:
        return await _page(request, error=error, status=_STATUS)
    answer = RedirectResponse(begun.url, 303)
    give_cookie(answer, FLOW, begun.flow, seconds=FLOW_SECONDS)
    return answer


async def from_platform(request: Request) -> Response:
    """Sign in by what the identity platform answered."""
    node: NodeLink = request.app.state.node
    key, said = SessionKey(), request.query_params
    asked = pb.SignInByOpenIdRequest(
        flow=request.cookies.get(FLOW, "")[:64],
        state=said.get("state", "")[:200],
        code=said.get("code", "")[:2000],
        public_key=key.public,
    )
    try:
        begun = await told(node.signing_in.SignInByOpenId(asked, timeout=SECONDS))
    except DomainError as error:
        return await _page(request, error=error, status=_STATUS)
    return await _begin(request, begun.session, key, "")


async def sign_out(request: Request) -> Response:
    """Sign out here and at the node."""
    person = person_of(request)
    if person is not None:
        await form_of(request, person)
        sessions: Sessions = request.app.state.sessions
        await sessions.end(person, request.app.state.node.address)
    answer = RedirectResponse("/", 303)
    take_cookie(answer, COOKIE)
    return answer


async def enrol(request: Request) -> Response:
    """The page that a link opens."""
    return await _enrolment(request, request.path_params["token"])


async def enrolled(request: Request) -> Response:
    """Use a link up."""
    token, fields = request.path_params["token"], await _fields(request)
    node: NodeLink = request.app.state.node
    asked = pb.FinishEnrolmentRequest(
        token=token[:64],
        password=fields.get("password", "")[:1000],
        totp_code=fields.get("code", "")[:40],
        passkey=fields.get("passkey", "")[:16384],
    )
    try:
        await told(node.signing_in.FinishEnrolment(asked, timeout=SECONDS))
    except DomainError as error:
        return await _enrolment(request, token, error=error)
    return page(request, "signin/enrolled.html")


async def _enrolment(request: Request, token: str, error: DomainError | None = None) -> Response:
    node: NodeLink = request.app.state.node
    asked = pb.BeginEnrolmentRequest(token=token[:64])
    offered = await told(node.signing_in.BeginEnrolment(asked, timeout=SECONDS))
    return page(
        request,
        "signin/enrol.html",
        status=_STATUS if error else 200,
        error=error,
        offered=offered,
        picture=picture_of_code(offered.totp_uri),
        switchable=error is None,
    )


async def _page(
    request: Request,
    *,
    back: str = "",
    error: DomainError | None = None,
    login: str = "",
    status: int = 200,
) -> Response:
    node: NodeLink = request.app.state.node
    ways = await told(node.signing_in.GetSignInWays(pb.GetSignInWaysRequest(), timeout=SECONDS))
    return page(
        request,
        "signin/ask.html",
        status=status,
        back=back,
        error=error,
        login=login,
        platform=ways.open_id_name,
        ended="ended" in request.query_params,
        switchable=error is None,
    )


async def _begin(request: Request, begun: Any, key: SessionKey, back: str) -> Response:
    """Rule 1."""
    sessions: Sessions = request.app.state.sessions
    before = person_of(request)
    if before is not None:
        await sessions.end(before, request.app.state.node.address)
    cookie, person = await sessions.begin(begun, key, authority=request.app.state.node.authority)
    answer = RedirectResponse(back or home_of(person), 303)
    give_cookie(answer, COOKIE, cookie)
    take_cookie(answer, FLOW)
    return answer


async def _fields(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=10, max_part_size=65_536) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def _place(request: Request) -> str:
    return request.client.host if request.client else ""


def home_of(person: Person) -> str:
    """Where somebody begins."""
    if person.has(Role.APPLICANT):
        return "/my/licenses"
    if person.has(Role.ADMINISTRATOR):
        return "/office"
    if person.has(Role.AUDITOR):
        return "/audit"
    if person.has(Role.COUNTER):
        return "/counter/accounts"
    return "/data" if person.has(Role.DEPARTMENT) else "/"


ROUTES: Final = (
    Route("/sign-in", ask, methods=["GET"]),
    Route("/sign-in", by_password, methods=["POST"]),
    Route("/sign-in/passkey/options", passkey_options, methods=["POST"]),
    Route("/sign-in/passkey", by_passkey, methods=["POST"]),
    Route("/sign-in/platform", to_platform, methods=["GET"]),
    Route("/sign-in/platform/answer", from_platform, methods=["GET"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/enrol/{token}", enrol, methods=["GET"]),
    Route("/enrol/{token}", enrolled, methods=["POST"]),
)
