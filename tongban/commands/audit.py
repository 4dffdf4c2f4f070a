"""`tongban audit`: the log and its receipts, checked without trusting the node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.audit.evidence import evidence_to_json
from exchange.audit.proved import proof_to_json
from exchange.v1 import audit_pb2 as pb
from runtime import config
from tongban import proofs, proving, receipts
from tongban.client import Client, plain
from tongban.commands import audit_access, audit_keeping, audit_witness
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
    print_table,
    say,
    with_example,
)
from tongban.files import check_new, read_file, write_file, write_new
from tongban.log_files import key_in, quorum_of, sha256_of
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

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Check the log and its receipts.", "tongban audit verify receipt.json --key log-key.txt"
    ),
)
app.add_typer(audit_witness.app)
app.add_typer(audit_keeping.app)
app.add_typer(audit_access.app)

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
    cosignatures: Annotated[
        int, typer.Option(min=0, help="To the newest checkpoint that so many witnesses cosigned.")
    ] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Exchange a receipt's promise for the log's proof; the file is completed.

    Example: tongban audit complete receipt.json
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        index = receipts.complete(client, receipt, cosignatures=cosignatures)
        if as_json:
            print_json({"receipt": str(receipt), "index": index})
        else:
            out.print(say(f"Record {index} of the log.", f"日志第 {index} 条。"))


@app.command()
def prove(
    document: Annotated[
        Path, typer.Argument(help="A sealed document, a license, or a system's certificate.")
    ],
    to: Annotated[Path, typer.Option("--out", help="The proof to write; never over a file.")],
    start: Annotated[
        int, typer.Option(min=0, help="Read the log from this record on, if it is long.")
    ] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take out of the log what proves offline that a document was sealed, or issued.

    Reads the log and finds the records that name the document by its SHA-256: its sealing; a
    license's issuing, suspending, revoking; a certificate's enrolment. Put the file into a bundle
    with `tongban seal evidence make --receipt`. Exit code 1 where the log has no such record.

    Example: tongban audit prove license.ofd --out proof.json
    """
    with outcomes(as_json=as_json):
        check_new(to)
        digest = sha256_of(document)
        with Client(node, identity) as client:
            found = proving.prove(client, digest, start=start)
        if found.proof is not None:
            write_new(to, proof_to_json(found.proof).encode())
        leaves = found.proof.leaves if found.proof else ()
        if as_json:
            print_json({
                "proof": str(to) if leaves else None,
                "document": digest,
                "start": start,
                "size": found.size,
                "found": len(leaves),
                "records": [{"index": one.index, "record": json.loads(one.leaf)} for one in leaves],
            })  # fmt: skip
        elif leaves:
            print_table(
                say(f"Records of {document.name}", f"{document.name} 的日志记录"),
                (say("index", "序号"), say("record", "记录")),
                [(one.index, proofs.act_of(one.leaf)) for one in leaves],
            )
            out.print(say(f"Wrote {to}", f"已写入 {to}"), markup=False)
        else:
            err.print(_unnamed(start, found.size, digest), markup=False)
        if not leaves:
            raise typer.Exit(Exit.NO)


def _unnamed(start: int, size: int, sha256: str) -> str:
    return say(
        f"None of the log's records {start} to {size} names this file (SHA-256 {sha256}): was it "
        "sealed by this node, and is it the sealed file, unchanged? A record stands in the log "
        "about a second after the act.",
        f"日志第 {start} 至 {size} 条中没有指明该文件的记录（SHA-256 {sha256}）：请确认它由本节点"
        "签章，且是未经改动的签章文件。记录约在操作一秒后进入日志。",
    )


@app.command()
def verify(
    receipt: Annotated[
        Path,
        typer.Argument(
            help="A receipt saved with --receipt, a proof of `tongban audit prove`, or evidence of "
            "`tongban audit witness`, `promise` or `consistency --out`."
        ),
    ],
    key_file: KeyFile,
    document: DocumentFile = None,
    copy: LogFolder = None,
    certificate: CertificateFile = None,
    enrolment: EnrolmentFile = None,
    opening: Openings = None,
    witness: Witnesses = None,
    require: Required = None,
    as_json: Json = False,
) -> None:
    """Verify a receipt, a proof, or evidence about the log, offline.

    Exit code 1 where a check failed, 6 where the file lacks what there was to check: a receipt
    without question or answer, a broken promise without a copy of the log. With --witness the
    checkpoint that the proof leads to must be cosigned by them.

    Example: tongban audit verify proof.json --key log-key.txt --document license.ofd
    """
    with outcomes(as_json=as_json):
        asked = log_question(
            document=document, witness=witness, require=require, copy=copy,
            certificate=certificate, enrolment=enrolment, openings=opening,
        )  # fmt: skip
        found = proofs.verify_file(receipt, key_in(key_file), asked)
        tell_answer(found, as_json)


@app.command()
def consistency(
    earlier: Annotated[Path, typer.Argument(help="A checkpoint saved before.")],
    key_file: KeyFile,
    to: Annotated[
        Path | None, typer.Option("--out", help="Save both checkpoints with the proof.")
    ] = None,
    witness: Witnesses = None,
    require: Required = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify that the log has only grown since a saved checkpoint.

    Example: tongban audit consistency monday.txt --key log-key.txt
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        text = read_file(earlier).decode(errors="replace")
        quorum = quorum_of(witness, require)
        found, saved = receipts.verify_since(client, text, key_in(key_file), quorum=quorum)
        if to:
            write_new(to, evidence_to_json(saved).encode())
        tell_answer(found, as_json)


@app.command()
def log(
    folder: Annotated[Path, typer.Argument(help="A copy of the log: objects/audit of a node.")],
    key_file: KeyFile,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="Checkpoints saved before; several times.")
    ] = None,
    witness: Witnesses = None,
    require: Required = None,
    as_json: Json = False,
) -> None:
    """Verify a whole copy of the log offline, leaf by leaf.

    With --witness they must have cosigned the newest checkpoint, or one given with --earlier.

    Example: tongban audit log tongban-data/objects/audit --key log-key.txt
    """
    with outcomes(as_json=as_json):
        kept = [read_file(path).decode(errors="replace") for path in earlier or ()]
        quorum = quorum_of(witness, require)
        found = proofs.verify_copy(folder, key_in(key_file), earlier=kept, quorum=quorum)
        tell_answer(found, as_json)


@app.command()
def fsck(data: DataFolder = None, as_json: Json = False) -> None:
    """Check that database, tiles and checkpoints of a data folder agree. Exit code 1 if not.

    Example: tongban audit fsck --data tongban-data
    """
    with outcomes(as_json=as_json):
        from exchange.audit.opening import check_log  # the database, which only this needs

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


def tell_answer(found: dict[str, Any], as_json: bool) -> None:
    """Print an answer of `tongban.proofs`. Raises typer.Exit unless it passed."""
    if as_json:
        print_json(found)
    else:
        proofs.print_told(found)
    if found["indication"] == "INDETERMINATE":
        raise typer.Exit(Exit.UNKNOWN)
    if found["indication"] != "PASSED":
        raise typer.Exit(Exit.NO)
