"""CatalogService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.catalog import registering, service
from exchange.catalog.messages import (
    LEVEL_OF,
    change_of,
    department_message,
    resource_message,
    service_item_message,
)
from exchange.catalog.model import DepartmentLevel
from exchange.catalog.registering import Wanted
from exchange.catalog.service import Schemas
from exchange.v1 import catalog_pb2 as pb
from exchange.v1 import catalog_pb2_grpc
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateDepartment": frozenset({Role.ADMINISTRATOR}),
    "UpdateDepartment": frozenset({Role.ADMINISTRATOR}),
    "GetDepartment": ANY_ROLE,
    "ListDepartments": ANY_ROLE,
    "GetDataResource": ANY_ROLE,
    "ListDataResources": ANY_ROLE,
    "GetServiceItem": ANY_ROLE,
    "ListServiceItems": ANY_ROLE,
    "ApplyDirectory": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
    "ListVersions": ANY_ROLE,
    "CompareVersions": ANY_ROLE,
    "CompareServiceItems": ANY_ROLE,
    "SearchCatalog": ANY_ROLE,
}


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
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
                department = registering.create_department(
                    work,
                    call.principal,
                    department_id=request.department_id,
                    display_name=request.department.display_name,
                    credit_code=request.department.credit_code,
                    region_code=request.department.region_code,
                    level=LEVEL_OF.get(request.department.level, DepartmentLevel.UNSPECIFIED),
                    parent=request.department.parent,
                    clock=self._clock,
                )
                return pb.CreateDepartmentResponse(department=department_message(department))

            return work.once(
                call.principal.system,
                "CreateDepartment",
                request,
                request.request_id,
                pb.CreateDepartmentResponse,
                act,
            )

    def UpdateDepartment(  # noqa: N802
        self, request: pb.UpdateDepartmentRequest, call: Call
    ) -> pb.UpdateDepartmentResponse:
        """Change a department."""
        asked = request.department
        with self._database.unit_of_work() as work:

            def act() -> pb.UpdateDepartmentResponse:
                department = registering.update_department(
                    work,
                    call.principal,
                    name=asked.name,
                    wanted=Wanted(
                        display_name=asked.display_name,
                        credit_code=asked.credit_code,
                        region_code=asked.region_code,
                        level=LEVEL_OF.get(asked.level, DepartmentLevel.UNSPECIFIED),
                        parent=asked.parent,
                    ),
                    etag=asked.etag,
                    mask=tuple(request.update_mask.paths),
                    clock=self._clock,
                )
                return pb.UpdateDepartmentResponse(department=department_message(department))

            return work.once(
                call.principal.system,
                "UpdateDepartment",
                request,
                request.request_id,
                pb.UpdateDepartmentResponse,
                act,
            )

    def GetDepartment(  # noqa: N802
        self, request: pb.GetDepartmentRequest, call: Call
    ) -> pb.GetDepartmentResponse:
        """One department."""
        department = service.get_department(self._database, request.name)
        return pb.GetDepartmentResponse(department=department_message(department))

    def ListDepartments(  # noqa: N802
        self, request: pb.ListDepartmentsRequest, call: Call
    ) -> pb.ListDepartmentsResponse:
        """A page of departments."""
        page, token = service.list_departments(
            self._database, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListDepartmentsResponse(
            departments=[department_message(department) for department in page],
            next_page_token=token,
        )

    def GetDataResource(  # noqa: N802
        self, request: pb.GetDataResourceRequest, call: Call
    ) -> pb.GetDataResourceResponse:
        """One resource."""
        resource = service.get_resource(self._database, request.name)
        return pb.GetDataResourceResponse(resource=resource_message(resource, self._clock.now()))

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
            resources=[resource_message(resource, self._clock.now()) for resource in page],
            next_page_token=token,
        )

    def GetServiceItem(  # noqa: N802
        self, request: pb.GetServiceItemRequest, call: Call
    ) -> pb.GetServiceItemResponse:
        """One service item."""
        item = service.get_service_item(self._database, request.name)
        return pb.GetServiceItemResponse(service_item=service_item_message(item))

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
            service_items=[service_item_message(item) for item in page], next_page_token=token
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
