"""What planning asks of the rest of the node: catalog, grants and the log; by stubs.

As `licenses.neighbours`: this file knows protobuf, every call has a deadline and is made with the
node's own certificate. It reads no data of anybody: that, the accepting department does by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any, Final, Protocol

import grpc

from exchange.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    grants_pb2,
    grants_pb2_grpc,
)
from licenses.materials.answers import Answered
from licenses.materials.model import GrantGiven, Item, Material, Resource
from licenses.neighbours import call_node
from licenses.types.model import CodeValue, FieldKind, LicenseField
from runtime.errors import InvalidArgument, NotFound, Unavailable
from runtime.paging import last_of

PAGE: Final = 1000
#: The log takes a record in within about a second of its promise.
LOG_SECONDS: Final = 10.0
LOG_PAUSE: Final = 0.1


class Surroundings(Protocol):
    """What planning and collecting ask of the rest of the node."""

    def item(self, name: str) -> Item:
        """A service item. Raises NotFound."""
        ...

    def items(self, parent: str, *, size: int, token: str) -> tuple[list[Item], str]:
        """A page of service items in force, and the token of the next."""
        ...

    def title(self, department: str) -> str:
        """What people call a department. Raises NotFound."""
        ...

    def resource(self, name: str) -> Resource | None:
        """A resource, if the catalog holds it."""
        ...

    def grants(self, department: str) -> list[GrantGiven]:
        """All grants of a department."""
        ...

    def log_indices(self, answers: Sequence[Answered]) -> tuple[int, ...]:
        """Where the leaves of answers are in the log.

        Raises InvalidArgument (ANSWER_NOT_PROVEN) where another leaf is there, or none.
        """
        ...


class NodeSurroundings:
    """The surroundings over a channel to the node itself."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._grants = grants_pb2_grpc.GrantServiceStub(channel)
        self._audit = audit_pb2_grpc.AuditServiceStub(channel)

    def item(self, name: str) -> Item:
        """See Surroundings."""
        request = catalog_pb2.GetServiceItemRequest(name=name)
        return _item(call_node(self._catalog.GetServiceItem, request).service_item)

    def items(self, parent: str, *, size: int, token: str) -> tuple[list[Item], str]:
        """See Surroundings."""
        last_of(token)
        page = call_node(
            self._catalog.ListServiceItems,
            catalog_pb2.ListServiceItemsRequest(parent=parent, page_size=size, page_token=token),
        )
        return [_item(one) for one in page.service_items], page.next_page_token

    def title(self, department: str) -> str:
        """See Surroundings."""
        request = catalog_pb2.GetDepartmentRequest(name=department)
        return str(call_node(self._catalog.GetDepartment, request).department.display_name)

    def resource(self, name: str) -> Resource | None:
        """See Surroundings."""
        request = catalog_pb2.GetDataResourceRequest(name=name)
        try:
            found = call_node(self._catalog.GetDataResource, request).resource
        except NotFound:
            return None
        standards = {one.code: one.standard for one in found.items}
        return Resource(
            name=found.name,
            display_name=found.display_name,
            active=found.state == catalog_pb2.ENTRY_STATE_ACTIVE,
            key_standard=standards.get(found.key_item, ""),
            signed_requests=found.signed_requests,
            shapes={one.code: _shape(one) for one in found.items},
        )

    def grants(self, department: str) -> list[GrantGiven]:
        """See Surroundings."""
        return [_grant(one) for one in self._every_grant(department)]

    def _every_grant(self, department: str) -> Iterator[grants_pb2.Grant]:
        request = grants_pb2.ListGrantsRequest(parent=department, page_size=PAGE)
        while True:
            page = call_node(self._grants.ListGrants, request)
            yield from page.grants
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def log_indices(self, answers: Sequence[Answered]) -> tuple[int, ...]:
        """See Surroundings. Waits for the log to take the leaves in: so long for all together."""
        deadline = time.monotonic() + LOG_SECONDS
        return tuple(self._log_index(one, deadline) for one in answers)

    def _log_index(self, answer: Answered, deadline: float) -> int:
        request = audit_pb2.GetInclusionProofRequest(
            shard=answer.shard, batch=answer.batch, position=answer.position
        )
        try:
            index = _until_there(
                lambda: call_node(self._audit.GetInclusionProof, request).index, deadline
            )
        except NotFound:
            raise _not_in_log() from None
        there = call_node(
            self._audit.ListEntries, audit_pb2.ListEntriesRequest(start=index, page_size=1)
        )
        if list(there.leaves) != [answer.leaf]:
            raise _not_in_log()
        return int(index)


def _until_there(ask: Callable[[], Any], deadline: float) -> Any:
    while True:
        try:
            return ask()
        except Unavailable as error:
            if error.retry_after is None or time.monotonic() > deadline:
                raise
            time.sleep(LOG_PAUSE)


def _not_in_log() -> InvalidArgument:
    return InvalidArgument(
        "an answer's receipt is not of this node's log: hand in the receipt as it came",
        reason="ANSWER_NOT_PROVEN",
        message_zh="应答的存证不在本节点的日志中：请原样提交存证",
        problem="LOG",
    )


_KINDS: Final = {
    catalog_pb2.ITEM_TYPE_NUMBER: FieldKind.DECIMAL,
    catalog_pb2.ITEM_TYPE_DATE: FieldKind.DATE,
    catalog_pb2.ITEM_TYPE_LOGICAL: FieldKind.CODE,
}
_STANDARDS: Final = {
    "GB 11643": FieldKind.CITIZEN_NUMBER,
    "GB 32100": FieldKind.CREDIT_CODE,
    "GB/T 2260": FieldKind.REGION,
}
_LOGICAL: Final = (CodeValue(code="true", name="是"), CodeValue(code="false", name="否"))


def _shape(one: catalog_pb2.DataItem) -> LicenseField:
    """What the values of an item are; of a kind that nobody types, a text."""
    kind = _KINDS.get(one.type) or _STANDARDS.get(one.standard, FieldKind.TEXT)
    values = tuple(CodeValue(code=v.code, name=v.display_name) for v in one.code_values)
    if one.type == catalog_pb2.ITEM_TYPE_LOGICAL:
        values = _LOGICAL
    return LicenseField(
        code=one.code,
        display_name=one.display_name,
        kind=FieldKind.CODE if values else kind,
        values=values,
    )


def _item(message: catalog_pb2.ServiceItem) -> Item:
    return Item(
        name=message.name,
        display_name=message.display_name,
        active=message.state == catalog_pb2.ENTRY_STATE_ACTIVE,
        materials=tuple(
            Material(
                display_name=one.display_name,
                required=one.required,
                license_type=one.replaced_by.license_type,
                resource=one.replaced_by.resource,
                item=one.replaced_by.item,
            )
            for one in message.materials
        ),
    )


def _grant(message: grants_pb2.Grant) -> GrantGiven:
    return GrantGiven(
        name=message.name,
        resource=message.resource,
        whole=frozenset(
            one.item for one in message.items if one.mask == grants_pb2.MASK_UNSPECIFIED
        ),
        may_query=grants_pb2.OPERATION_QUERY in message.operations,
        may_verify=grants_pb2.OPERATION_VERIFY in message.operations,
        service_item=message.service_item,
        start=message.start_time.ToDatetime(UTC),
        end=message.end_time.ToDatetime(UTC),
        active=message.state == grants_pb2.GRANT_STATE_ACTIVE,
        purpose=message.purpose,
    )
