"""Audit records: what a leaf of the log says.

1. A leaf is canonical JSON (sorted keys, no spaces, UTF-8: RFC 8785 for the strings
   and integers we use), so that anyone recomputes its hash from its meaning.
2. A leaf holds no personal data: a value is committed to as
   SHA-256(salt || label || 0x00 || value) with a random salt of the record. Who has the salt can
   show what was asked; erasing it makes the commitment unlinkable, and the log stays consistent.
   The salt itself is committed to (label `salt`, no value): one that was replaced is found out.
   What may be opened by who asked, where the record also commits to what they were not told, is
   committed to once more under `asked`, by a salt that is made of the record's: who has that one
   opens nothing else.
3. A record is written in the transaction of its act. If it cannot be written, the act fails: one
   that the log could not hold too, since no later one would get past it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from runtime.errors import InvalidArgument

VERSION = 1
SALT_SIZE = 16
SALT = "salt"  # the label under which a salt is committed to
_ASKED = b"tongban-asked/v1\0"
_SALTS_DRAWN = 256
_sha256 = hashlib.sha256
GREATEST_LEAF = 65_535  # an entry bundle counts a leaf's bytes in 16 bits (c2sp.org/tlog-tiles)

Value = str | int | list[str] | Mapping[str, str] | Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """A finished record: the leaf that is logged, and the salt that opens its commitments.

    `once` is empty; but of an answer to a signed request it is what no second answer may have.
    `entries` is empty; but of a record about many people it is what is kept to prove each one's.
    """

    leaf: bytes
    salt: bytes
    once: bytes = b""
    entries: bytes = b""

    @property
    def asked_salt(self) -> bytes:
        """Opens the leaf's `asked` and nothing else: for who asked, and was not told all."""
        return asked_salt(self.salt)


def commit(salt: bytes, label: str, value: bytes) -> str:
    """The commitment to a value under a salt, hex."""
    return hashlib.sha256(salt + label.encode() + b"\0" + value).hexdigest()


def asked_salt(salt: bytes) -> bytes:
    """The salt of a record's `asked`, by the record's own; not the other way."""
    return _sha256(_ASKED + salt).digest()[:SALT_SIZE]


def salt_fits(leaf: bytes, salt: bytes) -> bool:
    """Whether a salt is the leaf's own; also where it was erased, or the leaf commits to none."""
    try:
        found = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return True
    commitments = found.get("commitments") if isinstance(found, dict) else None
    said = commitments.get(SALT) if isinstance(commitments, dict) else None
    return not salt or said is None or said == commit(salt, SALT, b"")


def check_record(record: SealedRecord) -> None:
    """Raises InvalidArgument (LEAF_TOO_LARGE, LEAF_EMPTY): a bundle counts 16 bits of a leaf."""
    if len(record.leaf) > GREATEST_LEAF:
        raise InvalidArgument(
            f"an audit record has at most {GREATEST_LEAF} bytes: say less in it",
            reason="LEAF_TOO_LARGE",
            message_zh=f"审计记录最多 {GREATEST_LEAF} 字节：请精简内容",
        )
    if not record.leaf or len(record.salt) > GREATEST_LEAF:
        raise InvalidArgument(
            "an audit record has a leaf", reason="LEAF_EMPTY", message_zh="审计记录不能为空"
        )


def canonical(value: object) -> bytes:
    """Canonical JSON of strings, integers, lists and string-keyed maps."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def make_record(
    kind: str,
    *,
    at: datetime,
    actor: str,
    facts: Mapping[str, Value],
    commitments: Mapping[str, bytes] | None = None,
    asked: Mapping[str, bytes] | None = None,
    salt: bytes = b"",
) -> SealedRecord:
    """A record of one act.

    `kind` is a constant snake_case word; `actor` a system's name; `facts` go into the leaf as they
    are and so must hold no personal data; `commitments` go in as hashes under a fresh salt, or
    under `salt`, which is of `fresh_salt` and of no other record. `asked` goes in under the salt
    that opens nothing else (rule 2).
    """
    salt = salt or fresh_salt()
    body: dict[str, object] = {
        "v": VERSION,
        "kind": kind,
        "time": instant(at),
        "actor": actor,
        **facts,
    }
    if commitments:
        body["commitments"] = _hashed(salt, commitments)
    if asked:
        body["asked"] = _hashed(asked_salt(salt), asked)
    signed = facts.get("signed")
    if signed and commitments and "answer" in commitments:
        return SealedRecord(canonical(body), salt, _signed_once(signed))
    return SealedRecord(canonical(body), salt)


def _hashed(salt: bytes, values: Mapping[str, bytes]) -> dict[str, str]:
    """Values as `commit` makes of each, and the salt; a call for each would cost as much again."""
    hashed = {
        label: _sha256(b"%b%b\0%b" % (salt, label.encode(), value)).hexdigest()
        for label, value in values.items()
    }
    hashed[SALT] = _sha256(b"%bsalt\0" % salt).hexdigest()
    return hashed


def _signed_once(signed: Value) -> bytes:
    """What was signed and by whom, without the signature itself, which the signer can vary."""
    told = signed if isinstance(signed, Mapping) else {}
    return _sha256(canonical({key: told[key] for key in told if key != "signature"})).digest()


class _Salts:
    """Random salts, drawn from the system many at a time: each draw lets go of the interpreter."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: list[bytes] = []

    def take(self) -> bytes:
        """A salt that nobody else gets: `pop` is one step for all threads."""
        while True:
            try:
                return self._left.pop()
            except IndexError:
                drawn = os.urandom(SALT_SIZE * _SALTS_DRAWN)
                self._left.extend(
                    drawn[start : start + SALT_SIZE] for start in range(0, len(drawn), SALT_SIZE)
                )


_salts = _Salts()


def fresh_salt() -> bytes:
    """A salt for one record."""
    return _salts.take()


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
