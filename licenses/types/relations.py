"""What the values of one license say together.

1. A date against the day of issuing (`most = "today"`), another date (`not_before`: one beside it;
   of a column a field, too, and of a field each of a column), and the age of the holders
   (`least_age`); a list written as a text against the column that lists the same (`agrees_with =
   "KZ_T.C"`); a code against how many hold the license (`sole_holder`).
2. The day of issuing is, of a license made from paper, the day on which that one was issued.
3. What is wrong is told by place, never by value. What is not told contradicts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from licenses.types.model import FieldKind, LicenseField, LicenseType, Validity
from runtime.errors import FieldViolation
from runtime.idcodes import citizen_number_problem

#: As `least` or `most` of a date.
TODAY: Final = "today"
ONLY_ONE: Final = ("", "holder")
_COLUMN = re.compile(r"(KZ_[A-Z0-9]+)\.([A-Z][A-Z0-9]*)")


# --- in a type ---------------------------------------------------------------------------------


def type_faults(kind: LicenseType) -> list[FieldViolation]:
    """What is wrong with what the fields of a type say of each other, by place in its TOML."""
    wrong: list[FieldViolation] = []
    for number, one in enumerate(kind.fields):
        place = f"fields[{number}]"
        columns = {f"{each.code}.{c.code}": c for each in kind.fields for c in each.columns}
        wrong += _field_faults(one, _by_code(kind.fields) | columns, place)
        if names_column(one.agrees_with):
            found = column_of(kind.fields, one.agrees_with)
            if one.kind is not FieldKind.TEXT or found is None or found.kind is FieldKind.DATE:
                wrong.append(
                    FieldViolation(f"{place}.agrees_with", "of a text, and a column of a table")
                )
        for at, column in enumerate(one.columns):
            known = _by_code(kind.fields) | _by_code(one.columns)
            wrong += _field_faults(column, known, f"{place}.columns[{at}]")
            if column.least_age or column.sole_holder:
                wrong.append(FieldViolation(f"{place}.columns[{at}]", "no age and no holder"))
    if kind.only_one not in ONLY_ONE:
        wrong.append(FieldViolation("only_one", "must be holder"))
    if len(set(kind.unique)) != len(kind.unique):
        wrong.append(FieldViolation("unique", "a field stands there twice"))
    for code in kind.unique:
        held = kind.field(code)
        if held is None or held.kind in (FieldKind.TABLE, FieldKind.IMAGE):
            wrong.append(FieldViolation("unique", "each a field of this type, of one value"))
            break
    wrong += _validity_faults(kind)
    return wrong


def _by_code(fields: Sequence[LicenseField]) -> dict[str, LicenseField]:
    return {one.code: one for one in fields}


def _field_faults(
    one: LicenseField, known: Mapping[str, LicenseField], place: str
) -> list[FieldViolation]:
    """`known`: what it may be compared with, by place."""
    wrong: list[FieldViolation] = []
    is_date = one.kind is FieldKind.DATE
    if one.not_before:
        other = known.get(one.not_before)
        if not is_date or other is None or other is one or other.kind is not FieldKind.DATE:
            wrong.append(FieldViolation(f"{place}.not_before", "of a date, and another date here"))
    if one.least_age and not is_date:
        wrong.append(FieldViolation(f"{place}.least_age", "only of a date"))
    if one.sole_holder and one.sole_holder not in {each.code for each in one.values}:
        wrong.append(FieldViolation(f"{place}.sole_holder", "a code of this field's list"))
    return wrong


def _validity_faults(kind: LicenseType) -> list[FieldViolation]:
    rule = kind.validity
    return [
        FieldViolation(f"validity.{key}", "must be a date field of this type, or a date column")
        for key, place in (("until_field", rule.until_field), ("from_field", rule.from_field))
        if place and _kind_at(kind.fields, place) is not FieldKind.DATE
    ]


def renewal_faults(rule: Validity) -> list[FieldViolation]:
    """Where a license could be renewed from its first day on: asked when a type is put."""
    term = shortest(rule)
    if not term or rule.renew_days < term:
        return []
    return [FieldViolation("validity.renew_days", f"must be less than the term of {term} days")]


def shortest(rule: Validity) -> int:
    """Days of the shortest term by a rule; 0 where a field says it, or it has no end."""
    return rule.days or (rule.years * 12 + rule.months) * 365 // 12 - (rule.months > 0) * 3


def _kind_at(fields: Sequence[LicenseField], place: str) -> FieldKind | None:
    found: LicenseField | None = column_of(fields, place)
    if found is None:
        found = next((one for one in fields if one.code == place), None)
    return found.kind if found else None


def names_column(place: str) -> bool:
    """Whether a place is a column of a table, KZ_T.C."""
    return _COLUMN.fullmatch(place) is not None


def column_of(fields: Sequence[LicenseField], place: str) -> LicenseField | None:
    """The column that a place names, if there is one."""
    word = _COLUMN.fullmatch(place)
    table = next((one for one in fields if word and one.code == word[1]), None)
    return (
        next((one for one in table.columns if word and one.code == word[2]), None)
        if table
        else None
    )


# --- in an order -------------------------------------------------------------------------------


def values_at(fields: Mapping[str, str], place: str) -> list[str]:
    """The values at a place: of a field its one, of a column that of each row, "" for none."""
    word = _COLUMN.fullmatch(place)
    if word is None:
        return [fields.get(place, "")]
    rows: list[dict[str, str]] = json.loads(fields.get(word[1], "") or "[]")
    return [row.get(word[2], "") for row in rows]


def relation_problems(
    kind: LicenseType, fields: Mapping[str, str], holder_codes: Sequence[str], day: date
) -> list[FieldViolation]:
    """What is wrong with the values of one license together; `day` is that of issuing (rule 2)."""
    wrong: list[FieldViolation] = []
    for one in kind.fields:
        value, place = fields.get(one.code, ""), f"fields.{one.code}"
        if not value:
            continue
        if one.columns:
            rows: list[dict[str, str]] = json.loads(value)
            for number, row in enumerate(rows):
                for column in one.columns:
                    problem = _date_problem(
                        column, row.get(column.code, ""), {**fields, **row}, day
                    )
                    if problem:
                        wrong.append(FieldViolation(f"{place}[{number}].{column.code}", problem))
            continue
        problem = (
            _date_problem(one, value, fields, day)
            or _age_problem(one, value, holder_codes)
            or _list_problem(one, value, fields)
            or _sole_problem(one, value, len(holder_codes))
        )
        if problem:
            wrong.append(FieldViolation(place, problem))
    return wrong


def _date_problem(one: LicenseField, value: str, beside: Mapping[str, str], day: date) -> str:
    if one.kind is not FieldKind.DATE or not value:
        return ""
    if one.most == TODAY and value > day.isoformat():
        return "after the day of issuing (of one made from paper, the day of that one)"
    if one.least == TODAY and value < day.isoformat():
        return "before the day of issuing (of one made from paper, the day of that one)"
    others = values_at(beside, one.not_before)
    return f"before {one.not_before}" if any(each and value < each for each in others) else ""


def _age_problem(one: LicenseField, value: str, holder_codes: Sequence[str]) -> str:
    if not one.least_age:
        return ""
    for number, code in enumerate(holder_codes, start=1):
        if citizen_number_problem(code) is None and _age(code, value) < one.least_age:
            whose = f"holder {number}" if len(holder_codes) > 1 else "the holder"
            return f"{whose} was younger than {one.least_age} then, by the citizen number"
    return ""


def _age(code: str, day: str) -> int:
    """Whole years from the birth that a citizen number says to a day."""
    born, on = code[6:14], day.replace("-", "")
    return int(on[:4]) - int(born[:4]) - (on[4:] < born[4:])


def _list_problem(one: LicenseField, value: str, fields: Mapping[str, str]) -> str:
    if not names_column(one.agrees_with):
        return ""
    listed = [each for each in values_at(fields, one.agrees_with) if each]
    if not listed:
        return ""
    # Of C and C1, the longer is looked for first.
    words = "|".join(re.escape(each) for each in sorted(set(listed), key=len, reverse=True))
    told = re.findall(words, value)
    if (
        len(set(listed)) == len(listed)
        and "".join(told) == value
        and sorted(told) == sorted(listed)
    ):
        return ""
    return f"says others than {one.agrees_with}, each of which stands in it once"


def _sole_problem(one: LicenseField, value: str, holders: int) -> str:
    if not one.sole_holder or (value == one.sole_holder) == (holders == 1):
        return ""
    if holders == 1:
        return f"there is one holder: {one.name_of(one.sole_holder)}"
    return f"there are {holders} holders: not {one.name_of(one.sole_holder)}"
