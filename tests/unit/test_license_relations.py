"""What the values of one license say together: dates, ages, lists, holders; in types and orders."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from licenses.model import Order, Paper
from licenses.orders import holder_of, validate_order
from licenses.terms import term_of
from licenses.types.pages import checked
from licenses.types.reading import parse
from runtime.errors import InvalidArgument
from tests.builders.license_samples import Sample
from tests.builders.licenses import a_type_version, citizen_number

TODAY = date(2026, 11, 22)
ROAD = {"LB": "货物运输驾驶员", "CCRQ": "2026-06-01", "QSRQ": "2026-06-01", "JZRQ": "2032-05-31"}
CLASSES = [
    {"DH": "C1", "CL": "小型汽车", "RQ": "2026-06-01"},
    {"DH": "D", "CL": "摩托车", "RQ": "2026-06-01"},
]


def rows(*found: dict[str, str]) -> str:
    return json.dumps(found, ensure_ascii=False)


def an_order_of(name: str, **fields: str) -> Order:
    """The sample of a shipped type with other fields; "" takes one away."""
    order = Sample(name).order()
    kept = {code: value for code, value in {**order.fields, **fields}.items() if value}
    return replace(order, fields=kept)


def wrong_fields(order: Order) -> list[str]:
    try:
        term_of(validate_order(order, TODAY), TODAY)
    except InvalidArgument as error:
        return [one.field for one in error.violations]
    return []


@pytest.mark.parametrize(
    ("name", "fields", "places"),
    [
        ("marriage-certificate", {"KZ_DJRQ": "2099-01-01"}, ["fields.KZ_DJRQ"]),
        ("marriage-certificate", {"KZ_DJRQ": "1980-01-01"}, ["fields.KZ_DJRQ"]),
        ("business-license", {"KZ_CLRQ": "2026-11-22"}, []),
        ("business-license", {"KZ_CLRQ": "2026-11-23"}, ["fields.KZ_CLRQ"]),
        ("business-license", {"KZ_YYQX": "2020-01-01"}, ["fields.KZ_YYQX"]),
        (
            "driving-licence",
            {"KZ_CCLZRQ": "2050-01-01", "KZ_CXMX": rows(*CLASSES)},
            ["fields.KZ_CCLZRQ", "fields.KZ_CXMX[0].RQ", "fields.KZ_CXMX[1].RQ"],
        ),
        ("driving-licence", {"KZ_CCLZRQ": "1995-01-01"}, ["fields.KZ_CCLZRQ"]),
        ("driving-licence", {"KZ_CXMX": rows(*CLASSES)}, []),
        ("driving-licence", {"KZ_CXMX": rows(*CLASSES), "KZ_ZJCX": "DC1"}, []),
        ("driving-licence", {"KZ_CXMX": rows(*CLASSES), "KZ_ZJCX": "A1"}, ["fields.KZ_ZJCX"]),
        ("driving-licence", {"KZ_CXMX": rows(*CLASSES), "KZ_ZJCX": "C1"}, ["fields.KZ_ZJCX"]),
        (
            "driving-licence",
            {"KZ_CXMX": rows(*[CLASSES[1]] * 2), "KZ_ZJCX": "DD"},
            ["fields.KZ_ZJCX"],
        ),
        (
            "driving-licence",
            {"KZ_CXMX": rows(CLASSES[0] | {"RQ": "2030-01-01"}), "KZ_ZJCX": "C1"},
            ["fields.KZ_CXMX[0].RQ"],
        ),
        (
            "driving-licence",
            {
                "KZ_CXMX": rows(CLASSES[0], CLASSES[1] | {"RQ": "2014-12-31"}),
                "KZ_ZJCX": "C1D",
                "KZ_CCLZRQ": "2015-01-01",
            },
            ["fields.KZ_CXMX[1].RQ"],
        ),
        ("construction-permit", {"KZ_JGRQ": "2026-04-30"}, ["fields.KZ_JGRQ"]),
        ("real-estate-certificate", {"KZ_GYQK": "0"}, ["fields.KZ_GYQK"]),
        (
            "road-transport-practitioner",
            {"KZ_CYLB": rows(ROAD | {"QSRQ": "2036-06-01"})},
            ["fields.KZ_CYLB[0].JZRQ"],
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    name: str, fields: dict[str, str], places: list[str]
) -> None:
    assert wrong_fields(an_order_of(name, **fields)) == places


@pytest.mark.parametrize(
    ("name", "field", "good", "bad"),
    [
        (
            "real-estate-certificate",
            "KZ_BDCDYH",
            ["990101001001GB00018F00030501", "990101 001001 GB00018 W00000000"],
            [
                "hello",
                "990101001001GB00018F0003050",
                "990101001001GB00018F000305011",
                "990101001001XB00018F00030501",
                "990101001001GB00018X00030501",
                "990101001001gb00018f00030501",
            ],
        ),
        (
            "real-estate-certificate",
            "KZ_ZSH",
            ["示（2026）示范县不动产权第0000018号", "示(2026)示范县不动产权第 0000018 号"],
            ["x", "示（26）示范县不动产权第0000018号", "示（2026）示范县不动产权第号"],
        ),
        ("temporary-identity-card", "KZ_MZ", ["汉", "维吾尔", "基诺"], ["火星族", "汉族", "01"]),
    ],
)
def test_what_has_a_form_has_it(name: str, field: str, good: list[str], bad: list[str]) -> None:
    order = Sample(name).order()

    def wrong(value: str) -> list[str]:
        fields = {**order.fields, field: value}
        try:
            validate_order(replace(order, fields=fields), TODAY)
        except InvalidArgument as error:
            return [one.field for one in error.violations]
        return []

    assert {value: wrong(value) for value in good} == {value: [] for value in good}
    assert {value: wrong(value) for value in bad} == {value: [f"fields.{field}"] for value in bad}


def test_a_card_names_each_ethnic_group_of_the_standard_once() -> None:
    names = {
        one.name for field in CARD.type.fields if field.code == "KZ_MZ" for one in field.values
    }
    assert len(names - {"其他"}) == 56


def test_a_field_is_not_before_any_date_of_a_column() -> None:
    order = an_order_of("driving-licence", KZ_CXMX=rows(*CLASSES))
    fields = [
        replace(one, least_age=0, not_before="KZ_CXMX.RQ") if one.code == "KZ_CCLZRQ" else one
        for one in order.type.fields
    ]
    later = replace(order, type=replace(order.type, fields=tuple(fields)))
    assert wrong_fields(later) == []
    early = replace(later, fields={**later.fields, "KZ_CCLZRQ": "2026-05-31"})
    assert wrong_fields(early) == ["fields.KZ_CCLZRQ"]


def test_one_holder_alone_and_only_one_is_a_sole_owner() -> None:
    several = an_order_of("real-estate-certificate")
    assert len(several.holders) > 1
    one = replace(several, holders=several.holders[:1])
    assert wrong_fields(one) == ["fields.KZ_GYQK"]
    assert wrong_fields(replace(one, fields={**one.fields, "KZ_GYQK": "0"})) == []


def test_the_day_of_one_made_from_paper_is_that_of_the_paper() -> None:
    paper = Paper(number="示01", issue_date=date(2010, 5, 1), scans=(b"%PDF-",))
    order = replace(an_order_of("business-license"), paper=paper)
    places = wrong_fields(order)
    assert "fields.KZ_CLRQ" not in places  # told when the rest is right
    assert places == ["paper.scans[0]"]
    person = holder_of(order.type, "赵示例", citizen_number())
    early = replace(paper, issue_date=date(1989, 1, 1))
    card = replace(an_order_of("temporary-identity-card"), holders=(person,), paper=early)
    assert "paper.issue_date" in wrong_fields(card)


@pytest.mark.parametrize(
    ("name", "fields", "term"),
    [
        ("business-license", {}, (date(2026, 3, 12), None)),
        ("business-license", {"KZ_YYQX": "2046-03-11"}, (date(2026, 3, 12), date(2046, 3, 11))),
        ("road-transport-practitioner", {}, (date(2026, 6, 1), date(2032, 5, 31))),
        (
            "road-transport-practitioner",
            {
                "KZ_CYLB": rows(
                    ROAD,
                    ROAD | {"CCRQ": "2020-01-01", "QSRQ": "2026-01-01", "JZRQ": "2031-12-31"},
                )
            },
            (date(2026, 1, 1), date(2032, 5, 31)),
        ),
    ],
)
def test_the_days_are_those_that_the_fields_say(
    name: str, fields: dict[str, str], term: tuple[date, date | None]
) -> None:
    order = an_order_of(name, **fields)
    assert term_of(order, TODAY) == term
    assert term_of(replace(order, valid_from=term[0]), TODAY) == term
    assert wrong_fields(replace(order, valid_from=TODAY)) == ["valid_from"]


ROAD_TEXT = a_type_version("road-transport-practitioner").text
HOUSE_TEXT = a_type_version("real-estate-certificate").text
CARD = a_type_version("temporary-identity-card")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (ROAD_TEXT.replace("KZ_CYLB.QSRQ", "KZ_CYLB.LB"), "validity.from_field"),
        (ROAD_TEXT.replace("KZ_CYLB.JZRQ", "KZ_CYLB.WU"), "validity.until_field"),
        (ROAD_TEXT.replace('not_before = "QSRQ"', 'not_before = "LB"'), "fields[8].columns[3]"),
        (
            ROAD_TEXT.replace('not_before = "QSRQ"', 'not_before = "KZ_CYLB.QSRQ"'),
            "fields[8].columns[3]",
        ),
        (ROAD_TEXT.replace('most = "today"', 'most = "yesterday"'), "fields[8].columns[1].most"),
        (HOUSE_TEXT.replace('sole_holder = "0"', 'sole_holder = "9"'), "fields[1].sole_holder"),
        (HOUSE_TEXT.replace('"KZ_ZSH"]', '"KZ_WU"]'), "unique"),
        (HOUSE_TEXT.replace("transferable = true", 'transferable = "yes"'), "transferable"),
        (HOUSE_TEXT.replace("transferable = true", 'only_one = "house"'), "only_one"),
        (CARD.text.replace('kind = "date"', 'kind = "text"\nleast_age = 3'), "fields[3].least_age"),
        (
            CARD.text.replace('agrees_with = "holder.birth"', 'agrees_with = "KZ_T.C"'),
            "fields[3].agrees_with",
        ),
    ],
)
def test_a_type_whose_fields_say_what_cannot_be_is_refused(text: str, place: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        parse(text)
    assert any(one.field.startswith(place) for one in told.value.violations), told.value.violations


@pytest.mark.parametrize(
    ("validity", "good"),
    [
        ("{ days = 30, renew_days = 29 }", True), ("{ days = 30, renew_days = 30 }", False),
        ("{ months = 3, renew_days = 91 }", False), ("{ days = 30 }", True),
        ("{ years = 1, renew_days = 365 }", False), ("{ years = 1, renew_days = 364 }", True),
    ],
)  # fmt: skip
def test_no_license_can_be_renewed_from_its_first_day_on(validity: str, good: bool) -> None:
    text = CARD.text.replace("{ months = 3, renew_days = 15 }", validity)
    if good:
        assert checked(text, CARD.template_text).validity.renew_days < 365
        return
    with pytest.raises(InvalidArgument) as told:
        checked(text, CARD.template_text)
    assert [one.field for one in told.value.violations] == ["validity.renew_days"]
