"""DeliveryService: protobuf to model and back.

A batch may be large, so its parts are taken, checked and written off the loop: the parts in any
thread, the transactions in one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue

from exchange.delivery import messages, publishing
from exchange.delivery.acknowledging import Acknowledging
from exchange.delivery.arrow import columns_of
from exchange.delivery.dead_letters import DeadLetters
from exchange.delivery.intake import Columns
from exchange.delivery.leasing import Leasing
from exchange.delivery.managing import Managing
from exchange.delivery.model import changes_wanted
from exchange.delivery.places import WORTH_TRIMMING, Places, trim
from exchange.delivery.publishing import METHOD, Publishing, Upload, batch_name, header_required
from exchange.delivery.subscribing import Subscribing
from exchange.receipts import to_message
from exchange.v1 import delivery_pb2 as pb
from runtime.database import Database, UnitOfWork
from runtime.identity import Role
from runtime.rpc import Call

Answer = TypeVar("Answer", bound=Message)
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
    "RejectChange": _DEPARTMENT,
    "ListDeadLetters": _DEPARTMENT,
    "GetDeadLetter": _DEPARTMENT,
    "ReplayDeadLetters": _DEPARTMENT,
    "CloseDeadLetters": _DEPARTMENT,
    "DeleteSubscription": _DEPARTMENT,
}

#: What has a request id.
_Repeatable = (
    pb.CreateSubscriptionRequest
    | pb.RejectChangeRequest
    | pb.ReplayDeadLettersRequest
    | pb.CloseDeadLettersRequest
    | pb.DeleteSubscriptionRequest
)


class DeliveryServicer:
    """Serves `DeliveryService`."""

    def __init__(
        self,
        *,
        database: Database,
        publishing: Publishing,
        managing: Managing,
        subscribing: Subscribing,
        leasing: Leasing,
        acknowledging: Acknowledging,
        dead_letters: DeadLetters,
    ) -> None:
        self._database = database
        self._publishing = publishing
        self._managing = managing
        self._subscribing = subscribing
        self._leasing = leasing
        self._acknowledging = acknowledging
        self._dead_letters = dead_letters
        self._places = Places()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="publish")

    async def Publish(  # noqa: N802  # the method's name in the proto
        self, requests: AsyncIterator[pb.PublishRequest], call: Call
    ) -> pb.PublishResponse:
        """Publish one batch."""
        with self._places.batch(call.principal):
            return await self._publish(requests, call)

    async def _publish(
        self, requests: AsyncIterator[pb.PublishRequest], call: Call
    ) -> pb.PublishResponse:
        upload: Upload | None = None
        whole = False
        loop = asyncio.get_running_loop()
        try:
            async for request in _while_sent(requests):
                if whole:
                    raise publishing.not_whole()
                whole = request.last
                if request.HasField("header") == (upload is not None):
                    raise header_required()
                if upload is None:
                    upload = await asyncio.to_thread(
                        self._publishing.begin, call.principal, messages.header(request.header)
                    )
                if request.rows or request.arrow:
                    await asyncio.to_thread(_take, upload, request)
            if upload is None:
                raise header_required()
            # gRPC ends the parts of a caller who was cut off as if they had all come.
            if not whole:
                raise publishing.not_whole()
            return await loop.run_in_executor(self._writer, self._write, upload, call)
        finally:
            if upload is not None and upload.close() > WORTH_TRIMMING:
                loop.run_in_executor(None, trim)

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

        def act(work: UnitOfWork) -> pb.CreateSubscriptionResponse:
            made = self._managing.create(
                work,
                call.principal,
                parent=request.parent,
                subscription_id=request.subscription_id,
                grant=request.grant,
                start=messages.start(request),
                sharing=messages.sharing(request),
            )
            return pb.CreateSubscriptionResponse(subscription=messages.subscription(made))

        return self._once(call, "CreateSubscription", request, pb.CreateSubscriptionResponse, act)

    def GetSubscription(  # noqa: N802
        self, request: pb.GetSubscriptionRequest, call: Call
    ) -> pb.GetSubscriptionResponse:
        """One subscription with its lanes."""
        found = self._managing.get(call.principal, request.name)
        return pb.GetSubscriptionResponse(subscription=messages.looked(found))

    def ListSubscriptions(  # noqa: N802
        self, request: pb.ListSubscriptionsRequest, call: Call
    ) -> pb.ListSubscriptionsResponse:
        """A page of subscriptions."""
        found, token = self._managing.page(
            call.principal,
            parent=request.parent,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListSubscriptionsResponse(
            subscriptions=[messages.subscription(s) for s in found], next_page_token=token
        )

    def DeleteSubscription(  # noqa: N802
        self, request: pb.DeleteSubscriptionRequest, call: Call
    ) -> pb.DeleteSubscriptionResponse:
        """End a subscription."""

        def act(work: UnitOfWork) -> pb.DeleteSubscriptionResponse:
            self._managing.end(work, call.principal, request.name)
            return pb.DeleteSubscriptionResponse()

        answer = self._once(call, "DeleteSubscription", request, pb.DeleteSubscriptionResponse, act)
        self._managing.ended(request.name)
        return answer

    async def PullChanges(  # noqa: N802
        self, request: pb.PullChangesRequest, call: Call
    ) -> pb.PullChangesResponse:
        """The next changes."""
        name, limit = request.subscription, changes_wanted(request.max_changes)
        principal = call.principal
        held = await asyncio.to_thread(self._subscribing.subscription, principal, name)
        consumer = messages.consumer(request, held, principal)

        def read() -> pb.PullChangesResponse:
            if consumer is not None:
                leased = self._leasing.lease(principal, name=name, consumer=consumer)
                return messages.leased_pulled(leased)
            return messages.pulled(self._subscribing.pull(principal, held, limit=limit))

        return await self._subscribing.read(principal, held, read)

    async def Subscribe(  # noqa: N802
        self, request: pb.SubscribeRequest, call: Call
    ) -> AsyncIterator[pb.SubscribeResponse]:
        """Changes as they come."""
        with self._places.stream(call.principal, request.subscription):
            async with contextlib.aclosing(self._streamed(request, call)) as stream:
                async for message in stream:
                    yield message

    async def _streamed(
        self, request: pb.SubscribeRequest, call: Call
    ) -> AsyncGenerator[pb.SubscribeResponse, None]:
        name, limit = request.subscription, changes_wanted(request.max_changes)
        held = await asyncio.to_thread(self._subscribing.subscription, call.principal, name)
        consumer = messages.consumer(request, held, call.principal)
        most = request.max_outstanding
        if consumer is not None:
            shared = self._subscribing.work(
                call.principal, name=name, consumer=consumer, max_outstanding=most
            )
            async for leased in shared:
                yield await asyncio.to_thread(messages.leased_streamed, leased)
        stream = self._subscribing.stream(call.principal, held, limit=limit, max_outstanding=most)
        async for delivery in stream:
            yield await asyncio.to_thread(messages.streamed, delivery)

    def AcknowledgeChanges(  # noqa: N802
        self, request: pb.AcknowledgeChangesRequest, call: Call
    ) -> pb.AcknowledgeChangesResponse:
        """Move a cursor, or those of lanes."""
        name, leases = request.subscription, messages.acknowledgements(request)
        with self._database.unit_of_work() as work:
            if leases:
                held = self._acknowledging.acknowledge(
                    work, call.principal, name=name, acknowledgements=leases
                )
            else:
                held = self._acknowledging.move(
                    work, call.principal, name=name, cursor=request.cursor
                )
        self._acknowledging.committed(name)
        return pb.AcknowledgeChangesResponse(subscription=messages.subscription(held))

    def RejectChange(  # noqa: N802
        self, request: pb.RejectChangeRequest, call: Call
    ) -> pb.RejectChangeResponse:
        """Give a lane back with a change that could not be taken."""

        def act(work: UnitOfWork) -> pb.RejectChangeResponse:
            lane, dead = self._acknowledging.reject(
                work,
                call.principal,
                name=request.subscription,
                rejection=messages.rejection(request),
            )
            return pb.RejectChangeResponse(
                dead_letter=dead,
                retry_time=lane.not_before,  # type: ignore[arg-type]  # takes datetimes
            )

        answer = self._once(call, "RejectChange", request, pb.RejectChangeResponse, act)
        self._acknowledging.committed(request.subscription)
        return answer

    def ListDeadLetters(  # noqa: N802
        self, request: pb.ListDeadLettersRequest, call: Call
    ) -> pb.ListDeadLettersResponse:
        """A page of dead letters."""
        found, token, owner = self._dead_letters.page(
            call.principal,
            parent=request.parent,
            states=messages.states(request.states),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListDeadLettersResponse(
            dead_letters=[messages.dead_letter(one, owner) for one in found],
            next_page_token=token,
        )

    def GetDeadLetter(  # noqa: N802
        self, request: pb.GetDeadLetterRequest, call: Call
    ) -> pb.GetDeadLetterResponse:
        """A dead letter with its change."""
        shown = self._dead_letters.get(call.principal, request.name)
        return pb.GetDeadLetterResponse(
            dead_letter=messages.dead_letter(shown.letter, shown.owner),
            change=messages.change(shown.change, shown.letter.lane) if shown.change else None,
            receipt=to_message(shown.receipt) if shown.receipt else None,
        )

    def ReplayDeadLetters(  # noqa: N802
        self, request: pb.ReplayDeadLettersRequest, call: Call
    ) -> pb.ReplayDeadLettersResponse:
        """Have dead letters delivered again."""

        def act(work: UnitOfWork) -> pb.ReplayDeadLettersResponse:
            done = self._dead_letters.replay(
                work, call.principal, parent=request.parent, offsets=request.offsets
            )
            letters = messages.dead_letters(done)
            return pb.ReplayDeadLettersResponse(dead_letters=letters, more=done.more)

        answer = self._once(call, "ReplayDeadLetters", request, pb.ReplayDeadLettersResponse, act)
        self._acknowledging.committed(request.parent)
        return answer

    def CloseDeadLetters(  # noqa: N802
        self, request: pb.CloseDeadLettersRequest, call: Call
    ) -> pb.CloseDeadLettersResponse:
        """Give dead letters up."""

        def act(work: UnitOfWork) -> pb.CloseDeadLettersResponse:
            done = self._dead_letters.close(
                work,
                call.principal,
                parent=request.parent,
                offsets=request.offsets,
                reason=request.reason,
            )
            letters = messages.dead_letters(done)
            return pb.CloseDeadLettersResponse(dead_letters=letters, more=done.more)

        return self._once(call, "CloseDeadLetters", request, pb.CloseDeadLettersResponse, act)

    def _once(
        self,
        call: Call,
        method: str,
        request: _Repeatable,
        answer: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        with self._database.unit_of_work() as work:
            return work.once(
                call.principal.system,
                method,
                request,
                request.request_id,
                answer,
                lambda: act(work),
            )

    def close(self) -> None:
        """Finish the batches that are being written."""
        self._writer.shutdown(wait=True)


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
    if request.rows:
        values = [row.values for row in request.rows]
        withdraw = [row.withdraw for row in request.rows]
        if set(map(len, values)) == {len(upload.header.items)}:
            # By columns, so that no row is an object more than it has to be.
            table = list(zip(*values, strict=True))
            upload.add_columns(Columns(table, withdraw if any(withdraw) else None))
        else:
            upload.add(list(zip(withdraw, map(list, values), strict=True)))
    if request.arrow:
        for columns in columns_of(request.arrow, upload.header.items):
            upload.add_columns(columns)
