"""`tongban license`: what becomes of an issued license."""

from __future__ import annotations

from typing import Annotated

import typer

from licenses.v1 import licenses_pb2 as pb
from tongban.client import Client, new_request_id, repeatable
from tongban.commands.license_shown import (
    Field,
    Holders,
    Name,
    Picture,
    Reason,
    RequestId,
    fields_of,
    holders_of,
    pictures_of,
    print_license,
)
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    outcomes,
)

app = typer.Typer()

Seal = Annotated[str, typer.Option(help="The seal to use; the only one in force if empty.")]
ValidFrom = Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")]
NewHolderCode = Annotated[
    str,
    typer.Option(
        "--holder-code",
        envvar="TONGBAN_HOLDER_CODE",
        help="The new holder's code; best by variable, so that no shell keeps it.",
    ),
]


@app.command()
def suspend(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Suspend a license (暂扣).

    Example: tongban license suspend departments/human-resources/licenses/ab12 --reason 信息待核实
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.SuspendLicenseRequest(name=name, reason=reason, request_id=new_request_id())
        print_license(client.licenses.SuspendLicense(request, timeout=60).license, as_json)


@app.command()
def resume(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Resume a suspended license (恢复).

    Example: tongban license resume departments/human-resources/licenses/ab12 --reason 核实完毕
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ResumeLicenseRequest(name=name, reason=reason, request_id=new_request_id())
        print_license(client.licenses.ResumeLicense(request, timeout=60).license, as_json)


@app.command()
def revoke(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Revoke a license for good (吊销).

    Example: tongban license revoke departments/human-resources/licenses/ab12 --reason 违规取得
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.RevokeLicenseRequest(name=name, reason=reason, request_id=new_request_id())
        print_license(client.licenses.RevokeLicense(request, timeout=60).license, as_json)


@app.command()
def cancel(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Cancel a license for good, as its holder wishes (注销).

    Example: tongban license cancel departments/human-resources/licenses/ab12 --reason 本人申请
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.CancelLicenseRequest(name=name, reason=reason, request_id=new_request_id())
        print_license(client.licenses.CancelLicense(request, timeout=60).license, as_json)


@app.command()
def correct(
    name: Name,
    reason: Reason,
    field: Field = None,
    picture: Picture = None,
    holder_name: Annotated[str, typer.Option(help="The corrected name.")] = "",
    holder_code: Annotated[
        str, typer.Option(help="The corrected code; best from a variable.")
    ] = "",
    holder: Holders = None,
    valid_from: ValidFrom = "",
    seal: Seal = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Correct a license (更正): a new version takes its place.

    Example: tongban license correct departments/human-resources/licenses/ab12
    --field KZ_DJLX=失业登记 --reason 登记类型录入有误
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        request = pb.CorrectLicenseRequest(
            name=name,
            reason=reason,
            fields=fields_of(field),
            pictures=pictures_of(picture),
            holder_name=holder_name,
            holder_code=holder_code,
            holders=holders_of(holder),
            valid_from=valid_from,
            seal=seal,
            request_id=request_id,
        )
        made = client.licenses.CorrectLicense(request, timeout=client.timeout).license
        print_license(made, as_json)


@app.command()
def renew(
    name: Name,
    reason: Reason,
    field: Field = None,
    picture: Picture = None,
    valid_from: ValidFrom = "",
    seal: Seal = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Renew a license (换发): a new version with a new validity takes its place.

    Example: tongban license renew departments/human-resources/licenses/ab12 --reason 有效期届满
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        request = pb.RenewLicenseRequest(
            name=name,
            reason=reason,
            fields=fields_of(field),
            pictures=pictures_of(picture),
            valid_from=valid_from,
            seal=seal,
            request_id=request_id,
        )
        made = client.licenses.RenewLicense(request, timeout=client.timeout).license
        print_license(made, as_json)


@app.command()
def transfer(
    name: Name,
    reason: Reason,
    holder_name: Annotated[str, typer.Option(help="The new holder's name.")] = "",
    holder_code: NewHolderCode = "",
    holder: Holders = None,
    field: Field = None,
    picture: Picture = None,
    seal: Seal = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Transfer a license to another holder (转移), for the rest of its validity.

    Example: tongban license transfer departments/housing/licenses/ab12 --holder-name 李示例
    --reason 买卖转移
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        request = pb.TransferLicenseRequest(
            name=name,
            reason=reason,
            fields=fields_of(field),
            pictures=pictures_of(picture),
            holder_name=holder_name,
            holder_code="" if holder else holder_code,
            holders=holders_of(holder),
            seal=seal,
            request_id=request_id,
        )
        made = client.licenses.TransferLicense(request, timeout=client.timeout).license
        print_license(made, as_json)
