"""`tongban flow`: run a flow."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from flows import directory, engine
from flows.tables import read_table
from runtime import config
from runtime.identity import Credentials
from tongban.commands.archives import kept_word
from tongban.commands.deadlines import print_sent
from tongban.commands.sources import print_measured
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    DataFolder,
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
    with_example,
)

EXAMPLE = "tongban flow run directory-sync service-items.csv"
app = typer.Typer(no_args_is_help=True, help=with_example("Run flows.", EXAMPLE))
run = typer.Typer(no_args_is_help=True, help=with_example("Run one flow now.", EXAMPLE))
app.add_typer(run, name="run")


@run.command("directory-sync")
def directory_sync(
    file: Annotated[list[Path], typer.Argument(help="CSV or XLSX files of directories.")],
    report: Annotated[Path | None, typer.Option(help="Where the report is written.")] = None,
    allow_mass_withdrawal: Annotated[
        bool, typer.Option(help="Allow that most of what is held is withdrawn.")
    ] = False,
    data: DataFolder = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Bring the catalog to what the files say. Exit code 1 where rows were rejected.

    Example: tongban flow run directory-sync service-items.csv resources.xlsx --report report.json
    """
    with outcomes(as_json=as_json):
        # What cannot be read, or cannot connect, is told before Prefect's seconds are spent.
        for path in file:
            read_table(path, columns=directory.NEEDED_COLUMNS)
        Credentials.read(identity)
        engine.configure(config.load(data=data).data)
        with err.status(say("starting the flow", "正在启动流程")):
            outcome = run_sync([*file], node, identity, report, allow_mass_withdrawal)
        if as_json:
            print_json(outcome)
        else:
            print_report(outcome)
        if outcome["rejected"]:
            raise typer.Exit(Exit.NO)


@run.command("measure-sources")
def measure_sources(
    data: DataFolder = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Measure how far the publishers of each shared element differ. Exit code 1 where one failed.

    Example: tongban flow run measure-sources --identity admin
    """
    with outcomes(as_json=as_json):
        Credentials.read(identity)
        engine.configure(config.load(data=data).data)
        with err.status(say("starting the flow", "正在启动流程")):
            engine.start()
            from flows.sources import measure_sources as flow  # imports Prefect, as above

            with _interrupted_at_once():
                outcome = asyncio.run(flow(address=node, identity=str(identity)))
        if as_json:
            print_json(outcome)
        else:
            print_measured(outcome)
        if outcome["failed"]:
            raise typer.Exit(Exit.NO)


@run.command("deadline-notices")
def deadline_notices(
    remind_before: Annotated[
        int, typer.Option(min=0, max=60, help="Working days before the due day; 0: the node's own.")
    ] = 0,
    escalate_after: Annotated[
        int, typer.Option(min=0, max=60, help="Working days after the due day; 0: the node's own.")
    ] = 0,
    data: DataFolder = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the reminders and escalations of today, each once.

    Example: tongban flow run deadline-notices --identity admin
    """
    with outcomes(as_json=as_json):
        Credentials.read(identity)
        engine.configure(config.load(data=data).data)
        with err.status(say("starting the flow", "正在启动流程")):
            engine.start()
            from flows.deadlines import deadline_notices as flow  # imports Prefect, as above

            with _interrupted_at_once():
                sent = asyncio.run(
                    flow(
                        address=node,
                        identity=str(identity),
                        remind_before=remind_before,
                        escalate_after=escalate_after,
                    )
                )
        if as_json:
            print_json(sent)
        else:
            print_sent(sent)


@run.command("status-lists")
def status_lists(
    data: DataFolder = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Make the status lists of licenses anew and publish them to the object store.

    Example: tongban flow run status-lists --identity admin
    """
    with outcomes(as_json=as_json):
        Credentials.read(identity)
        engine.configure(config.load(data=data).data)
        with err.status(say("starting the flow", "正在启动流程")):
            engine.start()
            from flows.statuslists import status_lists as flow  # imports Prefect, as above

            with _interrupted_at_once():
                made = asyncio.run(flow(address=node, identity=str(identity)))
        if as_json:
            print_json(made)
        else:
            print_table(
                say("Status lists", "状态列表"),
                (say("name", "名称"), say("address", "地址"), say("ended", "非有效")),
                [(one["name"], one["uri"], one["ended"]) for one in made],
            )


@run.command("archive-checks")
def archive_checks(
    department: Annotated[str, typer.Argument(help="The department: your own.")],
    days: Annotated[int, typer.Option(min=0, help="Check what was not checked for so long.")] = 365,
    seal: Annotated[str, typer.Option(help="The report's seal; the only one if empty.")] = "",
    report: Annotated[Path | None, typer.Option(help="Where the sealed PDF is written.")] = None,
    data: DataFolder = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Run the four checks of archives that are due, and leave a sealed report.

    Exit code 1 where an archive failed.

    Example: tongban flow run archive-checks departments/human-resources --report report.pdf
    """
    with outcomes(as_json=as_json):
        Credentials.read(identity)
        engine.configure(config.load(data=data).data)
        with err.status(say("starting the flow", "正在启动流程")):
            engine.start()
            from flows.archiving import archive_checks as flow  # imports Prefect, as above

            with _interrupted_at_once():
                told = asyncio.run(
                    flow(
                        address=node,
                        identity=str(identity),
                        department=department,
                        days=days,
                        seal=seal,
                        report=str(report) if report else "",
                    )
                )
        if as_json:
            print_json(told)
        else:
            print_table(
                say("Checks of archives", "四性检测"),
                (say("checked", "已检测"), say("failed", "未通过"), say("report", "报告")),
                [(told["checked"], len(told["failed"]), told["report_sha256"])],
            )
            for name in told["failed"]:
                reason = told["unchecked"].get(name, "")
                why = say(f"not checked: {reason}", f"未能检测：{reason}") if reason else ""
                out.print(f"{name}  {why}".rstrip())
            for stray in told["strays"]:
                # An object and until when it is kept, or one word: why none is told.
                name, _, until = stray.partition(" ")
                kept = say(f", kept until {kept_word(until)}", f"，留存至：{kept_word(until)}")
                said = say("belongs to no archive", "不属于任何归档包") + (kept if until else "")
                out.print(say(f"{said}: {name}", f"{said}：{name}"))
        if told["failed"]:
            raise typer.Exit(Exit.NO)


def run_sync(
    files: list[Path], node: str, identity: Path, report: Path | None, allow: bool = False
) -> dict[str, Any]:
    """Run the flow in this process; `engine.configure` must have been called."""
    engine.start()
    from flows.sync import directory_sync as flow  # imports Prefect: a second that only flows cost

    with _interrupted_at_once():
        return asyncio.run(
            flow(
                files=[str(path) for path in files],
                address=node,
                identity=str(identity),
                report=str(report) if report else "",
                allow_mass_withdrawal=allow,
            )
        )


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """Ctrl-C raises at once. By itself asyncio asks a flow to end, which waits for its engine."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def print_report(outcome: dict[str, Any]) -> None:
    """The report as tables."""
    print_table(
        say("Directory sync", "目录同步"),
        (say("added", "新增"), say("changed", "变更"), say("withdrawn", "撤回"),
         say("unchanged", "未变"), say("rejected", "拒收")),
        [
            (len(outcome["added"]), len(outcome["changed"]), len(outcome["withdrawn"]),
             outcome["unchanged"], len(outcome["rejected"]))
        ],
    )  # fmt: skip
    absent = say("not in the file", "文件中没有")
    for what, title, why, reasons in (
        ("changed", say("Changed", "变更的条目"), say("fields", "字段"),
         {name: "、".join(found) for name, found in outcome["changed_fields"].items()}),
        ("withdrawn", say("Withdrawn", "撤回的条目"), say("why", "原因"),
         dict.fromkeys(outcome["withdrawn"], absent)),
    ):  # fmt: skip
        if outcome[what]:
            print_table(
                title, (say("name", "资源名"), why), [(n, reasons[n]) for n in outcome[what]]
            )
    if outcome["rejected"]:
        print_table(
            say("Rejected rows", "拒收的行"),
            (say("file", "文件"), say("line", "行"), say("reason", "原因"), say("detail", "说明")),
            [
                (r["file"], r["line"], r["reason"], say(r["detail"], r["detail_zh"]))
                for r in outcome["rejected"]
            ],
        )
