"""The three lists: what their rows say, who may write them, and how they change.

1. The responsibility list (责任清单): a department must supply items of a resource, as fresh as a
   cycle says, to some departments or to all, from a day on. An administrator writes it. It is a
   promise: the resource may not exist yet, and `comparing` holds it against what is delivered.
2. The demand list (需求清单): a department needs data that no resource offers, or that is not
   shared. An administrator, or the department that is asked, answers: taken into the responsibility
   list, declined with a reason and a legal basis, or met. Who asked may withdraw it.
3. The negative list (负面清单): what is not shared, and on what legal basis. Its row has the id of
   its resource, so there is one a resource. The department or an administrator writes it. What the
   catalog calls NOT_SHARED is on the list by that alone.
4. A row is dated by days in China and has versions. It is removed, never deleted; its id may be
   taken up again, and its versions go on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from exchange.catalog.acting import may_act_for
from exchange.catalog.model import CONTROL, date_problem
from exchange.catalog.staleness import CYCLE_DAYS
from runtime import names
from runtime.asking import says_something
from runtime.errors import (
    Aborted,
    DomainError,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.identity import Principal, Role
from runtime.records import canonical

GREATEST_ITEMS = 500
GREATEST_RECEIVERS = 200
NAME_LIMIT = 200
TEXT_LIMIT = 500
ITEM_LIMIT = 100
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class List(StrEnum):
    """Which list a row is of."""

    RESPONSIBILITY = "responsibility"
    DEMAND = "demand"
    NEGATIVE = "negative"


class RowState(StrEnum):
    """State of a row of the responsibility or the negative list."""

    ACTIVE = "active"
    REMOVED = "removed"


class DemandState(StrEnum):
    """State of a demand."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    MET = "met"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Responsibility:
    """Who must supply what, how fresh, to whom; no items or receivers are all of them."""

    name: str
    resource: str
    display_name: str
    items: tuple[str, ...] = ()
    update_cycle: str
    receivers: tuple[str, ...] = ()
    legal_basis: str
    note: str = ""
    from_day: str
    until_day: str = ""
    state: RowState = RowState.ACTIVE
    version: int = 0
    etag: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative:
    """What is not shared, and why; no items are all of them."""

    name: str
    display_name: str
    items: tuple[str, ...] = ()
    legal_basis: str
    reason: str = ""
    from_day: str
    until_day: str = ""
    state: RowState = RowState.ACTIVE
    version: int = 0
    etag: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None

    @property
    def resource(self) -> str:
        """The resource that it is about."""
        return names.make(names.RESOURCE, **resource_ids(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a department needs; `supplier` and `resource` where it knows them."""

    name: str
    display_name: str
    description: str = ""
    items: tuple[str, ...] = ()
    purpose: str
    legal_basis: str
    service_item: str = ""
    supplier: str = ""
    resource: str = ""
    update_cycle: str = ""
    state: DemandState = DemandState.OPEN
    answer: str = ""
    answer_legal_basis: str = ""
    responsibility: str = ""
    version: int = 0
    etag: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None


Row = Responsibility | Negative | Demand
_KEPT_APART = ("state", "version", "etag", "create_time", "update_time")


def resource_ids(negative: str) -> dict[str, str]:
    """The ids of the resource that a row of the negative list is about."""
    ids = names.parse(names.NEGATIVE, negative)
    return {"department": ids["department"], "resource": ids["negative"]}


def negative_of(resource: str) -> str:
    """The name of a resource's row of the negative list."""
    ids = names.parse(names.RESOURCE, resource, field="resource")
    return names.make(names.NEGATIVE, department=ids["department"], negative=ids["resource"])


def list_of(row: Row) -> List:
    """Which list a row is of."""
    match row:
        case Responsibility():
            return List.RESPONSIBILITY
        case Negative():
            return List.NEGATIVE
        case Demand():
            return List.DEMAND


def content_of(row: Row) -> bytes:
    """What a row says, in canonical JSON."""
    body = asdict(row)
    for key in _KEPT_APART:
        body.pop(key)
    return canonical(body)


def row_of(kind: List, body: dict[str, Any], state: str) -> Row:
    """The row of a list whose content this is, in a state."""
    body["items"] = tuple(body["items"])
    match kind:
        case List.RESPONSIBILITY:
            body["receivers"] = tuple(body["receivers"])
            return Responsibility(**body, state=RowState(state))
        case List.NEGATIVE:
            return Negative(**body, state=RowState(state))
        case List.DEMAND:
            return Demand(**body, state=DemandState(state))


def etag_of(row: Row) -> str:
    """The etag of what a row says, and of its state."""
    return hashlib.sha256(row.state.encode() + b"\0" + content_of(row)).hexdigest()[:32]


def check(row: Row) -> None:
    """Raises InvalidArgument (ROW_INVALID) with every field that is wrong."""
    pattern = {
        List.RESPONSIBILITY: names.RESPONSIBILITY,
        List.NEGATIVE: names.NEGATIVE,
        List.DEMAND: names.DEMAND,
    }[list_of(row)]
    names.parse(pattern, row.name)
    match row:
        case Responsibility():
            wrong = list(_wrong_responsibility(row))
        case Negative():
            wrong = [*_dated(row.from_day, row.until_day), *_coded(row.items)]
            wrong += _texts(row, long=("reason",), needed=("display_name", "legal_basis"))
        case Demand():
            wrong = list(_wrong_demand(row))
    if wrong:
        raise InvalidArgument(
            "this row cannot be held: correct the fields named and repeat",
            reason="ROW_INVALID",
            message_zh="该行内容有误：请按所列字段更正后重试",
            violations=wrong,
        )


def _wrong_responsibility(row: Responsibility) -> Iterator[FieldViolation]:
    supplier = names.department_of(row.name)
    if not names.is_name(names.RESOURCE, row.resource) or (
        names.department_of(row.resource) != supplier
    ):
        yield FieldViolation("resource", f"must be one of {supplier}")
    yield from _coded(row.items)
    yield from _dated(row.from_day, row.until_day)
    if row.update_cycle not in CYCLE_DAYS:
        yield FieldViolation("update_cycle", f"is one of {', '.join(CYCLE_DAYS)}")
    if len(row.receivers) > GREATEST_RECEIVERS or len(set(row.receivers)) != len(row.receivers):
        yield FieldViolation("receivers", f"at most {GREATEST_RECEIVERS}, none of them twice")
    for place, receiver in enumerate(row.receivers[:GREATEST_RECEIVERS]):
        if not names.is_name(names.DEPARTMENT, receiver) or receiver == supplier:
            yield FieldViolation(f"receivers[{place}]", "must be another department")
    yield from _texts(row, long=("note",), needed=("display_name", "legal_basis"))


def _wrong_demand(row: Demand) -> Iterator[FieldViolation]:
    yield from _texts(
        row,
        long=("description", "answer", "answer_legal_basis"),
        needed=("display_name", "purpose", "legal_basis"),
    )
    asker = names.department_of(row.name)
    if len(row.items) > GREATEST_ITEMS or len(set(row.items)) != len(row.items):
        yield FieldViolation("items", f"at most {GREATEST_ITEMS}, none of them twice")
    for place, item in enumerate(row.items[:GREATEST_ITEMS]):
        if not 0 < len(item.strip()) <= ITEM_LIMIT or CONTROL.search(item):
            yield FieldViolation(f"items[{place}]", f"must have 1 to {ITEM_LIMIT} characters")
    for field, pattern in (
        ("service_item", names.SERVICE_ITEM),
        ("supplier", names.DEPARTMENT),
        ("resource", names.RESOURCE),
        ("responsibility", names.RESPONSIBILITY),
    ):
        value = getattr(row, field)
        if value and not names.is_name(pattern, value):
            yield FieldViolation(field, f"must look like {pattern}")
    if row.supplier == asker:
        yield FieldViolation("supplier", "must be another department")
    if row.supplier and row.resource and not row.resource.startswith(f"{row.supplier}/"):
        yield FieldViolation("resource", "is not the supplier's")
    if row.update_cycle and row.update_cycle not in CYCLE_DAYS:
        yield FieldViolation("update_cycle", f"is one of {', '.join(CYCLE_DAYS)}")


def _texts(row: Row, *, long: Iterable[str], needed: Iterable[str]) -> Iterator[FieldViolation]:
    for field in (*needed, *long):
        value = getattr(row, field)
        limit = NAME_LIMIT if field == "display_name" else TEXT_LIMIT
        missing = field in needed and not says_something(value)
        if missing or len(value) > limit or CONTROL.search(value):
            least = 1 if field in needed else 0
            yield FieldViolation(field, f"must have {least} to {limit} characters, none of control")


def _coded(items: tuple[str, ...]) -> Iterator[FieldViolation]:
    if len(items) > GREATEST_ITEMS or len(set(items)) != len(items):
        yield FieldViolation("items", f"at most {GREATEST_ITEMS}, none of them twice")
    for place, item in enumerate(items[:GREATEST_ITEMS]):
        if not _CODE.fullmatch(item):
            yield FieldViolation(f"items[{place}]", "is not a code of an item")


def _dated(first: str, last: str) -> Iterator[FieldViolation]:
    if problem := date_problem(first):
        yield FieldViolation("from_day", problem)
    elif last and (problem := date_problem(last)):
        yield FieldViolation("until_day", problem)
    elif last and last < first:
        yield FieldViolation("until_day", "is before from_day")


def row_not_found() -> NotFound:
    """The one answer for a row that is absent and for one that the caller may not know of."""
    return NotFound(
        "no such row: check its name with the lists (`tongban lists`)",
        reason="ROW_NOT_FOUND",
        message_zh="清单中没有该行：请用 tongban lists 核对其名称",
    )


def etag_mismatch() -> DomainError:
    """A row is not as its writer read it."""
    return Aborted(
        "this is not what you read: read again, and send its etag with your change",
        reason="ETAG_MISMATCH",
        message_zh="内容已有变化：请重新读取，并带上其 etag",
    )


def sees_everything(principal: Principal) -> bool:
    """Whether the caller sees the demands of all departments."""
    return principal.has(Role.ADMINISTRATOR) or principal.has(Role.AUDITOR)


def may_see(principal: Principal, row: Row) -> bool:
    """Whether the caller may know of a row: of a demand its parties; of the other lists anybody."""
    if not isinstance(row, Demand) or sees_everything(principal):
        return True
    return principal.department in (names.department_of(row.name), row.supplier)


def check_writer(
    principal: Principal, department: str, *, above: Collection[str] = (), office: str = ""
) -> None:
    """Refuse who writes in no place of a department.

    Its system, its administrator, one of a department above it (`above`) or of the node's office
    does. Raises PermissionDenied, NOT_RESPONSIBLE.
    """
    own = principal.has(Role.DEPARTMENT) and principal.department == department
    if not own and not may_act_for(principal, department, above=above, office=office):
        raise _not_responsible()


def check_lister(principal: Principal, department: str) -> None:
    """Refuse who keeps nothing back: the department and every administrator do. Raises as above."""
    if not principal.has(Role.ADMINISTRATOR):
        check_writer(principal, department)


def check_answerer(
    principal: Principal, demand: Demand, *, above: Collection[str], office: str
) -> None:
    """Refuse who does not answer a demand: nobody does that its own department makes.

    `above` are the departments above the one that is asked or, where none is, above the one that
    asks; where there are none either, every administrator answers. Raises PermissionDenied,
    NOT_RESPONSIBLE.
    """
    own = names.department_of(demand.name)
    if principal.department != own:
        others = {*above} - {own}
        if not demand.supplier and not others and principal.has(Role.ADMINISTRATOR):
            return
        check_writer(principal, demand.supplier, above=others, office=office)
        return
    raise _not_responsible()


def _not_responsible() -> PermissionDenied:
    return PermissionDenied(
        "the department named, an administrator of one above it, or the department that runs the "
        "node writes this: ask them",
        reason="NOT_RESPONSIBLE",
        message_zh="应由所列部门、其上级部门的管理员或节点管理部门办理：请联系他们",
    )
