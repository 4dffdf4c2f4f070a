"""The catalog, searched by word, department, base library and freshness; one resource of it.

Of one the page says what it holds, who reads it now, and who would lose what without an item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from exchange.v1 import catalog_pb2, oversight_pb2
from portal.office import granting, words
from portal.office.asking import PAGE, Asking
from portal.office.showing import READERS, asking, name_of, show
from portal.pages import after, chosen
from portal.sessions.access import form_of
from portal.sessions.keeping import Person
from runtime.idcodes import holds_citizen_number
from runtime.identity import Role

GREATEST = 100
"""Characters of words, and grants on a resource's page."""


@READERS
async def catalog(request: Request, person: Person) -> Response:
    """The catalog by words, department, base library and freshness."""
    ask = asking(request, person)
    wanted = _wanted(request.query_params)
    if holds_citizen_number(wanted["words"]):
        return await _refused(request, ask, wanted)
    chosen(wanted["department"], await ask.departments())
    found = await _search(ask, wanted, after(request))
    return await show(
        request,
        ask,
        "catalog",
        results=[(one, words.address_of(one.name)) for one in found.results],
        wanted=wanted,
        further=_further(wanted),
        following=found.next_page_token,
        refused=False,
    )


@READERS
async def search(request: Request, person: Person) -> Response:
    """A search that was typed: it goes into the address only where no citizen number is in it."""
    given = await form_of(request, person)
    wanted = _wanted({key: values[0] for key, values in given.items() if values})
    if holds_citizen_number(wanted["words"]):
        return await _refused(request, asking(request, person), wanted)
    return RedirectResponse(f"/office/catalog?{_further(wanted)}", 303)


def _wanted(asked: Mapping[str, str]) -> dict[str, str]:
    return {
        "words": asked.get("words", "").strip()[:GREATEST],
        "department": asked.get("department", "")[:GREATEST],
        "library": chosen(asked.get("library", ""), words.LIBRARIES),
        "stale": "1" if "stale" in asked else "",
    }


def _further(wanted: Mapping[str, str]) -> str:
    return urlencode({key: value for key, value in wanted.items() if value})


async def _refused(request: Request, ask: Asking, wanted: Mapping[str, str]) -> Response:
    """The form again, without the number: nothing personal stands in an address."""
    return await show(
        request,
        ask,
        "catalog",
        results=[],
        wanted={**wanted, "words": ""},
        further="",
        following="",
        refused=True,
    )


async def _search(ask: Asking, wanted: dict[str, str], token: str) -> Any:
    kind = catalog_pb2.CATALOG_KIND_UNSPECIFIED
    if not wanted["words"]:
        kind = catalog_pb2.CATALOG_KIND_RESOURCE
    asked = catalog_pb2.SearchCatalogRequest(
        query=wanted["words"],
        department=wanted["department"],
        base_library=wanted["library"],
        stale_only=bool(wanted["stale"]),
        kind=kind,
        page_size=PAGE,
        page_token=token,
    )
    return await ask.tell(ask.catalog.SearchCatalog, asked)


@READERS
async def one_resource(request: Request, person: Person) -> Response:
    """One resource: what it holds, how fresh it is, who reads what of it, and what if."""
    ask, name = asking(request, person), name_of(request, "resources")
    given = oversight_pb2.ExplainAccessRequest(resource=name, page_size=GREATEST)
    held, readers, _ = await asyncio.gather(
        ask.resource(name), ask.tell(ask.oversight.ExplainAccess, given), ask.departments()
    )
    codes = {item.code for item in held.items}
    removed = [chosen(code, codes) for code in request.query_params.getlist("removed") if code]
    trial = None
    if removed and person.has(Role.ADMINISTRATOR):
        trial = await ask.tell(
            ask.oversight.WhatIfCatalog,
            oversight_pb2.WhatIfCatalogRequest(resource=name, removed_items=removed),
        )
    return await show(
        request,
        ask,
        "resource",
        held=held,
        readers=readers.accesses,
        more_readers=bool(readers.next_page_token),
        labels=granting.labels_of(held),
        sensitivities=granting.sensitivities_of(held),
        removed=removed,
        trial=trial,
        has_map=any(item.type == catalog_pb2.ITEM_TYPE_GEOMETRY for item in held.items),
    )
