"""A PDF opened for its checks: strictly, with every signature there is in it.

1. What readers see differently is refused by name: encrypted, hybrid and damaged files, objects
   (`seal.pdf.one_reading`) and pages (`seal.pdf.page_tree`) that can be read in two ways.
2. The signatures are those of the form, whatever their kind: one that can't be judged is found too,
   or a document of two signatures would pass by one of them.
3. A signature covers the file from its first byte, all but its own value: the bytes that its
   ByteRange leaves out are the hexadecimal string of `/Contents`, nothing more (ISO 32000-2
   §12.8.1). Elsewhere than there nothing can be put that is not signed.
4. A signature that an update took out of the form is found by what it leaves in the file.
5. What streams inflate to is bounded, each and all together.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import (
    DecodeLimits,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from runtime.errors import InvalidArgument
from seal.judging.telling import plain
from seal.model import Check, failed, passed, undetermined
from seal.pdf.cms import MAX_PDF
from seal.pdf.one_reading import TwoReadings, Words, check_objects
from seal.pdf.page_tree import check_hints, check_pages
from seal.pdf.reading import PlainReader, check_ending
from seal.suites import SM3_OID

__all__ = [
    "FoundSignature",
    "OpenedPdf",
    "PdfRefused",
    "check_byte_range",
    "check_opened",
    "open_pdf",
]

PADES: Final = "/ETSI.CAdES.detached"
TIMESTAMP: Final = "/ETSI.RFC3161"
_KINDS: Final = frozenset({PADES, TIMESTAMP, "/adbe.pkcs7.detached"})
_WEAK_KINDS: Final = frozenset({"/adbe.pkcs7.sha1", "/adbe.x509.rsa_sha1"})
_MAX_BYTES: Final = MAX_PDF + 12 * 1024 * 1024  # what is sealed grows by its seal and evidence
_MAX_SIGNATURES: Final = 64
_MAX_TRACES: Final = 1024
_MIB: Final = 1024 * 1024
# Only tables, object streams and metadata are inflated here, never a page or a picture.
_LIMITS: Final = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=32 * _MIB),
    document_budget=DocumentDecodeBudget(base_allowance=64 * _MIB, max_ratio=2),
)
_TRACE: Final = re.compile(rb"/ByteRange[\x00\t\n\f\r ]*\[")
_HEXADECIMAL: Final = re.compile(rb"<[0-9A-Fa-f]*>")
# It logs what it finds in hostile files, names and all; the verdict says what matters.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


class PdfRefused(InvalidArgument):
    """The file can't be read in one way only; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignature:
    """A signature of the form, by its field's name; `trouble` where it can't be judged.

    `revision` is the one its dictionary was last changed in, `contents` its value as it stands.
    """

    label: str
    kind: str
    revision: int
    contents: bytes
    embedded: EmbeddedPdfSignature | None
    trouble: Check | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPdf:
    """The signatures in the order of their revisions; `lost` many are no longer in the form.

    `told` is what is unusual of its objects, in words.
    """

    reader: Any
    told: tuple[Words, ...]
    signatures: tuple[FoundSignature, ...]
    lost: int


def open_pdf(data: bytes) -> OpenedPdf:
    """Read a PDF. Raises PdfRefused, and nothing else on what the bytes hold."""
    if len(data) > _MAX_BYTES:
        raise _refused("PDF_TOO_LARGE", "it is too large", "PDF 文件过大")
    try:
        check_ending(data)
        reader = PlainReader(data, decode_limits=_LIMITS)
        if reader.encrypted:
            raise _refused(
                "PDF_ENCRYPTED",
                "it is encrypted: what is signed can't be told from what is shown",
                "PDF 已加密，无法判断所签内容与显示内容是否一致",
            )
        if reader.xrefs.hybrid_xrefs_present:
            raise _refused(
                "PDF_HYBRID",
                "it has two tables of its objects: old and new readers see different documents",
                "PDF 含有两套对象表，不同阅读器看到的内容可能不同",
            )
        found = list(_signatures(reader, data))
        told = check_objects(reader, data, signed=_signed(found))
        # A file that opens nowhere is not one whose signature means anything.
        check_pages(reader.root)
        if found:
            check_hints(reader, data)
        lost = _lost(reader, data, found)
    except PdfRefused:
        raise
    except TwoReadings as error:
        raise _refused(error.reason, error.detail, error.detail_zh) from None
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        detail = "it is damaged, or of a kind that readers see differently"
        raise _refused("PDF_DAMAGED", detail, "PDF 文件已损坏或结构不规范") from None
    return OpenedPdf(
        reader=reader,
        told=told,
        signatures=tuple(sorted(found, key=lambda one: one.revision)),
        lost=lost,
    )


def check_opened(opened: OpenedPdf) -> list[Check]:
    """That it reads, with what is unusual of it; and where signatures were taken out."""
    english, chinese = zip(("the PDF reads", "PDF 结构正确"), *opened.told, strict=True)
    is_told = bool(opened.told)
    own = [passed("pdf_format", "; ".join(english), "；".join(chinese), notice=is_told)]
    if opened.lost:
        lost = failed(
            "unlisted_signature",
            f"{opened.lost} signature(s) of the file were taken out of its form: they do not show",
            f"有 {opened.lost} 个签名被移出表单，不再显示",
            reason="SIGNATURE_REMOVED",
        )
        own.append(lost)
    return own


def _refused(reason: str, detail: str, detail_zh: str) -> PdfRefused:
    return PdfRefused(f"the PDF is not taken: {detail}", reason=reason, message_zh=detail_zh)


def _signatures(reader: Any, data: bytes) -> Iterator[FoundSignature]:
    for number, (name, value, field) in enumerate(enumerate_sig_fields(reader, True)):
        if number == _MAX_SIGNATURES:
            raise _refused("PDF_TOO_LARGE", "it has too many signatures", "PDF 中的签名过多")
        yield _found(reader, data, str(name), value, field)


def _signed(found: list[FoundSignature]) -> int:
    """How many octets there are up to where the last signature's end."""
    ranges = [one.embedded.byte_range for one in found if one.embedded]
    return max((int(one[2]) + int(one[3]) for one in ranges), default=0)


def _found(reader: Any, data: bytes, label: str, value: Any, field: Any) -> FoundSignature:
    """What a field holds; never raises."""
    found = FoundSignature(
        label=label,
        kind="",
        revision=-1,
        contents=b"",
        embedded=None,
        trouble=_no_signature(),
    )
    try:
        held = field.get_object().raw_get("/V")
        dictionary = value.get_object()
        if not isinstance(dictionary, generic.DictionaryObject):
            return found
        revision = reader.xrefs.get_last_change(held.reference)
        found = replace(found, revision=revision, contents=_contents(dictionary))
        kind = str(dictionary.get("/SubFilter", ""))
        trouble = _foreign_kind(kind) or _range_trouble(dictionary, data)
        found = replace(found, kind=kind, trouble=trouble)
        if trouble is None:
            found = replace(found, embedded=_embedded(reader, field, label))
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        unreadable = failed("signature_format", "the signature is unreadable", "签名无法读取")
        return replace(found, embedded=None, trouble=unreadable)
    return found


def _embedded(reader: Any, field: Any, label: str) -> EmbeddedPdfSignature:
    """The library's view, which is told the name of SM3 (it knows the digest, not its OID)."""
    embedded = EmbeddedPdfSignature(reader, field, label)
    if embedded.md_algorithm == SM3_OID:
        embedded.external_md_algorithm = "sm3"
    return embedded


def _no_signature() -> Check:
    return failed(
        "signature_format",
        "the field says it is signed, and there is no signature in it",
        "签名域标明已签名，但其中没有签名",
        reason="SIGNATURE_EMPTY",
    )


def _foreign_kind(kind: str) -> Check | None:
    """A signature whose coverage nobody here can judge."""
    shown = plain(kind) or "-"
    against = (f"SubFilter {shown}", f"SubFilter {shown}")
    if kind in _KINDS:
        return None
    if kind in _WEAK_KINDS:
        return failed(
            "signature_format",
            f"the signature is of the kind {shown}, which rests on SHA-1: SHA-1 is broken",
            f"签名类型 {shown} 基于已被攻破的 SHA-1",
            reason="DIGEST_WEAK",
            against=against,
        )
    return undetermined(
        "signature_format",
        f"the signature is of a kind that is not known here: {shown}",
        f"不支持的签名类型：{shown}",
        reason="SIGNATURE_KIND_UNKNOWN",
        against=against,
    )


# --- the byte range ---------------------------------------------------------------------------


def _range_trouble(dictionary: Any, data: bytes) -> Check | None:
    """Why the ByteRange covers not what it should, if so."""
    try:
        numbers = [int(one) for one in dictionary["/ByteRange"]]
        held = dictionary.raw_get("/Contents")
        contents = bytes(held.original_bytes)
    except (KeyError, TypeError, ValueError, AttributeError):
        return _bad_range(
            "the signature has no ByteRange or no Contents", "签名缺少字节范围或签名值"
        )
    if not contents.strip(b"\x00"):
        return _no_signature()
    return _gap_trouble(numbers, contents, data)


def _gap_trouble(numbers: list[int], contents: bytes, data: bytes) -> Check | None:
    if len(numbers) != 4 or min(numbers) < 0:
        return _bad_range(
            "the ByteRange is not two stretches of the file", "字节范围不是文件中的两段"
        )
    begin, size, second, rest = numbers
    if begin != 0:
        return _bad_range(
            "the ByteRange does not begin at the beginning of the file",
            "字节范围不是从文件开头开始",
        )
    if second < size:
        return _bad_range("the two stretches of the ByteRange overlap", "字节范围的两段重叠")
    if second + rest > len(data):
        return _bad_range("the ByteRange goes beyond the end of the file", "字节范围超出文件末尾")
    gap = data[size:second]
    if _HEXADECIMAL.fullmatch(gap) is None or bytes.fromhex(gap[1:-1].decode()) != contents:
        return _bad_range(
            "the ByteRange leaves out something else than the signature value",
            "字节范围未覆盖的部分不只是签名值",
        )
    return None


def _bad_range(detail: str, detail_zh: str) -> Check:
    return failed("byte_range", detail, detail_zh)


def check_byte_range(embedded: EmbeddedPdfSignature) -> Check:
    """Opening already proved it (rule 3); say so."""
    _, size, second, rest = (int(one) for one in embedded.byte_range)
    against = (
        f"bytes 0 to {size} and {second} to {second + rest}",
        f"字节 0 至 {size} 和 {second} 至 {second + rest}",
    )
    return passed(
        "byte_range",
        "all but the signature value itself is signed up to there",
        "至该处除签名值本身外的内容均被签名覆盖",
        against=against,
    )


# --- signatures that are no longer in the form --------------------------------------------------


def _lost(reader: Any, data: bytes, found: list[FoundSignature]) -> int:
    """How many signatures are, or were in an earlier revision, objects of the file and not found.

    Only where more ByteRanges stand in the file than there are signatures are objects looked at: a
    picture, or a file that is attached, may hold those letters too.
    """
    traces = [one.start() for one in _TRACE.finditer(data)]
    if len(traces) <= len(found):
        return 0
    if len(traces) > _MAX_TRACES:
        raise _refused("PDF_TOO_LARGE", "it has too many signatures", "PDF 中的签名过多")
    objects = sorted(_objects(reader))
    at = {bisect_right(objects, (trace, 1 << 62, 0, 0)) - 1 for trace in traces}
    signed = {_signature_at(reader, objects[one]) for one in at if one >= 0}
    known = {one.contents for one in found}
    return len({contents for contents in signed if contents and contents not in known})


def _objects(reader: Any) -> Iterator[tuple[int, int, int, int]]:
    """Offset, number, generation and revision of every object that stands by itself."""
    for revision in range(reader.xrefs.total_revisions):
        listed = reader.xrefs.get_xref_data(revision).standard_xrefs
        for number, (generation, offset) in listed.items():
            yield offset, number, generation, revision


def _signature_at(reader: Any, place: tuple[int, int, int, int]) -> bytes:
    """The value of the signature dictionary that this object is; empty where it is none."""
    _, number, generation, revision = place
    held = reader.get_object(generic.Reference(number, generation, pdf=reader), revision=revision)
    if not isinstance(held, generic.DictionaryObject) or "/ByteRange" not in held:
        return b""
    return _contents(held)


def _contents(dictionary: Any) -> bytes:
    """`/Contents` without the padding of its room; empty where there is none."""
    return bytes(getattr(dictionary.get("/Contents"), "original_bytes", b"")).rstrip(b"\x00")
