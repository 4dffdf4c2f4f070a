"""`tongban materials`: what nobody has to bring, and the case that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import grpc
import typer

from licenses.v1 import materials_pb2 as pb
from runtime.errors import NotFound
from runtime.status import from_rpc_error
from tongban import collecting, handling_files, materials_report
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands.license_shown import HolderCode, RequestId
from tongban.commands.materials_shown import (
    print_collection,
    print_collections,
    print_plan,
    sources_of,
)
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
    with_example,
)
from tongban.files import write_file
from tongban.typed_values import values_of

#: What an applicant may agree to have fetched.
_FETCHED = frozenset(
    (
        pb.MATERIAL_SOURCE_HELD_AS_LICENSE,
        pb.MATERIAL_SOURCE_OBTAINABLE_UNDER_GRANT,
        pb.MATERIAL_SOURCE_VERIFIABLE,
    )
)
app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Plan and collect materials of service items, and report what nobody has to bring.",
        "tongban materials report",
    ),
)
ServiceItem = Annotated[str, typer.Argument(help="Name of the service item.")]
Collection = Annotated[str, typer.Argument(help="collections/{collection}")]
OptionalHolder = Annotated[
    str,
    typer.Option(
        "--holder-code",
        envvar="TONGBAN_HOLDER_CODE",
        help="The identified applicant's code (counters); without it the general plan. "
        "Best by variable, so that no shell keeps it.",
    ),
]
EVERY = "departments/-"


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="TOML of how items are handled.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say how service items are handled: forms, proofs, rules. What is as it was stays.

    Example: tongban materials put handlings.toml
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        done = []
        for handling in handling_files.read_handlings(file):
            held = _held(client, handling.service_item)
            same = held is not None and _content(held) == _content(handling)
            if held is not None and same:
                done.append((held, "unchanged"))
                continue
            handling.etag = held.etag if held is not None else ""
            made = client.materials.PutHandling(
                pb.PutHandlingRequest(handling=handling, request_id=new_request_id()),
                timeout=client.timeout,
            ).handling
            done.append((made, "changed" if held is not None else "added"))
        if as_json:
            print_json(
                [
                    {"service_item": one.service_item, "version": one.version, "outcome": word}
                    for one, word in done
                ]
            )
        else:
            print_table(
                say("Handlings", "办理规则"),
                (say("service item", "事项"), say("version", "版本"), say("outcome", "结果")),
                [(one.service_item, one.version, word) for one, word in done],
            )


def _held(client: Client, service_item: str) -> pb.Handling | None:
    try:
        found: pb.Handling = client.materials.GetHandling(
            pb.GetHandlingRequest(service_item=service_item), timeout=client.timeout
        ).handling
        return found
    except grpc.RpcError as error:
        if isinstance(from_rpc_error(error), NotFound):
            return None
        raise


def _content(one: pb.Handling) -> bytes:
    """What a department says of it, without what the node adds."""
    content = pb.Handling(
        service_item=one.service_item,
        fields=one.fields,
        filled_materials=one.filled_materials,
        proofs=one.proofs,
        rule=one.rule,
    )
    for field in content.fields:
        field.length = field.length or 200
    return content.SerializeToString(deterministic=True)


@app.command()
def show(
    service_item: ServiceItem,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show how a service item is handled.

    Example: tongban materials show departments/human-resources/serviceItems/cg2017-27
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.materials.GetHandling(
            pb.GetHandlingRequest(service_item=service_item), timeout=client.timeout
        ).handling
        if as_json:
            print_json(plain(found))
            return
        print_table(
            say("Form", "表单"),
            (say("field", "字段"), say("name", "名称"), say("from", "来源")),
            [(one.code, one.display_name, sources_of(one)) for one in found.fields],
        )
        print_table(
            say("Rule of a decision at once", "秒批规则"),
            (say("field", "字段"), say("comparison", "比较"), say("values", "值"), "", ""),
            [
                (
                    one.field,
                    pb.Comparison.Name(one.comparison).removeprefix("COMPARISON_"),
                    ", ".join(one.values),
                    one.reason,
                    one.reason_zh,
                )
                for one in found.rule
            ],
        )


@app.command()
def items(
    parent: Annotated[str, typer.Option(help="Of this department; all if empty.")] = EVERY,
    at_once: Annotated[bool, typer.Option(help="Only those that are handled at once.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List service items, and which of them are handled at once (秒批).

    Example: tongban materials items --at-once
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListServiceItemsRequest(parent=parent, at_once_only=at_once)
        found = list(client.every(client.materials.ListServiceItems, request, "service_items"))
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Service items", "政务服务事项"),
            (
                say("name", "名称"),
                say("item", "事项"),
                say("at once", "秒批"),
                say("conditions", "条件"),
            ),
            [
                (
                    one.name,
                    one.display_name,
                    _at_once(one),
                    say("; ".join(one.conditions), "；".join(one.conditions_zh)),
                )
                for one in found
            ],
        )


def _at_once(one: pb.OfferedServiceItem) -> str:
    """Whether a rule decides it, or what is in the rule's way."""
    if not one.in_the_way:
        return say("yes", "是") if one.handled_at_once else ""
    named = "、".join(one.in_the_way)
    return say(f"no: {named} in the way", f"否：尚缺{named}")


@app.command()
def plan(
    service_item: ServiceItem,
    holder_code: OptionalHolder = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Say for each material where it comes from, and why.

    Example: tongban materials plan departments/human-resources/serviceItems/cg2017-27
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.materials.PlanMaterials(
            pb.PlanMaterialsRequest(service_item=service_item, holder_code=holder_code),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(found))
        else:
            print_plan(service_item, found)


@app.command()
def report(
    parent: Annotated[str, typer.Option(help="Of this department; all if empty.")] = EVERY,
    proofs: Annotated[bool, typer.Option(help="List the proofs, and what became of them.")] = False,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Report the materials asked before and after, of every service item.

    Example: tongban materials report --proofs
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        made = materials_report.make(client, parent)
        if as_json:
            print_json(made.as_json())
        elif proofs:
            made.print_proofs()
        else:
            made.print()


@app.command()
def begin(
    service_item: ServiceItem,
    holder_code: HolderCode,
    consent: Annotated[str, typer.Option(help="How the applicant was identified and agreed.")],
    agree: Annotated[
        list[str] | None, typer.Option(help="A material they agree to have fetched; several times.")
    ] = None,
    agree_to_all: Annotated[bool, typer.Option(help="They agree to all of them.")] = False,
    licenses: Annotated[
        list[str] | None,
        typer.Option(
            "--license",
            help="Of several that they hold, the one that stands in; once for each choice.",
        ),
    ] = None,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Record an applicant's consent and begin a collection (counters).

    Example: tongban materials begin departments/human-resources/serviceItems/cg2017-27
    --agree-to-all --consent 窗口核验身份证并当面同意
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity) as client,
    ):
        materials = list(agree or ())
        if agree_to_all:
            planned = client.materials.PlanMaterials(
                pb.PlanMaterialsRequest(service_item=service_item, holder_code=holder_code),
                timeout=client.timeout,
            ).materials
            materials = [one.display_name for one in planned if one.source in _FETCHED]
        begun = client.materials.BeginCollection(
            pb.BeginCollectionRequest(
                service_item=service_item,
                holder_code=holder_code,
                materials=materials,
                licenses=licenses or (),
                consent=consent,
                request_id=request_id,
            ),
            timeout=client.timeout,
        ).collection
        print_collection(begun, as_json)


@app.command()
def collect(
    collection: Collection,
    holder_code: HolderCode,
    entries: Annotated[
        Path | None, typer.Option(help="File with FIELD=VALUE in each line: what was entered.")
    ] = None,
    entry: Annotated[
        list[str] | None, typer.Option(help="FIELD whose value is typed in; several times.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="What the data is asked for.")] = collecting.PURPOSE,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Collect as the accepting department: ask the exchange, fill the form, attach, decide.

    Example: tongban materials collect collections/ab12 --entries entries.txt
    """
    request_id = request_id or new_request_id()
    with (
        outcomes(as_json=as_json),
        repeatable(request_id),
        Client(node, identity, sign=True) as client,
    ):
        done = collecting.collect(
            client,
            collection,
            holder_code,
            values_of(entries, entry, option="--entries"),
            purpose=purpose,
            request_id=request_id,
        )
        print_collection(done, as_json)


@app.command()
def collection(
    name: Collection,
    holder_code: OptionalHolder = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show a collection: to the accepting department, or by the applicant's code to a counter.

    Example: tongban materials collection collections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.materials.GetCollection(
            pb.GetCollectionRequest(name=name, holder_code=holder_code), timeout=client.timeout
        ).collection
        print_collection(found, as_json)


@app.command()
def collections(
    holder_code: HolderCode,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List an identified applicant's collections, newest first (counters).

    Example: tongban materials collections
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        request = pb.ListCollectionsRequest(holder_code=holder_code)
        found = list(client.every(client.materials.ListCollections, request, "collections"))
        print_collections(found, as_json)


@app.command()
def end(
    name: Collection,
    holder_code: HolderCode,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Withdraw an applicant's consent.

    Example: tongban materials end collections/ab12
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        ended = client.materials.EndCollection(
            pb.EndCollectionRequest(name=name, holder_code=holder_code), timeout=client.timeout
        ).collection
        print_collection(ended, as_json)


@app.command()
def copy(
    name: Collection,
    sha256: Annotated[str, typer.Argument(help="SHA-256 of the copy, hex.")],
    to: Annotated[Path, typer.Option("--out", help="Where the file is written.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Fetch an attached copy, as the accepting department.

    Example: tongban materials copy collections/ab12 0f3c… --out license.ofd
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.materials.GetCollectedDocument(
            pb.GetCollectedDocumentRequest(collection=name, sha256=sha256), timeout=client.timeout
        )
        write_file(to, found.document)
        told = {"file": str(to), "bytes": len(found.document), "media_type": found.media_type}
        if as_json:
            print_json(told)
        else:
            out.print(say(f"Written: {to}", f"已写入：{to}"))
