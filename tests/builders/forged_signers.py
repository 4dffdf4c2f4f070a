"""Forged signers, chains and extensions in documents."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from seal import der
from seal.ses import SignerList
from seal.trust import issue_certificate
from tests.builders.forging import (
    SEALED,
    Bench,
    forgery,
    made_anew,
    twin,
    with_unknown,
)
from tests.builders.seal_pki import BEGIN, END, Holder, issue
from tests.builders.ses import rebuilt
from tests.builders.tokens import extended_by

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

# --- who makes itself a seal ----------------------------------------------------------------------


@forgery(
    "self_made_seal",
    "seal_maker_certificate",
    "A village clinic makes itself the seal of the county's government, and signs with it.",
    "村卫生室用自己的签章证书制作县人民政府印章并签章。",
    indication="INDETERMINATE",
    reason="SELF_MADE_SEAL",
)
def clinic_as_government(bench: Bench) -> bytes:
    return _government(bench, bench.issued("示范县某村卫生室"))


@forgery(
    "self_made_seal",
    "seal_maker_certificate",
    "The same, and its certificate says that it is for signing documents.",
    "同上，且其证书的扩展密钥用途为签署文件。",
    reason="SIGNER_AS_MAKER",
)
def document_signer_as_maker(bench: Bench) -> bytes:
    usage = ("document_signing",)
    return _government(bench, bench.issued("示范县某村卫生室", extended_key_usage=usage))


@forgery(
    "self_made_seal",
    "seal_maker_certificate",
    "The clinic has two certificates: with one it makes the seal, with the other it signs.",
    "村卫生室持有两张证书：用一张制章，用另一张签章。",
    indication="INDETERMINATE",
    reason="SELF_MADE_SEAL",
)
def clinic_with_two_certificates(bench: Bench) -> bytes:
    one, other = (bench.issued("示范县某村卫生室") for _ in range(2))
    return _government(bench, other, maker=one)


@forgery(
    "self_made_seal",
    "seal_maker_certificate",
    "The clinic signs with the same key under another name, and its seal lists it by digest.",
    "村卫生室以同一密钥、另一名称的证书签章，印章以摘要列出该证书。",
    indication="INDETERMINATE",
    reason="SELF_MADE_SEAL",
)
def clinic_with_one_key(bench: Bench) -> bytes:
    one = bench.issued("示范县某村卫生室")
    certificate = issue_certificate(
        issuer=bench.intermediate.signer,
        issuer_certificate=bench.intermediate.certificate,
        subject_key=one.signer.public_key,
        subject={"C": "CN", "O": "示范县", "CN": "示范县某村委会"},
        not_before=BEGIN,
        not_after=END,
    )
    other = Holder(signer=one.signer, certificate=certificate)
    return _government(bench, other, maker=one, version=5, signer_list=SignerList.DIGESTS)


def _government(
    bench: Bench, clinic: Holder, *, maker: Holder | None = None, **changes: object
) -> bytes:
    seal = bench.seal(
        maker=maker or clinic,
        name="示范县人民政府",
        es_id="99010100000099",
        cert_list=(clinic.certificate,),
        **changes,
    )
    return bench.sealed(seal=seal, by=clinic)


# --- the signer and its chain ------------------------------------------------------------------


@forgery(
    "signer_not_listed",
    "signer_listed",
    "Somebody of the same authority signs with the seal.",
    "同一机构的他人使用该印章签章。",
)
def signer_not_listed(bench: Bench) -> bytes:
    return bench.sealed(by=bench.issued("示范县他人"))


@forgery(
    "signer_not_listed",
    "signer_listed",
    "A certificate that is not one of the digests on the seal's list.",
    "证书的杂凑值不在印章的签章者列表中。",
)
def signer_not_listed_by_digest(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(signer_list=2), by=bench.issued("示范县他人"))


@forgery(
    "signer_not_listed",
    "signer_listed",
    "The seal lists its signers by MD5, of which anybody may make two certificates alike.",
    "印章以 MD5 摘要列出签章者，可能存在摘要相同的其他证书。",
    indication="INDETERMINATE",
    reason="SIGNER_DIGEST_UNKNOWN",
)
def signer_listed_by_weak_digest(bench: Bench) -> bytes:
    value = hashlib.md5(bench.signer.certificate, usedforsecurity=False).digest()
    pair = der.sequence(der.text(der.PRINTABLE_STRING, "MD5"), der.octets(value))
    seal = rebuilt((0, 2, 3), der.sequence(pair), bench.seal(signer_list=SignerList.DIGESTS))
    return bench.sealed(seal=made_anew(bench, seal))


@forgery(
    "look_alike",
    "signer_listed",
    "A genuine certificate of the same name, another key.",
    "真实签发的同名证书，但密钥不同。",
)
def look_alike_signer(bench: Bench) -> bytes:
    return bench.sealed(by=bench.issued("示范县行政审批局"))


@forgery(
    "look_alike",
    "signer_listed",
    "A certificate of the same name and serial number, another key.",
    "名称和序列号都相同的证书，但密钥不同。",
)
def look_alike_serial(bench: Bench) -> bytes:
    return bench.sealed(by=twin(bench.signer, bench.intermediate))


@forgery(
    "look_alike",
    "seal_maker_certificate",
    "Root, intermediate and maker have the genuine names and other keys.",
    "根、中间和制章者证书与真证书同名，但密钥不同。",
    indication="INDETERMINATE",
    reason="ISSUER_KEY_DIFFERS",
)
def look_alike_root(bench: Bench) -> bytes:
    maker = bench.issued("示范制章", bench.other_intermediate)
    return bench.sealed(seal=bench.seal(maker=maker))


@forgery(
    "look_alike",
    "seal_maker_certificate",
    "An intermediate of the genuine name, and with its key identifier, issued the maker's.",
    "制章者证书由同名且密钥标识相同的假中间证书签发。",
    reason="CERTIFICATE_FORGED",
)
def look_alike_intermediate(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(maker=_claiming(bench, bench.issued("示范制章"))))


@forgery(
    "look_alike",
    "signer_certificate",
    "The same of a signer that the seal lists.",
    "印章所列签章者的证书由同名假中间证书签发。",
    reason="CERTIFICATE_FORGED",
)
def look_alike_issuer_of_signer(bench: Bench) -> bytes:
    return bench.used_by(_claiming(bench, bench.issued("示范县行政审批局")))


def _claiming(bench: Bench, genuine: Holder) -> Holder:
    """A certificate that names the genuine issuer in every way, signed by another key."""
    return extended_by(genuine, bench.other_intermediate)


@forgery(
    "no_chain",
    "signer_certificate",
    "The signer's authority is one that nobody knows.",
    "签章者证书的颁发机构无人知晓。",
    indication="INDETERMINATE",
    reason="NO_TRUST_ANCHOR",
)
def no_chain(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", issue("无名根", None, is_ca=True)))


@forgery(
    "no_chain",
    "signer_certificate",
    "The signer made its certificate itself.",
    "签章者证书为自签名证书。",
    indication="INDETERMINATE",
    reason="NO_TRUST_ANCHOR",
)
def self_made(bench: Bench) -> bytes:
    return bench.used_by(issue("示范县行政审批局", None))


@forgery(
    "no_chain",
    "signer_certificate",
    "A signer plays authority: its certificate issued another.",
    "签章者冒充 CA：用自己的证书签发另一证书。",
    indication="INDETERMINATE",
    reason="NO_TRUST_ANCHOR",
)
def leaf_as_authority(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县财政局", bench.signer))


@forgery(
    "no_chain",
    "signer_certificate",
    "The time-stamp authority's root issued the signer's certificate.",
    "签章者证书由时间戳根证书签发。",
    indication="INDETERMINATE",
    reason="PURPOSE_NOT_TRUSTED",
)
def chain_of_the_time_stampers(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", bench.time_root))


@forgery(
    "revoked_signer",
    "signer_certificate",
    "The signer's certificate was revoked when it signed.",
    "签章时签章者证书已被吊销。",
    reason="CERTIFICATE_REVOKED",
)
def revoked_signer(bench: Bench) -> bytes:
    return bench.used_by(bench.revoked_signer)


@forgery(
    "revoked_maker",
    "seal_maker_certificate",
    "The maker's certificate was revoked when it made the seal.",
    "制章时制章者证书已被吊销。",
    reason="CERTIFICATE_REVOKED",
)
def revoked_maker(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(maker=bench.revoked_maker))


@forgery(
    "revoked_signer",
    "signer_certificate",
    "The signer's certificate had expired when it signed.",
    "签章时签章者证书已过期。",
    reason="CERTIFICATE_EXPIRED",
)
def expired_signer(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", not_after=SEALED - _DAY))


@forgery(
    "revoked_signer",
    "signer_certificate",
    "The signer's certificate is for agreeing keys, not for signing.",
    "签章者证书的密钥用途为密钥协商，不可签名。",
    reason="KEY_USAGE",
)
def signer_may_not_sign(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", key_usage=("key_agreement",)))


@forgery(
    "revoked_signer",
    "signer_certificate",
    "The signer's certificate was revoked since, and nothing proves the signature older: told.",
    "签章者证书此后被吊销，且无时间戳证明签章更早：提示。",
    indication="PASSED",
    now="REVOKED_NO_POE",
)
def revoked_since(bench: Bench) -> bytes:
    return bench.used_by(bench.later_revoked)


# --- critical extensions -----------------------------------------------------------------------


_UNKNOWN = der.sequence(
    der.oid("1.3.6.1.4.1.99999.8"), der.tlv(der.BOOLEAN, b"\xff"), der.octets(b"\x05\x00")
)


@forgery(
    "critical_extension",
    "signer_certificate",
    "The signer's certificate has a critical extension that nobody knows.",
    "签章者证书含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def critical_in_signer(bench: Bench) -> bytes:
    return bench.used_by(with_unknown(bench.issued("示范县行政审批局"), bench.intermediate))


@forgery(
    "critical_extension",
    "signer_certificate",
    "The certificate of the signer's issuer has one.",
    "签章者的上级 CA 证书含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def critical_in_issuer(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", bench.odd_intermediate))


@forgery(
    "critical_extension",
    "seal_maker_certificate",
    "The maker's certificate has one.",
    "制章者证书含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def critical_in_maker(bench: Bench) -> bytes:
    maker = with_unknown(bench.issued("示范制章"), bench.intermediate)
    return bench.sealed(seal=bench.seal(maker=maker))


@forgery(
    "critical_extension",
    "seal_extensions",
    "The seal has a critical extension that nobody knows.",
    "印章含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def critical_in_seal(bench: Bench) -> bytes:
    return bench.sealed(seal=extended_seal(bench))


def extended_seal(bench: Bench) -> bytes:
    """A seal whose maker added a critical extension."""
    info = der.children(bench.good_seal)[0]
    longer = der.sequence(info.content, der.sequence(_UNKNOWN))
    return made_anew(bench, rebuilt((0,), longer, bench.good_seal))


@forgery(
    "critical_extension",
    "signature_extensions",
    "The signature has one.",
    "签章数据含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def critical_in_signature(bench: Bench) -> bytes:
    more = der.tlv(0xA0, der.sequence(_UNKNOWN))
    return bench.sealed(tbs=lambda tbs: der.sequence(der.read(tbs).content, more))
