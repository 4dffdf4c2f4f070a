"""The administrator's pages: what is late, access requests, the catalog, accounts.

1. Everything is asked as the person: what their role may not see is not there.
2. What ends something is asked twice: a page says what will happen, and takes the reason.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2
from exchange.v1 import catalog_pb2, grants_pb2
from portal.node import told
from portal.office import flow
from portal.office.asking import Asking
from portal.pages import page
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, NotFound
from runtime.identity import Role

_OFFICE = for_roles(Role.ADMINISTRATOR, Role.AUDITOR)
_ADMINISTRATOR = for_roles(Role.ADMINISTRATOR)
_COUNTER = for_roles(Role.COUNTER)
_REQUESTS: Final = {
    grants_pb2.ACCESS_REQUEST_STATE_PENDING: ("amber", "Waiting", "待答复"),
    grants_pb2.ACCESS_REQUEST_STATE_APPROVED: ("green", "Granted", "已授权"),
    grants_pb2.ACCESS_REQUEST_STATE_REJECTED: ("red", "Refused", "未同意"),
    grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY: (
        "amber",
        "With the authority",
        "待主管部门",
    ),
    grants_pb2.ACCESS_REQUEST_STATE_RETURNED: ("amber", "Returned", "已退回"),
    grants_pb2.ACCESS_REQUEST_STATE_WITHDRAWN: ("amber", "Taken back", "已撤回"),
}
_SHARING: Final = {
    catalog_pb2.SHARING_TYPE_UNCONDITIONAL: ("unconditional", "无条件共享"),
    catalog_pb2.SHARING_TYPE_CONDITIONAL: ("conditional", "有条件共享"),
    catalog_pb2.SHARING_TYPE_NOT_SHARED: ("not shared", "不予共享"),
}
_ACCOUNTS: Final = {
    accounts_pb2.ACCOUNT_STATE_INVITED: ("amber", "Link not used yet", "待登记"),
    accounts_pb2.ACCOUNT_STATE_ACTIVE: ("green", "Active", "正常"),
    accounts_pb2.ACCOUNT_STATE_DISABLED: ("red", "Disabled", "已停用"),
}
_ACTS: Final = {
    "reply_unconditional": ("reply to a request", "答复数据申请"),
    "reply_conditional": ("reply to a request", "答复数据申请"),
    "authority_review": ("review a request", "复核数据申请"),
    "supply_after_consent": ("supply what was granted", "提供已授权数据"),
    "catalog_change": ("update the catalog", "更新资源目录"),
    "correction": ("answer an objection", "答复校核异议"),
    "inquiry": ("answer an inquiry", "答复函询"),
}


def _asking(request: Request, person: Person) -> Asking:
    return Asking(person, request.app.state.node.address)


@_OFFICE
async def overview(request: Request, person: Person) -> Response:
    """What is late or due next, whoever has to act."""
    ask = _asking(request, person)
    after = request.query_params.get("after", "")
    found, late, departments = await asyncio.gather(
        ask.deadlines(token=after), ask.deadlines(late=True, size=1000), ask.departments()
    )
    return page(
        request,
        "office/overview.html",
        deadlines=[(one, _act(one.kind), _subject(one.subject)) for one in found.deadlines],
        late=len(late.deadlines),
        departments=departments,
        following=found.next_page_token,
    )


@_OFFICE
async def requests(request: Request, person: Person) -> Response:
    """Access requests, with the last day of each reply."""
    ask = _asking(request, person)
    found, departments = await asyncio.gather(
        ask.requests(request.query_params.get("after", "")), ask.departments()
    )
    return page(
        request,
        "office/requests.html",
        requests=[(one, _REQUESTS[one.state], _subject(one.name)) for one in found.access_requests],
        departments=departments,
        department_of=_department_of,
        following=found.next_page_token,
    )


@_OFFICE
async def one_request(request: Request, person: Person) -> Response:
    """One access request and its clock."""
    ask, ids = _asking(request, person), request.path_params
    name = f"departments/{ids['department']}/accessRequests/{ids['request']}"
    held = await ask.request(name)
    resource, clocks, departments = await asyncio.gather(
        ask.resource(held.resource), ask.deadlines(subject=name), ask.departments()
    )
    labels = {item.code: item.display_name for item in resource.items}
    return page(
        request,
        "office/request.html",
        held=held,
        state=_REQUESTS[held.state],
        resource=resource,
        items=[labels.get(code, code) for code in held.items],
        clocks=[(one, _act(one.kind)) for one in clocks.deadlines],
        departments=departments,
        department_of=_department_of,
        at=held.create_time.ToDatetime(UTC),
    )


@_OFFICE
async def catalog(request: Request, person: Person) -> Response:
    """The catalog by words, department and freshness."""
    ask, asked = _asking(request, person), request.query_params
    words, department = asked.get("words", "").strip()[:100], asked.get("department", "")
    stale = "stale" in asked
    found, departments = await asyncio.gather(
        ask.search(words, department=department, stale=stale, token=asked.get("after", "")),
        ask.departments(),
    )
    return page(
        request,
        "office/catalog.html",
        results=[(one, _place(one.name)) for one in found.results],
        words=words,
        department=department,
        stale=stale,
        departments=departments,
        department_of=_department_of,
        following=found.next_page_token,
    )


@_OFFICE
async def one_resource(request: Request, person: Person) -> Response:
    """One resource: what it holds, how it is shared, how fresh it is."""
    ask, ids = _asking(request, person), request.path_params
    name = f"departments/{ids['department']}/resources/{ids['resource']}"
    held, departments = await asyncio.gather(ask.resource(name), ask.departments())
    return page(
        request,
        "office/resource.html",
        held=held,
        sharing=_SHARING,
        departments=departments,
        department_of=_department_of,
    )


@_OFFICE
async def shared(request: Request, person: Person) -> Response:
    """Who shares what with whom, as a picture and a table."""
    ask = _asking(request, person)
    (uses, more), departments = await asyncio.gather(ask.uses(), ask.departments())
    found = flow.between(
        (_department_of(one.resource), _department_of(one.grant), one.uses) for one in uses
    )
    return page(
        request,
        "office/sharing.html",
        shared=found,
        picture=flow.drawn(found),
        width=flow.WIDTH,
        departments=departments,
        looked_at=len(uses),
        more=more,
    )


@_OFFICE
async def accounts(request: Request, person: Person) -> Response:
    """Accounts of departments."""
    ask = _asking(request, person)
    found, departments = await asyncio.gather(
        ask.accounts(request.query_params.get("after", "")), ask.departments()
    )
    return page(
        request,
        "office/accounts.html",
        accounts=[(one, _ACCOUNTS[one.state]) for one in found.accounts],
        departments=departments,
        department_of=_department_of,
        following=found.next_page_token,
    )


@_ADMINISTRATOR
async def ask_to_disable(request: Request, person: Person) -> Response:
    """What disabling an account will do."""
    return await _disabling(request, person)


async def _disabling(
    request: Request, person: Person, error: DomainError | None = None
) -> Response:
    name, token = f"accounts/{request.path_params['account']}", ""
    while True:
        found = await _asking(request, person).accounts(token)
        held = next((one for one in found.accounts if one.name == name), None)
        token = found.next_page_token
        if held is not None or not token:
            break
    if held is None:
        raise NotFound(
            "there is no such account: go back to the list",
            reason="ACCOUNT_NOT_FOUND",
            message_zh="没有这个账户：请返回账户列表",
        )
    return page(
        request,
        "office/disable.html",
        status=422 if error else 200,
        held=held,
        error=error,
        switchable=error is None,
    )


@_ADMINISTRATOR
async def disable(request: Request, person: Person) -> Response:
    """Disable an account."""
    given = await form_of(request, person)
    name = f"accounts/{request.path_params['account']}"
    try:
        await _asking(request, person).disable(name, one(given, "reason"))
    except DomainError as error:
        if error.reason not in ("REASON_REQUIRED", "OWN_ACCOUNT"):
            raise
        return await _disabling(request, person, error)
    return RedirectResponse("/office/accounts", 303)


@_COUNTER
async def ask_whom(request: Request, person: Person) -> Response:
    """Whom the counter has identified."""
    return _inviting(request)


def _inviting(
    request: Request, error: DomainError | None = None, given: Mapping[str, str] | None = None
) -> Response:
    return page(
        request,
        "office/invite.html",
        status=422 if error else 200,
        request_id=str(uuid.uuid4()),
        given=given or {"code": "", "name": ""},
        error=error,
        switchable=error is None,
    )


@_COUNTER
async def invite(request: Request, person: Person) -> Response:
    """Make an applicant's account, and show the link once."""
    given = await form_of(request, person)
    code, name = one(given, "code").upper(), one(given, "name")
    try:
        made = await _asking(request, person).invite(code, name, one(given, "request_id"))
    except DomainError as error:
        return _inviting(request, error, {"code": code, "name": name})
    ways = await told(_ways(request))
    return page(
        request,
        "office/invited.html",
        account=made.account,
        link=f"{ways.origin}/enrol/{made.invitation.token}" if made.invitation.token else "",
        until=made.invitation.expire_time.ToDatetime(UTC),
        switchable=False,
    )


def _ways(request: Request) -> Any:
    asked = accounts_pb2.GetSignInWaysRequest()
    return request.app.state.node.signing_in.GetSignInWays(asked, timeout=20)


def _department_of(name: str) -> str:
    """departments/{department} of a name below one."""
    return "/".join(name.split("/")[:2])


def _act(kind: str) -> tuple[str, str]:
    return _ACTS.get(kind, (kind.replace("_", " "), kind.replace("_", " ")))


def _subject(name: str) -> str:
    """The address of the page of what a clock is about; empty where there is none."""
    parts = name.split("/")
    if len(parts) == 4 and parts[2] == "accessRequests":
        return f"/office/requests/{parts[1]}/{parts[3]}"
    return ""


def _place(name: str) -> str:
    """The address of a resource's page; empty for what is none."""
    parts = name.split("/")
    if len(parts) == 4 and parts[2] == "resources":
        return f"/office/catalog/{parts[1]}/{parts[3]}"
    return ""


ROUTES: Final = (
    Route("/office", overview, methods=["GET"]),
    Route("/office/requests", requests, methods=["GET"]),
    Route("/office/requests/{department}/{request}", one_request, methods=["GET"]),
    Route("/office/catalog", catalog, methods=["GET"]),
    Route("/office/catalog/{department}/{resource}", one_resource, methods=["GET"]),
    Route("/office/sharing", shared, methods=["GET"]),
    Route("/office/accounts", accounts, methods=["GET"]),
    Route("/office/accounts/{account}/disable", ask_to_disable, methods=["GET"]),
    Route("/office/accounts/{account}/disable", disable, methods=["POST"]),
    Route("/counter/accounts", ask_whom, methods=["GET"]),
    Route("/counter/accounts", invite, methods=["POST"]),
)
