"""The four checks of archives (四性检测): what is due is checked, and one sealed report is left.

One archive that cannot be checked has failed, and stops no other; one that is being destroyed is
nobody's to check.

The flow's parameters are an address, an identity folder, a department, a number of days and a file
name: nothing personal. A report holds names of archives and licenses, and no person.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from licenses.v1 import archives_pb2 as pb
from licenses.v1 import archives_pb2_grpc
from runtime import channels, status
from runtime.errors import Unavailable
from runtime.identity import Credentials

PAGE = 1000
DEADLINE = 120.0
#: Archives of one report.
MOST = 1000
#: How many in a row a node may leave without an answer before the rest is left for the next time.
LOST = 3
#: Refusals of what was approved for destruction since it was listed.
GOING = frozenset({"ARCHIVE_DESTROYED", "DESTRUCTION_APPROVED"})


def due(stub: archives_pb2_grpc.ArchiveServiceStub, department: str, days: int) -> list[str]:
    """Names of archives never checked, or not for so many days; at most what a report holds."""
    request = pb.ListArchivesRequest(parent=department, page_size=PAGE)
    request.not_checked_since.FromDatetime(datetime.now(UTC) - timedelta(days=days))
    return [one.name for one in stub.ListArchives(request, timeout=DEADLINE).archives][:MOST]


def strays(stub: archives_pb2_grpc.ArchiveServiceStub) -> list[str]:
    """What lies in the store and belongs to no archive, or why that is not told."""
    try:
        found = stub.ListStrays(pb.ListStraysRequest(), timeout=DEADLINE).strays
    except grpc.RpcError as error:
        return [status.from_rpc_error(error).reason]
    return [f"{one.object_name} {one.kept_until}" for one in found]


def run_checks(
    stub: archives_pb2_grpc.ArchiveServiceStub, department: str, days: int, seal: str = ""
) -> tuple[dict[str, Any], bytes]:
    """Check what is due; what came of it, and the sealed report, empty where nothing was checked.

    What could not be checked stands under `unchecked` with its reason, and among the failed.
    Raises grpc.RpcError where the node refuses the list or the report.
    """
    checked: list[str] = []
    failed: list[str] = []
    unchecked: dict[str, str] = {}
    lost = 0
    for name in due(stub, department, days):
        if lost == LOST:
            unchecked[name] = "NOT_TRIED"
            continue
        try:
            found = stub.CheckArchive(pb.CheckArchiveRequest(name=name), timeout=DEADLINE).archive
        except grpc.RpcError as error:
            refusal = status.from_rpc_error(error)
            if refusal.reason not in GOING:
                unchecked[name] = refusal.reason
                lost = lost + 1 if isinstance(refusal, Unavailable) else 0
            continue
        lost = 0
        checked.append(name)
        if not all(one.passed for one in found.findings):
            failed.append(name)
    told = {
        "checked": len(checked),
        "failed": [*failed, *unchecked],
        "unchecked": unchecked,
        "report_sha256": "",
        "strays": strays(stub) if lost < LOST else [],
    }
    if not checked:
        return told, b""
    made = stub.MakeCheckReport(
        pb.MakeCheckReportRequest(
            parent=department, archives=checked, seal=seal, request_id=str(uuid.uuid4())
        ),
        timeout=DEADLINE,
    )
    return {**told, "report_sha256": made.sha256}, made.report


@task(cache_policy=NO_CACHE, persist_result=False)
def check(
    address: str, identity: Path, department: str, days: int, seal: str, report: str
) -> dict[str, Any]:
    """Check what is due, and leave the report."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        told, sealed = run_checks(
            archives_pb2_grpc.ArchiveServiceStub(channel), department, days, seal
        )
    if report and sealed:
        Path(report).write_bytes(sealed)
    return told


@flow(name="archive-checks", persist_result=False, log_prints=False)
async def archive_checks(
    address: str, identity: str, department: str, days: int = 365, seal: str = "", report: str = ""
) -> dict[str, Any]:
    """Check the archives that are due; how many, which failed, and the report's SHA-256.

    Raises runtime.errors.DomainError where the node refuses.
    """
    try:
        return check(address, Path(identity), department, days, seal, report)
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
