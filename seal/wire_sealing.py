"""What uses a seal, on the wire: placements, digests, levels, answers, records of uses.

A request is compared with its document's hash for the document, so however a document came (whole,
in parts, in a batch), one request id has one answer.
"""

from __future__ import annotations

import hashlib
from typing import Final

from runtime import names
from runtime.errors import DomainError, FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.status import code_of
from seal import store
from seal.credentials import check_payload
from seal.orders import (
    MAX_DOCUMENT,
    Digest,
    Document,
    Format,
    Proof,
    SealedDocument,
    SealingOrder,
    SealingState,
    check_digest,
    check_kind,
    check_placements,
    check_reason,
    check_wishes,
    recognise,
)
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement
from seal.v1 import seal_pb2 as pb
from seal.wire import to_time

_FORMATS: Final = {
    pb.DOCUMENT_FORMAT_UNSPECIFIED: None,
    pb.DOCUMENT_FORMAT_OFD: Format.OFD,
    pb.DOCUMENT_FORMAT_PDF: Format.PDF,
    pb.DOCUMENT_FORMAT_DIGEST: Format.DIGEST,
    pb.DOCUMENT_FORMAT_SD_JWT: Format.SD_JWT,
}
_LEVELS: Final = {
    pb.PROOF_LEVEL_UNSPECIFIED: Proof.BASIC,
    pb.PROOF_LEVEL_BASIC: Proof.BASIC,
    pb.PROOF_LEVEL_TIMESTAMPED: Proof.TIMESTAMPED,
    pb.PROOF_LEVEL_LONG_TERM: Proof.LONG_TERM,
    pb.PROOF_LEVEL_ARCHIVAL: Proof.ARCHIVAL,
}
_PLACELESS: Final = frozenset({Format.DIGEST, Format.SD_JWT})
_FORMS: Final = {found: number for number, found in _FORMATS.items() if found is not None}
_STATES: Final = {
    SealingState.PREPARED: pb.SEALING_STATE_PREPARED,
    SealingState.SIGNED: pb.SEALING_STATE_SIGNED,
    SealingState.RELEASED: pb.SEALING_STATE_RELEASED,
    SealingState.FAILED: pb.SEALING_STATE_FAILED,
}


# --- from the wire -----------------------------------------------------------------------------


def condense(request: pb.SealDocumentRequest, document: Document) -> pb.SealDocumentRequest:
    """The request with its document's hash for the document: what a repeat is compared by."""
    condensed = pb.SealDocumentRequest()
    condensed.CopyFrom(request)
    condensed.document = hashlib.sha256(document).digest() if len(document) else b""
    return condensed


def sealing_order(
    request: pb.SealDocumentRequest,
    document: Document,
    principal: Principal,
    *,
    greatest: int = MAX_DOCUMENT,
) -> SealingOrder:
    """The wish of a condensed request whose document is `document`.

    Raises InvalidArgument and ResourceExhausted as the checks of `seal.orders` do.
    """
    names.parse(names.SEAL, request.seal, field="seal")
    if request.format not in _FORMATS:
        raise _unknown("format", "DOCUMENT_FORMAT_UNKNOWN")
    if request.level not in _LEVELS:
        raise _unknown("level", "PROOF_LEVEL_UNKNOWN")
    declared = _FORMATS[request.format]
    digest = None
    if request.HasField("digest") or declared is Format.DIGEST:
        digest = check_digest(
            Digest(value=request.digest.value, property_info=request.digest.property_info)
        )
        form = Format.DIGEST
    elif declared is Format.SD_JWT:
        check_payload(bytes(document))
        form = Format.SD_JWT
    else:
        form = recognise(document, declared=declared, greatest=greatest)
    placements = tuple(_placement(one) for one in request.placements)
    return check_wishes(
        SealingOrder(
            seal=request.seal,
            document=document,
            format=form,
            placements=placements if form in _PLACELESS else check_placements(placements),
            reason=check_reason(request.reason),
            actor=principal.system,
            department=None if principal.has(Role.NODE) else principal.department,
            request_id=request.request_id,
            request_digest=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
            kind=check_kind(request.kind),
            proof=_LEVELS[request.level],
            close=request.close,
            integrity_entries=request.integrity_entries,
            digest=digest,
        )
    )


def _placement(one: pb.Placement) -> Placement:
    match one.WhichOneof("place"):
        case "position":
            at = one.position
            return At(page=at.page, x_mm=at.x_mm, y_mm=at.y_mm, size_mm=at.size_mm)
        case "keyword":
            word = one.keyword
            return Keyword(
                text=word.text,
                dx_mm=word.dx_mm,
                dy_mm=word.dy_mm,
                occurrence=word.occurrence,
                size_mm=word.size_mm,
            )
        case "every_page":
            every = one.every_page
            return EveryPage(x_mm=every.x_mm, y_mm=every.y_mm, size_mm=every.size_mm)
        case "edges":
            edges = one.edges
            return AcrossEdges(
                y_mm=edges.y_mm,
                size_mm=edges.size_mm,
                pages_per_image=edges.pages_per_image or 20,
            )
    raise InvalidArgument(
        "a placement is empty: fill one of position, keyword, every_page and edges",
        reason="STAMP_POSITION",
        message_zh="盖章位置为空：请填写 position、keyword、every_page 或 edges 之一",
        violations=[FieldViolation("placements", "one of them is empty")],
    )


def _unknown(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"this {field} is not known: leave it out, or take one of the proto's",
        reason=reason,
        message_zh=f"未知的 {field}：可不填，或使用协议中的取值",
        violations=[FieldViolation(field, "unknown")],
    )


# --- to the wire -------------------------------------------------------------------------------


def to_answer(sealed: SealedDocument) -> pb.SealDocumentResponse:
    """The answer, without the document."""
    return pb.SealDocumentResponse(
        sha256=sealed.sha256_after,
        seal_time=to_time(sealed.sealed_at),
        stamp_count=sealed.stamp_count,
    )


def to_record(one: store.Sealing) -> pb.SealingRecord:
    """One use of a seal."""
    return pb.SealingRecord(
        id=one.id,
        state=_STATES[one.state],
        actor=one.actor,
        reason=one.reason,
        format=_FORMS[one.format],
        kind=one.kind,
        sha256_before=one.sha256_before,
        sha256_after=one.sha256_after or "",
        seal_time=to_time(one.seal_time),
        failure=one.failure or "",
    )


def to_error(error: DomainError) -> pb.SealingError:
    """Why one document of a batch was not sealed."""
    return pb.SealingError(
        code=code_of(error).value[0],
        reason=error.reason,
        message=error.message,
        message_zh=error.message_zh,
    )
