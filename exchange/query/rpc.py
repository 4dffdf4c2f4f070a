"""QueryService: protobuf to model and back, on the loop."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.query.exporting import Exporting
from exchange.query.service import Querying
from exchange.receipts import to_message
from exchange.v1 import query_pb2 as pb
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "Query": frozenset({Role.DEPARTMENT}),
    "Verify": frozenset({Role.DEPARTMENT}),
    "Export": frozenset({Role.DEPARTMENT}),
}
_RESULTS = {True: pb.MATCH_RESULT_MATCH, False: pb.MATCH_RESULT_NO_MATCH}


class QueryServicer:
    """Serves `QueryService`."""

    def __init__(self, querying: Querying, exporting: Exporting) -> None:
        self._querying = querying
        self._exporting = exporting

    async def Query(  # noqa: N802  # the method's name in the proto
        self, request: pb.QueryRequest, call: Call
    ) -> pb.QueryResponse:
        """One record."""
        answer = await self._querying.query(
            call.principal,
            grant=request.grant,
            key=request.key,
            items=tuple(request.items),
            purpose=request.purpose,
            case_number=request.case_number,
            time_remaining=call.time_remaining,
        )
        return pb.QueryResponse(
            found=answer.found, items=answer.items, receipt=to_message(answer.receipt)
        )

    async def Verify(  # noqa: N802
        self, request: pb.VerifyRequest, call: Call
    ) -> pb.VerifyResponse:
        """Yes or no."""
        answer = await self._querying.verify(
            call.principal,
            grant=request.grant,
            key=request.key,
            claims=dict(request.claims),
            purpose=request.purpose,
            case_number=request.case_number,
            time_remaining=call.time_remaining,
        )
        return pb.VerifyResponse(
            result=_RESULTS[answer.matches],
            claims={code: _RESULTS[true] for code, true in answer.claims.items()},
            receipt=to_message(answer.receipt),
        )

    async def Export(  # noqa: N802
        self, request: pb.ExportRequest, call: Call
    ) -> pb.ExportResponse:
        """A page of records."""
        page = await self._exporting.export(
            call.principal,
            grant=request.grant,
            purpose=request.purpose,
            case_number=request.case_number,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ExportResponse(
            records=[pb.ExportedRecord(items=record) for record in page.records],
            next_page_token=page.next_page_token,
            receipt=to_message(page.receipt),
        )
