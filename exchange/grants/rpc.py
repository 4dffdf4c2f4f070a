"""GrantService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.grants import service
from exchange.grants.authorizing import GrantIndex
from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    Mask,
    Operation,
)
from exchange.v1 import grants_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_READERS = frozenset({Role.DEPARTMENT, Role.COUNTER, Role.ADMINISTRATOR, Role.AUDITOR})
_DECIDERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateAccessRequest": frozenset({Role.DEPARTMENT}),
    "GetAccessRequest": _READERS,
    "ListAccessRequests": _READERS,
    "ApproveAccessRequest": _DECIDERS,
    "RejectAccessRequest": _DECIDERS,
    "GetGrant": _READERS,
    "ListGrants": _READERS,
    "RevokeGrant": _DECIDERS,
}

_OPERATIONS = {
    Operation.QUERY: pb.OPERATION_QUERY,
    Operation.VERIFY: pb.OPERATION_VERIFY,
    Operation.SUBSCRIBE: pb.OPERATION_SUBSCRIBE,
}
_MASKS = {
    Mask.WHOLE: pb.MASK_UNSPECIFIED,
    Mask.LAST_FOUR: pb.MASK_LAST_FOUR,
    Mask.FIRST_CHARACTER: pb.MASK_FIRST_CHARACTER,
    Mask.YEAR: pb.MASK_YEAR,
    Mask.FIRST_SIX: pb.MASK_FIRST_SIX,
}
_REQUEST_STATES = {
    AccessRequestState.PENDING: pb.ACCESS_REQUEST_STATE_PENDING,
    AccessRequestState.APPROVED: pb.ACCESS_REQUEST_STATE_APPROVED,
    AccessRequestState.REJECTED: pb.ACCESS_REQUEST_STATE_REJECTED,
}
_GRANT_STATES = {
    GrantState.ACTIVE: pb.GRANT_STATE_ACTIVE,
    GrantState.REVOKED: pb.GRANT_STATE_REVOKED,
}
_OPERATION_OF = {number: word for word, number in _OPERATIONS.items()}
_MASK_OF = {number: word for word, number in _MASKS.items()}


class GrantServicer:
    """The methods of GrantService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, index: GrantIndex, clock: Clock) -> None:
        self._database = database
        self._index = index
        self._clock = clock

    def CreateAccessRequest(  # noqa: N802  # the protocol's name
        self, request: pb.CreateAccessRequestRequest, call: Call
    ) -> pb.CreateAccessRequestResponse:
        """Ask for access."""
        asked = request.access_request
        operations = _operations(asked.operations, "access_request.operations")
        with self._database.unit_of_work() as work:

            def act() -> pb.CreateAccessRequestResponse:
                made = service.create_access_request(
                    work,
                    call.principal,
                    parent=request.parent,
                    resource=asked.resource,
                    items=asked.items,
                    operations=operations,
                    purpose=asked.purpose,
                    legal_basis=asked.legal_basis,
                    clock=self._clock,
                )
                return pb.CreateAccessRequestResponse(access_request=request_message(made))

            answer = work.once(
                call.principal.system,
                "CreateAccessRequest",
                request,
                request.request_id,
                pb.CreateAccessRequestResponse,
                act,
            )
        self._index.invalidate()
        return answer

    def GetAccessRequest(  # noqa: N802
        self, request: pb.GetAccessRequestRequest, call: Call
    ) -> pb.GetAccessRequestResponse:
        """One request."""
        found = service.get_access_request(self._database, call.principal, request.name)
        return pb.GetAccessRequestResponse(access_request=request_message(found))

    def ListAccessRequests(  # noqa: N802
        self, request: pb.ListAccessRequestsRequest, call: Call
    ) -> pb.ListAccessRequestsResponse:
        """A page of requests."""
        page, token = service.list_access_requests(
            self._database,
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListAccessRequestsResponse(
            access_requests=[request_message(found) for found in page], next_page_token=token
        )

    def ApproveAccessRequest(  # noqa: N802
        self, request: pb.ApproveAccessRequestRequest, call: Call
    ) -> pb.ApproveAccessRequestResponse:
        """Answer a request with a grant."""
        items = _given(request.items)
        operations = _operations(request.operations, "operations")
        start = _time(request, "start_time")
        end = _time(request, "end_time")
        with self._database.unit_of_work() as work:

            def act() -> pb.ApproveAccessRequestResponse:
                grant = service.approve_access_request(
                    work,
                    call.principal,
                    name=request.name,
                    items=items,
                    operations=operations,
                    daily_quota=request.daily_quota,
                    start_time=start,
                    end_time=end,
                    clock=self._clock,
                )
                return pb.ApproveAccessRequestResponse(grant=grant_message(grant))

            answer = work.once(
                call.principal.system,
                "ApproveAccessRequest",
                request,
                request.request_id,
                pb.ApproveAccessRequestResponse,
                act,
            )
        self._index.invalidate()
        return answer

    def RejectAccessRequest(  # noqa: N802
        self, request: pb.RejectAccessRequestRequest, call: Call
    ) -> pb.RejectAccessRequestResponse:
        """Answer a request with a refusal."""
        with self._database.unit_of_work() as work:

            def act() -> pb.RejectAccessRequestResponse:
                rejected = service.reject_access_request(
                    work,
                    call.principal,
                    name=request.name,
                    reason=request.reason,
                    clock=self._clock,
                )
                return pb.RejectAccessRequestResponse(access_request=request_message(rejected))

            return work.once(
                call.principal.system,
                "RejectAccessRequest",
                request,
                request.request_id,
                pb.RejectAccessRequestResponse,
                act,
            )

    def GetGrant(self, request: pb.GetGrantRequest, call: Call) -> pb.GetGrantResponse:  # noqa: N802
        """One grant."""
        grant = service.get_grant(self._database, call.principal, request.name)
        return pb.GetGrantResponse(grant=grant_message(grant))

    def ListGrants(self, request: pb.ListGrantsRequest, call: Call) -> pb.ListGrantsResponse:  # noqa: N802
        """A page of grants."""
        page, token = service.list_grants(
            self._database,
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListGrantsResponse(
            grants=[grant_message(grant) for grant in page], next_page_token=token
        )

    def RevokeGrant(self, request: pb.RevokeGrantRequest, call: Call) -> pb.RevokeGrantResponse:  # noqa: N802
        """End a grant."""
        with self._database.unit_of_work() as work:

            def act() -> pb.RevokeGrantResponse:
                grant = service.revoke_grant(
                    work,
                    call.principal,
                    name=request.name,
                    reason=request.reason,
                    clock=self._clock,
                )
                return pb.RevokeGrantResponse(grant=grant_message(grant))

            answer = work.once(
                call.principal.system,
                "RevokeGrant",
                request,
                request.request_id,
                pb.RevokeGrantResponse,
                act,
            )
        self._index.invalidate()
        return answer


def request_message(request: AccessRequest) -> pb.AccessRequest:
    """The message of a request."""
    return pb.AccessRequest(
        name=request.name,
        resource=request.resource,
        items=request.items,
        operations=[_OPERATIONS[operation] for operation in request.operations],
        purpose=request.purpose,
        legal_basis=request.legal_basis,
        state=_REQUEST_STATES[request.state],
        grant=request.grant,
        decision_reason=request.decision_reason,
        create_time=_timestamp(request.create_time),
        decide_time=_timestamp(request.decide_time),
    )


def grant_message(grant: Grant) -> pb.Grant:
    """The message of a grant."""
    return pb.Grant(
        name=grant.name,
        resource=grant.resource,
        items=[pb.GrantedItem(item=given.item, mask=_MASKS[given.mask]) for given in grant.items],
        operations=[_OPERATIONS[operation] for operation in grant.operations],
        purpose=grant.purpose,
        legal_basis=grant.legal_basis,
        daily_quota=grant.daily_quota,
        start_time=_timestamp(grant.start_time),
        end_time=_timestamp(grant.end_time),
        state=_GRANT_STATES[grant.state],
        revoke_time=_timestamp(grant.revoke_time),
        revoke_reason=grant.revoke_reason,
        contract_hash=grant.contract_hash,
        access_request=grant.access_request,
        create_time=_timestamp(grant.create_time),
    )


def _operations(numbers: Iterable[int], field: str) -> list[Operation]:
    found = []
    for place, number in enumerate(numbers):
        if number not in _OPERATION_OF:
            raise _unknown(f"{field}[{place}]", "is not an operation")
        found.append(_OPERATION_OF[pb.Operation.ValueType(number)])
    return found


def _given(items: Iterable[pb.GrantedItem]) -> list[GrantedItem]:
    found = []
    for place, given in enumerate(items):
        if given.mask not in _MASK_OF:
            # Never guessed: an unknown mask read as none would show the whole value.
            raise _unknown(f"items[{place}].mask", "is not a mask")
        found.append(GrantedItem(item=given.item, mask=_MASK_OF[given.mask]))
    return found


def _time(request: Message, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _unknown(field, "is not a time") from None


def _unknown(field: str, problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field} {problem}: correct it and repeat",
        message_zh=f"{field} 无效：请更正后重试",
        violations=[FieldViolation(field, problem)],
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
