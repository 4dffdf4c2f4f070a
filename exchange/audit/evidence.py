"""Evidence of what a log did, as one JSON file that anybody judges offline by the log's key alone.

Standard library only, like all that the offline verifier stands on. Reading proves nothing:
`verify_evidence` does.

1. Two checkpoints signed by one log contradict each other where they are of one size and have two
   roots, or where the later one's own tree begins with another tree than the earlier one. The
   proof leads to the later root, so the log is bound to it: whoever took it down cannot have made
   it up. No word of the witness is needed.
2. What only a refusal shows (the node gave no proof) is a suspicion, and is told as one.
3. A promise is broken where a copy of the log that goes on beyond its time does not hold the leaf.
   The file holds promise and checkpoint; the copy is judged with it.
4. Evidence holds no salt and no plain value: it can be published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from exchange.audit.answering import (
    NO_QUORUM,
    Answer,
    Checks,
    NothingToCheckError,
    Quorum,
    had,
)
from exchange.audit.copying import LogCopy
from exchange.audit.merkle import (
    ProofError,
    check_consistency,
    leaf_hash,
    prefix_roots,
    root_from_path,
)
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Verifier,
    as_written,
    decode,
    decode_all,
    encode,
    open_checkpoint,
)
from exchange.audit.saved import SavedReceipt, receipt_from_json, receipt_to_json
from exchange.audit.verify import promise_of

FORMAT: Final = "tongban-log-evidence/v1"
HONOUR_SECONDS: Final = 60
"""A promise is kept within about a second; a log that went on for so long without it broke it."""
GREATEST_PROOF: Final = 64


class Kind(StrEnum):
    """What a file shows."""

    #: The later checkpoint continues the earlier one: no misdeed, but proof that there is none.
    CONTINUED = "CONTINUED"
    #: Two checkpoints of one size with two roots.
    SPLIT_VIEW = "SPLIT_VIEW"
    #: The later checkpoint's tree begins with another tree than the earlier one.
    REWRITTEN = "REWRITTEN"
    #: The node did not show that the later checkpoint continues the earlier one: a suspicion.
    NOT_CONTINUED = "NOT_CONTINUED"
    #: The log promised a record and went on without it.
    PROMISE_BROKEN = "PROMISE_BROKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a file holds. Notes are signed notes of checkpoints."""

    kind: Kind
    #: Empty with a promise.
    earlier: str = ""
    #: With a promise, the checkpoint of the log that does not keep it.
    later: str
    proof: tuple[bytes, ...] = ()
    #: The first leaf of the log, where `proof` is its path: for earlier sizes of a power of two.
    leaf: bytes = b""
    #: The promise; without salt and values.
    receipt: SavedReceipt | None = None


def is_power_of_two(size: int) -> bool:
    """Whether a consistency proof from this size leaves the earlier root out."""
    return size > 0 and size & (size - 1) == 0


def promise_broken(receipt: SavedReceipt, checkpoint: str) -> Evidence:
    """Evidence of a broken promise, without what only the receipt's owner should show."""
    bare = SavedReceipt(receipt=replace(receipt.receipt, salt=b""))
    return Evidence(kind=Kind.PROMISE_BROKEN, later=checkpoint, receipt=bare)


def evidence_to_json(found: Evidence) -> str:
    """The file."""
    body: dict[str, Any] = {"format": FORMAT, "kind": found.kind.value}
    if found.earlier:
        body["earlier"] = found.earlier
    body["later"] = found.later
    if found.proof or found.leaf:
        body["proof"] = [encode(value) for value in found.proof]
    if found.leaf:
        body["leaf"] = encode(found.leaf)
    if found.receipt:
        body["receipt"] = json.loads(receipt_to_json(found.receipt))
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def is_evidence(text: str) -> bool:
    """Whether a text calls itself such a file."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("format") == FORMAT


def evidence_from_json(text: str) -> Evidence:
    """Read a file; unverified. Raises NoteError where it is malformed."""
    try:
        body = json.loads(text)
        receipt = body.get("receipt")
        found = Evidence(
            kind=Kind(body["kind"]),
            earlier=str(body.get("earlier", "")),
            later=str(body["later"]),
            proof=decode_all(body.get("proof", [])),
            leaf=decode(body.get("leaf", "")),
            receipt=receipt_from_json(json.dumps(receipt)) if receipt else None,
        )
        same = as_written(text, evidence_to_json(found))
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        if isinstance(error, NoteError):
            raise
        raise NoteError("the evidence is malformed: it is not JSON of this format") from None
    if not same or len(found.proof) > GREATEST_PROOF:
        raise NoteError("the evidence is not in the one form that it was written in")
    if (found.kind is Kind.PROMISE_BROKEN) != (found.receipt is not None):
        raise NoteError("a broken promise, and nothing else, comes with a receipt")
    return found


def verify_evidence(
    found: Evidence, verifier_key: str, *, copy: Path | None = None, quorum: Quorum = NO_QUORUM
) -> Answer:
    """Whether a file shows what it says; `copy` is a copy of the log, for a broken promise.

    1. `key`: as in `verify_receipt`.
    Of two checkpoints:
    2. `earlier`, `later`: both are signed by the log's key. (Views that somebody made up.)
    3. `continued`, of CONTINUED: the later one continues the earlier (RFC 6962 2.1.2).
    4. `contradiction`, of the others: rule 1. NOT_CONTINUED never passes it: rule 2.
    Of a promise:
    5. `promise`: the log's key signed it. (A promise that nobody made.)
    6. `later`, `entries`, `root`: the copy is what the checkpoint speaks of. (A copy that somebody
       cut the leaf out of.)
    7. `overdue`: the copy goes on for a minute beyond the promise, by its own last record.
    8. `absent`: the copy has no such leaf.
    Without a copy, or with one that ends too early, 6 to 8 are INDETERMINATE.
    """
    checks = Checks(quorum)
    verifier = checks.key(verifier_key)
    if found.receipt is not None:
        _promise(checks, found, found.receipt, verifier, copy)
        return checks.answer()
    first = checks.checkpoint("earlier", found.earlier, verifier)
    second = checks.checkpoint("later", found.later, verifier)
    checks.cosignatures("cosignatures", found.later, verifier)
    if found.kind is Kind.CONTINUED:
        checks.run("continued", lambda: _continued(had(first), had(second), found.proof),
                   "the log only grew", "日志只增未改")  # fmt: skip
    else:
        step: Callable[[], None] = lambda: contradiction(  # noqa: E731
            had(first), had(second), found.proof, found.leaf, kind=found.kind
        )
        checks.run("contradiction", step, "the log signed both, and one of them denies the other",
                   "两个检查点均由日志签名且互相矛盾")  # fmt: skip
    return checks.answer()


def contradiction(
    first: Checkpoint,
    second: Checkpoint,
    proof: Sequence[bytes],
    leaf: bytes,
    *,
    kind: Kind,
) -> None:
    """Raises NoteError or ProofError unless two checkpoints contradict each other in this way."""
    if kind is Kind.SPLIT_VIEW:
        if first.size != second.size or first.root == second.root:
            raise NoteError("these are not two roots of one size")
        return
    if kind is not Kind.REWRITTEN:
        raise NoteError(
            "this is a suspicion: the node gave no proof; a copy of the log settles it, with "
            "`tongban audit log COPY --earlier EARLIER`"
        )
    if not 0 < first.size < second.size:
        raise NoteError("the later checkpoint is not larger than the earlier one")
    if is_power_of_two(first.size):
        height = first.size.bit_length() - 1
        start = leaf_hash(leaf)
        whole = root_from_path(start, 0, second.size, proof)
        begins = root_from_path(start, 0, first.size, proof[:height])
    else:
        begins, whole = prefix_roots(first.size, first.root, second.size, proof)
    if whole != second.root:
        raise ProofError("the proof does not lead to the later root, so it binds nobody")
    if begins == first.root:
        raise NoteError("the later checkpoint continues the earlier one")


def _continued(first: Checkpoint, second: Checkpoint, proof: Sequence[bytes]) -> None:
    check_consistency(first.size, first.root, second.size, second.root, proof)


def _promise(
    checks: Checks,
    found: Evidence,
    saved: SavedReceipt,
    verifier: Verifier | None,
    copy: Path | None,
) -> None:
    receipt = saved.receipt
    checks.run("promise", lambda: promise_of(receipt, verifier), "signed by the log's key",
               "由日志密钥签名")  # fmt: skip
    newest = checks.checkpoint("later", found.later, verifier)
    checks.cosignatures("cosignatures", found.later, verifier)
    wanted = leaf_hash(receipt.leaf)
    end = newest if copy is None else _end_of(copy, newest, verifier)
    sizes = {one.size for one in (newest, end) if one is not None}
    log = None if copy is None else LogCopy(copy, sizes, [wanted])

    def rooted() -> None:
        _given(log).check_root(newest)
        _given(log).check_root(end)

    read: Callable[[], None] = lambda: _given(log).read(had(end).size)  # noqa: E731
    checks.run("entries", read, "all are there", "条目齐全")
    checks.run("root", rooted, "is the checkpoint's", "与检查点一致")

    def overdue() -> None:
        last = _time_of(_given(log).last)
        if last < receipt.promise_time + timedelta(seconds=HONOUR_SECONDS):
            raise NothingToCheckError(
                f"the copy's last record is of {last:%Y-%m-%dT%H:%M:%SZ}, which is not a minute "
                "beyond the promise: take a newer copy"
            )

    checks.run("overdue", overdue, "the log went on beyond the promise", "日志已越过承诺时间")

    def absent() -> None:
        at = _given(log).found.get(wanted)
        if at is not None:
            raise NoteError(f"the promise was kept: the leaf is record {at} of the log")
        if not checks.answer().failed() and checks.answer().open():
            raise NothingToCheckError("the copy ends too early to tell")
        if checks.answer().failed():
            raise NoteError("an earlier check that this one needs has failed")

    checks.run("absent", absent, "the log does not hold the record that it promised",
               "日志中没有其承诺记入的记录")  # fmt: skip


def _end_of(copy: Path, newest: Checkpoint | None, verifier: Verifier | None) -> Checkpoint | None:
    """The copy's own checkpoint, where the log signed it and it is the later one.

    Evidence may be written as soon as a node denies a promise; what the log went on with for the
    minute after that is in a copy that was taken later.
    """
    try:
        own = open_checkpoint((copy / "checkpoint").read_text(), had(verifier))
    except (NoteError, OSError, UnicodeDecodeError):
        return newest
    return own if newest is not None and own.size > newest.size else newest


def _given(log: LogCopy | None) -> LogCopy:
    if log is None:
        raise NothingToCheckError("only a copy of the log shows it: give one with --log")
    return log


def _time_of(leaf: bytes) -> datetime:
    try:
        at = datetime.fromisoformat(json.loads(leaf)["time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoteError("the copy's last record has no time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
