"""`tongban seal sign` and `batch`: seal a document, a digest, or a folder of documents."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import grpc
import typer
from rich.progress import Progress

from runtime.errors import DomainError, InvalidArgument
from seal.v1 import seal_pb2 as pb
from tongban.client import Client, new_request_id, repeatable
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    Exit,
    IdentityFolder,
    Json,
    NodeAddress,
    err,
    out,
    outcomes,
    print_json,
    print_table,
    say,
)
from tongban.files import check_apart, check_folder, check_target, write_file
from tongban.sealing import FolderSealing, Item, documents_in, seal_file
from tongban.verifying import digest_value

app = typer.Typer()


class Level(StrEnum):
    """How much proof of its time a document gets."""

    BASIC = "basic"
    TIMESTAMPED = "timestamped"
    LONG_TERM = "long-term"
    ARCHIVAL = "archival"


_LEVELS = {
    Level.BASIC: pb.PROOF_LEVEL_BASIC,
    Level.TIMESTAMPED: pb.PROOF_LEVEL_TIMESTAMPED,
    Level.LONG_TERM: pb.PROOF_LEVEL_LONG_TERM,
    Level.ARCHIVAL: pb.PROOF_LEVEL_ARCHIVAL,
}

Seal = Annotated[str, typer.Argument(help="Name of the seal.")]
Reason = Annotated[str, typer.Option(help="Why, for the record; nothing personal.")]
Page = Annotated[int, typer.Option(min=1, help="Page to stamp.")]
Left = Annotated[float, typer.Option("--x-mm", help="Left edge in mm.")]
Top = Annotated[float, typer.Option("--y-mm", help="Top edge in mm.")]
Size = Annotated[float, typer.Option("--size-mm", help="Width in mm; 0 is the seal's own.")]
Keywords = Annotated[
    list[str] | None,
    typer.Option("--keyword", help="Stamp each occurrence of this word; may be repeated."),
]
EveryPage = Annotated[bool, typer.Option("--every-page", help="Stamp every page at x, y.")]
Edges = Annotated[bool, typer.Option("--edges", help="Stamp across the page edges at y (骑缝章).")]
Close = Annotated[bool, typer.Option("--close", help="Allow no further seal.")]
Entries = Annotated[bool, typer.Option("--entries", help="Add GM/T 0099 OFDEntries (OFD only).")]
Proof = Annotated[Level, typer.Option("--level", help="Proof of time.")]
Kind = Annotated[
    str, typer.Option("--kind", help="What is sealed: licenseTypes/… or a word the seal names.")
]


def _placements(
    *,
    page: int,
    x_mm: float,
    y_mm: float,
    size_mm: float,
    keywords: list[str] | None,
    every_page: bool,
    edges: bool,
) -> list[pb.Placement]:
    """The places asked for; where none is, the one position."""
    found = [
        pb.Placement(keyword=pb.KeywordPlacement(text=one, size_mm=size_mm))
        for one in keywords or ()
    ]
    if every_page:
        place = pb.EveryPagePlacement(x_mm=x_mm, y_mm=y_mm, size_mm=size_mm)
        found.append(pb.Placement(every_page=place))
    if edges:
        found.append(pb.Placement(edges=pb.EdgePlacement(y_mm=y_mm, size_mm=size_mm)))
    if not found:
        at = pb.StampPosition(page=page, x_mm=x_mm, y_mm=y_mm, size_mm=size_mm)
        found.append(pb.Placement(position=at))
    return found


@app.command()
def sign(
    seal: Seal,
    to: Annotated[Path, typer.Option("--out", help="Where the sealed file is written.")],
    reason: Reason,
    document: Annotated[Path | None, typer.Argument(help="An OFD or PDF file.")] = None,
    digest: Annotated[
        str, typer.Option(help="Seal this SM3 digest (64 hex digits) in place of a file.")
    ] = "",
    about: Annotated[str, typer.Option(help="With --digest: what it is of, in ASCII.")] = "",
    page: Page = 1,
    x_mm: Left = 120.0,
    y_mm: Top = 200.0,
    size_mm: Size = 0.0,
    keyword: Keywords = None,
    every_page: EveryPage = False,
    edges: Edges = False,
    close: Close = False,
    entries: Entries = False,
    level: Proof = Level.BASIC,
    kind: Kind = "",
    request_id: Annotated[
        str, typer.Option(help="The same id with the same options fetches the same answer.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Seal an OFD or PDF file of up to 100 MiB, or a digest.

    Example: tongban seal sign departments/human-resources/seals/official notice.ofd
    --out notice-sealed.ofd --reason 公告用印 --keyword （盖章） --edges
    """
    with outcomes(as_json=as_json):
        if (document is None) != bool(digest):
            raise InvalidArgument(
                "give a file or --digest, one of them",
                reason="FILE_OR_DIGEST",
                message_zh="请提供文件或 --digest，二者取一",
            )
        if document is not None:
            check_apart(document, to)
        check_target(to)
        request = pb.SealDocumentRequest(
            seal=seal,
            reason=reason,
            kind=kind,
            level=_LEVELS[level],
            close=close,
            integrity_entries=entries,
            request_id=request_id or new_request_id(),
        )
        with Client(node, identity) as client, repeatable(request.request_id):
            if document is None:
                request.digest.value = digest_value(digest)
                request.digest.property_info = about or "digest"
                done = client.seals.SealDocument(request, timeout=client.timeout)
                write_file(to, done.document)
            else:
                request.placements.extend(
                    _placements(
                        page=page, x_mm=x_mm, y_mm=y_mm, size_mm=size_mm,
                        keywords=keyword, every_page=every_page, edges=edges,
                    )
                )  # fmt: skip
                done = seal_file(client, request, document, to)
        if as_json:
            print_json({"file": str(to), "sha256": done.sha256, "stamp_count": done.stamp_count})
        else:
            out.print(say(f"Sealed: {to}", f"已签章：{to}"))


@app.command()
def batch(
    seal: Seal,
    folder: Annotated[Path, typer.Argument(help="Folder of OFD and PDF files.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the sealed files.")],
    reason: Reason,
    page: Page = 1,
    x_mm: Left = 120.0,
    y_mm: Top = 200.0,
    size_mm: Size = 0.0,
    keyword: Keywords = None,
    every_page: EveryPage = False,
    edges: Edges = False,
    close: Close = False,
    level: Proof = Level.BASIC,
    kind: Kind = "",
    again: Annotated[
        str, typer.Option(help="A word that makes this another batch: all is sealed anew.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Seal every OFD and PDF file of a folder; one that cannot be sealed does not stop the rest.

    Asked the same again, it goes on where it broke off, and seals nothing twice. Exit code 3 where
    a file was not sealed. A refusal that holds for all, such as a frozen seal, ends it.

    Example: tongban seal batch departments/human-resources/seals/official letters --out sealed
    --reason 批量用印 --keyword （盖章）
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wish = pb.SealDocumentRequest(
            seal=seal,
            reason=reason,
            kind=kind,
            level=_LEVELS[level],
            close=close,
            placements=_placements(
                page=page, x_mm=x_mm, y_mm=y_mm, size_mm=size_mm,
                keywords=keyword, every_page=every_page, edges=edges,
            ),
        )  # fmt: skip
        items = documents_in(folder, to)
        check_folder(to)
        sealing = FolderSealing(client=client, wish=wish, items=items, again=again)
        with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
            bar = progress.add_task(say("Sealing", "签章中"), total=len(items))
            try:
                for _ in sealing.run():
                    progress.advance(bar)
            except (grpc.RpcError, DomainError):
                _tell_broken(items)
                raise
        _tell(items, ended_by=sealing.ended_by, as_json=as_json)
        if sealing.ended_by is not None and sealing.ended_by.reason == "STORAGE_FULL":
            raise typer.Exit(Exit.UNAVAILABLE)
        if not all(item.is_sealed for item in items):
            raise typer.Exit(Exit.REFUSED)


def _tell_broken(items: list[Item]) -> None:
    done = sum(item.is_sealed for item in items)
    err.print(
        say(
            f"Broke off: sealed {done} of {len(items)} documents; run the same command again: it "
            "goes on, and seals nothing twice",
            f"中断：已签章 {done} 份，共 {len(items)} 份；再次运行同一命令即可继续，不会重复盖章",
        ),
        markup=False,
    )


def _tell(items: list[Item], *, ended_by: Item | None, as_json: bool) -> None:
    if as_json:
        print_json([_plain(item) for item in items])
        return
    refused = [item for item in items if not item.is_sealed]
    if ended_by is not None:  # one answer for many files is told once
        alike = [item for item in refused if item.reason == ended_by.reason]
        refused = [item for item in refused if item.reason != ended_by.reason]
        told = say(ended_by.message, ended_by.message_zh)
        err.print(f"{ended_by.reason} {told}{_counted(alike)}", markup=False)
    if refused:
        print_table(
            say("Not sealed", "未签章"),
            (say("file", "文件"), say("reason", "原因"), say("what to do", "说明")),
            [(one.source, one.reason, say(one.message, one.message_zh)) for one in refused],
        )
    done = sum(item.is_sealed for item in items)
    out.print(
        say(f"Sealed {done} of {len(items)} documents", f"已签章 {done} 份，共 {len(items)} 份")
    )


def _counted(refused: list[Item]) -> str:
    """How many documents are not sealed; what lies there of an earlier run is counted apart."""
    earlier = sum(item.is_earlier for item in refused)
    count = len(refused) - earlier
    told = say(f": {count} documents are not sealed", f"：{count} 份未签章")
    if earlier:
        told += say(
            f"; {earlier} were not sent again, and their files of an earlier run are in --out",
            f"；另有 {earlier} 份本次未再发送，其先前的签章文件仍在 --out 中",
        )
    return told


def _plain(item: Item) -> dict[str, Any]:
    if item.is_sealed:
        return {
            "file": str(item.source),
            "sealed": str(item.target),
            "sha256": item.sha256,
            "stamp_count": item.stamp_count,
        }
    return {
        "file": str(item.source),
        **({"sealed_earlier": str(item.target)} if item.is_earlier else {}),
        "error": {
            "reason": item.reason,
            "message": item.message,
            "message_zh": item.message_zh,
        },
    }
