"""The applicant's own licenses: all of them, one large, its picture, and showing it to others.

1. Whatever is asked is asked as the person, with their own number; a name of somebody else's
   license is answered as one that is not.
2. An address has the name of a license and nothing personal. A code is the answer to a form, and
   stands in no address: loading the page again makes no second one.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from licenses.v1 import licenses_pb2
from licenses.v1 import presentations_pb2 as pb
from portal.applicant.asking import SECONDS, Asking, in_parts
from portal.applicant.looks import ROUTES as LOOKS
from portal.applicant.objecting import ROUTES as OBJECTING
from portal.applicant.pictures import first_page
from portal.applicant.words import EXPIRED, LIFETIMES, STATES
from portal.node import told
from portal.pages import page, picture_of_code
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from portal.verifier.model import answer_of
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role

_APPLICANT = for_roles(Role.APPLICANT)
_FORMS: Final = {
    "pdf": (licenses_pb2.LICENSE_FORMAT_PDF, "application/pdf"),
    "ofd": (licenses_pb2.LICENSE_FORMAT_OFD, "application/ofd"),
}


def asking(request: Request, person: Person) -> Asking:
    """The person's questions."""
    return Asking(person, request.app.state.node.address)


@_APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """My licenses."""
    found = await asking(request, person).held(request.query_params.get("after", ""))
    return page(
        request,
        "applicant/licenses.html",
        licenses=[(held, address_of(held.name), state_of(held)) for held in found.licenses],
        following=found.next_page_token,
    )


@_APPLICANT
async def large(request: Request, person: Person) -> Response:
    """One license, with its state and what its seal is worth now."""
    ask = asking(request, person)
    held = await ask.license(_name(request))
    document, fields = await asyncio.gather(ask.document(held.name), ask.fields(held))
    verdict = await request.app.state.node.verify_document(len(document), in_parts(document))
    person.keep_picture((held.name, 0), await asyncio.to_thread(first_page, document))
    return page(
        request,
        "applicant/license.html",
        held=held,
        address=address_of(held.name),
        state=state_of(held),
        fields=fields,
        answer=answer_of(verdict),
    )


@_APPLICANT
async def picture(request: Request, person: Person) -> Response:
    """The first page of a license, PNG."""
    name = _name(request)
    drawn = person.pictures.get((name, 0))
    if drawn is None:
        document = await asking(request, person).document(name)
        drawn = await asyncio.to_thread(first_page, document)
        person.keep_picture((name, 0), drawn)
    return Response(drawn, media_type="image/png", headers={"Cache-Control": "no-store"})


@_APPLICANT
async def document(request: Request, person: Person) -> Response:
    """The sealed file itself."""
    form, media_type = _FORMS[request.path_params["form"]]
    data = await asking(request, person).document(_name(request), form)
    name = f"license.{request.path_params['form']}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)


@_APPLICANT
async def choose(request: Request, person: Person) -> Response:
    """What to show, for what, for how long."""
    return await _choose(request, person)


async def _choose(
    request: Request, person: Person, error: DomainError | None = None, purpose: str = ""
) -> Response:
    ask = asking(request, person)
    held = await ask.license(_name(request))
    fields, departments = await asyncio.gather(ask.fields(held), ask.departments())
    return page(
        request,
        "applicant/choose.html",
        status=422 if error else 200,
        held=held,
        address=address_of(held.name),
        fields=fields,
        departments=departments,
        lifetimes=LIFETIMES,
        request_id=str(uuid.uuid4()),
        error=error,
        purpose=purpose,
        switchable=error is None,
    )


@_APPLICANT
async def show(request: Request, person: Person) -> Response:
    """The code to show."""
    given, ask = await form_of(request, person), asking(request, person)
    lifetime = one(given, "lifetime")
    asked = pb.PresentLicenseRequest(
        license=_name(request),
        holder_code=person.holder_code,
        fields=given.get("fields", []),
        purpose=one(given, "purpose"),
        audience=one(given, "audience"),
        lifetime_seconds=int(lifetime) if lifetime in map(str, LIFETIMES) else 0,
        request_id=one(given, "request_id"),
    )
    try:
        made = await told(ask.presentations.PresentLicense(asked, timeout=SECONDS))
    except InvalidArgument as error:
        return await _choose(request, person, error, asked.purpose)
    held, departments = await asyncio.gather(ask.license(asked.license), ask.departments())
    labels = {key: (english, chinese) for key, english, chinese, _ in await ask.fields(held)}
    return page(
        request,
        "applicant/code.html",
        held=held,
        code=made.code,
        picture=picture_of_code(made.code),
        until=made.expire_time.ToDatetime(UTC),
        seconds=made.expire_time.seconds,
        shown=[labels[key] for key in asked.fields if key in labels],
        purpose=asked.purpose,
        audience=departments.get(asked.audience, asked.audience),
        presentation=made.presentation,
        switchable=False,
    )


@_APPLICANT
async def presentations(request: Request, person: Person) -> Response:
    """What is open now."""
    ask = asking(request, person)
    found = await told(
        ask.presentations.ListPresentations(
            pb.ListPresentationsRequest(
                holder_code=person.holder_code,
                all="all" in request.query_params,
                page_size=20,
                page_token=request.query_params.get("after", ""),
            ),
            timeout=SECONDS,
        )
    )
    held = {one.name: one for one in (await ask.held(size=1000)).licenses}
    return page(
        request,
        "applicant/presentations.html",
        presentations=[(one, held.get(one.license)) for one in found.presentations],
        departments=await ask.departments(),
        everything="all" in request.query_params,
        following=found.next_page_token,
    )


@_APPLICANT
async def end(request: Request, person: Person) -> Response:
    """End a presentation."""
    given = await form_of(request, person)
    await told(
        asking(request, person).presentations.EndPresentation(
            pb.EndPresentationRequest(
                presentation=one(given, "presentation"), holder_code=person.holder_code
            ),
            timeout=SECONDS,
        )
    )
    return RedirectResponse("/my/presentations", 303)


def address_of(name: str) -> str:
    """The address of a license's page."""
    _, department, _, license_id = name.split("/")
    return f"/my/licenses/{department}/{license_id}"


def state_of(held: licenses_pb2.License) -> tuple[str, str, str]:
    """Colour and words of a license's state now."""
    state = held.state
    today = datetime.now(CHINA).date().isoformat()
    if state == licenses_pb2.LICENSE_STATE_ACTIVE and held.valid_to and held.valid_to < today:
        return EXPIRED
    return STATES.get(state, ("amber", "Not in force", "未生效"))


def _name(request: Request) -> str:
    ids = request.path_params
    return f"departments/{ids['department']}/licenses/{ids['license']}"


_ONE: Final = "/my/licenses/{department}/{license}"
ROUTES: Final = (
    Route("/my/licenses", mine, methods=["GET"]),
    Route(_ONE, large, methods=["GET"]),
    Route(_ONE + "/picture", picture, methods=["GET"]),
    Route(_ONE + "/document.{form:str}", document, methods=["GET"]),
    Route(_ONE + "/present", choose, methods=["GET"]),
    Route(_ONE + "/present", show, methods=["POST"]),
    Route("/my/presentations", presentations, methods=["GET"]),
    Route("/my/presentations/end", end, methods=["POST"]),
    *LOOKS,
    *OBJECTING,
)
