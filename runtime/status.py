"""Domain errors to gRPC statuses and back: the only place that knows both.

Every refusal travels as a `google.rpc.Status` with an ErrorInfo (reason, domain, metadata), a
zh-CN LocalizedMessage, and where they apply a BadRequest and a RetryInfo. It travels in trailers,
of which a gRPC client drops at random what passes 8 KiB: so texts are cut, and of many violations
the first are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2

from runtime import errors

DOMAIN = "tongban"
DETAILS_KEY = "grpc-status-details-bin"
GREATEST_STATUS = 7_000  # bytes in the trailers: the details, and the message once more
GREATEST_TEXT = 400  # characters

_CODES: dict[type[errors.DomainError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DataLoss: grpc.StatusCode.DATA_LOSS,
}
_CLASSES = {code: cls for cls, code in _CODES.items()}


def code_of(error: errors.DomainError) -> grpc.StatusCode:
    """The gRPC code of an error's class (or of its nearest base)."""
    for cls in type(error).__mro__:
        if cls in _CODES:
            return _CODES[cls]
    return grpc.StatusCode.INTERNAL


def to_status(error: errors.DomainError) -> status_pb2.Status:
    """The rich status of an error, which fits the trailers of an answer."""
    details: list[Any] = []

    def add(message: object) -> None:
        packed = Any()
        packed.Pack(message)  # type: ignore[arg-type]  # every detail here is a Message
        details.append(packed)

    add(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata))
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(error.retry_after * 1000))
        add(retry)
    text = _cut(error.message)
    add(error_details_pb2.LocalizedMessage(locale="zh-CN", message=_cut(error.message_zh)))
    number = code_pb2.Code.Value(code_of(error).name)
    status = status_pb2.Status(code=number, message=text, details=details)
    # In the trailer of its own, what is not ASCII takes three bytes for one.
    again = len(text) if text.isascii() else 3 * len(text.encode())
    told = _as_many_as_fit(error.violations, GREATEST_STATUS - status.ByteSize() - again)
    if told.field_violations:
        status.details.add().Pack(told)
    return status


def _cut(text: str) -> str:
    return text if len(text) <= GREATEST_TEXT else text[: GREATEST_TEXT - 1] + "…"


def _as_many_as_fit(
    violations: Iterable[errors.FieldViolation], room: int
) -> error_details_pb2.BadRequest:
    told = error_details_pb2.BadRequest()
    room -= 100  # what wraps it
    for v in violations:
        room -= len(v.field.encode()) + len(v.description.encode()) + 12  # tags and lengths
        if room < 0:
            break
        told.field_violations.add(field=v.field, description=v.description)
    return told


def from_rpc_error(error: grpc.RpcError) -> errors.DomainError:
    """The domain error that a server meant by a failed call.

    A failure below the RPC (no server, a refused handshake) becomes `Unavailable` with a text that
    says what to look at, and names the node: by the attribute `node` of the error, which a client
    may set to the address it was given, else by what gRPC says.
    """
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name
    metadata: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    raw = next((value for key, value in metadata if key == DETAILS_KEY), None)
    if raw is None:
        return _below_rpc(code, message, getattr(error, "node", "") or _address_in(message))
    status = status_pb2.Status.FromString(raw if isinstance(raw, bytes) else raw.encode())
    return _rebuild(_CLASSES.get(code, errors.DomainError), status)


def _rebuild(cls: type[errors.DomainError], status: status_pb2.Status) -> errors.DomainError:
    info = error_details_pb2.ErrorInfo()
    local = error_details_pb2.LocalizedMessage()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after: float | None = None
    for detail in status.details:
        for message in (info, local, bad):
            detail.Unpack(message)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    error = cls(
        status.message,
        reason=info.reason or None,
        message_zh=local.message,
        violations=[errors.FieldViolation(v.field, v.description) for v in bad.field_violations],
        retry_after=retry_after,
    )
    error.metadata = dict(info.metadata)
    return error


_ADDRESS = re.compile(r"ipv[46]:((?:\[[0-9a-f:.]+\]|[\d.]+):\d+)")


def _address_in(message: str) -> str:
    found = _ADDRESS.search(unquote(message))
    return found[1] if found else ""


def _below_rpc(code: grpc.StatusCode, message: str, node: str) -> errors.DomainError:
    at, at_zh = (f" at {node}", f"（{node}）") if node else ("", "")
    if code is grpc.StatusCode.UNAVAILABLE:
        lowered = message.lower()
        # A server that does not know the caller's authority closes the connection as it is made.
        turned_away = "failed to connect" in lowered and "socket closed" in lowered
        if turned_away or any(word in lowered for word in ("handshake", "ssl", "certificate")):
            return errors.Unauthenticated(
                f"no TLS handshake with the node{at}: it does not know the authority of this "
                "certificate, or the certificate is expired (enrol the system again with `tongban "
                "identity enrol`); or another node answers there: compare --node and ca.pem",
                reason="TLS_HANDSHAKE_FAILED",
                message_zh=f"与节点{at_zh}的 TLS 握手失败：证书的签发者未知或证书已过期"
                "（请重新登记该系统）；或该地址上是另一个节点（请核对 --node 与 ca.pem）",
            )
        return errors.Unavailable(
            f"the node{at} does not answer: check the address, and that `tongban serve` runs",
            reason="NODE_UNREACHABLE",
            message_zh=f"节点{at_zh}没有应答：请检查地址，以及节点是否在运行",
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.Unavailable(
            f"the node{at} did not answer in time: try again, or allow more time",
            reason="DEADLINE_EXCEEDED",
            message_zh=f"节点{at_zh}未在时限内应答：请重试或延长时限",
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        return errors.InvalidArgument(
            "a message of this call is larger than 20 MiB: send it in several parts, or ask for "
            "less at a time",
            reason="MESSAGE_TOO_LARGE",
            message_zh="该调用的消息超过 20 MiB：请分多次发送，或减少单次请求的内容",
        )
    cls = _CLASSES.get(code, errors.DomainError)
    return cls(message, reason=code.name)
