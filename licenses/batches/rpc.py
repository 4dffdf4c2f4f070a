"""BatchService: protobuf to the model and back, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from licenses.batches import model
from licenses.batches.model import Batch, BatchState, Result, Row, RowHolder, RowPaper, RowState
from licenses.batches.service import Batches, Receiving
from licenses.v1 import batches_pb2 as pb
from runtime.database import Database, check_request_id
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_ISSUERS: Final = frozenset({Role.DEPARTMENT})
POLICY: Mapping[str, frozenset[Role]] = dict.fromkeys(
    (
        "CreateIssueBatch",
        "GetIssueBatch",
        "ListIssueBatches",
        "ListIssueBatchResults",
        "CancelIssueBatch",
    ),
    _ISSUERS,
)
_CREATE: Final = "CreateIssueBatch"
#: Between two messages of a sender; then what came is forgotten.
SILENCE_SECONDS: Final = 60.0
_STATES: Final = {
    BatchState.RUNNING: pb.ISSUE_BATCH_STATE_RUNNING,
    BatchState.FINISHED: pb.ISSUE_BATCH_STATE_FINISHED,
    BatchState.CANCELLED: pb.ISSUE_BATCH_STATE_CANCELLED,
}
_ROW_STATES: Final = {
    RowState.WAITING: pb.ISSUE_BATCH_ROW_STATE_WAITING,
    RowState.ISSUED: pb.ISSUE_BATCH_ROW_STATE_ISSUED,
    RowState.FAILED: pb.ISSUE_BATCH_ROW_STATE_FAILED,
}
_FILTERS: Final = {number: state for state, number in _ROW_STATES.items()} | {
    pb.ISSUE_BATCH_ROW_STATE_UNSPECIFIED: None
}


class BatchRpc:
    """The servicer; `wake` tells the worker that there is something to do."""

    def __init__(self, database: Database, batches: Batches, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._batches = batches
        self._wake = wake

    async def CreateIssueBatch(  # noqa: N802
        self, requests: AsyncIterator[pb.CreateIssueBatchRequest], call: Call
    ) -> pb.CreateIssueBatchResponse:
        """See the proto."""
        receiving: Receiving | None = None
        header = pb.IssueBatchHeader()
        last, kept = False, ""
        try:
            async for request in _in_time(requests):
                if last or request.HasField("header") == (receiving is not None):
                    raise _out_of_order()
                if receiving is None:
                    header = request.header
                    receiving = await asyncio.to_thread(self._begin, header, call)
                last = request.last
                if request.rows:
                    await asyncio.to_thread(_take, receiving, request)
            if receiving is None:
                raise _out_of_order()
            batch = receiving.whole(last=last)
            answer = await asyncio.to_thread(self._start, batch, header, call)
            kept = answer.issue_batch.name
        finally:
            if receiving is not None and kept != receiving.batch.name:
                await asyncio.shield(asyncio.to_thread(receiving.forget))
        self._wake()
        return answer

    def _begin(self, header: pb.IssueBatchHeader, call: Call) -> Receiving:
        check_request_id(header.request_id)
        actor = call.principal.system
        return self._batches.begin(
            call.principal,
            header.parent,
            header.license_type,
            header.seal,
            repeated=self._database.held.answered(actor, _CREATE, header.request_id),
        )

    def _start(
        self, batch: Batch, header: pb.IssueBatchHeader, call: Call
    ) -> pb.CreateIssueBatchResponse:
        # What a repeat is compared by: the header, and the digest of all rows in a row's place.
        asked = pb.CreateIssueBatchRequest(
            header=header, rows=[pb.IssueBatchRow(row_key=batch.rows_sha256)]
        )

        def act() -> pb.CreateIssueBatchResponse:
            return pb.CreateIssueBatchResponse(
                issue_batch=_to_batch(self._batches.start(work, batch))
            )

        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                _CREATE,
                asked,
                header.request_id,
                pb.CreateIssueBatchResponse,
                act,
            )

    def GetIssueBatch(  # noqa: N802
        self, request: pb.GetIssueBatchRequest, call: Call
    ) -> pb.GetIssueBatchResponse:
        """See the proto."""
        found = self._batches.get(call.principal, request.name)
        return pb.GetIssueBatchResponse(issue_batch=_to_batch(found))

    def ListIssueBatches(  # noqa: N802
        self, request: pb.ListIssueBatchesRequest, call: Call
    ) -> pb.ListIssueBatchesResponse:
        """See the proto."""
        found, token = self._batches.page(
            call.principal,
            request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListIssueBatchesResponse(
            issue_batches=[_to_batch(one) for one in found], next_page_token=token
        )

    def ListIssueBatchResults(  # noqa: N802
        self, request: pb.ListIssueBatchResultsRequest, call: Call
    ) -> pb.ListIssueBatchResultsResponse:
        """See the proto."""
        if request.state not in _FILTERS:
            raise _wrong("state", "not a state of a row")
        found, token = self._batches.results(
            call.principal,
            request.parent,
            state=_FILTERS[request.state],
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListIssueBatchResultsResponse(
            results=[_to_result(one) for one in found], next_page_token=token
        )

    def CancelIssueBatch(  # noqa: N802
        self, request: pb.CancelIssueBatchRequest, call: Call
    ) -> pb.CancelIssueBatchResponse:
        """See the proto."""

        def act() -> pb.CancelIssueBatchResponse:
            ended = self._batches.cancel(work, call.principal, request.name, reason=request.reason)
            return pb.CancelIssueBatchResponse(issue_batch=_to_batch(ended))

        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "CancelIssueBatch",
                request,
                request.request_id,
                pb.CancelIssueBatchResponse,
                act,
            )


async def _in_time(
    requests: AsyncIterator[pb.CreateIssueBatchRequest],
) -> AsyncIterator[pb.CreateIssueBatchRequest]:
    """The messages; a sender who falls silent is refused. Raises InvalidArgument."""
    coming = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                request = await anext(coming)
        except StopAsyncIteration:
            return
        except TimeoutError:
            model.check_whole(0, last=False)
            raise
        yield request


def _take(receiving: Receiving, request: pb.CreateIssueBatchRequest) -> None:
    receiving.take([_row(one) for one in request.rows])


# --- from the wire -----------------------------------------------------------------------------


def _row(one: pb.IssueBatchRow) -> Row:
    return Row(
        holders=tuple(RowHolder(name=each.name, code=each.code) for each in one.holders),
        fields=dict(one.fields),
        pictures=dict(one.pictures),
        valid_from=one.valid_from,
        serial=one.serial,
        key=one.row_key,
        valid_to=one.valid_to,
        paper=RowPaper(
            number=one.paper.number,
            issue_date=one.paper.issue_date,
            scans=tuple(one.paper.scans),
        )
        if one.HasField("paper")
        else None,
    )


def _out_of_order() -> InvalidArgument:
    return InvalidArgument(
        "the first message has the header, and no other one; nothing follows the one with `last`",
        reason="BATCH_OUT_OF_ORDER",
        message_zh="首条消息应含 header，其余不得含；last 之后不得再有消息",
    )


def _wrong(field: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {description}",
        reason="BAD_ARGUMENT",
        message_zh=f"{field} 不正确",
        violations=[FieldViolation(field, description)],
    )


# --- to the wire -------------------------------------------------------------------------------


def _to_time(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at.astimezone(UTC))
    return stamp


def _to_batch(one: Batch) -> pb.IssueBatch:
    return pb.IssueBatch(
        name=one.name,
        license_type=f"licenseTypes/{one.type_id}",
        type_version=one.type_version,
        seal=one.seal,
        state=_STATES[one.state],
        row_count=one.row_count,
        issued_count=one.issued_count,
        failed_count=one.failed_count,
        waiting_reason=one.waiting_reason,
        actor=one.actor,
        create_time=_to_time(one.create_time),
        end_time=_to_time(one.end_time),
        rows_sha256=one.rows_sha256,
    )


def _to_result(one: Result) -> pb.IssueBatchResult:
    return pb.IssueBatchResult(
        number=one.number,
        row_key=one.key,
        state=_ROW_STATES[one.state],
        license=one.license,
        license_identifier=one.identifier,
        repeated_row=one.repeated,
        reason=one.reason,
        message=one.message,
        message_zh=one.message_zh,
        violations=one.violations,
    )
