"""The signature suites: what may sign a seal, a document, a certificate.

Invariants:

1. A suite is one object of this registry, found by its name, by its signature OID or by its keys'
   algorithm. Adding one touches this file only: one more `register` at its end, and key files,
   certificates, chains and lists of that suite work; so do PDFs and keys in devices, where the
   suite says how.
2. A public key is DER SubjectPublicKeyInfo (RFC 5280 §4.1) in its one canonical encoding; on a
   curve it is the uncompressed point. Parsed keys are kept (bounded): each is parsed once.
3. A signature has one encoding: DER SEQ{r, s} with 0 < r, s < n for the curves, as many octets as
   the modulus for RSA, 64 octets for Ed25519. Anything else (raw r||s, BER, trailing bytes, out of
   range) is a bad signature, never an exception.
4. SM2 (GB/T 32918) hashes Z(id, key) || message with SM3; the id is the standard's default
   `1234567812345678` (GB/T 35276 §10). It runs in the system's OpenSSL 3 libcrypto, which the
   distribution patches, and which works without the interpreter lock. The others run in
   `cryptography`.

5. Certificates and what their issuers sign are judged with more than we sign with: RSA with longer
   digests, and a curve with another's digest (`can_verify`, `verify`).

Where each may be used: SES seals and OFD, SM2; PDF, P-256, P-384, RSA, and Ed25519 (ISO/TS 32002);
certificates and revocation lists, all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from runtime.errors import InvalidArgument
from seal import der, libcrypto
from seal.libcrypto import SM2_DEFAULT_ID as SM2_DEFAULT_ID

SM3_OID = "1.2.156.10197.1.401"
SHA256_OID = "2.16.840.1.101.3.4.2.1"
SHA384_OID = "2.16.840.1.101.3.4.2.2"
SHA512_OID = "2.16.840.1.101.3.4.2.3"
SM2_SM3_OID = "1.2.156.10197.1.501"
SM2_CURVE_OID = "1.2.156.10197.1.301"
ECDSA_SHA256_OID = "1.2.840.10045.4.3.2"
ECDSA_SHA384_OID = "1.2.840.10045.4.3.3"
P384_CURVE_OID = "1.3.132.0.34"
P256_CURVE_OID = "1.2.840.10045.3.1.7"
RSA_SHA256_OID = "1.2.840.113549.1.1.11"
RSA_SHA384_OID = "1.2.840.113549.1.1.12"
RSA_SHA512_OID = "1.2.840.113549.1.1.13"
ED25519_OID = "1.3.101.112"
_EC_KEY_OID = "1.2.840.10045.2.1"
_RSA_KEY_OID = "1.2.840.113549.1.1.1"

SM2 = "sm2-sm3"
P256 = "ecdsa-p256-sha256"
P384 = "ecdsa-p384-sha384"
RSA = "rsa-pkcs1-sha256"
ED25519 = "ed25519"

_SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_SM2_OCTETS = 32
# a, b and the base point of sm2p256v1 (GB/T 32918.5), as Z hashes them.
_SM2_PARAMETERS = bytes.fromhex(
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"
)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
    "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    16,
)
# NIST SP 800-57 part 1: 3072 bits are worth the 128 of the curves. Verified from 2048 on (those
# of time-stamp authorities today) up to what costs no more than a millisecond.
_RSA_BITS = 3072
_RSA_VERIFIED_BITS = range(2048, 8193)
_RSA_LARGEST_EXPONENT = 2**32
_KEPT_PUBLIC_KEYS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSigning:
    """How a device signs (PKCS#11 v3.1 §6): the mechanism's name there, without CKM_.

    With `over_digest` it takes the digest of the message and gives r || s, as ECDSA does (§6.3.12);
    else it takes the message and gives the signature as it stands.
    """

    mechanism: str
    over_digest: bool = False


class PrivateKey(Protocol):
    """An opaque private key of one suite; only that suite can use it."""

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        ...


class Suite(Protocol):
    """One signature algorithm with its digest and its kind of key."""

    @property
    def name(self) -> str:
        """The word used in configuration."""
        ...

    @property
    def signature_oid(self) -> str:
        """The signature algorithm's OID."""
        ...

    @property
    def signature_algorithm(self) -> bytes:
        """DER AlgorithmIdentifier of its signatures, with the parameters its standard asks for."""
        ...

    @property
    def key_algorithm(self) -> bytes:
        """DER AlgorithmIdentifier of its keys, as in SubjectPublicKeyInfo and in PKCS#8."""
        ...

    @property
    def digest_name(self) -> str:
        """`sm3`, `sha256` or `sha512`: the digest that goes with it in CMS."""
        ...

    @property
    def digest_algorithm(self) -> bytes:
        """DER AlgorithmIdentifier of that digest, as CMS has it beside this suite."""
        ...

    @property
    def signs_pdf(self) -> bool:
        """Whether PDF readers know it."""
        ...

    @property
    def device_signing(self) -> DeviceSigning | None:
        """How a PKCS#11 device signs with its keys; None where the standard has no way."""
        ...

    def longest_signature(self, public_key: bytes) -> int:
        """Octets that a signature by that key (SubjectPublicKeyInfo) has at most."""
        ...

    def generate(self) -> PrivateKey:
        """A new key from the library's random generator."""
        ...

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        """Read an unencrypted PKCS#8 PrivateKeyInfo; `InvalidArgument` if it is not ours."""
        ...

    def dump_private(self, key: PrivateKey) -> bytes:
        """PKCS#8 PrivateKeyInfo, for `seal.keys.signers` to encrypt; nobody else calls this."""
        ...

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        """The signature over the message (not over its digest), as X.509 and CMS carry it."""
        ...

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature is good; a malformed key or signature is simply not good."""
        ...


# --- the encoding of a signature on a curve --------------------------------------------------


def _longest_pair(order: int) -> int:
    """Octets of the longest DER SEQ{r, s}: two integers, each with a sign octet, and headers."""
    number = order.bit_length() // 8 + 1
    return 2 * (number + 2) + (2 if 2 * (number + 2) < 128 else 3)


def _is_canonical(signature: bytes, order: int) -> bool:
    """Whether this is the one DER encoding of SEQ{r, s} with both in [1, n-1]."""
    size = len(signature)
    longest = order.bit_length() // 8 + 1
    if not 8 <= size <= 2 * longest + 6 or signature[0] != 0x30 or signature[1] != size - 2:
        return False
    at = 2
    for _ in range(2):
        if at + 2 > size or signature[at] != 0x02:
            return False
        length = signature[at + 1]
        value = signature[at + 2 : at + 2 + length]
        if not 1 <= length <= longest or len(value) != length or value[0] & 0x80:
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
    signature_algorithm = der.sequence(der.oid(SM2_SM3_OID))
    key_algorithm = der.sequence(der.oid(_EC_KEY_OID), der.oid(SM2_CURVE_OID))
    digest_name = "sm3"
    digest_algorithm = der.sequence(der.oid(SM3_OID))
    signs_pdf = False
    device_signing = None  # a maker's own mechanism is named in the key's address

    def longest_signature(self, public_key: bytes) -> int:
        del public_key
        return _longest_pair(_SM2_ORDER)

    def generate(self) -> PrivateKey:
        return libcrypto.generate()

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        key = libcrypto.load_private(pkcs8)
        if key is None or len(key.public_key) != libcrypto.PUBLIC_KEY_SIZE:
            raise _not_a_key(self.name)
        return key

    def dump_private(self, key: PrivateKey) -> bytes:
        return libcrypto.dump_private(_own(key, libcrypto.Key))

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        return libcrypto.sign(_own(key, libcrypto.Key), message)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        if not _is_canonical(signature, _SM2_ORDER):
            return False
        key = libcrypto.public_key(public_key)
        return key is not None and libcrypto.verify(key, message, signature)


def sm2_digest(public_key: bytes, message: bytes) -> bytes:
    """SM3(Z || M) (GB/T 32918.2 §5.5, §6.1), for a device that signs digests; else not needed."""
    bits = len(SM2_DEFAULT_ID) * 8
    identity = bits.to_bytes(2, "big") + SM2_DEFAULT_ID + _SM2_PARAMETERS + public_key[-64:]
    return digest("sm3", digest("sm3", identity) + message)


def sm2_value(signature: bytes) -> bytes:
    """The DER of a signature that is r and s side by side, 32 octets each; any other as it is.

    Some makers write that, where GB/T 35276 §7.3 has SEQ{r, s}. It has one meaning: whoever reads
    it says that it does not conform. No other signature is made of it, and `verify` takes DER only.
    """
    if len(signature) != 2 * _SM2_OCTETS or signature[:2] == b"\x30\x3e":
        return signature
    r, s = signature[:_SM2_OCTETS], signature[_SM2_OCTETS:]
    return der.sequence(*(der.integer(int.from_bytes(one, "big")) for one in (r, s)))


# --- the suites of `cryptography` ------------------------------------------------------------


class _LibraryKey:
    """A private key of `cryptography`."""

    __slots__ = ("private", "public_key")

    def __init__(self, private: Any) -> None:
        self.private = private
        self.public_key = _encoded(private.public_key())

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a private key is not copied")


def _encoded(public: Any) -> bytes:
    encoded: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


@lru_cache(maxsize=_KEPT_PUBLIC_KEYS)
def _public(encoded: bytes) -> Any:
    """The parsed public key; None when it is none, or spelled in another than the one way."""
    try:
        public = serialization.load_der_public_key(encoded)
        return public if _encoded(public) == encoded else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


class _LibrarySuite:
    """What the suites of `cryptography` have in common."""

    name: str
    signature_oid: str
    signature_algorithm: bytes
    key_algorithm: bytes
    digest_name: str
    digest_algorithm: bytes
    device_signing: DeviceSigning | None
    signs_pdf = True
    _generate: Callable[[], Any]

    def generate(self) -> PrivateKey:
        return _LibraryKey(self._generate())

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        try:
            key = serialization.load_der_private_key(pkcs8, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _not_a_key(self.name) from None
        if not self._takes(key.public_key()):
            raise _not_a_key(self.name)
        return _LibraryKey(key)

    def dump_private(self, key: PrivateKey) -> bytes:
        encoded: bytes = self._private(key).private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return encoded

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        signature: bytes = self._private(key).sign(message, *self._how())
        return signature

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        public = _public(public_key)
        if not self._takes(public) or not self._is_well_formed(signature):
            return False
        try:
            public.verify(signature, message, *self._how())
        except InvalidSignature:
            return False
        return True

    def _private(self, key: PrivateKey) -> Any:
        private = _own(key, _LibraryKey).private
        if not self._takes(private.public_key()):
            raise TypeError("the key belongs to another suite")
        return private

    def _takes(self, public: Any) -> bool:
        """Whether this is a public key of the suite."""
        raise NotImplementedError

    def _how(self) -> tuple[Any, ...]:
        """The arguments of the library's `sign` and `verify` after the message."""
        return ()

    def _is_well_formed(self, signature: bytes) -> bool:
        """Whether the encoding is the one allowed, where the library itself is lenient."""
        del signature
        return True


def _digest_algorithm(name: str) -> bytes:
    """With NULL, which readers of any age take (RFC 5754 §2)."""
    oids = {"sha256": SHA256_OID, "sha384": SHA384_OID, "sha512": SHA512_OID}
    return der.sequence(der.oid(oids[name]), der.tlv(der.NULL, b""))


class EcdsaSuite(_LibrarySuite):
    """ECDSA over a named curve (FIPS 186-5); its parameters are absent (RFC 5758 §3.2)."""

    def __init__(
        self,
        name: str,
        *,
        signature_oid: str,
        curve_oid: str,
        curve: ec.EllipticCurve,
        order: int,
        digest: hashes.HashAlgorithm,
    ) -> None:
        self.name = name
        self.signature_oid = signature_oid
        self.signature_algorithm = der.sequence(der.oid(signature_oid))
        self.key_algorithm = der.sequence(der.oid(_EC_KEY_OID), der.oid(curve_oid))
        self.digest_name = digest.name
        self.digest_algorithm = _digest_algorithm(digest.name)
        self.device_signing = DeviceSigning(mechanism="ECDSA", over_digest=True)
        self._curve_oid = curve_oid
        self._curve = curve
        self._order = order
        self._digest = digest
        self._algorithm = ec.ECDSA(digest)
        self._generate = lambda: ec.generate_private_key(curve)

    def with_digest_of(self, other: EcdsaSuite) -> EcdsaSuite:
        """This curve with the other's digest (RFC 5480 §4 leaves the choice to who signs)."""
        return EcdsaSuite(
            self.name,
            signature_oid=other.signature_oid,
            curve_oid=self._curve_oid,
            curve=self._curve,
            order=self._order,
            digest=other._digest,
        )

    def _takes(self, public: Any) -> bool:
        return (
            isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name == self._curve.name
        )

    def longest_signature(self, public_key: bytes) -> int:
        """Both numbers at their longest."""
        del public_key
        return _longest_pair(self._order)

    def _how(self) -> tuple[Any, ...]:
        return (self._algorithm,)

    def _is_well_formed(self, signature: bytes) -> bool:
        return _is_canonical(signature, self._order)


class RsaSuite(_LibrarySuite):
    """RSA with the padding of PKCS#1 v1.5 (RFC 8017 §8.2), which every reader knows."""

    def __init__(self, name: str, *, signature_oid: str, digest: hashes.HashAlgorithm) -> None:
        null = der.tlv(der.NULL, b"")  # RFC 4055 §5: the parameters are NULL, not absent
        self.name = name
        self.signature_oid = signature_oid
        self.signature_algorithm = der.sequence(der.oid(signature_oid), null)
        self.key_algorithm = der.sequence(der.oid(_RSA_KEY_OID), null)
        self.digest_name = digest.name
        self.digest_algorithm = _digest_algorithm(digest.name)
        self.device_signing = DeviceSigning(mechanism=f"{digest.name.upper()}_RSA_PKCS")
        self._digest = digest
        self._generate = lambda: rsa.generate_private_key(65537, _RSA_BITS)

    def _takes(self, public: Any) -> bool:
        return (
            isinstance(public, rsa.RSAPublicKey)
            and public.key_size in _RSA_VERIFIED_BITS
            and public.public_numbers().e < _RSA_LARGEST_EXPONENT
        )

    def longest_signature(self, public_key: bytes) -> int:
        """More than the modulus, which is in there."""
        return len(public_key)

    def _how(self) -> tuple[Any, ...]:
        return padding.PKCS1v15(), self._digest


class _Ed25519Suite(_LibrarySuite):
    """PureEdDSA on Curve25519 (RFC 8032, RFC 8410); in CMS it goes with SHA-512 (RFC 8419)."""

    name = ED25519
    signature_oid = ED25519_OID
    signature_algorithm = key_algorithm = der.sequence(der.oid(ED25519_OID))
    digest_name = "sha512"
    digest_algorithm = der.sequence(der.oid(SHA512_OID))  # RFC 8419 §3.1: without parameters
    device_signing = DeviceSigning(mechanism="EDDSA")
    _generate = staticmethod(ed25519.Ed25519PrivateKey.generate)

    def longest_signature(self, public_key: bytes) -> int:
        del public_key
        return 64

    def _takes(self, public: Any) -> bool:
        return isinstance(public, ed25519.Ed25519PublicKey)


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


_BY_WORD: dict[str, Suite] = {}
_BY_KEY: dict[bytes, Suite] = {}
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "sm3": hashes.SM3(),
    SM3_OID: hashes.SM3(),
    "sha256": hashes.SHA256(),
    SHA256_OID: hashes.SHA256(),
    "sha384": hashes.SHA384(),
    SHA384_OID: hashes.SHA384(),
    "sha512": hashes.SHA512(),
    SHA512_OID: hashes.SHA512(),
}


def register(one: Suite) -> None:
    """Add a suite. Of several with one kind of key the first is what its key files open as."""
    if not _BY_WORD.keys().isdisjoint((one.name, one.signature_oid)):
        raise ValueError(f"there is a suite {one.name} or {one.signature_oid}")
    _BY_WORD[one.name] = _BY_WORD[one.signature_oid] = one
    _BY_KEY.setdefault(one.key_algorithm, one)


def register_judged(one: Suite) -> None:
    """Add what certificates may be signed with, and nothing of ours: it is found by its OID."""
    if one.signature_oid in _BY_WORD:
        raise ValueError(f"there is a suite {one.signature_oid}")
    _BY_WORD[one.signature_oid] = one


def suite(name_or_oid: str) -> Suite:
    """The suite of that name or signature OID. Raises `InvalidArgument` (`UNKNOWN_SUITE`)."""
    try:
        return _BY_WORD[name_or_oid]
    except KeyError:
        raise _unknown("signature suite", "签名算法", name_or_oid) from None


def suite_of_key(key_algorithm: bytes) -> Suite:
    """The suite that signs with keys of that AlgorithmIdentifier (DER).

    Raises `InvalidArgument` (`UNKNOWN_SUITE`).
    """
    try:
        return _BY_KEY[key_algorithm]
    except KeyError:
        raise _unknown("kind of key", "密钥类型", key_algorithm.hex()) from None


def suite_names() -> tuple[str, ...]:
    """The names one may configure."""
    return tuple(word for word, one in _BY_WORD.items() if word == one.name)


def can_verify(signature_oid: str, holder: str) -> bool:
    """Whether signatures of that OID by keys of the suite `holder` can be judged at all."""
    return signature_oid in _BY_WORD and holder in _BY_WORD


def verify(
    signature_oid: str, holder: str, public_key: bytes, message: bytes, signature: bytes
) -> bool:
    """Whether a key of the suite `holder` made this signature, by the algorithm of that OID."""
    chosen = _verifying(signature_oid, holder)
    return chosen is not None and chosen.verify(public_key, message, signature)


@lru_cache(maxsize=64)
def _verifying(signature_oid: str, holder: str) -> Suite | None:
    """What judges such a signature; None where no key of that kind makes one."""
    if not can_verify(signature_oid, holder):
        return None
    chosen, keys = _BY_WORD[signature_oid], _BY_WORD[holder]
    if chosen.key_algorithm == keys.key_algorithm:
        return chosen
    if isinstance(chosen, EcdsaSuite) and isinstance(keys, EcdsaSuite):
        return keys.with_digest_of(chosen)
    return None


def digest(name_or_oid: str, data: bytes) -> bytes:
    """SM3, SHA-256, SHA-384 or SHA-512 of the data. Raises `InvalidArgument` (`UNKNOWN_SUITE`)."""
    return digest_pieces(name_or_oid, (data,))


def digest_pieces(name_or_oid: str, pieces: Iterable[bytes]) -> bytes:
    """`digest` of bytes that come a piece at a time."""
    try:
        algorithm = _DIGESTS[name_or_oid]
    except KeyError:
        raise _unknown("digest", "杂凑算法", name_or_oid) from None
    hasher = hashes.Hash(algorithm)
    for piece in pieces:
        hasher.update(piece)
    return hasher.finalize()


def _unknown(what: str, what_zh: str, word: str) -> InvalidArgument:
    shown = word[:64]
    return InvalidArgument(
        f"The {what} {shown!r} is not supported; known: {', '.join(suite_names())}, sm3, sha256.",
        reason="UNKNOWN_SUITE",
        message_zh=f"不支持的{what_zh}：{shown}。",
    )


register(_Sm2Suite())
register(
    EcdsaSuite(
        P256,
        signature_oid=ECDSA_SHA256_OID,
        curve_oid=P256_CURVE_OID,
        curve=ec.SECP256R1(),
        order=_P256_ORDER,
        digest=hashes.SHA256(),
    )
)
register(
    EcdsaSuite(
        P384,
        signature_oid=ECDSA_SHA384_OID,
        curve_oid=P384_CURVE_OID,
        curve=ec.SECP384R1(),
        order=_P384_ORDER,
        digest=hashes.SHA384(),
    )
)
register(RsaSuite(RSA, signature_oid=RSA_SHA256_OID, digest=hashes.SHA256()))
register(_Ed25519Suite())
register_judged(RsaSuite("rsa-pkcs1-sha384", signature_oid=RSA_SHA384_OID, digest=hashes.SHA384()))
register_judged(RsaSuite("rsa-pkcs1-sha512", signature_oid=RSA_SHA512_OID, digest=hashes.SHA512()))
