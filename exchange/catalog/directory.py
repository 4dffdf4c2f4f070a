"""The rules of one batch that changes a directory; pure.

1. A batch is validated as a whole before anything is written, and every problem is told at once
   (at most `GREATEST_VIOLATIONS`), by the path of the field in the request.
2. A put of what is held unchanged touches nothing; a put on a withdrawn entry revives it; a
   withdrawal keeps the content, and a second one touches nothing.
3. An etag sent along must be the newest one, unless nothing would change: a stale copy never
   overwrites what somebody else wrote.
4. The key item of a resource never changes: published records are found by it. Once there are any,
   the type of an item that it has becomes character, which every number, day, time and truth value
   is, or stays as it is.
5. What a material is replaced by is in the catalog, or comes with the same batch.

What one entry may say is in `rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from exchange.catalog.acting import may_act_for
from exchange.catalog.model import (
    DataResource,
    Entry,
    EntryState,
    ItemType,
    ServiceItem,
    content_of,
    entry_from_content,
    etag_of,
)
from exchange.catalog.rules import (
    GREATEST_MATERIALS,
    is_entry,
    resource_violations,
    service_item_violations,
)
from runtime import names
from runtime.errors import Aborted, FieldViolation, InvalidArgument, PermissionDenied
from runtime.identity import Principal, Role

GREATEST_BATCH = 5_000
GREATEST_VIOLATIONS = 100
#: What is no plain text to whoever reads it: base64 and geometry, whose index stays.
_NOT_TEXT = (ItemType.BINARY, ItemType.GEOMETRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Withdraws the entry of this name."""

    name: str


#: What one change of a batch may be; None is a change that says nothing.
Change = DataResource | ServiceItem | Withdrawal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held under a name: enough to decide what a change does to it."""

    name: str
    version: int
    content: bytes
    state: EntryState
    etag: str
    #: Records were published into it, in whatever batch.
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be written; version 1 is of an entry that was not held."""

    name: str
    version: int
    content: bytes
    state: EntryState
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a valid batch does."""

    versions: tuple[NewVersion, ...]
    added: int
    changed: int
    withdrawn: int
    unchanged: int


def check_directory_permission(
    principal: Principal,
    changes: Sequence[Change],
    *,
    above: Callable[[str], Collection[str]] = lambda _: (),
    office: str = "",
) -> None:
    """A department changes its own directory, an administrator those it may act for too.

    `above` tells the departments above one. Raises PermissionDenied, NOT_OWN_DIRECTORY, with the
    first changes that are not the caller's. A name that is none is left to `plan`.
    """
    owners = {names.department_of(name) for name in entry_names(changes)}
    own = {
        owner
        for owner in owners
        if owner == principal.department
        or (
            principal.has(Role.ADMINISTRATOR)
            and (
                may_act_for(principal, owner, office=office)
                or may_act_for(principal, owner, above=above(owner))
            )
        )
    }
    foreign = [
        FieldViolation(f"changes[{place}]", "belongs to another department")
        for place, change in enumerate(changes)
        if change is not None
        and is_entry(change.name)
        and names.department_of(change.name) not in own
    ]
    if foreign:
        raise PermissionDenied(
            "a department changes its own directory only, and an administrator those of "
            "departments below its own: leave out the others' entries, or ask the department that "
            "runs the node",
            reason="NOT_OWN_DIRECTORY",
            message_zh="部门只能变更本部门的目录，管理员可变更下级部门的目录："
            "请去掉其他部门的条目，或由节点管理部门处理",
            violations=foreign[:GREATEST_VIOLATIONS],
        )


def check_size(changes: Sequence[Change]) -> None:
    """A batch has 1 to `GREATEST_BATCH` changes. Raises InvalidArgument, BATCH_SIZE."""
    if not 0 < len(changes) <= GREATEST_BATCH:
        raise InvalidArgument(
            f"a batch has 1 to {GREATEST_BATCH} changes: split a greater one",
            reason="BATCH_SIZE",
            message_zh=f"一批应有 1 至 {GREATEST_BATCH} 项变更：过大请拆分",
            violations=[FieldViolation("changes", f"has {len(changes)} entries")],
        )


def entry_names(changes: Sequence[Change]) -> set[str]:
    """The names of entries in a batch, without what is no such name."""
    return {change.name for change in changes if change is not None and is_entry(change.name)}


def replacing_resources(changes: Sequence[Change]) -> set[str]:
    """The names of resources that stand in for materials and are not put by the batch itself."""
    named = {
        material.replaced_by.resource
        for change in changes
        if isinstance(change, ServiceItem)
        for material in change.materials
        if material.replaced_by is not None and material.replaced_by.resource
    }
    return named - {change.name for change in changes if isinstance(change, DataResource)}


def _batch_violations(changes: Sequence[Change]) -> Iterator[FieldViolation]:
    first: dict[str, int] = {}
    for place, change in enumerate(changes):
        if change is None:
            yield FieldViolation(f"changes[{place}]", "says nothing: put or withdraw something")
            continue
        path = path_of(place, change)
        yield from _entry_violations(path, change)
        earlier = first.setdefault(change.name, place)
        if earlier != place:
            field = path if isinstance(change, Withdrawal) else f"{path}.name"
            yield FieldViolation(field, f"is the name of changes[{earlier}] too")


def plan(
    changes: Sequence[Change],
    *,
    held: Mapping[str, Held],
    departments: Collection[str],
    replacing: Mapping[str, DataResource] | None = None,
) -> Plan:
    """What a batch does to what is held.

    `held` has the entries of the batch's names, `departments` those of its departments that are
    registered, `replacing` the resources of `replacing_resources` that are held. Raises
    InvalidArgument (DIRECTORY_INVALID, with all violations) or Aborted (ETAG_MISMATCH).
    """
    _refuse(
        chain(
            _batch_violations(changes),
            _violations_against(changes, held, departments),
            _replacement_violations(changes, replacing or {}),
        )
    )
    versions: list[NewVersion] = []
    stale: list[FieldViolation] = []
    added = changed = withdrawn = 0
    for place, change in enumerate(changes):
        if change is None:  # refused above
            continue
        was = held.get(change.name)
        new = _version_after(change, was)
        if new is None:
            continue
        if (
            not isinstance(change, Withdrawal)
            and change.etag
            and (was is None or change.etag != was.etag)
        ):
            stale.append(FieldViolation(f"{path_of(place, change)}.etag", "is not the newest"))
        versions.append(new)
        added += was is None
        withdrawn += new.state is EntryState.WITHDRAWN
        changed += was is not None and new.state is EntryState.ACTIVE
    if stale:
        raise Aborted(
            "entries changed since they were read: read them again and repeat",
            reason="ETAG_MISMATCH",
            message_zh="读取之后条目已被修改：请重新读取后再试",
            violations=stale[:GREATEST_VIOLATIONS],
        )
    return Plan(
        versions=tuple(versions),
        added=added,
        changed=changed,
        withdrawn=withdrawn,
        unchanged=len(changes) - len(versions),
    )


def _version_after(change: Entry | Withdrawal, was: Held | None) -> NewVersion | None:
    """The version that a change makes; None where it changes nothing."""
    if isinstance(change, Withdrawal):
        if was is None or was.state is EntryState.WITHDRAWN:
            return None
        content, state = was.content, EntryState.WITHDRAWN
    else:
        content, state = content_of(change), EntryState.ACTIVE
    etag = etag_of(content, state)
    if was is not None and was.etag == etag:
        return None
    version = 1 if was is None else was.version + 1
    return NewVersion(name=change.name, version=version, content=content, state=state, etag=etag)


def _violations_against(
    changes: Sequence[Change], held: Mapping[str, Held], departments: Collection[str]
) -> Iterator[FieldViolation]:
    for place, change in enumerate(changes):
        if change is None or not is_entry(change.name):
            continue  # told already
        path = path_of(place, change)
        was = held.get(change.name)
        if isinstance(change, Withdrawal):
            if was is None:
                yield FieldViolation(path, "is not held")
            continue
        if names.department_of(change.name) not in departments:
            yield FieldViolation(f"{path}.name", "is of a department that is not registered")
        if was is not None and isinstance(change, DataResource):
            before = entry_from_content(was.content)
            if isinstance(before, DataResource):
                yield from _violations_against_resource(path, change, before, was.published)


def _violations_against_resource(
    path: str, change: DataResource, before: DataResource, published: bool
) -> Iterator[FieldViolation]:
    if before.key_item != change.key_item:
        yield FieldViolation(
            f"{path}.key_item", "never changes: withdraw this resource and put a new one"
        )
    if not published:
        return
    types = {item.code: item.type for item in before.items}
    for place, item in enumerate(change.items):
        was = types.get(item.code, item.type)
        if item.type is not was and (item.type is not ItemType.CHARACTER or was in _NOT_TEXT):
            yield FieldViolation(
                f"{path}.items[{place}].type",
                f"is {was.value} and has published records: add an item of another code",
            )


def _replacement_violations(
    changes: Sequence[Change], replacing: Mapping[str, DataResource]
) -> Iterator[FieldViolation]:
    put = {change.name: change for change in changes if isinstance(change, DataResource)}
    known = {
        name: {item.code for item in resource.items}
        for name, resource in {**replacing, **put}.items()
    }
    for place, change in enumerate(changes):
        if not isinstance(change, ServiceItem):
            continue
        for number, material in enumerate(change.materials[:GREATEST_MATERIALS]):
            replaced = material.replaced_by
            if replaced is None or not replaced.resource:
                continue
            field = f"{path_of(place, change)}.materials[{number}].replaced_by"
            if replaced.resource not in known:
                yield FieldViolation(f"{field}.resource", "is not in the catalog")
            elif replaced.item not in known[replaced.resource]:
                yield FieldViolation(f"{field}.item", "is no item of the resource")


def path_of(place: int, change: Entry | Withdrawal) -> str:
    """Where a change stands in the request."""
    if isinstance(change, Withdrawal):
        return f"changes[{place}].withdraw"
    verb = "put_resource" if isinstance(change, DataResource) else "put_service_item"
    return f"changes[{place}].{verb}"


def _refuse(violations: Iterator[FieldViolation]) -> None:
    """Raise InvalidArgument (DIRECTORY_INVALID) where there is a violation."""
    told = list(islice(violations, GREATEST_VIOLATIONS))
    if told:
        raise InvalidArgument(
            "nothing was applied: correct the fields listed and repeat",
            reason="DIRECTORY_INVALID",
            message_zh="未作任何变更：请更正所列字段后重试",
            violations=told,
        )


def _entry_violations(path: str, change: Entry | Withdrawal) -> Iterator[FieldViolation]:
    match change:
        case Withdrawal():
            if not is_entry(change.name):
                yield FieldViolation(path, "is not the name of a resource or a service item")
        case DataResource():
            found = resource_violations(change)
            yield from (FieldViolation(f"{path}.{v.field}", v.description) for v in found)
        case ServiceItem():
            found = service_item_violations(change)
            yield from (FieldViolation(f"{path}.{v.field}", v.description) for v in found)
