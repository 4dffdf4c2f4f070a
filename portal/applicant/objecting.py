"""Objecting to a wrong record, and what became of it.

A record that somebody asked for is found from the page of who looked; its resource and the item
names stand in the form, and the person's own number is its key.
"""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import catalog_pb2
from exchange.v1 import corrections_pb2 as pb
from portal.applicant.asking import SECONDS, Asking
from portal.applicant.words import CORRECTIONS, FAULTS
from portal.node import told
from portal.pages import page
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role

_APPLICANT = for_roles(Role.APPLICANT)


@_APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """What became of my objections."""
    ask = Asking(person, request.app.state.node.address)
    found = await told(
        ask.corrections.MyCorrections(
            pb.MyCorrectionsRequest(
                key=person.holder_code,
                page_size=20,
                page_token=request.query_params.get("after", ""),
            ),
            timeout=SECONDS,
        )
    )
    states = {
        number: CORRECTIONS[name.removeprefix("CORRECTION_STATE_")]
        for name, number in pb.CorrectionState.items()
        if name.removeprefix("CORRECTION_STATE_") in CORRECTIONS
    }
    shown = []
    for made in found.corrections:
        resource = await _resource(ask, made.resource)
        shown.append((made, resource, states[made.state], made.create_time.ToDatetime(UTC)))
    return page(
        request, "applicant/corrections.html", corrections=shown, following=found.next_page_token
    )


@_APPLICANT
async def ask_what(request: Request, person: Person) -> Response:
    """The form about one record."""
    return await _form(request, person, _resource_name(request))


async def _form(
    request: Request,
    person: Person,
    name: str,
    error: DomainError | None = None,
    statement: str = "",
) -> Response:
    ask = Asking(person, request.app.state.node.address)
    return page(
        request,
        "applicant/object.html",
        status=422 if error else 200,
        resource=await _resource(ask, name),
        faults=FAULTS,
        request_id=str(uuid.uuid4()),
        error=error,
        statement=statement,
        switchable=error is None,
    )


@_APPLICANT
async def submit(request: Request, person: Person) -> Response:
    """Object."""
    given, name = await form_of(request, person), _resource_name(request)
    ask = Asking(person, request.app.state.node.address)
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
    except InvalidArgument as error:
        return await _form(request, person, name, error, asked.statement)
    return RedirectResponse("/my/corrections", 303)


@_APPLICANT
async def withdraw(request: Request, person: Person) -> Response:
    """Take an objection back."""
    given = await form_of(request, person)
    asked = pb.WithdrawCorrectionRequest(
        name=one(given, "name"), request_id=one(given, "request_id") or str(uuid.uuid4())
    )
    ask = Asking(person, request.app.state.node.address)
    await told(ask.corrections.WithdrawCorrection(asked, timeout=SECONDS))
    return RedirectResponse("/my/corrections", 303)


async def _resource(ask: Asking, name: str) -> catalog_pb2.DataResource:
    found = await told(
        ask.catalog.GetDataResource(catalog_pb2.GetDataResourceRequest(name=name), timeout=SECONDS)
    )
    resource: catalog_pb2.DataResource = found.resource
    return resource


def _resource_name(request: Request) -> str:
    ids = request.path_params
    return f"departments/{ids['department']}/resources/{ids['resource']}"


ROUTES: Final = (
    Route("/my/corrections", mine, methods=["GET"]),
    Route("/my/corrections/withdraw", withdraw, methods=["POST"]),
    Route("/my/corrections/new/{department}/{resource}", ask_what, methods=["GET"]),
    Route("/my/corrections/new/{department}/{resource}", submit, methods=["POST"]),
)
