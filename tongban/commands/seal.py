"""`tongban seal`: seal documents, verify what is sealed; further commands are in `seal_*.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seal.v1 import seal_pb2 as pb
from tongban.client import Client
from tongban.commands import (
    seal_ceremony,
    seal_evidence,
    seal_fetch,
    seal_life,
    seal_show,
    seal_sign,
    seal_verify,
)
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
    with_example,
)
from tongban.verdicts import TrustFolder

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Make seals, seal documents, verify sealed ones.",
        "tongban seal verify license.ofd --trust trust",
    ),
)
app.add_typer(seal_life.app)
app.add_typer(seal_show.app)
app.add_typer(seal_sign.app)
app.add_typer(seal_ceremony.app)
app.add_typer(seal_verify.app)
app.add_typer(seal_fetch.app)
app.add_typer(seal_evidence.app, name="evidence")


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
