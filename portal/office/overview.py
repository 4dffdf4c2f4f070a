"""What is late or due next, and how departments keep their clocks."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import deadlines_pb2, systems_pb2
from portal.office import bars, words
from portal.office.asking import EVERYBODY, Asking
from portal.office.showing import READERS, after, asking, show
from portal.pages import language_of, sayer
from portal.sessions.keeping import Person

SOON = 30
"""Days before a certificate's end from which it is told."""


@READERS
async def overview(request: Request, person: Person) -> Response:
    """What is late or due next, whoever has to act, and whose certificates end soon."""
    ask = asking(request, person)
    found, lateness, ending, _ = await asyncio.gather(
        ask.deadlines(token=after(request)), kept(ask), ending_soon(ask), ask.departments()
    )
    return await show(
        request,
        ask,
        "overview",
        deadlines=[
            (one, words.act(one.kind), words.address_of(one.subject)) for one in found.deadlines
        ],
        overdue=sum(row.overdue for row in lateness.rows),
        running=sum(row.running for row in lateness.rows),
        ending=ending,
        soon=SOON,
        following=found.next_page_token,
    )


@READERS
async def clock(request: Request, person: Person) -> Response:
    """How each department keeps its deadlines, this year or another: a picture and a table."""
    ask, year = asking(request, person), request.query_params.get("year", "")
    year = year if year.isascii() and year.isdigit() and len(year) == 4 else ""
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


async def ending_soon(ask: Asking) -> Any:
    """Systems whose certificates end soon, or have ended: the first of them."""
    asked = systems_pb2.ListSystemsRequest(parent=EVERYBODY, ends_within_days=SOON, page_size=5)
    return (await ask.tell(ask.systems.ListSystems, asked)).systems
