"""`tongban seal fetch`: revocation data into a trust folder, so that verifying needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from runtime.clock import SYSTEM
from seal.pki.exchanging import NOT_PUBLIC, Reach
from seal.pki.fetching import Fetched, Fetcher, FetchLimits
from tongban.console import Exit, Json, out, outcomes, print_json, print_table, say
from tongban.trust_folder import TrustFolder
from tongban.verifying import judge_file, question_of

app = typer.Typer()


@app.command()
def fetch(
    documents: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Sealed files, OFD or PDF.")
    ],
    trust: Annotated[Path, typer.Option(help="Trust folder; what is fetched is kept there.")],
    digest: Annotated[
        str, typer.Option(help="The file is a seal over this SM3 digest (64 hex digits).")
    ] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Ask servers of private networks too.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds for all the files together.")
    ] = 60.0,
    as_json: Json = False,
) -> None:
    """Fetch what tells whether the certificates in sealed files are revoked, and keep it.

    Only the servers that certificates of trusted authorities name are asked. What is kept is asked
    for again when it is due. Exit code 6 where a certificate's server gave nothing of use.

    Example: tongban seal fetch license.ofd --trust trust
    """
    with outcomes(as_json=as_json):
        folder, question = TrustFolder(trust), question_of(documents, digest=digest)
        store, now = folder.read(), SYSTEM.now()
        reach = Reach.ANYWHERE if private else Reach.PUBLIC
        fetcher = Fetcher(folder.cache, limits=FetchLimits(reach=reach, total_timeout=timeout))
        found = fetcher.gather(
            lambda: [judge_file(one, question, store=lambda: store, now=now) for one in documents],
            store,
        )
        if as_json:
            print_json(_told(found))
        else:
            _show(found, trust)
        if found.missing:
            raise typer.Exit(Exit.UNKNOWN)


def _told(found: Fetched) -> dict[str, object]:
    return {
        "revocation_lists": len(found.crls),
        "ocsp_responses": len(found.ocsp),
        "asked": found.asked,
        "missing": list(found.missing),
        "failures": [
            {"url": one.url, "why": one.why, "why_zh": one.why_zh} for one in found.failures
        ],
    }


def _show(found: Fetched, trust: Path) -> None:
    lists, responses = len(found.crls), len(found.ocsp)
    out.print(
        say(
            f"In {trust} now: {lists} revocation lists and {responses} OCSP responses about these "
            f"files ({found.asked} servers asked)",
            f"{trust} 中现有与这些文件相关的吊销列表 {lists} 份、OCSP 响应 {responses} 份"
            f"（查询 {found.asked} 次）",
        )
    )
    if found.failures:
        print_table(
            say("Gave nothing of use", "未能取得"),
            (say("address", "地址"), say("why", "原因")),
            [(Text(one.url), say(one.why, one.why_zh)) for one in found.failures],
        )
    if any(one.why == NOT_PUBLIC[0] for one in found.failures):
        out.print(
            say(
                "If those servers are of your own network, and you trust whoever named them: "
                "--private asks them too",
                "如果这些服务器属于您自己的网络，且您信任写明其地址者：加 --private 可一并查询",
            )
        )
    for subject in found.missing:
        out.print(Text(say(f"Nothing current about {subject}", f"没有 {subject} 的有效吊销数据")))
