"""What is wrong with a field is said in Chinese, by the words the services use.

Those that stand in the code are read from it: one that is added without words fails here.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from licenses.model import Holder
from licenses.orders import Order, holder_code_problem, holder_of
from licenses.scans import scan_problem
from licenses.types.agreement import disagreement
from licenses.types.model import CodeValue, FieldKind, HolderCodeType, LicenseField
from licenses.types.values import check_value, size_problem
from runtime.errors import InvalidArgument
from tests.builders.licenses import a_person, a_type, an_order, citizen_number, validated
from tongban.violation_words import chinese_violation, chinese_words

CODES = tuple(CodeValue(code=str(one), name=f"甲{one}") for one in range(30))
COLUMN = LicenseField(code="KZ_C", display_name="")
# What stays in Latin letters: names of fields, formats, standards, examples.
_KEPT = re.compile(
    r"KZ_\w+|fields\.|`pictures`|YYYY-MM-DD|JSON|GB(/T)? [0-9]+|PDF|PNG|JPEG|U\+\w+|[KM]iB"
)


def in_chinese(description: str) -> bool:
    said = chinese_words(description)
    return said != description and not re.search("[A-Za-z]{2}", _KEPT.sub("", said))


def field(kind: FieldKind, **changes: object) -> LicenseField:
    return replace(
        LicenseField(code="KZ_X", display_name="", kind=kind, required=True),
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (field(FieldKind.TEXT), ""),
        (field(FieldKind.TEXT, length=3), "甲乙丙丁"),
        (field(FieldKind.TEXT), "甲\u200b乙"),
        (field(FieldKind.TEXT), "甲 "),
        (field(FieldKind.TEXT, pattern="[0-9]+"), "甲"),
        (field(FieldKind.DATE), "今天"),
        (field(FieldKind.DATE, least="2020-01-01"), "2019-12-31"),
        (field(FieldKind.INTEGER), "甲"),
        (field(FieldKind.INTEGER, most="3"), "4"),
        (field(FieldKind.DECIMAL), "甲"),
        (field(FieldKind.CODE, values=CODES), "x"),
        (field(FieldKind.CODE, values=CODES[:2]), "x"),
        (field(FieldKind.CITIZEN_NUMBER), "1"),
        (field(FieldKind.CITIZEN_NUMBER), "990101199013070015"),
        (field(FieldKind.CITIZEN_NUMBER), citizen_number()[:17] + "x"),
        (field(FieldKind.CREDIT_CODE), "1"),
        (field(FieldKind.CREDIT_CODE), "9" * 17 + "I"),
        (field(FieldKind.CREDIT_CODE), "91990101MA0000000A"),
        (field(FieldKind.REGION), "1"),
        (field(FieldKind.IMAGE), "1"),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), ""),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), "甲"),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), "{}"),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), "[{},{}]"),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), "[1]"),
        (field(FieldKind.TABLE, columns=(COLUMN,), rows=1), '[{"x":"1"}]'),
    ],
)
def test_a_value_that_is_refused(one: LicenseField, text: str) -> None:
    _, wrong = check_value(one, text, "fields.KZ_X")
    assert wrong
    assert [each for each in wrong if not in_chinese(each.description)] == []


ORDERS = {
    "serial": {"serial": "x"},
    "no such field": {"fields": {"KZ_NONE": "1"}},
    "days": {"valid_from": date(1700, 1, 1), "valid_to": date(2030, 1, 1)},
    "letters": {"holder_name": "1"},
    "several": {"holder_name": "甲、乙"},
    "markup": {"holder_name": "甲<"},
    "no holder": {"holders": ()},
    "code": {"holder_code": ""},
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_is_refused(name: str) -> None:
    assert untold(an_order(**ORDERS[name])) == []


def test_two_holders_of_one_number() -> None:
    both: tuple[Holder, ...] = (a_person(), a_person())
    assert untold(an_order(type=a_type("marriage-certificate"), holders=both)) == []


def test_a_company_is_no_person() -> None:
    kind = a_type("business-license")
    assert untold(an_order(type=kind, holders=(holder_of(kind, "甲", citizen_number()),))) == []


def untold(order: Order) -> list[str]:
    with pytest.raises(InvalidArgument) as caught:
        validated(order)
    return [v.description for v in caught.value.violations if not in_chinese(v.description)]


def test_what_a_number_says() -> None:
    person, company = HolderCodeType.CITIZEN_NUMBER, "91990101MA0000000U"
    sex = field(FieldKind.CODE, values=CODES[:3], agrees_with="holder.sex")
    birth = field(FieldKind.DATE, agrees_with="holder.2.birth")
    told = [
        holder_code_problem(person, "E12345678") or "",
        holder_code_problem(person, company) or "",
        disagreement(sex, "2", [citizen_number(1)]),
        disagreement(birth, "2000-01-01", [citizen_number(1), citizen_number(2)]),
    ]
    assert [one for one in told if not in_chinese(one)] == []


def test_a_picture_and_a_scan() -> None:
    of_size = field(FieldKind.IMAGE, least="100x140", most="500x700")
    told = [
        size_problem(of_size, (1, 1)),
        size_problem(of_size, (900, 900)),
        scan_problem(b"text"),
        scan_problem(b"%PDF-1"),
    ]
    assert [one for one in told if not in_chinese(one)] == []
    assert chinese_words(told[0]) == "小于 100×140 像素"


ROOT = Path(__file__).parents[2]


def written(one: ast.expr) -> list[str]:
    """The texts that an expression may be, with a 7 for what is put in; none of a name."""
    match one:
        case ast.Constant(value=str(said)):
            return [said]
        case ast.JoinedStr(values=parts):
            told = [""]
            for part in parts:
                told = [a + b for a in told for b in written(part)]
            return told
        case ast.FormattedValue(value=value):
            return written(value) or ["7"]
        case ast.IfExp(body=yes, orelse=no):
            return written(yes) + written(no)
        case _:
            return []


def descriptions() -> set[str]:
    found: set[str] = set()
    for floor in ("runtime", "seal", "exchange", "licenses", "accounts", "tongban"):
        for path in (ROOT / floor).rglob("*.py"):
            source = path.read_text()
            if "FieldViolation(" in source:
                for call in ast.walk(ast.parse(source)):
                    if (
                        isinstance(call, ast.Call)
                        and getattr(call.func, "id", getattr(call.func, "attr", ""))
                        == "FieldViolation"
                        and len(call.args) == 2
                    ):
                        found.update(written(call.args[1]))
    return {one for one in found if re.search("[a-z]{2}", one)}


def test_every_violation_that_the_code_writes() -> None:
    found = descriptions()
    assert len(found) > 200
    assert [
        one for one in sorted(found) if not re.search("[\u4e00-\u9fff]", chinese_words(one))
    ] == []


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("is required", "必填"),
        ("key_item: must be 1 to 40", "key_item: 应为 1 至 40"),
        ("must be one of day, week, or empty", "应为以下之一或留空：day, week"),
        ("this is required", "this is required"),
        ("one of them is empty", "有一项为空"),
        ("at most 1,000, none of them twice", "最多 1,000 个，不得重复"),
    ],
)
def test_words_with_what_is_put_in(said: str, chinese: str) -> None:
    assert chinese_words(said) == chinese


def test_the_field_stays_and_so_does_what_has_no_words() -> None:
    assert chinese_violation("fields.KZ_X: required") == "fields.KZ_X: 必填"
    assert chinese_violation("holder_code: wrong") == "holder_code: wrong"
    assert chinese_violation("no field") == "no field"
