"""DeadlineService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.deadlines import noticing, overseeing
from exchange.deadlines.messages import (
    deadline_message,
    jurisdiction_message,
    jurisdiction_of,
    lateness_message,
    notice_message,
    year_message,
)
from exchange.deadlines.notices import Stage
from exchange.deadlines.tables import service as tables
from exchange.v1 import deadlines_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import ANY_ROLE, Call
from runtime.workdays import WorkYear

_READERS = frozenset({Role.DEPARTMENT, Role.COUNTER, Role.ADMINISTRATOR, Role.AUDITOR})
_CHANGERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "GetDeadline": _READERS,
    "ListDeadlines": _READERS,
    "PauseDeadline": _CHANGERS,
    "ResumeDeadline": _CHANGERS,
    "ExtendDeadline": _CHANGERS,
    "ReportLateness": _READERS,
    "SendNotices": frozenset({Role.ADMINISTRATOR, Role.NODE}),
    "ListNotices": _READERS,
    "AcknowledgeNotice": _CHANGERS,
    "ListJurisdictions": ANY_ROLE,
    "PutJurisdiction": _ADMINISTRATOR,
    "DeleteJurisdiction": _ADMINISTRATOR,
    "ListWorkYears": ANY_ROLE,
    "PutWorkYear": _ADMINISTRATOR,
    "CountWorkdays": ANY_ROLE,
}


class DeadlineServicer:
    """The methods of DeadlineService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, clock: Clock, *, office: str = "") -> None:
        self._database = database
        self._office = office
        self._clock = clock

    def GetDeadline(self, request: pb.GetDeadlineRequest, call: Call) -> pb.GetDeadlineResponse:  # noqa: N802  # the protocol's name
        """One deadline."""
        found = overseeing.get(self._database, call.principal, request.name, clock=self._clock)
        return pb.GetDeadlineResponse(deadline=deadline_message(found))

    def ListDeadlines(  # noqa: N802
        self, request: pb.ListDeadlinesRequest, call: Call
    ) -> pb.ListDeadlinesResponse:
        """A page of deadlines."""
        page, token = overseeing.list_deadlines(
            self._database,
            call.principal,
            parent=request.parent,
            subject=request.subject,
            kinds=request.kinds,
            late_only=request.late_only,
            open_only=request.open_only,
            due_within=request.due_within,
            page_size=request.page_size,
            page_token=request.page_token,
            clock=self._clock,
        )
        return pb.ListDeadlinesResponse(
            deadlines=[deadline_message(found) for found in page], next_page_token=token
        )

    def PauseDeadline(  # noqa: N802
        self, request: pb.PauseDeadlineRequest, call: Call
    ) -> pb.PauseDeadlineResponse:
        """Stop a clock."""

        def act(work: UnitOfWork) -> pb.PauseDeadlineResponse:
            found = overseeing.pause(
                work,
                call.principal,
                name=request.name,
                reason=request.reason,
                clock=self._clock,
                office=self._office,
            )
            return pb.PauseDeadlineResponse(deadline=deadline_message(found))

        return self._database.once(call.principal.system, request, pb.PauseDeadlineResponse, act)

    def ResumeDeadline(  # noqa: N802
        self, request: pb.ResumeDeadlineRequest, call: Call
    ) -> pb.ResumeDeadlineResponse:
        """Let a clock go on."""

        def act(work: UnitOfWork) -> pb.ResumeDeadlineResponse:
            found = overseeing.resume(
                work, call.principal, name=request.name, clock=self._clock, office=self._office
            )
            return pb.ResumeDeadlineResponse(deadline=deadline_message(found))

        return self._database.once(call.principal.system, request, pb.ResumeDeadlineResponse, act)

    def ExtendDeadline(  # noqa: N802
        self, request: pb.ExtendDeadlineRequest, call: Call
    ) -> pb.ExtendDeadlineResponse:
        """Add working days."""

        def act(work: UnitOfWork) -> pb.ExtendDeadlineResponse:
            found = overseeing.extend(
                work,
                call.principal,
                name=request.name,
                days=request.days,
                reason=request.reason,
                clock=self._clock,
                office=self._office,
            )
            return pb.ExtendDeadlineResponse(deadline=deadline_message(found))

        return self._database.once(call.principal.system, request, pb.ExtendDeadlineResponse, act)

    def ReportLateness(  # noqa: N802
        self, request: pb.ReportLatenessRequest, call: Call
    ) -> pb.ReportLatenessResponse:
        """Who is late."""
        rows, first, last = overseeing.report_lateness(
            self._database,
            call.principal,
            parent=request.parent,
            first_day=request.first_day,
            last_day=request.last_day,
            clock=self._clock,
        )
        return pb.ReportLatenessResponse(
            rows=[lateness_message(row) for row in rows],
            first_day=first.isoformat(),
            last_day=last.isoformat(),
        )

    def SendNotices(self, request: pb.SendNoticesRequest, call: Call) -> pb.SendNoticesResponse:  # noqa: N802
        """Write the notices of today."""

        def act(work: UnitOfWork) -> pb.SendNoticesResponse:
            sent = noticing.send(
                work,
                call.principal,
                remind_before=request.remind_before,
                escalate_after=request.escalate_after,
                clock=self._clock,
            )
            return pb.SendNoticesResponse(
                reminders=sent.counts[Stage.REMINDER],
                overdue=sent.counts[Stage.OVERDUE],
                escalations=sent.counts[Stage.ESCALATION],
                more=sent.more,
            )

        return self._database.once(call.principal.system, request, pb.SendNoticesResponse, act)

    def ListNotices(self, request: pb.ListNoticesRequest, call: Call) -> pb.ListNoticesResponse:  # noqa: N802
        """A page of notices."""
        page, token = noticing.list_notices(
            self._database,
            call.principal,
            parent=request.parent,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListNoticesResponse(
            notices=[notice_message(notice) for notice in page], next_page_token=token
        )

    def AcknowledgeNotice(  # noqa: N802
        self, request: pb.AcknowledgeNoticeRequest, call: Call
    ) -> pb.AcknowledgeNoticeResponse:
        """Say that a notice has been read."""

        def act(work: UnitOfWork) -> pb.AcknowledgeNoticeResponse:
            read = noticing.acknowledge(
                work, call.principal, number=request.number, clock=self._clock
            )
            return pb.AcknowledgeNoticeResponse(notice=notice_message(read))

        return self._database.once(
            call.principal.system, request, pb.AcknowledgeNoticeResponse, act
        )

    def ListJurisdictions(  # noqa: N802
        self, _request: pb.ListJurisdictionsRequest, _call: Call
    ) -> pb.ListJurisdictionsResponse:
        """The tables of deadlines."""
        found = tables.list_jurisdictions(self._database)
        return pb.ListJurisdictionsResponse(jurisdictions=[jurisdiction_message(j) for j in found])

    def PutJurisdiction(  # noqa: N802
        self, request: pb.PutJurisdictionRequest, call: Call
    ) -> pb.PutJurisdictionResponse:
        """Write a table of deadlines."""
        asked = jurisdiction_of(request.jurisdiction)

        def act(work: UnitOfWork) -> pb.PutJurisdictionResponse:
            made = tables.put_jurisdiction(
                self._database,
                work,
                call.principal,
                asked=asked,
                clock=self._clock,
                office=self._office,
            )
            return pb.PutJurisdictionResponse(jurisdiction=jurisdiction_message(made))

        return self._database.once(call.principal.system, request, pb.PutJurisdictionResponse, act)

    def DeleteJurisdiction(  # noqa: N802
        self, request: pb.DeleteJurisdictionRequest, call: Call
    ) -> pb.DeleteJurisdictionResponse:
        """Remove a table of deadlines."""

        def act(work: UnitOfWork) -> pb.DeleteJurisdictionResponse:
            tables.delete_jurisdiction(
                work,
                call.principal,
                name=request.name,
                etag=request.etag,
                clock=self._clock,
                office=self._office,
            )
            return pb.DeleteJurisdictionResponse()

        return self._database.once(
            call.principal.system, request, pb.DeleteJurisdictionResponse, act
        )

    def ListWorkYears(  # noqa: N802
        self, _request: pb.ListWorkYearsRequest, _call: Call
    ) -> pb.ListWorkYearsResponse:
        """The announced years."""
        found = tables.list_years(self._database)
        return pb.ListWorkYearsResponse(years=[year_message(own, year) for own, year in found])

    def PutWorkYear(self, request: pb.PutWorkYearRequest, call: Call) -> pb.PutWorkYearResponse:  # noqa: N802
        """Write a year of the calendar."""
        sent = request.year
        asked = WorkYear.read(sent.year, off=sent.off, working=sent.working)

        def act(work: UnitOfWork) -> pb.PutWorkYearResponse:
            made, moved = tables.put_year(
                work,
                call.principal,
                asked=asked,
                etag=sent.etag,
                clock=self._clock,
                office=self._office,
            )
            return pb.PutWorkYearResponse(year=year_message(made, made.year), moved=moved)

        return self._database.once(call.principal.system, request, pb.PutWorkYearResponse, act)

    def CountWorkdays(  # noqa: N802
        self, request: pb.CountWorkdaysRequest, _call: Call
    ) -> pb.CountWorkdaysResponse:
        """Count working days."""
        reached = tables.count_workdays(
            self._database, after=request.after, days=request.days, clock=self._clock
        )
        return pb.CountWorkdaysResponse(
            day=reached.day.isoformat(), provisional=reached.provisional
        )
