"""A service item (政务服务事项) with the ten equal elements (三级十同).

The same item has the same name, code, type, legal basis, level, conditions, audience, materials,
time limit and fees on every level of government: `ELEMENTS`, in that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EntryState(StrEnum):
    """Whether an entry is in force."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class DepartmentLevel(StrEnum):
    """A level of government (行政层级); the highest first."""

    UNSPECIFIED = ""
    NATIONAL = "national"
    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"

    @property
    def rank(self) -> int:
        """1 is the highest; 0 is not said."""
        return tuple(DepartmentLevel).index(self)


class MaterialKind(StrEnum):
    """In which form a material is handed in (材料形式)."""

    UNSPECIFIED = ""
    ORIGINAL = "original"
    COPY = "copy"
    ELECTRONIC = "electronic"


class Audience(StrEnum):
    """Whom an item serves (服务对象)."""

    UNSPECIFIED = ""
    NATURAL_PERSON = "natural_person"
    ENTERPRISE = "enterprise"
    OTHER_ORGANIZATION = "other_organization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What stands in for a material: a license of a type, or an item of a resource."""

    license_type: str = ""
    resource: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One material that an applicant hands in (申请材料)."""

    display_name: str
    kind: MaterialKind
    copies: int = 0
    required: bool = False
    source: str = ""
    replaced_by: Replacement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """How long a department may take (办理时限), in working days or days; 0 is at once."""

    statutory_days: int = 0
    promised_days: int = 0
    calendar_days: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """One charge; `amount` is yuan, a decimal number in its plain form."""

    display_name: str
    amount: str
    unit: str = ""
    legal_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedule:
    """What is charged (收费标准); no fees is free of charge."""

    fees: tuple[Fee, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceItem:
    """A service item; an element that is empty or None is not said."""

    name: str
    code: str
    display_name: str
    handling_type: str = ""
    remark: str = ""
    item_type: str = ""
    legal_basis: tuple[str, ...] = ()
    levels: tuple[DepartmentLevel, ...] = ()
    conditions: str = ""
    audience: tuple[Audience, ...] = ()
    materials: tuple[Material, ...] = ()
    time_limit: TimeLimit | None = None
    fee_schedule: FeeSchedule | None = None
    state: EntryState = EntryState.ACTIVE
    etag: str = ""
    version: int = 0
    update_time: datetime | None = None


#: The ten equal elements, by their fields.
ELEMENTS = (
    "display_name", "code", "item_type", "legal_basis", "levels", "conditions", "audience",
    "materials", "time_limit", "fee_schedule",
)  # fmt: skip


def service_item_of(body: dict[str, Any]) -> ServiceItem:
    """The item of a content that was read from JSON."""
    limit, schedule = body.get("time_limit"), body.get("fee_schedule")
    return ServiceItem(
        **{
            **body,
            "legal_basis": tuple(body.get("legal_basis", ())),
            "levels": tuple(map(DepartmentLevel, body.get("levels", ()))),
            "audience": tuple(map(Audience, body.get("audience", ()))),
            "materials": tuple(map(_material_of, body.get("materials", ()))),
            "time_limit": None if limit is None else TimeLimit(**limit),
            "fee_schedule": None
            if schedule is None
            else FeeSchedule(fees=tuple(Fee(**fee) for fee in schedule["fees"])),
        }
    )


def _material_of(body: dict[str, Any]) -> Material:
    replaced = body["replaced_by"]
    return Material(
        **{
            **body,
            "kind": MaterialKind(body["kind"]),
            "replaced_by": None if replaced is None else Replacement(**replaced),
        }
    )
