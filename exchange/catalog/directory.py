"""The rules of one batch that changes a directory; pure.

1. A batch is validated as a whole before anything is written, and every problem is told at once
   (at most `GREATEST_VIOLATIONS`), by the path of the field in the request.
2. A put of what is held unchanged touches nothing; a put on a withdrawn entry revives it; a
   withdrawal keeps the content, and a second one touches nothing.
3. An etag sent along must be the newest one, unless nothing would change: a stale copy never
   overwrites what somebody else wrote.
4. The key item of a resource never changes: published records are found by it.
5. What the 2017 guide (发改高技术〔2017〕1272号) enumerates stands in tables here, since its
   wording is second-hand to us and localities extend it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from exchange.catalog.model import (
    CONTROL,
    DataItem,
    DataResource,
    Entry,
    EntryState,
    ItemType,
    ResourceCategory,
    ServiceItem,
    SharingType,
    content_of,
    date_problem,
    entry_from_content,
    etag_of,
)
from runtime import names
from runtime.errors import (
    Aborted,
    DomainError,
    FieldViolation,
    InvalidArgument,
    PermissionDenied,
)
from runtime.idcodes import STANDARDS, credit_code_problem, region_code_problem
from runtime.identity import Principal, Role

GREATEST_BATCH = 5_000
GREATEST_VIOLATIONS = 100
GREATEST_ITEMS = 500
GREATEST_ITEM_LENGTH = 1_000_000
GREATEST_RELATED = 100
NAME_LIMIT = 200
WORD_LIMIT = 64
CONDITION_LIMIT = 500
TEXT_LIMIT = 2_000
ITEM_CODE_LIMIT = 64

#: The guide's code: class 1 digit, item 2, sub-item 3, detail of any length, "/", sequence.
RESOURCE_CODE = re.compile(r"[1-9][0-9]{5}[0-9A-Za-z]{0,40}/[0-9]{1,12}")
ITEM_CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
#: Codes of service items differ between lists (基本编码, 实施编码): any printable ASCII.
SERVICE_CODE = re.compile(r"[!-~]{1,64}")

BASE_LIBRARIES = frozenset({"", "population", "legal_entity", "spatial", "license"})
FORMATS = frozenset(
    {
        "electronic_file",
        "spreadsheet",
        "database",
        "image",
        "stream",
        "self_describing",
        "service",
    }
)
SHARING_MODES = frozenset({"table", "file", "service"})
UPDATE_CYCLES = frozenset(
    {"real_time", "daily", "weekly", "monthly", "quarterly", "half_yearly", "yearly"}
)


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


def check_directory_permission(principal: Principal, changes: Sequence[Change]) -> None:
    """An administrator changes any directory, a department's system its own department's.

    Raises PermissionDenied, NOT_OWN_DIRECTORY, with the first changes that are not its own. A name
    that is none is left to `plan`.
    """
    if principal.has(Role.ADMINISTRATOR):
        return
    own = principal.department + "/"
    foreign = [
        FieldViolation(f"changes[{place}]", "belongs to another department")
        for place, change in enumerate(changes)
        if change is not None and not change.name.startswith(own) and _is_entry(change.name)
    ]
    if foreign:
        raise PermissionDenied(
            "a department changes its own directory only: leave out the others' entries, or ask an "
            "administrator",
            reason="NOT_OWN_DIRECTORY",
            message_zh="部门只能变更本部门的目录：请去掉其他部门的条目，或由管理员处理",
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
    return {change.name for change in changes if change is not None and _is_entry(change.name)}


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
    changes: Sequence[Change], *, held: Mapping[str, Held], departments: Collection[str]
) -> Plan:
    """What a batch does to what is held.

    `held` has the entries of the batch's names, `departments` those of its departments that are
    registered. Raises InvalidArgument (DIRECTORY_INVALID, with all violations) or Aborted
    (ETAG_MISMATCH).
    """
    _refuse(chain(_batch_violations(changes), _violations_against(changes, held, departments)))
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
        if change is None or not _is_entry(change.name):
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
            if isinstance(before, DataResource) and before.key_item != change.key_item:
                yield FieldViolation(
                    f"{path}.key_item", "never changes: withdraw this resource and put a new one"
                )


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
            if not _is_entry(change.name):
                yield FieldViolation(path, "is not the name of a resource or a service item")
        case DataResource():
            found = _resource_violations(change)
            yield from (FieldViolation(f"{path}.{v.field}", v.description) for v in found)
        case ServiceItem():
            found = _service_item_violations(change)
            yield from (FieldViolation(f"{path}.{v.field}", v.description) for v in found)


def _resource_violations(resource: DataResource) -> Iterator[FieldViolation]:
    if not _matches(names.RESOURCE, resource.name):
        yield FieldViolation("name", f"must look like {names.RESOURCE}")
    if not RESOURCE_CODE.fullmatch(resource.code):
        yield FieldViolation("code", "must be six digits, the detail, '/' and a sequence number")
    yield from _text("display_name", resource.display_name, NAME_LIMIT, required=True)
    yield from _text("abstract", resource.abstract, TEXT_LIMIT)
    if resource.category is ResourceCategory.UNSPECIFIED:
        yield FieldViolation("category", "is required")
    yield from _one_of("base_library", resource.base_library, BASE_LIBRARIES)
    yield from _one_of("format", resource.format, FORMATS)
    if resource.sharing_type is SharingType.UNSPECIFIED:
        yield FieldViolation("sharing_type", "is required")
    # A condition is stated where there is one, and a legal basis where sharing is refused.
    stated = resource.sharing_type in (SharingType.CONDITIONAL, SharingType.NOT_SHARED)
    condition = resource.sharing_condition
    yield from _text("sharing_condition", condition, CONDITION_LIMIT, required=stated)
    yield from _one_of("sharing_mode", resource.sharing_mode, SHARING_MODES)
    yield from _one_of("update_cycle", resource.update_cycle, UPDATE_CYCLES)
    if resource.publish_date and (problem := date_problem(resource.publish_date)):
        yield FieldViolation("publish_date", problem)
    yield from _related_violations(resource)
    yield from _items_violations(resource)


def _related_violations(resource: DataResource) -> Iterator[FieldViolation]:
    related = resource.related_resources
    if len(related) > GREATEST_RELATED:
        yield FieldViolation("related_resources", f"has more than {GREATEST_RELATED} codes")
    seen: set[str] = set()
    for place, code in enumerate(related):
        if not RESOURCE_CODE.fullmatch(code):
            yield FieldViolation(
                f"related_resources[{place}]", "must be a code of the guide's form"
            )
        elif code in seen:
            yield FieldViolation(f"related_resources[{place}]", "is listed already")
        seen.add(code)


def _items_violations(resource: DataResource) -> Iterator[FieldViolation]:
    items = resource.items
    if not 0 < len(items) <= GREATEST_ITEMS:
        yield FieldViolation("items", f"must be 1 to {GREATEST_ITEMS}")
    first: dict[str, int] = {}
    for place, item in enumerate(items):
        for found in _item_violations(item):
            yield FieldViolation(f"items[{place}].{found.field}", found.description)
        earlier = first.setdefault(item.code, place)
        if earlier != place:
            yield FieldViolation(f"items[{place}].code", f"is the code of items[{earlier}] too")
    if resource.key_item not in first:
        yield FieldViolation("key_item", "must be the code of one of the items")
    elif not items[first[resource.key_item]].required:
        yield FieldViolation("key_item", "must be the code of a required item")


def _item_violations(item: DataItem) -> Iterator[FieldViolation]:
    if len(item.code) > ITEM_CODE_LIMIT or not ITEM_CODE.fullmatch(item.code):
        yield FieldViolation("code", f"must be lower_snake of at most {ITEM_CODE_LIMIT} characters")
    yield from _text("display_name", item.display_name, NAME_LIMIT, required=True)
    if item.type is ItemType.UNSPECIFIED:
        yield FieldViolation("type", "is required")
    if not 0 <= item.length <= GREATEST_ITEM_LENGTH:
        yield FieldViolation("length", f"must be 0 to {GREATEST_ITEM_LENGTH}")
    if item.standard and item.standard not in STANDARDS:
        yield FieldViolation("standard", f"must be one of {', '.join(sorted(STANDARDS))}, or empty")


def _service_item_violations(item: ServiceItem) -> Iterator[FieldViolation]:
    if not _matches(names.SERVICE_ITEM, item.name):
        yield FieldViolation("name", f"must look like {names.SERVICE_ITEM}")
    if not SERVICE_CODE.fullmatch(item.code):
        yield FieldViolation("code", "must be 1 to 64 printable ASCII characters without spaces")
    yield from _text("display_name", item.display_name, NAME_LIMIT, required=True)
    yield from _text("handling_type", item.handling_type, WORD_LIMIT)
    yield from _text("remark", item.remark, TEXT_LIMIT)


def department_violations(
    *, display_name: str, credit_code: str, region_code: str
) -> list[FieldViolation]:
    """What is wrong with a department that is to be registered."""
    found = list(_text("department.display_name", display_name, NAME_LIMIT, required=True))
    if problem := credit_code_problem(credit_code):
        found.append(FieldViolation("department.credit_code", problem))
    if problem := region_code_problem(region_code):
        found.append(FieldViolation("department.region_code", problem))
    return found


def text_violations(field: str, text: str, limit: int) -> list[FieldViolation]:
    """What is wrong with an optional text of at most `limit` characters."""
    return list(_text(field, text, limit))


def _text(field: str, text: str, limit: int, *, required: bool = False) -> Iterator[FieldViolation]:
    if required and not text.strip():
        yield FieldViolation(field, "is required")
    if len(text) > limit:
        yield FieldViolation(field, f"is longer than {limit} characters")
    if CONTROL.search(text):
        yield FieldViolation(field, "holds control characters")


def _one_of(field: str, word: str, words: Collection[str]) -> Iterator[FieldViolation]:
    if word not in words:
        told = ", ".join(sorted(filter(None, words)))
        yield FieldViolation(field, f"must be one of {told}{', or empty' if '' in words else ''}")


def _is_entry(name: str) -> bool:
    return _matches(names.RESOURCE, name) or _matches(names.SERVICE_ITEM, name)


def _matches(pattern: str, name: str) -> bool:
    try:
        names.parse(pattern, name)
    except DomainError:
        return False
    return True
