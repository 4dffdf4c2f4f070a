"""SM2 in the system's OpenSSL 3 libcrypto, by ctypes.

Invariants:

1. The library is found at first use, not at import; one too old or without SM2 is passed over.
2. An EVP_PKEY lives exactly as long as the `Key` that holds it; private keys are never copied.
3. Every context is freed on every way out; the error queue is left empty.
4. Calls run without the interpreter lock; keys may be used by several threads at once.
5. OpenSSL's own error texts go nowhere: they may hold data.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from runtime.errors import DomainError, FailedPrecondition, Unavailable

SM2_DEFAULT_ID = b"1234567812345678"  # GB/T 35276 §10

# SubjectPublicKeyInfo{ ecPublicKey, sm2p256v1 } up to and with the BIT STRING's unused-bits octet.
_SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
PUBLIC_KEY_SIZE = len(_SPKI_PREFIX) + 65
_KEPT_PUBLIC_KEYS = 1024

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


class Key:
    """An EVP_PKEY that lives as long as someone holds it; it cannot be copied or pickled."""

    __slots__ = ("_free", "pointer", "public_key")

    def __init__(self, pointer: int) -> None:
        library = _libcrypto()
        self.pointer = pointer
        self._free: Callable[[int], None] = library.EVP_PKEY_free
        self.public_key = _SPKI_PREFIX + _encoded_point(library, pointer)

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
def _message_context(library: ctypes.CDLL, key: Key) -> Iterator[int]:
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


def _read_key(function: str, data: bytes) -> Key | None:
    """`d2i_*` one SM2 key, or None."""
    library = _libcrypto()
    start = ctypes.c_char_p(data)
    pointer = getattr(library, function)(None, ctypes.byref(start), len(data))
    if not pointer:
        library.ERR_clear_error()
        return None
    handle = Key(pointer)
    return handle if library.EVP_PKEY_is_a(pointer, b"SM2") == 1 else None


@lru_cache(maxsize=_KEPT_PUBLIC_KEYS)
def public_key(encoded: bytes) -> Key | None:
    """The parsed SubjectPublicKeyInfo; None when it is not the uncompressed point of the curve."""
    if len(encoded) != PUBLIC_KEY_SIZE or not encoded.startswith(_SPKI_PREFIX + b"\x04"):
        return None
    return _read_key("d2i_PUBKEY", encoded)


def generate() -> Key:
    """A new private key. Raises `Unavailable` (`NO_SM2_LIBRARY`) without a library."""
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
    return Key(pointer.value)


def load_private(pkcs8: bytes) -> Key | None:
    """The SM2 key in an unencrypted PKCS#8 PrivateKeyInfo, or None."""
    return _read_key("d2i_AutoPrivateKey", pkcs8)


def dump_private(key: Key) -> bytes:
    """PKCS#8 PrivateKeyInfo; the library's own copy of it is wiped."""
    library = _libcrypto()
    info = library.EVP_PKEY2PKCS8(key.pointer)
    buffer = ctypes.c_void_p()
    size = library.i2d_PKCS8_PRIV_KEY_INFO(info, ctypes.byref(buffer)) if info else 0
    library.PKCS8_PRIV_KEY_INFO_free(info)
    if size <= 0 or buffer.value is None:
        raise _failed(library, "encode an SM2 key")
    encoded = ctypes.string_at(buffer.value, size)
    ctypes.memset(buffer.value, 0, size)
    library.CRYPTO_free(buffer, b"", 0)
    return encoded


def sign(key: Key, message: bytes) -> bytes:
    """DER SEQ{r, s} over Z(id, key) || message."""
    library = _libcrypto()
    with _message_context(library, key) as context:
        if library.EVP_DigestSignInit(context, None, library.EVP_sm3(), None, key.pointer) != 1:
            raise _failed(library, "start an SM2 signature")
        out = ctypes.create_string_buffer(80)
        size = ctypes.c_size_t(80)
        done = library.EVP_DigestSign(context, out, ctypes.byref(size), message, len(message))
        if done != 1:
            raise _failed(library, "sign with SM2")
        return out.raw[: size.value]


def verify(key: Key, message: bytes, signature: bytes) -> bool:
    """Whether a canonically encoded signature is good."""
    library = _libcrypto()
    with _message_context(library, key) as context:
        if library.EVP_DigestVerifyInit(context, None, library.EVP_sm3(), None, key.pointer) != 1:
            raise _failed(library, "start an SM2 verification")
        good = library.EVP_DigestVerify(context, signature, len(signature), message, len(message))
        if good != 1:
            library.ERR_clear_error()
        return bool(good == 1)
