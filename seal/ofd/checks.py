"""The checks of a sealed OFD, in the order of GM/T 0031-2025 (STANDARDS §3).

One rule, one function; to add a rule, write the function and put it in `SIGNATURE_CHECKS` (asked of
every signature of every document of the package) or `DOCUMENT_CHECKS`. What each stops:

- the seal's own checks (`seal.judging.seal_checks`);
- `seal_match`: a seal file swapped for another after signing;
- `seal_in_force`: sealing with a seal that had ended or not begun;
- `signing_time`: a signature older than its seal, from the future, or by its own word older than
  its signer's certificate, whatever a time-stamp proves;
- `signer_listed`: anybody's certificate with somebody's seal picture;
- `signer_certificate`: a signer nobody trusts, expired or revoked when signing;
- `document_signature`: a forged or changed TBS_Sign, a weaker algorithm than the key's;
- `data_hash`, `references`: changed content; `property_info`: a signature moved to another place;
- `stamp_pages`: a seal picture on a page that doesn't exist, off its page, of no size or so large
  that it hides what others signed;
- `uncovered_files`: content that this signer never saw, unless it is another signature's own files;
- `unlisted_signature`: a signature dropped from the list while its files stay;
- `signature_extensions`: a critical extension that is silently ignored;
- `time_stamp`: a time-stamp that is silently ignored, or of another signature.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seal.judging.seal_checks import (
    CLOCK_SKEW,
    chain_check,
    encoding_notice,
    extensions_check,
    time_stamp_check,
)
from seal.judging.signing_times import (
    before_certificate,
    before_seal,
    seal_in_force,
    signer_chain,
)
from seal.judging.telling import comparing, paths_shown, plain
from seal.model import (
    Check,
    failed,
    passed,
    undetermined,
)
from seal.ofd import against
from seal.ofd.check_method import names_algorithm, told_of_method
from seal.ofd.dates import check_date_time
from seal.ofd.entries import check_integrity_entries, proven_value
from seal.ofd.list_checks import check_listed
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.outside import check_outside
from seal.ofd.package import PackageError
from seal.ofd.readings import check_readings
from seal.ofd.reference_checks import check_references
from seal.ofd.stamp_checks import check_stamp_pages, told_unseen
from seal.ofd.structure import ROOT, TYPE_SEAL, TYPE_SIGN
from seal.ofd.xml_parts import check_xml
from seal.ses import SealSignature, verify_signature

# --- rules about one signature --------------------------------------------------------------


@comparing(against.form)
def check_signature_format(_document: OpenedDocument, one: OpenedSignature) -> Check | None:
    """It reads; its type is known; Signature.xml and the value name one algorithm."""
    name = "signature_format"
    if one.listed.type not in (TYPE_SEAL, TYPE_SIGN):
        return failed(
            name, "the signature's Type is neither Seal nor Sign", "签名类型不是 Seal 或 Sign"
        )
    if one.value is not None and not names_algorithm(one.xml.method, one.value.signature_oid):
        return failed(
            name,
            "Signature.xml and SignedValue.dat name different algorithms",
            "Signature.xml 与签章数据的签名算法不一致",
        )
    if one.value is not None and one.value.version != one.value.seal.version:
        return failed(
            name, "the signature's version is not its seal's", "签章数据与印章的版本不一致"
        )
    told, told_zh = told_of_method(one.xml.method)
    return passed(name, "the signature reads" + told, "签章格式正确" + told_zh, notice=bool(told))


def check_encoding(
    _document: OpenedDocument, _one: OpenedSignature, value: SealSignature
) -> Check | None:
    """Departures from DER outside the seal are told too."""
    return encoding_notice("signature_encoding", value.findings)


@comparing(against.seal_file)
def check_seal_match(
    document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """Seal.esl is, byte for byte, the seal that was signed."""
    name = "seal_match"
    if one.xml.seal is None:
        return passed(name, "there is no seal file beside the signed seal", "没有单独的印章文件")
    try:
        # A large file that many signatures name as theirs is not read by each.
        is_other = document.package.size(one.xml.seal) not in (0, len(value.seal.raw))
        held = b"" if is_other else document.package.read(one.xml.seal)
    except PackageError as error:
        return failed(name, error.message, error.message_zh)
    if held != value.seal.raw:
        return failed(
            name, "Seal.esl is not the seal that was signed", "印章文件与签章数据中的印章不一致"
        )
    return passed(name, "Seal.esl is the seal that was signed", "印章文件与签章数据中的印章一致")


def check_seal_in_force(
    document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """GM/T 0031-2025: the seal's validity at the time of signing (ended since: a notice)."""
    name = "seal_in_force"
    if value.signed_at is None:
        return _no_time(name)
    return seal_in_force(
        value.seal, claimed=value.signed_at, existed_at=one.existed_at, now=document.now
    )


def _no_time(name: str) -> Check:
    return undetermined(
        name,
        "the signature does not say when it was made",
        "签章数据没有签章时间",
        reason="NO_SIGNING_TIME",
    )


@comparing(against.signing_time)
def check_signing_time(
    document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """After the seal was made and the signer's certificate begun, and not in the future."""
    name = "signing_time"
    if value.signed_at is None:
        return _no_time(name)
    if value.signed_at < value.seal.created:
        return failed(name, "signed before the seal was made", "签章时间早于印章制作时间")
    if value.signed_at > document.now + CLOCK_SKEW:
        return failed(name, "the signature says it is from the future", "签章时间晚于当前时间")
    unmade = before_seal(
        name, stamped=one.seal_stamped, claimed=value.signed_at, existed_at=one.existed_at
    )
    if unmade is not None:
        return unmade
    untrue = before_certificate(
        name,
        value.certificate,
        claimed=value.signed_at,
        existed_at=one.existed_at,
        store=document.store,
    )
    if untrue is not None:
        return untrue
    return passed(name, "signed after the seal was made", "签章时间晚于印章制作时间")


@comparing(against.signers)
def check_signer_listed(
    _document: OpenedDocument, _one: OpenedSignature, value: SealSignature
) -> Check | None:
    """The signer's certificate is one of the seal's certList."""
    name = "signer_listed"
    if value.seal.lists_certificate(value.certificate):
        return passed(name, "the seal lists the signer", "签章者在印章的签章者证书列表中")
    unknown = plain(", ".join(value.seal.unknown_digests[:3]))
    if value.seal.unknown_digests:
        return undetermined(
            name,
            "the seal lists its signers by a digest that is not known, or proves nothing, so "
            f"nobody can tell whether it lists this one: {unknown!a}",
            f"印章以无法识别或不可靠的摘要算法列出签章者，无法判断是否包含该签章者：{unknown}",
            reason="SIGNER_DIGEST_UNKNOWN",
        )
    return failed(name, "the seal does not list the signer", "签章者不在印章的签章者证书列表中")


def check_signer_certificate(
    document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """The signer's certificate, chain and revocation at the time of signing."""
    name = "signer_certificate"
    found = signer_chain(
        value.certificate,
        claimed=value.signed_at,
        existed_at=one.existed_at,
        store=document.store,
        now=document.now,
    )
    if found is None:
        return _no_time(name)
    result, at = found
    return chain_check(name, result, at=at, now=document.now, who=("signer", "签章者"))


@comparing(against.signer)
def check_document_signature(
    _document: OpenedDocument, _one: OpenedSignature, value: SealSignature
) -> Check | None:
    """The signature over TBS_Sign as received."""
    name = "document_signature"
    if verify_signature(value):
        return passed(name, "the signer's signature is good", "签章值验证通过")
    return failed(name, "the signer's signature is wrong", "签章值验证不通过")


@comparing(against.data_hash)
def check_data_hash(
    document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """The dataHash is SM3 of Signature.xml as received."""
    if document.digest_of(one.listed.path) == value.data_hash:
        return passed(
            "data_hash", "Signature.xml is what was signed", "Signature.xml 与签章数据一致"
        )
    return failed(
        "data_hash", "Signature.xml was changed after signing", "Signature.xml 在签章后被修改"
    )


@comparing(against.place)
def check_property_info(
    _document: OpenedDocument, one: OpenedSignature, value: SealSignature
) -> Check | None:
    """The propertyInfo is the absolute path of this Signature.xml (GB/T 38540 §7)."""
    name = "property_info"
    if value.property_info.removeprefix("/") == one.listed.path:
        return passed(name, "the signature is where it was made for", "签章位置与签章数据一致")
    return failed(name, "the signature was made for another place", "签章数据中的位置与实际不一致")


@comparing(against.cover)
def check_uncovered_files(document: OpenedDocument, one: OpenedSignature) -> Check | None:
    """Every file is covered by *this* signature, but for the files that are signatures.

    A file that only another signature covers is content this signer never saw: it could be what a
    dangling link of a signed page was waiting for. So the others' coverage doesn't count; their own
    files do, since each is proven to be nothing but a signature (Signatures.xml has only the list,
    Signature.xml is hashed into its signature, Seal.esl equals the signed seal) and a bad one fails
    the verdict. So does the signature value of an integrity list this signer covers and signed, and
    what lies beside a signature that does not read or is not listed, which has failed by that.
    Where the seals lie of which this signer saw nothing is told, and what their Signature.xml hold
    beside signatures; one that is not named like a signature may be what a link was waiting for.
    """
    name = "uncovered_files"
    covered = {reference.path for reference in one.xml.references}
    allowed = document.lists() | document.signature_files() - document.misnamed(one)
    if one.certificate is not None:
        allowed |= proven_value(document.package, covered, one.certificate)
    lost = document.lost_folders()
    uncovered = [
        path
        for path in document.package
        if path not in covered and path not in allowed and path.rpartition("/")[0] not in lost
    ]
    if uncovered:
        return failed(
            name,
            f"not covered by the signature: {paths_shown(uncovered)}",
            f"未被签章保护的文件：{paths_shown(uncovered)}",
            reason="ROOT_NOT_COVERED" if ROOT in uncovered else "",
        )
    since, since_zh = told_unseen(document, one)
    more, more_zh = _told_more(document, one)
    detail = "every file is covered" + since + more
    detail_zh = "所有文件均受签章保护" + since_zh + more_zh
    return passed(name, detail, detail_zh, notice=bool(since))


def _told_more(document: OpenedDocument, one: OpenedSignature) -> tuple[str, str]:
    """What the Signature.xml this signer did not see hold beside signatures; empty for nothing."""
    found = [(each.listed.path, each.xml.more) for each in document.unseen_by(one) if each.xml.more]
    if not found:
        return "", ""
    words = plain(", ".join(dict.fromkeys(word for _, more in found for word in more)))
    paths = paths_shown([path for path, _ in found])
    return (
        f"; it did not see what else stands in {paths} either: {words}",
        f"；{paths} 中还有其未见过的其他内容：{words}",
    )


def check_extensions(
    _document: OpenedDocument, _one: OpenedSignature, value: SealSignature
) -> Check | None:
    """A critical extension that nobody understands may forbid what we are about to accept."""
    return extensions_check("signature_extensions", value.extensions)


def judge_time_stamp(document: OpenedDocument, value: SealSignature) -> Check | None:
    """A time-stamp is over this signature, trusted, and not from before it.

    Judged before the others: what it proves is when they ask about.
    """
    if value.timestamp is None:
        return None
    return time_stamp_check(
        "time_stamp",
        value.timestamp,
        over=value.signature,
        claimed=value.signed_at,
        seal_made=value.seal.created,
        store=document.store,
        now=document.now,
    )


def check_time_stamp(
    _document: OpenedDocument, one: OpenedSignature, _value: SealSignature
) -> Check | None:
    """What was found of the time-stamp."""
    return one.stamp


DocumentRule = Callable[[OpenedDocument], Check | None]
SignatureRule = Callable[[OpenedDocument, OpenedSignature], Check | None]
SealedRule = Callable[[OpenedDocument, OpenedSignature, SealSignature], Check | None]

SEALED_CHECKS: Final[tuple[SealedRule, ...]] = (
    check_encoding,
    check_seal_match,
    check_seal_in_force,
    check_signing_time,
    check_date_time,
    check_signer_listed,
    check_signer_certificate,
    check_document_signature,
    check_property_info,
    check_data_hash,
    check_extensions,
    check_time_stamp,
)
CONTENT_CHECKS: Final[tuple[SignatureRule, ...]] = (
    check_references,
    check_stamp_pages,
    check_uncovered_files,
)


# --- rules about the document ---------------------------------------------------------------


@comparing(against.package)
def check_package(document: OpenedDocument) -> Check | None:
    """Reading already proved it; say so."""
    count = len(document.package.entries)
    empty = list(document.package.empty_folders)
    told = f"; folders without a file: {paths_shown(empty)}" if empty else ""
    told_zh = f"；没有文件的文件夹：{paths_shown(empty)}" if empty else ""
    return passed(
        "package_format",
        f"{count} files, read in one way only{told}",
        f"文件包结构正确，共 {count} 个文件{told_zh}",
        notice=bool(empty),
    )


@comparing(against.entries)
def check_entries(document: OpenedDocument) -> Check | None:
    """The integrity list of GM/T 0099, where there is one."""
    return check_integrity_entries(document.package, document.lists() | document.signature_files())


DOCUMENT_CHECKS: Final[tuple[DocumentRule, ...]] = (
    check_package,
    check_xml,
    check_readings,
    check_outside,
    check_listed,
    check_entries,
)
