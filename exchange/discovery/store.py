"""What discovery reads: one department's grants and requests of a page of resources.

No table of its own. A page costs a fixed number of statements, however many grants and requests
there are: of each resource the database hands out a few at most, chosen by rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from exchange.catalog.model import Department
from exchange.catalog.registry.store import DEPARTMENTS, department_of
from exchange.discovery.model import GREATEST_GRANTS, GREATEST_REQUESTS, OPEN
from exchange.grants.model import AccessRequest, AccessRequestState, Grant, GrantState
from exchange.grants.requests.store import REQUESTS
from exchange.grants.store import GRANTS, grant_of, marked
from runtime.database import UtcDateTime


def departments(session: Session, wanted: Collection[str]) -> dict[str, Department]:
    """The departments of these names; one statement."""
    query = sa.select(DEPARTMENTS).where(DEPARTMENTS.c.name.in_(wanted))
    found = (department_of(row) for row in session.execute(query).mappings())
    return {department.name: department for department in found}


def grants(
    session: Session, *, consumer: str, resources: Collection[str], now: datetime
) -> Mapping[str, list[Grant]]:
    """A consumer's grants by resource: those in force or to come, and the newest that is over.

    At most one more than `GREATEST_GRANTS` of each; two statements.
    """
    columns = GRANTS.c
    at = sa.literal(now, UtcDateTime)
    live = sa.and_(columns.state == GrantState.ACTIVE.value, columns.end_time > at)
    # In force, then to come, then over; the newest end of each first.
    order = sa.case((sa.and_(live, columns.start_time <= at), 0), (live, 1), else_=2)
    ended = sa.func.coalesce(columns.revoke_time, columns.end_time)
    ranked = (
        sa.select(
            columns.name,
            live.label("live"),
            sa.func.row_number()
            .over(partition_by=[columns.resource, live], order_by=[order, ended.desc()])
            .label("place"),
        )
        .where(columns.consumer == consumer, columns.resource.in_(resources))
        .subquery()
    )
    few = sa.or_(sa.and_(ranked.c.live, ranked.c.place <= GREATEST_GRANTS + 1), ranked.c.place == 1)
    query = sa.select(GRANTS).join(ranked, ranked.c.name == columns.name).where(few)
    found: dict[str, list[Grant]] = defaultdict(list)
    rows = session.execute(query.order_by(columns.name)).mappings()
    for grant in marked(session, [grant_of(row) for row in rows]):
        found[grant.resource].append(grant)
    return found


def requests(
    session: Session, *, consumer: str, resources: Collection[str]
) -> Mapping[str, list[AccessRequest]]:
    """A consumer's requests by resource: the newest open ones, and the newest decided one.

    At most `GREATEST_REQUESTS` of each; one statement. What they ask for is left out.
    """
    columns = REQUESTS.c
    is_open = columns.state.in_([state.value for state in OPEN])
    ranked = (
        sa.select(
            *(columns.name, columns.resource, columns.state, columns.create_time),
            *(columns.decide_time, columns.decision_reason, columns.decision_legal_basis),
            columns.review_note,
            is_open.label("open"),
            sa.func.row_number()
            .over(partition_by=[columns.resource, is_open], order_by=columns.create_time.desc())
            .label("place"),
        )
        .where(columns.consumer == consumer, columns.resource.in_(resources))
        .subquery()
    )
    few = sa.or_(sa.and_(ranked.c.open, ranked.c.place <= GREATEST_REQUESTS), ranked.c.place == 1)
    found: dict[str, list[AccessRequest]] = defaultdict(list)
    rows = session.execute(sa.select(ranked).where(few).order_by(ranked.c.name)).mappings()
    for row in rows:
        held = {k: v for k, v in row.items() if k not in ("open", "place")}
        found[row["resource"]].append(
            AccessRequest(
                **{**held, "state": AccessRequestState(row["state"])},
                items=(),
                operations=(),
                purpose="",
                legal_basis="",
            )
        )
    return found
