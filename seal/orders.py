"""What is asked of a seal, and the pure rules of asking.

1. A document is what its first bytes say; a caller who says otherwise is told so.
2. A digest is sealed by itself: it comes without a document, a place or anything of a document; a
   credential (SD-JWT) without a place.
3. A reason for using a seal is required, short, and holds no citizen number.
4. What is sealed is named by `license-types/{type}` or by one word, or not at all.
5. A sealing runs PREPARED → SIGNED → RELEASED, or ends FAILED from either of the first two. What is
   to be signed is stored in PREPARED, before any key is asked; nothing leaves before RELEASED.
6. Whatever a caller chooses is bounded here: sizes, counts, lengths, distances.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from runtime import names
from runtime.errors import DomainError, FieldViolation, InvalidArgument, ResourceExhausted
from runtime.idcodes import citizen_number_problem
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement
from seal.registry import kind_of

MAX_DOCUMENT: Final = 16 * 1024 * 1024
MAX_STREAMED: Final = 100 * 1024 * 1024
MAX_PLACEMENTS: Final = 256
MAX_REASON: Final = 200
MAX_KEYWORD: Final = 100
MAX_PROPERTY_INFO: Final = 200
DIGEST_SIZE: Final = 32

_OFD_MAGIC: Final = b"PK\x03\x04"
_PDF_MAGIC: Final = b"%PDF-"
_CITIZEN: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dXx])")
_KIND: Final = re.compile(rf"(?:license-types/)?{names.ID.pattern}")
_PRINTABLE_ASCII: Final = re.compile(r"[ -~]*")
_MAX_SIZE_MM: Final = 200
_MAX_MM: Final = 10_000
_MAX_PAGE: Final = 1_000_000

Document = bytes | bytearray | memoryview
"""A document in memory, or a view of a file mapped into it."""


class SealingState(StrEnum):
    """How far one sealing came (rule 5)."""

    PREPARED = "PREPARED"
    SIGNED = "SIGNED"
    RELEASED = "RELEASED"
    FAILED = "FAILED"


class Format(StrEnum):
    """What is sealed."""

    OFD = "OFD"
    PDF = "PDF"
    DIGEST = "DIGEST"
    SD_JWT = "SD-JWT"


class Proof(StrEnum):
    """How much proof of its time a sealed document carries."""

    BASIC = "BASIC"
    TIMESTAMPED = "TIMESTAMPED"
    LONG_TERM = "LONG_TERM"
    ARCHIVAL = "ARCHIVAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """SM3 of what another system holds, and what it is of (printable ASCII)."""

    value: bytes
    property_info: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingOrder:
    """A valid wish to seal a document or, with `digest`, a digest.

    `format` is what the first bytes say; `system` and `department` are who uses the seal, both None
    for a service of the node; `request_digest` tells two requests with one id apart.
    """

    seal: str
    document: Document
    format: Format
    placements: tuple[Placement, ...]
    reason: str
    actor: str
    department: str | None
    request_id: str
    request_digest: bytes
    kind: str = ""
    proof: Proof = Proof.BASIC
    close: bool = False
    integrity_entries: bool = False
    digest: Digest | None = None

    @property
    def user(self) -> str | None:
        """The system that uses the seal; None for a service of the node."""
        return None if self.department is None else self.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedDocument:
    """A sealed document before or after its release; hashes are SHA-256, hex.

    `sha256_before` of a digest is the digest itself, hex.
    """

    id: str
    seal: str
    format: Format
    reason: str
    sha256_before: str
    sha256_after: str
    sealed_at: datetime
    document: Document
    kind: str = ""
    stamp_count: int = 0


# --- documents ---------------------------------------------------------------------------------


def recognise(
    document: Document, *, declared: Format | None, greatest: int = MAX_DOCUMENT
) -> Format:
    """What a document is (rule 1).

    Raises ResourceExhausted (DOCUMENT_TOO_LARGE) above `greatest` bytes; InvalidArgument where it
    is neither OFD nor PDF (DOCUMENT_FORMAT_UNKNOWN), or another than declared
    (DOCUMENT_FORMAT_MISMATCH).
    """
    check_size(document, greatest=greatest)
    head = bytes(document[:8])
    if head.startswith(_OFD_MAGIC):
        found = Format.OFD
    elif head.startswith(_PDF_MAGIC):
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


def check_size(
    document: Document, *, greatest: int = MAX_DOCUMENT, stream: str = "StreamSealDocument"
) -> None:
    """`stream` is the method for larger ones.

    Raises InvalidArgument (DOCUMENT_EMPTY), ResourceExhausted (DOCUMENT_TOO_LARGE).
    """
    if not len(document):
        raise InvalidArgument(
            "the document is empty",
            reason="DOCUMENT_EMPTY",
            message_zh="文件为空",
            violations=[FieldViolation("document", "empty")],
        )
    if len(document) > greatest:
        raise too_large(greatest, stream)


def too_large(greatest: int, stream: str = "StreamSealDocument") -> ResourceExhausted:
    """Refuses a document of more than `greatest` bytes, and says which way is left."""
    if greatest < MAX_STREAMED:
        way, way_zh = f"send it in parts by {stream}", f"请用 {stream} 分段发送"
    else:
        way, way_zh = "make its pictures smaller, or part it", "请压缩图片或拆分"
    return ResourceExhausted(
        f"the document is larger than {greatest >> 20} MiB: {way}",
        reason="DOCUMENT_TOO_LARGE",
        message_zh=f"文件大于 {greatest >> 20} MiB：{way_zh}",
    )


def check_digest(digest: Digest) -> Digest:
    """32 octets, and a note of printable ASCII. Raises InvalidArgument (BAD_DIGEST)."""
    info = digest.property_info
    if (
        len(digest.value) != DIGEST_SIZE
        or not 0 < len(info) <= MAX_PROPERTY_INFO
        or not _PRINTABLE_ASCII.fullmatch(info)
    ):
        raise InvalidArgument(
            f"a digest is the {DIGEST_SIZE} octets of an SM3 value, with 1 to {MAX_PROPERTY_INFO} "
            "printable ASCII characters in `property_info` (--about) that say what it is of",
            reason="BAD_DIGEST",
            message_zh=f"digest 应为 {DIGEST_SIZE} 字节的 SM3 值，property_info（--about）应为 "
            f"1 至 {MAX_PROPERTY_INFO} 个可见 ASCII 字符，说明其来源",
            violations=[FieldViolation("digest", "not usable")],
        )
    return digest


# --- what goes with them -----------------------------------------------------------------------


def check_reason(reason: str, *, of_use: bool = True) -> str:
    """Rule 3, of a use or of a step of a seal's life.

    Raises InvalidArgument (BAD_REASON), which does not repeat it.
    """
    text = reason.strip()
    if not 0 < len(text) <= MAX_REASON or not text.isprintable():
        raise _bad_reason(
            f"say why{' the seal is used' if of_use else ''}, in 1 to {MAX_REASON} printable "
            "characters (reason, --reason)",
            f"请说明{'用印' if of_use else ''}事由（reason，--reason），"
            f"1 至 {MAX_REASON} 个可见字符",
        )
    if holds_citizen_number(text):
        raise _bad_reason(
            "the reason holds a citizen number: name the matter, not the person",
            "事由含有公民身份号码：请写事项，不写个人信息",
        )
    return text


def holds_citizen_number(text: str) -> bool:
    """Whether a citizen number stands anywhere in a text."""
    return any(citizen_number_problem(found.upper()) is None for found in _CITIZEN.findall(text))


def _bad_reason(text: str, text_zh: str) -> DomainError:
    return InvalidArgument(
        text,
        reason="BAD_REASON",
        message_zh=text_zh,
        violations=[FieldViolation("reason", text)],
    )


def check_kind(kind: str) -> str:
    """Rule 4, in the one spelling of `kind_of`. Raises InvalidArgument (BAD_KIND)."""
    kind = kind_of(kind)
    if kind and not (len(kind) <= 128 and _KIND.fullmatch(kind)):
        raise InvalidArgument(
            "kind is `license-types/{type}`, or one word of a-z, 0-9 and hyphens such as "
            "official-letter",
            reason="BAD_KIND",
            message_zh="kind 应为 license-types/{类型}，或由小写字母、数字和连字符组成的一个词",
            violations=[FieldViolation("kind", "malformed")],
        )
    return kind


def check_placements(placements: Sequence[Placement]) -> tuple[Placement, ...]:
    """At least one, not a crowd, each within bounds.

    Raises InvalidArgument (STAMP_POSITION), which names the field and its bounds.
    """
    if not 1 <= len(placements) <= MAX_PLACEMENTS:
        raise _bad_placement(
            "placements",
            f"a document takes 1 to {MAX_PLACEMENTS} of them",
            f"每份文件应有 1 至 {MAX_PLACEMENTS} 个盖章位置",
        )
    for number, one in enumerate(placements):
        wrong = next((bound for bound in _bounds(one) if not bound.holds), None)
        if wrong is not None:
            raise _bad_placement(
                f"placements[{number}].{wrong.field}", wrong.said, wrong.said_zh, wrong.option
            )
    return tuple(placements)


def _bad_placement(field: str, said: str, said_zh: str, option: str = "") -> InvalidArgument:
    spelled = f" ({option})" if option else ""
    return InvalidArgument(
        f"{field}{spelled} is not usable: {said}",
        reason="STAMP_POSITION",
        message_zh=f"{field}{spelled} 无效：{said_zh}",
        violations=[FieldViolation(field, said)],
    )


@dataclass(frozen=True, slots=True)
class _Bound:
    """One rule of a placement: the field it is of, whether it holds, and what it asks for."""

    field: str
    option: str
    holds: bool
    said: str
    said_zh: str


def _bounds(one: Placement) -> list[_Bound]:
    """The rules of one placement. A NaN compares false with all, so each test is what is wanted."""
    match one:
        case At():
            where = "position"
            found = [
                _number(f"{where}.page", "--page", one.page, 1, _MAX_PAGE),
                _length(f"{where}.x_mm", "--x-mm", one.x_mm),
                _length(f"{where}.y_mm", "--y-mm", one.y_mm),
            ]
        case Keyword():
            where = "keyword"
            found = [
                _Bound(
                    f"{where}.text",
                    "--keyword",
                    0 < len(one.text) <= MAX_KEYWORD and one.text.isprintable(),
                    f"a word of 1 to {MAX_KEYWORD} printable characters",
                    f"应为 1 至 {MAX_KEYWORD} 个可见字符",
                ),
                _number(f"{where}.occurrence", "", one.occurrence, -1, _MAX_PAGE),
                _length(f"{where}.dx_mm", "", one.dx_mm, least=-_MAX_MM),
                _length(f"{where}.dy_mm", "", one.dy_mm, least=-_MAX_MM),
            ]
        case EveryPage():
            where = "every_page"
            found = [
                _length(f"{where}.x_mm", "--x-mm", one.x_mm),
                _length(f"{where}.y_mm", "--y-mm", one.y_mm),
            ]
        case AcrossEdges():
            where = "edges"
            found = [
                _length(f"{where}.y_mm", "--y-mm", one.y_mm),
                _number(f"{where}.pages_per_image", "", one.pages_per_image, 2, 50),
            ]
    size = _length(f"{where}.size_mm", "--size-mm", one.size_mm, most=_MAX_SIZE_MM)
    return [*found, size]


def _length(
    field: str, option: str, value: float, *, least: int = 0, most: int = _MAX_MM
) -> _Bound:
    return _Bound(
        field,
        option,
        least <= value <= most,
        f"a number of mm from {least} to {most}",
        f"应为 {least} 至 {most} 毫米",
    )


def _number(field: str, option: str, value: int, least: int, most: int) -> _Bound:
    return _Bound(
        field,
        option,
        least <= value <= most,
        f"a whole number from {least} to {most}",
        f"应为 {least} 至 {most} 的整数",
    )


def check_wishes(order: SealingOrder) -> SealingOrder:
    """What fits together (rule 2). Raises InvalidArgument (NOT_FOR_THIS_FORMAT)."""
    wrong = []
    if order.format is Format.DIGEST:
        if order.placements:
            wrong.append("placements")
        if len(order.document):
            wrong.append("document")
        if order.close:
            wrong.append("close")
    if order.format is Format.SD_JWT:
        said = {"placements": order.placements, "close": order.close}
        said["level"] = order.proof is not Proof.BASIC
        wrong += [name for name, value in said.items() if value]
    if order.integrity_entries and order.format is not Format.OFD:
        wrong.append("integrity_entries")
    if order.proof in (Proof.LONG_TERM, Proof.ARCHIVAL) and order.format is not Format.PDF:
        wrong.append("level")
    wrong = list(dict.fromkeys(wrong))
    if wrong:
        raise InvalidArgument(
            f"{', '.join(wrong)}: not for a sealing of {order.format}; leave it out",
            reason="NOT_FOR_THIS_FORMAT",
            message_zh=f"{order.format} 签章不支持 {'、'.join(wrong)}：请不要填写",
            violations=[FieldViolation(one, f"not for {order.format}") for one in wrong],
        )
    return order
