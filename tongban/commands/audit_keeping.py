"""`tongban audit`: what is kept of the log for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from exchange.v1 import audit_pb2 as pb
from runtime.clock import CHINA
from tongban.client import Client, new_request_id
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    say,
)
from tongban.log_files import read_receipt

app = typer.Typer()

Before = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="All promised before this day in China."),
]


@app.command("erase-salt")
def erase_salt(
    reason: Annotated[str, typer.Option(help="Why; logged as a commitment.")],
    index: Annotated[int | None, typer.Option(min=0, help="Of the record in the log.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Of the record that it proves.")] = None,
    before: Before = None,
    request_id: Annotated[str, typer.Option(help="Makes a repeat of one record safe.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Erase the salt of a record, so that what it commits to can be linked to nobody any more.

    The log stays as it is, and every proof stays good. It cannot be undone, and does not reach
    receipts that were given out, or backups. With --before, the salts of all older records. A salt
    stays for 184 days at least; who asks who asked is told of each erasing.

    Example: tongban audit erase-salt --index 42 --reason "按申请删除"
    """
    with outcomes(as_json=as_json):
        if sum(one is not None for one in (index, receipt, before)) != 1:
            raise typer.BadParameter(
                say("give one of --index, --receipt and --before",
                    "请在 --index、--receipt、--before 中给出一个")
            )  # fmt: skip
        request = pb.EraseSaltsRequest(reason=reason)
        if index is not None:
            request.index = index
        if receipt is not None:
            held = read_receipt(receipt).receipt
            request.place.CopyFrom(
                pb.PromisePlace(shard=held.shard, batch=held.batch, position=held.position)
            )
        if before is not None:
            request.before.FromDatetime(before.replace(tzinfo=CHINA))
        erased, more = 0, True
        with Client(node, identity) as client:
            while more:
                request.request_id = request_id or new_request_id()
                answer = client.audit.EraseSalts(request, timeout=client.timeout)
                erased, more = erased + answer.erased, answer.more and not request_id
        if as_json:
            print_json({"erased": erased, "more": more})
        else:
            out.print(say(f"Salts of {erased} records erased", f"已清除 {erased} 条记录的盐值"))


@app.command("thin")
def thin(
    days: Annotated[int, typer.Option(min=1, help="Of checkpoints older than so many days.")] = 30,
    request_id: Annotated[str, typer.Option(help="Makes a repeat safe.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Thin out old checkpoints: of each hour the last stays, and each that was cosigned.

    Example: tongban audit thin --days 30
    """
    with outcomes(as_json=as_json):
        request = pb.ThinCheckpointsRequest(request_id=request_id or new_request_id())
        request.before.FromDatetime(datetime.now(CHINA) - timedelta(days=days))
        with Client(node, identity) as client:
            removed = client.audit.ThinCheckpoints(request, timeout=client.timeout).removed
        if as_json:
            print_json({"removed": removed})
        else:
            out.print(say(f"{removed} checkpoints went", f"已精简 {removed} 个检查点"))
