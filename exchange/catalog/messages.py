"""The catalog's messages: protobuf to the model and back; `rpc` alone uses it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.catalog.directory import Change, Withdrawal
from exchange.catalog.model import (
    CodeValue,
    DataItem,
    DataResource,
    Department,
    DepartmentLevel,
    EntryState,
    ItemType,
    ResourceCategory,
    Sensitivity,
    ServiceItem,
    SharingType,
)
from exchange.catalog.search import model as search
from exchange.catalog.search.model import Found
from exchange.catalog.service_item import (
    Audience,
    Fee,
    FeeSchedule,
    Material,
    MaterialKind,
    Replacement,
    TimeLimit,
)
from exchange.catalog.staleness import fresh_until, is_stale
from exchange.v1 import catalog_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument

STATES = {
    EntryState.ACTIVE: pb.ENTRY_STATE_ACTIVE,
    EntryState.WITHDRAWN: pb.ENTRY_STATE_WITHDRAWN,
}
SHARING = {
    SharingType.UNCONDITIONAL: pb.SHARING_TYPE_UNCONDITIONAL,
    SharingType.CONDITIONAL: pb.SHARING_TYPE_CONDITIONAL,
    SharingType.NOT_SHARED: pb.SHARING_TYPE_NOT_SHARED,
}
_CATEGORIES = {
    ResourceCategory.BASE: pb.RESOURCE_CATEGORY_BASE,
    ResourceCategory.THEME: pb.RESOURCE_CATEGORY_THEME,
    ResourceCategory.DEPARTMENT: pb.RESOURCE_CATEGORY_DEPARTMENT,
}
_TYPES = {
    ItemType.CHARACTER: pb.ITEM_TYPE_CHARACTER,
    ItemType.NUMBER: pb.ITEM_TYPE_NUMBER,
    ItemType.DATE: pb.ITEM_TYPE_DATE,
    ItemType.TIME: pb.ITEM_TYPE_TIME,
    ItemType.LOGICAL: pb.ITEM_TYPE_LOGICAL,
    ItemType.BINARY: pb.ITEM_TYPE_BINARY,
    ItemType.GEOMETRY: pb.ITEM_TYPE_GEOMETRY,
}

_SENSITIVITIES = {
    Sensitivity.UNSPECIFIED: pb.SENSITIVITY_UNSPECIFIED,
    Sensitivity.PUBLIC: pb.SENSITIVITY_PUBLIC,
    Sensitivity.INTERNAL: pb.SENSITIVITY_INTERNAL,
    Sensitivity.SENSITIVE: pb.SENSITIVITY_SENSITIVE,
    Sensitivity.HIGHLY_SENSITIVE: pb.SENSITIVITY_HIGHLY_SENSITIVE,
}
LEVELS = {
    DepartmentLevel.UNSPECIFIED: pb.DEPARTMENT_LEVEL_UNSPECIFIED,
    DepartmentLevel.NATIONAL: pb.DEPARTMENT_LEVEL_NATIONAL,
    DepartmentLevel.PROVINCE: pb.DEPARTMENT_LEVEL_PROVINCE,
    DepartmentLevel.CITY: pb.DEPARTMENT_LEVEL_CITY,
    DepartmentLevel.COUNTY: pb.DEPARTMENT_LEVEL_COUNTY,
    DepartmentLevel.TOWNSHIP: pb.DEPARTMENT_LEVEL_TOWNSHIP,
}
_KINDS = {
    MaterialKind.ORIGINAL: pb.MATERIAL_KIND_ORIGINAL,
    MaterialKind.COPY: pb.MATERIAL_KIND_COPY,
    MaterialKind.ELECTRONIC: pb.MATERIAL_KIND_ELECTRONIC,
}
_AUDIENCES = {
    Audience.NATURAL_PERSON: pb.AUDIENCE_NATURAL_PERSON,
    Audience.ENTERPRISE: pb.AUDIENCE_ENTERPRISE,
    Audience.OTHER_ORGANIZATION: pb.AUDIENCE_OTHER_ORGANIZATION,
}

_CATALOG_KINDS = {
    search.RESOURCE: pb.CATALOG_KIND_RESOURCE,
    search.SERVICE_ITEM: pb.CATALOG_KIND_SERVICE_ITEM,
    search.DATA_ITEM: pb.CATALOG_KIND_DATA_ITEM,
}

_Word = TypeVar("_Word")
_Number = TypeVar("_Number")


def _turned(table: Mapping[_Word, _Number]) -> dict[_Number, _Word]:
    return {number: word for word, number in table.items()}


# A number that is none of these becomes UNSPECIFIED, which the rules refuse by its field.
SHARING_OF = _turned(SHARING)
_CATEGORY_OF = _turned(_CATEGORIES)
_TYPE_OF = _turned(_TYPES)
_SENSITIVITY_OF = _turned(_SENSITIVITIES)
LEVEL_OF = _turned(LEVELS)
_KIND_OF = _turned(_KINDS)
_AUDIENCE_OF = _turned(_AUDIENCES)
KIND_OF = _turned(_CATALOG_KINDS)


def change_of(message: pb.DirectoryChange) -> Change:
    """The change that a message means; None for one that says nothing."""
    match message.WhichOneof("change"):
        case "put_resource":
            return resource_of(message.put_resource)
        case "put_service_item":
            return service_item_of(message.put_service_item)
        case "withdraw":
            return Withdrawal(name=message.withdraw)
        case _:
            return None


def service_item_of(message: pb.ServiceItem) -> ServiceItem:
    """The service item that a message means; its state and its time are not read."""
    limit = message.time_limit
    return ServiceItem(
        name=message.name,
        code=message.code,
        display_name=message.display_name,
        handling_type=message.handling_type,
        remark=message.remark,
        item_type=message.item_type,
        legal_basis=tuple(message.legal_basis),
        levels=tuple(LEVEL_OF.get(n, DepartmentLevel.UNSPECIFIED) for n in message.levels),
        conditions=message.conditions,
        audience=tuple(_AUDIENCE_OF.get(n, Audience.UNSPECIFIED) for n in message.audience),
        materials=tuple(map(_material_of, message.materials)),
        time_limit=TimeLimit(
            statutory_days=limit.statutory_days,
            promised_days=limit.promised_days,
            calendar_days=limit.calendar_days,
        )
        if message.HasField("time_limit")
        else None,
        fee_schedule=FeeSchedule(fees=tuple(map(_fee_of, message.fee_schedule.fees)))
        if message.HasField("fee_schedule")
        else None,
        etag=message.etag,
    )


def _material_of(message: pb.Material) -> Material:
    replaced = message.replaced_by
    return Material(
        display_name=message.display_name,
        kind=_KIND_OF.get(message.kind, MaterialKind.UNSPECIFIED),
        copies=message.copies,
        required=message.required,
        source=message.source,
        replaced_by=Replacement(
            license_type=replaced.license_type, resource=replaced.resource, item=replaced.item
        )
        if message.HasField("replaced_by")
        else None,
    )


def _fee_of(message: pb.Fee) -> Fee:
    return Fee(
        display_name=message.display_name,
        amount=message.amount,
        unit=message.unit,
        legal_basis=message.legal_basis,
    )


def resource_of(message: pb.DataResource) -> DataResource:
    """The resource that a message means; its state and its time are not read."""
    return DataResource(
        name=message.name,
        code=message.code,
        display_name=message.display_name,
        abstract=message.abstract,
        category=_CATEGORY_OF.get(message.category, ResourceCategory.UNSPECIFIED),
        base_library=message.base_library,
        format=message.format,
        sharing_type=SHARING_OF.get(message.sharing_type, SharingType.UNSPECIFIED),
        sharing_condition=message.sharing_condition,
        sharing_mode=message.sharing_mode,
        open=message.open,
        update_cycle=message.update_cycle,
        publish_date=message.publish_date,
        related_resources=tuple(message.related_resources),
        items=tuple(
            DataItem(
                code=item.code,
                display_name=item.display_name,
                type=_TYPE_OF.get(item.type, ItemType.UNSPECIFIED),
                length=item.length,
                required=item.required,
                personal=item.personal,
                standard=item.standard,
                definition=item.definition,
                sensitivity=_SENSITIVITY_OF.get(item.sensitivity, Sensitivity.UNSPECIFIED),
                element=item.element,
                code_list=item.code_list,
                code_values=tuple(
                    CodeValue(code=value.code, display_name=value.display_name)
                    for value in item.code_values
                ),
            )
            for item in message.items
        ),
        key_item=message.key_item,
        legal_basis=message.legal_basis,
        theme=message.theme,
        quality=message.quality,
        contact_office=message.contact_office,
        signed_requests=message.signed_requests,
        etag=message.etag,
    )


def resource_message(resource: DataResource, now: datetime) -> pb.DataResource:
    """The message of a resource; `now` says whether it is stale."""
    return pb.DataResource(
        name=resource.name,
        code=resource.code,
        display_name=resource.display_name,
        abstract=resource.abstract,
        category=_CATEGORIES[resource.category],
        base_library=resource.base_library,
        format=resource.format,
        sharing_type=SHARING[resource.sharing_type],
        sharing_condition=resource.sharing_condition,
        sharing_mode=resource.sharing_mode,
        open=resource.open,
        update_cycle=resource.update_cycle,
        publish_date=resource.publish_date,
        related_resources=resource.related_resources,
        items=[
            pb.DataItem(
                code=item.code,
                display_name=item.display_name,
                type=_TYPES[item.type],
                length=item.length,
                required=item.required,
                personal=item.personal,
                standard=item.standard,
                definition=item.definition,
                sensitivity=_SENSITIVITIES[item.sensitivity],
                element=item.element,
                code_list=item.code_list,
                code_values=[
                    pb.CodeValue(code=value.code, display_name=value.display_name)
                    for value in item.code_values
                ],
            )
            for item in resource.items
        ],
        key_item=resource.key_item,
        legal_basis=resource.legal_basis,
        theme=resource.theme,
        quality=resource.quality,
        contact_office=resource.contact_office,
        signed_requests=resource.signed_requests,
        provider_code=resource.provider_code,
        version=resource.version,
        last_publish_time=timestamp(resource.last_publish_time),
        fresh_until=timestamp(fresh_until(resource)),
        stale=is_stale(resource, now),
        state=STATES[resource.state],
        etag=resource.etag,
        update_time=timestamp(resource.update_time),
    )


def service_item_message(item: ServiceItem) -> pb.ServiceItem:
    """The message of a service item."""
    return pb.ServiceItem(
        name=item.name,
        code=item.code,
        display_name=item.display_name,
        handling_type=item.handling_type,
        remark=item.remark,
        item_type=item.item_type,
        legal_basis=item.legal_basis,
        levels=[LEVELS[level] for level in item.levels],
        conditions=item.conditions,
        audience=[_AUDIENCES[one] for one in item.audience],
        materials=[_material_message(material) for material in item.materials],
        time_limit=None
        if item.time_limit is None
        else pb.TimeLimit(
            statutory_days=item.time_limit.statutory_days,
            promised_days=item.time_limit.promised_days,
            calendar_days=item.time_limit.calendar_days,
        ),
        fee_schedule=None
        if item.fee_schedule is None
        else pb.FeeSchedule(
            fees=[
                pb.Fee(
                    display_name=fee.display_name,
                    amount=fee.amount,
                    unit=fee.unit,
                    legal_basis=fee.legal_basis,
                )
                for fee in item.fee_schedule.fees
            ]
        ),
        state=STATES[item.state],
        etag=item.etag,
        version=item.version,
        update_time=timestamp(item.update_time),
    )


def _material_message(material: Material) -> pb.Material:
    replaced = material.replaced_by
    return pb.Material(
        display_name=material.display_name,
        kind=_KINDS[material.kind],
        copies=material.copies,
        required=material.required,
        source=material.source,
        replaced_by=None
        if replaced is None
        else pb.Replacement(
            license_type=replaced.license_type, resource=replaced.resource, item=replaced.item
        ),
    )


def department_message(department: Department) -> pb.Department:
    """The message of a department."""
    return pb.Department(
        name=department.name,
        display_name=department.display_name,
        credit_code=department.credit_code,
        region_code=department.region_code,
        create_time=timestamp(department.create_time),
        level=LEVELS[department.level],
        parent=department.parent,
        etag=department.etag,
        update_time=timestamp(department.update_time),
        version=department.version,
    )


def timestamp(at: datetime | None) -> Timestamp | None:
    """A time as a message."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def time_of(
    request: pb.GetDepartmentRequest | pb.GetDataResourceRequest | pb.GetServiceItemRequest,
) -> datetime | None:
    """The time as of which something is asked; None is now. Raises InvalidArgument (BAD_TIME)."""
    if not request.HasField("read_time"):
        return None
    try:
        return request.read_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "read_time is a time of the years 1 to 9999",
            reason="BAD_TIME",
            message_zh="read_time 应为公元 1 年至 9999 年的时间",
            violations=[FieldViolation("read_time", "is no time")],
        ) from None


def search_result(found: Found) -> pb.SearchResult:
    """The message of what was found."""
    return pb.SearchResult(
        kind=_CATALOG_KINDS[found.kind],
        name=found.entry,
        item=found.item,
        display_name=found.display_name,
        resource_display_name=found.resource_display_name,
        sharing_type=SHARING.get(SharingType(found.sharing), pb.SHARING_TYPE_UNSPECIFIED),
        base_library=found.base_library,
        stale=found.stale,
    )
