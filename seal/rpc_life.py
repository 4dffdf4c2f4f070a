"""The life of a seal on the wire: asking, deciding, freezing, thawing, revoking, its history.

Who does not act for the seal's department is refused before anything else (`acting`).
Each mutation is answered once per request id; slow work (drawing, keys) is done before its
transaction, and not at all for a repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runtime.database import Answer, Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import Call
from seal.acting import Acting
from seal.keeping import SealKeeping
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.orders import check_reason
from seal.registry import HeldSeal
from seal.rpc_streams import StreamRpc
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from seal.wire import from_authorization, to_seal, to_time
from seal.wire_life import check_names, seal_order

_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
LIFE_POLICY: Mapping[str, frozenset[Role]] = {
    "CreateSeal": _ADMINISTRATOR,
    "ApproveSeal": _ADMINISTRATOR,
    "RejectSeal": _ADMINISTRATOR,
    "FreezeSeal": _ADMINISTRATOR,
    "UnfreezeSeal": _ADMINISTRATOR,
    "RevokeSeal": _ADMINISTRATOR,
    "UpdateSealAuthorization": _ADMINISTRATOR,
    "ListSealEvents": frozenset({Role.ADMINISTRATOR, Role.AUDITOR, Role.DEPARTMENT}),
}


class LifeRpc(StreamRpc):
    """The methods that change a seal. Plain ones run in a worker thread."""

    def __init__(
        self,
        database: Database,
        making: SealMaking,
        keeping: SealKeeping,
        sealing: Sealing,
        material: TrustMaterial,
        acting: Acting,
    ) -> None:
        super().__init__(database, sealing)
        self._making = making
        self._keeping = keeping
        self._material = material
        self._acting = acting

    def CreateSeal(self, request: pb.CreateSealRequest, call: Call) -> pb.CreateSealResponse:  # noqa: N802
        """See the proto."""
        actor = call.principal.system
        check_names(request)
        self._acting.check(call.principal, request.parent)

        def prepare() -> HeldSeal:
            old = None
            if request.replaces:
                old = self._making.replaced(request.replaces, department=request.parent)
            return self._making.sketch(seal_order(request, old), actor=actor)

        def act(work: UnitOfWork, wish: HeldSeal) -> pb.CreateSealResponse:
            return pb.CreateSealResponse(seal=to_seal(self._making.ask(work, wish), call.principal))

        return self._prepared_once(
            actor, "CreateSeal", request, pb.CreateSealResponse, prepare, act
        )

    def ApproveSeal(self, request: pb.ApproveSealRequest, call: Call) -> pb.ApproveSealResponse:  # noqa: N802
        """See the proto."""
        self._acting.check_seal(call.principal, request.name)
        how = {"actor": call.principal.system, "etag": request.etag}

        def prepare() -> HeldSeal | None:
            return self._making.draft(request.name, **how)

        def act(work: UnitOfWork, made: HeldSeal | None) -> pb.ApproveSealResponse:
            kept = self._making.approve(work, request.name, made, **how)
            return pb.ApproveSealResponse(seal=to_seal(kept, call.principal))

        answer = self._prepared_once(
            how["actor"], "ApproveSeal", request, pb.ApproveSealResponse, prepare, act
        )
        self._material.forget()  # a replaced seal is in the lists now
        return answer

    def RejectSeal(self, request: pb.RejectSealRequest, call: Call) -> pb.RejectSealResponse:  # noqa: N802
        """See the proto."""
        return self._act(call, "RejectSeal", request, pb.RejectSealResponse, self._making.reject)

    def FreezeSeal(self, request: pb.FreezeSealRequest, call: Call) -> pb.FreezeSealResponse:  # noqa: N802
        """See the proto."""
        return self._act(call, "FreezeSeal", request, pb.FreezeSealResponse, self._keeping.freeze)

    def UnfreezeSeal(self, request: pb.UnfreezeSealRequest, call: Call) -> pb.UnfreezeSealResponse:  # noqa: N802
        """See the proto."""
        return self._act(
            call, "UnfreezeSeal", request, pb.UnfreezeSealResponse, self._keeping.unfreeze
        )

    def RevokeSeal(self, request: pb.RevokeSealRequest, call: Call) -> pb.RevokeSealResponse:  # noqa: N802
        """See the proto."""
        answer = self._act(call, "RevokeSeal", request, pb.RevokeSealResponse, self._keeping.revoke)
        self._material.forget()
        return answer

    def UpdateSealAuthorization(  # noqa: N802
        self, request: pb.UpdateSealAuthorizationRequest, call: Call
    ) -> pb.UpdateSealAuthorizationResponse:
        """See the proto."""
        self._acting.check_seal(call.principal, request.name)
        actor = call.principal.system
        wanted = from_authorization(request.authorization)

        def act(work: UnitOfWork) -> pb.UpdateSealAuthorizationResponse:
            kept = self._keeping.ask_change(work, request.name, wanted, actor=actor)
            return pb.UpdateSealAuthorizationResponse(seal=to_seal(kept, call.principal))

        return self._once(
            actor, "UpdateSealAuthorization", request, pb.UpdateSealAuthorizationResponse, act
        )

    def ListSealEvents(  # noqa: N802
        self, request: pb.ListSealEventsRequest, call: Call
    ) -> pb.ListSealEventsResponse:
        """See the proto."""
        events, token = self._keeping.history(
            request.parent,
            call.principal,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSealEventsResponse(
            events=[
                pb.SealEvent(
                    event_time=to_time(one.event_time),
                    kind=one.kind.value,
                    actor=one.actor,
                    reason=one.reason,
                )
                for one in events
            ],
            next_page_token=token,
        )

    def _act(
        self,
        call: Call,
        method: str,
        request: Any,
        answer_type: type[Answer],
        step: Callable[..., HeldSeal],
    ) -> Answer:
        """One step with a reason, once."""
        self._acting.check_seal(call.principal, request.name)
        actor, reason = call.principal.system, check_reason(request.reason, of_use=False)

        def act(work: UnitOfWork) -> Answer:
            kept = step(work, request.name, actor=actor, reason=reason)
            return answer_type(seal=to_seal(kept, call.principal))

        return self._once(actor, method, request, answer_type, act)
