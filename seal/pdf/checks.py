"""The checks of a sealed PDF: PAdES (ETSI EN 319 142-1), signature by signature.

pyHanko reads the file and compares its revisions; the mathematics is `seal.suites`' where it knows
the algorithm, pyHanko's else; who is trusted is `seal.trust`'s answer alone. One rule, one
function, as for OFD. What each stops:

- `pdf_format`: files that readers see differently: encrypted, damaged, hybrid, with objects or
  pages that are found in two ways;
- `unlisted_signature`: a signature that an update took out of the form;
- `active_content` (told, never refused): scripts, layers and whatever else acts by itself;
- `signature_format`: a signature of a kind whose coverage we can't judge, or none at all;
- `byte_range`: bytes that no signature covers beside those of its value;
- `document_signature`: changed bytes, a forged signature, a swapped certificate, a broken digest;
- `signing_time`: a signature from the future, without a time, or that says it is from before its
  certificate or before a signature that it covers;
- `signer_certificate`: a signer nobody trusts, expired or revoked when signing;
- `covers_document`: bytes after the last signature other than evidence (certificates, revocation
  lists) and dates of metadata, or changes after this one other than that and further signatures (a
  filled field or an annotation changes what is seen, whoever signs it later), or what the certifier
  allows; where a later seal lies is told;
- `signature_date_time`, `signature_encoding`: two dates, BER instead of DER (told);
- `time_stamp`: a time-stamp that is silently ignored, forged, or of another signature.

A signature was there when its time-stamp says so; without one, when it says so itself. A document
time-stamp is a signature of its own here (`seal.pdf.timestamps`).
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation.status import SignatureCoverageLevel

from runtime.errors import InvalidArgument
from seal.judging.seal_checks import CLOCK_SKEW, chain_check, common_name
from seal.judging.signing_times import before_certificate, signer_chain
from seal.judging.telling import comparing, facts_of, holder, moment, plain
from seal.model import (
    Check,
    Indication,
    SignatureReport,
    Verdict,
    conclude,
    failed,
    passed,
    undetermined,
)
from seal.pdf.active import check_active
from seal.pdf.brought import with_brought
from seal.pdf.endings import check_white, ends_with_an_update, told_of_update
from seal.pdf.format_check import check_format
from seal.pdf.mathematics import Mathematics
from seal.pdf.opened_signature import OpenedPdfSignature, open_signature
from seal.pdf.opening import (
    TIMESTAMP,
    FoundSignature,
    PdfRefused,
    check_byte_range,
    check_opened,
    open_pdf,
)
from seal.pdf.revisions import Updates
from seal.pdf.signing_steps import Laid
from seal.pdf.timestamps import (
    report_timestamp,
    revision_of,
    why_refused,
)
from seal.pdf.told import check_date_time, check_encoding
from seal.trust import TrustStore

_FORMAT: Final = "PDF"
_READ: Final = frozenset({"PADES", "PDF_CMS", "PADES_TIMESTAMP"})
_TOLD: Final = 3


def assess_pdf(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a PDF. Never raises on what the bytes hold."""
    size = (f"{len(data)} bytes", f"{len(data)} 字节")
    try:
        opened = open_pdf(data)
    except PdfRefused as error:
        check = failed(
            "pdf_format", error.message, error.message_zh, reason=error.reason, against=size
        )
        return conclude(_FORMAT, [check], [])
    count = len(opened.signatures)
    against = (f"{size[0]}, {count} signature(s)", f"{size[1]}，{count} 个签名")
    own = [one.compared(*against) for one in check_opened(opened)]
    store = with_brought(store, opened.reader)
    updates = Updates(opened.reader, data, signed=_signed(opened.signatures))
    reports: list[SignatureReport] = []
    for one in opened.signatures:
        is_last = one is opened.signatures[-1]
        earlier = _latest(reports)
        reports.append(
            _report(one, updates, is_last=is_last, earlier=earlier, store=store, now=now)
        )
    # Last of all: what is read for it counts towards what may be read at all.
    active = check_active(opened.reader) if reports else None
    if active is not None:
        own.append(active.compared(*against))
    return conclude(_FORMAT, own, _with_later_proof(reports))


def _with_later_proof(reports: list[SignatureReport]) -> list[SignatureReport]:
    """Each signature with what the next good time-stamp over the document proves of it (B-LTA)."""
    found: list[SignatureReport] = []
    proof: datetime | None = None
    against = ("", "")
    for report in reversed(reports):
        if proof is not None and _may_prove(proof, report):
            at = moment(proof)
            words = (f"there by {at} at the latest", f"最晚于 {at} 已存在")
            told = passed("document_time", *words, against=against)._replace(proves=proof)
            report = replace(report, checks=(*report.checks, told.about(report.id)))
        if report.format == "PADES_TIMESTAMP" and report.indication is Indication.PASSED:
            proof, field = report.proved_at or proof, plain(report.id)
            against = (f"the time-stamp in field '{field}'", f"域“{field}”中的时间戳")
        found.append(report)
    return found[::-1]


def _may_prove(proof: datetime, report: SignatureReport) -> bool:
    """Whether the document's time-stamp can be one over that signature or time-stamp."""
    if report.format not in _READ:
        return False
    return report.signed_at is None or proof >= report.signed_at - CLOCK_SKEW


def _signed(signatures: tuple[FoundSignature, ...]) -> list[int]:
    """The revisions of those that can be judged."""
    return [one.embedded.signed_revision for one in signatures if one.embedded]


def _latest(reports: list[SignatureReport]) -> datetime | None:
    """The latest time at which a good signature of those was there, as proved or as it says."""
    good = [one for one in reports if one.indication is Indication.PASSED]
    return max((at for one in good if (at := one.proved_at or one.signed_at)), default=None)


def _report(
    found: FoundSignature,
    updates: Updates,
    *,
    is_last: bool,
    earlier: datetime | None,
    store: TrustStore,
    now: datetime,
) -> SignatureReport:
    """Ask every rule about one signature."""
    if found.embedded is None:
        return _only(found, found.trouble)
    policy = updates.evidence_alone if is_last else updates.signatures_alone
    if found.kind == TIMESTAMP:
        return report_timestamp(found.embedded, policy, store, now, earlier=earlier)
    try:
        opened = open_signature(
            found,
            found.embedded,
            policy,
            updates,
            is_last=is_last,
            earlier=earlier,
            store=store,
            now=now,
        )
        checks = [rule(opened) for rule in PDF_CHECKS]
        return SignatureReport(
            id=found.label,
            signer=common_name(opened.certificate) if opened.certificate else "",
            seal_name="",
            es_id="",
            signed_at=opened.signed_at,
            format="PADES" if opened.is_pades else "PDF_CMS",
            certificate=facts_of(opened.certificate),
            checks=tuple(one.about(found.label) for one in checks if one is not None),
        )
    except InvalidArgument as error:
        return _only(found, failed("signature_format", error.message, error.message_zh))
    except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
        unreadable = failed("signature_format", "the signature is unreadable", "签名无法读取")
        return _only(found, unreadable)


def _only(found: FoundSignature, check: Check | None) -> SignatureReport:
    """The report of a signature of which only this can be said."""
    if check is not None and not check.against:
        field = plain(found.label)
        check = check.compared(f"the signature field '{field}'", f"签名域“{field}”")
    return SignatureReport(
        id=found.label,
        signer="",
        seal_name="",
        es_id="",
        signed_at=None,
        format="",
        checks=(check.about(found.label),) if check else (),
    )


# --- what they compare with -------------------------------------------------------------------


def _signer(one: OpenedPdfSignature) -> tuple[str, str]:
    (who, who_zh), word = holder(one.certificate), plain(str(one.embedded.md_algorithm)).upper()
    return f"{who}, {word} of the signed bytes", f"{who_zh}，所签字节的 {word} 摘要"


def _time(one: OpenedPdfSignature) -> tuple[str, str]:
    signed, now = moment(one.signed_at), moment(one.now)
    return f"signed {signed}; now {now}", f"签名 {signed}；当前 {now}"


def _cover(one: OpenedPdfSignature) -> tuple[str, str]:
    return revision_of(one.embedded)


# --- rules ----------------------------------------------------------------------------------


def check_range(one: OpenedPdfSignature) -> Check | None:
    """What is signed is the file but for the signature value."""
    return check_byte_range(one.embedded)


@comparing(_signer)
def check_signature(one: OpenedPdfSignature) -> Check | None:
    """Digest and signature value, by the certificate the attributes name."""
    name = "document_signature"
    match one.mathematics:
        case Mathematics.GOOD:
            return passed(name, "the signer's signature is good", "签名值验证通过")
        case Mathematics.OTHER_BYTES:
            return failed(name, "the signed bytes were changed", "签名后内容被修改")
        case Mathematics.WRONG_VALUE:
            return failed(name, "the signer's signature is wrong", "签名值验证不通过")
        case Mathematics.OTHER_CERTIFICATE:
            return failed(
                name,
                "the signed attributes name another certificate than the one brought along",
                "签名属性指明的证书与所附证书不一致",
                reason="CERTIFICATE_SWAPPED",
            )
        case Mathematics.WEAK:
            return failed(
                name,
                "the signature rests on a digest or a key that is broken or too short: it does not "
                "prove that these bytes were signed",
                "签名使用了已被攻破的摘要算法或过短的密钥，不能证明内容未被替换",
                reason="DIGEST_WEAK",
            )
        case Mathematics.UNKNOWN:
            return undetermined(
                name,
                "the signature's digest is of a kind that is not known here",
                "不支持的摘要算法",
                reason="ALGORITHM_UNKNOWN",
            )
        case Mathematics.NO_CERTIFICATE:
            return undetermined(
                name,
                "the signature does not bring its signer's certificate",
                "签名中没有签名者证书",
                reason="NO_SIGNER_CERTIFICATE",
            )


@comparing(_time)
def check_signing_time(one: OpenedPdfSignature) -> Check | None:
    """A time that is not in the future, and not from before what it rests on."""
    name = "signing_time"
    if one.signed_at is None:
        detail = "the signature does not say when it was made"
        return undetermined(name, detail, "签名没有签署时间", reason="NO_SIGNING_TIME")
    if one.signed_at > one.now + CLOCK_SKEW:
        return failed(name, "the signature says it is from the future", "签名时间晚于当前时间")
    if one.earlier is not None and one.signed_at < one.earlier - CLOCK_SKEW:
        at = moment(one.earlier)
        return failed(
            name,
            f"the signature says it is from before the one that it covers, which was there by {at}",
            f"签名时间早于其所覆盖的在先签名（{at}）",
            reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
        )
    if one.certificate:
        before = before_certificate(
            name,
            one.certificate,
            claimed=one.signed_at,
            existed_at=one.stamped.time if one.stamped else None,
            store=one.store,
            extra=one.value.certificates,
        )
        if before is not None:
            return before
    return passed(name, "the signing time is not in the future", "签名时间不晚于当前时间")


def check_certificate(one: OpenedPdfSignature) -> Check | None:
    """The chain as of signing."""
    name = "signer_certificate"
    if not one.certificate:
        return None  # `document_signature` says so
    found = signer_chain(
        one.certificate,
        claimed=one.signed_at or one.now,
        existed_at=one.stamped.time if one.stamped else None,
        store=one.store,
        now=one.now,
        extra=one.value.certificates,
    )
    if found is None:
        return None
    result, at = found
    return chain_check(name, result, at=at, now=one.now, who=("signer", "签名者"))


@comparing(_cover)
def check_coverage(one: OpenedPdfSignature) -> Check | None:
    """The last signature covers the whole file; after an earlier one only signatures were added."""
    name = "covers_document"
    own, own_zh = _told(one.laid, "; its seal covers", "；其印章覆盖")
    if one.coverage == SignatureCoverageLevel.ENTIRE_FILE:
        return passed(name, "the whole file is covered" + own, "签名覆盖整个文件" + own_zh)
    if one.coverage != SignatureCoverageLevel.ENTIRE_REVISION and not one.is_last:
        detail = "the signature leaves parts of its revision out"
        return failed(name, detail, "签名未覆盖其完整版本", reason="REVISION_NOT_COVERED")
    if one.is_last and (white := check_white(name, one.embedded)):
        return white._replace(detail=white.detail + own, detail_zh=white.detail_zh + own_zh)
    if one.is_last and not ends_with_an_update(one.embedded):
        return failed(
            name,
            "bytes were added after the last signature",
            "最后一个签名之后添加了内容",
            reason="BYTES_ADDED",
        )
    if one.level is None or one.level > ModificationLevel.FORM_FILLING:
        why, why_zh = why_refused(one.refused)
        return failed(
            name,
            "the document was changed since, and not by signatures and evidence alone" + why,
            "此后文件被修改，且不只是添加签名和验证资料" + why_zh,
            reason="CHANGED_SINCE",
        )
    if not one.is_allowed:
        return failed(
            name,
            "the signature certifies the document and allows no such change: something was added",
            "认证签名不允许此后的修改",
            reason="CERTIFICATION_BROKEN",
        )
    if one.is_last:
        only, only_zh = told_of_update(one.embedded)
        return passed(name, only + own, only_zh + own_zh, notice=True)
    later, later_zh = _told(one.laid_since, "; a later seal covers", "；后加盖的印章覆盖")
    only, only_zh = "only signatures were added since", "此后仅添加了签名"
    return passed(name, only + later + own, only_zh + later_zh + own_zh, notice=True)


def _told(laid: tuple[Laid, ...], words: str, words_zh: str) -> tuple[str, str]:
    """Where seals lie, the first of them in words; empty where there are none."""
    if not laid:
        return "", ""
    told = [one.told() for one in laid[:_TOLD]]
    more, more_zh = ("", "")
    if len(laid) > _TOLD:
        more, more_zh = f", and {len(laid) - _TOLD} more", f"等 {len(laid)} 处"
    return (
        f"{words} {', '.join(english for english, _ in told)}{more}",
        f"{words_zh}{'、'.join(chinese for _, chinese in told)}{more_zh}",
    )


def check_time_stamp(one: OpenedPdfSignature) -> Check | None:
    """The time-stamp over the signature, if there is one."""
    return one.stamped.check if one.stamped else None


PDF_CHECKS: Final[tuple[Callable[[OpenedPdfSignature], Check | None], ...]] = (
    check_format,
    check_range,
    check_signature,
    check_signing_time,
    check_certificate,
    check_coverage,
    check_time_stamp,
    check_date_time,
    check_encoding,
)
