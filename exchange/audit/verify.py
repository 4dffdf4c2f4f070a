"""The offline verifier: receipts, proofs and whole logs, without trusting the node that made them.

Needs no database, no network and no other part of Tongban than the modules beside it that it
imports (standard library and `cryptography`). One line must be had from elsewhere
than the node: the log's verifier key.

1. A failed verification is an answer, never an exception: `Answer` holds every check by name, with
   what it found in English and Chinese.
2. A check that cannot be made has failed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from exchange.audit.answering import (
    NO_QUORUM,
    Answer,
    Check,
    Checks,
    Outcome,
    Quorum,
    had,
)
from exchange.audit.copying import LogCopy
from exchange.audit.merkle import (
    check_consistency,
    check_inclusion,
    leaf_hash,
    root_from_path,
)
from exchange.audit.model import Receipt
from exchange.audit.note import (
    NoteError,
    Promise,
    Proof,
    Verifier,
    instant,
    read_proof,
)
from exchange.audit.proved import LogProof, ProvenLeaf, documents_of
from exchange.audit.saved import SavedReceipt, receipt_from_json, receipt_to_json
from exchange.audit.signed import canonical as _canonical
from exchange.audit.signed import check_enrolled, check_same, check_signed

__all__ = [
    "Answer",
    "Check",
    "Outcome",
    "Quorum",
    "SavedReceipt",
    "receipt_from_json",
    "receipt_to_json",
    "verify_consistency",
    "verify_inclusion",
    "verify_leaves",
    "verify_log",
    "verify_receipt",
]

#: Labels of what was asked and of what was told.
ASKED_AND_TOLD = ("request", "answer", "changes")

# The five questions.


def verify_receipt(
    saved: SavedReceipt,
    verifier_key: str,
    *,
    quorum: Quorum = NO_QUORUM,
    certificate: str = "",
    enrolment: LogProof | None = None,
) -> Answer:
    """Whether the log promised this leaf, and whether it says what its owner says it does.

    1. `key`: the verifier key is whole. (A key with another id would let two keys pass for one.)
    2. `leaf`: the leaf is canonical JSON. (Two readings of one leaf could be argued about.)
    3. `path`: position, size and path fit together and lead to a root. (A leaf of another batch,
       or a node passed off as a leaf.)
    4. `promise`: the log's key signed origin, shard, number, count, root and time. (A forged
       receipt; one of another log; one moved to another batch or antedated.)
    5. `opening:<label>`: a given plain value is what the leaf commits to. (An owner who shows
       another question or another answer than was logged.) A question or an answer that the leaf
       commits to and the file lacks is INDETERMINATE. (An owner who shows another one beside it.)
    6. where the request was signed, `request_signature`: the certificate in the file is the one
       that the leaf names, and is the asking system's; its key signed method, time and digest; the
       digest is that of the given request. (A node that made a request up; a consumer who denies
       one.) Whose the certificate is, it does not show by itself: any node can issue one.
       `certificate`: where the signer's is given, PEM, had from the signer, it is the file's. (A
       node that had another one issued in the signer's name.) Where neither it nor an enrolment is
       given, INDETERMINATE.
       `enrolment`, where the proof of the certificate's enrolment is given: it holds by the checks
       of `verify_leaves`, and enrols this certificate of this system. (One that nobody can see.)
       INDETERMINATE where the node made the key and no `certificate` is given: its operator, too,
       could sign with it.
    7. with a proof, the checks of `verify_inclusion`. (A node that promised and did not log.)
    """
    checks = Checks(quorum)
    receipt = saved.receipt
    verifier = checks.key(verifier_key)
    leaf = checks.run("leaf", lambda: read_leaf(receipt.leaf), "canonical JSON", "规范 JSON")
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
        step = partial(check_opening, leaf, receipt.salt, label, value)
        checks.run(f"opening:{label}", step, "is what the leaf commits to", "与叶中的承诺一致")
    for label in _lacking(leaf, saved):
        checks.undetermined(
            f"opening:{label}",
            "the leaf commits to it, and the file does not hold it",
            "叶中有其承诺，而文件中没有该内容",
        )
    signed = bool(saved.certificate or (leaf and "signed" in leaf))
    if signed:
        checks.run(
            "request_signature",
            lambda: check_signed(had(leaf), saved),
            "the request is signed with the certificate's key",
            "请求由证书的密钥签名",
            tell=lambda which: (
                f"the request is signed with the key of {which}, which names the asking system",
                f"请求由下列证书的密钥签名，证书写明查询方系统：{which}",
            ),
        )
    if certificate:
        same = partial(check_same, saved, certificate)
        checks.run("certificate", same, "is the one given", "与所给证书一致")
    elif signed and enrolment is None:
        checks.undetermined(
            "certificate",
            "nothing shows that it is the asking system's own: give it as its system has it, or "
            "the proof of its enrolment in the log",
            "无法表明证书属于查询方系统：请提供该系统自有的证书，或其登记在日志中的证明",
        )
    if enrolment is not None:
        owned = bool(certificate)
        checks.run(
            "enrolment",
            lambda: _enrolled(had(leaf), saved, enrolment, verifier_key, quorum, owned=owned),
            "",
            "",
            tell=lambda told: told,
        )
    if saved.proof:
        inclusion(checks, saved.proof, receipt.leaf, verifier)
    else:
        checks.cosignatures("cosignatures", "", verifier)
    return checks.answer()


def verify_inclusion(
    proof: str, leaf: bytes, verifier_key: str, *, quorum: Quorum = NO_QUORUM
) -> Answer:
    """Whether a leaf is in the log, by its tlog-proof (c2sp.org/tlog-proof).

    1. `key`: as in `verify_receipt`.
    2. `proof`: the text is a tlog-proof. (A text that two readers read differently.)
    3. `checkpoint`: the log's key signed the checkpoint. (A tree made up for one verifier.)
    4. `inclusion`: the path leads from the leaf to the checkpoint's root, with no hash left over.
       (A leaf that was promised and dropped, changed, or put elsewhere.)
    5. where witnesses are asked for, `cosignatures`: enough of them signed the checkpoint. (A view
       of the log that was made up for one reader.)
    """
    checks = Checks(quorum)
    inclusion(checks, proof, leaf, checks.key(verifier_key))
    return checks.answer()


def verify_leaves(saved: LogProof, verifier_key: str, *, quorum: Quorum = NO_QUORUM) -> Answer:
    """Whether all records of a proof's file are in the log, and are of its document.

    1. `key`: as in `verify_receipt`. Then of each record, by its index in the log:
    2. `leaf:<index>`: as in `verify_receipt`.
    3. `document:<index>`: it names the document. (The record of another document.)
    4. `proof:<index>`, `checkpoint:<index>`, `inclusion:<index>`: as in `verify_inclusion`, and the
       proof is of this index. (A record moved to another place, and so to another time.)
    """
    checks = Checks(quorum)
    verifier = checks.key(verifier_key)
    for one in saved.leaves:
        of = f":{one.index}"
        leaf = checks.run(f"leaf{of}", partial(read_leaf, one.leaf), "canonical JSON", "规范 JSON")
        step = partial(_check_named, leaf, saved.document)
        checks.run(f"document{of}", step, "is the one that the record names", "即该记录所指的文件")
        inclusion(checks, one.proof, one.leaf, verifier, at=one)
    return checks.answer()


def verify_consistency(
    old: str,
    new: str,
    proof: Sequence[bytes],
    verifier_key: str,
    *,
    quorum: Quorum = NO_QUORUM,
) -> Answer:
    """Whether the log only grew between two checkpoints that somebody kept.

    1. `key`: as in `verify_receipt`.
    2. `old_checkpoint`, `new_checkpoint`: both are signed by the log's key. (Without that, a
       difference would prove nothing against the log.)
    3. `consistency`: the older tree is a prefix of the newer one (RFC 6962 2.1.2). (History
       rewritten, leaves removed or reordered; two views of the log for two readers.)
    """
    checks = Checks(quorum)
    verifier = checks.key(verifier_key)
    first = checks.checkpoint("old_checkpoint", old, verifier)
    second = checks.checkpoint("new_checkpoint", new, verifier)
    checks.cosignatures("cosignatures", new, verifier)

    def extends() -> None:
        a, b = had(first), had(second)
        check_consistency(a.size, a.root, b.size, b.root, list(proof))

    checks.run("consistency", extends, "the log only grew", "日志只增未改")
    return checks.answer()


def verify_log(
    folder: Path,
    checkpoint: str,
    verifier_key: str,
    *,
    earlier: Sequence[str] = (),
    quorum: Quorum = NO_QUORUM,
    witnessed: str = "",
) -> Answer:
    """Whether a copy of the log (c2sp.org/tlog-tiles) is the one that a checkpoint speaks of.

    1. `key` and `checkpoint`: as in `verify_inclusion`.
    2. `entries`: every entry bundle is there and whole. (Leaves withheld from auditors.)
    3. `root`: the tree over all entries has the checkpoint's root. (Any leaf changed, dropped,
       added or reordered.)
    4. `tiles`: where the copy has tiles, they hold the hashes of this tree. (Tiles that prove to
       others what the entries do not say.)
    5. `earlier:<n>`, `earlier_root:<n>`: each earlier checkpoint given is signed, and its root is
       that of the first leaves. (History rewritten since.)
    6. where witnesses are asked for, `cosignatures`: enough of them signed the checkpoint
       `witnessed`, which is one of the earlier ones; or the newest, where none is given.
    """
    checks = Checks(quorum)
    verifier = checks.key(verifier_key)
    newest = checks.checkpoint("checkpoint", checkpoint, verifier)
    notes = [*earlier, *([witnessed] if witnessed and witnessed != checkpoint else [])]
    kept = [checks.checkpoint(f"earlier:{i}", note, verifier) for i, note in enumerate(notes)]
    checks.cosignatures("cosignatures", witnessed or checkpoint, verifier)
    sizes = {one.size for one in (newest, *kept) if one is not None}
    copy = LogCopy(folder, sizes)
    checks.run("entries", lambda: copy.read(had(newest).size), "all are there", "条目齐全")
    checks.run("root", partial(copy.check_root, newest), "is the checkpoint's", "与检查点一致")
    if copy.has_tiles:
        checks.run("tiles", copy.check_tiles, "hold this tree", "与条目一致")
    for i, one in enumerate(kept):
        step = partial(copy.check_root, one)
        checks.run(f"earlier_root:{i}", step, "the log only grew since", "此后日志只增未改")
    return checks.answer()


# The steps.


def inclusion(
    checks: Checks,
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
    checks.cosignatures(f"cosignatures{of}", note, verifier)

    def included() -> None:
        path, tree = had(proof), had(checkpoint)
        check_inclusion(leaf_hash(leaf), path.index, tree.size, path.path, tree.root)

    checks.run(f"inclusion{of}", included, "the leaf is in the log", "该叶已在日志中")


def _check_named(leaf: dict[str, Any] | None, document: str) -> None:
    if document not in documents_of(had(leaf)):
        raise NoteError("the record names another document, or none")


def promise_of(receipt: Receipt, verifier: Verifier | None) -> None:
    """Check that the log's key promised the leaf. Raises ProofError and NoteError."""
    root = root_from_path(
        leaf_hash(receipt.leaf), receipt.position, receipt.batch_size, receipt.path
    )
    _check_promise(receipt, root, verifier)


def _check_promise(receipt: Receipt, root: bytes | None, verifier: Verifier | None) -> None:
    key = had(verifier)
    promise = Promise(
        origin=key.name,
        shard=receipt.shard,
        batch=receipt.batch,
        count=receipt.batch_size,
        root=had(root),
        time=instant(receipt.promise_time),
    )
    key.check(promise.text(), receipt.signature)


def read_leaf(leaf: bytes) -> dict[str, Any]:
    try:
        body = json.loads(leaf)
    except (ValueError, RecursionError):
        raise NoteError("the leaf is not JSON") from None
    if not isinstance(body, dict) or _canonical(body) != leaf:
        raise NoteError("the leaf is not a canonical JSON object")
    return body


def check_opening(leaf: dict[str, Any] | None, salt: bytes, label: str, value: Any) -> None:
    commitments = had(leaf).get("commitments")
    wanted = commitments.get(label) if isinstance(commitments, dict) else None
    if wanted is None:
        raise NoteError("the leaf has no commitment of this label")
    plain = _plain(value)
    if hashlib.sha256(salt + label.encode() + b"\0" + plain).hexdigest() != wanted:
        raise NoteError("the leaf commits to another value, or the salt is another one")


def _enrolled(
    leaf: dict[str, Any],
    saved: SavedReceipt,
    enrolment: LogProof,
    verifier_key: str,
    quorum: Quorum,
    *,
    owned: bool,
) -> tuple[str, str]:
    if not saved.certificate:
        raise NoteError("the request was not signed, so no enrolment shows whose it is")
    failed = verify_leaves(enrolment, verifier_key, quorum=quorum).failed()
    if failed:
        raise NoteError(f"the proof of the enrolment does not hold: {', '.join(failed)}")
    first, *later = (read_leaf(one.leaf) for one in enrolment.leaves)
    told = check_enrolled(leaf, first, later, saved.certificate, owned=owned)
    index = enrolment.leaves[0].index
    return f"{told[0]} (record {index} of the log)", f"{told[1]}（日志第 {index} 条）"


def _lacking(leaf: dict[str, Any] | None, saved: SavedReceipt) -> list[str]:
    commitments = (leaf or {}).get("commitments")
    if not isinstance(commitments, dict):
        return []
    return [one for one in ASKED_AND_TOLD if one in commitments and one not in saved.values]


def _plain(value: Any) -> bytes:
    try:
        return value.encode() if isinstance(value, str) else _canonical(value)
    except UnicodeError:
        raise NoteError("the value is not text") from None
