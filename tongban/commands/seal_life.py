"""`tongban seal request`, `approve`, `freeze` and so on: the life of a seal (administrators)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.errors import InvalidArgument
from seal.v1 import seal_pb2 as pb
from tongban.client import Client, new_request_id, plain
from tongban.commands.grant_terms import end_of
from tongban.commands.seal_show import print_facts, replaced_by, state_of
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
)
from tongban.files import read_file, write_file

app = typer.Typer()

GREATEST_IMAGE = 1024 * 1024


class Shape(StrEnum):
    """Outlines that are drawn."""

    CIRCULAR = "circular"
    OVAL = "oval"
    SQUARE = "square"


SHAPES = {
    Shape.CIRCULAR: pb.SEAL_SHAPE_CIRCULAR,
    Shape.OVAL: pb.SEAL_SHAPE_OVAL,
    Shape.SQUARE: pb.SEAL_SHAPE_SQUARE,
}

_LISTS = {
    None: pb.SIGNER_LIST_TYPE_UNSPECIFIED,
    False: pb.SIGNER_LIST_TYPE_CERTIFICATES,
    True: pb.SIGNER_LIST_TYPE_DIGESTS,
}

Name = Annotated[str, typer.Argument(help="Name of the seal.")]
SealId = Annotated[str, typer.Argument(help="Last part of the new seal's name.")]
Reason = Annotated[str, typer.Option(help="Why, for the record; nothing personal.")]
ShapeOption = Annotated[
    Shape | None, typer.Option(help="Outline of the drawn image; else circular.")
]
BottomLine = Annotated[str, typer.Option(help="An optional line under the star.")]
Code = Annotated[str, typer.Option("--code", help="An optional code under that line.")]
ImageFile = Annotated[
    Path | None, typer.Option(help="A PNG in place of a drawn image; takes --width and --height.")
]
Width = Annotated[float, typer.Option("--width", help="Width in mm; 0 is the official one.")]
Height = Annotated[float, typer.Option("--height", help="Height in mm, likewise.")]
Version = Annotated[
    int, typer.Option(help="4 (GB/T 38540-2020; the default) or 5 (GM/T 0031-2025).")
]
Digests = Annotated[
    bool | None,
    typer.Option("--digests/--certificates", help="List the signer by digest; else whole."),
]
Until = Annotated[str, typer.Option(help="Until YYYY-MM-DD, or days such as 90d; else 3 years.")]
Users = Annotated[
    list[str] | None, typer.Option("--user", help="A system that may use it; else all its own.")
]
LicenseTypes = Annotated[
    list[str] | None, typer.Option("--license-type", help="licenseTypes/… that it may seal.")
]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="A kind of other documents that it may seal.")
]
UseUntil = Annotated[
    str, typer.Option("--use-until", help="Until when it may be used, YYYY-MM-DD or 90d.")
]
Preview = Annotated[Path | None, typer.Option(help="Where the image is written, as a PNG.")]


@app.command()
def request(
    parent: Annotated[str, typer.Argument(help="The department whose seal it is.")],
    seal_id: SealId,
    display_name: Annotated[str, typer.Option("--name", help="The agency's full name.")],
    credit_code: Annotated[str, typer.Option(help="The agency's credit code.")],
    shape: ShapeOption = None,
    bottom_line: BottomLine = "",
    code: Code = "",
    image: ImageFile = None,
    width: Width = 0.0,
    height: Height = 0.0,
    version: Version = 0,
    digests: Digests = None,
    until: Until = "",
    user: Users = None,
    license_type: LicenseTypes = None,
    kind: Kinds = None,
    use_until: UseUntil = "",
    preview: Preview = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask for a seal; another administrator approves (administrators).

    Example: tongban seal request departments/human-resources official
    --name 示范县人力资源和社会保障局 --credit-code 11990101000000035K --preview seal.png
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wish = _wish(
            shape, bottom_line, code, image, width, height, version, digests, until
        )  # fmt: skip
        wish.authorization.CopyFrom(_authorization(user, license_type, kind, use_until))
        wish.parent, wish.seal_id = parent, seal_id
        wish.display_name, wish.credit_code = display_name, credit_code
        _ask(client, wish, preview, as_json)


@app.command()
def replace(
    old: Annotated[str, typer.Argument(help="Name of the seal that is replaced.")],
    seal_id: SealId,
    display_name: Annotated[str, typer.Option("--name", help="Else as the old one's.")] = "",
    credit_code: Annotated[str, typer.Option(help="Else as the old one's.")] = "",
    shape: ShapeOption = None,
    bottom_line: BottomLine = "",
    code: Code = "",
    image: ImageFile = None,
    width: Width = 0.0,
    height: Height = 0.0,
    version: Version = 0,
    digests: Digests = None,
    until: Until = "",
    preview: Preview = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask for a seal in the place of another, with its authorization (administrators).

    What is not said is as the old one's: name, code, image, size, version, list of signers. With
    --shape or --image the image is a new one, with the lines and the size that are said. The old
    one is revoked when another administrator approves the new one.

    Example: tongban seal replace departments/human-resources/seals/official official-2
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        wish = _wish(
            shape, bottom_line, code, image, width, height, version, digests, until
        )  # fmt: skip
        wish.parent, wish.seal_id, wish.replaces = old.partition("/seals/")[0], seal_id, old
        wish.display_name, wish.credit_code = display_name, credit_code
        _ask(client, wish, preview, as_json)


@app.command()
def approve(
    name: Name,
    etag: Annotated[str, typer.Option(help="Of the seal as `seal show` showed it.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Approve the seal, or the change, that another administrator asked for (administrators).

    Look first with `tongban seal show`; with its --etag nothing else is approved. What is approved
    is printed.

    Example: tongban seal approve departments/human-resources/seals/official --etag 1
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        # Read first, and approved at the state it was read in: what is printed is what is approved.
        asked = client.seals.GetSeal(pb.GetSealRequest(name=name), timeout=client.timeout).seal
        replaced = replaced_by(client, asked)
        decision = pb.ApproveSealRequest(
            name=name, etag=etag or asked.etag, request_id=new_request_id()
        )
        found = client.seals.ApproveSeal(decision, timeout=client.timeout).seal
        if not as_json:
            print_facts(asked, replaced)
        _tell(found, say("Approved", "已批准"), as_json)


@app.command()
def reject(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Turn down a seal, or a change, that was asked for (administrators).

    Example: tongban seal reject departments/human-resources/seals/official --reason 名称有误
    """
    _step("Reject", name, reason, say("Turned down", "已驳回"), node, identity, as_json)


@app.command()
def freeze(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Freeze a seal: nothing is sealed with it until it is thawed (administrators).

    Example: tongban seal freeze departments/human-resources/seals/official --reason 年度核查
    """
    _step("Freeze", name, reason, say("Frozen", "已冻结"), node, identity, as_json)


@app.command()
def unfreeze(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Thaw a frozen seal (administrators).

    Example: tongban seal unfreeze departments/human-resources/seals/official --reason 核查完毕
    """
    _step("Unfreeze", name, reason, say("Thawed", "已解冻"), node, identity, as_json)


@app.command()
def revoke(
    name: Name,
    reason: Reason,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """End a seal for good; what it sealed before stays good (administrators).

    Example: tongban seal revoke departments/human-resources/seals/official --reason 机构撤并
    """
    _step("Revoke", name, reason, say("Revoked", "已废止"), node, identity, as_json)


@app.command()
def authorize(
    name: Name,
    user: Users = None,
    license_type: LicenseTypes = None,
    kind: Kinds = None,
    use_until: UseUntil = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask that a seal be used by these, for these, until then; another approves (administrators).

    What is said takes the place of the whole authorization: nothing said means its department, for
    anything.

    Example: tongban seal authorize departments/human-resources/seals/official
    --license-type licenseTypes/employment-registration --kind official-letter
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        change = pb.UpdateSealAuthorizationRequest(
            name=name,
            authorization=_authorization(user, license_type, kind, use_until),
            request_id=new_request_id(),
        )
        found = client.seals.UpdateSealAuthorization(change, timeout=client.timeout).seal
        _tell(found, say("Asked for a change of", "已申请变更"), as_json)


def _step(
    act: str, name: str, reason: str, done: str, node: str, identity: Path, as_json: bool
) -> None:
    with outcomes(as_json=as_json), Client(node, identity) as client:
        message: Any = getattr(pb, f"{act}SealRequest")(
            name=name, reason=reason, request_id=new_request_id()
        )
        found = getattr(client.seals, f"{act}Seal")(message, timeout=client.timeout).seal
        _tell(found, done, as_json)


def _tell(seal: pb.Seal, done: str, as_json: bool) -> None:
    if as_json:
        print_json(plain(seal))
    else:
        out.print(f"{done} {seal.name}: {state_of(seal)}")


def _ask(client: Client, wish: pb.CreateSealRequest, preview: Path | None, as_json: bool) -> None:
    wish.request_id = new_request_id()
    found = client.seals.CreateSeal(wish, timeout=client.timeout).seal
    if preview is not None:
        write_file(preview, found.image)
    _tell(found, say("Asked for", "已申请"), as_json)


def _wish(
    shape: Shape | None,
    bottom_line: str,
    code: str,
    image: Path | None,
    width: float,
    height: float,
    version: int,
    digests: bool | None,
    until: str,
) -> pb.CreateSealRequest:
    found = pb.CreateSealRequest(
        shape=pb.SEAL_SHAPE_UNSPECIFIED if shape is None else SHAPES[shape],
        bottom_line=bottom_line,
        seal_code=code,
        image=b"" if image is None else _picture(image),
        width_mm=width,
        height_mm=height,
        version=version,
        signer_list_type=_LISTS[digests],
    )
    if until:
        found.end_time.FromDatetime(end_of(until))
    return found


def _picture(path: Path) -> bytes:
    """The picture in a file: an empty one would be taken for none, and a seal drawn instead."""
    data = read_file(path, greatest=GREATEST_IMAGE)
    if not data:
        raise InvalidArgument(
            f"--image {path} is empty: export the picture again",
            reason="SEAL_IMAGE_DAMAGED",
            message_zh=f"--image {path} 是空文件：请重新导出图片",
        )
    return data


def _authorization(
    users: list[str] | None,
    license_types: list[str] | None,
    kinds: list[str] | None,
    until: str,
) -> pb.SealAuthorization:
    found = pb.SealAuthorization(
        users=users or [], license_types=license_types or [], document_kinds=kinds or []
    )
    if until:
        found.expire_time.FromDatetime(end_of(until))
    return found
