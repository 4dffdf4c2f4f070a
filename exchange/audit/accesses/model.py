"""Tags: what the index knows of a key.

1. A tag is HMAC-SHA-256 of the key under a secret of the node, cut to 16 bytes. Without the secret,
   which is not in the database, tags cannot be tried out against the few possible numbers.
2. The tags of a batch travel beside its leaves, never in them: the log itself links nothing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

TAG_SIZE = 16
_BLOCK = 64  # bytes of SHA-256's blocks
_HEAD = struct.Struct(">HH")  # position of the leaf, number of its tags


def tagging(secret: bytes) -> Callable[[str], bytes]:
    """What makes the tag of a key under a secret of at most 64 bytes.

    HMAC (RFC 2104) with what it begins with hashed once: a third of the time of `hmac.digest`.
    """
    if len(secret) > _BLOCK:
        raise ValueError("a secret has at most 64 bytes")
    padded = secret.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def tag(key: str) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(key.encode())
        around.update(within.digest())
        return around.digest()[:TAG_SIZE]

    return tag


def joined(tags: Iterable[tuple[int, bytes]]) -> bytes:
    """The tags of a batch's leaves, from (position, tags one after the other)."""
    return b"".join(
        _HEAD.pack(position, len(those) // TAG_SIZE) + those for position, those in tags if those
    )


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(position, tags one after the other) of each leaf that has some."""
    at = 0
    while at < len(data):
        position, count = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield position, data[at : at + count * TAG_SIZE]
        at += count * TAG_SIZE


def cut(data: bytes, limit: int) -> tuple[bytes, bytes]:
    """The first tags of a batch, at most `limit` of them, and the rest; both as `joined`."""
    first: list[tuple[int, bytes]] = []
    rest: list[tuple[int, bytes]] = []
    room = limit * TAG_SIZE
    for position, those in split(data):
        first.append((position, those[:room]))
        rest.append((position, those[room:]))
        room = max(0, room - len(those))
    return joined(first), joined(rest)


def rows_of(first_index: int, data: bytes) -> list[tuple[bytes, int]]:
    """(tag, index of the leaf) of a batch whose first leaf has an index, in order of tag."""
    found: Mapping[tuple[bytes, int], None] = {
        (those[at : at + TAG_SIZE], first_index + position): None
        for position, those in split(data)
        for at in range(0, len(those), TAG_SIZE)
    }
    return sorted(found)
