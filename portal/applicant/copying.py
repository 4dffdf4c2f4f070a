"""Endorsed copies (加注件): to make for one purpose and one receiver, to see, and to save.

1. An agent makes one under a delegation that allows copies, for its purpose, and ends it no later.
2. What an agent made they save from the page that says so: it is kept in the session's memory for
   as long as pictures are, while the delegation is open. To list and to withdraw copies is the
   holder's.
"""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from licenses.v1 import copies_pb2 as pb
from licenses.v1 import delegations_pb2, licenses_pb2
from portal.applicant import sheets
from portal.applicant.asking import PAGE, SECONDS, Asking, asking
from portal.applicant.delegated import (
    ONE_DELEGATED,
    Subject,
    last_day,
    not_delegated,
    open_delegation,
    subject_of,
)
from portal.applicant.forms import REFUSALS, Form
from portal.applicant.holding import (
    APPLICANT,
    ONE,
    address_of,
    check_in_force,
)
from portal.node import told
from portal.pages import after, page, to_save
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.clock import CHINA

FORMS: Final = {
    "pdf": licenses_pb2.LICENSE_FORMAT_PDF,
    "ofd": licenses_pb2.LICENSE_FORMAT_OFD,
}
LONGEST: Final = timedelta(days=365)
USUAL: Final = timedelta(days=30)


@APPLICANT
async def mine(request: Request, person: Person) -> Response:
    """Copies that were made of my licenses."""
    ask = asking(request, person)
    asked = pb.ListEndorsedCopiesRequest(
        holder_code=person.holder_code,
        page_size=PAGE,
        page_token=after(request),
    )
    found = await told(ask.copies.ListEndorsedCopies(asked, timeout=SECONDS))
    return page(
        request,
        "applicant/copies.html",
        copies=[(one, _address(one.name), _state(one)) for one in found.copies],
        following=found.next_page_token,
        later=bool(asked.page_token),
    )


@APPLICANT
async def ask_what(request: Request, person: Person) -> Response:
    """For what, for whom, until when."""
    ask = asking(request, person)
    return await _form(request, ask, await _subject(request, ask), Form())


async def _subject(request: Request, ask: Asking) -> Subject:
    """Raises NotFound, too, where a delegation allows no copies: there is no such page."""
    found = await subject_of(request, ask, "copy")
    if not found.allows(delegations_pb2.DELEGATION_FORM_COPY):
        raise not_delegated()
    return found


async def _form(request: Request, ask: Asking, subject: Subject, form: Form) -> Response:
    check_in_force(subject.held)
    today, valid_to = datetime.now(CHINA).date(), subject.held.valid_to
    last = min(today + LONGEST, date.fromisoformat(valid_to) if valid_to else date.max)
    if subject.delegation is not None:
        last = min(last, last_day(subject.delegation))
    return page(
        request,
        "applicant/copy_new.html",
        subject=subject,
        departments=await ask.departments(),
        first=today,
        last=last,
        usual=min(today + USUAL, last),
        **form.facts(),
    )


@APPLICANT
async def make(request: Request, person: Person) -> Response:
    """Make the copy, and show it."""
    given, ask = await form_of(request, person), asking(request, person)
    subject = await _subject(request, ask)
    department, receiver = one(given, "department"), one(given, "receiver")
    if department and not receiver:
        receiver = (await ask.departments()).get(department, "")
    asked = pb.MakeEndorsedCopyRequest(
        license=subject.held.name,
        holder_code=person.holder_code,
        format=FORMS.get(one(given, "form"), FORMS["pdf"]),
        purpose=subject.delegation.purpose if subject.delegation else one(given, "purpose"),
        receiver=receiver,
        receiver_department=department,
        valid_to=one(given, "valid_to"),
        delegation=subject.delegation.name if subject.delegation else "",
        request_id=one(given, "request_id"),
    )
    try:
        made = await told(ask.copies.MakeEndorsedCopy(asked, timeout=60))
    except REFUSALS as error:
        return await _form(request, ask, subject, Form(sent=given, error=error))
    if subject.delegation is None:
        return RedirectResponse(_address(made.name), 303)
    form = "pdf" if asked.format == FORMS["pdf"] else "ofd"
    address = f"{subject.back}/{made.name}.{form}"
    person.keep_picture((address, 0), made.document)
    return page(
        request,
        "applicant/copy_made.html",
        subject=subject,
        asked=asked,
        address=address,
        form=form,
        size=len(made.document),
        sha256=made.sha256,
    )


@APPLICANT
async def made_as_agent(request: Request, person: Person) -> Response:
    """A copy that an agent made in this session, while its delegation is open."""
    await open_delegation(asking(request, person), request.path_params["delegation"])
    # By its whole address: under another delegation, or as another form, it is not there.
    file = person.pictures.get((request.url.path, 0))
    if file is None:
        raise HTTPException(404)
    form = request.path_params["form"]
    return to_save(file, f"application/{form}", f"copy.{form}")


@APPLICANT
async def large(request: Request, person: Person) -> Response:
    """One copy: what it is for, and how it looks."""
    found, drawn = await _read(request, person), []
    if found.copy.format == FORMS["pdf"]:
        drawn = await sheets.begin(request, person, found.copy.name, found.document)
    return page(
        request,
        "applicant/copy.html",
        copy=found.copy,
        of=address_of(found.copy.license),
        made=found.copy.make_time.ToDatetime(UTC),
        state=_state(found.copy),
        sheets=drawn,
        size=len(found.document),
        ending=not found.copy.HasField("end_time") and _is_within(found.copy),
    )


@APPLICANT
async def picture(request: Request, person: Person) -> Response:
    """A sheet of a copy, PNG."""

    async def read() -> bytes:
        found = await _read(request, person)
        if found.copy.format != FORMS["pdf"]:
            raise HTTPException(404)
        return bytes(found.document)

    ask = asking(request, person)
    return await sheets.picture(request, person, _name(request), ask, read)


@APPLICANT
async def document(request: Request, person: Person) -> Response:
    """The copy itself."""
    found = await _read(request, person)
    form = "pdf" if found.copy.format == FORMS["pdf"] else "ofd"
    return to_save(found.document, found.media_type, f"copy.{form}")


@APPLICANT
async def end(request: Request, person: Person) -> Response:
    """Withdraw a copy: whoever checks it is told so."""
    given = await form_of(request, person)
    asked = pb.EndEndorsedCopyRequest(
        name=_name(request),
        holder_code=person.holder_code,
        request_id=one(given, "request_id") or str(uuid.uuid4()),
    )
    await told(asking(request, person).copies.EndEndorsedCopy(asked, timeout=SECONDS))
    return RedirectResponse(_address(_name(request)), 303)


async def _read(request: Request, person: Person) -> Any:
    asked = pb.GetEndorsedCopyRequest(name=_name(request), holder_code=person.holder_code)
    ask = asking(request, person)
    return await told(ask.copies.GetEndorsedCopy(asked, timeout=SECONDS))


def _name(request: Request) -> str:
    return f"copies/{request.path_params['copy']}"


def _address(name: str) -> str:
    return f"/my/{name}"


def _state(copy: pb.EndorsedCopy) -> tuple[str, str, str]:
    """Colour and words of what a copy is worth today."""
    if copy.open:
        return "green", "Valid", "有效"
    if copy.HasField("end_time"):
        return "red", "Withdrawn", "已撤回"
    if not _is_within(copy):
        return "amber", "Run out", "已过期"
    # Its license is not in force, or who made it may not any more.
    return "amber", "Of no use now", "现不可用"


def _is_within(copy: pb.EndorsedCopy) -> bool:
    return copy.valid_to >= datetime.now(CHINA).date().isoformat()


_COPY: Final = "/my/copies/{copy}"
ROUTES: Final = (
    Route(ONE + "/copy", ask_what, methods=["GET"]),
    Route(ONE + "/copy", make, methods=["POST"]),
    Route(ONE_DELEGATED + "/copy", ask_what, methods=["GET"]),
    Route(ONE_DELEGATED + "/copy", make, methods=["POST"]),
    Route("/my/delegations/{delegation}/copies/{copy}.{form:str}", made_as_agent, methods=["GET"]),
    Route("/my/copies", mine, methods=["GET"]),
    Route(_COPY, large, methods=["GET"]),
    Route(_COPY + "/picture", picture, methods=["GET"]),
    Route(_COPY + "/document", document, methods=["GET"]),
    Route(_COPY + "/end", end, methods=["POST"]),
)
