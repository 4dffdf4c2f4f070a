"""The uses of a seal on the wire: sealing one document, a stream of parts, a batch; their list.

1. A sealing is answered once per request id. The answer kept has no document in it: that is in the
   object store under its hash, and is put back when the answer is repeated.
2. A request is compared with its document's hash for the document, so however a document came
   (whole, in parts, in a batch), one request id has one answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from runtime import names
from runtime.database import Answer, Database, UnitOfWork, check_request_id
from runtime.errors import Aborted, AlreadyExists, FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.rpc import ANY_ROLE, Call
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
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb

SEALING_POLICY: Mapping[str, frozenset[Role]] = {
    "ListSealings": ANY_ROLE,
    "SealDocument": frozenset({Role.DEPARTMENT, Role.NODE}),
}
METHOD: Final = "SealDocument"

_FORMATS: Final = {
    pb.DOCUMENT_FORMAT_UNSPECIFIED: None,
    pb.DOCUMENT_FORMAT_OFD: Format.OFD,
    pb.DOCUMENT_FORMAT_PDF: Format.PDF,
    pb.DOCUMENT_FORMAT_DIGEST: Format.DIGEST,
}
_LEVELS: Final = {
    pb.PROOF_LEVEL_UNSPECIFIED: Proof.BASIC,
    pb.PROOF_LEVEL_BASIC: Proof.BASIC,
    pb.PROOF_LEVEL_TIMESTAMPED: Proof.TIMESTAMPED,
    pb.PROOF_LEVEL_LONG_TERM: Proof.LONG_TERM,
    pb.PROOF_LEVEL_ARCHIVAL: Proof.ARCHIVAL,
}
_FORMS: Final = {found: number for number, found in _FORMATS.items() if found is not None}
_STATES: Final = {
    SealingState.PREPARED: pb.SEALING_STATE_PREPARED,
    SealingState.SIGNED: pb.SEALING_STATE_SIGNED,
    SealingState.RELEASED: pb.SEALING_STATE_RELEASED,
    SealingState.FAILED: pb.SEALING_STATE_FAILED,
}


class SealingRpc:
    """The methods that use a seal. Plain ones run in a worker thread."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._database = database
        self._sealing = sealing

    def SealDocument(  # noqa: N802
        self, request: pb.SealDocumentRequest, call: Call
    ) -> pb.SealDocumentResponse:
        """See the proto."""
        actor = call.principal.system
        condensed = condense(request, request.document)
        if self._is_answered(actor, METHOD, request.request_id):
            answer = self._once(actor, METHOD, condensed, pb.SealDocumentResponse, _twice)
            answer.document = self._sealing.document(answer.sha256)
            return answer

        sealed = self._sealing.seal(
            sealing_order(request, request.document, condensed, call.principal)
        )

        def act(work: UnitOfWork) -> pb.SealDocumentResponse:
            self._sealing.release(work, sealed, actor=actor)
            return to_answer(sealed)

        answer = self._once(actor, METHOD, condensed, pb.SealDocumentResponse, act)
        if answer.sha256 == sealed.sha256_after:
            answer.document = bytes(sealed.document)
            return answer
        with self._database.unit_of_work() as work:  # a twin was faster
            self._sealing.drop(work, sealed)
        answer.document = self._sealing.document(answer.sha256)
        return answer

    def _is_answered(self, actor: str, method: str, request_id: str) -> bool:
        """Whether a repeat; asked before any slow work, so the id is checked here too."""
        check_request_id(request_id)
        with self._database.reading() as session:
            return UnitOfWork(session).answered(actor, method, request_id) is not None

    def _once(
        self,
        actor: str,
        method: str,
        request: Any,
        answer_type: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        """`UnitOfWork.once`; where a twin committed first, its answer."""
        for last in (False, True):
            try:
                with self._database.unit_of_work() as work:
                    return work.once(
                        actor, method, request, request.request_id, answer_type, partial(act, work)
                    )
            except (Aborted, AlreadyExists):
                if last or not self._is_answered(actor, method, request.request_id):
                    raise
        raise AssertionError("one of two attempts returns or raises")


def _twice(_work: UnitOfWork) -> NoReturn:
    raise Aborted(
        "the first answer to this request is gone: repeat it with a fresh request_id",
        reason="CONCURRENT_CHANGE",
        message_zh="该请求的首次应答已不存在：请换用新的 request_id 重试",
    )


# --- from the wire -----------------------------------------------------------------------------


def condense(request: pb.SealDocumentRequest, document: Document) -> pb.SealDocumentRequest:
    """The request with its document's hash for the document (rule 2)."""
    condensed = pb.SealDocumentRequest()
    condensed.CopyFrom(request)
    condensed.document = hashlib.sha256(document).digest() if len(document) else b""
    return condensed


def sealing_order(
    request: pb.SealDocumentRequest,
    document: Document,
    condensed: pb.SealDocumentRequest,
    principal: Principal,
    *,
    greatest: int = MAX_DOCUMENT,
) -> SealingOrder:
    """The wish of a request whose document is `document`.

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
    else:
        form = recognise(document, declared=declared, greatest=greatest)
    placements = tuple(_placement(one) for one in request.placements)
    return check_wishes(
        SealingOrder(
            seal=request.seal,
            document=document,
            format=form,
            placements=placements if form is Format.DIGEST else check_placements(placements),
            reason=check_reason(request.reason),
            actor=principal.system,
            department=None if principal.has(Role.NODE) else principal.department,
            request_id=request.request_id,
            request_digest=hashlib.sha256(condensed.SerializeToString(deterministic=True)).digest(),
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
    return At(page=0, x_mm=0, y_mm=0)  # says nothing: `check_placements` refuses page 0


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
        seal_time=_to_time(sealed.sealed_at),
        stamp_count=sealed.stamp_count,
    )


def _to_time(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found
