"""`tongban lists`: the demands of departments, and their answers."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import lists_pb2 as pb
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
)

EVERY = "departments/-"
STATES_ZH = {
    "ACTIVE": "有效",
    "REMOVED": "已移出",
    "OPEN": "待答复",
    "ACCEPTED": "已采纳",
    "DECLINED": "不采纳",
    "MET": "已满足",
    "WITHDRAWN": "已撤回",
}


def state_word(name: str) -> str:
    """The word of a state, of a row or a demand, in the reader's language."""
    told = name.rpartition("STATE_")[2]
    return say(told, STATES_ZH[told])


def demands(
    parent: Annotated[str, typer.Option(help="Who needs it; departments/- is any.")] = EVERY,
    unanswered: Annotated[bool, typer.Option("--open", help="Only unanswered ones.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List what departments need and nobody offers.

    Example: tongban lists demands --open
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListDemandsRequest(parent=parent, open_only=unanswered)
        found = list(client.every(client.lists.ListDemands, asked, "demands"))
        if as_json:
            print_json([plain(d) for d in found])
        else:
            print_table(
                say("Demand list", "需求清单"),
                (say("name", "资源名"), say("what", "数据"), say("items", "信息项"),
                 say("purpose", "用途"), say("asked of", "数源部门"), say("state", "状态"),
                 say("answer", "答复"), say("offered now", "现已提供")),
                [
                    (d.name, d.display_name, ", ".join(d.items), d.purpose, d.supplier,
                     state_word(pb.DemandState.Name(d.state)), d.answer,
                     say("yes", "是") if d.offered else "")
                    for d in found
                ],
            )  # fmt: skip


def demand(
    parent: Annotated[str, typer.Argument(help="The department that needs it: your own.")],
    what: Annotated[str, typer.Argument(help="What it is, in a few words.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    legal_basis: Annotated[str, typer.Option(help="By what right.")],
    item: Annotated[list[str] | None, typer.Option(help="An item needed; several times.")] = None,
    supplier: Annotated[str, typer.Option(help="Who is thought to have it.")] = "",
    resource: Annotated[str, typer.Option(help="The resource, where there is one.")] = "",
    service_item: Annotated[str, typer.Option(help="The service item that needs it.")] = "",
    cycle: Annotated[str, typer.Option(help="How fresh: daily, weekly, monthly, ….")] = "",
    description: Annotated[str, typer.Option(help="More about it.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say what your department needs and nobody offers.

    Example: tongban lists demand departments/human-resources 公积金缴存信息 --item 缴存状态
    --supplier departments/public-security --purpose 就业登记 --legal-basis 就业促进法第三十五条
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wanted = pb.Demand(
            display_name=what,
            description=description,
            items=item or [],
            purpose=purpose,
            legal_basis=legal_basis,
            service_item=service_item,
            supplier=supplier,
            resource=resource,
            update_cycle=cycle,
        )
        asked = pb.CreateDemandRequest(parent=parent, demand=wanted, request_id=new_request_id())
        made = client.lists.CreateDemand(asked, timeout=client.timeout).demand
        _print_demand(made, as_json)


def answer(
    name: Annotated[str, typer.Argument(help="The demand.")],
    text: Annotated[str, typer.Option("--answer", help="The answer.")],
    accept: Annotated[str, typer.Option(help="Taken into this row of the list.")] = "",
    decline: Annotated[str, typer.Option(help="Declined, on this legal basis.")] = "",
    met: Annotated[str, typer.Option(help="Met by this resource.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Answer a demand: accept it into the responsibility list, decline it, or say that it is met.

    Example: tongban lists answer departments/human-resources/demands/ab12 --answer 列入责任清单
    --accept departments/public-security/responsibilities/population
    """
    with outcomes(as_json=as_json):
        if sum(map(bool, (accept, decline, met))) != 1:
            raise InvalidArgument(
                "answer with one of --accept, --decline and --met",
                message_zh="请用 --accept、--decline、--met 之一答复",
            )
        state = pb.DEMAND_STATE_MET
        if accept or decline:
            state = pb.DEMAND_STATE_ACCEPTED if accept else pb.DEMAND_STATE_DECLINED
        with Client(node, identity) as client:
            asked = pb.AnswerDemandRequest(
                name=name,
                state=state,
                answer=text,
                answer_legal_basis=decline,
                responsibility=accept,
                resource=met,
                request_id=new_request_id(),
            )
            made = client.lists.AnswerDemand(asked, timeout=client.timeout).demand
        _print_demand(made, as_json)


def withdraw(
    name: Annotated[str, typer.Argument(help="The demand: your own, and unanswered.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take a demand back.

    Example: tongban lists withdraw departments/human-resources/demands/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.WithdrawDemandRequest(name=name, request_id=new_request_id())
        _print_demand(client.lists.WithdrawDemand(asked, timeout=client.timeout).demand, as_json)


def _print_demand(made: pb.Demand, as_json: bool) -> None:
    if as_json:
        print_json(plain(made))
    else:
        told = state_word(pb.DemandState.Name(made.state))
        out.print(f"{made.name}: {told}", markup=False)
