"""`tongban seal`: seal documents, verify what is sealed; further commands are in `seal_*.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.clock import SYSTEM
from seal.trust import TrustStore
from seal.v1 import seal_pb2 as pb
from seal.verify import assess
from tongban.client import Client, new_request_id
from tongban.commands import seal_ceremony, seal_life, seal_show
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
from tongban.files import read_file, write_file
from tongban.verdicts import TrustFolder, print_verdict, stop_by

app = typer.Typer(no_args_is_help=True, help="Make seals, seal documents, verify sealed ones.")
app.add_typer(seal_life.app)
app.add_typer(seal_show.app)
app.add_typer(seal_ceremony.app)


@app.command()
def sign(
    seal: Annotated[str, typer.Argument(help="Name of the seal.")],
    document: Annotated[Path, typer.Argument(help="An OFD or PDF file.")],
    to: Annotated[Path, typer.Option("--out", help="Where the sealed file is written.")],
    reason: Annotated[str, typer.Option(help="Why, for the record; nothing personal.")],
    page: Annotated[int, typer.Option(min=1, help="Page to stamp.")] = 1,
    x_mm: Annotated[float, typer.Option(help="Left edge in mm.")] = 120.0,
    y_mm: Annotated[float, typer.Option(help="Top edge in mm.")] = 200.0,
    size_mm: Annotated[float, typer.Option(help="Width in mm; 0 is the seal's own.")] = 0.0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Seal an OFD or PDF file.

    Example: tongban seal sign departments/human-resources/seals/official notice.ofd
    --out notice-sealed.ofd --reason 公告用印
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        done = client.seals.SealDocument(
            pb.SealDocumentRequest(
                seal=seal,
                document=read_file(document),
                placements=[
                    pb.Placement(
                        position=pb.StampPosition(page=page, x_mm=x_mm, y_mm=y_mm, size_mm=size_mm)
                    )
                ],
                reason=reason,
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        )
        write_file(to, done.document)
        if as_json:
            print_json({"file": str(to), "sha256": done.sha256})
        else:
            out.print(say(f"Sealed: {to}", f"已签章：{to}"))


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
