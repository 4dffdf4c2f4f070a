"""A file of the log judged by the node itself: a receipt, a proof's file, or who asked for data.

As `verify` and `verify_told`, with the node's own verifier key: for whoever has no tools. Who does
not trust the node runs those elsewhere. Nothing that is judged is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from exchange.audit.answering import Answer, Check, Outcome
from exchange.audit.note import NoteError
from exchange.audit.proved import FORMAT as PROOF
from exchange.audit.proved import proof_from_json
from exchange.audit.saved import FORMAT as RECEIPT
from exchange.audit.saved import SavedReceipt, receipt_from_json
from exchange.audit.told import FORMAT as ACCESSES
from exchange.audit.told import accesses_from_json
from exchange.audit.verify import verify_leaves, verify_receipt
from exchange.audit.verify_told import verify_accesses
from runtime.errors import FieldViolation, InvalidArgument, NotFound, Unavailable

GREATEST: Final = 3 * 1024 * 1024
FORMATS: Final = (RECEIPT, PROOF, ACCESSES)
#: The tlog-proof of a promised leaf, by shard, batch and position; as `AuditReader` raises.
Prove = Callable[[str, int, int], tuple[int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a file calls itself, what came of its checks, and the leaves that it holds."""

    format: str
    answer: Answer
    leaves: tuple[bytes, ...]


def judge(data: bytes, verifier_key: str, prove: Prove) -> Judged:
    """Judge a file. Of a receipt whose promise was not exchanged yet, the log is asked, too.

    Raises InvalidArgument: RECORD_TOO_LARGE, RECORD_UNREADABLE.
    """
    if len(data) > GREATEST:
        raise InvalidArgument(
            f"a receipt or a proof has at most {GREATEST >> 20} MiB",
            reason="RECORD_TOO_LARGE",
            message_zh=f"回执或证明文件不超过 {GREATEST >> 20} MiB",
            violations=[FieldViolation("file", "too large")],
        )
    try:
        text = data.decode()
        found = json.loads(text)
        kind = found.get("format") if isinstance(found, dict) else None
        if kind == RECEIPT:
            return _receipt(receipt_from_json(text), verifier_key, prove)
        if kind == PROOF:
            proof = proof_from_json(text)
            leaves = tuple(one.leaf for one in proof.leaves)
            return Judged(format=PROOF, answer=verify_leaves(proof, verifier_key), leaves=leaves)
        if kind == ACCESSES:
            told = accesses_from_json(text)
            leaves = tuple(one.proven.leaf for one in told.accesses)
            answer = verify_accesses(told, verifier_key)
            return Judged(format=ACCESSES, answer=answer, leaves=leaves)
        why = "it is none of the log's files"
    except NoteError as error:
        why = str(error)
    except (ValueError, RecursionError):
        why = "it is not JSON"
    raise InvalidArgument(
        f"the file is no receipt, proof or list of accesses of Tongban: {why}",
        reason="RECORD_UNREADABLE",
        message_zh="该文件不是通办的回执、日志证明或数据使用记录，或内容已损坏",
        violations=[FieldViolation("file", why)],
    )


def _receipt(saved: SavedReceipt, verifier_key: str, prove: Prove) -> Judged:
    receipt, open_ = saved.receipt, None
    if not saved.proof:
        try:
            _, proof = prove(receipt.shard, receipt.batch, receipt.position)
            saved = replace(saved, proof=proof)
        except NotFound:
            open_ = _said(
                Outcome.FAILED,
                "this node made no such promise",
                "本节点没有作出该承诺",
            )
        except Unavailable:
            open_ = _said(
                Outcome.INDETERMINATE,
                "it was promised a moment ago and is not in the log yet: ask again in a second",
                "刚作出承诺，尚未进入日志：请稍后再试",
            )
    answer = verify_receipt(saved, verifier_key)
    if open_ is not None:
        answer = Answer(checks=(*answer.checks, open_))
    return Judged(format=RECEIPT, answer=answer, leaves=(receipt.leaf,))


def _said(outcome: Outcome, detail: str, detail_zh: str) -> Check:
    return Check(name="inclusion", outcome=outcome, detail=detail, detail_zh=detail_zh)
