"""`tongban connectors`: the hosts that the exchange may call."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from exchange.v1 import connecting_pb2 as pb
from tongban.client import Client, new_request_id, plain, repeatable
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

Host = Annotated[str, typer.Argument(help="host:port")]
RequestId = Annotated[str, typer.Option(help="The same id repeats safely.")]


@app.command()
def hosts(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the hosts that the exchange may call.

    Example: tongban connectors hosts
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.connectors.ListApprovedHosts, pb.ListApprovedHostsRequest(), "hosts"
            )
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Approved hosts", "已批准的主机"),
            (say("host", "主机"), say("since", "批准时间")),
            [(one.host, when(one.create_time)) for one in found],
        )


@app.command()
def approve(
    host: Host,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Let the exchange call a host; for administrators.

    Example: tongban connectors approve data.example:8443
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        made = client.connectors.ApproveHost(
            pb.ApproveHostRequest(host=host, request_id=request_id), timeout=client.timeout
        ).host
        _done(plain(made), f"Approved: {host}", f"已批准：{host}", as_json)


@app.command()
def disapprove(
    host: Host,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take the approval of a host back: its endpoints are called no more.

    Example: tongban connectors disapprove data.example:8443
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        client.connectors.DisapproveHost(
            pb.DisapproveHostRequest(host=host, request_id=request_id), timeout=client.timeout
        )
        _done({"disapproved": host}, f"Not approved any more: {host}", f"已撤销：{host}", as_json)


def _done(told: dict[str, Any], english: str, chinese: str, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        out.print(say(english, chinese), markup=False)
