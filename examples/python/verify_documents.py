"""Has a node verify: `verify_documents.py DOCUMENT`, or `… SIGNATURE DOCUMENT-IT-IS-OF`.

The first sends a document of up to 128 MiB in parts; the second a seal over a digest, with the SM3
of what was sealed. Both print what held when it was signed, what holds today, and every check that
is not simply good. `TONGBAN_NODE` is host:port (127.0.0.1:7443 if not set), `TONGBAN_IDENTITY` an
identity folder (`identity`).
"""

# ruff: noqa: T201  # a program for a terminal

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from runtime.status import from_rpc_error
from seal.suites import digest
from seal.v1 import seal_pb2 as pb
from tongban.client import Client

document, of = Path(sys.argv[1]), sys.argv[2:]
PART = 1024 * 1024


def parts() -> Iterator[pb.StreamVerifyDocumentRequest]:
    """First the size of the whole, then the document, a part at a time."""
    yield pb.StreamVerifyDocumentRequest(document_size=document.stat().st_size)
    with document.open("rb") as file:
        while part := file.read(PART):
            yield pb.StreamVerifyDocumentRequest(data=part)


def word(indication: pb.Indication) -> str:
    """PASSED, INDETERMINATE or FAILED."""
    return pb.Indication.Name(indication).removeprefix("INDICATION_")


address = os.environ.get("TONGBAN_NODE", "127.0.0.1:7443")
identity = Path(os.environ.get("TONGBAN_IDENTITY", "identity"))

with Client(address, identity) as node:
    try:
        if of:
            request = pb.VerifySealSignatureRequest(
                signature=document.read_bytes(), digest=digest("sm3", Path(of[0]).read_bytes())
            )
            verdict = node.seals.VerifySealSignature(request, timeout=60).verdict
        else:
            verdict = node.seals.StreamVerifyDocument(parts(), timeout=900).verdict
    except grpc.RpcError as refused:
        error = from_rpc_error(refused)
        sys.exit(f"{error.reason}: {error.message}")

print(f"when signed: {word(verdict.indication)} {verdict.reason or verdict.summary}")
print(f"today: {word(verdict.now.indication)} {verdict.now.summary}")
for report in verdict.signatures:
    for basis in report.trust:
        print(f"{report.id}: {basis.role} rests on {basis.source}: {basis.anchor}")
for check in (*verdict.checks, *(c for report in verdict.signatures for c in report.checks)):
    if check.notice or check.indication != pb.INDICATION_PASSED:
        print(f"{check.name}: {word(check.indication)} {check.detail} [{check.against}]")
sys.exit(0 if verdict.indication == pb.INDICATION_PASSED else 1)
