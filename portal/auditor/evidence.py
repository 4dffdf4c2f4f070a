"""A bundle of evidence of one document: what the log says of it, proved, and the node's material.

The log is read backwards for the document's digest, as far as there is time; what is found is
proved record by record and goes into the bundle with the log's key.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any, Final

from exchange.audit.proved import LogProof, ProvenLeaf, documents_of, proof_to_json
from portal.auditor.log import Log
from portal.node import told
from portal.sessions.keeping import Person
from runtime.errors import NotFound
from seal.v1 import seal_pb2, seal_pb2_grpc

GREATEST_DOCUMENT: Final = 16 * 1024 * 1024
PORTION: Final = 4096
LONGEST: Final = 10.0
"""Seconds for which the log is looked through."""
MOST: Final = 64
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was made."""

    digest: str
    content: bytes
    #: Records of the log that are proved in it.
    records: int


async def bundle_of(person: Person, node: str, document: bytes, *, bare: bool) -> Bundle:
    """The bundle of a document; `bare`: also where the log does not name it.

    Raises NotFound (NOT_IN_THE_LOG), and what the seal service refuses.
    """
    digest = hashlib.sha256(document).hexdigest()
    log = Log(person, node)
    leaves = await _named(log, digest)
    if not leaves and not bare:
        raise NotFound(
            f"the log's newest records do not name this file (SHA-256 {digest}): is it the sealed "
            "file, unchanged? A bundle without a proof of the log is made where you tick so",
            reason="NOT_IN_THE_LOG",
            message_zh=f"日志较新的记录中没有该文件（SHA-256 {digest}）："
            "请确认是未经改动的签章文件；如仍需制作不含日志证明的证据包，请勾选相应选项",
        )
    stub: Any = seal_pb2_grpc.SealServiceStub(person.channel(node))
    asked = seal_pb2.MakeEvidenceRequest(document=document)
    if leaves:
        proven = tuple(
            [
                ProvenLeaf(index=index, leaf=leaf, proof=await log.proof(index))
                for index, leaf in leaves
            ]
        )
        asked.receipts.append(proof_to_json(LogProof(document=digest, leaves=proven)).encode())
        asked.log_key = (await log.checkpoint()).verifier_key
    made = await told(stub.MakeEvidence(asked, timeout=_SECONDS))
    return Bundle(digest=digest, content=made.evidence, records=len(leaves))


async def _named(log: Log, digest: str) -> list[tuple[int, bytes]]:
    """Records that name a document, in the order of the log."""
    end, begun = await log.size(), time.monotonic()
    mark, found = digest.encode(), list[tuple[int, bytes]]()
    while end > 0 and time.monotonic() - begun < LONGEST and len(found) < MOST:
        start = max(0, end - PORTION)
        leaves = await log.leaves(start, end - start)
        found += [
            (start + place, leaf)
            for place, leaf in enumerate(leaves)
            if mark in leaf and _names(leaf, digest)
        ]
        end = start
    return sorted(found)[-MOST:]


def _names(leaf: bytes, digest: str) -> bool:
    try:
        record = json.loads(leaf)
    except ValueError:
        return False
    return isinstance(record, dict) and digest in documents_of(record)
