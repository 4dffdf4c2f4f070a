"""The data officer's first pages: freshness, and what is doubted, of their own department.

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

from exchange.v1 import corrections_pb2
from portal.cycles import CYCLES
from portal.officer.asking import OFFICER, asking
from portal.officer.inquiring import ROUTES as INQUIRING
from portal.officer.measuring import ROUTES as MEASURING
from portal.officer.subscribed import ROUTES as SUBSCRIBED
from portal.officer.synced import ROUTES as SYNCED
from portal.officer.words import DOUBTS, FAULTS, OPEN_DOUBTS, time_left
from portal.pages import after, page
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError


@OFFICER
async def resources(request: Request, person: Person) -> Response:
    """The department's resources: which are stale, which were never published."""
    found = await asking(request, person).resources(after(request))
    return page(
        request,
        "officer/resources.html",
        resources=[
            (
                held,
                CYCLES.get(held.update_cycle, (held.update_cycle, held.update_cycle)),
                held.last_publish_time.ToDatetime(UTC)
                if held.HasField("last_publish_time")
                else None,
            )
            for held in sorted(found.resources, key=lambda held: not held.stale)
        ],
        following=found.next_page_token,
    )


@OFFICER
async def doubts(request: Request, person: Person) -> Response:
    """Objections to the department's data, and its own to others'."""
    ask = asking(request, person)
    found, clocks = await asyncio.gather(ask.corrections(after(request)), ask.clocks())
    return page(
        request,
        "officer/doubts.html",
        titles=await ask.titles(held.resource for held in found.corrections),
        doubts=[
            (
                held,
                DOUBTS[held.state],
                time_left(clocks.get(held.name)),
                _is_ours(person, held.resource),
            )
            for held in found.corrections
        ],
        following=found.next_page_token,
    )


@OFFICER
async def doubt(request: Request, person: Person) -> Response:
    """One objection, and how to answer it."""
    return await _doubt(request, person)


async def _doubt(
    request: Request,
    person: Person,
    error: DomainError | None = None,
    said: str = "",
    basis: str = "",
) -> Response:
    ask = asking(request, person)
    held = await ask.correction(_name(request, "corrections"))
    resource = await ask.resource(held.resource)
    labels = {item.code: item.display_name for item in resource.items}
    return page(
        request,
        "officer/doubt.html",
        held=held,
        state=DOUBTS[held.state],
        resource=resource,
        items=[labels.get(code, code) for code in held.items],
        fault=FAULTS.get(held.fault, ("?", "？")),
        answerable=held.state in OPEN_DOUBTS and _is_ours(person, held.resource),
        waiting=held.state == corrections_pb2.CORRECTION_STATE_SUBMITTED,
        at=held.create_time.ToDatetime(UTC),
        request_id=str(uuid.uuid4()),
        error=error,
        typed=said,
        basis=basis,
        left=time_left((await ask.clocks(held.name)).get(held.name)),
    )


@OFFICER
async def answer_doubt(request: Request, person: Person) -> Response:
    """Take an objection up, or answer it."""
    given, ask = await form_of(request, person), asking(request, person)
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
        return await _doubt(request, person, error, said, one(given, "basis"))
    return RedirectResponse(request.url.path, 303)


def _name(request: Request, collection: str) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/{collection}/{ids['id']}"


def _is_ours(person: Person, resource: str) -> bool:
    return resource.startswith(f"{person.department}/")


_DOUBT: Final = "/data/corrections/{department}/{id}"
ROUTES: Final = (
    Route("/data", resources, methods=["GET"]),
    Route("/data/corrections", doubts, methods=["GET"]),
    Route(_DOUBT, doubt, methods=["GET"]),
    Route(_DOUBT, answer_doubt, methods=["POST"]),
    *INQUIRING,
    *MEASURING,
    *SUBSCRIBED,
    *SYNCED,
)
