"""`tongban license`: QR codes that are verified without a network, and what verifiers keep."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from licenses.offline.coding import assess_code
from licenses.offline.model import Asked, OfflineCode, OfflineOutcome
from licenses.offline.pictures import png_of
from licenses.v1 import offline_pb2 as pb
from licenses.verifying.model import check_card
from runtime.errors import InvalidArgument
from runtime.identity import Credentials
from tongban.client import Client, new_request_id, plain
from tongban.commands.license_shown import HolderCode, Name, text_of_code
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
)
from tongban.files import write_file
from tongban.offline_folder import OfflineFolder

app = typer.Typer()
_MOST_LISTS = 1000
_Folder = Annotated[Path, typer.Option(help="Folder of what is kept for verifying offline.")]


@app.command("present-qr")
def present_qr(
    name: Name,
    holder_code: HolderCode,
    field: Annotated[list[str], typer.Option(help="Key of the metadata to show; several times.")],
    purpose: Annotated[str, typer.Option(help="What it is shown for.")],
    file: Annotated[Path, typer.Option("--out", help="Picture to write: .svg or .png.")],
    audience: Annotated[
        str, typer.Option(help="Department that may verify it; any if empty.")
    ] = "",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long it is good.")] = 60,
    bound: Annotated[
        bool, typer.Option("--bound", help="The verifier has to say the same purpose.")
    ] = False,
    unbound_holder: Annotated[
        bool, typer.Option("--unbound-holder", help="Leave out the hash of the holder's number.")
    ] = False,
    delegation: Annotated[
        str, typer.Option(help="Delegation of the holder; then the code is the agent's.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Present a license by a QR code that needs no network (counters, applicants).

    Example: tongban license present-qr departments/human-resources/licenses/ab12
    --field ZZMC --field CZZT --purpose 办理社会保险 --out code.svg
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        shown = client.offline.PresentOffline(
            pb.PresentOfflineRequest(
                license=name,
                holder_code=holder_code,
                fields=field,
                purpose=purpose,
                audience=audience,
                lifetime_seconds=minutes * 60,
                purpose_bound=bound,
                unbound=unbound_holder,
                delegation=delegation,
                request_id=new_request_id(),
            ),
            timeout=client.timeout,
        )
        write_file(file, png_of(shown.text) if file.suffix == ".png" else shown.svg)
        if as_json:
            told = plain(shown)
            print_json({key: told[key] for key in ("presentation", "text", "expire_time")})
        else:
            until = when(shown.expire_time)
            out.print(say(f"Wrote {file}, good until {until}", f"已写入 {file}，有效至 {until}"))


@app.command("trust")
def trust(
    folder: _Folder,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Fetch what verifies QR codes offline: the presenting trust list and the status lists.

    Example: tongban license trust --folder offline
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.offline.GetPresentingTrust(
            pb.GetPresentingTrustRequest(), timeout=client.timeout
        )
        listed = client.statuses.ListStatusLists(
            pb.ListStatusListsRequest(), timeout=client.timeout
        )
        tokens = [
            client.statuses.GetStatusList(
                pb.GetStatusListRequest(name=one, format=pb.STATUS_LIST_FORMAT_CWT),
                timeout=client.timeout,
            ).token
            for one in listed.names[:_MOST_LISTS]
        ]
        written = OfflineFolder(folder).write(
            found.issuer,
            list(found.certificates),
            found.make_time.ToDatetime(UTC),
            Credentials.read(identity).authority,
            tokens,
        )
        if as_json:
            print_json([str(one) for one in written])
        else:
            for one in written:
                out.print(say(f"Wrote {one}", f"已写入 {one}"))


@app.command("verify-qr")
def verify_qr(
    code: Annotated[str, typer.Argument(help="The text that a scanner read, or a file with it.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    folder: _Folder,
    holder_code: Annotated[
        str,
        typer.Option(
            envvar="TONGBAN_HOLDER_CODE",
            help="Number on the card you saw; best by variable. Compared with the code's holder.",
        ),
    ] = "",
    card_not_seen: Annotated[
        bool,
        typer.Option("--card-not-seen", help="Nobody's card was compared; the answer says so."),
    ] = False,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify a QR code without a network. Exit code 1 FAILED, 6 INDETERMINATE.

    A code that names its verifier is for the department of --identity.

    Example: tongban license verify-qr code.txt --purpose 办理社会保险 --folder offline
    """
    with outcomes(as_json=as_json):
        code = text_of_code(code)
        if not holder_code and not card_not_seen:
            raise InvalidArgument(
                "compare the card of who shows the code: give its number by TONGBAN_HOLDER_CODE, "
                "or say --card-not-seen",
                reason="CARD_NOT_COMPARED",
                message_zh="请核对出示人的身份证件：用 TONGBAN_HOLDER_CODE 给出证件号码，"
                "或以 --card-not-seen 声明未核对",
            )
        check_card(holder_code)
        trusted, kept = OfflineFolder(folder).read()
        asked = Asked(
            verifier=_department(identity),
            purpose=purpose,
            now=datetime.now(UTC),
            holder_code=holder_code,
        )
        print_offline(assess_code(code, trusted, kept, asked), as_json)


def _department(identity: Path) -> str:
    """The department of an identity; "" without one: what names a verifier is not for us then."""
    if not (identity / "cert.pem").exists():
        return ""
    return Credentials.read(identity).department


def _agency(code: OfflineCode) -> list[tuple[str, str]]:
    """That an agent shows it, for what and until when."""
    if code.agency_until is None:
        return []
    until = f"{code.agency_until:%Y-%m-%d %H:%M}"
    told = f"an agent, under a delegation for {code.purpose} until {until}"
    return [
        (
            say("presented by", "出示人"),
            say(told, f"受托人（委托事由：{code.purpose}，至 {until}）"),
        )
    ]


def print_offline(found: OfflineOutcome, as_json: bool) -> None:
    """What a code came to; ends the command with the exit code of the answer."""
    code = found.code
    if as_json:
        print_json(
            {
                "indication": found.indication,
                "reason": found.reason.value if found.reason else "",
                "summary": found.summary,
                "summary_zh": found.summary_zh,
                "status_as_of": found.status_as_of.isoformat() if found.status_as_of else "",
                "issuer": code.issuer if code else "",
                "license_type": code.type_name if code else "",
                "purpose": code.purpose if code else "",
                "agency_until": (
                    code.agency_until.isoformat() if code and code.agency_until else ""
                ),
                "expire_time": code.expire_time.isoformat() if code else "",
                "fields": dict(code.fields) if code else {},
                "checks": [
                    {"name": one.name, "passed": one.passed, "detail": one.detail}
                    for one in found.checks
                ],
            }
        )
    else:
        print_answer(found.indication, say(found.summary, found.summary_zh))
        if code:
            print_table(
                code.type_name,
                (say("field", "字段"), say("value", "值")),
                [*sorted(code.fields.items()), *_agency(code)],
            )
    if found.indication == "FAILED":
        raise typer.Exit(Exit.NO)
    if found.indication == "INDETERMINATE":
        raise typer.Exit(Exit.UNKNOWN)
