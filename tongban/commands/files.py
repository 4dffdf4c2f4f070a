"""`tongban files`: what a grant shows, in files that only their receiver opens (批量文件导出)."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from exchange.v1 import files_pb2 as pb
from runtime import names
from runtime.errors import FailedPrecondition
from runtime.identity import Credentials
from tongban import exported
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.data import Sign
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
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
from tongban.files import check_new, read_file
from tongban.receipts import save_receipt

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Files of what a grant shows, encrypted for their receiver.",
        "tongban files list",
    ),
)

STATES = {
    pb.EXPORT_JOB_STATE_RUNNING: ("being written", "生成中"),
    pb.EXPORT_JOB_STATE_SUCCEEDED: ("ready", "可取"),
    pb.EXPORT_JOB_STATE_FAILED: ("failed", "失败"),
    pb.EXPORT_JOB_STATE_CANCELLED: ("cancelled", "已取消"),
    pb.EXPORT_JOB_STATE_EXPIRED: ("expired", "已到期"),
}
POLL_SECONDS = 0.5


class Format(StrEnum):
    """What the files are."""

    CSV = "csv"
    PARQUET = "parquet"


_FORMATS = {Format.CSV: pb.FILE_FORMAT_CSV, Format.PARQUET: pb.FILE_FORMAT_PARQUET}
Job = Annotated[str, typer.Argument(help="departments/{department}/exportJobs/{export_job}")]
Purpose = Annotated[str, typer.Option(help="What it is for.")]
CaseNumber = Annotated[str, typer.Option("--case", help="The case it serves.")]
RequestId = Annotated[str, typer.Option(help="Repeats an act safely.")]


@app.command()
def request(
    grant: Annotated[str, typer.Argument(help="A grant of your department.")],
    purpose: Purpose,
    case_number: CaseNumber,
    file_format: Annotated[
        Format, typer.Option("--format", help="What the files are.")
    ] = Format.CSV,
    certificate: Annotated[
        Path | None,
        typer.Option(help="PEM certificate of the receiver; that of your identity if not given."),
    ] = None,
    keep_hours: Annotated[
        int, typer.Option("--keep", min=1, max=168, help="Hours until the files are deleted.")
    ] = 24,
    sign: Sign = False,
    job_id: Annotated[str, typer.Option("--id", help="Last part of the job's name.")] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask for files of all records that a grant shows; they are written in the background.

    Example: tongban files request departments/human-resources/grants/cd34 --purpose 就业登记
    --case 2026-0001 --format parquet
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity, sign=sign) as client,
    ):
        names.parse(names.GRANT, grant, field="grant")
        asked = pb.CreateExportJobRequest(
            parent=names.department_of(grant),
            export_job_id=job_id,
            grant=grant,
            format=_FORMATS[file_format],
            purpose=purpose,
            case_number=case_number,
            certificate=read_file(certificate).decode("ascii", "replace") if certificate else "",
            keep_hours=keep_hours,
            request_id=request_id,
        )
        client.sign("CreateExportJob", asked)
        made = client.files.CreateExportJob(asked, timeout=client.timeout)
        _print(made.export_job, as_json)


@app.command(name="list")
def list_(
    department: Annotated[str, typer.Argument(help="Your department, if it is said.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the export jobs of your department.

    Example: tongban files list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListExportJobsRequest(parent=department or client.department)
        found = list(client.every(client.files.ListExportJobs, request, "export_jobs", page=100))
        if as_json:
            print_json([plain(job) for job in found])
            return
        print_table(
            say("Export jobs", "导出任务"),
            (say("name", "名称"), say("state", "状态"), say("records", "记录数"),
             say("until", "保留至")),
            [(job.name, say(*STATES[job.state]), f"{job.records:,}", when(job.expire_time))
             for job in found],
        )  # fmt: skip


@app.command()
def show(
    job: Job,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show an export job and its files.

    Example: tongban files show departments/human-resources/exportJobs/monthly
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        _print(_get(client, job), as_json)


@app.command()
def cancel(
    job: Job,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End an export job and delete its files, fetched or not.

    Example: tongban files cancel departments/human-resources/exportJobs/monthly
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        asked = pb.CancelExportJobRequest(name=job, request_id=request_id)
        ended = client.files.CancelExportJob(asked, timeout=client.timeout).export_job
        if as_json:
            print_json(plain(ended))
        else:
            out.print(say(f"Cancelled: {job}", f"已取消：{job}"), markup=False)


@app.command()
def link(
    job: Job,
    valid: Annotated[
        int, typer.Option(min=1, max=86_400, help="Seconds until the links end.")
    ] = 900,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Make a link to each file, for another program to fetch it; what it gets stays encrypted.

    Example: tongban files link departments/human-resources/exportJobs/monthly --valid 3600
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = exported.links(client.files, job, valid)
        if not any(made.values()):
            raise FailedPrecondition(
                "this node keeps its objects in a folder, which has no links: use "
                "`tongban files fetch`",
                reason="NO_LINKS",
                message_zh="该节点的对象存储是本地目录，没有链接：请用 `tongban files fetch`",
            )
        if as_json:
            print_json([{"number": number, "url": url} for number, url in made.items()])
            return
        for url in made.values():
            out.print(url, markup=False, soft_wrap=True)


@app.command()
def fetch(
    job: Job,
    to: Annotated[Path, typer.Option("--out", help="A new file for all records.")],
    key: Annotated[
        Path | None,
        typer.Option(help="PEM key of the receiver's certificate; your identity's if not given."),
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Save the receipt; needs --purpose and --case as asked.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="As it was asked for.")] = "",
    case_number: Annotated[str, typer.Option("--case", help="As it was asked for.")] = "",
    by_node: Annotated[
        bool, typer.Option("--by-node", help="Fetch from the node even where it makes links.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Wait for a job, then fetch, check and open its files, and write them as one.

    Example: tongban files fetch departments/human-resources/exportJobs/monthly --out people.csv
    --receipt receipt.json --purpose 就业登记 --case 2026-0001
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        check_new(to)
        opening = read_file(key) if key else Credentials.read(identity).key
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(
            *columns, console=err, transient=True, disable=not err.is_terminal
        ) as progress:
            found = _awaited(client, job, progress)
            task = progress.add_task(say("fetching", "正在获取"), total=found.records or 1)
            exported.joined(
                client.files,
                found,
                key=opening,
                to=to,
                by_node=by_node,
                done=lambda records: progress.advance(task, records),
            )
        if receipt:
            save_receipt(
                receipt,
                found.receipt,
                request={
                    "grant": found.grant,
                    "format": exported.FORMATS[found.format],
                    "purpose": purpose,
                    "case_number": case_number,
                    "certificate_sha256": found.certificate_sha256,
                },
                answer=exported.manifest_of(found),
                certificate=found.signing_certificate.encode(),
                nonce=found.signature.nonce,
            )
        if as_json:
            print_json({"records": found.records, "file": str(to), "offset": found.offset})
        else:
            out.print(
                say(f"{found.records:,} records in {to}", f"{to} 中有 {found.records:,} 条记录"),
                markup=False,
            )


def _awaited(client: Client, name: str, progress: Progress) -> pb.ExportJob:
    """A job whose files are there. Raises FailedPrecondition where they will not be."""
    task = progress.add_task(say("being written", "正在生成"), total=100)
    while True:
        found = _get(client, name)
        progress.update(task, completed=found.percent)
        if found.state == pb.EXPORT_JOB_STATE_SUCCEEDED:
            return found
        if found.state != pb.EXPORT_JOB_STATE_RUNNING:
            english, chinese = STATES[found.state]
            why = f" ({found.failure_reason})" if found.failure_reason else ""
            raise FailedPrecondition(
                f"the job is {english}{why}, and its files are deleted: ask for them anew",
                reason=found.failure_reason or "EXPORT_JOB_ENDED",
                message_zh=f"任务{chinese}{why}，文件已删除：请重新申请导出",
            )
        if found.failure_reason and not progress.disable:
            progress.update(task, description=found.failure_reason)
        time.sleep(POLL_SECONDS)


def _get(client: Client, name: str) -> pb.ExportJob:
    answer = client.files.GetExportJob(pb.GetExportJobRequest(name=name), timeout=client.timeout)
    return answer.export_job


def _print(found: pb.ExportJob, as_json: bool) -> None:
    if as_json:
        print_json(plain(found))
        return
    rows = [
        (say("name", "名称"), found.name),
        (say("grant", "授权"), found.grant),
        (say("format", "格式"), exported.FORMATS[found.format]),
        (say("state", "状态"), say(*STATES[found.state])),
        (say("as of offset", "截至偏移量"), str(found.offset)),
        (say("records", "记录数"), f"{found.records:,}"),
        (say("files", "文件数"), str(len(found.parts))),
        (say("until", "保留至"), when(found.expire_time)),
        (say("for the certificate", "接收方证书"), found.certificate_sha256),
    ]
    if found.failure_reason:
        rows.append((say("reason", "原因"), found.failure_reason))
    print_table(say("Export job", "导出任务"), (say("field", "字段"), say("value", "值")), rows)
