"""The signature suites: what may sign a seal, a document, a certificate.

Invariants:

1. A suite is one object of this registry, found by name or by signature OID; adding one touches
   this file only.
2. A signature is DER SEQ{r, s} with 0 < r, s < n, in the one canonical encoding. Anything else
   (raw r||s, BER, trailing bytes, out of range) is a bad signature, never an exception.
3. A public key is the uncompressed point 04||x||y (65 octets) and lies on the suite's curve.
4. SM2 (GB/T 32918) hashes Z(id, key) || message with SM3; the id is the standard's default
   `1234567812345678` (GB/T 35276 §10). It runs in the system's OpenSSL 3 libcrypto, which the
   distribution patches, and which works without the interpreter lock. Parsed public keys are kept
   (bounded), so a certificate's key is parsed once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.errors import InvalidArgument
from seal import libcrypto
from seal.libcrypto import POINT_SIZE
from seal.libcrypto import SM2_DEFAULT_ID as SM2_DEFAULT_ID

SM3_OID = "1.2.156.10197.1.401"
SHA256_OID = "2.16.840.1.101.3.4.2.1"
SM2_SM3_OID = "1.2.156.10197.1.501"
SM2_CURVE_OID = "1.2.156.10197.1.301"
ECDSA_SHA256_OID = "1.2.840.10045.4.3.2"
P256_CURVE_OID = "1.2.840.10045.3.1.7"

SM2 = "sm2-sm3"
P256 = "ecdsa-p256-sha256"

_SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEPT_PUBLIC_KEYS = 1024


class PrivateKey(Protocol):
    """An opaque private key of one suite; only that suite can use it."""

    @property
    def public_point(self) -> bytes:
        """04||x||y, 65 octets."""
        ...


class Suite(Protocol):
    """One signature algorithm with its digest and its curve."""

    @property
    def name(self) -> str:
        """The word used in configuration."""
        ...

    @property
    def signature_oid(self) -> str:
        """The signature algorithm's OID."""
        ...

    @property
    def curve_oid(self) -> str:
        """The named curve's OID."""
        ...

    @property
    def digest_name(self) -> str:
        """`sm3` or `sha256`: the digest that goes with it."""
        ...

    def generate(self) -> PrivateKey:
        """A new key from the library's random generator."""
        ...

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        """Read an unencrypted PKCS#8 PrivateKeyInfo; `InvalidArgument` if it is not ours."""
        ...

    def dump_private(self, key: PrivateKey) -> bytes:
        """PKCS#8 PrivateKeyInfo, for `seal.keys` to encrypt at once; nobody else calls this."""
        ...

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        """DER SEQ{r, s} over the message (not over its digest)."""
        ...

    def verify(self, public_point: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good; a malformed key or signature is simply not good."""
        ...


# --- the encoding of a signature -------------------------------------------------------------


def _is_canonical(signature: bytes, order: int) -> bool:
    """Whether this is the one DER encoding of SEQ{r, s} with both in [1, n-1]."""
    size = len(signature)
    if not 8 <= size <= 72 or signature[0] != 0x30 or signature[1] != size - 2:
        return False
    at = 2
    for _ in range(2):
        if at + 2 > size or signature[at] != 0x02:
            return False
        length = signature[at + 1]
        value = signature[at + 2 : at + 2 + length]
        if not 1 <= length <= 33 or len(value) != length or value[0] & 0x80:
            return False
        if length > 1 and value[0] == 0 and value[1] < 0x80:
            return False
        if not 0 < int.from_bytes(value, "big") < order:
            return False
        at += 2 + length
    return at == size


# --- SM2 -------------------------------------------------------------------------------------


class _Sm2Suite:
    """SM2 with SM3 (GB/T 32918.2), by the system's libcrypto."""

    name = SM2
    signature_oid = SM2_SM3_OID
    curve_oid = SM2_CURVE_OID
    digest_name = "sm3"

    def generate(self) -> PrivateKey:
        return libcrypto.generate()

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        key = libcrypto.load_private(pkcs8)
        if key is None or len(key.public_point) != POINT_SIZE:
            raise _not_a_key(self.name)
        return key

    def dump_private(self, key: PrivateKey) -> bytes:
        return libcrypto.dump_private(_own(key, libcrypto.Key))

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        return libcrypto.sign(_own(key, libcrypto.Key), message)

    def verify(self, public_point: bytes, message: bytes, signature: bytes) -> bool:
        if not _is_canonical(signature, _SM2_ORDER):
            return False
        key = libcrypto.public_key(public_point)
        return key is not None and libcrypto.verify(key, message, signature)


# --- P-256 -----------------------------------------------------------------------------------


class _P256Key:
    """A P-256 key of `cryptography`."""

    __slots__ = ("private", "public_point")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self.private = private
        self.public_point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a private key is not copied")


@lru_cache(maxsize=_KEPT_PUBLIC_KEYS)
def _p256_public(point: bytes) -> ec.EllipticCurvePublicKey | None:
    if len(point) != POINT_SIZE or point[0] != 0x04:
        return None
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return None


class _P256Suite:
    """ECDSA over P-256 with SHA-256 (FIPS 186-5), by `cryptography`."""

    name = P256
    signature_oid = ECDSA_SHA256_OID
    curve_oid = P256_CURVE_OID
    digest_name = "sha256"

    def generate(self) -> PrivateKey:
        return _P256Key(ec.generate_private_key(ec.SECP256R1()))

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        try:
            key = serialization.load_der_private_key(pkcs8, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise _not_a_key(self.name)
        return _P256Key(key)

    def dump_private(self, key: PrivateKey) -> bytes:
        return _own(key, _P256Key).private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        return _own(key, _P256Key).private.sign(message, ec.ECDSA(hashes.SHA256()))

    def verify(self, public_point: bytes, message: bytes, signature: bytes) -> bool:
        public = _p256_public(public_point)
        if public is None or not _is_canonical(signature, _P256_ORDER):
            return False
        try:
            public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


# --- the registry ----------------------------------------------------------------------------


_KeyT = TypeVar("_KeyT")


def _own(key: PrivateKey, kind: type[_KeyT]) -> _KeyT:
    """The key as this suite's own kind; a key of another suite is a programming error."""
    if not isinstance(key, kind):
        raise TypeError("the key belongs to another suite")
    return key


def _not_a_key(name: str) -> InvalidArgument:
    return InvalidArgument(
        f"This is not a private key for {name}.",
        reason="NOT_A_PRIVATE_KEY",
        message_zh=f"这不是 {name} 的私钥。",
    )


_SUITES: tuple[Suite, ...] = (_Sm2Suite(), _P256Suite())
_BY_WORD = {word: one for one in _SUITES for word in (one.name, one.signature_oid)}
_BY_CURVE = {one.curve_oid: one for one in _SUITES}
_DIGESTS: dict[str, type[hashes.SM3 | hashes.SHA256]] = {
    "sm3": hashes.SM3,
    SM3_OID: hashes.SM3,
    "sha256": hashes.SHA256,
    SHA256_OID: hashes.SHA256,
}


def suite(name_or_oid: str) -> Suite:
    """The suite of that name or signature OID. Raises `InvalidArgument` (`UNKNOWN_SUITE`)."""
    try:
        return _BY_WORD[name_or_oid]
    except KeyError:
        raise _unknown("signature suite", "签名算法", name_or_oid) from None


def suite_of_curve(curve_oid: str) -> Suite:
    """The suite that signs with keys on that curve. Raises `InvalidArgument` (`UNKNOWN_SUITE`)."""
    try:
        return _BY_CURVE[curve_oid]
    except KeyError:
        raise _unknown("curve", "曲线", curve_oid) from None


def suite_names() -> tuple[str, ...]:
    """The names one may configure."""
    return tuple(one.name for one in _SUITES)


def digest(name_or_oid: str, data: bytes) -> bytes:
    """SM3 or SHA-256 of the data, 32 octets. Raises `InvalidArgument` (`UNKNOWN_SUITE`)."""
    try:
        algorithm = _DIGESTS[name_or_oid]
    except KeyError:
        raise _unknown("digest", "杂凑算法", name_or_oid) from None
    hasher = hashes.Hash(algorithm())
    hasher.update(data)
    return hasher.finalize()


def _unknown(what: str, what_zh: str, word: str) -> InvalidArgument:
    shown = word[:64]
    return InvalidArgument(
        f"The {what} {shown!r} is not supported; known: {', '.join(suite_names())}, sm3, sha256.",
        reason="UNKNOWN_SUITE",
        message_zh=f"不支持的{what_zh}：{shown}。",
    )
