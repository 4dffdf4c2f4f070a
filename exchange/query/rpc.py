"""QueryService: protobuf to model and back, on the loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.audit.erasures.store import Erasing
from exchange.query.as_of import AsOf, PastQuestion
from exchange.query.batches import Batch, ManyRecords, ReadBatch
from exchange.query.batching import Batching
from exchange.query.exporting import Exporting
from exchange.query.keys import check_few
from exchange.query.model import Match
from exchange.query.service import Querying
from exchange.query.telling import PastAccess, Telling
from exchange.query.turns import Streams, in_turn
from exchange.receipts import fill, to_message
from exchange.signatures import signature_of
from exchange.v1 import query_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

POLICY: Mapping[str, frozenset[Role]] = {
    "Query": frozenset({Role.DEPARTMENT}),
    "BatchQuery": frozenset({Role.DEPARTMENT}),
    "Verify": frozenset({Role.DEPARTMENT}),
    "Export": frozenset({Role.DEPARTMENT}),
    "MyAccess": frozenset({Role.COUNTER, Role.APPLICANT}),
}
#: Bytes of a message at most: what a question holds, each of its fields at its longest.
SIZES: Mapping[str, int] = {
    "Query": 160 * 1024,
    "BatchQuery": 1024 * 1024,
    "Verify": 128 * 1024,
    "Export": 16 * 1024,
    "MyAccess": 16 * 1024,
}
_RESULTS = {
    Match.MATCH: pb.MATCH_RESULT_MATCH,
    Match.NO_MATCH: pb.MATCH_RESULT_NO_MATCH,
    Match.NOT_HELD: pb.MATCH_RESULT_NOT_HELD,
}


class QueryServicer:
    """Serves `QueryService`."""

    def __init__(
        self,
        querying: Querying,
        batching: Batching,
        as_of: AsOf,
        exporting: Exporting,
        telling: Telling,
    ) -> None:
        self._telling = telling
        self._querying = querying
        self._as_of = as_of
        self._batching = batching
        self._exporting = exporting
        self._streams = Streams()

    async def Query(  # noqa: N802  # the method's name in the proto
        self, request: pb.QueryRequest, call: Call
    ) -> pb.QueryResponse:
        """One record, or a few."""
        if request.keys:
            return await self._few(request, call)
        if request.HasField("read_time"):
            return await self._past(request, call)
        answer = await self._querying.query(
            call.principal,
            grant=request.grant,
            key=request.key,
            items=tuple(request.items),
            purpose=request.purpose,
            case_number=request.case_number,
            time_remaining=call.time_remaining,
            signed=signature_of(request, call),
        )
        message = pb.QueryResponse(found=answer.found, items=answer.items)
        fill(message.receipt, answer.receipt)
        return message

    async def _few(self, request: pb.QueryRequest, call: Call) -> pb.QueryResponse:
        check_few(request.key, len(request.keys))
        answer = await self._batching.ask(
            call.principal, _batch(request, call), call.time_remaining
        )
        return await self._batching.in_turn(call.principal, partial(_few, answer))

    async def _past(self, request: pb.QueryRequest, call: Call) -> pb.QueryResponse:
        answer = await self._as_of.query(
            call.principal,
            PastQuestion(
                grant=request.grant,
                key=request.key,
                items=tuple(request.items),
                purpose=request.purpose,
                case_number=request.case_number,
                read_time=_time(request.read_time),
                signed=signature_of(request, call),
            ),
        )
        message = pb.QueryResponse(found=answer.found, items=answer.items)
        fill(message.receipt, answer.receipt)
        return message

    async def BatchQuery(  # noqa: N802
        self, requests: AsyncIterator[pb.BatchQueryRequest], call: Call
    ) -> AsyncIterator[pb.BatchQueryResponse]:
        """Many records."""

        async def read(request: pb.BatchQueryRequest) -> ReadBatch:
            return await self._batching.read(
                call.principal, _batch(request, call), call.time_remaining
            )

        with self._streams.one_more(call.principal.system):
            async with contextlib.aclosing(in_turn(requests, read)) as chunks:
                async for chunk in chunks:
                    answer = await self._batching.answer(chunk)
                    # Off the loop: it takes milliseconds.
                    yield await self._batching.in_turn(call.principal, partial(_many, answer))

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
            signed=signature_of(request, call),
        )
        message = pb.VerifyResponse(
            result=_RESULTS[answer.result],
            claims={code: _RESULTS[match] for code, match in answer.claims.items()},
        )
        fill(message.receipt, answer.receipt)
        return message

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
            signed=signature_of(request, call),
        )
        return pb.ExportResponse(
            records=[pb.ExportedRecord(items=record) for record in page.records],
            next_page_token=page.next_page_token,
            receipt=to_message(page.receipt),
        )

    async def MyAccess(  # noqa: N802
        self, request: pb.MyAccessRequest, call: Call
    ) -> pb.MyAccessResponse:
        """Who asked for an applicant's data."""
        found = await self._telling.accesses(
            call.principal,
            key=request.key,
            case_number=request.case_number,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        answer = pb.MyAccessResponse(
            accesses=map(_access, found.accesses),
            next_page_token=found.token,
            complete_size=found.complete_size,
            erased=found.erased,
            erasures=map(_erasure, found.erasures),
        )
        answer.complete_time.FromDatetime(found.complete_time)
        return answer


def _erasure(one: Erasing) -> pb.SaltErasure:
    message = pb.SaltErasure(actor=one.actor, erased=one.erased, index=one.index)
    message.time.FromDatetime(one.at)
    message.first_time.FromDatetime(one.first)
    message.last_time.FromDatetime(one.last)
    return message


def _access(one: PastAccess) -> pb.PastAccess:
    message = pb.PastAccess(
        index=one.index,
        actor=one.actor,
        kind=one.kind,
        resource=one.resource,
        items=one.items,
        grant=one.grant,
        purpose=one.purpose,
        legal_basis=one.legal_basis,
        leaf=one.leaf,
        salt=one.salt,
    )
    message.time.FromDatetime(one.time)
    if one.entry is not None:
        message.entry.CopyFrom(
            pb.PastEntry(
                position=one.entry.position,
                salt=one.entry.salt,
                path=one.entry.path,
                asked_salt=one.entry.asked_salt,
            )
        )
    return message


def _batch(request: pb.QueryRequest | pb.BatchQueryRequest, call: Call) -> Batch:
    return Batch(
        grant=request.grant,
        keys=tuple(request.keys),
        items=tuple(request.items),
        purpose=request.purpose,
        case_number=request.case_number,
        signed=signature_of(request, call),
        method="Query" if isinstance(request, pb.QueryRequest) else "BatchQuery",
        read_time=_time(request.read_time) if request.HasField("read_time") else None,
    )


def _time(message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(UTC)
    except ValueError:
        raise InvalidArgument(
            "read_time is no time",
            reason="BAD_READ_TIME",
            message_zh="read_time 不是有效时间",
            violations=[FieldViolation("read_time", "is no time")],
        ) from None


def _many(answer: ManyRecords) -> pb.BatchQueryResponse:
    message = pb.BatchQueryResponse(receipt=to_message(answer.receipt))
    _add(message, answer)
    return message


def _few(answer: ManyRecords) -> pb.QueryResponse:
    message = pb.QueryResponse(found=answer.any_found, receipt=to_message(answer.receipt))
    _add(message, answer)
    return message


def _add(message: pb.BatchQueryResponse | pb.QueryResponse, answer: ManyRecords) -> None:
    # In place: half the time of messages that are made and copied.
    add = message.records.add
    for items in answer.records:
        record = add()
        if items is not None:
            record.found = True
            shown = record.items
            for code, value in items.items():  # `update` of a message's map takes a third more
                shown[code] = value
