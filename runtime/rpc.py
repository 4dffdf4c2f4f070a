"""gRPC as every service uses it: one guard around each method, one server.

1. A method that no policy names does not exist: registration fails (deny by default).
2. The guard runs in this order: who calls (identity) → may they (policy) → the method → domain
   errors to statuses → metrics and a note for the observer. It is put around the handlers when
   they are registered, which costs less on the hot path than a chain of interceptors.
3. A plain method runs in a worker thread; an `async` one on the loop. What blocks must be plain.
4. An unexpected error is logged with its trace here and told as INTERNAL without details there.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from runtime.channels import LIMITS, MAX_MESSAGE
from runtime.errors import DomainError, PermissionDenied, Unavailable
from runtime.identity import OF_DEPARTMENTS, Authenticator, Credentials, Principal, Role
from runtime.observing import Look, Nobody, Observer, Seen
from runtime.receiving import receiver
from runtime.status import DETAILS_KEY, code_of, to_status
from runtime.telemetry import CALLS, SECONDS

Policy = Mapping[str, frozenset[Role]]
#: Every system, and everybody who works at a department; an applicant, and the node's pages before
#: somebody has signed in, only where a policy says so.
ANY_ROLE = frozenset(Role) - {Role.APPLICANT, Role.PORTAL}
#: Applicants, too: what a method with this answers is nobody's secret.
EVERYBODY = frozenset(Role)

_log = structlog.get_logger()


class Call:
    """One call: who makes it, and what gRPC knows of it."""

    __slots__ = ("context", "method", "principal")

    def __init__(self, method: str, principal: Principal, context: Any) -> None:
        self.method = method
        self.principal = principal
        self.context = context

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None without one."""
        return cast("float | None", self.context.time_remaining())


class Server:
    """One mTLS port with any number of services."""

    def __init__(
        self, *, credentials: Credentials, authenticator: Authenticator, threads: int = 8
    ) -> None:
        self._authenticator = authenticator
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="rpc")
        self._server = grpc.aio.server(
            options=[*LIMITS, ("grpc.so_reuseport", 0), ("grpc.max_concurrent_streams", 1000)]
        )
        # Asked for each connection that is made, so that a renewed certificate needs no restart.
        self._transport = grpc.dynamic_ssl_server_credentials(
            _shown(credentials), self._renewed, require_client_authentication=True
        )
        self._fresh: Any = None
        self._methods = _Methods()
        self._server.add_generic_rpc_handlers((self._methods,))
        self._services: list[str] = []
        self._port = 0
        self._health = HealthServicer()
        self._observer: Observer = Nobody()

    def renew(self, credentials: Credentials) -> None:
        """Show another certificate to who connects from now on."""
        self._fresh = _shown(credentials)

    def _renewed(self) -> Any:
        """What was not shown yet; None where nothing changed since."""
        fresh, self._fresh = self._fresh, None
        return fresh

    def observe(self, observer: Observer) -> None:
        """Tell an observer of every call from now on, in place of an earlier one."""
        self._observer = observer

    def add(
        self,
        register: Callable[[Any, Any], None],
        servicer: object,
        policy: Policy,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        """Register a servicer, with the roles that may call each of its methods.

        `sizes`: bytes that one message to a method has at most, where that is less than the
        transport takes. Raises ValueError where the policy and the service do not name the same
        methods, or sizes are of methods that there are not.
        """
        register(servicer, _Registrar(self, policy, sizes or {}))

    def add_handlers(
        self, service: str, handlers: Mapping[str, Any], policy: Policy, sizes: Mapping[str, int]
    ) -> None:
        """Guard and add the handlers of one service; `add` comes here by generated code."""
        if set(handlers) != set(policy):
            raise ValueError(f"{service}: policy and methods differ: {set(handlers) ^ set(policy)}")
        if not set(sizes) <= set(handlers):
            raise ValueError(f"{service}: no such methods: {set(sizes) - set(handlers)}")
        guarded = {
            name: self._guard(
                f"/{service}/{name}", handler, policy[name], sizes.get(name, MAX_MESSAGE)
            )
            for name, handler in handlers.items()
        }
        self._methods.add(service, guarded)
        self._services.append(service)

    def _guard(self, path: str, handler: Any, roles: frozenset[Role], size: int) -> Any:
        behaviour = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_unary
            or handler.stream_stream
        )
        if handler.response_streaming:
            return (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )(self._streaming(path, behaviour, handler, roles, size))
        if not inspect.iscoroutinefunction(behaviour):
            behaviour = self._off_loop(behaviour)
        return (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )(self._unary(path, behaviour, handler, roles, size))

    # Messages are read here, after their sender was admitted, so that one that cannot be read is
    # told like any other wrong request; and written here, so that both are measured.

    def _streaming(
        self, path: str, behaviour: Any, handler: Any, roles: frozenset[Role], size: int
    ) -> Callable[[Any, Any], AsyncIterator[bytes]]:
        receive = receiver(handler, size)
        write = handler.response_serializer
        admit = self._admit
        finish = _Finish(path)

        async def streaming(request: Any, context: Any) -> AsyncIterator[bytes]:
            seen = self._seen(path, context)
            asked, told = self._observer.looks.get(path, _NO_LOOKS)
            try:
                principal = admit(path, roles, context)
                seen.system = principal.system
                message = receive(request, context, seen, asked)
                seen.handled = time.perf_counter()
                call = Call(path, principal, context)
                async with contextlib.aclosing(behaviour(message, call)) as answers:
                    async for answer in answers:
                        # A stream may outlive its caller's certificate.
                        admit(path, roles, context)
                        if told is not None:
                            told(seen, answer)
                        data = write(answer)
                        seen.response_bytes += len(data)
                        yield data
                seen.code = "OK"
            except asyncio.CancelledError:
                finish.ok(seen.began)
                raise
            except Exception as error:  # noqa: BLE001  # told as INTERNAL
                await finish.failed(seen, error, context)
            finally:
                self._observer.done(seen)
            finish.ok(seen.began)

        return streaming

    def _unary(
        self, path: str, behaviour: Any, handler: Any, roles: frozenset[Role], size: int
    ) -> Callable[[Any, Any], Awaitable[bytes]]:
        receive = receiver(handler, size)
        write = handler.response_serializer
        admit = self._admit
        finish = _Finish(path)

        async def unary(request: Any, context: Any) -> bytes:
            seen = self._seen(path, context)
            asked, told = self._observer.looks.get(path, _NO_LOOKS)
            try:
                principal = admit(path, roles, context)
                seen.system = principal.system
                message = receive(request, context, seen, asked)
                seen.handled = time.perf_counter()
                answer = await behaviour(message, Call(path, principal, context))
                seen.answered = time.perf_counter()
                if told is not None:
                    told(seen, answer)
                data: bytes = write(answer)
                seen.response_bytes = len(data)
                seen.code = "OK"
            except Exception as error:  # told as INTERNAL
                await finish.failed(seen, error, context)
                raise  # it never comes here: telling raises
            finally:
                self._observer.done(seen)
            finish.ok(seen.began)
            return data

        return unary

    def _seen(self, path: str, context: Any) -> Seen:
        seen = Seen(path, time.perf_counter())
        if self._observer.tracing:
            seen.trace = _traceparent(context)
        return seen

    def _off_loop(self, behaviour: Callable[[Any, Call], Any]) -> Callable[..., Awaitable[Any]]:
        async def threaded(request: Any, call: Call) -> Any:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, behaviour, request, call)

        return threaded

    def _admit(self, path: str, roles: frozenset[Role], context: Any) -> Principal:
        certificate = context.auth_context()["x509_pem_cert"][0]
        principal = self._authenticator.principal(certificate)
        if principal.roles.isdisjoint(roles):
            raise _role_not_allowed(path.rpartition("/")[2], roles)
        return principal

    def bind(self, address: str) -> int:
        """Take `host:port` (port 0 takes a free one) and return the port; nothing is answered yet.

        Raises Unavailable (PORT_IN_USE) where somebody else listens there.
        """
        try:
            self._port = self._server.add_secure_port(address, self._transport)
        except RuntimeError as error:
            raise Unavailable(
                f"cannot listen at {address}: it is in use by another program, or not an address "
                "of this machine; choose another with --listen",
                reason="PORT_IN_USE",
                message_zh=f"无法监听 {address}：端口已被占用或不是本机地址；请用 --listen 另选",
            ) from error
        return self._port

    async def start(self, address: str = "") -> int:
        """Answer calls at the bound port, or at `address` (see `bind`), and return the port."""
        port = self.bind(address) if address else self._port
        health_pb2_grpc.add_HealthServicer_to_server(  # type: ignore[no-untyped-call]
            self._health, self._server
        )
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        served = [*self._services, health, reflection.SERVICE_NAME]
        # Guarded like any method, so that a revoked system learns nothing of the services.
        self.add(
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server,
            ReflectionServicer(served),  # type: ignore[no-untyped-call]
            {"ServerReflectionInfo": ANY_ROLE},
        )
        await self._server.start()
        for service in ["", *self._services]:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self, grace: float = 5.0) -> None:
        """Refuse new calls, let those under way end within `grace` seconds, then close."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
        # Off the loop: a call that outlived its grace may wait for the loop (an audit commit).
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)


def _shown(credentials: Credentials) -> Any:
    return grpc.ssl_server_certificate_configuration(
        [(credentials.key, credentials.certificate)], root_certificates=credentials.authority
    )


def _role_not_allowed(method: str, roles: frozenset[Role]) -> PermissionDenied:
    """Names the roles that may, in the words of enrolling; none is enrolled as the node's own."""
    may = sorted(roles & OF_DEPARTMENTS) or [Role.NODE]
    return PermissionDenied(
        f"{method} is not for systems of this role (for: {', '.join(may)}): call it "
        "with the identity of a system of such a role",
        reason="ROLE_NOT_ALLOWED",
        message_zh=f"该系统的角色不能调用 {method}（可调用的角色：{'、'.join(may)}）："
        "请换用相应角色的系统",
    )


_NO_LOOKS: tuple[Look | None, Look | None] = (None, None)


def _traceparent(context: Any) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return str(value)[:64]
    return ""


class _Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic when it runs
    """All methods by path: handlers of services would be asked one by one, for every call."""

    def __init__(self) -> None:
        self._by_path: dict[str, Any] = {}

    def add(self, service: str, handlers: Mapping[str, Any]) -> None:
        """The methods of one service."""
        for name, handler in handlers.items():
            self._by_path[f"/{service}/{name}"] = handler

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; None where there is no such method."""
        return self._by_path.get(handler_call_details.method)


class _Registrar:
    """Stands in for a server while generated code registers its handlers."""

    def __init__(self, server: Server, policy: Policy, sizes: Mapping[str, int]) -> None:
        self._server = server
        self._policy = policy
        self._sizes = sizes

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Not needed: the registered handlers below say the same."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Guard and add the handlers of one service."""
        self._server.add_handlers(service, handlers, self._policy, self._sizes)


class _Finish:
    """Counts a method's calls and tells their errors."""

    __slots__ = ("_ok", "_path", "_seconds")

    def __init__(self, path: str) -> None:
        self._path = path
        self._ok = CALLS.labels(method=path, code="OK")
        self._seconds = SECONDS.labels(method=path)

    def ok(self, began: float) -> None:
        self._ok.inc()
        self._seconds.observe(time.perf_counter() - began)

    async def failed(self, seen: Seen, error: Exception, context: Any) -> None:
        """Tell the caller; never returns, as `abort` raises."""
        seen.code = "UNKNOWN"
        if not isinstance(error, DomainError):
            if isinstance(error, grpc.aio.AbortError | grpc.aio.UsageError):
                raise error
            _log.error("rpc_failed", method=self._path, exc_info=error)
            error = DomainError(
                "the node failed on this call and has logged why",
                reason="INTERNAL",
                message_zh="节点处理该调用时出错，原因已记入日志",
            )
        code = code_of(error)
        seen.code, seen.reason = code.name, error.reason
        CALLS.labels(method=self._path, code=code.name).inc()
        self._seconds.observe(time.perf_counter() - seen.began)
        status = to_status(error)
        details = ((DETAILS_KEY, status.SerializeToString()),)
        await context.abort(code, status.message, trailing_metadata=details)
