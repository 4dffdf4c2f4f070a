"""One source for each item, behind a real port, on SQLite and on PostgreSQL."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.sources.model import key_hash
from exchange.v1 import catalog_pb2
from exchange.v1 import sources_pb2 as pb
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    RESIDENTS,
    caller,
    put,
    resource,
)
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

TENANTS = f"{HOUSING}/resources/tenants"


def with_element(name: str, code: str):
    made = resource(name, code=code)
    items = tuple(
        replace(item, element="population.name") if item.code == "name" else item
        for item in made.items
    )
    return replace(made, items=items)


@pytest.fixture
async def node(tmp_path, database_url):
    database = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path, database) as made:
        put(made.service.database, with_element(RESIDENTS, "101001/000001"), clock=made.clock)
        put(made.service.database, with_element(TENANTS, "101001/000002"), clock=made.clock)
        made.service.schemas.invalidate()
        await made.connect(caller(CIVIL)).publish(*(person(n) for n in range(10)))
        await made.connect(caller(HOUSING)).publish(
            *(person(n, "某乙" if n in (7, 8) else " 某甲") for n in range(5, 13)),
            resource=TENANTS,
        )
        yield made


def fresh() -> str:
    return str(uuid.uuid4())


def measure(stubs):
    return stubs.sources.MeasureElement(
        pb.MeasureElementRequest(element="population.name", request_id=fresh())
    )


async def test_from_measuring_to_the_named_source(node):
    admin = node.connect(ADMINISTRATOR)
    shared = await admin.sources.ListSharedElements(pb.ListSharedElementsRequest())
    (element,) = shared.elements
    assert element.element == "population.name"
    assert [one.resource for one in element.publishers] == [RESIDENTS, TENANTS]
    absent = admin.sources.GetAuthoritativeSource(
        pb.GetAuthoritativeSourceRequest(element="population.name")
    )
    assert (await refusal(absent)).reason == "SOURCE_NOT_NAMED"

    measured = await measure(admin)
    (found,) = measured.measurements
    assert (found.both, found.equal, found.different) == (5, 3, 2)
    assert (found.only_first, found.only_second) == (5, 3)
    case = measured.source_case
    assert case.state == pb.SOURCE_CASE_STATE_OPEN

    node.clock.advance(timedelta(days=1))
    again = await measure(admin)  # renews the open case
    assert again.source_case.name == case.name

    decided = await admin.sources.DecideSourceCase(
        pb.DecideSourceCaseRequest(
            name=case.name, source=RESIDENTS, reason="以民政为准", request_id=fresh()
        )
    )
    assert decided.source_case.state == pb.SOURCE_CASE_STATE_DECIDED
    anyone = node.connect(caller(HEALTH))
    told = await anyone.sources.GetAuthoritativeSource(
        pb.GetAuthoritativeSourceRequest(element="population.name")
    )
    assert (told.resource, told.item, told.source_case) == (RESIDENTS, "name", case.name)
    settled = await measure(admin)  # the question is answered: nothing opens
    assert settled.source_case.name == case.name
    assert settled.source_case.state == pb.SOURCE_CASE_STATE_DECIDED
    shared = await admin.sources.ListSharedElements(pb.ListSharedElementsRequest())
    assert shared.elements[0].source == RESIDENTS
    assert not shared.elements[0].source_case

    (opened,) = node.leaves("source_case_opened")
    assert (opened["both"], opened["different"]) == (5, 2)
    (logged,) = node.leaves("source_case_decided")
    assert "以民政为准" not in str(logged)


async def test_a_source_that_leaves_the_catalog_is_one_no_more(node):
    admin = node.connect(ADMINISTRATOR)
    case = (await measure(admin)).source_case
    await admin.sources.DecideSourceCase(
        pb.DecideSourceCaseRequest(
            name=case.name, source=RESIDENTS, reason="以民政为准", request_id=fresh()
        )
    )
    listed = await admin.catalog.GetDataResource(catalog_pb2.GetDataResourceRequest(name=RESIDENTS))
    before = await admin.sources.ListSharedElements(pb.ListSharedElementsRequest())
    assert len(before.elements) == 1
    assert listed.resource.state == catalog_pb2.ENTRY_STATE_ACTIVE
    await admin.catalog.ApplyDirectory(
        catalog_pb2.ApplyDirectoryRequest(
            changes=[catalog_pb2.DirectoryChange(withdraw=RESIDENTS)],
            source="test",
            request_id=fresh(),
        )
    )
    assert not (await admin.sources.ListSharedElements(pb.ListSharedElementsRequest())).elements
    gone = admin.sources.GetAuthoritativeSource(
        pb.GetAuthoritativeSourceRequest(element="population.name")
    )
    assert (await refusal(gone)).reason == "SOURCE_NOT_NAMED"


async def test_a_party_finds_its_differing_records_and_nobody_else_does(node):
    case = (await measure(node.connect(ADMINISTRATOR))).source_case
    asked = pb.ListDifferingKeysRequest(name=case.name, pair=1)
    for department, serials in ((CIVIL, range(10)), (HOUSING, range(5, 13))):
        told = await node.connect(caller(department)).sources.ListDifferingKeys(asked)
        hashes = set(told.key_hashes)
        own = [n for n in serials if key_hash(told.run_key, citizen_number(n)) in hashes]
        assert own == [7, 8]
    outsider = node.connect(caller(HEALTH)).sources
    assert (await refusal(outsider.ListDifferingKeys(asked))).reason == "SOURCE_CASE_NOT_FOUND"
    seen = outsider.GetSourceCase(pb.GetSourceCaseRequest(name=case.name))
    assert (await refusal(seen)).reason == "SOURCE_CASE_NOT_FOUND"
    for principal in (ADMINISTRATOR, AUDITOR):
        call = node.connect(principal).sources.ListDifferingKeys(asked)
        assert (await refusal(call)).reason == "ROLE_NOT_ALLOWED"
    assert len(node.leaves("differing_keys_listed")) == 2
    one = pb.ListDifferingKeysRequest(name=case.name, pair=1, page_size=1)
    page = await node.connect(caller(CIVIL)).sources.ListDifferingKeys(one)
    one.page_token = page.next_page_token
    rest = await node.connect(caller(CIVIL)).sources.ListDifferingKeys(one)
    assert {*page.key_hashes, *rest.key_hashes} == hashes
    assert not rest.next_page_token


async def test_no_value_and_no_key_is_kept_or_logged(node):
    await measure(node.connect(ADMINISTRATOR))
    held = node.service.database.held
    kept = str(held.rows("SELECT * FROM source_case", ()))
    kept += str([bytes(h[0]) for h in held.rows("SELECT key_hash FROM source_difference", ())])
    logged = str(node.leaves("source_case_opened"))
    for secret in ("某甲", "某乙", citizen_number(7)):
        assert secret not in kept
        assert secret not in logged


async def test_who_may_not(node):
    civil = node.connect(caller(CIVIL)).sources
    asked = pb.MeasureElementRequest(element="population.name", request_id=fresh())
    assert (await refusal(civil.MeasureElement(asked))).reason == "ROLE_NOT_ALLOWED"
    admin = node.connect(ADMINISTRATOR).sources
    for element, reason in (("", "ELEMENT_REQUIRED"), ("population.x", "ELEMENT_NOT_SHARED")):
        call = admin.MeasureElement(pb.MeasureElementRequest(element=element, request_id=fresh()))
        assert (await refusal(call)).reason == reason
    case = (await measure(node.connect(ADMINISTRATOR))).source_case
    dismissed = await admin.DismissSourceCase(
        pb.DismissSourceCaseRequest(name=case.name, reason="口径不同", request_id=fresh())
    )
    assert dismissed.source_case.state == pb.SOURCE_CASE_STATE_DISMISSED
    twice = admin.DismissSourceCase(
        pb.DismissSourceCaseRequest(name=case.name, reason="口径不同", request_id=fresh())
    )
    assert (await refusal(twice)).reason == "SOURCE_CASE_CLOSED"
    listed = await node.connect(caller(HOUSING)).sources.ListSourceCases(
        pb.ListSourceCasesRequest(state=pb.SOURCE_CASE_STATE_DISMISSED)
    )
    assert [one.name for one in listed.source_cases] == [case.name]


async def test_a_repeated_request_measures_once(node):
    admin = node.connect(ADMINISTRATOR).sources
    asked = pb.MeasureElementRequest(element="population.name", request_id="one")
    first = await admin.MeasureElement(asked)
    assert await admin.MeasureElement(asked) == first
    assert len(node.leaves("source_case_opened")) == 1
    assert not node.leaves("source_case_measured")
    asked.element = "population.other"
    assert (await refusal(admin.MeasureElement(asked))).reason == "REQUEST_ID_REUSED"
