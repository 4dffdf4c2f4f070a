"""Verification of a detached seal: an SES_Signature over the SM3 digest of what others hold.

The same rules as in a document (`seal.judging.seal_checks`, `seal.ofd.checks`), but for those about
its files: that the digest is of the right thing is known to who made it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from runtime.errors import InvalidArgument
from seal.judging.resting import asked
from seal.judging.seal_checks import common_name, judge_seal
from seal.judging.signing_times import stamped_since
from seal.judging.telling import facts_of, plain
from seal.model import (
    Check,
    Indication,
    SignatureReport,
    Verdict,
    VerificationError,
    conclude,
    failed,
    passed,
)
from seal.ofd.checks import (
    SealedRule,
    check_document_signature,
    check_encoding,
    check_seal_in_force,
    check_signer_certificate,
    check_signer_listed,
    check_signing_time,
    check_time_stamp,
    judge_time_stamp,
)
from seal.ofd.digests import Digests
from seal.ofd.linked import Linked
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ofd.package import OfdPackage
from seal.ofd.seen import Seen
from seal.ofd.structure import TYPE_SEAL, ListedSignature, SignatureList, SignatureXml
from seal.ses import SealSignature, parse_signature
from seal.trust import TrustStore

LABEL: Final = "detached"

_RULES: Final[tuple[SealedRule, ...]] = (
    check_encoding,
    check_seal_in_force,
    check_signing_time,
    check_signer_listed,
    check_signer_certificate,
    check_document_signature,
    check_time_stamp,
)


def verify_detached(
    signature: bytes, digest: bytes, *, store: TrustStore, now: datetime, about: str = ""
) -> Verdict:
    """`assess_detached`, raising VerificationError unless the verdict is PASSED."""
    verdict = assess_detached(signature, digest, store=store, now=now, about=about)
    if verdict.indication is not Indication.PASSED:
        raise VerificationError(verdict)
    return verdict


def assess_detached(
    signature: bytes, digest: bytes, *, store: TrustStore, now: datetime, about: str = ""
) -> Verdict:
    """Judge a DER SES_Signature over `digest` (SM3, 32 octets). Never raises on what it holds.

    `about` is what its propertyInfo has to say the digest is of; empty takes whatever it says, and
    tells it as a notice.
    """
    try:
        value = parse_signature(signature)
    except InvalidArgument as error:
        against = (f"{len(signature)} bytes as received", f"收到的 {len(signature)} 字节")
        check = failed("signature_format", error.message, error.message_zh, against=against)
        return conclude("SES", [check], [])
    around, alone = _nothing_around(value, store, now)
    found = judge_seal(value.seal, store, now, signer=value.certificate)
    stamped = stamped_since(value.seal, found)
    alone = replace(alone, stamp=judge_time_stamp(around, value), seal_stamped=stamped)
    found += [rule(around, alone, value) for rule in _RULES]
    found += [_check_data_hash(value, digest), _check_property_info(value, about)]
    report = SignatureReport(
        id=LABEL,
        signer=_signer(value),
        seal_name=value.seal.name,
        es_id=value.seal.es_id,
        signed_at=value.signed_at,
        format=f"SES_V{value.version}",
        certificate=facts_of(value.certificate),
        maker=facts_of(value.seal.maker_certificate),
        checks=tuple(check.about(LABEL) for check in asked(found)),
    )
    return conclude("SES", [], [report])


def _check_data_hash(value: SealSignature, digest: bytes) -> Check:
    name, shown = "data_hash", digest.hex()[:64]
    against = (f"SM3 {shown}", f"SM3 摘要 {shown}")
    if value.data_hash == digest:
        good = ("the digest is what was signed", "摘要与签章数据一致")
        return passed(name, *good, against=against)
    other = ("the signature is over another digest", "签章数据中的摘要与此不一致")
    return failed(name, *other, against=against)


def _check_property_info(value: SealSignature, about: str) -> Check:
    name, said = "property_info", plain(value.property_info)
    if not about:
        # What it is of nobody asked: so a person reads it, and judges.
        told = (f"it says that it is over: {said}", f"签章自述其摘要来源：{said}")
        if not said.strip():
            told = ("it does not say what it is over", "签章未说明其摘要来源")
        unasked = ("nothing: what it has to be over was not asked", "无：未指定摘要来源")
        return passed(name, *told, notice=True, against=unasked)
    against = (f"made for {said}", f"所签来源 {said}")
    if value.property_info == about:
        good = ("it says what the digest is of", "摘要来源说明与此一致")
        return passed(name, *good, against=against)
    other = (
        "the signature says that its digest is of something else",
        "签章数据中的摘要来源说明与此不一致",
    )
    return failed(name, *other, against=against)


def _signer(value: SealSignature) -> str:
    try:
        return common_name(value.certificate)
    except InvalidArgument:
        return ""


def _nothing_around(
    value: SealSignature, store: TrustStore, now: datetime
) -> tuple[OpenedDocument, OpenedSignature]:
    """The rules' view of a signature without a document; none of `_RULES` looks at files."""
    listed = ListedSignature(id=LABEL, type=TYPE_SEAL, path="", body=0)
    xml = SignatureXml(
        signed_value="",
        seal=None,
        method=value.signature_oid,
        signed_at_text="",
        check_method="",
        references=(),
        stamps=(),
    )
    opened = OpenedSignature(listed=listed, label=LABEL, xml=xml, value=value)
    package = OfdPackage({})
    seen = Seen(Digests(package))
    document = OpenedDocument(
        package=package,
        bodies=(),
        of_bodies=(SignatureList((listed,)),),
        signatures=(opened,),
        store=store,
        now=now,
        seen=seen,
        linked=Linked(package, (), seen),
    )
    return document, opened
