"""Objecting to a wrong record, and what became of it.

A record that somebody asked for is found from the page of who looked, any other by the name of the
data that a department keeps; its resource and the item names stand in the form, and the person's
own number is its key.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import catalog_pb2
from exchange.v1 import corrections_pb2 as pb
from portal.applicant.asking import NUMBER, PAGE, SECONDS, Asking, asking
from portal.applicant.forms import REFUSALS, Form
from portal.applicant.words import CORRECTIONS, FAULTS
from portal.node import told
from portal.pages import after, page
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, InvalidArgument
from runtime.idcodes import citizen_number_problem
from runtime.identity import Role

_APPLICANT = for_roles(Role.APPLICANT)
_STATES: Final = {
    number: CORRECTIONS.get(name.removeprefix("CORRECTION_STATE_"), ("amber", name, name))
    for name, number in pb.CorrectionState.items()
}
_OPEN: Final = (pb.CORRECTION_STATE_SUBMITTED, pb.CORRECTION_STATE_UNDER_REVIEW)


@_APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """What became of my objections."""
    ask = asking(request, person)
    found = await told(
        ask.corrections.MyCorrections(
            pb.MyCorrectionsRequest(
                key=person.holder_code,
                page_size=20,
                page_token=after(request),
            ),
            timeout=SECONDS,
        )
    )
    names = [made.resource for made in found.corrections]
    titles, items, led = await asyncio.gather(
        ask.titles(names),
        ask.items(names),
        asyncio.gather(*(_led_to(ask, made) for made in found.corrections)),
    )
    return page(
        request,
        "applicant/corrections.html",
        corrections=[
            {
                "made": made,
                "title": titles.get(made.resource, made.resource.rpartition("/")[2]),
                "items": [items.get((made.resource, code), code) for code in made.items],
                "state": _STATES[made.state],
                "open": made.state in _OPEN,
                "steps": _steps(made, lineage),
                "lineage": lineage,
            }
            for made, lineage in zip(found.corrections, led, strict=True)
        ],
        following=found.next_page_token,
        later=bool(after(request)),
    )


async def _led_to(ask: Asking, made: pb.Correction) -> Any:
    """What an accepted objection led to; None of another."""
    if made.state != pb.CORRECTION_STATE_ACCEPTED:
        return None
    asked = pb.GetCorrectionLineageRequest(name=made.name, page_size=1)
    try:
        return await told(ask.corrections.GetCorrectionLineage(asked, timeout=SECONDS))
    except DomainError:
        return None  # the objection itself is told all the same


def _steps(made: pb.Correction, lineage: Any) -> list[tuple[str, str, datetime | None]]:
    """What became of an objection, in order: English, Chinese, and when; None is still to come."""
    submitted = made.create_time.ToDatetime(UTC)
    steps: list[tuple[str, str, datetime | None]] = [("You objected", "您提出异议", submitted)]
    if made.state == pb.CORRECTION_STATE_WITHDRAWN:
        return [*steps, ("You took it back", "您已撤回", made.end_time.ToDatetime(UTC))]
    taken = made.review_time.ToDatetime(UTC) if made.HasField("review_time") else None
    ended = made.end_time.ToDatetime(UTC) if made.HasField("end_time") else None
    steps.append(("The department took it up", "部门受理核实", taken or ended))
    steps.append(("It answered", "部门答复", ended))
    if made.state == pb.CORRECTION_STATE_ACCEPTED:
        found = lineage is not None and lineage.HasField("corrected")
        published = lineage.corrected.publish_time.ToDatetime(UTC) if found else ended
        steps.append(("The correct record was published", "更正后的数据已发布", published))
    return steps


@_APPLICANT
async def find(request: Request, person: Person) -> Response:
    """Data of departments that may hold a record about the person, by words or the usual ones."""
    ask = asking(request, person)
    words = request.query_params.get("words", "").strip()[:100]
    personal = bool(NUMBER.search(words))
    usual = "legal_entity" if citizen_number_problem(person.holder_code) else "population"
    asked = catalog_pb2.SearchCatalogRequest(
        query="" if personal else words,
        base_library="" if words and not personal else usual,
        kind=catalog_pb2.CATALOG_KIND_RESOURCE,
        page_size=PAGE,
        page_token=after(request),
    )
    departments = await ask.departments()
    try:
        found = await told(ask.catalog.SearchCatalog(asked, timeout=SECONDS))
    except InvalidArgument:
        found = catalog_pb2.SearchCatalogResponse()  # marks without a letter find nothing
    return page(
        request,
        "applicant/object_find.html",
        resources=[
            (one.display_name, departments.get(_department(one.name), ""), _form_address(one.name))
            for one in found.results
        ],
        words="" if personal else words,
        personal=personal,
        following=found.next_page_token,
    )


@_APPLICANT
async def ask_what(request: Request, person: Person) -> Response:
    """The form about one record."""
    return await _form(request, person, _resource_name(request), Form())


async def _form(request: Request, person: Person, name: str, form: Form) -> Response:
    ask = asking(request, person)
    return page(
        request,
        "applicant/object.html",
        resource=await ask.resource(name),
        faults=FAULTS,
        **form.facts(),
    )


@_APPLICANT
async def submit(request: Request, person: Person) -> Response:
    """Object."""
    given, name = await form_of(request, person), _resource_name(request)
    ask = asking(request, person)
    fault = one(given, "fault")
    known = fault in {word for word, _, _ in FAULTS}
    asked = pb.SubmitCorrectionRequest(
        own=pb.OwnRecord(resource=name, key=person.holder_code),
        items=given.get("items", []),
        fault=pb.CorrectionFault.Value(fault) if known else pb.CORRECTION_FAULT_UNSPECIFIED,
        statement=one(given, "statement"),
        request_id=one(given, "request_id"),
    )
    try:
        await told(ask.corrections.SubmitCorrection(asked, timeout=SECONDS))
    except REFUSALS as error:
        return await _form(request, person, name, Form(sent=given, error=error))
    return RedirectResponse("/my/corrections", 303)


@_APPLICANT
async def withdraw(request: Request, person: Person) -> Response:
    """Take an objection back."""
    given = await form_of(request, person)
    asked = pb.WithdrawCorrectionRequest(
        name=one(given, "name"), request_id=one(given, "request_id") or str(uuid.uuid4())
    )
    ask = asking(request, person)
    await told(ask.corrections.WithdrawCorrection(asked, timeout=SECONDS))
    return RedirectResponse("/my/corrections", 303)


def _department(name: str) -> str:
    return name.partition("/resources/")[0]


def _form_address(name: str) -> str:
    _, department, _, resource = name.split("/")
    return f"/my/corrections/new/{department}/{resource}"


def _resource_name(request: Request) -> str:
    ids = request.path_params
    return f"departments/{ids['department']}/resources/{ids['resource']}"


ROUTES: Final = (
    Route("/my/corrections", mine, methods=["GET"]),
    Route("/my/corrections/withdraw", withdraw, methods=["POST"]),
    Route("/my/corrections/new", find, methods=["GET"]),
    Route("/my/corrections/new/{department}/{resource}", ask_what, methods=["GET"]),
    Route("/my/corrections/new/{department}/{resource}", submit, methods=["POST"]),
)
