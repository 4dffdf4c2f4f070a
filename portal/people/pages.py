"""Accounts of departments, and the acts that another administrator confirms.

1. What hurts is asked for on one page, with the reason, and confirmed by a second person on
   another: nobody confirms what they asked for. The services hold that, not these pages. A
   counter's acts are decided at `counter`; an auditor reads them here.
2. Everything is asked as the person: what their role may not see is not there.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from accounts.v1 import accounts_pb2 as pb
from portal.office.words import ROLES
from portal.pages import after, page
from portal.people.asking import asking
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import Role

_OFFICE = for_roles(Role.ADMINISTRATOR, Role.AUDITOR)
_ADMINISTRATOR = for_roles(Role.ADMINISTRATOR)
_ACCOUNTS: Final = {
    pb.ACCOUNT_STATE_INVITED: ("amber", "Link not used yet", "待登记"),
    pb.ACCOUNT_STATE_ACTIVE: ("green", "Active", "正常"),
    pb.ACCOUNT_STATE_DISABLED: ("red", "Disabled", "已停用"),
}
_KINDS: Final = {
    pb.ACT_KIND_DISABLE_ACCOUNT: ("Disable an account", "停用账户"),
    pb.ACT_KIND_REVOKE_GRANT: ("Revoke a grant", "撤销授权"),
    pb.ACT_KIND_RESET_ACCOUNT: ("Set an applicant's account up anew", "重置申请人账户"),
}
_STATES: Final = {
    pb.ACT_STATE_ASKED: ("amber", "Waits for a second person", "待第二人确认"),
    pb.ACT_STATE_CONFIRMED: ("green", "Confirmed and done", "已确认执行"),
    pb.ACT_STATE_DECLINED: ("red", "Declined", "未执行"),
    pb.ACT_STATE_EXPIRED: ("red", "Over: nobody confirmed it", "已过期"),
}
_UNKNOWN: Final = ("amber", "Unknown", "未知")
#: What a form can be answered with again, instead of a page that refuses.
_TOLD_IN_FORM: Final = frozenset({"REASON_REQUIRED", "OWN_ACCOUNT", "ACT_ASKED"})


@_OFFICE
async def accounts(request: Request, person: Person) -> Response:
    """Accounts of departments."""
    ask = asking(request, person)
    found, waiting, departments = await asyncio.gather(
        ask.accounts(after(request)), ask.acts(size=1), ask.departments()
    )
    return page(
        request,
        "people/accounts.html",
        accounts=[(each, _ACCOUNTS.get(each.state, _UNKNOWN)) for each in found.accounts],
        roles=ROLES,
        departments=departments,
        department_of=department_of,
        waiting=bool(waiting.acts),
        following=found.next_page_token,
    )


@_ADMINISTRATOR
async def ask_to_disable(request: Request, person: Person) -> Response:
    """What disabling an account will do."""
    return await _disabling(request, person)


async def _disabling(
    request: Request, person: Person, error: DomainError | None = None, reason: str = ""
) -> Response:
    name = f"accounts/{request.path_params['account']}"
    return page(
        request,
        "people/disable.html",
        held=await asking(request, person).account(name),
        roles=ROLES,
        error=error,
        reason=reason,
    )


@_ADMINISTRATOR
async def disable(request: Request, person: Person) -> Response:
    """Ask that an account be disabled."""
    given = await form_of(request, person)
    name, reason = f"accounts/{request.path_params['account']}", one(given, "reason")
    try:
        await asking(request, person).disable(name, reason)
    except DomainError as error:
        if error.reason not in _TOLD_IN_FORM:
            raise
        return await _disabling(request, person, error, reason)
    return RedirectResponse("/office/acts?asked=1", 303)


@_OFFICE
async def acts(request: Request, person: Person) -> Response:
    """Acts that wait for a second person; with `all=1` those of before, too."""
    return await list_of_acts(request, person)


async def list_of_acts(
    request: Request,
    person: Person,
    *,
    at: str = "office",
    kind: pb.ActKind.ValueType = pb.ACT_KIND_UNSPECIFIED,
) -> Response:
    """Acts as they are listed at a place of the pages; with `kind` only of it."""
    ask, everything = asking(request, person), "all" in request.query_params
    found, departments = await asyncio.gather(
        ask.acts(decided=everything, token=after(request), kind=kind),
        ask.departments(),
    )
    return page(
        request,
        "people/acts.html",
        at=at,
        acts=[_described(each) for each in found.acts],
        subjects=await ask.subjects(found.acts),
        reset_kind=pb.ACT_KIND_RESET_ACCOUNT,
        departments=departments,
        everything=everything,
        asked="asked" in request.query_params,
        following=found.next_page_token,
    )


@_OFFICE
async def one_act(request: Request, person: Person) -> Response:
    """One act: what it does, who asked, why; and to confirm it."""
    return await page_of_act(request, person)


async def page_of_act(
    request: Request, person: Person, error: DomainError | None = None, *, at: str = "office"
) -> Response:
    """An act as it is shown at a place of the pages, with forms for who decides it there."""
    ask = asking(request, person)
    held, departments = await asyncio.gather(
        ask.act(f"acts/{request.path_params['act']}"), ask.departments()
    )
    resets = held.kind == pb.ACT_KIND_RESET_ACCOUNT
    decider = Role.COUNTER if at == "counter" else Role.ADMINISTRATOR
    return page(
        request,
        "people/act.html",
        at=at,
        decides=person.has(decider) and resets == (at == "counter"),
        resets=resets,
        described=_described(held),
        subject=(await ask.subjects([held])).get(held.subject, "" if resets else held.subject),
        departments=departments,
        waits=held.state == pb.ACT_STATE_ASKED,
        own=held.asked_by == person.system,
        unfinished=await ask.is_unfinished(held),
        error=error,
    )


@_ADMINISTRATOR
async def confirm(request: Request, person: Person) -> Response:
    """Confirm an act: it is done."""
    await form_of(request, person)
    ask, name = asking(request, person), f"acts/{request.path_params['act']}"
    held = await ask.act(name)
    if held.kind == pb.ACT_KIND_RESET_ACCOUNT:  # its link would be told to a page that shows none
        return RedirectResponse(f"/counter/{name}", 303)
    try:
        await ask.confirm(held)
    except DomainError as error:
        if error.reason not in ("SECOND_PERSON_NEEDED", "OWN_ACCOUNT"):
            raise
        return await page_of_act(request, person, error)
    return RedirectResponse(f"/office/acts/{request.path_params['act']}", 303)


@_ADMINISTRATOR
async def decline(request: Request, person: Person) -> Response:
    """Decline an act, or take it back."""
    await form_of(request, person)
    await asking(request, person).decline(f"acts/{request.path_params['act']}")
    return RedirectResponse("/office/acts?all=1", 303)


def _described(
    held: pb.AskedAct,
) -> tuple[pb.AskedAct, tuple[str, str], tuple[str, str, str]]:
    unknown = (pb.ActKind.Name(held.kind),) * 2 if held.kind in pb.ActKind.values() else ("?", "?")
    return held, _KINDS.get(held.kind, unknown), _STATES.get(held.state, _UNKNOWN)


def department_of(name: str) -> str:
    """departments/{department} of a name below one."""
    return "/".join(name.split("/")[:2])


ROUTES: Final = (
    Route("/office/accounts", accounts, methods=["GET"]),
    Route("/office/accounts/{account}/disable", ask_to_disable, methods=["GET"]),
    Route("/office/accounts/{account}/disable", disable, methods=["POST"]),
    Route("/office/acts", acts, methods=["GET"]),
    Route("/office/acts/{act}", one_act, methods=["GET"]),
    Route("/office/acts/{act}/confirm", confirm, methods=["POST"]),
    Route("/office/acts/{act}/decline", decline, methods=["POST"]),
)
