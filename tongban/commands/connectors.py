"""`tongban connectors`: resources that their department answers from its own system (服务接口)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from exchange.v1 import connecting_pb2 as pb
from runtime.errors import InvalidArgument, NotFound
from runtime.status import from_rpc_error
from tongban.client import Client, new_request_id, plain, repeatable
from tongban.commands import connectors_hosts
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
    with_example,
)
from tongban.files import read_file

app = typer.Typer(
    no_args_is_help=True,
    help=with_example(
        "Endpoints: resources that their department answers from its own system.",
        "tongban connectors list",
    ),
)
app.add_typer(connectors_hosts.app)

KINDS = {
    "grpc": pb.ENDPOINT_KIND_GRPC,
    "http": pb.ENDPOINT_KIND_HTTP_JSON,
    "platform": pb.ENDPOINT_KIND_PLATFORM,
}
KIND_WORDS = {number: word for word, number in KINDS.items()}
PREFIXES = {
    "gjgxjhpt": pb.PLATFORM_PREFIX_GJGXJHPT,
    "gjzwfwpt": pb.PLATFORM_PREFIX_GJZWFWPT,
}
BREAKERS = {
    pb.BREAKER_STATE_CLOSED: ("called", "正常"),
    pb.BREAKER_STATE_OPEN: ("not called", "已熔断"),
    pb.BREAKER_STATE_HALF_OPEN: ("tried", "试探中"),
}
OUTCOMES = {
    pb.TEST_OUTCOME_ANSWERED: ("it answered", "应答正常"),
    pb.TEST_OUTCOME_UNREACHABLE: (
        "no connection: check the address, --authority, and that it trusts this node's ca.pem",
        "无法连接：请检查地址、--authority，以及对方是否信任本节点的 ca.pem",
    ),
    pb.TEST_OUTCOME_TIMED_OUT: ("no whole answer in time", "未在时限内完整应答"),
    pb.TEST_OUTCOME_REFUSED: ("it refused", "对方拒绝"),
    pb.TEST_OUTCOME_MALFORMED: (
        "its answer is not of the form that it must have",
        "应答格式不符合要求",
    ),
    pb.TEST_OUTCOME_TOO_LARGE: ("its answer is larger than 1 MiB", "应答超过 1 MiB"),
    pb.TEST_OUTCOME_INVALID_RECORD: (
        "its record does not fit the resource",
        "返回的记录与目录不符",
    ),
    pb.TEST_OUTCOME_NOT_APPROVED: ("its host is not approved", "主机未经批准"),
    pb.TEST_OUTCOME_NOT_CALLED: (
        "it is not called now: it failed too often, or is busy",
        "暂不调用：失败过多或正忙",
    ),
}
GREATEST_PEM = 16_384
GREATEST_SECRET = 4_096

Resource = Annotated[str, typer.Argument(help="departments/…/resources/…")]
Etag = Annotated[str, typer.Option(help="Refuse where it changed since it had this.")]
RequestId = Annotated[str, typer.Option(help="The same id repeats safely.")]


@app.command("list")
def list_endpoints(
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """List the endpoints that you may see.

    Example: tongban connectors list
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = list(
            client.every(client.connectors.ListEndpoints, pb.ListEndpointsRequest(), "endpoints")
        )
        if as_json:
            print_json([plain(one) for one in found])
            return
        print_table(
            say("Endpoints", "接口"),
            (say("resource", "信息资源"), say("kind", "类型"), say("address", "地址"),
             say("host", "主机"), say("state", "状态")),
            [
                (one.resource, KIND_WORDS[one.kind], one.address,
                 say("approved", "已批准") if one.approved else say("not approved", "未批准"),
                 say(*BREAKERS[one.breaker]))
                for one in found
            ],
        )  # fmt: skip


@app.command()
def show(
    resource: Resource,
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Show the endpoint of a resource.

    Example: tongban connectors show departments/public-security/resources/population
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        found = client.connectors.GetEndpoint(
            pb.GetEndpointRequest(resource=resource), timeout=client.timeout
        ).endpoint
        _print(found, as_json)


@app.command()
def put(
    resource: Resource,
    kind: Annotated[str, typer.Option(help="grpc, http or platform.")] = "",
    address: Annotated[
        str, typer.Option(help="https://host, with :port and /path where needed")
    ] = "",
    authority: Annotated[
        Path | None, typer.Option(help="PEM file: the authority of its certificate.")
    ] = None,
    timeout_ms: Annotated[int, typer.Option(help="How long a question may take.")] = 0,
    max_in_flight: Annotated[int, typer.Option(help="Questions at one time.")] = 0,
    failures: Annotated[int, typer.Option(help="Failures until it is not called.")] = 0,
    cool_down: Annotated[int, typer.Option(help="Seconds that it is not called then.")] = 0,
    prefix: Annotated[
        str, typer.Option(help="Of the platform's headers: gjgxjhpt or gjzwfwpt.")
    ] = "",
    rid: Annotated[str, typer.Option(help="Requester's id at the platform.")] = "",
    sid: Annotated[str, typer.Option(help="Service's id at the platform.")] = "",
    secret_file: Annotated[
        Path | None, typer.Option(help="File with the platform's application secret.")
    ] = None,
    key_parameter: Annotated[str, typer.Option(help="Member that takes the key.")] = "",
    record_path: Annotated[str, typer.Option(help="Where the record is; data.")] = "",
    status_path: Annotated[str, typer.Option(help="Where the status is; code.")] = "",
    success: Annotated[list[str] | None, typer.Option(help="A status of success; 200.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="item=member, where the names differ.")
    ] = None,
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Write the endpoint of a resource; what is not said stays as it is.

    Example: tongban connectors put departments/public-security/resources/population
    --kind http --address https://data.example:8443/records --authority source.pem
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id):
        said: dict[str, Any] = {
            "kind": _one_of(kind, KINDS, "kind"),
            "address": address,
            "authority": read_file(authority, greatest=GREATEST_PEM).decode("utf-8", "replace")
            if authority
            else "",
            "timeout_ms": timeout_ms,
            "max_in_flight": max_in_flight,
            "failures": failures,
            "cool_down_seconds": cool_down,
        }
        platform: dict[str, Any] = {
            "prefix": _one_of(prefix, PREFIXES, "prefix"),
            "rid": rid,
            "sid": sid,
            "app_secret": _secret(secret_file),
            "key_parameter": key_parameter,
            "record_path": record_path,
            "status_path": status_path,
        }
        with Client(node, identity) as client:
            asked = _held(client, resource)
            _change(asked, said)
            if any(platform.values()) or success or field:
                _change(asked.platform, platform)
                _change_lists(asked.platform, success or (), field or ())
            if asked.kind != pb.ENDPOINT_KIND_PLATFORM:
                asked.ClearField("platform")
            made = client.connectors.PutEndpoint(
                pb.PutEndpointRequest(endpoint=asked, request_id=request_id),
                timeout=client.timeout,
            ).endpoint
        _print(made, as_json)


def _held(client: Client, resource: str) -> pb.Endpoint:
    """The endpoint as it is, to be changed; a new one where there is none."""
    import grpc  # the stubs have loaded it

    try:
        return client.connectors.GetEndpoint(
            pb.GetEndpointRequest(resource=resource), timeout=client.timeout
        ).endpoint
    except grpc.RpcError as error:
        if not isinstance(from_rpc_error(error), NotFound):
            raise
        return pb.Endpoint(resource=resource)


def _change(message: Any, said: dict[str, Any]) -> None:
    for name, value in said.items():
        if value:
            setattr(message, name, value)


def _change_lists(platform: pb.Platform, success: Sequence[str], fields: Sequence[str]) -> None:
    if success:
        platform.success_values[:] = success
    if fields:
        platform.ClearField("fields")
    for one in fields:
        item, equals, member = one.partition("=")
        if not equals:
            raise InvalidArgument(
                "--field is item=member",
                reason="ENDPOINT_INVALID",
                message_zh="--field 应为 信息项=成员名",
            )
        platform.fields[item] = member


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    secret = read_file(file, greatest=GREATEST_SECRET).decode("utf-8", "replace").strip()
    if not secret:
        raise InvalidArgument(
            f"{file} is empty", reason="ENDPOINT_INVALID", message_zh=f"{file} 为空"
        )
    return secret


def _one_of(word: str, words: dict[str, Any], option: str) -> Any:
    if word and word not in words:
        raise InvalidArgument(
            f"--{option} is one of {', '.join(words)}",
            reason="ENDPOINT_INVALID",
            message_zh=f"--{option} 应为 {'、'.join(words)} 之一",
        )
    return words.get(word, 0)


@app.command()
def delete(
    resource: Resource,
    etag: Etag = "",
    request_id: RequestId = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Remove the endpoint of a resource: what is published is answered from again.

    Example: tongban connectors delete departments/public-security/resources/population
    """
    request_id = request_id or new_request_id()
    with outcomes(as_json=as_json), repeatable(request_id), Client(node, identity) as client:
        client.connectors.DeleteEndpoint(
            pb.DeleteEndpointRequest(resource=resource, etag=etag, request_id=request_id),
            timeout=client.timeout,
        )
        if as_json:
            print_json({"deleted": resource})
        else:
            out.print(say(f"Removed: {resource}", f"已删除：{resource}"), markup=False)


@app.command("test")
def try_endpoint(
    resource: Resource,
    key: Annotated[
        str,
        typer.Option(
            envvar="TONGBAN_KEY", prompt=True, hide_input=True, help="A key to ask it for."
        ),
    ],
    purpose: Annotated[str, typer.Option(help="What this is for; the source is told.")],
    case_number: Annotated[str, typer.Option("--case", help="The case it serves.")],
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Ask an endpoint for one record, and tell how it went and no value. Exit code 1 if not well.

    Example: tongban connectors test departments/public-security/resources/population
    --purpose 接口联调 --case 2026-0001
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        told = client.connectors.TestEndpoint(
            pb.TestEndpointRequest(
                resource=resource, key=key, purpose=purpose, case_number=case_number
            ),
            timeout=client.timeout,
        )
        if as_json:
            print_json(plain(told))
        else:
            text = say(*OUTCOMES[told.outcome])
            extra = [f"{told.elapsed_ms} ms"]
            if told.status:
                extra.append(say(f"status {told.status}", f"状态码 {told.status}"))
            extra += told.invalid_items
            out.print(f"{text} ({', '.join(extra)})", markup=False)
            if told.missing_items:
                listed = ", ".join(told.missing_items)
                out.print(
                    say(
                        f"this record came without: {listed}. Check the endpoint's fields if it "
                        "should have them; who asks for a required one gets SOURCE_DATA_INVALID",
                        f"该记录未返回：{listed}。如应返回，请核对接口的字段对应关系；"
                        "查询其中必填项的使用部门会得到 SOURCE_DATA_INVALID",
                    ),
                    markup=False,
                )
        if told.outcome != pb.TEST_OUTCOME_ANSWERED:
            raise typer.Exit(Exit.NO)


def _print(found: pb.Endpoint, as_json: bool) -> None:
    if as_json:
        print_json(plain(found))
        return
    rows = [
        (say("kind", "类型"), KIND_WORDS[found.kind]),
        (say("address", "地址"), found.address),
        (say("host", "主机"),
         say("approved", "已批准") if found.approved else say("not approved", "未批准")),
        (say("time", "时限"), f"{found.timeout_ms} ms"),
        (say("at one time", "并发"), str(found.max_in_flight)),
        (say("not called after", "熔断"),
         say(f"{found.failures} failures, for {found.cool_down_seconds} s",
             f"连续失败 {found.failures} 次，{found.cool_down_seconds} 秒")),
        (say("state", "状态"), say(*BREAKERS[found.breaker])),
    ]  # fmt: skip
    if found.HasField("platform"):
        rows += [
            ("rid", found.platform.rid),
            ("sid", found.platform.sid),
            (say("secret", "密钥"), say("held", "已设置") if found.platform.has_secret else "-"),
        ]
    rows.append(("etag", found.etag))
    print_table(found.resource, (say("field", "字段"), say("value", "值")), rows)
