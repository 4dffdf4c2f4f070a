"""DeliveryService: protobuf to model and back.

A batch may be large, so its parts are taken, checked and written off the loop: the parts in any
thread, the transactions in one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue

from exchange.delivery import publishing
from exchange.delivery.intake import Header
from exchange.delivery.model import (
    Change,
    ChangeType,
    Start,
    StartPosition,
    Subscription,
    changes_wanted,
)
from exchange.delivery.publishing import METHOD, Publishing, Upload, batch_name, header_required
from exchange.delivery.subscribing import Delivery, Subscribing, bad_start
from exchange.receipts import to_message
from exchange.v1 import delivery_pb2 as pb
from runtime.database import Database
from runtime.identity import Role
from runtime.rpc import Call

_DEPARTMENT = frozenset({Role.DEPARTMENT})

POLICY: Mapping[str, frozenset[Role]] = {
    # The node's own services publish too: issued licenses go to the license library.
    "Publish": frozenset({Role.DEPARTMENT, Role.NODE}),
    "CreateSubscription": _DEPARTMENT,
    "GetSubscription": _DEPARTMENT,
    "ListSubscriptions": _DEPARTMENT,
    "PullChanges": _DEPARTMENT,
    "Subscribe": _DEPARTMENT,
    "AcknowledgeChanges": _DEPARTMENT,
}
_STARTS = {
    pb.START_POSITION_UNSPECIFIED: StartPosition.NOW,
    pb.START_POSITION_NOW: StartPosition.NOW,
    pb.START_POSITION_EARLIEST: StartPosition.EARLIEST,
    pb.START_POSITION_SNAPSHOT: StartPosition.SNAPSHOT,
    pb.START_POSITION_TIME: StartPosition.TIME,
    pb.START_POSITION_OFFSET: StartPosition.OFFSET,
}
_TYPES = {
    ChangeType.UPSERT: pb.CHANGE_TYPE_UPSERT,
    ChangeType.WITHDRAW: pb.CHANGE_TYPE_WITHDRAW,
}


class DeliveryServicer:
    """Serves `DeliveryService`."""

    def __init__(
        self, *, database: Database, publishing: Publishing, subscribing: Subscribing
    ) -> None:
        self._database = database
        self._publishing = publishing
        self._subscribing = subscribing
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="publish")

    async def Publish(  # noqa: N802  # the method's name in the proto
        self, requests: AsyncIterator[pb.PublishRequest], call: Call
    ) -> pb.PublishResponse:
        """Publish one batch."""
        upload: Upload | None = None
        whole = False
        try:
            async for request in _while_sent(requests):
                if whole:
                    raise publishing.not_whole()
                whole = request.last
                if request.HasField("header") == (upload is not None):
                    raise header_required()
                if upload is None:
                    upload = await asyncio.to_thread(
                        self._publishing.begin, call.principal, _header(request.header)
                    )
                if request.rows:
                    await asyncio.to_thread(_take, upload, request)
            if upload is None:
                raise header_required()
            # gRPC ends the parts of a caller who was cut off as if they had all come.
            if not whole:
                raise publishing.not_whole()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._writer, self._write, upload, call)
        finally:
            if upload is not None:
                upload.close()

    def _write(self, upload: Upload, call: Call) -> pb.PublishResponse:
        ended = 0

        def act() -> pb.PublishResponse:
            nonlocal ended
            published = self._publishing.write(work, call.principal, upload)
            ended = published.offset
            return pb.PublishResponse(
                batch=batch_name(upload.header.resource, published.batch),
                offset=published.offset,
                upserted=published.upserted,
                withdrawn=published.withdrawn,
                unchanged=published.unchanged,
            )

        with self._database.unit_of_work() as work:
            answer = work.once(
                call.principal.system,
                METHOD,
                BytesValue(value=upload.digest()),
                upload.header.request_id,
                pb.PublishResponse,
                act,
            )
        self._publishing.committed(ended)
        return answer

    def CreateSubscription(  # noqa: N802
        self, request: pb.CreateSubscriptionRequest, call: Call
    ) -> pb.CreateSubscriptionResponse:
        """Make a subscription."""

        def act() -> pb.CreateSubscriptionResponse:
            made = self._subscribing.create(
                work,
                call.principal,
                parent=request.parent,
                subscription_id=request.subscription_id,
                grant=request.grant,
                start=_start(request),
            )
            return pb.CreateSubscriptionResponse(subscription=_subscription(made))

        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                "CreateSubscription",
                request,
                request.request_id,
                pb.CreateSubscriptionResponse,
                act,
            )

    def GetSubscription(  # noqa: N802
        self, request: pb.GetSubscriptionRequest, call: Call
    ) -> pb.GetSubscriptionResponse:
        """One subscription."""
        found = self._subscribing.get(call.principal, request.name)
        return pb.GetSubscriptionResponse(subscription=_subscription(found))

    def ListSubscriptions(  # noqa: N802
        self, request: pb.ListSubscriptionsRequest, call: Call
    ) -> pb.ListSubscriptionsResponse:
        """A page of subscriptions."""
        found, token = self._subscribing.page(
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSubscriptionsResponse(
            subscriptions=[_subscription(s) for s in found], next_page_token=token
        )

    def PullChanges(  # noqa: N802
        self, request: pb.PullChangesRequest, call: Call
    ) -> pb.PullChangesResponse:
        """The next changes."""
        delivery = self._subscribing.pull(
            call.principal, name=request.subscription, limit=changes_wanted(request.max_changes)
        )
        return pb.PullChangesResponse(
            changes=[_change(change) for change in delivery.changes],
            cursor=delivery.cursor,
            receipt=to_message(delivery.receipt) if delivery.receipt else None,
        )

    async def Subscribe(  # noqa: N802
        self, request: pb.SubscribeRequest, call: Call
    ) -> AsyncIterator[pb.SubscribeResponse]:
        """Changes as they come."""
        async for delivery in self._subscribing.stream(
            call.principal, name=request.subscription, limit=changes_wanted(request.max_changes)
        ):
            yield await asyncio.to_thread(_streamed, delivery)

    def AcknowledgeChanges(  # noqa: N802
        self, request: pb.AcknowledgeChangesRequest, call: Call
    ) -> pb.AcknowledgeChangesResponse:
        """Move a cursor."""
        with self._database.unit_of_work() as work:
            held = self._subscribing.acknowledge(
                work, call.principal, name=request.subscription, cursor=request.cursor
            )
        return pb.AcknowledgeChangesResponse(subscription=_subscription(held))

    def close(self) -> None:
        """Finish the batches that are being written."""
        self._writer.shutdown(wait=True)


def _start(request: pb.CreateSubscriptionRequest) -> Start:
    if request.start not in _STARTS:
        raise bad_start("start", "is not a position")
    return Start(
        position=_STARTS[request.start],
        time=_time(request.start_time) if request.HasField("start_time") else None,
        offset=request.start_offset,
    )


def _time(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise bad_start("start_time", "is not a time") from None


def _header(header: pb.PublishHeader) -> Header:
    if header.mode not in pb.PublishMode.values():
        # Never guessed: a mode of a later version may mean to withdraw.
        raise publishing.unknown_mode()
    return Header(
        resource=header.resource,
        items=tuple(header.items),
        request_id=header.request_id,
        snapshot=header.mode == pb.PUBLISH_MODE_SNAPSHOT,
    )


async def _while_sent(
    requests: AsyncIterator[pb.PublishRequest],
) -> AsyncIterator[pb.PublishRequest]:
    """Parts as they come. Raises Aborted (SENDER_SILENT) where the next one does not."""
    parts = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(publishing.SILENT_SECONDS):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise publishing.sender_silent() from None
        yield part


def _take(upload: Upload, request: pb.PublishRequest) -> None:
    upload.add([(row.withdraw, list(row.values)) for row in request.rows])


def _streamed(delivery: Delivery) -> pb.SubscribeResponse:
    return pb.SubscribeResponse(
        changes=[_change(change) for change in delivery.changes],
        cursor=delivery.cursor,
        receipt=to_message(delivery.receipt) if delivery.receipt else None,
    )


def _change(change: Change) -> pb.Change:
    return pb.Change(
        offset=change.offset,
        type=_TYPES[change.type],
        record_id=change.record_id,
        items=change.items,
        publish_time=change.publish_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
    )


def _subscription(held: Subscription) -> pb.Subscription:
    return pb.Subscription(
        name=held.name,
        grant=held.grant,
        cursor=held.cursor,
        create_time=held.create_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
    )
