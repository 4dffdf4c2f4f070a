"""`tongban catalog`: find things by words, and begin with the libraries that are shipped."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.json_format import ParseDict

from exchange.catalog.libraries import Library, libraries
from exchange.v1 import catalog_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.client import Client, new_request_id, plain
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
)

app = typer.Typer()


class Kind(StrEnum):
    """What is looked for."""

    RESOURCE = "resource"
    SERVICE_ITEM = "service-item"
    DATA_ITEM = "data-item"


class Sharing(StrEnum):
    """How a resource is shared."""

    UNCONDITIONAL = "unconditional"
    CONDITIONAL = "conditional"
    NOT_SHARED = "not-shared"


CLASSES_ZH = {"base": "基础", "theme": "主题"}
KINDS_ZH = {"RESOURCE": "信息资源", "SERVICE_ITEM": "事项", "DATA_ITEM": "信息项"}


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="Words that must all be there.")] = "",
    department: Annotated[str, typer.Option(help="Of this department only.")] = "",
    base_library: Annotated[str, typer.Option(help="Of this base library only.")] = "",
    sharing: Annotated[Sharing | None, typer.Option(help="Shared so only.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Of this kind only.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Of stale resources only.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Find resources, service items and data items by words.

    Example: tongban catalog search 户籍地址 --kind data-item
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        asked = pb.SearchCatalogRequest(
            query=query,
            department=department,
            base_library=base_library,
            stale_only=stale,
            page_size=limit,
        )
        if sharing:
            asked.sharing_type = pb.SharingType.Value(f"SHARING_TYPE_{sharing.name}")
        if kind:
            asked.kind = pb.CatalogKind.Value(f"CATALOG_KIND_{kind.name}")
        found = client.catalog.SearchCatalog(asked, timeout=client.timeout)
        if as_json:
            print_json([plain(one) for one in found.results])
            return
        print_table(
            say("Found", "查找结果"),
            (say("kind", "类别"), say("name", "资源名"), say("item", "信息项"),
             say("display name", "名称")),
            [(_kind(one), one.name, one.item, one.display_name) for one in found.results],
        )  # fmt: skip
        if found.next_page_token:
            out.print(
                say(
                    "There is more: narrow it, or raise --limit.",
                    "还有更多：请缩小范围或加大 --limit。",
                )
            )


def _kind(found: pb.SearchResult) -> str:
    word = pb.CatalogKind.Name(found.kind).removeprefix("CATALOG_KIND_")
    return say(word.lower().replace("_", " "), KINDS_ZH[word])


@app.command("libraries")
def show_libraries(
    install: Annotated[str, typer.Option(help="Put this library into the catalog.")] = "",
    department: Annotated[str, typer.Option(help="Of which department it shall be.")] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the base and theme libraries that are shipped, or install one for a department.

    They are ours and no standard's wording: change what you install like any other entry.

    Example: tongban catalog libraries --install population --department departments/police
    """
    with outcomes(as_json=as_json):
        if install:
            _install(_library(install), department, node, identity, as_json)
            return
        shipped = libraries().values()
        if as_json:
            print_json(
                [
                    {"library": one.word, "display_name": one.display_name, "kind": one.kind,
                     "note": one.note, "resources": one.resources}
                    for one in shipped
                ]
            )  # fmt: skip
            return
        print_table(
            say("Libraries", "基础库与主题库"),
            (say("library", "标识"), say("display name", "名称"), say("kind", "类别"),
             say("resources", "信息资源")),
            [
                (one.word, one.display_name, say(one.kind, CLASSES_ZH[one.kind]),
                 " ".join(body["display_name"] for body in one.resources))
                for one in shipped
            ],
        )  # fmt: skip


def _library(word: str) -> Library:
    if word not in libraries():
        listed = ", ".join(libraries())
        raise InvalidArgument(
            f"no library has this name: take one of {listed}",
            reason="LIBRARY_UNKNOWN",
            message_zh=f"没有该库：可选 {listed}",
        )
    return libraries()[word]


def _install(
    library: Library, department: str, node: str, identity: IdentityFolder, as_json: bool
) -> None:
    if not department:
        raise InvalidArgument(
            "say of which department the library shall be: --department departments/…",
            reason="DEPARTMENT_REQUIRED",
            message_zh="请用 --department departments/… 指明该库属于哪个部门",
        )
    changes = [
        pb.DirectoryChange(put_resource=ParseDict(body, pb.DataResource()))
        for body in library.bodies(department)
    ]
    with Client(node, identity) as client:
        told = client.catalog.ApplyDirectory(
            pb.ApplyDirectoryRequest(
                changes=changes, source=f"library {library.word}", request_id=new_request_id()
            ),
            timeout=client.timeout,
        )
    if as_json:
        print_json(plain(told))
        return
    out.print(
        say(
            f"{library.display_name}: {told.added} added, {told.changed} changed, "
            f"{told.unchanged} the same",
            f"{library.display_name}：新增 {told.added}，变更 {told.changed}，"
            f"未变 {told.unchanged}",
        )
    )
