"""Endpoints: where and how a department's own system is asked for the records of a resource.

1. A resource has at most one endpoint, and only where its sharing mode is `service`.
2. An address is `https://host[:port][/path]` and nothing else: no user, query or fragment. The host
   must be approved by an administrator, by name and port, when it is written and whenever it is
   called; a source department cannot point the node at a host of its choice.
3. The server's authority is pinned: no authority of the machine is trusted.
4. A platform's secret is kept sealed, bound to its resource; nobody reads it back.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from runtime import names
from runtime.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.records import canonical

SERVICE = "service"  # DataResource.sharing_mode
GREATEST_ADDRESS = 500
GREATEST_AUTHORITY = 16_384
GREATEST_SECRET = 500
GREATEST_FIELDS = 200
GREATEST_HOST = 261  # a name of 255 and a port
DEFAULT_PORT = 443

_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?|\[[0-9a-f:]{2,39}\])"
_ADDRESS = re.compile(rf"https://({_HOST})(?::([1-9][0-9]{{0,4}}))?(/[A-Za-z0-9._~/-]*)?")
_PLACE = re.compile(rf"{_HOST}:([1-9][0-9]{{0,4}})")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,5}")


class Kind(StrEnum):
    """How an endpoint is spoken to."""

    GRPC = "grpc"
    HTTP_JSON = "http_json"
    PLATFORM = "platform"


class Prefix(StrEnum):
    """What the names of the national platform's headers begin with (STANDARDS §9)."""

    GJGXJHPT = "gjgxjhpt_"
    GJZWFWPT = "gjzwfwpt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A service of the national platform: who asks, what, and where things are in its messages."""

    prefix: Prefix
    rid: str
    sid: str
    key_parameter: str
    record_path: str = "data"
    status_path: str = "code"
    success_values: tuple[str, ...] = ("200",)
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how a resource's records are asked for; `secret` is sealed."""

    resource: str
    kind: Kind
    address: str
    authority: str
    timeout_ms: int = 5_000
    max_in_flight: int = 32
    failures: int = 5
    cool_down_seconds: int = 10
    platform: Platform | None = None
    secret: bytes = b""
    etag: str = ""
    update_time: datetime | None = None

    @property
    def source(self) -> str:
        """The department that answers."""
        return names.department_of(self.resource)

    @property
    def place(self) -> str:
        """`host:port`, as it is approved."""
        return place_of(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedHost:
    """A host that may be called."""

    host: str
    create_time: datetime


def place_of(address: str) -> str:
    """`host:port` of a well-formed address; the port is 443 where none is said."""
    found = _ADDRESS.fullmatch(address)
    assert found is not None  # noqa: S101  # checked when it was written
    return f"{found[1]}:{found[2] or DEFAULT_PORT}"


def check_place(host: str) -> str:
    """`host` if it may be approved. Raises InvalidArgument, HOST_INVALID."""
    found = _PLACE.fullmatch(host) if len(host) <= GREATEST_HOST else None
    if found is None or int(found[1]) > 65_535:
        raise InvalidArgument(
            "a host is host:port: a lower-case name or an address, and the port",
            reason="HOST_INVALID",
            message_zh="主机应为 host:port：小写域名或 IP 地址，加端口",
            violations=[FieldViolation("host", "must look like host:port")],
        )
    return host


def with_defaults(endpoint: Endpoint) -> Endpoint:
    """An endpoint as it was sent, with the defaults for what was not said."""
    made = replace(
        endpoint,
        timeout_ms=endpoint.timeout_ms or 5_000,
        max_in_flight=endpoint.max_in_flight or 32,
        failures=endpoint.failures or 5,
        cool_down_seconds=endpoint.cool_down_seconds or 10,
    )
    if made.platform is None:
        return made
    platform = replace(
        made.platform,
        record_path=made.platform.record_path or "data",
        status_path=made.platform.status_path or "code",
        success_values=made.platform.success_values or ("200",),
    )
    return replace(made, platform=platform)


def check(endpoint: Endpoint) -> None:
    """Raises InvalidArgument (ENDPOINT_INVALID) with every field that is wrong."""
    names.parse(names.RESOURCE, endpoint.resource, field="endpoint.resource")
    wrong = [*_wrong(endpoint), *_wrong_platform(endpoint)]
    if wrong:
        raise InvalidArgument(
            "this endpoint cannot be held: correct the fields named and repeat",
            reason="ENDPOINT_INVALID",
            message_zh="该接口配置有误：请按所列字段更正后重试",
            violations=wrong,
        )


def _wrong(endpoint: Endpoint) -> Iterator[FieldViolation]:
    found = (
        _ADDRESS.fullmatch(endpoint.address) if len(endpoint.address) <= GREATEST_ADDRESS else None
    )
    if found is None or int(found[2] or 0) > 65_535:
        yield FieldViolation("address", "must look like https://host[:port][/path]")
    elif endpoint.kind is Kind.GRPC and found[3] not in (None, "", "/"):
        yield FieldViolation("address", "has no path where the kind is gRPC")
    if not _is_authority(endpoint.authority):
        limit = f"at most {GREATEST_AUTHORITY} characters"
        yield FieldViolation("authority", f"must be certificates in PEM, {limit}")
    for name, value, least, most in (
        ("timeout_ms", endpoint.timeout_ms, 100, 30_000),
        ("max_in_flight", endpoint.max_in_flight, 1, 256),
        ("failures", endpoint.failures, 1, 100),
        ("cool_down_seconds", endpoint.cool_down_seconds, 1, 300),
    ):
        if not least <= value <= most:
            yield FieldViolation(name, f"must be {least} to {most}")


def _wrong_platform(endpoint: Endpoint) -> Iterator[FieldViolation]:
    platform = endpoint.platform
    if (platform is not None) != (endpoint.kind is Kind.PLATFORM):
        yield FieldViolation("platform", "is for the kind PLATFORM, and for it only")
    if platform is None:
        return
    for name, value in (
        ("rid", platform.rid),
        ("sid", platform.sid),
        ("key_parameter", platform.key_parameter),
    ):
        if not _WORD.fullmatch(value):
            yield FieldViolation(f"platform.{name}", "must be 1 to 100 of a-z, 0-9, _, . and -")
    for name, value in (
        ("record_path", platform.record_path),
        ("status_path", platform.status_path),
    ):
        if not _PATH.fullmatch(value):
            yield FieldViolation(f"platform.{name}", "must be up to 6 names joined by dots")
    if len(platform.success_values) > 10 or not all(map(_WORD.fullmatch, platform.success_values)):
        yield FieldViolation("platform.success_values", "must be at most 10 words")
    if len(platform.fields) > GREATEST_FIELDS or not all(
        map(_WORD.fullmatch, (*platform.fields, *platform.fields.values()))
    ):
        yield FieldViolation("platform.fields", f"must be at most {GREATEST_FIELDS} pairs of words")


def _is_authority(pem: str) -> bool:
    if not 0 < len(pem) <= GREATEST_AUTHORITY or "PRIVATE KEY" in pem:
        return False
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return False
    return bool(context.get_ca_certs(binary_form=True))


def content_of(endpoint: Endpoint) -> bytes:
    """Canonical JSON of what an endpoint says, without its secret."""
    told = {
        key: value
        for key, value in asdict(
            replace(endpoint, platform=None)  # a mapping proxy cannot be copied
        ).items()
        if key not in ("resource", "secret", "etag", "update_time", "platform")
    }
    platform = endpoint.platform
    if platform is not None:
        told["platform"] = {
            "prefix": platform.prefix.value,
            "rid": platform.rid,
            "sid": platform.sid,
            "key_parameter": platform.key_parameter,
            "record_path": platform.record_path,
            "status_path": platform.status_path,
            "success_values": list(platform.success_values),
            "fields": dict(platform.fields),
        }
    return canonical(told)


def etag_of(endpoint: Endpoint) -> str:
    """The etag of an endpoint: changes with its content and with its secret."""
    secret = hashlib.sha256(endpoint.secret).digest()
    return hashlib.sha256(content_of(endpoint) + secret).hexdigest()[:32]


def may_keep(principal: Principal, resource: str) -> bool:
    """Whether a caller writes, removes and tries the endpoint of a resource."""
    own = principal.department == names.department_of(resource)
    return principal.has(Role.ADMINISTRATOR) or (own and principal.has(Role.DEPARTMENT))


def may_see(principal: Principal, resource: str) -> bool:
    """Whether a caller sees the endpoint of a resource."""
    return may_keep(principal, resource) or principal.has(Role.AUDITOR)


def not_the_source() -> PermissionDenied:
    """The refusal of a change by another department."""
    return PermissionDenied(
        "the source department or an administrator keeps the endpoint of a resource",
        reason="NOT_THE_SOURCE",
        message_zh="只有数源部门或管理员可以维护信息资源的接口",
    )


def endpoint_not_found() -> NotFound:
    """The one answer for an endpoint that is absent and for one the caller may not know of."""
    return NotFound(
        "no such endpoint: see `tongban connectors list`",
        reason="ENDPOINT_NOT_FOUND",
        message_zh="没有该接口：请查看列表（tongban connectors list）",
    )


def host_not_approved(place: str) -> FailedPrecondition:
    """The refusal of an endpoint at a host that nobody approved."""
    return FailedPrecondition(
        "an administrator must approve this host first (`tongban connectors approve HOST:PORT`)",
        reason="HOST_NOT_APPROVED",
        message_zh="该主机须先由管理员批准（tongban connectors approve HOST:PORT）",
        host=place,
    )


def not_a_service() -> FailedPrecondition:
    """The refusal of an endpoint of a resource that is shared in another way."""
    return FailedPrecondition(
        "only a resource in force whose sharing mode is service has an endpoint: change its entry",
        reason="NOT_A_SERVICE_RESOURCE",
        message_zh="只有共享方式为服务接口（service）且未撤回的信息资源才能配置接口：请先修改目录",
    )
