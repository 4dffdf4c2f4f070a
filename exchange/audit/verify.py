"""The offline verifier: receipts, proofs and whole logs, without trusting the node that made them.

Needs no database, no network and no other part of Tongban than `merkle`, `note`, `model`, `saved`
and `proved` beside it (standard library and `cryptography`). One line must be had from elsewhere
than the node: the log's verifier key.

1. A failed verification is an answer, never an exception: `Answer` holds every check by name, with
   what it found in English and Chinese.
2. A check that cannot be made has failed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from exchange.audit.merkle import (
    HASH_SIZE,
    TILE_WIDTH,
    Frontier,
    ProofError,
    check_consistency,
    check_inclusion,
    leaf_hash,
    root_from_path,
    split_entries,
    tile_name,
    tiles_over,
)
from exchange.audit.model import Receipt
from exchange.audit.note import (
    Checkpoint,
    NoteError,
    Promise,
    Proof,
    Verifier,
    instant,
    open_checkpoint,
    read_proof,
)
from exchange.audit.proved import LogProof, ProvenLeaf, documents_of
from exchange.audit.saved import SavedReceipt, receipt_from_json, receipt_to_json

__all__ = [
    "Answer",
    "Check",
    "Outcome",
    "SavedReceipt",
    "receipt_from_json",
    "receipt_to_json",
    "verify_consistency",
    "verify_inclusion",
    "verify_leaves",
    "verify_log",
    "verify_receipt",
]

T = TypeVar("T")


class Outcome(StrEnum):
    """What a check found."""

    PASSED = "PASSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One named check."""

    name: str
    outcome: Outcome
    detail: str
    detail_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All checks that were made, in their order."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(c.outcome is Outcome.PASSED for c in self.checks)

    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [c.name for c in self.checks if c.outcome is Outcome.FAILED]


# The five questions.


def verify_receipt(saved: SavedReceipt, verifier_key: str) -> Answer:
    """Whether the log promised this leaf, and whether it says what its owner says it does.

    1. `key`: the verifier key is whole. (A key with another id would let two keys pass for one.)
    2. `leaf`: the leaf is canonical JSON. (Two readings of one leaf could be argued about.)
    3. `path`: position, size and path fit together and lead to a root. (A leaf of another batch,
       or a node passed off as a leaf.)
    4. `promise`: the log's key signed origin, shard, number, count, root and time. (A forged
       receipt; one of another log; one moved to another batch or antedated.)
    5. `opening:<label>`: a given plain value is what the leaf commits to. (An owner who shows
       another question or another answer than was logged.)
    6. with a proof, the checks of `verify_inclusion`. (A node that promised and did not log.)
    """
    checks = _Checks()
    receipt = saved.receipt
    verifier = checks.key(verifier_key)
    leaf = checks.run("leaf", lambda: _read_leaf(receipt.leaf), "canonical JSON", "规范 JSON")
    root = checks.run(
        "path",
        lambda: root_from_path(
            leaf_hash(receipt.leaf), receipt.position, receipt.batch_size, receipt.path
        ),
        "leads from the leaf to the batch's root",
        "从叶到批次根的路径成立",
    )
    checks.run(
        "promise",
        lambda: _check_promise(receipt, root, verifier),
        "signed by the log's key",
        "由日志密钥签名",
    )
    for label, value in saved.values.items():
        step = partial(_check_opening, leaf, receipt.salt, label, value)
        checks.run(f"opening:{label}", step, "is what the leaf commits to", "与叶中的承诺一致")
    if saved.proof:
        _inclusion(checks, saved.proof, receipt.leaf, verifier)
    return checks.answer()


def verify_inclusion(proof: str, leaf: bytes, verifier_key: str) -> Answer:
    """Whether a leaf is in the log, by its tlog-proof (c2sp.org/tlog-proof).

    1. `key`: as in `verify_receipt`.
    2. `proof`: the text is a tlog-proof. (A text that two readers read differently.)
    3. `checkpoint`: the log's key signed the checkpoint. (A tree made up for one verifier.)
    4. `inclusion`: the path leads from the leaf to the checkpoint's root, with no hash left over.
       (A leaf that was promised and dropped, changed, or put elsewhere.)
    """
    checks = _Checks()
    _inclusion(checks, proof, leaf, checks.key(verifier_key))
    return checks.answer()


def verify_leaves(saved: LogProof, verifier_key: str) -> Answer:
    """Whether all records of a proof's file are in the log, and are of its document.

    1. `key`: as in `verify_receipt`. Then of each record, by its index in the log:
    2. `leaf:<index>`: as in `verify_receipt`.
    3. `document:<index>`: it names the document. (The record of another document.)
    4. `proof:<index>`, `checkpoint:<index>`, `inclusion:<index>`: as in `verify_inclusion`, and the
       proof is of this index. (A record moved to another place, and so to another time.)
    """
    checks = _Checks()
    verifier = checks.key(verifier_key)
    for one in saved.leaves:
        of = f":{one.index}"
        leaf = checks.run(f"leaf{of}", partial(_read_leaf, one.leaf), "canonical JSON", "规范 JSON")
        step = partial(_check_named, leaf, saved.document)
        checks.run(f"document{of}", step, "is the one that the record names", "即该记录所指的文件")
        _inclusion(checks, one.proof, one.leaf, verifier, at=one)
    return checks.answer()


def verify_consistency(old: str, new: str, proof: Sequence[bytes], verifier_key: str) -> Answer:
    """Whether the log only grew between two checkpoints that somebody kept.

    1. `key`: as in `verify_receipt`.
    2. `old_checkpoint`, `new_checkpoint`: both are signed by the log's key. (Without that, a
       difference would prove nothing against the log.)
    3. `consistency`: the older tree is a prefix of the newer one (RFC 6962 2.1.2). (History
       rewritten, leaves removed or reordered; two views of the log for two readers.)
    """
    checks = _Checks()
    verifier = checks.key(verifier_key)
    first = checks.checkpoint("old_checkpoint", old, verifier)
    second = checks.checkpoint("new_checkpoint", new, verifier)

    def extends() -> None:
        a, b = _had(first), _had(second)
        check_consistency(a.size, a.root, b.size, b.root, list(proof))

    checks.run("consistency", extends, "the log only grew", "日志只增未改")
    return checks.answer()


def verify_log(
    folder: Path, checkpoint: str, verifier_key: str, *, earlier: Sequence[str] = ()
) -> Answer:
    """Whether a copy of the log (c2sp.org/tlog-tiles) is the one that a checkpoint speaks of.

    1. `key` and `checkpoint`: as in `verify_inclusion`.
    2. `entries`: every entry bundle is there and whole. (Leaves withheld from auditors.)
    3. `root`: the tree over all entries has the checkpoint's root. (Any leaf changed, dropped,
       added or reordered.)
    4. `tiles`: where the copy has tiles, they hold the hashes of this tree. (Tiles that prove to
       others what the entries do not say.)
    5. `earlier:<n>`: each earlier checkpoint given is signed, and its root is that of the first
       leaves. (History rewritten since.)
    """
    checks = _Checks()
    verifier = checks.key(verifier_key)
    newest = checks.checkpoint("checkpoint", checkpoint, verifier)
    kept = [checks.checkpoint(f"earlier:{i}", note, verifier) for i, note in enumerate(earlier)]
    sizes = {one.size for one in (newest, *kept) if one is not None}
    copy = _Copy(folder, sizes)
    checks.run("entries", lambda: copy.read(_had(newest).size), "all are there", "条目齐全")
    checks.run("root", partial(copy.check_root, newest), "is the checkpoint's", "与检查点一致")
    if copy.has_tiles:
        checks.run("tiles", copy.check_tiles, "hold this tree", "与条目一致")
    for i, one in enumerate(kept):
        step = partial(copy.check_root, one)
        checks.run(f"earlier_root:{i}", step, "the log only grew since", "此后日志只增未改")
    return checks.answer()


# The steps.


class _Checks:
    """Gathers checks; a step that raises has failed, and the next go on without its result."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def run(self, name: str, step: Callable[[], T], detail: str, detail_zh: str) -> T | None:
        """Make a check: `step` raises where it fails."""
        outcome, result = Outcome.PASSED, None
        try:
            result = step()
        except (ProofError, NoteError, OSError) as error:
            outcome = Outcome.FAILED
            detail = str(error) if isinstance(error, ValueError) else "a file cannot be read"
            detail_zh = f"未通过：{detail}"
        self._checks.append(Check(name=name, outcome=outcome, detail=detail, detail_zh=detail_zh))
        return result

    def key(self, verifier_key: str) -> Verifier | None:
        """The verifier of a key, checked."""
        return self.run("key", lambda: Verifier(verifier_key), "is whole", "密钥完整")

    def checkpoint(self, name: str, note: str, verifier: Verifier | None) -> Checkpoint | None:
        """What a checkpoint says, checked."""
        step = partial(_open, note, verifier)
        return self.run(name, step, "signed by the log's key", "由日志密钥签名")

    def answer(self) -> Answer:
        """All checks so far."""
        return Answer(checks=tuple(self._checks))


class _Copy:
    """One pass over a copy of the log: roots at the sizes asked for, and the tiles' first fault."""

    def __init__(self, folder: Path, sizes: set[int]) -> None:
        self._folder = folder
        self._sizes = sizes
        self._frontier = Frontier()
        self._roots: dict[int, bytes] = {}
        self._fault = ""
        self.has_tiles = (folder / "tile" / "0").is_dir()

    def read(self, size: int) -> None:
        """Read all entries. Raises ProofError where some are missing."""
        for level, number, tile in tiles_over(self._hashes(size)):
            if self.has_tiles and not self._fault:
                name = tile_name(level, number, len(tile) // HASH_SIZE)
                held = self._file(level, number, len(tile) // HASH_SIZE)
                if held is None or held[: len(tile)] != tile:
                    self._fault = f"{name} is missing or does not hold the entries' hashes"

    def check_root(self, checkpoint: Checkpoint | None) -> None:
        """Raises ProofError unless the first entries have the checkpoint's root."""
        wanted = _had(checkpoint)
        if self._roots.get(wanted.size) != wanted.root:
            raise ProofError(f"the first {wanted.size} entries have another root")

    def check_tiles(self) -> None:
        """Raises ProofError with the first fault of the tiles."""
        if self._fault or self._frontier.size not in self._roots:
            raise ProofError(self._fault or "the entries could not be read to their end")

    def _hashes(self, size: int) -> Iterator[bytes]:
        for start in range(0, size, TILE_WIDTH):
            width = min(TILE_WIDTH, size - start)
            bundle = self._file("entries", start // TILE_WIDTH, width)
            entries = [] if bundle is None else split_entries(bundle)[:width]
            if len(entries) < width:
                raise ProofError(f"entries {start} to {start + width - 1} are not all there")
            for entry in entries:
                self._keep_root()
                value = leaf_hash(entry)
                self._frontier.add(value)
                yield value
        self._keep_root()

    def _keep_root(self) -> None:
        if self._frontier.size in self._sizes:
            self._roots[self._frontier.size] = self._frontier.root()

    def _file(self, level: int | str, number: int, width: int) -> bytes | None:
        for name in (tile_name(level, number, width), tile_name(level, number)):
            path = self._folder / name
            if path.is_file():
                return path.read_bytes()
        return None


def _inclusion(
    checks: _Checks,
    text: str,
    leaf: bytes,
    verifier: Verifier | None,
    *,
    at: ProvenLeaf | None = None,
) -> None:
    """The checks of a tlog-proof; `at`, where the leaf is said to be, goes into their names."""
    of = f":{at.index}" if at else ""

    def read() -> Proof:
        found = read_proof(text)
        if at and found.index != at.index:
            raise NoteError(f"the proof is of the leaf at {found.index}")
        return found

    proof = checks.run(f"proof{of}", read, "is a tlog-proof", "格式正确")
    note = proof.checkpoint if proof else ""
    checkpoint = checks.checkpoint(f"checkpoint{of}", note, verifier)

    def included() -> None:
        path, tree = _had(proof), _had(checkpoint)
        check_inclusion(leaf_hash(leaf), path.index, tree.size, path.path, tree.root)

    checks.run(f"inclusion{of}", included, "the leaf is in the log", "该叶已在日志中")


def _check_named(leaf: dict[str, Any] | None, document: str) -> None:
    if document not in documents_of(_had(leaf)):
        raise NoteError("the record names another document, or none")


def _open(note: str, verifier: Verifier | None) -> Checkpoint:
    return open_checkpoint(note, _had(verifier))


def _check_promise(receipt: Receipt, root: bytes | None, verifier: Verifier | None) -> None:
    key = _had(verifier)
    promise = Promise(
        origin=key.name,
        shard=receipt.shard,
        batch=receipt.batch,
        count=receipt.batch_size,
        root=_had(root),
        time=instant(receipt.promise_time),
    )
    key.check(promise.text(), receipt.signature)


def _read_leaf(leaf: bytes) -> dict[str, Any]:
    try:
        body = json.loads(leaf)
    except (ValueError, RecursionError):
        raise NoteError("the leaf is not JSON") from None
    if not isinstance(body, dict) or _canonical(body) != leaf:
        raise NoteError("the leaf is not a canonical JSON object")
    return body


def _check_opening(leaf: dict[str, Any] | None, salt: bytes, label: str, value: Any) -> None:
    commitments = _had(leaf).get("commitments")
    wanted = commitments.get(label) if isinstance(commitments, dict) else None
    if wanted is None:
        raise NoteError("the leaf has no commitment of this label")
    plain = _plain(value)
    if hashlib.sha256(salt + label.encode() + b"\0" + plain).hexdigest() != wanted:
        raise NoteError("the leaf commits to another value, or the salt is another one")


def _plain(value: Any) -> bytes:
    try:
        return value.encode() if isinstance(value, str) else _canonical(value)
    except UnicodeError:
        raise NoteError("the value is not text") from None


def _canonical(value: Any) -> bytes:
    """As `runtime.records.canonical`, by the standard library. Raises NoteError."""
    try:
        text = json.dumps(
            value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
        return text.encode()
    except (ValueError, TypeError, RecursionError):
        raise NoteError("the value has no canonical form") from None


def _had(value: T | None) -> T:
    """The result of an earlier check. Raises NoteError where that one failed."""
    if value is None:
        raise NoteError("an earlier check that this one needs has failed")
    return value
