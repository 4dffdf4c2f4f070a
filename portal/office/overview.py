"""What is late or due next, and how departments keep their clocks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from accounts.v1 import accounts_pb2
from exchange.v1 import deadlines_pb2, systems_pb2
from portal.office import bars, endings, words
from portal.office.asking import EVERYBODY, Asking
from portal.office.showing import READERS, asking, show
from portal.pages import after, language_of, sayer, unknown_choice
from portal.sessions.keeping import Person
from seal.v1 import seal_pb2

SOON = 30
"""Days before a certificate's end from which it is told."""
_YEAR = re.compile(r"[12][0-9]{3}")
MANY = 100
"""More than so many are not counted."""
SHOWN = 5


@READERS
async def overview(request: Request, person: Person) -> Response:
    """What is late or due next, whoever has to act, and whose certificates end soon."""
    ask = asking(request, person)
    seals = seal_pb2.ListSealsRequest(
        parent=EVERYBODY, page_size=SHOWN, ends_within_days=endings.SOON
    )
    found, lateness, ending, waiting, sealing, _ = await asyncio.gather(
        ask.deadlines(token=after(request)),
        kept(ask),
        ending_soon(ask),
        ask.tell(ask.accounts.ListAskedActs, accounts_pb2.ListAskedActsRequest(page_size=MANY)),
        ask.tell(ask.seals.ListSeals, seals),
        ask.departments(),
    )
    return await show(
        request,
        ask,
        "overview",
        deadlines=[
            (one, words.act(one.kind), words.address_of(one.subject)) for one in found.deadlines
        ],
        tiles=(
            ("/office/clock", sum(row.overdue for row in lateness.rows), "red", words.LATE),
            (
                "/office/requests",
                sum(
                    row.running + row.overdue for row in lateness.rows if row.kind in words.REPLIES
                ),
                "",
                words.WAITING,
            ),
            ("/office/acts", _many(waiting.acts), "", words.SECOND),
            ("/office/systems?ending=1", _many(ending.systems), "amber", words.ENDING),
        ),
        ending=ending.systems[:SHOWN],
        authority_end=end_of_authority(ending),
        seals=endings.told(sealing.seals),
        certificates=endings.of_certificates(sealing),
        soon=SOON,
        following=found.next_page_token,
    )


def _many(found: Sequence[object]) -> int | str:
    return f"{MANY}+" if len(found) >= MANY else len(found)


@READERS
async def clock(request: Request, person: Person) -> Response:
    """How each department keeps its deadlines, this year or another: a picture and a table."""
    ask, year = asking(request, person), request.query_params.get("year", "")
    if year and not _YEAR.fullmatch(year):
        raise unknown_choice()
    lateness, departments = await asyncio.gather(kept(ask, year), ask.departments())
    say = sayer(language_of(request))
    sums: dict[str, list[int]] = {}
    for row in lateness.rows:
        of = sums.setdefault(row.department, [0, 0, 0, 0])
        for place, number in enumerate((row.met, row.running, row.late, row.overdue)):
            of[place] += number
    lines = [
        (
            departments.get(name, name),
            list(zip(("good", "open", "late", "over"), of, strict=True)),
            say(f"{_share(of)} % of what was due in time", f"已到期事项按时 {_share(of)}%")
            if of[0] + of[2] + of[3]
            else "",
        )
        for name, of in sums.items()
    ]
    return await show(
        request,
        ask,
        "clock-kept",
        rows=[(row, words.act(row.kind)) for row in lateness.rows],
        pictures=bars.both(lines),
        year=lateness.first_day[:4],
    )


def _share(counts: list[int]) -> int:
    """Per cent of the acts that were due and came in time."""
    met, _, late, overdue = counts
    due = met + late + overdue
    return 100 * met // due if due else 0  # 299 of 300 are not all


async def kept(ask: Asking, year: str = "") -> Any:
    """How departments keep the clocks that are due in a year: this one, if none is given."""
    asked = deadlines_pb2.ReportLatenessRequest(parent=EVERYBODY)
    if year:
        asked.first_day, asked.last_day = f"{year}-01-01", f"{year}-12-31"
    return await ask.tell(ask.clocks.ReportLateness, asked)


def end_of_authority(told: systems_pb2.ListSystemsResponse) -> datetime | None:
    """When the authority of the node ends, where that is within a year."""
    ends = told.HasField("authority_end_time")
    return told.authority_end_time.ToDatetime(UTC) if ends else None


async def ending_soon(ask: Asking) -> Any:
    """Systems whose certificates end soon, or have ended; and whether the authority's does."""
    asked = systems_pb2.ListSystemsRequest(parent=EVERYBODY, ends_within_days=SOON, page_size=MANY)
    return await ask.tell(ask.systems.ListSystems, asked)
