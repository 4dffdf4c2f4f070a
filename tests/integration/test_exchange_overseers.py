"""What overseers are told: previews of grants, systems and their certificates, maps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange.systems.service import Systems
from exchange.v1 import grants_pb2, oversight_pb2, spatial_pb2, systems_pb2
from runtime.authority import Authority
from runtime.clock import FixedClock
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    CIVIL,
    HEALTH,
    HOUSING,
    NOON,
    RESIDENTS,
    caller,
    put,
)
from tests.builders.exchange import exchange_node, person, refusal
from tests.builders.spatial import ITEMS, PARCELS, parcels, square


@pytest.fixture
async def node(tmp_path):
    async with exchange_node(tmp_path / "node") as started:
        yield started


def given(**more) -> oversight_pb2.PreviewGrantRequest:
    items = [
        grants_pb2.GrantedItem(item="name", mask=grants_pb2.MASK_FIRST_CHARACTER),
        grants_pb2.GrantedItem(item="region"),
    ]
    condition = grants_pb2.RowCondition(
        item="name", test=grants_pb2.ROW_TEST_EQUALS, values=["某乙"]
    )
    asked = {"resource": RESIDENTS, "consumer": HOUSING, "items": items, "row_filter": [condition]}
    return oversight_pb2.PreviewGrantRequest(**asked | more)


async def test_a_preview_shows_what_a_query_would_and_nobodys_record(node):
    source = node.connect(caller(CIVIL))
    await source.publish(person(1), person(2, "某乙"), person(3))
    answer = await source.oversight.PreviewGrant(given())
    assert [one.shown for one in answer.samples] == [True, False, True, False, True]
    assert dict(answer.samples[0].seen) == {"name": "某**", "region": "990101"}
    assert all(one.held["citizen_number"].startswith("990101") for one in answer.samples)
    assert (answer.held.looked_at, answer.held.shown, answer.held.complete) == (3, 1, True)
    # An administrator of another department, who may decide in the source's place, counts nothing.
    above = await node.connect(ADMINISTRATOR).oversight.PreviewGrant(given())
    assert list(above.samples) == list(answer.samples)
    assert not above.HasField("held")
    none = await source.oversight.PreviewGrant(given(items=[]))
    assert (none.held.shown, any(one.shown for one in none.samples)) == (0, False)


async def test_a_preview_shows_superseded_values_only_where_they_would_be_seen(node):
    source = node.connect(caller(CIVIL)).oversight
    query, subscribe = grants_pb2.OPERATION_QUERY, grants_pb2.OPERATION_SUBSCRIBE
    for operations, history, seen in (
        ([query, subscribe], True, [True, False, True, False, True]),
        ([query], True, [False] * 5),  # nobody asks for a time before the grant
        ([query, subscribe], False, [False] * 5),
    ):
        wanted = given(operations=operations, include_history=history)
        answer = await source.PreviewGrant(wanted)
        assert [bool(one.earlier_seen) for one in answer.samples] == seen
    assert not any("citizen_number" in one.earlier_seen for one in answer.samples)


async def test_a_preview_is_for_the_source_and_administrators_and_its_terms_are_checked(node):
    error = await refusal(node.connect(caller(HEALTH)).oversight.PreviewGrant(given()))
    assert error.reason == "NOT_THE_SOURCE"
    source = node.connect(caller(CIVIL)).oversight
    for wrong in (
        given(items=[grants_pb2.GrantedItem(item="salary")]),
        given(items=[grants_pb2.GrantedItem(item="name")] * 2),
        given(row_filter=[grants_pb2.RowCondition(item="x", test=1, values=["a"])]),
    ):
        assert (await refusal(source.PreviewGrant(wrong))).reason == "TERMS_INVALID"


async def test_systems_are_listed_to_overseers_only(node):
    every = systems_pb2.ListSystemsRequest(parent="departments/-")
    # The authority of these tests is in no folder of the node.
    assert not (await node.connect(ADMINISTRATOR).systems.ListSystems(every)).systems
    wrong = systems_pb2.ListSystemsRequest(parent=CIVIL, ends_within_days=-1)
    assert await refusal(node.connect(ADMINISTRATOR).systems.ListSystems(wrong))
    refused = await refusal(node.connect(caller(HOUSING)).systems.ListSystems(every))
    assert refused.reason == "ROLE_NOT_ALLOWED"


async def test_only_what_is_open_is_drawn_for_others(node):
    put(node.service.database, parcels(), clock=node.clock)
    node.service.schemas.invalidate()
    civil = node.connect(caller(CIVIL))
    rows = [["p1", "某甲", square(10.0, 40.0, 0.2)], ["p2", "某乙", ""]]
    await civil.publish(*rows, resource=PARCELS, items=ITEMS)
    asked = spatial_pb2.DrawResourceRequest(resource=PARCELS)
    drawn = await civil.spatial.DrawResource(asked)
    assert [one.label for one in drawn.outlines] == ["p1"]
    assert (drawn.bounds.west, drawn.bounds.north) == pytest.approx((10.0, 40.2), abs=0.2)
    others = node.connect(ADMINISTRATOR).spatial
    assert (await refusal(others.DrawResource(asked))).reason == "NOT_OPEN"
    residents = spatial_pb2.DrawResourceRequest(resource=RESIDENTS)
    assert (await refusal(civil.spatial.DrawResource(residents))).reason == "NO_GEOMETRY"


def test_revoked_and_ended_certificates_are_not_in_force(tmp_path):
    clock = FixedClock(NOON)
    folder = tmp_path / "authority"
    authority = Authority.create(folder, name="x", passphrase=b"long enough", now=clock.now())
    for name, days in (("a", 365), ("b", 10), ("b", 365)):
        system = f"departments/civil-affairs/systems/{name}"
        authority.issue(
            system=system, roles=[Role.DEPARTMENT], now=clock.now(), lifetime=timedelta(days=days)
        )
    systems = Systems(folder, clock)

    def told(days: int = 0) -> list[tuple[str, bool, int]]:
        page, token, _ = systems.page(
            "departments/-", ends_within_days=days, page_size=0, page_token=""
        )
        assert not token
        return [(one.name[-1], one.certificate is not None, len(one.earlier)) for one in page]

    assert told() == [("a", True, 0), ("b", True, 1)]
    assert told(30) == []
    authority.revoke_system("departments/civil-affairs/systems/a", now=clock.now())
    assert told(30) == [("a", False, 1)]
    assert systems.authority_ends() is None
    clock.set(authority.ends - timedelta(days=364))
    assert systems.authority_ends() == authority.ends
    authority.renew(now=clock.now())
    assert systems.authority_ends() is None
