"""The checks of a signature of Type=Sign: a SignedData of GB/T 35275 over Signature.xml, no seal.

The names are those of a seal's signature where the question is the same, so that nobody has to
learn two lists. A SignedData may have several signers: each rule is asked of each, and the worst
answer is the rule's. What each stops:

- `signature_format`: a bare signature value, a weak digest, an algorithm that is not the key's;
- `signing_time`: a signature without a time or from the future;
- `signer_certificate`: a signer nobody trusts, expired or revoked when signing;
- `document_signature`: a forged signature, a certificate swapped for a look-alike;
- `data_hash`: a SignedData of another Signature.xml;
- `seal_match`: somebody's seal and stamp shown with a signature that vouches for none;
- `signature_date_time`: two accounts of the signing time (told);
- `time_stamp`: a time-stamp that is silently ignored, or of another signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from runtime.errors import InvalidArgument
from seal.judging.seal_checks import (
    CLOCK_SKEW,
    chain_check,
    encoding_notice,
    time_stamp_check,
)
from seal.judging.signing_times import before_certificate, signer_chain
from seal.judging.telling import holder, moment
from seal.model import Check, Indication, failed, passed, undetermined
from seal.ofd import against
from seal.ofd.check_method import is_method_of, told_of_method
from seal.ofd.dates import compared_dates, parse_date_time
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.signed_data import BARE_VALUE, DataSigner, SignedData
from seal.ofd.signed_proof import covers, is_named, is_signed, names_its_certificate
from seal.trust import TrustStore, parse_certificate

_WEAK: Final = {"1.3.14.3.2.26": "SHA-1", "1.2.840.113549.2.5": "MD5"}
_TIME_STAMP: Final = "time_stamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedXml:
    """A SignedData with what it should be over: the bytes of Signature.xml, and what that says.

    `date_time` is Signature.xml's SignatureDateTime, `method` its SignatureMethod.
    """

    value: SignedData
    document: bytes
    date_time: str
    method: str
    store: TrustStore
    now: datetime

    def signed_at(self, signer: DataSigner) -> datetime | None:
        """When it was made, by the signer's account: both accounts are signed."""
        return signer.signed_at or parse_date_time(self.date_time)


_Rule = Callable[[SignedXml, DataSigner], Check]


def ask(rule: _Rule, one: SignedXml) -> Check:
    """The worst answer of all signers; a notice before none."""
    answers = [rule(one, signer) for signer in one.value.signers]
    return max(answers, key=lambda check: (_BADNESS[check.indication], check.notice))


_BADNESS: Final = {Indication.PASSED: 0, Indication.INDETERMINATE: 1, Indication.FAILED: 2}


def check_format(one: SignedXml, signer: DataSigner) -> Check:
    """The certificate is there, and the algorithms are its key's; a weak one is named."""
    name = "signature_format"
    weak = _WEAK.get(signer.digest_oid)
    if weak:
        return failed(
            name,
            f"the signature's digest is {weak}, which is broken: anybody may have made another "
            "document of the same digest",
            f"签名使用的摘要算法 {weak} 已被攻破，不能证明内容未被替换",
            reason="DIGEST_WEAK",
        )
    if signer.certificate is None:
        return undetermined(
            name,
            "the signature value does not hold the certificate that it names as the signer's",
            "签名数据中没有签名者证书",
            reason="NO_SIGNER_CERTIFICATE",
        )
    whose, whose_zh = holder(signer.certificate)
    info = parse_certificate(signer.certificate)
    if not is_named(signer, info) and info.suite:
        return failed(
            name,
            f"the signature names algorithms ({signer.digest_oid}, {signer.algorithm_oid}) that "
            f"are not those of the signer's {info.suite} key",
            f"签名数据中的算法（{signer.digest_oid}、{signer.algorithm_oid}）与签名者的 "
            f"{info.suite} 密钥不符",
            against=(whose, whose_zh),
        )
    if not is_method_of(one.method, info.suite):
        return failed(
            name,
            "Signature.xml and SignedValue.dat name different algorithms",
            "Signature.xml 与签名数据的签名算法不一致",
            against=(whose, whose_zh),
        )
    told, told_zh = told_of_method(one.method)
    return passed(
        name,
        "the value is a SignedData that names its signer" + told,
        "签名值为签名数据，并指明签名者" + told_zh,
        notice=bool(told),
        against=(whose, whose_zh),
    )


def check_encoding(one: SignedXml, _signer: DataSigner) -> Check:
    """Departures from DER and from the standard that have one meaning are told."""
    name = "signature_encoding"
    try:
        return encoding_notice(name, one.value.findings)
    except InvalidArgument as error:  # nested too deep, or of too many parts
        return failed(name, error.message, error.message_zh)


def check_signing_time(one: SignedXml, signer: DataSigner) -> Check:
    """A time, not in the future, nor from before the certificate."""
    name = "signing_time"
    at = one.signed_at(signer)
    if at is None:
        return _no_time(name)
    against = (f"now, {moment(one.now)}", f"当前时间 {moment(one.now)}")
    if at > one.now + CLOCK_SKEW:
        return failed(
            name,
            "the signature says it is from the future",
            "签名时间晚于当前时间",
            against=against,
        )
    untrue = signer.certificate and before_certificate(
        name,
        signer.certificate,
        claimed=at,
        existed_at=_proven(one, signer),
        store=one.store,
        extra=one.value.certificates,
    )
    if untrue:
        return untrue
    return passed(
        name,
        f"signed {moment(at)}, as the signer says",
        f"签名者声明的签名时间为 {moment(at)}",
        against=against,
    )


def _no_time(name: str) -> Check:
    return undetermined(
        name,
        "the signature does not say when it was made, or in a form nobody can read",
        "签名没有可读的签名时间",
        reason="NO_SIGNING_TIME",
    )


def check_signer_certificate(one: SignedXml, signer: DataSigner) -> Check:
    """The certificate, chain and revocation as of the proven time, else the stated one."""
    name = "signer_certificate"
    if signer.certificate is None:
        return undetermined(
            name,
            "there is no certificate of the signer",
            "没有签名者证书",
            reason="NO_SIGNER_CERTIFICATE",
        )
    found = signer_chain(
        signer.certificate,
        claimed=one.signed_at(signer),
        existed_at=_proven(one, signer),
        store=one.store,
        now=one.now,
        extra=one.value.certificates,
    )
    if found is None:
        return _no_time(name)
    result, at = found
    return chain_check(name, result, now=one.now, who=("signer", "签名者"), at=at)


def check_document_signature(one: SignedXml, signer: DataSigner) -> Check:
    """The signature value, by the certificate that the signer's identifier names."""
    name = "document_signature"
    if signer.certificate is None:
        return undetermined(
            name,
            "without the signer's certificate the signature cannot be verified",
            "没有签名者证书，无法验证签名值",
            reason="NO_SIGNER_CERTIFICATE",
        )
    against = holder(signer.certificate)
    if not parse_certificate(signer.certificate).suite:
        detail, detail_zh = "the signer's key is of an unsupported kind", "不支持的密钥类型"
        return undetermined(name, detail, detail_zh, reason="UNSUPPORTED_KEY", against=against)
    if not names_its_certificate(signer):
        return failed(
            name,
            "the signed attributes name another certificate than the one brought along",
            "签名属性指明的证书与所附证书不一致",
            against=against,
        )
    if is_signed(one.value, signer, one.document):
        return passed(name, "the signer's signature is good", "签名值验证通过", against=against)
    return failed(name, "the signer's signature is wrong", "签名值验证不通过", against=against)


def check_data_hash(one: SignedXml, signer: DataSigner) -> Check:
    """What is signed is Signature.xml as received."""
    name = "data_hash"
    try:
        holds = covers(one.value, signer, one.document)
    except InvalidArgument as error:
        return failed(name, error.message, error.message_zh)
    against = ("Signature.xml as received", "收到的 Signature.xml")
    if holds:
        detail, detail_zh = "Signature.xml is what was signed", "Signature.xml 与签名数据一致"
        return passed(name, detail, detail_zh, against=against)
    return failed(
        name,
        "Signature.xml was changed after signing",
        "Signature.xml 在签名后被修改",
        against=against,
    )


def check_time_stamps(one: SignedXml, signer: DataSigner) -> Check | None:
    """Every time-stamp over the signature value is good; the first of them is told."""
    if not signer.stamps:
        return None
    answers = [
        time_stamp_check(
            _TIME_STAMP,
            token,
            over=signer.signature,
            claimed=one.signed_at(signer),
            store=one.store,
            now=one.now,
        )
        for token in signer.stamps
    ]
    return max(answers, key=lambda check: _BADNESS[check.indication])


def _proven(one: SignedXml, signer: DataSigner) -> datetime | None:
    """The time that a trusted time-stamp proves."""
    check = check_time_stamps(one, signer)
    return check.proves if check is not None else None


_RULES: Final[tuple[_Rule, ...]] = (
    check_format,
    check_encoding,
    check_signing_time,
    check_signer_certificate,
    check_document_signature,
    check_data_hash,
)


def sign_checks(one: SignedXml) -> list[Check]:
    """Every rule about the SignedData, of each of its signers."""
    stamped = [
        check
        for signer in one.value.signers
        if (check := check_time_stamps(one, signer)) is not None
    ]
    found = [ask(rule, one) for rule in _RULES]
    found[0] = _with_remarks(found[0], one.value)
    dates = [compared_dates(one.date_time, signer.signed_at) for signer in one.value.signers]
    found += sorted((date for date in dates if date), key=lambda check: check.notice)[-1:]
    if stamped:
        found.append(max(stamped, key=lambda check: _BADNESS[check.indication]))
    return found


def _with_remarks(check: Check, value: SignedData) -> Check:
    """What else the value holds, of which its signers know nothing."""
    if check.indication is not Indication.PASSED or not value.remarks:
        return check
    told, told_zh = zip(*value.remarks, strict=True)
    return check._replace(
        detail="; ".join((check.detail, *told)),
        detail_zh="；".join((check.detail_zh, *told_zh)),
        notice=True,
    )


def check_no_seal(one: OpenedSignature) -> Check | None:
    """A signature of Type=Sign has no seal: one that is shown with it, nobody vouches for.

    The seal's maker and list of signers are signed into a signature of Type=Seal only.
    """
    if one.xml.seal is None and not one.xml.stamps:
        return None
    return failed(
        "seal_match",
        "a seal or its place is shown with a signature of Type=Sign, which vouches for no seal: "
        "anybody could show anybody's",
        "类型为 Sign 的签名附带了印章或印章位置，但此类签名不能证明印章属于签名者",
        reason="SEAL_NOT_SIGNED",
        against=against.form_of(one),
    )


def unread(error: InvalidArgument) -> Check:
    """What SignedValue.dat holds instead of a SignedData: of a bare value nobody knows who made it.

    Anything else is no signature.
    """
    make = undetermined if error.reason == BARE_VALUE else failed
    return make("signature_format", error.message, error.message_zh, reason=error.reason)


def sign_rules(document: OpenedDocument, one: OpenedSignature) -> list[Check]:
    """What the value of a signature of Type=Sign is, and what of it holds."""
    if one.signed is None:
        refused = [unread(one.unread)] if one.unread is not None else []
        return [check.compared(*against.form(document, one)) for check in refused]
    checks = sign_checks(
        SignedXml(
            value=one.signed,
            document=document.package.read(one.listed.path),
            date_time=one.xml.signed_at_text,
            method=one.xml.method,
            store=document.store.with_evidence(crls=one.signed.lists),
            now=document.now,
        )
    )
    shown = check_no_seal(one)
    return [*checks, shown] if shown else checks
