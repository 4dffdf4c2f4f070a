"""Quality of a resource by a real port: measured by its source, seen by who may."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from exchange.v1 import quality_pb2 as pb
from exchange.v1 import sources_pb2
from runtime.identity import Role
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HOUSING,
    RESIDENTS,
    caller,
    put,
    resource,
)
from tests.builders.exchange import exchange_node, person, refusal

TENANTS = f"{HOUSING}/resources/tenants"


def with_element(name: str, code: str):
    made = resource(name, code=code)
    items = tuple(
        replace(item, element="population.name") if item.code == "name" else item
        for item in made.items
    )
    return replace(made, items=items)


async def measured(stubs, request_id: str = "one") -> pb.Quality:
    await stubs.quality.MeasureQuality(
        pb.MeasureQualityRequest(resource=RESIDENTS, request_id=request_id)
    )
    while True:
        found = (await stubs.quality.GetQuality(pb.GetQualityRequest(resource=RESIDENTS))).quality
        if found.state != pb.QUALITY_STATE_RUNNING:
            return found
        await asyncio.sleep(0.02)


async def test_a_source_measures_its_resource_and_others_see_what_they_may(tmp_path):
    async with exchange_node(tmp_path) as node:
        put(node.service.database, with_element(RESIDENTS, "101001/000001"), clock=node.clock)
        put(node.service.database, with_element(TENANTS, "101001/000002"), clock=node.clock)
        node.service.schemas.invalidate()
        source, other = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))
        ask = pb.GetQualityRequest(resource=RESIDENTS)
        fresh = (await source.quality.GetQuality(ask)).quality
        assert (fresh.state, fresh.records) == (pb.QUALITY_STATE_UNSPECIFIED, 0)
        await source.publish(*(person(n) for n in range(40)))
        await other.publish(
            *(person(n, "某乙" if n < 22 else "某甲") for n in range(20, 44)), resource=TENANTS
        )
        found = await measured(source)
        assert found.state == pb.QUALITY_STATE_DONE
        assert (found.records, found.faultless, found.duplicates) == (40, 40, 39)
        filled = {one.item: one.filled for one in found.items}
        assert (filled["name"], filled["photo"]) == (40, 0)
        (name,) = found.disagreements
        assert (name.item, name.element, name.others) == ("name", "population.name", 1)
        assert (name.source_case, name.differing) == ("", 0)
        await measured(source, "one")  # a repeat begins nothing anew
        assert len(node.leaves("quality_measured")) == 1
        node.clock.advance(timedelta(days=30))
        await node.connect(ADMINISTRATOR).sources.MeasureElement(
            sources_pb2.MeasureElementRequest(element="population.name", request_id="m")
        )
        (name,) = (await source.quality.GetQuality(ask)).quality.disagreements
        assert name.differing == 2
        assert name.source_case.startswith("sourceCases/")
        for who in (AUDITOR, ADMINISTRATOR):
            seen = (await node.connect(who).quality.GetQuality(ask)).quality
            assert seen.records == 40
        for call in (
            other.quality.GetQuality(ask),
            other.quality.MeasureQuality(
                pb.MeasureQualityRequest(resource=RESIDENTS, request_id="x")
            ),
        ):
            assert (await refusal(call)).reason == "NOT_THE_SOURCE"
        counter = node.connect(caller(CIVIL, Role.COUNTER, system="counter"))
        assert (await refusal(counter.quality.GetQuality(ask))).reason == "ROLE_NOT_ALLOWED"
