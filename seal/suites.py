"""The signature suites: what may sign a seal, a document, a certificate.

Invariants:

1. A suite is one object of this registry, found by its name, by its signature OID or by its keys'
   algorithm. Adding one is one more `register` at this file's end (and its names, in
   `seal.suite_kinds`), and key files, certificates, chains and lists of that suite work; so do PDFs
   and keys in devices, where the suite says how.
2. A public key is DER SubjectPublicKeyInfo (RFC 5280 §4.1) in its one canonical encoding; on a
   curve it is the uncompressed point. Parsed keys are kept (bounded): each is parsed once.
3. A signature has one encoding: DER SEQ{r, s} with 0 < r, s < n for the curves, as many octets as
   the modulus for RSA, 64 octets for Ed25519. Anything else (raw r||s, BER, trailing bytes, out of
   range) is a bad signature, never an exception.
4. SM2 (GB/T 32918) hashes Z(id, key) || message with SM3; the id is the standard's default
   `1234567812345678` (GB/T 35276 §10). It runs in the system's OpenSSL 3 libcrypto, which the
   distribution patches, and which works without the interpreter lock. The others run in
   `cryptography` (`seal.other_suites`).
5. Certificates and what their issuers sign are judged with more than we sign with: RSA with longer
   digests, and a curve with another's digest (`can_verify`, `verify`).

Where each may be used: SES seals and OFD, SM2; PDF, P-256, P-384, RSA, and Ed25519 (ISO/TS 32002);
certificates and revocation lists, all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.errors import InvalidArgument
from seal import der, libcrypto
from seal.libcrypto import SM2_DEFAULT_ID as SM2_DEFAULT_ID
from seal.other_suites import EcdsaSuite as EcdsaSuite
from seal.other_suites import Ed25519Suite
from seal.other_suites import RsaSuite as RsaSuite
from seal.suite_kinds import EC_KEY_OID, is_canonical, longest_pair, not_a_key, own
from seal.suite_kinds import ECDSA_SHA256_OID as ECDSA_SHA256_OID
from seal.suite_kinds import ECDSA_SHA384_OID as ECDSA_SHA384_OID
from seal.suite_kinds import ED25519 as ED25519
from seal.suite_kinds import ED25519_OID as ED25519_OID
from seal.suite_kinds import P256 as P256
from seal.suite_kinds import P256_CURVE_OID as P256_CURVE_OID
from seal.suite_kinds import P384 as P384
from seal.suite_kinds import P384_CURVE_OID as P384_CURVE_OID
from seal.suite_kinds import RSA as RSA
from seal.suite_kinds import RSA_SHA256_OID as RSA_SHA256_OID
from seal.suite_kinds import RSA_SHA384_OID as RSA_SHA384_OID
from seal.suite_kinds import RSA_SHA512_OID as RSA_SHA512_OID
from seal.suite_kinds import SHA256_OID as SHA256_OID
from seal.suite_kinds import SHA384_OID as SHA384_OID
from seal.suite_kinds import SHA512_OID as SHA512_OID
from seal.suite_kinds import SM2 as SM2
from seal.suite_kinds import SM2_CURVE_OID as SM2_CURVE_OID
from seal.suite_kinds import SM2_SM3_OID as SM2_SM3_OID
from seal.suite_kinds import SM3_OID as SM3_OID
from seal.suite_kinds import DeviceSigning as DeviceSigning
from seal.suite_kinds import PrivateKey as PrivateKey
from seal.suite_kinds import Suite as Suite

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


# --- SM2 -------------------------------------------------------------------------------------


class _Sm2Suite:
    """SM2 with SM3 (GB/T 32918.2), by the system's libcrypto."""

    name = SM2
    signature_oid = SM2_SM3_OID
    signature_algorithm = der.sequence(der.oid(SM2_SM3_OID))
    key_algorithm = der.sequence(der.oid(EC_KEY_OID), der.oid(SM2_CURVE_OID))
    digest_name = "sm3"
    digest_algorithm = der.sequence(der.oid(SM3_OID))
    signs_pdf = False
    device_signing = None  # a maker's own mechanism is named in the key's address

    def longest_signature(self, public_key: bytes) -> int:
        del public_key
        return longest_pair(_SM2_ORDER)

    def generate(self) -> PrivateKey:
        return libcrypto.generate()

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        key = libcrypto.load_private(pkcs8)
        if key is None or len(key.public_key) != libcrypto.PUBLIC_KEY_SIZE:
            raise not_a_key(self.name)
        return key

    def dump_private(self, key: PrivateKey) -> bytes:
        return libcrypto.dump_private(own(key, libcrypto.Key))

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        return libcrypto.sign(own(key, libcrypto.Key), message)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        if not is_canonical(signature, _SM2_ORDER):
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


# --- the registry ----------------------------------------------------------------------------


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
    hasher = new_hash(name_or_oid)
    for piece in pieces:
        hasher.update(piece)
    return hasher.finalize()


def new_hash(name_or_oid: str) -> hashes.Hash:
    """What such a digest is made with, piece by piece. Raises as `digest`."""
    try:
        return hashes.Hash(_DIGESTS[name_or_oid])
    except KeyError:
        raise _unknown("digest", "杂凑算法", name_or_oid) from None


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
register(Ed25519Suite())
register_judged(RsaSuite("rsa-pkcs1-sha384", signature_oid=RSA_SHA384_OID, digest=hashes.SHA384()))
register_judged(RsaSuite("rsa-pkcs1-sha512", signature_oid=RSA_SHA512_OID, digest=hashes.SHA512()))
