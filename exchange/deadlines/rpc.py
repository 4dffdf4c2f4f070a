"""DeadlineService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.deadlines import noticing, overseeing
from exchange.deadlines.jurisdictions import Jurisdiction, Period, ReviewWhen
from exchange.deadlines.model import DeadlineState
from exchange.deadlines.notices import Notice, Stage
from exchange.deadlines.overseeing import Lateness, Seen
from exchange.deadlines.tables import service as tables
from exchange.deadlines.tables.store import HeldYear
from exchange.v1 import deadlines_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
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

_STATES = {
    DeadlineState.RUNNING: pb.DEADLINE_STATE_RUNNING,
    DeadlineState.PAUSED: pb.DEADLINE_STATE_PAUSED,
    DeadlineState.MET: pb.DEADLINE_STATE_MET,
    DeadlineState.LATE: pb.DEADLINE_STATE_LATE,
    DeadlineState.CANCELLED: pb.DEADLINE_STATE_CANCELLED,
}
_STAGES = {
    Stage.REMINDER: pb.NOTICE_STAGE_REMINDER,
    Stage.OVERDUE: pb.NOTICE_STAGE_OVERDUE,
    Stage.ESCALATION: pb.NOTICE_STAGE_ESCALATION,
}
_REVIEWS = {
    ReviewWhen.CROSS_REGION: pb.REVIEW_WHEN_CROSS_REGION,
    ReviewWhen.CROSS_LEVEL: pb.REVIEW_WHEN_CROSS_LEVEL,
}
_REVIEW_OF = {number: word for word, number in _REVIEWS.items()}

_Answer = TypeVar("_Answer", bound=Message)


class DeadlineServicer:
    """The methods of DeadlineService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
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
                work, call.principal, name=request.name, reason=request.reason, clock=self._clock
            )
            return pb.PauseDeadlineResponse(deadline=deadline_message(found))

        return self._once(call, request, request.request_id, pb.PauseDeadlineResponse, act)

    def ResumeDeadline(  # noqa: N802
        self, request: pb.ResumeDeadlineRequest, call: Call
    ) -> pb.ResumeDeadlineResponse:
        """Let a clock go on."""

        def act(work: UnitOfWork) -> pb.ResumeDeadlineResponse:
            found = overseeing.resume(work, call.principal, name=request.name, clock=self._clock)
            return pb.ResumeDeadlineResponse(deadline=deadline_message(found))

        return self._once(call, request, request.request_id, pb.ResumeDeadlineResponse, act)

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
            )
            return pb.ExtendDeadlineResponse(deadline=deadline_message(found))

        return self._once(call, request, request.request_id, pb.ExtendDeadlineResponse, act)

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
            rows=[_lateness_message(row) for row in rows],
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

        return self._once(call, request, request.request_id, pb.SendNoticesResponse, act)

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
            notices=[_notice_message(notice) for notice in page], next_page_token=token
        )

    def AcknowledgeNotice(  # noqa: N802
        self, request: pb.AcknowledgeNoticeRequest, call: Call
    ) -> pb.AcknowledgeNoticeResponse:
        """Say that a notice has been read."""

        def act(work: UnitOfWork) -> pb.AcknowledgeNoticeResponse:
            read = noticing.acknowledge(
                work, call.principal, number=request.number, clock=self._clock
            )
            return pb.AcknowledgeNoticeResponse(notice=_notice_message(read))

        return self._once(call, request, request.request_id, pb.AcknowledgeNoticeResponse, act)

    def ListJurisdictions(  # noqa: N802
        self, _request: pb.ListJurisdictionsRequest, _call: Call
    ) -> pb.ListJurisdictionsResponse:
        """The tables of deadlines."""
        found = tables.list_jurisdictions(self._database)
        return pb.ListJurisdictionsResponse(jurisdictions=[_jurisdiction_message(j) for j in found])

    def PutJurisdiction(  # noqa: N802
        self, request: pb.PutJurisdictionRequest, call: Call
    ) -> pb.PutJurisdictionResponse:
        """Write a table of deadlines."""
        asked = _jurisdiction_of(request.jurisdiction)

        def act(work: UnitOfWork) -> pb.PutJurisdictionResponse:
            made = tables.put_jurisdiction(
                self._database, work, call.principal, asked=asked, clock=self._clock
            )
            return pb.PutJurisdictionResponse(jurisdiction=_jurisdiction_message(made))

        return self._once(call, request, request.request_id, pb.PutJurisdictionResponse, act)

    def DeleteJurisdiction(  # noqa: N802
        self, request: pb.DeleteJurisdictionRequest, call: Call
    ) -> pb.DeleteJurisdictionResponse:
        """Remove a table of deadlines."""

        def act(work: UnitOfWork) -> pb.DeleteJurisdictionResponse:
            tables.delete_jurisdiction(
                work, call.principal, name=request.name, etag=request.etag, clock=self._clock
            )
            return pb.DeleteJurisdictionResponse()

        return self._once(call, request, request.request_id, pb.DeleteJurisdictionResponse, act)

    def ListWorkYears(  # noqa: N802
        self, _request: pb.ListWorkYearsRequest, _call: Call
    ) -> pb.ListWorkYearsResponse:
        """The announced years."""
        found = tables.list_years(self._database)
        return pb.ListWorkYearsResponse(years=[_year_message(own, year) for own, year in found])

    def PutWorkYear(self, request: pb.PutWorkYearRequest, call: Call) -> pb.PutWorkYearResponse:  # noqa: N802
        """Write a year of the calendar."""
        sent = request.year
        asked = WorkYear.read(sent.year, off=sent.off, working=sent.working)

        def act(work: UnitOfWork) -> pb.PutWorkYearResponse:
            made, moved = tables.put_year(
                work, call.principal, asked=asked, etag=sent.etag, clock=self._clock
            )
            return pb.PutWorkYearResponse(year=_year_message(made, made.year), moved=moved)

        return self._once(call, request, request.request_id, pb.PutWorkYearResponse, act)

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


def deadline_message(found: Seen) -> pb.Deadline:
    """The message of a clock as it stands now."""
    held = found.deadline
    return pb.Deadline(
        name=held.name,
        subject=held.subject,
        kind=held.kind,
        department=held.department,
        region_code=held.region_code,
        jurisdiction=held.jurisdiction,
        days=held.days,
        extension_limit=held.extension_limit,
        start_time=_timestamp(held.start_time),
        due=held.due.isoformat() if held.due else "",
        provisional=held.provisional,
        state=_STATES[held.state],
        late=found.late,
        days_left=found.days_left,
        days_over=found.days_over,
        end_time=_timestamp(held.end_time),
        pauses=[
            pb.DeadlinePause(
                start_time=_timestamp(p.start), end_time=_timestamp(p.end), reason=p.reason, by=p.by
            )
            for p in held.pauses
        ],
        extensions=[
            pb.DeadlineExtension(
                days=e.days, reason=e.reason, by=e.by, create_time=_timestamp(e.at)
            )
            for e in held.extensions
        ],
    )


def _lateness_message(row: Lateness) -> pb.Lateness:
    return pb.Lateness(
        department=row.department,
        kind=row.kind,
        running=row.running,
        overdue=row.overdue,
        met=row.met,
        late=row.late,
        days_over=row.days_over,
        worst=row.worst,
    )


def _notice_message(notice: Notice) -> pb.Notice:
    return pb.Notice(
        number=notice.number,
        deadline=notice.deadline,
        subject=notice.subject,
        kind=notice.kind,
        stage=_STAGES[notice.stage],
        due=notice.due.isoformat(),
        recipient=notice.recipient,
        create_time=_timestamp(notice.create_time),
        acknowledge_time=_timestamp(notice.acknowledge_time),
        acknowledged_by=notice.acknowledged_by,
    )


def _jurisdiction_message(held: Jurisdiction) -> pb.Jurisdiction:
    return pb.Jurisdiction(
        name=held.name,
        region_prefix=held.region_prefix,
        display_name=held.display_name,
        authority=held.authority,
        review_when=[_REVIEWS[word] for word in held.review_when or ()],
        inherit_review=held.review_when is None,
        periods=[
            pb.Period(
                kind=kind,
                days=period.days,
                extension=period.extension,
                source=period.source,
                sure=period.sure,
            )
            for kind, period in held.periods.items()
        ],
        etag=held.etag,
        update_time=_timestamp(held.update_time),
    )


def _jurisdiction_of(sent: pb.Jurisdiction) -> Jurisdiction:
    wrong = []
    if any(number not in _REVIEW_OF for number in sent.review_when):
        wrong.append(FieldViolation("jurisdiction.review_when", "has a value that is unknown"))
    if sent.inherit_review and sent.review_when:
        wrong.append(FieldViolation("jurisdiction.inherit_review", "with review_when"))
    if len({period.kind for period in sent.periods}) != len(sent.periods):
        wrong.append(FieldViolation("jurisdiction.periods", "has a kind twice"))
    if wrong:
        raise InvalidArgument(
            "this jurisdiction cannot be read: correct the fields named and repeat",
            reason="JURISDICTION_INVALID",
            message_zh="该管辖区的内容有误：请按所列字段更正后重试",
            violations=wrong,
        )
    words = sorted({_REVIEW_OF[number] for number in sent.review_when})
    return Jurisdiction(
        name=sent.name,
        region_prefix=sent.region_prefix,
        display_name=sent.display_name,
        authority=sent.authority,
        review_when=None if sent.inherit_review else tuple(words),
        periods={
            period.kind: Period(
                days=period.days,
                extension=period.extension,
                source=period.source,
                sure=period.sure,
            )
            for period in sent.periods
        },
        etag=sent.etag,
    )


def _year_message(own: HeldYear | None, year: WorkYear) -> pb.WorkYear:
    return pb.WorkYear(
        year=year.year,
        **year.texts(),
        shipped=own is None,
        etag=own.etag if own else tables.etag_of_year(year),
        update_time=_timestamp(own.update_time) if own else None,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
