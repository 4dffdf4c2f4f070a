"""What the node holds of each seal, and the pure rules of its use.

1. A seal is used only while ACTIVE and within its times; each refusal names which rule it met.
2. Only systems of the seal's own department use it, and the node's services, which act for one. To
   anybody else it does not exist.
3. A document is what its first bytes say; a caller who says otherwise is told so.
4. A sealing runs PREPARED → SIGNED → RELEASED, or ends FAILED from either of the first two. What is
   to be signed is stored in PREPARED, before any key is asked; nothing leaves before RELEASED.
5. A reason for using a seal is required, short, and holds no citizen number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from runtime.errors import (
    DomainError,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from runtime.idcodes import citizen_number_problem, credit_code_problem

MAX_DOCUMENT: Final = 16 * 1024 * 1024
MAX_POSITIONS: Final = 256
MAX_REASON: Final = 200
MAX_DISPLAY_NAME: Final = 40
DEFAULT_YEARS: Final = 3
DIAMETER_MM: Final = 42
"""GM and State Council 国发〔1999〕25号: the seal of a county-level body."""

_OFD_MAGIC: Final = b"PK\x03\x04"
_PDF_MAGIC: Final = b"%PDF-"
_CITIZEN: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dXx])")


class SealState(StrEnum):
    """Whether a seal may be used, its times apart."""

    ACTIVE = "ACTIVE"
    REVOKED = "REVOKED"


class SealingState(StrEnum):
    """How far one sealing came (rule 4)."""

    PREPARED = "PREPARED"
    SIGNED = "SIGNED"
    RELEASED = "RELEASED"
    FAILED = "FAILED"


class Format(StrEnum):
    """What a document is."""

    OFD = "OFD"
    PDF = "PDF"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSeal:
    """A seal as held.

    Times are aware UTC in whole seconds; certificates (DER), `seal_data` (DER SESeal) and `image`
    (PNG) are public, and in a list the last two are empty.
    """

    name: str
    department: str
    display_name: str
    credit_code: str
    es_id: str
    state: SealState
    start_time: datetime
    end_time: datetime
    seal_data: bytes
    image: bytes
    diameter_mm: float
    certificate: bytes
    pdf_certificate: bytes
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOrder:
    """A valid wish for a new seal."""

    department: str
    seal_id: str
    display_name: str
    credit_code: str
    bottom_line: str = ""
    end_time: datetime | None = None

    def __post_init__(self) -> None:
        problems = []
        if not 2 <= len(self.display_name) <= MAX_DISPLAY_NAME or not _is_plain(self.display_name):
            problems.append(
                FieldViolation("display_name", f"2 to {MAX_DISPLAY_NAME} printable characters")
            )
        if problem := credit_code_problem(self.credit_code):
            problems.append(FieldViolation("credit_code", problem))
        if not _is_plain(self.bottom_line):
            problems.append(FieldViolation("bottom_line", "printable characters only"))
        if problems:
            raise InvalidArgument(
                "the seal cannot be made: "
                + "; ".join(f"{p.field}: {p.description}" for p in problems),
                reason="BAD_SEAL_REQUEST",
                message_zh="无法制作印章：" + "、".join(p.field for p in problems) + " 有误",
                violations=problems,
            )

    @property
    def name(self) -> str:
        """The seal's resource name."""
        return f"{self.department}/seals/{self.seal_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a seal shows: page from 1; mm from the upper left corner; size 0 is the seal's own."""

    page: int
    x_mm: float
    y_mm: float
    size_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingOrder:
    """A valid wish to seal a document.

    `format` is what the first bytes say; `department` is whose seals the caller may use, None for
    a service of the node; `request_digest` tells two requests with one id apart.
    """

    seal: str
    document: bytes
    format: Format
    positions: tuple[Position, ...]
    reason: str
    actor: str
    department: str | None
    request_id: str
    request_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDocument:
    """A sealed document before or after its release; hashes are SHA-256, hex."""

    id: str
    seal: str
    format: Format
    reason: str
    sha256_before: str
    sha256_after: str
    sealed_at: datetime
    document: bytes


def check_use(seal: HeldSeal, *, at: datetime) -> None:
    """Rule 1. Raises FailedPrecondition (SEAL_NOT_IN_FORCE) whose metadata `why` says which."""
    if seal.state is SealState.REVOKED:
        raise _not_in_force("revoked", "is revoked: have a new one made", "已被废止，请重新制作")
    if at < seal.start_time:
        raise _not_in_force(
            "not_begun",
            f"begins on {seal.start_time:%Y-%m-%d}: wait until then",
            f"自 {seal.start_time:%Y-%m-%d} 起生效，请届时再用",
        )
    if at > seal.end_time:
        raise _not_in_force(
            "ended",
            f"ended on {seal.end_time:%Y-%m-%d}: have a new one made",
            f"已于 {seal.end_time:%Y-%m-%d} 到期，请重新制作",
        )


def _not_in_force(why: str, text: str, text_zh: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"the seal {text}", reason="SEAL_NOT_IN_FORCE", message_zh=f"印章{text_zh}", why=why
    )


def seal_not_found() -> NotFound:
    """The one refusal for a seal that is absent and for one of somebody else (rule 2)."""
    return NotFound(
        "no such seal, or not one that this system may use",
        reason="SEAL_NOT_FOUND",
        message_zh="没有这枚印章，或本系统无权使用",
    )


def recognise(document: bytes, *, declared: Format | None) -> Format:
    """What a document is (rule 3).

    Raises ResourceExhausted (DOCUMENT_TOO_LARGE) above 16 MiB; InvalidArgument where it is neither
    OFD nor PDF (DOCUMENT_FORMAT_UNKNOWN), or another than declared (DOCUMENT_FORMAT_MISMATCH).
    """
    check_size(document)
    if document.startswith(_OFD_MAGIC):
        found = Format.OFD
    elif document.startswith(_PDF_MAGIC):
        found = Format.PDF
    else:
        raise InvalidArgument(
            "the document is neither an OFD (a zip package) nor a PDF: send one of these",
            reason="DOCUMENT_FORMAT_UNKNOWN",
            message_zh="文件既不是 OFD 也不是 PDF：请提供这两种格式之一",
            violations=[FieldViolation("document", "neither OFD nor PDF")],
        )
    if declared is not None and declared is not found:
        raise InvalidArgument(
            f"the document is declared {declared} but its first bytes are those of {found}: "
            "correct `format`, or leave it out",
            reason="DOCUMENT_FORMAT_MISMATCH",
            message_zh=f"声明的格式是 {declared}，但文件内容是 {found}：请更正或不填 format",
            violations=[FieldViolation("format", f"the document is {found}")],
        )
    return found


def check_size(document: bytes) -> None:
    """Raises InvalidArgument (DOCUMENT_EMPTY), ResourceExhausted (DOCUMENT_TOO_LARGE)."""
    if not document:
        raise InvalidArgument(
            "the document is empty",
            reason="DOCUMENT_EMPTY",
            message_zh="文件为空",
            violations=[FieldViolation("document", "empty")],
        )
    if len(document) > MAX_DOCUMENT:
        raise ResourceExhausted(
            "the document is larger than 16 MiB: make its pictures smaller, or part it",
            reason="DOCUMENT_TOO_LARGE",
            message_zh="文件大于 16 MiB：请压缩图片或拆分",
        )


def check_reason(reason: str) -> str:
    """Rule 5. Raises InvalidArgument (BAD_REASON), which does not repeat it."""
    text = reason.strip()
    if not 0 < len(text) <= MAX_REASON or not _is_plain(text):
        raise _bad_reason(
            f"say why the seal is used, in 1 to {MAX_REASON} printable characters",
            f"请说明用印事由，1 至 {MAX_REASON} 个可见字符",
        )
    if any(citizen_number_problem(found.upper()) is None for found in _CITIZEN.findall(text)):
        raise _bad_reason(
            "the reason holds a citizen number: name the matter, not the person",
            "用印事由含有公民身份号码：请写事项，不写个人信息",
        )
    return text


def _bad_reason(text: str, text_zh: str) -> DomainError:
    return InvalidArgument(
        text,
        reason="BAD_REASON",
        message_zh=text_zh,
        violations=[FieldViolation("reason", text)],
    )


def check_positions(positions: Sequence[Position]) -> tuple[Position, ...]:
    """At least one and not a crowd. Raises InvalidArgument (STAMP_POSITION)."""
    sizes = all(p.page >= 1 and 0 <= p.size_mm <= 200 for p in positions)
    if not 1 <= len(positions) <= MAX_POSITIONS or not sizes:
        raise InvalidArgument(
            f"a document takes 1 to {MAX_POSITIONS} stamps, on pages from 1, each up to 200 mm",
            reason="STAMP_POSITION",
            message_zh=f"请给出 1 至 {MAX_POSITIONS} 个盖章位置，页码从 1 起，尺寸不超过 200 毫米",
            violations=[FieldViolation("positions", "not usable")],
        )
    return tuple(positions)


def term(order: SealOrder, *, now: datetime, latest: datetime) -> tuple[datetime, datetime]:
    """From when until when a new seal is good, in whole seconds.

    Raises InvalidArgument (BAD_END_TIME) where it would end before it begins, or after `latest`,
    when the certificates above it end.
    """
    start = now.replace(microsecond=0)
    end = order.end_time or _years_later(start, DEFAULT_YEARS)
    end = end.replace(microsecond=0)
    if not start < end <= latest:
        raise InvalidArgument(
            f"end_time must be after now and not after {latest:%Y-%m-%d}, when the seal maker's "
            "certificate ends",
            reason="BAD_END_TIME",
            message_zh=f"end_time 应晚于当前时间且不晚于制章者证书的截止日 {latest:%Y-%m-%d}",
            violations=[FieldViolation("end_time", "not in the future, or too far in it")],
        )
    return start, end


def _years_later(at: datetime, years: int) -> datetime:
    try:
        return at.replace(year=at.year + years)
    except ValueError:  # 29 February
        return at.replace(year=at.year + years, day=28) + timedelta(days=1)


def _is_plain(text: str) -> bool:
    """Printable, one line: what goes into names, images and records."""
    return text.isprintable()
