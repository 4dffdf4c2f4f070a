"""Key custody: encrypted key files, and the `Signer` that is all the rest ever sees of a key.

Invariants:

1. A private key leaves this module only as a signature: a `Signer` has no way to give it out, and
   cannot be copied, pickled or printed.
2. A key file is PKCS#8 EncryptedPrivateKeyInfo in PEM (RFC 5958, RFC 8018 PBES2: PBKDF2 with
   HMAC-SHA-256, AES-256-CBC), which `openssl pkcs8` reads too.
3. A key file is created once (never overwritten), mode 0600, and durable before we return; one that
   others can read is refused (`seal.keys.private_files`).
4. Passphrases and files' contents never enter an error text. A passphrase is in memory while its
   key is derived, then wiped where we hold it (`seal.keys.private_files` says what that leaves).
5. A key in a device (`pkcs11:`) stays there: `seal.keys.pkcs11`.
"""

# asn1crypto publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from asn1crypto import keys as asn1_keys
from asn1crypto import pem
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from seal import der, suites
from seal.keys.private_files import read_private, wiped, write_once

# OWASP Password Storage (2023) for PBKDF2-HMAC-SHA256; about 0.15 s, once per opening.
_ITERATIONS: Final = 600_000
_MAX_ITERATIONS: Final = 10_000_000
_PEM_LABEL: Final = "ENCRYPTED PRIVATE KEY"
_MAX_FILE: Final = 16_384
_LEAST_PASSPHRASE: Final = 8


class Signer(Protocol):
    """Something that signs, wherever its key is."""

    @property
    def suite_name(self) -> str:
        """The name of its suite in `seal.suites`."""
        ...

    @property
    def public_key(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over the message (the suite digests it), as X.509 and CMS carry it."""
        ...


class _HeldKey:
    """A signer whose key is in this process."""

    __slots__ = ("_key", "_suite")

    def __init__(self, chosen: suites.Suite, key: suites.PrivateKey) -> None:
        self._suite = chosen
        self._key = key

    @property
    def suite_name(self) -> str:
        return self._suite.name

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    def sign(self, message: bytes) -> bytes:
        return self._suite.sign(self._key, message)

    def __repr__(self) -> str:
        return f"<Signer {self._suite.name} {sha256(self.public_key).hexdigest()[:8]}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a signer is not copied")


def generate_signer(suite: str) -> Signer:
    """A signer with a new key that is kept nowhere: for tests and for one-time certificates."""
    chosen = suites.suite(suite)
    return _HeldKey(chosen, chosen.generate())


Passphrase = bytes | bytearray


def create_key(path: Path, *, suite: str, passphrase: Passphrase) -> Signer:
    """Generate a key of that suite and write it to a new encrypted file.

    Raises `AlreadyExists` (`KEY_FILE_EXISTS`), `InvalidArgument` (`WEAK_PASSPHRASE`,
    `UNKNOWN_SUITE`), `FailedPrecondition` (`KEY_FILE_UNWRITABLE`).
    """
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise InvalidArgument(
            f"The passphrase is shorter than {_LEAST_PASSPHRASE} bytes.",
            reason="WEAK_PASSPHRASE",
            message_zh=f"口令短于 {_LEAST_PASSPHRASE} 字节。",
        )
    chosen = suites.suite(suite)
    key = chosen.generate()
    write_once(path, _encrypt(chosen.dump_private(key), passphrase))
    return _HeldKey(chosen, key)


def open_key(uri: str, *, passphrase: Passphrase | Callable[[], Passphrase] = b"") -> Signer:
    """Open `file:/path/to/key.pem`, or `pkcs11:…` (RFC 7512), whose PIN is in its `pin-source`.

    A passphrase is of a key file only; a callable is asked when it is needed, and a `bytearray` it
    answers is wiped.

    Raises `InvalidArgument` (`UNKNOWN_KEY_SCHEME`, `MALFORMED_KEY_FILE`), `NotFound`
    (`KEY_FILE_MISSING`), `FailedPrecondition` (`KEY_FILE_TOO_OPEN`, `WRONG_PASSPHRASE`), and for
    devices what `seal.keys.pkcs11.open_key` does.
    """
    if uri.startswith("pkcs11:"):
        from seal.keys import (
            pkcs11,  # loaded only where a device is named
            pkcs11_uri,  # loaded only where a device is named
        )

        return pkcs11.open_key(pkcs11_uri.parse(uri))
    content = bytes(read_private(path_of(uri)))
    if not callable(passphrase):
        return _decrypt(content, passphrase)
    secret = passphrase()
    if isinstance(secret, bytes):
        return _decrypt(content, secret)
    with wiped(secret):
        return _decrypt(content, secret)


def path_of(uri: str) -> Path:
    """The path of a `file:` URI. Raises `InvalidArgument` (`UNKNOWN_KEY_SCHEME`)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc or not path.is_absolute():
        raise InvalidArgument(
            "The key address is not understood; write file:/absolute/path or pkcs11:….",
            reason="UNKNOWN_KEY_SCHEME",
            message_zh="无法识别密钥地址，应为 file:/绝对路径 或 pkcs11:…。",
        )
    return path


# --- PBES2 (RFC 8018 §6.2) -------------------------------------------------------------------


def _derive(passphrase: Passphrase, salt: bytes, iterations: int) -> bytes:
    return PBKDF2HMAC(hashes.SHA256(), 32, salt, iterations).derive(passphrase)


def _encrypt(pkcs8: bytes, passphrase: Passphrase) -> bytes:
    """PEM EncryptedPrivateKeyInfo."""
    salt, iv = os.urandom(16), os.urandom(16)
    padder = padding.PKCS7(128).padder()
    padded = padder.update(pkcs8) + padder.finalize()
    cipher = Cipher(algorithms.AES256(_derive(passphrase, salt, _ITERATIONS)), modes.CBC(iv))
    encryptor = cipher.encryptor()
    info = asn1_keys.EncryptedPrivateKeyInfo(
        {
            "encryption_algorithm": {
                "algorithm": "pbes2",
                "parameters": {
                    "key_derivation_func": {
                        "algorithm": "pbkdf2",
                        "parameters": {
                            "salt": {"specified": salt},
                            "iteration_count": _ITERATIONS,
                            "prf": {"algorithm": "sha256"},
                        },
                    },
                    "encryption_scheme": {"algorithm": "aes256_cbc", "parameters": iv},
                },
            },
            "encrypted_data": encryptor.update(padded) + encryptor.finalize(),
        }
    )
    armoured: bytes = pem.armor(_PEM_LABEL, info.dump())
    return armoured


def _decrypt(content: bytes, passphrase: Passphrase) -> _HeldKey:
    """The key in PEM EncryptedPrivateKeyInfo as `_encrypt` writes it."""
    try:
        salt, iv, iterations, encrypted = _parameters(content)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise InvalidArgument(
            "The key file is not an encrypted PKCS#8 key (PBES2, PBKDF2-HMAC-SHA256, AES-256-CBC).",
            reason="MALFORMED_KEY_FILE",
            message_zh="密钥文件不是加密的 PKCS#8 私钥。",
        ) from None
    cipher = Cipher(algorithms.AES256(_derive(passphrase, salt, iterations)), modes.CBC(iv))
    decryptor = cipher.decryptor()
    with wiped(bytearray(len(encrypted) + 15)) as plain:
        try:
            size = decryptor.update_into(encrypted, plain)
            decryptor.finalize()
            pkcs8 = _unpadded(plain, size)
            chosen = suites.suite_of_key(_key_algorithm(pkcs8))
        except (ValueError, InvalidArgument):
            raise _wrong_passphrase() from None
        return _HeldKey(chosen, chosen.load_private(pkcs8))


def _unpadded(plain: bytearray, size: int) -> bytes:
    """Without the padding of PKCS#7; ValueError where there is none."""
    count = plain[size - 1] if size else 0
    if not 1 <= count <= 16 or plain[size - count : size] != bytes([count]) * count:
        raise ValueError("no padding")
    return bytes(plain[: size - count])


def _key_algorithm(pkcs8: bytes) -> bytes:
    """DER of privateKeyAlgorithm. Raises `InvalidArgument` where this is no PrivateKeyInfo."""
    members = der.children(pkcs8)
    if len(members) < 3:
        raise der.malformed("it is no PrivateKeyInfo")
    return members[1].expect(der.SEQUENCE).raw


def _parameters(content: bytes) -> tuple[bytes, bytes, int, bytes]:
    """Salt, iv, iterations and ciphertext; ValueError and the like for anything else."""
    label, _, encoded = pem.unarmor(content)
    if label != _PEM_LABEL or len(content) > _MAX_FILE:
        raise ValueError("not an encrypted key")
    info = asn1_keys.EncryptedPrivateKeyInfo.load(encoded, strict=True).native
    algorithm = info["encryption_algorithm"]
    derivation = algorithm["parameters"]["key_derivation_func"]
    scheme = algorithm["parameters"]["encryption_scheme"]
    parameters = derivation["parameters"]
    known = (
        algorithm["algorithm"] == "pbes2"
        and derivation["algorithm"] == "pbkdf2"
        and parameters["prf"]["algorithm"] == "sha256"
        and scheme["algorithm"] == "aes256_cbc"
        and 1 <= parameters["iteration_count"] <= _MAX_ITERATIONS
        and len(scheme["parameters"]) == 16
    )
    if not known:
        raise ValueError("another protection")
    iterations: int = parameters["iteration_count"]
    return parameters["salt"], scheme["parameters"], iterations, info["encrypted_data"]


def _wrong_passphrase() -> DomainError:
    return FailedPrecondition(
        "The passphrase does not open this key.",
        reason="WRONG_PASSPHRASE",
        message_zh="口令错误，无法打开密钥。",
    )
