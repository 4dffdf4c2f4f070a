"""What I need for a service item (政务服务事项), and what I don't have to bring.

1. The plan is the service's, about the person who signed in; its reasons are said for them.
2. Nothing is fetched before they agreed, material by material; what they agreed to they see, follow
   and take back. What the department reads under its own grants, its own system collects; what
   nothing tells they enter here once, for whoever collects.
3. Words that are looked for stand in the address, so a number of somebody is refused among them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import catalog_pb2
from licenses.v1 import materials_pb2 as pb
from portal.applicant.asking import NUMBER, PAGE, SECONDS, Asking, asking
from portal.applicant.entries import entries_of, given_by
from portal.applicant.forms import REFUSALS, Form
from portal.applicant.holding import APPLICANT, address_of
from portal.applicant.words import (
    COLLECTIONS,
    CONSENTED,
    DECISIONS,
    KINDS,
    ORIGINS,
    PROOFS,
    REASONS,
    REPLACEMENTS,
    SOURCES,
    TOLD_DEPARTMENT,
)
from portal.node import told
from portal.pages import after, page
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import InvalidArgument, NotFound

#: How the consent was given, as the log commits to it.
CONSENT: Final = "申请人本人登录门户后逐项勾选同意"
#: A form's fields, and what else is sent with them.
_FIELDS: Final = 110
_CHOICE: Final = "choice-"
#: A look at a case is one at all of it, before it is collected too; others are told by license.
_LOOKS: Final = {
    "collection_read": ("read your application and its form", "查阅了本次申请及其表单"),
}


@APPLICANT
async def search(request: Request, person: Person) -> Response:
    """Service items, by words or all."""
    ask, asked = asking(request, person), request.query_params
    words, after = asked.get("words", "").strip()[:100], asked.get("after", "")
    personal = bool(NUMBER.search(words))
    if personal:
        words = ""
    found, following = await (_found(ask, words, after) if words else _all(ask, after))
    departments = await ask.departments()
    return page(
        request,
        "applicant/needs.html",
        items=[
            (title, departments.get(_department(name), ""), _item_address(name), at_once)
            for name, title, at_once in found
        ],
        words=words,
        personal=personal,
        following=following,
    )


async def _all(ask: Asking, after: str) -> tuple[list[tuple[str, str, bool]], str]:
    asked = pb.ListServiceItemsRequest(parent="departments/-", page_size=PAGE, page_token=after)
    answer = await told(ask.materials.ListServiceItems(asked, timeout=SECONDS))
    found = [(one.name, one.display_name, one.handled_at_once) for one in answer.service_items]
    return found, answer.next_page_token


async def _found(ask: Asking, words: str, after: str) -> tuple[list[tuple[str, str, bool]], str]:
    asked = catalog_pb2.SearchCatalogRequest(
        query=words,
        kind=catalog_pb2.CATALOG_KIND_SERVICE_ITEM,
        page_size=PAGE,
        page_token=after,
    )
    try:
        answer = await told(ask.catalog.SearchCatalog(asked, timeout=SECONDS))
    except InvalidArgument:
        return [], ""  # marks without a letter find nothing
    return [(one.name, one.display_name, False) for one in answer.results], answer.next_page_token


@APPLICANT
async def plan(request: Request, person: Person) -> Response:
    """What of an item's materials is here, is fetched, is checked, and must be brought."""
    return await _plan(request, person, Form())


async def _plan(request: Request, person: Person, form: Form) -> Response:
    ask, name = asking(request, person), _item_name(request)
    asked = pb.PlanMaterialsRequest(service_item=name, holder_code=person.holder_code)
    item, planned, departments, handling, report = await asyncio.gather(
        _item(ask, name),
        told(ask.materials.PlanMaterials(asked, timeout=SECONDS)),
        ask.departments(),
        _handling(ask, name),
        _report(ask, name),
    )
    labels = {one.code: one.display_name for one in handling.fields}
    names = {one.display_name for one in planned.materials}
    choices = [name for one in planned.materials for name in one.license_choices]
    called = await _called(ask, choices)
    return page(
        request,
        "applicant/need.html",
        item=item,
        department=departments.get(_department(name), ""),
        materials=[
            {
                **_material(one),
                "choices": [(name, called.get(name, "")) for name in one.license_choices],
            }
            for one in planned.materials
        ],
        bring=planned.asked,
        entries=[labels.get(code, code) for code in planned.entries],
        rule=handling.rule,
        at_once=report.handled_at_once,
        # What is among the materials is told there.
        proofs=[(one, _became(one)) for one in report.proofs if one.display_name not in names],
        **form.facts(),
    )


@APPLICANT
async def consent(request: Request, person: Person) -> Response:
    """Agree to what was ticked, and begin."""
    given, ask = await form_of(request, person), asking(request, person)
    if not given.get("materials"):
        return await _plan(request, person, Form(sent=given, error=_nothing_agreed()))
    asked = pb.BeginCollectionRequest(
        service_item=_item_name(request),
        holder_code=person.holder_code,
        materials=given.get("materials", []),
        licenses=[
            one(given, _CHOICE + material)
            for material in given.get("materials", [])
            if one(given, _CHOICE + material)
        ],
        consent=CONSENT,
        request_id=one(given, "request_id"),
    )
    try:
        made = await told(ask.materials.BeginCollection(asked, timeout=60))
    except REFUSALS as error:
        return await _plan(request, person, Form(sent=given, error=error))
    return RedirectResponse(f"/my/{made.collection.name}", 303)


def _nothing_agreed() -> InvalidArgument:
    """Nothing is ticked beforehand: an agreement is what they ticked."""
    return InvalidArgument(
        "tick what you agree to have fetched: nothing was ticked",
        reason="NOTHING_AGREED",
        message_zh="请先勾选您同意代为获取的材料：尚未勾选任何一项",
    )


@APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """What I agreed to, and what became of it."""
    ask = asking(request, person)
    asked = pb.ListCollectionsRequest(
        holder_code=person.holder_code,
        page_size=PAGE,
        page_token=after(request),
    )
    found = await told(ask.materials.ListCollections(asked, timeout=SECONDS))
    titles = await ask.titles(one.service_item for one in found.collections)
    return page(
        request,
        "applicant/collections.html",
        collections=[
            (one, titles.get(one.service_item, ""), _state(one), one.create_time.ToDatetime(UTC))
            for one in found.collections
        ],
        following=found.next_page_token,
        later=bool(asked.page_token),
    )


@APPLICANT
async def large(request: Request, person: Person) -> Response:
    """One collection."""
    return await _large(request, person, Form())


async def _large(request: Request, person: Person, form: Form) -> Response:
    ask = asking(request, person)
    asked = pb.GetCollectionRequest(name=_name(request), holder_code=person.holder_code)
    found = (await told(ask.materials.GetCollection(asked, timeout=SECONDS))).collection
    item, departments = await asyncio.gather(_item(ask, found.service_item), ask.departments())
    entries = entries_of(found, form)
    open_ = found.state == pb.COLLECTION_STATE_CONSENTED and not _is_over(found)
    asks = any(
        one.source
        in (
            pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT,
            pb.MATERIAL_SOURCE_VERIFIABLE,
        )
        for one in found.materials
    )
    return page(
        request,
        "applicant/collection.html",
        collection=found,
        address=f"/my/{found.name}",
        item=item,
        department=departments.get(_department(found.service_item), ""),
        again=_item_address(found.service_item),
        state=_state(found),
        open=open_,
        by_department=asks,
        until=found.expire_time.ToDatetime(UTC),
        materials=[_material(one) for one in found.materials],
        filled=[(one, _origin(one, by_department=asks)) for one in found.form],
        looks=[_look(one, departments) for one in found.looks],
        copies=[(one, address_of(one.license)) for one in found.copies],
        decision=DECISIONS.get(found.decision),
        entries=entries,
        kept=bool(found.entered),
        **form.facts(),
    )


@APPLICANT
async def enter(request: Request, person: Person) -> Response:
    """Keep what was entered, for the department's system to collect with."""
    given, ask = await form_of(request, person, fields=_FIELDS), asking(request, person)
    asked = pb.PutEntriesRequest(
        collection=_name(request),
        holder_code=person.holder_code,
        entries=given_by(given),
        request_id=one(given, "request_id"),
    )
    try:
        await told(ask.materials.PutEntries(asked, timeout=SECONDS))
    except REFUSALS as error:
        return await _large(request, person, Form(sent=given, error=error))
    return RedirectResponse(request.url.path.removesuffix("/enter"), 303)


@APPLICANT
async def collect(request: Request, person: Person) -> Response:
    """Collect what needs no question of the department."""
    given, ask = await form_of(request, person, fields=_FIELDS), asking(request, person)
    asked = pb.CollectMaterialsRequest(
        collection=_name(request),
        holder_code=person.holder_code,
        entries=given_by(given),
        request_id=one(given, "request_id"),
    )
    try:
        await told(ask.materials.CollectMaterials(asked, timeout=60))
    except REFUSALS as error:
        return await _large(request, person, Form(sent=given, error=error))
    return RedirectResponse(request.url.path.removesuffix("/collect"), 303)


@APPLICANT
async def end(request: Request, person: Person) -> Response:
    """Take the consent back."""
    given = await form_of(request, person)
    asked = pb.EndCollectionRequest(
        name=_name(request),
        holder_code=person.holder_code,
        request_id=one(given, "request_id") or str(uuid.uuid4()),
    )
    await told(asking(request, person).materials.EndCollection(asked, timeout=SECONDS))
    return RedirectResponse(f"/my/{_name(request)}", 303)


async def _item(ask: Asking, name: str) -> catalog_pb2.ServiceItem:
    asked = catalog_pb2.GetServiceItemRequest(name=name)
    answer = await told(ask.catalog.GetServiceItem(asked, timeout=SECONDS))
    item: catalog_pb2.ServiceItem = answer.service_item
    return item


async def _handling(ask: Asking, name: str) -> pb.Handling:
    """How an item is handled; of one that nobody said it of, empty."""
    asked = pb.GetHandlingRequest(service_item=name)
    try:
        answer = await told(ask.materials.GetHandling(asked, timeout=SECONDS))
    except NotFound:
        return pb.Handling()
    found: pb.Handling = answer.handling
    return found


async def _report(ask: Asking, name: str) -> pb.MaterialReport:
    """What used to be asked for, and what a rule can do; of the department's items this one's."""
    token = ""
    while True:
        asked = pb.ReportMaterialsRequest(parent=_department(name), page_token=token)
        answer = await told(ask.materials.ReportMaterials(asked, timeout=SECONDS))
        found: pb.MaterialReport
        for found in answer.reports:
            if found.service_item == name:
                return found
        token = answer.next_page_token
        if not token:
            return pb.MaterialReport()


def _became(one: pb.Proof) -> tuple[str, str, str, str]:
    if one.disposition in PROOFS:
        return PROOFS[one.disposition]
    nothing = REPLACEMENTS[pb.PROOF_REPLACEMENT_NOTHING]
    return REPLACEMENTS.get(one.replaced_by, nothing)


async def _called(ask: Asking, names: list[str]) -> dict[str, str]:
    """Of licenses to choose from: who issued them, and when."""
    if not names:
        return {}
    held = await ask.held(size=1000)
    return {
        one.name: f"{one.metadata['ZZBFJG']} · {one.metadata['ZZBFRQ']} · {one.metadata['ZZBH']}"
        for one in held.licenses
        if one.name in names
    }


def _origin(filled: pb.FilledField, *, by_department: bool) -> tuple[str, str]:
    """Where a filled field came from; the department's system enters what it was told."""
    if filled.source == "entry" and by_department and not filled.origin:
        return TOLD_DEPARTMENT
    return ORIGINS.get(filled.source, (filled.source, filled.source))


def _look(one: pb.CollectionLook, departments: Mapping[str, str]) -> dict[str, Any]:
    department = one.system.partition("/systems/")[0]
    return {
        "at": one.time.ToDatetime(UTC),
        "who": departments.get(department, department.rpartition("/")[2]),
        "did": _LOOKS.get(one.kind) or KINDS.get(one.kind, (one.kind, one.kind)),
        "purpose": one.purpose,
    }


def _material(one: pb.PlannedMaterial) -> dict[str, Any]:
    """A material, as the page tells it."""
    return {
        "name": one.display_name,
        "required": one.required,
        "source": SOURCES.get(one.source, ("amber", "!", one.reason, one.reason)),
        "why": _why(one),
        "consent": one.source in CONSENTED,
        "license": address_of(one.license) if one.license else "",
        "fills": list(one.form_fields),
        "compared": one.source == pb.MATERIAL_SOURCE_VERIFIABLE,
        "granted": one.grant_purpose,
    }


def _why(one: pb.PlannedMaterial) -> tuple[str, str]:
    """Why a material is where it is, for the reader."""
    if one.reason == "PROOF_KEPT":
        return f"The law asks for it: {one.detail_zh.rpartition('：')[2]}", one.detail_zh + "。"
    return REASONS.get(one.reason, (one.detail, one.detail_zh))


def _state(found: pb.Collection) -> tuple[str, str, str]:
    if found.state == pb.COLLECTION_STATE_CONSENTED and _is_over(found):
        return "red", "Consent ran out", "同意已过期"
    return COLLECTIONS[found.state]


def _is_over(found: pb.Collection) -> bool:
    return datetime.now(UTC) >= found.expire_time.ToDatetime(UTC)


def _department(name: str) -> str:
    return name.partition("/serviceItems/")[0]


def _item_address(name: str) -> str:
    _, department, _, item = name.split("/")
    return f"/my/needs/{department}/{item}"


def _item_name(request: Request) -> str:
    ids = request.path_params
    return f"departments/{ids['department']}/serviceItems/{ids['item']}"


def _name(request: Request) -> str:
    return f"collections/{request.path_params['collection']}"


_ITEM: Final = "/my/needs/{department}/{item}"
_COLLECTION: Final = "/my/collections/{collection}"
ROUTES: Final = (
    Route("/my/needs", search, methods=["GET"]),
    Route(_ITEM, plan, methods=["GET"]),
    Route(_ITEM, consent, methods=["POST"]),
    Route("/my/collections", mine, methods=["GET"]),
    Route(_COLLECTION, large, methods=["GET"]),
    Route(_COLLECTION + "/enter", enter, methods=["POST"]),
    Route(_COLLECTION + "/collect", collect, methods=["POST"]),
    Route(_COLLECTION + "/end", end, methods=["POST"]),
)
