"""Envelopes: bytes that only the receiver of a certificate reads, and that nobody changes unseen.

1. An envelope is a CMS AuthEnvelopedData (RFC 5083) in DER: `openssl cms -decrypt` opens it, and so
   does what speaks S/MIME. The content is encrypted with AES-256-GCM (RFC 5084) under a fresh key.
2. For a key on P-256, P-384 or P-521 that key is wrapped (RFC 3394) under one agreed by ECDH with a
   key made for this envelope alone and the X9.63 derivation with SHA-256 (RFC 5753, clause 3.1.1).
   For RSA of 2048 bits or more it is encrypted by OAEP with SHA-256 (RFC 3560).
3. SM2 is refused: CMS knows it in GM/T 0010 only, which no common tool opens.
4. Only public keys are here. Who opens (`open_envelope`) brings their own key.
5. Opening gives all of the content or nothing: the tag is checked first, over all of it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from exchange.files import der
from runtime.errors import DataLoss, InvalidArgument, PermissionDenied

LEAST_RSA = 2048
GREATEST_CERTIFICATE = 16_384  # characters of PEM
_KEY_SIZE, _NONCE_SIZE, _TAG_SIZE = 32, 12, 16
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)

_AUTH_ENVELOPED = der.oid("1.2.840.113549.1.9.16.1.23")
_DATA = der.oid("1.2.840.113549.1.7.1")
_AES_256_GCM = der.oid("2.16.840.1.101.3.4.1.46")
_AES_256_WRAP = der.sequence(der.oid("2.16.840.1.101.3.4.1.45"))
_SHA_256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_EC_KEY = der.sequence(der.oid("1.2.840.10045.2.1"))
_STD_DH_SHA_256 = der.sequence(der.oid("1.3.132.1.11.1"), _AES_256_WRAP)
_OAEP = der.sequence(
    der.oid("1.2.840.113549.1.1.7"),
    der.sequence(
        der.tlv(0xA0, _SHA_256),
        der.tlv(0xA1, der.sequence(der.oid("1.2.840.113549.1.1.8"), _SHA_256)),
    ),
)
#: ECC-CMS-SharedInfo (RFC 5753, clause 7.2): what the agreed key is for, and its bits.
_SHARED_INFO = der.sequence(
    _AES_256_WRAP, der.tlv(0xA2, der.tlv(der.OCTET_STRING, (_KEY_SIZE * 8).to_bytes(4, "big")))
)
_OAEP_PADDING = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who opens: a certificate with a key that can be encrypted to."""

    fingerprint: str
    _identifier: bytes
    _key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey

    @classmethod
    def read(cls, pem: bytes, *, now: datetime | None = None, own: bool = False) -> Receiver:
        """The receiver of a certificate, valid at `now` if that is given.

        `own` says that it is the one of a system's connection: those that were enrolled earlier are
        for signatures only, and their systems ask for it themselves. Raises InvalidArgument
        (CERTIFICATE_NOT_USABLE).
        """
        if len(pem) > GREATEST_CERTIFICATE:
            raise _unusable("it is too long", "过长")
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise _unusable(
                "it is not a PEM certificate, or its key is of another kind (SM2 is none of them)",
                "不是 PEM 证书，或其密钥类型不受支持（不支持 SM2）",
            ) from None
        if now and not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise _unusable("its time has not come, or is over", "不在有效期内")
        if isinstance(key, ec.EllipticCurvePublicKey):
            good = isinstance(key.curve, _CURVES)
        else:
            good = isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA
        if not good or not (own or _may_encrypt(certificate)):
            raise _unusable(
                f"its key must be on P-256, P-384 or P-521, or RSA of {LEAST_RSA} bits or more, "
                "and its key usage, if it says one, must allow to agree on keys or to encrypt them",
                f"密钥须为 P-256、P-384、P-521，或 {LEAST_RSA} 位以上的 RSA，"
                "且密钥用途（如有）须允许密钥协商或密钥加密",
            )
        identifier = der.sequence(
            certificate.issuer.public_bytes(), der.integer(certificate.serial_number)
        )
        encoded = certificate.public_bytes(serialization.Encoding.DER)
        assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)  # noqa: S101  # `good`
        return cls(hashlib.sha256(encoded).hexdigest(), identifier, key)

    def seal(self, content: bytes) -> bytes:
        """The envelope of a content."""
        key, nonce = os.urandom(_KEY_SIZE), os.urandom(_NONCE_SIZE)
        sealed = AESGCM(key).encrypt(nonce, content, None)
        parameters = der.sequence(der.tlv(der.OCTET_STRING, nonce), der.integer(_TAG_SIZE))
        ahead = _DATA + der.sequence(_AES_256_GCM, parameters)
        size = len(content)
        encrypted = der.head(0x80, size)
        ahead = der.head(der.SEQUENCE, len(ahead) + len(encrypted) + size) + ahead + encrypted
        ahead = der.integer(0) + der.tlv(der.SET, self._wrapped(key)) + ahead
        mac = der.head(der.OCTET_STRING, _TAG_SIZE)
        inner = der.head(der.SEQUENCE, len(ahead) + size + len(mac) + _TAG_SIZE)
        outer = der.head(0xA0, len(inner) + len(ahead) + size + len(mac) + _TAG_SIZE)
        whole = len(_AUTH_ENVELOPED) + len(outer) + len(inner) + len(ahead) + size + len(mac)
        # Joined once, since the content may be large; the tag stands behind it, apart.
        return b"".join(
            (
                der.head(der.SEQUENCE, whole + _TAG_SIZE),
                _AUTH_ENVELOPED,
                outer,
                inner,
                ahead,
                memoryview(sealed)[:size],
                mac,
                memoryview(sealed)[size:],
            )
        )

    def _wrapped(self, key: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPublicKey):
            encrypted = der.tlv(der.OCTET_STRING, self._key.encrypt(key, _OAEP_PADDING))
            return der.sequence(der.integer(0), self._identifier, _OAEP, encrypted)
        once = ec.generate_private_key(self._key.curve)
        wrapped = aes_key_wrap(_agreed(once, self._key), key)
        point = once.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        originator = der.tlv(0xA1, _EC_KEY, der.tlv(der.BIT_STRING, b"\0", point))
        return der.tlv(
            0xA1,
            der.integer(3),
            der.tlv(0xA0, originator),
            _STD_DH_SHA_256,
            der.sequence(der.sequence(self._identifier, der.tlv(der.OCTET_STRING, wrapped))),
        )


def open_envelope(data: bytes, key_pem: bytes) -> bytes:
    """The content of an envelope of this module.

    Raises DataLoss (NOT_AN_ENVELOPE, ENVELOPE_CHANGED) and PermissionDenied (NOT_FOR_THIS_KEY).
    """
    key = serialization.load_pem_private_key(key_pem, None)
    try:
        recipient, nonce, encrypted, tag = _parts(memoryview(data))
        content_key = _unwrapped(recipient, key)
    except (ValueError, IndexError):
        raise DataLoss(
            "the file is not an envelope of this exchange: download it again",
            reason="NOT_AN_ENVELOPE",
            message_zh="文件不是本平台的加密信封：请重新下载",
        ) from None
    try:
        return AESGCM(content_key).decrypt(bytes(nonce), b"".join((encrypted, tag)), None)
    except InvalidTag:
        raise DataLoss(
            "the file was changed on its way: download it again",
            reason="ENVELOPE_CHANGED",
            message_zh="文件在传输或存储中被改动：请重新下载",
        ) from None


def _parts(data: memoryview) -> tuple[memoryview, memoryview, memoryview, memoryview]:
    """Recipient, nonce, encrypted content and tag. Raises ValueError, IndexError."""
    _, content, rest = der.read(data)
    if rest:
        raise ValueError("something follows")
    (_, kind), (_, inner) = der.elements(content)
    if der.tlv(der.OID, bytes(kind)) != _AUTH_ENVELOPED:
        raise ValueError("another content")
    _, enveloped, _ = der.read(inner)
    _, (_, recipients), (_, content_info), (_, tag) = der.elements(enveloped)
    _, (_, algorithm), (_, encrypted) = der.elements(content_info)
    (_, cipher), (_, parameters) = der.elements(algorithm)
    (_, nonce), _ = der.elements(parameters)
    if der.tlv(der.OID, bytes(cipher)) != _AES_256_GCM or len(tag) != _TAG_SIZE:
        raise ValueError("another cipher")
    return recipients, nonce, encrypted, tag


def _unwrapped(recipients: memoryview, key: object) -> bytes:
    tag, recipient, rest = der.read(recipients)
    if rest:
        raise ValueError("several recipients")
    try:
        if tag == der.SEQUENCE and isinstance(key, rsa.RSAPrivateKey):
            *_, (_, encrypted) = der.elements(recipient)
            return key.decrypt(bytes(encrypted), _OAEP_PADDING)
        if tag == 0xA1 and isinstance(key, ec.EllipticCurvePrivateKey):
            _, (_, originator), _, (_, keys) = der.elements(recipient)
            _, (_, point) = der.elements(der.read(originator)[1])
            once = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, bytes(point)[1:])
            _, (_, wrapped) = der.elements(der.read(keys)[1])
            return aes_key_unwrap(_agreed(key, once), bytes(wrapped))
    except (InvalidUnwrap, ValueError):
        pass
    raise PermissionDenied(
        "this key does not open the file: use that of the certificate that it was asked for with",
        reason="NOT_FOR_THIS_KEY",
        message_zh="该私钥打不开此文件：请使用申请导出时所用证书的私钥",
    )


def _agreed(mine: ec.EllipticCurvePrivateKey, theirs: ec.EllipticCurvePublicKey) -> bytes:
    shared = mine.exchange(ec.ECDH(), theirs)
    return X963KDF(hashes.SHA256(), _KEY_SIZE, _SHARED_INFO).derive(shared)


def _may_encrypt(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    rsa_key = isinstance(certificate.public_key(), rsa.RSAPublicKey)
    return usage.key_encipherment if rsa_key else usage.key_agreement


def _unusable(why: str, why_zh: str) -> InvalidArgument:
    return InvalidArgument(
        f"a file cannot be encrypted for this certificate: {why}",
        reason="CERTIFICATE_NOT_USABLE",
        message_zh=f"无法为该证书加密文件：{why_zh}",
    )
