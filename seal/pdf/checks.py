"""The checks of a sealed PDF: PAdES (ETSI EN 319 142-1), signature by signature.

pyHanko reads the file and does the mathematics and the comparison of revisions; who is trusted is
`seal.trust`'s answer, with pyHanko's own path building as a second opinion. It gets no fetcher, no
operating-system trust list and no clock. One rule, one function, as for OFD. What each stops:

- `pdf_format`: encrypted, damaged or hybrid files, which readers see differently;
- `signature_format`: a signature of a kind whose coverage we can't judge;
- `document_signature`: changed bytes, a forged signature, a swapped certificate;
- `signing_time`: a signature from the future or without a time;
- `signer_certificate`: a signer nobody trusts, expired or revoked when signing;
- `covers_document`: bytes after the last signature other than evidence (certificates, revocation
  lists), or changes after this one other than that and further signatures (a filled field or an
  annotation changes what is seen, whoever signs it later);
- `time_stamp`: a time-stamp that is silently ignored, forged, or of another signature.

A signature was there when its time-stamp says so; without one, when it says so itself. A document
time-stamp is a signature of its own here (`seal.pdf.timestamps`).
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import logging
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
from seal.pdf import coroutines
from seal.pdf.cms import MAX_PDF, has_form
from seal.pdf.timestamps import (
    SignatureTime,
    ends_with_an_update,
    report_timestamp,
    revision_of,
    signature_time,
)
from seal.seal_checks import CLOCK_SKEW, chain_check, common_name
from seal.suites import suite
from seal.telling import comparing, facts_of, holder, moment, plain
from seal.trust import Purpose, TrustStore, assess_chain, parse_certificate

_FORMAT: Final = "PDF"
_MAX_BYTES: Final = MAX_PDF + 12 * 1024 * 1024  # what is sealed grows by its seal and evidence
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
# After the last signature: what a verifier needs, and judges by itself.
ONLY_EVIDENCE: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(ignored_keys=frozenset({"/DSS", "/Extensions", "/Version"})),
        XrefStreamRule().as_qualified(_LEVEL),
        ObjectStreamRule().as_qualified(_LEVEL),
        DSSCompareRule().as_qualified(_LEVEL),
    ],
    form_rule=None,
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
    stamped: SignatureTime | None
    is_last: bool
    store: TrustStore
    now: datetime

    @property
    def existed_at(self) -> datetime:
        """The time its certificate is judged as of."""
        proved = self.stamped.time if self.stamped else None
        return proved or self.signed_at or self.now


def assess_pdf(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a PDF. Never raises on what the bytes hold."""
    try:
        embedded = _open(data)
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        detail = "the PDF is damaged, encrypted or of a kind that readers see differently"
        against = (f"{len(data)} bytes", f"{len(data)} 字节")
        check = failed("pdf_format", detail, "PDF 文件已损坏、加密或结构不规范", against=against)
        return conclude(_FORMAT, [check], [])
    against = (
        f"{len(data)} bytes, {len(embedded)} signature(s)",
        f"{len(data)} 字节，{len(embedded)} 个签名",
    )
    own = [passed("pdf_format", "the PDF reads", "PDF 结构正确", against=against)]
    reports = []
    for one in embedded:
        policy = ONLY_EVIDENCE if one is embedded[-1] else _ONLY_SIGNATURES
        if str(one.sig_object_type) == "/DocTimeStamp":
            reports.append(report_timestamp(one, policy, store, now))
        else:
            reports.append(_report(one, one is embedded[-1], store, now))
    return conclude(_FORMAT, own, reports)


def _open(data: bytes) -> list[EmbeddedPdfSignature]:
    if len(data) > _MAX_BYTES or bytes(data[:5]) != b"%PDF-":
        raise ValueError("not a PDF of bearable size")
    reader = PdfFileReader(BytesIO(data), strict=True)
    if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
        raise ValueError("readers would differ")
    # Walk the pages too: a file that opens nowhere is not one whose signature means anything.
    int(reader.root["/Pages"]["/Count"])
    embedded = list(reader.embedded_signatures)
    if len(embedded) > _MAX_SIGNATURES:
        raise ValueError("too many signatures")
    return embedded


def _report(
    embedded: EmbeddedPdfSignature,
    is_last: bool,
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
            certificate=facts_of(opened.certificate),
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
    stamped = signature_time(embedded, store, signed_at=signed_at, now=now)
    moment = (stamped.time if stamped else None) or signed_at or now
    context = ValidationContext(
        trust_roots=_roots(store, moment),
        other_certs=[_load(one) for one in store.intermediates if _is_known(one)],
        moment=moment,
        allow_fetching=False,
        revocation_mode="soft-fail",  # revocation is `seal.trust`'s to judge
    )
    policy = ONLY_EVIDENCE if is_last else _ONLY_SIGNATURES
    status = coroutines.run(
        lambda: async_validate_pdf_signature(embedded, context, diff_policy=policy)
    )
    return OpenedPdfSignature(
        label=label,
        embedded=embedded,
        status=status,
        certificate=embedded.signer_cert.dump(),
        others=tuple(one.dump() for one in embedded.other_embedded_certs),
        signed_at=signed_at,
        stamped=stamped,
        is_last=is_last,
        store=store,
        now=now,
    )


def _load(certificate: bytes) -> Any:
    from asn1crypto import x509

    return x509.Certificate.load(certificate)


def _is_known(certificate: bytes) -> bool:
    try:
        known = parse_certificate(certificate).suite
        return bool(known) and suite(known).signs_pdf
    except InvalidArgument:
        return False


def _roots(store: TrustStore, at: datetime) -> list[Any]:
    return [_load(one) for one in store.roots(Purpose.SIGNER, at) if _is_known(one)]


# --- what they compare with -------------------------------------------------------------------


def _form(one: OpenedPdfSignature) -> tuple[str, str]:
    form = plain(str(one.embedded.sig_object.get("/SubFilter")))
    return f"SubFilter {form}", f"SubFilter {form}"


def _signer(one: OpenedPdfSignature) -> tuple[str, str]:
    (who, who_zh), word = holder(one.certificate), plain(str(one.embedded.md_algorithm)).upper()
    return f"{who}, {word} of the signed bytes", f"{who_zh}，所签字节的 {word} 摘要"


def _time(one: OpenedPdfSignature) -> tuple[str, str]:
    signed, now = moment(one.signed_at), moment(one.now)
    return f"signed {signed}; now {now}", f"签名 {signed}；当前 {now}"


def _cover(one: OpenedPdfSignature) -> tuple[str, str]:
    return revision_of(one.embedded)


# --- rules ----------------------------------------------------------------------------------


@comparing(_form)
def check_format(one: OpenedPdfSignature) -> Check | None:
    """PAdES, or the older detached CMS, which is told; the room left for the value is empty."""
    name = "signature_format"
    value = bytes(one.embedded.pkcs7_content)
    form = next(der.elements(value)).raw
    if value[len(form) :].strip(b"\x00"):
        return failed(name, "there is something after the signature value", "签名值之后有多余内容")
    if not has_form(form):
        return failed(name, "the signature value has not one meaning", "签名值的结构有歧义")
    if str(one.embedded.sig_object.get("/SubFilter")) == _PADES:
        return passed(name, "the signature is PAdES", "签名为 PAdES 格式")
    return passed(
        name, "the signature is CMS, not PAdES", "签名为 CMS 格式，不是 PAdES", notice=True
    )


@comparing(_signer)
def check_signature(one: OpenedPdfSignature) -> Check | None:
    """Digest and signature value, by the certificate the attributes name."""
    name = "document_signature"
    if one.status.intact and one.status.valid:
        return passed(name, "the signer's signature is good", "签名值验证通过")
    if not one.status.intact:
        return failed(name, "the signed bytes were changed", "签名后内容被修改")
    return failed(name, "the signer's signature is wrong", "签名值验证不通过")


@comparing(_time)
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
        one.certificate,
        at=one.existed_at,
        store=one.store,
        purpose=Purpose.SIGNER,
        extra=one.others,
    )
    if result.is_trusted and not one.status.trusted:
        return undetermined(
            name,
            "the signer's certificate is not acceptable for PDF signatures",
            "签名者证书不适用于 PDF 签名",
            reason="CERTIFICATE_NOT_FOR_PDF",
            against=holder(one.certificate),
        )
    return chain_check(name, result, at=one.existed_at, now=one.now, who=("signer", "签名者"))


@comparing(_cover)
def check_coverage(one: OpenedPdfSignature) -> Check | None:
    """The last signature covers the whole file; after an earlier one only signatures were added."""
    name = "covers_document"
    coverage = one.status.coverage
    if coverage == SignatureCoverageLevel.ENTIRE_FILE:
        return passed(name, "the whole file is covered", "签名覆盖整个文件")
    name_of = ("bytes were added after the last signature", "最后一个签名之后添加了内容")
    if coverage != SignatureCoverageLevel.ENTIRE_REVISION:
        if one.is_last:
            return failed(name, *name_of)
        return failed(
            name, "the signature leaves parts of its revision out", "签名未覆盖其完整版本"
        )
    level = one.status.modification_level
    allowed = level is not None and level <= ModificationLevel.FORM_FILLING
    if allowed and one.status.docmdp_ok:
        if one.is_last and ends_with_an_update(one.embedded):
            return passed(
                name, "only evidence was added since", "此后仅添加了验证资料", notice=True
            )
        if not one.is_last:
            return passed(name, "only signatures were added since", "此后仅添加了签名", notice=True)
    if one.is_last:
        return failed(name, *name_of)
    return failed(name, "more than signatures was changed since", "签名后添加了签名以外的修改")


def check_time_stamp(one: OpenedPdfSignature) -> Check | None:
    """The time-stamp over the signature, if there is one."""
    return one.stamped.check if one.stamped else None


PDF_CHECKS: Final[tuple[Callable[[OpenedPdfSignature], Check | None], ...]] = (
    check_format,
    check_signature,
    check_signing_time,
    check_certificate,
    check_coverage,
    check_time_stamp,
)
