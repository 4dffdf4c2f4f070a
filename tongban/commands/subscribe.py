"""`tongban subscribe`: receiving changes of a grant, or going on with a subscription."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
import typer

from exchange.v1 import delivery_pb2 as pb
from runtime import names
from runtime.clock import CHINA
from runtime.errors import FieldViolation, InvalidArgument
from tongban.client import Client, new_request_id
from tongban.console import (
    DEFAULT_IDENTITY,
    DEFAULT_NODE,
    IdentityFolder,
    Json,
    NodeAddress,
    outcomes,
)

FROM = typer.Option(
    "--from",
    help="Where it begins: now, earliest, snapshot (all that is held, then its changes), "
    "a time (2026-03-01, or with hours: 2026-03-01T08:00), or an offset.",
)
Start = Annotated[str, FROM]
_POSITIONS = {
    "now": pb.START_POSITION_NOW,
    "earliest": pb.START_POSITION_EARLIEST,
    "snapshot": pb.START_POSITION_SNAPSHOT,
}


def subscribe(
    grant: Annotated[str, typer.Argument(help="The grant; or a subscription that exists.")],
    name: Annotated[str, typer.Option("--id", help="Last part of the subscription's name.")] = "",
    earliest: Annotated[
        bool, typer.Option("--earliest", help="The same as --from earliest.")
    ] = False,
    start: Annotated[str | None, FROM] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as changes come; otherwise stop when done.")
    ] = False,
    consumer: Annotated[
        str, typer.Option(help="Share the work with other consumers, by this name.")
    ] = "",
    node: NodeAddress = DEFAULT_NODE,
    identity: IdentityFolder = DEFAULT_IDENTITY,
    as_json: Json = False,
) -> None:
    """Receive changes, one JSON line each, and acknowledge them.

    Example: tongban subscribe departments/human-resources/grants/cd34 --id people --from snapshot
    """
    with outcomes(as_json=as_json), Client(node, identity) as client:
        subscription = grant
        if "/subscriptions/" not in grant:
            position = "earliest" if earliest else start or "now"
            subscription = created(client, grant, name, position).name
        elif name or earliest or start is not None:
            raise _goes_on()
        if follow:
            call = client.delivery.Subscribe(
                pb.SubscribeRequest(subscription=subscription, consumer=consumer)
            )
            for sent in call:
                _deliver(client, subscription, sent)
            return
        while True:
            part = client.delivery.PullChanges(
                pb.PullChangesRequest(subscription=subscription, consumer=consumer),
                timeout=client.timeout,
            )
            if not part.changes:
                return
            _deliver(client, subscription, part)


def created(client: Client, grant: str, name: str, start: str, **sharing: Any) -> pb.Subscription:
    """A new subscription. Raises InvalidArgument (BAD_START), and what the node refuses."""
    names.parse(names.GRANT, grant, field="grant")
    request = pb.CreateSubscriptionRequest(
        parent=names.department_of(grant),
        subscription_id=name or f"s-{new_request_id()[:8]}",
        grant=grant,
        request_id=new_request_id(),
        **sharing,
    )
    _begin(request, start)
    made = client.delivery.CreateSubscription(request, timeout=client.timeout)
    return made.subscription


def _begin(request: pb.CreateSubscriptionRequest, start: str) -> None:
    """Say where it begins. Raises InvalidArgument, BAD_START."""
    if start in _POSITIONS:
        request.start = _POSITIONS[start]
    elif start.isascii() and start.isdigit() and len(start) <= 18:
        request.start = pb.START_POSITION_OFFSET
        request.start_offset = int(start)
    else:
        try:
            at = datetime.fromisoformat(start)
        except ValueError:
            raise InvalidArgument(
                "--from is now, earliest, snapshot, a time or an offset",
                reason="BAD_START",
                message_zh="--from 应为 now、earliest、snapshot、时间或偏移",
                violations=[FieldViolation("--from", "is none of them")],
            ) from None
        request.start = pb.START_POSITION_TIME
        request.start_time.FromDatetime(at if at.tzinfo else at.replace(tzinfo=CHINA))


def _goes_on() -> InvalidArgument:
    return InvalidArgument(
        "a subscription that exists goes on where it was acknowledged: leave out --id, --from and "
        "--earliest, or name its grant to make another",
        reason="BAD_START",
        message_zh="已有订阅从其已确认处继续：请去掉 --id、--from、--earliest，"
        "或指明授权以另建订阅",
    )


def _deliver(
    client: Client, subscription: str, sent: pb.PullChangesResponse | pb.SubscribeResponse
) -> None:
    for change in sent.changes:
        typer.echo(line_of(change))
    leases = [
        pb.LeaseAcknowledgement(lane=one.lane, token=one.token, cursor=one.cursor)
        for one in sent.leases
    ]
    client.delivery.AcknowledgeChanges(
        pb.AcknowledgeChangesRequest(subscription=subscription, cursor=sent.cursor, leases=leases),
        timeout=client.timeout,
    )


def line_of(change: pb.Change) -> str:
    """A change as a line of JSON."""
    line = {
        "offset": change.offset,
        "type": pb.ChangeType.Name(change.type).removeprefix("CHANGE_TYPE_"),
        "record_id": change.record_id,
        "items": dict(sorted(change.items.items())),  # a message keeps no order
    }
    return orjson.dumps(line).decode()
