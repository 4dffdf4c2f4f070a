"""The uses of a seal on the wire: sealing one document, and the list of what was sealed.

1. A sealing is answered once per request id. The answer kept has no document in it: that is in the
   object store under its hash, and is put back when the answer is repeated.
2. Streams and batches (`seal.rpc_streams`) go the same way, a document each.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from io import BufferedRandom
from typing import Final, NoReturn

from runtime import names, paging
from runtime.database import Database, FixedWork, UnitOfWork
from runtime.errors import Aborted, AlreadyExists, FieldViolation, InvalidArgument
from runtime.identity import Principal, Role
from runtime.rpc import ANY_ROLE, Call
from seal import store
from seal.orders import MAX_DOCUMENT, MAX_STREAMED, Document, SealedDocument
from seal.registry import may_see_inside, seal_not_found
from seal.rpc_once import OnceRpc
from seal.sealing import Sealing
from seal.v1 import seal_pb2 as pb
from seal.wire_sealing import condense, sealing_order, to_answer, to_record

_MAY_SEAL: Final = frozenset({Role.DEPARTMENT, Role.NODE})
SEALING_POLICY: Mapping[str, frozenset[Role]] = {
    "SealDocument": _MAY_SEAL,
    "StreamSealDocument": _MAY_SEAL,
    "BatchSealDocuments": _MAY_SEAL,
    "ListSealings": ANY_ROLE,
}
METHOD: Final = "SealDocument"


class SealingRpc(OnceRpc):
    """The methods that use a seal, one document at a time. Plain ones run in a worker thread."""

    def __init__(self, database: Database, sealing: Sealing) -> None:
        super().__init__(database)
        self._sealing = sealing

    def SealDocument(  # noqa: N802
        self, request: pb.SealDocumentRequest, call: Call
    ) -> pb.SealDocumentResponse:
        """See the proto."""
        answer, document = self._sealed(request, request.document, call.principal)
        answer.document = bytes(document)
        return answer

    def ListSealings(self, request: pb.ListSealingsRequest, call: Call) -> pb.ListSealingsResponse:  # noqa: N802
        """See the proto."""
        names.parse(names.SEAL, request.parent, field="parent")
        size = paging.page_size(request.page_size)
        with self._database.reading() as session:
            held = store.find_seal(session, request.parent)
            if held is None or not may_see_inside(held, call.principal):
                raise seal_not_found()
            rows = store.sealings_of(
                session, held.name, limit=size + 1, before=_before(request.page_token)
            )
        page, token = paging.cut(rows, size, _place)
        return pb.ListSealingsResponse(
            sealings=[to_record(one) for one in page], next_page_token=token
        )

    def _sealed(
        self,
        request: pb.SealDocumentRequest,
        document: Document,
        principal: Principal,
        *,
        into: BufferedRandom | None = None,
    ) -> tuple[pb.SealDocumentResponse, Document]:
        """The answer without its document, and that; a large one is a view of the file `into`."""
        actor = principal.system
        request = condense(request, document)
        if self._is_answered(actor, METHOD, request.request_id):
            answer = self._once(actor, METHOD, request, pb.SealDocumentResponse, _twice)
            return answer, self._sealing.document(answer.sha256, into=into)
        order = sealing_order(
            request,
            document,
            principal,
            greatest=MAX_DOCUMENT if into is None else MAX_STREAMED,
        )
        sealed = self._sealing.seal(order, into=into)
        answer = self._release(request, sealed, actor)
        if answer.sha256 == sealed.sha256_after:
            return answer, sealed.document
        self._sealing.drop(sealed)  # a twin was faster
        return answer, self._sealing.document(answer.sha256, into=into)

    def _release(
        self, request: pb.SealDocumentRequest, sealed: SealedDocument, actor: str
    ) -> pb.SealDocumentResponse:
        def note(work: FixedWork) -> pb.SealDocumentResponse:
            def act() -> pb.SealDocumentResponse:
                self._sealing.release(work, sealed, actor=actor)
                return to_answer(sealed)

            return work.once(
                actor, METHOD, request, request.request_id, pb.SealDocumentResponse, act
            )

        try:
            return self._unless_twin(
                actor, METHOD, request.request_id, lambda: self._sealing.write(note)
            )
        except AlreadyExists:  # another request took the id meanwhile
            self._sealing.drop(sealed)
            raise


def _twice(_work: UnitOfWork) -> NoReturn:
    raise Aborted(
        "the first answer to this request is gone: repeat it with a fresh request_id",
        reason="CONCURRENT_CHANGE",
        message_zh="该请求的首次应答已不存在：请换用新的 request_id 重试",
    )


def _place(one: store.Sealing) -> str:
    """Where a record stands in the list, newest first."""
    return f"{one.prepared_at.isoformat()} {one.id}"


def _before(token: str) -> tuple[datetime, str] | None:
    if not token:
        return None
    at, _, ident = paging.last_of(token).partition(" ")
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidArgument(
            "page_token is not one that this list gave: begin again without it",
            reason="BAD_PAGE_TOKEN",
            message_zh="page_token 无效：请不带它从头开始",
            violations=[FieldViolation("page_token", "unknown token")],
        )
    return found, ident
