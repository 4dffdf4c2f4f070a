"""The keyed index of holder codes: finds a holder's licenses without an index that tells who.

A citizen number has few enough values to try them all against a plain hash; HMAC-SHA256 under a
key that is not in the database stops who has the index alone.
"""

from __future__ import annotations

import hashlib
import hmac

_LABEL = b"tongban licenses holder index v1"


class HolderIndex:
    """HMAC-SHA256 of a holder's code under a key derived from the node's passphrase."""

    __slots__ = ("_key",)

    def __init__(self, passphrase: bytes) -> None:
        self._key = hmac.digest(passphrase, _LABEL, hashlib.sha256)

    def __call__(self, code: str) -> bytes:
        """The index of a code, 32 bytes."""
        return hmac.digest(self._key, code.encode(), hashlib.sha256)

    @property
    def fingerprint(self) -> bytes:
        """Tells whether the key is the same as before, and nothing of the key."""
        return hmac.digest(self._key, b"fingerprint", hashlib.sha256)[:16]
