"""Values of a type's fields: whether one is good, and the one text that it is kept as.

1. Dates are YYYY-MM-DD; whole numbers and decimals are digits without grouping; a code is one of
   its list; a table is a JSON list of rows, each an object of texts by column.
2. What is wrong is told by place (`KZ_FB[3].ZL`), never by value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from licenses.texts import text_problem
from licenses.types.model import TABLE_LIMIT, FieldKind, LicenseField
from licenses.types.patterns import matches
from runtime import idcodes
from runtime.errors import FieldViolation
from runtime.records import canonical

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,10})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Codes of a list that a refusal names.
_NAMED = 20
PICTURE = re.compile(r"sha256:[0-9a-f]{64}")
SHOWN_VIOLATIONS = 100


def check_value(one: LicenseField, text: str, place: str) -> tuple[str, list[FieldViolation]]:
    """A field's value as it is kept, and what is wrong with it; an empty one is none."""
    if one.kind is FieldKind.TABLE:
        return _table(one, text, place)
    problem = text_problem(text, one.length, required=one.required)
    if not problem and text.strip():
        problem = _PROBLEMS[one.kind](one, text)
    return ("", [FieldViolation(place, problem)]) if problem else (text.strip(), [])


def credit_code_problem(code: str) -> str | None:
    """What is wrong with the credit code of a body (GB 32100), in words without it; None if good.

    One in 31 citizen numbers has the check character of a credit code, and some its structure: a
    person's number is none, and does not come to stand where codes are public.
    """
    problem = idcodes.credit_code_problem(code)
    if problem is None and idcodes.citizen_number_problem(code) is None:
        return "the number of a person, and not the credit code of a company or another body"
    return problem


def read_day(text: str) -> date | None:
    """The day that a text says, from 1800 to 2200; None where it says none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1800 <= day.year <= 2200 else None


def _text(one: LicenseField, text: str) -> str:
    if one.pattern and not matches(one.pattern, text):
        return f"not of the form that the type asks for: {one.pattern}"
    return ""


def _date(one: LicenseField, text: str) -> str:
    if read_day(text) is None:
        return "not a date, YYYY-MM-DD"
    least, most = ("" if bound == "today" else bound for bound in (one.least, one.most))
    return _bounds(text, least, most, str)  # of today: `types.relations`


def _number(pattern: re.Pattern[str], words: str) -> Callable[[LicenseField, str], str]:
    def problem(one: LicenseField, text: str) -> str:
        if not pattern.fullmatch(text) or text in ("-0", "-0.0"):
            return words
        return _bounds(text, one.least, one.most, Decimal)

    return problem


def _bounds(text: str, least: str, most: str, kind: Callable[[str], Any]) -> str:
    if least and kind(text) < kind(least):
        return f"less than {least}"
    if most and kind(text) > kind(most):
        return f"more than {most}"
    return ""


def _code(one: LicenseField, text: str) -> str:
    if any(text == v.code for v in one.values):
        return ""
    named = ", ".join(
        v.code if v.code == v.name else f"{v.code} ({v.name})" for v in one.values[:_NAMED]
    )
    more = f" and {len(one.values) - _NAMED} more" if len(one.values) > _NAMED else ""
    return f"not a code of the type's list: {named}{more}"


def read_size(text: str) -> tuple[int, int]:
    """Width and height of a picture's bound, in pixels."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def size_problem(one: LicenseField, size: tuple[int, int]) -> str:
    """What is wrong with the width and height of a picture, in words; "" if good."""
    for bound, wrong, far in ((one.least, "less", min), (one.most, "more", max)):
        if bound:
            width, height = read_size(bound)
            if (far(size[0], width), far(size[1], height)) != (width, height):
                return f"{wrong} than {width} by {height} pixels"
    return ""


_PROBLEMS: Mapping[FieldKind, Callable[[LicenseField, str], str]] = {
    FieldKind.TEXT: _text,
    FieldKind.DATE: _date,
    FieldKind.INTEGER: _number(_INTEGER, "not a whole number"),
    FieldKind.DECIMAL: _number(_DECIMAL, "not a decimal number"),
    FieldKind.CODE: _code,
    FieldKind.CITIZEN_NUMBER: lambda _, text: idcodes.citizen_number_problem(text) or "",
    FieldKind.CREDIT_CODE: lambda _, text: credit_code_problem(text) or "",
    FieldKind.REGION: lambda _, text: idcodes.region_code_problem(text) or "",
    FieldKind.IMAGE: lambda _, text: "" if PICTURE.fullmatch(text) else "send it in `pictures`",
}


def _table(one: LicenseField, text: str, place: str) -> tuple[str, list[FieldViolation]]:
    if not text.strip():
        return "", [FieldViolation(place, "required")] if one.required else []
    if len(text) > TABLE_LIMIT:
        return "", [FieldViolation(place, f"longer than {TABLE_LIMIT} characters")]
    try:
        rows = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return "", [FieldViolation(place, "not a JSON list of rows with each column once")]
    if not isinstance(rows, list) or not rows:
        return "", [FieldViolation(place, "not a JSON list of rows")]
    if len(rows) > one.rows:
        return "", [FieldViolation(place, f"more than {one.rows} rows")]
    wrong: list[FieldViolation] = []
    kept = [_row(one, row, f"{place}[{number}]", wrong) for number, row in enumerate(rows)]
    return canonical(kept).decode(), wrong[:SHOWN_VIOLATIONS]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two values by one name another reader might take the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("one name twice")
    return found


def _row(one: LicenseField, row: Any, place: str, wrong: list[FieldViolation]) -> dict[str, str]:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        wrong.append(FieldViolation(place, "not an object of texts by column"))
        return {}
    known = {column.code: column for column in one.columns}
    if set(row) - set(known):
        wrong.append(FieldViolation(place, f"has another column than {', '.join(known)}"))
    kept = {}
    for code, column in known.items():
        value, problems = check_value(column, row.get(code, ""), f"{place}.{code}")
        wrong += problems
        if value:
            kept[code] = value
    return kept


def read_rows(one: LicenseField, text: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a kept table, in the order of its columns, codes as their names."""
    found: list[dict[str, str]] = json.loads(text) if text else []
    return tuple(tuple(shown(c, row.get(c.code, "")) for c in one.columns) for row in found)


def shown(one: LicenseField, text: str) -> str:
    """A scalar value as it stands on a page: dates in Chinese, codes by their names."""
    if one.kind is FieldKind.DATE and text:
        day = read_day(text)
        return chinese_date(day) if day else text
    return one.name_of(text) if one.kind is FieldKind.CODE else text


def chinese_date(day: date) -> str:
    """A date as people write it."""
    return f"{day.year}年{day.month}月{day.day}日"
