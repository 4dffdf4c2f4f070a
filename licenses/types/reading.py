"""A license type from TOML.

1. Everything that is wrong is told at once, each by its place (`fields[2].lenght`); nothing is
   guessed and no key is passed over: one that is not known is refused.
2. What is read is bounded: fields, code lists, columns, holders, and every text.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, TypeVar

from licenses.types.agreement import agreement_problem
from licenses.types.model import (
    COLUMNS_LIMIT,
    FIELD_LIMIT,
    FIELDS_LIMIT,
    HOLDERS_LIMIT,
    ISSUERS_LIMIT,
    RENEW_DAYS,
    RENEW_UNTIL_DAYS,
    TABLE_ROWS,
    TEXT_LIMIT,
    VALUES_LIMIT,
    CodeValue,
    FieldKind,
    HolderCodeType,
    HolderKind,
    Holders,
    LicenseField,
    LicenseType,
    SharingType,
    Validity,
)
from licenses.types.patterns import pattern_problem
from licenses.types.relations import TODAY, names_column, shortest, type_faults
from runtime import names
from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import credit_code_problem, holds_citizen_number

FIELD_CODE = re.compile(r"KZ_[A-Z][A-Z0-9]{0,29}")
_COLUMN_CODE = re.compile(r"[A-Z][A-Z0-9]{0,29}")
_TYPE_CODE = re.compile(r"([0-9A-Z]{18})[0-9]{3}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SIZE = re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
NAME_LIMIT = 100
_SHOWN = 50
#: Codes of metadata that licenses from paper carry: no type may take them.
RESERVED = frozenset({"KZ_SJLY", "KZ_YZZBH", "KZ_YZZRQ", "KZ_SMJ"})
_SCALARS = frozenset(FieldKind) - {FieldKind.IMAGE, FieldKind.TABLE}
_NUMBERS = frozenset({FieldKind.INTEGER, FieldKind.DECIMAL})
_TEXTS = frozenset({FieldKind.TEXT})
_CODE_TYPES = {
    HolderKind.PERSON: (HolderCodeType.CITIZEN_NUMBER,),
    HolderKind.COMPANY: (HolderCodeType.CREDIT_CODE,),
}
_Word = TypeVar("_Word", FieldKind, HolderKind, SharingType)


def parse(text: str) -> LicenseType:
    """A type from TOML. Raises InvalidArgument (BAD_LICENSE_TYPE) with every wrong place."""
    if len(text) > TEXT_LIMIT:
        raise _refusal([FieldViolation("toml", f"longer than {TEXT_LIMIT} characters")])
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refusal([FieldViolation("toml", f"not TOML: {error}")]) from error
    wrong: list[FieldViolation] = []
    found = _type(_Row(data, "", wrong))
    if wrong:
        raise _refusal(wrong)
    return found


def _refusal(wrong: Sequence[FieldViolation]) -> InvalidArgument:
    shown = list(wrong[:_SHOWN])
    return InvalidArgument(
        "the license type cannot be taken: "
        + "; ".join(f"{one.field}: {one.description}" for one in shown),
        reason="BAD_LICENSE_TYPE",
        message_zh="证照类型有误，请更正：" + "、".join(dict.fromkeys(one.field for one in shown)),
        violations=shown,
    )


class _Row:
    """A table of TOML whose keys are taken one by one; `done` refuses those that are left."""

    def __init__(self, data: Any, place: str, wrong: list[FieldViolation]) -> None:
        self._place = place
        self._wrong = wrong
        self._known: set[str] = set()
        self._data: Mapping[str, Any] = {}
        if isinstance(data, dict):
            self._data = data
        else:
            self.refuse("", "must be a table")

    def refuse(self, key: str, description: str) -> None:
        place = f"{self._place}.{key}".strip(".") if key else self._place or "toml"
        self._wrong.append(FieldViolation(place, description))

    def has(self, key: str) -> bool:
        return key in self._data

    def _take(self, key: str, kind: type, default: Any, words: str) -> Any:
        self._known.add(key)
        if key not in self._data:
            if default is None:
                self.refuse(key, "required")
                return kind()
            return default
        value = self._data[key]
        # A bool is an int in Python, and is none in TOML.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, f"must be {words}")
            return kind() if default is None else default
        return value

    def text(self, key: str, default: str | None = None, *, limit: int = NAME_LIMIT) -> str:
        value: str = self._take(key, str, default, "a text")
        if default is None and self.has(key) and not value.strip():
            self.refuse(key, "must not be empty")
        if len(value) > limit:
            self.refuse(key, f"longer than {limit} characters")
        return value

    def number(self, key: str, default: int, least: int, most: int) -> int:
        value: int = self._take(key, int, default, "a whole number")
        if key in self._data and not least <= value <= most:
            self.refuse(key, f"must be {least} to {most}")
            return default
        return value

    def truth(self, key: str) -> bool:
        return bool(self._take(key, bool, False, "true or false"))

    def word(self, key: str, kind: type[_Word], default: _Word) -> _Word:
        value = self.text(key, default.value)
        try:
            return kind(value)
        except ValueError:
            self.refuse(key, f"must be one of {', '.join(one.value for one in kind)}")
            return default

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        value = self._take(key, list, [], "a list of texts")
        if len(value) > most or not all(isinstance(one, str) for one in value):
            self.refuse(key, f"must be a list of at most {most} texts")
            return ()
        return tuple(value)

    def row(self, key: str) -> _Row:
        value = self._take(key, dict, {}, "a table")
        return _Row(value, f"{self._place}.{key}".strip("."), self._wrong)

    def rows(self, key: str, most: int) -> list[_Row]:
        value = self._take(key, list, [], "a list of tables")
        if len(value) > most:
            self.refuse(key, f"more than {most}")
            return []
        place = f"{self._place}.{key}".strip(".")
        return [_Row(one, f"{place}[{i}]", self._wrong) for i, one in enumerate(value)]

    def rest(self) -> dict[str, str]:
        """All keys as texts; none is left."""
        self._known.update(self._data)
        found = {}
        for key, value in self._data.items():
            if isinstance(value, str) and value and len(value) <= NAME_LIMIT:
                found[str(key)] = value
            else:
                self.refuse(key, f"must be a text of at most {NAME_LIMIT} characters")
        return found

    def done(self) -> None:
        for key in sorted(set(self._data) - self._known):
            near = difflib.get_close_matches(key, self._known, n=1)
            self.refuse(key[:64], "no such key" + (f": is it {near[0]}?" if near else ""))


def _type(row: _Row) -> LicenseType:
    id_, code = row.text("name"), row.text("code")
    if id_ and not names.ID.fullmatch(id_):
        row.refuse("name", "1-63 of a-z, 0-9 and hyphens, a letter or digit at both ends")
    if holds_citizen_number(id_):
        row.refuse("name", "holds a citizen number")
    match = _TYPE_CODE.fullmatch(code)
    if code and (match is None or credit_code_problem(match.group(1))):
        row.refuse("code", "a credit code and 3 digits (GB/T 36904)")
    holders = _holders(row)
    fields = _fields(row, "fields", FIELDS_LIMIT, column=False)
    for number, one in enumerate(fields):
        problem = "" if names_column(one.agrees_with) else agreement_problem(one, holders)
        if problem:
            row.refuse(f"fields[{number}].agrees_with", problem)
    found = LicenseType(
        id=id_,
        code=code,
        display_name=row.text("display_name"),
        display_name_en=row.text("display_name_en", ""),
        holders=holders,
        fields=fields,
        validity=_validity(row),
        template=row.text("template"),
        slots=MappingProxyType(row.row("slots").rest()),
        seal=row.text("seal", ""),
        issued_by=_names(row, "issued_by", names.SERVICE_ITEM, 100),
        issuers=_names(row, "issuers", names.DEPARTMENT, ISSUERS_LIMIT),
        accepted_by=_names(row, "accepted_by", names.SERVICE_ITEM, 100),
        sharing_type=row.word("sharing_type", SharingType, SharingType.CONDITIONAL),
        transferable=row.truth("transferable"),
        only_one=row.text("only_one", ""),
        unique=row.texts("unique", FIELDS_LIMIT),
    )
    for fault in type_faults(found):
        row.refuse(fault.field, fault.description)
    row.done()
    return found


def _names(row: _Row, key: str, pattern: str, most: int) -> tuple[str, ...]:
    found = row.texts(key, most)
    if not all(names.is_name(pattern, one) for one in found):
        row.refuse(key, f"each must look like {pattern}")
    return found


def _holders(row: _Row) -> Holders:
    kind = row.word("holder", HolderKind, HolderKind.PERSON)
    if not row.has("holder"):
        row.refuse("holder", "required: person, company or several")
    inner = row.row("holders")
    if kind is not HolderKind.SEVERAL:
        if row.has("holders"):
            row.refuse("holders", 'only where holder is "several"')
        return Holders(kind=kind, code_types=_CODE_TYPES[kind])
    least = inner.number("least", 1, 1, HOLDERS_LIMIT)
    most = inner.number("most", HOLDERS_LIMIT, 1, HOLDERS_LIMIT)
    if least > most:
        inner.refuse("least", "more than most")
    words = inner.texts("kinds", 2) or (HolderKind.PERSON.value, HolderKind.COMPANY.value)
    code_types: list[HolderCodeType] = []
    for word in words:
        if word in (HolderKind.PERSON, HolderKind.COMPANY):
            code_types += _CODE_TYPES[HolderKind(word)]
        else:
            inner.refuse("kinds", "each must be person or company")
    inner.done()
    return Holders(kind=kind, least=least, most=most, code_types=tuple(dict.fromkeys(code_types)))


def _validity(row: _Row) -> Validity:
    inner = row.row("validity")
    found = Validity(
        years=inner.number("years", 0, 1, 100),
        months=inner.number("months", 0, 1, 1200),
        days=inner.number("days", 0, 1, 36_500),
        until_field=inner.text("until_field", ""),
        unlimited=inner.truth("unlimited"),
        renew_days=inner.number("renew_days", RENEW_DAYS, 0, 3650),
        renew_until_days=inner.number("renew_until_days", RENEW_UNTIL_DAYS, 0, 36_500),
        from_field=inner.text("from_field", ""),
    )
    if not inner.has("renew_days") and (term := shortest(found)):
        found = replace(found, renew_days=min(RENEW_DAYS, term - 1))
    inner.done()
    given = [found.years, found.months, found.days, found.until_field, found.unlimited]
    if sum(map(bool, given)) != 1:
        inner.refuse("", "exactly one of years, months, days, until_field, unlimited = true")
    for key in ("renew_days", "renew_until_days"):
        if found.unlimited and inner.has(key):
            inner.refuse(key, "only of what ends")
    return found


def _fields(row: _Row, key: str, most: int, *, column: bool) -> tuple[LicenseField, ...]:
    found: list[LicenseField] = []
    seen: set[str] = set()
    for one in row.rows(key, most):
        made = _field(one, column=column)
        if made.code in seen:
            one.refuse("code", "another one has the same code")
        seen.add(made.code)
        found.append(made)
    return tuple(found)


def _field(row: _Row, *, column: bool) -> LicenseField:
    code = row.text("code")
    if column:
        if code and not _COLUMN_CODE.fullmatch(code):
            row.refuse("code", "upper-case letters and digits, a letter first")
    elif code and not FIELD_CODE.fullmatch(code):
        row.refuse("code", "KZ_ and upper-case letters and digits (GB/T 36903)")
    elif code in RESERVED:
        row.refuse("code", "is kept for licenses made from paper ones")
    kind = row.word("kind", FieldKind, FieldKind.TEXT)
    if column and kind not in _SCALARS:
        row.refuse("kind", "a column holds no picture and no table")
    found = LicenseField(
        code=code,
        display_name=row.text("display_name"),
        display_name_en=row.text("display_name_en", ""),
        kind=kind,
        required=row.truth("required"),
        length=row.number("length", FIELD_LIMIT, 1, FIELD_LIMIT),
        pattern=row.text("pattern", "", limit=200),
        least=row.text("least", ""),
        most=row.text("most", ""),
        values=_values(row, kind),
        columns=_fields(row, "columns", COLUMNS_LIMIT, column=True) if not column else (),
        rows=row.number("rows", TABLE_ROWS, 1, TABLE_ROWS) if not column else TABLE_ROWS,
        agrees_with=row.text("agrees_with", "") if not column else "",
        not_before=row.text("not_before", ""),
        least_age=row.number("least_age", 0, 1, 150),
        sole_holder=row.text("sole_holder", ""),
        unprinted=row.truth("unprinted") if not column else False,
    )
    _check_kind(row, found)
    row.done()
    return found


def _values(row: _Row, kind: FieldKind) -> tuple[CodeValue, ...]:
    found: list[CodeValue] = []
    for one in row.rows("values", VALUES_LIMIT):
        found.append(CodeValue(code=one.text("code"), name=one.text("name")))
        one.done()
    if len({one.code for one in found}) != len(found):
        row.refuse("values", "two have the same code")
    if (kind is FieldKind.CODE) != bool(found):
        row.refuse("values", "required of a code, and of nothing else")
    return tuple(found)


def _check_kind(row: _Row, one: LicenseField) -> None:
    """What only some kinds may say."""
    if (one.kind is FieldKind.TABLE) != bool(one.columns):
        row.refuse("columns", "required of a table, and of nothing else")
    if row.has("rows") and one.kind is not FieldKind.TABLE:
        row.refuse("rows", "only of a table")
    if row.has("length") and one.kind not in _TEXTS:
        row.refuse("length", "only of a text")
    if one.pattern:
        problem = "only of a text" if one.kind not in _TEXTS else pattern_problem(one.pattern)
        if problem:
            row.refuse("pattern", problem)
    _check_bounds(row, one)


def _check_bounds(row: _Row, one: LicenseField) -> None:
    for key, bound in (("least", one.least), ("most", one.most)):
        if not bound:
            continue
        if one.kind in _NUMBERS:
            if not _is_number(bound):
                row.refuse(key, "must be a number, as a text")
        elif one.kind is FieldKind.IMAGE:
            if not _SIZE.fullmatch(bound):
                row.refuse(key, "must be WIDTHxHEIGHT in pixels, such as 100x140")
        elif one.kind is not FieldKind.DATE:
            row.refuse(key, "only of a number, a date or a picture")
        elif bound != TODAY and not _DATE.fullmatch(bound):
            row.refuse(key, 'must be a date, YYYY-MM-DD, or "today", as a text')


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
