"""Delegating (委托): for whom, which licenses, for what, until when; and what others delegated.

An agent's number is typed into a form and shown shortened: it stands in no address.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from licenses.v1 import delegations_pb2 as pb
from licenses.v1 import licenses_pb2
from portal.applicant.asking import PAGE, SECONDS, Asking, asking
from portal.applicant.delegated import delegated, delegations, last_day
from portal.applicant.forms import REFUSALS, Form
from portal.applicant.holding import APPLICANT, address_of, state_of
from portal.node import told
from portal.pages import page
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.clock import CHINA
from runtime.errors import FieldViolation, InvalidArgument

#: Licenses that one form offers; whoever holds more delegates the rest by another.
OFFERED: Final = 90
LONGEST: Final = timedelta(days=365)
USUAL: Final = timedelta(days=30)
Words = tuple[str, str]
#: How an agent may show a license: as sent by the form, and in words.
FORMS: Final = (
    (pb.DELEGATION_FORM_CODE, "code", "By a code", "在线亮证码"),
    (pb.DELEGATION_FORM_OFFLINE_QR, "qr", "By a page without a network", "离线亮证页"),
    (pb.DELEGATION_FORM_COPY, "copy", "By endorsed copies", "加注件"),
)


@APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """What I delegated, and what was delegated to me."""
    ask, asked = asking(request, person), request.query_params
    given, got = await asyncio.gather(
        delegations(ask, asked.get("given", ""), as_agent=False, size=PAGE),
        delegations(ask, asked.get("got", ""), as_agent=True, size=PAGE),
    )
    return page(
        request,
        "applicant/delegations.html",
        given=_in_order(given.delegations),
        got=_in_order(got.delegations),
        following=given.next_page_token,
        following_got=got.next_page_token,
    )


@APPLICANT
async def ask_what(request: Request, person: Person) -> Response:
    """The form."""
    return await _form(request, asking(request, person), Form())


async def _form(request: Request, ask: Asking, form: Form) -> Response:
    held = await ask.held(size=OFFERED)
    today = datetime.now(CHINA).date()
    return page(
        request,
        "applicant/delegate.html",
        licenses=[one for one in held.licenses if one.state == licenses_pb2.LICENSE_STATE_ACTIVE],
        chosen=request.query_params.get("license", ""),
        first=today + timedelta(days=1),
        last=today + LONGEST,
        usual=today + USUAL,
        ways=FORMS,
        **form.facts(),
    )


@APPLICANT
async def delegate(request: Request, person: Person) -> Response:
    """Delegate."""
    given, ask = await form_of(request, person), asking(request, person)
    try:
        asked = pb.CreateDelegationRequest(
            holder_code=person.holder_code,
            agent_name=one(given, "agent_name"),
            agent_code=one(given, "agent_code").upper(),
            licenses=given.get("licenses", []),
            purpose=one(given, "purpose"),
            forms=_forms_of(given.get("forms", [])),
            expire_time=_end_of(one(given, "until")),
            request_id=one(given, "request_id"),
        )
        await told(ask.delegations.CreateDelegation(asked, timeout=SECONDS))
    except REFUSALS as error:
        return await _form(request, ask, Form(sent=given, error=error))
    return RedirectResponse("/my/delegations", 303)


@APPLICANT
async def end(request: Request, person: Person) -> Response:
    """End a delegation, and what was shown under it."""
    given = await form_of(request, person)
    asked = pb.EndDelegationRequest(
        name=one(given, "name"),
        holder_code=person.holder_code,
        request_id=one(given, "request_id") or str(uuid.uuid4()),
    )
    ask = asking(request, person)
    await told(ask.delegations.EndDelegation(asked, timeout=SECONDS))
    return RedirectResponse("/my/delegations", 303)


@APPLICANT
async def got(request: Request, person: Person) -> Response:
    """The licenses of a delegation to me."""
    delegation = request.path_params["delegation"]
    found = await delegated(asking(request, person), delegation)
    return page(
        request,
        "applicant/delegated.html",
        delegation=found.delegation,
        until=last_day(found.delegation),
        ways=_ways(found.delegation),
        shows=any(one != pb.DELEGATION_FORM_COPY for one in found.delegation.forms),
        copies=pb.DELEGATION_FORM_COPY in found.delegation.forms,
        licenses=[
            (
                held,
                state_of(held),
                f"/my/delegations/{delegation}{address_of(held.name).removeprefix('/my/licenses')}",
            )
            for held in found.licenses
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether an open delegation lets anything be shown now, and which licenses of it are not."""

    usable: bool
    out: list[tuple[str, Words]]


def standing_of(one: pb.Delegation) -> Standing:
    """How the licenses of a delegation stand; without any it is as good as its end says."""
    states = [state_of(each) for each in one.standings]
    return Standing(
        usable=not states or any(light == "green" for light, *_ in states),
        out=[
            (title, (english, chinese))
            for title, (light, english, chinese) in zip(
                one.license_display_names, states, strict=False
            )
            if light != "green"
        ],
    )


def _in_order(found: object) -> list[tuple[pb.Delegation, date, list[Words], Standing]]:
    """With last days, forms and standing; open ones first, then those that end last."""
    shown = sorted(found, key=lambda one: (not one.open, -one.expire_time.seconds))  # type: ignore[call-overload]
    return [(one, last_day(one), _ways(one), standing_of(one)) for one in shown]


def _ways(one: pb.Delegation) -> list[Words]:
    """How its agent may show what was delegated, in both languages."""
    return [(english, chinese) for value, _, english, chinese in FORMS if value in one.forms]


def _forms_of(given: Sequence[str]) -> list[pb.DelegationForm.ValueType]:
    """The ways that were ticked. Raises InvalidArgument (BAD_DELEGATION_FORMS) of none."""
    found = [value for value, key, *_ in FORMS if key in given]
    if not found:
        raise InvalidArgument(
            "choose at least one way in which the agent may show it",
            reason="BAD_DELEGATION_FORMS",
            message_zh="请至少选择一种受托人可用的方式",
            violations=[FieldViolation("forms", "none")],
        )
    return found


def _end_of(text: str) -> Timestamp:
    """The end of a day in China. Raises InvalidArgument (BAD_DELEGATION_END)."""
    try:
        day = date.fromisoformat(text)
        at = datetime(day.year, day.month, day.day, tzinfo=CHINA) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "a delegation's last day is a date such as 2027-01-31",
            reason="BAD_DELEGATION_END",
            message_zh="委托截止日应为日期，例如 2027-01-31",
            violations=[FieldViolation("expire_time", "not a date")],
        ) from None
    return Timestamp(seconds=int(at.timestamp()))


ROUTES: Final = (
    Route("/my/delegations", mine, methods=["GET"]),
    Route("/my/delegations/new", ask_what, methods=["GET"]),
    Route("/my/delegations/new", delegate, methods=["POST"]),
    Route("/my/delegations/end", end, methods=["POST"]),
    Route("/my/delegations/{delegation}", got, methods=["GET"]),
)
