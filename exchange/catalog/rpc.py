"""CatalogService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.catalog import service
from exchange.catalog.directory import Change, Withdrawal
from exchange.catalog.model import (
    DataItem,
    DataResource,
    Department,
    EntryState,
    ItemType,
    ResourceCategory,
    ServiceItem,
    SharingType,
)
from exchange.catalog.service import Schemas
from exchange.v1 import catalog_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateDepartment": frozenset({Role.ADMINISTRATOR}),
    "GetDepartment": ANY_ROLE,
    "ListDepartments": ANY_ROLE,
    "GetDataResource": ANY_ROLE,
    "ListDataResources": ANY_ROLE,
    "GetServiceItem": ANY_ROLE,
    "ListServiceItems": ANY_ROLE,
    "ApplyDirectory": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
}

_STATES = {
    EntryState.ACTIVE: pb.ENTRY_STATE_ACTIVE,
    EntryState.WITHDRAWN: pb.ENTRY_STATE_WITHDRAWN,
}
_SHARING = {
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
}

_Word = TypeVar("_Word")
_Number = TypeVar("_Number")


def _turned(table: Mapping[_Word, _Number]) -> dict[_Number, _Word]:
    return {number: word for word, number in table.items()}


# A number that is none of these becomes UNSPECIFIED, which the rules refuse by its field.
_SHARING_OF = _turned(_SHARING)
_CATEGORY_OF = _turned(_CATEGORIES)
_TYPE_OF = _turned(_TYPES)


class CatalogServicer:
    """The methods of CatalogService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, schemas: Schemas, clock: Clock) -> None:
        self._database = database
        self._schemas = schemas
        self._clock = clock

    def CreateDepartment(  # noqa: N802  # the protocol's name
        self, request: pb.CreateDepartmentRequest, call: Call
    ) -> pb.CreateDepartmentResponse:
        """Register a department."""
        with self._database.unit_of_work() as work:

            def act() -> pb.CreateDepartmentResponse:
                department = service.create_department(
                    work,
                    call.principal,
                    department_id=request.department_id,
                    display_name=request.department.display_name,
                    credit_code=request.department.credit_code,
                    region_code=request.department.region_code,
                    clock=self._clock,
                )
                return pb.CreateDepartmentResponse(department=_department(department))

            return work.once(
                call.principal.system,
                "CreateDepartment",
                request,
                request.request_id,
                pb.CreateDepartmentResponse,
                act,
            )

    def GetDepartment(  # noqa: N802
        self, request: pb.GetDepartmentRequest, call: Call
    ) -> pb.GetDepartmentResponse:
        """One department."""
        department = service.get_department(self._database, request.name)
        return pb.GetDepartmentResponse(department=_department(department))

    def ListDepartments(  # noqa: N802
        self, request: pb.ListDepartmentsRequest, call: Call
    ) -> pb.ListDepartmentsResponse:
        """A page of departments."""
        page, token = service.list_departments(
            self._database, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListDepartmentsResponse(
            departments=[_department(department) for department in page], next_page_token=token
        )

    def GetDataResource(  # noqa: N802
        self, request: pb.GetDataResourceRequest, call: Call
    ) -> pb.GetDataResourceResponse:
        """One resource."""
        resource = service.get_resource(self._database, request.name)
        return pb.GetDataResourceResponse(resource=resource_message(resource))

    def ListDataResources(  # noqa: N802
        self, request: pb.ListDataResourcesRequest, call: Call
    ) -> pb.ListDataResourcesResponse:
        """A page of resources."""
        page, token = service.list_resources(
            self._database,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
            withdrawn=request.show_withdrawn,
        )
        return pb.ListDataResourcesResponse(
            resources=[resource_message(resource) for resource in page], next_page_token=token
        )

    def GetServiceItem(  # noqa: N802
        self, request: pb.GetServiceItemRequest, call: Call
    ) -> pb.GetServiceItemResponse:
        """One service item."""
        item = service.get_service_item(self._database, request.name)
        return pb.GetServiceItemResponse(service_item=_service_item(item))

    def ListServiceItems(  # noqa: N802
        self, request: pb.ListServiceItemsRequest, call: Call
    ) -> pb.ListServiceItemsResponse:
        """A page of service items."""
        page, token = service.list_service_items(
            self._database,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
            withdrawn=request.show_withdrawn,
        )
        return pb.ListServiceItemsResponse(
            service_items=[_service_item(item) for item in page], next_page_token=token
        )

    def ApplyDirectory(  # noqa: N802
        self, request: pb.ApplyDirectoryRequest, call: Call
    ) -> pb.ApplyDirectoryResponse:
        """Apply a batch of a directory."""
        with self._database.unit_of_work() as work:

            def act() -> pb.ApplyDirectoryResponse:
                plan = service.apply_directory(
                    work,
                    call.principal,
                    changes=[change_of(change) for change in request.changes],
                    source=request.source,
                    clock=self._clock,
                )
                return pb.ApplyDirectoryResponse(
                    added=plan.added,
                    changed=plan.changed,
                    withdrawn=plan.withdrawn,
                    unchanged=plan.unchanged,
                )

            answer = work.once(
                call.principal.system,
                "ApplyDirectory",
                request,
                request.request_id,
                pb.ApplyDirectoryResponse,
                act,
            )
        self._schemas.invalidate()
        return answer


def change_of(message: pb.DirectoryChange) -> Change:
    """The change that a message means; None for one that says nothing."""
    match message.WhichOneof("change"):
        case "put_resource":
            return resource_of(message.put_resource)
        case "put_service_item":
            item = message.put_service_item
            return ServiceItem(
                name=item.name,
                code=item.code,
                display_name=item.display_name,
                handling_type=item.handling_type,
                remark=item.remark,
                etag=item.etag,
            )
        case "withdraw":
            return Withdrawal(name=message.withdraw)
        case _:
            return None


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
        sharing_type=_SHARING_OF.get(message.sharing_type, SharingType.UNSPECIFIED),
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
            )
            for item in message.items
        ),
        key_item=message.key_item,
        etag=message.etag,
    )


def resource_message(resource: DataResource) -> pb.DataResource:
    """The message of a resource."""
    return pb.DataResource(
        name=resource.name,
        code=resource.code,
        display_name=resource.display_name,
        abstract=resource.abstract,
        category=_CATEGORIES[resource.category],
        base_library=resource.base_library,
        format=resource.format,
        sharing_type=_SHARING[resource.sharing_type],
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
            )
            for item in resource.items
        ],
        key_item=resource.key_item,
        state=_STATES[resource.state],
        etag=resource.etag,
        update_time=_timestamp(resource.update_time),
    )


def _service_item(item: ServiceItem) -> pb.ServiceItem:
    return pb.ServiceItem(
        name=item.name,
        code=item.code,
        display_name=item.display_name,
        handling_type=item.handling_type,
        remark=item.remark,
        state=_STATES[item.state],
        etag=item.etag,
        update_time=_timestamp(item.update_time),
    )


def _department(department: Department) -> pb.Department:
    return pb.Department(
        name=department.name,
        display_name=department.display_name,
        credit_code=department.credit_code,
        region_code=department.region_code,
        create_time=_timestamp(department.create_time),
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
