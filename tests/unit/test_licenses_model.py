"""Identifiers, metadata, validity, orders, and the law of transitions."""

from __future__ import annotations

import itertools
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from licenses.identifiers import LicenseIdentifier
from licenses.metadata import metadata_of, page_values
from licenses.model import TRANSITIONS, Act, LicenseState, decide_transition, is_expired
from licenses.succession import Wish, _check_same_persons
from licenses.terms import last_day
from licenses.texts import check_no_name, check_text
from licenses.types.model import FieldKind, LicenseField, Validity
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.idcodes import citizen_check_character
from tests.builders.licenses import (
    ISSUER,
    NOW,
    SEAL,
    a_license,
    a_person,
    a_type,
    an_order,
    citizen_number,
    validated,
)

ROOT = "1.2.156.3005.2."


@pytest.mark.parametrize(
    "body",
    [
        "11100000MB03271699022.340100.000000016.001.9",
        "11100000000013338W011.11430000006122244L.20230000403.001.U",
    ],
)
def test_published_identifiers_are_read_and_written_back(body: str) -> None:
    found = LicenseIdentifier.parse(ROOT + body)
    assert str(found) == ROOT + body
    assert found.version == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "11100000000013338W011.11430000006122244L.20230000403.001.U",
        ROOT + "11100000000013338W011.11430000006122244L.20230000403.001.V",
        ROOT + "11100000000013338W011.11430000006122244L.20230000404.001.U",
        ROOT + "11100000000013338W011.11430000006122244L.20230000403.1.U",
        ROOT + "11100000000013338W011.11430000006122244L.20230000403.001.U.",
        "x" + ROOT + "11100000000013338W011.11430000006122244L.20230000403.001.U",
        ROOT + "11100000000013338w011.11430000006122244L.20230000403.001.U",
    ],
)
def test_what_is_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        LicenseIdentifier.parse(text)
    assert told.value.reason == "BAD_LICENSE_IDENTIFIER"


ALLOWED = set(TRANSITIONS)
FORBIDDEN = sorted(set(itertools.product(LicenseState, Act)) - ALLOWED)


def test_the_law_allows_ten_transitions() -> None:
    assert len(ALLOWED) == 10
    assert len(FORBIDDEN) == 54
    ways_out = {LicenseState.ISSUING, LicenseState.ACTIVE, LicenseState.SUSPENDED}
    assert {s for s, _ in ALLOWED} == ways_out


@pytest.mark.parametrize(("state", "act"), sorted(ALLOWED))
def test_an_allowed_transition(state: LicenseState, act: Act) -> None:
    assert decide_transition(state, act) is TRANSITIONS[state, act]


@pytest.mark.parametrize(("state", "act"), FORBIDDEN)
def test_a_forbidden_transition(state: LicenseState, act: Act) -> None:
    with pytest.raises(FailedPrecondition) as told:
        decide_transition(state, act)
    assert told.value.reason == "TRANSITION_FORBIDDEN"


@pytest.mark.parametrize(
    ("first", "rule", "last"),
    [
        (date(2026, 11, 21), {"years": 3}, date(2029, 11, 20)),
        (date(2028, 2, 29), {"years": 3}, date(2031, 2, 28)),
        (date(2028, 2, 29), {"years": 4}, date(2032, 2, 28)),
        (date(2026, 1, 1), {"years": 1}, date(2026, 12, 31)),
        (date(2026, 1, 1), {"unlimited": True}, None),
        (date(2026, 11, 30), {"months": 3}, date(2027, 2, 28)),
        (date(2026, 10, 15), {"months": 3}, date(2027, 1, 14)),
        (date(2026, 12, 31), {"months": 2}, date(2027, 2, 28)),
        (date(2026, 12, 1), {"months": 1}, date(2026, 12, 31)),
        (date(2026, 11, 21), {"days": 1}, date(2026, 11, 21)),
        (date(2026, 11, 21), {"days": 90}, date(2027, 2, 18)),
        (date(2026, 11, 21), {"until_field": "KZ_JZRQ"}, date(2030, 6, 1)),
        (date(2026, 11, 21), {"until_field": "KZ_WU"}, None),
    ],
)
def test_the_last_day(first: date, rule: dict[str, object], last: date | None) -> None:
    fields = {"KZ_JZRQ": "2030-06-01"}
    assert last_day(first, Validity(**rule), fields) == last  # type: ignore[arg-type]


def test_a_license_expires_at_the_end_of_its_last_day_in_china() -> None:
    last = date(2029, 11, 20)
    assert not is_expired(last, datetime(2029, 11, 20, 15, 59, 59, tzinfo=UTC))
    assert is_expired(last, datetime(2029, 11, 20, 16, 0, tzinfo=UTC))
    assert not is_expired(None, datetime(2999, 1, 1, tzinfo=UTC))


def test_metadata_has_every_key_of_the_standard_and_the_types_own() -> None:
    license_ = a_license()
    assert set(license_.metadata) == {
        "ZZMC", "ZZLXDM", "ZZBH", "ZZBS", "ZZBFJG", "ZZBFJGDM", "ZZBFRQ", "CZZT", "CZZTDM",
        "CZZTDMLX", "CZZTDMLXDM", "ZZYXQQSRQ", "ZZYXQJZRQ", "ZZQZR", "ZZQZSJ", "ZZQZMC",
        "KZ_DJLX", "KZ_XLXX",
    }  # fmt: skip
    assert license_.metadata["CZZTDMLXDM"] == "111"
    assert license_.metadata["ZZQZSJ"] == "2026-11-21 12:00:00"
    assert LicenseIdentifier.parse(license_.metadata["ZZBS"]).serial == license_.metadata["ZZBH"]


def numbered(first_17: str) -> str:
    return first_17 + citizen_check_character(first_17)


@pytest.mark.parametrize(
    ("first_17", "kind"),
    [
        ("81000019900307001", "111"),  # Hong Kong
        ("82000019900307001", "111"),  # Macao
        ("83000019900307001", "111"),  # Taiwan
        ("93184019900307001", "553"),  # a foreigner with permanent residence
        ("99010119900307001", "111"),  # of no province: made up
    ],
)
def test_what_a_holder_s_number_is_called(first_17: str, kind: str) -> None:
    order = validated(an_order(holder_code=numbered(first_17)))
    identifier = LicenseIdentifier(
        type_code=order.type.code, issuer_code=ISSUER.credit_code, serial="1"
    )
    metadata = metadata_of(
        order,
        identifier=identifier,
        issuer=ISSUER,
        seal=SEAL,
        issue_time=NOW,
        valid_from=NOW.date(),
        valid_to=None,
    )
    assert metadata["CZZTDMLXDM"] == kind
    assert ("永久居留" in metadata["CZZTDMLX"]) == (kind == "553")


@pytest.mark.parametrize("code", ["USA310185061001", "E12345678", "H12345678", "01234567"])
def test_who_sends_the_number_of_another_document_is_told_which_are_taken(code: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(holder_code=code))
    (wrong,) = told.value.violations
    assert wrong.field == "holder_code"
    assert "permanent residence" in wrong.description
    assert code not in wrong.description


def test_who_sends_a_company_s_code_for_a_person_is_told_so() -> None:
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(holder_code=ISSUER.credit_code))
    assert "not the number of a person" in told.value.violations[0].description


ONE, TWO, THREE = (citizen_number(serial) for serial in (1, 2, 3))


@pytest.mark.parametrize(
    ("holders", "is_good"),
    [
        ([("甲示例", ONE), ("乙示例", TWO)], True),
        ([("甲示范", ONE), ("乙示例", THREE)], True),  # a name of one, a number of the other
        ([("乙示例", TWO), ("甲示例", ONE)], True),
        ([("甲示例", ONE), ("丙示例", THREE)], False),
        ([("甲示例", ONE), ("乙示例", TWO), ("甲示例", THREE)], False),  # who has the same name
        ([("甲示例", ONE), ("甲示例", THREE)], False),
    ],
)
def test_a_correction_leaves_each_holder_who_they_are(
    holders: list[tuple[str, str]], is_good: bool
) -> None:
    began = a_license(holders=(a_person("甲示例", ONE), a_person("乙示例", TWO)))
    with nullcontext() if is_good else pytest.raises(InvalidArgument, match="another holder"):
        _check_same_persons(began, Wish(holders=holders))


def test_a_repr_tells_nothing_of_the_holder() -> None:
    shown = repr(a_license()) + repr(an_order())
    assert "赵示例" not in shown
    assert citizen_number() not in shown


def test_what_stands_on_a_page_is_written_for_people() -> None:
    fields = page_values(a_license(), a_type(), {})
    assert fields["validity"] == "2026年11月21日 至 2029年11月20日"
    empty = [slot for slot, value in fields.items() if not value]
    assert empty == ["employment_state", "registration_place", "remarks"]  # was not given


def test_a_good_order_passes() -> None:
    validated(an_order())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"holder_name": ""}, "holder_name"),
        ({"holder_name": "名" * 101}, "holder_name"),
        ({"holder_name": "a\nb"}, "holder_name"),
        ({"holder_name": "\u0301\u0301"}, "holder_name"),
        ({"holder_name": "·—"}, "holder_name"),
        ({"holder_name": "123"}, "holder_name"),
        ({"holder_name": "=cmd|'/c calc'!A1"}, "holder_name"),
        ({"holder_name": "<b>林</b>"}, "holder_name"),
        ({"holder_name": "林&amp;"}, "holder_name"),
        ({"holder_code": citizen_number()[:-1]}, "holder_code"),
        ({"holder_code": "11990101MB9901024T"}, "holder_code"),
        ({"serial": "12a"}, "serial"),
        ({"serial": "1" * 31}, "serial"),
        ({"serial": "１２３"}, "serial"),
        ({"fields": {}}, "fields.KZ_DJLX"),
        ({"fields": {"KZ_DJLX": "x" * 21}}, "fields.KZ_DJLX"),
        ({"fields": {"KZ_DJLX": "就业登记", "KZ_QT": "y"}}, "fields.KZ_QT"),
        ({"fields": {"KZ_DJLX": "就业登记", "赵示例": "y"}}, "fields"),
    ],
)
def test_a_wrong_order_names_the_field_and_no_value(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(**changes))
    assert told.value.reason == "BAD_LICENSE_FIELDS"
    assert [v.field for v in told.value.violations] == [field]
    assert told.value.message.endswith(f": correct {field}")
    assert told.value.violations[0].description not in told.value.message  # it is told once
    assert citizen_number()[:-1] not in str(told.value) + told.value.message_zh
    assert "赵示例" not in str(told.value) + told.value.message_zh


def test_all_fields_together_are_bounded() -> None:
    rows = json.dumps([{"A": "x" * 900}] * 40)
    column = LicenseField(code="A", display_name="")
    tables = tuple(
        LicenseField(code=f"KZ_T{n}", display_name="", kind=FieldKind.TABLE, columns=(column,))
        for n in range(3)
    )
    kind = replace(a_type(), fields=tables)
    fields = {one.code: rows for one in tables}
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(type=kind, fields=fields))
    assert [v.field for v in told.value.violations] == ["fields"]
    validated(an_order(type=kind, fields={"KZ_T0": rows, "KZ_T1": rows}))


def test_of_a_crowd_of_unknown_fields_the_first_are_told() -> None:
    crowd = {f"KZ_X{n}": "y" for n in range(100_000)}
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(fields={"KZ_DJLX": "就业登记", **crowd}))
    assert 0 < len(told.value.violations) <= 100
    assert len(told.value.message) < 10_000


@pytest.mark.parametrize("text", ["", "  ", "a" * 201, "a\tb"])
def test_a_reason_is_required_and_short(text: str) -> None:
    with pytest.raises(InvalidArgument, match="reason"):
        check_text(text, name="reason")


@pytest.mark.parametrize("number", [citizen_number(), "13900000000"])
def test_a_public_reason_holds_no_persons_number(number: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        check_text(f"持证人 {number} 申请", name="reason", public=True)
    assert told.value.reason == "PERSONAL_NUMBER_IN_TEXT"
    assert number not in str(told.value)
    assert check_text("依申请，文号 20260000001234", name="reason", public=True)


@pytest.mark.parametrize("text", ["张英龙涉案", "因 张英龙 申请", "阿卜杜拉\u30fb示例申请"])
def test_a_public_reason_names_no_holder(text: str) -> None:
    with pytest.raises(InvalidArgument) as told:
        check_no_name(text, ["张英龙", "阿卜杜拉·示例"], name="reason")
    assert told.value.reason == "HOLDER_IN_TEXT"
    assert "张英龙" not in str(told.value) + told.value.message_zh
    check_no_name("依申请，扩张营业", ["张", "张英龙"], name="reason")


def test_who_names_an_unknown_field_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidArgument) as told:
        validated(an_order(fields={"KZ_DJLX": "就业登记", "KZ_QT": "y"}))
    for text in (told.value.message, told.value.message_zh):
        assert "KZ_QT" in text
        assert "KZ_DJLX" in text
