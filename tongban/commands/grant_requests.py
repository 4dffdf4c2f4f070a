"""`tongban grants`: requests, from asking to the decision."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import grants_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.commands.grant_terms import (
    MASKS,
    USUAL,
    Operations,
    condition,
    end_of,
    granted_item,
    operations_of,
    print_grant,
    start_of,
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
    print_table,
    say,
)

app = typer.Typer()

Rows = Annotated[
    list[str] | None,
    typer.Option(
        help="Only records with item^=prefix, item=value, item=one,other, or item@resource (your "
        "own clients); several times: all must hold."
    ),
]


def _told(made: pb.AccessRequest, as_json: bool, done: str, done_zh: str) -> None:
    """What a request has become."""
    if as_json:
        print_json(plain(made))
    else:
        out.print(say(f"{done}: {made.name}", f"{done_zh}：{made.name}"))


@app.command()
def request(
    parent: Annotated[str, typer.Argument(help="The asking department: your own.")],
    resource: Annotated[str, typer.Argument(help="The resource asked for.")],
    item: Annotated[list[str], typer.Option(help="Code of an item; several times.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    legal_basis: Annotated[str, typer.Option(help="By what right.")],
    operations: Operations = None,
    row: Rows = None,
    service_item: Annotated[str, typer.Option(help="The service item that it serves.")] = "",
    amends: Annotated[str, typer.Option(help="A grant of yours that it asks to change.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask for items of a resource.

    Example: tongban grants request departments/human-resources
    departments/public-security/resources/population --item name --item residence_address
    --purpose 就业登记核实身份 --legal-basis 就业促进法第三十五条
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.grants.CreateAccessRequest(
            pb.CreateAccessRequestRequest(
                parent=parent,
                access_request=pb.AccessRequest(
                    resource=resource,
                    items=item,
                    operations=operations_of(operations or USUAL),
                    purpose=purpose,
                    legal_basis=legal_basis,
                    row_filter=[condition(r) for r in row or ()],
                    service_item=service_item,
                    amends=amends,
                ),
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        ).access_request
        if as_json:
            print_json(plain(made))
        else:
            out.print(say(f"Asked: {made.name}", f"已申请：{made.name}"))
            if made.reply_due:
                due = made.reply_due
                out.print(say(f"Answered by {due} at the latest.", f"最迟答复日：{due}"))
            if made.grant:
                out.print(say(f"Granted at once: {made.grant}", f"已即时授权：{made.grant}"))


@app.command()
def approve(
    name: Annotated[str, typer.Argument(help="The request.")],
    item: Annotated[
        list[str],
        typer.Option(help="Item, or item:mask; several times. Masks: " + ", ".join(MASKS)),
    ],
    until: Annotated[str, typer.Option(help="YYYY-MM-DD (that day included), or 90d.")],
    start: Annotated[
        str, typer.Option(help="From when: YYYY-MM-DD (that day included), or 7d; now if empty.")
    ] = "",
    operations: Operations = None,
    daily_quota: Annotated[int, typer.Option(min=0, help="Records a day; 0 is no bound.")] = 0,
    rate: Annotated[int, typer.Option(min=0, help="Questions a minute; 0 is no bound.")] = 0,
    row: Rows = None,
    reason: Annotated[str, typer.Option(help="Why records are restricted.")] = "",
    include_history: Annotated[
        bool, typer.Option(help="Show what was published before, superseded values too.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Approve a request, giving all or part of it.

    Example: tongban grants approve departments/human-resources/accessRequests/ab12
    --item name --item residence_address:first-six --until 90d --daily-quota 500
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.ApproveAccessRequestRequest(
            name=name,
            items=[granted_item(i) for i in item],
            operations=operations_of(operations),
            daily_quota=daily_quota,
            rate_per_minute=rate,
            row_filter=[condition(r) for r in row or ()],
            reason=reason,
            include_history=include_history,
            request_id=new_request_id(),
        )
        if start:
            call.start_time.FromDatetime(start_of(start))
        call.end_time.FromDatetime(end_of(until))
        made = client.grants.ApproveAccessRequest(call, timeout=client.timeout)
        if made.HasField("grant"):
            print_grant(made.grant, as_json)
        else:
            _told(made.access_request, as_json, "Waits for the authority", "等待主管部门审核")


@app.command()
def reject(
    name: Annotated[str, typer.Argument(help="The request.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    legal_basis: Annotated[str, typer.Option(help="By what law or rule.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Refuse a request.

    Example: tongban grants reject departments/human-resources/accessRequests/ab12
    --reason 申请的信息项超出用途 --legal-basis 示范县政务数据共享管理办法第九条
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.grants.RejectAccessRequest(
            pb.RejectAccessRequestRequest(
                name=name, reason=reason, legal_basis=legal_basis, request_id=new_request_id()
            ),
            timeout=client.timeout,
        ).access_request
        _told(made, as_json, "Refused", "已拒绝")


@app.command("return")
def give_back(
    name: Annotated[str, typer.Argument(help="The request.")],
    note: Annotated[str, typer.Option(help="What is missing.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Return a request for more material; its clock stands meanwhile.

    Example: tongban grants return departments/human-resources/accessRequests/ab12
    --note 请补充依据原文
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.ReturnAccessRequestRequest(name=name, note=note, request_id=new_request_id())
        made = client.grants.ReturnAccessRequest(call, timeout=client.timeout)
        _told(made.access_request, as_json, "Returned", "已退回")


@app.command()
def resubmit(
    name: Annotated[str, typer.Argument(help="The request.")],
    item: Annotated[list[str] | None, typer.Option(help="Items, if others now.")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for, if said otherwise now.")] = "",
    legal_basis: Annotated[str, typer.Option(help="By what right, likewise.")] = "",
    operations: Operations = None,
    row: Rows = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Hand a returned request in again; what is left out stays as it was.

    Example: tongban grants resubmit departments/human-resources/accessRequests/ab12
    --legal-basis 就业促进法第三十五条第二款
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = client.grants.GetAccessRequest(
            pb.GetAccessRequestRequest(name=name), timeout=client.timeout
        ).access_request
        asked.purpose = purpose or asked.purpose
        asked.legal_basis = legal_basis or asked.legal_basis
        if item:
            asked.items[:] = item
        if operations:
            asked.operations[:] = operations_of(operations)
        if row:
            asked.ClearField("row_filter")
            asked.row_filter.extend(condition(r) for r in row)
        made = client.grants.ResubmitAccessRequest(
            pb.ResubmitAccessRequestRequest(access_request=asked, request_id=new_request_id()),
            timeout=client.timeout,
        )
        _told(made.access_request, as_json, "Handed in again", "已重新提交")


@app.command("withdraw")
def withdraw(
    name: Annotated[str, typer.Argument(help="The request.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take your own request back, before it is decided.

    Example: tongban grants withdraw departments/human-resources/accessRequests/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.WithdrawAccessRequestRequest(name=name, request_id=new_request_id())
        made = client.grants.WithdrawAccessRequest(call, timeout=client.timeout)
        _told(made.access_request, as_json, "Withdrawn", "已撤回")


@app.command("endorse")
def endorse(
    name: Annotated[str, typer.Argument(help="The request.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Agree, as the authority, to what the source proposes.

    Example: tongban grants endorse departments/human-resources/accessRequests/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.EndorseAccessRequestRequest(name=name, request_id=new_request_id())
        made = client.grants.EndorseAccessRequest(call, timeout=client.timeout)
        print_grant(made.grant, as_json)


@app.command()
def requests(
    parent: Annotated[str, typer.Option(help="A department; departments/- is all.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List access requests.

    Example: tongban grants requests --parent departments/-
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.grants.ListAccessRequests,
                pb.ListAccessRequestsRequest(parent=parent),
                "access_requests",
            )
        )
        if as_json:
            print_json([plain(r) for r in found])
        else:
            print_table(
                say("Access requests", "申请"),
                (say("name", "资源名"), say("resource", "信息资源"), say("purpose", "用途"),
                 say("reply due", "答复期限"), say("state", "状态")),
                [
                    (r.name, r.resource, r.purpose, r.reply_due,
                     pb.AccessRequestState.Name(r.state).removeprefix("ACCESS_REQUEST_STATE_"))
                    for r in found
                ],
            )  # fmt: skip
