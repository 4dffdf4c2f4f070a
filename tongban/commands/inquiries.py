"""`tongban inquiries`: asking another department in writing, with files."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from exchange.v1 import inquiries_pb2 as pb
from tongban.client import Client, new_request_id, plain
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
from tongban.files import read_file, write_new

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Ask another department in writing (函询), with files and a deadline.",
        "tongban inquiries list --open",
    ),
)
GREATEST_FILE = 8 * 1024 * 1024
STATES_ZH = {"OPEN": "待答复", "ANSWERED": "已答复", "CLOSED": "已办结", "WITHDRAWN": "已撤回"}
Name = Annotated[str, typer.Argument(help="The inquiry: departments/…/inquiries/…")]
Attach = Annotated[
    list[Path] | None, typer.Option("--attach", help="A file of at most 8 MiB; several times.")
]


def state_word(state: pb.InquiryState.ValueType) -> str:
    """A state in the reader's language."""
    told = pb.InquiryState.Name(state).removeprefix("INQUIRY_STATE_")
    return say(told, STATES_ZH[told])


@app.command()
def send(
    recipient: Annotated[str, typer.Argument(help="The department that is asked.")],
    title: Annotated[str, typer.Argument(help="What it is about.")],
    text: Annotated[str, typer.Option(help="The question.")],
    attach: Attach = None,
    about: Annotated[
        str, typer.Option(help="A resource, a grant or a request for correction.")
    ] = "",
    days: Annotated[int, typer.Option(help="Working days, more than the table gives.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask another department.

    Example: tongban inquiries send departments/public-security 核实户籍 --text 请核实附件所列办件
    --attach cases.pdf
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.SendInquiryRequest(
            recipient=recipient,
            title=title,
            text=text,
            about=about,
            attachments=_upload(client, attach),
            reply_days=days,
            request_id=new_request_id(),
        )
        made = client.inquiries.SendInquiry(request, timeout=client.timeout).inquiry
        _print(made, as_json)


@app.command("list")
def list_(
    unanswered: Annotated[bool, typer.Option("--open", help="Only those not answered.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the inquiries that your department sent, or is asked.

    Example: tongban inquiries list --open
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListInquiriesRequest(open_only=unanswered)
        found = list(client.every(client.inquiries.ListInquiries, asked, "inquiries"))
        if as_json:
            print_json([plain(one) for one in found])
        else:
            print_table(
                say("Inquiries", "函询"),
                (say("name", "资源名"), say("to", "收函部门"), say("title", "标题"),
                 say("state", "状态"), say("due", "期限"), say("sent", "发函时间"),
                 say("files", "附件")),
                [
                    (one.name, one.recipient, one.title, state_word(one.state), one.due,
                     when(one.create_time), len(one.attachments) + len(one.answer_attachments))
                    for one in found
                ],
            )  # fmt: skip


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show an inquiry with its answer and its files.

    Example: tongban inquiries show departments/human-resources/inquiries/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.GetInquiryRequest(name=name)
        held = client.inquiries.GetInquiry(asked, timeout=client.timeout).inquiry
        if as_json:
            print_json(plain(held))
            return
        rows = (
            (say("to", "收函部门"), held.recipient),
            (say("title", "标题"), held.title),
            (say("question", "内容"), held.text),
            (say("about", "相关对象"), held.about),
            (say("files", "附件"), _files(held.attachments)),
            (say("state", "状态"), state_word(held.state)),
            (say("due", "期限"), held.due),
            (say("answer", "答复"), held.answer),
            (say("files of the answer", "答复附件"), _files(held.answer_attachments)),
        )
        print_table(
            held.name, (say("field", "字段"), say("value", "内容")), [row for row in rows if row[1]]
        )


@app.command()
def answer(
    name: Name,
    text: Annotated[str, typer.Option(help="The answer.")],
    attach: Attach = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Answer an inquiry: the department that is asked.

    Example: tongban inquiries answer departments/human-resources/inquiries/ab12 --text 情况属实
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.AnswerInquiryRequest(
            name=name,
            answer=text,
            attachments=_upload(client, attach),
            request_id=new_request_id(),
        )
        _print(client.inquiries.AnswerInquiry(asked, timeout=client.timeout).inquiry, as_json)


@app.command()
def close(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say that an answer is enough: who asked.

    Example: tongban inquiries close departments/human-resources/inquiries/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.CloseInquiryRequest(name=name, request_id=new_request_id())
        _print(client.inquiries.CloseInquiry(asked, timeout=client.timeout).inquiry, as_json)


@app.command()
def withdraw(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Take an inquiry back that is not answered: who asked.

    Example: tongban inquiries withdraw departments/human-resources/inquiries/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.WithdrawInquiryRequest(name=name, request_id=new_request_id())
        _print(client.inquiries.WithdrawInquiry(asked, timeout=client.timeout).inquiry, as_json)


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="The file: departments/…/attachments/…")],
    target: Annotated[Path, typer.Option("--out", "-o", help="A new file for it.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Save a file of an inquiry.

    Example: tongban inquiries download departments/human-resources/attachments/ef56 -o cases.pdf
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.DownloadAttachmentRequest(name=name)
        told = client.inquiries.DownloadAttachment(asked, timeout=client.timeout)
        write_new(target, told.content)
        if as_json:
            print_json(plain(told.attachment))
        else:
            out.print(f"{target}: {told.attachment.size} B, SHA-256 {told.attachment.digest}",
                      markup=False)  # fmt: skip


def _upload(client: Client, files: list[Path] | None) -> list[str]:
    """The names of files, each of which is uploaded."""
    contents = [(path, read_file(path, greatest=GREATEST_FILE)) for path in files or ()]
    uploaded = []
    for path, content in contents:
        request = pb.UploadAttachmentRequest(
            file_name=path.name,
            media_type=mimetypes.guess_type(path.name)[0] or "",
            content=content,
            request_id=new_request_id(),
        )
        made = client.inquiries.UploadAttachment(request, timeout=client.timeout)
        uploaded.append(made.attachment.name)
    return uploaded


def _files(held: Iterable[pb.Attachment]) -> str:
    return "\n".join(f"{one.file_name} ({one.size} B): {one.name}" for one in held)


def _print(held: pb.Inquiry, as_json: bool) -> None:
    if as_json:
        print_json(plain(held))
    else:
        owed = held.due and held.state == pb.INQUIRY_STATE_OPEN
        due = say(f", due {held.due}", f"，期限 {held.due}") if owed else ""
        out.print(f"{held.name}: {state_word(held.state)}{due}", markup=False)
