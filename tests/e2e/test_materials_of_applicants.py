"""Ask once, for an applicant who signed in: their own plan, consent and collection, no other's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from licenses.v1 import materials_pb2 as pb
from runtime.errors import DomainError
from runtime.identity import Role
from runtime.status import from_rpc_error
from tests.builders import materials
from tests.builders.materials import BENEFIT, ITEM
from tongban import collecting
from tongban.client import Client, new_request_id
from tongban.demonstration.stage import Stage

scene = materials.county_of_materials
MINE, OTHER = materials.person(3), materials.person(4)


@pytest.fixture(scope="module")
def applicant(scene: Stage) -> Iterator[Client]:
    with materials.applicant(scene, MINE) as client:
        yield client


def refused(call: Any) -> DomainError:
    with pytest.raises(grpc.RpcError) as told:
        call()
    return from_rpc_error(told.value)


def plan_of(item: str, code: str = "") -> pb.PlanMaterialsRequest:
    return pb.PlanMaterialsRequest(service_item=item, holder_code=code)


def test_an_applicant_plans_for_themselves_and_for_nobody_else(
    scene: Stage, applicant: Client
) -> None:
    offered = applicant.materials.ListServiceItems(
        pb.ListServiceItemsRequest(parent="departments/-")
    ).service_items
    assert ITEM in [one.name for one in offered]
    assert applicant.materials.GetHandling(pb.GetHandlingRequest(service_item=ITEM)).handling.fields
    made = materials.registered(scene, MINE)
    mine = applicant.materials.PlanMaterials(plan_of(BENEFIT, MINE.citizen_number)).materials
    assert (mine[2].reason, mine[2].license) == ("LICENSE_HELD", made.name)
    error = refused(
        lambda: applicant.materials.PlanMaterials(plan_of(BENEFIT, OTHER.citizen_number))
    )
    assert error.reason == "APPLICANT_NOT_IDENTIFIED"
    assert applicant.materials.PlanMaterials(plan_of(BENEFIT)).materials[2].license == ""


def test_a_grants_name_is_told_to_its_department_and_to_counters(
    scene: Stage, applicant: Client
) -> None:
    def told(client: Client) -> tuple[str, str]:
        one = client.materials.PlanMaterials(plan_of(ITEM)).materials[1]
        return one.reason, one.grant.rpartition("/")[0].rpartition("/")[2]

    for client in (scene["employment"], scene["terminal"]):
        assert told(client) == ("GRANT_IN_FORCE", "grants")
    for client in (applicant, scene["police"]):
        assert told(client) == ("GRANT_IN_FORCE", "")


def test_what_needs_no_question_the_applicant_collects_themselves(
    scene: Stage, applicant: Client
) -> None:
    def begun(*agreed: str) -> str:
        request = pb.BeginCollectionRequest(
            service_item=BENEFIT, holder_code=MINE.citizen_number, materials=agreed,
            consent="在网页上同意", request_id=new_request_id(),
        )  # fmt: skip
        return str(applicant.materials.BeginCollection(request).collection.name)

    def collect(client: Client, name: str, code: str = MINE.citizen_number) -> pb.Collection:
        request = pb.CollectMaterialsRequest(
            collection=name, holder_code=code, request_id=new_request_id(),
            entries={"name": "示例", "phone": "10012345678"},
        )  # fmt: skip
        return client.materials.CollectMaterials(request).collection

    planned = applicant.materials.PlanMaterials(plan_of(BENEFIT, MINE.citizen_number))
    asks = [one.display_name for one in planned.materials if one.reason == "GRANT_IN_FORCE"]
    held = [one.display_name for one in planned.materials if one.license]
    # What the department reads under its grants, it collects by itself.
    with_questions = begun(*asks)
    assert refused(lambda: collect(applicant, with_questions)).reason == "DEPARTMENT_COLLECTS"
    name = begun(*held)
    with materials.applicant(scene, OTHER) as other:
        for code in (OTHER.citizen_number, MINE.citizen_number):
            error = refused(lambda code=code: collect(other, name, code))
            assert error.reason == "COLLECTION_NOT_FOUND"
    error = refused(lambda: collect(scene["police"], name))
    assert error.reason == "COLLECTION_NOT_FOUND"
    done = collect(applicant, name)
    assert done.state == pb.COLLECTION_STATE_COLLECTED
    assert [one.material for one in done.copies] == held
    got = scene["employment"].materials.GetCollection(pb.GetCollectionRequest(name=name))
    assert got.collection.state == pb.COLLECTION_STATE_COLLECTED


def test_what_the_applicant_entered_once_fills_the_departments_form(
    scene: Stage, applicant: Client
) -> None:
    begun = materials.begin(scene, ITEM, MINE)
    ask = pb.GetCollectionRequest(name=begun.name, holder_code=MINE.citizen_number)
    asked = applicant.materials.GetCollection(ask).collection
    assert list(asked.entries) == ["phone"] == [one.code for one in asked.entry_fields]
    with materials.applicant(scene, OTHER) as other:
        error = refused(lambda: materials.enter(other, begun.name, MINE, phone="10012345678"))
        assert error.reason == "COLLECTION_NOT_FOUND"
        error = refused(lambda: materials.enter(other, begun.name, OTHER, phone="10012345678"))
        assert error.reason == "COLLECTION_NOT_FOUND"
    error = refused(lambda: materials.enter(applicant, begun.name, MINE))
    assert error.reason == "ENTRIES_MISSING"
    assert [one.field for one in error.violations] == ["entries[phone]"]
    materials.enter(applicant, begun.name, MINE, phone="10012345670")
    kept = materials.enter(applicant, begun.name, MINE, phone="10012345678")
    assert (list(kept.entries), dict(kept.entered)) == ([], {"phone": "10012345678"})
    bureau = scene["employment"]
    whole = pb.GetCollectionRequest(name=begun.name)
    seen = bureau.materials.GetCollection(whole).collection
    assert (list(seen.entries), dict(seen.entered)) == ([], {"phone": "10012345678"})
    # Their own word stands, whatever the department's system was told.
    done = collecting.collect(bureau, begun.name, MINE.citizen_number, {"phone": "10000000000"})
    (phone,) = (one for one in done.form if one.code == "phone")
    assert (phone.value, phone.source, phone.origin) == ("10012345678", "entry", "applicant")
    assert not applicant.materials.GetCollection(ask).collection.entered
    error = refused(lambda: materials.enter(applicant, begun.name, MINE, phone="1"))
    assert error.reason == "ALREADY_COLLECTED"


def test_an_entry_is_of_the_type_and_the_list_that_its_field_has(scene: Stage) -> None:
    request = pb.BeginCollectionRequest(
        service_item=BENEFIT, holder_code=OTHER.citizen_number, consent="不同意代为获取",
        request_id=new_request_id(),
    )  # fmt: skip
    with materials.applicant(scene, OTHER) as other:
        begun = other.materials.BeginCollection(request).collection
        ask = pb.GetCollectionRequest(name=begun.name, holder_code=OTHER.citizen_number)
        fields = {
            one.code: one for one in other.materials.GetCollection(ask).collection.entry_fields
        }
        assert fields["birth_date"].kind == pb.ENTRY_KIND_DATE
        assert fields["phone"].kind == pb.ENTRY_KIND_TEXT
        of_list = fields["registration_type"]
        assert of_list.kind == pb.ENTRY_KIND_CODE
        good = {
            "name": OTHER.name, "phone": "10012345678", "birth_date": OTHER.birth_date,
            "registration_type": of_list.values[0].code,
        }  # fmt: skip
        for code, wrong in (
            ("birth_date", "1990-02-30"),
            ("registration_type", "某种登记"),
            ("phone", "1" * 201),
            ("name", "某\u202e某"),
        ):
            bad = {**good, code: wrong}
            error = refused(lambda bad=bad: materials.enter(other, begun.name, OTHER, **bad))
            told = [one.field for one in error.violations]
            assert (error.reason, told) == ("BAD_ENTRY", [f"entries[{code}]"])
            assert wrong not in f"{error} {error.message_zh} {error.violations}"
        assert dict(materials.enter(other, begun.name, OTHER, **good).entered) == good


def test_an_applicant_sees_their_own_collections_and_nobody_elses(
    scene: Stage, applicant: Client
) -> None:
    begun = materials.begin(scene, ITEM, MINE)
    mine = pb.ListCollectionsRequest(holder_code=MINE.citizen_number)
    listed = applicant.materials.ListCollections(mine).collections
    assert listed[0].name == begun.name
    assert not any(one.grant for one in listed[0].materials)
    ask = pb.GetCollectionRequest(name=begun.name, holder_code=MINE.citizen_number)
    # The accepting department needs no code, and may give one; its counters read no forms.
    for client in (applicant, scene["employment"]):
        assert client.materials.GetCollection(ask).collection.name == begun.name
    with materials.department(scene, "human-resources", Role.COUNTER) as counter:
        whole = pb.GetCollectionRequest(name=begun.name)
        error = refused(lambda: counter.materials.GetCollection(whole))
        assert error.reason == "COLLECTION_NOT_FOUND"
    with materials.applicant(scene, OTHER) as other:
        assert not other.materials.ListCollections(mine).collections
        for code in (MINE.citizen_number, OTHER.citizen_number, ""):
            ask = pb.GetCollectionRequest(name=begun.name, holder_code=code)
            error = refused(lambda ask=ask: other.materials.GetCollection(ask))
            assert error.reason == "COLLECTION_NOT_FOUND"
    end = pb.EndCollectionRequest(
        name=begun.name, holder_code=MINE.citizen_number, request_id=new_request_id()
    )
    ended = applicant.materials.EndCollection(end).collection
    assert ended.state == pb.COLLECTION_STATE_ENDED
    assert applicant.materials.EndCollection(end).collection == ended


def test_of_two_licenses_the_applicant_says_which_one_stands_in(
    scene: Stage, applicant: Client
) -> None:
    named = [materials.registered(scene, MINE).name for _ in range(2)]
    planned = applicant.materials.PlanMaterials(plan_of(BENEFIT, MINE.citizen_number)).materials
    (one,) = (one for one in planned if one.license_choices)
    assert one.reason == "LICENSES_HELD"
    assert set(named) <= set(one.license_choices)

    def begin(*licenses: str) -> pb.Collection:
        request = pb.BeginCollectionRequest(
            service_item=BENEFIT, holder_code=MINE.citizen_number, materials=[one.display_name],
            licenses=licenses, consent="在网页上同意", request_id=new_request_id(),
        )  # fmt: skip
        return applicant.materials.BeginCollection(request).collection

    for wrong in ((), named):
        assert refused(lambda wrong=wrong: begin(*wrong)).reason == "LICENSE_NOT_CHOSEN"
    begun = begin(named[1])
    assert [one.license for one in begun.materials if one.license] == [named[1]]
