"""The data officer's pages: freshness, doubts, inquiries, subscriptions of their own department.

1. Everything is asked as the person, so it is of their own department.
2. The key of a doubted record is shown on its page, and stands in no address.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import corrections_pb2, delivery_pb2, inquiries_pb2
from portal.officer.asking import Asking
from portal.pages import page
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError
from runtime.identity import Role

_OFFICER = for_roles(Role.DEPARTMENT)
_DOUBTS: Final = {
    corrections_pb2.CORRECTION_STATE_SUBMITTED: ("red", "To be taken up", "待受理"),
    corrections_pb2.CORRECTION_STATE_UNDER_REVIEW: ("amber", "Being looked into", "核实中"),
    corrections_pb2.CORRECTION_STATE_ACCEPTED: ("green", "Corrected", "已更正"),
    corrections_pb2.CORRECTION_STATE_REJECTED: ("green", "The record stands", "维持原数据"),
    corrections_pb2.CORRECTION_STATE_WITHDRAWN: ("green", "Taken back", "已撤回"),
}
_FAULTS: Final = {
    corrections_pb2.CORRECTION_FAULT_WRONG_VALUE: ("is not true", "内容不实"),
    corrections_pb2.CORRECTION_FAULT_OUTDATED: ("is out of date", "内容已过时"),
    corrections_pb2.CORRECTION_FAULT_MISSING: ("is missing", "内容缺失"),
    corrections_pb2.CORRECTION_FAULT_WRONG_RECORD: ("is of somebody else", "不是本人数据"),
}
_INQUIRIES: Final = {
    inquiries_pb2.INQUIRY_STATE_OPEN: ("amber", "Open", "待答复"),
    inquiries_pb2.INQUIRY_STATE_ANSWERED: ("green", "Answered", "已答复"),
    inquiries_pb2.INQUIRY_STATE_CLOSED: ("green", "Closed", "已办结"),
    inquiries_pb2.INQUIRY_STATE_WITHDRAWN: ("green", "Taken back", "已撤回"),
}
_LETTERS: Final = {
    delivery_pb2.DEAD_LETTER_STATE_OPEN: ("red", "Waits", "待处理"),
    delivery_pb2.DEAD_LETTER_STATE_REPLAYING: ("amber", "Being delivered again", "重新投递中"),
}
_OPEN_DOUBTS: Final = frozenset(
    {
        corrections_pb2.CORRECTION_STATE_SUBMITTED,
        corrections_pb2.CORRECTION_STATE_UNDER_REVIEW,
    }
)
_CYCLES: Final = {
    "real_time": ("real time", "实时"),
    "daily": ("daily", "每日"),
    "weekly": ("weekly", "每周"),
    "monthly": ("monthly", "每月"),
    "quarterly": ("quarterly", "每季度"),
    "half_yearly": ("half-yearly", "每半年"),
    "yearly": ("yearly", "每年"),
}


def _asking(request: Request, person: Person) -> Asking:
    return Asking(person, request.app.state.node.address)


def _after(request: Request) -> str:
    return request.query_params.get("after", "")


@_OFFICER
async def resources(request: Request, person: Person) -> Response:
    """The department's resources: which are stale, which were never published."""
    found = await _asking(request, person).resources(_after(request))
    return page(
        request,
        "officer/resources.html",
        resources=[
            (
                held,
                _CYCLES.get(held.update_cycle, (held.update_cycle, held.update_cycle)),
                held.last_publish_time.ToDatetime(UTC)
                if held.HasField("last_publish_time")
                else None,
            )
            for held in sorted(found.resources, key=lambda held: not held.stale)
        ],
        following=found.next_page_token,
    )


@_OFFICER
async def doubts(request: Request, person: Person) -> Response:
    """Objections to the department's data, and its own to others'."""
    found = await _asking(request, person).corrections(_after(request))
    return page(
        request,
        "officer/doubts.html",
        doubts=[
            (held, _DOUBTS[held.state], held.state in _OPEN_DOUBTS, _is_ours(person, held.resource))
            for held in found.corrections
        ],
        following=found.next_page_token,
    )


@_OFFICER
async def doubt(request: Request, person: Person) -> Response:
    """One objection, and how to answer it."""
    return await _doubt(request, person)


async def _doubt(
    request: Request, person: Person, error: DomainError | None = None, said: str = ""
) -> Response:
    ask = _asking(request, person)
    held = await ask.correction(_name(request, "corrections"))
    resource = await ask.resource(held.resource)
    labels = {item.code: item.display_name for item in resource.items}
    return page(
        request,
        "officer/doubt.html",
        status=422 if error else 200,
        held=held,
        state=_DOUBTS[held.state],
        resource=resource,
        items=[labels.get(code, code) for code in held.items],
        fault=_FAULTS.get(held.fault, ("?", "？")),
        answerable=held.state in _OPEN_DOUBTS and _is_ours(person, held.resource),
        waiting=held.state == corrections_pb2.CORRECTION_STATE_SUBMITTED,
        at=held.create_time.ToDatetime(UTC),
        request_id=str(uuid.uuid4()),
        error=error,
        said=said,
        switchable=error is None,
    )


@_OFFICER
async def answer_doubt(request: Request, person: Person) -> Response:
    """Take an objection up, or answer it."""
    given, ask = await form_of(request, person), _asking(request, person)
    name, act, said = _name(request, "corrections"), one(given, "act"), one(given, "answer")
    try:
        if act == "take_up":
            await ask.take_up(name, one(given, "request_id"))
        else:
            await ask.answer_correction(
                name,
                accepted=act == "accept",
                answer=said,
                basis=one(given, "basis"),
                request_id=one(given, "request_id"),
            )
    except DomainError as error:
        return await _doubt(request, person, error, said)
    return RedirectResponse(request.url.path, 303)


@_OFFICER
async def inquiries(request: Request, person: Person) -> Response:
    """Questions to the department, and its own."""
    found = await _asking(request, person).inquiries(_after(request))
    return page(
        request,
        "officer/inquiries.html",
        inquiries=[(held, _INQUIRIES[held.state]) for held in found.inquiries],
        department=person.department,
        following=found.next_page_token,
    )


@_OFFICER
async def inquiry(request: Request, person: Person) -> Response:
    """One question, and how to answer it."""
    return await _inquiry(request, person)


async def _inquiry(
    request: Request, person: Person, error: DomainError | None = None, said: str = ""
) -> Response:
    held = await _asking(request, person).inquiry(_name(request, "inquiries"))
    return page(
        request,
        "officer/inquiry.html",
        status=422 if error else 200,
        held=held,
        state=_INQUIRIES[held.state],
        answerable=held.state == inquiries_pb2.INQUIRY_STATE_OPEN
        and held.recipient == person.department,
        at=held.create_time.ToDatetime(UTC),
        request_id=str(uuid.uuid4()),
        error=error,
        said=said,
        switchable=error is None,
    )


@_OFFICER
async def answer_inquiry(request: Request, person: Person) -> Response:
    """Answer a question."""
    given = await form_of(request, person)
    said = one(given, "answer")
    try:
        await _asking(request, person).answer_inquiry(
            _name(request, "inquiries"), said, one(given, "request_id")
        )
    except DomainError as error:
        return await _inquiry(request, person, error, said)
    return RedirectResponse(request.url.path, 303)


@_OFFICER
async def subscriptions(request: Request, person: Person) -> Response:
    """The department's subscriptions, with what waits in each."""
    ask = _asking(request, person)
    found = await ask.subscriptions(_after(request))
    held = await asyncio.gather(*(ask.subscription(one.name) for one in found.subscriptions))
    return page(
        request,
        "officer/subscriptions.html",
        subscriptions=[(one, one.create_time.ToDatetime(UTC)) for one in held],
        following=found.next_page_token,
    )


@_OFFICER
async def subscription(request: Request, person: Person) -> Response:
    """One subscription: its lanes, and what could not be delivered."""
    ask, name = _asking(request, person), _name(request, "subscriptions")
    held, letters = await asyncio.gather(
        ask.subscription(name), ask.dead_letters(name, _after(request))
    )
    return page(
        request,
        "officer/subscription.html",
        held=held,
        letters=[
            (one, _LETTERS.get(one.state, ("amber", "—", "—")), one.create_time.ToDatetime(UTC))
            for one in letters.dead_letters
        ],
        request_id=str(uuid.uuid4()),
        following=letters.next_page_token,
    )


@_OFFICER
async def replay(request: Request, person: Person) -> Response:
    """Deliver again what could not be delivered."""
    given = await form_of(request, person)
    await _asking(request, person).replay(_name(request, "subscriptions"), one(given, "request_id"))
    return RedirectResponse(request.url.path, 303)


def _name(request: Request, collection: str) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/{collection}/{ids['id']}"


def _is_ours(person: Person, resource: str) -> bool:
    return resource.startswith(f"{person.department}/")


def _pair(collection: str, shown: Any, acted: Any) -> tuple[Route, Route]:
    path = f"/data/{collection}/{{department}}/{{id}}"
    return Route(path, shown, methods=["GET"]), Route(path, acted, methods=["POST"])


ROUTES: Final = (
    Route("/data", resources, methods=["GET"]),
    Route("/data/corrections", doubts, methods=["GET"]),
    *_pair("corrections", doubt, answer_doubt),
    Route("/data/inquiries", inquiries, methods=["GET"]),
    *_pair("inquiries", inquiry, answer_inquiry),
    Route("/data/subscriptions", subscriptions, methods=["GET"]),
    *_pair("subscriptions", subscription, replay),
)
