"""`tongban license`: present a license, and verify what is presented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from exchange.audit.told import GREATEST_ACCESSES
from licenses.identifiers import ROOT
from licenses.offline.model import PREFIX
from licenses.v1 import presentations_pb2 as presentations
from licenses.v1 import verifying_pb2 as verifying
from seal.v1 import seal_pb2
from tongban.client import Client, new_request_id, plain
from tongban.commands.license_shown import AsOf, HolderCode, Name, text_of_code, time_asked
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
from tongban.looking import looks_proof

app = typer.Typer()


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
    uses: Annotated[int, typer.Option(min=1, help="How often it may be verified.")] = 1,
    bound: Annotated[
        bool, typer.Option("--bound", help="The verifier has to say the same purpose.")
    ] = False,
    delegation: Annotated[
        str, typer.Option(help="Delegation of the holder; then the code is the agent's.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Present a license with chosen fields by a short-lived code (counters, applicants).

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
                purpose_bound=bound,
                delegation=delegation,
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
    code: Annotated[
        str, typer.Argument(help="The code as shown; or a QR code's text (TB1:…), or a file of it.")
    ],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    holder_code: Annotated[
        str,
        typer.Option(
            envvar="TONGBAN_HOLDER_CODE",
            help="Number on the card you saw; best by variable. Compared with who presented.",
        ),
    ] = "",
    as_of: AsOf = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify a presented code, by the live state. Exit code 1 FAILED, 6 INDETERMINATE.

    With --as-of by the license's state then; the code itself has to be good now.

    Example: tongban license verify 7ZK4-… --purpose 办理社会保险
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = verifying.VerifyLicenseRequest(purpose=purpose, holder_code=holder_code)
        then = time_asked(as_of)
        if then is not None:
            request.as_of.FromDatetime(then)
        text = text_of_code(code)
        # What is printed on a license is no code of its holder's: the answer says so.
        if text.startswith((PREFIX, f"{ROOT}.")):
            request.qr = text
        else:
            request.code = text
        answer = client.verifying.VerifyLicense(request, timeout=client.timeout)
        if as_json:
            print_json(plain(answer))
        else:
            verdict = answer.verdict
            indication = seal_pb2.Indication.Name(verdict.indication).removeprefix("INDICATION_")
            print_answer(indication, say(verdict.summary, verdict.summary_zh))
            if answer.fields:  # of what cannot be shown now there are none
                print_table(
                    f"{answer.license_type_display_name} {answer.license_identifier}".strip(),
                    (say("field", "字段"), say("value", "值")),
                    [*sorted(answer.fields.items()), *_shown(answer)],
                )
        if answer.verdict.indication == seal_pb2.INDICATION_FAILED:
            raise typer.Exit(Exit.NO)
        if answer.verdict.indication != seal_pb2.INDICATION_PASSED:
            raise typer.Exit(Exit.UNKNOWN)


def _shown(answer: verifying.VerifyLicenseResponse) -> list[tuple[str, str]]:
    """What the holder showed it for, and that an agent shows it."""
    told = [(say("shown for", "出示用途"), answer.shown_for)]
    if answer.HasField("agency"):
        until = when(answer.agency.expire_time)
        told.append(
            (
                say("presented by", "出示人"),
                say(f"an agent, under a delegation until {until}", f"受托人（委托至 {until}）"),
            )
        )
    return told


@app.command("end")
def end_presentation(
    name: Annotated[str, typer.Argument(help="presentations/…")],
    holder_code: HolderCode,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a presentation that is still open (counters, applicants).

    Example: tongban license end presentations/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        client.presentations.EndPresentation(
            presentations.EndPresentationRequest(presentation=name, holder_code=holder_code),
            timeout=client.timeout,
        )
        if as_json:
            print_json({"presentation": name, "open": False})
        else:
            out.print(say(f"Ended {name}", f"已结束 {name}"))


@app.command("presented")
def presented(
    holder_code: HolderCode,
    license_: Annotated[str, typer.Option("--license", help="Of this one only.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List a holder's open presentations (counters, applicants).

    Example: tongban license presented --all
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = presentations.ListPresentationsRequest(
            holder_code=holder_code, license=license_, all=every
        )
        found = list(client.every(client.presentations.ListPresentations, request, "presentations"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Presentations", "亮证记录"),
            (
                say("name", "资源名"), say("fields", "字段"), say("for", "用途"),
                say("verifier", "核验方"), say("until", "有效至"), say("uses", "次数"),
            ),
            [
                (
                    one.name, " ".join(one.fields), one.purpose,
                    one.audience or say("any", "不限"), when(one.expire_time),
                    f"{one.uses}/{one.max_uses}" if one.max_uses else say("offline", "离线"),
                )
                for one in found
            ],
        )  # fmt: skip


@app.command("looks")
def looks(
    holder_code: HolderCode,
    license_: Annotated[str, typer.Option("--license", help="At this one only.")] = "",
    proof: Annotated[
        Path | None,
        typer.Option(
            "--proof",
            help="Save their records with proofs there, for the holder: at most the newest "
            f"{GREATEST_ACCESSES}. `tongban audit verify` checks the file offline.",
        ),
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List who looked at a holder's licenses, for what; with receipts in JSON.

    A receipt alone is not verified: --proof writes what is. The file holds the holder's number.

    Example: tongban license looks --proof looks.proof.json
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = presentations.ListLooksRequest(holder_code=holder_code, license=license_)
        found = list(client.every(client.presentations.ListLooks, request, "looks"))
        if proof and (saved := looks_proof(client, holder_code, found)):
            write_file(proof, saved.encode())
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Looks", "查看记录"),
            (
                say("when", "时间"), say("who", "何人"), say("what", "行为"),
                say("fields", "字段"), say("for", "用途"), say("result", "结果"),
            ),
            [
                (
                    when(one.time), _looker(one), one.kind, " ".join(one.fields), one.purpose,
                    one.result,
                )
                for one in found
            ],
        )  # fmt: skip


def _looker(look: presentations.Look) -> str:
    """Who looked: the system, or whom nobody knows; and whose agent it was for."""
    if look.visitor:
        who = say("an unknown visitor of the pages", "门户访客（身份未知）")
    else:
        who = str(look.system)
    if not look.delegation:
        return who
    agent = look.agent_name or look.delegation
    return who + say(f" (agent: {agent})", f"（受托人：{agent}）")
