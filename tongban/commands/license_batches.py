"""`tongban license batch`: issue many licenses from a sheet, and see what came of each row."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from licenses.v1 import batches_pb2 as pb
from licenses.v1 import licenses_pb2
from runtime import status
from runtime.errors import FailedPrecondition, InvalidArgument
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
    when,
    with_example,
)
from tongban.files import check_new, check_target, read_file, write_file, write_new
from tongban.license_sheets import (
    Sheet,
    empty_csv,
    empty_xlsx,
    results_alone,
    state_word,
    what_is_wrong,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Issue many licenses from a CSV or XLSX sheet.",
        "tongban license batch list --parent departments/human-resources",
    ),
)
GREATEST_SHEET = 64 * 1024 * 1024
POLL_SECONDS = 1.0
SENDING_SECONDS = 600.0
#: How long a node may be away while a batch is waited for: as long as it takes to start anew.
PATIENCE_SECONDS = 120.0
_SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_SHOWN = 10

Name = Annotated[str, typer.Argument(help="Name of the batch.")]
LicenseType = Annotated[str, typer.Option("--type", help="licenseTypes/{license_type}")]


@app.command()
def sheet(
    license_type: Annotated[str, typer.Argument(help="licenseTypes/{license_type}")],
    to: Annotated[Path, typer.Option("--out", help="A .csv or .xlsx that is not there yet.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write an empty sheet of a license type, to be filled in.

    Example: tongban license batch sheet licenseTypes/employment-registration --out 就业登记.xlsx
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        kind = _type(client, license_type)
        make = {".csv": empty_csv, ".xlsx": empty_xlsx}.get(to.suffix.lower())
        if make is None:
            raise InvalidArgument(
                "a sheet is .csv or .xlsx: name it so",
                reason="TABLE_UNREADABLE",
                message_zh="表格文件名应以 .csv 或 .xlsx 结尾",
            )
        write_new(to, make(kind))
        if as_json:
            print_json({"file": str(to)})
        else:
            out.print(say(f"Wrote {to}", f"已写入 {to}"))


@app.command()
def create(
    path: Annotated[Path, typer.Argument(help="The sheet: .csv or .xlsx.")],
    parent: Annotated[str, typer.Option(help="The issuing department: your own.")],
    license_type: LicenseType,
    seal: Annotated[str, typer.Option(help="The seal; your only one if not given.")] = "",
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The result file; SHEET.results.csv, or .xlsx as the sheet is.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every row has its result.")] = True,
    request_id: Annotated[
        str, typer.Option(help="One id, one batch; made of the sheet if not given.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Issue a license for each row of a sheet, and write what came of each to a result file.

    Ends with 1 where rows were refused: correct them in the result file and give that one. The same
    command with the same sheet goes on with the same batch; Ctrl-C leaves it running.

    Example: tongban license batch create 就业登记.csv --parent departments/human-resources
    --type licenseTypes/employment-registration
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        to = to or path.with_name(f"{path.stem}.results{path.suffix}")
        if wait:
            check_new(to)
            check_target(to)
        read = Sheet(path, _type(client, license_type))
        read.check_files()
        digest = hashlib.sha256(read_file(path, greatest=GREATEST_SHEET))
        digest.update(f"\n{parent}\n{license_type}\n{seal}".encode())
        request_id = request_id or f"sheet-{digest.hexdigest()[:48]}"
        header = pb.IssueBatchHeader(
            parent=parent, license_type=license_type, seal=seal, request_id=request_id
        )
        with repeatable(request_id):
            made = _sent(client, read, header)
        if not wait:
            _print(made, as_json)
            return
        with _taken_up_again(made.name):
            ended = _awaited(client, made.name)
            found = _results(client, made.name)
            write_new(to, read.with_results(found, failed=False, suffix=to.suffix))
        _tell(client, ended, to, as_json)


def _sent(client: Client, read: Sheet, header: pb.IssueBatchHeader) -> pb.IssueBatch:
    try:
        asked = client.batches.CreateIssueBatch(read.messages(header), timeout=SENDING_SECONDS)
    except grpc.RpcError:
        if read.problem is not None:  # a row that could not be read: nothing was made
            raise read.problem from None
        raise
    return asked.issue_batch


@app.command("list")
def list_batches(
    parent: Annotated[str, typer.Option(help="The issuing department: your own.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List your department's batches, newest first.

    Example: tongban license batch list --parent departments/human-resources
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListIssueBatchesRequest(parent=parent)
        found = list(client.every(client.batches.ListIssueBatches, request, "issue_batches"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Batches", "批次"),
            (
                say("name", "资源名"),
                say("type", "类型"),
                say("state", "状态"),
                say("rows", "行数"),
                say("issued", "已签发"),
                say("refused", "未通过"),
            ),
            [
                (
                    one.name,
                    one.license_type.partition("/")[2],
                    _state(one),
                    one.row_count,
                    one.issued_count,
                    one.failed_count,
                )
                for one in found
            ],
        )


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show how far a batch is.

    Example: tongban license batch show departments/human-resources/issueBatches/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        _print(_get(client, name), as_json)


@app.command()
def results(
    name: Name,
    path: Annotated[
        Path | None, typer.Option("--sheet", help="The sheet that was sent, to be written beside.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what is not issued.")] = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write them to a .csv or .xlsx file.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show or write what came of the rows of a batch.

    With the sheet that was sent, the file holds its columns too: correct it, and send it again.

    Example: tongban license batch results departments/human-resources/issueBatches/ab12 --failed
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        batch = _get(client, name)
        if path is not None:
            read = Sheet(path, _type(client, batch.license_type))
            if len(read.lines) != batch.row_count:
                raise FailedPrecondition(
                    f"{path} has {len(read.lines)} rows, the batch {batch.row_count}: give the "
                    "sheet that was sent",
                    reason="ANOTHER_SHEET",
                    message_zh=f"{path} 有 {len(read.lines)} 行，而该批次有 {batch.row_count} 行："
                    "请提供当时提交的表格",
                )
            written = read.with_results(
                _results(client, name), failed=failed, suffix=to.suffix if to else ".csv"
            )
        else:
            written = results_alone(
                (one for one in _results(client, name) if _shown(one, failed)),
                suffix=to.suffix if to else ".csv",
            )
        if to is not None:
            write_file(to, written)
            if as_json:
                print_json({"file": str(to)})
            else:
                out.print(say(f"Wrote {to}", f"已写入 {to}"))
            return
        found = [one for one in _results(client, name) if _shown(one, failed)]
        if as_json:
            print_json([plain(one) for one in found])
        else:
            _print_results(found)


@app.command()
def cancel(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; nothing personal.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a batch: what is issued stays issued, the rest never is.

    Example: tongban license batch cancel departments/human-resources/issueBatches/ab12
    --reason 名单有误
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.CancelIssueBatchRequest(name=name, reason=reason, request_id=new_request_id())
        _print(
            client.batches.CancelIssueBatch(request, timeout=client.timeout).issue_batch, as_json
        )


# --- the node ----------------------------------------------------------------------------------


def _type(client: Client, name: str) -> licenses_pb2.LicenseType:
    request = licenses_pb2.GetLicenseTypeRequest(name=name)
    return client.licenses.GetLicenseType(request, timeout=client.timeout).license_type


def _get(client: Client, name: str) -> pb.IssueBatch:
    request = pb.GetIssueBatchRequest(name=name)
    found = client.batches.GetIssueBatch(request, timeout=client.timeout).issue_batch
    assert isinstance(found, pb.IssueBatch)  # noqa: S101  # for the type checker
    return found


def _results(client: Client, name: str) -> Iterator[pb.IssueBatchResult]:
    request = pb.ListIssueBatchResultsRequest(parent=name)
    return client.every(client.batches.ListIssueBatchResults, request, "results")


@contextmanager
def _taken_up_again(name: str) -> Iterator[None]:
    """Says of a batch that goes on in a node that nobody waits for how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(
            say(
                f"The batch {name} goes on: the same command with the same sheet waits for it "
                f"again, and `tongban license batch cancel {name} --reason …` ends it.",
                f"批次 {name} 仍在继续：以同一表格重复同一命令可继续等待，"
                f"`tongban license batch cancel {name} --reason …` 可将其取消。",
            ),
            soft_wrap=True,
        )
        raise
    except grpc.RpcError as error:
        told = status.from_rpc_error(error)
        told.message += (
            f"; the batch {name} goes on when the node is there: the same command with the same "
            f"sheet waits for it again, and `tongban license batch show {name}` shows it"
        )
        told.message_zh += (
            f"；批次 {name} 会在节点恢复后继续：以同一表格重复同一命令可继续等待，"
            f"或用 `tongban license batch show {name}` 查看"
        )
        told.metadata["batch"] = name
        raise told from error


def _awaited(client: Client, name: str) -> pb.IssueBatch:
    """The batch when it has ended, with a bar on a terminal.

    A node that is started anew goes on with it: its silence is borne for a while.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task(say("Issuing", "签发中"), total=None)
        heard = time.monotonic()
        while True:
            try:
                found = _get(client, name)
            except grpc.RpcError as error:
                if error.code() not in _SILENT or time.monotonic() - heard > PATIENCE_SECONDS:
                    raise
                progress.update(bar, description=say("No answer yet", "节点暂无应答"))
                time.sleep(POLL_SECONDS)
                continue
            heard = time.monotonic()
            progress.update(
                bar,
                total=found.row_count,
                completed=found.issued_count + found.failed_count,
                description=found.waiting_reason or say("Issuing", "签发中"),
            )
            if found.state != pb.ISSUE_BATCH_STATE_RUNNING:
                return found
            time.sleep(POLL_SECONDS)


# --- to the reader -----------------------------------------------------------------------------


def _shown(one: pb.IssueBatchResult, failed: bool) -> bool:
    return not failed or one.state != pb.ISSUE_BATCH_ROW_STATE_ISSUED


def _state(one: pb.IssueBatch) -> str:
    return pb.IssueBatchState.Name(one.state).removeprefix("ISSUE_BATCH_STATE_")


def _print(one: pb.IssueBatch, as_json: bool) -> None:
    if as_json:
        print_json(plain(one))
        return
    rows = [
        (say("type", "类型"), f"{one.license_type} ({one.type_version})"),
        (say("state", "状态"), f"{_state(one)} {one.waiting_reason}".strip()),
        (say("rows", "行数"), one.row_count),
        (say("issued", "已签发"), one.issued_count),
        (say("refused", "未通过"), one.failed_count),
        (say("taken", "接收时间"), when(one.create_time)),
        (say("ended", "结束时间"), when(one.end_time)),
    ]
    print_table(one.name, (say("field", "字段"), say("value", "值")), rows)


def _print_results(found: list[pb.IssueBatchResult]) -> None:
    print_table(
        say("Results", "结果"),
        (
            say("row", "行"),
            say("state", "状态"),
            say("license", "证照"),
            say("reason", "原因"),
            say("what is wrong", "说明"),
        ),
        [
            (
                one.number,
                state_word(one.state),
                one.license,
                one.reason,
                what_is_wrong(one),
            )
            for one in found
        ],
    )


def _what_next(one: pb.IssueBatch, left: bool) -> tuple[str, str]:
    """What to do with the result file of a batch, in both languages."""
    if not left:
        return "", ""
    if one.state == pb.ISSUE_BATCH_STATE_CANCELLED:
        return (
            ": the batch was cancelled; create a batch of that file to issue the rest",
            "：该批次已取消；如需签发其余各行，请提交此文件",
        )
    return ": correct the rows there, and create a batch of it", "：请在其中更正后再次提交"


def _tell(client: Client, one: pb.IssueBatch, to: Path, as_json: bool) -> None:
    """The end of a batch; with rows that are not issued, an answer that is no."""
    left = one.row_count - one.issued_count
    if as_json:
        print_json({**plain(one), "file": str(to)})
    else:
        _print(one, as_json=False)
        if left:
            found = (row for row in _results(client, one.name) if _shown(row, failed=True))
            _print_results([row for row, _ in zip(found, range(_SHOWN), strict=False)])
        if left > _SHOWN:
            out.print(say(f"and {left - _SHOWN} more", f"另有 {left - _SHOWN} 行"))
        next_, next_zh = _what_next(one, bool(left))
        out.print(say(f"Wrote {to}{next_}", f"已写入 {to}{next_zh}"), soft_wrap=True)
    if left:
        raise typer.Exit(Exit.NO)
