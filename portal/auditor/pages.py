"""The auditor's pages.

What an auditor reads here is what the node says. Each record is taken away with its proof, which
anybody verifies without the node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.auditor.asking import catalog_of, log_of, teller
from portal.auditor.checking import ROUTES as CHECKING
from portal.auditor.evidence import ROUTES as EVIDENCE
from portal.auditor.kinds import GROUPS, KINDS
from portal.auditor.log import Wanted
from portal.auditor.receipts import ROUTES as RECEIPTS
from portal.auditor.words import FACTS
from portal.catalog import display_names, titles
from portal.pages import page, to_save
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from portal.working import works_of
from runtime.idcodes import holds_citizen_number
from runtime.identity import Role

_AUDITOR = for_roles(Role.AUDITOR)
_WORD: Final = 100
_SYSTEM: Final = "/systems/"
_TITLED: Final = re.compile(r"departments/[^/]+/(resources|serviceItems)/[^/]+")


@_AUDITOR
async def overview(request: Request, person: Person) -> Response:
    """How far the log is, who watches over it, and where to begin."""
    log = log_of(request, person)
    held = await log.checkpoint()
    said: list[str] = [*str(held.checkpoint).splitlines(), "", "", ""]
    return page(
        request,
        "auditor/overview.html",
        origin=said[0],
        size=said[1],
        root=said[2],
        checkpoint=held.checkpoint,
        key=held.verifier_key,
        witnesses=[(who, who.cosign_time.ToDatetime(UTC)) for who in await log.witnesses()],
        departments=await display_names(catalog_of(request, person)),
        groups=GROUPS,
        works={
            kind: works_of(request).of(person, kind) for kind in ("log", "receipts", "evidence")
        },
    )


@_AUDITOR
async def search(request: Request, person: Person) -> Response:
    """Records that were searched for, the newest first.

    Words are sent by a form and stand in no address; a kind, a digest and a place may.
    """
    asked: Mapping[str, str] = request.query_params
    if request.method == "POST":
        asked = {
            name: one(value, name) for value in [await form_of(request, person)] for name in value
        }
    words = {name: asked.get(name, "").strip()[:_WORD] for name in ("kind", "actor", "text")}
    before, log = asked.get("before", ""), log_of(request, person)
    personal = any(map(holds_citizen_number, words.values()))
    found = await log.search(
        # Nobody's number is in the log, and it is not looked for either.
        Wanted(kind="", actor="", text="") if personal else Wanted(**words),
        int(before[:18]) if before.isascii() and before.isdecimal() else None,
    )
    return page(
        request,
        "auditor/log.html",
        found=found,
        kinds=KINDS,
        groups=GROUPS,
        who=await teller(request, person, [one.actor for one in found.records]),
        wanted=dict.fromkeys(words, "") if personal else words,
        personal=personal,
    )


@_AUDITOR
async def record(request: Request, person: Person) -> Response:
    """One record, whole."""
    log = log_of(request, person)
    found = await log.record(request.path_params["index"])
    stub = catalog_of(request, person)
    named = await titles(stub, [value for _, value in found.facts if _TITLED.fullmatch(value)])
    return page(
        request,
        "auditor/record.html",
        record=found,
        kinds=KINDS,
        facts=FACTS,
        titles={**named, **await display_names(stub)},
        who=await teller(request, person, [found.actor]),
    )


@_AUDITOR
async def leaf(request: Request, person: Person) -> Response:
    """A record's bytes, as they are hashed."""
    log = log_of(request, person)
    found = await log.record(request.path_params["index"])
    return to_save(found.leaf, "application/json", f"record-{found.index}.json")


@_AUDITOR
async def proof(request: Request, person: Person) -> Response:
    """The proof that a record is in the log."""
    index = request.path_params["index"]
    said = await log_of(request, person).proof(index)
    return to_save(said, "text/plain; charset=utf-8", f"record-{index}.tlog-proof")


_RECORD: Final = "/audit/log/{index:int}"
ROUTES: Final = (
    Route("/audit", overview, methods=["GET"]),
    Route("/audit/log", search, methods=["GET", "POST"]),
    Route(_RECORD, record, methods=["GET"]),
    Route(f"{_RECORD}/leaf", leaf, methods=["GET"]),
    Route(f"{_RECORD}/proof", proof, methods=["GET"]),
    *CHECKING,
    *RECEIPTS,
    *EVIDENCE,
)
