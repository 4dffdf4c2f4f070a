"""The rules of a batch: one case per rule, all problems at once, by their paths."""

import time
from dataclasses import replace

import pytest

from exchange.catalog import directory
from exchange.catalog.directory import Held, Withdrawal
from exchange.catalog.model import (
    DataItem,
    EntryState,
    ItemType,
    ResourceCategory,
    SharingType,
    content_of,
    etag_of,
)
from runtime.errors import Aborted, InvalidArgument, PermissionDenied
from runtime.identity import Role
from tests.builders import catalog as build
from tests.builders.catalog import CIVIL, HOUSING


def plan(*changes, held=(), departments=(CIVIL, HOUSING)):
    return directory.plan(changes, held={h.name: h for h in held}, departments=departments)


def held(entry, state=EntryState.ACTIVE, version=1) -> Held:
    content = content_of(entry)
    return Held(
        name=entry.name, version=version, content=content, state=state, etag=etag_of(content, state)
    )


def paths(*changes, **known) -> list[str]:
    with pytest.raises(InvalidArgument) as refused:
        plan(*changes, **known)
    assert refused.value.reason == "DIRECTORY_INVALID"
    return [v.field for v in refused.value.violations]


def item(**changes) -> DataItem:
    return replace(build.resource().items[0], **changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "departments/civil-affairs/serviceItems/x"}, "name"),
        ({"name": "departments/Civil/resources/x"}, "name"),
        ({"code": ""}, "code"),
        ({"code": "10100/1"}, "code"),
        ({"code": "101001"}, "code"),
        ({"code": "101001-1"}, "code"),
        ({"code": "001001/1"}, "code"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": " "}, "display_name"),
        ({"display_name": "长" * 201}, "display_name"),
        ({"display_name": "a\x00"}, "display_name"),
        ({"abstract": "长" * 2001}, "abstract"),
        ({"category": ResourceCategory.UNSPECIFIED}, "category"),
        ({"base_library": "people"}, "base_library"),
        ({"format": ""}, "format"),
        ({"format": "paper"}, "format"),
        ({"sharing_type": SharingType.UNSPECIFIED}, "sharing_type"),
        ({"sharing_condition": ""}, "sharing_condition"),
        (
            {"sharing_type": SharingType.NOT_SHARED, "sharing_condition": ""},
            "legal_basis",
        ),
        ({"sharing_condition": "长" * 501}, "sharing_condition"),
        ({"sharing_mode": "post"}, "sharing_mode"),
        ({"update_cycle": "hourly"}, "update_cycle"),
        ({"publish_date": "2026-02-30"}, "publish_date"),
        ({"related_resources": ("x",)}, "related_resources[0]"),
        ({"related_resources": ("101001/1", "101001/1")}, "related_resources[1]"),
        ({"key_item": "wealth"}, "key_item"),
        ({"key_item": "region"}, "key_item"),
        ({"key_item": ""}, "key_item"),
        ({"items": (item(), item())}, "items[1].code"),
        ({"items": (item(), item(code="Name"))}, "items[1].code"),
        ({"items": (item(), item(code="a__b"))}, "items[1].code"),
        ({"items": (item(), item(code="1a"))}, "items[1].code"),
        ({"items": (item(), item(code="a" * 65))}, "items[1].code"),
        ({"items": (item(), item(code="x", display_name=""))}, "items[1].display_name"),
        ({"items": (item(), item(code="x", type=ItemType.UNSPECIFIED))}, "items[1].type"),
        ({"items": (item(), item(code="x", length=-1))}, "items[1].length"),
        ({"items": (item(), item(code="x", length=1_000_001))}, "items[1].length"),
        ({"items": (item(), item(code="x", standard="GB 1"))}, "items[1].standard"),
    ],
)
def test_a_faulty_resource_is_refused_by_its_field(changes, field):
    found = paths(build.service_item(), build.resource(**changes))
    assert found == [f"changes[1].put_resource.{field}"]


def test_a_resource_has_items():
    assert paths(build.resource(items=())) == [
        "changes[0].put_resource.items",
        "changes[0].put_resource.key_item",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": build.RESIDENTS}, "name"),
        ({"code": ""}, "code"),
        ({"code": "含中文"}, "code"),
        ({"code": "x" * 65}, "code"),
        ({"display_name": ""}, "display_name"),
        ({"handling_type": "长" * 65}, "handling_type"),
        ({"remark": "长" * 2001}, "remark"),
    ],
)
def test_a_faulty_service_item_is_refused_by_its_field(changes, field):
    assert paths(build.service_item(**changes)) == [f"changes[0].put_service_item.{field}"]


def test_a_change_that_says_nothing_is_refused():
    assert paths(None) == ["changes[0]"]


def test_a_name_stands_in_a_batch_once():
    assert paths(
        build.resource(),
        build.resource(),
        Withdrawal(name=build.RESIDENTS),
        held=[held(build.resource())],
    ) == ["changes[1].put_resource.name", "changes[2].withdraw"]


def test_only_what_is_held_is_withdrawn():
    assert paths(Withdrawal(name=build.RESIDENTS)) == ["changes[0].withdraw"]
    assert paths(Withdrawal(name=CIVIL)) == ["changes[0].withdraw"]


def test_an_unregistered_department_has_no_directory():
    assert paths(build.resource(), departments=()) == ["changes[0].put_resource.name"]


def test_the_key_item_never_changes():
    other = build.resource(key_item="name")
    assert paths(other, held=[held(build.resource())]) == ["changes[0].put_resource.key_item"]


T = ItemType


@pytest.mark.parametrize(
    ("before", "after", "may"),
    [
        *((was, T.CHARACTER, True) for was in (T.CHARACTER, T.NUMBER, T.DATE, T.TIME, T.LOGICAL)),
        (T.BINARY, T.BINARY, True),
        (T.GEOMETRY, T.GEOMETRY, True),
        (T.BINARY, T.CHARACTER, False),
        (T.GEOMETRY, T.CHARACTER, False),
        *((T.CHARACTER, to, False) for to in (T.NUMBER, T.DATE, T.LOGICAL, T.BINARY, T.GEOMETRY)),
        (T.DATE, T.TIME, False),
        (T.NUMBER, T.LOGICAL, False),
    ],
)
def test_published_records_keep_their_items_types(before, after, may):
    key = build.resource().items[0]
    was, becomes = (
        build.resource(items=(key, replace(key, code="x", type=kind))) for kind in (before, after)
    )
    published = replace(held(was), published=True)
    plan(becomes, held=[held(was)])  # where nothing was published, any
    if may:
        plan(becomes, held=[published])
    else:
        field = "changes[0].put_resource.items[1].type"
        assert paths(becomes, held=[published]) == [field]
    more = build.resource(items=(key, replace(key, code="y", type=after)))
    plan(more, held=[published])  # another code is another item


def test_problems_of_shape_and_of_what_is_held_are_told_together():
    assert paths(
        build.resource(code=""),
        Withdrawal(name=f"{CIVIL}/resources/absent"),
        build.resource(f"{HOUSING}/resources/x"),
        departments=[CIVIL],
    ) == [
        "changes[0].put_resource.code",
        "changes[1].withdraw",
        "changes[2].put_resource.name",
    ]


def test_at_most_a_hundred_problems_are_told():
    faulty = [build.service_item(f"{CIVIL}/serviceItems/s{n}", code="") for n in range(150)]
    assert len(paths(*faulty)) == 100


@pytest.mark.parametrize("size", [0, directory.GREATEST_BATCH + 1])
def test_a_batch_has_a_size(size):
    with pytest.raises(InvalidArgument) as refused:
        directory.check_size([None] * size)
    assert refused.value.reason == "BATCH_SIZE"


def test_new_changed_revived_withdrawn_and_unchanged():
    resource = build.resource()
    assert plan(resource).added == 1
    assert plan(resource, held=[held(resource)]).unchanged == 1
    assert plan(build.resource(abstract="改"), held=[held(resource)]).changed == 1
    revived = plan(resource, held=[held(resource, EntryState.WITHDRAWN, 2)])
    assert (revived.changed, revived.versions[0].version) == (1, 3)
    withdrawn = plan(Withdrawal(name=resource.name), held=[held(resource)])
    assert (withdrawn.withdrawn, withdrawn.changed) == (1, 0)
    assert withdrawn.versions[0].content == content_of(resource)
    again = plan(Withdrawal(name=resource.name), held=[held(resource, EntryState.WITHDRAWN)])
    assert (again.withdrawn, again.unchanged, again.versions) == (0, 1, ())


def test_a_stale_etag_aborts():
    resource = build.resource()
    now = held(resource)
    assert plan(build.resource(abstract="改", etag=now.etag), held=[now]).changed == 1
    assert plan(build.resource(etag="old"), held=[now]).unchanged == 1
    for known in ([now], []):
        with pytest.raises(Aborted) as refused:
            plan(build.resource(abstract="改", etag="old"), held=known)
        assert refused.value.violations[0].field == "changes[0].put_resource.etag"


def test_a_department_changes_its_own_directory_and_those_below_it():
    changes = [build.resource(), Withdrawal(name=f"{HOUSING}/resources/houses")]
    directory.check_directory_permission(build.ADMINISTRATOR, changes, office=build.OFFICE)
    directory.check_directory_permission(build.caller(CIVIL), changes[:1])
    both = build.caller(HOUSING, Role.DEPARTMENT, Role.ADMINISTRATOR)
    above = {CIVIL: {HOUSING}}
    directory.check_directory_permission(both, changes, above=lambda one: above.get(one, ()))
    for who in (both, build.ADMINISTRATOR):
        with pytest.raises(PermissionDenied):
            directory.check_directory_permission(who, changes[:1], office="departments/centre")
    system = build.caller(HOUSING)
    with pytest.raises(PermissionDenied):
        directory.check_directory_permission(system, changes[:1], above=lambda one: above[one])
    with pytest.raises(PermissionDenied) as refused:
        directory.check_directory_permission(build.caller(CIVIL), changes)
    assert [v.field for v in refused.value.violations] == ["changes[1]"]
    near = build.caller(CIVIL.removesuffix("s"))
    with pytest.raises(PermissionDenied):
        directory.check_directory_permission(near, changes[:1])


def test_a_crowd_of_related_codes_is_refused_without_being_compared():
    crowd = build.resource(related_resources=tuple(f"101001/{n}" for n in range(100_000)))
    began = time.monotonic()
    assert "changes[0].put_resource.related_resources" in paths(crowd)
    assert time.monotonic() - began < 2
