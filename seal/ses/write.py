"""Writing seals and seal signatures of versions 4 and 5.

1. What we write is DER. `extDatas` is left out: other software drops an implicit `critical`, and a
   written-out FALSE is not DER.
2. A signature has its seal's version (GB/T 38540-2020 §7.1), so the caller does not choose one.
3. propertyInfo says at least what is protected (§7.1, and GM/T 0031-2025 insists): for an OFD the
   absolute path of Signature.xml, whose References are exactly the protected files, as other
   software writes it too; for a bare digest `DIGEST_ONLY`. It is never empty.
4. A time-stamp is over the signature's value (the octets of its BIT STRING) and stands outside of
   what is signed: in signatures of both versions, in seals of version 5 only.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from runtime.errors import InvalidArgument
from seal import der
from seal.pki.certificates import parse_certificate
from seal.ses.model import DIGEST_NAME, TIMESTAMP_TAG, V4, V5, SealSpec, SignerList
from seal.ses.read import parse_seal
from seal.suites import SM3_OID, digest, suite

if TYPE_CHECKING:  # who verifies has neither keys nor a time-stamp authority to ask
    from seal.keys.signers import Signer
    from seal.pki.timestamp import Timestamper


def make_seal(
    spec: SealSpec,
    *,
    maker: Signer,
    maker_certificate: bytes,
    timestamper: Timestamper | None = None,
) -> bytes:
    """The DER SESeal, signed by the seal maker, and time-stamped where a stamper is given (v5).

    Raises `InvalidArgument` (`BAD_SEAL_SPEC`) when the specification contradicts itself, or
    (`KEY_AND_CERTIFICATE_DIFFER`) when the maker's certificate is not of the maker's key; and what
    the stamper raises.
    """
    _check_spec(spec)
    if timestamper is not None and spec.version != V5:
        raise _bad_spec("only a seal of version 5 bears a time-stamp", "只有第 5 版印章可带时间戳")
    _check_pair(maker, maker_certificate)
    info = encode_info(spec)
    signature = maker.sign(info)
    return der.sequence(
        info,
        der.octets(maker_certificate),
        der.oid(suite(maker.suite_name).signature_oid),
        der.bits(signature),
        *_time_stamp(timestamper.stamp(signature) if timestamper else None),
    )


def to_be_signed(
    *,
    seal: bytes,
    signed_at: datetime,
    data_hash: bytes,
    property_info: str,
    version: int | None = None,
) -> bytes:
    """DER(TBS_Sign): what the signer signs, in the seal's own version.

    `data_hash` is the digest of Signature.xml's bytes, or of what the caller protects;
    `property_info` says what that is (rule 3). Raises `InvalidArgument` (`BAD_SEAL_SPEC`) for a
    seal of version 1, a `version` that is not the seal's, no `property_info` or no digest;
    (`MALFORMED_SEAL`); (`MALFORMED_DER`) for a `property_info` that is not ASCII.
    """
    own = parse_seal(seal).version
    if own not in (V4, V5):
        raise _bad_spec("only versions 4 and 5 are written", "只能制作第 4、5 版")
    if version not in (None, own):
        raise _bad_spec("a signature has its seal's version", "签章版本须与印章版本一致")
    if not property_info:
        raise _bad_spec("propertyInfo must say what is protected", "原文属性须说明保护范围")
    if not data_hash:
        raise _bad_spec("there is no digest to sign", "缺少待签原文的杂凑值")
    return der.sequence(
        der.integer(own),
        seal,
        der.generalized_time(signed_at),
        der.bits(data_hash),
        der.text(der.IA5_STRING, property_info),
    )


def assemble_signature(
    tbs: bytes,
    *,
    certificate: bytes,
    signature: bytes,
    suite_oid: str,
    timestamp: bytes | None = None,
) -> bytes:
    """The DER SES_Signature around a TBS_Sign and its signature (DER SEQ{r, s}).

    `timestamp` is a DER TimeStampToken over `signature` (`Timestamper.stamp(signature)`).
    """
    return der.sequence(
        der.read(tbs).expect(der.SEQUENCE).raw,
        der.octets(certificate),
        der.oid(suite_oid),
        der.bits(signature),
        *_time_stamp(timestamp),
    )


def sign_data(
    *,
    seal: bytes,
    signed_at: datetime,
    data_hash: bytes,
    property_info: str,
    signer: Signer,
    certificate: bytes,
    version: int | None = None,
    timestamper: Timestamper | None = None,
) -> bytes:
    """`to_be_signed`, signed, time-stamped and assembled in one step. Raises as they do."""
    _check_pair(signer, certificate)
    tbs = to_be_signed(
        seal=seal,
        signed_at=signed_at,
        data_hash=data_hash,
        property_info=property_info,
        version=version,
    )
    signature = signer.sign(tbs)
    return assemble_signature(
        tbs,
        certificate=certificate,
        signature=signature,
        suite_oid=suite(signer.suite_name).signature_oid,
        timestamp=timestamper.stamp(signature) if timestamper else None,
    )


def _time_stamp(token: bytes | None) -> list[bytes]:
    """`timeStamp [0] EXPLICIT BIT STRING OPTIONAL`."""
    return [] if token is None else [der.tlv(TIMESTAMP_TAG, der.bits(token))]


def encode_info(spec: SealSpec) -> bytes:
    """DER(SES_SealInfo): what the maker signs."""
    header = der.sequence(
        der.text(der.IA5_STRING, "ES"),
        der.integer(spec.version),
        der.text(der.IA5_STRING, spec.vid),
    )
    properties = der.sequence(
        der.integer(spec.type),
        der.text(der.UTF8_STRING, spec.name),
        der.integer(spec.signer_list),
        der.sequence(*_signers(spec)),
        der.generalized_time(spec.created),
        der.generalized_time(spec.valid_from),
        der.generalized_time(spec.valid_to),
    )
    picture = der.sequence(
        der.text(der.IA5_STRING, spec.picture_type),
        der.octets(spec.picture),
        der.integer(spec.width_mm),
        der.integer(spec.height_mm),
    )
    return der.sequence(header, der.text(der.IA5_STRING, spec.es_id), properties, picture)


def _signers(spec: SealSpec) -> list[bytes]:
    """The members of certList, by its type."""
    if spec.signer_list is SignerList.CERTIFICATES:
        return [der.octets(certificate) for certificate in spec.cert_list]
    return [
        der.sequence(
            der.text(der.PRINTABLE_STRING, DIGEST_NAME), der.octets(digest(SM3_OID, certificate))
        )
        for certificate in spec.cert_list
    ]


def _bad_spec(what: str, what_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"The seal or signature cannot be made: {what}.",
        reason="BAD_SEAL_SPEC",
        message_zh=f"无法制作印章或签章：{what_zh}。",
    )


def _check_spec(spec: SealSpec) -> None:
    """The rules a seal must meet before anyone signs it."""
    if spec.version not in (V4, V5):
        raise _bad_spec("only versions 4 and 5 are written", "只能制作第 4、5 版")
    if not spec.es_id or not spec.name or not spec.picture:
        raise _bad_spec("identifier, name and picture are all needed", "标识、名称和图像缺一不可")
    if not spec.cert_list:
        raise _bad_spec("no signer's certificate is listed", "未列出任何签章人证书")
    if not spec.created <= spec.valid_to or not spec.valid_from < spec.valid_to:
        raise _bad_spec("it ends before it begins", "有效期止早于有效期起")
    if not all(isinstance(size, int) and size > 0 for size in (spec.width_mm, spec.height_mm)):
        raise _bad_spec("its size is not a whole number of mm", "尺寸须为正整数毫米")
    for certificate in spec.cert_list:
        parse_certificate(certificate)


def _check_pair(signer: Signer, certificate: bytes) -> None:
    """The certificate is of the signer's key: a mistake here would only surface at a verifier."""
    if parse_certificate(certificate).public_key != signer.public_key:
        raise InvalidArgument(
            "The certificate does not belong to the signing key.",
            reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="证书与签名私钥不匹配。",
        )
