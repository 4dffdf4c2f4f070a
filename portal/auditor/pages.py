"""The auditor's pages.

What an auditor reads here is what the node says. Each record is taken away with its proof, which
anybody verifies without the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.auditor.checking import ROUTES as CHECKING
from portal.auditor.evidence import ROUTES as EVIDENCE
from portal.auditor.log import Log, Wanted
from portal.auditor.receipts import ROUTES as RECEIPTS
from portal.auditor.seals import Seals
from portal.auditor.words import EVENTS, KINDS, SEAL_STATES, USE_OPEN, USES
from portal.auditor.working import works_of
from portal.pages import page, picture
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from runtime.idcodes import holds_citizen_number
from runtime.identity import Role
from seal.v1 import seal_pb2

_AUDITOR = for_roles(Role.AUDITOR)
_WORD: Final = 100


@_AUDITOR
async def overview(request: Request, person: Person) -> Response:
    """How far the log is, who watches over it, and where to begin."""
    log = Log(person, request.app.state.node.address)
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
        kinds=KINDS,
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
    before, log = asked.get("before", ""), Log(person, request.app.state.node.address)
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
        wanted=dict.fromkeys(words, "") if personal else words,
        personal=personal,
    )


@_AUDITOR
async def record(request: Request, person: Person) -> Response:
    """One record, whole."""
    log = Log(person, request.app.state.node.address)
    found = await log.record(request.path_params["index"])
    return page(request, "auditor/record.html", record=found, kinds=KINDS)


@_AUDITOR
async def leaf(request: Request, person: Person) -> Response:
    """A record's bytes, as they are hashed."""
    log = Log(person, request.app.state.node.address)
    found = await log.record(request.path_params["index"])
    return _file(found.leaf, f"record-{found.index}.json", "application/json")


@_AUDITOR
async def proof(request: Request, person: Person) -> Response:
    """The proof that a record is in the log."""
    index = request.path_params["index"]
    said = await Log(person, request.app.state.node.address).proof(index)
    return _file(said.encode(), f"record-{index}.tlog-proof", "text/plain; charset=utf-8")


@_AUDITOR
async def seals(request: Request, person: Person) -> Response:
    """All seals, by department."""
    found = await Seals(person, request.app.state.node.address).all(
        request.query_params.get("after", "")
    )
    return page(
        request,
        "auditor/seals.html",
        seals=found.seals,
        states=SEAL_STATES,
        following=found.next_page_token,
    )


@_AUDITOR
async def seal(request: Request, person: Person) -> Response:
    """One seal: what it looks like, its life, every use of it."""
    ask = Seals(person, request.app.state.node.address)
    places = request.path_params
    held = await ask.one(f"departments/{places['department']}/seals/{places['seal']}")
    uses = await ask.uses(held.name, request.query_params.get("after", ""))
    return page(
        request,
        "auditor/seal.html",
        seal=held,
        state=SEAL_STATES.get(held.state, USE_OPEN),
        image=picture(held.image) if held.image else "",
        since=held.start_time.ToDatetime(UTC),
        until=held.end_time.ToDatetime(UTC),
        events=[
            (step, EVENTS.get(step.kind, (step.kind, step.kind)), step.event_time.ToDatetime(UTC))
            for step in await ask.life(held.name)
        ],
        uses=[
            (use, USES.get(use.state, USE_OPEN), _format(use.format), use.seal_time.ToDatetime(UTC))
            for use in uses.sealings
        ],
        following=uses.next_page_token,
    )


def _format(number: Any) -> str:
    return str(seal_pb2.DocumentFormat.Name(number)).removeprefix("DOCUMENT_FORMAT_")


def _file(content: bytes, name: str, kind: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


_RECORD: Final = "/audit/log/{index:int}"
ROUTES: Final = (
    Route("/audit", overview, methods=["GET"]),
    Route("/audit/log", search, methods=["GET", "POST"]),
    Route(_RECORD, record, methods=["GET"]),
    Route(f"{_RECORD}/leaf", leaf, methods=["GET"]),
    Route(f"{_RECORD}/proof", proof, methods=["GET"]),
    Route("/audit/seals", seals, methods=["GET"]),
    Route("/audit/seals/{department}/{seal}", seal, methods=["GET"]),
    *CHECKING,
    *RECEIPTS,
    *EVIDENCE,
)
