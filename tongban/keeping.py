"""What a consumer signs, and what it keeps to prove what it asked and was told.

A request is signed, and its record commits to it, as the same canonical JSON; so a receipt that is
kept with that request, the answer, the certificate and the nonce proves both, without the node.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from exchange.audit.model import Receipt
from exchange.audit.saved import SavedReceipt
from exchange.files.envelope import Receiver
from exchange.v1 import audit_pb2, files_pb2, query_pb2
from runtime.clock import SYSTEM
from runtime.records import canonical, instant
from runtime.signed import RequestSigner
from tongban.placing import place_as_committed, places_as_committed

Keep = Callable[[str, SavedReceipt], None]
"""Takes a method's name and what proves one answer of it."""

_ALWAYS = {
    "Query": {"grant", "key", "items", "purpose", "case_number"},
    "BatchQuery": {"grant", "keys", "items", "purpose", "case_number"},
    "Verify": {"grant", "key", "claims", "purpose", "case_number"},
    "Export": {"grant", "purpose", "case_number", "page_size", "page_token"},
}
_MATCHES = {
    query_pb2.MATCH_RESULT_MATCH: "match",
    query_pb2.MATCH_RESULT_NO_MATCH: "no_match",
    query_pb2.MATCH_RESULT_NOT_HELD: "not_held",
}


def as_committed(method: str, request: Any, certificate: bytes = b"") -> dict[str, Any]:
    """A request as its record commits to it, and as it is signed.

    `certificate` is the connection's, PEM: an export job that names no other is for it. Raises
    InvalidArgument (CERTIFICATE_NOT_USABLE).
    """
    if method == "CreateExportJob":
        receiving = request.certificate.encode() or certificate
        return {
            "grant": request.grant,
            "format": "parquet" if request.format == files_pb2.FILE_FORMAT_PARQUET else "csv",
            "purpose": request.purpose,
            "case_number": request.case_number,
            "certificate_sha256": Receiver.read(receiving, own=True).fingerprint,
        }
    if method == "SpatialQuery":
        return place_as_committed(request)
    told = {
        field.name: _value(field.name, getattr(request, field.name))
        for field in request.DESCRIPTOR.fields
        if field.name in _ALWAYS[method] or _is_set(field.name, request)
    }
    told.pop("signature", None)
    if "keys" in told and method == "Query":
        told.pop("key", None)
    return told


def answer_as_committed(method: str, request: Any, answer: Any) -> Any:
    """An answer of QueryService or SpatialService as its record commits to it."""
    if method == "SpatialQuery":
        return places_as_committed(answer)
    if method == "Verify":
        claims = {item: _MATCHES[result] for item, result in answer.claims.items()}
        return {"claims": claims, "result": _MATCHES[answer.result]}
    if method == "Export":
        return [dict(record.items) for record in answer.records]
    if method == "BatchQuery" or request.keys:
        return {"records": [_record(one) for one in answer.records]}
    return _record(answer)


def sign_request(
    signer: RequestSigner, method: str, request: Any, *, at: datetime | None = None
) -> None:
    """Put a signature into a request: over what its record commits to."""
    time = at or SYSTEM.now()
    asked = as_committed(method, request, signer.certificate)
    nonce, signature = signer.sign(method, canonical(asked), time)
    request.signature.nonce, request.signature.signature = nonce, signature
    request.signature.sign_time.FromDatetime(time)


def proof_of(method: str, request: Any, answer: Any, certificate: bytes = b"") -> SavedReceipt:
    """What proves an answer: its receipt with question and answer.

    Of a signed request it holds the nonce and the signer's `certificate`, PEM, too.
    """
    signed = request.HasField("signature")
    return SavedReceipt(
        receipt=receipt_of(answer.receipt),
        values={
            "request": as_committed(method, request),
            "answer": answer_as_committed(method, request, answer),
        },
        certificate=certificate.decode() if signed else "",
        nonce=request.signature.nonce if signed else b"",
    )


def receipt_of(message: audit_pb2.Receipt) -> Receipt:
    """A receipt as it came."""
    return Receipt(
        leaf=message.leaf,
        salt=message.salt,
        shard=message.shard,
        batch=message.batch,
        position=message.position,
        batch_size=message.batch_size,
        path=tuple(message.path),
        promise_time=message.promise_time.ToDatetime(UTC),
        signature=message.signature,
    )


def _record(one: Any) -> dict[str, Any]:
    return {"found": one.found, "items": dict(one.items)}


def _is_set(name: str, request: Any) -> bool:
    if name in ("read_time", "signature"):
        return bool(request.HasField(name))
    return bool(getattr(request, name))


def _value(name: str, value: Any) -> Any:
    if name == "read_time":
        return instant(value.ToDatetime(UTC))
    if name == "claims":
        return dict(value)
    return list(value) if name in ("items", "keys") else value
