"""What a license says agrees with its holder's number, and a person's number is no company's."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licenses.orders import holder_of
from licenses.types.agreement import disagreement
from licenses.types.model import CodeValue, FieldKind, LicenseField
from licenses.types.values import check_value, credit_code_problem, size_problem
from runtime import idcodes
from runtime.errors import FieldViolation, InvalidArgument
from runtime.idcodes import citizen_check_character
from tests.builders.licenses import a_type, an_order, citizen_number, validated
from tongban.violation_words import chinese_words

SEX = LicenseField(
    code="KZ_X",
    display_name="",
    kind=FieldKind.CODE,
    values=tuple(CodeValue(code=one, name=one) for one in "129"),
)
BIRTH = LicenseField(code="KZ_X", display_name="", kind=FieldKind.DATE)
MAN, WOMAN = citizen_number(1), citizen_number(2)


@pytest.mark.parametrize(
    ("one", "word", "value", "codes", "agrees"),
    [
        (SEX, "holder.sex", "1", [MAN], True), (SEX, "holder.sex", "2", [WOMAN], True),
        (SEX, "holder.sex", "2", [MAN], False), (SEX, "holder.sex", "1", [WOMAN], False),
        (SEX, "holder.sex", "9", [MAN], True), (SEX, "holder.sex", "", [MAN], True),
        (SEX, "holder.2.sex", "2", [MAN, WOMAN], True),
        (SEX, "holder.1.sex", "2", [MAN, WOMAN], False),
        (SEX, "holder.2.sex", "1", [MAN], True),
        (SEX, "holder.sex", "2", ["11990101MB9901032M"], True),
        (BIRTH, "holder.birth", "1990-03-07", [MAN], True),
        (BIRTH, "holder.birth", "1990-03-08", [MAN], False),
        (BIRTH, "", "1990-03-08", [MAN], True),
    ],
)  # fmt: skip
def test_a_field_agrees_with_what_the_holders_number_says(
    one: LicenseField, word: str, value: str, codes: list[str], agrees: bool
) -> None:
    told = disagreement(replace(one, agrees_with=word), value, codes)
    assert (told == "") is agrees
    assert value not in told.split() or not value
    assert not any(code in told for code in codes)


def test_a_refused_code_names_those_there_are() -> None:
    _, (wrong,) = check_value(replace(SEX, values=SEX.values * 10), "7", "x")
    assert "1, 2, 9, 1" in wrong.description
    assert wrong.description.endswith("and 10 more")
    named = replace(SEX, values=(CodeValue(code="1", name="甲"),))
    assert "1 (甲)" in check_value(named, "7", "x")[1][0].description


@pytest.mark.parametrize(
    ("size", "good"),
    [((100, 140), True), ((99, 140), False), ((500, 139), False), ((501, 140), False)],
)
def test_a_picture_is_of_the_size_that_the_type_asks_for(size: tuple[int, int], good: bool) -> None:
    one = LicenseField(
        code="KZ_X", display_name="", kind=FieldKind.IMAGE, least="100x140", most="500x700"
    )
    assert (size_problem(one, size) == "") is good


@given(
    st.integers(11, 99), st.integers(0, 9999), st.dates(date(1900, 1, 1), date(2026, 1, 1)),
    st.integers(0, 999),
)  # fmt: skip
def test_no_citizen_number_is_the_code_of_a_company(
    province: int, region: int, born: date, serial: int
) -> None:
    first = f"{province}{region:04d}{born:%Y%m%d}{serial:03d}"
    code = first + citizen_check_character(first)
    assert credit_code_problem(code)
    assert [one.field for one in _holder_problems(code)] == ["holder_code"]


@pytest.mark.parametrize(
    ("born", "told"),
    [
        ("20990101", "after today"), ("20261123", "after today"), ("20261122", ""),
        ("18500101", ""), ("18491231", "before 1850"), ("18000101", "before 1850"),
    ],
)  # fmt: skip
def test_a_holder_is_born_by_today_and_not_before_anybody_who_has_a_number(
    born: str, told: str
) -> None:
    first = f"990101{born}001"
    order = an_order(holder_code=first + citizen_check_character(first))
    if not told:
        assert validated(order, date(2026, 11, 22)) == order
        return
    with pytest.raises(InvalidArgument) as refused:
        validated(order, date(2026, 11, 22))
    (wrong,) = refused.value.violations
    assert wrong.field == "holder_code"
    assert told in wrong.description
    assert born not in wrong.description
    assert chinese_words(wrong.description) != wrong.description


def _holder_problems(code: str) -> list[FieldViolation]:
    kind = a_type("business-license")
    order = an_order(type=kind, holders=(holder_of(kind, "示例", code),), fields={})
    with pytest.raises(InvalidArgument) as told:
        validated(order)
    return [one for one in told.value.violations if one.field.startswith("holder")]


def test_a_citizen_number_with_the_structure_of_a_credit_code_is_a_persons() -> None:
    """Numbers whose check character is right by both standards."""
    both = []
    for serial in range(1000):
        first = f"52110119900307{serial:03d}"
        code = first + citizen_check_character(first)
        if idcodes.credit_code_problem(code) is None:
            both.append(code)
    assert both
    assert all("person" in (credit_code_problem(code) or "") for code in both)


@pytest.mark.parametrize(
    "name",
    [
        *("王?", "王\uff1f", "王\ufffd", "#REF!", "N/A", "NULL", "null", "(空)", "（无）", "不详"),
        *("··张", "张··三", "张三•", "·张三", "张.·三"),
    ],
)
def test_what_stands_for_a_lost_value_is_no_persons_name(name: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(holder_name=name))
    assert [one.field for one in told.value.violations] == ["holder_name"]
    problem = told.value.violations[0].description
    assert chinese_words(problem) != problem


@pytest.mark.parametrize(
    ("name", "told"),
    [
        *((f"买买提{dot}艾山", f"U+{ord(dot):04X}") for dot in "•\u30fb．‧.∙\u318d"),
        ("张\u3000三", "U+3000"),
        ("张 三", "U+0020"),
        ("买买提·\xa0艾山", "U+00A0"),
        ("John  Smith", "U+0020"),
        ("张\u3164三", "U+3164"),
        *((f"王{sign}", f"U+{ord(sign):04X}") for sign in "*＊×□■〓※\uff1f\ufffd\ufffc\u2b1c"),
        ("王**", "U+002A"),
        ("王⿰木木", "U+2FF0"),
        ("\u303e王", "U+303E"),
        ("王\u2f00", "write 一 (U+4E00)"),
        ("王\u2e81", "U+2E81"),
        ("a\u0301", "U+00E1"),
        ("q" + "\u0301" * 40, "U+0301"),
        ("q" + "\u0301\u0302" * 4, "U+0301"),
        ("王\u0301", "U+0301"),
        ("\u0301王", "U+0301"),
    ],
)
def test_a_dot_sign_or_space_that_registers_do_not_have_is_told_by_its_code_point(
    name: str, told: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        validated(an_order(holder_name=name))
    assert [one.field for one in refused.value.violations] == ["holder_name"]
    problem = refused.value.violations[0].description
    assert told in problem
    assert told.removeprefix("write 一 (").removesuffix(")") in chinese_words(problem) != problem


@pytest.mark.parametrize(
    "name",
    [
        "བསྒྲུབས",
        "葛\U000e0100城",
        "\ua490\ua000",
        "q\u0301",
        "买买提·艾山",
        "阿依古丽·买买提·示例",
        "J. R. Smith Jr.",
        "空山",
        "Anna 安娜 Smith",
    ],
)
def test_dots_between_and_a_stop_at_the_end_are_in_names(name: str) -> None:
    assert validated(an_order(holder_name=name)).holders[0].name == name
