"""The data officer's page of a resource's quality, as the node measured it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import quality_pb2
from portal.officer.asking import OFFICER, asking
from portal.officer.words import QUALITIES
from portal.pages import page
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item in a hundred parts."""

    label: str
    filled: str
    valid: str
    distinct: int
    missing: int
    wrong: int


def _resource(request: Request) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/resources/{ids['id']}"


@OFFICER
async def quality(request: Request, person: Person) -> Response:
    """Completeness, validity, duplicates and disagreement of a resource."""
    return await _quality(request, person)


async def _quality(request: Request, person: Person, error: DomainError | None = None) -> Response:
    ask, name = asking(request, person), _resource(request)
    held, found = await asyncio.gather(ask.resource(name), ask.quality(name))
    labels = {item.code: item.display_name for item in held.items}
    running = found.state == quality_pb2.QUALITY_STATE_RUNNING
    return page(
        request,
        "officer/quality.html",
        held=held,
        found=found,
        running=running,
        state=QUALITIES[found.state],
        measured=bool(found.items),
        share=100 * found.measured // found.records if found.records else 0,
        items=[
            Item(
                label=labels.get(each.item, each.item),
                filled=percent(each.filled, found.records),
                valid=percent(each.valid, each.filled),
                distinct=each.distinct,
                missing=found.records - each.filled,
                wrong=each.filled - each.valid,
            )
            for each in found.items
        ],
        faultless=percent(found.faultless, found.records),
        duplicates=percent(found.duplicates, found.records),
        disagreements=[
            (
                each,
                labels.get(each.item, each.item),
                each.measure_time.ToDatetime(UTC) if each.HasField("measure_time") else None,
            )
            for each in found.disagreements
        ],
        at=found.end_time.ToDatetime(UTC) if found.HasField("end_time") else None,
        request_id=str(uuid.uuid4()),
        error=error,
    )


@OFFICER
async def measure(request: Request, person: Person) -> Response:
    """Begin to measure."""
    given = await form_of(request, person)
    try:
        ask = asking(request, person)
        await ask.measure(_resource(request), one(given, "request_id"))
    except DomainError as error:
        return await _quality(request, person, error)
    return RedirectResponse(request.url.path, 303)


def percent(part: int, whole: int) -> str:
    """A share of a hundred that never says all or nothing where it is not so."""
    if not whole:
        return "—"
    share = 100 * part / whole
    if part in (0, whole):
        return f"{share:.0f}%"
    return f"{min(max(share, 0.1), 99.9):.1f}%"


_ONE: Final = "/data/quality/{department}/{id}"
ROUTES: Final = (
    Route(_ONE, quality, methods=["GET"]),
    Route(_ONE, measure, methods=["POST"]),
)
