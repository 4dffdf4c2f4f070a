"""The pages of signing in: by password and code, by passkey, at the identity platform; and out.

1. Whoever signs in gets a fresh session and a fresh cookie, whatever cookies came.
2. What was asked of a browser is bound to it by a cookie of ten minutes (`__Host-flow`), and with
   it where it goes then: nobody is signed in by an answer that somebody else was given.
3. A wrong try is answered by the same page, with what the service says and the login alone.
4. Nobody is sent to the identity platform, and out of their session, by a page of somebody else.
5. A link's secret stands behind `#`, which browsers send to nobody, and goes into a form.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import takewhile
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from accounts.v1 import accounts_pb2_grpc
from portal.node import NodeLink, told
from portal.pages import page, picture_of_code
from portal.sessions.access import form_of, own_page
from portal.sessions.keeping import (
    COOKIE,
    SCOPE_PERSON,
    Person,
    Sessions,
    give_cookie,
    person_of,
    take_cookie,
)
from portal.sessions.keys import SessionKey
from runtime.errors import DomainError, Unauthenticated
from runtime.identity import Role

FLOW: Final = "__Host-flow"
FLOW_SECONDS: Final = 600
GREATEST_FLOW: Final = 1024
SECONDS: Final = 25


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
        return await _page(request, back=back, error=error, login=asked.login)
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
        flow=_flow(request)[0],
        passkey=fields.get("passkey", "")[:16384],
        public_key=key.public,
        client=_place(request),
    )
    node: NodeLink = request.app.state.node
    try:
        begun = await told(node.signing_in.SignInByPasskey(asked, timeout=SECONDS))
    except DomainError as error:
        return await _page(request, back=back, error=error)
    return await _begin(request, begun.session, key, back)


async def to_platform(request: Request) -> Response:
    """Send the browser to the identity platform (rule 4)."""
    back = own_page(request.query_params.get("back", ""))
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return await _page(request, back=back)
    node: NodeLink = request.app.state.node
    try:
        begun = await told(node.signing_in.BeginOpenId(pb.BeginOpenIdRequest(), timeout=SECONDS))
    except DomainError as error:
        return await _page(request, back=back, error=error)
    answer = RedirectResponse(begun.url, 303)
    kept = urlsafe_b64encode(back.encode()).decode()
    give_cookie(answer, FLOW, f"{begun.flow}.{kept}", seconds=FLOW_SECONDS)
    return answer


async def from_platform(request: Request) -> Response:
    """Sign in by what the identity platform answered."""
    node: NodeLink = request.app.state.node
    key, said = SessionKey(), request.query_params
    flow, back = _flow(request)
    if "error" in said:
        return await _page(request, back=back, error=_platform_refused())
    asked = pb.SignInByOpenIdRequest(
        flow=flow,
        state=said.get("state", "")[:200],
        code=said.get("code", "")[:2000],
        public_key=key.public,
    )
    try:
        begun = await told(node.signing_in.SignInByOpenId(asked, timeout=SECONDS))
    except DomainError as error:
        if error.reason == "SIGN_IN_REFUSED":
            error = _platform_refused()
        return await _page(request, back=back, error=error)
    return await _begin(request, begun.session, key, back)


def _platform_refused() -> Unauthenticated:
    return Unauthenticated(
        "signing in at the identity platform did not come to an end: it was broken off, took more "
        "than ten minutes, or was begun in another window. Try again",
        reason="PLATFORM_REFUSED",
        message_zh="统一身份认证未完成：可能已取消、超过十分钟，或在其他窗口发起。请重试",
    )


async def sign_out(request: Request) -> Response:
    """Sign out here and at the node; who came by the platform is told how to sign out there."""
    person = person_of(request)
    answer: Response = RedirectResponse("/", 303)
    if person is not None:
        await form_of(request, person)
        sessions: Sessions = request.app.state.sessions
        await sessions.end(person)
        if person.sign_out_url:
            request.scope[SCOPE_PERSON] = None
            answer = page(request, "signin/out.html", url=person.sign_out_url)
    take_cookie(answer, COOKIE)
    return answer


async def stay(request: Request) -> Response:
    """Somebody is still there: the session was used now."""
    person = person_of(request)
    if person is None:
        return RedirectResponse("/sign-in", 303)
    await form_of(request, person)
    return Response(status_code=204)


async def ask_for_link(request: Request) -> Response:
    """The page that a link opens: its script takes the secret from behind `#`."""
    return page(request, "signin/link.html")


async def enrol(request: Request) -> Response:
    """What a link offers."""
    fields = await _fields(request)
    return await _enrolment(request, fields.get("link", ""), "")


async def enrolled(request: Request) -> Response:
    """Use a link up."""
    fields = await _fields(request)
    link, flow = fields.get("link", ""), fields.get("flow", "")
    node: NodeLink = request.app.state.node
    asked = pb.FinishEnrolmentRequest(
        token=_token_of(link),
        flow=flow[:GREATEST_FLOW],
        password=fields.get("password", "")[:1000],
        totp_code=fields.get("code", "")[:40],
        passkey=fields.get("passkey", "")[:16384],
    )
    try:
        await told(node.signing_in.FinishEnrolment(asked, timeout=SECONDS))
    except DomainError as error:
        if error.reason == "INVITATION_NOT_FOUND":
            raise
        return await _enrolment(request, link, flow, error=error)
    return page(request, "signin/enrolled.html")


def _token_of(link: str) -> str:
    """The secret of a link, given whole or alone."""
    return link.strip().rpartition("#")[2].rpartition("/")[2][:64]


async def _enrolment(
    request: Request, link: str, flow: str, error: DomainError | None = None
) -> Response:
    node: NodeLink = request.app.state.node
    asked = pb.BeginEnrolmentRequest(token=_token_of(link), flow=flow[:GREATEST_FLOW])
    try:
        offered = await told(node.signing_in.BeginEnrolment(asked, timeout=SECONDS))
    except DomainError as refused:
        if refused.reason != "INVITATION_NOT_FOUND":
            raise
        return page(request, "signin/link.html", status=404, error=refused)
    return page(
        request,
        "signin/enrol.html",
        error=error,
        link=_token_of(link),
        offered=offered,
        picture=picture_of_code(offered.totp_uri),
    )


async def _page(
    request: Request,
    *,
    back: str = "",
    error: DomainError | None = None,
    login: str = "",
) -> Response:
    node: NodeLink = request.app.state.node
    ways = await told(node.signing_in.GetSignInWays(pb.GetSignInWaysRequest(), timeout=SECONDS))
    return page(
        request,
        "signin/ask.html",
        back=back,
        error=error,
        login=login,
        platform=ways.open_id_name,
        ended="ended" in request.query_params,
    )


async def _begin(request: Request, begun: Any, key: SessionKey, back: str) -> Response:
    """Rule 1."""
    sessions: Sessions = request.app.state.sessions
    before = person_of(request)
    if before is not None:
        await sessions.end(before)
    cookie, person = await sessions.begin(begun, key, authority=request.app.state.node.authority)
    after_reset = await _was_reset(person, request.app.state.node.address)
    answer = RedirectResponse("/account" if after_reset else back or home_of(person), 303)
    give_cookie(answer, COOKIE, cookie)
    take_cookie(answer, FLOW)
    return answer


async def _was_reset(person: Person, node: str) -> bool:
    """Whether somebody set the account up anew since its owner signed in: they are told first."""
    stub = accounts_pb2_grpc.AccountServiceStub(person.channel(node))
    try:
        held = await told(stub.GetOwnAccount(pb.GetOwnAccountRequest(), timeout=SECONDS))
    except DomainError:
        return False
    since = takewhile(lambda one: one.kind != pb.ACCOUNT_EVENT_KIND_SIGNED_IN, held.events[1:])
    return any(one.kind == pb.ACCOUNT_EVENT_KIND_RESET for one in since)


async def _fields(request: Request) -> dict[str, str]:
    async with request.form(max_files=0, max_fields=10, max_part_size=65_536) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def _flow(request: Request) -> tuple[str, str]:
    """The flow that this browser was given, and where it goes when it is signed in."""
    flow, _, back = request.cookies.get(FLOW, "")[: 2 * GREATEST_FLOW].partition(".")
    try:
        return flow[:GREATEST_FLOW], own_page(urlsafe_b64decode(back).decode())
    except ValueError:
        return flow[:GREATEST_FLOW], ""


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
    Route("/session/stay", stay, methods=["POST"]),
    Route("/enrol", ask_for_link, methods=["GET"]),
    Route("/enrol", enrol, methods=["POST"]),
    Route("/enrol/finish", enrolled, methods=["POST"]),
)
