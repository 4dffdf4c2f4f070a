"""Requests for correction as they are read: by name, in lists, and by a citizen at a counter."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.corrections import rights, store
from exchange.corrections.model import Correction, correction_not_found
from exchange.corrections.store import Wanted
from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import Deadline
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Principal, Role
from runtime.records import make_record

_KIND = Kind.CORRECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as a caller sees it, and the day of its answer."""

    correction: Correction
    due: str


def get(database: Database, principal: Principal, name: str) -> Seen:
    """A request. Raises NotFound (CORRECTION_NOT_FOUND)."""
    names.parse(names.CORRECTION, name)
    with database.reading() as session:
        held = store.correction(session, name)
        if held is None or not rights.may_see(principal, held):
            raise correction_not_found()
        clocks = deadlines.of_subjects(session, [name])
    return _seen(principal, held, clocks)


def page(
    database: Database,
    principal: Principal,
    *,
    resource: str,
    open_only: bool,
    page_size: int,
    page_token: str,
) -> tuple[list[Seen], str]:
    """A page of the requests that the caller may see; two statements."""
    if resource:
        names.parse(names.RESOURCE, resource, field="resource")
    wanted = Wanted(
        party=None if rights.sees_everything(principal) else principal.department,
        as_counter=principal.has(Role.COUNTER),
        as_department=principal.has(Role.DEPARTMENT),
        resource=resource or None,
        open_only=open_only,
    )
    return _page(database, principal, wanted, page_size, page_token)


def page_of_citizen(
    database: Database,
    principal: Principal,
    *,
    key: str,
    page_size: int,
    page_token: str,
) -> tuple[list[Seen], str]:
    """A page of a citizen's own requests, whichever counter made them."""
    return _page(database, principal, Wanted(citizen_key=key), page_size, page_token)


def tell_citizen(
    work: UnitOfWork,
    principal: Principal,
    *,
    key: str,
    case_number: str,
    count: int,
    clock: Clock,
) -> None:
    """Record that a citizen was told of their requests."""
    work.record(
        make_record(
            "corrections_told",
            at=clock.now(),
            actor=principal.system,
            facts={"count": count},
            commitments={"key": key.encode(), "case_number": case_number.encode()},
        )
    )


def _page(
    database: Database, principal: Principal, wanted: Wanted, page_size: int, page_token: str
) -> tuple[list[Seen], str]:
    size, after = paging.page_size(page_size), paging.last_of(page_token)
    if after:
        names.parse(names.CORRECTION, after, field="page_token")
    with database.reading() as session:
        rows = store.corrections(session, wanted, after=after, limit=size + 1)
        found, token = paging.cut(rows, size, lambda held: held.name)
        clocks = deadlines.of_subjects(session, [held.name for held in found])
    return [_seen(principal, held, clocks) for held in found], token


def _seen(principal: Principal, held: Correction, clocks: dict[tuple[str, str], Deadline]) -> Seen:
    clock = clocks.get((held.name, _KIND))
    due = clock.due.isoformat() if clock is not None and clock.due else ""
    return Seen(correction=rights.shown_to(principal, held), due=due)


def due_of(work: UnitOfWork, principal: Principal, held: Correction) -> Seen:
    """A request just changed, as the caller sees it."""
    return _seen(principal, held, deadlines.of_subjects(work.session, [held.name]))
