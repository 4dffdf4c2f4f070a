"""`tongban sources`: who publishes the same, how far they differ, who is the source (一数一源)."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.v1 import sources_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands import sources_quality
from tongban.commands.data import read_records
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

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "One source for each item: who publishes the same, and who is the source.",
        "tongban sources elements",
    ),
)

app.command("quality")(sources_quality.quality)

STATES = {
    "open": pb.SOURCE_CASE_STATE_OPEN,
    "decided": pb.SOURCE_CASE_STATE_DECIDED,
    "dismissed": pb.SOURCE_CASE_STATE_DISMISSED,
}
STATES_ZH = {"OPEN": "待确定", "DECIDED": "已确定", "DISMISSED": "不予确定"}
MEASURE_SECONDS = 900.0
HASHES = 10_000
#: As in the proto: the first 16 bytes of HMAC-SHA-256 over "key", a zero byte, and the key.
HASH_SIZE = 16

Element = Annotated[str, typer.Argument(help="Code of the element, such as population.name.")]
Case = Annotated[str, typer.Argument(help="The case, sourceCases/…")]
Reason = Annotated[str, typer.Option(help="Why.")]
Etag = Annotated[str, typer.Option(help="Refuse where the case changed since it had this.")]
RequestId = Annotated[str, typer.Option(help="The same id repeats safely.")]


@app.command()
def elements(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the elements that two or more departments publish.

    Example: tongban sources elements
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.sources.ListSharedElements, pb.ListSharedElementsRequest(), "elements"
            )
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Shared elements", "多部门发布的数据元"),
            (say("element", "数据元"), say("published by", "发布方"), say("source", "数源"),
             say("open case", "待定案件")),
            [
                (one.element, ", ".join(f"{p.resource} {p.item}" for p in one.publishers),
                 one.source, one.source_case)
                for one in found
            ],
        )  # fmt: skip


@app.command()
def measure(
    element: Element,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Measure how far the publishers of an element differ; opens or renews a case.

    Example: tongban sources measure population.name
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        done = client.sources.MeasureElement(
            pb.MeasureElementRequest(element=element, request_id=request_id),
            timeout=MEASURE_SECONDS,
        )
        if as_json:
            print_json(plain(done))
            return
        _print_measurements(element, done.measurements)
        if done.source_case.name:
            state = _state(done.source_case)
            out.print(f"{done.source_case.name} {state}")


@app.command()
def cases(
    state: Annotated[str, typer.Option(help="open, decided or dismissed; all if empty.")] = "",
    element: Annotated[str, typer.Option(help="Only about this element.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List cases.

    Example: tongban sources cases --state open
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if state and state not in STATES:
            raise InvalidArgument(
                f"a state is one of {', '.join(STATES)}",
                message_zh=f"状态应为 {'、'.join(STATES)} 之一",
            )
        asked = pb.ListSourceCasesRequest(
            state=STATES.get(state, pb.SOURCE_CASE_STATE_UNSPECIFIED), element=element
        )
        found = list(client.every(client.sources.ListSourceCases, asked, "source_cases"))
        if as_json:
            print_json([plain(case) for case in found])
            return
        print_table(
            say("Source cases", "数源案件"),
            (say("name", "资源名"), say("element", "数据元"), say("state", "状态"),
             say("different", "不一致"), say("source", "数源"), say("opened", "立案时间")),
            [
                (case.name, case.element, _state(case),
                 _different(case), case.source,
                 when(case.create_time))
                for case in found
            ],
        )  # fmt: skip


@app.command()
def show(
    name: Case,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a case: its parties and how far they differ.

    Example: tongban sources show sourceCases/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.sources.GetSourceCase(
            pb.GetSourceCaseRequest(name=name), timeout=client.timeout
        ).source_case
        _print_case(found, as_json)


@app.command()
def decide(
    name: Case,
    source: Annotated[str, typer.Option(help="The resource that is the source.")],
    reason: Reason,
    etag: Etag = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Name the source of an element.

    Example: tongban sources decide sourceCases/ab12
    --source departments/public-security/resources/population --reason 以公安机关登记为准
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        done = client.sources.DecideSourceCase(
            pb.DecideSourceCaseRequest(
                name=name, source=source, reason=reason, etag=etag, request_id=request_id
            ),
            timeout=client.timeout,
        ).source_case
        _print_case(done, as_json)


@app.command()
def dismiss(
    name: Case,
    reason: Reason,
    etag: Etag = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a case without naming a source.

    Example: tongban sources dismiss sourceCases/ab12 --reason 两部门口径不同
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        done = client.sources.DismissSourceCase(
            pb.DismissSourceCaseRequest(name=name, reason=reason, etag=etag, request_id=request_id),
            timeout=client.timeout,
        ).source_case
        _print_case(done, as_json)


@app.command()
def source(
    element: Element,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell which resource is the source of an element.

    Example: tongban sources source population.name
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.sources.GetAuthoritativeSource(
            pb.GetAuthoritativeSourceRequest(element=element), timeout=client.timeout
        )
        if as_json:
            print_json(plain(found))
        else:
            out.print(f"{found.resource} {found.item} ({found.source_case})")


@app.command()
def differing(
    name: Case,
    pair: Annotated[int, typer.Option(help="Number of the comparison, as `show` tells.")],
    file: Annotated[Path, typer.Argument(help="CSV of your own records, as it was published.")],
    key_item: Annotated[str, typer.Option(help="Code of the key item: a column of the file.")],
    output: Annotated[
        Path | None, typer.Option(help="Write the differing records there, as CSV.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Find which of your own records another department holds differently.

    The node sends keyed hashes; they are matched here with the file, which is sent nowhere. Lines
    are told, not keys.

    Example: tongban sources differing sourceCases/ab12 people.csv --pair 1
    --key-item citizen_number
    """
    with outcomes(as_json=as_json):
        items, rows, places = read_records(file)
        if key_item not in items:
            raise InvalidArgument(
                f"{file} has no column {key_item}",
                reason="TABLE_UNREADABLE",
                message_zh=f"{file} 没有列 {key_item}",
            )
        with Client(node, identity) as client:
            run_key, hashes = _hashes(client, name, pair)
        column = items.index(key_item)
        own = [
            number
            for number, row in enumerate(rows)
            if len(row) > column and _hash(run_key, row[column]) in hashes
        ]
        if output:
            with output.open("w", encoding="utf-8", newline="") as made:
                csv.writer(made).writerows([items, *(rows[number] for number in own)])
        lines = [places[number] for number in own]
        if as_json:
            print_json({"differing": len(hashes), "lines": lines})
        else:
            told = ", ".join(map(str, lines[:100])) + (" …" if len(lines) > 100 else "")
            out.print(
                say(
                    f"{len(lines)} of {len(hashes)} differing records are in {file}, on lines: ",
                    f"{file} 中有 {len(lines)} 条（共 {len(hashes)} 条）不一致记录，行号：",
                )
                + told
            )


def _hashes(client: Client, name: str, pair: int) -> tuple[bytes, set[bytes]]:
    asked = pb.ListDifferingKeysRequest(name=name, pair=pair, page_size=HASHES)
    found: set[bytes] = set()
    while True:
        page = client.sources.ListDifferingKeys(asked, timeout=client.timeout)
        found.update(page.key_hashes)
        if not page.next_page_token:
            return page.run_key, found
        asked.page_token = page.next_page_token


def _hash(run_key: bytes, key: str) -> bytes:
    return hmac.digest(run_key, b"key\0" + key.encode(), "sha256")[:HASH_SIZE]


def _state(case: pb.SourceCase) -> str:
    told = pb.SourceCaseState.Name(case.state).removeprefix("SOURCE_CASE_STATE_")
    return say(told, STATES_ZH.get(told, ""))


def _print_case(case: pb.SourceCase, as_json: bool) -> None:
    if as_json:
        print_json(plain(case))
        return
    print_table(
        case.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("element", "数据元"), case.element),
            (say("state", "状态"), _state(case)),
            (say("source", "数源"), case.source),
            (say("reason", "理由"), case.reason),
            (say("parties", "发布方"), "\n".join(f"{p.resource} {p.item}" for p in case.parties)),
            (say("measured", "测量时间"), when(case.measure_time)),
            ("etag", case.etag),
        ],
    )
    _print_measurements(case.element, case.measurements)


def _different(case: pb.SourceCase) -> str:
    told = [one.different for one in case.measurements if not one.withheld]
    return str(sum(told)) if told else ""


def _print_measurements(element: str, found: Sequence[pb.Measurement]) -> None:
    print_table(
        element,
        (say("pair", "编号"), say("first", "甲方"), say("second", "乙方"), say("both", "共有"),
         say("equal", "一致"), say("different", "不一致"), say("only first", "仅甲方"),
         say("only second", "仅乙方")),
        [
            (one.pair, one.first, one.second,
             *((say("not told", "不予显示"), "", "", "", "") if one.withheld
               else (one.both, one.equal, one.different, one.only_first, one.only_second)
               if one.comparable
               else (say("keys are of different standards", "标识标准不同，无法比对"),
                     "", "", "", "")))
            for one in found
        ],
    )  # fmt: skip


def print_measured(outcome: dict[str, Any]) -> None:
    """What a run of the flow measured, and what it could not."""
    print_table(
        say("Measured elements", "已测量的数据元"),
        (say("element", "数据元"), say("both", "共有"), say("different", "不一致"),
         say("case", "案件")),
        [
            (one["element"], one["both"], one["different"], one["source_case"])
            for one in outcome["measured"]
        ],
    )  # fmt: skip
    if outcome["failed"]:
        print_table(
            say("Not measured", "未测量"),
            (say("element", "数据元"), say("reason", "原因")),
            sorted(outcome["failed"].items()),
        )
