"""`tongban license`: issue licenses, change their state, present and verify them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from licenses.v1 import licenses_pb2 as pb
from licenses.v1 import presentations_pb2 as presentations
from runtime.errors import InvalidArgument
from seal.v1 import seal_pb2
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_answer,
    print_json,
    print_table,
    say,
    when,
    with_example,
)
from tongban.files import write_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Issue, change, present and verify licenses.",
        "tongban license list --parent departments/human-resources",
    ),
)

HolderCode = Annotated[
    str,
    typer.Option(
        "--holder-code",
        envvar="TONGBAN_HOLDER_CODE",
        prompt=True,
        hide_input=True,
        help="The holder's code; best by prompt or variable, so that no shell keeps it.",
    ),
]
Name = Annotated[str, typer.Argument(help="Name of the license.")]
Reason = Annotated[str, typer.Option(help="Why; nothing personal.")]
FORMATS = {"ofd": pb.LICENSE_FORMAT_OFD, "pdf": pb.LICENSE_FORMAT_PDF}


def state_word(state: pb.LicenseState.ValueType) -> str:
    """A state without its prefix."""
    return pb.LicenseState.Name(state).removeprefix("LICENSE_STATE_")


@app.command()
def types(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List license types.

    Example: tongban license types
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.licenses.ListLicenseTypes, pb.ListLicenseTypesRequest(), "license_types"
            )
        )
        if as_json:
            print_json([plain(t) for t in found])
        else:
            print_table(
                say("License types", "证照类型"),
                (say("name", "资源名"), say("display name", "名称"), say("fields", "字段")),
                [
                    (
                        t.name,
                        t.display_name,
                        " ".join(f"{f.code}={f.display_name}" for f in t.fields),
                    )
                    for t in found
                ],
            )


@app.command()
def issue(
    parent: Annotated[str, typer.Argument(help="The issuing department: your own.")],
    license_type: Annotated[str, typer.Argument(help="licenseTypes/{license_type}")],
    holder_name: Annotated[str, typer.Option(prompt=True, help="The holder's name.")],
    holder_code: HolderCode,
    field: Annotated[list[str] | None, typer.Option(help="KZ_FIELD=value; several times.")] = None,
    request_id: Annotated[str, typer.Option(help="The same id repeats safely.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Issue a license: identifier, OFD and PDF, sealed, stored, published.

    Example: tongban license issue departments/human-resources
    licenseTypes/employment-registration --field KZ_DJLX=失业登记
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        made = client.licenses.IssueLicense(
            pb.IssueLicenseRequest(
                parent=parent,
                license_type=license_type,
                holder_name=holder_name,
                holder_code=holder_code,
                fields=dict(_pair(f) for f in field or ()),
                request_id=request_id,
            ),
            timeout=client.timeout,
        ).license
        _print_license(made, as_json)


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
        _print_license(found, as_json)


@app.command("list")
def list_licenses(
    parent: Annotated[str, typer.Option(help="The issuing department: your own.")],
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
                client.licenses.ListLicenses, pb.ListLicensesRequest(parent=parent), "licenses"
            )
        )
        if as_json:
            print_json([plain(x) for x in found])
        else:
            print_table(
                say("Licenses", "电子证照"),
                (say("name", "资源名"), say("identifier", "证照标识"), say("state", "状态")),
                [(x.name, x.license_identifier, state_word(x.state)) for x in found],
            )


@app.command()
def document(
    name: Name,
    to: Annotated[Path, typer.Option("--out", help="Where the file is written.")],
    reason: Annotated[str, typer.Option(help="What it is for.")],
    form: Annotated[str, typer.Option("--format", help="ofd or pdf.")] = "ofd",
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
            raise InvalidArgument("a format is ofd or pdf", message_zh="格式应为 ofd 或 pdf")
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
        _print_license(client.licenses.SuspendLicense(request, timeout=60).license, as_json)


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
        _print_license(client.licenses.ResumeLicense(request, timeout=60).license, as_json)


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
        _print_license(client.licenses.RevokeLicense(request, timeout=60).license, as_json)


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
        _print_license(client.licenses.CancelLicense(request, timeout=60).license, as_json)


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
        if as_json:
            print_json([plain(x) for x in found])
        else:
            print_table(
                say("Licenses held", "持有的证照"),
                (say("name", "资源名"), say("identifier", "证照标识"), say("state", "状态")),
                [(x.name, x.license_identifier, state_word(x.state)) for x in found],
            )


@app.command()
def present(
    name: Name,
    holder_code: HolderCode,
    field: Annotated[list[str], typer.Option(help="Key of the metadata to show; several times.")],
    purpose: Annotated[str, typer.Option(help="What it is shown for.")],
    audience: Annotated[
        str, typer.Option(help="Department that may verify it; any if empty.")
    ] = "",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long it can be verified.")] = 5,
    uses: Annotated[int, typer.Option(min=0, help="How often; 0 is no bound.")] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Present a license with chosen fields by a short-lived code (counters).

    Example: tongban license present departments/human-resources/licenses/ab12
    --field ZZMC --field CZZT --purpose 办理社会保险
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        shown = client.presentations.PresentLicense(
            presentations.PresentLicenseRequest(
                license=name,
                holder_code=holder_code,
                fields=field,
                purpose=purpose,
                audience=audience,
                lifetime_seconds=minutes * 60,
                max_uses=uses,
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(shown))
        else:
            until = when(shown.expire_time)
            out.print(
                say(f"Code {shown.code}, until {until}", f"亮证码 {shown.code}，有效至 {until}")
            )


@app.command()
def verify(
    code: Annotated[str, typer.Argument(help="The code as shown.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify a presented code. Exit code 1 FAILED, 6 INDETERMINATE.

    Example: tongban license verify 7ZK4-… --purpose 办理社会保险
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        answer = client.presentations.VerifyPresentation(
            presentations.VerifyPresentationRequest(code=code, purpose=purpose),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(answer))
        else:
            verdict = answer.verdict
            indication = seal_pb2.Indication.Name(verdict.indication).removeprefix("INDICATION_")
            print_answer(indication, say(verdict.summary, verdict.summary_zh))
            if answer.fields:  # of what cannot be shown now there are none
                print_table(
                    f"{answer.license_type_display_name} {answer.license_identifier}",
                    (say("field", "字段"), say("value", "值")),
                    sorted(answer.fields.items()),
                )
        if answer.verdict.indication == seal_pb2.INDICATION_FAILED:
            raise typer.Exit(Exit.NO)
        if answer.verdict.indication != seal_pb2.INDICATION_PASSED:
            raise typer.Exit(Exit.UNKNOWN)


def _print_license(made: pb.License, as_json: bool) -> None:
    if as_json:
        print_json(plain(made))
        return
    print_table(
        made.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("identifier", "证照标识"), made.license_identifier),
            (say("state", "状态"), f"{state_word(made.state)} {when(made.state_time)}"),
            *sorted(made.metadata.items()),
        ],
    )


_FIELD_CODE = re.compile(r"KZ_[A-Z][A-Z0-9]{0,29}")


def _pair(text: str) -> tuple[str, str]:
    code, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument("a field is KZ_FIELD=value", message_zh="字段应为 KZ_字段=值")
    if not _FIELD_CODE.fullmatch(code):
        # Told here: the node does not repeat a text that may be anything.
        raise InvalidArgument(
            f"{code} is no code of a field, such as KZ_DJLX: see `tongban license types`",
            reason="BAD_LICENSE_FIELDS",
            message_zh=f"{code} 不是字段代码（如 KZ_DJLX）：请用 `tongban license types` 查看",
        )
    return code, value
