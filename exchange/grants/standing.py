"""Who stands where: what a request crosses, and whose administrators may act for its source."""

from __future__ import annotations

from exchange.catalog import registering
from exchange.catalog import service as catalog
from exchange.deadlines import service as deadlines
from exchange.grants import reviewing
from exchange.grants.deciding import NO_REVIEW, Review
from runtime import names
from runtime.database import UnitOfWork
from runtime.identity import Principal, Role


def above(work: UnitOfWork, source: str) -> frozenset[str]:
    """Departments above a source: parents, and the authority that its jurisdiction names."""
    held = catalog.department_in(work, source)
    if held is None:
        return frozenset()
    found = {one.name for one in registering.above(work, held)}
    authority = deadlines.ruling(work.session, held.region_code).authority
    return frozenset(found | {authority} - {"", source})


def keeps(work: UnitOfWork, department: str, source: str, *, office: str) -> bool:
    """Whether a department's administrators may change another one's directory (`acting`).

    Who could make a resource unconditional with its own hand is granted nothing at once by it.
    """
    if department == source:
        return False
    return department == office or department in registering.names_above(work, source)


def may_keep(work: UnitOfWork, principal: Principal, department: str, *, office: str) -> bool:
    """Whether the caller may change a department's directory: its own people, or as `keeps`."""
    if principal.department == department:
        return principal.has(Role.DEPARTMENT) or principal.has(Role.ADMINISTRATOR)
    return principal.has(Role.ADMINISTRATOR) and keeps(
        work, principal.department, department, office=office
    )


def review(work: UnitOfWork, consumer: str, resource: str) -> Review:
    """Whether what is asked for crosses regions or levels, by the source's jurisdiction."""
    asking = catalog.department_in(work, consumer)
    source = catalog.department_in(work, names.department_of(resource))
    if source is None:
        return NO_REVIEW
    held = deadlines.ruling(work.session, source.region_code)
    # The authority agrees to nothing that it asks for itself, and so no clock of its own runs.
    authority = "" if held.authority == consumer else held.authority
    if asking is None:
        # Nobody knows where it is: to be safe, elsewhere.
        return Review(
            cross_region=True, needed="cross_region" in held.review_when, authority=authority
        )
    return reviewing.review_of(asking, source, review_when=held.review_when, authority=authority)
