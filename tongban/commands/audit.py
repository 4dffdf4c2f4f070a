"""`tongban audit`: the log and its receipts, checked without trusting the node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.audit.verify import verify_log
from exchange.v1 import audit_pb2 as pb
from runtime import config
from tongban import proofs, receipts
from tongban.client import Client, plain
from tongban.commands.identity import check_node_folder
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    DataFolder,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    say,
    with_example,
)
from tongban.files import read_file, write_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Check the log and its receipts.", "tongban audit verify receipt.json --key log-key.txt"
    ),
)

KeyFile = Annotated[
    Path, typer.Option("--key", help="File with the log's verifier key, had from elsewhere.")
]
ReceiptPath = Annotated[Path, typer.Argument(help="A receipt saved with --receipt.")]


@app.command()
def key(
    to: Annotated[Path | None, typer.Option("--out", help="Save it there.")] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Print the log's verifier key; compare it with the one the operator publishes.

    Example: tongban audit key --out log-key.txt
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=client.timeout)
        if to:
            write_file(to, f"{found.verifier_key}\n".encode())
        if as_json:
            print_json({"verifier_key": found.verifier_key})
        else:
            out.print(found.verifier_key, markup=False)


@app.command()
def checkpoint(
    to: Annotated[Path | None, typer.Option("--out", help="Save it there.")] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Print the newest checkpoint; keep it, and the log can never change behind it.

    Example: tongban audit checkpoint --out monday.txt
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=client.timeout)
        if to:
            write_file(to, found.checkpoint.encode())
        if as_json:
            print_json(plain(found))
        else:
            out.print(found.checkpoint, markup=False, end="")


@app.command()
def complete(
    receipt: ReceiptPath,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Exchange a receipt's promise for the log's proof; the file is completed.

    Example: tongban audit complete receipt.json
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        index = receipts.complete(client, receipt)
        if as_json:
            print_json({"receipt": str(receipt), "index": index})
        else:
            out.print(say(f"Record {index} of the log.", f"日志第 {index} 条。"))


@app.command()
def verify(receipt: ReceiptPath, key_file: KeyFile, as_json: Json = False) -> None:
    """Verify a receipt offline. Exit code 1 where a check failed.

    Example: tongban audit verify receipt.json --key log-key.txt
    """
    with outcomes(as_json=as_json):
        _tell(proofs.verify_file(receipt, proofs.key_in(key_file)), as_json)


@app.command()
def consistency(
    earlier: Annotated[Path, typer.Argument(help="A checkpoint saved before.")],
    key_file: KeyFile,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify that the log has only grown since a saved checkpoint.

    Example: tongban audit consistency monday.txt --key log-key.txt
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        text = read_file(earlier).decode(errors="replace")
        _tell(receipts.verify_since(client, text, proofs.key_in(key_file)), as_json)


@app.command()
def log(
    folder: Annotated[Path, typer.Argument(help="A copy of the log: objects/audit of a node.")],
    key_file: KeyFile,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="Checkpoints saved before; several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a whole copy of the log offline, leaf by leaf.

    Example: tongban audit log tongban-data/objects/audit --key log-key.txt
    """
    with outcomes(as_json=as_json):
        newest = read_file(folder / "checkpoint").decode(errors="replace")
        kept = [read_file(path).decode(errors="replace") for path in earlier or ()]
        answer = verify_log(folder, newest, proofs.key_in(key_file), earlier=kept)
        size = proofs.size_of(newest)
        _tell(
            proofs.told(
                answer, f"all {size} records are as signed", f"全部 {size} 条记录与签名一致"
            ),
            as_json,
        )


@app.command()
def fsck(data: DataFolder = None, as_json: Json = False) -> None:
    """Check that database, tiles and checkpoints of a data folder agree. Exit code 1 if not.

    Example: tongban audit fsck --data tongban-data
    """
    with outcomes(as_json=as_json):
        from exchange.server import check_log  # the whole exchange, which only this needs

        settings = config.load(data=data)
        check_node_folder(settings)
        with err.status(say("reading the log", "正在读取日志")):
            difference = check_log(settings)
        where, detail, detail_zh = (
            ("", "database, tiles and checkpoints agree", "数据库、瓦片与检查点一致")
            if difference is None
            else (difference.where, difference.detail, difference.detail_zh)
        )
        if as_json:
            print_json(
                {
                    "sound": difference is None,
                    "where": where,
                    "detail": detail,
                    "detail_zh": detail_zh,
                }
            )
        else:
            out.print(f"{where} {say(detail, detail_zh)}".strip(), markup=False)
        if difference is not None:
            raise typer.Exit(Exit.NO)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        proofs.print_told(found)
    if found["indication"] != "PASSED":
        raise typer.Exit(Exit.NO)
