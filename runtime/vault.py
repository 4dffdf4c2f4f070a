"""Secrets of others that a node must be able to use: sealed by the node's passphrase.

1. A sealed secret is `0x01`, a salt (16 bytes), a nonce (12) and AES-256-GCM ciphertext; its key is
   scrypt (N = 2^15, r = 8, p = 1) over the passphrase and the salt.
2. It is bound to a name: moved to another row of a database it does not open.
3. A key file's passphrase and the vault's are one: who lacks the passphrase file opens neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from runtime.errors import FailedPrecondition

_VERSION = b"\x01"
_SALT = 16
_NONCE = 12


class Vault:
    """Seals and opens, some 60 ms each; `passphrase` is asked for whenever it is needed."""

    def __init__(self, passphrase: Callable[[], bytes]) -> None:
        self._passphrase = passphrase

    def close(self, secret: bytes, *, name: str) -> bytes:
        """The secret, sealed for a name. Raises what `passphrase` raises."""
        salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
        return _VERSION + salt + nonce + self._cipher(salt).encrypt(nonce, secret, name.encode())

    def open(self, sealed: bytes, *, name: str) -> bytes:
        """The secret. Raises FailedPrecondition, SECRET_UNREADABLE, where it does not open."""
        salt, nonce = sealed[1 : 1 + _SALT], sealed[1 + _SALT : 1 + _SALT + _NONCE]
        try:
            if sealed[:1] != _VERSION or len(nonce) != _NONCE:
                raise InvalidTag
            return self._cipher(salt).decrypt(nonce, sealed[1 + _SALT + _NONCE :], name.encode())
        except InvalidTag:
            raise FailedPrecondition(
                "a kept secret does not open with this node's passphrase: restore the passphrase "
                "file, or give the secret anew",
                reason="SECRET_UNREADABLE",
                message_zh="本节点的口令打不开所存的密钥：请恢复口令文件，或重新设置该密钥",
            ) from None

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(self._passphrase()))
