"""`tongban verify`, `publish` and `subscribe`: a department's system at work."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.progress import track
from rich.text import Text

from exchange.audit.saved import SavedReceipt
from exchange.v1 import catalog_pb2
from exchange.v1 import query_pb2 as queries
from runtime import names
from runtime.errors import FieldViolation, InvalidArgument
from runtime.status import from_rpc_error
from tongban import arrow_files
from tongban.client import Client, new_request_id, plain, repeatable
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
from tongban.keeping import Keep
from tongban.receipts import save_proof

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
Sign = Annotated[
    bool, typer.Option("--sign", help="Sign the request, so that neither side can deny it.")
]
ReceiptFile = Annotated[Path | None, typer.Option("--receipt", help="Save the receipt there.")]


def verify(
    grant: Grant,
    key: Key,
    claim: Annotated[list[str], typer.Option(help="item=value; several times.")],
    purpose: Purpose,
    case_number: CaseNumber,
    sign: Sign = False,
    receipt: ReceiptFile = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask whether claims are true, and learn nothing else. Exit code 1 for no match.

    Example: tongban verify departments/human-resources/grants/cd34 --claim name=王芳
    --purpose 就业登记 --case 2026-0001
    """
    kept: list[SavedReceipt] = []
    keep: Keep = lambda _, saved: kept.append(saved)  # noqa: E731
    with outcomes(as_json=as_json), Client(node, identity, sign=sign, keep=keep) as client:
        names.parse(names.GRANT, grant, field="grant")
        claims = dict(_pair(c) for c in claim)
        answer = client.verify(grant, key, claims, purpose=purpose, case_number=case_number)
        matched = answer.result == queries.MATCH_RESULT_MATCH
        if as_json:
            print_json(plain(answer) | {"receipt": None})
        else:
            out.print(_said(answer.result))
            if not matched:  # a match is one of every claim
                told = [(c, Text.from_markup(_said(answer.claims[c]))) for c in claims]
                print_table("", (say("item", "信息项"), say("result", "结果")), told)
        if receipt:
            with outcomes():  # after the answer was shown: it is logged, whatever becomes of this
                save_proof(receipt, kept[0])
        if not matched:
            raise typer.Exit(Exit.NO)


def _said(result: queries.MatchResult.ValueType) -> str:
    """A result as people read it, with rich's markup."""
    if result == queries.MATCH_RESULT_MATCH:
        return say("[green]MATCH[/]", "[green]一致[/]")
    if result == queries.MATCH_RESULT_NOT_HELD:
        return say("[yellow]NOT HELD[/]", "[yellow]未持有[/]")
    return say("[red]NO MATCH[/]", "[red]不一致[/]")


def publish(
    resource: Annotated[str, typer.Argument(help="A resource of your department.")],
    file: Annotated[
        Path,
        typer.Argument(help="CSV in UTF-8, its heading has item codes; or Arrow IPC (.arrow)."),
    ],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Withdraw the records with these keys.")
    ] = False,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="The file is all there is: withdraw the others.")
    ] = False,
    request_id: Annotated[str, typer.Option(help="The same id repeats safely.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Publish records as one batch: all of it, or none.

    Example: tongban publish departments/public-security/resources/population people.csv
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json):
        arrow = file.suffix in arrow_files.SUFFIXES
        if arrow and withdraw:
            raise _named_by_column()
        items, rows, places = _arrow(file) if arrow else read_records(file)
        shown: Iterator[list[str]] = iter(
            rows
            if as_json
            else track(rows, say("publishing", "发布中"), console=err, disable=not err.is_terminal)
        )
        with _by_lines(places), repeatable(request_id), Client(node, identity) as client:
            if not withdraw:
                _tell_missing(client, resource, items)
            done = client.publish(
                resource,
                items,
                () if withdraw else shown,
                withdraw=shown if withdraw else (),
                arrow=arrow_files.parts_of(file) if arrow else (),
                snapshot=snapshot,
                request_id=request_id,
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


def _tell_missing(client: Client, resource: str, items: Sequence[str]) -> None:
    """Say which values go because the file has no column for them: a row is the whole record."""
    asked = catalog_pb2.GetDataResourceRequest(name=resource)
    try:
        held = client.catalog.GetDataResource(asked, timeout=client.timeout).resource
    except grpc.RpcError:
        return  # publishing tells what is wrong
    missing = [one.code for one in held.items if one.code not in items]
    if missing:
        codes = ", ".join(missing)
        err.print(
            say(
                f"The file has no column {codes}: its records hold nothing there afterwards.",
                f"文件没有 {codes} 列：发布后，其中各条记录的这些信息项将为空。",
            ),
            markup=False,
        )


def _arrow(file: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """As `read_records`, of a file whose rows come in parts."""
    return arrow_files.columns_of(file), [], []


def _named_by_column() -> InvalidArgument:
    return InvalidArgument(
        "an Arrow file says by its column tongban.withdraw which records to withdraw",
        reason="TABLE_UNREADABLE",
        message_zh="Arrow 文件以 tongban.withdraw 列标明要撤回的记录",
    )


def read_records(file: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Item codes, rows, and the line that each row begins on, of a CSV file.

    Raises InvalidArgument: FILE_UNREADABLE, TABLE_UNREADABLE, CELL_TOO_LARGE.
    """
    found: list[tuple[int, list[str]]] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            begins = 1
            for row in reader:
                found.append((begins, row))
                begins = reader.line_num + 1
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise InvalidArgument(
            f"cannot read {file}: {why}",
            reason="FILE_UNREADABLE",
            message_zh=f"无法读取 {file}：{why}",
        ) from error
    except csv.Error as error:
        raise _not_csv(file, begins, error) from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            f"cannot read {file} as CSV in UTF-8: save it in UTF-8",
            reason="TABLE_UNREADABLE",
            message_zh=f"无法将 {file} 读作 UTF-8 编码的 CSV：请另存为 UTF-8",
        ) from error
    if not found:
        raise InvalidArgument(
            f"{file} is empty: its first row has the codes of the items",
            reason="TABLE_UNREADABLE",
            message_zh=f"{file} 是空的：首行应为信息项代码",
        )
    records = [(line, row) for line, row in found[1:] if row]
    return found[0][1], [row for _, row in records], [line for line, _ in records]


def _not_csv(file: Path, line: int, error: csv.Error) -> InvalidArgument:
    if "field limit" in str(error):
        limit = csv.field_size_limit()
        return InvalidArgument(
            f"line {line} of {file} has a cell of more than {limit:,} characters: shorten it, or "
            "close the quotation mark that it begins with",
            reason="CELL_TOO_LARGE",
            message_zh=f"{file} 第 {line} 行有单元格超过 {limit:,} 个字符：请缩短，"
            "或补上缺失的引号",
        )
    return InvalidArgument(
        f"line {line} of {file} is not CSV: save the file again as CSV in UTF-8",
        reason="TABLE_UNREADABLE",
        message_zh=f"{file} 第 {line} 行不是有效的 CSV：请重新另存为 UTF-8 编码的 CSV",
    )


_ROW = re.compile(r"rows\[(\d+)\](?:\.(.+))?")


@contextmanager
def _by_lines(places: Sequence[int]) -> Iterator[None]:
    """Tells a rejected row by its line in the file, where the node counts the rows of a batch."""
    try:
        yield
    except grpc.RpcError as error:
        told = from_rpc_error(error)
        if told.reason != "ROWS_REJECTED":
            raise
        told.violations = tuple(_at_line(violation, places) for violation in told.violations)
        raise told from error


def _at_line(violation: FieldViolation, places: Sequence[int]) -> FieldViolation:
    row = _ROW.fullmatch(violation.field)
    if row is None or int(row[1]) >= len(places):
        return violation
    line = places[int(row[1])]
    place = say(f"line {line}", f"第 {line} 行") + (f", {row[2]}" if row[2] else "")
    return FieldViolation(place, violation.description)


def _pair(claim: str) -> tuple[str, str]:
    item, equals, value = claim.partition("=")
    if not equals or not item:
        raise InvalidArgument(
            "a claim is item=value", reason="BAD_CLAIM", message_zh="核查项应为 信息项=值"
        )
    return item, value
