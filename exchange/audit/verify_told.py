"""Checks of what an applicant takes away: who asked for their data (`exchange.audit.told`).

As `exchange.audit.verify`, offline and without trusting the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from exchange.audit.answering import NO_QUORUM, Answer, Checks, Quorum, had
from exchange.audit.entries import check_asked, check_entry, has_entries
from exchange.audit.note import NoteError
from exchange.audit.told import ToldAccess, ToldAccesses
from exchange.audit.verify import check_opening, inclusion, read_leaf


def verify_accesses(
    saved: ToldAccesses,
    verifier_key: str,
    *,
    quorum: Quorum = NO_QUORUM,
    openings: Mapping[str, str] | None = None,
) -> Answer:
    """Whether all records that an applicant was told are in the log, and those of one are theirs.

    1. `key`: as in `verify_receipt`. Then of each record, by its index in the log:
    2. `leaf:<index>`: as in `verify_receipt`.
    3. `opening:<index>`, where the record commits to one key, or to a license's holder: it is the
       applicant's. (The record of somebody else.) `entry:<index>`, where it is about many and has
       entries: one of them is the applicant's; INDETERMINATE where the file has none.
    4. `proof:<index>`, `checkpoint:<index>`, `inclusion:<index>`: as in `verify_leaves`.
    5. `opening:<label>` of each of `openings`: some of them commit to this value, and which. (An
       asker who tells the applicant another purpose or case than it asked for.)
    """
    checks = Checks(quorum)
    verifier = checks.key(verifier_key)
    for label, value in (openings or {}).items():
        committed = partial(_committed, saved, label, value)
        checks.run(f"opening:{label}", committed, "", "", tell=_in_records)
    for one in saved.accesses:
        of = f":{one.proven.index}"
        read = partial(read_leaf, one.proven.leaf)
        leaf = checks.run(f"leaf{of}", read, "canonical JSON", "规范 JSON")
        commitments = (leaf or {}).get("commitments")
        labels = commitments if isinstance(commitments, dict) else {}
        if one.salt or "key" in labels:
            label = "holder_code" if "key" not in labels and "holder_code" in labels else "key"
            step = partial(check_opening, leaf, one.salt, label, saved.key)
            checks.run(f"opening{of}", step, "is about this number", "与该号码有关")
        if one.entry is not None:
            own = partial(_check_entry, leaf, one, saved.key)
            checks.run(f"entry{of}", own, "is about this number too", "也与该号码有关")
        elif has_entries(leaf):
            checks.undetermined(
                f"entry{of}",
                "the record has an entry for each whom it is about, and the file does not hold the "
                "one of this number",
                "该记录为所涉每人各有一项，而文件中没有该号码的一项",
            )
        inclusion(checks, one.proven.proof, one.proven.leaf, verifier, at=one.proven)
    return checks.answer()


def _committed(saved: ToldAccesses, label: str, value: str) -> list[int]:
    """Indexes of the records that commit to a value. Raises NoteError where none does."""
    found = []
    for one in saved.accesses:
        try:
            leaf = read_leaf(one.proven.leaf)
            if one.entry is None:
                check_opening(leaf, one.salt, label, value)
            else:
                check_asked(leaf, one.entry, label, value)
        except NoteError:
            continue
        found.append(one.proven.index)
    if not found:
        raise NoteError("none of the records that open to this number commits to this value")
    return found


def _check_entry(leaf: Mapping[str, Any] | None, one: ToldAccess, key: str) -> None:
    check_entry(had(leaf), had(one.entry), key)


def _in_records(indexes: list[int]) -> tuple[str, str]:
    listed = ", ".join(map(str, indexes))
    return f"is what these records commit to: {listed}", f"与以下记录的承诺一致：{listed}"
