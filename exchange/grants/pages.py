"""Tokens of pages of what is read under a grant: where the next one begins, and nothing else.

Places, and offsets of the log, are given to all records alike, also to those that a caller may not
see: from the gaps between two tokens it could count them. So a token is the number enciphered under
a secret of the node, by grant: a block of 16 bytes, of which 8 are zeros, through a Feistel network
of four rounds of HMAC-SHA-256 (Luby and Rackoff 1988), in base64url.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from runtime.paging import bad_token

HALF = 8
ROUNDS = 4


class PageTokens:
    """Makes and reads tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def after(self, grant: str, number: int) -> str:
        """The token of the page that begins after a number; empty for 0, where there is none."""
        if not number:
            return ""
        left, right = bytes(HALF), number.to_bytes(HALF, "big")
        for turn in range(ROUNDS):
            left, right = right, _xor(left, self._mixed(grant, turn, right))
        return base64.urlsafe_b64encode(left + right).decode().rstrip("=")

    def number(self, grant: str, token: str) -> int:
        """The number that the page begins after; 0 at the beginning.

        Raises InvalidArgument, BAD_PAGE_TOKEN, for what was not made by `after` for this grant.
        """
        if not token:
            return 0
        try:
            block = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        except (binascii.Error, UnicodeError, ValueError):
            raise bad_token() from None
        if len(block) != 2 * HALF:
            raise bad_token()
        left, right = block[:HALF], block[HALF:]
        for turn in reversed(range(ROUNDS)):
            left, right = _xor(right, self._mixed(grant, turn, left)), left
        if any(left):
            raise bad_token()
        return int.from_bytes(right, "big")

    def _mixed(self, grant: str, turn: int, half: bytes) -> bytes:
        told = b"%d " % turn + half + grant.encode()
        return hmac.digest(self._secret, told, "sha256")[:HALF]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
