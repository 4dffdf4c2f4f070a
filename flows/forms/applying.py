"""Brings a node's catalog to what a file says: compared first, then applied in order.

1. Departments come first, those above before those below them; then resources, then service items,
   whose materials may be replaced by resources; what is withdrawn goes last.
2. A file adds and changes. It withdraws what its departments hold beyond it only where that is
   asked for, and most of what is held only where that is allowed.
3. Entries are applied in one batch, all or nothing, where they fit into one; else in several.
   Each part has a request id that follows from what it says and from what was held, so that an
   import that was cut off can be run again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from exchange.v1 import catalog_pb2 as pb
from exchange.v1 import catalog_pb2_grpc
from flows import directory
from flows.directory import Changes, Directory, Entry
from flows.forms.snapshot import Snapshot, plain
from runtime import status
from runtime.errors import DomainError, FieldViolation, InvalidArgument

GREATEST_BATCH = 5_000
GREATEST_BYTES = 3 * 1024 * 1024
PAGE = 500
DEADLINE = 120.0
_FIELDS = {
    "display_name": "部门名称",
    "credit_code": "统一社会信用代码",
    "region_code": "行政区划代码",
    "level": "行政层级",
    "parent": "上级部门标识",
}
_CHANGE = re.compile(r"changes\[(\d+)\](?:\.put_\w+)?(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a node holds by name, withdrawn entries too, as it tells it."""

    departments: Mapping[str, pb.Department]
    entries: Mapping[str, Entry]

    def snapshot(self) -> tuple[list[pb.Department], list[pb.DataResource], list[pb.ServiceItem]]:
        """In the order that `snapshot.take` wants."""
        resources = [one for one in self.entries.values() if isinstance(one, pb.DataResource)]
        items = [one for one in self.entries.values() if isinstance(one, pb.ServiceItem)]
        return list(self.departments.values()), resources, items


@dataclass(slots=True, kw_only=True)
class Difference:
    """What has to change; departments in the order in which they can be."""

    departments_added: list[pb.Department] = field(default_factory=list)
    departments_changed: list[pb.Department] = field(default_factory=list)
    department_fields: dict[str, list[str]] = field(default_factory=dict)
    entries: Changes

    def __bool__(self) -> bool:
        return bool(self.departments_added or self.departments_changed or self.entries.batch)


def hold(stub: catalog_pb2_grpc.CatalogServiceStub, department: str = "") -> Held:
    """What a node holds, of one department or of all."""
    parent = department or "departments/-"
    departments: dict[str, pb.Department] = {}
    token = ""
    while True:
        page = stub.ListDepartments(
            pb.ListDepartmentsRequest(page_size=PAGE, page_token=token), timeout=DEADLINE
        )
        departments.update({one.name: one for one in page.departments})
        if not (token := page.next_page_token):
            break
    entries: dict[str, Entry] = {}
    while True:
        found = stub.ListDataResources(
            pb.ListDataResourcesRequest(
                parent=parent, page_size=PAGE, page_token=token, show_withdrawn=True
            ),
            timeout=DEADLINE,
        )
        entries.update({one.name: one for one in found.resources})
        if not (token := found.next_page_token):
            break
    while True:
        items = stub.ListServiceItems(
            pb.ListServiceItemsRequest(
                parent=parent, page_size=PAGE, page_token=token, show_withdrawn=True
            ),
            timeout=DEADLINE,
        )
        entries.update({one.name: one for one in items.service_items})
        if not (token := items.next_page_token):
            break
    if department:
        departments = {name: one for name, one in departments.items() if name == department}
    return Held(departments=departments, entries=entries)


def compare(
    wanted: Snapshot, held: Held, *, withdraw: bool = False, allow_mass_withdrawal: bool = False
) -> Difference:
    """What has to change. Raises FailedPrecondition (MASS_WITHDRAWAL), as `directory.compare`."""
    entries = wanted.entries
    owners = {_owner(name) for name in entries} | wanted.departments.keys()
    compared = {
        name: entry
        for name, entry in held.entries.items()
        if name in entries or (withdraw and _owner(name) in owners)
    }
    found = Difference(
        entries=directory.compare(
            Directory(entries=entries, unsigned=wanted.unsigned),
            compared,
            allow_mass_withdrawal=allow_mass_withdrawal,
        )
    )
    for department in _from_above(wanted.departments):
        was = held.departments.get(department.name)
        if was is None:
            found.departments_added.append(department)
        elif plain(was) != department:
            changed = pb.Department()
            changed.CopyFrom(department)
            changed.etag = was.etag
            found.departments_changed.append(changed)
            found.department_fields[department.name] = [
                word for name, word in _FIELDS.items()
                if getattr(was, name) != getattr(department, name)
            ]  # fmt: skip
    return found


def _owner(name: str) -> str:
    return "/".join(name.split("/")[:2])


def _from_above(departments: Mapping[str, pb.Department]) -> Iterator[pb.Department]:
    """Those above before those below; of a circle, which the node refuses, each once."""
    done: set[str] = set()

    def climb(name: str) -> Iterator[pb.Department]:
        waiting = []
        while name in departments and name not in done:
            done.add(name)
            waiting.append(departments[name])
            name = departments[name].parent
        yield from reversed(waiting)

    for name in departments:
        yield from climb(name)


def apply(stub: catalog_pb2_grpc.CatalogServiceStub, difference: Difference, *, source: str) -> int:
    """Apply what has to change; how many batches of entries it took.

    Raises what the node answers as the domain error that it is; a fault of an entry is told by the
    entry's name, `departments/d/resources/r display_name`.
    """
    try:
        for department in difference.departments_added:
            stub.CreateDepartment(
                pb.CreateDepartmentRequest(
                    department_id=department.name.partition("/")[2],
                    department=department,
                    request_id=_request_id([department.SerializeToString(deterministic=True)]),
                ),
                timeout=DEADLINE,
            )
        for department in difference.departments_changed:
            stub.UpdateDepartment(
                pb.UpdateDepartmentRequest(
                    department=department,
                    request_id=_request_id([department.SerializeToString(deterministic=True)]),
                ),
                timeout=DEADLINE,
            )
    except grpc.RpcError as error:
        raise status.from_rpc_error(error) from None
    batches = 0
    basis = "\n".join(difference.entries.basis).encode()
    for batch in _batches(difference.entries.batch):
        told = [basis, *(change.SerializeToString(deterministic=True) for change in batch)]
        try:
            stub.ApplyDirectory(
                pb.ApplyDirectoryRequest(
                    changes=batch, source=source, request_id=_request_id(told)
                ),
                timeout=DEADLINE,
            )
        except grpc.RpcError as error:
            raise _told(status.from_rpc_error(error), batch) from None
        batches += 1
    return batches


def _batches(changes: Sequence[pb.DirectoryChange]) -> Iterator[list[pb.DirectoryChange]]:
    """In the order of rule 1, as many at a time as the node takes."""
    order = ("put_resource", "put_service_item", "withdraw")
    ordered = sorted(changes, key=lambda change: order.index(change.WhichOneof("change") or ""))
    batch: list[pb.DirectoryChange] = []
    size = 0
    for change in ordered:
        bytes_of = change.ByteSize()
        if batch and (len(batch) == GREATEST_BATCH or size + bytes_of > GREATEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += bytes_of
    if batch:
        yield batch


def _told(error: DomainError, batch: Sequence[pb.DirectoryChange]) -> DomainError:
    if not isinstance(error, InvalidArgument):
        return error
    error.violations = tuple(_named(violation, batch) for violation in error.violations)
    return error


def _named(violation: FieldViolation, batch: Sequence[pb.DirectoryChange]) -> FieldViolation:
    number = _CHANGE.fullmatch(violation.field)
    if number is None or int(number[1]) >= len(batch):
        return violation
    change = batch[int(number[1])]
    name = change.put_resource.name or change.put_service_item.name or change.withdraw
    return FieldViolation(f"{name} {number[2].lstrip('.')}".strip(), violation.description)


def _request_id(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"catalog-{digest.hexdigest()[:40]}"
