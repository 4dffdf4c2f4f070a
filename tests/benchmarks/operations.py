"""The SM2 operations that an act needs, noted while it is done once, ready to be done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from seal import libcrypto


@dataclass(slots=True)
class Operations:
    """SM2 operations in their order, ready to be done again."""

    signs: list[tuple[libcrypto.Key, bytes]] = field(default_factory=list)
    verifications: list[tuple[libcrypto.Key, bytes, bytes]] = field(default_factory=list)

    def again(self) -> None:
        """Do the same once more."""
        for signing in self.signs:
            libcrypto.sign(*signing)
        for verification in self.verifications:
            libcrypto.verify(*verification)

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {"signs": len(self.signs), "verifications": len(self.verifications)}


@contextmanager
def noted() -> Iterator[Operations]:
    """Note every SM2 operation of this process meanwhile."""
    operations, sign, verify = Operations(), libcrypto.sign, libcrypto.verify

    def signing(key: libcrypto.Key, message: bytes) -> bytes:
        operations.signs.append((key, message))
        return sign(key, message)

    def verifying(key: libcrypto.Key, message: bytes, signature: bytes) -> bool:
        operations.verifications.append((key, message, signature))
        return verify(key, message, signature)

    libcrypto.sign, libcrypto.verify = signing, verifying
    try:
        yield operations
    finally:
        libcrypto.sign, libcrypto.verify = sign, verify
