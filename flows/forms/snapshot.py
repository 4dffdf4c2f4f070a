"""A catalog outside of its node: departments and entries in force, as they were sent to it.

1. What the catalog itself adds to an entry (state, etag, version, times, staleness) is no part.
2. Withdrawn entries and earlier versions are no part: they are history, and stay with their node.
3. Equal snapshots are equal catalogs. Each form (`workbook`, `dcat`, JSON here) reads back what it
   wrote; so what is read from one form may be written in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from exchange.v1 import catalog_pb2 as pb
from flows.directory import Entry
from flows.forms.problems import GREATEST_FILE, Problems, unreadable

FORM = "tongban-catalog/1"
#: Of a department, a resource and a service item: what its node adds.
ADDED = frozenset(
    {"state", "etag", "update_time", "create_time", "version", "provider_code",
     "last_publish_time", "fresh_until", "stale"}
)  # fmt: skip

Thing = TypeVar("Thing", pb.Department, pb.DataResource, pb.ServiceItem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Departments, resources and service items by name, in order of it."""

    departments: Mapping[str, pb.Department] = field(default_factory=dict)
    resources: Mapping[str, pb.DataResource] = field(default_factory=dict)
    service_items: Mapping[str, pb.ServiceItem] = field(default_factory=dict)
    #: Resources of which a workbook says in words that they answer unsigned requests, too.
    unsigned: frozenset[str] = frozenset()

    @property
    def entries(self) -> dict[str, Entry]:
        """Resources and service items."""
        return {**self.resources, **self.service_items}


def plain(thing: Thing) -> Thing:
    """What was sent of a thing, without what its node adds."""
    copy = type(thing)()
    copy.CopyFrom(thing)
    for described in type(thing).DESCRIPTOR.fields:
        if described.name in ADDED:
            copy.ClearField(described.name)  # type: ignore[arg-type]  # a field of this message
    return copy


def take(
    departments: Iterable[pb.Department],
    resources: Iterable[pb.DataResource],
    service_items: Iterable[pb.ServiceItem],
) -> Snapshot:
    """A snapshot of what a node holds; what is withdrawn is left out."""
    gone = pb.ENTRY_STATE_WITHDRAWN
    return Snapshot(
        departments=_by_name(departments),
        resources=_by_name(one for one in resources if one.state != gone),
        service_items=_by_name(one for one in service_items if one.state != gone),
    )


def _by_name(things: Iterable[Thing]) -> dict[str, Thing]:
    found = {thing.name: plain(thing) for thing in things}
    return {name: found[name] for name in sorted(found)}


_KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("departments", pb.Department),
    ("resources", pb.DataResource),
    ("service_items", pb.ServiceItem),
)


def to_json(snapshot: Snapshot) -> bytes:
    """The snapshot in the JSON of protobuf, by the fields' own names."""
    told: dict[str, Any] = {"form": FORM}
    for kind, _ in _KINDS:
        told[kind] = [
            MessageToDict(thing, preserving_proto_field_name=True)
            for thing in getattr(snapshot, kind).values()
        ]
    return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"


def from_json(data: bytes) -> Snapshot:
    """Reads back what `to_json` wrote. Raises InvalidArgument (CATALOG_FILE_INVALID)."""
    if len(data) > GREATEST_FILE:
        raise unreadable("is too large", "过大")
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise unreadable("is no JSON", "不是 JSON") from None
    if not isinstance(told, dict) or told.get("form") != FORM:
        raise unreadable(f"says no form {FORM}", f"未注明格式 {FORM}")
    problems = Problems()
    found: dict[str, Any] = {}
    for kind, message in _KINDS:
        things = told.get(kind, [])
        if not isinstance(things, list):
            problems.add(kind, "BAD_VALUE", "is no list", "不是列表")
            continue
        read: dict[str, Any] = {}
        for place, thing in enumerate(things):
            _read_one(thing, message, f"{kind}[{place}]", read, problems)
        found[kind] = {name: read[name] for name in sorted(read)}
    problems.refuse()
    return Snapshot(**found)


def _read_one(
    thing: Any, message: type[Any], where: str, read: dict[str, Any], problems: Problems
) -> None:
    try:
        made = ParseDict(thing, message(), max_recursion_depth=10)
    except (ParseError, TypeError, ValueError, AttributeError) as error:
        # The parser's words name fields and repeat values of a catalog, which is open.
        problems.add(where, "BAD_VALUE", str(error).splitlines()[0][:200], "不符合目录格式")
        return
    if made.name in read:
        problems.add(where, "DUPLICATE_CODE", "has a name that stands before", "名称重复")
    read[made.name] = plain(made)
