"""`tongban discover`: what this department may use, what not and why, and how it asks."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exchange.v1 import discovery_pb2 as pb
from tongban.client import Client, plain
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
    until,
)
from tongban.files import write_file


class AccessWord(StrEnum):
    """How a department stands to a resource."""

    OWN = "own"
    USABLE = "usable"
    NOT_YET = "not-yet"
    REQUESTED = "requested"
    REQUESTABLE = "requestable"
    CLOSED = "closed"


_WORDS_ZH = {
    "OWN": "本部门",
    "USABLE": "可用",
    "NOT_YET": "未到时间",
    "REQUESTED": "已申请",
    "REQUESTABLE": "可申请",
    "CLOSED": "不可申请",
}


def discover(
    name: Annotated[str, typer.Argument(help="One resource; without it, all of them.")] = "",
    parent: Annotated[str, typer.Option(help="Of this source department only.")] = "",
    access: Annotated[AccessWord | None, typer.Option(help="Those only.")] = None,
    consumer: Annotated[
        str, typer.Option(help="For this department (administrators and auditors).")
    ] = "",
    request_out: Annotated[
        Path | None, typer.Option(help="Write the request to fill in (JSON) to this file.")
    ] = None,
    withdrawn: Annotated[bool, typer.Option(help="Show withdrawn ones too.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show what this department may use, what not and why, and how it asks.

    Example: tongban discover --access requestable
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = _find(client, name, parent, access, consumer, withdrawn=withdrawn or bool(name))
        if request_out is not None and len(found) == 1 and found[0].how_to_ask.request_json:
            pretty = json.dumps(json.loads(found[0].how_to_ask.request_json),
                                ensure_ascii=False, indent=2)  # fmt: skip
            write_file(request_out, pretty.encode() + b"\n")
        if as_json:
            print_json([plain(one) for one in found])
        elif name and found:
            _show(found[0])
        else:
            _list(found)


def describe(
    name: Annotated[str, typer.Argument(help="Name of a resource.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Describe a resource's records as JSON Schema, and how they are asked for; always as JSON.

    Example: tongban describe departments/public-security/resources/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        answer = client.discovery.GetDescriptor(
            pb.GetDescriptorRequest(name=name), timeout=client.timeout
        )
        print_json(json.loads(answer.descriptor_json))


def _find(
    client: Client,
    name: str,
    parent: str,
    access: AccessWord | None,
    consumer: str,
    *,
    withdrawn: bool,
) -> list[pb.DiscoveredResource]:
    word = access.name if access else "UNSPECIFIED"
    request = pb.DiscoverRequest(
        parent=parent or ("/".join(name.split("/")[:2]) if name else ""),
        consumer=consumer,
        access=pb.Access.Value(f"ACCESS_{word}"),
        show_withdrawn=withdrawn,
    )
    every = client.every(client.discovery.Discover, request, "resources")
    found = [one for one in every if name in ("", one.resource)]
    if name and not found:
        # The catalog says what is wrong with the name.
        client.discovery.GetDescriptor(pb.GetDescriptorRequest(name=name), timeout=client.timeout)
    return found


def _word(access: pb.Access.ValueType) -> str:
    english = pb.Access.Name(access).removeprefix("ACCESS_")
    return say(english, _WORDS_ZH.get(english, ""))


def _why(one: pb.DiscoveredResource) -> str:
    return "; ".join(say(why.message, why.message_zh) for why in one.obstacles)


def _list(found: list[pb.DiscoveredResource]) -> None:
    columns = (
        *(say("name", "资源名"), say("display name", "名称"), say("access", "状态")),
        *(say("grants", "授权"), say("why not", "原因")),
    )
    rows = [
        (
            one.resource,
            one.display_name,
            _word(one.access),
            " ".join(grant.grant for grant in one.grants),
            _why(one),
        )
        for one in found
    ]
    print_table(say("What may be used", "可用的信息资源"), columns, rows)


def _show(one: pb.DiscoveredResource) -> None:
    out.print(f"{one.resource} {one.display_name}: {_word(one.access)}", markup=False)
    if one.grants:
        _show_grants(one)
    for why in one.obstacles:
        told = [say(why.message, why.message_zh), why.subject, why.detail, why.legal_basis]
        told += [say(f"reply due {why.due}", f"答复期限 {why.due}")] if why.due else []
        out.print("- " + " · ".join(filter(None, told)), markup=False)
    if one.HasField("how_to_ask"):
        _show_asking(one.how_to_ask)


def _show_grants(one: pb.DiscoveredResource) -> None:
    columns = (say("grant", "授权"), say("items", "信息项"), say("operations", "操作"))
    rows = [
        (
            grant.grant,
            " ".join(given.item for given in grant.items),
            " ".join(plain(grant)["operations"]).replace("OPERATION_", "").lower(),
            until(grant.end_time),
        )
        for grant in one.grants
    ]
    print_table(say("Grants", "授权"), (*columns, say("until", "至")), rows)


def _show_asking(asking: pb.HowToAsk) -> None:
    whom = f"{asking.department_display_name} {asking.contact_office}".strip()
    if asking.method == pb.ASKING_METHOD_AT_ONCE:
        out.print(say("How to ask: granted at once.", "如何申请：提出即授权。"))
    else:
        out.print(
            say(
                f"How to ask: {whom} decides within {asking.reply_working_days} working days "
                f"(by {asking.reply_due} if asked now).",
                f"如何申请：由{whom}在 {asking.reply_working_days} 个工作日内答复"
                f"（现在提出则不晚于 {asking.reply_due}）。",
            ),
            markup=False,
        )
        if asking.needs_review:
            who = asking.authority or say("an administrator", "管理员")
            out.print(say(f"{who} has to agree too.", f"还须{who}审核。"), markup=False)
        if asking.condition:
            out.print(say("Condition: ", "共享条件：") + asking.condition, markup=False)
    out.print(say("The request to fill in:", "待填写的申请："))
    out.print(asking.request_json, markup=False)
