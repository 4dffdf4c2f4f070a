"""Entries: in a record about many people each has one of their own, which opens alone.

Standard library only, like all that the offline verifier stands on.

1. The leaf has `entries`: `{root, size}` and, where it commits to them, `purpose` and
   `case_number`. The root (hexadecimal) is that of a tree of RFC 6962 over the keys in their order.
2. What the tree holds of a key is `salt || "key" || 0x00 || key`, with a salt of that place. All
   these salts are one stream, SHAKE-256 of the record's own salt, so that no other need be kept:
   one of them tells nothing of the others, nor of the record's.
3. `purpose` and `case_number` are committed to once more, under a salt of their own: whom the
   record is about may compare what the asker says, without the salt that opens what was asked and
   answered about others.
4. Records of before have no `entries`: that they are about somebody the node alone says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exchange.audit.merkle import (
    HASH_SIZE,
    ProofError,
    check_inclusion,
    leaf_hash,
    levels_of,
    path_of,
)
from exchange.audit.note import NoteError

LABEL: Final = "entries"
SALT_SIZE: Final = 16
#: What a record commits to beside the keys, for those whom it is about.
ASKED: Final = ("purpose", "case_number")
_STREAM = b"tongban-entries/v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What opens one person's entry, and the question's purpose and case."""

    #: Place among the record's keys, from 0.
    position: int
    #: Of this entry alone.
    salt: bytes
    #: From the entry to the record's root, 32 bytes each (RFC 6962 2.1.1).
    path: tuple[bytes, ...]
    #: Opens `purpose` and `case_number` of the record's `entries`.
    asked_salt: bytes


def hashes_of(salt: bytes, keys: Sequence[str]) -> list[bytes]:
    """The hashes of the tree's leaves."""
    salts, sha256 = _salts(salt, len(keys)), hashlib.sha256
    # As `leaf_hash`; a call for each would cost as much as hashing.
    return [
        sha256(b"\0%bkey\0%b" % (one, key.encode())).digest()
        for one, key in zip(salts[1:], keys, strict=True)
    ]


def said_of(
    salt: bytes, hashes: Sequence[bytes], asked: Mapping[str, bytes]
) -> dict[str, str | int]:
    """What the leaf says: of at least one entry, and of what was asked under which label."""
    one = _salts(salt, 0)[0]
    return {
        "root": levels_of(hashes)[-1][0].hex(),
        "size": len(hashes),
        **{label: _commit(one, label, asked[label]) for label in ASKED if label in asked},
    }


def entry_of(salt: bytes, held: bytes, key: str) -> Entry | None:
    """A key's entry in a record of this salt; None where it has none.

    `held` is what was kept of the record: the hashes of the tree's leaves, one after the other.
    """
    hashes = split(held)
    salts = _salts(salt, len(hashes))
    for position, (one, kept) in enumerate(zip(salts[1:], hashes, strict=True)):
        if leaf_hash(_opened(one, key)) == kept:
            path = path_of(levels_of(hashes), position)
            return Entry(position=position, salt=one, path=path, asked_salt=salts[0])
    return None


def split(held: bytes) -> list[bytes]:
    """The hashes of what was kept of a record."""
    return [held[at : at + HASH_SIZE] for at in range(0, len(held), HASH_SIZE)]


def has_entries(leaf: Mapping[str, Any] | None) -> bool:
    """Whether a leaf is one by rule 1."""
    return bool(leaf) and LABEL in (leaf or {})


def check_entry(leaf: Mapping[str, Any], entry: Entry, key: str) -> None:
    """That a record is about somebody. Raises NoteError and ProofError."""
    root, size = _tree(leaf)
    check_inclusion(leaf_hash(_opened(entry.salt, key)), entry.position, size, entry.path, root)


def check_asked(leaf: Mapping[str, Any], entry: Entry, label: str, value: str) -> None:
    """That it was asked with this purpose or case. Raises NoteError."""
    said = leaf.get(LABEL)
    wanted = said.get(label) if isinstance(said, dict) and label in ASKED else None
    if wanted is None or wanted != _commit(entry.asked_salt, label, value.encode()):
        raise NoteError("the record commits to another value, or to none of this label")


def is_root_of(leaf: Mapping[str, Any], held: bytes) -> bool:
    """Whether what was kept of a record is what its leaf says."""
    try:
        root, size = _tree(leaf)
    except NoteError:
        return False
    return len(held) == size * HASH_SIZE and levels_of(split(held))[-1][0] == root


def _tree(leaf: Mapping[str, Any]) -> tuple[bytes, int]:
    said = leaf.get(LABEL)
    try:
        if not isinstance(said, dict) or type(said["size"]) is not int or said["size"] < 1:
            raise NoteError("the leaf has no entries")
        return bytes.fromhex(said["root"]), said["size"]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, NoteError | ProofError):
            raise
        raise NoteError("the leaf's entries are malformed") from None


def _salts(salt: bytes, count: int) -> list[bytes]:
    """That of what was asked, and then those of the entries."""
    size = SALT_SIZE * (count + 1)
    stream = hashlib.shake_256(_STREAM + salt).digest(size)
    return [stream[at : at + SALT_SIZE] for at in range(0, size, SALT_SIZE)]


def _opened(salt: bytes, key: str) -> bytes:
    return b"%bkey\0%b" % (salt, key.encode())


def _commit(salt: bytes, label: str, value: bytes) -> str:
    return hashlib.sha256(salt + label.encode() + b"\0" + value).hexdigest()
