"""The data officer's pages of inquiries: asked, answered, with their files, by a deadline."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import inquiries_pb2
from portal.catalog import display_names
from portal.officer.asking import OFFICER, asking
from portal.officer.words import INQUIRIES, time_left
from portal.pages import after, page, to_save
from portal.sessions.keeping import Person
from portal.uploads import Form, form_with_files
from runtime.errors import DomainError

MOST_FILES: Final = 10
GREATEST_FILE: Final = 8 * 1024 * 1024
TOGETHER: Final = 36 * 1024 * 1024
_NOTHING: Final = {"recipient": "", "title": "", "text": ""}


def _name(request: Request) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/inquiries/{ids['id']}"


@OFFICER
async def inquiries(request: Request, person: Person) -> Response:
    """Questions to the department, and its own."""
    ask = asking(request, person)
    found, clocks = await asyncio.gather(ask.inquiries(after(request)), ask.clocks())
    return page(
        request,
        "officer/inquiries.html",
        inquiries=[
            (held, INQUIRIES[held.state], time_left(clocks.get(held.name)))
            for held in found.inquiries
        ],
        department=person.department,
        names=await display_names(ask.catalog),
        following=found.next_page_token,
    )


@OFFICER
async def begin(request: Request, person: Person) -> Response:
    """A new question."""
    return await _begin(request, person)


async def _begin(
    request: Request,
    person: Person,
    error: DomainError | None = None,
    said: Mapping[str, str] = _NOTHING,
) -> Response:
    names = await display_names(asking(request, person).catalog)
    names.pop(person.department, None)
    return page(
        request,
        "officer/ask.html",
        departments=sorted(names.items(), key=lambda pair: pair[1]),
        typed=said,
        error=error,
        most=MOST_FILES,
        greatest=GREATEST_FILE >> 20,
        request_id=str(uuid.uuid4()),
    )


@OFFICER
async def send(request: Request, person: Person) -> Response:
    """Send a question."""
    form = await _form(request, person)
    said = {name: form.one(name) for name in _NOTHING}
    try:
        name = await asking(request, person).send_inquiry(
            recipient=said["recipient"],
            title=said["title"],
            text=said["text"],
            files=form.files.get("files", []),
            request_id=form.one("request_id"),
        )
    except DomainError as error:
        return await _begin(request, person, error, said)
    _, department, _, ident = name.split("/")
    return RedirectResponse(f"/data/inquiries/{department}/{ident}", 303)


@OFFICER
async def inquiry(request: Request, person: Person) -> Response:
    """One question, and how to answer it."""
    return await _inquiry(request, person)


async def _inquiry(
    request: Request, person: Person, error: DomainError | None = None, said: str = ""
) -> Response:
    ask = asking(request, person)
    held = await ask.inquiry(_name(request))
    is_open = held.state == inquiries_pb2.INQUIRY_STATE_OPEN
    ours = held.name.startswith(f"{person.department}/")
    return page(
        request,
        "officer/inquiry.html",
        held=held,
        state=INQUIRIES[held.state],
        left=time_left((await ask.clocks(held.name)).get(held.name)),
        names=await display_names(ask.catalog),
        answerable=is_open and held.recipient == person.department,
        withdrawable=is_open and ours,
        closable=held.state == inquiries_pb2.INQUIRY_STATE_ANSWERED and ours,
        at=held.create_time.ToDatetime(UTC),
        most=MOST_FILES,
        greatest=GREATEST_FILE >> 20,
        request_id=str(uuid.uuid4()),
        error=error,
        typed=said,
    )


@OFFICER
async def act(request: Request, person: Person) -> Response:
    """Answer a question; close it, or take it back."""
    form, ask, name = await _form(request, person), asking(request, person), _name(request)
    said, request_id = form.one("answer"), form.one("request_id")
    try:
        if form.one("act") in ("close", "withdraw"):
            closes = form.one("act") == "close"
            await ask.end_inquiry(name, closes=closes, request_id=request_id)
        else:
            await ask.answer_inquiry(name, said, form.files.get("files", []), request_id)
    except DomainError as error:
        return await _inquiry(request, person, error, said)
    return RedirectResponse(request.url.path, 303)


@OFFICER
async def attachment(request: Request, person: Person) -> Response:
    """A file, to be kept: a browser opens none of them by itself."""
    ids: Any = request.path_params
    name = f"departments/{ids['department']}/attachments/{ids['id']}"
    found = await asking(request, person).attachment(name)
    return to_save(found.content, "application/octet-stream", found.attachment.file_name)


async def _form(request: Request, person: Person) -> Form:
    return await form_with_files(
        request, person, most=MOST_FILES, each=GREATEST_FILE, together=TOGETHER
    )


_ONE: Final = "/data/inquiries/{department}/{id}"
ROUTES: Final = (
    Route("/data/inquiries", inquiries, methods=["GET"]),
    Route("/data/inquiries/new", begin, methods=["GET"]),
    Route("/data/inquiries/new", send, methods=["POST"]),
    Route(_ONE, inquiry, methods=["GET"]),
    Route(_ONE, act, methods=["POST"]),
    Route("/data/attachments/{department}/{id}", attachment, methods=["GET"]),
)
