"""What a signature suite is: its names, its keys, and the one encoding of a pair of numbers.

1. Names and identifiers stand here once; they are told apart by `seal.suites`.
2. A signature on a curve is DER SEQ{r, s} with 0 < r, s < n, in its one encoding (`is_canonical`).
3. A private key is opaque: only the suite that made it can use it (`own`).

Whoever uses suites imports `seal.suites`, which has all of this too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from runtime.errors import InvalidArgument

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
EC_KEY_OID = "1.2.840.10045.2.1"
RSA_KEY_OID = "1.2.840.113549.1.1.1"

SM2 = "sm2-sm3"
P256 = "ecdsa-p256-sha256"
P384 = "ecdsa-p384-sha384"
RSA = "rsa-pkcs1-sha256"
ED25519 = "ed25519"


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


def longest_pair(order: int) -> int:
    """Octets of the longest DER SEQ{r, s}: two integers, each with a sign octet, and headers."""
    number = order.bit_length() // 8 + 1
    return 2 * (number + 2) + (2 if 2 * (number + 2) < 128 else 3)


def is_canonical(signature: bytes, order: int) -> bool:
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


# --- private keys ----------------------------------------------------------------------------


_KeyT = TypeVar("_KeyT")


def own(key: PrivateKey, kind: type[_KeyT]) -> _KeyT:
    """The key as this suite's own kind; a key of another suite is a programming error."""
    if not isinstance(key, kind):
        raise TypeError("the key belongs to another suite")
    return key


def not_a_key(name: str) -> InvalidArgument:
    """The refusal of a file that holds no private key of that suite."""
    return InvalidArgument(
        f"This is not a private key for {name}.",
        reason="NOT_A_PRIVATE_KEY",
        message_zh=f"这不是 {name} 的私钥。",
    )
