"""Whether the log kept the promise of a receipt, asked of the node or of a copy of its log.

1. A promise that the log's key did not sign is none: nothing is said about it.
2. The node keeps it by a proof that verifies. It breaks it by denying it, by a proof that does not
   verify, and by still having none a minute later.
3. A copy that goes on for a minute beyond the promise keeps it by holding the leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import grpc

from exchange.audit.evidence import HONOUR_SECONDS, Evidence, promise_broken, verify_evidence
from exchange.audit.saved import SavedReceipt
from exchange.audit.verify import verify_inclusion, verify_receipt
from exchange.v1 import audit_pb2 as pb
from runtime import status
from runtime.clock import SYSTEM, Clock
from runtime.errors import DomainError, InvalidArgument
from tongban.client import Client
from tongban.files import read_file

HONOURED: Final = "HONOURED"
BROKEN: Final = "BROKEN"
PENDING: Final = "PENDING"
_OF_A_PROMISE: Final = frozenset({"key", "leaf", "path", "promise"})
_DENIALS: Final = {
    "NOT_YET_SEQUENCED": ("the node has not logged the record a minute later",
                          "一分钟后节点仍未将该记录记入日志"),
    "PROMISE_UNKNOWN": ("the node denies a promise that its key signed",
                        "节点否认由其密钥签名的承诺"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Honour:
    """What came of a promise."""

    outcome: str
    detail: str
    detail_zh: str
    #: Of the leaf in the log, where that was told.
    index: int | None = None
    evidence: Evidence | None = None


def in_copy(saved: SavedReceipt, verifier_key: str, copy: Path) -> Honour:
    """By a copy of the log, offline. Raises InvalidArgument (NO_PROMISE, BAD_COPY)."""
    _check_promise(saved, verifier_key)
    newest = read_file(copy / "checkpoint").decode(errors="replace")
    evidence = promise_broken(saved, newest)
    answer = verify_evidence(evidence, verifier_key, copy=copy)
    failed = answer.failed()
    if answer.passed:
        return _broken("a log that went on for a minute beyond it does not hold the record",
                       "日志在承诺之后继续了一分钟以上，却没有该记录", evidence)  # fmt: skip
    sound = not {"later", "entries", "root"} & set(failed)
    if sound and "absent" in failed:
        detail = next(check.detail for check in answer.checks if check.name == "absent")
        if "kept" in detail:
            return Honour(outcome=HONOURED, detail=detail, detail_zh="承诺已兑现：该记录已在日志中")
    if sound:
        return _pending()
    raise InvalidArgument(
        f"{copy} is no sound copy of the log ({', '.join(failed)}): `tongban audit log` says more",
        reason="BAD_COPY",
        message_zh=f"{copy} 不是完好的日志副本：请用 `tongban audit log` 查看",
    )


def by_node(
    client: Client, saved: SavedReceipt, verifier_key: str, *, clock: Clock = SYSTEM
) -> Honour:
    """By the node's own answer. Raises InvalidArgument (NO_PROMISE), and what is no answer."""
    _check_promise(saved, verifier_key)
    receipt = saved.receipt
    question = pb.GetInclusionProofRequest(
        shard=receipt.shard, batch=receipt.batch, position=receipt.position
    )
    try:
        found = client.audit.GetInclusionProof(question, timeout=client.timeout)
    except grpc.RpcError as failed:
        error = status.from_rpc_error(failed)
        overdue = clock.now() - receipt.promise_time > timedelta(seconds=HONOUR_SECONDS)
        if error.reason == "NOT_YET_SEQUENCED" and not overdue:
            return _pending()
        told = _DENIALS.get(error.reason)
        if told is None:
            raise error from None
        return _broken(*told, _evidence(client, saved))
    if verify_inclusion(found.proof, receipt.leaf, verifier_key).passed:
        detail = f"the promise was kept: the leaf is record {found.index} of the log"
        return Honour(outcome=HONOURED, detail=detail, index=found.index,
                      detail_zh=f"承诺已兑现：日志第 {found.index} 条")  # fmt: skip
    return _broken("the node's proof does not lead from the record to a checkpoint of the log",
                   "节点给出的证明不成立", _evidence(client, saved))  # fmt: skip


def _check_promise(saved: SavedReceipt, verifier_key: str) -> None:
    bare = SavedReceipt(receipt=saved.receipt)
    # Who signed the request, and whether that is shown, is no matter of the log's promise.
    failed = [name for name in verify_receipt(bare, verifier_key).failed() if name in _OF_A_PROMISE]
    if failed:
        raise InvalidArgument(
            f"the receipt holds no promise of this log: {', '.join(failed)}",
            reason="NO_PROMISE",
            message_zh="该回执中没有该日志的有效承诺",
        )


def _evidence(client: Client, saved: SavedReceipt) -> Evidence | None:
    """Receipt and the node's newest checkpoint: with a copy of the log they prove it."""
    try:
        newest = client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=client.timeout)
    except grpc.RpcError as failed:
        error: DomainError = status.from_rpc_error(failed)
        if error.reason == "NOT_YET_SEQUENCED":
            return None
        raise error from None
    return promise_broken(saved, newest.checkpoint)


def _broken(detail: str, detail_zh: str, evidence: Evidence | None) -> Honour:
    return Honour(outcome=BROKEN, detail=detail, detail_zh=detail_zh, evidence=evidence)


def _pending() -> Honour:
    return Honour(
        outcome=PENDING,
        detail="too early to tell: the log has not gone on for a minute beyond the promise",
        detail_zh="尚不能判断：日志在承诺之后还未继续满一分钟",
    )
