"""Use cases of departments: register one, change one.

1. Administrators only, and of whom `acting` says. A credit code is of one department (GB 32100).
2. Where a department stands is judged with those above and below it, while nobody else may change
   a department: the row of the catalog's epoch is the lock.
3. Every version is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exchange.catalog import departments, rules, store
from exchange.catalog.acting import check_place, may_act_for
from exchange.catalog.model import DEPARTMENT_FIELDS, Department, DepartmentLevel
from exchange.catalog.registry import store as registry
from runtime import names
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.errors import Aborted, AlreadyExists, FieldViolation, InvalidArgument, NotFound
from runtime.identity import APPLICANTS, Principal
from runtime.records import make_record

if TYPE_CHECKING:
    from sqlmodel import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a department shall say."""

    display_name: str
    credit_code: str
    region_code: str
    level: DepartmentLevel = DepartmentLevel.UNSPECIFIED
    parent: str = ""


def create_department(
    work: UnitOfWork,
    principal: Principal,
    *,
    department_id: str,
    display_name: str,
    credit_code: str,
    region_code: str,
    level: DepartmentLevel = DepartmentLevel.UNSPECIFIED,
    parent: str = "",
    clock: Clock,
    office: str = "",
) -> Department:
    """Register a department: below the caller's own, or anywhere where it is the node's office.

    Raises PermissionDenied (NOT_ABOVE), InvalidArgument (MALFORMED_ID, NAME_OF_PERSONS,
    DEPARTMENT_INVALID)
    or AlreadyExists (DEPARTMENT_EXISTS, CREDIT_CODE_TAKEN).
    """
    names.check_id(department_id, field="department_id")
    name = names.make(names.DEPARTMENT, department=department_id)
    if name == APPLICANTS:
        raise InvalidArgument(
            "applicants who sign in go by this name: choose another for the department",
            reason="NAME_OF_PERSONS",
            message_zh="该名称保留给登录的申请人：请为部门另选标识",
            violations=[FieldViolation("department_id", "is the name of applicants")],
        )
    now = clock.now()
    department = Department(
        name=name,
        display_name=display_name,
        credit_code=credit_code,
        region_code=region_code,
        level=level,
        parent=parent,
        create_time=now,
        update_time=now,
    )
    if parent:
        store.lock_departments(work.session)
    check_place(principal, above=None, then=_names_of(above(work, department)), office=office)
    _check(work, department)
    if registry.department(work.session, name) is not None:
        raise AlreadyExists(
            "a department of this id is registered: choose another id",
            reason="DEPARTMENT_EXISTS",
            message_zh="该标识的部门已登记：请另选标识",
        )
    _check_holder(work, department)
    registry.insert_department(work.session, department)
    work.record(
        make_record("department_created", at=now, actor=principal.system, facts=_facts(department))
    )
    return registry.department(work.session, name) or department


def update_department(
    work: UnitOfWork,
    principal: Principal,
    *,
    name: str,
    wanted: Wanted,
    etag: str,
    mask: Collection[str],
    clock: Clock,
    office: str = "",
) -> Department:
    """Change the fields of `mask`, all of them where it is empty; the same again changes nothing.

    A department's own administrator changes its display name; the rest is changed from above.
    Raises PermissionDenied (NOT_ABOVE), NotFound (DEPARTMENT_NOT_FOUND), InvalidArgument
    (UPDATE_MASK_UNKNOWN, DEPARTMENT_INVALID), Aborted (ETAG_MISMATCH) or AlreadyExists
    (CREDIT_CODE_TAKEN).
    """
    names.parse(names.DEPARTMENT, name, field="department.name")
    fields = _checked_mask(mask)
    store.lock_departments(work.session)
    held = registry.department(work.session, name)
    if held is None:
        raise department_not_found()
    changed = replace(held, **{field: getattr(wanted, field) for field in fields})
    if changed == held:
        return held
    if etag and etag != held.etag:
        raise Aborted(
            "the department changed since it was read: read it again and repeat",
            reason="ETAG_MISMATCH",
            message_zh="读取之后部门信息已被修改：请重新读取后再试",
            violations=[FieldViolation("department.etag", "is not the newest")],
        )
    if replace(changed, display_name=held.display_name) != held or not may_act_for(
        principal, name, office=office
    ):
        check_place(
            principal,
            above=_names_of(above(work, held)),
            then=_names_of(above(work, changed)),
            office=office,
        )
    _check(work, changed)
    _check_holder(work, changed)
    changed = replace(changed, version=held.version + 1, update_time=clock.now())
    registry.update_department(work.session, changed)
    facts = _facts(changed) | {"version": changed.version}
    work.record(
        make_record("department_changed", at=clock.now(), actor=principal.system, facts=facts)
    )
    return registry.department(work.session, name) or changed


def department_not_found() -> NotFound:
    """The answer where no department has the name."""
    return NotFound(
        "no such department: check its name with ListDepartments (`tongban catalog departments`)",
        reason="DEPARTMENT_NOT_FOUND",
        message_zh="没有该部门：请用部门列表（tongban catalog departments）核对其名称",
    )


def _facts(department: Department) -> dict[str, str | int]:
    return {
        "department": department.name,
        "credit_code": department.credit_code,
        "region_code": department.region_code,
        "level": department.level.value,
        "parent": department.parent,
    }


def _checked_mask(mask: Collection[str]) -> Collection[str]:
    unknown = [path for path in mask if path not in DEPARTMENT_FIELDS]
    if unknown:
        raise InvalidArgument(
            f"update_mask names {', '.join(DEPARTMENT_FIELDS)} only",
            reason="UPDATE_MASK_UNKNOWN",
            message_zh=f"update_mask 只能含 {'、'.join(DEPARTMENT_FIELDS)}",
            violations=[FieldViolation("update_mask", "names a field that is not changed so")],
        )
    return mask or DEPARTMENT_FIELDS


def _check(work: UnitOfWork, department: Department) -> None:
    """Refuse what may not be said, by itself and with the departments around."""
    found = rules.department_violations(
        display_name=department.display_name,
        credit_code=department.credit_code,
        region_code=department.region_code,
        parent=department.parent,
    )
    if not found:
        below = _below(work.session, department.name)
        found = list(
            departments.hierarchy_violations(
                department,
                above=above(work, department),
                children=below[0] if below else [],
                height=len(below),
            )
        )
    if found:
        raise InvalidArgument(
            "the department was not kept: correct the fields listed",
            reason="DEPARTMENT_INVALID",
            message_zh="部门未登记或变更：请更正所列字段",
            violations=found,
        )


def above(work: UnitOfWork, department: Department) -> list[Department]:
    """Its parent and so on; one more than may be, so that too many are seen."""
    found_above: list[Department] = []
    parent = department.parent
    while parent and len(found_above) <= departments.GREATEST_DEPTH:
        found = registry.department(work.session, parent)
        if found is None:
            break
        found_above.append(found)
        parent = "" if found.name == department.name else found.parent
    return found_above


def names_above(work: UnitOfWork, name: str) -> frozenset[str]:
    """The names of the departments above one; none where it is not registered."""
    held = registry.department(work.session, name)
    return frozenset() if held is None else _names_of(above(work, held))


def names_below(session: Session, name: str) -> frozenset[str]:
    """The names of the departments below one; a statement for each level."""
    return frozenset(one.name for row in _below(session, name) for one in row)


def _names_of(found: Collection[Department]) -> frozenset[str]:
    return frozenset(one.name for one in found)


def _below(session: Session, name: str) -> list[list[Department]]:
    """Those right below it, those below them, and so on."""
    below: list[list[Department]] = []
    row = registry.children(session, [name])
    while row and len(below) <= departments.GREATEST_DEPTH:
        below.append(row)
        row = registry.children(session, [one.name for one in row])
    return below


def _check_holder(work: UnitOfWork, department: Department) -> None:
    holder = registry.holder_of(work.session, department.credit_code)
    if holder not in (None, department.name):
        raise AlreadyExists(
            f"{holder} is registered with this credit code: give the code of this department",
            reason="CREDIT_CODE_TAKEN",
            message_zh=f"该统一社会信用代码已由 {holder} 登记：请填写本部门的代码",
            department=str(holder),
        )
