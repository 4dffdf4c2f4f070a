"""Departments and their systems, and until when the systems' certificates last."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import systems_pb2
from portal.office.asking import EVERYBODY, GREATEST
from portal.office.overview import SOON, end_of_authority
from portal.office.showing import READERS, asking, show
from portal.office.words import department_of
from portal.pages import after
from portal.sessions.keeping import Person


@READERS
async def systems(request: Request, person: Person) -> Response:
    """Departments with their systems; those whose certificate ends soon are told first."""
    ask = asking(request, person)
    ending = "ending" in request.query_params
    asked = systems_pb2.ListSystemsRequest(
        parent=EVERYBODY,
        ends_within_days=SOON if ending else 0,
        page_size=GREATEST if ending else 200,
        page_token=after(request),
    )
    found, held = await asyncio.gather(
        ask.tell(ask.systems.ListSystems, asked), ask.all_departments()
    )
    by_department: dict[str, list[Any]] = {}
    for one in found.systems:
        by_department.setdefault(department_of(one.name), []).append((one, _state(one), _end(one)))
    whole = not ending and not found.next_page_token and not asked.page_token
    without = [name for name in held if name not in by_department] if whole else []
    return await show(
        request,
        ask,
        "systems",
        by_department=sorted(by_department.items()),
        without=sorted(without),
        held=held,
        ending=ending,
        authority_end=end_of_authority(found),
        soon=SOON,
        following=found.next_page_token,
    )


def _state(one: systems_pb2.EnrolledSystem) -> tuple[str, str, str]:
    if not one.HasField("certificate"):
        return ("red", "no certificate in force", "无有效证书")
    if one.days_left <= SOON:
        return ("amber", f"ends in {one.days_left} day(s)", f"{one.days_left} 天后到期")
    return ("green", f"{one.days_left} days left", f"剩余 {one.days_left} 天")


def _end(one: systems_pb2.EnrolledSystem) -> object:
    held = one.certificate if one.HasField("certificate") else next(iter(one.earlier), None)
    return None if held is None else held.end_time.ToDatetime(UTC)
