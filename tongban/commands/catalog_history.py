"""`tongban catalog`: what the catalog said then, what changed, and who offers an item how."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import catalog_pb2 as pb
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
    when,
)

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of a department, resource or service item.")]
ELEMENTS_ZH = {
    "display_name": "名称",
    "code": "编码",
    "item_type": "类型",
    "legal_basis": "设定依据",
    "levels": "行使层级",
    "conditions": "受理条件",
    "audience": "服务对象",
    "materials": "申请材料",
    "time_limit": "办理时限",
    "fee_schedule": "收费标准",
}


@app.command()
def versions(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the versions of an entry or a department, the newest first.

    Example: tongban catalog versions departments/public-security/resources/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListVersionsRequest(name=name)
        found = list(client.every(client.catalog.ListVersions, asked, "versions"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Versions", "版本"),
            (say("version", "版本"), say("state", "状态"), say("from", "自"), say("until", "至"),
             say("batch", "批次")),
            [
                (one.version, pb.EntryState.Name(one.state).removeprefix("ENTRY_STATE_"),
                 when(one.change_time), when(one.end_time) if one.HasField("end_time") else "",
                 one.batch)
                for one in found
            ],
        )  # fmt: skip


@app.command()
def compare(
    name: Name,
    earlier: Annotated[int, typer.Option("--from", min=0, help="0: the one before.")] = 0,
    later: Annotated[int, typer.Option("--to", min=0, help="0: the newest.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell in which fields two versions differ.

    Example: tongban catalog compare departments/public-security/resources/population --from 1
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        told = client.catalog.CompareVersions(
            pb.CompareVersionsRequest(name=name, from_version=earlier, to_version=later),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(told))
            return
        print_table(
            say(
                f"Version {told.from_version} and version {told.to_version}",
                f"第 {told.from_version} 版与第 {told.to_version} 版",
            ),
            (say("field", "字段"), say("was", "原为"), say("is", "现为")),
            [(one.field, one.before, one.after) for one in told.differences],
        )
        if told.truncated:
            out.print(say("There are more differences.", "还有更多差异。"))


@app.command("compare-service-items")
def compare_service_items(
    code: Annotated[str, typer.Argument(help="The code of the service item.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell which of the ten equal elements (三级十同) differ between those who offer an item.

    Example: tongban catalog compare-service-items CG2017-01
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        told = client.catalog.CompareServiceItems(
            pb.CompareServiceItemsRequest(code=code), timeout=client.timeout
        )
        if as_json:
            print_json(plain(told))
            return
        print_table(
            say(f"Service item {code}", f"事项 {code}"),
            (say("element", "要素"), say("equal", "一致"), say("who", "部门"), say("says", "内容")),
            [
                (say(one.element, ELEMENTS_ZH[one.element]), _standing(one),
                 " ".join(name.split("/")[1] for name in variant.service_items),
                 variant.value or say("nothing", "未填写"))
                for one in told.elements
                for variant in one.variants
            ],
        )  # fmt: skip
        if told.truncated:
            out.print(say("There are more service items.", "还有更多事项未比较。"))


def _standing(element: pb.ElementComparison) -> str:
    if element.equal:
        return say("yes", "是")
    return say("missing", "缺项") if element.missing else say("no", "否")
