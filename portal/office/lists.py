"""The responsibility list: what departments promised, against what they deliver."""

from __future__ import annotations

import asyncio
from datetime import UTC
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import lists_pb2
from portal.office.asking import EVERYBODY, GREATEST, PAGE, Asking
from portal.office.showing import READERS, asking, show
from portal.office.words import department_of
from portal.pages import after, chosen
from portal.sessions.keeping import Person

SUMMED = 10
"""Thousands of promises that are counted."""


@READERS
async def responsibilities(request: Request, person: Person) -> Response:
    """What is promised, who gets it, and where it falls short."""
    ask, asked = asking(request, person), request.query_params
    departments = await ask.departments()
    department = chosen(asked.get("department", ""), departments)
    short = "short" in asked
    compared = lists_pb2.CompareDeliveryRequest(
        parent=department or EVERYBODY,
        shortfalls_only=short,
        page_size=PAGE,
        page_token=after(request),
    )
    found, (kept, promised) = await asyncio.gather(
        ask.tell(ask.lists.CompareDelivery, compared), _kept(ask, department or EVERYBODY)
    )
    titles = await ask.titles(one.responsibility.resource for one in found.comparisons)
    wanted = {"department": department, "short": "1" if short else ""}
    return await show(
        request,
        ask,
        "responsibilities",
        comparisons=[(one, one.responsibility, _published(one)) for one in found.comparisons],
        kept=kept,
        promised=promised,
        titles=titles,
        department_of=department_of,
        wanted=wanted,
        further=urlencode({key: value for key, value in wanted.items() if value}),
        following=found.next_page_token,
    )


async def _kept(ask: Asking, parent: str) -> tuple[int, int]:
    """How many promises are kept, and how many there are."""
    kept = promised = 0
    token = ""
    for _ in range(SUMMED):
        asked = lists_pb2.CompareDeliveryRequest(
            parent=parent, page_size=GREATEST, page_token=token
        )
        page = await ask.tell(ask.lists.CompareDelivery, asked)
        kept += sum(not one.findings for one in page.comparisons)
        promised += len(page.comparisons)
        token = page.next_page_token
        if not token:
            break
    return kept, promised


def _published(one: lists_pb2.DeliveryComparison) -> object:
    return one.last_publish_time.ToDatetime(UTC) if one.HasField("last_publish_time") else None
