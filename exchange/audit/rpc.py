"""AuditService: messages to models and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from exchange.audit.appending import AuditLog
from exchange.audit.model import Receipt
from exchange.audit.service import AuditReader, Event, EventRecorder
from exchange.v1 import audit_pb2 as pb
from runtime.clock import SYSTEM, Clock
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.records import SealedRecord
from runtime.rpc import ANY_ROLE, Call

POLICY: Mapping[str, frozenset[Role]] = {
    "GetCheckpoint": ANY_ROLE,
    "GetInclusionProof": ANY_ROLE,
    "GetConsistencyProof": ANY_ROLE,
    "ListEntries": ANY_ROLE,
    "RecordEvents": frozenset({Role.NODE}),
}


class AuditServicer:
    """The log, for every caller with a certificate; only the node's services append."""

    def __init__(self, log: AuditLog, *, clock: Clock = SYSTEM) -> None:
        self._reader = AuditReader(log)
        self._recorder = EventRecorder(log.store, key=log.key, clock=clock)

    def GetCheckpoint(  # noqa: N802  # the schema's name
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """See audit.proto."""
        return pb.GetCheckpointResponse(
            checkpoint=self._reader.checkpoint().note, verifier_key=self._reader.verifier_key
        )

    def GetInclusionProof(  # noqa: N802
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """See audit.proto."""
        if request.HasField("index"):
            if request.shard or request.batch or request.position:
                raise _asked_twice()
            proof = self._reader.inclusion_proof_at(request.index)
            return pb.GetInclusionProofResponse(index=request.index, proof=proof)
        index, proof = self._reader.inclusion_proof(request.shard, request.batch, request.position)
        return pb.GetInclusionProofResponse(index=index, proof=proof)

    def GetConsistencyProof(  # noqa: N802
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """See audit.proto."""
        found = self._reader.consistency_proof(request.first_size, request.second_size)
        return pb.GetConsistencyProofResponse(
            hashes=found.hashes, second_size=found.second_size, checkpoint=found.checkpoint
        )

    def ListEntries(  # noqa: N802
        self, request: pb.ListEntriesRequest, call: Call
    ) -> pb.ListEntriesResponse:
        """See audit.proto."""
        leaves, size = self._reader.entries(request.start, request.page_size)
        return pb.ListEntriesResponse(leaves=leaves, size=size)

    def RecordEvents(  # noqa: N802
        self, request: pb.RecordEventsRequest, call: Call
    ) -> pb.RecordEventsResponse:
        """See audit.proto."""
        events = [
            Event(id=event.id, record=SealedRecord(leaf=event.leaf, salt=event.salt))
            for event in request.events
        ]
        return pb.RecordEventsResponse(
            appended=self._recorder.record(call.principal.system, events)
        )


def _asked_twice() -> InvalidArgument:
    return InvalidArgument(
        "a proof is asked for by index, or by shard, batch and position: leave one of them out",
        message_zh="请只用序号，或只用分片、批次和位置来请求证明",
        violations=[FieldViolation("index", "set beside shard, batch or position")],
    )


def receipt_of(message: pb.Receipt) -> Receipt:
    """The receipt of an answer, as its owner keeps it (`exchange.receipts` is the way out)."""
    return Receipt(
        leaf=message.leaf,
        salt=message.salt,
        shard=message.shard,
        batch=message.batch,
        position=message.position,
        batch_size=message.batch_size,
        path=tuple(message.path),
        promise_time=message.promise_time.ToDatetime(UTC),
        signature=message.signature,
    )
