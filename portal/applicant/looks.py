"""Who looked: at the applicant's licenses, and at their data; and a proof to take away.

What the applicant does themself is left out by the service, before pages are cut, so that it hides
nobody; who wants to see it asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal.applicant.asking import asking
from portal.applicant.holding import field_names
from portal.applicant.proving import work_of
from portal.applicant.results import result_of
from portal.applicant.words import FIELDS, KINDS
from portal.pages import page, to_save
from portal.sessions.access import for_roles, form_of
from portal.sessions.keeping import Person
from portal.working import Work, works_of
from runtime.identity import APPLICANTS, Role

#: An index that is further behind than this is told to be; a second or two it always is.
BEHIND: Final = timedelta(seconds=5)
PROOF: Final = "looks"
#: Seconds that whoever asks for the proof waits for it; a few hundred records take no longer.
SOON: Final = 3.0
_APPLICANT = for_roles(Role.APPLICANT)
_VISITOR: Final = ("An unknown visitor of these pages", "门户访客（身份未知）")
#: Acts that only an agent does, and those about a delegation that only its holder does.
_OF_AGENTS: Final = frozenset({"delegated_licenses_listed"})
_OF_HOLDERS: Final = frozenset({"license_delegated", "delegation_ended"})
_EVERYTHING: Final = ("everything it says", "证照全部内容")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look, as the page tells it: each pair is English and Chinese."""

    at: datetime
    who: tuple[str, str]
    did: tuple[str, str]
    what: str
    fields: Sequence[tuple[str, str]]
    purpose: str
    basis: str
    grant: str
    result: tuple[str, str] | None
    #: Who acted, or whose showing was looked at, for the applicant; empty is themself.
    agent: str = ""
    #: Address of the form to object by; empty where it is no record of a department.
    object_at: str
    index: int | None
    #: Of a question for a case of theirs: what they agreed to, and where that stands.
    case: str = ""
    case_at: str = ""
    #: The time that was asked about, where it was not that of the look.
    about: datetime | None = None


@_APPLICANT
async def looked(request: Request, person: Person) -> Response:
    """Who looked: of licenses and of records a page each, the newest first."""
    ask = asking(request, person)
    asked = request.query_params
    own, of = "own" in asked, asked.get("license", "")
    accesses, looks, departments, fields, cases = await asyncio.gather(
        ask.accesses(asked.get("after", "")),
        ask.looks(asked.get("looks", ""), own=own, license_=_license_of(of)),
        ask.departments(),
        field_names(request),
        ask.cases(),
    )
    resources = [one.resource for one in accesses.accesses]
    by_index = {index: one for one in cases for index in one.log_indices}
    titles, items = await asyncio.gather(
        ask.titles([*resources, *(one.service_item for one in by_index.values())]),
        ask.items(resources),
    )

    def who(system: str) -> tuple[str, str]:
        if system == person.system:
            return "You", "您本人"
        department = system.partition("/systems/")[0]
        if department == APPLICANTS:
            return "You, at another time, or your agent", "您本人或您的受托人"
        name = departments.get(department, department.rpartition("/")[2])
        return name, name

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
            in_case(_access(one, who(one.actor), titles, items), by_index, titles)
            for one in accesses.accesses
        ],
        looks=[
            _look(
                one,
                _VISITOR if one.visitor else by_applicant(one) or who(one.system),
                fields.get(one.license_display_name, FIELDS),
            )
            for one in looks.looks
        ],
        own=own,
        of=of,
        proof=works_of(request).of(person, PROOF),
        following=accesses.next_page_token,
        following_looks=looks.next_page_token,
        later=bool(asked.get("after")),
        later_looks=bool(asked.get("looks")),
    )


@_APPLICANT
async def prove(request: Request, person: Person) -> Response:
    """A file with all records and their proofs, which anybody verifies without the node.

    It is sent at once where it is soon made; else a page says how far it is, and keeps it.
    """
    await form_of(request, person)
    works = works_of(request)
    await works.begin(person, PROOF, work_of(request.app.state.node.address), seconds=SOON)
    work = works.of(person, PROOF)
    if work is None or work.outcome != "PASSED":
        return RedirectResponse("/my/looks/proof", 303)
    return _file(work)


@_APPLICANT
async def proof(request: Request, person: Person) -> Response:
    """How far the proof is, and the file when it is made."""
    work = works_of(request).of(person, PROOF)
    if work is None:
        return RedirectResponse("/my/looks", 303)
    return page(request, "applicant/proof.html", work=work)


@_APPLICANT
async def proof_file(request: Request, person: Person) -> Response:
    """The proof, once it is made."""
    work = works_of(request).of(person, PROOF)
    if work is None or work.outcome != "PASSED":
        return RedirectResponse("/my/looks/proof", 303)
    return _file(work)


def _file(work: Work) -> Response:
    work.about.saved = True
    return to_save(work.about.file, "application/zip", "who-looked.zip")


def by_applicant(one: Any) -> tuple[str, str] | None:
    """Who of the applicants looked; None where it was a department.

    At somebody's license only they themself look, and their agents, under a delegation.
    """
    if one.system.partition("/systems/")[0] != APPLICANTS:
        return None
    agents = one.kind in _OF_AGENTS or (one.delegation and one.kind not in _OF_HOLDERS)
    return ("Your agent", "您的受托人") if agents else ("You", "您本人")


def _license_of(place: str) -> str:
    """A license's name, of its department and id as its own page's address has them."""
    department, _, license_id = place.partition("/")
    return f"departments/{department}/licenses/{license_id}" if place else ""


def _access(one: Any, who: tuple[str, str], titles: Any, items: dict[tuple[str, str], str]) -> Seen:
    names = [items.get((one.resource, code), code) for code in one.items]
    _, department, _, resource = one.resource.split("/") if one.resource else ("",) * 4
    return Seen(
        at=one.time.ToDatetime(UTC),
        who=who,
        did=KINDS.get(one.kind, (one.kind, one.kind)),
        what=titles.get(one.resource, ""),
        fields=[(name, name) for name in names],
        purpose=one.purpose,
        basis=one.legal_basis,
        grant=one.grant.rpartition("/")[2],
        result=None,
        object_at=f"/my/corrections/new/{department}/{resource}" if resource else "",
        index=one.index,
    )


def in_case(seen: Seen, by_index: Mapping[int, Any], titles: Mapping[str, str]) -> Seen:
    """The look, with the case that it was for where that is known: what the applicant agreed to."""
    found = by_index.get(seen.index) if seen.index is not None else None
    if found is None:
        return seen
    title = titles.get(found.service_item) or found.service_item.rpartition("/")[2]
    return replace(seen, case=f"办理{title}", case_at=f"/my/{found.name}")


def _look(one: Any, who: tuple[str, str], names: Mapping[str, tuple[str, str]]) -> Seen:
    all_of_it = list(one.fields) == ["*"]
    return Seen(
        at=one.time.ToDatetime(UTC),
        who=who,
        did=KINDS.get(one.kind, (one.kind, one.kind)),
        what=one.license_display_name,
        fields=[_EVERYTHING] if all_of_it else [names.get(key, (key, key)) for key in one.fields],
        purpose=one.purpose,
        basis="",
        grant="",
        result=result_of(one.result),
        object_at="",
        index=None,
        agent=one.agent_name or (one.delegation and "—"),
        about=one.as_of.ToDatetime(UTC) if one.HasField("as_of") else None,
    )


ROUTES: Final = (
    Route("/my/looks", looked, methods=["GET"]),
    Route("/my/looks/proof", prove, methods=["POST"]),
    Route("/my/looks/proof", proof, methods=["GET"]),
    Route("/my/looks/proof/file", proof_file, methods=["GET"]),
)
