"""Grants: what they give and how much of it is used; narrowing and ending one.

1. A change is tried before it is made: what it would have refused in the last 90 days, and what the
   receiver would then see. What was tried is told by the digest of its terms.
2. A grant is ended by two administrators: one asks, when the effects are shown, another confirms
   (`acts`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from exchange.v1 import grants_pb2, oversight_pb2
from portal.office import granting, terms, words
from portal.office.asking import EVERYBODY, PAGE, Asking
from portal.office.requests import GREATEST_FIELDS
from portal.office.showing import ADMINISTRATORS, READERS, asking, name_of, show
from portal.office.words import department_of
from portal.pages import after, chosen
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.clock import CHINA
from runtime.errors import DomainError, NotFound, PermissionDenied


@READERS
async def grants(request: Request, person: Person) -> Response:
    """All grants, with what was used of each in the last 90 days."""
    ask, token = asking(request, person), after(request)
    receiver = chosen(request.query_params.get("receiver", ""), await ask.departments())
    parent = receiver or EVERYBODY
    listed = grants_pb2.ListGrantsRequest(parent=parent, page_size=PAGE, page_token=token)
    used = oversight_pb2.ReportGrantUseRequest(parent=parent, page_size=PAGE, page_token=token)
    found, report = await asyncio.gather(
        ask.tell(ask.grants.ListGrants, listed), ask.tell(ask.oversight.ReportGrantUse, used)
    )
    uses = {one.grant: one for one in report.grants}
    return await show(
        request,
        ask,
        "grants",
        grants=[(held, state_of(held), uses.get(held.name)) for held in found.grants],
        titles=await ask.titles(held.resource for held in found.grants),
        last_day=lambda held: terms.last_day(held.end_time.ToDatetime(UTC)),
        receiver=receiver,
        further=urlencode({"receiver": receiver}) if receiver else "",
        following=found.next_page_token,
    )


@READERS
async def one_grant(request: Request, person: Person) -> Response:
    """One grant: its terms, its versions, its use, and the form that narrows it."""
    ask = asking(request, person)
    return await _page(request, ask, await _held(request, ask))


@ADMINISTRATORS
async def narrow(request: Request, person: Person) -> Response:
    """Try a change of a grant, or make the one that was tried."""
    given = await form_of(request, person, fields=GREATEST_FIELDS)
    ask = asking(request, person)
    held = await _held(request, ask)
    wanted = terms.shown_again(given)
    try:
        wanted = terms.read_left(given)
        terms.check_end(wanted, datetime.now(CHINA).date())
        change = granting.changed(held, wanted)
        if one(given, "act") == "narrow" and one(given, "seen") == wanted.digest():
            asked = grants_pb2.NarrowGrantRequest(
                name=held.name,
                reason=one(given, "reason"),
                etag=one(given, "etag"),
                request_id=one(given, "request_id"),
                **change,
            )
            await ask.tell(ask.grants.NarrowGrant, asked)
            return RedirectResponse(words.done_at(words.address_of(held.name), "narrowed"), 303)
        trial, seen = await asyncio.gather(
            granting.trial(ask, held, change),
            granting.preview(
                ask, held.resource, department_of(held.name), wanted, beside=held.row_filter
            ),
        )
        return await _page(request, ask, held, wanted=wanted, trial=trial, seen=seen, typed=given)
    except (NotFound, PermissionDenied) as error:
        if error.reason != "NOT_THE_SOURCE":
            raise
        return await _page(request, ask, held, wanted=wanted, error=error, typed=given)
    except DomainError as error:
        return await _page(request, ask, held, wanted=wanted, error=error, typed=given)


@ADMINISTRATORS
async def ask_to_revoke(request: Request, person: Person) -> Response:
    """What ending a grant will do, before anybody asks for it: for who may ask for it."""
    ask = asking(request, person)
    held = await _held(request, ask)
    if not await ask.is_above(department_of(held.resource)):
        raise HTTPException(404)
    return await _revoking(request, ask, held)


@ADMINISTRATORS
async def revoke(request: Request, person: Person) -> Response:
    """Ask that a grant be ended; another administrator confirms."""
    given = await form_of(request, person)
    ask = asking(request, person)
    held = await _held(request, ask)
    try:
        await granting.ask_to_revoke(ask, held, one(given, "reason"), one(given, "request_id"))
    except (NotFound, PermissionDenied):
        raise
    except DomainError as error:
        return await _revoking(request, ask, held, error=error, reason=one(given, "reason"))
    return RedirectResponse("/office/acts?asked=1", 303)


async def _revoking(
    request: Request,
    ask: Asking,
    held: grants_pb2.Grant,
    *,
    error: DomainError | None = None,
    reason: str = "",
) -> Response:
    resource, effects, titles = await asyncio.gather(
        ask.resource(held.resource),
        granting.effects(ask, held.name),
        ask.titles([held.service_item]),
    )
    return await show(
        request,
        ask,
        "revoke",
        error=error,
        held=held,
        state=state_of(held),
        resource=resource,
        labels=granting.labels_of(resource),
        effects=effects,
        titles=titles,
        reason=reason,
        request_id=str(uuid.uuid4()),
    )


def state_of(held: grants_pb2.Grant) -> tuple[str, str, str]:
    """A grant's state now: colour, English, Chinese."""
    now = datetime.now(UTC)
    if held.state == grants_pb2.GRANT_STATE_REVOKED:
        return ("red", "Revoked", "已撤销")
    if now >= held.end_time.ToDatetime(UTC):
        return ("amber", "Ended", "已到期")
    if now < held.start_time.ToDatetime(UTC):
        return ("amber", "Not yet begun", "未生效")
    return ("green", "In force", "有效")


async def _held(request: Request, ask: Asking) -> grants_pb2.Grant:
    return await granting.get_grant(ask, name_of(request, "grants"))


async def _page(
    request: Request,
    ask: Asking,
    held: grants_pb2.Grant,
    *,
    wanted: terms.Terms | None = None,
    trial: oversight_pb2.WhatIfResponse | None = None,
    seen: oversight_pb2.PreviewGrantResponse | None = None,
    error: DomainError | None = None,
    typed: Mapping[str, list[str]] | None = None,
) -> Response:
    source = department_of(held.resource)
    versions = grants_pb2.ListGrantVersionsRequest(name=held.name)
    resource, kept, used, is_above, titles = await asyncio.gather(
        ask.resource(held.resource),
        ask.tell(ask.grants.ListGrantVersions, versions),
        ask.tell(ask.oversight.WhatIf, oversight_pb2.WhatIfRequest(grant=held.name)),
        ask.is_above(source),
        ask.titles([held.service_item]),
    )
    state = state_of(held)
    return await show(
        request,
        ask,
        "grant",
        error=error,
        held=held,
        state=state,
        resource=resource,
        labels=granting.labels_of(resource),
        sensitivities=granting.sensitivities_of(resource),
        titles=titles,
        versions=kept.versions,
        systems=[one.actor for one in kept.versions],
        uses=used.uses,
        last_day=terms.last_day(held.end_time.ToDatetime(UTC)),
        changeable=state[0] != "red" and state[1] != "Ended",
        is_source=ask.person.department == source,
        decides=is_above,
        wanted=wanted or terms.held_by(held),
        held_masks=terms.held_by(held).masks,
        trial=trial,
        seen=seen,
        typed={key: values[0] for key, values in (typed or {}).items() if values},
        request_id=str(uuid.uuid4()),
    )
