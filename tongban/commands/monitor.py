"""`tongban monitor`: what was called, and what a supervisor should look at."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Annotated

import typer

from exchange.v1 import monitoring_pb2 as pb
from runtime.clock import SYSTEM
from runtime.errors import InvalidArgument
from tongban.client import Client, plain
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
    help=with_example("Records of calls, and alerts.", "tongban monitor alerts --identity admin"),
)
KINDS: dict[str, tuple[pb.AlertKind.ValueType, str, str]] = {
    "volume": (pb.ALERT_KIND_UNUSUAL_VOLUME, "unusual volume", "异常访问量"),
    "sequence": (pb.ALERT_KIND_SEQUENTIAL_KEYS, "keys in sequence", "顺序遍历主键"),
    "off-hours": (pb.ALERT_KIND_OFF_HOURS, "off hours", "非工作时间"),
    "refused": (pb.ALERT_KIND_REFUSED_ATTEMPTS, "refused attempts", "多次被拒"),
    "claims": (pb.ALERT_KIND_REPEATED_CLAIMS, "many claims about one record", "对同一记录反复核查"),
}
_WORDS = {number: (english, chinese) for number, english, chinese in KINDS.values()}
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


@app.command()
def records(
    system: Annotated[str, typer.Option(help="Of this system only.")] = "",
    grant: Annotated[str, typer.Option(help="Under this grant only.")] = "",
    refused: Annotated[bool, typer.Option("--refused", help="Refused calls only.")] = False,
    limit: Limit = 100,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List records of calls, the newest first.

    Example: tongban monitor records --refused --identity admin
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListCallRecordsRequest(system=system, grant=grant, refused_only=refused)
        found = list(
            islice(client.every(client.monitoring.ListCallRecords, request, "records"), limit)
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Calls", "调用"),
            (say("time", "时间"), say("system", "系统"), say("method", "方法"),
             say("outcome", "结果"), say("ms", "毫秒"), say("bytes", "字节"), say("rows", "条数"),
             say("grant", "授权")),
            [
                (when(one.request_time), one.system, one.method.rpartition("/")[2],
                 one.reason or one.code, _took(one), f"{one.request_bytes}/{one.response_bytes}",
                 one.rows, one.grant)
                for one in found
            ],
        )  # fmt: skip


@app.command()
def alerts(
    kind: Annotated[
        str, typer.Option(help="volume, sequence, off-hours, refused or claims; empty is all.")
    ] = "",
    limit: Limit = 100,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List alerts, the newest first.

    Example: tongban monitor alerts --identity admin
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if kind and kind not in KINDS:
            raise InvalidArgument(
                f"--kind is one of {', '.join(KINDS)}",
                message_zh=f"--kind 应为 {'、'.join(KINDS)} 之一",
            )
        request = pb.ListAlertsRequest(kind=KINDS[kind][0] if kind else pb.ALERT_KIND_UNSPECIFIED)
        found = list(islice(client.every(client.monitoring.ListAlerts, request, "alerts"), limit))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Alerts", "告警"),
            (say("since", "起"), say("kind", "类型"), say("subject", "对象"),
             say("count", "次数"), say("threshold", "阈值")),
            [
                (when(one.window_start_time), say(*_WORDS[one.kind]), one.subject, one.count,
                 one.threshold)
                for one in found
            ],
        )  # fmt: skip


@app.command()
def traffic(
    hours: Annotated[int, typer.Option(min=1, max=720, help="Of the last so many hours.")] = 24,
    step: Annotated[int, typer.Option(min=5, max=1440, help="Minutes of a step, by fives.")] = 60,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell how many calls there were over time, and how long they took; the oldest step first.

    Example: tongban monitor traffic --hours 6 --step 15 --identity admin
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        now = SYSTEM.now()
        asked = pb.MeasureTrafficRequest(step_seconds=60 * step)
        asked.start_time.FromDatetime(now - timedelta(hours=hours))
        asked.end_time.FromDatetime(now)
        steps = client.monitoring.MeasureTraffic(asked, timeout=client.timeout).steps
        if as_json:
            print_json([plain(one) for one in steps])
            return
        print_table(
            say("Traffic", "访问量"),
            (say("from", "起"), say("calls", "调用"), say("refused", "被拒"), say("failed", "失败"),
             say("half within, ms", "50% 毫秒"), say("95 of 100 within, ms", "95% 毫秒")),
            [
                (when(one.start_time), one.calls, one.refused, one.failed, f"{one.median_ms:.1f}",
                 f"{one.p95_ms:.1f}")
                for one in steps
            ],
        )  # fmt: skip


def _took(one: pb.CallRecord) -> str:
    nanos = one.response_time.ToNanoseconds() - one.request_time.ToNanoseconds()
    return f"{nanos / 1e6:.1f}"
