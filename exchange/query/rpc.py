"""QueryService: protobuf to model and back, on the loop."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.query.service import Querying
from exchange.receipts import to_message
from exchange.v1 import query_pb2 as pb
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "Query": frozenset({Role.DEPARTMENT}),
    "Verify": frozenset({Role.DEPARTMENT}),
}
_RESULTS = {True: pb.MATCH_RESULT_MATCH, False: pb.MATCH_RESULT_NO_MATCH}


class QueryServicer:
    """Serves `QueryService`."""

    def __init__(self, querying: Querying) -> None:
        self._querying = querying

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
        )
        return pb.VerifyResponse(
            result=_RESULTS[answer.matches],
            claims={code: _RESULTS[true] for code, true in answer.claims.items()},
            receipt=to_message(answer.receipt),
        )
