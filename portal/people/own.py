"""One's own account: what happened to it, by what one signs in, one's sessions.

Everything is asked as the person, who is told of nobody else's. What changes something is a form
with the session's token; a refused one is answered by the same page, with what was wrong.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from accounts.v1 import accounts_pb2_grpc
from portal.node import told
from portal.pages import page
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import OF_DEPARTMENTS, Role

SECONDS: Final = 20
_ANYBODY: Final = for_roles(Role.APPLICANT, *OF_DEPARTMENTS)
_EVENTS: Final = {
    pb.ACCOUNT_EVENT_KIND_CREATED: ("The account was made", "开通账户"),
    pb.ACCOUNT_EVENT_KIND_RESET: (
        "A counter or the operator set the account up anew",
        "窗口或运维人员重置了账户",
    ),
    pb.ACCOUNT_EVENT_KIND_RESET_ASKED: (
        "A counter asked to set the account up anew; nothing changed by that",
        "窗口发起重置账户，待第二人确认（账户尚未变动）",
    ),
    pb.ACCOUNT_EVENT_KIND_RESET_DECLINED: (
        "Setting the account up anew was declined or taken back",
        "重置账户的申请已被驳回或撤回",
    ),
    pb.ACCOUNT_EVENT_KIND_LINK_OPENED: ("The link to set it up was opened", "打开了设置链接"),
    pb.ACCOUNT_EVENT_KIND_ENROLLED: ("The account was set up", "完成账户设置"),
    pb.ACCOUNT_EVENT_KIND_SIGNED_IN: ("Signed in", "登录"),
    pb.ACCOUNT_EVENT_KIND_PASSWORD_CHANGED: ("The password was changed", "修改了密码"),
    pb.ACCOUNT_EVENT_KIND_PASSKEY_ADDED: ("A passkey was added", "添加了通行密钥"),
    pb.ACCOUNT_EVENT_KIND_PASSKEY_REMOVED: ("A passkey was removed", "移除了通行密钥"),
}
_RESETS: Final = (
    pb.ACCOUNT_EVENT_KIND_RESET,
    pb.ACCOUNT_EVENT_KIND_RESET_ASKED,
    pb.ACCOUNT_EVENT_KIND_RESET_DECLINED,
)
_METHODS: Final = {
    "password": ("password and code", "密码加动态码"),
    "passkey": ("passkey", "通行密钥"),
    "open_id": ("identity platform", "统一身份认证平台"),
}
_UNKNOWN: Final = ("—", "—")
_DONE: Final = frozenset({"password", "passkey", "removed", "ended"})
_WRONG: Final = {"WEAK_PASSWORD": "new_password", "SIGN_IN_REFUSED": "password code"}
#: What the page is answered with again; all else is a page that refuses.
_TOLD_HERE: Final = frozenset(
    {
        "WEAK_PASSWORD", "SIGN_IN_REFUSED", "TOO_MANY_TRIES", "BAD_PASSKEY", "SIGN_IN_AGAIN",
        "LAST_WAY", "TOO_MANY_PASSKEYS", "PASSKEY_NOT_FOUND", "SESSION_NOT_FOUND", "SIGN_IN_BUSY",
    }
)  # fmt: skip


def _stub(request: Request, person: Person) -> Any:
    channel = person.channel(request.app.state.node.address)
    return accounts_pb2_grpc.AccountServiceStub(channel)


@_ANYBODY
async def account(request: Request, person: Person) -> Response:
    """The account."""
    return await _page(request, person)


async def _page(request: Request, person: Person, error: DomainError | None = None) -> Response:
    stub = _stub(request, person)
    held = await told(stub.GetOwnAccount(pb.GetOwnAccountRequest(), timeout=SECONDS))
    adding = None
    if held.fresh and not held.of_platform:
        asked = pb.BeginAddPasskeyRequest()
        adding = await told(stub.BeginAddPasskey(asked, timeout=SECONDS))
    reset = next((one for one in held.events if one.kind in _RESETS), None)
    if reset is not None and reset.kind == pb.ACCOUNT_EVENT_KIND_RESET_DECLINED:
        reset = None  # told among the events; there is nothing to do about it
    done = request.query_params.get("done", "")
    return page(
        request,
        "people/own.html",
        held=held,
        events=[
            (each, _EVENTS.get(each.kind, _UNKNOWN), _METHODS.get(each.method))
            for each in held.events
        ],
        sessions=[(each, _METHODS.get(each.method, _UNKNOWN)) for each in held.sessions],
        reset=reset,
        only_asked=reset is not None and reset.kind == pb.ACCOUNT_EVENT_KIND_RESET_ASKED,
        adding=adding,
        done=done if done in _DONE and error is None else "",
        error=error,
        wrong=_WRONG.get(error.reason, "") if error else "",
    )


async def _acted(request: Request, person: Person, call: Any, done: str) -> Response:
    try:
        await told(call)
    except DomainError as error:
        if error.reason not in _TOLD_HERE:
            raise
        return await _page(request, person, error)
    return RedirectResponse(f"/account?done={done}", 303)


@_ANYBODY
async def change_password(request: Request, person: Person) -> Response:
    """Change the password."""
    given = await form_of(request, person)
    asked = pb.ChangePasswordRequest(
        password=(given.get("password") or [""])[0][:1000],
        totp_code=one(given, "code")[:40],
        new_password=(given.get("new_password") or [""])[0][:1000],
    )
    call = _stub(request, person).ChangePassword(asked, timeout=SECONDS)
    return await _acted(request, person, call, "password")


@_ANYBODY
async def add_passkey(request: Request, person: Person) -> Response:
    """Keep another passkey."""
    given = await form_of(request, person)
    asked = pb.AddPasskeyRequest(
        flow=one(given, "flow")[:1024], passkey=one(given, "passkey")[:16384]
    )
    call = _stub(request, person).AddPasskey(asked, timeout=SECONDS)
    return await _acted(request, person, call, "passkey")


@_ANYBODY
async def remove_passkey(request: Request, person: Person) -> Response:
    """Take a passkey away."""
    given = await form_of(request, person)
    asked = pb.RemovePasskeyRequest(id=one(given, "id")[:64])
    call = _stub(request, person).RemovePasskey(asked, timeout=SECONDS)
    return await _acted(request, person, call, "removed")


@_ANYBODY
async def end_session(request: Request, person: Person) -> Response:
    """End another session."""
    given = await form_of(request, person)
    asked = pb.EndSessionRequest(session=one(given, "id")[:64] or "-")
    call = _stub(request, person).EndSession(asked, timeout=SECONDS)
    return await _acted(request, person, call, "ended")


ROUTES: Final = (
    Route("/account", account, methods=["GET"]),
    Route("/account/password", change_password, methods=["POST"]),
    Route("/account/passkeys", add_passkey, methods=["POST"]),
    Route("/account/passkeys/remove", remove_passkey, methods=["POST"]),
    Route("/account/sessions/end", end_session, methods=["POST"]),
)
