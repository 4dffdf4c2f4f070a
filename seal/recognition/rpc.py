"""TrustService on the wire: who may call what, and each mutation once per request id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runtime.database import Answer, Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call
from seal.material import TrustMaterial
from seal.orders import check_reason
from seal.recognition.model import Authority
from seal.recognition.service import NewList, Recognition, may_see_inside
from seal.recognition.wire import from_terms, to_authority, to_event
from seal.rpc_once import OnceRpc
from seal.v1 import trust_pb2 as pb
from seal.wire import from_time

_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
POLICY: Mapping[str, frozenset[Role]] = {
    "ProposeAuthority": _ADMINISTRATOR,
    "ProposeAuthorityChange": _ADMINISTRATOR,
    "ApproveAuthority": _ADMINISTRATOR,
    "RejectAuthority": _ADMINISTRATOR,
    "WithdrawAuthority": _ADMINISTRATOR,
    "AddRevocationList": _ADMINISTRATOR,
    "GetAuthority": ANY_ROLE,
    "ListAuthorities": ANY_ROLE,
    "ListAuthorityEvents": frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
}


class TrustRpc(OnceRpc):
    """The servicer. Its methods run in a worker thread."""

    def __init__(
        self, database: Database, recognition: Recognition, material: TrustMaterial
    ) -> None:
        super().__init__(database)
        self._recognition = recognition
        self._material = material

    def ProposeAuthority(  # noqa: N802
        self, request: pb.ProposeAuthorityRequest, call: Call
    ) -> pb.ProposeAuthorityResponse:
        """See the proto."""
        wanted, actor = from_terms(request.terms), call.principal.system

        def step(work: UnitOfWork) -> Authority:
            return self._recognition.propose(work, request.authority_id, wanted, actor=actor)

        return self._act(call, "ProposeAuthority", request, pb.ProposeAuthorityResponse, step)

    def ProposeAuthorityChange(  # noqa: N802
        self, request: pb.ProposeAuthorityChangeRequest, call: Call
    ) -> pb.ProposeAuthorityChangeResponse:
        """See the proto."""
        wanted, actor = from_terms(request.terms), call.principal.system

        def step(work: UnitOfWork) -> Authority:
            return self._recognition.propose_change(work, request.name, wanted, actor=actor)

        return self._act(
            call, "ProposeAuthorityChange", request, pb.ProposeAuthorityChangeResponse, step
        )

    def ApproveAuthority(  # noqa: N802
        self, request: pb.ApproveAuthorityRequest, call: Call
    ) -> pb.ApproveAuthorityResponse:
        """See the proto."""
        actor = call.principal.system

        def step(work: UnitOfWork) -> Authority:
            return self._recognition.approve(work, request.name, actor=actor, etag=request.etag)

        return self._act(call, "ApproveAuthority", request, pb.ApproveAuthorityResponse, step)

    def RejectAuthority(  # noqa: N802
        self, request: pb.RejectAuthorityRequest, call: Call
    ) -> pb.RejectAuthorityResponse:
        """See the proto."""
        actor, reason = call.principal.system, check_reason(request.reason, of_use=False)

        def step(work: UnitOfWork) -> Authority:
            return self._recognition.reject(work, request.name, actor=actor, reason=reason)

        return self._act(call, "RejectAuthority", request, pb.RejectAuthorityResponse, step)

    def WithdrawAuthority(  # noqa: N802
        self, request: pb.WithdrawAuthorityRequest, call: Call
    ) -> pb.WithdrawAuthorityResponse:
        """See the proto."""
        actor, reason = call.principal.system, check_reason(request.reason, of_use=False)
        at = None
        if request.HasField("withdraw_time"):
            at = from_time(request.withdraw_time, field="withdraw_time", reason="BAD_WITHDRAW_TIME")

        def step(work: UnitOfWork) -> Authority:
            return self._recognition.withdraw(work, request.name, actor=actor, reason=reason, at=at)

        return self._act(call, "WithdrawAuthority", request, pb.WithdrawAuthorityResponse, step)

    def AddRevocationList(  # noqa: N802
        self, request: pb.AddRevocationListRequest, call: Call
    ) -> pb.AddRevocationListResponse:
        """See the proto."""
        actor = call.principal.system

        def prepare() -> NewList:
            return self._recognition.read_list(request.name, request.revocation_list)

        def act(work: UnitOfWork, found: NewList) -> pb.AddRevocationListResponse:
            kept = self._recognition.add_list(work, request.name, found, actor=actor)
            return pb.AddRevocationListResponse(
                authority=to_authority(kept, inside=True, whole=False)
            )

        answer = self._prepared_once(
            actor, "AddRevocationList", request, pb.AddRevocationListResponse, prepare, act
        )
        self._material.forget()
        return answer

    def GetAuthority(self, request: pb.GetAuthorityRequest, call: Call) -> pb.GetAuthorityResponse:  # noqa: N802
        """See the proto."""
        held, lists = self._recognition.get(request.name, call.principal)
        inside = may_see_inside(call.principal)
        return pb.GetAuthorityResponse(authority=to_authority(held, inside=inside, lists=lists))

    def ListAuthorities(  # noqa: N802
        self, request: pb.ListAuthoritiesRequest, call: Call
    ) -> pb.ListAuthoritiesResponse:
        """See the proto."""
        found, token = self._recognition.page(
            call.principal, page_size=request.page_size, page_token=request.page_token
        )
        inside = may_see_inside(call.principal)
        return pb.ListAuthoritiesResponse(
            authorities=[to_authority(one, inside=inside, whole=False) for one in found],
            next_page_token=token,
        )

    def ListAuthorityEvents(  # noqa: N802
        self, request: pb.ListAuthorityEventsRequest, _call: Call
    ) -> pb.ListAuthorityEventsResponse:
        """See the proto."""
        found, token = self._recognition.history(
            request.parent, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListAuthorityEventsResponse(
            events=[to_event(one) for one in found], next_page_token=token
        )

    def _act(
        self,
        call: Call,
        method: str,
        request: Any,
        answer_type: type[Answer],
        step: Callable[[UnitOfWork], Authority],
    ) -> Answer:
        """One step, once; what it changed is seen here at once, elsewhere within a second."""

        def act(work: UnitOfWork) -> Answer:
            return answer_type(authority=to_authority(step(work), inside=True, whole=False))

        answer = self._once(call.principal.system, method, request, answer_type, act)
        self._material.forget()
        return answer
