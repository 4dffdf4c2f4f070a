"""ListService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.catalog.service import Schemas
from exchange.lists import delivering, demands, messages, service
from exchange.lists.model import Negative, Responsibility
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
    "ListGrantCollisions": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR}),
    "ListRowVersions": _READERS,
}


class ListServicer:
    """The methods of ListService; plain ones, as all of them ask the database."""

    def __init__(
        self, database: Database, schemas: Schemas, clock: Clock, *, office: str = ""
    ) -> None:
        self._database = database
        self._office = office
        self._schemas = schemas
        self._clock = clock

    def PutResponsibility(  # noqa: N802  # the protocol's name
        self, request: pb.PutResponsibilityRequest, call: Call
    ) -> pb.PutResponsibilityResponse:
        """Write a row of the responsibility list."""
        asked = messages.responsibility_of(request.responsibility)

        def act(work: UnitOfWork) -> pb.PutResponsibilityResponse:
            made = service.put(
                work, call.principal, row=asked, clock=self._clock, office=self._office
            )
            return pb.PutResponsibilityResponse(
                responsibility=messages.responsibility_message(made)
            )

        return self._database.once(
            call.principal.system, request, pb.PutResponsibilityResponse, act
        )

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
                office=self._office,
            )
            return pb.RemoveResponsibilityResponse(
                responsibility=messages.responsibility_message(gone)
            )

        return self._database.once(
            call.principal.system, request, pb.RemoveResponsibilityResponse, act
        )

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
            responsibilities=[messages.responsibility_message(row) for row in page],
            next_page_token=token,
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
            comparisons=[messages.comparison_message(one) for one in page], next_page_token=token
        )

    def CreateDemand(self, request: pb.CreateDemandRequest, call: Call) -> pb.CreateDemandResponse:  # noqa: N802
        """Say what a department needs."""
        asked = messages.demand_of(request.demand)

        def act(work: UnitOfWork) -> pb.CreateDemandResponse:
            made = demands.create_demand(
                work, call.principal, parent=request.parent, asked=asked, clock=self._clock
            )
            return pb.CreateDemandResponse(demand=messages.demand_message(made))

        return self._database.once(call.principal.system, request, pb.CreateDemandResponse, act)

    def AnswerDemand(self, request: pb.AnswerDemandRequest, call: Call) -> pb.AnswerDemandResponse:  # noqa: N802
        """Answer a demand."""
        if request.state not in messages.ANSWERS:
            raise InvalidArgument(
                "a demand is answered with ACCEPTED, DECLINED or MET",
                message_zh="需求的答复应为采纳、不采纳或已满足",
                violations=[FieldViolation("state", "is no answer")],
            )

        def act(work: UnitOfWork) -> pb.AnswerDemandResponse:
            made = demands.answer_demand(
                work,
                call.principal,
                name=request.name,
                state=messages.ANSWERS[request.state],
                text=request.answer,
                legal_basis=request.answer_legal_basis,
                responsibility=request.responsibility,
                resource=request.resource,
                clock=self._clock,
                office=self._office,
            )
            return pb.AnswerDemandResponse(demand=messages.demand_message(made))

        return self._database.once(call.principal.system, request, pb.AnswerDemandResponse, act)

    def WithdrawDemand(  # noqa: N802
        self, request: pb.WithdrawDemandRequest, call: Call
    ) -> pb.WithdrawDemandResponse:
        """Take a demand back."""

        def act(work: UnitOfWork) -> pb.WithdrawDemandResponse:
            gone = demands.withdraw_demand(
                work, call.principal, name=request.name, clock=self._clock
            )
            return pb.WithdrawDemandResponse(demand=messages.demand_message(gone))

        return self._database.once(call.principal.system, request, pb.WithdrawDemandResponse, act)

    def ListDemands(self, request: pb.ListDemandsRequest, call: Call) -> pb.ListDemandsResponse:  # noqa: N802
        """A page of the demand list."""
        page, token = demands.list_demands(
            self._database,
            call.principal,
            parent=request.parent,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListDemandsResponse(
            demands=[messages.demand_message(row, offered=offered) for row, offered in page],
            next_page_token=token,
        )

    def PutNegative(self, request: pb.PutNegativeRequest, call: Call) -> pb.PutNegativeResponse:  # noqa: N802
        """Write a row of the negative list."""
        asked = messages.negative_of(request.negative)

        def act(work: UnitOfWork) -> pb.PutNegativeResponse:
            made = service.put(work, call.principal, row=asked, clock=self._clock)
            found, token = service.collisions_in(work, made, clock=self._clock)
            return pb.PutNegativeResponse(
                negative=messages.negative_message(made),
                collisions=map(messages.collision_message, found),
                next_page_token=token,
            )

        answer = self._database.once(call.principal.system, request, pb.PutNegativeResponse, act)
        self._schemas.invalidate()
        return answer

    def ListGrantCollisions(  # noqa: N802
        self, request: pb.ListGrantCollisionsRequest, call: Call
    ) -> pb.ListGrantCollisionsResponse:
        """A page of the grants that give what a row of the negative list keeps back."""
        found, token = service.list_collisions(
            self._database,
            call.principal,
            name=request.name,
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
        )
        return pb.ListGrantCollisionsResponse(
            collisions=map(messages.collision_message, found), next_page_token=token
        )

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
            return pb.RemoveNegativeResponse(negative=messages.negative_message(gone))

        answer = self._database.once(call.principal.system, request, pb.RemoveNegativeResponse, act)
        self._schemas.invalidate()
        return answer

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
            rows=[messages.not_shared_message(one) for one in page], next_page_token=token
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
            versions=[messages.version_message(version) for version in page], next_page_token=token
        )
