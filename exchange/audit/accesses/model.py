"""Tags: what the index knows of a key.

1. A tag is HMAC-SHA-256 of the key under a secret of the node, cut to 16 bytes. Without the secret,
   which is not in the database, tags cannot be tried out against the few possible numbers.
2. The tags of a batch travel beside its leaves, never in them: the log itself links nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

from runtime.keyed import SIZE as TAG_SIZE
from runtime.keyed import keyed as tagging

__all__ = ["TAG_SIZE", "cut", "joined", "rows_of", "split", "tagging"]

_HEAD = struct.Struct(">HH")  # position of the leaf, number of its tags


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
