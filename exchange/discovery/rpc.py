"""DiscoveryService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from exchange.catalog.messages import SHARING, SHARING_OF, STATES, timestamp
from exchange.catalog.model import SharingType
from exchange.catalog.staleness import is_stale
from exchange.discovery import service
from exchange.discovery.model import Access, Asking, Obstacle, Reason
from exchange.discovery.service import Found, Wanted
from exchange.grants.messages import grant_message
from exchange.grants.model import Grant, Operation
from exchange.v1 import discovery_pb2 as pb
from exchange.v1.grants_pb2 import Operation as pb_operation  # noqa: N813  # an enum's number
from runtime.clock import Clock
from runtime.database import Database
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {"Discover": ANY_ROLE, "GetDescriptor": ANY_ROLE}

_ACCESS = {
    Access.OWN: pb.ACCESS_OWN,
    Access.USABLE: pb.ACCESS_USABLE,
    Access.NOT_YET: pb.ACCESS_NOT_YET,
    Access.REQUESTED: pb.ACCESS_REQUESTED,
    Access.REQUESTABLE: pb.ACCESS_REQUESTABLE,
    Access.CLOSED: pb.ACCESS_CLOSED,
}
_ACCESS_OF = {number: word for word, number in _ACCESS.items()}
_REASONS = {
    Reason.NOT_SHARED: pb.OBSTACLE_REASON_NOT_SHARED,
    Reason.WITHDRAWN: pb.OBSTACLE_REASON_WITHDRAWN,
    Reason.NO_GRANT: pb.OBSTACLE_REASON_NO_GRANT,
    Reason.GRANT_EXPIRED: pb.OBSTACLE_REASON_GRANT_EXPIRED,
    Reason.GRANT_REVOKED: pb.OBSTACLE_REASON_GRANT_REVOKED,
    Reason.GRANT_NOT_YET_VALID: pb.OBSTACLE_REASON_GRANT_NOT_YET_VALID,
    Reason.REQUEST_PENDING: pb.OBSTACLE_REASON_REQUEST_PENDING,
    Reason.REQUEST_AWAITING_AUTHORITY: pb.OBSTACLE_REASON_REQUEST_AWAITING_AUTHORITY,
    Reason.REQUEST_RETURNED: pb.OBSTACLE_REASON_REQUEST_RETURNED,
    Reason.REQUEST_REJECTED: pb.OBSTACLE_REASON_REQUEST_REJECTED,
    Reason.ITEMS_NOT_GRANTED: pb.OBSTACLE_REASON_ITEMS_NOT_GRANTED,
    Reason.NOW_CONDITIONAL: pb.OBSTACLE_REASON_NOW_CONDITIONAL,
}

_OPERATIONS = {one: pb_operation.Value(f"OPERATION_{one.name}") for one in Operation}


class DiscoveryServicer:
    """Serves `DiscoveryService`; plain methods, as they ask the database."""

    def __init__(self, database: Database, clock: Clock, *, office: str = "") -> None:
        self._database = database
        self._office = office
        self._clock = clock

    def Discover(  # noqa: N802  # the protocol's name
        self, request: pb.DiscoverRequest, call: Call
    ) -> pb.DiscoverResponse:
        """A page of resources, as the caller's department stands to them."""
        consumer = request.consumer or call.principal.department
        page, token = service.discover(
            self._database,
            call.principal,
            wanted=Wanted(
                parent=request.parent,
                base_library=request.base_library,
                sharing=SHARING_OF.get(request.sharing_type, SharingType.UNSPECIFIED),
                access=_ACCESS_OF.get(request.access),
                withdrawn=request.show_withdrawn,
            ),
            consumer=consumer,
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
            office=self._office,
        )
        return pb.DiscoverResponse(
            resources=[self._message(found, consumer) for found in page], next_page_token=token
        )

    def GetDescriptor(  # noqa: N802
        self, request: pb.GetDescriptorRequest, call: Call
    ) -> pb.GetDescriptorResponse:
        """The descriptor of one resource."""
        told, etag = service.descriptor_of(self._database, name=request.name, clock=self._clock)
        return pb.GetDescriptorResponse(descriptor_json=told.decode(), etag=etag)

    def _message(self, found: Found, consumer: str) -> pb.DiscoveredResource:
        standing, resource = found.standing, found.standing.resource
        return pb.DiscoveredResource(
            resource=resource.name,
            display_name=resource.display_name,
            abstract=resource.abstract,
            sharing_type=SHARING[resource.sharing_type],
            state=STATES[resource.state],
            stale=is_stale(resource, self._clock.now()),
            access=_ACCESS[standing.access],
            grants=[_grant_message(grant) for grant in standing.grants],
            more_grants=standing.more_grants,
            usable_items=standing.usable_items,
            missing_items=standing.missing_items,
            obstacles=[_obstacle_message(obstacle) for obstacle in standing.obstacles],
            how_to_ask=None
            if standing.asking is None
            else _asking_message(standing.asking, found, consumer),
        )


def _grant_message(grant: Grant) -> pb.UsableGrant:
    told = grant_message(grant)
    return pb.UsableGrant(
        grant=told.name,
        items=told.items,
        operations=told.operations,
        start_time=told.start_time,
        end_time=told.end_time,
        purpose=told.purpose,
        service_item=told.service_item,
        row_filter=told.row_filter,
        daily_quota=told.daily_quota,
        rate_per_minute=told.rate_per_minute,
    )


def _obstacle_message(obstacle: Obstacle) -> pb.Obstacle:
    english, chinese = obstacle.reason.words
    return pb.Obstacle(
        reason=_REASONS[obstacle.reason],
        message=english,
        message_zh=chinese,
        subject=obstacle.subject,
        time=timestamp(obstacle.time),
        due=obstacle.due,
        legal_basis=obstacle.legal_basis,
        detail=obstacle.detail,
    )


def _asking_message(asking: Asking, found: Found, consumer: str) -> pb.HowToAsk:
    rules = asking.rules
    return pb.HowToAsk(
        method=pb.ASKING_METHOD_AT_ONCE if asking.at_once else pb.ASKING_METHOD_ON_REVIEW,
        department=asking.department,
        department_display_name=found.source_display_name,
        contact_office=asking.contact_office,
        condition=asking.condition,
        reply_working_days=rules.reply.days,
        reply_due=rules.reply.due.isoformat() if rules.reply.due else "",
        reply_due_provisional=rules.reply.provisional,
        period_source=rules.reply.source,
        period_sure=rules.reply.sure,
        needs_review=rules.needs_review,
        authority=rules.authority,
        review_working_days=rules.review.days,
        request_json=_request_json(asking, found, consumer),
    )


def _request_json(asking: Asking, found: Found, consumer: str) -> str:
    """The request to fill in: what is left empty stands there, so that it is seen."""
    request: dict[str, object] = {
        "resource": found.standing.resource.name,
        "items": asking.items,
        "operations": [_operation(operation) for operation in asking.operations],
        "purpose": "",
        "legalBasis": "",
        "serviceItem": "",
    }
    if asking.amends:
        request["amends"] = asking.amends
    told = {"parent": consumer, "accessRequest": request, "requestId": ""}
    return orjson.dumps(told).decode()


def _operation(operation: Operation) -> str:
    return pb_operation.Name(_OPERATIONS[operation])
