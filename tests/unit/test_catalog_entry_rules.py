"""What may be said of items, resources and service items beyond the first release: rule by rule."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exchange.catalog import directory
from exchange.catalog.model import (
    CodeValue,
    DataItem,
    ItemType,
    Sensitivity,
    SharingType,
    content_of,
    entry_from_content,
    etag_of,
)
from exchange.catalog.schema import schema_of
from exchange.catalog.service_item import (
    Audience,
    DepartmentLevel,
    EntryState,
    Fee,
    FeeSchedule,
    Material,
    MaterialKind,
    Replacement,
    TimeLimit,
)
from exchange.catalog.staleness import CYCLE_DAYS, fresh_until, is_stale
from runtime.errors import InvalidArgument
from tests.builders import catalog as build
from tests.builders.catalog import CIVIL, HOUSING


def paths(*changes, replacing=None) -> list[str]:
    with pytest.raises(InvalidArgument) as refused:
        directory.plan(changes, held={}, departments=(CIVIL, HOUSING), replacing=replacing)
    return [v.field for v in refused.value.violations]


def item(**changes) -> DataItem:
    return replace(build.resource().items[0], **changes)


def material(**changes) -> Material:
    said = Material(display_name="身份证", kind=MaterialKind.COPY, copies=1, required=True)
    return replace(said, **changes)


def test_what_is_open_to_all_has_no_sensitive_item():
    plain = item(personal=False)
    for kept in (Sensitivity.SENSITIVE, Sensitivity.HIGHLY_SENSITIVE):
        wrong = replace(plain, code="x", sensitivity=kept)
        assert paths(build.resource(open=True, items=(plain, wrong))) == [
            "changes[0].put_resource.open"
        ]
    # A personal item is no open one, whatever is said of how sensitive it is.
    said = replace(plain, personal=True, sensitivity=Sensitivity.PUBLIC)
    assert paths(build.resource(open=True, items=(said,)))
    directory.plan([build.resource(open=True, items=(plain,))], held={}, departments=(CIVIL,))


VALUES = tuple(CodeValue(code=str(n), display_name=f"值{n}") for n in range(3))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"legal_basis": "长" * 501}, "legal_basis"),
        ({"sharing_type": SharingType.NOT_SHARED, "legal_basis": " "}, "legal_basis"),
        ({"theme": "Credit"}, "theme"),
        ({"open": True}, "open"),
        ({"theme": "a" * 65}, "theme"),
        ({"quality": "长" * 2001}, "quality"),
        ({"contact_office": "长" * 201}, "contact_office"),
        ({"items": (item(definition="长" * 501),)}, "items[0].definition"),
        ({"items": (item(element="name"),)}, "items[0].element"),
        ({"items": (item(element="population.Name"),)}, "items[0].element"),
        ({"items": (item(element="a." + "b" * 127),)}, "items[0].element"),
        ({"items": (item(code_list="长" * 65),)}, "items[0].code_list"),
        ({"items": (item(), item(code="x", type=ItemType.DATE, code_values=VALUES))},
         "items[1].code_values"),
        ({"items": (item(code_values=tuple(
            CodeValue(code=str(n), display_name="值") for n in range(201))),)},
         "items[0].code_values"),
        ({"items": (item(code_values=(VALUES[0], VALUES[0])),)}, "items[0].code_values[1].code"),
        ({"items": (item(code_values=(CodeValue(code="", display_name="值"),)),)},
         "items[0].code_values[0].code"),
        ({"items": (item(code_values=(CodeValue(code="1", display_name=""),)),)},
         "items[0].code_values[0].display_name"),
    ],
)  # fmt: skip
def test_a_faulty_resource_is_refused_by_its_field(changes, field):
    assert paths(build.resource(**changes)) == [f"changes[0].put_resource.{field}"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"item_type": "magic"}, "item_type"),
        ({"legal_basis": ("",)}, "legal_basis[0]"),
        ({"legal_basis": ("某条例",) * 51}, "legal_basis"),
        ({"levels": (DepartmentLevel.UNSPECIFIED,)}, "levels"),
        ({"levels": (DepartmentLevel.CITY, DepartmentLevel.CITY)}, "levels"),
        ({"conditions": "长" * 2001}, "conditions"),
        ({"audience": (Audience.UNSPECIFIED,)}, "audience"),
        ({"materials": (material(),) * 101}, "materials"),
        ({"materials": (material(display_name=""),)}, "materials[0].display_name"),
        ({"materials": (material(kind=MaterialKind.UNSPECIFIED),)}, "materials[0].kind"),
        ({"materials": (material(copies=101),)}, "materials[0].copies"),
        ({"materials": (material(source="长" * 201),)}, "materials[0].source"),
        ({"materials": (material(replaced_by=Replacement()),)},
         "materials[0].replaced_by.license_type"),
        ({"materials": (material(replaced_by=Replacement(
            license_type="licenseTypes/a", resource=build.RESIDENTS, item="name")),)},
         "materials[0].replaced_by.license_type"),
        ({"materials": (material(replaced_by=Replacement(license_type="types/a")),)},
         "materials[0].replaced_by.license_type"),
        ({"materials": (material(replaced_by=Replacement(resource="x", item="name")),)},
         "materials[0].replaced_by.resource"),
        ({"materials": (material(replaced_by=Replacement(resource=build.RESIDENTS)),)},
         "materials[0].replaced_by.item"),
        ({"time_limit": TimeLimit(statutory_days=-1)}, "time_limit.statutory_days"),
        ({"time_limit": TimeLimit(promised_days=3651)}, "time_limit.promised_days"),
        ({"time_limit": TimeLimit(statutory_days=5, promised_days=6)}, "time_limit.promised_days"),
        ({"fee_schedule": FeeSchedule(fees=(Fee(
            display_name="", amount="1", legal_basis="某条例"),))},
         "fee_schedule.fees[0].display_name"),
        ({"fee_schedule": FeeSchedule(fees=(Fee(
            display_name="工本费", amount="1.234", legal_basis="某条例"),))},
         "fee_schedule.fees[0].amount"),
        ({"fee_schedule": FeeSchedule(fees=(Fee(display_name="工本费", amount="1"),))},
         "fee_schedule.fees[0].legal_basis"),
        ({"fee_schedule": FeeSchedule(fees=(Fee(
            display_name="工本费", amount="1", legal_basis="某条例"),) * 51)},
         "fee_schedule.fees"),
    ],
)  # fmt: skip
def test_a_faulty_service_item_is_refused_by_its_field(changes, field):
    known = {build.RESIDENTS: build.resource()}
    found = paths(build.service_item(**changes), replacing=known)
    assert f"changes[0].put_service_item.{field}" in found
    assert len({one.partition("].put")[2].partition("replaced_by")[0] for one in found}) == 1


def test_what_replaces_a_material_is_in_the_catalog_or_in_the_batch():
    def wanting(resource, code):
        replaced = Replacement(resource=resource, item=code)
        return build.service_item(materials=(material(replaced_by=replaced),))

    field = "changes[0].put_service_item.materials[0].replaced_by"
    assert paths(wanting(build.RESIDENTS, "name")) == [f"{field}.resource"]
    known = {build.RESIDENTS: build.resource()}
    assert paths(wanting(build.RESIDENTS, "wealth"), replacing=known) == [f"{field}.item"]
    changes = [wanting(build.RESIDENTS, "name")]
    assert directory.replacing_resources(changes) == {build.RESIDENTS}
    assert directory.plan(changes, held={}, departments=(CIVIL,), replacing=known).added == 1
    changes.append(build.resource())
    assert directory.replacing_resources(changes) == set()
    assert directory.plan(changes, held={}, departments=(CIVIL,)).added == 2


def whole_service_item():
    return build.service_item(
        item_type="licensing",
        legal_basis=("某条例第三条",),
        levels=(DepartmentLevel.CITY, DepartmentLevel.COUNTY),
        conditions="年满六十周岁",
        audience=(Audience.NATURAL_PERSON,),
        materials=(
            material(replaced_by=Replacement(license_type="licenseTypes/identity")),
            material(display_name="照片", kind=MaterialKind.ELECTRONIC),
        ),
        time_limit=TimeLimit(statutory_days=20, promised_days=0),
        fee_schedule=FeeSchedule(
            fees=(Fee(display_name="工本费", amount="10.50", unit="本", legal_basis="某条例"),)
        ),
    )


def test_what_is_said_is_kept_whole():
    listed = item(
        definition="依法登记的号码", sensitivity=Sensitivity.HIGHLY_SENSITIVE,
        element="population.citizen_number", code_list="某标准", code_values=VALUES,
    )  # fmt: skip
    resource = build.resource(
        items=(listed,), legal_basis="某条例", theme="credit", quality="每日校验",
        contact_office="信息科",
    )  # fmt: skip
    for entry in (resource, whole_service_item(), build.service_item(fee_schedule=FeeSchedule())):
        assert entry_from_content(content_of(entry)) == entry


def test_what_was_held_before_keeps_its_etag():
    # The content of the first release: not a word more.
    assert b"legal_basis" not in content_of(build.resource())
    assert b"definition" not in content_of(build.resource())
    held = content_of(build.service_item())
    assert (
        held
        == (
            '{"code":"000511001000","display_name":"老年人优待证办理","handling_type":"即办件",'
            '"name":"departments/civil-affairs/serviceItems/old-age-card","remark":"资料齐全"}'
        ).encode()
    )
    assert etag_of(held, EntryState.ACTIVE) == etag_of(
        content_of(entry_from_content(held)), EntryState.ACTIVE
    )


@pytest.mark.parametrize(
    ("said", "personal", "holds"),
    [
        (Sensitivity.UNSPECIFIED, False, Sensitivity.INTERNAL),
        (Sensitivity.UNSPECIFIED, True, Sensitivity.SENSITIVE),
        (Sensitivity.PUBLIC, False, Sensitivity.PUBLIC),
        (Sensitivity.HIGHLY_SENSITIVE, True, Sensitivity.HIGHLY_SENSITIVE),
    ],
)
def test_an_item_that_says_nothing_is_as_sensitive_as_its_kind(said, personal, holds):
    assert item(sensitivity=said, personal=personal).effective_sensitivity is holds


@pytest.mark.parametrize(
    ("changes", "value", "good"),
    [
        ({"code_values": VALUES}, "1", True),
        ({"code_values": VALUES}, "3", False),
        ({"type": ItemType.NUMBER, "code_values": VALUES}, "2", True),
        ({"type": ItemType.GEOMETRY}, '{"type":"Point","coordinates":[114.1,35.2]}', True),
        ({"type": ItemType.GEOMETRY}, '{"type":"Point"}', False),
        ({"type": ItemType.GEOMETRY}, "here", False),
    ],
)
def test_values_of_a_list_and_geometries(changes, value, good):
    plain = {"length": 0, "standard": ""}
    key, other = item(), item(code="x", **{**plain, **changes})
    schema = schema_of(build.resource(items=(replace(key, required=False), other)))
    assert (schema.violations(["", value]) == []) is good
    assert schema.fit([[""], [value]]) is good


@pytest.mark.parametrize(("cycle", "days"), CYCLE_DAYS.items())
def test_a_batch_keeps_the_promise_for_one_cycle(cycle, days):
    published = build.resource(update_cycle=cycle, last_publish_time=build.NOON)
    until = build.NOON + timedelta(days=days)
    assert fresh_until(published) == until
    assert not is_stale(published, until)
    assert is_stale(published, until + timedelta(microseconds=1))


def test_only_what_is_owed_is_stale():
    never = build.resource()
    assert is_stale(never, build.NOON)
    assert fresh_until(never) is None
    assert not is_stale(build.resource(state=EntryState.WITHDRAWN), build.NOON)
    withheld = build.resource(sharing_type=SharingType.NOT_SHARED, legal_basis="某条例")
    assert not is_stale(withheld, build.NOON)
