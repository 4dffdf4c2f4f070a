"""`tongban seal list`, `show`, `history`, `uses`: seals and what befell them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from seal.v1 import seal_pb2 as pb
from tongban.client import Client, plain
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    last_day,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    until,
    when,
)
from tongban.files import write_file

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of the seal.")]

#: Days before its end from which a seal's state says so.
SOON = 60
STATES_ZH = {
    "REQUESTED": "待审批",
    "REJECTED": "未获批准",
    "ACTIVE": "有效",
    "FROZEN": "已冻结",
    "REVOKED": "已废止",
}
EVENTS_ZH = {
    "requested": "申请",
    "approved": "批准",
    "rejected": "驳回",
    "frozen": "冻结",
    "unfrozen": "解冻",
    "revoked": "废止",
    "replaced": "更换",
    "change_requested": "申请变更授权",
    "change_approved": "批准变更授权",
    "change_rejected": "驳回变更授权",
}


def state_of(seal: pb.Seal) -> str:
    """The state of a seal in the reader's language; of one in force, that it ended or ends soon."""
    english = pb.SealState.Name(seal.state).removeprefix("SEAL_STATE_")
    chinese = STATES_ZH.get(english, "")
    if seal.state in (pb.SEAL_STATE_ACTIVE, pb.SEAL_STATE_FROZEN):
        left = (seal.end_time.ToDatetime(UTC) - datetime.now(UTC)).days
        if left < 0:
            return say("ENDED", "已到期")
        if left <= SOON:
            return say(f"{english}, ends in {left} day(s)", f"{chinese}，{left} 天后到期")
    return say(english, chinese)


@app.command("list")
def list_seals(
    parent: Annotated[str, typer.Option(help="A department; departments/- is all.")] = (
        "departments/-"
    ),
    ends_within: Annotated[
        int, typer.Option(min=0, max=3650, help="Only those that end within so many days.")
    ] = 0,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List seals.

    Example: tongban seal list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.ListSealsRequest(parent=parent, ends_within_days=ends_within)
        found = list(client.every(client.seals.ListSeals, asked, "seals"))
        if as_json:
            print_json([plain(s) for s in found])
        else:
            print_table(
                say("Seals", "电子印章"),
                (say("name", "资源名"), say("display name", "名称"), say("identifier", "印章标识"),
                 say("until", "截止"), say("state", "状态")),
                [
                    (s.name, s.display_name, s.es_id, last_day(s.end_time), state_of(s))
                    for s in found
                ],
            )  # fmt: skip
            asked = pb.ListSealsRequest(parent=parent, page_size=1)
            for one in client.seals.ListSeals(asked, timeout=client.timeout).ending_certificates:
                out.print(_ending(one))


def _ending(one: pb.EndingCertificate) -> str:
    """What to do about a certificate above the seals that ends within a year."""
    day = last_day(one.end_time)
    if one.key == "maker":
        return say(
            f"The last day of the seal maker's certificate is {day}, and no new seal lasts longer: "
            "hold a ceremony (tongban seal ceremony --replace).",
            f"制章者证书有效期至 {day}，新制印章的有效期不能超过该日：请举行密钥仪式"
            "（tongban seal ceremony --replace）。",
        )
    return say(
        f"The last day of the root certificate {one.key} is {day}, and no new seal lasts longer. "
        "Nothing renews a root yet.",
        f"根证书 {one.key} 有效期至 {day}，新制印章的有效期不能超过该日。根证书目前不能续期。",
    )


@app.command()
def show(
    name: Name,
    image: Annotated[Path | None, typer.Option(help="Where its image is written, PNG.")] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Where it is written as a vector, if it was drawn.")
    ] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a seal: what it says, who may use it, and what waits for approval.

    Example: tongban seal show departments/human-resources/seals/official --image seal.png
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        seal = client.seals.GetSeal(pb.GetSealRequest(name=name), timeout=client.timeout).seal
        if image is not None:
            write_file(image, seal.image)
        if svg is not None:
            write_file(svg, _vector(seal).encode())
        if as_json:
            print_json(plain(seal))
        else:
            print_facts(seal, replaced_by(client, seal))


def _vector(seal: pb.Seal) -> str:
    """The image of a drawn seal, SVG. Raises FailedPrecondition (NO_VECTOR_IMAGE)."""
    from seal.image.drawing import as_svg  # with the font: slow to load
    from seal.registry import Shape

    shape = pb.SealShape.Name(seal.shape).removeprefix("SEAL_SHAPE_")
    return as_svg(
        Shape.UPLOADED if shape == "UNSPECIFIED" else Shape(shape),
        seal.display_name,
        bottom=seal.bottom_line,
        code=seal.seal_code,
        size=(seal.width_mm, seal.height_mm),
        png=seal.image,
    )


def replaced_by(client: Client, seal: pb.Seal) -> pb.Seal | None:
    """The seal whose place one that waits for approval is to take, if any."""
    if seal.state != pb.SEAL_STATE_REQUESTED or not seal.replaces:
        return None
    asked = pb.GetSealRequest(name=seal.replaces)
    found: pb.Seal = client.seals.GetSeal(asked, timeout=client.timeout).seal
    return found


def print_facts(seal: pb.Seal, old: pb.Seal | None = None) -> None:
    """All that there is to say of a seal, as a table; and how it differs from the `old` one."""
    print_table(seal.name, (say("what", "项目"), say("value", "内容")), _facts(seal))
    if old is None:
        return
    changed = _changed(seal, old)
    if changed:
        print_table(
            say(f"Differs from {old.name}, which it replaces", f"与被替换的 {old.name} 不同之处"),
            (say("what", "项目"), say("old", "原"), say("new", "新")),
            changed,
        )
    else:
        out.print(
            say(
                f"Like {old.name}, which it replaces, but for its keys and its times",
                f"除密钥与期限外，与被替换的 {old.name} 相同",
            )
        )


def _changed(seal: pb.Seal, old: pb.Seal) -> list[tuple[str, str, str]]:
    """What is another in the new seal: label, before, after."""
    nothing = say("none", "无")
    found = [
        (label, before or nothing, after or nothing)
        for (label, after), (_, before) in zip(_kind(seal), _kind(old), strict=True)
        if after != before
    ]
    both_uploaded = seal.shape == old.shape == pb.SEAL_SHAPE_UNSPECIFIED
    if both_uploaded and seal.image != old.image:
        found.append((say("picture", "图片"), say("another", "另一幅"), say("new", "新")))
    return found


def _kind(seal: pb.Seal) -> list[tuple[str, str]]:
    """What makes a seal the kind of seal that it is, in a fixed order."""
    shape = pb.SealShape.Name(seal.shape).removeprefix("SEAL_SHAPE_")
    return [
        (say("display name", "名称"), seal.display_name),
        (say("credit code", "统一社会信用代码"), seal.credit_code),
        (
            say("image", "印模"),
            f"{seal.width_mm:g} × {seal.height_mm:g} mm, "
            + (say("uploaded", "上传") if shape == "UNSPECIFIED" else shape),
        ),
        (say("bottom line", "下横文字"), seal.bottom_line),
        (say("seal code", "印章编码"), seal.seal_code),
        (say("version", "版本"), str(seal.version)),
        (say("lists its signer by", "签章者列表"), _list_of(seal)),
        (say("authorized", "授权"), _allowed(seal.authorization)),
    ]


def _facts(seal: pb.Seal) -> list[tuple[str, str]]:
    name, code, *rest, authorized = _kind(seal)
    facts = [
        name,
        code,
        (say("state", "状态"), state_of(seal)),
        (say("identifier", "印章标识"), seal.es_id),
        (say("asked for", "申请时间"), when(seal.create_time)),
        (say("from", "起始"), when(seal.start_time)),
        (say("until", "截止"), until(seal.end_time)),
        *rest,
    ]
    if seal.creator:
        facts.append((say("asked for by", "申请系统"), seal.creator))
    if seal.HasField("authorization"):
        facts.append(authorized)
    if seal.HasField("pending_authorization"):
        facts += [
            (say("change asked for", "待批变更"), _allowed(seal.pending_authorization)),
            (say("change asked for by", "变更申请系统"), seal.pending_creator),
        ]
    facts += [
        (label, text)
        for label, text in (
            (say("replaces", "替换"), seal.replaces),
            (say("replaced by", "被替换为"), seal.replaced_by),
            (say("revoked", "废止时间"), when(seal.revoke_time)),
        )
        if text
    ]
    return [*facts, ("etag", seal.etag)]


def _list_of(seal: pb.Seal) -> str:
    if seal.signer_list_type == pb.SIGNER_LIST_TYPE_DIGESTS:
        return say("digest", "杂凑值")
    return say("certificate", "证书")


def _allowed(found: pb.SealAuthorization) -> str:
    users = ", ".join(found.users) or say("its department", "本部门")
    named = ", ".join([*found.license_types, *found.document_kinds]) or say("anything", "不限")
    day = last_day(found.expire_time)
    return f"{users}: {named}" + (say(f", until {day}", f"，至 {day}") if day else "")


@app.command()
def history(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List what befell a seal, newest first (administrators, auditors, its own department).

    Example: tongban seal history departments/human-resources/seals/official
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.seals.ListSealEvents, pb.ListSealEventsRequest(parent=name), "events"
            )
        )
        if as_json:
            print_json([plain(one) for one in found])
        else:
            print_table(
                say("History", "经历"),
                (say("when", "时间"), say("what", "事项"), say("who", "操作系统"),
                 say("why", "事由")),
                [
                    (when(e.event_time), say(e.kind, EVENTS_ZH.get(e.kind, "")), e.actor, e.reason)
                    for e in found
                ],
            )  # fmt: skip


@app.command()
def uses(
    name: Name,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the uses of a seal, newest first, failed ones too (as `history`).

    Example: tongban seal uses departments/human-resources/seals/official
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(client.seals.ListSealings, pb.ListSealingsRequest(parent=name), "sealings")
        )
        if as_json:
            print_json([plain(one) for one in found])
        else:
            print_table(
                say("Uses", "用印记录"),
                (say("when", "时间"), say("state", "状态"), say("who", "操作系统"),
                 say("what", "文件"), say("kind", "类型"), say("why", "事由"), "SHA-256"),
                [
                    (when(s.seal_time),
                     pb.SealingState.Name(s.state).removeprefix("SEALING_STATE_")
                     + (f" {s.failure}" if s.failure else ""),
                     s.actor, pb.DocumentFormat.Name(s.format).removeprefix("DOCUMENT_FORMAT_"),
                     s.kind, s.reason, (s.sha256_after or s.sha256_before)[:16])
                    for s in found
                ],
            )  # fmt: skip
