"""Seals and their use; other authorities whose seals and documents are trusted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from licenses.v1 import licenses_pb2
from portal.auditor.words import EVENTS, SEAL_STATES, USE_OPEN, USES
from portal.office.asking import EVERYBODY, PAGE, Asking
from portal.office.showing import READERS, asking, show
from portal.pages import after, picture
from portal.sessions.keeping import Person
from runtime.errors import DomainError, NotFound
from seal.v1 import seal_pb2, trust_pb2

EVENTS_OF_A_LIFE = 200
_OF_LICENSES = ("license-types/", "licenseTypes/")


@READERS
async def seals(request: Request, person: Person) -> Response:
    """All seals, by department."""
    ask = asking(request, person)
    asked = seal_pb2.ListSealsRequest(parent=EVERYBODY, page_size=PAGE, page_token=after(request))
    found, _ = await asyncio.gather(ask.tell(ask.seals.ListSeals, asked), ask.departments())
    return await show(
        request,
        ask,
        "seals",
        seals=[(one, SEAL_STATES.get(one.state, USE_OPEN), _until(one)) for one in found.seals],
        following=found.next_page_token,
    )


@READERS
async def seal(request: Request, person: Person) -> Response:
    """One seal: what it looks like, its life, and its uses, the newest first."""
    ask, places = asking(request, person), request.path_params
    name = f"departments/{places['department']}/seals/{places['name']}"
    found, life, uses, _ = await asyncio.gather(
        ask.tell(ask.seals.GetSeal, seal_pb2.GetSealRequest(name=name)),
        ask.tell(
            ask.seals.ListSealEvents,
            seal_pb2.ListSealEventsRequest(parent=name, page_size=EVENTS_OF_A_LIFE),
        ),
        ask.tell(
            ask.seals.ListSealings,
            seal_pb2.ListSealingsRequest(parent=name, page_size=PAGE, page_token=after(request)),
        ),
        ask.departments(),
    )
    held = found.seal
    return await show(
        request,
        ask,
        "seal",
        systems=[one.actor for one in (*life.events, *uses.sealings)],
        held=held,
        state=SEAL_STATES.get(held.state, USE_OPEN),
        image=picture(held.image) if held.image else "",
        since=held.start_time.ToDatetime(UTC) if held.es_id else None,
        until=_until(held),
        replaced=await names(ask, (held.replaces, held.replaced_by)),
        kinds=await kinds(ask, {one.kind for one in uses.sealings}),
        events=[
            (one, EVENTS.get(one.kind, (one.kind, one.kind)), one.event_time.ToDatetime(UTC))
            for one in life.events
        ],
        uses=[
            (one, USES.get(one.state, USE_OPEN), one.seal_time.ToDatetime(UTC))
            for one in uses.sealings
        ],
        following=uses.next_page_token,
    )


async def kinds(ask: Asking, found: Iterable[str]) -> dict[str, str]:
    """What kinds of documents are called that are types of licenses; of others nothing."""
    types = [kind for kind in found if kind.startswith(_OF_LICENSES)]

    async def title(kind: str) -> str:
        name = f"licenseTypes/{kind.rpartition('/')[2]}"
        asked = licenses_pb2.GetLicenseTypeRequest(name=name)
        try:
            answer = await ask.tell(ask.licenses.GetLicenseType, asked)
        except DomainError:
            return ""
        return str(answer.license_type.display_name)

    return dict(zip(types, await asyncio.gather(*map(title, types)), strict=True))


async def names(ask: Asking, found: Iterable[str]) -> dict[str, str]:
    """What seals are called; those that are not held, not."""
    called = {}
    for name in filter(None, found):
        try:
            answer = await ask.tell(ask.seals.GetSeal, seal_pb2.GetSealRequest(name=name))
        except NotFound:
            continue
        called[name] = str(answer.seal.display_name)
    return called


@READERS
async def authorities(request: Request, person: Person) -> Response:
    """Other authorities that are recognised, or asked to be, and on what terms."""
    ask = asking(request, person)
    asked = trust_pb2.ListAuthoritiesRequest(page_size=PAGE, page_token=after(request))
    found, _ = await asyncio.gather(ask.tell(ask.trust.ListAuthorities, asked), ask.departments())
    return await show(
        request,
        ask,
        "authorities",
        authorities=[(one, [_anchor(a) for a in one.terms.anchors]) for one in found.authorities],
        purposes=_PURPOSES,
        following=found.next_page_token,
    )


_PURPOSES = {
    trust_pb2.TRUST_PURPOSE_SEAL_MAKER: ("makers of seals", "制章者"),
    trust_pb2.TRUST_PURPOSE_SIGNER: ("signers", "签章者"),
    trust_pb2.TRUST_PURPOSE_TIMESTAMP: ("time stamps", "时间戳"),
}


def _anchor(one: trust_pb2.RecognisedAnchor) -> tuple[Any, object]:
    return one, one.end_time.ToDatetime(UTC) if one.HasField("end_time") else None


def _until(one: seal_pb2.Seal) -> object:
    return one.end_time.ToDatetime(UTC) if one.es_id else None
