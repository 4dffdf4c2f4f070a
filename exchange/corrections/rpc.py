"""CorrectionService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.corrections import finding, noticing, reading, service
from exchange.corrections.finding import Finding, Record
from exchange.corrections.model import CorrectionState, Fault, Origin
from exchange.corrections.noticing import Told
from exchange.corrections.reading import Seen
from exchange.corrections.versions.store import Change
from exchange.query.forwarded import Sources
from exchange.v1 import corrections_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_READERS = frozenset({Role.DEPARTMENT, Role.COUNTER, Role.ADMINISTRATOR, Role.AUDITOR})
_DEPARTMENT = frozenset({Role.DEPARTMENT})
_CITIZENS = frozenset({Role.COUNTER, Role.APPLICANT})
_REQUESTERS = _CITIZENS | _DEPARTMENT

POLICY: Mapping[str, frozenset[Role]] = {
    "SubmitCorrection": _REQUESTERS,
    "GetCorrection": _READERS | _CITIZENS,
    "ListCorrections": _READERS,
    "MyCorrections": _CITIZENS,
    "ReviewCorrection": _DEPARTMENT,
    "AnswerCorrection": _DEPARTMENT,
    "WithdrawCorrection": _REQUESTERS,
    "GetCorrectionLineage": _READERS | _CITIZENS,
    "ListCorrectionNotices": frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR}),
    "AcknowledgeCorrectionNotice": _DEPARTMENT,
}

_STATES = {one: pb.CorrectionState.Value(f"CORRECTION_STATE_{one.name}") for one in CorrectionState}
_ORIGINS = {one: pb.CorrectionOrigin.Value(f"CORRECTION_ORIGIN_{one.name}") for one in Origin}
_FAULTS = {one: pb.CorrectionFault.Value(f"CORRECTION_FAULT_{one.name}") for one in Fault}
_FAULTS_OF = {number: one for one, number in _FAULTS.items()}
_ANSWERS = {
    pb.CORRECTION_STATE_ACCEPTED: CorrectionState.ACCEPTED,
    pb.CORRECTION_STATE_REJECTED: CorrectionState.REJECTED,
}


class CorrectionServicer:
    """The methods of CorrectionService; plain ones, as all of them ask the database."""

    def __init__(
        self,
        database: Database,
        *,
        audit: AuditLog,
        schemas: Schemas,
        sources: Sources,
        clock: Clock,
    ) -> None:
        self._database = database
        self._clock = clock
        self._finding = Finding(database=database, audit=audit, schemas=schemas, sources=sources)

    def SubmitCorrection(  # noqa: N802  # the protocol's name
        self, request: pb.SubmitCorrectionRequest, call: Call
    ) -> pb.SubmitCorrectionResponse:
        """Doubt a record."""
        fault = _FAULTS_OF.get(request.fault)
        if fault is None:
            raise _invalid("fault", "must be said")
        # Looking it up takes long, so it comes before the transaction, unless it was answered.
        found = None if self._answered(call, request) else self._find(request, call)

        def act(work: UnitOfWork) -> pb.SubmitCorrectionResponse:
            made = service.submit(
                work,
                call.principal,
                record=found or self._find(request, call),
                items=request.items,
                fault=fault,
                statement=request.statement,
                clock=self._clock,
            )
            seen = reading.due_of(work, call.principal, made)
            return pb.SubmitCorrectionResponse(correction=correction_message(seen))

        return self._database.once(call.principal.system, request, pb.SubmitCorrectionResponse, act)

    def GetCorrection(  # noqa: N802
        self, request: pb.GetCorrectionRequest, call: Call
    ) -> pb.GetCorrectionResponse:
        """One request."""
        seen = reading.get(self._database, call.principal, request.name)
        return pb.GetCorrectionResponse(correction=correction_message(seen))

    def ListCorrections(  # noqa: N802
        self, request: pb.ListCorrectionsRequest, call: Call
    ) -> pb.ListCorrectionsResponse:
        """A page of requests."""
        page, token = reading.page(
            self._database,
            call.principal,
            resource=request.resource,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListCorrectionsResponse(
            corrections=[correction_message(seen) for seen in page], next_page_token=token
        )

    def MyCorrections(  # noqa: N802
        self, request: pb.MyCorrectionsRequest, call: Call
    ) -> pb.MyCorrectionsResponse:
        """A page of a citizen's requests."""
        finding.check_citizen(call.principal, request.key, request.case_number)
        page, token = reading.page_of_citizen(
            self._database,
            call.principal,
            key=request.key,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        with self._database.unit_of_work() as work:
            reading.tell_citizen(
                work,
                call.principal,
                key=request.key,
                case_number=request.case_number,
                count=len(page),
                clock=self._clock,
            )
        return pb.MyCorrectionsResponse(
            corrections=[correction_message(seen) for seen in page], next_page_token=token
        )

    def ReviewCorrection(  # noqa: N802
        self, request: pb.ReviewCorrectionRequest, call: Call
    ) -> pb.ReviewCorrectionResponse:
        """Take a request up."""

        def act(work: UnitOfWork) -> pb.ReviewCorrectionResponse:
            made = service.review(work, call.principal, name=request.name, clock=self._clock)
            seen = reading.due_of(work, call.principal, made)
            return pb.ReviewCorrectionResponse(correction=correction_message(seen))

        return self._database.once(call.principal.system, request, pb.ReviewCorrectionResponse, act)

    def AnswerCorrection(  # noqa: N802
        self, request: pb.AnswerCorrectionRequest, call: Call
    ) -> pb.AnswerCorrectionResponse:
        """Answer a request."""
        state = _ANSWERS.get(request.state)
        if state is None:
            raise _invalid("state", "must be ACCEPTED or REJECTED")

        def act(work: UnitOfWork) -> pb.AnswerCorrectionResponse:
            made = service.answer(
                work,
                call.principal,
                name=request.name,
                state=state,
                accepted_items=request.accepted_items,
                batch=request.batch,
                text=request.answer,
                legal_basis=request.answer_legal_basis,
                clock=self._clock,
            )
            seen = reading.due_of(work, call.principal, made)
            return pb.AnswerCorrectionResponse(correction=correction_message(seen))

        return self._database.once(call.principal.system, request, pb.AnswerCorrectionResponse, act)

    def WithdrawCorrection(  # noqa: N802
        self, request: pb.WithdrawCorrectionRequest, call: Call
    ) -> pb.WithdrawCorrectionResponse:
        """Take a request back."""

        def act(work: UnitOfWork) -> pb.WithdrawCorrectionResponse:
            made = service.withdraw(work, call.principal, name=request.name, clock=self._clock)
            seen = reading.due_of(work, call.principal, made)
            return pb.WithdrawCorrectionResponse(correction=correction_message(seen))

        return self._database.once(
            call.principal.system, request, pb.WithdrawCorrectionResponse, act
        )

    def GetCorrectionLineage(  # noqa: N802
        self, request: pb.GetCorrectionLineageRequest, call: Call
    ) -> pb.GetCorrectionLineageResponse:
        """What a request led to."""
        found = noticing.lineage(
            self._database,
            call.principal,
            name=request.name,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.GetCorrectionLineageResponse(
            correction=correction_message(found.seen),
            wrong=[_version_message(one) for one in found.wrong],
            corrected=_version_message(found.corrected) if found.corrected else None,
            traced=found.traced,
            notice_count=found.notice_count,
            acknowledged_count=found.acknowledged_count,
            notices=[notice_message(told) for told in found.notices],
            next_page_token=found.next_page_token,
        )

    def ListCorrectionNotices(  # noqa: N802
        self, request: pb.ListCorrectionNoticesRequest, call: Call
    ) -> pb.ListCorrectionNoticesResponse:
        """A page of notices."""
        page, token = noticing.page(
            self._database,
            call.principal,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListCorrectionNoticesResponse(
            notices=[notice_message(told) for told in page], next_page_token=token
        )

    def AcknowledgeCorrectionNotice(  # noqa: N802
        self, request: pb.AcknowledgeCorrectionNoticeRequest, call: Call
    ) -> pb.AcknowledgeCorrectionNoticeResponse:
        """Acknowledge a notice."""

        def act(work: UnitOfWork) -> pb.AcknowledgeCorrectionNoticeResponse:
            told = noticing.acknowledge(work, call.principal, name=request.name, clock=self._clock)
            return pb.AcknowledgeCorrectionNoticeResponse(notice=notice_message(told))

        answer = pb.AcknowledgeCorrectionNoticeResponse
        return self._database.once(call.principal.system, request, answer, act)

    def _find(self, request: pb.SubmitCorrectionRequest, call: Call) -> Record:
        match request.WhichOneof("record"):
            case "answered":
                one = request.answered
                return self._finding.answered(call.principal, grant=one.grant, key=one.key)
            case "delivered":
                sent = request.delivered
                return self._finding.delivered(
                    call.principal,
                    subscription=sent.subscription,
                    record=sent.record_id,
                    offset=sent.offset,
                )
            case "own":
                own = request.own
                return self._finding.own(
                    call.principal,
                    resource=own.resource,
                    key=own.key,
                    case_number=own.case_number,
                )
            case _:
                raise _invalid("record", "one of answered, delivered and own is needed")

    def _answered(self, call: Call, request: pb.SubmitCorrectionRequest) -> bool:
        with self._database.reading() as session:
            work = UnitOfWork(session)
            system = call.principal.system
            return work.answered(system, "SubmitCorrection", request.request_id) is not None


def correction_message(seen: Seen) -> pb.Correction:
    """The message of a request as it is seen."""
    held = seen.correction
    return pb.Correction(
        name=held.name,
        resource=held.resource,
        origin=_ORIGINS[held.origin],
        items=held.items,
        fault=_FAULTS[held.fault],
        statement=held.statement,
        state=_STATES[held.state],
        key=held.record_key,
        grant=held.grant_name,
        subscription=held.subscription,
        record_id=held.record_id,
        accepted_items=held.accepted_items,
        answer=held.answer,
        answer_legal_basis=held.answer_legal_basis,
        due=seen.due,
        create_time=_timestamp(held.create_time),
        review_time=_timestamp(held.review_time),
        end_time=_timestamp(held.end_time),
    )


def notice_message(told: Told) -> pb.CorrectionNotice:
    """The message of a notice as it is seen."""
    held = told.notice
    return pb.CorrectionNotice(
        name=held.name,
        resource=told.resource,
        items=held.items,
        grant=held.grant_name,
        subscription=held.subscription,
        record_id=told.record_id,
        key=told.key,
        accesses=held.accesses,
        access_count=held.access_count,
        first_access_time=_timestamp(held.first_access_time),
        last_access_time=_timestamp(held.last_access_time),
        correct_time=_timestamp(told.correct_time),
        withdrawn=told.withdrawn,
        create_time=_timestamp(held.create_time),
        acknowledge_time=_timestamp(held.acknowledge_time),
        acknowledged_by=held.acknowledged_by,
    )


def _version_message(one: Change) -> pb.RecordVersion:
    version = one.version
    return pb.RecordVersion(
        offset=version.offset,
        batch=f"{one.resource}/batches/{version.batch}",
        publish_time=_timestamp(version.publish_time),
        withdrawn=version.values is None,
    )


def _invalid(field: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        "this cannot be taken: correct the fields named and repeat",
        reason="CORRECTION_INVALID",
        message_zh="校核异议内容有误：请按所列字段更正后重试",
        violations=[FieldViolation(field, description)],
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
