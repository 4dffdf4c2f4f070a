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

import ctypes
import ctypes.util
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

SM3_OID = "1.2.156.10197.1.401"
SHA256_OID = "2.16.840.1.101.3.4.2.1"
SM2_SM3_OID = "1.2.156.10197.1.501"
SM2_CURVE_OID = "1.2.156.10197.1.301"
ECDSA_SHA256_OID = "1.2.840.10045.4.3.2"
P256_CURVE_OID = "1.2.840.10045.3.1.7"
SM2_DEFAULT_ID = b"1234567812345678"

SM2 = "sm2-sm3"
P256 = "ecdsa-p256-sha256"

_SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# SubjectPublicKeyInfo{ ecPublicKey, sm2p256v1 } up to and with the BIT STRING's unused-bits octet.
_SM2_SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
_POINT_SIZE = 65
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


# --- libcrypto -------------------------------------------------------------------------------

_P = ctypes.c_void_p
_PP = ctypes.POINTER(ctypes.c_void_p)
_SIZE = ctypes.c_size_t
_SIZE_P = ctypes.POINTER(ctypes.c_size_t)
_STR = ctypes.c_char_p
_INT = ctypes.c_int

_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "OpenSSL_version_num": (ctypes.c_ulong, []),
    "ERR_clear_error": (None, []),
    "CRYPTO_free": (None, [_P, _STR, _INT]),
    "EVP_sm3": (_P, []),
    "EVP_PKEY_free": (None, [_P]),
    "EVP_PKEY_is_a": (_INT, [_P, _STR]),
    "EVP_PKEY_CTX_new": (_P, [_P, _P]),
    "EVP_PKEY_CTX_new_from_name": (_P, [_P, _STR, _STR]),
    "EVP_PKEY_CTX_free": (None, [_P]),
    "EVP_PKEY_CTX_set1_id": (_INT, [_P, _STR, _SIZE]),
    "EVP_PKEY_keygen_init": (_INT, [_P]),
    "EVP_PKEY_generate": (_INT, [_P, _PP]),
    "EVP_PKEY_get1_encoded_public_key": (_SIZE, [_P, _PP]),
    "EVP_PKEY2PKCS8": (_P, [_P]),
    "PKCS8_PRIV_KEY_INFO_free": (None, [_P]),
    "i2d_PKCS8_PRIV_KEY_INFO": (_INT, [_P, _PP]),
    "d2i_AutoPrivateKey": (_P, [_PP, ctypes.POINTER(_STR), ctypes.c_long]),
    "d2i_PUBKEY": (_P, [_PP, ctypes.POINTER(_STR), ctypes.c_long]),
    "EVP_MD_CTX_new": (_P, []),
    "EVP_MD_CTX_free": (None, [_P]),
    "EVP_MD_CTX_set_pkey_ctx": (None, [_P, _P]),
    "EVP_DigestSignInit": (_INT, [_P, _PP, _P, _P, _P]),
    "EVP_DigestSign": (_INT, [_P, _P, _SIZE_P, _STR, _SIZE]),
    "EVP_DigestVerifyInit": (_INT, [_P, _PP, _P, _P, _P]),
    "EVP_DigestVerify": (_INT, [_P, _STR, _SIZE, _STR, _SIZE]),
}

_load_lock = threading.Lock()
_loaded: ctypes.CDLL | None = None


def _candidates() -> Iterator[str]:
    """Where a libcrypto may be: the usual name, the linker's, then the one `ssl` is linked with."""
    yield "libcrypto.so.3"
    found = ctypes.util.find_library("crypto")
    if found:
        yield found
    try:
        import _ssl  # noqa: F401  (loads the interpreter's own libcrypto)

        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except (ImportError, OSError):
        return
    yield from sorted({line.split()[-1] for line in maps.splitlines() if "/libcrypto" in line})


def _bind(library: ctypes.CDLL) -> bool:
    """Declare the functions; False when this library is too old or has no SM2."""
    try:
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except AttributeError:
        return False
    if library.OpenSSL_version_num() < 0x30000000:
        return False
    context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
    library.EVP_PKEY_CTX_free(context)
    return bool(context)


def _libcrypto() -> ctypes.CDLL:
    """The system's OpenSSL 3, loaded once at first use. Raises `Unavailable` (`NO_SM2_LIBRARY`)."""
    global _loaded  # one library a process, loaded at first use: no I/O at import
    if _loaded is not None:
        return _loaded
    with _load_lock:
        if _loaded is None:
            for path in _candidates():
                try:
                    library = ctypes.CDLL(path)
                except OSError:
                    continue
                if _bind(library):
                    _loaded = library
                    break
            else:
                raise Unavailable(
                    "No OpenSSL 3 libcrypto with SM2 was found on this machine. Install it: "
                    "Debian/Ubuntu `apt install libssl3`, RHEL-like `dnf install openssl-libs`, "
                    "Alpine `apk add libcrypto3`.",
                    reason="NO_SM2_LIBRARY",
                    message_zh="本机没有支持 SM2 的 OpenSSL 3 libcrypto。请安装 libssl3"
                    "（Debian/Ubuntu）、openssl-libs（RHEL 系）或 libcrypto3（Alpine）。",
                )
    return _loaded


class _Handle:
    """An EVP_PKEY that lives as long as someone holds it; it cannot be copied or pickled."""

    __slots__ = ("_free", "pointer", "public_point")

    def __init__(self, pointer: int) -> None:
        library = _libcrypto()
        self.pointer = pointer
        self._free: Callable[[int], None] = library.EVP_PKEY_free
        self.public_point = _encoded_point(library, pointer)

    def __del__(self) -> None:
        self._free(self.pointer)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a private key is not copied")


def _encoded_point(library: ctypes.CDLL, pointer: int) -> bytes:
    buffer = ctypes.c_void_p()
    size = library.EVP_PKEY_get1_encoded_public_key(pointer, ctypes.byref(buffer))
    try:
        return ctypes.string_at(buffer.value, size) if buffer.value else b""
    finally:
        library.CRYPTO_free(buffer, b"", 0)


def _failed(library: ctypes.CDLL, doing: str) -> DomainError:
    """An error for what libcrypto refused and should not; its own texts may hold data."""
    library.ERR_clear_error()
    return FailedPrecondition(
        f"OpenSSL could not {doing}.",
        reason="CRYPTO_LIBRARY_FAILED",
        message_zh="密码库（OpenSSL）未能完成运算。",
    )


@contextmanager
def _message_context(library: ctypes.CDLL, key: _Handle) -> Iterator[int]:
    """An EVP_MD_CTX bound to the key with the signer's id set; both freed afterwards."""
    key_context = library.EVP_PKEY_CTX_new(key.pointer, None)
    context = library.EVP_MD_CTX_new()
    try:
        if not key_context or not context:
            raise _failed(library, "allocate a context")
        if library.EVP_PKEY_CTX_set1_id(key_context, SM2_DEFAULT_ID, len(SM2_DEFAULT_ID)) != 1:
            raise _failed(library, "set the SM2 signer id")
        library.EVP_MD_CTX_set_pkey_ctx(context, key_context)
        yield context
    finally:
        library.EVP_MD_CTX_free(context)
        # set_pkey_ctx leaves the key context ours to free.
        library.EVP_PKEY_CTX_free(key_context)


def _read_key(function: str, data: bytes) -> _Handle | None:
    """`d2i_*` one SM2 key, or None."""
    library = _libcrypto()
    start = ctypes.c_char_p(data)
    pointer = getattr(library, function)(None, ctypes.byref(start), len(data))
    if not pointer:
        library.ERR_clear_error()
        return None
    handle = _Handle(pointer)
    return handle if library.EVP_PKEY_is_a(pointer, b"SM2") == 1 else None


@lru_cache(maxsize=_KEPT_PUBLIC_KEYS)
def _sm2_public(point: bytes) -> _Handle | None:
    """The parsed key of a point; None when it is not a point of the curve."""
    if len(point) != _POINT_SIZE or point[0] != 0x04:
        return None
    return _read_key("d2i_PUBKEY", _SM2_SPKI_PREFIX + point)


class _Sm2Suite:
    """SM2 with SM3 (GB/T 32918.2), by libcrypto."""

    name = SM2
    signature_oid = SM2_SM3_OID
    curve_oid = SM2_CURVE_OID
    digest_name = "sm3"

    def generate(self) -> PrivateKey:
        library = _libcrypto()
        context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        pointer = ctypes.c_void_p()
        try:
            done = library.EVP_PKEY_keygen_init(context) == 1
            done = done and library.EVP_PKEY_generate(context, ctypes.byref(pointer)) == 1
        finally:
            library.EVP_PKEY_CTX_free(context)
        if not done or not pointer.value:
            raise _failed(library, "generate an SM2 key")
        return _Handle(pointer.value)

    def load_private(self, pkcs8: bytes) -> PrivateKey:
        handle = _read_key("d2i_AutoPrivateKey", pkcs8)
        if handle is None or len(handle.public_point) != _POINT_SIZE:
            raise _not_a_key(self.name)
        return handle

    def dump_private(self, key: PrivateKey) -> bytes:
        library = _libcrypto()
        info = library.EVP_PKEY2PKCS8(_own(key, _Handle).pointer)
        buffer = ctypes.c_void_p()
        size = library.i2d_PKCS8_PRIV_KEY_INFO(info, ctypes.byref(buffer)) if info else 0
        library.PKCS8_PRIV_KEY_INFO_free(info)
        if size <= 0 or buffer.value is None:
            raise _failed(library, "encode an SM2 key")
        encoded = ctypes.string_at(buffer.value, size)
        ctypes.memset(buffer.value, 0, size)
        library.CRYPTO_free(buffer, b"", 0)
        return encoded

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        library = _libcrypto()
        handle = _own(key, _Handle)
        with _message_context(library, handle) as context:
            digest = library.EVP_sm3()
            if library.EVP_DigestSignInit(context, None, digest, None, handle.pointer) != 1:
                raise _failed(library, "start an SM2 signature")
            out = ctypes.create_string_buffer(80)
            size = ctypes.c_size_t(80)
            done = library.EVP_DigestSign(context, out, ctypes.byref(size), message, len(message))
            if done != 1:
                raise _failed(library, "sign with SM2")
            return out.raw[: size.value]

    def verify(self, public_point: bytes, message: bytes, signature: bytes) -> bool:
        if not _is_canonical(signature, _SM2_ORDER):
            return False
        handle = _sm2_public(public_point)
        if handle is None:
            return False
        library = _libcrypto()
        with _message_context(library, handle) as context:
            digest = library.EVP_sm3()
            if library.EVP_DigestVerifyInit(context, None, digest, None, handle.pointer) != 1:
                raise _failed(library, "start an SM2 verification")
            good = library.EVP_DigestVerify(
                context, signature, len(signature), message, len(message)
            )
            if good != 1:
                library.ERR_clear_error()
            return bool(good == 1)


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
    if len(point) != _POINT_SIZE or point[0] != 0x04:
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
