"""What an account's rows keep of secrets and of numbers.

1. A password is kept as argon2id (RFC 9106: 64 MiB, three passes, four lanes), and never else; one
   that was kept with less is kept anew when its owner signs in.
2. Names, logins and the secrets of one-time codes are AES-256-GCM under a key of the node's
   (`keyfile`), bound to their row: who has the database alone reads nobody's number.
3. What a row is found by is HMAC-SHA256 under another such key: equal for equal logins, and nobody
   finds a number by trying them all without the key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_der_public_key

from runtime.errors import FailedPrecondition, InvalidArgument

_NONCE: Final = 12


class Secrecy:
    """Seals, opens, indexes; hashes passwords."""

    def __init__(self, key: bytes, hasher: PasswordHasher | None = None) -> None:
        label = b"tongban accounts v1 "
        self._cipher = AESGCM(hmac.digest(key, label + b"seal", hashlib.sha256))
        self._index = hmac.digest(key, label + b"index", hashlib.sha256)
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
        #: Compared where a login is nobody's, so that it takes as long.
        self._nobody = self._hasher.hash(os.urandom(16).hex())

    def close(self, text: str, *, row: str) -> bytes:
        """A text, sealed for a row."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        """The text. Raises FailedPrecondition (SECRET_UNREADABLE)."""
        try:
            found = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], row.encode())
        except (InvalidTag, ValueError):
            raise FailedPrecondition(
                "what an account keeps does not open with this node's passphrase: restore the "
                "passphrase file",
                reason="SECRET_UNREADABLE",
                message_zh="本节点的口令打不开账户中所存的内容：请恢复口令文件",
            ) from None
        return found.decode()

    def index(self, kind: str, text: str) -> bytes:
        """What a row is found by."""
        return hmac.digest(self._index, f"{kind}\0{text}".encode(), hashlib.sha256)

    def hash_password(self, password: str) -> str:
        """Its argon2id hash, some 50 ms."""
        return self._hasher.hash(password)

    def is_password(self, held: str, password: str) -> bool:
        """Whether a password is the one; as long for nobody's (`held` empty) as for somebody's."""
        try:
            return self._hasher.verify(held or self._nobody, password) and bool(held)
        except (VerificationError, InvalidHashError):
            return False

    def renewed(self, held: str, password: str) -> str:
        """A fresh hash of a right password, where it is kept with less than now; else empty."""
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(held) else ""


def session_key(der: bytes) -> ec.EllipticCurvePublicKey:
    """A session's public key. Raises InvalidArgument (BAD_SESSION_KEY)."""
    try:
        key = load_der_public_key(der)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidArgument(
            "public_key must be a P-256 key (SubjectPublicKeyInfo, DER)",
            reason="BAD_SESSION_KEY",
            message_zh="public_key 应为 P-256 公钥，DER 编码",
        )
    return key


def serial_and_end(certificate_pem: bytes) -> tuple[str, datetime]:
    """Serial number of a certificate, hexadecimal, and its end."""
    found = x509.load_pem_x509_certificate(certificate_pem)
    return f"{found.serial_number:x}", found.not_valid_after_utc
