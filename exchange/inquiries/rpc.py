"""InquiryService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.inquiries import service
from exchange.inquiries.attaching import Attaching
from exchange.inquiries.model import Attachment, Inquiry, InquiryState
from exchange.inquiries.service import Seen
from exchange.v1 import inquiries_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import Call

_READERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR})
_DEPARTMENT = frozenset({Role.DEPARTMENT})

POLICY: Mapping[str, frozenset[Role]] = {
    "UploadAttachment": _DEPARTMENT,
    "DownloadAttachment": _DEPARTMENT,
    "SendInquiry": _DEPARTMENT,
    "GetInquiry": _READERS,
    "ListInquiries": _READERS,
    "AnswerInquiry": _DEPARTMENT,
    "CloseInquiry": _DEPARTMENT,
    "WithdrawInquiry": _DEPARTMENT,
}

_STATES = {one: pb.InquiryState.Value(f"INQUIRY_STATE_{one.name}") for one in InquiryState}


class InquiryServicer:
    """The methods of InquiryService; plain ones, as all of them ask the database."""

    def __init__(self, database: Database, attaching: Attaching, clock: Clock) -> None:
        self._database = database
        self._attaching = attaching
        self._clock = clock

    def UploadAttachment(  # noqa: N802  # the protocol's name
        self, request: pb.UploadAttachmentRequest, call: Call
    ) -> pb.UploadAttachmentResponse:
        """Hold a file."""

        def act(work: UnitOfWork) -> pb.UploadAttachmentResponse:
            made = self._attaching.begin(
                work,
                call.principal,
                file_name=request.file_name,
                media_type=request.media_type,
                content=request.content,
            )
            return pb.UploadAttachmentResponse(attachment=attachment_message(made))

        answer = self._database.once(
            call.principal.system, request, pb.UploadAttachmentResponse, act
        )
        self._attaching.keep(answer.attachment.name, request.content)
        return answer

    def DownloadAttachment(  # noqa: N802
        self, request: pb.DownloadAttachmentRequest, call: Call
    ) -> pb.DownloadAttachmentResponse:
        """A file's content."""
        held, content = self._attaching.read(call.principal, request.name)
        return pb.DownloadAttachmentResponse(attachment=attachment_message(held), content=content)

    def SendInquiry(self, request: pb.SendInquiryRequest, call: Call) -> pb.SendInquiryResponse:  # noqa: N802
        """Ask another department."""

        def act(work: UnitOfWork) -> pb.SendInquiryResponse:
            made = service.send(
                work,
                call.principal,
                recipient=request.recipient,
                title=request.title,
                text=request.text,
                about=request.about,
                attachments=request.attachments,
                reply_days=request.reply_days,
                clock=self._clock,
            )
            return pb.SendInquiryResponse(inquiry=self._message(work, call, made))

        return self._database.once(call.principal.system, request, pb.SendInquiryResponse, act)

    def GetInquiry(self, request: pb.GetInquiryRequest, call: Call) -> pb.GetInquiryResponse:  # noqa: N802
        """One inquiry."""
        seen = service.get(self._database, call.principal, request.name)
        return pb.GetInquiryResponse(inquiry=inquiry_message(seen))

    def ListInquiries(  # noqa: N802
        self, request: pb.ListInquiriesRequest, call: Call
    ) -> pb.ListInquiriesResponse:
        """A page of inquiries."""
        page, token = service.page(
            self._database,
            call.principal,
            open_only=request.open_only,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListInquiriesResponse(
            inquiries=[inquiry_message(seen) for seen in page], next_page_token=token
        )

    def AnswerInquiry(  # noqa: N802
        self, request: pb.AnswerInquiryRequest, call: Call
    ) -> pb.AnswerInquiryResponse:
        """Answer an inquiry."""

        def act(work: UnitOfWork) -> pb.AnswerInquiryResponse:
            made = service.answer(
                work,
                call.principal,
                name=request.name,
                text=request.answer,
                attachments=request.attachments,
                clock=self._clock,
            )
            return pb.AnswerInquiryResponse(inquiry=self._message(work, call, made))

        return self._database.once(call.principal.system, request, pb.AnswerInquiryResponse, act)

    def CloseInquiry(self, request: pb.CloseInquiryRequest, call: Call) -> pb.CloseInquiryResponse:  # noqa: N802
        """Close an answered inquiry."""

        def act(work: UnitOfWork) -> pb.CloseInquiryResponse:
            made = service.close(work, call.principal, name=request.name, clock=self._clock)
            return pb.CloseInquiryResponse(inquiry=self._message(work, call, made))

        return self._database.once(call.principal.system, request, pb.CloseInquiryResponse, act)

    def WithdrawInquiry(  # noqa: N802
        self, request: pb.WithdrawInquiryRequest, call: Call
    ) -> pb.WithdrawInquiryResponse:
        """Take an inquiry back."""

        def act(work: UnitOfWork) -> pb.WithdrawInquiryResponse:
            made = service.withdraw(work, call.principal, name=request.name, clock=self._clock)
            return pb.WithdrawInquiryResponse(inquiry=self._message(work, call, made))

        return self._database.once(call.principal.system, request, pb.WithdrawInquiryResponse, act)

    def _message(self, work: UnitOfWork, call: Call, made: Inquiry) -> pb.Inquiry:
        return inquiry_message(service.seen(work, call.principal, made))


def inquiry_message(seen: Seen) -> pb.Inquiry:
    """The message of an inquiry as it is seen."""
    held = seen.inquiry
    return pb.Inquiry(
        name=held.name,
        recipient=held.recipient,
        title=held.title,
        text=held.text,
        about=held.about,
        attachments=[attachment_message(one) for one in held.attachments],
        state=_STATES[held.state],
        answer=held.answer,
        answer_attachments=[attachment_message(one) for one in held.answer_attachments],
        due=seen.due,
        create_time=_timestamp(held.create_time),
        answer_time=_timestamp(held.answer_time),
        end_time=_timestamp(held.end_time),
    )


def attachment_message(held: Attachment) -> pb.Attachment:
    """The message of a file."""
    return pb.Attachment(
        name=held.name,
        file_name=held.file_name,
        media_type=held.media_type,
        size=held.size,
        digest=held.digest,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
