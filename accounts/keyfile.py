"""The key of what accounts keep: random, in a file that the node's passphrase opens.

1. The key seals and indexes; it is not made of the passphrase. Who has the database alone tests no
   guess of the passphrase by it. The file is stretched by scrypt, as the authority's key is.
2. A node whose accounts were sealed before there was such a file goes on with the key of then,
   which is kept in the file now: nothing has to be sealed anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from runtime.errors import FailedPrecondition
from runtime.files import PRIVATE, write_together

NAME: Final = "accounts.key"
_MAGIC: Final = b"tongban accounts key 1\n"
_SALT, _NONCE, _KEY = 16, 12, 32
#: 32 MiB for a tenth of a second, once at each start.
_N, _R, _P = 2**15, 8, 1


def open_key(folder: Path, passphrase: bytes, *, in_use: bool) -> bytes:
    """The key in a folder, made there where there is none.

    `in_use`: whether there are accounts already, so that a key which is not there was that of
    before (rule 2). Raises FailedPrecondition (ACCOUNTS_KEY_UNREADABLE).
    """
    path = folder / NAME
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        key = passphrase if in_use else os.urandom(_KEY)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_together((path, _sealed(key, passphrase), PRIVATE))
        return key
    return _opened(held, passphrase)


def _sealed(key: bytes, passphrase: bytes) -> bytes:
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    cipher = AESGCM(_stretched(passphrase, salt))
    return _MAGIC + salt + nonce + cipher.encrypt(nonce, key, _MAGIC)


def _opened(held: bytes, passphrase: bytes) -> bytes:
    rest = held.removeprefix(_MAGIC)
    salt, nonce, sealed = rest[:_SALT], rest[_SALT : _SALT + _NONCE], rest[_SALT + _NONCE :]
    try:
        if rest == held:
            raise InvalidTag
        return AESGCM(_stretched(passphrase, salt)).decrypt(nonce, sealed, _MAGIC)
    except (InvalidTag, ValueError):
        raise FailedPrecondition(
            f"{NAME} does not open with this node's passphrase: restore both from one backup",
            reason="ACCOUNTS_KEY_UNREADABLE",
            message_zh=f"本节点的口令打不开 {NAME}：请从同一备份恢复两者",
        ) from None


def _stretched(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase)
