"""`tongban grants`: ask for access, decide on it, end it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import typer

from exchange.v1 import grants_pb2 as pb
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain
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
    when,
    with_example,
    word,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Ask for access, decide on it, end it.",
        "tongban grants list --parent departments/human-resources",
    ),
)

MASKS = {
    "whole": pb.MASK_UNSPECIFIED,
    "last-four": pb.MASK_LAST_FOUR,
    "first-character": pb.MASK_FIRST_CHARACTER,
    "year": pb.MASK_YEAR,
    "first-six": pb.MASK_FIRST_SIX,
}
OPERATIONS = {
    "query": pb.OPERATION_QUERY,
    "verify": pb.OPERATION_VERIFY,
    "subscribe": pb.OPERATION_SUBSCRIBE,
}


def operations_of(text: str) -> list[pb.Operation.ValueType]:
    """Operations of a comma-separated list. Raises InvalidArgument."""
    try:
        return [OPERATIONS[word] for word in text.split(",") if word]
    except KeyError:
        listed = ", ".join(OPERATIONS)
        raise InvalidArgument(
            f"an operation is one of {listed}", message_zh=f"操作应为 {listed} 之一"
        ) from None


def granted_item(text: str) -> pb.GrantedItem:
    """`item` or `item:mask`. Raises InvalidArgument."""
    item, _, mask = text.partition(":")
    if mask and mask not in MASKS:
        listed = ", ".join(MASKS)
        raise InvalidArgument(
            f"a mask is one of {listed}", message_zh=f"脱敏方式应为 {listed} 之一"
        )
    return pb.GrantedItem(item=item, mask=MASKS[mask or "whole"])


def end_of(text: str) -> datetime:
    """The end of a day in China (`YYYY-MM-DD`), or of a number of days from now (`90d`)."""
    try:
        if text.endswith("d"):
            return datetime.now(UTC) + timedelta(days=int(text[:-1]))
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a date, zoned below
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "an end is YYYY-MM-DD, or a number of days such as 90d",
            message_zh="截止时间应为 YYYY-MM-DD，或天数如 90d",
        ) from None
    return datetime.combine(day + timedelta(days=1), time(), CHINA)


def _print_grant(grant: pb.Grant, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(grant))
        return
    print_table(
        grant.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("resource", "信息资源"), grant.resource),
            (say("items", "信息项"), _items(grant)),
            (say("operations", "操作"), ", ".join(_operation(o) for o in grant.operations)),
            (say("purpose", "用途"), grant.purpose),
            (say("legal basis", "依据"), grant.legal_basis),
            (say("daily quota", "每日限额"), grant.daily_quota or say("none", "不限")),
            (say("until", "截止"), when(grant.end_time)),
            (say("state", "状态"), pb.GrantState.Name(grant.state).removeprefix("GRANT_STATE_")),
            (say("contract", "合同摘要"), grant.contract_hash),
        ],
    )


def _items(grant: pb.Grant) -> str:
    """Each item with how it is shown."""
    return ", ".join(
        f"{i.item} ({word(pb.Mask.Name(i.mask).removeprefix('MASK_') if i.mask else 'WHOLE')})"
        for i in grant.items
    )


def _as_json(grant: pb.Grant) -> dict[str, Any]:
    """A grant for programs; an item without a mask is MASK_WHOLE, not one that nobody specified."""
    told = plain(grant)
    for item in told["items"]:
        if item["mask"] == "MASK_UNSPECIFIED":
            item["mask"] = "MASK_WHOLE"
    return told


def _operation(operation: pb.Operation.ValueType) -> str:
    return pb.Operation.Name(operation).removeprefix("OPERATION_").lower()


@app.command()
def request(
    parent: Annotated[str, typer.Argument(help="The asking department: your own.")],
    resource: Annotated[str, typer.Argument(help="The resource asked for.")],
    item: Annotated[list[str], typer.Option(help="Code of an item; several times.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    legal_basis: Annotated[str, typer.Option(help="By what right.")],
    operations: Annotated[str, typer.Option(help="Comma-separated.")] = "query,verify,subscribe",
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
                    operations=operations_of(operations),
                    purpose=purpose,
                    legal_basis=legal_basis,
                ),
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        ).access_request
        if as_json:
            print_json(plain(made))
        else:
            out.print(say(f"Asked: {made.name}", f"已申请：{made.name}"))
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
    operations: Annotated[str, typer.Option(help="Comma-separated; all asked if empty.")] = "",
    daily_quota: Annotated[int, typer.Option(min=0, help="Records a day; 0 is no bound.")] = 0,
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
            request_id=new_request_id(),
        )
        call.end_time.FromDatetime(end_of(until))
        made = client.grants.ApproveAccessRequest(call, timeout=client.timeout).grant
        _print_grant(made, as_json)


@app.command()
def reject(
    name: Annotated[str, typer.Argument(help="The request.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Refuse a request.

    Example: tongban grants reject departments/human-resources/accessRequests/ab12
    --reason 申请的信息项超出用途
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.grants.RejectAccessRequest(
            pb.RejectAccessRequestRequest(name=name, reason=reason, request_id=new_request_id()),
            timeout=client.timeout,
        ).access_request
        if as_json:
            print_json(plain(made))
        else:
            out.print(say(f"Refused {made.name}", f"已拒绝 {made.name}"))


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
        _print_grant(ended, as_json)


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
        _print_grant(found, as_json)


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
            print_json([_as_json(g) for g in found])
        else:
            print_table(
                say("Grants", "授权"),
                (say("name", "资源名"), say("resource", "信息资源"), say("items", "信息项"),
                 say("operations", "操作"), say("a day", "每日限额"), say("until", "截止"),
                 say("state", "状态")),
                [
                    (g.name, g.resource, _items(g),
                     ", ".join(_operation(o) for o in g.operations),
                     g.daily_quota or say("no bound", "不限"),
                     when(g.end_time)[:10],
                     pb.GrantState.Name(g.state).removeprefix("GRANT_STATE_"))
                    for g in found
                ],
            )  # fmt: skip


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
                 say("state", "状态")),
                [
                    (r.name, r.resource, r.purpose,
                     pb.AccessRequestState.Name(r.state).removeprefix("ACCESS_REQUEST_STATE_"))
                    for r in found
                ],
            )  # fmt: skip
