"""`tongban grants`: what was granted, its versions and its contract; requests are beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.audit.note import NoteError, Verifier
from exchange.grants.contracts import Contract, is_under, open_contract
from exchange.v1 import grants_pb2 as pb
from runtime.errors import InvalidArgument
from tongban import proofs
from tongban.client import Client, new_request_id, plain
from tongban.commands import grant_oversight, grant_preview, grant_requests
from tongban.commands.grant_requests import Rows
from tongban.commands.grant_terms import (
    Operations,
    as_json_of,
    condition,
    end_of,
    granted_item,
    items_text,
    operation_word,
    operations_of,
    print_grant,
    rows_text,
)
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_answer,
    print_json,
    print_table,
    say,
    when,
    with_example,
)
from tongban.files import read_file, write_new
from tongban.log_files import key_in, read_receipt

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Ask for access, decide on it, end it.",
        "tongban grants list --parent departments/human-resources",
    ),
)
app.add_typer(grant_requests.app)
app.add_typer(grant_oversight.app)
app.add_typer(grant_preview.app)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The grant.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a grant: its items and masks, operations, quota, end and contract.

    Example: tongban grants show departments/human-resources/grants/cd34
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.grants.GetGrant(pb.GetGrantRequest(name=name), timeout=client.timeout).grant
        print_grant(found, as_json)


@app.command("list")
def list_grants(
    parent: Annotated[str, typer.Option(help="A department; departments/- is all.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List grants.

    Example: tongban grants list --parent departments/human-resources
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(client.grants.ListGrants, pb.ListGrantsRequest(parent=parent), "grants")
        )
        if as_json:
            print_json([as_json_of(g) for g in found])
        else:
            print_table(
                say("Grants", "授权"),
                (say("name", "资源名"), say("resource", "信息资源"), say("items", "信息项"),
                 say("operations", "操作"), say("a day", "每日限额"), say("until", "截止"),
                 say("state", "状态")),
                [
                    (g.name, g.resource, items_text(g),
                     ", ".join(operation_word(o) for o in g.operations),
                     g.daily_quota or say("no bound", "不限"),
                     when(g.end_time)[:10],
                     pb.GrantState.Name(g.state).removeprefix("GRANT_STATE_"))
                    for g in found
                ],
            )  # fmt: skip


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The grant.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a grant now.

    Example: tongban grants revoke departments/human-resources/grants/cd34 --reason 用途已结束
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        ended = client.grants.RevokeGrant(
            pb.RevokeGrantRequest(name=name, reason=reason, request_id=new_request_id()),
            timeout=client.timeout,
        ).grant
        print_grant(ended, as_json)


@app.command()
def narrow(
    name: Annotated[str, typer.Argument(help="The grant.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    item: Annotated[
        list[str] | None, typer.Option(help="What is left: item, or item:mask; several times.")
    ] = None,
    operations: Operations = None,
    daily_quota: Annotated[int | None, typer.Option(help="Records a day, lower.")] = None,
    rate: Annotated[int | None, typer.Option(help="Questions a minute, lower.")] = None,
    row: Rows = None,
    until: Annotated[str, typer.Option(help="An earlier end: YYYY-MM-DD, or 90d.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take something away from a grant now; live streams follow at once.

    Example: tongban grants narrow departments/human-resources/grants/cd34 --item name
    --row region^=9901 --reason 用途缩小
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.NarrowGrantRequest(
            name=name,
            items=[granted_item(i) for i in item or ()],
            operations=operations_of(operations),
            daily_quota=daily_quota,
            rate_per_minute=rate,
            row_filter=[condition(r) for r in row or ()],
            reason=reason,
            request_id=new_request_id(),
        )
        if until:
            call.end_time.FromDatetime(end_of(until))
        print_grant(client.grants.NarrowGrant(call, timeout=client.timeout).grant, as_json)


@app.command()
def versions(
    name: Annotated[str, typer.Argument(help="The grant.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the versions of a grant, the newest first.

    Example: tongban grants versions departments/human-resources/grants/cd34
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.grants.ListGrantVersions(
            pb.ListGrantVersionsRequest(name=name), timeout=client.timeout
        ).versions
        if as_json:
            print_json([plain(v) | {"grant": as_json_of(v.grant)} for v in found])
            return
        print_table(
            name,
            (say("version", "版本"), say("act", "变更"), say("by", "操作者"), say("from", "自"),
             say("until", "至"), say("items", "信息项"), say("records", "记录范围"),
             say("contract", "合同摘要")),
            [
                (v.grant.version, v.act, v.actor, when(v.from_time),
                 when(v.until_time) if v.HasField("until_time") else "",
                 items_text(v.grant), rows_text(v.grant.row_filter), v.grant.contract_hash)
                for v in found
            ],
        )  # fmt: skip


@app.command()
def contract(
    name: Annotated[str, typer.Argument(help="The grant.")],
    to: Annotated[Path, typer.Option("--out", help="A new file for it.")],
    version: Annotated[int, typer.Option(min=0, help="Which version; 0 is the newest.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Save the terms of a grant, signed by the node; `grants check` needs no node.

    Example: tongban grants contract departments/human-resources/grants/cd34 --out contract.txt
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.grants.GetGrantContract(
            pb.GetGrantContractRequest(name=name, version=version), timeout=client.timeout
        )
        write_new(to, made.note.encode())
        if as_json:
            print_json({"contract_hash": made.contract_hash, "file": str(to)})
        else:
            out.print(say(f"Saved the contract {made.contract_hash} in {to}",
                          f"合同 {made.contract_hash} 已保存至 {to}"), soft_wrap=True)  # fmt: skip


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A contract saved with `grants contract`.")],
    key: Annotated[
        Path, typer.Option("--key", help="File with the log's verifier key, had from elsewhere.")
    ],
    receipt: Annotated[
        Path | None, typer.Option(help="A receipt: was this done under the contract?")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a contract without any node: its signature, its hash, and whose receipt it is.

    Example: tongban grants check contract.txt --key log-key.txt --receipt receipt.json
    """
    with outcomes(as_json=as_json):
        found = _checked(file, key, receipt)
        if as_json:
            print_json(found)
        else:
            print_answer(found["indication"], say(found["summary"], found["summary_zh"]))
            if found["terms"]:
                shown = [(k, str(v)) for k, v in found["terms"].items()]
                print_table(say("Terms", "条款"), (say("term", "条款"), say("value", "值")), shown)
        if found["indication"] != "PASSED":
            raise typer.Exit(Exit.NO)


def _checked(file: Path, key: Path, receipt: Path | None) -> dict[str, Any]:
    try:
        verifier = Verifier(key_in(key))
    except NoteError as error:
        raise InvalidArgument(
            f"{key} holds no verifier key: {error}",
            reason="BAD_KEY",
            message_zh=f"{key} 不是日志的验证公钥",
        ) from error
    try:
        held = open_contract(read_file(file).decode(), verifier)
    except (NoteError, UnicodeDecodeError) as error:
        return _answer(f"the contract does not hold: {error}", "合同不成立", good=False)
    if receipt is None:
        return _answer("signed by the node, and unchanged", "由节点签名且未被更改", held)
    saved = read_receipt(receipt)
    told = proofs.verify_file(receipt, key_in(key))
    if told["indication"] == "FAILED":  # whose certificate signed is another question
        return _answer(f"the receipt does not hold: {told['summary']}", "回执不成立", good=False)
    if not is_under(held, saved.receipt.leaf):
        return _answer("the receipt is not under this contract", "回执不属于该合同", good=False)
    return _answer("the receipt is under this contract", "回执属于该合同", held)


def _answer(
    summary: str, summary_zh: str, held: Contract | None = None, *, good: bool = True
) -> dict[str, Any]:
    return {
        "indication": "PASSED" if good else "FAILED",
        "summary": summary,
        "summary_zh": summary_zh,
        "contract_hash": held.contract_hash if held else "",
        "terms": held.terms if held else {},
    }
