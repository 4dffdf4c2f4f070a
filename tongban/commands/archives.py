"""`tongban archives`: archive licenses and cases, check them, destroy what has reached its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from exchange.audit.proved import LogProof
from licenses.v1 import archives_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import RequestId
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
    until,
    with_example,
)
from tongban.files import read_file, write_file
from tongban.log_files import quorum_of, read_saved
from tongban.log_question import Required, Witnesses

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Archive licenses and cases, check the archives, destroy by two systems or persons.",
        "tongban archives list departments/human-resources",
    ),
)
Name = Annotated[str, typer.Argument(help="archives/{archive}")]
#: As `licenses.archiving.package` reads: what is larger was not made by a node.
GREATEST_PACKAGE = 256 * 1024 * 1024
PROPERTIES_ZH = {
    "authentic": "真实性", "complete": "完整性", "usable": "可用性", "safe": "安全性",
}  # fmt: skip


class Kept(StrEnum):
    """How long."""

    permanent = "permanent"
    years_30 = "30"
    years_10 = "10"


_RETENTIONS = {
    Kept.permanent: pb.RETENTION_PERMANENT,
    Kept.years_30: pb.RETENTION_YEARS_30,
    Kept.years_10: pb.RETENTION_YEARS_10,
}
Keep = Annotated[Kept, typer.Option("--keep", help="For good, or so many years.")]


class File(StrEnum):
    """Which file."""

    package = "package"
    report = "report"
    certificate = "certificate"


@app.command()
def add(
    subject: Annotated[str, typer.Argument(help="A license, or collections/{collection}.")],
    keep: Keep = Kept.years_30,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Archive a license or a case of your department, under retention.

    Example: tongban archives add departments/human-resources/licenses/ab12 --keep permanent
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        if subject.startswith("collections/"):
            made = client.archives.ArchiveCase(
                pb.ArchiveCaseRequest(
                    collection=subject, retention=_RETENTIONS[keep], request_id=request_id
                ),
                timeout=client.timeout,
            ).archive
        else:
            made = client.archives.ArchiveLicense(
                pb.ArchiveLicenseRequest(
                    license=subject, retention=_RETENTIONS[keep], request_id=request_id
                ),
                timeout=client.timeout,
            ).archive
        _print(made, as_json)


@app.command("list")
def list_archives(
    parent: Annotated[str, typer.Argument(help="Your department; departments/- for auditors.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List archives.

    Example: tongban archives list departments/human-resources
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListArchivesRequest(parent=parent)
        found = list(client.every(client.archives.ListArchives, request, "archives"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Archives", "归档包"),
            (say("name", "名称"), say("of", "对象"), say("state", "状态"), say("kept", "保管"),
             say("checked", "检测")),
            [
                (one.name, one.subject, _state(one), _kept(one), _outcome(one))
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
    """Show an archive.

    Example: tongban archives show archives/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.archives.GetArchive(
            pb.GetArchiveRequest(name=name), timeout=client.timeout
        ).archive
        _print(found, as_json)


@app.command()
def strays(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List packages in the store that belong to no archive: a crash left them.

    Example: tongban archives strays
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.archives.ListStrays(pb.ListStraysRequest(), timeout=client.timeout).strays
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Belong to no archive", "不属于任何归档包"),
            (say("object", "对象"), say("begun for", "归档对象"), say("kept until", "留存至")),
            [(one.object_name, one.subject, kept_word(one.kept_until)) for one in found],
        )


def kept_word(kept_until: str) -> str:
    """Until when an object is kept, for people: a time, for good, or why that is not told."""
    words = {
        "FOR_GOOD": say("for good", "永久"),
        "OBJECT_NOT_LOCKED": say("not locked", "未锁定"),
        "OBJECT_NOT_FOUND": say("gone meanwhile", "对象已不在"),
        "RETENTION_UNREADABLE": say("its lock cannot be read", "锁定信息无法读取"),
    }
    return words.get(kept_until, kept_until)


@app.command()
def fetch(
    name: Name,
    to: Annotated[Path, typer.Option("--out", help="Where the file is written.")],
    reason: Annotated[str, typer.Option(help="What it is for.")],
    file: Annotated[File, typer.Option(help="Which file.")] = File.package,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Fetch an archive's package, check report or certificate of destruction.

    Beside a package its proof is written (package.zip.proof.json): `archives verify` asks for it.

    Example: tongban archives fetch archives/ab12 --out package.zip --reason 查档
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        number = pb.ArchiveFile.Value(f"ARCHIVE_FILE_{file.name.upper()}")
        found = client.archives.GetArchiveFile(
            pb.GetArchiveFileRequest(name=name, file=number, reason=reason),
            timeout=client.timeout,
        )
        write_file(to, found.data)
        beside = _proof_of(to) if found.proof else None
        if beside:
            write_file(beside, found.proof.encode())
        if as_json:
            told = {"file": str(to), "bytes": len(found.data), "media_type": found.media_type,
                    "proof": str(beside) if beside else None}  # fmt: skip
            print_json(told)
            return
        out.print(say(f"Written: {to}", f"已写入：{to}"), markup=False)
        if beside:
            out.print(say(f"Its proof: {beside}", f"其证明：{beside}"), markup=False)
        elif file is File.package:
            out.print(say("The log did not show its record in time: fetch it again for its proof.",
                          "日志未及时给出其归档记录：请重新取包以获得证明。"))  # fmt: skip


@app.command()
def check(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Run the four checks of one archive. Exit code 1 where something fails.

    Example: tongban archives check archives/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        checked = client.archives.CheckArchive(
            pb.CheckArchiveRequest(name=name), timeout=client.timeout
        ).archive
        if as_json:
            print_json(plain(checked))
        else:
            _print_findings(checked.name, checked.findings)
        if not all(one.passed for one in checked.findings):
            raise typer.Exit(Exit.NO)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A package, as `tongban archives fetch` wrote it.")],
    key: Annotated[
        Path, typer.Option("--key", help="File with the log's verifier key, had from elsewhere.")
    ],
    trust: Annotated[
        Path,
        typer.Option(help="Folder of `tongban seal trust`, had from elsewhere."),
    ],
    proof: Annotated[
        Path | None,
        typer.Option(help="Its proof; the file beside it (package.zip.proof.json) if not given."),
    ] = None,
    witness: Witnesses = None,
    require: Required = None,
    as_json: Json = False,
) -> None:
    """Judge a package without any node, by its proof that it is the one that was archived.

    Exit code 1 where something fails, 6 where there is no proof. With --witness the checkpoint that
    the proof leads to must be cosigned by them.

    Example: tongban archives verify package.zip --key log-key.txt --trust trust
    """
    with outcomes(as_json=as_json):
        from tongban.archive_packages import verify_package  # what judges seals, here only
        from tongban.trust_folder import TrustFolder

        beside = _proof_of(file)
        path = proof or (beside if beside.exists() else None)
        told = verify_package(
            read_file(file, greatest=GREATEST_PACKAGE),
            _read_proof(path) if path else None,
            read_file(key).decode(errors="replace").strip(),
            TrustFolder(trust).read(),
            datetime.now(UTC),
            quorum=quorum_of(witness, require),
        )
        if as_json:
            print_json(told)
        else:
            print_answer(told["indication"], say(told["summary"], told["summary_zh"]))
            _print_findings(
                f"{told['subject']}  SHA-256 {told['sha256']}",
                [pb.ArchiveFinding(**one) for one in told["findings"]],
            )
        if told["indication"] == "INDETERMINATE":
            raise typer.Exit(Exit.UNKNOWN)
        if not told["passed"]:
            raise typer.Exit(Exit.NO)


def _proof_of(package: Path) -> Path:
    """Where the proof of a package lies."""
    return package.with_name(f"{package.name}.proof.json")


def _read_proof(path: Path) -> LogProof:
    saved = read_saved(path)
    if not isinstance(saved, LogProof):
        raise InvalidArgument(
            f"{path} is no proof of `tongban archives fetch` or `tongban audit prove`",
            reason="BAD_RECEIPT",
            message_zh=f"{path} 不是 tongban archives fetch 或 tongban audit prove 的证明",
        )
    return saved


@app.command("ask-destruction")
def ask_destruction(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; nothing personal.")],
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask to destroy what has reached the end of its retention: first of two systems or persons.

    Example: tongban archives ask-destruction archives/ab12 --reason 保管期满，经鉴定无保存价值
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        asked = client.archives.AskDestruction(
            pb.AskDestructionRequest(name=name, reason=reason, request_id=request_id),
            timeout=client.timeout,
        ).archive
        _print(asked, as_json)


@app.command("approve-destruction")
def approve_destruction(
    name: Name,
    seal: Annotated[str, typer.Option(help="The certificate's seal; the only one if empty.")] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Destroy, as the second of two systems or persons; leaves a sealed certificate of destruction.

    Example: tongban archives approve-destruction archives/ab12
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        gone = client.archives.ApproveDestruction(
            pb.ApproveDestructionRequest(name=name, seal=seal, request_id=request_id),
            timeout=client.timeout,
        ).archive
        _print(gone, as_json)


@app.command("reject-destruction")
def reject_destruction(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; nothing personal.")],
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Turn a destruction down, as the second of two systems or persons.

    Example: tongban archives reject-destruction archives/ab12 --reason 仍有利用价值
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        kept = client.archives.RejectDestruction(
            pb.RejectDestructionRequest(name=name, reason=reason, request_id=request_id),
            timeout=client.timeout,
        ).archive
        _print(kept, as_json)


def _print_findings(title: str, findings: Iterable[pb.ArchiveFinding]) -> None:
    print_table(
        title,
        (say("property", "性质"), say("check", "检测项"), say("passed", "通过"),
         say("found", "情况")),
        [
            (
                say(one.property, PROPERTIES_ZH.get(one.property, one.property)),
                one.name,
                say("yes", "是") if one.passed else say("NO", "否"),
                say(one.detail, one.detail_zh),
            )
            for one in findings
        ],
    )  # fmt: skip


def _print(one: pb.Archive, as_json: bool) -> None:
    if as_json:
        print_json(plain(one))
        return
    print_table(
        one.name,
        (say("field", "字段"), say("value", "值")),
        [
            (say("of", "对象"), one.subject),
            (say("state", "状态"), _state(one)),
            ("SHA-256", one.sha256),
            (say("bytes", "字节"), one.size),
            (say("kept", "保管"), _kept(one)),
            (say("checked", "检测"), _outcome(one)),
            *(
                (say("failed", "未通过"), f"{found.name}: {say(found.detail, found.detail_zh)}")
                for found in one.findings
                if not found.passed
            ),
            (say("certificate of destruction", "销毁证明"), one.certificate_sha256),
        ],
    )


def _state(one: pb.Archive) -> str:
    return pb.ArchiveState.Name(one.state).removeprefix("ARCHIVE_STATE_")


def _kept(one: pb.Archive) -> str:
    end = until(one.retain_until) if one.HasField("retain_until") else say("for good", "永久")
    return f"{end} ({one.locked_by})"


def _outcome(one: pb.Archive) -> str:
    if not one.findings:
        return say("not yet", "尚未")
    good = all(finding.passed for finding in one.findings)
    return say("passed", "通过") if good else say("FAILED", "未通过")
