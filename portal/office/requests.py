"""Access requests: who asks, how many working days are left, and the decision.

1. A request is decided here by an administrator of the source's department, or of one above it; the
   service refuses everybody else.
2. What is granted was looked at: terms that differ from those previewed are previewed anew.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from exchange.v1 import grants_pb2, oversight_pb2
from portal.office import granting, terms, words
from portal.office.asking import EVERYBODY, GREATEST, PAGE, Asking
from portal.office.showing import ADMINISTRATORS, READERS, asking, name_of, show
from portal.office.terms import Terms
from portal.office.words import department_of
from portal.pages import after, chosen
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.clock import CHINA
from runtime.errors import DomainError, NotFound, PermissionDenied

GREATEST_FIELDS = 700
_OPEN = frozenset(
    (
        grants_pb2.ACCESS_REQUEST_STATE_PENDING,
        grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY,
    )
)


@READERS
async def requests(request: Request, person: Person) -> Response:
    """Access requests: those that wait, what is due first; or others, the newest first."""
    ask, asked = asking(request, person), request.query_params
    departments = await ask.departments()
    wanted = {name: asked.get(name, "") for name in ("state", "asker", "source")}
    chosen(wanted["state"], words.REQUEST_VIEWS)
    for name in ("asker", "source"):
        chosen(wanted[name], departments)
    waits = not wanted["state"]
    listed = grants_pb2.ListAccessRequestsRequest(
        parent=wanted["asker"] or EVERYBODY,
        source=wanted["source"],
        states=words.REQUEST_VIEWS[wanted["state"]][0],
        order=grants_pb2.ACCESS_REQUEST_ORDER_DUE
        if waits
        else grants_pb2.ACCESS_REQUEST_ORDER_NEWEST,
        page_size=PAGE,
        page_token=after(request),
    )
    found, clocks = await asyncio.gather(
        ask.tell(ask.grants.ListAccessRequests, listed), ask.deadlines(size=GREATEST)
    )
    running = {one.subject: one for one in clocks.deadlines}
    return await show(
        request,
        ask,
        "requests",
        requests=[(held, running.get(held.name), _decided(held)) for held in found.access_requests],
        titles=await ask.titles(held.resource for held in found.access_requests),
        waits=waits,
        wanted=wanted,
        further=urlencode({key: value for key, value in wanted.items() if value}),
        following=found.next_page_token,
    )


def _decided(held: grants_pb2.AccessRequest) -> datetime | None:
    return held.decide_time.ToDatetime(UTC) if held.HasField("decide_time") else None


@READERS
async def one_request(request: Request, person: Person) -> Response:
    """One access request, its clock, and the form of the decision."""
    ask = asking(request, person)
    return await _page(request, ask, await _held(request, ask))


@ADMINISTRATORS
async def decide(request: Request, person: Person) -> Response:
    """Preview terms, or approve those that were previewed."""
    given = await form_of(request, person, fields=GREATEST_FIELDS)
    ask = asking(request, person)
    held = await _held(request, ask)
    wanted, seen = terms.shown_again(given), None
    try:
        wanted = terms.read(given)
        terms.check_end(wanted, datetime.now(CHINA).date())
        seen = await granting.preview(ask, held.resource, department_of(held.name), wanted)
        if one(given, "act") != "approve" or one(given, "seen") != wanted.digest():
            return await _page(request, ask, held, wanted=wanted, seen=seen, typed=given)
        return await _approve(ask, held, wanted, given)
    except (NotFound, PermissionDenied):
        raise
    except DomainError as error:
        return await _page(request, ask, held, wanted=wanted, seen=seen, error=error, typed=given)


async def _approve(
    ask: Asking, held: grants_pb2.AccessRequest, wanted: Terms, given: Mapping[str, list[str]]
) -> Response:
    end = wanted.end_time
    asked = grants_pb2.ApproveAccessRequestRequest(
        name=held.name,
        items=wanted.items,
        operations=[grants_pb2.Operation.ValueType(n) for n in wanted.operations],
        daily_quota=wanted.daily_quota,
        rate_per_minute=wanted.rate_per_minute,
        row_filter=[] if wanted.row_filter == tuple(held.row_filter) else wanted.row_filter,
        include_history=wanted.history,
        reason=one(given, "reason"),
        end_time=None if end is None else granting.stamp(end),
        request_id=one(given, "request_id"),
    )
    answer = await ask.tell(ask.grants.ApproveAccessRequest, asked)
    name, done = (answer.grant.name, "granted") if answer.grant.name else (held.name, "proposed")
    return RedirectResponse(words.done_at(words.address_of(name), done), 303)


@ADMINISTRATORS
async def refuse(request: Request, person: Person) -> Response:
    """Refuse a request, with the reason and the legal basis."""

    async def act(ask: Asking, name: str, given: Mapping[str, list[str]]) -> None:
        asked = grants_pb2.RejectAccessRequestRequest(
            name=name,
            reason=one(given, "refusal"),
            legal_basis=one(given, "basis"),
            request_id=one(given, "request_id"),
        )
        await ask.tell(ask.grants.RejectAccessRequest, asked)

    return await _answering(request, person, act, "refused")


@ADMINISTRATORS
async def give_back(request: Request, person: Person) -> Response:
    """Give a request back for more material; its clock pauses."""

    async def act(ask: Asking, name: str, given: Mapping[str, list[str]]) -> None:
        asked = grants_pb2.ReturnAccessRequestRequest(
            name=name, note=one(given, "note"), request_id=one(given, "request_id")
        )
        await ask.tell(ask.grants.ReturnAccessRequest, asked)

    return await _answering(request, person, act, "returned")


@ADMINISTRATORS
async def endorse(request: Request, person: Person) -> Response:
    """Agree, as the authority, to what the source proposes."""

    async def act(ask: Asking, name: str, given: Mapping[str, list[str]]) -> None:
        asked = grants_pb2.EndorseAccessRequestRequest(
            name=name, request_id=one(given, "request_id")
        )
        await ask.tell(ask.grants.EndorseAccessRequest, asked)

    return await _answering(request, person, act, "endorsed")


async def _answering(request: Request, person: Person, act: Any, done: str) -> Response:
    """Do an act on a request and show it; after a refusal the form has what was typed."""
    given = await form_of(request, person)
    ask = asking(request, person)
    try:
        await act(ask, name_of(request, "accessRequests"), given)
    except (NotFound, PermissionDenied):
        raise
    except DomainError as error:
        return await _page(request, ask, await _held(request, ask), error=error, typed=given)
    address = words.address_of(name_of(request, "accessRequests"))
    return RedirectResponse(words.done_at(address, done), 303)


async def _held(request: Request, ask: Asking) -> grants_pb2.AccessRequest:
    asked = grants_pb2.GetAccessRequestRequest(name=name_of(request, "accessRequests"))
    answer = await ask.tell(ask.grants.GetAccessRequest, asked)
    found: grants_pb2.AccessRequest = answer.access_request
    return found


async def _page(
    request: Request,
    ask: Asking,
    held: grants_pb2.AccessRequest,
    *,
    wanted: Terms | None = None,
    seen: oversight_pb2.PreviewGrantResponse | None = None,
    error: DomainError | None = None,
    typed: Mapping[str, list[str]] | None = None,
) -> Response:
    source = department_of(held.resource)
    resource, clocks, is_above, titles = await asyncio.gather(
        ask.resource(held.resource),
        ask.deadlines(subject=held.name),
        ask.is_above(source),
        ask.titles([held.service_item]),
    )
    awaits = held.state == grants_pb2.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY
    return await show(
        request,
        ask,
        "request",
        error=error,
        held=held,
        resource=resource,
        labels=granting.labels_of(resource),
        sensitivities=granting.sensitivities_of(resource),
        titles=titles,
        clocks=[(one, words.act(one.kind)) for one in clocks.deadlines],
        at=held.create_time.ToDatetime(UTC),
        is_open=held.state in _OPEN,
        awaits=awaits,
        decides=ask.person.department == source or is_above,
        asks=ask.person.department == department_of(held.name),
        proposal=terms.proposed(held.proposal) if awaits else None,
        wanted=wanted or terms.asked_for(held),
        seen=seen,
        typed={key: values[0] for key, values in (typed or {}).items() if values},
        request_id=str(uuid.uuid4()),
    )
