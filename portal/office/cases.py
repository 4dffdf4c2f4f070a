"""Inquiries and objections as overseers of the clocks see them: who owes an answer, until when.

What departments write to each other is theirs: here stand the parties, the title and the deadline.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from exchange.v1 import corrections_pb2, deadlines_pb2, inquiries_pb2
from portal.office import words
from portal.office.asking import EVERYBODY, PAGE
from portal.office.showing import READERS, asking, name_of, show
from portal.officer.words import DOUBTS, FAULTS, INQUIRIES
from portal.pages import after, chosen
from portal.sessions.keeping import Person


@READERS
async def cases(request: Request, person: Person) -> Response:
    """Those that wait for an answer, what is due first; or those that are or were late."""
    ask, asked = asking(request, person), request.query_params
    departments = await ask.departments()
    kind, owes = asked.get("kind", ""), asked.get("department", "")
    chosen(kind, words.CASE_VIEWS)
    chosen(owes, departments)
    late = "late" in asked
    listed = deadlines_pb2.ListDeadlinesRequest(
        parent=owes or EVERYBODY,
        kinds=words.CASE_VIEWS[kind][0],
        open_only=not late,
        late_only=late,
        page_size=PAGE,
        page_token=after(request),
    )
    found = await ask.tell(ask.clocks.ListDeadlines, listed)
    wanted = {"kind": kind, "department": owes, "late": "1" if late else ""}
    return await show(
        request,
        ask,
        "cases",
        cases=[
            (one, words.act(one.kind), words.address_of(one.subject), one.state in _OPEN)
            for one in found.deadlines
        ],
        wanted=wanted,
        further=urlencode({key: value for key, value in wanted.items() if value}),
        following=found.next_page_token,
    )


_OPEN = frozenset(
    (deadlines_pb2.DEADLINE_STATE_RUNNING, deadlines_pb2.DEADLINE_STATE_PAUSED),
)


@READERS
async def inquiry(request: Request, person: Person) -> Response:
    """One inquiry."""
    ask, name = asking(request, person), name_of(request, "inquiries")
    answer, clocks = await asyncio.gather(
        ask.tell(ask.inquiries.GetInquiry, inquiries_pb2.GetInquiryRequest(name=name)),
        ask.deadlines(subject=name),
    )
    held = answer.inquiry
    return await show(
        request,
        ask,
        "case",
        title=held.title,
        state=INQUIRIES[held.state],
        kind=words.act("inquiry"),
        asker=words.department_of(name),
        owes=held.recipient,
        resource=None,
        fault=None,
        items=[],
        **_times(held, held.answer_time if held.HasField("answer_time") else None),
        clocks=clocks.deadlines,
    )


@READERS
async def correction(request: Request, person: Person) -> Response:
    """One objection."""
    ask, name = asking(request, person), name_of(request, "corrections")
    answer, clocks = await asyncio.gather(
        ask.tell(ask.corrections.GetCorrection, corrections_pb2.GetCorrectionRequest(name=name)),
        ask.deadlines(subject=name),
    )
    held = answer.correction
    resource = await ask.resource(held.resource)
    labels = {item.code: item.display_name for item in resource.items}
    return await show(
        request,
        ask,
        "case",
        title=resource.display_name,
        state=DOUBTS[held.state],
        kind=words.act("correction"),
        asker=words.department_of(name),
        owes=words.department_of(held.resource),
        resource=resource,
        fault=FAULTS.get(held.fault),
        items=[labels.get(code, code) for code in held.items],
        **_times(held, held.end_time if held.HasField("end_time") else None),
        clocks=clocks.deadlines,
    )


def _times(held: Any, ended: Any) -> dict[str, Any]:
    return {
        "at": held.create_time.ToDatetime(UTC),
        "ended": None if ended is None else ended.ToDatetime(UTC),
    }
