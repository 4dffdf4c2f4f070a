"""Who shares what with whom, as a picture and a table."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import oversight_pb2
from portal.office import flow
from portal.office.asking import EVERYBODY, GREATEST, Asking
from portal.office.showing import READERS, asking, show
from portal.office.words import department_of
from portal.sessions.keeping import Person

GREATEST_GRANTS = 10_000


@READERS
async def shared(request: Request, person: Person) -> Response:
    """Who shares what with whom."""
    ask = asking(request, person)
    (uses, more), _ = await asyncio.gather(_uses(ask), ask.departments())
    found = flow.between(
        (department_of(one.resource), department_of(one.grant), one.uses)
        for one in uses
        if one.in_force
    )
    return await show(
        request,
        ask,
        "sharing",
        shared=found,
        pictures=flow.both(found),
        looked_at=len(uses),
        more=more,
    )


async def _uses(ask: Asking) -> tuple[list[oversight_pb2.GrantUse], bool]:
    """How grants were used in the last 90 days, and whether there are more grants."""
    found: list[oversight_pb2.GrantUse] = []
    token = ""
    while len(found) < GREATEST_GRANTS:
        asked = oversight_pb2.ReportGrantUseRequest(
            parent=EVERYBODY, page_size=GREATEST, page_token=token
        )
        page = await ask.tell(ask.oversight.ReportGrantUse, asked)
        found.extend(page.grants)
        token = page.next_page_token
        if not token:
            break
    return found, bool(token)
