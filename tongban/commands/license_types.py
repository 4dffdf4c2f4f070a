"""`tongban license types` and `type`: what kinds of licenses there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from licenses.v1 import licenses_pb2 as pb
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import RequestId
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    out,
    outcomes,
    print_json,
    print_table,
    say,
    when,
    with_example,
)
from tongban.files import read_file, write_file

listing = typer.Typer()
app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Show license types, their versions, and put new ones.",
        "tongban license type show licenseTypes/employment-registration",
    ),
)

TypeName = Annotated[str, typer.Argument(help="licenseTypes/{license_type}")]
_TEXT_LIMIT = 1024 * 1024
_VALUES_SHOWN = 20


@listing.command()
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
def show(
    name: TypeName,
    version: Annotated[int, typer.Option(min=0, help="Which version; the newest if 0.")] = 0,
    toml: Annotated[Path | None, typer.Option(help="Where its TOML is written.")] = None,
    template: Annotated[Path | None, typer.Option(help="Where its template is written.")] = None,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a license type: its fields, who holds one, how long; write its texts to files.

    Example: tongban license type show licenseTypes/employment-registration --toml type.toml
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.licenses.GetLicenseType(
            pb.GetLicenseTypeRequest(name=name, version=version), timeout=client.timeout
        ).license_type
        for path, text in ((toml, found.toml), (template, found.template_toml)):
            if path is not None:
                write_file(path, text.encode())
        _print_type(found, as_json)


@app.command()
def versions(
    name: TypeName,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the versions of a license type, oldest first.

    Example: tongban license type versions licenseTypes/employment-registration
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(
                client.licenses.ListLicenseTypeVersions,
                pb.ListLicenseTypeVersionsRequest(name=name),
                "license_types",
            )
        )
        if as_json:
            print_json([plain(t) for t in found])
        else:
            print_table(
                name,
                (say("version", "版本"), say("put", "发布时间"), say("by", "发布系统")),
                [
                    (str(t.version), when(t.put_time), t.put_by or say("shipped", "随软件"))
                    for t in found
                ],
            )


@app.command()
def put(
    toml: Annotated[Path, typer.Argument(help="The type, as TOML.")],
    template: Annotated[Path, typer.Argument(help="Its template, as TOML.")],
    etag: Annotated[
        str, typer.Option(help="Of the newest version, as `show --json` tells it; empty if new.")
    ] = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Put a license type, or its next version; for the authority that its code names.

    Example: tongban license type put type.toml template.toml --etag 3f6a…
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        request = pb.PutLicenseTypeRequest(
            toml=read_file(toml, greatest=_TEXT_LIMIT).decode("utf-8", "replace"),
            template_toml=read_file(template, greatest=_TEXT_LIMIT).decode("utf-8", "replace"),
            etag=etag,
            request_id=request_id,
        )
        answer = client.licenses.PutLicenseType(request, timeout=client.timeout)
        if as_json:
            told = {
                "doubled": answer.doubled,
                "unknown": list(answer.unknown),
                "without_seal": list(answer.without_seal),
            }
            print_json({**plain(answer.license_type), **told})
            return
        _print_type(answer.license_type, as_json)
        _print_missing(answer)
        if answer.doubled:
            out.print(
                say(
                    f"{answer.doubled} values stand on several licenses in force: those stay, and "
                    "keep them in their next versions; no other license takes one",
                    f"有 {answer.doubled} 个值出现在多件有效证照上：这些证照照常有效，更正、"
                    "换发时可保留原值；其他证照不能再使用",
                )
            )


def _print_missing(answer: pb.PutLicenseTypeResponse) -> None:
    if answer.unknown:
        named = ", ".join(answer.unknown)
        out.print(
            say(
                f"put, but the catalog does not have {named}: correct the name, or put the entry",
                f"已发布，但目录中没有 {named}：请更正名称，或先在目录中登记",
            )
        )
    if answer.without_seal:
        named = ", ".join(answer.without_seal)
        out.print(
            say(
                f"put, but {named} cannot issue it yet: no seal in force of the kind that the type "
                "names (`seal`), or none at all where it names none",
                f"已发布，但 {named} 暂不能签发：没有该类型要求（seal）的有效印章；"
                "类型未指定印章的，则没有任何有效印章",
            )
        )


def _print_type(found: pb.LicenseType, as_json: bool) -> None:
    if as_json:
        print_json(plain(found))
        return
    title = f"{found.name} {found.display_name} {say('version', '版本')} {found.version}"
    print_table(
        title,
        (
            say("field", "字段"),
            say("name", "名称"),
            say("kind", "种类"),
            say("needed", "必填"),
            say("one of", "取值"),
        ),
        [
            (
                one.code,
                one.display_name,
                pb.FieldKind.Name(one.kind).removeprefix("FIELD_KIND_").lower(),
                say("yes", "是") if one.required else "",
                _listed(one),
            )
            for one in found.fields
        ],
    )
    named = sorted(
        {*(item.partition("/serviceItems/")[0] for item in found.issued_by), *found.issuers}
    )
    authority = say(
        f"the department of {found.code[:18]}", f"统一社会信用代码为 {found.code[:18]} 的部门"
    )
    out.print(f"{say('issued by', '签发部门')} {', '.join([*named, authority])}")
    if found.transferable:
        out.print(say("transferable to another holder", "可转移给其他持证主体"))
    alone = [say("holder", "持证主体")] * bool(found.only_one) + list(found.unique)
    if alone:
        out.print(f"{say('one in force for each', '同时只能有一件有效')}: {', '.join(alone)}")
    out.print(f"etag {found.etag}")


def _listed(field: pb.LicenseField) -> str:
    """The codes of a field's list."""
    shown = [
        one.code if one.code == one.name else f"{one.code} {one.name}"
        for one in field.values[:_VALUES_SHOWN]
    ]
    more = [f"… ({len(field.values)})"] if len(field.values) > _VALUES_SHOWN else []
    return say(", ", "、").join([*shown, *more])
