"""Measuring every night how far the publishers of each shared element differ.

The flow's parameters are an address and an identity folder; its result has names and counts.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import grpc
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exchange.v1 import sources_pb2 as pb
from exchange.v1 import sources_pb2_grpc
from runtime import channels, status
from runtime.identity import Credentials

DEADLINE = 60.0
MEASURE_SECONDS = 900.0
PAGE = 1000


def measure_all(stub: sources_pb2_grpc.SourceServiceStub) -> dict[str, Any]:
    """Measure each shared element once; one that cannot be measured is told with its reason.

    Raises grpc.RpcError where the elements cannot be listed.
    """
    measured, failed = [], {}
    for element in _elements(stub):
        try:
            done = stub.MeasureElement(
                pb.MeasureElementRequest(element=element, request_id=str(uuid.uuid4())),
                timeout=MEASURE_SECONDS,
            )
        except grpc.RpcError as error:
            failed[element] = status.from_rpc_error(error).reason
            continue
        measured.append(
            {
                "element": element,
                "source_case": done.source_case.name,
                "both": sum(one.both for one in done.measurements),
                "different": sum(one.different for one in done.measurements),
            }
        )
    return {"measured": measured, "failed": failed}


def _elements(stub: sources_pb2_grpc.SourceServiceStub) -> list[str]:
    found: list[str] = []
    asked = pb.ListSharedElementsRequest(page_size=PAGE)
    while True:
        page = stub.ListSharedElements(asked, timeout=DEADLINE)
        found += [one.element for one in page.elements]
        if not page.next_page_token:
            return found
        asked.page_token = page.next_page_token


@task(cache_policy=NO_CACHE, persist_result=False)
def measure(address: str, identity: Path) -> dict[str, Any]:
    """Measure each shared element."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        return measure_all(sources_pb2_grpc.SourceServiceStub(channel))


@flow(name="measure-sources", persist_result=False, log_prints=False)
async def measure_sources(address: str, identity: str) -> dict[str, Any]:
    """Measure each shared element; cases open and are renewed by it.

    Raises runtime.errors.DomainError where the node refuses.
    """
    try:
        return measure(address, Path(identity))
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
