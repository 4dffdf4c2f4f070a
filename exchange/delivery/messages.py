"""Messages of DeliveryService, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.delivery.acknowledging import Acknowledgement, Rejection
from exchange.delivery.consumers import Consumer
from exchange.delivery.dead_letters import Settled
from exchange.delivery.encoding import put
from exchange.delivery.intake import Header
from exchange.delivery.lanes.model import DEFAULT_LEASE, DeadLetter, DeadLetterState, Lane
from exchange.delivery.leasing import Lease, Leased
from exchange.delivery.managing import Looked, Sharing, bad_start
from exchange.delivery.model import (
    Change,
    ChangeType,
    Start,
    StartPosition,
    Subscription,
    changes_wanted,
)
from exchange.delivery.publishing import unknown_mode
from exchange.delivery.subscribing import Delivery
from exchange.receipts import to_message
from exchange.v1 import delivery_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Principal

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
_STATES = {
    DeadLetterState.OPEN: pb.DEAD_LETTER_STATE_OPEN,
    DeadLetterState.REPLAYING: pb.DEAD_LETTER_STATE_REPLAYING,
    DeadLetterState.DELIVERED: pb.DEAD_LETTER_STATE_DELIVERED,
    DeadLetterState.SUPERSEDED: pb.DEAD_LETTER_STATE_SUPERSEDED,
    DeadLetterState.CLOSED: pb.DEAD_LETTER_STATE_CLOSED,
}
_STATE_OF = {number: state for state, number in _STATES.items()}


def header(message: pb.PublishHeader) -> Header:
    """What begins a batch. Raises InvalidArgument, BAD_HEADER."""
    if message.mode not in pb.PublishMode.values():
        # Never guessed: a mode of a later version may mean to withdraw.
        raise unknown_mode()
    return Header(
        resource=message.resource,
        items=tuple(message.items),
        request_id=message.request_id,
        snapshot=message.mode == pb.PUBLISH_MODE_SNAPSHOT,
    )


def start(request: pb.CreateSubscriptionRequest) -> Start:
    """Where a subscription begins. Raises InvalidArgument, BAD_START."""
    if request.start not in _STARTS:
        raise bad_start("start", "is not a position")
    return Start(
        position=_STARTS[request.start],
        time=_time(request.start_time) if request.HasField("start_time") else None,
        offset=request.start_offset,
    )


def sharing(request: pb.CreateSubscriptionRequest) -> Sharing:
    """How its work is shared."""
    return Sharing(lanes=request.lanes, max_deliveries=request.max_deliveries, owner=request.owner)


def consumer(
    request: pb.PullChangesRequest | pb.SubscribeRequest,
    subscription: Subscription,
    principal: Principal,
) -> Consumer | None:
    """Who leases lanes; None where there is one cursor and nobody named a consumer."""
    name = request.consumer
    if not name and subscription.lanes == 1:
        return None
    return Consumer(
        name=name or principal.system.rpartition("/")[2],
        max_changes=changes_wanted(request.max_changes),
        max_lanes=request.max_lanes,
        lease_seconds=request.lease_seconds or DEFAULT_LEASE,
    )


def acknowledgements(request: pb.AcknowledgeChangesRequest) -> list[Acknowledgement]:
    """What is done of leased lanes."""
    return [
        Acknowledgement(lane=one.lane, token=one.token, cursor=one.cursor) for one in request.leases
    ]


def rejection(request: pb.RejectChangeRequest) -> Rejection:
    """A change that could not be taken."""
    return Rejection(
        lane=request.lane,
        token=request.token,
        offset=request.offset,
        reason=request.reason,
        permanent=request.permanent,
    )


def states(numbers: Iterable[int]) -> list[DeadLetterState]:
    """States of dead letters. Raises InvalidArgument for one that is not known."""
    found = []
    for place, number in enumerate(numbers):
        if number not in _STATE_OF:
            raise InvalidArgument(
                "this is not a state of dead letters",
                message_zh="没有这种死信状态",
                violations=[FieldViolation(f"states[{place}]", "is not known")],
            )
        found.append(_STATE_OF[pb.DeadLetterState.ValueType(number)])
    return found


def pulled(delivery: Delivery) -> pb.PullChangesResponse:
    """Changes after one cursor."""
    message = pb.PullChangesResponse(
        cursor=delivery.cursor,
        receipt=to_message(delivery.receipt) if delivery.receipt else None,
    )
    put(message, delivery.changes)
    return message


def streamed(delivery: Delivery) -> pb.SubscribeResponse:
    """The same on a stream."""
    message = pb.SubscribeResponse(
        cursor=delivery.cursor,
        receipt=to_message(delivery.receipt) if delivery.receipt else None,
    )
    put(message, delivery.changes)
    return message


def leased_pulled(leased: Leased) -> pb.PullChangesResponse:
    """Changes of leased lanes."""
    message = pb.PullChangesResponse(
        leases=[_lease(one) for one in leased.leases],
        receipt=to_message(leased.receipt) if leased.receipt else None,
    )
    put(message, leased.changes, leased.lanes)
    return message


def leased_streamed(leased: Leased) -> pb.SubscribeResponse:
    """The same on a stream."""
    message = pb.SubscribeResponse(
        leases=[_lease(one) for one in leased.leases],
        receipt=to_message(leased.receipt) if leased.receipt else None,
    )
    put(message, leased.changes, leased.lanes)
    return message


def change(one: Change, lane: int = 0) -> pb.Change:
    """One change."""
    return pb.Change(
        offset=one.offset,
        type=_TYPES[one.type],
        record_id=one.record_id,
        items=one.items,
        publish_time=_stamp(one.publish_time),
        lane=lane,
    )


@lru_cache(maxsize=64)
def _stamp(at: datetime) -> Timestamp:
    # All changes of a batch have one time, and converting it costs as much as the rest of a change.
    made = Timestamp()
    made.FromDatetime(at)
    return made


def subscription(held: Subscription) -> pb.Subscription:
    """A subscription."""
    return pb.Subscription(
        name=held.name,
        grant=held.grant,
        cursor=held.cursor,
        create_time=held.create_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        lanes=held.lanes,
        max_deliveries=held.max_deliveries,
        owner=held.owner,
    )


def looked(found: Looked) -> pb.Subscription:
    """A subscription with its lanes."""
    message = subscription(found.subscription)
    message.lane_states.extend(_lane(one) for one in found.lanes)
    message.dead_letters = found.dead_letters
    message.distance = found.distance
    if found.undelivered is not None:
        message.undelivered = found.undelivered
    if found.oldest is not None:
        message.oldest_time.FromDatetime(found.oldest)
    return message


def dead_letter(letter: DeadLetter, owner: str) -> pb.DeadLetter:
    """A dead letter."""
    return pb.DeadLetter(
        name=letter.name,
        offset=letter.offset,
        lane=letter.lane,
        record_id=letter.record_id,
        reason=letter.reason,
        deliveries=letter.deliveries,
        state=_STATES[letter.state],
        create_time=letter.create_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        update_time=letter.update_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        owner=owner,
    )


def dead_letters(settled: Settled) -> list[pb.DeadLetter]:
    """Dead letters of one call."""
    return [dead_letter(one, settled.owner) for one in settled.letters]


def _lease(one: Lease) -> pb.Lease:
    return pb.Lease(
        lane=one.lane,
        token=one.token,
        cursor=one.cursor,
        expire_time=one.expire_time,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        deliveries=one.deliveries,
        replayed=one.replayed,
    )


def _lane(lane: Lane) -> pb.LaneState:
    return pb.LaneState(
        lane=lane.number,
        cursor=lane.cursor,
        consumer=lane.consumer,
        expire_time=lane.lease_until,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        retry_time=lane.not_before,  # type: ignore[arg-type]  # a Timestamp takes datetimes
        failed_deliveries=lane.deliveries,
    )


def _time(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise bad_start("start_time", "is not a time") from None
