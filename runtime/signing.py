"""Keys of the audit log and of its witnesses: Ed25519 in an encrypted file, nothing but signatures.

1. The file is an encrypted PKCS#8 PEM that only its owner may read; the settings' passphrase opens
   it.
2. It is made once: a log that lost its key must not go on under a new one unnoticed, so `open`
   never makes one.
3. Others know the key by its note verifier key (c2sp.org/signed-note):
   `<origin>+<hash, 8 hex digits>+<base64 of 0x01 and the public key>`.
4. A witness's key is of another type (0x04, c2sp.org/tlog-cosignature): its id is another one too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from runtime.files import write_private

KEY_FILE = "audit-key.pem"
ED25519 = b"\x01"  # c2sp.org/signed-note, signature types
COSIGNATURE = b"\x04"


class LogKey:
    """Signs for a log of a name (`origin`)."""

    __slots__ = ("_key", "key_id", "origin", "verifier_key")
    _TYPE = ED25519

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        if not origin or "+" in origin or any(c.isspace() for c in origin):
            raise InvalidArgument(
                "an origin has neither spaces nor plus signs",
                reason="BAD_ORIGIN",
                message_zh="日志名称（origin）不能为空，不能含空白或加号",
            )
        public = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        self._key = key
        self.origin = origin
        self.key_id = hashlib.sha256(origin.encode() + b"\n" + self._TYPE + public).digest()[:4]
        text = base64.b64encode(self._TYPE + public).decode()
        self.verifier_key = f"{origin}+{self.key_id.hex()}+{text}"

    @classmethod
    def create(cls, folder: Path, origin: str, passphrase: bytes) -> Self:
        """Make the key file. Raises AlreadyExists (LOG_KEY_EXISTS) where there is one."""
        path = folder / KEY_FILE
        if path.exists():
            raise AlreadyExists(
                f"{path} is there already: a log keeps its key",
                reason="LOG_KEY_EXISTS",
                message_zh=f"{path} 已存在：审计日志的密钥不能更换",
            )
        key = Ed25519PrivateKey.generate()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(
            path,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase),
            ),
        )
        return cls(origin, key)

    @classmethod
    def open(cls, folder: Path, origin: str, passphrase: bytes) -> Self:
        """Open the key file.

        Raises FailedPrecondition: LOG_KEY_MISSING without a file, LOG_KEY_UNREADABLE where it is
        not an Ed25519 key or the passphrase does not open it.
        """
        path = folder / KEY_FILE
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FailedPrecondition(
                f"the audit log's key {path} is missing: restore it from a backup",
                reason="LOG_KEY_MISSING",
                message_zh=f"缺少审计日志密钥 {path}：请从备份恢复",
            ) from error
        try:
            key = serialization.load_pem_private_key(data, passphrase)
        except (ValueError, TypeError) as error:
            raise _unreadable(path) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _unreadable(path)
        return cls(origin, key)

    def secret_for(self, purpose: str) -> bytes:
        """A secret of 32 bytes for another purpose, the same as long as the key is the same."""
        raw = self._key.private_bytes(
            serialization.Encoding.Raw,
            serialization.PrivateFormat.Raw,
            serialization.NoEncryption(),
        )
        return hmac.digest(raw, b"tongban secret for " + purpose.encode(), "sha256")

    def sign(self, text: bytes) -> bytes:
        """Ed25519 over the text, 64 bytes."""
        return self._key.sign(text)


class WitnessKey(LogKey):
    """Cosigns checkpoints under a witness's name (`origin`)."""

    __slots__ = ()
    _TYPE = COSIGNATURE


def _unreadable(path: Path) -> FailedPrecondition:
    return FailedPrecondition(
        f"the passphrase does not open {path}, or it is no Ed25519 key: check the passphrase file",
        reason="LOG_KEY_UNREADABLE",
        message_zh=f"口令无法打开 {path}，或其不是 Ed25519 密钥：请检查口令文件",
    )
