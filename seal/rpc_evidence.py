"""Making bundles of evidence on the wire: of the node's own material, and nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.errors import InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call
from seal.evidence.making import make_evidence
from seal.orders import check_size
from seal.rpc_verifying import VerifyingRpc
from seal.v1 import seal_pb2 as pb
from seal.wire import to_verdict

EVIDENCE_POLICY: Mapping[str, frozenset[Role]] = {
    "MakeEvidence": frozenset({Role.DEPARTMENT, Role.AUDITOR, Role.ADMINISTRATOR}),
}
MAKER: Final = "tongban node"
_GREATEST_RECEIPT: Final = 1024 * 1024
_GREATEST_KEY: Final = 1000


class EvidenceRpc(VerifyingRpc):
    """The method that makes bundles; it runs in a worker thread."""

    def MakeEvidence(  # noqa: N802
        self, request: pb.MakeEvidenceRequest, _call: Call
    ) -> pb.MakeEvidenceResponse:
        """See the proto. Raises InvalidArgument and ResourceExhausted."""
        check_size(request.document, stream="")
        if len(request.log_key) > _GREATEST_KEY or any(
            len(one) > _GREATEST_RECEIPT for one in request.receipts
        ):
            raise InvalidArgument(
                "a receipt has at most 1 MiB, and the log's key is one line",
                reason="EVIDENCE_RECEIPTS",
                message_zh="每份回执至多 1 MiB，日志公钥为一行文字",
            )
        made = make_evidence(
            request.document,
            store=self._material.current(),
            now=self._material.now(),
            maker=MAKER,
            receipts=list(request.receipts),
            log_key=request.log_key,
        )
        verdict = self._material.verify(request.document)
        return pb.MakeEvidenceResponse(evidence=made, verdict=to_verdict(verdict))
