"""The checks of a sealed PDF: PAdES B-B (ETSI EN 319 142-1), signature by signature.

pyHanko reads the file and does the mathematics and the comparison of revisions; who is trusted is
`seal.trust`'s answer, with pyHanko's own path building as a second opinion. It gets no fetcher, no
operating-system trust list and no clock. One rule, one function, as for OFD. What each stops:

- `pdf_format`: encrypted, damaged or hybrid files, which readers see differently;
- `signature_format`: a signature of a kind whose coverage we can't judge;
- `document_signature`: changed bytes, a forged signature, a swapped certificate;
- `signing_time`: a signature from the future or without a time;
- `signer_certificate`: a signer nobody trusts, expired or revoked when signing;
- `covers_document`: bytes after the last signature, or changes after this one other than further
  signatures (a filled field or an annotation changes what is seen, whoever signs it later);
- `time_stamp`: a time-stamp that is silently ignored.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DocInfoRule,
    DSSCompareRule,
    FormUpdatingRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    XrefStreamRule,
)
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from runtime.errors import InvalidArgument
from seal import der
from seal.model import (
    Check,
    SignatureReport,
    Verdict,
    conclude,
    failed,
    passed,
    undetermined,
)
from seal.seal_checks import CLOCK_SKEW, chain_check, common_name
from seal.suites import P256
from seal.trust import TrustStore, assess_chain, parse_certificate

_FORMAT: Final = "PDF"
_MAX_BYTES: Final = 64 * 1024 * 1024
_MAX_SIGNATURES: Final = 64
_PADES: Final = "/ETSI.CAdES.detached"
_LEVEL: Final = ModificationLevel.LTA_UPDATES
# pyHanko's own policy without filled fields: a later signature may be added, nothing else.
_ONLY_SIGNATURES: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),
        DocInfoRule().as_qualified(_LEVEL),
        XrefStreamRule().as_qualified(_LEVEL),
        ObjectStreamRule().as_qualified(_LEVEL),
        DSSCompareRule().as_qualified(_LEVEL),
        MetadataUpdateRule().as_qualified(_LEVEL),
    ],
    form_rule=FormUpdatingRule(field_rules=[SigFieldCreationRule(), SigFieldModificationRule()]),
)
# It logs what it finds in hostile files, names and all; the verdict says what matters.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPdfSignature:
    """One embedded signature, and what the library says of it."""

    label: str
    embedded: EmbeddedPdfSignature
    status: PdfSignatureStatus
    certificate: bytes
    others: tuple[bytes, ...]
    signed_at: datetime | None
    is_last: bool
    store: TrustStore
    now: datetime


def assess_pdf(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a PDF. Never raises on what the bytes hold."""
    try:
        reader, embedded = _open(data)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        detail = "the PDF is damaged, encrypted or of a kind that readers see differently"
        check = failed("pdf_format", detail, "PDF 文件已损坏、加密或结构不规范")
        return conclude(_FORMAT, [check], [])
    own = [passed("pdf_format", "the PDF reads", "PDF 结构正确")]
    if reader.embedded_timestamp_signatures:
        own.append(_time_stamp())
    reports = [_report(one, one is embedded[-1], reader, store, now) for one in embedded]
    return conclude(_FORMAT, own, reports)


def _open(data: bytes) -> tuple[PdfFileReader, list[EmbeddedPdfSignature]]:
    if len(data) > _MAX_BYTES or not data.startswith(b"%PDF-"):
        raise ValueError("not a PDF of bearable size")
    reader = PdfFileReader(BytesIO(data), strict=True)
    if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
        raise ValueError("readers would differ")
    # Walk the pages too: a file that opens nowhere is not one whose signature means anything.
    int(reader.root["/Pages"]["/Count"])
    embedded = list(reader.embedded_regular_signatures)
    if len(embedded) > _MAX_SIGNATURES:
        raise ValueError("too many signatures")
    return reader, embedded


def _report(
    embedded: EmbeddedPdfSignature,
    is_last: bool,
    reader: PdfFileReader,
    store: TrustStore,
    now: datetime,
) -> SignatureReport:
    """Ask every rule about one signature."""
    label = ""
    try:
        label = str(embedded.field_name)
        opened = _validate(embedded, label, is_last, store, now)
        found = [rule(opened) for rule in PDF_CHECKS]
        return SignatureReport(
            id=label,
            signer=common_name(opened.certificate),
            seal_name="",
            es_id="",
            signed_at=opened.signed_at,
            format="PADES",
            checks=tuple(one.about(label) for one in found if one is not None),
        )
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        check = failed("signature_format", "the signature is unreadable", "签名无法读取")
        return SignatureReport(
            id=label,
            signer="",
            seal_name="",
            es_id="",
            signed_at=None,
            format="",
            checks=(check.about(label),),
        )


def _validate(
    embedded: EmbeddedPdfSignature, label: str, is_last: bool, store: TrustStore, now: datetime
) -> OpenedPdfSignature:
    signed_at = embedded.self_reported_timestamp
    if signed_at is not None:
        signed_at = (signed_at if signed_at.tzinfo else signed_at.replace(tzinfo=UTC)).astimezone(
            UTC
        )
    context = ValidationContext(
        trust_roots=_roots(store, signed_at or now),
        other_certs=[_load(one) for one in store.intermediates if _is_p256(one)],
        moment=signed_at or now,
        allow_fetching=False,
        revocation_mode="soft-fail",  # revocation is `seal.trust`'s to judge
    )
    status = _run(
        lambda: async_validate_pdf_signature(embedded, context, diff_policy=_ONLY_SIGNATURES)
    )
    return OpenedPdfSignature(
        label=label,
        embedded=embedded,
        status=status,
        certificate=embedded.signer_cert.dump(),
        others=tuple(one.dump() for one in embedded.other_embedded_certs),
        signed_at=signed_at,
        is_last=is_last,
        store=store,
        now=now,
    )


def _load(certificate: bytes) -> Any:
    from asn1crypto import x509

    return x509.Certificate.load(certificate)


def _is_p256(certificate: bytes) -> bool:
    try:
        return parse_certificate(certificate).suite == P256
    except InvalidArgument:
        return False


def _roots(store: TrustStore, at: datetime) -> list[Any]:
    return [
        _load(anchor.certificate)
        for anchor in store.anchors
        if anchor.is_in_force(at) and _is_p256(anchor.certificate)
    ]


def _run(make: Callable[[], Any]) -> Any:
    """Run a coroutine that never waits, also when this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(asyncio.run(make())))
    thread.start()
    thread.join()
    return result[0]


# --- rules ----------------------------------------------------------------------------------


def check_format(one: OpenedPdfSignature) -> Check | None:
    """PAdES, or the older detached CMS, which is told; the room left for the value is empty."""
    name = "signature_format"
    value = bytes(one.embedded.pkcs7_content)
    if value[len(next(der.elements(value)).raw) :].strip(b"\x00"):
        return failed(name, "there is something after the signature value", "签名值之后有多余内容")
    if str(one.embedded.sig_object.get("/SubFilter")) == _PADES:
        return passed(name, "the signature is PAdES", "签名为 PAdES 格式")
    return passed(
        name, "the signature is CMS, not PAdES", "签名为 CMS 格式，不是 PAdES", notice=True
    )


def check_signature(one: OpenedPdfSignature) -> Check | None:
    """Digest and signature value, by the certificate the attributes name."""
    name = "document_signature"
    if one.status.intact and one.status.valid:
        return passed(name, "the signer's signature is good", "签名值验证通过")
    if not one.status.intact:
        return failed(name, "the signed bytes were changed", "签名后内容被修改")
    return failed(name, "the signer's signature is wrong", "签名值验证不通过")


def check_signing_time(one: OpenedPdfSignature) -> Check | None:
    """A time, and not in the future."""
    name = "signing_time"
    if one.signed_at is None:
        detail = "the signature does not say when it was made"
        return undetermined(name, detail, "签名没有签署时间", reason="NO_SIGNING_TIME")
    if one.signed_at > one.now + CLOCK_SKEW:
        return failed(name, "the signature says it is from the future", "签名时间晚于当前时间")
    return passed(name, "the signing time is not in the future", "签名时间不晚于当前时间")


def check_certificate(one: OpenedPdfSignature) -> Check | None:
    """The chain as of signing; the library must not disagree with a good answer of ours."""
    name = "signer_certificate"
    result = assess_chain(
        one.certificate, at=one.signed_at or one.now, store=one.store, extra=one.others
    )
    if result.is_trusted and not one.status.trusted:
        return undetermined(
            name,
            "the signer's certificate is not acceptable for PDF signatures",
            "签名者证书不适用于 PDF 签名",
            reason="CERTIFICATE_NOT_FOR_PDF",
        )
    return chain_check(name, result, now=one.now, who=("signer", "签名者"))


def check_coverage(one: OpenedPdfSignature) -> Check | None:
    """The last signature covers the whole file; after an earlier one only signatures were added."""
    name = "covers_document"
    coverage = one.status.coverage
    if coverage == SignatureCoverageLevel.ENTIRE_FILE:
        return passed(name, "the whole file is covered", "签名覆盖整个文件")
    if one.is_last:
        return failed(
            name, "bytes were added after the last signature", "最后一个签名之后添加了内容"
        )
    if coverage != SignatureCoverageLevel.ENTIRE_REVISION:
        return failed(
            name, "the signature leaves parts of its revision out", "签名未覆盖其完整版本"
        )
    level = one.status.modification_level
    allowed = level is not None and level <= ModificationLevel.FORM_FILLING
    if allowed and one.status.docmdp_ok:
        return passed(name, "only signatures were added since", "此后仅添加了签名", notice=True)
    return failed(name, "more than signatures was changed since", "签名后添加了签名以外的修改")


def check_time_stamp(one: OpenedPdfSignature) -> Check | None:
    """A time-stamp nobody verified must not look as if it had been."""
    return None if one.status.timestamp_validity is None else _time_stamp()


def _time_stamp() -> Check:
    return undetermined(
        "time_stamp",
        "there is a time-stamp, which is not verified yet",
        "带有时间戳，尚不支持验证",
        reason="TIME_STAMP_NOT_VERIFIED",
    )


PDF_CHECKS: Final[tuple[Callable[[OpenedPdfSignature], Check | None], ...]] = (
    check_format,
    check_signature,
    check_signing_time,
    check_certificate,
    check_coverage,
    check_time_stamp,
)
