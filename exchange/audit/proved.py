"""A proof's file: records of the log that name a document, each with its tlog-proof, as JSON.

Standard library only, like all that the offline verifier stands on. Reading proves nothing:
`verify.verify_leaves` does.

1. There is one form of a file: what is read and written again has the same bytes,
   but for a last newline that got lost.
2. Leaves are in the order of the log, each once.
3. A record names a document by the SHA-256 of what its act gave out: the sealed file, the license.
   What went into an act, or was only read, is not named by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from exchange.audit.note import NoteError, as_written, decode, encode

FORMAT: Final = "tongban-log-proof/v1"
GREATEST_LEAVES: Final = 256
"""Records of one file."""
DOCUMENT_FACTS: Final = (
    "sha256_after", "ofd_sha256", "pdf_sha256", "enrolled_certificate", "revoked_certificate",
)  # fmt: skip
"""Facts of a record that are the SHA-256, hexadecimal, of a document by rule 3.

Of a certificate it is that of its DER, whatever form its file has.
"""
ARCHIVED: Final = "archived"
"""The kind of record whose `sha256` is that of the archive package that it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLeaf:
    """A leaf, and the proof (c2sp.org/tlog-proof, with a checkpoint) that it is in the log."""

    index: int
    #: Canonical JSON, no personal data.
    leaf: bytes
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """What the log says of a document."""

    #: SHA-256, hexadecimal.
    document: str
    leaves: tuple[ProvenLeaf, ...]


def documents_of(record: Mapping[str, Any]) -> set[str]:
    """The documents that a record names, by rule 3."""
    made = ("sha256",) if record.get("kind") == ARCHIVED else ()
    return {
        told
        for one in (*DOCUMENT_FACTS, *made)
        if isinstance(told := record.get(one), str) and told
    }


def proof_to_json(saved: LogProof) -> str:
    """The proof's file. It holds no personal data, since leaves hold none."""
    body = {
        "format": FORMAT,
        "document": saved.document,
        "leaves": [
            {"index": one.index, "leaf": encode(one.leaf), "proof": one.proof}
            for one in saved.leaves
        ],
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def is_proof(text: str) -> bool:
    """Whether a text calls itself a proof's file."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("format") == FORMAT


def proof_from_json(text: str) -> LogProof:
    """Read a proof's file; unverified. Raises NoteError where it is malformed."""
    try:
        body = json.loads(text)
        saved = LogProof(
            document=str(body["document"]),
            leaves=tuple(
                ProvenLeaf(index=one["index"], leaf=decode(one["leaf"]), proof=str(one["proof"]))
                for one in body["leaves"]
            ),
        )
        same = as_written(text, proof_to_json(saved))
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, NoteError):
            raise
        raise NoteError("the proof's file is malformed: it is not JSON of this format") from None
    indexes = [one.index for one in saved.leaves]
    if not all(type(index) is int for index in indexes) or not same:
        raise NoteError("the proof's file is not in the one form that it was written in")
    if not 0 < len(indexes) <= GREATEST_LEAVES:
        raise NoteError(f"a proof's file holds 1 to {GREATEST_LEAVES} records")
    if any(later <= earlier for earlier, later in pairwise(indexes)):
        raise NoteError("the records are not in the order of the log")
    return saved
