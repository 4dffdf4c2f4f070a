"""Inquiries and their attachments: states, bounds, who sees what.

1. An inquiry is from one department to another. Open, then answered, then closed by who asked;
   withdrawn by who asked until it is answered.
2. To all but its two departments, administrators and auditors it does not exist; and these two see
   who asks whom and when, not what is written, nor the files.
3. A file is uploaded first, and then named once, in an inquiry or in its answer, by the department
   that uploaded it. It is read by the two departments then; until then by its own.
4. What is named nowhere after `ORPHANED` is removed. A department has a bounded number of such.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from exchange.catalog.model import CONTROL
from runtime import names
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role

GREATEST_TITLE = 200  # characters
GREATEST_TEXT = 4000
GREATEST_FILE_NAME = 200
GREATEST_ATTACHMENTS = 10
GREATEST_SIZE = 8 * 1024 * 1024  # bytes
#: Working days that an asker may give.
GREATEST_DAYS = 60
#: Of one department at a time, without an answer.
GREATEST_OPEN = 1000
#: Files of one department that nothing names.
GREATEST_UNNAMED = 50
ORPHANED = timedelta(days=1)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,127}")
_ABOUT = (names.RESOURCE, names.GRANT, names.CORRECTION)


class InquiryState(StrEnum):
    """State of an inquiry."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class AttachmentState(StrEnum):
    """State of a file: its row comes before its content, and goes after it."""

    COMING = "coming"
    HELD = "held"
    GOING = "going"


class Part(StrEnum):
    """Where in an inquiry a file is named."""

    QUESTION = "question"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file, without its content; `inquiry` is empty until one names it."""

    name: str
    file_name: str
    media_type: str
    size: int
    digest: str
    inquiry: str = ""
    part: str = ""
    place: int = 0
    state: AttachmentState = AttachmentState.COMING
    create_time: datetime

    @property
    def department(self) -> str:
        """The department that uploaded it."""
        return names.department_of(self.name)

    @property
    def object_name(self) -> str:
        """Of its content in the object store: of this file alone, and by its digest."""
        return f"inquiries/{self.name.rpartition('/')[2]}/{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """An inquiry with its files."""

    name: str
    recipient: str
    title: str
    text: str
    about: str = ""
    state: InquiryState = InquiryState.OPEN
    answer: str = ""
    attachments: tuple[Attachment, ...] = ()
    answer_attachments: tuple[Attachment, ...] = ()
    create_time: datetime
    answer_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def asker(self) -> str:
        """The department that asks."""
        return names.department_of(self.name)


def check_file(file_name: str, media_type: str, content: bytes) -> None:
    """Raises InvalidArgument (INQUIRY_INVALID) with every field that is wrong."""
    wrong = []
    if (
        not 0 < len(file_name.strip()) <= GREATEST_FILE_NAME
        or not file_name.isprintable()
        or {"/", "\\"} & set(file_name)
    ):
        wrong.append(
            FieldViolation("file_name", f"must have 1 to {GREATEST_FILE_NAME} characters, no path")
        )
    if not _MEDIA_TYPE.fullmatch(media_type):
        wrong.append(FieldViolation("media_type", "must look like application/pdf"))
    if not 0 < len(content) <= GREATEST_SIZE:
        wrong.append(FieldViolation("content", f"must have 1 to {GREATEST_SIZE} bytes"))
    _raise(wrong)


def file_of(
    name: str, *, file_name: str, media_type: str, content: bytes, at: datetime
) -> Attachment:
    """The file whose content this is. Raises as `check_file`."""
    media_type = media_type or "application/octet-stream"
    check_file(file_name, media_type, content)
    return Attachment(
        name=name,
        file_name=file_name,
        media_type=media_type,
        size=len(content),
        digest=hashlib.sha256(content).hexdigest(),
        create_time=at,
    )


def check(inquiry: Inquiry, *, attachments: Sequence[str], reply_days: int) -> None:
    """Raises InvalidArgument (INQUIRY_INVALID) with every field that is wrong."""
    wrong = []
    if not names.is_name(names.DEPARTMENT, inquiry.recipient) or inquiry.recipient == inquiry.asker:
        wrong.append(FieldViolation("recipient", "must be another department"))
    wrong += _text("title", inquiry.title, GREATEST_TITLE)
    wrong += _text("text", inquiry.text, GREATEST_TEXT)
    if inquiry.about and not any(names.is_name(pattern, inquiry.about) for pattern in _ABOUT):
        wrong.append(
            FieldViolation("about", "must name a resource, a grant or a request for correction")
        )
    if not 0 <= reply_days <= GREATEST_DAYS:
        wrong.append(FieldViolation("reply_days", f"must be 0 to {GREATEST_DAYS}"))
    wrong += _named(attachments)
    _raise(wrong)


def _text(field: str, text: str, limit: int) -> Iterator[FieldViolation]:
    if not text.strip() or len(text) > limit or CONTROL.search(text):
        yield FieldViolation(field, f"must have 1 to {limit} characters, none of control")


def _named(attachments: Sequence[str]) -> Iterator[FieldViolation]:
    if len(attachments) > GREATEST_ATTACHMENTS or len(set(attachments)) != len(attachments):
        yield FieldViolation("attachments", f"at most {GREATEST_ATTACHMENTS}, none of them twice")
    for place, name in enumerate(attachments[:GREATEST_ATTACHMENTS]):
        if not names.is_name(names.ATTACHMENT, name):
            yield FieldViolation(f"attachments[{place}]", f"must look like {names.ATTACHMENT}")


def _raise(wrong: Sequence[FieldViolation]) -> None:
    if wrong:
        raise InvalidArgument(
            "this cannot be taken: correct the fields named and repeat",
            reason="INQUIRY_INVALID",
            message_zh="函询内容有误：请按所列字段更正后重试",
            violations=wrong,
        )


def name_file(
    held: Attachment | None, department: str, *, inquiry: str, part: Part, place: int
) -> Attachment:
    """The file as an inquiry names it.

    Raises NotFound (ATTACHMENT_NOT_FOUND) of another department's, FailedPrecondition
    (ATTACHMENT_USED) of one that is named already.
    """
    if held is None or held.department != department or held.state is not AttachmentState.HELD:
        raise attachment_not_found()
    if held.inquiry:
        raise FailedPrecondition(
            "this file is in an inquiry already: upload it again",
            reason="ATTACHMENT_USED",
            message_zh="该附件已用于函询：请重新上传",
        )
    return replace(held, inquiry=inquiry, part=part.value, place=place)


def answer(held: Inquiry, *, text: str, attachments: Sequence[str], at: datetime) -> Inquiry:
    """The inquiry with its answer.

    Raises FailedPrecondition (INQUIRY_NOT_OPEN) and InvalidArgument (INQUIRY_INVALID).
    """
    _check_open(held)
    _raise([*_text("answer", text, GREATEST_TEXT), *_named(attachments)])
    return replace(held, state=InquiryState.ANSWERED, answer=text, answer_time=at)


def close(held: Inquiry, *, at: datetime) -> Inquiry:
    """The answer is enough. Raises FailedPrecondition (INQUIRY_NOT_ANSWERED)."""
    if held.state is not InquiryState.ANSWERED:
        raise FailedPrecondition(
            f"this inquiry is {held.state.value}: only an answered one is closed",
            reason="INQUIRY_NOT_ANSWERED",
            message_zh="只有已答复的函询可以办结",
        )
    return replace(held, state=InquiryState.CLOSED, end_time=at)


def withdraw(held: Inquiry, *, at: datetime) -> Inquiry:
    """Who asked takes it back. Raises FailedPrecondition (INQUIRY_NOT_OPEN)."""
    _check_open(held)
    return replace(held, state=InquiryState.WITHDRAWN, end_time=at)


def _check_open(held: Inquiry) -> None:
    if held.state is not InquiryState.OPEN:
        raise FailedPrecondition(
            f"this inquiry is {held.state.value}: only an open one is answered or withdrawn",
            reason="INQUIRY_NOT_OPEN",
            message_zh="只有未答复的函询可以答复或撤回",
        )


def sees_everything(principal: Principal) -> bool:
    """Whether the caller knows of all inquiries, though not what is written in them."""
    return principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)


def is_party(principal: Principal, held: Inquiry) -> bool:
    """Whether the caller is a system of one of the two departments."""
    return principal.has(Role.DEPARTMENT) and principal.department in (held.asker, held.recipient)


def shown_to(principal: Principal, held: Inquiry) -> Inquiry:
    """The inquiry without what the caller is not to see (rule 2)."""
    if is_party(principal, held):
        return held
    return replace(
        held, title="", text="", about="", answer="", attachments=(), answer_attachments=()
    )


def check_asker(principal: Principal, held: Inquiry) -> None:
    """Raises PermissionDenied (NOT_THE_ASKER) unless who asked acts."""
    if principal.department != held.asker or not principal.has(Role.DEPARTMENT):
        raise PermissionDenied(
            "only who asked closes an inquiry or takes it back",
            reason="NOT_THE_ASKER",
            message_zh="只有发函部门可以办结或撤回函询",
        )


def check_recipient(principal: Principal, held: Inquiry) -> None:
    """Raises PermissionDenied (NOT_THE_RECIPIENT) unless the department that is asked acts."""
    if principal.department != held.recipient or not principal.has(Role.DEPARTMENT):
        raise PermissionDenied(
            "only the department that is asked answers",
            reason="NOT_THE_RECIPIENT",
            message_zh="只有收函部门可以答复",
        )


def inquiry_not_found() -> NotFound:
    """The one answer for an inquiry that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such inquiry: check its name (`tongban inquiries list`)",
        reason="INQUIRY_NOT_FOUND",
        message_zh="没有该函询：请核对其名称（tongban inquiries list）",
    )


def attachment_not_found() -> NotFound:
    """The one answer for a file that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such attachment: check its name; what no inquiry names is removed after a day",
        reason="ATTACHMENT_NOT_FOUND",
        message_zh="没有该附件：请核对其名称；未被函询引用的附件一天后清除",
    )
