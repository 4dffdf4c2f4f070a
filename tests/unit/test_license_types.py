"""License types: what is refused where, values by kind, patterns, the shipped ones."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licenses.types.model import CodeValue, FieldKind, LicenseField, check_issuer
from licenses.types.pages import checked, shipped
from licenses.types.patterns import matches, pattern_problem
from licenses.types.reading import parse
from licenses.types.values import (
    check_value,
    read_rows,
    shown,
)
from runtime.errors import InvalidArgument, PermissionDenied
from tests.builders.licenses import (
    BUREAU,
    ISSUER,
    a_type,
    a_type_version,
    citizen_number,
)
from tongban.demonstration.stage import county_departments

TEXT = a_type_version().text
TYPES = {parse(text).id: (text, template) for text, template in shipped()}


@pytest.mark.parametrize("name", TYPES)
def test_every_shipped_type_fits_its_page(name: str) -> None:
    kind = checked(*TYPES[name])
    assert kind.id == name
    # Of a department of the county that is nowhere: it puts the next version.
    assert kind.authority_code in {row["统一社会信用代码"] for row in county_departments()}


def test_no_two_shipped_types_have_one_code() -> None:
    codes = [parse(text).code for text, _ in TYPES.values()]
    assert len(set(codes)) == len(codes) == len(shipped())


@pytest.mark.parametrize("slot", ["license_identifier", "holder_name"])
def test_a_page_without_its_identifier_or_its_holder_is_refused(slot: str) -> None:
    text, template = TYPES["employment-registration"]
    line = next(line for line in text.splitlines() if line.startswith(f"{slot} = "))
    place = template.index(f'key = "{slot}"')
    optional = f"{template[:place]}optional = true\n{template[place:]}"
    with pytest.raises(InvalidArgument) as told:
        checked(text.replace(f"{line}\n", ""), optional)
    assert told.value.reason == "BAD_LICENSE_TYPE"
    assert {one.field for one in told.value.violations} == {"slots"}


@pytest.mark.parametrize(
    ("old", "new", "places"),
    [
        ('place = "KZ_DJDD"', 'place = "KZ_BZ"', ["fields.KZ_DJDD", "slots.remarks"]),
        ('remarks = "KZ_BZ"', "", ["fields.KZ_BZ"]),
        ('code = "KZ_BZ"', 'code = "KZ_BZ"\nunprinted = true', ["fields.KZ_BZ"]),
    ],
)
def test_a_field_stands_once_on_its_page_or_says_that_it_does_not(
    old: str, new: str, places: list[str]
) -> None:
    text, template = TYPES["employment-registration"]
    with pytest.raises(InvalidArgument) as told:
        checked(text.replace(old, new), template)
    assert [one.field for one in told.value.violations] == places
    unseen = text.replace('remarks = "KZ_BZ"', "")
    kept = unseen.replace('code = "KZ_BZ"', 'code = "KZ_BZ"\nunprinted = true')
    assert checked(kept, template).fields[-1].unprinted


def field(**lines: object) -> str:
    """The employment type with one field of its own."""
    values = {"code": "KZ_X", "display_name": "某项", **lines}
    rows = [f"{key} = {json.dumps(one, ensure_ascii=False)}" for key, one in values.items()]
    return "\n".join((TEXT, "[[fields]]", *rows, ""))


PLACE = f"fields[{TEXT.count('[[fields]]')}]"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "name"),
        ("x = ", "toml"),
        ("=" * 300_000, "toml"),
        (TEXT.replace("validity = { years = 3 }", ""), "validity"),
        (TEXT.replace("{ years = 3 }", "{ years = 3, months = 1 }"), "validity"),
        (TEXT.replace("{ years = 3 }", "{ years = 0 }"), "validity.years"),
        (TEXT.replace("{ years = 3 }", "{ years = true }"), "validity.years"),
        (TEXT.replace("{ years = 3 }", '{ until_field = "KZ_DJLX" }'), "validity.until_field"),
        (TEXT.replace("{ years = 3 }", "{ year = 3 }"), "validity.year"),
        (TEXT.replace("11990101MB99010160001", "123"), "code"),
        (TEXT.replace("departments/human-resources", "human-resources"), "issuers"),
        (TEXT.replace("11990101MB99010160001", "11990101MB99010161001"), "code"),
        (TEXT.replace('"employment-registration"', '"Employment"', 1), "name"),
        (TEXT.replace('holder = "person"', 'holder = "pet"'), "holder"),
        (TEXT.replace('holder = "person"', ""), "holder"),
        (TEXT.replace('holder = "person"', 'holder = "person"\nholders = { most = 2 }'), "holders"),
        (TEXT.replace('"person"', '"several"\nholders = { least = 3, most = 2 }'), "holders.least"),
        (TEXT.replace("[slots]", "[slots]\nx = 1"), "slots.x"),
        (re.sub("sharing_type = .*", 'sharing_type = "all"', TEXT), "sharing_type"),
        (field(code="X"), f"{PLACE}.code"),
        (field(code="KZ_DJLX"), f"{PLACE}.code"),
        (field(code="KZ_SJLY"), f"{PLACE}.code"),
        (field(display_name=""), f"{PLACE}.display_name"),
        (field(display_name="名" * 101), f"{PLACE}.display_name"),
        (field(lenght=3), f"{PLACE}.lenght"),
        (field(kind="choice"), f"{PLACE}.kind"),
        (field(kind="code"), f"{PLACE}.values"),
        (field(kind="table"), f"{PLACE}.columns"),
        (field(kind="date", length=3), f"{PLACE}.length"),
        (field(length=0), f"{PLACE}.length"),
        (field(length=1001), f"{PLACE}.length"),
        (field(pattern="("), f"{PLACE}.pattern"),
        (field(pattern="(a+)+b"), f"{PLACE}.pattern"),
        (field(kind="date", pattern="a"), f"{PLACE}.pattern"),
        (field(least="1"), f"{PLACE}.least"),
        (field(kind="integer", least="x"), f"{PLACE}.least"),
        (field(kind="integer", most="inf"), f"{PLACE}.most"),
        (field(kind="date", most="2026-1-1"), f"{PLACE}.most"),
        (field(required="yes"), f"{PLACE}.required"),
        (field(kind="image", least="100"), f"{PLACE}.least"),
        (field(kind="image", least="0x9"), f"{PLACE}.least"),
        (field(kind="date", agrees_with="birth"), f"{PLACE}.agrees_with"),
        (field(kind="date", agrees_with="holder.1.birth"), f"{PLACE}.agrees_with"),
        (field(agrees_with="holder.birth"), f"{PLACE}.agrees_with"),
        (field(kind="date", agrees_with="holder.sex"), f"{PLACE}.agrees_with"),
    ],
)
def test_a_malformed_type_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        parse(text)
    assert told.value.reason == "BAD_LICENSE_TYPE"
    places = [one.field for one in told.value.violations]
    assert any(one == place or one.startswith(place) for one in places), places


def test_who_is_named_issues_and_the_defining_authority_and_nobody_else() -> None:
    card = a_type("temporary-identity-card")
    police, authority = "departments/public-security", card.authority_code
    check_issuer(card, police, "119901010000000019X")
    check_issuer(card, "departments/any", authority)
    check_issuer(a_type(), BUREAU, ISSUER.credit_code)
    unnamed = replace(card, issued_by=(), issuers=())
    check_issuer(unnamed, "departments/any", authority)
    for kind, department in (
        (card, BUREAU), (unnamed, police), (a_type(), police), (a_type(), f"{BUREAU}-2"),
    ):  # fmt: skip
        with pytest.raises(PermissionDenied) as told:
            check_issuer(kind, department, ISSUER.credit_code)
        assert told.value.reason == "NOT_AN_ISSUER"


def test_every_shipped_type_names_who_issues_it() -> None:
    assert all(parse(text).issuing_departments for text, _ in shipped())


def test_all_that_is_wrong_is_told_at_once_and_a_near_key_is_named() -> None:
    with pytest.raises(InvalidArgument) as told:
        parse(field(lenght=3, kind="choice"))
    assert [one.field for one in told.value.violations] == [f"{PLACE}.kind", f"{PLACE}.lenght"]
    assert told.value.violations[1].description == "no such key: is it length?"


FIELDS = {
    "text": LicenseField(code="KZ_X", display_name="", length=5, pattern="[A-Z][0-9]{1,4}"),
    "date": LicenseField(
        code="KZ_X", display_name="", kind=FieldKind.DATE, least="2000-01-01", most="2050-12-31"
    ),
    "integer": LicenseField(
        code="KZ_X", display_name="", kind=FieldKind.INTEGER, least="-3", most="12"
    ),
    "decimal": LicenseField(code="KZ_X", display_name="", kind=FieldKind.DECIMAL, least="0.5"),
    "code": LicenseField(
        code="KZ_X", display_name="", kind=FieldKind.CODE, values=(CodeValue(code="1", name="甲"),)
    ),
    "citizen": LicenseField(code="KZ_X", display_name="", kind=FieldKind.CITIZEN_NUMBER),
    "credit": LicenseField(code="KZ_X", display_name="", kind=FieldKind.CREDIT_CODE),
    "region": LicenseField(code="KZ_X", display_name="", kind=FieldKind.REGION),
    "image": LicenseField(code="KZ_X", display_name="", kind=FieldKind.IMAGE),
}


@pytest.mark.parametrize(
    ("kind", "text", "good"),
    [
        ("text", "A1", True), ("text", "a1", False), ("text", "A12345", False),
        ("text", "A1\n", False), ("text", "A\u202e1", False), ("text", " A1", False),
        ("date", "2026-02-28", True), ("date", "2026-02-30", False), ("date", "2026-2-8", False),
        ("date", "1999-12-31", False), ("date", "2051-01-01", False), ("date", "20260228", False),
        ("date", "２０２６-02-28", False),
        ("integer", "12", True), ("integer", "-3", True), ("integer", "13", False),
        ("integer", "-4", False), ("integer", "01", False), ("integer", "1.0", False),
        ("integer", "１", False), ("integer", "-0", False), ("integer", "9" * 19, False),
        ("decimal", "0.5", True), ("decimal", "10", True), ("decimal", "0.49", False),
        ("decimal", "1e3", False), ("decimal", ".5", False), ("decimal", "nan", False),
        ("code", "1", True), ("code", "乙", False), ("code", "2", False),
        ("citizen", citizen_number(), True), ("citizen", citizen_number()[:-1] + "#", False),
        ("credit", "11990101MB9901032M", True), ("credit", "11990101MB9901032N", False),
        ("region", "990101", True), ("region", "9901", False),
        ("image", "sha256:" + "a" * 64, True), ("image", "/etc/passwd", False),
    ],
)  # fmt: skip
def test_a_value_is_judged_by_its_kind(kind: str, text: str, good: bool) -> None:
    value, wrong = check_value(FIELDS[kind], text, "fields.KZ_X")
    assert (value == text and not wrong) is good
    if not good:
        assert [one.field for one in wrong] == ["fields.KZ_X"]
        assert text.strip() not in wrong[0].description


TABLE = LicenseField(
    code="KZ_T",
    display_name="",
    kind=FieldKind.TABLE,
    rows=3,
    columns=(
        LicenseField(code="XM", display_name="", required=True),
        FIELDS["date"],
        FIELDS["code"].__class__(
            code="LX", display_name="", kind=FieldKind.CODE, values=FIELDS["code"].values
        ),
    ),
)


def test_a_table_is_kept_in_one_form_and_shown_in_the_order_of_its_columns() -> None:
    text = '[ {"LX": "1", "XM": "甲"}, {"XM": "乙", "KZ_X": "2026-02-28"} ]'
    kept, wrong = check_value(TABLE, text, "fields.KZ_T")
    assert not wrong
    assert kept == '[{"LX":"1","XM":"甲"},{"KZ_X":"2026-02-28","XM":"乙"}]'
    assert check_value(TABLE, kept, "x") == (kept, [])
    assert read_rows(TABLE, kept) == (("甲", "", "甲"), ("乙", "2026年2月28日", ""))
    assert read_rows(TABLE, "") == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x", "T"), ("{}", "T"), ("[]", "T"), ("[1]", "T[0]"), ('[{"XM": 1}]', "T[0]"),
        ('[{"XM": "\\ud800"}]', "T[0].XM"), ('[{"XM": "\\u0000"}]', "T[0].XM"),
        ('[{"XM": "甲", "XM": "乙"}]', "T"), ('[{"XM": "甲", "QT": "x"}]', "T[0]"),
        ('[{"XM": "甲"}, {"LX": "1"}]', "T[1].XM"),
        ('[{"XM": "甲", "LX": "9"}]', "T[0].LX"), ("[" * 30_000, "T"),
        (json.dumps([{"XM": "甲"}] * 4), "T"), (json.dumps([{"XM": "x" * 50_000}]), "T"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_told_by_its_place(text: str, place: str) -> None:
    _, wrong = check_value(TABLE, text, "T")
    assert place in [one.field for one in wrong]


def test_a_code_is_shown_by_its_name() -> None:
    assert shown(FIELDS["code"], "1") == "甲"
    assert shown(FIELDS["date"], "2026-01-02") == "2026年1月2日"
    assert shown(FIELDS["integer"], "12") == "12"


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+b", "(a|b*)*c", "a*a*a*b", "(a)\\1", "(?=a)b", "(", "[[", "a{1,999}b{1,999}c{1,999}"],
)
def test_a_pattern_that_could_keep_a_thread_busy_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\d{4}-\d{2}", r"(\d{4}-){2}\d+", "[A-Z]{2}[0-9]{5,7}(号)?", "(甲|乙)种", "a+b+"]
)
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert pattern_problem(pattern) == ""


@given(st.text(alphabet="ab+*?(){}|,1239[]", max_size=24))
def test_no_pattern_that_is_taken_is_slow(pattern: str) -> None:
    if pattern_problem(pattern):
        return
    began = time.monotonic()
    matches(pattern, "a" * 999 + "!")
    assert time.monotonic() - began < 2.0
