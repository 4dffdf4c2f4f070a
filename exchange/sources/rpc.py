"""SourceService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.sources import measuring, service
from exchange.sources.model import Measurement, Publisher, SourceCase, SourceCaseState
from exchange.v1 import sources_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork, check_request_id
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call

_READERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR})
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "ListSharedElements": _READERS,
    "MeasureElement": _ADMINISTRATOR,
    "GetSourceCase": _READERS,
    "ListSourceCases": _READERS,
    "DecideSourceCase": _ADMINISTRATOR,
    "DismissSourceCase": _ADMINISTRATOR,
    "ListDifferingKeys": frozenset({Role.DEPARTMENT}),
    "GetAuthoritativeSource": ANY_ROLE,
}

_STATES = {
    SourceCaseState.OPEN: pb.SOURCE_CASE_STATE_OPEN,
    SourceCaseState.DECIDED: pb.SOURCE_CASE_STATE_DECIDED,
    SourceCaseState.DISMISSED: pb.SOURCE_CASE_STATE_DISMISSED,
}
_STATE_OF = {number: state for state, number in _STATES.items()}


class SourceServicer:
    """The methods of SourceService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, clock: Clock, *, office: str = "") -> None:
        self._database = database
        self._clock = clock
        self._elements = measuring.Elements(database)
        self._measuring = measuring.Measuring(database, self._elements, clock, office=office)

    def ListSharedElements(  # noqa: N802  # the protocol's name
        self, request: pb.ListSharedElementsRequest, _call: Call
    ) -> pb.ListSharedElementsResponse:
        """A page of elements."""
        page, token = service.list_shared_elements(
            self._database,
            self._elements,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSharedElementsResponse(
            elements=[
                pb.SharedElement(
                    element=one.element,
                    publishers=[_publisher(party) for party in one.publishers],
                    source_case=one.open_case,
                    source=one.source,
                )
                for one in page
            ],
            next_page_token=token,
        )

    def MeasureElement(  # noqa: N802
        self, request: pb.MeasureElementRequest, call: Call
    ) -> pb.MeasureElementResponse:
        """Measure, then keep what was found; a repeat measures nothing."""
        check_request_id(request.request_id)
        actor, method = call.principal.system, "MeasureElement"
        with self._database.reading() as session:
            known = UnitOfWork(session).answered(actor, method, request.request_id)
        # Outside the transaction, for others go on publishing meanwhile.
        run = (
            None
            if known is not None
            else self._measuring.measure(
                call.principal, request.element, time_remaining=call.time_remaining
            )
        )
        with self._database.unit_of_work() as work:

            def act() -> pb.MeasureElementResponse:
                if run is None:  # the answer was there when it began, and answers stay
                    raise AssertionError("unreachable")
                case = service.keep_run(work, call.principal, run, clock=self._clock)
                return pb.MeasureElementResponse(
                    source_case=None if case is None else case_message(case),
                    measurements=[_measurement(one) for one in run.measurements],
                )

            return work.once(
                actor, method, request, request.request_id, pb.MeasureElementResponse, act
            )

    def GetSourceCase(  # noqa: N802
        self, request: pb.GetSourceCaseRequest, call: Call
    ) -> pb.GetSourceCaseResponse:
        """One case."""
        case = service.get_case(self._database, call.principal, request.name)
        return pb.GetSourceCaseResponse(source_case=case_message(case))

    def ListSourceCases(  # noqa: N802
        self, request: pb.ListSourceCasesRequest, call: Call
    ) -> pb.ListSourceCasesResponse:
        """A page of cases."""
        if request.state and request.state not in _STATE_OF:
            raise InvalidArgument(
                "state is not one of a case",
                message_zh="state 不是案件状态",
                violations=[FieldViolation("state", "is not a state")],
            )
        page, token = service.list_cases(
            self._database,
            call.principal,
            state=_STATE_OF.get(request.state),
            element=request.element,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSourceCasesResponse(
            source_cases=[case_message(case) for case in page], next_page_token=token
        )

    def DecideSourceCase(  # noqa: N802
        self, request: pb.DecideSourceCaseRequest, call: Call
    ) -> pb.DecideSourceCaseResponse:
        """Name the source."""
        with self._database.unit_of_work() as work:

            def act() -> pb.DecideSourceCaseResponse:
                case = service.decide_case(
                    work,
                    call.principal,
                    name=request.name,
                    source=request.source,
                    reason=request.reason,
                    etag=request.etag,
                    clock=self._clock,
                )
                return pb.DecideSourceCaseResponse(source_case=case_message(case))

            return work.once(
                call.principal.system,
                "DecideSourceCase",
                request,
                request.request_id,
                pb.DecideSourceCaseResponse,
                act,
            )

    def DismissSourceCase(  # noqa: N802
        self, request: pb.DismissSourceCaseRequest, call: Call
    ) -> pb.DismissSourceCaseResponse:
        """End a case without a source."""
        with self._database.unit_of_work() as work:

            def act() -> pb.DismissSourceCaseResponse:
                case = service.dismiss_case(
                    work,
                    call.principal,
                    name=request.name,
                    reason=request.reason,
                    etag=request.etag,
                    clock=self._clock,
                )
                return pb.DismissSourceCaseResponse(source_case=case_message(case))

            return work.once(
                call.principal.system,
                "DismissSourceCase",
                request,
                request.request_id,
                pb.DismissSourceCaseResponse,
                act,
            )

    def ListDifferingKeys(  # noqa: N802
        self, request: pb.ListDifferingKeysRequest, call: Call
    ) -> pb.ListDifferingKeysResponse:
        """Hashes for a party."""
        with self._database.unit_of_work() as work:
            run_key, page, token = service.differing_keys(
                work,
                call.principal,
                name=request.name,
                pair=request.pair,
                page_size=request.page_size,
                page_token=request.page_token,
                clock=self._clock,
            )
        return pb.ListDifferingKeysResponse(run_key=run_key, key_hashes=page, next_page_token=token)

    def GetAuthoritativeSource(  # noqa: N802
        self, request: pb.GetAuthoritativeSourceRequest, _call: Call
    ) -> pb.GetAuthoritativeSourceResponse:
        """Which resource is the source."""
        case, item = service.authoritative_source(self._database, request.element)
        return pb.GetAuthoritativeSourceResponse(
            element=case.element,
            resource=case.source,
            item=item,
            source_case=case.name,
            decide_time=_timestamp(case.decide_time),
        )


def case_message(case: SourceCase) -> pb.SourceCase:
    """The message of a case."""
    return pb.SourceCase(
        name=case.name,
        element=case.element,
        parties=[_publisher(party) for party in case.parties],
        measurements=[_measurement(one) for one in case.measurements],
        state=_STATES[case.state],
        source=case.source,
        reason=case.reason,
        create_time=_timestamp(case.create_time),
        measure_time=_timestamp(case.measure_time),
        decide_time=_timestamp(case.decide_time),
        etag=case.etag,
    )


def _publisher(party: Publisher) -> pb.ElementPublisher:
    return pb.ElementPublisher(
        resource=party.resource, item=party.item, key_standard=party.key_standard
    )


def _measurement(one: Measurement) -> pb.Measurement:
    return pb.Measurement(
        first=one.first,
        second=one.second,
        comparable=one.comparable,
        both=one.both,
        equal=one.equal,
        different=one.different,
        only_first=one.only_first,
        only_second=one.only_second,
        pair=one.pair,
        withheld=one.withheld,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
