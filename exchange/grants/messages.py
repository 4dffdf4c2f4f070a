"""Messages of requests and grants: the model to protobuf and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from exchange.grants.model import (
    AccessRequest,
    AccessRequestState,
    Grant,
    GrantedItem,
    GrantState,
    GrantVersion,
    Mask,
    Operation,
    RequestOrder,
    Terms,
)
from exchange.grants.rows import RowCondition, RowTest
from exchange.v1 import grants_pb2 as pb
from runtime.errors import FieldViolation, InvalidArgument

_OPERATIONS = {
    Operation.QUERY: pb.OPERATION_QUERY,
    Operation.VERIFY: pb.OPERATION_VERIFY,
    Operation.SUBSCRIBE: pb.OPERATION_SUBSCRIBE,
    Operation.EXPORT: pb.OPERATION_EXPORT,
}
_TESTS = {
    RowTest.PREFIX: pb.ROW_TEST_PREFIX,
    RowTest.EQUALS: pb.ROW_TEST_EQUALS,
    RowTest.IN: pb.ROW_TEST_IN,
    RowTest.OWN_CLIENTS: pb.ROW_TEST_OWN_CLIENTS,
}
_MASKS = {
    Mask.WHOLE: pb.MASK_UNSPECIFIED,
    Mask.LAST_FOUR: pb.MASK_LAST_FOUR,
    Mask.FIRST_CHARACTER: pb.MASK_FIRST_CHARACTER,
    Mask.YEAR: pb.MASK_YEAR,
    Mask.FIRST_SIX: pb.MASK_FIRST_SIX,
}
_REQUEST_STATES = {
    AccessRequestState.PENDING: pb.ACCESS_REQUEST_STATE_PENDING,
    AccessRequestState.APPROVED: pb.ACCESS_REQUEST_STATE_APPROVED,
    AccessRequestState.REJECTED: pb.ACCESS_REQUEST_STATE_REJECTED,
    AccessRequestState.AWAITING_AUTHORITY: pb.ACCESS_REQUEST_STATE_AWAITING_AUTHORITY,
    AccessRequestState.RETURNED: pb.ACCESS_REQUEST_STATE_RETURNED,
    AccessRequestState.WITHDRAWN: pb.ACCESS_REQUEST_STATE_WITHDRAWN,
}
_GRANT_STATES = {
    GrantState.ACTIVE: pb.GRANT_STATE_ACTIVE,
    GrantState.REVOKED: pb.GRANT_STATE_REVOKED,
}
_REQUEST_STATE_OF = {number: word for word, number in _REQUEST_STATES.items()}
_ORDER_OF = {
    pb.ACCESS_REQUEST_ORDER_UNSPECIFIED: RequestOrder.NAME,
    pb.ACCESS_REQUEST_ORDER_DUE: RequestOrder.DUE,
    pb.ACCESS_REQUEST_ORDER_NEWEST: RequestOrder.NEWEST,
}
_OPERATION_OF = {number: word for word, number in _OPERATIONS.items()}
_TEST_OF = {number: word for word, number in _TESTS.items()}
_MASK_OF = {number: word for word, number in _MASKS.items()}


def operation_number(operation: Operation) -> pb.Operation.ValueType:
    """The number of an operation."""
    return _OPERATIONS[operation]


def mask_number(mask: Mask | None) -> pb.Mask.ValueType:
    """The number of a mask."""
    return pb.MASK_UNSPECIFIED if mask is None else _MASKS[mask]


def request_message(request: AccessRequest) -> pb.AccessRequest:
    """The message of a request."""
    return pb.AccessRequest(
        name=request.name,
        resource=request.resource,
        items=request.items,
        operations=[_OPERATIONS[operation] for operation in request.operations],
        purpose=request.purpose,
        legal_basis=request.legal_basis,
        state=_REQUEST_STATES[request.state],
        grant=request.grant,
        decision_reason=request.decision_reason,
        create_time=timestamp(request.create_time),
        decide_time=timestamp(request.decide_time),
        service_item=request.service_item,
        amends=request.amends,
        row_filter=_filter_message(request.row_filter),
        cross_region=request.cross_region,
        cross_level=request.cross_level,
        needs_review=request.needs_review,
        review_note=request.review_note,
        decision_legal_basis=request.decision_legal_basis,
        proposal=None if request.proposal is None else terms_message(request.proposal),
        reply_due=request.reply_due,
    )


def terms_message(terms: Terms) -> pb.GrantTerms:
    """The message of proposed terms."""
    return pb.GrantTerms(
        items=_items_message(terms.items),
        operations=[_OPERATIONS[operation] for operation in terms.operations],
        daily_quota=terms.daily_quota,
        rate_per_minute=terms.rate_per_minute,
        row_filter=_filter_message(terms.row_filter),
        start_time=timestamp(terms.start_time),
        end_time=timestamp(terms.end_time),
        include_history=terms.include_history,
    )


def grant_message(grant: Grant) -> pb.Grant:
    """The message of a grant."""
    return pb.Grant(
        name=grant.name,
        resource=grant.resource,
        items=_items_message(grant.items),
        operations=[_OPERATIONS[operation] for operation in grant.operations],
        purpose=grant.purpose,
        legal_basis=grant.legal_basis,
        daily_quota=grant.daily_quota,
        start_time=timestamp(grant.start_time),
        end_time=timestamp(grant.end_time),
        state=_GRANT_STATES[grant.state],
        revoke_time=timestamp(grant.revoke_time),
        revoke_reason=grant.revoke_reason,
        contract_hash=grant.contract_hash,
        access_request=grant.access_request,
        create_time=timestamp(grant.create_time),
        service_item=grant.service_item,
        row_filter=_filter_message(grant.row_filter),
        rate_per_minute=grant.rate_per_minute,
        version=grant.version,
        etag=grant.etag,
        include_history=grant.include_history,
    )


def version_message(version: GrantVersion) -> pb.GrantVersion:
    """The message of one version of a grant."""
    return pb.GrantVersion(
        grant=grant_message(version.grant),
        act=version.act,
        actor=version.actor,
        from_time=timestamp(version.from_time),
        until_time=timestamp(version.until_time),
        from_offset=version.from_offset,
    )


def _items_message(items: Iterable[GrantedItem]) -> list[pb.GrantedItem]:
    return [pb.GrantedItem(item=given.item, mask=_MASKS[given.mask]) for given in items]


def _filter_message(conditions: Iterable[RowCondition]) -> list[pb.RowCondition]:
    return [
        pb.RowCondition(item=one.item, test=_TESTS[one.test], values=one.values)
        for one in conditions
    ]


def operations(numbers: Iterable[int], field: str) -> list[Operation]:
    """Operations of messages. Raises InvalidArgument for a number that is not known."""
    found = []
    for place, number in enumerate(numbers):
        if number not in _OPERATION_OF:
            raise _unknown(f"{field}[{place}]", "is not an operation")
        found.append(_OPERATION_OF[pb.Operation.ValueType(number)])
    return found


def request_states(numbers: Iterable[int]) -> list[AccessRequestState]:
    """States of messages. Raises InvalidArgument for a number that is not known."""
    found = []
    for place, number in enumerate(numbers):
        if number not in _REQUEST_STATE_OF:
            raise _unknown(f"states[{place}]", "is not a state of requests")
        found.append(_REQUEST_STATE_OF[pb.AccessRequestState.ValueType(number)])
    return found


def order(number: int) -> RequestOrder:
    """The order of a message. Raises InvalidArgument for a number that is not known."""
    if number not in _ORDER_OF:
        raise _unknown("order", "is not an order of requests")
    return _ORDER_OF[pb.AccessRequestOrder.ValueType(number)]


def given_items(items: Iterable[pb.GrantedItem]) -> list[GrantedItem]:
    """Granted items of messages. Raises InvalidArgument for a mask that is not known."""
    found = []
    for place, given in enumerate(items):
        if given.mask not in _MASK_OF:
            # Never guessed: an unknown mask read as none would show the whole value.
            raise _unknown(f"items[{place}].mask", "is not a mask")
        found.append(GrantedItem(item=given.item, mask=_MASK_OF[given.mask]))
    return found


def row_filter(conditions: Iterable[pb.RowCondition], field: str) -> list[RowCondition]:
    """The conditions of messages. Raises InvalidArgument for a test that is not known."""
    found = []
    for place, one in enumerate(conditions):
        if one.test not in _TEST_OF:
            # Never guessed: an unknown condition left out would show every record.
            raise _unknown(f"{field}[{place}].test", "is not a test")
        found.append(RowCondition(item=one.item, test=_TEST_OF[one.test], values=tuple(one.values)))
    return found


def time_of(request: Message, field: str) -> datetime | None:
    """An aware time, None where the field is absent. Raises InvalidArgument."""
    if not request.HasField(field):
        return None
    stamp: Timestamp = getattr(request, field)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _unknown(field, "is not a time") from None


def _unknown(field: str, problem: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field} {problem}: correct it and repeat",
        message_zh=f"{field} 无效：请更正后重试",
        violations=[FieldViolation(field, problem)],
    )


def timestamp(at: datetime | None) -> Timestamp | None:
    """The message of a time."""
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
