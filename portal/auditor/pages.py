"""The auditor's pages.

What an auditor reads here is what the node says. Each record is taken away with its proof, which
anybody verifies without the node.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.auditor import facts
from portal.auditor.asking import catalog_of, log_of, teller
from portal.auditor.checking import ROUTES as CHECKING
from portal.auditor.evidence import ROUTES as EVIDENCE
from portal.auditor.kinds import GROUPS, KINDS
from portal.auditor.log import Found, Wanted
from portal.auditor.naming import named
from portal.auditor.receipts import ROUTES as RECEIPTS
from portal.catalog import display_names, titles
from portal.office import trust
from portal.office.asking import Asking
from portal.office.words import ROLES
from portal.pages import chosen, page, to_save, unknown_choice
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from portal.working import works_of
from runtime.clock import CHINA
from runtime.idcodes import holds_citizen_number
from runtime.identity import Role

_AUDITOR = for_roles(Role.AUDITOR)
_WORD: Final = 100
_BITS: Final = 62
_DIGITS: Final = 18
_TYPED: Final = "%Y-%m-%dT%H:%M"
_MINUTE: Final = timedelta(minutes=1)
_SEAL: Final = re.compile(r"departments/[^/]+/seals/[^/]+")
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
    chosen(words["kind"], KINDS)
    since, until = _minute(asked.get("since", "")), _minute(asked.get("until", ""))
    before, log = _before(asked.get("before", "")), log_of(request, person)
    if personal := any(map(holds_citizen_number, words.values())):
        # Nobody's number is in the log, and it is not looked for either.
        words = dict.fromkeys(words, "")
    departments = await display_names(catalog_of(request, person))
    actor, text = await named(request, person, departments, words["actor"], words["text"])
    backwards = since is not None and until is not None and since > until
    found = (
        Found(records=(), size=0, reached=0, looked_at=0)
        if backwards
        else await log.search(
            Wanted(
                **words,
                actors=actor.marks,
                texts=text.marks,
                since=since,
                until=None if until is None else until + _MINUTE,
            ),
            before,
        )
    )
    return page(
        request,
        "auditor/log.html",
        found=found,
        kinds=KINDS,
        groups=GROUPS,
        who=await teller(request, person, [one.actor for one in found.records]),
        wanted={
            **words,
            "since": since.strftime(_TYPED) if since else "",
            "until": until.strftime(_TYPED) if until else "",
        },
        personal=personal,
        backwards=backwards,
        departments=departments,
        named=dict.fromkeys((*actor.names, *text.names)),
    )


def _minute(text: str) -> datetime | None:
    """A minute as a field of a form has it, in China's time; None where there is none.

    Raises InvalidArgument (UNKNOWN_CHOICE).
    """
    if not text:
        return None
    try:
        return datetime.strptime(text[:16], _TYPED).replace(tzinfo=CHINA)
    except ValueError:
        raise unknown_choice() from None


def _before(text: str) -> int | None:
    """The place in an address that a search goes on from. Raises InvalidArgument."""
    if text and not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise unknown_choice()
    return int(text) if text else None


def _index(request: Request) -> int:
    """The number of a record in an address, if there can be such a one."""
    index: int = request.path_params["index"]
    if index.bit_length() > _BITS:
        raise HTTPException(404)
    return index


@_AUDITOR
async def record(request: Request, person: Person) -> Response:
    """One record, whole."""
    log = log_of(request, person)
    found = await log.record(_index(request))
    stub, ask = catalog_of(request, person), Asking(person, request.app.state.node.address)
    values = [value for _, value in found.facts]
    named, kinds = await asyncio.gather(
        titles(stub, [value for value in values if _TITLED.fullmatch(value)]),
        trust.kinds(ask, values),
    )
    seals = await trust.names(ask, [value for value in values if _SEAL.fullmatch(value)])
    return page(
        request,
        "auditor/record.html",
        record=found,
        kinds=KINDS,
        facts=facts,
        roles=ROLES,
        titles={**named, **kinds, **seals, **await display_names(stub)},
        who=await teller(request, person, [found.actor]),
    )


@_AUDITOR
async def leaf(request: Request, person: Person) -> Response:
    """A record's bytes, as they are hashed."""
    log = log_of(request, person)
    found = await log.record(_index(request))
    return to_save(found.leaf, "application/json", f"record-{found.index}.json")


@_AUDITOR
async def proof(request: Request, person: Person) -> Response:
    """The proof that a record is in the log."""
    index = _index(request)
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
