"""Directory sync: a department's files to the catalog, as one idempotent batch, with a report.

The flow's parameters are file names, an address and an identity folder: nothing personal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import orjson
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from exchange.v1 import catalog_pb2 as pb
from exchange.v1 import catalog_pb2_grpc, syncing_pb2_grpc
from flows import directory, telling
from flows.directory import Changes, Directory, Entry
from flows.tables import read_table
from runtime import channels, status
from runtime.errors import InvalidArgument
from runtime.identity import Credentials

PAGE = 1000
_REJECT = ("file", "line", "entry", "reason", "detail", "detail_zh")
DEADLINE = 60.0


def read(paths: Sequence[Path], departments: dict[str, pb.Department]) -> tuple[Directory, ...]:
    """The directories of the files: a service-item list or a resource catalog each, by heading."""
    found = []
    for path in paths:
        rows = read_table(path, columns=directory.NEEDED_COLUMNS)
        if rows and "事项编码" in rows[0].cells:
            rows = read_table(path, columns=directory.SERVICE_ITEM_COLUMNS)
            reader: Callable[..., Directory] = directory.read_service_items
        else:
            rows = read_table(path, columns=directory.RESOURCE_COLUMNS)
            reader = directory.read_resources
        found.append(reader(rows, file=path.name, departments=departments))
    return tuple(found)


def held(stub: catalog_pb2_grpc.CatalogServiceStub, wanted: Directory) -> dict[str, Entry]:
    """All entries, withdrawn ones too, of the departments and kinds that the files speak of."""
    spoken = wanted.entries.keys() | wanted.kept
    parents = {
        (name.split("/")[1], name.split("/")[2]) for name in spoken
    }  # (department, resources | serviceItems)
    entries: dict[str, Entry] = {}
    for department, kind in sorted(parents):
        parent = f"departments/{department}"
        if kind == "resources":
            pages: Iterable[Any] = _pages(
                stub.ListDataResources, pb.ListDataResourcesRequest, parent
            )
            for page in pages:
                entries.update({entry.name: entry for entry in page.resources})
        else:
            pages = _pages(stub.ListServiceItems, pb.ListServiceItemsRequest, parent)
            for page in pages:
                entries.update({entry.name: entry for entry in page.service_items})
    return entries


def departments(stub: catalog_pb2_grpc.CatalogServiceStub) -> dict[str, pb.Department]:
    """All registered departments by id."""
    found: dict[str, pb.Department] = {}
    token = ""
    while True:
        page = stub.ListDepartments(
            pb.ListDepartmentsRequest(page_size=PAGE, page_token=token), timeout=DEADLINE
        )
        found.update({d.name.split("/")[1]: d for d in page.departments})
        token = page.next_page_token
        if not token:
            return found


def _pages(call: Callable[..., Any], request: Callable[..., Any], parent: str) -> Iterator[Any]:
    token = ""
    while True:
        page = call(
            request(parent=parent, page_size=PAGE, page_token=token, show_withdrawn=True),
            timeout=DEADLINE,
        )
        yield page
        token = page.next_page_token
        if not token:
            return


def report_of(wanted: Directory, changes: Changes, files: Sequence[str]) -> dict[str, Any]:
    """The report of a run: every entry that changed and every rejected row by name, with why."""
    return {
        "files": list(files),
        "added": changes.added,
        "changed": changes.changed,
        "changed_fields": changes.fields,
        "withdrawn": changes.withdrawn,
        "unchanged": len(changes.unchanged),
        "rejected": [
            {word: getattr(reject, word) for word in _REJECT} for reject in wanted.rejects
        ],
        "request_id": changes.request_id if changes.batch else "",
    }


def write_report(path: Path, outcome: dict[str, Any]) -> None:
    """Leave the report where a person finds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(outcome, option=orjson.OPT_INDENT_2))


# Tasks hold messages that need not outlive the run: nothing is cached or persisted.
_task = task(cache_policy=NO_CACHE, persist_result=False)


@_task
def read_files(
    paths: list[Path], address: str, identity: Path
) -> tuple[Directory, dict[str, Entry]]:
    """Read and judge the files, and what is held of the same departments."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        stub = catalog_pb2_grpc.CatalogServiceStub(channel)
        wanted = directory.merge(read(paths, departments(stub)))
        return wanted, held(stub, wanted)


@_task
def publish(
    wanted: Directory,
    held: dict[str, Entry],
    address: str,
    identity: Path,
    source: str,
    allow_mass_withdrawal: bool,
) -> tuple[Directory, Changes]:
    """Apply what changed as one batch; what the catalog refuses of it becomes rejects.

    Repeats of the same batch change nothing.
    """
    while True:
        changes = directory.compare(wanted, held, allow_mass_withdrawal=allow_mass_withdrawal)
        try:
            if changes.batch:
                apply(changes, address, identity, source)
        except grpc.RpcError as failed:
            error = status.from_rpc_error(failed)
            fewer = directory.reject_refused(wanted, changes, error.violations)
            if len(fewer.entries) == len(wanted.entries):
                raise error from None
            wanted = fewer
        else:
            return wanted, changes


def apply(changes: Changes, address: str, identity: Path, source: str) -> None:
    """Send one batch."""
    with channels.channel(address, Credentials.read(identity)) as channel:
        catalog_pb2_grpc.CatalogServiceStub(channel).ApplyDirectory(
            pb.ApplyDirectoryRequest(
                changes=changes.batch, source=source, request_id=changes.request_id
            ),
            timeout=DEADLINE,
        )


@_task
def tell(
    wanted: Directory, changes: Changes, files: list[str], address: str, identity: Path
) -> list[str]:
    """Tell the node what came of it, for the departments' people; names of the runs, or none."""
    credentials = Credentials.read(identity)
    with channels.channel(address, credentials) as channel:
        known = departments(catalog_pb2_grpc.CatalogServiceStub(channel))
        runs = telling.told(wanted, changes, files, registered=known, own=credentials.department)
        if not runs.runs:
            return []
        try:
            stub = syncing_pb2_grpc.SyncServiceStub(channel)
            return list(stub.RecordSyncRun(runs, timeout=DEADLINE).names)
        except grpc.RpcError:
            return []


@flow(name="directory-sync", persist_result=False, log_prints=False)
async def directory_sync(
    files: list[str],
    address: str,
    identity: str,
    report: str = "",
    allow_mass_withdrawal: bool = False,
) -> dict[str, Any]:
    """Bring the catalog to what the files say. Returns the report, and writes it where asked.

    Raises runtime.errors.DomainError where the node refuses or a file cannot be read at all.
    """
    if not files:
        raise InvalidArgument(
            "no file to read: name at least one", reason="NO_FILES", message_zh="没有要读取的文件"
        )
    paths = [Path(file) for file in files]
    try:
        read_now, now_held = read_files(paths, address, Path(identity))
        source = ", ".join(path.name for path in paths)[:200]
        wanted, changes = publish(
            read_now, now_held, address, Path(identity), source, allow_mass_withdrawal
        )
        runs = tell(wanted, changes, [path.name for path in paths], address, Path(identity))
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
    outcome = {**report_of(wanted, changes, [path.name for path in paths]), "runs": runs}
    if report:
        write_report(Path(report), outcome)
    return outcome
