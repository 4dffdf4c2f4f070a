"""`tongban query`, `verify`, `publish` and `subscribe`: a department's system at work."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.progress import track

from exchange.v1 import delivery_pb2 as delivery
from exchange.v1 import query_pb2 as queries
from runtime import names
from runtime.errors import InvalidArgument
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
from tongban.receipts import save_receipt

Grant = Annotated[str, typer.Argument(help="The grant it is asked under.")]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="TONGBAN_KEY",
        prompt=True,
        hide_input=True,
        help="Value of the key item; best by prompt or variable, so that no shell keeps it.",
    ),
]
Purpose = Annotated[str, typer.Option(help="What this question is for.")]
CaseNumber = Annotated[str, typer.Option("--case", help="The case it serves.")]
ReceiptFile = Annotated[Path | None, typer.Option("--receipt", help="Save the receipt there.")]


def query(
    grant: Grant,
    key: Key,
    purpose: Purpose,
    case_number: CaseNumber,
    item: Annotated[list[str] | None, typer.Option(help="An item; all granted if none.")] = None,
    receipt: ReceiptFile = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Query the granted items of one record. Exit code 1 where no record has the key.

    Example: tongban query departments/human-resources/grants/cd34
    --purpose 就业登记 --case 2026-0001 --receipt receipt.json
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        names.parse(names.GRANT, grant, field="grant")
        answer = client.query(
            grant, key, items=item or (), purpose=purpose, case_number=case_number
        )
        if receipt:
            save_receipt(
                receipt,
                answer.receipt,
                request={"grant": grant, "key": key, "items": list(item or ()),
                         "purpose": purpose, "case_number": case_number},
                answer={"found": answer.found, "items": dict(answer.items)},
            )  # fmt: skip
        if as_json:
            print_json({"found": answer.found, "items": dict(sorted(answer.items.items()))})
        elif answer.found:
            print_table(
                say("Record", "记录"),
                (say("item", "信息项"), say("value", "值")),
                sorted(answer.items.items()),
            )
        else:
            out.print(say("No record has this key.", "没有该标识的记录。"))
        if not answer.found:
            raise typer.Exit(Exit.NO)


def verify(
    grant: Grant,
    key: Key,
    claim: Annotated[list[str], typer.Option(help="item=value; several times.")],
    purpose: Purpose,
    case_number: CaseNumber,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask whether claims are true, and learn nothing else. Exit code 1 for no match.

    Example: tongban verify departments/human-resources/grants/cd34 --claim name=王芳
    --purpose 就业登记 --case 2026-0001
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        names.parse(names.GRANT, grant, field="grant")
        claims = dict(_pair(c) for c in claim)
        answer = client.verify(grant, key, claims, purpose=purpose, case_number=case_number)
        matched = answer.result == queries.MATCH_RESULT_MATCH
        if as_json:
            print_json(plain(answer) | {"receipt": None})
        else:
            out.print(
                say("[green]MATCH[/]", "[green]一致[/]")
                if matched
                else say("[red]NO MATCH[/]", "[red]不一致[/]")
            )
        if not matched:
            raise typer.Exit(Exit.NO)


def publish(
    resource: Annotated[str, typer.Argument(help="A resource of your department.")],
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8; its heading has item codes.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Withdraw the records with these keys.")
    ] = False,
    request_id: Annotated[str, typer.Option(help="The same id repeats safely.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Publish records as one batch: all of it, or none.

    Example: tongban publish departments/public-security/resources/population people.csv
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        items, rows = read_records(file)
        shown: Iterator[list[str]] = iter(
            rows if as_json else track(rows, say("publishing", "发布中"), console=err)
        )
        done = client.publish(
            resource,
            items,
            () if withdraw else shown,
            withdraw=shown if withdraw else (),
            request_id=request_id or new_request_id(),
        )
        if as_json:
            print_json(plain(done))
        else:
            print_table(
                done.batch,
                (say("new or changed", "新增或变更"), say("withdrawn", "撤回"),
                 say("unchanged", "未变"), say("offset", "偏移")),
                [(done.upserted, done.withdrawn, done.unchanged, done.offset)],
            )  # fmt: skip


def subscribe(
    grant: Annotated[str, typer.Argument(help="The grant; or a subscription that exists.")],
    name: Annotated[str, typer.Option("--id", help="Last part of the subscription's name.")] = "",
    earliest: Annotated[
        bool, typer.Option("--earliest", help="Begin with the first change there is.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as changes come; otherwise stop when done.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Receive changes, one JSON line each, and acknowledge them.

    Example: tongban subscribe departments/human-resources/grants/cd34 --id people --earliest
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        subscription = _subscription(client, grant, name, earliest=earliest)
        if follow:
            call = client.delivery.Subscribe(delivery.SubscribeRequest(subscription=subscription))
            for sent in call:
                _deliver(client, subscription, sent.changes, sent.cursor)
            return
        while True:
            part = client.delivery.PullChanges(
                delivery.PullChangesRequest(subscription=subscription), timeout=client.timeout
            )
            if not part.changes:
                return
            _deliver(client, subscription, part.changes, part.cursor)


def _subscription(client: Client, grant: str, name: str, *, earliest: bool) -> str:
    if "/subscriptions/" in grant:
        return grant
    names.parse(names.GRANT, grant, field="grant")
    parent = names.department_of(grant)
    return client.delivery.CreateSubscription(
        delivery.CreateSubscriptionRequest(
            parent=parent,
            subscription_id=name or f"s-{new_request_id()[:8]}",
            grant=grant,
            start=(delivery.START_POSITION_EARLIEST if earliest else delivery.START_POSITION_NOW),
            request_id=new_request_id(),
        ),
        timeout=client.timeout,
    ).subscription.name


def _deliver(
    client: Client, subscription: str, changes: Iterable[delivery.Change], cursor: int
) -> None:
    for change in changes:
        line = {
            "offset": change.offset,
            "type": delivery.ChangeType.Name(change.type).removeprefix("CHANGE_TYPE_"),
            "record_id": change.record_id,
            "items": dict(sorted(change.items.items())),  # a message keeps no order
        }
        typer.echo(orjson.dumps(line).decode())
    client.delivery.AcknowledgeChanges(
        delivery.AcknowledgeChangesRequest(subscription=subscription, cursor=cursor),
        timeout=client.timeout,
    )


def read_records(file: Path) -> tuple[list[str], list[list[str]]]:
    """Item codes and rows of a CSV file. Raises InvalidArgument."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.reader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidArgument(
            f"cannot read {file} as CSV in UTF-8: check the file",
            reason="TABLE_UNREADABLE",
            message_zh=f"无法将 {file} 读作 UTF-8 编码的 CSV：请检查该文件",
        ) from error
    if not rows:
        raise InvalidArgument(
            f"{file} is empty: its first row has the codes of the items",
            reason="TABLE_UNREADABLE",
            message_zh=f"{file} 是空的：首行应为信息项代码",
        )
    return rows[0], [row for row in rows[1:] if row]


def _pair(claim: str) -> tuple[str, str]:
    item, equals, value = claim.partition("=")
    if not equals or not item:
        raise InvalidArgument(
            "a claim is item=value", reason="BAD_CLAIM", message_zh="核查项应为 信息项=值"
        )
    return item, value
