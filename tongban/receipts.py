"""Receipts as files: saved with an answer, completed with the log's proof, verified offline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import grpc

from exchange.audit.model import Receipt
from exchange.audit.note import NoteError
from exchange.audit.verify import (
    Answer,
    SavedReceipt,
    receipt_from_json,
    receipt_to_json,
    verify_consistency,
    verify_receipt,
)
from exchange.v1 import audit_pb2 as pb
from runtime import status
from runtime.errors import InvalidArgument, Unavailable
from tongban.client import Client
from tongban.files import read_file, write_file

GREATEST_RECEIPT = 1024 * 1024
PROOF_SECONDS = 30.0


def save_receipt(
    path: Path, message: pb.Receipt, *, request: Mapping[str, Any], answer: Mapping[str, Any]
) -> None:
    """Save a receipt with the question and the answer that it proves.

    The file holds what they hold: keep it as carefully.
    """
    receipt = Receipt(
        leaf=message.leaf,
        salt=message.salt,
        shard=message.shard,
        batch=message.batch,
        position=message.position,
        batch_size=message.batch_size,
        path=tuple(message.path),
        promise_time=message.promise_time.ToDatetime(UTC),
        signature=message.signature,
    )
    saved = SavedReceipt(receipt=receipt, values={"request": request, "answer": answer})
    write_file(path, receipt_to_json(saved).encode())


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


def complete(client: Client, path: Path) -> int:
    """Exchange the promise of a saved receipt for the log's proof; the leaf's index.

    Waits for the log to take the record in, about a second. Raises what the node refuses, and
    Unavailable (NOT_YET_SEQUENCED) where it takes longer than 30 seconds.
    """
    saved = read_receipt(path)
    receipt = saved.receipt
    question = pb.GetInclusionProofRequest(
        shard=receipt.shard, batch=receipt.batch, position=receipt.position
    )
    deadline = time.monotonic() + PROOF_SECONDS
    while True:
        try:
            found = client.audit.GetInclusionProof(question, timeout=client.timeout)
            break
        except grpc.RpcError as failed:
            error = status.from_rpc_error(failed)
            late = not isinstance(error, Unavailable) or error.retry_after is None
            if late or time.monotonic() > deadline:
                raise error from None
            time.sleep(error.retry_after or 0.5)
    complete_one = SavedReceipt(receipt=receipt, values=saved.values, proof=found.proof)
    write_file(path, receipt_to_json(complete_one).encode())
    return found.index


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


def verify_since(client: Client, earlier: str, verifier_key: str) -> dict[str, Any]:
    """Verify that the log has only grown since a checkpoint that was kept."""
    now = client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=client.timeout).checkpoint
    proof = client.audit.GetConsistencyProof(
        pb.GetConsistencyProofRequest(first_size=size_of(earlier), second_size=size_of(now)),
        timeout=client.timeout,
    )
    return told(
        verify_consistency(earlier, now, list(proof.hashes), verifier_key),
        f"the log has only grown: {size_of(earlier)} to {size_of(now)} records",
        f"日志只增未改：由 {size_of(earlier)} 条增至 {size_of(now)} 条",
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
