"""Receipts as files: saved with an answer, completed with the log's proof.

`tongban.proofs` verifies them, without a node.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

from exchange.audit.answering import NO_QUORUM, Quorum
from exchange.audit.evidence import Evidence, Kind
from exchange.audit.verify import SavedReceipt, receipt_to_json, verify_consistency
from exchange.v1 import audit_pb2 as pb
from runtime import status
from runtime.errors import Unavailable
from tongban.client import Client
from tongban.files import write_file
from tongban.keeping import receipt_of
from tongban.log_files import read_receipt
from tongban.proofs import size_of, told

PROOF_SECONDS = 30.0


def save_receipt(
    path: Path,
    message: pb.Receipt,
    *,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    certificate: bytes = b"",
    nonce: bytes = b"",
) -> None:
    """Save a receipt with the question and the answer that it proves.

    Of a signed request the signer's certificate and its nonce go with it.

    The file holds what they hold: keep it as carefully.
    """
    saved = SavedReceipt(
        receipt=receipt_of(message),
        values={"request": request, "answer": answer},
        certificate=certificate.decode(),
        nonce=nonce,
    )
    write_file(path, receipt_to_json(saved).encode())


def save_proof(path: Path, saved: SavedReceipt) -> None:
    """Save what proves an answer (`keeping.proof_of`). Keep the file as carefully as the answer."""
    write_file(path, receipt_to_json(saved).encode())


def complete(client: Client, path: Path, *, cosignatures: int = 0) -> int:
    """Exchange the promise of a saved receipt for the log's proof; the leaf's index.

    The proof is to the newest checkpoint that so many witnesses have cosigned.

    Waits for the log to take the record in, about a second. Raises what the node refuses, and
    Unavailable (NOT_YET_SEQUENCED) where it takes longer than 30 seconds.
    """
    saved = read_receipt(path)
    receipt = saved.receipt
    question = pb.GetInclusionProofRequest(
        shard=receipt.shard,
        batch=receipt.batch,
        position=receipt.position,
        cosignatures=cosignatures,
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
    complete_one = replace(saved, proof=found.proof)
    write_file(path, receipt_to_json(complete_one).encode())
    return found.index


def verify_since(
    client: Client, earlier: str, verifier_key: str, *, quorum: Quorum = NO_QUORUM
) -> tuple[dict[str, Any], Evidence]:
    """Verify that the log has only grown since a checkpoint that was kept; and that as a file.

    Where witnesses are asked for, it is up to the newest checkpoint that so many cosigned.
    """
    now = client.audit.GetCheckpoint(
        pb.GetCheckpointRequest(cosignatures=quorum.required), timeout=client.timeout
    ).checkpoint
    proof = client.audit.GetConsistencyProof(
        pb.GetConsistencyProofRequest(first_size=size_of(earlier), second_size=size_of(now)),
        timeout=client.timeout,
    )
    hashes = tuple(proof.hashes)
    found = Evidence(kind=Kind.CONTINUED, earlier=earlier, later=now, proof=hashes)
    return told(
        verify_consistency(earlier, now, hashes, verifier_key, quorum=quorum),
        f"the log has only grown: {size_of(earlier)} to {size_of(now)} records",
        f"日志只增未改：由 {size_of(earlier)} 条增至 {size_of(now)} 条",
    ), found
