"""The clocks of requests (`exchange.deadlines`): of the source's reply, and of the authority's.

That of a reply starts with the request, stands while the request is with who asked, and ends with
the answer; that of the authority likewise, where one is named. A request for an unconditional
resource that the source decides on has the days of such a one, by what the resource was then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from exchange.catalog import service as catalog
from exchange.catalog.model import SharingType
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.grants.model import AccessRequest, AccessRequestState
from runtime.database import UnitOfWork
from runtime.identity import Principal

if TYPE_CHECKING:
    from exchange.deadlines.model import Deadline

REPLIES = (Kind.REPLY_CONDITIONAL, Kind.REPLY_UNCONDITIONAL)
ANSWERS = (Kind.AUTHORITY_REVIEW, *REPLIES)


def start(
    work: UnitOfWork,
    request: AccessRequest,
    kind: str,
    department: str,
    principal: Principal,
    now: datetime,
) -> AccessRequest:
    """Start the clock of who has to answer; the request with the day that it is due."""
    source = catalog.department_in(work, request.source)
    clock = deadlines.start(
        work,
        subject=request.name,
        kind=kind,
        region_code=source.region_code if source else "",
        department=department,
        at=now,
        actor=principal.system,
    )
    return replace(request, reply_due=clock.due.isoformat() if clock.due else "")


def start_reply(
    work: UnitOfWork,
    request: AccessRequest,
    sharing_type: SharingType,
    principal: Principal,
    now: datetime,
) -> AccessRequest:
    """Start the source's clock; the request with the day that it is due."""
    unconditional = sharing_type is SharingType.UNCONDITIONAL
    kind = Kind.REPLY_UNCONDITIONAL if unconditional else Kind.REPLY_CONDITIONAL
    return start(work, request, kind, request.source, principal, now)


def reply_in(work: UnitOfWork, name: str, state: DeadlineState) -> str:
    """The kind of the source's clock where one is so; people may have paused or resumed it, too."""
    found = deadlines.of_subjects(work.session, [name])
    held = {kind: found.get((name, kind)) for kind in REPLIES}
    return next((kind for kind, one in held.items() if one and one.state is state), "")


def end(work: UnitOfWork, held: AccessRequest | None, principal: Principal, now: datetime) -> None:
    """Whoever had to answer has answered."""
    if held is None:
        return
    waiting = held.state is AccessRequestState.AWAITING_AUTHORITY
    for kind in (Kind.AUTHORITY_REVIEW,) if waiting else REPLIES:
        deadlines.finish(work, subject=held.name, kind=kind, at=now, actor=principal.system)


def with_due(
    requests: Sequence[AccessRequest], clocks: dict[tuple[str, str], Deadline]
) -> list[AccessRequest]:
    """Requests with the day that the next answer is due."""
    found = []
    for request in requests:
        running = [clocks.get((request.name, kind)) for kind in ANSWERS]
        due = next((one.due for one in running if one and one.open and one.due), None)
        found.append(replace(request, reply_due=due.isoformat()) if due else request)
    return found
