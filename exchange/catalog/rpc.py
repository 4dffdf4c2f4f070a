"""CatalogService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from exchange.catalog import registering, service
from exchange.catalog.history import service as history
from exchange.catalog.messages import (
    KIND_OF,
    LEVEL_OF,
    SHARING_OF,
    STATES,
    change_of,
    department_message,
    resource_message,
    search_result,
    service_item_message,
    time_of,
    timestamp,
)
from exchange.catalog.model import DataResource, DepartmentLevel, Entry, ServiceItem
from exchange.catalog.registering import Wanted
from exchange.catalog.search import service as search
from exchange.catalog.search.model import Filters
from exchange.catalog.service import Schemas
from exchange.v1 import catalog_pb2 as pb
from runtime import names
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, EVERYBODY, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateDepartment": frozenset({Role.ADMINISTRATOR}),
    "UpdateDepartment": frozenset({Role.ADMINISTRATOR}),
    "GetDepartment": EVERYBODY,
    "ListDepartments": EVERYBODY,
    "GetDataResource": EVERYBODY,
    "ListDataResources": ANY_ROLE,
    "GetServiceItem": EVERYBODY,
    "ListServiceItems": EVERYBODY,
    "ApplyDirectory": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR}),
    "ListVersions": ANY_ROLE,
    "CompareVersions": ANY_ROLE,
    "CompareServiceItems": ANY_ROLE,
    "SearchCatalog": EVERYBODY,
    "GetTitles": EVERYBODY,
}


class CatalogServicer:
    """The methods of CatalogService; plain ones, as all of them ask the database."""

    def __init__(
        self, database: Database, schemas: Schemas, clock: Clock, *, office: str = ""
    ) -> None:
        self._database = database
        self._office = office
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
                    office=self._office,
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
                    office=self._office,
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
        at = time_of(request)
        department = (
            history.department_then(self._database, request.name, at)
            if at is not None
            else service.get_department(self._database, request.name)
        )
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
        if request.HasField("read_time") or request.version:
            names.parse(names.RESOURCE, request.name)
            then, at = self._then(request)
            if isinstance(then, DataResource):
                return pb.GetDataResourceResponse(resource=resource_message(then, at))
        resource = service.get_resource(self._database, request.name)
        return pb.GetDataResourceResponse(resource=resource_message(resource, self._clock.now()))

    def _then(
        self, request: pb.GetDataResourceRequest | pb.GetServiceItemRequest
    ) -> tuple[Entry, datetime]:
        return history.entry_then(
            self._database,
            request.name,
            at=time_of(request),
            version=request.version,
            clock=self._clock,
        )

    def ListDataResources(  # noqa: N802
        self, request: pb.ListDataResourcesRequest, call: Call
    ) -> pb.ListDataResourcesResponse:
        """A page of resources."""
        now = self._clock.now()
        page, token = service.list_resources(
            self._database,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
            withdrawn=request.show_withdrawn,
            stale_at=now if request.stale_only else None,
        )
        return pb.ListDataResourcesResponse(
            resources=[resource_message(resource, now) for resource in page], next_page_token=token
        )

    def GetServiceItem(  # noqa: N802
        self, request: pb.GetServiceItemRequest, call: Call
    ) -> pb.GetServiceItemResponse:
        """One service item."""
        if request.HasField("read_time") or request.version:
            names.parse(names.SERVICE_ITEM, request.name)
            then, _ = self._then(request)
            if isinstance(then, ServiceItem):
                return pb.GetServiceItemResponse(service_item=service_item_message(then))
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
                    office=self._office,
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

    def ListVersions(  # noqa: N802
        self, request: pb.ListVersionsRequest, call: Call
    ) -> pb.ListVersionsResponse:
        """A page of versions, the newest first."""
        page, token = history.list_versions(
            self._database,
            request.name,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListVersionsResponse(
            versions=[
                pb.EntryVersion(
                    version=one.version,
                    state=STATES[one.state],
                    change_time=timestamp(one.changed_at),
                    end_time=timestamp(one.end_time),
                    batch=one.batch,
                    etag=one.etag,
                )
                for one in page
            ],
            next_page_token=token,
        )

    def CompareVersions(  # noqa: N802
        self, request: pb.CompareVersionsRequest, call: Call
    ) -> pb.CompareVersionsResponse:
        """In what two versions differ."""
        before, after, found, cut = history.compare_versions(
            self._database, request.name, before=request.from_version, after=request.to_version
        )
        return pb.CompareVersionsResponse(
            from_version=before.version,
            to_version=after.version,
            differences=[
                pb.FieldDifference(field=one.field, before=one.before, after=one.after)
                for one in found
            ],
            truncated=cut,
        )

    def CompareServiceItems(  # noqa: N802
        self, request: pb.CompareServiceItemsRequest, call: Call
    ) -> pb.CompareServiceItemsResponse:
        """In which of the ten elements the offers of an item differ."""
        offers, elements, cut = history.compare_service_items(self._database, request.code)
        return pb.CompareServiceItemsResponse(
            code=request.code,
            service_items=offers,
            elements=[
                pb.ElementComparison(
                    element=one.element,
                    equal=one.equal,
                    missing=one.missing,
                    variants=[
                        pb.ElementVariant(value=v.value, service_items=v.service_items)
                        for v in one.variants
                    ],
                )
                for one in elements
            ],
            truncated=cut,
        )

    def SearchCatalog(  # noqa: N802
        self, request: pb.SearchCatalogRequest, call: Call
    ) -> pb.SearchCatalogResponse:
        """A page of what was found."""
        sharing = SHARING_OF.get(request.sharing_type)
        page, token = search.search(
            self._database,
            request.query,
            Filters(
                department=request.department,
                base_library=request.base_library,
                sharing_type=sharing.value if sharing else "",
                kind=KIND_OF.get(request.kind, ""),
                stale_only=request.stale_only,
            ),
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
        )
        return pb.SearchCatalogResponse(
            results=[search_result(found) for found in page], next_page_token=token
        )

    def GetTitles(  # noqa: N802
        self, request: pb.GetTitlesRequest, _call: Call
    ) -> pb.GetTitlesResponse:
        """What resources and service items are called."""
        return pb.GetTitlesResponse(titles=service.titles(self._database, request.names))
