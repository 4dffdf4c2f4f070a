"""Reminders and escalation: the notices of today, each once, however often this runs.

The flow's parameters are an address, an identity folder and counts of working days.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import grpc
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exchange.v1 import deadlines_pb2 as pb
from exchange.v1 import deadlines_pb2_grpc
from runtime import channels, status
from runtime.identity import Credentials

DEADLINE = 60.0


def send_all(
    stub: deadlines_pb2_grpc.DeadlineServiceStub, *, remind_before: int, escalate_after: int
) -> dict[str, int]:
    """Write all notices that are due, piece by piece; how many of each stage.

    Raises grpc.RpcError where the node refuses.
    """
    counts = {"reminders": 0, "overdue": 0, "escalations": 0}
    while True:
        sent = stub.SendNotices(
            pb.SendNoticesRequest(
                remind_before=remind_before,
                escalate_after=escalate_after,
                request_id=str(uuid.uuid4()),
            ),
            timeout=DEADLINE,
        )
        for stage in counts:
            counts[stage] += getattr(sent, stage)
        if not sent.more:
            return counts


@task(cache_policy=NO_CACHE, persist_result=False)
def send(address: str, identity: Path, remind_before: int, escalate_after: int) -> dict[str, int]:
    """Write all notices that are due."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        stub = deadlines_pb2_grpc.DeadlineServiceStub(channel)
        return send_all(stub, remind_before=remind_before, escalate_after=escalate_after)


@flow(name="deadline-notices", persist_result=False, log_prints=False)
async def deadline_notices(
    address: str, identity: str, remind_before: int = 0, escalate_after: int = 0
) -> dict[str, int]:
    """Write the notices of today; 0 working days means the node's own counts.

    Raises runtime.errors.DomainError where the node refuses.
    """
    try:
        return send(address, Path(identity), remind_before, escalate_after)
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
