"""`tongban corrections`: doubting a record, answering it, and telling all who got a wrong one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from exchange.v1 import corrections_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain
from tongban.commands.corrections_shown import (
    print_all,
    print_fields,
    print_notices,
    print_one,
)
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
        "Doubt a record (校核异议), answer, and tell all who got a wrong one.",
        "tongban corrections list --open",
    ),
)


class Fault(StrEnum):
    """What is wrong."""

    WRONG_VALUE = "wrong-value"
    OUTDATED = "outdated"
    MISSING = "missing"
    WRONG_RECORD = "wrong-record"


Name = Annotated[str, typer.Argument(help="The request: departments/…/corrections/…")]
Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="TONGBAN_KEY",
        help="Value of the key item; asked for where it is needed. Best by prompt or variable.",
    ),
]


@app.command()
def submit(
    item: Annotated[list[str], typer.Option(help="A doubted item's code; several times.")],
    statement: Annotated[str, typer.Option(help="What the source should know.")],
    fault: Annotated[Fault, typer.Option(help="What is wrong.")] = Fault.WRONG_VALUE,
    grant: Annotated[str, typer.Option(help="You asked for it under this grant.")] = "",
    subscription: Annotated[str, typer.Option(help="This subscription delivered it.")] = "",
    record: Annotated[str, typer.Option(help="The subscription's record_id of it.")] = "",
    offset: Annotated[int, typer.Option(help="The offset of the doubted change.")] = 0,
    resource: Annotated[
        str, typer.Option(help="Your own resource, or with --case the citizen's record of it.")
    ] = "",
    case_number: Annotated[
        str, typer.Option("--case", help="The case the citizen was identified for (counters).")
    ] = "",
    key: Key = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Doubt items of a record that you received, of a citizen you identified, or of your own.

    Example: tongban corrections submit --grant departments/human-resources/grants/cd34 --item name
    --statement 与居民身份证不符
    """
    with outcomes(as_json=as_json):
        if sum(map(bool, (grant, subscription, resource))) != 1:
            raise InvalidArgument(
                "name the record by one of --grant, --subscription and --resource",
                message_zh="请用 --grant、--subscription、--resource 之一指明数据",
            )
        if not (subscription or key):
            key = typer.prompt("Key", hide_input=True)
        request = pb.SubmitCorrectionRequest(
            items=item,
            fault=pb.CorrectionFault.Value(f"CORRECTION_FAULT_{fault.name}"),
            statement=statement,
            request_id=new_request_id(),
        )
        if grant:
            request.answered.CopyFrom(pb.AnsweredRecord(grant=grant, key=key))
        elif subscription:
            request.delivered.CopyFrom(
                pb.DeliveredRecord(subscription=subscription, record_id=record, offset=offset)
            )
        else:
            request.own.CopyFrom(pb.OwnRecord(resource=resource, key=key, case_number=case_number))
        with Client(node, identity) as client:
            made = client.corrections.SubmitCorrection(request, timeout=client.timeout)
            print_one(made.correction, as_json)


@app.command("list")
def list_(
    unanswered: Annotated[bool, typer.Option("--open", help="Only those not answered.")] = False,
    resource: Annotated[str, typer.Option(help="Only of this resource.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the requests that you made, or that your department owes an answer.

    Example: tongban corrections list --open
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListCorrectionsRequest(open_only=unanswered, resource=resource)
        print_all(list(client.every(client.corrections.ListCorrections, asked, "corrections")),
                   as_json)  # fmt: skip


@app.command()
def mine(
    case_number: Annotated[
        str, typer.Option("--case", help="The case that the citizen was identified for.")
    ],
    key: Annotated[
        str,
        typer.Option("--key", envvar="TONGBAN_KEY", prompt=True, hide_input=True,
                     help="The citizen's number; best by prompt or variable."),
    ],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell an identified citizen what became of their requests. Needs a counter's identity.

    Example: tongban corrections mine --case SF-2026-0001
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.MyCorrectionsRequest(key=key, case_number=case_number)
        print_all(list(client.every(client.corrections.MyCorrections, asked, "corrections")),
                   as_json)  # fmt: skip


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show one request: to the source with the record's key.

    Example: tongban corrections show departments/human-resources/corrections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.GetCorrectionRequest(name=name)
        held = client.corrections.GetCorrection(asked, timeout=client.timeout).correction
        if as_json:
            print_json(plain(held))
        else:
            print_fields(held)


@app.command()
def review(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take a request up: the source.

    Example: tongban corrections review departments/human-resources/corrections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ReviewCorrectionRequest(name=name, request_id=new_request_id())
        made = client.corrections.ReviewCorrection(asked, timeout=client.timeout)
        print_one(made.correction, as_json)


@app.command()
def accept(
    name: Name,
    item: Annotated[
        list[str] | None, typer.Option(help="Only this item was wrong; several times.")
    ] = None,
    batch: Annotated[str, typer.Option(help="The batch that has the correct record.")] = "",
    text: Annotated[str, typer.Option("--answer", help="What the requester should know.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say that a record was wrong; publish the correct one first. The source.

    Example: tongban corrections accept departments/human-resources/corrections/ab12
    """
    asked = pb.AnswerCorrectionRequest(
        name=name,
        state=pb.CORRECTION_STATE_ACCEPTED,
        accepted_items=item or [],
        batch=batch,
        answer=text,
        request_id=new_request_id(),
    )
    _answer(asked, node, identity, as_json=as_json)


@app.command()
def reject(
    name: Name,
    text: Annotated[str, typer.Option("--answer", help="Why the record stands.")],
    legal_basis: Annotated[str, typer.Option(help="On what law.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Stand by a record, with a reason. The source.

    Example: tongban corrections reject departments/human-resources/corrections/ab12
    --answer 与户籍档案一致 --legal-basis 示范县政务数据共享办法第九条
    """
    asked = pb.AnswerCorrectionRequest(
        name=name,
        state=pb.CORRECTION_STATE_REJECTED,
        answer=text,
        answer_legal_basis=legal_basis,
        request_id=new_request_id(),
    )
    _answer(asked, node, identity, as_json=as_json)


@app.command()
def withdraw(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take a request back that is not answered.

    Example: tongban corrections withdraw departments/human-resources/corrections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.WithdrawCorrectionRequest(name=name, request_id=new_request_id())
        made = client.corrections.WithdrawCorrection(asked, timeout=client.timeout)
        print_one(made.correction, as_json)


@app.command()
def lineage(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Tell what a request led to: versions, notices, acknowledgements.

    Example: tongban corrections lineage departments/human-resources/corrections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        call = client.corrections.GetCorrectionLineage
        told = call(pb.GetCorrectionLineageRequest(name=name), timeout=client.timeout)
        asked = pb.GetCorrectionLineageRequest(name=name)
        notices = list(client.every(call, asked, "notices"))
        if as_json:
            print_json(
                plain(told) | {"notices": [plain(one) for one in notices], "next_page_token": ""}
            )
            return
        print_one(told.correction, as_json=False)
        versions = [(say("wrong", "有误"), one) for one in told.wrong]
        if told.HasField("corrected"):
            versions.append((say("correct", "更正后"), told.corrected))
        print_table(
            say("Versions", "数据版本"),
            (say("which", "类别"), say("offset", "偏移"), say("batch", "批次"),
             say("published", "发布时间"), say("withdrawn", "撤回")),
            [
                (which, one.offset, one.batch, when(one.publish_time),
                 say("yes", "是") if one.withdrawn else "")
                for which, one in versions
            ],
        )  # fmt: skip
        out.print(
            say(
                f"{told.notice_count} notices, {told.acknowledged_count} acknowledged"
                + ("" if told.traced else "; still looking for who got a wrong version"),
                f"更正通知 {told.notice_count} 件，已确认 {told.acknowledged_count} 件"
                + ("" if told.traced else "；仍在查找收到错误数据的部门"),
            )
        )
        if notices:
            print_notices(notices)


@app.command()
def notices(
    unread: Annotated[bool, typer.Option("--open", help="Only those not acknowledged.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List notices of wrong records that your department received.

    Example: tongban corrections notices --open
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListCorrectionNoticesRequest(open_only=unread)
        found = list(client.every(client.corrections.ListCorrectionNotices, asked, "notices"))
        if as_json:
            print_json([plain(one) for one in found])
        else:
            print_notices(found)


@app.command()
def acknowledge(
    name: Annotated[str, typer.Argument(help="The notice: departments/…/correctionNotices/…")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say that a notice was acted on.

    Example: tongban corrections acknowledge departments/human-resources/correctionNotices/ef56
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.AcknowledgeCorrectionNoticeRequest(name=name, request_id=new_request_id())
        call = client.corrections.AcknowledgeCorrectionNotice
        told = call(asked, timeout=client.timeout).notice
        if as_json:
            print_json(plain(told))
        else:
            out.print(f"{told.name}: {say('acknowledged', '已确认')}", markup=False)


def _answer(
    asked: pb.AnswerCorrectionRequest,
    node: NodeAddress,
    identity: IdentityFolder,
    *,
    as_json: bool,
) -> None:
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = client.corrections.AnswerCorrection(asked, timeout=client.timeout)
        print_one(made.correction, as_json)
