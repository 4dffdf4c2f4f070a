"""The suites that run in `cryptography`: curves with ECDSA, RSA, and Ed25519.

1. A public key is DER SubjectPublicKeyInfo in its one canonical encoding (`spki_of`); parsed keys
   are kept, up to a bound.
2. Where the library is lenient about a signature's encoding, the suite is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from seal import der
from seal.suite_kinds import (
    EC_KEY_OID,
    ED25519,
    ED25519_OID,
    RSA_KEY_OID,
    SHA256_OID,
    SHA384_OID,
    SHA512_OID,
    DeviceSigning,
    PrivateKey,
    is_canonical,
    longest_pair,
    not_a_key,
    own,
)

# NIST SP 800-57 part 1: 3072 bits are worth the 128 of the curves. Verified from 2048 on (those
# of time-stamp authorities today) up to what costs no more than a millisecond.
_RSA_BITS = 3072
_RSA_VERIFIED_BITS = range(2048, 8193)
_RSA_LARGEST_EXPONENT = 2**32
_KEPT_PUBLIC_KEYS = 1024


class LibraryKey:
    """A private key of `cryptography`."""

    __slots__ = ("private", "public_key")

    def __init__(self, private: Any) -> None:
        self.private = private
        self.public_key = spki_of(private.public_key())

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a private key is not copied")


def spki_of(public: Any) -> bytes:
    """DER SubjectPublicKeyInfo of a parsed public key."""
    encoded: bytes = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


@lru_cache(maxsize=_KEPT_PUBLIC_KEYS)
def _public(encoded: bytes) -> Any:
    """The parsed public key; None when it is none, or spelled in another than the one way."""
    try:
        public = serialization.load_der_public_key(encoded)
        return public if spki_of(public) == encoded else None
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
        return LibraryKey(self._generate())

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        try:
            key = serialization.load_der_private_key(pkcs8, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise not_a_key(self.name) from None
        if not self._takes(key.public_key()):
            raise not_a_key(self.name)
        return LibraryKey(key)

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
        private = own(key, LibraryKey).private
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
        self.key_algorithm = der.sequence(der.oid(EC_KEY_OID), der.oid(curve_oid))
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
        return longest_pair(self._order)

    def _how(self) -> tuple[Any, ...]:
        return (self._algorithm,)

    def _is_well_formed(self, signature: bytes) -> bool:
        return is_canonical(signature, self._order)


class RsaSuite(_LibrarySuite):
    """RSA with the padding of PKCS#1 v1.5 (RFC 8017 §8.2), which every reader knows."""

    def __init__(self, name: str, *, signature_oid: str, digest: hashes.HashAlgorithm) -> None:
        null = der.tlv(der.NULL, b"")  # RFC 4055 §5: the parameters are NULL, not absent
        self.name = name
        self.signature_oid = signature_oid
        self.signature_algorithm = der.sequence(der.oid(signature_oid), null)
        self.key_algorithm = der.sequence(der.oid(RSA_KEY_OID), null)
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


class Ed25519Suite(_LibrarySuite):
    """PureEdDSA on Curve25519 (RFC 8032, RFC 8410); in CMS it goes with SHA-512 (RFC 8419)."""

    name = ED25519
    signature_oid = ED25519_OID
    signature_algorithm = key_algorithm = der.sequence(der.oid(ED25519_OID))
    digest_name = "sha512"
    digest_algorithm = der.sequence(der.oid(SHA512_OID))  # RFC 8419 §3.1: without parameters
    device_signing = DeviceSigning(mechanism="EDDSA")
    _generate = staticmethod(ed25519.Ed25519PrivateKey.generate)

    def longest_signature(self, public_key: bytes) -> int:
        """Two numbers of 32 octets."""
        del public_key
        return 64

    def _takes(self, public: Any) -> bool:
        return isinstance(public, ed25519.Ed25519PublicKey)
