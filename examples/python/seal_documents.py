"""Seals a document in three ways: `seal_documents.py SEAL TRUST-FOLDER DOCUMENT`.

In parts, into `streamed.ofd` or `.pdf`; in a batch, with one that cannot be sealed; and its digest
alone, into `detached.ses`. `TONGBAN_NODE` is host:port (127.0.0.1:7443 if not set),
`TONGBAN_IDENTITY` an identity folder (`identity`).
"""

# ruff: noqa: T201  # a program for a terminal

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc

from runtime.status import from_rpc_error
from seal.detached import assess_detached
from seal.suites import digest
from seal.v1 import seal_pb2 as pb
from tongban.client import Client
from tongban.verdicts import TrustFolder

seal, trust, document = sys.argv[1], TrustFolder(Path(sys.argv[2])), Path(sys.argv[3])
PART = 1024 * 1024

data = document.read_bytes()  # small enough here; a large one is read part by part
# The same id for the same act: whoever runs this again gets the first answers, and seals nothing.
act = hashlib.sha256(data).hexdigest()[:32]
at_the_word = pb.Placement(keyword=pb.KeywordPlacement(text="（盖章）"))


def request(way: str, **more: object) -> pb.SealDocumentRequest:
    """A wish, without the document."""
    return pb.SealDocumentRequest(seal=seal, reason="公告用印", request_id=f"{way}-{act}", **more)


def parts() -> Iterator[pb.StreamSealDocumentRequest]:
    """First the request with the size of the whole, then the document."""
    wish = request(
        "stream", placements=[at_the_word, pb.Placement(edges=pb.EdgePlacement(y_mm=60))]
    )
    yield pb.StreamSealDocumentRequest(request=wish, document_size=len(data))
    for begin in range(0, len(data), PART):
        yield pb.StreamSealDocumentRequest(data=data[begin : begin + PART])


def items() -> Iterator[pb.BatchSealDocumentsRequest]:
    """Each with a number of ours; the second is no document."""
    for item, one in enumerate((data, b"neither OFD nor PDF")):
        wish = request(f"batch-{item}", document=one, placements=[at_the_word])
        yield pb.BatchSealDocumentsRequest(item=item, request=wish)


address = os.environ.get("TONGBAN_NODE", "127.0.0.1:7443")
identity = Path(os.environ.get("TONGBAN_IDENTITY", "identity"))

with Client(address, identity) as node:
    try:
        answers = node.seals.StreamSealDocument(parts(), timeout=900)
        first = next(answers).response
        sealed = b"".join(answer.data for answer in answers)
        if hashlib.sha256(sealed).hexdigest() != first.sha256:
            sys.exit("the sealed document did not come whole: run this again")
        Path(f"streamed{document.suffix}").write_bytes(sealed)
        print(f"streamed: {first.stamp_count} stamps")

        # They come in any order.
        done = node.seals.BatchSealDocuments(items(), timeout=900)
        for answer in sorted(done, key=lambda answer: answer.item):
            told = answer.error.reason or f"{answer.response.stamp_count} stamps"
            print(f"item {answer.item}: {told}")

        sm3 = digest("sm3", data)
        wish = request("detached", digest=pb.Digest(value=sm3, property_info="file:notice"))
        signature = node.seals.SealDocument(wish, timeout=60).document
        Path("detached.ses").write_bytes(signature)
    except grpc.RpcError as failed:
        error = from_rpc_error(failed)
        sys.exit(f"{error.reason}: {error.message}")

# Offline: the signature, the digest, and the certificates that were saved once.
verdict = assess_detached(signature, sm3, store=trust.read(), now=datetime.now(UTC))
print(f"detached: {verdict.indication} {verdict.summary}")
