"""SealService on the wire: protobuf to model and back, and who may call what.

1. Deny by default: `POLICY` names every method.
2. A mutation is answered once per request id. The answer kept for SealDocument has no document in
   it: that is in the object store under its hash, and is put back when the answer is repeated.
3. Lists carry no pictures; a seal by name carries everything, all of it public.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, NoReturn

from google.protobuf.timestamp_pb2 import Timestamp

from runtime import names
from runtime.database import Answer, Database, UnitOfWork, check_request_id
from runtime.errors import Aborted, AlreadyExists, FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.rpc import ANY_ROLE, Call
from seal.making import SealMaking
from seal.material import TrustMaterial
from seal.model import Check, Indication, Verdict
from seal.registry import (
    Format,
    HeldSeal,
    Position,
    SealingOrder,
    SealOrder,
    SealState,
    check_positions,
    check_reason,
    recognise,
)
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb

POLICY: Mapping[str, frozenset[Role]] = {
    "CreateSeal": frozenset({Role.ADMINISTRATOR}),
    "GetSeal": ANY_ROLE,
    "ListSeals": ANY_ROLE,
    "SealDocument": frozenset({Role.DEPARTMENT, Role.NODE}),
    "VerifyDocument": ANY_ROLE,
    "GetTrustMaterial": ANY_ROLE,
}

_Asked = pb.CreateSealRequest | pb.SealDocumentRequest

_FORMATS: Final = {
    pb.DOCUMENT_FORMAT_UNSPECIFIED: None,
    pb.DOCUMENT_FORMAT_OFD: Format.OFD,
    pb.DOCUMENT_FORMAT_PDF: Format.PDF,
}
_STATES: Final = {
    SealState.ACTIVE: pb.SEAL_STATE_ACTIVE,
    SealState.REVOKED: pb.SEAL_STATE_REVOKED,
}
_INDICATIONS: Final = {
    Indication.PASSED: pb.INDICATION_PASSED,
    Indication.INDETERMINATE: pb.INDICATION_INDETERMINATE,
    Indication.FAILED: pb.INDICATION_FAILED,
}


class SealRpc:
    """The servicer. Every method is plain: it runs in a worker thread."""

    def __init__(
        self, database: Database, making: SealMaking, sealing: Sealing, material: TrustMaterial
    ) -> None:
        self._database = database
        self._making = making
        self._sealing = sealing
        self._material = material

    def CreateSeal(self, request: pb.CreateSealRequest, call: Call) -> pb.CreateSealResponse:  # noqa: N802
        """See the proto."""
        actor = call.principal.system
        order = _seal_order(request)
        draft = None
        if not self._is_answered(actor, "CreateSeal", request.request_id):
            try:
                draft = self._making.draft(order)  # slow, so before the transaction
            except AlreadyExists:
                if not self._is_answered(actor, "CreateSeal", request.request_id):
                    raise  # else a twin of this request has made it meanwhile

        def act(work: UnitOfWork) -> pb.CreateSealResponse:
            kept = self._making.keep(work, draft or self._making.draft(order), actor=actor)
            return pb.CreateSealResponse(seal=_to_seal(kept))

        return self._once(actor, "CreateSeal", request, pb.CreateSealResponse, act)

    def GetSeal(self, request: pb.GetSealRequest, _call: Call) -> pb.GetSealResponse:  # noqa: N802
        """See the proto."""
        return pb.GetSealResponse(seal=_to_seal(self._making.get(request.name)))

    def ListSeals(self, request: pb.ListSealsRequest, _call: Call) -> pb.ListSealsResponse:  # noqa: N802
        """See the proto."""
        seals, token = self._making.page(
            request.parent, page_size=request.page_size, page_token=request.page_token
        )
        return pb.ListSealsResponse(seals=[_to_seal(one) for one in seals], next_page_token=token)

    def SealDocument(  # noqa: N802
        self, request: pb.SealDocumentRequest, call: Call
    ) -> pb.SealDocumentResponse:
        """See the proto."""
        actor = call.principal.system
        condensed = _condensed(request)
        if self._is_answered(actor, "SealDocument", request.request_id):
            answer = self._once(actor, "SealDocument", condensed, pb.SealDocumentResponse, _twice)
            answer.document = self._sealing.document(answer.sha256)
            return answer

        sealed = self._sealing.seal(_sealing_order(request, condensed, call.principal))

        def act(work: UnitOfWork) -> pb.SealDocumentResponse:
            self._sealing.release(work, sealed, actor=actor)
            return pb.SealDocumentResponse(
                sha256=sealed.sha256_after, seal_time=_to_time(sealed.sealed_at)
            )

        answer = self._once(actor, "SealDocument", condensed, pb.SealDocumentResponse, act)
        if answer.sha256 == sealed.sha256_after:
            answer.document = sealed.document
            return answer
        with self._database.unit_of_work() as work:  # a twin was faster
            self._sealing.drop(work, sealed)
        answer.document = self._sealing.document(answer.sha256)
        return answer

    def VerifyDocument(  # noqa: N802
        self, request: pb.VerifyDocumentRequest, _call: Call
    ) -> pb.VerifyDocumentResponse:
        """See the proto."""
        verdict = self._material.verify(request.document)
        return pb.VerifyDocumentResponse(verdict=_to_verdict(verdict))

    def GetTrustMaterial(  # noqa: N802
        self, _request: pb.GetTrustMaterialRequest, _call: Call
    ) -> pb.GetTrustMaterialResponse:
        """See the proto."""
        found = self._material.current()
        return pb.GetTrustMaterialResponse(
            anchors=[one.certificate for one in found.anchors],
            intermediates=found.intermediates,
            revocation_lists=found.crls,
        )

    def _is_answered(self, actor: str, method: str, request_id: str) -> bool:
        """Whether a repeat; asked before any slow work, so the id is checked here too."""
        check_request_id(request_id)
        with self._database.reading() as session:
            return UnitOfWork(session).answered(actor, method, request_id) is not None

    def _once(
        self,
        actor: str,
        method: str,
        request: _Asked,
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


def _seal_order(request: pb.CreateSealRequest) -> SealOrder:
    names.parse(names.DEPARTMENT, request.parent, field="parent")
    names.check_id(request.seal_id, field="seal_id")
    return SealOrder(
        department=request.parent,
        seal_id=request.seal_id,
        display_name=request.display_name,
        credit_code=request.credit_code,
        bottom_line=request.bottom_line,
        end_time=_from_time(request.end_time) if request.HasField("end_time") else None,
    )


def _sealing_order(
    request: pb.SealDocumentRequest, condensed: pb.SealDocumentRequest, principal: Principal
) -> SealingOrder:
    names.parse(names.SEAL, request.seal, field="seal")
    if request.format not in _FORMATS:
        raise InvalidArgument(
            "this format is not known: leave it out to have it told from the document",
            reason="DOCUMENT_FORMAT_UNKNOWN",
            message_zh="未知的文件格式：可不填，由文件内容判断",
            violations=[FieldViolation("format", "unknown")],
        )
    positions = [
        Position(page=one.page, x_mm=one.x_mm, y_mm=one.y_mm, size_mm=one.size_mm)
        for one in request.positions
    ]
    return SealingOrder(
        seal=request.seal,
        document=request.document,
        format=recognise(request.document, declared=_FORMATS[request.format]),
        positions=check_positions(positions),
        reason=check_reason(request.reason),
        actor=principal.system,
        department=None if principal.has(Role.NODE) else principal.department,
        request_id=request.request_id,
        request_digest=hashlib.sha256(condensed.SerializeToString(deterministic=True)).digest(),
    )


def _condensed(request: pb.SealDocumentRequest) -> pb.SealDocumentRequest:
    """The request with its document's hash for the document: what a repeat is compared by."""
    condensed = pb.SealDocumentRequest()
    condensed.CopyFrom(request)
    condensed.document = hashlib.sha256(request.document).digest()
    return condensed


def _from_time(at: Timestamp) -> datetime:
    try:
        return at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            "end_time is not a time",
            reason="BAD_END_TIME",
            message_zh="end_time 不是有效的时间",
            violations=[FieldViolation("end_time", "not a time")],
        ) from None


# --- to the wire -------------------------------------------------------------------------------


def _to_time(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


def _to_seal(held: HeldSeal) -> pb.Seal:
    return pb.Seal(
        name=held.name,
        display_name=held.display_name,
        es_id=held.es_id,
        state=_STATES[held.state],
        start_time=_to_time(held.start_time),
        end_time=_to_time(held.end_time),
        seal_data=held.seal_data,
        image=held.image,
        diameter_mm=held.diameter_mm,
        certificate=held.certificate,
    )


def _to_verdict(verdict: Verdict) -> pb.Verdict:
    return pb.Verdict(
        indication=_INDICATIONS[verdict.indication],
        sub_indication=verdict.sub_indication,
        summary=verdict.summary,
        summary_zh=verdict.summary_zh,
        checks=[_to_check(one) for one in verdict.checks],
        signatures=[
            pb.SignatureReport(
                id=one.id,
                signer=one.signer,
                seal_name=one.seal_name,
                format=one.format,
                signing_time=None if one.signed_at is None else _to_time(one.signed_at),
                checks=[_to_check(check) for check in one.checks],
            )
            for one in verdict.signatures
        ],
    )


def _to_check(check: Check) -> pb.Check:
    return pb.Check(
        name=check.name,
        indication=_INDICATIONS[check.indication],
        detail=check.detail,
        detail_zh=check.detail_zh,
    )
