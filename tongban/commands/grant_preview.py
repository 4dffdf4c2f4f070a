"""`tongban grants preview`: what a receiver would see under terms, before anybody decides."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import oversight_pb2
from tongban.client import Client, plain
from tongban.commands.grant_requests import Rows
from tongban.commands.grant_terms import condition, granted_item
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


@app.command()
def preview(
    resource: Annotated[str, typer.Argument(help="The resource.")],
    consumer: Annotated[str, typer.Option(help="The department that would receive.")],
    item: Annotated[list[str], typer.Option(help="What would be given: item, or item:mask.")],
    row: Rows = None,
    size: Annotated[int, typer.Option(help="Made-up records, at most 20.")] = 5,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show on made-up records what a grant of these terms would show; nobody's data is shown.

    Example: tongban grants preview departments/public-security/resources/population
    --consumer departments/human-resources --item name --item phone:last-four --identity police
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = oversight_pb2.PreviewGrantRequest(
            resource=resource,
            consumer=consumer,
            items=[granted_item(one) for one in item],
            row_filter=[condition(one) for one in row or ()],
            sample_size=size,
        )
        found = client.oversight.PreviewGrant(call, timeout=client.timeout)
        if as_json:
            print_json(plain(found))
            return
        codes = [one.item for one in call.items if one.item not in found.kept_back]
        print_table(
            say("What would be seen, on made-up records", "样例数据中可见的内容"),
            codes,
            [
                [one.seen.get(code, "") for code in codes]
                if one.shown
                else [say("(not seen)", "（不可见）"), *[""] * (len(codes) - 1)]
                for one in found.samples
            ],
        )
        if found.HasField("held"):
            held = found.held
            out.print(
                say(
                    f"{held.shown:,} of {held.looked_at:,} records that were looked at",
                    f"共查看 {held.looked_at:,} 条记录，其中 {held.shown:,} 条可见",
                )
            )
