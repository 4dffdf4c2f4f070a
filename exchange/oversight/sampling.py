"""Made-up records of a resource, to try the terms of a grant on; pure.

1. Nothing in them is anybody's: they are made from the resource's items alone, fit its schema as
   far as types, lengths and standards say, and are the same each time.
2. Some meet a row filter and some do not, so that both are seen: the first, the third and the fifth
   of each five meet every condition, the others miss the first one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain

from exchange.catalog.model import DataItem, ItemType
from exchange.catalog.schema import ResourceSchema
from exchange.grants.rows import RowCondition, RowTest
from runtime.clock import CHINA
from runtime.idcodes import citizen_check_character, credit_code_check_character

REGION = "990101"
"""Never assigned by GB/T 2260: no real code begins so."""
_NAMES = ("张示例", "李样本", "王试用", "赵例文", "陈范例", "周举隅", "吴示意", "郑样张")
_STREETS = ("惠民路", "和平街", "文化路", "新华街", "人民路")
_BORN = date(1985, 3, 12)
EARLIER = 3
"""An earlier value is that of the record so many places on."""
_AT = datetime(2026, 1, 5, 9, tzinfo=CHINA)
#: What Chinese names of items tell of their values, where neither type nor standard does.
_BY_WORD: Sequence[tuple[str, str]] = (
    ("姓名", "name"), ("代表人", "name"), ("负责人", "name"), ("电话", "phone"), ("手机", "phone"),
    ("地址", "address"), ("住址", "address"), ("住所", "address"),
)  # fmt: skip


def meets(place: int) -> bool:
    """Whether the record at a place is made to meet the row filter (rule 2)."""
    return place % 5 in (0, 2, 4)


def made_up(
    schema: ResourceSchema, conditions: Sequence[RowCondition], count: int
) -> list[dict[str, str]]:
    """So many records of a resource, by item code."""
    return [_record(schema, conditions, place) for place in range(count)]


def earlier(
    schema: ResourceSchema, conditions: Sequence[RowCondition], place: int
) -> dict[str, str]:
    """What the record at a place was before: who it is about is the same, the rest was another."""
    return _record(schema, conditions, place, before=True)


def _record(
    schema: ResourceSchema,
    conditions: Sequence[RowCondition],
    place: int,
    *,
    before: bool = False,
) -> dict[str, str]:
    values = {
        item.code: _value(item, place + EARLIER if before and _changes(schema, item) else place)
        for item in schema.items
    }
    items = {item.code: item for item in schema.items}
    for condition in conditions if meets(place) else ():
        if condition.item in items:
            values[condition.item] = _meeting(condition, values[condition.item], place)
    if conditions and not meets(place) and conditions[0].item in items:
        values[conditions[0].item] = _missing(conditions[0], items[conditions[0].item], values)
    return values


def _changes(schema: ResourceSchema, item: DataItem) -> bool:
    """Whether an item's value changes in the life of what a record is about."""
    lasts = item.standard or item.type is ItemType.DATE or "姓名" in item.display_name
    return not lasts and item.code != schema.key_item


def _meeting(condition: RowCondition, value: str, place: int) -> str:
    match condition.test:
        case RowTest.PREFIX:
            begin = condition.values[0]
            return begin + value[len(begin) :]
        case RowTest.EQUALS:
            return condition.values[0]
        case RowTest.IN:
            return condition.values[place % len(condition.values)]
        case RowTest.OWN_CLIENTS:
            return value  # whose client somebody is, is told beside the record


def _missing(condition: RowCondition, item: DataItem, values: Mapping[str, str]) -> str:
    value = values[item.code]
    if condition.test is RowTest.OWN_CLIENTS:
        return value
    others = (code.code for code in item.code_values)
    for other in chain((value,), others, ("示例", "0")):
        if not condition.holds(other, lambda _resource, _key: True):
            return other
    return ""


def _value(item: DataItem, place: int) -> str:
    if item.code_values:
        return item.code_values[place % len(item.code_values)].code
    text = _by_standard(item.standard, place) or _by_type(item, place)
    return text[: item.length] if item.length and item.type is ItemType.CHARACTER else text


def _by_standard(standard: str, place: int) -> str:
    if standard == "GB 11643":
        born = _BORN + timedelta(days=1234 * place)
        number = f"{REGION}{born:%Y%m%d}{101 + place:03}"
        return number + citizen_check_character(number)
    if standard == "GB 32100":
        body = f"91{REGION}MA0000{place % 10}{1:02}"
        return body + credit_code_check_character(body)
    return REGION if standard == "GB/T 2260" else ""


def _by_type(item: DataItem, place: int) -> str:
    match item.type:
        case ItemType.NUMBER:
            return str(12 + 7 * place)
        case ItemType.DATE:
            return (_BORN + timedelta(days=1234 * place)).isoformat()
        case ItemType.TIME:
            return (_AT + timedelta(hours=5 * place)).isoformat()
        case ItemType.LOGICAL:
            return "false" if place % 2 else "true"
        case ItemType.BINARY:
            return "5L2g5aW9"
        case ItemType.GEOMETRY:
            return f'{{"coordinates":[{105 + place / 100},{30 + place / 100}],"type":"Point"}}'
        case _:
            return _in_words(item.display_name, place)


def _in_words(title: str, place: int) -> str:
    kind = next((kind for word, kind in _BY_WORD if word in title), "")
    if kind == "name":
        return _NAMES[place % len(_NAMES)]
    if kind == "phone":
        return f"1990000{1234 + 17 * place:04}"
    if kind == "address":
        return f"示范县新区{_STREETS[place % len(_STREETS)]}{place + 1}号"
    return f"{title}示例{place + 1}"
