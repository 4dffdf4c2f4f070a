"""What may be said of an entry or a department by itself; pure.

What the 2017 guide (发改高技术〔2017〕1272号) and the lists of service items enumerate stands in
tables here, since its wording is second-hand to us and localities extend it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from exchange.catalog.model import (
    CONTROL,
    DataItem,
    DataResource,
    ItemType,
    ResourceCategory,
    Sensitivity,
    ServiceItem,
    SharingType,
    date_problem,
)
from exchange.catalog.service_item import (
    Audience,
    DepartmentLevel,
    FeeSchedule,
    Material,
    MaterialKind,
    Replacement,
    TimeLimit,
)
from runtime import names
from runtime.errors import FieldViolation
from runtime.idcodes import (
    STANDARDS,
    credit_code_problem,
    holds_citizen_number,
    region_code_problem,
)

GREATEST_ITEMS = 500
GREATEST_ITEM_LENGTH = 1_000_000
GREATEST_RELATED = 100
NAME_LIMIT = 200
WORD_LIMIT = 64
CONDITION_LIMIT = 500
TEXT_LIMIT = 2_000
ITEM_CODE_LIMIT = 64
ELEMENT_LIMIT = 128
GREATEST_CODE_VALUES = 200
GREATEST_BASES = 50
GREATEST_MATERIALS = 100
GREATEST_COPIES = 100
GREATEST_FEES = 50
GREATEST_DAYS = 3_650

#: The guide's code: class 1 digit, item 2, sub-item 3, detail of any length, "/", sequence.
RESOURCE_CODE = re.compile(r"[1-9][0-9]{5}[0-9A-Za-z]{0,40}/[0-9]{1,12}")
#: Codes of service items differ between lists (基本编码, 实施编码): any printable ASCII.
SERVICE_CODE = re.compile(r"[!-~]{1,64}")

WORD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
ELEMENT = re.compile(rf"{WORD.pattern}\.{WORD.pattern}")
AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,2})?")

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
#: 事项类型.
ITEM_TYPES = frozenset(
    {
        "",
        "licensing",
        "confirmation",
        "payment",
        "reward",
        "adjudication",
        "collection",
        "penalty",
        "compulsion",
        "inspection",
        "other_power",
        "public_service",
    }
)


def resource_violations(resource: DataResource) -> Iterator[FieldViolation]:
    """What is wrong with a resource, by its fields."""
    if not names.is_name(names.RESOURCE, resource.name):
        yield FieldViolation("name", f"must look like {names.RESOURCE}")
    if holds_citizen_number(resource.name.rpartition("/")[2]):
        yield FieldViolation("name", "holds a citizen number")
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
    stated = resource.sharing_type is SharingType.CONDITIONAL
    condition = resource.sharing_condition
    yield from _text("sharing_condition", condition, CONDITION_LIMIT, required=stated)
    refused = resource.sharing_type is SharingType.NOT_SHARED
    yield from _text("legal_basis", resource.legal_basis, CONDITION_LIMIT, required=refused)
    yield from _word("theme", resource.theme)
    if resource.open and (kept := _not_for_all(resource.items)):
        yield FieldViolation("open", f"to all goes with no personal or sensitive item: {kept}")
    yield from _text("quality", resource.quality, TEXT_LIMIT)
    yield from _text("contact_office", resource.contact_office, NAME_LIMIT)
    yield from _one_of("sharing_mode", resource.sharing_mode, SHARING_MODES)
    yield from _one_of("update_cycle", resource.update_cycle, UPDATE_CYCLES)
    if resource.publish_date and (problem := date_problem(resource.publish_date)):
        yield FieldViolation("publish_date", problem)
    yield from _related_violations(resource)
    yield from _items_violations(resource)


def _not_for_all(items: Sequence[DataItem]) -> str:
    """The first item that may not be open to all (社会开放); empty where all may."""
    kept = (Sensitivity.SENSITIVE, Sensitivity.HIGHLY_SENSITIVE)
    found = (i.code for i in items if i.personal or i.effective_sensitivity in kept)
    return next((code if WORD.fullmatch(code) else "items" for code in found), "")


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
    if len(item.code) > ITEM_CODE_LIMIT or not WORD.fullmatch(item.code):
        yield FieldViolation("code", f"must be lower_snake of at most {ITEM_CODE_LIMIT} characters")
    yield from _text("display_name", item.display_name, NAME_LIMIT, required=True)
    if item.type is ItemType.UNSPECIFIED:
        yield FieldViolation("type", "is required")
    if not 0 <= item.length <= GREATEST_ITEM_LENGTH:
        yield FieldViolation("length", f"must be 0 to {GREATEST_ITEM_LENGTH}")
    if item.standard and item.standard not in STANDARDS:
        yield FieldViolation("standard", f"must be one of {', '.join(sorted(STANDARDS))}, or empty")

    yield from _text("definition", item.definition, CONDITION_LIMIT)
    if item.element and (len(item.element) > ELEMENT_LIMIT or not ELEMENT.fullmatch(item.element)):
        yield FieldViolation("element", "must be library.word, both lower_snake, such as one.word")
    yield from _text("code_list", item.code_list, WORD_LIMIT)
    yield from _code_values_violations(item)


def _code_values_violations(item: DataItem) -> Iterator[FieldViolation]:
    values = item.code_values
    if len(values) > GREATEST_CODE_VALUES:
        yield FieldViolation("code_values", f"are more than {GREATEST_CODE_VALUES}")
        return
    if values and item.type not in (ItemType.CHARACTER, ItemType.NUMBER):
        yield FieldViolation("code_values", "are of items of type C and N only")
    seen: set[str] = set()
    for place, value in enumerate(values):
        field = f"code_values[{place}]"
        yield from _text(f"{field}.code", value.code, WORD_LIMIT, required=True)
        yield from _text(f"{field}.display_name", value.display_name, NAME_LIMIT, required=True)
        if value.code in seen:
            yield FieldViolation(f"{field}.code", "is listed already")
        seen.add(value.code)


def service_item_violations(item: ServiceItem) -> Iterator[FieldViolation]:
    """What is wrong with a service item, by its fields."""
    if not names.is_name(names.SERVICE_ITEM, item.name):
        yield FieldViolation("name", f"must look like {names.SERVICE_ITEM}")
    if holds_citizen_number(item.name.rpartition("/")[2]):
        yield FieldViolation("name", "holds a citizen number")
    if not SERVICE_CODE.fullmatch(item.code):
        yield FieldViolation("code", "must be 1 to 64 printable ASCII characters without spaces")
    yield from _text("display_name", item.display_name, NAME_LIMIT, required=True)
    yield from _text("handling_type", item.handling_type, WORD_LIMIT)
    yield from _text("remark", item.remark, TEXT_LIMIT)
    yield from _one_of("item_type", item.item_type, ITEM_TYPES)
    yield from _few("legal_basis", item.legal_basis, GREATEST_BASES)
    for place, basis in enumerate(item.legal_basis[:GREATEST_BASES]):
        yield from _text(f"legal_basis[{place}]", basis, CONDITION_LIMIT, required=True)
    yield from _distinct("levels", item.levels, DepartmentLevel.UNSPECIFIED)
    yield from _text("conditions", item.conditions, TEXT_LIMIT)
    yield from _distinct("audience", item.audience, Audience.UNSPECIFIED)
    yield from _few("materials", item.materials, GREATEST_MATERIALS)
    for place, material in enumerate(item.materials[:GREATEST_MATERIALS]):
        yield from _within(f"materials[{place}]", _material_violations(material))
    if item.time_limit is not None:
        yield from _within("time_limit", _time_limit_violations(item.time_limit))
    if item.fee_schedule is not None:
        yield from _within("fee_schedule", _fee_violations(item.fee_schedule))


def _material_violations(material: Material) -> Iterator[FieldViolation]:
    yield from _text("display_name", material.display_name, NAME_LIMIT, required=True)
    if material.kind is MaterialKind.UNSPECIFIED:
        yield FieldViolation("kind", "is required")
    if not 0 <= material.copies <= GREATEST_COPIES:
        yield FieldViolation("copies", f"must be 0 to {GREATEST_COPIES}")
    yield from _text("source", material.source, NAME_LIMIT)
    if material.replaced_by is not None:
        yield from _within("replaced_by", _replacement_violations(material.replaced_by))


def _replacement_violations(replaced: Replacement) -> Iterator[FieldViolation]:
    if bool(replaced.license_type) == bool(replaced.resource):
        yield FieldViolation("license_type", "is given, or resource and item are: one of the two")
    if replaced.license_type and not names.is_name(names.LICENSE_TYPE, replaced.license_type):
        yield FieldViolation("license_type", f"must look like {names.LICENSE_TYPE}")
    if replaced.resource and not names.is_name(names.RESOURCE, replaced.resource):
        yield FieldViolation("resource", f"must look like {names.RESOURCE}")
    if bool(replaced.item) != bool(replaced.resource):
        yield FieldViolation("item", "goes with a resource")


def _time_limit_violations(limit: TimeLimit) -> Iterator[FieldViolation]:
    if not 0 <= limit.statutory_days <= GREATEST_DAYS:
        yield FieldViolation("statutory_days", f"must be 0 to {GREATEST_DAYS}")
    if not 0 <= limit.promised_days <= GREATEST_DAYS:
        yield FieldViolation("promised_days", f"must be 0 to {GREATEST_DAYS}")
    elif 0 < limit.statutory_days < limit.promised_days:
        yield FieldViolation("promised_days", "must not be more than by law")


def _fee_violations(schedule: FeeSchedule) -> Iterator[FieldViolation]:
    yield from _few("fees", schedule.fees, GREATEST_FEES)
    for place, fee in enumerate(schedule.fees[:GREATEST_FEES]):
        field = f"fees[{place}]"
        yield from _text(f"{field}.display_name", fee.display_name, NAME_LIMIT, required=True)
        if not AMOUNT.fullmatch(fee.amount):
            yield FieldViolation(f"{field}.amount", "must be yuan such as 10 or 10.50")
        yield from _text(f"{field}.unit", fee.unit, WORD_LIMIT)
        # Nothing is charged without a law that says so.
        yield from _text(f"{field}.legal_basis", fee.legal_basis, CONDITION_LIMIT, required=True)


def department_violations(
    *, display_name: str, credit_code: str, region_code: str, parent: str = ""
) -> list[FieldViolation]:
    """What is wrong with a department that is to be registered."""
    found = list(_text("department.display_name", display_name, NAME_LIMIT, required=True))
    if problem := credit_code_problem(credit_code):
        found.append(FieldViolation("department.credit_code", problem))
    if problem := region_code_problem(region_code):
        found.append(FieldViolation("department.region_code", problem))
    if parent and not names.is_name(names.DEPARTMENT, parent):
        found.append(FieldViolation("department.parent", f"must look like {names.DEPARTMENT}"))
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


def _word(field: str, word: str) -> Iterator[FieldViolation]:
    if word and (len(word) > WORD_LIMIT or not WORD.fullmatch(word)):
        yield FieldViolation(field, f"must be lower_snake of at most {WORD_LIMIT} characters")


def _few(field: str, found: Sequence[object], greatest: int) -> Iterator[FieldViolation]:
    if len(found) > greatest:
        yield FieldViolation(field, f"are more than {greatest}")


def _distinct(field: str, found: Sequence[str], unspecified: str) -> Iterator[FieldViolation]:
    if unspecified in found:
        yield FieldViolation(field, "has one that is not specified")
    if len(set(found)) != len(found):
        yield FieldViolation(field, "has one twice")


def _within(field: str, found: Iterable[FieldViolation]) -> Iterator[FieldViolation]:
    return (FieldViolation(f"{field}.{v.field}", v.description) for v in found)


def is_entry(name: str) -> bool:
    """Whether this is the name of a resource or a service item."""
    return names.is_name(names.RESOURCE, name) or names.is_name(names.SERVICE_ITEM, name)
