"""The catalog as departments meet it: over mTLS, on each database, refusals included."""

import uuid
from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.catalog.libraries import WORDS, libraries
from exchange.v1 import catalog_pb2 as pb
from runtime.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from tests.builders.catalog import (
    ADMINISTRATOR,
    AUDITOR,
    CIVIL,
    HEALTH,
    HOUSING,
    NOON,
    RESIDENTS,
    caller,
    credit_code,
)
from tests.builders.exchange import citizen_number, exchange_node, person, refusal

HOUSES = f"{HOUSING}/resources/houses"


@pytest.fixture
async def node(database_url, tmp_path):
    url = "" if database_url.startswith("sqlite") else database_url
    async with exchange_node(tmp_path / "node", url) as started:
        yield started


def at(time) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def houses(**changes) -> pb.DataResource:
    said = {
        "name": HOUSES,
        "code": "301002/000001",
        "display_name": "房屋产权信息",
        "category": pb.RESOURCE_CATEGORY_DEPARTMENT,
        "format": "database",
        "sharing_type": pb.SHARING_TYPE_NOT_SHARED,
        "legal_basis": "某条例第三条",
        "theme": "housing",
        "quality": "每日校验",
        "contact_office": "信息科",
        "sharing_mode": "table",
        "update_cycle": "weekly",
        "items": [
            pb.DataItem(
                code="title_no", display_name="不动产权证号", type=pb.ITEM_TYPE_CHARACTER,
                required=True, definition="登记簿编号", element="housing.title_no",
                sensitivity=pb.SENSITIVITY_PUBLIC, code_list="某标准",
                code_values=[pb.CodeValue(code="1", display_name="一")],
            ),
            pb.DataItem(code="shape", display_name="界址", type=pb.ITEM_TYPE_GEOMETRY),
        ],
        "key_item": "title_no",
    }  # fmt: skip
    return pb.DataResource(**{**said, **changes})


def card(name: str = f"{CIVIL}/serviceItems/card", **changes) -> pb.ServiceItem:
    said = {
        "name": name,
        "code": "000511001000",
        "display_name": "老年人优待证办理",
        "item_type": "public_service",
        "legal_basis": ["某条例"],
        "levels": [pb.DEPARTMENT_LEVEL_COUNTY],
        "conditions": "年满六十周岁",
        "audience": [pb.AUDIENCE_NATURAL_PERSON],
        "materials": [
            pb.Material(
                display_name="身份证", kind=pb.MATERIAL_KIND_COPY, copies=1, required=True,
                source="公安机关",
                replaced_by=pb.Replacement(resource=RESIDENTS, item="name"),
            ),
            pb.Material(
                display_name="照片", kind=pb.MATERIAL_KIND_ELECTRONIC,
                replaced_by=pb.Replacement(license_type="licenseTypes/identity"),
            ),
            pb.Material(display_name="申请表", kind=pb.MATERIAL_KIND_ORIGINAL),
        ],
        "time_limit": pb.TimeLimit(statutory_days=20, promised_days=3),
        "fee_schedule": pb.FeeSchedule(),
    }  # fmt: skip
    return pb.ServiceItem(**{**said, **changes})


async def apply(stubs, *changes, request_id: str = "") -> pb.ApplyDirectoryResponse:
    return await stubs.catalog.ApplyDirectory(
        pb.ApplyDirectoryRequest(
            changes=[
                pb.DirectoryChange(put_resource=one)
                if isinstance(one, pb.DataResource)
                else pb.DirectoryChange(put_service_item=one)
                if isinstance(one, pb.ServiceItem)
                else pb.DirectoryChange(withdraw=one)
                for one in changes
            ],
            request_id=request_id or str(uuid.uuid4()),
        )
    )


async def test_what_is_put_is_read_back(node):
    admin, reader = node.connect(ADMINISTRATOR), node.connect(caller(HEALTH))
    await apply(admin, houses(), card())
    got = (await reader.catalog.GetDataResource(pb.GetDataResourceRequest(name=HOUSES))).resource
    assert (got.version, got.provider_code, got.stale) == (1, credit_code(2), False)
    for field in ("state", "etag", "update_time", "version", "provider_code"):
        got.ClearField(field)
    assert got == houses()
    asked = pb.GetServiceItemRequest(name=card().name)
    item = (await reader.catalog.GetServiceItem(asked)).service_item
    assert item.version == 1
    for field in ("state", "etag", "update_time", "version"):
        item.ClearField(field)
    assert item == card()


async def test_a_department_is_changed_once_by_an_administrator(node):
    admin = node.connect(ADMINISTRATOR)
    asked = pb.UpdateDepartmentRequest(
        department=pb.Department(
            name=HOUSING, level=pb.DEPARTMENT_LEVEL_COUNTY, parent=CIVIL, display_name="不改"
        ),
        update_mask=FieldMask(paths=["level", "parent"]),
        request_id="one",
    )
    node.clock.advance(timedelta(hours=1))
    changed = (await admin.catalog.UpdateDepartment(asked)).department
    assert (changed.version, changed.level, changed.parent) == (
        2,
        pb.DEPARTMENT_LEVEL_COUNTY,
        CIVIL,
    )
    assert changed.display_name == "示范县housing"
    assert (await admin.catalog.UpdateDepartment(asked)).department == changed
    (leaf,) = node.leaves("department_changed")
    assert (leaf["department"], leaf["parent"], leaf["version"]) == (HOUSING, CIVIL, 2)
    before = pb.GetDepartmentRequest(name=HOUSING, read_time=at(NOON))
    assert (await admin.catalog.GetDepartment(before)).department.parent == ""
    now = pb.GetDepartmentRequest(name=HOUSING)
    assert (await admin.catalog.GetDepartment(now)).department == changed
    asked.request_id, asked.department.parent = "two", HOUSING
    refused = await refusal(admin.catalog.UpdateDepartment(asked))
    assert isinstance(refused, InvalidArgument)
    assert refused.reason == "DEPARTMENT_INVALID"
    asked.request_id = "one"
    assert isinstance(await refusal(admin.catalog.UpdateDepartment(asked)), AlreadyExists)


@pytest.mark.parametrize("who", [caller(HOUSING), AUDITOR])
async def test_only_an_administrator_changes_a_department(node, who):
    asked = pb.UpdateDepartmentRequest(department=pb.Department(name=HOUSING), request_id="x")
    refused = await refusal(node.connect(who).catalog.UpdateDepartment(asked))
    assert isinstance(refused, PermissionDenied)


async def test_the_past_is_read_by_time_and_by_version(node):
    admin = node.connect(ADMINISTRATOR)
    await apply(admin, houses())
    node.clock.advance(timedelta(days=1))
    await apply(admin, houses(quality="每周校验"))
    node.clock.advance(timedelta(days=1))
    await apply(admin, HOUSES)

    async def get(**when):
        asked = pb.GetDataResourceRequest(name=HOUSES, **when)
        return (await admin.catalog.GetDataResource(asked)).resource

    assert (await get()).state == pb.ENTRY_STATE_WITHDRAWN
    assert (await get(version=1)).quality == "每日校验"
    then = await get(read_time=at(NOON + timedelta(days=1, hours=1)))
    assert (then.quality, then.version, then.state) == ("每周校验", 2, pb.ENTRY_STATE_ACTIVE)
    for wrong, kind in (
        ({"version": 4}, NotFound),
        ({"read_time": at(NOON - timedelta(days=1))}, NotFound),
        ({"version": 1, "read_time": at(NOON)}, InvalidArgument),
        ({"read_time": Timestamp(seconds=10**15)}, InvalidArgument),
    ):
        assert isinstance(await refusal(get(**wrong)), kind)
    listed = await admin.catalog.ListVersions(pb.ListVersionsRequest(name=HOUSES))
    assert [one.version for one in listed.versions] == [3, 2, 1]
    assert listed.versions[1].end_time == listed.versions[0].change_time
    assert not listed.versions[0].HasField("end_time")
    told = await admin.catalog.CompareVersions(pb.CompareVersionsRequest(name=HOUSES, to_version=2))
    assert (told.from_version, told.to_version) == (1, 2)
    assert [(d.field, d.before, d.after) for d in told.differences] == [
        ("quality", '"每日校验"', '"每周校验"')
    ]


async def test_those_who_offer_an_item_are_compared(node):
    admin = node.connect(ADMINISTRATOR)
    await apply(
        admin,
        card(),
        card(f"{HEALTH}/serviceItems/card", time_limit=pb.TimeLimit(promised_days=5)),
    )
    told = await admin.catalog.CompareServiceItems(
        pb.CompareServiceItemsRequest(code="000511001000")
    )
    assert list(told.service_items) == [card().name, f"{HEALTH}/serviceItems/card"]
    assert [one.element for one in told.elements if not one.equal] == ["time_limit"]
    assert len(told.elements) == 10


async def test_staleness_follows_what_is_published(node):
    source, reader = node.connect(caller(CIVIL)), node.connect(caller(HOUSING))

    async def get():
        asked = pb.GetDataResourceRequest(name=RESIDENTS)
        return (await reader.catalog.GetDataResource(asked)).resource

    async def stale():
        asked = pb.ListDataResourcesRequest(parent="departments/-", stale_only=True)
        return [one.name for one in (await reader.catalog.ListDataResources(asked)).resources]

    never = await get()
    assert never.stale
    assert not never.HasField("last_publish_time")
    assert await stale() == [RESIDENTS]
    await source.publish(person(1))
    fresh = await get()
    assert not fresh.stale
    assert fresh.fresh_until.ToDatetime() == fresh.last_publish_time.ToDatetime() + timedelta(1)
    assert await stale() == []
    node.clock.advance(timedelta(days=1, seconds=1))
    assert (await get()).stale
    assert await stale() == [RESIDENTS]
    assert citizen_number(1) not in str(await get())


async def test_things_are_found_by_words(node):
    admin, reader = node.connect(ADMINISTRATOR), node.connect(caller(HEALTH))
    await apply(admin, houses(), card())

    async def found(query="", **filters):
        asked = pb.SearchCatalogRequest(query=query, **filters)
        return (await reader.catalog.SearchCatalog(asked)).results

    (one,) = await found("房屋产权", kind=pb.CATALOG_KIND_RESOURCE)
    assert (one.name, one.display_name) == (HOUSES, "房屋产权信息")
    assert one.sharing_type == pb.SHARING_TYPE_NOT_SHARED
    (one,) = await found("title", sharing_type=pb.SHARING_TYPE_NOT_SHARED)
    assert (one.kind, one.item) == (pb.CATALOG_KIND_DATA_ITEM, "title_no")
    assert one.resource_display_name == "房屋产权信息"
    assert [one.name for one in await found("优待证")] == [card().name]
    assert [one.name for one in await found(stale_only=True)] == [RESIDENTS]
    first = await reader.catalog.SearchCatalog(pb.SearchCatalogRequest(query="人口", page_size=1))
    assert first.next_page_token
    assert isinstance(await refusal(found("")), InvalidArgument)
    assert isinstance(await refusal(found("a", department="x")), InvalidArgument)


@pytest.mark.parametrize("word", WORDS)
async def test_a_library_is_installed_by_a_department(node, word):
    from google.protobuf.json_format import ParseDict

    bodies = libraries()[word].bodies(HEALTH)
    changes = [ParseDict(body, pb.DataResource()) for body in bodies]
    stubs = node.connect(caller(HEALTH))
    assert (await apply(stubs, *changes)).added == len(bodies)
    assert (await apply(stubs, *changes)).unchanged == len(bodies)
