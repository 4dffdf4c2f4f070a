"""What the log says of a document, taken out of it with proofs that need no node.

1. The log is read once, in its order, from `start` to the size that its first page told: a log that
   grows meanwhile does not keep anybody reading.
2. A leaf names a document in plain hexadecimal, so only leaves that hold those bytes are parsed.
3. `tongban.proofs` verifies what comes out of this; nothing here is believed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.audit.proved import (
    GREATEST_LEAVES,
    LogProof,
    ProvenLeaf,
    documents_of,
    proof_to_json,
)
from exchange.v1 import audit_pb2 as pb
from runtime.errors import FailedPrecondition
from tongban.client import Client
from tongban.console import err, say
from tongban.log_files import GREATEST_RECEIPT

PAGE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What reading the log came to."""

    #: Leaves of the log when the reading began.
    size: int
    #: None where no record names the document.
    proof: LogProof | None


def prove(client: Client, sha256: str, *, start: int = 0) -> Found:
    """Every record from `start` on that names a document (SHA-256, hexadecimal), each proved.

    Raises FailedPrecondition (TOO_MANY_RECORDS) for more than a file holds, and what the node
    refuses: START_OUT_OF_RANGE, and NOT_YET_SEQUENCED in its first second.
    """
    found: list[tuple[int, bytes]] = []
    size = start
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(say("reading the log", "正在读取日志"), total=None)
        for index, page, size in _pages(client, start):
            found += [
                (index + offset, leaf) for offset, leaf in enumerate(page) if names(leaf, sha256)
            ]
            if len(found) > GREATEST_LEAVES:
                raise _too_many(found[GREATEST_LEAVES // 2][0])
            progress.update(task, completed=index + len(page) - start, total=size - start)
    if not found:
        return Found(size=size, proof=None)
    leaves = tuple(_proven(client, index, leaf) for index, leaf in found)
    proof = LogProof(document=sha256, leaves=leaves)
    if len(proof_to_json(proof).encode()) > GREATEST_RECEIPT:
        raise _too_many(found[len(found) // 2][0])
    return Found(size=size, proof=proof)


def names(leaf: bytes, sha256: str) -> bool:
    """Whether a leaf names a document (`documents_of`)."""
    if sha256.encode() not in leaf:
        return False
    try:
        record = json.loads(leaf)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and sha256 in documents_of(record)


def _pages(client: Client, start: int) -> Iterator[tuple[int, list[bytes], int]]:
    """First index and leaves of each page, and the size that the first one told."""
    size = None
    while size is None or start < size:
        request = pb.ListEntriesRequest(start=start, page_size=PAGE)
        page = client.audit.ListEntries(request, timeout=client.timeout)
        size = page.size if size is None else size
        leaves = list(page.leaves)[: size - start]
        yield start, leaves, size
        if not leaves:
            return
        start += len(leaves)


def _proven(client: Client, index: int, leaf: bytes) -> ProvenLeaf:
    request = pb.GetInclusionProofRequest(index=index)
    answer = client.audit.GetInclusionProof(request, timeout=client.timeout)
    return ProvenLeaf(index=index, leaf=leaf, proof=answer.proof)


def _too_many(later: int) -> FailedPrecondition:
    return FailedPrecondition(
        f"more records name this document than one proof holds ({GREATEST_LEAVES}, 1 MiB): prove "
        f"the later ones with --start {later}",
        reason="TOO_MANY_RECORDS",
        message_zh=f"指明该文件的记录超出一份证明的容量（{GREATEST_LEAVES} 条，1 MiB）："
        f"请用 --start {later} 证明较新的记录",
    )
