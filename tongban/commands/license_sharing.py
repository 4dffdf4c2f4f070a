"""`tongban license shared`: what others issued, under the rule of sharing (GB/T 36906)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from licenses.v1 import licenses_pb2
from licenses.v1 import sharing_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import RequestId, state_word
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
    with_example,
)
from tongban.files import write_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Find and fetch licenses that other departments issued, under the rule of sharing.",
        "tongban license shared template licenseTypes/business-license",
    ),
)
_Reason = Annotated[str, typer.Option(help="Why; its holder reads it.")]
_Item = Annotated[
    str,
    typer.Option("--item", help="Your department's service item, for types shared on condition."),
]


@app.command("find")
def find(
    reason: _Reason,
    identifier: Annotated[str, typer.Option(help="Identifier of the license.")] = "",
    qr: Annotated[str, typer.Option(help="Text of a license's QR code.")] = "",
    holder_name: Annotated[
        str,
        typer.Option(
            envvar="TONGBAN_HOLDER_NAME", help="The holder's name; best by variable, as the code."
        ),
    ] = "",
    holder_code: Annotated[
        str,
        typer.Option(envvar="TONGBAN_HOLDER_CODE", help="The holder's code; best by variable."),
    ] = "",
    license_type: Annotated[
        str, typer.Option("--type", help="licenseTypes/{license_type}, with a holder.")
    ] = "",
    item: _Item = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Find licenses by identifier, by the text of a QR code, or by holder (departments).

    Example: tongban license shared find --identifier 1.2.156.3005.2.… --reason 审核贷款申请
    """
    request = pb.FindLicensesRequest(reason=reason, service_item=item)
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if identifier:
            request.license_identifier = identifier
        elif qr:
            request.qr = qr
        elif holder_name and holder_code:
            holder = pb.HolderToFind(name=holder_name, code=holder_code, license_type=license_type)
            request.holder.CopyFrom(holder)
        else:
            raise InvalidArgument(
                "give --identifier, --qr, or a holder's name and code (TONGBAN_HOLDER_NAME, "
                "TONGBAN_HOLDER_CODE)",
                reason="BAD_ARGUMENT",
                message_zh="请给出 --identifier、--qr，或持证人姓名与号码",
            )
        found = list(client.every(client.sharing.FindLicenses, request, "licenses"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Licenses", "证照"),
            (
                say("identifier", "证照标识"),
                say("type", "类型"),
                say("issuer", "颁发机构"),
                say("state", "状态"),
            ),
            [
                (
                    one.license_identifier,
                    one.license_type_display_name,
                    one.issuer_display_name,
                    state_word(one.state),
                )
                for one in found
            ],
        )


@app.command("template")
def template(
    license_type: Annotated[str, typer.Argument(help="licenseTypes/{license_type}, or its code.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show which fields licenses of a type have.

    Example: tongban license shared template licenseTypes/business-license
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.sharing.GetFieldTemplate(
            pb.GetFieldTemplateRequest(license_type=license_type), timeout=client.timeout
        )
        if as_json:
            print_json(plain(found))
            return
        print_table(
            f"{found.display_name} ({found.sharing_type})",
            (
                say("field", "字段"),
                say("name", "名称"),
                say("kind", "类型"),
                say("required", "必填"),
            ),
            [
                (one.code, one.display_name, one.kind, say("yes", "是") if one.required else "")
                for one in found.fields
            ],
        )


@app.command("fetch")
def fetch(
    identifier: Annotated[str, typer.Argument(help="Identifier of the license.")],
    reason: _Reason,
    file: Annotated[Path, typer.Option("--out", help="File to write: .ofd or .pdf.")],
    item: _Item = "",
    until: Annotated[
        str, typer.Option(help="The copy's last day, YYYY-MM-DD; 30 days if empty.")
    ] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Fetch a license's file as an endorsed copy for your department and this reason.

    Example: tongban license shared fetch 1.2.156.3005.2.… --reason 审核贷款申请 --out copy.pdf
    """
    request_id = request_id or new_request_id()
    form = licenses_pb2.LICENSE_FORMAT_OFD
    if file.suffix == ".pdf":
        form = licenses_pb2.LICENSE_FORMAT_PDF
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        made = client.sharing.GetSharedFile(
            pb.GetSharedFileRequest(
                license_identifier=identifier,
                reason=reason,
                service_item=item,
                format=form,
                valid_to=until,
                request_id=request_id,
            ),
            timeout=client.timeout,
        )
        write_file(file, made.document)
        if as_json:
            made.ClearField("document")
            print_json(plain(made))
        else:
            until = made.valid_to
            out.print(say(f"Wrote {file}, good until {until}", f"已写入 {file}，有效至 {until}"))
