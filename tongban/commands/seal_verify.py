"""`tongban seal verify`: one file, several, or folders; judged in this process.

The node, if it is asked at all, only says whom to trust. Everything else is in
`tongban.verifying_run`, which the stand-alone verifier uses too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from seal.trust import TrustStore
from seal.v1 import seal_pb2 as pb
from tongban.client import Client
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    say,
)
from tongban.log_question import CertificateFile, DocumentFile, EnrolmentFile, log_question
from tongban.verdicts import TrustFolder
from tongban.verifying import question_of
from tongban.verifying_run import Wish, verify_files

app = typer.Typer()


@app.command()
def verify(
    documents: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="OFD or PDF files, or folders of them; with --digest, the signature over it.",
        ),
    ],
    trust: Annotated[
        Path | None, typer.Option(help="Folder of anchors: verify offline, without a node.")
    ] = None,
    digest: Annotated[
        str, typer.Option(help="The file is a seal over this SM3 digest (64 hex digits).")
    ] = "",
    about: Annotated[
        str, typer.Option(help="With --digest: what it has to be of; empty is anything.")
    ] = "",
    log_key: Annotated[
        Path | None, typer.Option(help="File with the audit log's verifier key, for evidence.")
    ] = None,
    document: DocumentFile = None,
    certificate: CertificateFile = None,
    enrolment: EnrolmentFile = None,
    trust_inside: Annotated[
        bool,
        typer.Option("--trust-inside", help="Judge a bundle by the trust list that it holds."),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a printable report, a PDF; never over a file.")
    ] = None,
    details: Annotated[
        bool, typer.Option("--details", help="Say of every check what it was made against.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=0, max=256, help="For many files; 0 is one for each core.")
    ] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify every seal of files of up to 128 MiB, in this process.

    The node, if it is asked at all, only says whom to trust. Exit code 1 FAILED, 6 INDETERMINATE,
    4 a file that is no document; of several files the worst; 70 the verifier itself failed on a
    single one. It answers for the time of signing: 0 does not say that it holds today, which is
    told beside it. With --json several files are told line by line.

    Example: tongban seal verify license.ofd --trust trust --report report.pdf
    """
    with outcomes(as_json=as_json):
        question = question_of(
            documents,
            digest=digest,
            about=about,
            log_key=log_key,
            log=log_question(document=document, certificate=certificate, enrolment=enrolment),
            trust_inside=trust_inside,
        )
        code = verify_files(
            documents,
            question,
            Wish(as_json=as_json, details=details, report=report, processes=processes),
            store=_store(trust, node, identity),
            trust=_words(trust, node),
            now=SYSTEM.now(),
        )
        if trust is None and not as_json:
            out.print(say(f"Verified here, by the trust material of {node}",
                          f"在本机验证，信任材料来自 {node}"))  # fmt: skip
        raise typer.Exit(code)


def _words(trust: Path | None, node: str) -> tuple[str, str]:
    if trust is not None:
        return f"folder {trust}", f"文件夹 {trust}"
    return f"node {node}", f"节点 {node}"


def _store(folder: Path | None, node: str, identity: Path) -> Callable[[], TrustStore]:
    def store() -> TrustStore:
        if folder is not None:
            return TrustFolder(folder).read()
        with Client(node, identity) as client:
            return TrustFolder.store_of(
                client.seals.GetTrustMaterial(pb.GetTrustMaterialRequest(), timeout=client.timeout)
            )

    return store
