"""`tongban license`: issue licenses and find them; further commands are in `license_*.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from licenses.v1 import licenses_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, repeatable
from tongban.commands import (
    license_batches,
    license_checking,
    license_delegating,
    license_fonts,
    license_life,
    license_offline,
    license_presenting,
    license_preview,
    license_sharing,
    license_types,
)
from tongban.commands.license_shown import (
    Field,
    HolderCode,
    Holders,
    Name,
    Picture,
    RequestId,
    fields_of,
    holders_of,
    pictures_of,
    print_license,
    print_licenses,
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
    say,
    with_example,
)
from tongban.files import read_file, write_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Issue, change, present and verify licenses.",
        "tongban license list --parent departments/human-resources",
    ),
)
app.add_typer(license_types.listing)
app.add_typer(license_types.app, name="type")
app.add_typer(license_life.app)
app.add_typer(license_presenting.app)
app.add_typer(license_offline.app)
app.add_typer(license_checking.app)
app.add_typer(license_delegating.app, name="delegation")
app.add_typer(license_sharing.app, name="shared")
app.add_typer(license_preview.app)
app.add_typer(license_fonts.app)
app.add_typer(license_batches.app, name="batch")

FORMATS = {
    "ofd": pb.LICENSE_FORMAT_OFD,
    "pdf": pb.LICENSE_FORMAT_PDF,
    "jwt": pb.LICENSE_FORMAT_JWT,
}
SCAN_LIMIT = 2 * 1024 * 1024


@app.command()
def issue(
    parent: Annotated[str, typer.Argument(help="The issuing department: your own.")],
    license_type: Annotated[str, typer.Argument(help="licenseTypes/{license_type}")],
    holder_name: Annotated[str, typer.Option(help="The holder's name; asked for if empty.")] = "",
    holder_code: Annotated[
        str,
        typer.Option(
            "--holder-code",
            envvar="TONGBAN_HOLDER_CODE",
            help="The holder's code; best by prompt or variable, so that no shell keeps it.",
        ),
    ] = "",
    holder: Holders = None,
    field: Field = None,
    picture: Picture = None,
    serial: Annotated[str, typer.Option(help="Your own serial number; the next if empty.")] = "",
    valid_from: Annotated[
        str, typer.Option(help="First day; today, or the day of --paper-date, if empty.")
    ] = "",
    paper_number: Annotated[
        str, typer.Option(help="Number of the paper license that this one is made from.")
    ] = "",
    paper_date: Annotated[str, typer.Option(help="When that was issued, YYYY-MM-DD.")] = "",
    scan: Annotated[
        list[Path] | None, typer.Option(help="Its scan: PNG, JPEG or PDF; several times.")
    ] = None,
    valid_to: Annotated[str, typer.Option(help="Last day that the paper says.")] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Issue a license: identifier, OFD, PDF and SD-JWT VC, sealed, stored, published.

    Example: tongban license issue departments/human-resources
    licenseTypes/employment-registration --field KZ_DJLX=失业登记
    """
    request_id = request_id or new_request_id()
    if not holder:
        holder_name = holder_name or typer.prompt("Holder name")
        holder_code = holder_code or typer.prompt("Holder code", hide_input=True)
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        request = pb.IssueLicenseRequest(
            parent=parent,
            license_type=license_type,
            holder_name=holder_name,
            holder_code="" if holder else holder_code,
            holders=holders_of(holder),
            fields=fields_of(field),
            pictures=pictures_of(picture),
            serial=serial,
            valid_from=valid_from,
            valid_to=valid_to,
            request_id=request_id,
        )
        if paper_number or paper_date or scan:
            request.paper.CopyFrom(
                pb.PaperLicense(
                    number=paper_number,
                    issue_date=paper_date,
                    scans=[read_file(one, greatest=SCAN_LIMIT) for one in scan or ()],
                )
            )
        made = client.licenses.IssueLicense(request, timeout=client.timeout).license
        print_license(made, as_json)


@app.command()
def show(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a license.

    Example: tongban license show departments/human-resources/licenses/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.licenses.GetLicense(
            pb.GetLicenseRequest(name=name), timeout=client.timeout
        ).license
        print_license(found, as_json)


@app.command("list")
def list_licenses(
    parent: Annotated[str, typer.Option(help="The issuing department: your own.")],
    holder_name: Annotated[
        str, typer.Option(help="Only of holders whose names begin so, by their code points.")
    ] = "",
    order_by: Annotated[
        str, typer.Option(help="name, issue_time, or 'issue_time desc'; not by holder's name.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List licenses that your department issued.

    Example: tongban license list --parent departments/human-resources
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.licenses.ListLicenses,
                pb.ListLicensesRequest(parent=parent, holder_name=holder_name, order_by=order_by),
                "licenses",
            )
        )
        print_licenses(say("Licenses", "电子证照"), found, as_json)


@app.command()
def document(
    name: Name,
    to: Annotated[Path, typer.Option("--out", help="Where the file is written.")],
    reason: Annotated[str, typer.Option(help="What it is for.")],
    form: Annotated[str, typer.Option("--format", help="ofd, pdf or jwt (SD-JWT VC).")] = "ofd",
    holder_code: Annotated[
        str,
        typer.Option(
            "--holder-code",
            envvar="TONGBAN_HOLDER_CODE",
            help="The identified holder's code, which a counter must give; best by variable.",
        ),
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Fetch a license's sealed file.

    Example: tongban license document departments/human-resources/licenses/ab12
    --out license.ofd --reason 归档
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        if form not in FORMATS:
            raise InvalidArgument(
                "a format is ofd, pdf or jwt", message_zh="格式应为 ofd、pdf 或 jwt"
            )
        found = client.licenses.GetLicenseDocument(
            pb.GetLicenseDocumentRequest(
                name=name, format=FORMATS[form], reason=reason, holder_code=holder_code
            ),
            timeout=client.timeout,
        )
        write_file(to, found.document)
        if as_json:
            print_json({"file": str(to), "media_type": found.media_type})
        else:
            out.print(say(f"Wrote {to}", f"已写入 {to}"))


@app.command()
def held(
    holder_code: HolderCode,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the licenses of an identified holder (counters).

    Example: tongban license held
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.licenses.ListHeldLicenses,
                pb.ListHeldLicensesRequest(holder_code=holder_code),
                "licenses",
            )
        )
        print_licenses(say("Licenses held", "持有的证照"), found, as_json)
