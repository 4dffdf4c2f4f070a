"""`tongban deadlines`: the statutory clock, who is late, and the tables and calendar it runs by."""

from __future__ import annotations

from typing import Annotated

import typer

from exchange.v1 import deadlines_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.commands import deadlines_tables
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    outcomes,
    print_json,
    print_table,
    say,
    when,
    with_example,
)

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "The statutory clock: what is owed until when, and who is late.",
        "tongban deadlines list --late",
    ),
)
app.add_typer(deadlines_tables.jurisdictions, name="jurisdictions")
app.add_typer(deadlines_tables.calendar, name="calendar")

EVERY = "departments/-"
STATES_ZH = {
    "RUNNING": "计时中",
    "PAUSED": "已暂停",
    "MET": "按期办结",
    "LATE": "逾期办结",
    "CANCELLED": "已取消",
}
STAGES_ZH = {"REMINDER": "即将到期", "OVERDUE": "已逾期", "ESCALATION": "上报"}
Name = Annotated[str, typer.Argument(help="The deadline, deadlines/…")]
Parent = Annotated[str, typer.Option(help="The department that must act; departments/- is any.")]


def _state(deadline: pb.Deadline) -> str:
    told = pb.DeadlineState.Name(deadline.state).removeprefix("DEADLINE_STATE_")
    return say(told, STATES_ZH[told])


def _due(deadline: pb.Deadline) -> str:
    if not deadline.due:
        return say("open", "待定")
    return deadline.due + (say(" (provisional)", "（暂定）") if deadline.provisional else "")


def _standing(deadline: pb.Deadline) -> str:
    """How it stands: days over, or days left."""
    if deadline.late:
        return say(f"late by {deadline.days_over}", f"逾期 {deadline.days_over} 个工作日")
    open_ = deadline.state in (pb.DEADLINE_STATE_RUNNING, pb.DEADLINE_STATE_PAUSED)
    if not open_ or not deadline.due:
        return ""
    return say(f"{deadline.days_left} left", f"剩 {deadline.days_left} 个工作日")


def _print(deadline: pb.Deadline, as_json: bool) -> None:
    if as_json:
        print_json(plain(deadline))
        return
    print_table(
        deadline.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("about", "事项"), deadline.subject),
            (say("kind", "类别"), deadline.kind),
            (say("must act", "承办部门"), deadline.department),
            (say("table", "管辖区"), f"{deadline.jurisdiction} ({deadline.region_code})"),
            (say("working days", "工作日"), deadline.days),
            (say("may be extended by", "可延长"), deadline.extension_limit),
            (say("started", "开始"), when(deadline.start_time)),
            (say("due", "到期日"), _due(deadline)),
            (say("state", "状态"), _state(deadline)),
            (say("standing", "进度"), _standing(deadline)),
            (say("ended", "结束"), when(deadline.end_time)),
            *(
                (
                    say("stood", "暂停"),
                    f"{when(p.start_time)} – {when(p.end_time)}  {p.reason} ({p.by})",
                )
                for p in deadline.pauses
            ),
            *(
                (say("extended", "延长"), f"{e.days}  {e.reason} ({e.by})")
                for e in deadline.extensions
            ),
        ],
    )


@app.command("list")
def list_deadlines(
    parent: Parent = EVERY,
    subject: Annotated[str, typer.Option(help="Only of this matter, such as a request.")] = "",
    late: Annotated[bool, typer.Option("--late", help="Only late ones, done or not.")] = False,
    unfinished: Annotated[bool, typer.Option("--open", help="Only those not done.")] = False,
    within: Annotated[int, typer.Option(min=0, help="Only due in so many working days.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List deadlines, the first due first.

    Example: tongban deadlines list --parent departments/public-security --within 3
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListDeadlinesRequest(
            parent=parent,
            subject=subject,
            late_only=late,
            open_only=unfinished,
            due_within=within,
        )
        found = list(client.every(client.deadlines.ListDeadlines, asked, "deadlines"))
        if as_json:
            print_json([plain(d) for d in found])
        else:
            print_table(
                say("Deadlines", "期限"),
                (say("due", "到期日"), say("standing", "进度"), say("must act", "承办部门"),
                 say("kind", "类别"), say("about", "事项"), say("state", "状态"),
                 say("name", "资源名")),
                [
                    (_due(d), _standing(d), d.department, d.kind, d.subject, _state(d), d.name)
                    for d in found
                ],
            )  # fmt: skip


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a deadline with its pauses and extensions.

    Example: tongban deadlines show deadlines/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.GetDeadlineRequest(name=name)
        _print(client.deadlines.GetDeadline(asked, timeout=client.timeout).deadline, as_json)


@app.command()
def pause(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Stop a clock.

    Example: tongban deadlines pause deadlines/ab12 --reason 待申请方补充材料
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.PauseDeadlineRequest(name=name, reason=reason, request_id=new_request_id())
        _print(client.deadlines.PauseDeadline(asked, timeout=client.timeout).deadline, as_json)


@app.command()
def resume(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Let a stopped clock go on.

    Example: tongban deadlines resume deadlines/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ResumeDeadlineRequest(name=name, request_id=new_request_id())
        _print(client.deadlines.ResumeDeadline(asked, timeout=client.timeout).deadline, as_json)


@app.command()
def extend(
    name: Name,
    days: Annotated[int, typer.Option(min=1, help="Working days that are added.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Add working days, before the due day is over.

    Example: tongban deadlines extend deadlines/ab12 --days 5 --reason 数据量大，需分批核对
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ExtendDeadlineRequest(
            name=name, days=days, reason=reason, request_id=new_request_id()
        )
        _print(client.deadlines.ExtendDeadline(asked, timeout=client.timeout).deadline, as_json)


@app.command()
def report(
    parent: Parent = EVERY,
    first: Annotated[str, typer.Option("--from", help="First due day; 1 January if empty.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last due day; 31 December if empty.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell who is late, how often and by how much.

    Example: tongban deadlines report --from 2026-01-01 --to 2026-06-30
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ReportLatenessRequest(parent=parent, first_day=first, last_day=last)
        told = client.deadlines.ReportLateness(asked, timeout=client.timeout)
        if as_json:
            print_json(plain(told))
        else:
            span = f"{told.first_day} – {told.last_day}"
            print_table(
                say(f"Who is late, {span}", f"逾期情况（{span}）"),
                (say("must act", "承办部门"), say("kind", "类别"), say("overdue", "逾期未办"),
                 say("late", "逾期办结"), say("met", "按期办结"), say("running", "计时中"),
                 say("paused", "暂停"),
                 say("working days over", "逾期工作日"), say("worst", "最长")),
                [
                    (r.department, r.kind, r.overdue, r.late, r.met, r.running, r.paused,
                     r.days_over, r.worst)
                    for r in told.rows
                ],
            )  # fmt: skip


@app.command()
def remind(
    before: Annotated[
        int, typer.Option(min=0, max=60, help="Working days before the due day; 0: 2.")
    ] = 0,
    after: Annotated[
        int, typer.Option(min=0, max=60, help="Working days after it, for the authority; 0: 3.")
    ] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the reminders and escalations of today, each once.

    Example: tongban deadlines remind --before 2 --after 3
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        counts = dict.fromkeys(("reminders", "overdue", "escalations"), 0)
        while True:
            asked = pb.SendNoticesRequest(
                remind_before=before, escalate_after=after, request_id=new_request_id()
            )
            sent = client.deadlines.SendNotices(asked, timeout=client.timeout)
            counts = {stage: counts[stage] + getattr(sent, stage) for stage in counts}
            if not sent.more:
                break
        if as_json:
            print_json(counts)
        else:
            print_sent(counts)


def print_sent(counts: dict[str, int]) -> None:
    """How many notices were written."""
    print_table(
        say("Notices written", "已发出的提醒"),
        (say("reminders", "即将到期"), say("overdue", "已逾期"), say("escalations", "上报")),
        [(counts["reminders"], counts["overdue"], counts["escalations"])],
    )


@app.command()
def notices(
    parent: Annotated[str, typer.Option(help="The department that is told; departments/-: all.")],
    open_only: Annotated[
        bool, typer.Option("--open", help="Only those that nobody has acknowledged.")
    ] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List reminders and escalations, oldest first.

    Example: tongban deadlines notices --parent departments/public-security
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListNoticesRequest(parent=parent, open_only=open_only)
        found = list(client.every(client.deadlines.ListNotices, asked, "notices"))
        if as_json:
            print_json([plain(n) for n in found])
        else:
            _print_notices(found)


@app.command()
def acknowledge(
    number: Annotated[int, typer.Argument(help="The notice, by its number.", min=1)],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say that a notice to the own department has been read; its clock goes on.

    Example: tongban deadlines acknowledge 12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.AcknowledgeNoticeRequest(number=number, request_id=new_request_id())
        read = client.deadlines.AcknowledgeNotice(asked, timeout=client.timeout).notice
        if as_json:
            print_json(plain(read))
        else:
            _print_notices([read])


def _print_notices(found: list[pb.Notice]) -> None:
    print_table(
        say("Notices", "提醒"),
        (say("number", "编号"), say("written", "时间"), say("says", "内容"), say("due", "到期日"),
         say("to", "发给"), say("read", "已阅"), say("kind", "类别"), say("about", "事项"),
         say("deadline", "期限")),
        [
            (n.number, when(n.create_time)[:10], _stage(n), n.due,
             n.recipient or say("administrators", "管理员"), when(n.acknowledge_time)[:10], n.kind,
             n.subject, n.deadline)
            for n in found
        ],
    )  # fmt: skip


def _stage(notice: pb.Notice) -> str:
    told = pb.NoticeStage.Name(notice.stage).removeprefix("NOTICE_STAGE_")
    return say(told, STAGES_ZH[told])
