"""`tongban license`: check files, folders and fields, and make endorsed copies."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from licenses.v1 import licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from runtime.errors import InvalidArgument
from seal.v1 import seal_pb2
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import HolderCode, Name, RequestId
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
)
from tongban.files import read_file, write_file

app = typer.Typer()
_GREATEST = 16 * 1024 * 1024
_AT_ONCE = 4
_SUFFIXES = {".ofd", ".pdf", ".jwt"}
_AsOf = Annotated[
    str, typer.Option(help="Whether it was in force then: 2026-11-21T12:00:00+08:00; now if empty.")
]


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="A file (OFD, PDF, SD-JWT, copy), or a folder.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    as_of: _AsOf = "",
    report: Annotated[Path | None, typer.Option(help="CSV of what came of each file.")] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify licenses by their files, by the live state. Exit code 1 where one FAILED.

    Example: tongban license check received/ --purpose 审核贷款申请 --report report.csv
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        files = list(_files(path))
        then = _time(as_of)

        def one(file: Path) -> dict[str, Any]:
            request = pb.VerifyLicenseRequest(
                document=read_file(file, greatest=_GREATEST), purpose=purpose
            )
            if then is not None:
                request.as_of.FromDatetime(then)
            answer = client.verifying.VerifyLicense(request, timeout=client.timeout)
            return {"file": str(file), **_plainly(answer)}

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = list(threads.map(one, files))
        if report is not None:
            write_file(report, _sheet(found))
        if as_json:
            print_json(found if path.is_dir() else found[0])
        elif path.is_dir():
            print_table(
                say("Licenses", "证照"),
                (
                    say("file", "文件"), say("answer", "结果"), say("reason", "原因"),
                    say("identifier", "证照标识"),
                ),
                [
                    (one["file"], one["indication"], one["reason"], one["license_identifier"])
                    for one in found
                ],
            )  # fmt: skip
        else:
            _print(found[0])
        if any(one["indication"] != "PASSED" for one in found):
            raise typer.Exit(Exit.NO)


@app.command("match")
def match(
    identifier: Annotated[str, typer.Argument(help="Identifier of the license.")],
    field: Annotated[list[str], typer.Option(help="KEY=value to compare; several times.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    as_of: _AsOf = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Compare an identifier and fields with what was issued. Exit code 1 where they differ.

    Example: tongban license match 1.2.156.3005.2.… --field CZZT=张英龙 --purpose 审核贷款申请
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.VerifyLicenseRequest(
            match=pb.FieldsToMatch(license_identifier=identifier, fields=dict(map(_pair, field))),
            purpose=purpose,
        )
        then = _time(as_of)
        if then is not None:
            request.as_of.FromDatetime(then)
        told = _plainly(client.verifying.VerifyLicense(request, timeout=client.timeout))
        if as_json:
            print_json(told)
        else:
            _print(told)
        if told["indication"] != "PASSED":
            raise typer.Exit(Exit.NO)


@app.command("copy")
def copy(
    name: Name,
    holder_code: HolderCode,
    purpose: Annotated[str, typer.Option(help="The only purpose it is for.")],
    receiver: Annotated[str, typer.Option(help="Who gets it.")],
    until: Annotated[str, typer.Option(help="Its last day, YYYY-MM-DD.")],
    file: Annotated[Path, typer.Option("--out", help="File to write: .ofd or .pdf.")],
    delegation: Annotated[
        str, typer.Option(help="Delegation of the holder; then the code is the agent's.")
    ] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Make an endorsed copy: re-sealed, for one purpose and receiver, until a day.

    Example: tongban license copy departments/human-resources/licenses/ab12
    --purpose 申请贷款 --receiver 示范银行 --until 2026-12-31 --out copy.pdf
    """
    request_id = request_id or new_request_id()
    form = licenses_pb2.LICENSE_FORMAT_OFD
    if file.suffix == ".pdf":
        form = licenses_pb2.LICENSE_FORMAT_PDF
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        made = client.copies.MakeEndorsedCopy(
            pb.MakeEndorsedCopyRequest(
                license=name,
                holder_code=holder_code,
                format=form,
                purpose=purpose,
                receiver=receiver,
                valid_to=until,
                delegation=delegation,
                request_id=request_id,
            ),
            timeout=client.timeout,
        )
        write_file(file, made.document)
        if as_json:
            made.ClearField("document")
            print_json(plain(made))
        else:
            out.print(say(f"Wrote {file}", f"已写入 {file}"))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES)
    if not found:
        raise InvalidArgument(
            f"{path} holds no .ofd, .pdf or .jwt files",
            reason="NO_FILES",
            message_zh=f"{path} 中没有 .ofd、.pdf 或 .jwt 文件",
        )
    yield from found


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidArgument(
            "--as-of is a time with its zone, such as 2026-11-21T12:00:00+08:00",
            reason="BAD_TIME",
            message_zh="--as-of 应为带时区的时间，如 2026-11-21T12:00:00+08:00",
        )
    return found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InvalidArgument(
            "a field is KEY=value", reason="BAD_MATCH", message_zh="字段应为 代码=值"
        )
    return key, value


def _plainly(answer: pb.VerifyLicenseResponse) -> dict[str, Any]:
    verdict, endorsement = answer.verdict, answer.endorsement
    told: dict[str, Any] = {
        "indication": seal_pb2.Indication.Name(verdict.indication).removeprefix("INDICATION_"),
        "reason": verdict.sub_indication,
        "summary": verdict.summary,
        "summary_zh": verdict.summary_zh,
        "license_identifier": answer.license_identifier,
        "license_type": answer.license_type_display_name,
        "state": _state(answer.state),
        "state_then": _state(answer.state_then),
        "checks": [{"name": one.name, "detail": one.detail} for one in verdict.checks],
        "receipt": plain(answer.receipt),
    }
    if answer.HasField("endorsement"):
        told["endorsement"] = plain(endorsement)
    return told


def _state(state: licenses_pb2.LicenseState.ValueType) -> str:
    name = licenses_pb2.LicenseState.Name(state).removeprefix("LICENSE_STATE_")
    return "" if name == "UNSPECIFIED" else name


def _print(told: dict[str, Any]) -> None:
    print_answer(told["indication"], say(told["summary"], told["summary_zh"]))
    if told["license_identifier"]:
        rows = [
            (say("identifier", "证照标识"), told["license_identifier"]),
            (say("state", "状态"), told["state"]),
        ]
        if told["state_then"]:
            rows.append((say("state then", "当时状态"), told["state_then"]))
        for key, value in told.get("endorsement", {}).items():
            rows.append((key, value))
        print_table(told["license_type"], (say("field", "字段"), say("value", "值")), rows)


def _sheet(found: list[dict[str, Any]]) -> bytes:
    """What came of each file, as CSV that a spreadsheet opens."""
    text = io.StringIO()
    columns = ("file", "indication", "reason", "license_identifier", "license_type", "state")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode("utf-8-sig")
