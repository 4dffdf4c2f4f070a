"""The seal maker's key apart from the signers' keys: in its own place, under its own secret.

1. It is opened for one use and forgotten: while what opens it is not here it is *offline*, which
   hinders the making of seals and nothing else.
2. Under dual control two persons hold a half each. The passphrase is derived (scrypt, RFC 7914)
   from both halves, in either order; one half says nothing about it, and whoever holds one has to
   guess the other at the price of scrypt and of the key file's own PBKDF2 for each guess.
3. A half that is easily guessed is refused, and so are two that are alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument
from seal.keys.private_files import read_line, wiped
from seal.keys.signers import Signer, open_key

LEAST_HALF: Final = 12
_LEAST_DISTINCT: Final = 6
_SALT: Final = b"tongban seal maker, both halves, 1"
# RFC 7914; 32 MiB and about 0.1 s. The key file's PBKDF2 with its own salt comes on top.
_COST: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
# What is not an error of the key but its absence.
_ABSENT: Final = {
    "KEY_FILE_MISSING",
    "HSM_TOKEN_MISSING",
    "HSM_MODULE_MISSING",
    "HSM_PIN_MISSING",
    "HSM_SESSION_LOST",
}

Half = bytes | bytearray


def check_halves(first: Half, second: Half) -> None:
    """Raises InvalidArgument (WEAK_HALF, SAME_HALVES)."""
    for half in (first, second):
        if len(half) < LEAST_HALF or len(set(half)) < _LEAST_DISTINCT:
            raise InvalidArgument(
                f"A half of the maker's passphrase has at least {LEAST_HALF} bytes, "
                f"{_LEAST_DISTINCT} of them different.",
                reason="WEAK_HALF",
                message_zh=f"每人的半份口令至少 {LEAST_HALF} 字节，"
                f"其中至少 {_LEAST_DISTINCT} 种不同字节。",
            )
    longer, shorter = sorted((first.lower(), second.lower()), key=len, reverse=True)
    if shorter in longer:
        raise InvalidArgument(
            "The two halves are the same, or one is a part of the other: each person takes one "
            "that the other does not know.",
            reason="SAME_HALVES",
            message_zh="两份口令相同，或一份包含另一份：请各自使用对方不知道的口令。",
        )


def join_halves(first: Half, second: Half) -> bytearray:
    """The passphrase that both halves make, in either order."""
    one, other = sorted((first, second))
    with wiped(bytearray(len(one).to_bytes(4, "big") + one + other)) as both:
        return bytearray(hashlib.scrypt(both, salt=_SALT, **_COST).hex(), "ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class MakerKey:
    """Where the maker's key is, and what opens it: two halves, or one passphrase, or its device."""

    uri: str
    passphrase_file: Path | None = None
    halves: tuple[Path, ...] = ()

    def open(self) -> Signer:
        """The key, for one use. Raises FailedPrecondition: MAKER_KEY_OFFLINE, WRONG_PASSPHRASE."""
        try:
            return open_key(self.uri, passphrase=self._passphrase)
        except DomainError as error:
            if error.reason in _ABSENT:
                raise offline(error.message, error.message_zh) from error
            if error.reason == "WRONG_PASSPHRASE":
                raise _wrong() from error
            raise

    def _passphrase(self) -> bytearray:
        if self.passphrase_file is not None:
            return _read(self.passphrase_file)
        first, second = self.halves
        with wiped(_read(first)) as one, wiped(_read(second)) as other:
            return join_halves(one, other)


def _read(path: Path) -> bytearray:
    return read_line(path, what="passphrase file", what_zh="口令文件")


def offline(why: str, why_zh: str) -> FailedPrecondition:
    """The maker's key cannot be used now; all but the making of seals goes on."""
    return FailedPrecondition(
        f"The seal maker's key is offline: {why} Put the key and what opens it back (settings "
        "seal.maker_key, seal.maker_halves), then repeat; sealing needs neither.",
        reason="MAKER_KEY_OFFLINE",
        message_zh=f"制章密钥离线：{why_zh}请放回密钥及其口令（配置 seal.maker_key、"
        "seal.maker_halves）后重试；用印不受影响。",
    )


def not_appointed() -> FailedPrecondition:
    """No ceremony was held yet."""
    return offline(
        "no maker was appointed yet: hold `tongban seal ceremony`.",
        "尚未设立制章者，请先执行 `tongban seal ceremony`。",
    )


def _wrong() -> FailedPrecondition:
    return FailedPrecondition(
        "What is given does not open the seal maker's key: both halves must be those of the "
        "ceremony, one in each file of seal.maker_halves (or seal.maker_passphrase_file).",
        reason="WRONG_PASSPHRASE",
        message_zh="所给口令打不开制章密钥：seal.maker_halves 两个文件须分别为仪式时的两份口令"
        "（或更正 seal.maker_passphrase_file）。",
    )
