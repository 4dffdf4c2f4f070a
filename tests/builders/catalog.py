"""Departments, resources and callers of the fictional county 示范县 (region code 990101)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.catalog import registering, service
from exchange.catalog.model import (
    DataItem,
    DataResource,
    ItemType,
    ResourceCategory,
    ServiceItem,
    SharingType,
)
from exchange.catalog.registering import Wanted
from runtime.clock import FixedClock
from runtime.database import Database
from runtime.idcodes import credit_code_check_character
from runtime.identity import Principal, Role

MIGRATIONS = Path(service.__file__).parents[1] / "migrations"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
CIVIL = "departments/civil-affairs"
HOUSING = "departments/housing"
HEALTH = "departments/health"
RESIDENTS = f"{CIVIL}/resources/residents"


def credit_code(serial: int) -> str:
    """A made-up credit code with valid check characters, of region 990101."""
    organisation = f"{serial:08d}"
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    rest = 11 - sum(w * int(c) for w, c in zip(weights, organisation, strict=True)) % 11
    body = "11990101" + organisation + {10: "X", 11: "0"}.get(rest, str(rest))
    return body + credit_code_check_character(body)


def caller(department: str, *roles: Role, system: str = "main") -> Principal:
    """A system of a department."""
    return Principal(
        system=f"{department}/systems/{system}",
        department=department,
        roles=frozenset(roles or (Role.DEPARTMENT,)),
        serial=1,
    )


#: The department that runs the node.
OFFICE = "departments/data-office"
ADMINISTRATOR = caller("departments/data-office", Role.ADMINISTRATOR)
AUDITOR = caller("departments/audit-office", Role.AUDITOR)


def resource(name: str = RESIDENTS, **changes: Any) -> DataResource:
    """A conditional resource with a key item and one item of each type."""
    made = DataResource(
        name=name,
        code="101001/000001",
        display_name="常住人口信息",
        abstract="示范县常住人口的基本信息",
        category=ResourceCategory.BASE,
        base_library="population",
        format="database",
        sharing_type=SharingType.CONDITIONAL,
        sharing_condition="用于办理政务服务事项",
        sharing_mode="service",
        update_cycle="daily",
        publish_date="2026-01-05",
        items=(
            DataItem(
                code="citizen_number",
                display_name="公民身份号码",
                type=ItemType.CHARACTER,
                length=18,
                required=True,
                personal=True,
                standard="GB 11643",
            ),
            DataItem(
                code="name",
                display_name="姓名",
                type=ItemType.CHARACTER,
                length=50,
                required=True,
                personal=True,
            ),
            DataItem(code="birth_date", display_name="出生日期", type=ItemType.DATE, personal=True),
            DataItem(code="household_size", display_name="户内人数", type=ItemType.NUMBER),
            DataItem(code="registered_at", display_name="登记时间", type=ItemType.TIME),
            DataItem(code="local", display_name="是否本地户籍", type=ItemType.LOGICAL),
            DataItem(code="photo", display_name="照片", type=ItemType.BINARY, personal=True),
            DataItem(
                code="region",
                display_name="行政区划",
                type=ItemType.CHARACTER,
                length=6,
                standard="GB/T 2260",
            ),
        ),
        key_item="citizen_number",
    )
    return replace(made, **changes)


def unconditional(name: str = f"{CIVIL}/resources/regions") -> DataResource:
    """A resource that is granted at once."""
    return resource(
        name,
        code="301001/000002",
        sharing_type=SharingType.UNCONDITIONAL,
        sharing_condition="",
        items=(
            DataItem(
                code="region", display_name="行政区划", type=ItemType.CHARACTER, required=True
            ),
            DataItem(code="region_name", display_name="名称", type=ItemType.CHARACTER),
        ),
        key_item="region",
    )


def service_item(name: str = f"{CIVIL}/serviceItems/old-age-card", **changes: Any) -> ServiceItem:
    """A service item."""
    made = ServiceItem(
        name=name,
        code="000511001000",
        display_name="老年人优待证办理",
        handling_type="即办件",
        remark="资料齐全",
    )
    return replace(made, **changes)


def register(database: Database, *departments: str, clock: FixedClock) -> None:
    """Register departments with made-up credit codes."""
    for serial, department in enumerate(departments, 1):
        with database.unit_of_work() as work:
            registering.create_department(
                work,
                ADMINISTRATOR,
                department_id=department.removeprefix("departments/"),
                display_name=f"示范县{department.removeprefix('departments/')}",
                credit_code=credit_code(serial),
                region_code="990101",
                clock=clock,
                office=OFFICE,
            )


def put(database: Database, *entries: DataResource | ServiceItem, clock: FixedClock) -> None:
    """Put entries into the catalog as the administrator."""
    with database.unit_of_work() as work:
        service.apply_directory(
            work, ADMINISTRATOR, changes=entries, source="test", clock=clock, office=OFFICE
        )


def stand_below(database: Database, department: str, parent: str, *, clock: FixedClock) -> None:
    """Put a department below another."""
    with database.unit_of_work() as work:
        registering.update_department(
            work,
            ADMINISTRATOR,
            name=department,
            wanted=Wanted(display_name="", credit_code="", region_code="", parent=parent),
            etag="",
            mask=["parent"],
            clock=clock,
            office=OFFICE,
        )
