"""Showing a license (亮证): what, for what, how long, how often; by a code, or offline by a page.

1. A code is the answer to a form, and stands in no address: loading the page again, or in the
   other language, makes no second one.
2. A page to save offline is one file that needs no network and no script. It is kept in the
   session's memory for as long as pictures are, and nowhere else.
3. An agent shows a license under a delegation, and for that purpose only.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC
from hashlib import sha256
from typing import Any, Final

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from licenses.v1 import delegations_pb2, offline_pb2
from licenses.v1 import presentations_pb2 as pb
from portal.answers import answers_of
from portal.applicant.asking import SECONDS, Asking, asking
from portal.applicant.delegated import ONE_DELEGATED, Subject, subject_of
from portal.applicant.forms import REFUSALS, Form
from portal.applicant.holding import (
    APPLICANT,
    ONE,
    check_in_force,
    field_names,
)
from portal.applicant.words import FIELDS, LIFETIMES, USES
from portal.node import told
from portal.pages import FOLDER, after, page, picture_of_code, text_of, to_save
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person

#: Ticked for who chooses nothing: what it is, whose, until when.
USUAL: Final = ("ZZMC", "CZZT", "ZZYXQJZRQ")
_SAVED: Final = "offline "


@APPLICANT
async def choose(request: Request, person: Person) -> Response:
    """What to show, for what, for how long."""
    ask = asking(request, person)
    return await _choose(request, ask, await subject_of(request, ask, "present"), Form())


async def _choose(request: Request, ask: Asking, subject: Subject, form: Form) -> Response:
    check_in_force(subject.held)
    fields, departments = await asyncio.gather(ask.said(subject.held), ask.departments())
    return page(
        request,
        "applicant/choose.html",
        subject=subject,
        fields=fields,
        departments=departments,
        lifetimes=LIFETIMES,
        uses=USES,
        usual=USUAL,
        online=subject.allows(delegations_pb2.DELEGATION_FORM_CODE),
        offline=subject.allows(delegations_pb2.DELEGATION_FORM_OFFLINE_QR),
        **form.facts(),
    )


@APPLICANT
async def show(request: Request, person: Person) -> Response:
    """The code to show, or the page to save."""
    given, ask = await form_of(request, person), asking(request, person)
    subject = await subject_of(request, ask, "present")
    offline = one(given, "way") == "offline"
    lifetime, often = one(given, "lifetime"), one(given, "uses")
    common: dict[str, Any] = {
        "license": subject.held.name,
        "holder_code": person.holder_code,
        "fields": given.get("fields", []),
        "purpose": subject.delegation.purpose if subject.delegation else one(given, "purpose"),
        "purpose_bound": one(given, "bound") == "1",
        "audience": one(given, "audience"),
        "lifetime_seconds": int(lifetime) if lifetime in map(str, LIFETIMES) else LIFETIMES[0],
        "request_id": one(given, "request_id"),
        "delegation": subject.delegation.name if subject.delegation else "",
    }
    try:
        if offline:
            asked = offline_pb2.PresentOfflineRequest(
                **common, unbound=one(given, "unbound") == "1"
            )
            made = await told(ask.offline.PresentOffline(asked, timeout=SECONDS))
        else:
            uses = int(often) if often in {str(number) for number, _, _ in USES} else USES[0][0]
            coded = pb.PresentLicenseRequest(**common, max_uses=uses)
            made = await told(ask.presentations.PresentLicense(coded, timeout=SECONDS))
    except REFUSALS as error:
        return await _choose(request, ask, subject, Form(sent=given, error=error))
    facts = await _facts(ask, subject, common, made)
    if offline:
        return _to_save(request, person, facts, made)
    often_words = next((english, chinese) for number, english, chinese in USES if number == uses)
    code = {"code": made.code, "picture": picture_of_code(made.code)}
    return page(request, "applicant/code.html", **facts, **code, often=often_words)


async def _facts(ask: Asking, subject: Subject, asked: dict[str, Any], made: Any) -> dict[str, Any]:
    """What the page of a code says, and the page to save."""
    fields, departments = await asyncio.gather(ask.said(subject.held), ask.departments())
    labels = {one.key: one.names for one in fields}
    return {
        "held": subject.held,
        "until": made.expire_time.ToDatetime(UTC),
        "seconds": made.expire_time.seconds,
        "shown": [labels.get(key, (key, key)) for key in asked["fields"]],
        "purpose": asked["purpose"],
        "bound": asked["purpose_bound"] or subject.delegation is not None,
        "audience": departments.get(asked["audience"], asked["audience"]),
        "presentation": made.presentation,
    }


def _to_save(request: Request, person: Person, facts: dict[str, Any], made: Any) -> Response:
    picture = "data:image/svg+xml;base64," + base64.b64encode(made.svg).decode()
    countdown = (FOLDER / "static/countdown.js").read_text("utf-8")
    digest = base64.b64encode(sha256(countdown.encode()).digest()).decode()
    script = {
        "countdown": Markup(countdown),  # noqa: S704  # our own file
        "countdown_hash": f"sha256-{digest}",
    }
    file = text_of(request, "applicant/saved.html", {**facts, **script, "picture": picture})
    person.keep_picture((_SAVED + made.presentation, 0), file.encode())
    address = f"/my/{made.presentation}/page.html"
    return page(request, "applicant/offline.html", **facts, picture=picture, address=address)


@APPLICANT
async def saved(request: Request, person: Person) -> Response:
    """The page that works without a network, as a file; of this session only."""
    name = f"presentations/{request.path_params['presentation']}"
    file = person.pictures.get((_SAVED + name, 0))
    if file is None:
        raise HTTPException(404)
    await asking(request, person).lasts()
    return to_save(file, "text/html; charset=utf-8", "license.html")


@APPLICANT
async def presentations(request: Request, person: Person) -> Response:
    """What is open now; those that end last stand first."""
    ask = asking(request, person)
    everything = "all" in request.query_params
    asked = pb.ListPresentationsRequest(
        holder_code=person.holder_code, all=everything, page_size=20, page_token=after(request)
    )
    found, departments, names = await asyncio.gather(
        told(ask.presentations.ListPresentations(asked, timeout=SECONDS)),
        ask.departments(),
        field_names(request),
    )
    shown = sorted(found.presentations, key=lambda one: -int(one.expire_time.seconds))
    return page(
        request,
        "applicant/presentations.html",
        presentations=[
            (
                one,
                [
                    names.get(one.license_display_name, FIELDS).get(key, (key, key))
                    for key in one.fields
                ],
            )
            for one in shown
        ],
        departments=departments,
        uses={number: (english, chinese) for number, english, chinese in USES},
        everything=everything,
        following=found.next_page_token,
    )


@APPLICANT
async def end(request: Request, person: Person) -> Response:
    """End a presentation; its page and its file are not had again."""
    given = await form_of(request, person)
    name = one(given, "presentation")
    await told(
        asking(request, person).presentations.EndPresentation(
            pb.EndPresentationRequest(presentation=name, holder_code=person.holder_code),
            timeout=SECONDS,
        )
    )
    person.drop_picture((_SAVED + name, 0))
    if (held := answers_of(request)) is not None:
        held.forget(person, "presentation", name)
    return RedirectResponse("/my/presentations", 303)


ROUTES: Final = (
    Route(ONE + "/present", choose, methods=["GET"]),
    Route(ONE + "/present", show, methods=["POST"]),
    Route(ONE_DELEGATED + "/present", choose, methods=["GET"]),
    Route(ONE_DELEGATED + "/present", show, methods=["POST"]),
    Route("/my/presentations", presentations, methods=["GET"]),
    Route("/my/presentations/end", end, methods=["POST"]),
    Route("/my/presentations/{presentation}/page.html", saved, methods=["GET"]),
)
