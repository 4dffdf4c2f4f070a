"""`tongban sources quality`: how complete, valid and alike a department's own records are."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from exchange.v1 import quality_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    print_table,
    say,
)

_PAUSE: Final = 0.5


def quality(
    resource: Annotated[str, typer.Argument(help="The resource, departments/…/resources/….")],
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure it now, and wait until that is done.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell the quality of a resource as the node counted it: complete, valid, alike, disagreeing.

    Exit code 6 where nobody has measured it.

    Example: tongban sources quality departments/public-security/resources/population --measure
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if measure:
            begin = pb.MeasureQualityRequest(resource=resource, request_id=new_request_id())
            client.quality.MeasureQuality(begin, timeout=client.timeout)
        ask = pb.GetQualityRequest(resource=resource)
        while True:
            found = client.quality.GetQuality(ask, timeout=client.timeout).quality
            if not measure or found.state != pb.QUALITY_STATE_RUNNING:
                break
            time.sleep(_PAUSE)
        if as_json:
            print_json(plain(found))
        elif not found.items:
            err.print(say("It was not measured yet: --measure does.", "尚未测量：请加 --measure。"))
        else:
            _show(found)
        if not found.items:
            raise typer.Exit(Exit.UNKNOWN)


def _show(found: pb.Quality) -> None:
    out.print(
        say(
            f"{found.records} records, {found.faultless} without a fault, {found.duplicates} that "
            "say the same as another",
            f"共 {found.records} 条，无差错 {found.faultless} 条，内容重复 {found.duplicates} 条",
        )
    )
    differing = {one.item: one.differing for one in found.disagreements if one.source_case}
    print_table(
        say("Items", "信息项"),
        (say("item", "信息项"), say("filled", "有值"), say("valid", "合规"),
         say("different", "不同取值"), say("disagree", "与他源不一致")),
        [
            (one.item, one.filled, one.valid, one.distinct, differing.get(one.item, ""))
            for one in found.items
        ],
    )  # fmt: skip
