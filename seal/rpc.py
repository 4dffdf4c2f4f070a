"""SealService on the wire: who may call what, and reading.

1. Deny by default: `POLICY` names every method.
2. A mutation is answered once per request id. What uses a seal is in `rpc_sealing`, what changes
   one in `rpc_life`, what verifies in `rpc_verifying`.
3. Lists carry no pictures; a seal by name carries everything that its caller may see.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call
from seal.material import OWN_SOURCE
from seal.recognition.wire import to_trusted
from seal.rpc_evidence import EVIDENCE_POLICY, EvidenceRpc
from seal.rpc_life import LIFE_POLICY
from seal.rpc_sealing import SEALING_POLICY
from seal.rpc_verifying import VERIFYING_POLICY
from seal.v1 import seal_pb2 as pb
from seal.wire import to_seal, to_time

POLICY: Mapping[str, frozenset[Role]] = {
    **SEALING_POLICY,
    **LIFE_POLICY,
    "GetSeal": ANY_ROLE,
    "ListSeals": ANY_ROLE,
    **VERIFYING_POLICY,
    **EVIDENCE_POLICY,
    "GetTrustMaterial": ANY_ROLE,
}


class SealRpc(EvidenceRpc):
    """The servicer. A plain method runs in a worker thread."""

    def GetSeal(self, request: pb.GetSealRequest, call: Call) -> pb.GetSealResponse:  # noqa: N802
        """See the proto."""
        held = self._keeping.get(request.name, call.principal)
        return pb.GetSealResponse(
            seal=to_seal(held, call.principal),
            acts=self._acting.shown(call.principal, request.name),
        )

    def ListSeals(self, request: pb.ListSealsRequest, call: Call) -> pb.ListSealsResponse:  # noqa: N802
        """See the proto."""
        seals, token = self._keeping.page(
            request.parent,
            call.principal,
            page_size=request.page_size,
            page_token=request.page_token,
            ends_within_days=request.ends_within_days,
        )
        acts = call.principal.roles & {Role.ADMINISTRATOR, Role.AUDITOR}
        return pb.ListSealsResponse(
            seals=[to_seal(one, call.principal) for one in seals],
            next_page_token=token,
            ending_certificates=[
                pb.EndingCertificate(key=key, end_time=to_time(end))
                for key, end in (self._making.ending() if acts else ())
            ],
        )

    def GetTrustMaterial(  # noqa: N802
        self, _request: pb.GetTrustMaterialRequest, _call: Call
    ) -> pb.GetTrustMaterialResponse:
        """See the proto."""
        found = self._material.current()
        own = [one for one in found.anchors if one.source == OWN_SOURCE]
        return pb.GetTrustMaterialResponse(
            anchors=[one.certificate for one in own if not one.is_for_time_alone],
            intermediates=found.intermediates,
            revocation_lists=found.crls,
            timestamp_anchors=[one.certificate for one in own if one.is_for_time_alone],
            recognised_anchors=[to_trusted(one) for one in found.anchors if one not in own],
            makers=dict.fromkeys(maker for one in own for maker in one.makers),
        )
