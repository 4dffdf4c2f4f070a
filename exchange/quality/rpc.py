"""QualityService: the model to protobuf, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exchange.quality.model import Disagreement, Quality, QualityState
from exchange.quality.service import Measuring
from exchange.v1 import quality_pb2 as pb
from runtime.database import Database, check_request_id
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "MeasureQuality": frozenset({Role.DEPARTMENT}),
    "GetQuality": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR}),
}
_STATES = {
    QualityState.NONE: pb.QUALITY_STATE_UNSPECIFIED,
    QualityState.RUNNING: pb.QUALITY_STATE_RUNNING,
    QualityState.DONE: pb.QUALITY_STATE_DONE,
    QualityState.FAILED: pb.QUALITY_STATE_FAILED,
}


class QualityServicer:
    """The methods of QualityService; plain ones, as both ask the database."""

    def __init__(self, database: Database, measuring: Measuring) -> None:
        self._database = database
        self._measuring = measuring

    def MeasureQuality(  # noqa: N802  # the protocol's name
        self, request: pb.MeasureQualityRequest, call: Call
    ) -> pb.MeasureQualityResponse:
        """Begin to measure."""
        check_request_id(request.request_id)
        try:
            with self._database.unit_of_work() as work:

                def act() -> pb.MeasureQualityResponse:
                    begun = self._measuring.begin(work, call.principal, request.resource)
                    return pb.MeasureQualityResponse(quality=_quality(begun, ()))

                answer = work.once(
                    call.principal.system,
                    "MeasureQuality",
                    request,
                    request.request_id,
                    pb.MeasureQualityResponse,
                    act,
                )
        except BaseException:
            self._measuring.undo(request.resource)
            raise
        self._measuring.run(request.resource)
        return answer

    def GetQuality(  # noqa: N802
        self, request: pb.GetQualityRequest, call: Call
    ) -> pb.GetQualityResponse:
        """The newest measurement."""
        found, disagreements = self._measuring.get(call.principal, request.resource)
        return pb.GetQualityResponse(quality=_quality(found, disagreements))


def _quality(found: Quality, disagreements: Sequence[Disagreement]) -> pb.Quality:
    message = pb.Quality(
        resource=found.resource,
        state=_STATES[found.state],
        measured=found.measured,
        records=found.records,
        items=[
            pb.ItemQuality(item=one.item, filled=one.filled, valid=one.valid, distinct=one.distinct)
            for one in found.counts.items
        ],
        faultless=found.counts.faultless,
        duplicates=found.counts.duplicates,
        disagreements=[_disagreement(one) for one in disagreements],
    )
    if found.begin_time is not None:
        message.begin_time.FromDatetime(found.begin_time)
    if found.end_time is not None:
        message.end_time.FromDatetime(found.end_time)
    return message


def _disagreement(one: Disagreement) -> pb.ItemDisagreement:
    message = pb.ItemDisagreement(
        item=one.item,
        element=one.element,
        others=one.others,
        source_case=one.source_case,
        differing=one.differing,
    )
    if one.measure_time is not None:
        message.measure_time.FromDatetime(one.measure_time)
    return message
