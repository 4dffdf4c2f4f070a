"""Messages of the lists: protobuf to the model and back."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.lists.comparing import Shortfall
from exchange.lists.delivering import Comparison
from exchange.lists.keeping import Collision
from exchange.lists.model import Demand, DemandState, Negative, Responsibility, RowState
from exchange.lists.service import Doubt, NotShared
from exchange.lists.store import Version
from exchange.v1 import lists_pb2 as pb

_ROW_STATES = {
    RowState.ACTIVE: pb.ROW_STATE_ACTIVE,
    RowState.REMOVED: pb.ROW_STATE_REMOVED,
}
_DEMAND_STATES = {
    DemandState.OPEN: pb.DEMAND_STATE_OPEN,
    DemandState.ACCEPTED: pb.DEMAND_STATE_ACCEPTED,
    DemandState.DECLINED: pb.DEMAND_STATE_DECLINED,
    DemandState.MET: pb.DEMAND_STATE_MET,
    DemandState.WITHDRAWN: pb.DEMAND_STATE_WITHDRAWN,
}
ANSWERS = {
    pb.DEMAND_STATE_ACCEPTED: DemandState.ACCEPTED,
    pb.DEMAND_STATE_DECLINED: DemandState.DECLINED,
    pb.DEMAND_STATE_MET: DemandState.MET,
}
_SHORTFALLS = {one: pb.Shortfall.Value(f"SHORTFALL_{one.name}") for one in Shortfall}
_DOUBTS = {one: pb.NegativeDoubt.Value(f"NEGATIVE_DOUBT_{one.name}") for one in Doubt}


def responsibility_message(row: Responsibility) -> pb.Responsibility:
    """The message of a row of the responsibility list."""
    return pb.Responsibility(
        name=row.name,
        resource=row.resource,
        display_name=row.display_name,
        items=row.items,
        update_cycle=row.update_cycle,
        receivers=row.receivers,
        legal_basis=row.legal_basis,
        note=row.note,
        from_day=row.from_day,
        until_day=row.until_day,
        state=_ROW_STATES[row.state],
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
    )


def demand_message(row: Demand, *, offered: bool = False) -> pb.Demand:
    """The message of a demand."""
    return pb.Demand(
        name=row.name,
        display_name=row.display_name,
        description=row.description,
        items=row.items,
        purpose=row.purpose,
        legal_basis=row.legal_basis,
        service_item=row.service_item,
        supplier=row.supplier,
        resource=row.resource,
        update_cycle=row.update_cycle,
        state=_DEMAND_STATES[row.state],
        answer=row.answer,
        answer_legal_basis=row.answer_legal_basis,
        responsibility=row.responsibility,
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
        offered=offered,
    )


def negative_message(row: Negative) -> pb.Negative:
    """The message of a row of the negative list."""
    return pb.Negative(
        name=row.name,
        display_name=row.display_name,
        items=row.items,
        legal_basis=row.legal_basis,
        reason=row.reason,
        from_day=row.from_day,
        until_day=row.until_day,
        state=_ROW_STATES[row.state],
        version=row.version,
        etag=row.etag,
        create_time=_timestamp(row.create_time),
        update_time=_timestamp(row.update_time),
    )


def not_shared_message(one: NotShared) -> pb.NotShared:
    """The message of what is not shared."""
    return pb.NotShared(
        resource=one.resource,
        display_name=one.display_name,
        legal_basis=one.legal_basis,
        by_catalog=one.by_catalog,
        negative=negative_message(one.negative) if one.negative else None,
        doubts=[_DOUBTS[doubt] for doubt in one.doubts],
    )


def comparison_message(one: Comparison) -> pb.DeliveryComparison:
    """The message of a promise and what was found."""
    return pb.DeliveryComparison(
        responsibility=responsibility_message(one.responsibility),
        findings=[
            pb.DeliveryFinding(shortfall=_SHORTFALLS[found.shortfall], about=found.about)
            for found in one.findings
        ],
        last_publish_time=_timestamp(one.last_publish_time),
        fresh_until=_timestamp(one.fresh_until),
    )


def version_message(version: Version) -> pb.RowVersion:
    """The message of a version of a row."""
    match version.row:
        case Responsibility() as row:
            return pb.RowVersion(responsibility=responsibility_message(row), actor=version.actor)
        case Demand() as row:
            return pb.RowVersion(demand=demand_message(row), actor=version.actor)
        case Negative() as row:
            return pb.RowVersion(negative=negative_message(row), actor=version.actor)


def responsibility_of(sent: pb.Responsibility) -> Responsibility:
    """What a message asks to hold."""
    return Responsibility(
        name=sent.name,
        resource=sent.resource,
        display_name=sent.display_name,
        items=tuple(sent.items),
        update_cycle=sent.update_cycle,
        receivers=tuple(sent.receivers),
        legal_basis=sent.legal_basis,
        note=sent.note,
        from_day=sent.from_day,
        until_day=sent.until_day,
        etag=sent.etag,
    )


def negative_of(sent: pb.Negative) -> Negative:
    """What a message asks to hold."""
    return Negative(
        name=sent.name,
        display_name=sent.display_name,
        items=tuple(sent.items),
        legal_basis=sent.legal_basis,
        reason=sent.reason,
        from_day=sent.from_day,
        until_day=sent.until_day,
        etag=sent.etag,
    )


def demand_of(sent: pb.Demand) -> Demand:
    """What a message asks for."""
    return Demand(
        name="",
        display_name=sent.display_name,
        description=sent.description,
        items=tuple(sent.items),
        purpose=sent.purpose,
        legal_basis=sent.legal_basis,
        service_item=sent.service_item,
        supplier=sent.supplier,
        resource=sent.resource,
        update_cycle=sent.update_cycle,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def collision_message(one: Collision) -> pb.GrantCollision:
    """The message of a grant that collides with a row of the negative list."""
    return pb.GrantCollision(
        grant=one.grant,
        consumer=one.consumer,
        items=one.items,
        start_time=_timestamp(one.start_time),
        end_time=_timestamp(one.end_time),
    )
