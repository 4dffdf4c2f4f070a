"""Signatures as requests of the exchange carry them: protobuf to the model, for each `rpc`."""

from __future__ import annotations

from datetime import UTC

from exchange.v1 import files_pb2, spatial_pb2
from exchange.v1 import query_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from runtime.rpc import Call
from runtime.signed import RequestSignature, finer_than_signed

_Signed = (
    pb.QueryRequest
    | pb.BatchQueryRequest
    | pb.VerifyRequest
    | pb.ExportRequest
    | files_pb2.CreateExportJobRequest
    | spatial_pb2.SpatialQueryRequest
)


def signature_of(request: _Signed, call: Call) -> RequestSignature | None:
    """A request's signature, if it has one, with the certificate of the connection it came by.

    Raises InvalidArgument (BAD_SIGNATURE: its time is none) and PermissionDenied (BAD_SIGNATURE:
    its time has a part that is not signed).
    """
    if not request.HasField("signature"):
        return None
    given = request.signature
    if given.sign_time.nanos % 1000:
        raise finer_than_signed()
    try:
        time = given.sign_time.ToDatetime(UTC)
    except ValueError:
        raise InvalidArgument(
            "signature.sign_time is no time",
            reason="BAD_SIGNATURE",
            message_zh="signature.sign_time 不是有效时间",
            violations=[FieldViolation("signature.sign_time", "is no time")],
        ) from None
    return RequestSignature(
        time=time, nonce=given.nonce, signature=given.signature, certificate=certificate_of(call)
    )


def certificate_of(call: Call) -> bytes:
    """The certificate that a caller's connection was made with, PEM."""
    certificate: bytes = call.context.auth_context()["x509_pem_cert"][0]
    return certificate
