"""Pages on which an auditor has a bundle of evidence made of one document.

1. It is work (`working`): the log is read backwards for the document's digest, in portions, to its
   beginning; what is found is proved record by record and goes into the bundle with the log's key.
2. The document is held in memory until the bundle is made, and written nowhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.audit.proved import LogProof, ProvenLeaf, documents_of, proof_to_json
from portal.auditor.log import Log
from portal.auditor.words import WORKS
from portal.node import told
from portal.pages import page, to_save
from portal.sessions.access import for_roles
from portal.sessions.keeping import Person
from portal.uploads import File, form_with_files
from portal.working import Work, works_of
from runtime.errors import DomainError, InvalidArgument, NotFound
from runtime.identity import Role
from seal.v1 import seal_pb2, seal_pb2_grpc

_AUDITOR = for_roles(Role.AUDITOR)
KIND: Final = "evidence"
GREATEST_DOCUMENT: Final = 16 * 1024 * 1024
PORTION: Final = 4096
MOST: Final = 64
"""Records that a bundle proves: the newest of those that name the document."""
_SECONDS: Final = 60


@dataclass(slots=True, eq=False, kw_only=True)
class Evidence:
    """The document, what of the log was found, and the bundle."""

    file_name: str
    document: bytes
    #: Also where the log does not name it.
    bare: bool
    digest: str = field(init=False)
    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    bundle: bytes = b""

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256(self.document).hexdigest()


@_AUDITOR
async def evidence(request: Request, person: Person) -> Response:
    """Which document a bundle is made of, and how far the last one is."""
    return _page(request, person)


def _page(request: Request, person: Person, error: DomainError | None = None) -> Response:
    return page(
        request,
        "auditor/evidence.html",
        error=error,
        greatest=GREATEST_DOCUMENT >> 20,
        work=works_of(request).of(person, KIND),
        works=WORKS,
    )


@_AUDITOR
async def begin(request: Request, person: Person) -> Response:
    """Begin to make the bundle of a document; in place of the last one."""
    form = await form_with_files(
        request, person, most=1, each=GREATEST_DOCUMENT, together=GREATEST_DOCUMENT
    )
    works = works_of(request)
    if form.one("act") == "stop":
        works.stop(person, KIND)
        return RedirectResponse("/audit/evidence", 303)
    file: File | None = next(iter(form.files.get("document", [])), None)
    if file is None:
        missing = InvalidArgument(
            "choose a document: an OFD or a PDF file",
            reason="DOCUMENT_REQUIRED",
            message_zh="请选择文件：OFD 或 PDF",
        )
        return _page(request, person, missing)
    about = Evidence(file_name=file.name, document=file.content, bare=bool(form.one("bare")))
    await works.begin(person, KIND, work_of(about, request.app.state.node.address))
    return RedirectResponse("/audit/evidence#work", 303)


def work_of(about: Evidence, node: str) -> Work:
    """The work of making a bundle."""

    async def run(work: Work, person: Person) -> None:
        await _search(work, about, Log(person, node))
        if not about.leaves and not about.bare:
            raise NotFound(
                f"the log does not name this file (SHA-256 {about.digest}): is it the sealed file, "
                "unchanged? A bundle without a proof of the log is made where you tick so",
                reason="NOT_IN_THE_LOG",
                message_zh=f"日志中没有该文件（SHA-256 {about.digest}）："
                "请确认是未经改动的签章文件；如仍需制作不含日志证明的证据包，请勾选相应选项",
            )
        about.bundle = await _made(about, Log(person, node), person, node)
        about.document = b""
        work.end("PASSED")

    return Work(run=run, about=about)


async def _search(work: Work, about: Evidence, log: Log) -> None:
    """Records that name the document, the newest first."""
    work.size = work.size or await log.size()
    mark = about.digest.encode()
    while work.done < work.size and len(about.leaves) < MOST:
        end = work.size - work.done
        start = max(0, end - PORTION)
        leaves = await log.leaves(start, end - start)
        found = [
            (start + place, leaf)
            for place, leaf in enumerate(leaves)
            if mark in leaf and _names(leaf, about.digest)
        ]
        about.leaves += found[::-1]
        work.done += end - start
    del about.leaves[MOST:]


async def _made(about: Evidence, log: Log, person: Person, node: str) -> bytes:
    stub: Any = seal_pb2_grpc.SealServiceStub(person.channel(node))
    asked = seal_pb2.MakeEvidenceRequest(document=about.document)
    if about.leaves:
        proven = [
            ProvenLeaf(index=index, leaf=leaf, proof=await log.proof(index))
            for index, leaf in sorted(about.leaves)
        ]
        proof = proof_to_json(LogProof(document=about.digest, leaves=tuple(proven)))
        asked.receipts.append(proof.encode())
        asked.log_key = (await log.checkpoint()).verifier_key
    made = await told(stub.MakeEvidence(asked, timeout=_SECONDS))
    return bytes(made.evidence)


def _names(leaf: bytes, digest: str) -> bool:
    try:
        record = json.loads(leaf)
    except ValueError:
        return False
    return isinstance(record, dict) and digest in documents_of(record)


@_AUDITOR
async def bundle(request: Request, person: Person) -> Response:
    """The bundle that was made, to take away."""
    work = works_of(request).of(person, KIND)
    if work is None or work.outcome != "PASSED":
        return RedirectResponse("/audit/evidence", 303)
    about: Evidence = work.about
    name = f"evidence-{about.digest[:12]}.zip"
    return to_save(about.bundle, "application/vnd.etsi.asic-e+zip", name)


ROUTES: Final = (
    Route("/audit/evidence", evidence, methods=["GET"]),
    Route("/audit/evidence", begin, methods=["POST"]),
    Route("/audit/evidence/bundle", bundle, methods=["GET"]),
)
