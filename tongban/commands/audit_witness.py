"""`tongban audit`: those who watch the log, and what they catch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from exchange.audit.evidence import Kind, evidence_to_json
from exchange.v1 import audit_pb2 as pb
from runtime.errors import DomainError, InvalidArgument, Unavailable
from tongban import honouring
from tongban.client import Client, new_request_id, plain
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
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
    when,
)
from tongban.files import check_new, read_file, write_new
from tongban.log_files import key_in, read_receipt
from tongban.witnessing import NodeSource, Seen, WitnessFolder

app = typer.Typer()
_NOT_REGISTERED = ("WITNESS_UNKNOWN", "UNKNOWN_WITNESS")


@app.command()
def witness(
    folder: Annotated[Path, typer.Argument(help="The witness's own folder; made at first.")],
    name: Annotated[str, typer.Option(help="Its name, at the first use.")] = "",
    key_file: Annotated[
        Path | None, typer.Option("--key", help="File with the log's key, at the first use.")
    ] = None,
    earlier: Annotated[
        Path | None, typer.Option(help="A checkpoint saved before, to begin from.")
    ] = None,
    every: Annotated[
        float, typer.Option(min=0, help="Look again after so many seconds; 0 is once.")
    ] = 0,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="What opens the witness's key; else one in the folder.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Watch the log: cosign the newest checkpoint if it continues the last one that was seen.

    Run it on a machine of another department. If history was rewritten, or the node shows two
    histories, nothing is cosigned, a file of evidence is written, and the exit code is 1. The
    cosignature is handed to the node, if an administrator has registered the witness's key; exit
    code 3 where it is registered and the node refuses it.

    Example: tongban audit witness watch --name witness.audit.example --key log-key.txt
    """
    with outcomes(as_json=as_json):
        log_key = key_in(key_file) if key_file else ""
        watch = WitnessFolder(folder, name=name, log_key=log_key, passphrase_file=passphrase_file)
        begin = read_file(earlier).decode(errors="replace") if earlier else ""
        with watch.locked(), Client(node, identity) as client:
            while True:
                code = _look(watch, client, begin, patient=every > 0, as_json=as_json)
                if code is Exit.NO or not every:
                    raise typer.Exit(code)
                time.sleep(every)


def _look(
    watch: WitnessFolder, client: Client, earlier: str, *, patient: bool, as_json: bool
) -> Exit:
    """One look: NO where the log was caught, REFUSED where the node took no cosignature.

    With patience, who doesn't answer is asked again. That a key is not registered yet is no
    refusal: it is printed, to be registered.
    """
    source = NodeSource(client)
    try:
        seen = watch.look(source, at=int(time.time()), earlier=earlier)
        handed = _hand_in(source, seen) if seen.line else ""
    except Unavailable as error:
        if not patient:
            raise
        err.print(say(error.message, error.message_zh), markup=False)
        return Exit.OK
    told = {
        "witness": watch.name,
        "verifier_key": watch.verifier_key,
        "before": seen.before,
        "size": seen.size,
        "cosigned": bool(seen.line),
        "handed_in": not handed,
        "evidence": str(seen.evidence) if seen.evidence else None,
        "kind": seen.kind.value if seen.kind else None,
    }
    if as_json:
        print_json(told)
    elif seen.evidence is None:
        since = say("first seen", "首次") if seen.before is None else f"{seen.before} → {seen.size}"
        out.print(say(f"Cosigned size {seen.size} ({since})",
                      f"已对大小 {seen.size} 作见证签名（{since}）"), markup=False)  # fmt: skip
        if handed:
            err.print(handed, markup=False)
            out.print(watch.verifier_key, markup=False)
    else:
        err.print(_caught(seen), markup=False)
    if seen.evidence is not None:
        return Exit.NO
    return Exit.REFUSED if handed and not handed.startswith(_NOT_REGISTERED) else Exit.OK


def _hand_in(source: NodeSource, seen: Seen) -> str:
    """Why the node did not take the cosignature; empty where it did."""
    try:
        source.hand_in(seen.size, seen.line)
    except Unavailable:
        raise
    except DomainError as error:
        told = say(error.message, error.message_zh)
        return f"{error.reason} {told}"
    return ""


def _caught(seen: Seen) -> str:
    said = {
        Kind.SPLIT_VIEW: ("SPLIT_VIEW the log showed two histories of one size",
                          "SPLIT_VIEW 日志对同一大小展示了两段历史"),
        Kind.REWRITTEN: ("REWRITTEN the log's history was rewritten",
                         "REWRITTEN 日志的历史被改写"),
    }.get(seen.kind or Kind.NOT_CONTINUED, (
        f"NOT_CONTINUED the node did not show that its log of {seen.size} continues the one of "
        f"{seen.before}", f"NOT_CONTINUED 节点未能证明大小 {seen.size} 的日志延续了 {seen.before}",
    ))  # fmt: skip
    return say(
        f"{said[0]}. Nothing was cosigned. Evidence: {seen.evidence}",
        f"{said[1]}。未作见证签名。证据文件：{seen.evidence}",
    )


@app.command()
def witnesses(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the witnesses that are registered, and what they cosigned last.

    Example: tongban audit witnesses
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.audit.ListWitnesses(pb.ListWitnessesRequest(), timeout=client.timeout)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            say("Witnesses", "见证方"),
            (say("witness", "见证方"), say("department", "部门"), say("size", "大小"),
             say("cosigned", "见证时间"), say("key", "密钥")),
            [(one.name, one.department, one.size, when(one.cosign_time), one.verifier_key)
             for one in found.witnesses],
        )  # fmt: skip


@app.command("register-witness")
def register_witness(
    key: Annotated[Path, typer.Argument(help="File with the key that the witness printed.")],
    department: Annotated[str, typer.Option(help="Whose witness it is: departments/…")],
    request_id: Annotated[str, typer.Option(help="Makes a repeat safe.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Register a witness, so that the node takes and hands out its cosignatures.

    Example: tongban audit register-witness watch.txt --department departments/audit
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.audit.RegisterWitness(
            pb.RegisterWitnessRequest(
                verifier_key=read_file(key, greatest=4096).decode(errors="replace").strip(),
                department=department,
                request_id=request_id or new_request_id(),
            ),
            timeout=client.timeout,
        ).witness
        if as_json:
            print_json(plain(found))
        else:
            out.print(say(f"Registered {found.name}", f"已登记 {found.name}"), markup=False)


@app.command("remove-witness")
def remove_witness(
    name: Annotated[str, typer.Argument(help="Its name.")],
    reason: Annotated[str, typer.Option(help="Why; logged as a commitment.")],
    request_id: Annotated[str, typer.Option(help="Makes a repeat safe.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a witness; its name stays with its key.

    Example: tongban audit remove-witness witness.audit.example --reason "moved to a new machine"
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        client.audit.RemoveWitness(
            pb.RemoveWitnessRequest(
                name=name, reason=reason, request_id=request_id or new_request_id()
            ),
            timeout=client.timeout,
        )
        if as_json:
            print_json({"name": name})
        else:
            out.print(say(f"Removed {name}", f"已移除 {name}"), markup=False)


@app.command()
def promise(
    receipt: Annotated[Path, typer.Argument(help="A receipt saved with --receipt.")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key",
            help="File with the log's verifier key, had from elsewhere; else the node's own word.",
        ),
    ] = None,
    copy: Annotated[
        Path | None, typer.Option("--log", help="Ask a copy of the log, not the node.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write evidence there if it was broken.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say whether the log kept the promise of a receipt. Exit code 1 where it was broken.

    The log keeps it within about a second. A log that went on for a minute without the record, or
    denies its own signature, broke it: receipt and checkpoint are the evidence. Exit code 6 where
    it is too early to tell.

    Example: tongban audit promise receipt.json --key log-key.txt --log copy --out evidence.json
    """
    with outcomes(as_json=as_json):
        if to:
            check_new(to)
        saved = read_receipt(receipt)
        if copy:
            if not key_file:
                raise InvalidArgument(
                    "a copy of the log is checked with its verifier key: give it with --key",
                    reason="LOG_KEY_MISSING",
                    message_zh="核对日志副本需要日志的验证密钥：请用 --key 提供",
                )
            found = honouring.in_copy(saved, key_in(key_file), copy)
        else:
            with Client(node, identity) as client:
                key = key_in(key_file) if key_file else _key_of(client)
                found = honouring.by_node(client, saved, key)
        if found.evidence and to:
            write_new(to, evidence_to_json(found.evidence).encode())
        if as_json:
            print_json({
                "outcome": found.outcome, "index": found.index, "detail": found.detail,
                "detail_zh": found.detail_zh,
                "evidence": str(to) if found.evidence and to else None,
            })  # fmt: skip
        else:
            out.print(f"{found.outcome} {say(found.detail, found.detail_zh)}", markup=False)
            if found.evidence and to:
                out.print(say(
                    f"Wrote {to}. It convicts with a copy of this log that goes on for a minute "
                    f"beyond the promise: tongban audit verify {to} --key … --log COPY",
                    f"已写入 {to}。须与该日志在承诺之后继续满一分钟的副本一并验证："
                    f"tongban audit verify {to} --key … --log COPY",
                ), markup=False)  # fmt: skip
        if found.outcome != honouring.HONOURED:
            raise typer.Exit(Exit.UNKNOWN if found.outcome == honouring.PENDING else Exit.NO)


def _key_of(client: Client) -> str:
    """The log's key by the node's own word, which is told."""
    newest = client.audit.GetCheckpoint(pb.GetCheckpointRequest(), timeout=client.timeout)
    err.print(
        say(
            f"By the key that the node itself tells, {newest.verifier_key}: compare it with the "
            "one that its operator publishes, and give that with --key.",
            f"使用的是节点自述的密钥 {newest.verifier_key}：请与运营者公布的密钥核对，"
            "并用 --key 提供。",
        ),
        markup=False,
    )
    return newest.verifier_key
