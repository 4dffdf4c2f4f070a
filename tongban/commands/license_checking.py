"""`tongban license`: check files, folders and fields, and make endorsed copies."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer

from licenses.v1 import copies_pb2, licenses_pb2
from licenses.v1 import verifying_pb2 as pb
from runtime.errors import DomainError
from runtime.status import from_rpc_error
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_checked import (
    files_of,
    is_looked_at,
    not_checked,
    not_looked_at,
    plainly,
    print_folder,
    print_one,
    sheet_of,
)
from tongban.commands.license_shown import AsOf, HolderCode, Name, RequestId, time_asked
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    print_table,
    say,
)
from tongban.files import read_file, write_file
from tongban.typed_values import values_of

app = typer.Typer()
_GREATEST = 16 * 1024 * 1024
_AT_ONCE = 4
_PATIENCE = 60


@app.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="A file (OFD, PDF, SD-JWT, copy), or a folder.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    as_of: AsOf = "",
    report: Annotated[Path | None, typer.Option(help="CSV of what came of each file.")] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Verify licenses by their files, by the live state. Exit code 1 where one FAILED.

    Example: tongban license check received/ --purpose 审核贷款申请 --report report.csv
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        files = list(files_of(path))
        then = time_asked(as_of)

        def one(file: Path) -> dict[str, Any]:
            request = pb.VerifyLicenseRequest(
                document=read_file(file, greatest=_GREATEST), purpose=purpose
            )
            if then is not None:
                request.as_of.FromDatetime(then)
            answer = _patiently(
                lambda: client.verifying.VerifyLicense(request, timeout=client.timeout)
            )
            return {"file": str(file), **plainly(answer, as_of=as_of)}

        def row(file: Path) -> dict[str, Any]:
            try:
                return one(file) if is_looked_at(file) else not_looked_at(file)
            except (DomainError, OSError) as error:
                return not_checked(file, error)

        if path.is_dir():
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                found = list(threads.map(row, files))
        else:
            found = [one(files[0])]
        if report is not None:
            write_file(report, sheet_of(found))
        if as_json:
            print_json(found if path.is_dir() else found[0])
        elif path.is_dir():
            print_folder(found)
        else:
            print_one(found[0])
        if any(one["indication"] == "FAILED" for one in found):
            raise typer.Exit(Exit.NO)
        if any(one["indication"] != "PASSED" for one in found):
            raise typer.Exit(Exit.UNKNOWN)


@app.command("match")
def match(
    identifier: Annotated[str, typer.Argument(help="Identifier of the license.")],
    purpose: Annotated[str, typer.Option(help="What you need it for.")],
    fields: Annotated[
        Path | None, typer.Option(help="File with KEY=value in each line, to compare.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY whose value is asked for, so that no shell keeps it; several times."
        ),
    ] = None,
    as_of: AsOf = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Compare an identifier and fields with what was issued. Exit code 1 where they differ.

    Example: tongban license match 1.2.156.3005.2.… --fields fields.txt --purpose 审核贷款申请
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.VerifyLicenseRequest(
            match=pb.FieldsToMatch(
                license_identifier=identifier, fields=values_of(fields, field, option="--fields")
            ),
            purpose=purpose,
        )
        then = time_asked(as_of)
        if then is not None:
            request.as_of.FromDatetime(then)
        answer = client.verifying.VerifyLicense(request, timeout=client.timeout)
        told = plainly(answer, as_of=as_of)
        if as_json:
            print_json(told)
        else:
            print_one(told)
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
    receiver_department: Annotated[
        str, typer.Option(help="departments/{department} of who gets it: good for no other then.")
    ] = "",
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
            copies_pb2.MakeEndorsedCopyRequest(
                license=name,
                holder_code=holder_code,
                format=form,
                purpose=purpose,
                receiver=receiver,
                valid_to=until,
                delegation=delegation,
                receiver_department=receiver_department,
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


@app.command("copies")
def copies(
    holder_code: HolderCode,
    name: Annotated[str, typer.Option("--license", help="Of this license; of all if empty.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the endorsed copies that were made of a holder's licenses (counters, applicants).

    Example: tongban license copies --identity admin
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = copies_pb2.ListEndorsedCopiesRequest(holder_code=holder_code, license=name)
        found = list(client.every(client.copies.ListEndorsedCopies, request, "copies"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Endorsed copies", "加注件"),
            (
                say("name", "资源名"), say("license", "证照"), say("for", "事由"),
                say("receiver", "接收方"), say("until", "有效至"), say("good", "有效"),
            ),
            [
                (
                    one.name, one.license_display_name, one.purpose, one.receiver, one.valid_to,
                    say("yes", "是") if one.open else say("no", "否"),
                )
                for one in found
            ],
        )  # fmt: skip


@app.command("withdraw")
def withdraw(
    name: Annotated[str, typer.Argument(help="copies/{copy}")],
    holder_code: HolderCode,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Withdraw an endorsed copy: from then on it verifies as withdrawn (counters, applicants).

    Example: tongban license withdraw copies/ab12 --identity admin
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        ended = client.copies.EndEndorsedCopy(
            copies_pb2.EndEndorsedCopyRequest(
                name=name, holder_code=holder_code, request_id=request_id
            ),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(ended.copy))
        else:
            out.print(say(f"Withdrew {ended.copy.name}", f"已作废 {ended.copy.name}"))


def _patiently(call: Callable[[], pb.VerifyLicenseResponse]) -> pb.VerifyLicenseResponse:
    """A folder has many files: where the node asks to wait, wait. Raises DomainError."""
    for turn in range(_PATIENCE):
        try:
            return call()
        except grpc.RpcError as error:
            told = from_rpc_error(error)
            if told.reason != "TOO_MANY_UNKNOWN_CODES" or turn == _PATIENCE - 1:
                raise told from None
            time.sleep(min(told.retry_after or 1.0, 5.0))
    raise AssertionError("unreachable")
