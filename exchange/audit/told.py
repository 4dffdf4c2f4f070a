"""A file that an applicant takes away: who asked for their data, each record with its tlog-proof.

Standard library only, like all that the offline verifier stands on. Reading proves nothing:
`verify_told.verify_accesses` does.

1. There is one form of a file: what is read and written again has the same bytes,
   but for a last newline that got lost.
2. Records are those that `QueryService.MyAccess` told: the newest first, each once.
3. A record about one person comes with its salt, by which anybody who knows the number sees that it
   is about them. One about many comes with this person's entry of it (`exchange.audit.entries`).
   One of before has neither: that it is about this person, the node alone says.
4. The file holds the applicant's number: it is theirs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from exchange.audit.entries import Entry
from exchange.audit.note import NoteError, as_written, decode, decode_all, encode
from exchange.audit.proved import ProvenLeaf

FORMAT: Final = "tongban-accesses/v1"
GREATEST_ACCESSES: Final = 256
"""Records of one file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAccess:
    """A record, proved, and what opens its commitment to the key; empty for one about many."""

    proven: ProvenLeaf
    salt: bytes
    #: The person's own entry in a record about many.
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAccesses:
    """Who asked for somebody's data, as the log has it."""

    #: The applicant's number.
    key: str
    accesses: tuple[ToldAccess, ...]


def accesses_to_json(saved: ToldAccesses) -> str:
    """The file."""
    body = {
        "format": FORMAT,
        "key": saved.key,
        "accesses": [
            {
                "index": one.proven.index,
                "leaf": encode(one.proven.leaf),
                "salt": encode(one.salt),
                "proof": one.proven.proof,
                **({} if one.entry is None else {"entry": _entry_said(one.entry)}),
            }
            for one in saved.accesses
        ],
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def is_accesses(text: str) -> bool:
    """Whether a text calls itself such a file."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("format") == FORMAT


def accesses_from_json(text: str) -> ToldAccesses:
    """Read such a file; unverified. Raises NoteError where it is malformed."""
    try:
        body = json.loads(text)
        saved = ToldAccesses(
            key=str(body["key"]),
            accesses=tuple(
                ToldAccess(
                    proven=ProvenLeaf(
                        index=one["index"], leaf=decode(one["leaf"]), proof=str(one["proof"])
                    ),
                    salt=decode(one["salt"]),
                    entry=_entry_read(one["entry"]) if "entry" in one else None,
                )
                for one in body["accesses"]
            ),
        )
        same = as_written(text, accesses_to_json(saved))
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, NoteError):
            raise
        raise NoteError(
            "the file of accesses is malformed: it is not JSON of this format"
        ) from None
    indexes = [one.proven.index for one in saved.accesses]
    if not all(type(index) is int for index in indexes) or not same:
        raise NoteError("the file of accesses is not in the one form that it was written in")
    if not 0 < len(indexes) <= GREATEST_ACCESSES:
        raise NoteError(f"a file of accesses holds 1 to {GREATEST_ACCESSES} records")
    if any(later >= earlier for earlier, later in pairwise(indexes)):
        raise NoteError("the records are not the newest first")
    return saved


def _entry_said(entry: Entry) -> dict[str, Any]:
    return {
        "position": entry.position,
        "salt": encode(entry.salt),
        "path": [encode(value) for value in entry.path],
        "asked_salt": encode(entry.asked_salt),
    }


def _entry_read(body: dict[str, Any]) -> Entry:
    if type(body["position"]) is not int:
        raise NoteError("the position of an entry is a whole number")
    return Entry(
        position=body["position"],
        salt=decode(body["salt"]),
        path=decode_all(body["path"]),
        asked_salt=decode(body["asked_salt"]),
    )
