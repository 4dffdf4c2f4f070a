"""`tongban seal`: seal documents, verify what is sealed; further commands are in `seal_*.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from seal.trust import TrustStore
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tongban.client import Client
from tongban.commands import seal_ceremony, seal_life, seal_show, seal_sign
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
from tongban.files import read_file
from tongban.verdicts import TrustFolder, print_verdict, stop_by

app = typer.Typer(no_args_is_help=True, help="Make seals, seal documents, verify sealed ones.")
app.add_typer(seal_life.app)
app.add_typer(seal_show.app)
app.add_typer(seal_sign.app)
app.add_typer(seal_ceremony.app)


@app.command()
def verify(
    document: Annotated[Path, typer.Argument(help="An OFD or PDF file.")],
    trust: Annotated[
        Path | None, typer.Option(help="Folder of anchors: verify offline, without a node.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify every seal of a document, from its bytes. Exit code 1 FAILED, 6 INDETERMINATE.

    Example: tongban seal verify license.ofd --trust trust
    """
    with outcomes(as_json=as_json):
        data = read_file(document)
        verdict = assess(data, store=_store(trust, node, identity), now=SYSTEM.now())
        if as_json:
            print_json(verdict.to_dict())
        else:
            print_verdict(verdict)
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


def _store(folder: Path | None, node: str, identity: Path) -> TrustStore:
    if folder is not None:
        return TrustFolder(folder).read()
    with Client(node, identity) as client:
        return TrustFolder.store_of(
            client.seals.GetTrustMaterial(pb.GetTrustMaterialRequest(), timeout=client.timeout)
        )
