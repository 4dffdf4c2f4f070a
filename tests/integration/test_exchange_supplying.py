"""The clock of the first supply, from a consent to the first batch, on each database."""

from datetime import timedelta

import pytest

from exchange.deadlines import service as deadlines
from exchange.deadlines.jurisdictions import Kind
from exchange.deadlines.model import DeadlineState
from exchange.grants import service
from exchange.grants.model import Mask
from tests.builders.catalog import CIVIL, HEALTH, HOUSING, caller, put, resource
from tests.builders.exchange import exchange_node, person

OTHER = f"{CIVIL}/resources/others"
NAMED = {"name": Mask.WHOLE}


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        put(started.service.database, resource(OTHER, code="101001/000009"), clock=started.clock)
        yield started


def clock_of(node, grant: str):
    with node.service.database.reading() as session:
        found = deadlines.of_subjects(session, [grant])
    assert set(found) <= {(grant, Kind.SUPPLY_AFTER_CONSENT)}
    return found.get((grant, Kind.SUPPLY_AFTER_CONSENT))


async def test_the_first_batch_ends_the_clocks_of_all_grants_of_its_resource(node):
    grants = [node.grant(NAMED), node.grant(NAMED, department=HEALTH)]
    other = node.grant(NAMED, resource=OTHER)
    began = clock_of(node, grants[0])
    assert (began.department, began.owner, began.days) == (CIVIL, HOUSING, 20)
    assert began.due.isoformat() == "2026-03-30"  # twenty working days from Monday the 2nd
    node.clock.advance(timedelta(days=28))  # that day
    await node.connect(caller(CIVIL)).publish(person(1))
    assert [clock_of(node, grant).state for grant in grants] == [DeadlineState.MET] * 2
    assert clock_of(node, other).state is DeadlineState.RUNNING
    node.clock.advance(timedelta(days=1))
    await node.connect(caller(CIVIL)).publish(person(1), resource=OTHER)
    assert clock_of(node, other).state is DeadlineState.LATE
    assert len(node.leaves("deadline_finished")) == len(grants) + 1 + 3  # and of three replies


async def test_where_records_are_held_nothing_is_owed(node):
    await node.connect(caller(CIVIL)).publish(person(1))
    assert clock_of(node, node.grant(NAMED)) is None


async def test_a_revoked_grant_is_owed_nothing(node):
    grant = node.grant(NAMED)
    with node.service.database.unit_of_work() as work:
        service.revoke_grant(work, caller(CIVIL), name=grant, reason="完", clock=node.clock)
    assert clock_of(node, grant).state is DeadlineState.CANCELLED
    await node.connect(caller(CIVIL)).publish(person(1))
    assert clock_of(node, grant).state is DeadlineState.CANCELLED
