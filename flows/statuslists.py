"""Status lists of licenses: made anew and published, so that whoever verifies offline knows.

Each run takes the place of the one before; run it more often than a list's `ttl` of an hour. The
flow's parameters are an address and an identity folder.
"""

from __future__ import annotations

from pathlib import Path

import grpc
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from licenses.v1 import offline_pb2 as pb
from licenses.v1 import offline_pb2_grpc
from runtime import channels, status
from runtime.identity import Credentials

DEADLINE = 300.0


def publish_all(stub: offline_pb2_grpc.StatusListServiceStub) -> list[dict[str, object]]:
    """Publish every list; what each is. Raises grpc.RpcError where the node refuses."""
    answer = stub.PublishStatusLists(pb.PublishStatusListsRequest(), timeout=DEADLINE)
    return [
        {
            "name": one.name,
            "uri": one.uri,
            "expire_time": one.expire_time.ToJsonString(),
            "ended": one.ended,
            "size": one.size,
        }
        for one in answer.lists
    ]


@task(cache_policy=NO_CACHE, persist_result=False)
def publish(address: str, identity: Path) -> list[dict[str, object]]:
    """Publish every list."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        return publish_all(offline_pb2_grpc.StatusListServiceStub(channel))


@flow(name="status-lists", persist_result=False, log_prints=False)
async def status_lists(address: str, identity: str) -> list[dict[str, object]]:
    """Publish the status lists. Raises runtime.errors.DomainError where the node refuses."""
    try:
        return publish(address, Path(identity))
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
