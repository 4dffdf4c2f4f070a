"""`tongban-verify`: the stand-alone verifier, for whoever has only public material and no node.

It is built from these sources into a wheel of its own (`deploy/build_verifier.py`), and says the
same as `tongban seal verify` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from seal.model import Indication
from seal.trust import TrustStore
from tongban import proofs
from tongban.console import Exit, Json, out, outcomes, print_json
from tongban.verdicts import TrustFolder
from tongban.verifying import Finding, Question, digest_value, judge_file

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="OFD, PDF, bundle of evidence, seal, or receipt of the audit log.",
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
        Path | None, typer.Option(help="File with the audit log's verifier key, for receipts.")
    ] = None,
    trust_inside: Annotated[
        bool,
        typer.Option("--trust-inside", help="Judge a bundle by the trust list that it holds."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify sealed documents, bundles of evidence and receipts, offline.

    Exit code 0 PASSED, 1 FAILED, 6 INDETERMINATE, the worst of all files; 4 for a file that is none
    of these.

    Example: tongban-verify license.ofd --trust trust
    """
    with outcomes(as_json=as_json):
        question = Question(
            digest=digest_value(digest) if digest else b"",
            about=about,
            log_key=proofs.key_in(log_key) if log_key else "",
            trust_inside=trust_inside,
        )
        store = TrustFolder(trust).read() if trust else TrustStore()
        found = []
        for path in files:
            one = judge_file(path, question, store=lambda: store, now=SYSTEM.now())
            found.append(one)
            if not as_json:
                if len(files) > 1:
                    out.print(f"\n{path}", markup=False, style="bold")
                one.show()
        if as_json:
            print_json(_as_data(found))
        raise typer.Exit(_exit(found))


def _as_data(found: list[Finding]) -> object:
    if len(found) == 1:
        return found[0].to_dict()
    return [{"file": str(one.path), "verdict": one.to_dict()} for one in found]


def _exit(found: list[Finding]) -> Exit:
    said = {one.indication for one in found}
    if Indication.FAILED in said:
        return Exit.NO
    return Exit.UNKNOWN if Indication.INDETERMINATE in said else Exit.OK


def main() -> None:
    """Run the command."""
    app()
