"""`tongban spatial`: records at a place, in a box, within a distance, and the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.v1 import spatial_pb2 as pb
from runtime import names
from runtime.errors import InvalidArgument
from tongban.client import Client
from tongban.commands.data import CaseNumber, Grant, Purpose, ReceiptFile, Sign
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
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
from tongban.keeping import as_committed
from tongban.receipts import save_receipt

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Ask for records by where they are.",
        "tongban spatial nearest departments/planning/grants/cd34 --place 116.5,35.2 "
        "--purpose 规划核验 --case 2026-0001",
    ),
)

Place = Annotated[str, typer.Option(help="longitude,latitude in degrees (WGS 84).")]
Radius = Annotated[float, typer.Option(help="Metres, at most 1,000,000.")]
GeometryItem = Annotated[
    str, typer.Option(help="Code of the geometry item; needed where there are several.")
]
Items = Annotated[list[str] | None, typer.Option("--item", help="An item; all if none.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Records at most.")]
PageToken = Annotated[str, typer.Option(help="The next page, as the page before says.")]


@app.command()
def at(
    grant: Grant,
    place: Place,
    purpose: Purpose,
    case_number: CaseNumber,
    geometry_item: GeometryItem = "",
    item: Items = None,
    limit: Limit = 100,
    page_token: PageToken = "",
    receipt: ReceiptFile = None,
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Records whose geometry covers a place. Exit code 1 where there is none.

    Example: tongban spatial at departments/planning/grants/cd34 --place 116.5,35.2
    --purpose 规划核验 --case 2026-0001
    """
    with outcomes(as_json=as_json):
        asked = _question(grant, purpose, case_number, geometry_item, item, limit, page_token)
        asked.at.CopyFrom(_place(place))
        _ask(asked, node, identity, receipt, sign, as_json)


@app.command()
def box(
    grant: Grant,
    sides: Annotated[str, typer.Option("--box", help="west,south,east,north in degrees.")],
    purpose: Purpose,
    case_number: CaseNumber,
    geometry_item: GeometryItem = "",
    item: Items = None,
    limit: Limit = 100,
    page_token: PageToken = "",
    receipt: ReceiptFile = None,
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Records whose geometry meets a box. Exit code 1 where there is none.

    Example: tongban spatial box departments/planning/grants/cd34 --box 116.4,35.1,116.6,35.3
    --purpose 规划核验 --case 2026-0001
    """
    with outcomes(as_json=as_json):
        asked = _question(grant, purpose, case_number, geometry_item, item, limit, page_token)
        west, south, east, north = _numbers(sides, 4, "--box west,south,east,north")
        asked.box.CopyFrom(pb.Box(west=west, south=south, east=east, north=north))
        _ask(asked, node, identity, receipt, sign, as_json)


@app.command()
def within(
    grant: Grant,
    place: Place,
    radius: Radius,
    purpose: Purpose,
    case_number: CaseNumber,
    geometry_item: GeometryItem = "",
    item: Items = None,
    limit: Limit = 100,
    page_token: PageToken = "",
    receipt: ReceiptFile = None,
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Records within a distance of a place. Exit code 1 where there is none.

    Example: tongban spatial within departments/planning/grants/cd34 --place 116.5,35.2
    --radius 500 --purpose 规划核验 --case 2026-0001
    """
    with outcomes(as_json=as_json):
        asked = _question(grant, purpose, case_number, geometry_item, item, limit, page_token)
        asked.within.CopyFrom(pb.Circle(center=_place(place), radius_meters=radius))
        _ask(asked, node, identity, receipt, sign, as_json)


@app.command()
def nearest(
    grant: Grant,
    place: Place,
    purpose: Purpose,
    case_number: CaseNumber,
    radius: Radius = 10_000,
    geometry_item: GeometryItem = "",
    item: Items = None,
    limit: Limit = 10,
    receipt: ReceiptFile = None,
    sign: Sign = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """The records nearest to a place, nearest first. Exit code 1 where there is none.

    Example: tongban spatial nearest departments/planning/grants/cd34 --place 116.5,35.2
    --limit 5 --purpose 规划核验 --case 2026-0001
    """
    with outcomes(as_json=as_json):
        asked = _question(grant, purpose, case_number, geometry_item, item, limit, "")
        asked.nearest.CopyFrom(pb.Circle(center=_place(place), radius_meters=radius))
        _ask(asked, node, identity, receipt, sign, as_json)


def _question(
    grant: str,
    purpose: str,
    case_number: str,
    geometry_item: str,
    items: list[str] | None,
    limit: int,
    page_token: str,
) -> pb.SpatialQueryRequest:
    names.parse(names.GRANT, grant, field="grant")
    return pb.SpatialQueryRequest(
        grant=grant,
        geometry_item=geometry_item,
        items=items or (),
        purpose=purpose,
        case_number=case_number,
        page_size=limit,
        page_token=page_token,
    )


def _place(text: str) -> pb.Place:
    longitude, latitude = _numbers(text, 2, "--place longitude,latitude")
    return pb.Place(longitude=longitude, latitude=latitude)


def _numbers(text: str, count: int, shape: str) -> list[float]:
    """Numbers of a comma-separated text. Raises InvalidArgument, BAD_AREA."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count:
        raise InvalidArgument(
            f"give {count} numbers: {shape}",
            reason="BAD_AREA",
            message_zh=f"请给出 {count} 个数：{shape}",
        )
    return found


def _ask(
    asked: pb.SpatialQueryRequest,
    node: str,
    identity: Path,
    receipt: Path | None,
    sign: bool,
    as_json: bool,
) -> None:
    with Client(node, identity, sign=sign) as client:
        client.sign("SpatialQuery", asked)
        answer = client.spatial.SpatialQuery(asked, timeout=client.timeout)
    records = [
        {"items": dict(sorted(one.items.items())), "distance_mm": one.distance_mm}
        for one in answer.records
    ]
    told = {"records": records, "next_page_token": answer.next_page_token}
    if as_json:
        print_json(told)
    else:
        _print(records, answer.next_page_token)
    if receipt:
        with outcomes():
            save_receipt(
                receipt,
                answer.receipt,
                request=as_committed("SpatialQuery", asked),
                answer=told,
                certificate=client.certificate if sign else b"",
                nonce=asked.signature.nonce,
            )
    if not records and not answer.next_page_token:
        raise typer.Exit(Exit.NO)


def _print(records: list[dict[str, Any]], following: str) -> None:
    codes = sorted({code for one in records for code in one["items"]})
    print_table(
        say("Records", "记录"),
        (*codes, say("metres", "距离（米）")),
        [
            (*(one["items"].get(code, "") for code in codes), f"{one['distance_mm'] / 1000:.3f}")
            for one in records
        ],
    )
    if following:
        out.print(say(f"More with --page-token {following}", f"后续：--page-token {following}"))
