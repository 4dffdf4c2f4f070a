"""One source for each item, behind a real port, on SQLite and on PostgreSQL."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.catalog.model import SharingType
from exchange.sources.model import key_hash
from exchange.v1 import catalog_pb2
from exchange.v1 import sources_pb2 as pb
from runtime.identity import Role
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
        await made.connect(caller(CIVIL)).publish(*(person(n) for n in range(40)))
        await made.connect(caller(HOUSING)).publish(
            *(person(n, "某乙" if n in (27, 28) else " 某甲") for n in range(20, 48)),
            resource=TENANTS,
        )
        made.clock.advance(timedelta(days=30))
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
    assert (found.both, found.equal, found.different) == (20, 18, 2)
    assert (found.only_first, found.only_second) == (20, 8)
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
    node.clock.advance(timedelta(days=1))
    settled = await measure(admin)  # the question is answered: nothing opens
    assert settled.source_case.name == case.name
    assert settled.source_case.state == pb.SOURCE_CASE_STATE_DECIDED
    shared = await admin.sources.ListSharedElements(pb.ListSharedElementsRequest())
    assert shared.elements[0].source == RESIDENTS
    assert not shared.elements[0].source_case

    (opened,) = node.leaves("source_case_opened")
    assert (opened["both"], opened["different"]) == (20, 2)
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
    for department, serials in ((CIVIL, range(40)), (HOUSING, range(20, 48))):
        told = await node.connect(caller(department)).sources.ListDifferingKeys(asked)
        hashes = set(told.key_hashes)
        own = [n for n in serials if key_hash(told.run_key, citizen_number(n)) in hashes]
        assert own == [27, 28]
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
    for secret in ("某甲", "某乙", citizen_number(27)):
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


async def guess(node, value: str) -> None:
    await node.connect(caller(HOUSING)).publish(person(3, value), resource=TENANTS)


async def test_who_publishes_a_guess_learns_nothing_by_measuring(node):
    admin = node.connect(ADMINISTRATOR)
    (before,) = (await measure(admin)).measurements
    await guess(node, "某丙")
    node.clock.advance(timedelta(days=29))
    after = await measure(admin)
    assert list(after.measurements) == [before]  # it has not stood for long enough
    party = node.connect(caller(HOUSING)).sources
    seen = await party.GetSourceCase(pb.GetSourceCaseRequest(name=after.source_case.name))
    listed = await party.ListSourceCases(pb.ListSourceCasesRequest())
    for case in (seen.source_case, *listed.source_cases):
        (one,) = case.measurements
        assert one.withheld
        assert not any((one.both, one.equal, one.different, one.only_first, one.only_second))
    told = await party.ListDifferingKeys(
        pb.ListDifferingKeysRequest(name=after.source_case.name, pair=1)
    )
    assert key_hash(told.run_key, citizen_number(3)) not in set(told.key_hashes)


async def test_an_element_is_measured_once_a_day(node):
    await measure(node.connect(ADMINISTRATOR))
    told = await refusal(measure(node.connect(ADMINISTRATOR)))
    assert told.reason == "MEASURED_LATELY"
    node.clock.advance(timedelta(hours=20))
    await measure(node.connect(ADMINISTRATOR))


async def test_no_party_measures_or_decides(node):
    party = node.connect(caller(HOUSING, Role.ADMINISTRATOR))
    assert (await refusal(measure(party))).reason == "PARTY_TO_THE_ELEMENT"
    stranger = node.connect(caller(HEALTH, Role.ADMINISTRATOR))
    assert (await refusal(measure(stranger))).reason == "NOT_ABOVE_THE_PARTIES"
    case = (await measure(node.connect(ADMINISTRATOR))).source_case
    asked = pb.DecideSourceCaseRequest(
        name=case.name, source=TENANTS, reason="我们是数源", request_id=fresh()
    )
    assert (await refusal(party.sources.DecideSourceCase(asked))).reason == "PARTY_TO_THE_ELEMENT"


async def test_few_records_in_common_are_not_counted_to_anybody(node):
    gone = [citizen_number(n) for n in range(39, 40)]
    await node.connect(caller(CIVIL)).publish(withdraw=gone)
    found = await measure(node.connect(ADMINISTRATOR))
    (one,) = found.measurements
    assert (one.withheld, one.both, one.only_first) == (True, 0, 0)
    assert not found.HasField("source_case")
    assert node.leaves("element_measured")[0]["both"] == 0


async def test_what_is_kept_from_sharing_is_measured_from_above_only(node):
    closed = replace(
        with_element(RESIDENTS, "101001/000001"),
        sharing_type=SharingType.NOT_SHARED,
        sharing_condition="",
        legal_basis="某法第一条",
    )
    put(node.service.database, closed, clock=node.clock)
    told = await refusal(measure(node.connect(ADMINISTRATOR)))
    assert told.reason == "NOT_ABOVE_THE_PARTIES"
