"""`tongban-verify`: the stand-alone verifier, for whoever has only public material and no node.

It is built from these sources into a wheel of its own (`deploy/build_verifier.py`), and says the
same as `tongban seal verify` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from seal.trust import TrustStore
from tongban.console import Json, outcomes, run
from tongban.log_question import (
    CertificateFile,
    DocumentFile,
    EnrolmentFile,
    LogFolder,
    Openings,
    Required,
    Witnesses,
    log_question,
)
from tongban.verdicts import TrustFolder
from tongban.verifying import question_of
from tongban.verifying_run import Wish, verify_files

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="OFD, PDF, bundle of evidence, seal; receipt or proof of the audit log, evidence "
            "about it, or the folder of a whole copy of it; or folders of OFD and PDF.",
        ),
    ],
    trust: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the roots you trust, from `tongban seal trust`; without it nothing is "
            "trusted, so nothing passes.",
        ),
    ] = None,
    digest: Annotated[
        str, typer.Option(help="The file is a seal over this SM3 digest (64 hex digits).")
    ] = "",
    about: Annotated[
        str, typer.Option(help="With --digest: what it has to be of; empty is anything.")
    ] = "",
    log_key: Annotated[
        Path | None,
        typer.Option(help="File with the audit log's verifier key, for receipts and proofs."),
    ] = None,
    document: DocumentFile = None,
    certificate: CertificateFile = None,
    enrolment: EnrolmentFile = None,
    opening: Openings = None,
    witness: Witnesses = None,
    require: Required = None,
    log: LogFolder = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(help="With a copy of the log: a checkpoint saved before; several times."),
    ] = None,
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
    as_json: Json = False,
) -> None:
    """Verify sealed documents, bundles of evidence, seals, receipts, proofs and logs, offline.

    Exit code 0 PASSED, 1 FAILED, 6 INDETERMINATE, 4 a file that is none of these; of several files
    the worst; 70 the verifier itself failed on a single one. It answers for the time of signing: 0
    does not say that it holds today, which is told beside it. With --json several files are told
    line by line.

    Example: tongban-verify license.ofd --trust trust --report report.pdf
    """
    with outcomes(as_json=as_json):
        asked = log_question(
            document=document, witness=witness, require=require, copy=log,
            certificate=certificate, enrolment=enrolment, openings=opening,
        )  # fmt: skip
        code = verify_files(
            files,
            question_of(files, digest=digest, about=about, log_key=log_key, log=asked,
                        earlier=earlier, trust_inside=trust_inside),
            Wish(as_json=as_json, details=details, report=report, processes=processes),
            store=lambda: TrustFolder(trust).read() if trust else TrustStore(),
            trust=(f"folder {trust}", f"文件夹 {trust}") if trust else ("nobody", "未指定"),
            now=SYSTEM.now(),
        )  # fmt: skip
        raise typer.Exit(code)


def main() -> None:
    """Run the command."""
    run(app)
