"""What the statutory clock runs by: jurisdictions' tables and the calendar, from TOML files.

A file has one table for each jurisdiction or year, as the shipped ones have
(`exchange/deadlines/jurisdictions.toml`, `runtime/workdays.toml`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.v1 import deadlines_pb2 as pb
from runtime.errors import InvalidArgument
from runtime.workdays import read_years
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
from tongban.files import read_file

REVIEWS = {"cross_region": pb.REVIEW_WHEN_CROSS_REGION, "cross_level": pb.REVIEW_WHEN_CROSS_LEVEL}
GREATEST_FILE = 1024 * 1024
File = Annotated[Path, typer.Argument(help="A TOML file.")]

jurisdictions = typer.Typer(
    no_args_is_help=True,
    help=with_example("Tables of deadlines by region.", "tongban deadlines jurisdictions list"),
)
calendar = typer.Typer(
    no_args_is_help=True,
    help=with_example("The calendar of working days.", "tongban deadlines calendar list"),
)


@jurisdictions.command("list")
def list_jurisdictions(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the tables with their periods; what a table leaves out comes from the one above it.

    Example: tongban deadlines jurisdictions list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = _held(client)
        if as_json:
            print_json([plain(j) for j in found])
        for held in [] if as_json else found:
            print_table(
                f"{held.display_name}  {held.name}  {held.region_prefix or '*'}  "
                + say("authority: ", "主管部门：")
                + (held.authority or say("administrators", "管理员")),
                (say("kind", "类别"), say("working days", "工作日"), say("extension", "可延长"),
                 say("sure", "确定"), say("source", "出处")),
                [
                    (p.kind, p.days, p.extension, say("yes", "是") if p.sure else say("no", "待核"),
                     p.source)
                    for p in held.periods
                ],
            )  # fmt: skip


@jurisdictions.command("put")
def put_jurisdictions(
    file: File,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the tables of a file, each in place of the one of its name.

    Example: tongban deadlines jurisdictions put shifan.toml
    """
    with outcomes(as_json=as_json):
        asked = read_jurisdictions(_text(file))
        with Client(node, identity) as client:
            etags = {j.name: j.etag for j in _held(client)}
            made = []
            for table in asked:
                table.etag = etags.get(table.name, "")
                call = pb.PutJurisdictionRequest(jurisdiction=table, request_id=new_request_id())
                put = client.deadlines.PutJurisdiction(call, timeout=client.timeout)
                made.append(put.jurisdiction)
        if as_json:
            print_json([plain(j) for j in made])
        for table in [] if as_json else made:
            out.print(say(f"Written: {table.name}", f"已写入：{table.name}"), markup=False)


@jurisdictions.command("delete")
def delete_jurisdiction(
    name: Annotated[str, typer.Argument(help="jurisdictions/…")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Remove a table; the one above it holds again.

    Example: tongban deadlines jurisdictions delete jurisdictions/shifan
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        etag = next((j.etag for j in _held(client) if j.name == name), "")
        call = pb.DeleteJurisdictionRequest(name=name, etag=etag, request_id=new_request_id())
        client.deadlines.DeleteJurisdiction(call, timeout=client.timeout)
        if as_json:
            print_json({"deleted": name})
        else:
            out.print(say(f"Removed: {name}", f"已删除：{name}"), markup=False)


@calendar.command("list")
def list_years(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the announced years: days off, and weekend days that are worked.

    Example: tongban deadlines calendar list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = _years(client)
        if as_json:
            print_json([plain(y) for y in found])
        else:
            print_table(
                say("Working days", "工作日历"),
                (say("year", "年份"), say("off", "放假"), say("worked", "上班"),
                 say("from", "来源")),
                [
                    (y.year, " ".join(y.off), " ".join(y.working),
                     say("package", "随包") if y.shipped else say("this node", "本节点"))
                    for y in found
                ],
            )  # fmt: skip


@calendar.command("put")
def put_years(
    file: File,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the years of a file; clocks that run through them are counted anew.

    Example: tongban deadlines calendar put 2027.toml
    """
    with outcomes(as_json=as_json):
        asked = read_years(_text(file))
        moved, made = 0, []
        with Client(node, identity) as client:
            etags = {y.year: y.etag for y in _years(client)}
            for year, held in sorted(asked.items()):
                texts = held.texts()
                message = pb.WorkYear(
                    year=year, off=texts["off"], working=texts["working"], etag=etags.get(year, "")
                )
                call = pb.PutWorkYearRequest(year=message, request_id=new_request_id())
                put = client.deadlines.PutWorkYear(call, timeout=client.timeout)
                made.append(put.year)
                moved += put.moved
        if as_json:
            print_json({"years": [plain(y) for y in made], "moved": moved})
        else:
            listed = ", ".join(str(y.year) for y in made)
            told = say(
                f"Written: {listed}; due days that moved: {moved}",
                f"已写入：{listed}；到期日变动 {moved} 个",
            )
            out.print(told, markup=False)


@calendar.command("count")
def count(
    days: Annotated[int, typer.Argument(min=0, max=2000, help="How many working days.")],
    after: Annotated[str, typer.Option(help="YYYY-MM-DD, which does not count; today.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Count working days after a day.

    Example: tongban deadlines calendar count 10 --after 2026-09-24
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = pb.CountWorkdaysRequest(after=after, days=days)
        told = client.deadlines.CountWorkdays(call, timeout=client.timeout)
        if as_json:
            print_json(plain(told))
        else:
            provisional = say(" (provisional)", "（暂定）") if told.provisional else ""
            out.print(told.day + provisional, markup=False)


def read_jurisdictions(text: str) -> list[pb.Jurisdiction]:
    """The tables of a TOML text. Raises InvalidArgument, JURISDICTION_INVALID."""
    try:
        tables = tomllib.loads(text)
        return [_table(key, table) for key, table in tables.items()]
    except (RecursionError, TypeError, ValueError, KeyError, AttributeError):
        raise InvalidArgument(
            "this file has no tables of deadlines: see the shipped one for its form",
            reason="JURISDICTION_INVALID",
            message_zh="该文件不是期限表：其格式请参照随包的期限表",
        ) from None


def _text(file: Path) -> str:
    try:
        return read_file(file, greatest=GREATEST_FILE).decode()
    except UnicodeDecodeError:
        raise InvalidArgument(
            f"{file} is not UTF-8 text: save it as such",
            reason="TABLE_UNREADABLE",
            message_zh=f"{file} 不是 UTF-8 文本：请另存为 UTF-8",
        ) from None


def _table(key: str, table: dict[str, Any]) -> pb.Jurisdiction:
    known = {"region_prefix", "display_name", "authority", "review_when", "periods"}
    if not table.keys() <= known:
        raise ValueError("an unknown field")
    return pb.Jurisdiction(
        name=f"jurisdictions/{key}",
        region_prefix=table.get("region_prefix", ""),
        display_name=table["display_name"],
        authority=table.get("authority", ""),
        review_when=[REVIEWS[told] for told in table.get("review_when", [])],
        inherit_review="review_when" not in table,
        periods=[
            pb.Period(kind=kind, **period) for kind, period in table.get("periods", {}).items()
        ],
    )


def _held(client: Client) -> list[pb.Jurisdiction]:
    asked = pb.ListJurisdictionsRequest()
    return list(client.deadlines.ListJurisdictions(asked, timeout=client.timeout).jurisdictions)


def _years(client: Client) -> list[pb.WorkYear]:
    asked = pb.ListWorkYearsRequest()
    return list(client.deadlines.ListWorkYears(asked, timeout=client.timeout).years)
