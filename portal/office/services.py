"""Service items with their materials, and what nobody has to bring any more."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import catalog_pb2
from licenses.v1 import materials_pb2
from portal.office import bars
from portal.office.asking import EVERYBODY, PAGE, Asking
from portal.office.showing import READERS, asking, name_of, show
from portal.pages import after
from portal.sessions.keeping import Person
from runtime.errors import NotFound

AT_ONCE = 100
"""Service items on one picture."""
SUMMED = 20
"""Pages of the report that are summed up; a locality has some hundreds of service items."""
_COUNTED = (
    "before", "after", "awaiting", "by_license", "by_query", "by_verification", "own_data",
    "filled", "abolished",
)  # fmt: skip
SOURCES = {
    materials_pb2.MATERIAL_SOURCE_HELD_AS_LICENSE: ("green", "by a license", "电子证照替代"),
    materials_pb2.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT: ("green", "looked up", "共享查询获取"),
    materials_pb2.MATERIAL_SOURCE_VERIFIABLE: ("green", "verified", "共享核查"),
    materials_pb2.MATERIAL_SOURCE_OWN_DATA: ("green", "its own data", "本部门数据"),
    materials_pb2.MATERIAL_SOURCE_FILLED_ONCE: ("green", "filled in once", "自动填表"),
    materials_pb2.MATERIAL_SOURCE_MUST_BE_ASKED: ("amber", "must be brought", "仍需提交"),
}


@READERS
async def services(request: Request, person: Person) -> Response:
    """Service items, with how many materials each asks for and whether it is decided at once."""
    ask = asking(request, person)
    asked = materials_pb2.ListServiceItemsRequest(
        parent=EVERYBODY,
        at_once_only="at_once" in request.query_params,
        page_size=PAGE,
        page_token=after(request),
    )
    found, _ = await asyncio.gather(
        ask.tell(ask.materials.ListServiceItems, asked), ask.departments()
    )
    return await show(
        request,
        ask,
        "services",
        found=found.service_items,
        at_once=asked.at_once_only,
        following=found.next_page_token,
    )


@READERS
async def service(request: Request, person: Person) -> Response:
    """One service item: its materials, where each comes from, its limits and legal basis."""
    ask, name = asking(request, person), name_of(request, "serviceItems")
    held, plan, abolished, _ = await asyncio.gather(
        ask.tell(ask.catalog.GetServiceItem, catalog_pb2.GetServiceItemRequest(name=name)),
        ask.tell(
            ask.materials.PlanMaterials, materials_pb2.PlanMaterialsRequest(service_item=name)
        ),
        _abolished(ask, name),
        ask.departments(),
    )
    titles = await ask.titles(one.resource for one in plan.materials)
    return await show(
        request,
        ask,
        "service",
        held=held.service_item,
        materials=plan.materials,
        abolished=abolished,
        left=plan.asked,
        sources=SOURCES,
        titles=titles,
    )


async def _abolished(ask: Asking, item: str) -> int:
    """How many proofs of an item were abolished: what was asked before counts them (`savings`)."""
    asked = materials_pb2.GetHandlingRequest(service_item=item)
    try:
        found = await ask.tell(ask.materials.GetHandling, asked)
    except NotFound:
        return 0
    gone = materials_pb2.PROOF_DISPOSITION_ABOLISHED
    return sum(one.disposition == gone for one in found.handling.proofs)


@READERS
async def savings(request: Request, person: Person) -> Response:
    """What each service item asked for, and what it still asks: a picture and a table."""
    ask, token = asking(request, person), after(request)
    found, _ = await asyncio.gather(_report(ask, token), ask.departments())
    everything, whole = await _all(ask, None if token else found)
    lines = [
        (
            one.display_name,
            [("late", one.after), ("gone", one.before - one.after)],
            f"{one.before} → {one.after}",
        )
        for one in found.reports
    ]
    return await show(
        request,
        ask,
        "savings",
        reports=found.reports,
        sums={key: sum(getattr(one, key) for one in everything) for key in _COUNTED},
        count=len(everything),
        whole=whole,
        pictures=bars.both(lines),
        following=found.next_page_token,
    )


async def _all(ask: Asking, first: Any) -> tuple[list[Any], bool]:
    """The report of all service items, from its first page on; whether that is all of it."""
    page = first or await _report(ask, "")
    found = list(page.reports)
    for _ in range(SUMMED - 1):
        if not page.next_page_token:
            break
        page = await _report(ask, page.next_page_token)
        found += page.reports
    return found, not page.next_page_token


async def _report(ask: Asking, token: str) -> Any:
    asked = materials_pb2.ReportMaterialsRequest(
        parent=EVERYBODY, page_size=AT_ONCE, page_token=token
    )
    return await ask.tell(ask.materials.ReportMaterials, asked)
