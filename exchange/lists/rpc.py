"""ListService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.lists import delivering, service
from exchange.lists.comparing import Shortfall
from exchange.lists.delivering import Comparison
from exchange.lists.model import Demand, DemandState, Negative, Responsibility, RowState
from exchange.lists.service import Doubt, NotShared
from exchange.lists.store import Version
from exchange.v1 import lists_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_READERS = frozenset({Role.DEPARTMENT, Role.COUNTER, Role.ADMINISTRATOR, Role.AUDITOR})
_WRITERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "PutResponsibility": _ADMINISTRATOR,
    "RemoveResponsibility": _ADMINISTRATOR,
    "ListResponsibilities": _READERS,
    "CompareDelivery": _READERS,
    "CreateDemand": frozenset({Role.DEPARTMENT}),
    "AnswerDemand": _WRITERS,
    "WithdrawDemand": frozenset({Role.DEPARTMENT}),
    "ListDemands": _READERS,
    "PutNegative": _WRITERS,
    "RemoveNegative": _WRITERS,
    "ListNegatives": _READERS,
    "ListRowVersions": _READERS,
}

_ROW_STATES = {
    RowState.ACTIVE: pb.ROW_STATE_ACTIVE,
    RowState.REMOVED: pb.ROW_STATE_REMOVED,
}
_DEMAND_STATES = {
    DemandState.OPEN: pb.DEMAND_STATE_OPEN,
    DemandState.ACCEPTED: pb.DEMAND_STATE_ACCEPTED,
    DemandState.DECLINED: pb.DEMAND_STATE_DECLINED,
    DemandState.MET: pb.DEMAND_STATE_MET,
    DemandState.WITHDRAWN: pb.DEMAND_STATE_WITHDRAWN,
}
_ANSWERS = {
    pb.DEMAND_STATE_ACCEPTED: DemandState.ACCEPTED,
    pb.DEMAND_STATE_DECLINED: DemandState.DECLINED,
    pb.DEMAND_STATE_MET: DemandState.MET,
}
_SHORTFALLS = {one: pb.Shortfall.Value(f"SHORTFALL_{one.name}") for one in Shortfall}
_DOUBTS = {one: pb.NegativeDoubt.Value(f"NEGATIVE_DOUBT_{one.name}") for one in Doubt}

_Answer = TypeVar("_Answer", bound=Message)


class ListServicer:
    """The methods of ListService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def PutResponsibility(  # noqa: N802  # the protocol's name
        self, request: pb.PutResponsibilityRequest, call: Call
    ) -> pb.PutResponsibilityResponse:
        """Write a row of the responsibility list."""
        asked = _responsibility_of(request.responsibility)

        def act(work: UnitOfWork) -> pb.PutResponsibilityResponse:
            made = service.put(work, call.principal, row=asked, clock=self._clock)
            return pb.PutResponsibilityResponse(responsibility=responsibility_message(made))

        return self._once(call, request, request.request_id, pb.PutResponsibilityResponse, act)

    def RemoveResponsibility(  # noqa: N802
        self, request: pb.RemoveResponsibilityRequest, call: Call
    ) -> pb.RemoveResponsibilityResponse:
        """Take a row off the responsibility list."""

        def act(work: UnitOfWork) -> pb.RemoveResponsibilityResponse:
            gone = service.remove(
                work,
                call.principal,
                name=request.name,
                etag=request.etag,
                kind=Responsibility,
                clock=self._clock,
            )
            return pb.RemoveResponsibilityResponse(responsibility=responsibility_message(gone))

        return self._once(call, request, request.request_id, pb.RemoveResponsibilityResponse, act)

    def ListResponsibilities(  # noqa: N802
        self, request: pb.ListResponsibilitiesRequest, _call: Call
    ) -> pb.ListResponsibilitiesResponse:
        """A page of the responsibility list."""
        page, token = service.list_responsibilities(
            self._database,
            parent=request.parent,
            resource=request.resource,
            day=request.day,
            show_removed=request.show_removed,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListResponsibilitiesResponse(
            responsibilities=[responsibility_message(row) for row in page], next_page_token=token
        )

    def CompareDelivery(  # noqa: N802
        self, request: pb.CompareDeliveryRequest, call: Call
    ) -> pb.CompareDeliveryResponse:
        """What is promised against what is delivered."""
        page, token = delivering.compare_delivery(
            self._database,
            call.principal,
            parent=request.parent,
            receiver=request.receiver,
            shortfalls_only=request.shortfalls_only,
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
        )
        return pb.CompareDeliveryResponse(
            comparisons=[_comparison_message(one) for one in page], next_page_token=token
        )

    def CreateDemand(self, request: pb.CreateDemandRequest, call: Call) -> pb.CreateDemandResponse:  # noqa: N802
        """Say what a department needs."""
        asked = _demand_of(request.demand)

        def act(work: UnitOfWork) -> pb.CreateDemandResponse:
            made = service.create_demand(
                work, call.principal, parent=request.parent, asked=asked, clock=self._clock
            )
            return pb.CreateDemandResponse(demand=demand_message(made))

        return self._once(call, request, request.request_id, pb.CreateDemandResponse, act)

    def AnswerDemand(self, request: pb.AnswerDemandRequest, call: Call) -> pb.AnswerDemandResponse:  # noqa: N802
        """Answer a demand."""
        if request.state not in _ANSWERS:
            raise InvalidArgument(
                "a demand is answered with ACCEPTED, DECLINED or MET",
                message_zh="需求的答复应为采纳、不采纳或已满足",
                violations=[FieldViolation("state", "is no answer")],
            )

        def act(work: UnitOfWork) -> pb.AnswerDemandResponse:
            made = service.answer_demand(
                work,
                call.principal,
                name=request.name,
                state=_ANSWERS[request.state],
                text=request.answer,
                legal_basis=request.answer_legal_basis,
                responsibility=request.responsibility,
                resource=request.resource,
                clock=self._clock,
            )
            return pb.AnswerDemandResponse(demand=demand_message(made))

        return self._once(call, request, request.request_id, pb.AnswerDemandResponse, act)

    def WithdrawDemand(  # noqa: N802
        self, request: pb.WithdrawDemandRequest, call: Call
    ) -> pb.WithdrawDemandResponse:
        """Take a demand back."""

        def act(work: UnitOfWork) -> pb.WithdrawDemandResponse:
            gone = service.withdraw_demand(
                work, call.principal, name=request.name, clock=self._clock
            )
            return pb.WithdrawDemandResponse(demand=demand_message(gone))

        return self._once(call, request, request.request_id, pb.WithdrawDemandResponse, act)

    def ListDemands(self, request: pb.ListDemandsRequest, call: Call) -> pb.ListDemandsResponse:  # noqa: N802
        """A page of the demand list."""
        page, token = service.list_demands(
            self._database,
            call.principal,
            parent=request.parent,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListDemandsResponse(
            demands=[demand_message(row, offered=offered) for row, offered in page],
            next_page_token=token,
        )

    def PutNegative(self, request: pb.PutNegativeRequest, call: Call) -> pb.PutNegativeResponse:  # noqa: N802
        """Write a row of the negative list."""
        asked = _negative_of(request.negative)

        def act(work: UnitOfWork) -> pb.PutNegativeResponse:
            made = service.put(work, call.principal, row=asked, clock=self._clock)
            return pb.PutNegativeResponse(negative=negative_message(made))

        return self._once(call, request, request.request_id, pb.PutNegativeResponse, act)

    def RemoveNegative(  # noqa: N802
        self, request: pb.RemoveNegativeRequest, call: Call
    ) -> pb.RemoveNegativeResponse:
        """Take a row off the negative list."""

        def act(work: UnitOfWork) -> pb.RemoveNegativeResponse:
            gone = service.remove(
                work,
                call.principal,
                name=request.name,
                etag=request.etag,
                kind=Negative,
                clock=self._clock,
            )
            return pb.RemoveNegativeResponse(negative=negative_message(gone))

        return self._once(call, request, request.request_id, pb.RemoveNegativeResponse, act)

    def ListNegatives(  # noqa: N802
        self, request: pb.ListNegativesRequest, _call: Call
    ) -> pb.ListNegativesResponse:
        """A page of what is not shared."""
        page, token = service.list_negatives(
            self._database,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
        )
        return pb.ListNegativesResponse(
            rows=[_not_shared_message(one) for one in page], next_page_token=token
        )

    def ListRowVersions(  # noqa: N802
        self, request: pb.ListRowVersionsRequest, call: Call
    ) -> pb.ListRowVersionsResponse:
        """The versions of a row."""
        page, token = service.list_versions(
            self._database,
            call.principal,
            name=request.name,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListRowVersionsResponse(
            versions=[_version_message(version) for version in page], next_page_token=token
        )

    def _once(
        self,
        call: Call,
        request: Message,
        request_id: str,
        answer_type: type[_Answer],
        act: Callable[[UnitOfWork], _Answer],
    ) -> _Answer:
        method = type(request).__name__.removesuffix("Request")
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system, method, request, request_id, answer_type, lambda: act(work)
            )


def responsibility_message(row: Responsibility) -> pb.Responsibility:
    """The message of a row of the responsibility list."""
    return pb.Responsibility(
        name=row.name,
        resource=row.resource,
        display_name=row.display_name,
        items=row.items,
        update_cycle=row.update_cycle,
        receivers=row.receivers,
        legal_basis=row.legal_basis,
        note=row.note,
        from_day=row.from_day,
        until_day=row.until_day,
        state=_ROW_STATES[row.state],
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
    )


def demand_message(row: Demand, *, offered: bool = False) -> pb.Demand:
    """The message of a demand."""
    return pb.Demand(
        name=row.name,
        display_name=row.display_name,
        description=row.description,
        items=row.items,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        service_item=row.service_item,
        supplier=row.supplier,
        resource=row.resource,
        update_cycle=row.update_cycle,
        state=_DEMAND_STATES[row.state],
        answer=row.answer,
        answer_legal_basis=row.answer_legal_basis,
        responsibility=row.responsibility,
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
        offered=offered,
    )


def negative_message(row: Negative) -> pb.Negative:
    """The message of a row of the negative list."""
    return pb.Negative(
        name=row.name,
        display_name=row.display_name,
        items=row.items,
        legal_basis=row.legal_basis,
        reason=row.reason,
        from_day=row.from_day,
        until_day=row.until_day,
        state=_ROW_STATES[row.state],
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
    )


def _not_shared_message(one: NotShared) -> pb.NotShared:
    return pb.NotShared(
        resource=one.resource,
        display_name=one.display_name,
        legal_basis=one.legal_basis,
        by_catalog=one.by_catalog,
        negative=negative_message(one.negative) if one.negative else None,
        doubts=[_DOUBTS[doubt] for doubt in one.doubts],
    )


def _comparison_message(one: Comparison) -> pb.DeliveryComparison:
    return pb.DeliveryComparison(
        responsibility=responsibility_message(one.responsibility),
        findings=[
            pb.DeliveryFinding(shortfall=_SHORTFALLS[found.shortfall], about=found.about)
            for found in one.findings
        ],
        last_publish_time=_timestamp(one.last_publish_time),
        fresh_until=_timestamp(one.fresh_until),
    )


def _version_message(version: Version) -> pb.RowVersion:
    match version.row:
        case Responsibility() as row:
            return pb.RowVersion(responsibility=responsibility_message(row), actor=version.actor)
        case Demand() as row:
            return pb.RowVersion(demand=demand_message(row), actor=version.actor)
        case Negative() as row:
            return pb.RowVersion(negative=negative_message(row), actor=version.actor)


def _responsibility_of(sent: pb.Responsibility) -> Responsibility:
    return Responsibility(
        name=sent.name,
        resource=sent.resource,
        display_name=sent.display_name,
        items=tuple(sent.items),
        update_cycle=sent.update_cycle,
        receivers=tuple(sent.receivers),
        legal_basis=sent.legal_basis,
        note=sent.note,
        from_day=sent.from_day,
        until_day=sent.until_day,
        etag=sent.etag,
    )


def _negative_of(sent: pb.Negative) -> Negative:
    return Negative(
        name=sent.name,
        display_name=sent.display_name,
        items=tuple(sent.items),
        legal_basis=sent.legal_basis,
        reason=sent.reason,
        from_day=sent.from_day,
        until_day=sent.until_day,
        etag=sent.etag,
    )


def _demand_of(sent: pb.Demand) -> Demand:
    return Demand(
        name="",
        display_name=sent.display_name,
        description=sent.description,
        items=tuple(sent.items),
        purpose=sent.purpose,
        legal_basis=sent.legal_basis,
        service_item=sent.service_item,
        supplier=sent.supplier,
        resource=sent.resource,
        update_cycle=sent.update_cycle,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
