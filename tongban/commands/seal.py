"""`tongban seal`: seal documents, verify what is sealed; further commands are in `seal_*.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from runtime.errors import InvalidArgument
from seal.detached import assess_detached
from seal.model import Verdict
from seal.trust import TrustStore
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tongban.client import Client
from tongban.commands import seal_ceremony, seal_evidence, seal_life, seal_show, seal_sign
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    say,
)
from tongban.showing import print_verdict
from tongban.verdicts import TrustFolder, document_in, signature_in, stop_by
from tongban.verifying import digest_value

app = typer.Typer(no_args_is_help=True, help="Make seals, seal documents, verify sealed ones.")
app.add_typer(seal_life.app)
app.add_typer(seal_show.app)
app.add_typer(seal_sign.app)
app.add_typer(seal_ceremony.app)
app.add_typer(seal_evidence.app, name="evidence")


@app.command()
def verify(
    document: Annotated[
        Path, typer.Argument(help="An OFD or PDF file; with --digest, the signature over it.")
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
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify every seal of a file of up to 128 MiB, in this process.

    The node, if it is asked at all, only says whom to trust. Exit code 1 FAILED, 6 INDETERMINATE.

    Example: tongban seal verify license.ofd --trust trust
    """
    with outcomes(as_json=as_json):
        if about and not digest:
            raise InvalidArgument(
                "--about says what a --digest is of: give both, or neither",
                reason="ABOUT_WITHOUT_DIGEST",
                message_zh="--about 说明 --digest 的来源：请同时提供，或都不提供",
            )
        verdict = (
            _judge_signature(document, digest, about, lambda: _store(trust, node, identity))
            if digest
            else _judge_document(document, lambda: _store(trust, node, identity))
        )
        if as_json:
            print_json(verdict.to_dict())
        else:
            print_verdict(verdict)
            if trust is None:
                out.print(
                    say(f"Verified here, by the trust material of {node}",
                        f"在本机验证，信任材料来自 {node}")
                )  # fmt: skip
        stop_by(verdict)


@app.command()
def trust(
    to: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Save the public certificates that verify this node's seals offline.

    Example: tongban seal trust --out trust
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        material = client.seals.GetTrustMaterial(
            pb.GetTrustMaterialRequest(), timeout=client.timeout
        )
        written = TrustFolder(to).write(material)
        if as_json:
            print_json({"files": [str(path) for path in written]})
        else:
            out.print(
                say(f"Wrote {len(written)} files to {to}", f"已写入 {to}：{len(written)} 个文件")
            )


def _judge_document(path: Path, store: Callable[[], TrustStore]) -> Verdict:
    data = document_in(path)
    return assess(data, store=store(), now=SYSTEM.now())


def _judge_signature(
    path: Path, digest: str, about: str, store: Callable[[], TrustStore]
) -> Verdict:
    value, data = digest_value(digest), signature_in(path)
    return assess_detached(data, value, store=store(), now=SYSTEM.now(), about=about)


def _store(folder: Path | None, node: str, identity: Path) -> TrustStore:
    if folder is not None:
        return TrustFolder(folder).read()
    with Client(node, identity) as client:
        return TrustFolder.store_of(
            client.seals.GetTrustMaterial(pb.GetTrustMaterialRequest(), timeout=client.timeout)
        )
