"""SealService on the wire: protobuf to model and back, and who may call what.

1. Deny by default: `POLICY` names every method.
2. A mutation is answered once per request id. What uses a seal is in `rpc_sealing`.
3. Lists carry no pictures; a seal by name carries everything, all of it public.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from runtime import names
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists, FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.model import Check, Indication, Verdict
from seal.registry import HeldSeal, SealOrder, SealState
from seal.rpc_sealing import SEALING_POLICY, SealingRpc
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb

POLICY: Mapping[str, frozenset[Role]] = {
    **SEALING_POLICY,
    "CreateSeal": frozenset({Role.ADMINISTRATOR}),
    "GetSeal": ANY_ROLE,
    "ListSeals": ANY_ROLE,
    "VerifyDocument": ANY_ROLE,
    "GetTrustMaterial": ANY_ROLE,
}

_STATES: Final = {
    SealState.ACTIVE: pb.SEAL_STATE_ACTIVE,
    SealState.REVOKED: pb.SEAL_STATE_REVOKED,
}
_INDICATIONS: Final = {
    Indication.PASSED: pb.INDICATION_PASSED,
    Indication.INDETERMINATE: pb.INDICATION_INDETERMINATE,
    Indication.FAILED: pb.INDICATION_FAILED,
}


class SealRpc(SealingRpc):
    """The servicer. A plain method runs in a worker thread."""

    def __init__(
        self, database: Database, making: SealMaking, sealing: Sealing, material: TrustMaterial
    ) -> None:
        super().__init__(database, sealing)
        self._making = making
        self._material = material

    def CreateSeal(self, request: pb.CreateSealRequest, call: Call) -> pb.CreateSealResponse:  # noqa: N802
        """See the proto."""
        actor = call.principal.system
        order = _seal_order(request)
        draft = None
        if not self._is_answered(actor, "CreateSeal", request.request_id):
            try:
                draft = self._making.draft(order)  # slow, so before the transaction
            except AlreadyExists:
                if not self._is_answered(actor, "CreateSeal", request.request_id):
                    raise  # else a twin of this request has made it meanwhile

        def act(work: UnitOfWork) -> pb.CreateSealResponse:
            kept = self._making.keep(work, draft or self._making.draft(order), actor=actor)
            return pb.CreateSealResponse(seal=_to_seal(kept))

        return self._once(actor, "CreateSeal", request, pb.CreateSealResponse, act)

    def GetSeal(self, request: pb.GetSealRequest, _call: Call) -> pb.GetSealResponse:  # noqa: N802
        """See the proto."""
        return pb.GetSealResponse(seal=_to_seal(self._making.get(request.name)))

    def ListSeals(self, request: pb.ListSealsRequest, _call: Call) -> pb.ListSealsResponse:  # noqa: N802
        """See the proto."""
        seals, token = self._making.page(
            request.parent, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListSealsResponse(seals=[_to_seal(one) for one in seals], next_page_token=token)

    def VerifyDocument(  # noqa: N802
        self, request: pb.VerifyDocumentRequest, _call: Call
    ) -> pb.VerifyDocumentResponse:
        """See the proto."""
        verdict = self._material.verify(request.document)
        return pb.VerifyDocumentResponse(verdict=_to_verdict(verdict))

    def GetTrustMaterial(  # noqa: N802
        self, _request: pb.GetTrustMaterialRequest, _call: Call
    ) -> pb.GetTrustMaterialResponse:
        """See the proto."""
        found = self._material.current()
        return pb.GetTrustMaterialResponse(
            anchors=[one.certificate for one in found.anchors],
            intermediates=found.intermediates,
            revocation_lists=found.crls,
        )


# --- from the wire -----------------------------------------------------------------------------


def _seal_order(request: pb.CreateSealRequest) -> SealOrder:
    names.parse(names.DEPARTMENT, request.parent, field="parent")
    names.check_id(request.seal_id, field="seal_id")
    return SealOrder(
        department=request.parent,
        seal_id=request.seal_id,
        display_name=request.display_name,
        credit_code=request.credit_code,
        bottom_line=request.bottom_line,
        end_time=_from_time(request.end_time) if request.HasField("end_time") else None,
    )


def _from_time(at: Timestamp) -> datetime:
    try:
        return at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "end_time is not a time",
            reason="BAD_END_TIME",
            message_zh="end_time 不是有效的时间",
            violations=[FieldViolation("end_time", "not a time")],
        ) from None


# --- to the wire -------------------------------------------------------------------------------


def _to_time(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


def _to_seal(held: HeldSeal) -> pb.Seal:
    return pb.Seal(
        name=held.name,
        display_name=held.display_name,
        es_id=held.es_id,
        state=_STATES[held.state],
        start_time=_to_time(held.start_time),
        end_time=_to_time(held.end_time),
        seal_data=held.seal_data,
        image=held.image,
        diameter_mm=held.diameter_mm,
        certificate=held.certificate,
    )


def _to_verdict(verdict: Verdict) -> pb.Verdict:
    return pb.Verdict(
        indication=_INDICATIONS[verdict.indication],
        sub_indication=verdict.sub_indication,
        summary=verdict.summary,
        summary_zh=verdict.summary_zh,
        checks=[_to_check(one) for one in verdict.checks],
        signatures=[
            pb.SignatureReport(
                id=one.id,
                signer=one.signer,
                seal_name=one.seal_name,
                format=one.format,
                signing_time=None if one.signed_at is None else _to_time(one.signed_at),
                checks=[_to_check(check) for check in one.checks],
            )
            for one in verdict.signatures
        ],
    )


def _to_check(check: Check) -> pb.Check:
    return pb.Check(
        name=check.name,
        indication=_INDICATIONS[check.indication],
        detail=check.detail,
        detail_zh=check.detail_zh,
    )
