"""TimeStampTokens (RFC 3161 §2.4.2): reading one, and judging whether it is good.

1. A token is good when it is over these bytes, its one signer is the certificate it names by
   digest (RFC 5816), that certificate is for time-stamping alone (RFC 3161 §2.3: critical) and
   led to an anchor at the time it tells, and the signature over its signed attributes holds. What
   it proves is that time and its accuracy after it: the latest that its authority stands for.
2. The bytes as received are judged: what is signed is cut out, never encoded again.
3. Chains are `seal.trust`'s to judge, and `seal.pki.other_kinds`' where we have no suite for a key.
4. Whoever reads a token that nobody checked knows a claim, not a time.
"""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from runtime.errors import DataLoss, DomainError, InvalidArgument
from seal import der, suites
from seal.pki import cms_form
from seal.pki.certificates import exactly
from seal.pki.naming import name_key
from seal.pki.tst_info import DIGESTS as DIGESTS
from seal.pki.tst_info import WORDS, first, read_tst
from seal.pki.tst_info import TimestampInfo as TimestampInfo
from seal.trust import (
    FOR_TIME,
    ChainResult,
    Purpose,
    TrustAnchor,
    TrustStore,
    assess_chain,
    parse_certificate,
)

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_ESS_V1: Final = "1.2.840.113549.1.9.16.2.12"
_ESS_V2: Final = "1.2.840.113549.1.9.16.2.47"
_TIME_STAMPING: Final = "time_stamping"
_IMPLICIT_0: Final = 0xA0
_MAX_TOKEN: Final = 128 * 1024
_VERSIONS: Final = (1, 3)  # RFC 5652 §5.1 and §5.3 ask for 3; PKCS#7 wrote 1
CLOCK_SKEW: Final = timedelta(minutes=5)

TIMESTAMP_NOT_GOOD: Final = "TIMESTAMP_NOT_GOOD"


class UntrustedTimestamp(DataLoss):
    """A token with nothing wrong, by an authority (or an algorithm) that nobody here knows."""

    reason = TIMESTAMP_NOT_GOOD


def digest(word: str, data: bytes) -> bytes:
    """One of DIGESTS of the data. Raises InvalidArgument (`UNKNOWN_SUITE`)."""
    if word in ("sha384", "sha512"):
        return hashlib.new(word, data).digest()
    return suites.digest(word, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """The parts of the one SignerInfo that its checking needs, as received."""

    info: TimestampInfo
    brought: cms_form.Brought
    content: bytes  # TSTInfo
    digest_algorithm: der.Element
    algorithm: der.Element
    attributes: bytes  # the SET OF that is signed
    named: dict[str, der.Element]  # their single values by OID
    signature: bytes


def read_token(token: bytes) -> TimestampInfo:
    """What a token says, unchecked. Raises InvalidArgument (`MALFORMED_TIMESTAMP`)."""
    return _read(token).info


def time_store(
    anchors: Iterable[bytes], *, intermediates: Iterable[bytes] = (), crls: Iterable[bytes] = ()
) -> TrustStore:
    """A store that trusts these roots (DER) for the time alone, as long as they last."""
    return TrustStore(
        anchors=tuple(
            TrustAnchor(
                name=parse_certificate(one).subject,
                certificate=one,
                valid_from=parse_certificate(one).not_before,
                purposes=FOR_TIME,
            )
            for one in anchors
        ),
        intermediates=tuple(intermediates),
        crls=tuple(crls),
    )


def check_token(
    token: bytes, message: bytes, *, store: TrustStore, at: datetime | None = None
) -> TimestampInfo:
    """What a good token over the message says, by an authority that the store trusts for the time.

    With `at` (aware) the told time must not be later than that, by more than five minutes. Raises
    DataLoss (`TIMESTAMP_NOT_GOOD`), which says why, and of its kind UntrustedTimestamp.
    """
    try:
        word = read_token(token).digest
    except InvalidArgument as error:
        raise not_good(error.message, error.message_zh) from error
    return check_imprint(token, digest(word, message), store=store, at=at)


def check_imprint(
    token: bytes, imprint: bytes, *, store: TrustStore, at: datetime | None = None
) -> TimestampInfo:
    """`check_token` where the message's digest, by the token's own algorithm, is known."""
    try:
        signed = _read(token)
    except InvalidArgument as error:
        raise not_good(error.message, error.message_zh) from error
    info = signed.info
    if not hmac.compare_digest(info.imprint, imprint):
        raise not_good("it is of other bytes", "时间戳与内容不符")
    if at is not None and info.time > at + CLOCK_SKEW:
        raise not_good("it is from the future", "时间戳晚于当前时间")
    try:
        _check_attributes(signed)
        _check_purpose(info.certificate)
        _check_value(signed)
        anchor, chain = _check_chain(info, store, at)
    except DataLoss:
        raise
    except DomainError as error:
        raise not_good(error.message, error.message_zh) from error
    if info.unknown_critical:
        raise _not_understood(info)
    # It is here now, however inaccurate it says it is.
    proves = info.proves if at is None else max(info.time, min(info.proves, at))
    told = cms_form.remarks(signed.brought, [info.certificate])
    return replace(info, anchor=anchor, chain=chain, proves=proves, remarks=told)


def not_good(why: str, why_zh: str) -> DataLoss:
    """The error for a token that proves nothing."""
    return DataLoss(
        f"the time-stamp is not good: {why}", reason=TIMESTAMP_NOT_GOOD,
        message_zh=f"时间戳无效：{why_zh}",
    )  # fmt: skip


# --- reading ---------------------------------------------------------------------------------


def _read(token: bytes) -> _Signed:
    try:
        if len(token) > _MAX_TOKEN:
            raise der.malformed("it is too large")
        return _read_content_info(token)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"the time-stamp token cannot be read: {error.message}",
            reason="MALFORMED_TIMESTAMP",
            message_zh=f"无法读取时间戳：{error.message_zh}",
        ) from error


def _read_content_info(token: bytes) -> _Signed:
    """ContentInfo -> SignedData -> TSTInfo and the one SignerInfo (RFC 5652 §5)."""
    kind, wrapped = exactly(der.children(token), 2)
    if kind.oid() != _SIGNED_DATA:
        raise der.malformed("it is not signed")
    (inner,) = exactly(wrapped.expect(_IMPLICIT_0).members(), 1)
    members = inner.expect(der.SEQUENCE).members()
    if len(members) < 4:
        raise der.malformed("parts are missing")
    if members[0].integer() not in _VERSIONS:
        raise der.malformed("it is of an unknown version")
    content_kind, content = exactly(members[2].expect(der.SEQUENCE).members(), 2)
    if content_kind.oid() != _TST_INFO:
        raise der.malformed("it signs something else than a time")
    (octets,) = exactly(content.expect(_IMPLICIT_0).members(), 1)
    (signer,) = exactly(members[-1].expect(der.SET).members(), 1)
    parts = signer.expect(der.SEQUENCE).members()
    if len(parts) not in (6, 7) or parts[0].integer() not in _VERSIONS:
        raise der.malformed("it signs no attributes")
    if not cms_form.names_digest(members[1], parts[2]):
        raise der.malformed("it names other digests than its signer's")
    brought = cms_form.brought(members[3:-1], parts[6] if len(parts) == 7 else None)
    return _read_signer(parts, octets.octets(), brought)


def _read_signer(members: list[der.Element], content: bytes, brought: cms_form.Brought) -> _Signed:
    """SignerInfo ::= SEQ{version, sid, digestAlgorithm, [0] signedAttrs, algorithm, value, …}."""
    _, sid, hashed, attributes, algorithm, value = members[:6]
    certificates = brought.certificates
    named: dict[str, der.Element] = {}
    for attribute in attributes.expect(_IMPLICIT_0).members():
        kind, values = exactly(attribute.expect(der.SEQUENCE).members(), 2)
        (only,) = exactly(values.expect(der.SET).members(), 1)
        if kind.oid() in named:
            raise der.malformed("an attribute stands twice")
        named[kind.oid()] = only
    return _Signed(
        info=read_tst(content, _signer_certificate(sid, certificates), certificates),
        brought=brought,
        content=content,
        digest_algorithm=hashed.expect(der.SEQUENCE),
        algorithm=algorithm.expect(der.SEQUENCE),
        attributes=der.tlv(der.SET, attributes.content),
        named=named,
        signature=value.octets(),
    )


def _signer_certificate(sid: der.Element, certificates: tuple[bytes, ...]) -> bytes:
    """The certificate that issuer and serial, or `[0]` the key identifier, name."""
    for one in certificates:
        info = parse_certificate(one)
        if sid.tag == 0x80:
            if info.ski is not None and info.ski == sid.content:
                return one
        else:
            issuer, serial = exactly(sid.expect(der.SEQUENCE).members(), 2)
            if (name_key(issuer.raw), serial.integer()) == (info.issuer_key, info.serial):
                return one
    raise der.malformed("the signer's certificate is missing")


# --- judging ---------------------------------------------------------------------------------


def _check_attributes(signed: _Signed) -> None:
    """The signed attributes are about this TSTInfo and this certificate (RFC 3161 §2.4.1)."""
    kind, told = signed.named.get(_CONTENT_TYPE), signed.named.get(_MESSAGE_DIGEST)
    if kind is None or kind.oid() != _TST_INFO or told is None:
        raise not_good("its signed attributes are incomplete", "时间戳签名属性不完整")
    word = WORDS.get(first(signed.digest_algorithm).oid())
    if word is None or not hmac.compare_digest(digest(word, signed.content), told.octets()):
        raise not_good("it was changed", "时间戳内容被修改")
    if not _names(signed, signed.info.certificate):
        raise not_good("it does not name its signer's certificate", "时间戳未指明签名证书")


def _names(signed: _Signed, certificate: bytes) -> bool:
    """Whether the first ESSCertID(v2) is of the certificate: SEQ{SEQ OF SEQ{[alg], hash, …}}."""
    for oid in (_ESS_V2, _ESS_V1):
        if (value := signed.named.get(oid)) is None:
            continue
        parts = first(first(value)).expect(der.SEQUENCE).members() or [value]
        if oid == _ESS_V1:  # SHA-1 by definition; it picks a certificate, the chain judges it
            expected = hashlib.sha1(certificate, usedforsecurity=False).digest()
            return hmac.compare_digest(parts[0].octets(), expected)
        word = "sha256"  # the default of RFC 5035 §5.4.1.1
        if parts[0].tag == der.SEQUENCE and len(parts) > 1:
            word = WORDS.get(first(parts.pop(0)).oid(), "")
        return bool(word) and hmac.compare_digest(parts[0].octets(), digest(word, certificate))
    return False


def _check_purpose(certificate: bytes) -> None:
    """RFC 3161 §2.3: one extended key usage, timeStamping, critical; and the key may sign."""
    info = parse_certificate(certificate)
    if info.extended_key_usage != frozenset({_TIME_STAMPING}) or not info.is_usage_critical:
        raise not_good("its signer is no time-stamp authority", "签名证书不是时间戳证书")
    usage = info.key_usage
    if usage is not None and not usage & {"digital_signature", "non_repudiation"}:
        raise not_good("its signer's key may not sign", "时间戳证书密钥用途不符")


def _check_value(signed: _Signed) -> None:
    """The signature over the signed attributes, as received."""
    leaf = parse_certificate(signed.info.certificate)
    if leaf.suite != suites.SM2:
        _check_other_value(signed)
    elif first(signed.algorithm).oid() != suites.SM2_SM3_OID or not suites.suite(suites.SM2).verify(
        leaf.public_key, signed.attributes, signed.signature
    ):
        raise _wrong()


def _check_other_value(signed: _Signed) -> None:
    """RSA, ECDSA, Ed25519: what public authorities have. Weak digests and short keys are refused.

    The libraries are loaded by the first such token: they cost half a second.
    """
    from asn1crypto import algos, x509
    from pyhanko_certvalidator.policy_decl import DisallowWeakAlgorithmsPolicy
    from pyhanko_certvalidator.sig_validate import (
        DEFAULT_SIGNATURE_VALIDATOR,
        SignatureValidationContext,
    )

    try:
        leaf: Any = x509.Certificate.load(signed.info.certificate)
        algorithm = algos.SignedDigestAlgorithm.load(signed.algorithm.raw)
        hashed = algos.DigestAlgorithm.load(signed.digest_algorithm.raw)
        policy = DisallowWeakAlgorithmsPolicy()
        if not policy.signature_algorithm_allowed(algorithm, signed.info.time, leaf.public_key):
            raise not_good("its algorithm is too weak", "时间戳签名算法强度不足")
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signed.signature,
            signed.attributes,
            leaf.public_key,
            algorithm,
            SignatureValidationContext(contextual_md_algorithm=hashed["algorithm"].native),
        )
    except DomainError:
        raise
    except Exception as error:  # the libraries raise anything on hostile bytes
        raise _wrong() from error


def _wrong() -> DataLoss:
    return not_good("its signature is wrong", "时间戳签名无效")


def _check_chain(
    info: TimestampInfo, store: TrustStore, now: datetime | None
) -> tuple[bytes, ChainResult]:
    """The root that the signer's certificate led to at the time told, and how."""
    result = assess_chain(
        info.certificate,
        at=info.time,
        store=store,
        purpose=Purpose.TIMESTAMP,
        extra=info.certificates,
        now=now,
    )
    if result.status == "UNSUPPORTED_KEY":
        result = _other_chain(info, store, now) or result
    if result.is_trusted:
        return result.path[-1].raw, result
    raise _nobody_known(result.detail, result.detail_zh)


def _other_chain(
    info: TimestampInfo, store: TrustStore, now: datetime | None
) -> ChainResult | None:
    """Of a kind of key that we have no suite for. The libraries are loaded by the first of them."""
    from seal.pki.other_kinds import assess_other_chain

    return assess_other_chain(
        info.certificate,
        at=info.time,
        store=store,
        purpose=Purpose.TIMESTAMP,
        extra=info.certificates,
        now=now,
    )


def _not_understood(info: TimestampInfo) -> DataLoss:
    shown = ", ".join(info.unknown_critical[:3])
    return UntrustedTimestamp(
        f"the time-stamp has a critical extension that is not understood: {shown}",
        reason=TIMESTAMP_NOT_GOOD,
        message_zh=f"时间戳含有无法识别的关键扩展：{shown}",
    )


def _nobody_known(why: str, why_zh: str) -> DataLoss:
    return UntrustedTimestamp(
        f"the time-stamp is not good: its signer is not trusted: {why}",
        reason=TIMESTAMP_NOT_GOOD,
        message_zh=f"时间戳无效：时间戳证书不受信任：{why_zh}",
    )
