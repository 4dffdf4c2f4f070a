"""GrantService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from google.protobuf.message import Message

from exchange.grants import messages, replying, requesting, service
from exchange.grants.amending import Narrowing
from exchange.grants.authorizing import GrantIndex
from exchange.grants.contracts import contract_note
from exchange.grants.messages import grant_message, request_message
from exchange.grants.model import AccessRequest
from exchange.v1 import grants_pb2 as pb
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition
from runtime.identity import Role
from runtime.rpc import Call
from runtime.signing import LogKey

_READERS = frozenset({Role.DEPARTMENT, Role.COUNTER, Role.ADMINISTRATOR, Role.AUDITOR})
_DECIDERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
_ASKERS = frozenset({Role.DEPARTMENT})

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateAccessRequest": _ASKERS,
    "GetAccessRequest": _READERS,
    "ListAccessRequests": _READERS,
    "ApproveAccessRequest": _DECIDERS,
    "RejectAccessRequest": _DECIDERS,
    "ReturnAccessRequest": _DECIDERS,
    "ResubmitAccessRequest": _ASKERS,
    "WithdrawAccessRequest": _ASKERS,
    "EndorseAccessRequest": frozenset({Role.ADMINISTRATOR}),
    "GetGrant": _READERS,
    "ListGrants": _READERS,
    "RevokeGrant": _DECIDERS,
    "NarrowGrant": _DECIDERS,
    "ListGrantVersions": _READERS,
    "GetGrantContract": _READERS,
}

Answer = TypeVar("Answer", bound=Message)


class GrantServicer:
    """The methods of GrantService; plain ones, as all of them ask the database."""

    def __init__(
        self,
        database: Database,
        index: GrantIndex,
        clock: Clock,
        key: LogKey | None = None,
        *,
        office: str = "",
    ) -> None:
        self._office = office
        self._database = database
        self._index = index
        self._clock = clock
        self._key = key

    def _once(
        self,
        call: Call,
        request: Message,
        request_id: str,
        answer: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        """An act in a transaction, done once by its id; what it changed is seen at once."""
        method = answer.DESCRIPTOR.name.removesuffix("Response")
        with self._database.unit_of_work() as work:
            told = work.once(
                call.principal.system, method, request, request_id, answer, lambda: act(work)
            )
        self._index.invalidate()
        return told

    def CreateAccessRequest(  # noqa: N802  # the protocol's name
        self, request: pb.CreateAccessRequestRequest, call: Call
    ) -> pb.CreateAccessRequestResponse:
        """Ask for access."""
        asked = request.access_request
        operations = messages.operations(asked.operations, "access_request.operations")
        row_filter = messages.row_filter(asked.row_filter, "access_request.row_filter")

        def act(work: UnitOfWork) -> pb.CreateAccessRequestResponse:
            made = requesting.create_access_request(
                work,
                call.principal,
                parent=request.parent,
                resource=asked.resource,
                items=asked.items,
                operations=operations,
                purpose=asked.purpose,
                legal_basis=asked.legal_basis,
                clock=self._clock,
                service_item=asked.service_item,
                row_filter=row_filter,
                amends=asked.amends,
                office=self._office,
            )
            return pb.CreateAccessRequestResponse(access_request=request_message(made))

        return self._once(call, request, request.request_id, pb.CreateAccessRequestResponse, act)

    def GetAccessRequest(  # noqa: N802
        self, request: pb.GetAccessRequestRequest, call: Call
    ) -> pb.GetAccessRequestResponse:
        """One request."""
        found = requesting.get_access_request(self._database, call.principal, request.name)
        return pb.GetAccessRequestResponse(access_request=request_message(found))

    def ListAccessRequests(  # noqa: N802
        self, request: pb.ListAccessRequestsRequest, call: Call
    ) -> pb.ListAccessRequestsResponse:
        """A page of requests."""
        page, token = requesting.list_access_requests(
            self._database,
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
            states=messages.request_states(request.states),
            source=request.source,
            order=messages.order(request.order),
        )
        return pb.ListAccessRequestsResponse(
            access_requests=[request_message(found) for found in page], next_page_token=token
        )

    def ApproveAccessRequest(  # noqa: N802
        self, request: pb.ApproveAccessRequestRequest, call: Call
    ) -> pb.ApproveAccessRequestResponse:
        """Answer a request with a grant."""
        items = messages.given_items(request.items)
        operations = messages.operations(request.operations, "operations")
        row_filter = messages.row_filter(request.row_filter, "row_filter")
        start = messages.time_of(request, "start_time")
        end = messages.time_of(request, "end_time")

        def act(work: UnitOfWork) -> pb.ApproveAccessRequestResponse:
            decided, grant = replying.approve_access_request(
                work,
                call.principal,
                name=request.name,
                items=items,
                operations=operations,
                daily_quota=request.daily_quota,
                start_time=start,
                end_time=end,
                clock=self._clock,
                row_filter=row_filter,
                rate_per_minute=request.rate_per_minute,
                include_history=request.include_history,
                reason=request.reason,
            )
            return pb.ApproveAccessRequestResponse(
                grant=None if grant is None else grant_message(grant),
                access_request=request_message(decided),
            )

        return self._once(call, request, request.request_id, pb.ApproveAccessRequestResponse, act)

    def EndorseAccessRequest(  # noqa: N802
        self, request: pb.EndorseAccessRequestRequest, call: Call
    ) -> pb.EndorseAccessRequestResponse:
        """Agree to a proposal."""

        def act(work: UnitOfWork) -> pb.EndorseAccessRequestResponse:
            decided, grant = replying.endorse_access_request(
                work, call.principal, name=request.name, clock=self._clock
            )
            return pb.EndorseAccessRequestResponse(
                grant=grant_message(grant), access_request=request_message(decided)
            )

        return self._once(call, request, request.request_id, pb.EndorseAccessRequestResponse, act)

    def RejectAccessRequest(  # noqa: N802
        self, request: pb.RejectAccessRequestRequest, call: Call
    ) -> pb.RejectAccessRequestResponse:
        """Answer a request with a refusal."""

        def act(work: UnitOfWork) -> pb.RejectAccessRequestResponse:
            made = replying.reject_access_request(
                work,
                call.principal,
                name=request.name,
                reason=request.reason,
                legal_basis=request.legal_basis,
                clock=self._clock,
            )
            return pb.RejectAccessRequestResponse(access_request=request_message(made))

        return self._once(call, request, request.request_id, pb.RejectAccessRequestResponse, act)

    def ReturnAccessRequest(  # noqa: N802
        self, request: pb.ReturnAccessRequestRequest, call: Call
    ) -> pb.ReturnAccessRequestResponse:
        """Give a request back for more material."""

        def act(work: UnitOfWork) -> pb.ReturnAccessRequestResponse:
            made = replying.return_access_request(
                work, call.principal, name=request.name, note=request.note, clock=self._clock
            )
            return pb.ReturnAccessRequestResponse(access_request=request_message(made))

        return self._once(call, request, request.request_id, pb.ReturnAccessRequestResponse, act)

    def ResubmitAccessRequest(  # noqa: N802
        self, request: pb.ResubmitAccessRequestRequest, call: Call
    ) -> pb.ResubmitAccessRequestResponse:
        """Hand a returned request in again."""
        asked = request.access_request
        names.parse(names.ACCESS_REQUEST, asked.name, field="access_request.name")
        content = AccessRequest(
            name=asked.name,
            resource=asked.resource,
            items=tuple(asked.items),
            operations=tuple(messages.operations(asked.operations, "access_request.operations")),
            purpose=asked.purpose,
            legal_basis=asked.legal_basis,
            create_time=self._clock.now(),
            service_item=asked.service_item,
            row_filter=tuple(messages.row_filter(asked.row_filter, "access_request.row_filter")),
        )

        def act(work: UnitOfWork) -> pb.ResubmitAccessRequestResponse:
            made = requesting.resubmit_access_request(
                work, call.principal, content=content, clock=self._clock
            )
            return pb.ResubmitAccessRequestResponse(access_request=request_message(made))

        return self._once(call, request, request.request_id, pb.ResubmitAccessRequestResponse, act)

    def WithdrawAccessRequest(  # noqa: N802
        self, request: pb.WithdrawAccessRequestRequest, call: Call
    ) -> pb.WithdrawAccessRequestResponse:
        """Take one's own request back."""

        def act(work: UnitOfWork) -> pb.WithdrawAccessRequestResponse:
            made = requesting.withdraw_access_request(
                work, call.principal, name=request.name, clock=self._clock
            )
            return pb.WithdrawAccessRequestResponse(access_request=request_message(made))

        return self._once(call, request, request.request_id, pb.WithdrawAccessRequestResponse, act)

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

        def act(work: UnitOfWork) -> pb.RevokeGrantResponse:
            grant = service.revoke_grant(
                work, call.principal, name=request.name, reason=request.reason, clock=self._clock
            )
            return pb.RevokeGrantResponse(grant=grant_message(grant))

        return self._once(call, request, request.request_id, pb.RevokeGrantResponse, act)

    def NarrowGrant(self, request: pb.NarrowGrantRequest, call: Call) -> pb.NarrowGrantResponse:  # noqa: N802
        """Take something away from a grant."""
        to = Narrowing(
            items=tuple(messages.given_items(request.items)),
            operations=tuple(messages.operations(request.operations, "operations")),
            daily_quota=request.daily_quota if request.HasField("daily_quota") else None,
            rate_per_minute=(
                request.rate_per_minute if request.HasField("rate_per_minute") else None
            ),
            row_filter=tuple(messages.row_filter(request.row_filter, "row_filter")),
            end_time=messages.time_of(request, "end_time"),
        )

        def act(work: UnitOfWork) -> pb.NarrowGrantResponse:
            grant = service.narrow_grant(
                work,
                call.principal,
                name=request.name,
                to=to,
                reason=request.reason,
                etag=request.etag,
                clock=self._clock,
            )
            return pb.NarrowGrantResponse(grant=grant_message(grant))

        return self._once(call, request, request.request_id, pb.NarrowGrantResponse, act)

    def ListGrantVersions(  # noqa: N802
        self, request: pb.ListGrantVersionsRequest, call: Call
    ) -> pb.ListGrantVersionsResponse:
        """All versions of a grant."""
        found = service.list_grant_versions(self._database, call.principal, request.name)
        return pb.ListGrantVersionsResponse(
            versions=[messages.version_message(version) for version in found]
        )

    def GetGrantContract(  # noqa: N802
        self, request: pb.GetGrantContractRequest, call: Call
    ) -> pb.GetGrantContractResponse:
        """The signed terms of a grant."""
        grant = service.grant_version(self._database, call.principal, request.name, request.version)
        if self._key is None:
            raise FailedPrecondition(
                "this process has no log key", message_zh="本进程没有日志密钥，不能签署授权条款"
            )
        note = contract_note(
            grant, origin=self._key.origin, key_id=self._key.key_id, sign=self._key.sign
        )
        return pb.GetGrantContractResponse(note=note, contract_hash=grant.contract_hash)
