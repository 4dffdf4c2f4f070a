"""The applicant's own licenses: all of them, one large, its sheets and its files.

1. Whatever is asked is asked as the person, with their own number; a name of somebody else's
   license is answered as one that is not.
2. An address has the name of a license and nothing personal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from licenses.v1 import delegations_pb2, licenses_pb2
from portal.applicant import sheets
from portal.applicant.asking import asking, in_parts
from portal.applicant.contents import with_holders_in_rows
from portal.applicant.words import EXPIRED, NOT_YET, STATES
from portal.pages import after, page, to_save
from portal.sessions.access import for_roles
from portal.sessions.keeping import Person
from portal.verifier.model import Answer, answer_of
from portal.verifier.pages import Verifying
from runtime.clock import CHINA
from runtime.errors import FailedPrecondition, ResourceExhausted, Unavailable
from runtime.identity import Role

APPLICANT: Final = for_roles(Role.APPLICANT)
ONE: Final = "/my/licenses/{department}/{license}"
_FORMS: Final = {
    "pdf": (licenses_pb2.LICENSE_FORMAT_PDF, "application/pdf"),
    "ofd": (licenses_pb2.LICENSE_FORMAT_OFD, "application/ofd"),
}


async def field_names(request: Request) -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """What the fields of each type are called, by the type's own name: English and Chinese."""
    verifying: Verifying = request.app.state.verifying
    return await verifying.asking.all_names()


@APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """My licenses."""
    found = await asking(request, person).held(after(request))
    return page(
        request,
        "applicant/licenses.html",
        licenses=[(held, address_of(held.name), state_of(held)) for held in found.licenses],
        following=found.next_page_token,
        later=bool(after(request)),
    )


@APPLICANT
async def large(request: Request, person: Person) -> Response:
    """One license, with its state and what its seal is worth now."""
    ask = asking(request, person)
    held = await ask.license(name_of(request))
    document, fields = await asyncio.gather(ask.document(held.name), ask.said(held))
    drawn, answer = await asyncio.gather(
        sheets.begin(request, person, held.name, document), _judged(request, person, document)
    )
    return page(
        request,
        "applicant/license.html",
        held=held,
        address=address_of(held.name),
        state=state_of(held),
        fields=with_holders_in_rows(fields, held),
        answer=answer,
        sheets=drawn,
    )


async def _judged(request: Request, person: Person, document: bytes) -> Answer | None:
    """What the seal is worth now; None where so many are verified that this one has to wait."""
    node: Any = request.app.state.node
    try:
        channel = person.channel(node.address)
        return answer_of(await node.verify_document(len(document), in_parts(document), channel))
    except (ResourceExhausted, Unavailable):
        return None


@APPLICANT
async def picture(request: Request, person: Person) -> Response:
    """A sheet of a license, PNG."""
    name, ask = name_of(request), asking(request, person)
    return await sheets.picture(request, person, name, ask, lambda: ask.document(name))


@APPLICANT
async def document(request: Request, person: Person) -> Response:
    """The sealed file itself."""
    wanted = request.path_params["form"]
    if wanted not in _FORMS:
        raise HTTPException(404)
    form, media_type = _FORMS[wanted]
    data = await asking(request, person).document(name_of(request), form)
    return to_save(data, media_type, f"license.{wanted}")


def address_of(name: str) -> str:
    """The address of a license's page."""
    _, department, _, license_id = name.split("/")
    return f"/my/licenses/{department}/{license_id}"


def state_of(
    held: licenses_pb2.License | delegations_pb2.DelegatedStanding,
) -> tuple[str, str, str]:
    """Colour and words of a license's state now."""
    state = held.state
    today = datetime.now(CHINA).date().isoformat()
    if state == licenses_pb2.LICENSE_STATE_ACTIVE and held.valid_to and held.valid_to < today:
        return EXPIRED
    if state == licenses_pb2.LICENSE_STATE_ACTIVE and held.valid_from > today:
        return NOT_YET
    return STATES.get(state, ("amber", "Not in force", "未生效"))


def check_in_force(held: licenses_pb2.License) -> None:
    """A form about a license is for one that can be used. Raises LICENSE_NOT_IN_FORCE."""
    light, english, chinese = state_of(held)
    if light != "green":
        raise FailedPrecondition(
            f"this license cannot be shown, copied or delegated: {english[0].lower()}{english[1:]}",
            reason="LICENSE_NOT_IN_FORCE",
            message_zh=f"该证照{chinese}，不能亮证、制作加注件或委托",
        )


def name_of(request: Request) -> str:
    """The license's name, of an address that has its department and its id."""
    ids = request.path_params
    return f"departments/{ids['department']}/licenses/{ids['license']}"


ROUTES: Final = (
    Route("/my/licenses", mine, methods=["GET"]),
    Route(ONE, large, methods=["GET"]),
    Route(ONE + "/picture", picture, methods=["GET"]),
    Route(ONE + "/document.{form:str}", document, methods=["GET"]),
)
