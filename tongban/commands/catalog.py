"""`tongban catalog`: departments, resources, service items; more commands are in `catalog_*.py`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.v1 import catalog_pb2 as pb
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain
from tongban.commands import catalog_find, catalog_history
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
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Departments, data resources and service items.", "tongban catalog departments"
    ),
)

app.add_typer(catalog_history.app)
app.add_typer(catalog_find.app)


class Level(StrEnum):
    """A level of government."""

    NATIONAL = "national"
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"


LEVELS_ZH = {
    "UNSPECIFIED": "",
    "NATIONAL": "国家级",
    "PROVINCE": "省级",
    "CITY": "市级",
    "COUNTY": "县级",
    "TOWNSHIP": "乡级",
}
LevelOption = Annotated[Level | None, typer.Option(help="Its level of government.")]
Parent = Annotated[str, typer.Option(help="A department; departments/- is all.")]


@app.command("add-department")
def add_department(
    department_id: Annotated[str, typer.Argument(help="Last part of its name.")],
    display_name: Annotated[str, typer.Option("--name", help="The name people use.")],
    credit_code: Annotated[str, typer.Option(help="Unified social credit code.")],
    region: Annotated[str, typer.Option(help="Region code, six digits.")],
    level: LevelOption = None,
    parent: Annotated[str, typer.Option(help="The department above it.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Register a department (administrators).

    Example: tongban catalog add-department housing --name 示范县房产管理局
    --credit-code 11990101000000060F --region 990101
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.catalog.CreateDepartment(
            pb.CreateDepartmentRequest(
                department_id=department_id,
                department=pb.Department(
                    display_name=display_name,
                    credit_code=credit_code,
                    region_code=region,
                    level=_level(level),
                    parent=parent,
                ),
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        ).department
        if as_json:
            print_json(plain(made))
        else:
            out.print(say(f"Registered {made.name}", f"已登记 {made.name}"))


@app.command("update-department")
def update_department(
    name: Annotated[str, typer.Argument(help="Name of the department.")],
    display_name: Annotated[str | None, typer.Option("--name", help="The name people use.")] = None,
    credit_code: Annotated[str | None, typer.Option(help="Unified social credit code.")] = None,
    region: Annotated[str | None, typer.Option(help="Region code, six digits.")] = None,
    level: LevelOption = None,
    parent: Annotated[
        str | None, typer.Option(help="The department above it; empty is none.")
    ] = None,
    etag: Annotated[str, typer.Option(help="Only where this is still its etag.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Change what is given of a department; its past is kept (administrators).

    Example: tongban catalog update-department departments/housing --parent departments/county
    """
    said: dict[str, Any] = {
        "display_name": display_name,
        "credit_code": credit_code,
        "region_code": region,
        "level": _level(level) if level else None,
        "parent": parent,
    }
    given = {field: value for field, value in said.items() if value is not None}
    with outcomes(as_json=as_json):
        if not given:
            raise InvalidArgument(
                "say what to change: --name, --credit-code, --region, --level or --parent",
                reason="NOTHING_TO_CHANGE",
                message_zh="请指明变更内容：--name、--credit-code、--region、--level 或 --parent",
            )
        with Client(node, identity) as client:
            changed = client.catalog.UpdateDepartment(
                pb.UpdateDepartmentRequest(
                    department=pb.Department(name=name, etag=etag, **given),
                    update_mask=FieldMask(paths=list(given)),
                    request_id=new_request_id(),
                ),
                timeout=client.timeout,
            ).department
        if as_json:
            print_json(plain(changed))
        else:
            told = (changed.name, changed.version)
            out.print(say("Changed {}: version {}", "已变更 {}：第 {} 版").format(*told))


def _level(level: Level | None) -> pb.DepartmentLevel.ValueType:
    word = level.name if level else "UNSPECIFIED"
    return pb.DepartmentLevel.Value(f"DEPARTMENT_LEVEL_{word}")


@app.command()
def departments(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List departments.

    Example: tongban catalog departments
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(client.catalog.ListDepartments, pb.ListDepartmentsRequest(), "departments")
        )
        if as_json:
            print_json([plain(d) for d in found])
        else:
            print_table(
                say("Departments", "部门"),
                (
                    say("name", "资源名"),
                    say("display name", "名称"),
                    say("credit code", "信用代码"),
                    say("region", "行政区划"),
                    say("level", "层级"),
                    say("parent", "上级部门"),
                ),
                [
                    (d.name, d.display_name, d.credit_code, d.region_code, _level_word(d.level),
                     d.parent)
                    for d in found
                ],
            )  # fmt: skip


def _level_word(level: pb.DepartmentLevel.ValueType) -> str:
    word = pb.DepartmentLevel.Name(level).removeprefix("DEPARTMENT_LEVEL_")
    return say("" if word == "UNSPECIFIED" else word.lower(), LEVELS_ZH[word])


@app.command()
def resources(
    parent: Parent = "departments/-",
    stale: Annotated[bool, typer.Option("--stale", help="Only stale ones.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List data resources.

    Example: tongban catalog resources --parent departments/public-security
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.catalog.ListDataResources,
                pb.ListDataResourcesRequest(parent=parent, stale_only=stale),
                "resources",
            )
        )
        if as_json:
            print_json([plain(r) for r in found])
        else:
            print_table(
                say("Data resources", "信息资源"),
                (say("name", "资源名"), say("display name", "名称"), say("items", "信息项"),
                 say("sharing", "共享类型"), say("fresh", "更新情况")),
                [
                    (r.name, r.display_name, " ".join(i.code for i in r.items),
                     pb.SharingType.Name(r.sharing_type).removeprefix("SHARING_TYPE_"),
                     _fresh(r))
                    for r in found
                ],
            )  # fmt: skip


def _fresh(resource: pb.DataResource) -> str:
    """How a resource's newest batch stands to its update cycle."""
    if not resource.HasField("last_publish_time"):
        return say("never published", "从未发布") if resource.stale else ""
    day = when(resource.fresh_until)
    if resource.stale:
        return say(f"stale since {day}", f"自 {day} 起超期")
    return say(f"until {day}", f"有效至 {day}")


@app.command("service-items")
def service_items(
    parent: Parent = "departments/-",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List service items.

    Example: tongban catalog service-items
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.catalog.ListServiceItems,
                pb.ListServiceItemsRequest(parent=parent),
                "service_items",
            )
        )
        if as_json:
            print_json([plain(i) for i in found])
        else:
            print_table(
                say("Service items", "政务服务事项"),
                (say("name", "资源名"), say("code", "编码"), say("display name", "名称")),
                [(i.name, i.code, i.display_name) for i in found],
            )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of a department, resource or service item.")],
    at: Annotated[datetime | None, typer.Option(help="As it was then, in China time.")] = None,
    version: Annotated[int, typer.Option(min=0, help="Or in this version.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show one entry, always as JSON.

    Example: tongban catalog show departments/public-security/resources/population
    """
    then = None
    if at is not None:
        then = Timestamp()
        then.FromDatetime(at.replace(tzinfo=CHINA))
    with outcomes(as_json=as_json), Client(node, identity) as client:
        catalog, seconds = client.catalog, client.timeout
        if "/resources/" in name:
            of_resource = pb.GetDataResourceRequest(name=name, read_time=then, version=version)
            print_json(plain(catalog.GetDataResource(of_resource, timeout=seconds).resource))
        elif "/serviceItems/" in name:
            of_item = pb.GetServiceItemRequest(name=name, read_time=then, version=version)
            print_json(plain(catalog.GetServiceItem(of_item, timeout=seconds).service_item))
        else:
            of_department = pb.GetDepartmentRequest(name=name, read_time=then)
            print_json(plain(catalog.GetDepartment(of_department, timeout=seconds).department))
