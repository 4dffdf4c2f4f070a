"""`tongban lists`: who must supply what, what is not shared, and what is missing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import grpc
import typer

from exchange.v1 import lists_pb2 as pb
from runtime import names
from runtime.errors import NotFound
from runtime.status import from_rpc_error
from tongban.client import Client, new_request_id, plain
from tongban.commands import lists_demands
from tongban.commands.list_rows import read_rows
from tongban.commands.lists_demands import state_word
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
from tongban.files import read_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "The responsibility, demand and negative lists; promised against delivered.",
        "tongban lists compare",
    ),
)

app.command()(lists_demands.demands)
app.command()(lists_demands.demand)
app.command()(lists_demands.answer)
app.command()(lists_demands.withdraw)

EVERY = "departments/-"
GREATEST_FILE = 4 * 1024 * 1024
SHORTFALLS_ZH = {
    "RESOURCE_MISSING": "目录中没有该资源",
    "RESOURCE_WITHDRAWN": "资源已撤下",
    "NOT_SHARED": "资源不予共享",
    "ITEMS_MISSING": "缺少信息项",
    "SLOWER_CYCLE": "更新周期慢于承诺",
    "NEVER_PUBLISHED": "从未发布数据",
    "STALE": "数据超过承诺的更新周期",
    "RECEIVERS_WITHOUT_GRANT": "使用部门没有有效授权",
    "GRANTS_LACK_ITEMS": "使用部门的授权未含全部承诺的信息项",
}
DOUBTS_ZH = {
    "NOT_LISTED": "未列入清单",
    "NO_LEGAL_BASIS": "没有依据",
    "SHARED": "目录中却予共享",
    "RESOURCE_MISSING": "目录中没有该资源",
}
Parent = Annotated[str, typer.Option(help="A department; departments/- is all.")]


def _shortfall(finding: pb.DeliveryFinding) -> str:
    told = pb.Shortfall.Name(finding.shortfall).removeprefix("SHORTFALL_")
    about = f" ({', '.join(finding.about)})" if finding.about else ""
    return say(told, SHORTFALLS_ZH[told]) + about


def _doubt(number: pb.NegativeDoubt.ValueType) -> str:
    told = pb.NegativeDoubt.Name(number).removeprefix("NEGATIVE_DOUBT_")
    return say(told, DOUBTS_ZH[told])


def _span(first: str, last: str) -> str:
    return f"{first} – {last}" if last else say(f"from {first}", f"{first} 起")


def _every() -> str:
    return say("all", "全部")


@app.command()
def responsibilities(
    parent: Parent = EVERY,
    resource: Annotated[str, typer.Option(help="Only of this resource.")] = "",
    day: Annotated[str, typer.Option(help="Only those in force on this day.")] = "",
    removed: Annotated[bool, typer.Option("--removed", help="Removed ones too.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List who must supply what, how fresh, to whom.

    Example: tongban lists responsibilities --parent departments/public-security
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListResponsibilitiesRequest(
            parent=parent, resource=resource, day=day, show_removed=removed
        )
        found = list(client.every(client.lists.ListResponsibilities, asked, "responsibilities"))
        if as_json:
            print_json([plain(r) for r in found])
        else:
            print_table(
                say("Responsibility list", "责任清单"),
                (say("name", "资源名"), say("what", "数据"), say("resource", "信息资源"),
                 say("items", "信息项"), say("cycle", "更新周期"), say("to", "提供给"),
                 say("days", "起止"), say("state", "状态")),
                [
                    (r.name, r.display_name, r.resource, ", ".join(r.items) or _every(),
                     r.update_cycle, ", ".join(r.receivers) or _every(),
                     _span(r.from_day, r.until_day), state_word(pb.RowState.Name(r.state)))
                    for r in found
                ],
            )  # fmt: skip


@app.command()
def compare(
    parent: Parent = EVERY,
    receiver: Annotated[
        str, typer.Option(help="Only what is promised to this department, by name or to all.")
    ] = "",
    shortfalls: Annotated[
        bool, typer.Option("--shortfalls", help="Only promises that are not kept.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Hold what is promised against what is delivered.

    Example: tongban lists compare --shortfalls
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.CompareDeliveryRequest(
            parent=parent, receiver=receiver, shortfalls_only=shortfalls
        )
        found = list(client.every(client.lists.CompareDelivery, asked, "comparisons"))
        if as_json:
            print_json([plain(c) for c in found])
        else:
            print_table(
                say("Promised against delivered", "承诺与实际"),
                (say("what", "数据"), say("resource", "信息资源"),
                 say("published", "最近发布"), say("fresh until", "有效至"),
                 say("shortfalls", "差距"), say("name", "资源名")),
                [
                    (c.responsibility.display_name, c.responsibility.resource,
                     when(c.last_publish_time), when(c.fresh_until),
                     say("; ", "；").join(_shortfall(f) for f in c.findings)
                     or say("kept", "已兑现"), c.responsibility.name)
                    for c in found
                ],
            )  # fmt: skip


@app.command()
def negatives(
    parent: Parent = EVERY,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List what is not shared, on what legal basis, and what is doubtful about it.

    Example: tongban lists negatives --parent departments/public-security
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListNegativesRequest(parent=parent)
        found = list(client.every(client.lists.ListNegatives, asked, "rows"))
        if as_json:
            print_json([plain(r) for r in found])
        else:
            print_table(
                say("Negative list", "负面清单"),
                (say("resource", "信息资源"), say("what", "数据"), say("items", "信息项"),
                 say("legal basis", "依据"), say("doubts", "疑点")),
                [
                    (r.resource, r.display_name, ", ".join(r.negative.items) or _every(),
                     r.legal_basis, say("; ", "；").join(_doubt(d) for d in r.doubts))
                    for r in found
                ],
            )  # fmt: skip


@app.command()
def put(
    file: Annotated[
        Path, typer.Argument(help="TOML with [[responsibility]] and [[negative]] rows.")
    ],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the rows of a file, each in place of the one of its name; equal ones stay.

    Example: tongban lists put lists.toml
    """
    with outcomes(as_json=as_json):
        promised, kept_back = read_rows(read_file(file, greatest=GREATEST_FILE))
        made: list[pb.Responsibility | pb.Negative] = []
        collisions: dict[str, list[pb.GrantCollision]] = {}
        with Client(node, identity) as client:
            for row in promised:
                held = _responsibility(client, row.name)
                if held is not None and _equal(row, held):
                    made.append(held)
                    continue
                row.etag = held.etag if held else ""
                ask = pb.PutResponsibilityRequest(responsibility=row, request_id=new_request_id())
                answer = client.lists.PutResponsibility(ask, timeout=client.timeout)
                made.append(answer.responsibility)
            for entry in kept_back:
                known = _negative(client, entry.name)
                if known is not None and _equal(entry, known):
                    made.append(known)
                    continue
                entry.etag = known.etag if known else ""
                wish = pb.PutNegativeRequest(negative=entry, request_id=new_request_id())
                told = client.lists.PutNegative(wish, timeout=client.timeout)
                made.append(told.negative)
                collisions[told.negative.name] = _collisions(client, told.negative.name, told)
        if as_json:
            print_json(
                [
                    plain(row) | {"collisions": [plain(one) for one in collisions[row.name]]}
                    if row.name in collisions
                    else plain(row)
                    for row in made
                ]
            )
        else:
            print_table(
                say("Written", "已写入"),
                (say("name", "资源名"), say("version", "版本")),
                [(row.name, row.version) for row in made],
            )
            if any(collisions.values()):
                _print_collisions([one for found in collisions.values() for one in found])


@app.command()
def collisions(
    name: Annotated[str, typer.Argument(help="A row of the negative list.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the grants that give what a row of the negative list keeps back.

    Example: tongban lists collisions departments/public-security/negatives/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = _collisions(client, name, pb.PutNegativeResponse())
        if as_json:
            print_json([plain(one) for one in found])
        else:
            _print_collisions(found)


def _collisions(
    client: Client, name: str, first: pb.PutNegativeResponse
) -> list[pb.GrantCollision]:
    """All grants that collide with a row; the first page is in the answer that wrote it."""
    if first.HasField("negative") and not first.next_page_token:
        return list(first.collisions)
    asked = pb.ListGrantCollisionsRequest(name=name, page_token=first.next_page_token)
    rest = client.every(client.lists.ListGrantCollisions, asked, "collisions")
    return [*first.collisions, *rest]


def _print_collisions(found: list[pb.GrantCollision]) -> None:
    print_table(
        say("Grants that lose what is kept back", "受负面清单影响的授权"),
        (say("grant", "授权"), say("items", "信息项"), say("from", "自"), say("until", "至")),
        [
            (one.grant, ", ".join(one.items), when(one.start_time), when(one.end_time))
            for one in found
        ],
    )


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A row of the responsibility or negative list.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take a row off its list; its versions stay.

    Example: tongban lists remove departments/public-security/responsibilities/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        gone: pb.Responsibility | pb.Negative
        if names.is_name(names.NEGATIVE, name):
            known = _negative(client, name)
            wish = pb.RemoveNegativeRequest(
                name=name, etag=known.etag if known else "", request_id=new_request_id()
            )
            gone = client.lists.RemoveNegative(wish, timeout=client.timeout).negative
        else:
            names.parse(names.RESPONSIBILITY, name)
            held = _responsibility(client, name)
            ask = pb.RemoveResponsibilityRequest(
                name=name, etag=held.etag if held else "", request_id=new_request_id()
            )
            gone = client.lists.RemoveResponsibility(ask, timeout=client.timeout).responsibility
        if as_json:
            print_json(plain(gone))
        else:
            out.print(say(f"Removed: {name}", f"已移出：{name}"), markup=False)


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="A row of any of the three lists.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the versions that a row has had, oldest first.

    Example: tongban lists history departments/public-security/responsibilities/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListRowVersionsRequest(name=name)
        found = list(client.every(client.lists.ListRowVersions, asked, "versions"))
        if as_json:
            print_json([plain(v) for v in found])
        else:
            rows = [(v, getattr(v, v.WhichOneof("row"))) for v in found]
            kinds = {"demand": pb.DemandState}
            print_table(
                name,
                (say("version", "版本"), say("when", "时间"), say("state", "状态"),
                 say("what", "数据"), say("by", "办理系统")),
                [
                    (row.version, when(row.update_time),
                     state_word(kinds.get(v.WhichOneof("row"), pb.RowState).Name(row.state)),
                     row.display_name, v.actor)
                    for v, row in rows
                ],
            )  # fmt: skip


def _equal(asked: pb.Responsibility | pb.Negative, held: pb.Responsibility | pb.Negative) -> bool:
    """Whether a row says what is held; what the node adds is no part of it."""
    told = plain(held)
    added = {"state", "version", "etag", "create_time", "update_time"}
    return all(told.get(key) == value for key, value in plain(asked).items() if key not in added)


def _responsibility(client: Client, name: str) -> pb.Responsibility | None:
    names.parse(names.RESPONSIBILITY, name)
    asked = pb.ListResponsibilitiesRequest(parent=names.department_of(name))
    found = client.every(client.lists.ListResponsibilities, asked, "responsibilities")
    return next((row for row in found if row.name == name), None)


def _negative(client: Client, name: str) -> pb.Negative | None:
    """The row on the list, in force or to come; None where there is none."""
    names.parse(names.NEGATIVE, name)
    asked = pb.ListRowVersionsRequest(name=name)
    try:
        newest = list(client.every(client.lists.ListRowVersions, asked, "versions"))[-1].negative
    except grpc.RpcError as error:
        if isinstance(from_rpc_error(error), NotFound):
            return None
        raise
    return newest if newest.state == pb.ROW_STATE_ACTIVE else None
