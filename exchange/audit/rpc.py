"""AuditService: messages to models and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any, Final, TypedDict, TypeVar

from google.protobuf.message import Message

from exchange.audit.answering import Outcome
from exchange.audit.appending import AuditLog
from exchange.audit.finding import index_of
from exchange.audit.judging import judge
from exchange.audit.keeping import service as keeping
from exchange.audit.keeping.store import empty_the_wal
from exchange.audit.model import Receipt
from exchange.audit.service import AuditReader, Event, EventRecorder
from exchange.audit.witnesses.model import Witness
from exchange.audit.witnesses.service import Witnessing
from exchange.v1 import audit_pb2 as pb
from runtime.clock import SYSTEM, Clock
from runtime.database import UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.records import SealedRecord
from runtime.rpc import ANY_ROLE, EVERYBODY, Call

Answer = TypeVar("Answer", bound=Message)
_LAST_SECOND: Final = 253_402_300_799  # the year 9999, the end of a Timestamp
_OUTCOMES: Final = {
    Outcome.PASSED: pb.RECORD_OUTCOME_PASSED,
    Outcome.FAILED: pb.RECORD_OUTCOME_FAILED,
    Outcome.INDETERMINATE: pb.RECORD_OUTCOME_INDETERMINATE,
}
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "GetCheckpoint": EVERYBODY,
    "GetInclusionProof": EVERYBODY,
    "GetConsistencyProof": EVERYBODY,
    "VerifySavedRecord": EVERYBODY,
    "ListEntries": ANY_ROLE,
    "RecordEvents": frozenset({Role.NODE}),
    "RegisterWitness": _ADMINISTRATOR,
    "RemoveWitness": _ADMINISTRATOR,
    "ListWitnesses": ANY_ROLE,
    "AddCosignature": frozenset({Role.DEPARTMENT, Role.AUDITOR, Role.ADMINISTRATOR}),
    "EraseSalts": _ADMINISTRATOR,
    "ThinCheckpoints": _ADMINISTRATOR,
}


class AuditServicer:
    """The log, for every caller with a certificate; only the node's services append."""

    def __init__(self, log: AuditLog, *, clock: Clock = SYSTEM) -> None:
        self._database = log.database
        self._clock = clock
        self._witnessing = Witnessing(
            log.database, log.store, log_key=log.key.verifier_key, clock=clock
        )
        self._reader = AuditReader(log, self._witnessing)
        self._recorder = EventRecorder(log.store, key=log.key, clock=clock)

    def GetCheckpoint(  # noqa: N802  # the schema's name
        self, request: pb.GetCheckpointRequest, call: Call
    ) -> pb.GetCheckpointResponse:
        """See audit.proto."""
        found = self._reader.checkpoint(request.cosignatures)
        return pb.GetCheckpointResponse(
            checkpoint=self._reader.note(found), verifier_key=self._reader.verifier_key
        )

    def GetInclusionProof(  # noqa: N802
        self, request: pb.GetInclusionProofRequest, call: Call
    ) -> pb.GetInclusionProofResponse:
        """See audit.proto."""
        if request.leaf:
            if request.shard or request.batch or request.position or request.HasField("index"):
                raise _asked_twice()
            index = index_of(self._reader, request.leaf)
            proof = self._reader.inclusion_proof_at(index, cosignatures=request.cosignatures)
            return pb.GetInclusionProofResponse(index=index, proof=proof)
        if request.HasField("index"):
            if request.shard or request.batch or request.position:
                raise _asked_twice()
            proof = self._reader.inclusion_proof_at(
                request.index, cosignatures=request.cosignatures
            )
            return pb.GetInclusionProofResponse(index=request.index, proof=proof)
        index, proof = self._reader.inclusion_proof(
            request.shard, request.batch, request.position, cosignatures=request.cosignatures
        )
        return pb.GetInclusionProofResponse(index=index, proof=proof)

    def GetConsistencyProof(  # noqa: N802
        self, request: pb.GetConsistencyProofRequest, call: Call
    ) -> pb.GetConsistencyProofResponse:
        """See audit.proto."""
        found = self._reader.consistency_proof(request.first_size, request.second_size)
        return pb.GetConsistencyProofResponse(
            hashes=found.hashes, second_size=found.second_size, checkpoint=found.checkpoint
        )

    def VerifySavedRecord(  # noqa: N802
        self, request: pb.VerifySavedRecordRequest, call: Call
    ) -> pb.VerifySavedRecordResponse:
        """See audit.proto."""
        found = judge(request.file, self._reader.verifier_key, self._reader.inclusion_proof)
        return pb.VerifySavedRecordResponse(
            format=found.format,
            checks=[
                pb.RecordCheck(
                    name=one.name,
                    outcome=_OUTCOMES[one.outcome],
                    detail=one.detail,
                    detail_zh=one.detail_zh,
                )
                for one in found.answer.checks
            ],
            leaves=found.leaves,
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

    def RegisterWitness(  # noqa: N802
        self, request: pb.RegisterWitnessRequest, call: Call
    ) -> pb.RegisterWitnessResponse:
        """See audit.proto."""
        with self._database.unit_of_work() as work:

            def act() -> pb.RegisterWitnessResponse:
                witness = self._witnessing.register(
                    work,
                    call.principal,
                    verifier_key=request.verifier_key,
                    department=request.department,
                )
                return pb.RegisterWitnessResponse(witness=_witness(witness, None))

            return self._once(work, call, request, pb.RegisterWitnessResponse, act)

    def RemoveWitness(  # noqa: N802
        self, request: pb.RemoveWitnessRequest, call: Call
    ) -> pb.RemoveWitnessResponse:
        """See audit.proto."""
        with self._database.unit_of_work() as work:

            def act() -> pb.RemoveWitnessResponse:
                self._witnessing.remove(
                    work, call.principal, name=request.name, reason=request.reason
                )
                return pb.RemoveWitnessResponse()

            return self._once(work, call, request, pb.RemoveWitnessResponse, act)

    def ListWitnesses(  # noqa: N802
        self, _request: pb.ListWitnessesRequest, _call: Call
    ) -> pb.ListWitnessesResponse:
        """See audit.proto."""
        with self._database.reading() as session:
            found = self._witnessing.witnesses(UnitOfWork(session))
        return pb.ListWitnessesResponse(witnesses=[_witness(one, last) for one, last in found])

    def AddCosignature(  # noqa: N802
        self, request: pb.AddCosignatureRequest, call: Call
    ) -> pb.AddCosignatureResponse:
        """See audit.proto."""
        with self._database.unit_of_work() as work:
            count = self._witnessing.add_cosignature(
                work, call.principal, request.size, request.line
            )
        return pb.AddCosignatureResponse(cosignatures=count)

    def EraseSalts(  # noqa: N802
        self, request: pb.EraseSaltsRequest, call: Call
    ) -> pb.EraseSaltsResponse:
        """See audit.proto."""
        which = request.WhichOneof("which")
        with self._database.unit_of_work() as work:

            def act() -> pb.EraseSaltsResponse:
                how: _How = {"reason": request.reason, "clock": self._clock}
                if which == "before":
                    before = request.before.ToDatetime(UTC)
                    erased, more = keeping.erase_before(work, call.principal, before, **how)
                    return pb.EraseSaltsResponse(erased=erased, more=more)
                if which is None:
                    raise _asked_for_nothing()
                one = request.index if which == "index" else _place(request.place)
                erased = keeping.erase_one(work, call.principal, one, **how)
                return pb.EraseSaltsResponse(erased=erased)

            answer = self._once(work, call, request, pb.EraseSaltsResponse, act)
        empty_the_wal(self._database)
        return answer

    def ThinCheckpoints(  # noqa: N802
        self, request: pb.ThinCheckpointsRequest, call: Call
    ) -> pb.ThinCheckpointsResponse:
        """See audit.proto."""
        with self._database.unit_of_work() as work:

            def act() -> pb.ThinCheckpointsResponse:
                before = request.before.ToDatetime(UTC)
                removed = keeping.thin_checkpoints(work, call.principal, before, clock=self._clock)
                return pb.ThinCheckpointsResponse(removed=removed)

            return self._once(work, call, request, pb.ThinCheckpointsResponse, act)

    def _once(
        self,
        work: UnitOfWork,
        call: Call,
        request: Any,
        answer_type: type[Answer],
        act: Callable[[], Answer],
    ) -> Answer:
        method = type(request).__name__.removesuffix("Request")
        return work.once(
            call.principal.system, method, request, request.request_id, answer_type, act
        )


class _How(TypedDict):
    reason: str
    clock: Clock


def _place(place: pb.PromisePlace) -> keeping.Place:
    return keeping.Place(shard=place.shard, batch=place.batch, position=place.position)


def _witness(witness: Witness, last: tuple[int, int] | None) -> pb.Witness:
    message = pb.Witness(
        name=witness.name, verifier_key=witness.verifier_key, department=witness.department
    )
    message.create_time.FromDatetime(witness.created_at)
    if last is not None:
        message.size = last[0]
        message.cosign_time.FromSeconds(min(last[1], _LAST_SECOND))
    return message


def _asked_for_nothing() -> InvalidArgument:
    return InvalidArgument(
        "say whose salts: an index, a place, or a time",
        message_zh="请指明要清除的盐值：序号、位置或时间",
        violations=[FieldViolation("which", "is required")],
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
