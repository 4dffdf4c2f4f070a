"""Receipts and checkpoints of the audit log, read and verified without any node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exchange.audit.note import NoteError
from exchange.audit.verify import Answer, SavedReceipt, receipt_from_json, verify_receipt
from runtime.errors import InvalidArgument
from seal.judging.telling import plain
from seal.model import Check, failed, passed, undetermined
from tongban.console import print_answer, print_table, say, word
from tongban.files import read_file

GREATEST_RECEIPT = 1024 * 1024
# Facts of a record that are the SHA-256 of a document.
_DOCUMENT_FACTS = ("sha256_after", "ofd_sha256", "pdf_sha256")


def read_receipt(path: Path) -> SavedReceipt:
    """A saved receipt. Raises InvalidArgument, BAD_RECEIPT."""
    try:
        return receipt_from_json(read_file(path, greatest=GREATEST_RECEIPT).decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"{path} is not a receipt that was saved with --receipt: {error}",
            reason="BAD_RECEIPT",
            message_zh=f"{path} 不是用 --receipt 保存的回执",
        ) from error


def verify_file(path: Path, verifier_key: str) -> dict[str, Any]:
    """Verify a saved receipt without any node."""
    saved = read_receipt(path)
    return told(
        verify_receipt(saved, verifier_key),
        "the answer is the one that was logged, and it is in the log"
        if saved.proof
        else "the answer is the one that the node promised to log",
        "应答与日志记载一致，且已在日志中" if saved.proof else "应答与节点承诺入日志的一致",
    )


def size_of(checkpoint: str) -> int:
    """The size that a checkpoint's second line states. Raises InvalidArgument."""
    lines = checkpoint.split("\n")
    if len(lines) < 3 or not (lines[1].isascii() and lines[1].isdigit() and len(lines[1]) < 19):
        raise InvalidArgument(
            "that is not a checkpoint of a log: save one with `tongban audit checkpoint`",
            reason="BAD_CHECKPOINT",
            message_zh="这不是日志检查点：请用 `tongban audit checkpoint` 保存",
        )
    return int(lines[1])


def told(answer: Answer, good: str, good_zh: str) -> dict[str, Any]:
    """An answer as data: its outcome, one sentence, and every check."""
    failed = ", ".join(answer.failed())
    return {
        "indication": "PASSED" if answer.passed else "FAILED",
        "summary": good if answer.passed else f"these checks failed: {failed}",
        "summary_zh": good_zh if answer.passed else f"未通过的检查：{failed}",
        "checks": [
            {
                "name": check.name,
                "outcome": check.outcome.value,
                "detail": check.detail,
                "detail_zh": check.detail_zh,
            }
            for check in answer.checks
        ],
    }


def receipt_check(
    data: bytes, key_inside: str, document: str, *, own_key: str, trust_inside: bool
) -> Check:
    """A receipt in a bundle of evidence as one check, by the verifier's own key of the log.

    A key that the bundle brings along proves that receipt and key fit together, and no more. A
    record that names documents has to name this one; `document` is its SHA-256, hexadecimal.
    """
    name = "evidence_receipt"
    against = (
        ("the log key given", "所给的日志密钥") if own_key else
        ("the log key inside the bundle", "证据包内的日志密钥")
    )  # fmt: skip
    try:
        saved = receipt_from_json(data.decode())
    except (NoteError, UnicodeDecodeError):
        return failed(name, "it is not a receipt", "不是有效的回执", against=against)
    answer = verify_receipt(saved, own_key or key_inside)
    if not answer.passed:
        what = plain(", ".join(answer.failed()))
        return failed(name, f"these checks failed: {what}", f"未通过：{what}", against=against)
    leaf = json.loads(saved.receipt.leaf)
    named = [leaf[one] for one in _DOCUMENT_FACTS if leaf.get(one)]
    if named and document not in named:
        detail = "the record is of another document"
        return failed(name, detail, "日志记录的是另一份文件", against=against,
                      reason="RECEIPT_OF_ANOTHER_DOCUMENT")  # fmt: skip
    if not own_key and not trust_inside:
        return undetermined(
            name,
            "it holds by the log key inside; get the log's key from its operator and give it with "
            "--log-key",
            "以证据包内的日志密钥验证成立；请向日志运营者取得密钥并用 --log-key 提供",
            reason="LOG_KEY_NOT_TRUSTED",
            against=against,
        )
    act = plain(f"{leaf.get('kind', '')}, {leaf.get('time', '')}")
    state, state_zh = (
        ("in the log", "已在日志中") if saved.proof else ("promised to the log", "节点已承诺入日志")
    )  # fmt: skip
    of, of_zh = (
        ("of this document", "本文件的") if named else ("that names no document", "未指明文件的")
    )
    return passed(
        name, f"the record {of} is {state}: {act}", f"{of_zh}记录{state_zh}：{act}",
        notice=not (own_key and named and saved.proof), against=against,
    )  # fmt: skip


def key_in(path: Path) -> str:
    """The log's verifier key that a file holds, unchecked."""
    return read_file(path).decode(errors="replace").strip()


def print_told(found: dict[str, Any]) -> None:
    """An answer of `told` as a sentence and a table of its checks."""
    print_answer(found["indication"], say(found["summary"], found["summary_zh"]))
    print_table(
        say("Checks", "检查项"),
        (say("check", "检查项"), say("outcome", "结果"), say("found", "说明")),
        [
            (c["name"], word(c["outcome"]), say(c["detail"], c["detail_zh"]))
            for c in found["checks"]
        ],
    )
