"""`tongban catalog`: departments, data resources and service items."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import catalog_pb2 as pb
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
    with_example,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Departments, data resources and service items.", "tongban catalog departments"
    ),
)

Parent = Annotated[str, typer.Option(help="A department; departments/- is all.")]


@app.command("add-department")
def add_department(
    department_id: Annotated[str, typer.Argument(help="Last part of its name.")],
    display_name: Annotated[str, typer.Option("--name", help="The name people use.")],
    credit_code: Annotated[str, typer.Option(help="Unified social credit code.")],
    region: Annotated[str, typer.Option(help="Region code, six digits.")],
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
                    display_name=display_name, credit_code=credit_code, region_code=region
                ),
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        ).department
        if as_json:
            print_json(plain(made))
        else:
            out.print(say(f"Registered {made.name}", f"已登记 {made.name}"))


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
                ),
                [(d.name, d.display_name, d.credit_code) for d in found],
            )


@app.command()
def resources(
    parent: Parent = "departments/-",
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
                pb.ListDataResourcesRequest(parent=parent),
                "resources",
            )
        )
        if as_json:
            print_json([plain(r) for r in found])
        else:
            print_table(
                say("Data resources", "信息资源"),
                (say("name", "资源名"), say("display name", "名称"), say("items", "信息项"),
                 say("sharing", "共享类型")),
                [
                    (r.name, r.display_name, " ".join(i.code for i in r.items),
                     pb.SharingType.Name(r.sharing_type).removeprefix("SHARING_TYPE_"))
                    for r in found
                ],
            )  # fmt: skip


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
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show one entry, always as JSON.

    Example: tongban catalog show departments/public-security/resources/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if "/resources/" in name:
            print_json(
                plain(
                    client.catalog.GetDataResource(
                        pb.GetDataResourceRequest(name=name), timeout=client.timeout
                    ).resource
                )
            )
        elif "/serviceItems/" in name:
            print_json(
                plain(
                    client.catalog.GetServiceItem(
                        pb.GetServiceItemRequest(name=name), timeout=client.timeout
                    ).service_item
                )
            )
        else:
            print_json(
                plain(
                    client.catalog.GetDepartment(
                        pb.GetDepartmentRequest(name=name), timeout=client.timeout
                    ).department
                )
            )
