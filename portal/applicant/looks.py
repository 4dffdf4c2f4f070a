"""Who looked: at the applicant's licenses, and at their data; and a proof to take away."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.applicant.asking import Asking
from portal.applicant.words import KINDS
from portal.pages import page
from portal.sessions.access import for_roles, form_of
from portal.sessions.keeping import Person
from runtime.identity import Role

#: An index that is further behind than this is told to be; a second or two it always is.
BEHIND: Final = timedelta(seconds=5)
_APPLICANT = for_roles(Role.APPLICANT)


@_APPLICANT
async def looked(request: Request, person: Person) -> Response:
    """Who looked: of licenses and of records a page each, the newest first."""
    ask = Asking(person, request.app.state.node.address)
    asked = request.query_params
    accesses = await ask.accesses(asked.get("after", ""))
    looks = await ask.looks(asked.get("looks", ""))
    departments = await ask.departments()

    def who(system: str) -> tuple[str, str]:
        if system == person.system:
            return "You", "您本人"
        department = system.partition("/systems/")[0]
        name = departments.get(department, department.rpartition("/")[2])
        return name, name

    def did(kind: str) -> tuple[str, str]:
        return KINDS.get(kind, (kind, kind))

    until = accesses.complete_time.ToDatetime(UTC)
    return page(
        request,
        "applicant/looks.html",
        until=until,
        behind=datetime.now(UTC) - until > BEHIND,
        erased=accesses.erased,
        erasures=[
            (
                one,
                who(one.actor),
                one.time.ToDatetime(UTC),
                one.first_time.ToDatetime(UTC),
                one.last_time.ToDatetime(UTC),
            )
            for one in accesses.erasures
        ],
        accesses=[
            (one, who(one.actor), did(one.kind), one.time.ToDatetime(UTC))
            for one in accesses.accesses
        ],
        looks=[
            (one, who(one.system), did(one.kind), one.time.ToDatetime(UTC))
            for one in looks.looks
            # To open one's own list is a look, too: it would hide the others.
            if one.system != person.system or one.kind != "held_licenses_listed"
        ],
        following=accesses.next_page_token,
        following_looks=looks.next_page_token,
    )


@_APPLICANT
async def proof(request: Request, person: Person) -> Response:
    """A file with the records and their proofs, which anybody verifies without the node."""
    await form_of(request, person)
    said = await Asking(person, request.app.state.node.address).proof()
    return Response(
        json.dumps(said, ensure_ascii=False, indent=2) + "\n",
        media_type="application/json",
        headers={"Content-Disposition": 'attachment; filename="who-looked.json"'},
    )


ROUTES: Final = (
    Route("/my/looks", looked, methods=["GET"]),
    Route("/my/looks/proof", proof, methods=["POST"]),
)
