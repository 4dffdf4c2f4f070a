"""ConnectorService: protobuf to model and back, and nothing else.

A secret goes in and is sealed here, before anything is written; it never comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.audit.appending import AuditLog
from exchange.catalog.service import Schemas
from exchange.connecting import service
from exchange.connecting.asking import Outcome
from exchange.connecting.breaker import BreakerState
from exchange.connecting.forwarding import Forwarding
from exchange.connecting.model import (
    GREATEST_SECRET,
    ApprovedHost,
    Endpoint,
    Kind,
    Platform,
    Prefix,
)
from exchange.connecting.service import Seen
from exchange.v1 import connecting_pb2 as pb
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call
from runtime.vault import Vault

_KEEPERS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR})
_READERS = _KEEPERS | {Role.AUDITOR}
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})

POLICY: Mapping[str, frozenset[Role]] = {
    "PutEndpoint": _KEEPERS,
    "GetEndpoint": _READERS,
    "ListEndpoints": _READERS,
    "DeleteEndpoint": _KEEPERS,
    "TestEndpoint": _KEEPERS,
    "ApproveHost": _ADMINISTRATOR,
    "DisapproveHost": _ADMINISTRATOR,
    "ListApprovedHosts": _READERS,
}
_KINDS = {
    Kind.GRPC: pb.ENDPOINT_KIND_GRPC,
    Kind.HTTP_JSON: pb.ENDPOINT_KIND_HTTP_JSON,
    Kind.PLATFORM: pb.ENDPOINT_KIND_PLATFORM,
}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}
_PREFIXES = {
    Prefix.GJGXJHPT: pb.PLATFORM_PREFIX_GJGXJHPT,
    Prefix.GJZWFWPT: pb.PLATFORM_PREFIX_GJZWFWPT,
}
_PREFIX_OF = {number: prefix for prefix, number in _PREFIXES.items()}
_BREAKERS = {
    BreakerState.CLOSED: pb.BREAKER_STATE_CLOSED,
    BreakerState.OPEN: pb.BREAKER_STATE_OPEN,
    BreakerState.HALF_OPEN: pb.BREAKER_STATE_HALF_OPEN,
}
_OUTCOMES = {outcome: pb.TestOutcome.Value(f"TEST_OUTCOME_{outcome.name}") for outcome in Outcome}
_Answer = TypeVar("_Answer", bound=Message)


class ConnectorServicer:
    """The methods of ConnectorService."""

    def __init__(
        self,
        database: Database,
        forwarding: Forwarding,
        *,
        vault: Vault,
        schemas: Schemas,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._forwarding = forwarding
        self._vault = vault
        self._schemas = schemas
        self._audit = audit
        self._clock = clock

    def PutEndpoint(  # noqa: N802  # the method's name in the proto
        self, request: pb.PutEndpointRequest, call: Call
    ) -> pb.PutEndpointResponse:
        """Write an endpoint."""
        # Before the transaction, which a slow key derivation would hold up for others.
        asked = _endpoint_of(request.endpoint, self._sealed(request.endpoint))

        def act(work: UnitOfWork) -> pb.PutEndpointResponse:
            made = service.put_endpoint(work, call.principal, asked=asked, clock=self._clock)
            return pb.PutEndpointResponse(endpoint=self._message(made))

        return self._once(call, request, request.request_id, pb.PutEndpointResponse, act)

    def GetEndpoint(  # noqa: N802
        self, request: pb.GetEndpointRequest, call: Call
    ) -> pb.GetEndpointResponse:
        """One endpoint."""
        found = service.get_endpoint(self._database, call.principal, request.resource)
        return pb.GetEndpointResponse(endpoint=self._message(found))

    def ListEndpoints(  # noqa: N802
        self, request: pb.ListEndpointsRequest, call: Call
    ) -> pb.ListEndpointsResponse:
        """A page of endpoints."""
        page, token = service.list_endpoints(
            self._database,
            call.principal,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListEndpointsResponse(
            endpoints=[self._message(one) for one in page], next_page_token=token
        )

    def DeleteEndpoint(  # noqa: N802
        self, request: pb.DeleteEndpointRequest, call: Call
    ) -> pb.DeleteEndpointResponse:
        """Remove an endpoint."""

        def act(work: UnitOfWork) -> pb.DeleteEndpointResponse:
            service.delete_endpoint(
                work,
                call.principal,
                resource=request.resource,
                etag=request.etag,
                clock=self._clock,
            )
            return pb.DeleteEndpointResponse()

        return self._once(call, request, request.request_id, pb.DeleteEndpointResponse, act)

    async def TestEndpoint(  # noqa: N802
        self, request: pb.TestEndpointRequest, call: Call
    ) -> pb.TestEndpointResponse:
        """Try an endpoint."""
        tried = await service.try_endpoint(
            call.principal,
            resource=request.resource,
            key=request.key,
            purpose=request.purpose,
            case_number=request.case_number,
            schemas=self._schemas,
            forwarding=self._forwarding,
            audit=self._audit,
            time_remaining=call.time_remaining,
            clock=self._clock,
        )
        return pb.TestEndpointResponse(
            outcome=_OUTCOMES[tried.outcome],
            status=tried.status,
            elapsed_ms=tried.elapsed_ms,
            found=tried.found,
            invalid_items=tried.invalid_items,
            missing_items=tried.missing_items,
        )

    def ApproveHost(  # noqa: N802
        self, request: pb.ApproveHostRequest, call: Call
    ) -> pb.ApproveHostResponse:
        """Allow a host."""

        def act(work: UnitOfWork) -> pb.ApproveHostResponse:
            made = service.approve_host(work, call.principal, host=request.host, clock=self._clock)
            return pb.ApproveHostResponse(host=_host(made))

        return self._once(call, request, request.request_id, pb.ApproveHostResponse, act)

    def DisapproveHost(  # noqa: N802
        self, request: pb.DisapproveHostRequest, call: Call
    ) -> pb.DisapproveHostResponse:
        """Take an approval back."""

        def act(work: UnitOfWork) -> pb.DisapproveHostResponse:
            service.disapprove_host(work, call.principal, host=request.host, clock=self._clock)
            return pb.DisapproveHostResponse()

        return self._once(call, request, request.request_id, pb.DisapproveHostResponse, act)

    def ListApprovedHosts(  # noqa: N802
        self, request: pb.ListApprovedHostsRequest, call: Call
    ) -> pb.ListApprovedHostsResponse:
        """A page of approved hosts."""
        page, token = service.list_hosts(
            self._database, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListApprovedHostsResponse(
            hosts=[_host(one) for one in page], next_page_token=token
        )

    def _once(
        self,
        call: Call,
        request: Message,
        request_id: str,
        answer: type[_Answer],
        act: Callable[[UnitOfWork], _Answer],
    ) -> _Answer:
        """Run a mutation under its request id, and let this process see it at once."""
        with self._database.unit_of_work() as work:
            made = work.once(
                call.principal.system, call.method, request, request_id, answer, lambda: act(work)
            )
        self._forwarding.invalidate()
        return made

    def _sealed(self, message: pb.Endpoint) -> bytes:
        secret = message.platform.app_secret
        if not secret:
            return b""
        if len(secret) > GREATEST_SECRET:
            raise InvalidArgument(
                f"an application secret has at most {GREATEST_SECRET} characters",
                reason="ENDPOINT_INVALID",
                message_zh=f"平台应用密钥最多 {GREATEST_SECRET} 个字符",
                violations=[FieldViolation("platform.app_secret", "is too long")],
            )
        return self._vault.close(secret.encode(), name=message.resource)

    def _message(self, seen: Seen) -> pb.Endpoint:
        held = seen.endpoint
        at = Timestamp()
        if held.update_time is not None:
            at.FromDatetime(held.update_time)
        return pb.Endpoint(
            resource=held.resource,
            kind=_KINDS[held.kind],
            address=held.address,
            authority=held.authority,
            timeout_ms=held.timeout_ms,
            max_in_flight=held.max_in_flight,
            failures=held.failures,
            cool_down_seconds=held.cool_down_seconds,
            platform=None if held.platform is None else _platform(held.platform, held.secret),
            etag=held.etag,
            update_time=at,
            approved=seen.approved,
            breaker=_BREAKERS[self._forwarding.state(held.resource)],
        )


def _endpoint_of(message: pb.Endpoint, secret: bytes) -> Endpoint:
    """What was sent. Raises InvalidArgument, ENDPOINT_INVALID, where it says no kind."""
    kind = _KIND_OF.get(message.kind)
    if kind is None:
        raise _unknown("kind")
    return Endpoint(
        resource=message.resource,
        kind=kind,
        address=message.address,
        authority=message.authority,
        timeout_ms=message.timeout_ms,
        max_in_flight=message.max_in_flight,
        failures=message.failures,
        cool_down_seconds=message.cool_down_seconds,
        platform=_platform_of(message.platform) if message.HasField("platform") else None,
        secret=secret,
        etag=message.etag,
    )


def _platform_of(message: pb.Platform) -> Platform:
    prefix = _PREFIX_OF.get(message.prefix)
    if prefix is None:
        raise _unknown("platform.prefix")
    return Platform(
        prefix=prefix,
        rid=message.rid,
        sid=message.sid,
        key_parameter=message.key_parameter,
        record_path=message.record_path,
        status_path=message.status_path,
        success_values=tuple(message.success_values),
        fields=dict(message.fields),
    )


def _platform(held: Platform, secret: bytes) -> pb.Platform:
    return pb.Platform(
        prefix=_PREFIXES[held.prefix],
        rid=held.rid,
        sid=held.sid,
        has_secret=bool(secret),
        key_parameter=held.key_parameter,
        record_path=held.record_path,
        status_path=held.status_path,
        success_values=held.success_values,
        fields=held.fields,
    )


def _host(host: ApprovedHost) -> pb.ApprovedHost:
    at = Timestamp()
    at.FromDatetime(host.create_time)
    return pb.ApprovedHost(host=host.host, create_time=at)


def _unknown(field: str) -> InvalidArgument:
    return InvalidArgument(
        f"this endpoint cannot be held: {field} is required",
        reason="ENDPOINT_INVALID",
        message_zh=f"该接口配置有误：须给出 {field}",
        violations=[FieldViolation(field, "is required")],
    )
