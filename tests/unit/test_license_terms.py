"""From which day to which: new licenses by every rule, from paper, corrected, moved, renewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from licenses.model import Act, License, Order, Origin, Paper
from licenses.terms import succeeding, term_of
from licenses.types.model import Validity
from runtime.errors import FailedPrecondition, InvalidArgument
from tests.builders.licenses import a_license, a_type, an_order

TODAY = date(2026, 11, 22)
RULES: dict[str, Mapping[str, Any]] = {
    "years": {"years": 3}, "months": {"months": 3}, "days": {"days": 90},
    "until": {"until_field": "KZ_JZRQ"}, "unlimited": {"unlimited": True},
}  # fmt: skip


def order(rule: str, until: str = "2030-06-01", **changes: Any) -> Order:
    kind = replace(a_type(), validity=Validity(**RULES[rule]))
    return an_order(type=kind, fields={"KZ_JZRQ": until} if until else {}, **changes)


def wrong(*of: Any) -> list[str]:
    with pytest.raises(InvalidArgument) as told:
        of[0](*of[1:])
    assert told.value.reason == "BAD_LICENSE_FIELDS"
    return [one.field for one in told.value.violations]


@pytest.mark.parametrize("rule", RULES)
def test_a_new_license_is_valid_from_today_and_not_over(rule: str) -> None:
    start, end = term_of(order(rule), TODAY)
    assert start == TODAY
    assert end is None or end >= TODAY
    ahead = TODAY + timedelta(days=366)
    assert term_of(order(rule, valid_from=ahead), TODAY)[0] == ahead
    assert wrong(term_of, order(rule, valid_from=ahead + timedelta(days=1)), TODAY) == [
        "valid_from"
    ]


@pytest.mark.parametrize(
    ("rule", "first", "until", "places"),
    [
        ("until", None, "2020-01-01", ["fields.KZ_JZRQ"]),
        ("until", None, "2026-11-21", ["fields.KZ_JZRQ"]),
        ("until", date(2026, 12, 1), "2026-11-30", ["fields.KZ_JZRQ"]),
        ("until", date(2020, 1, 1), "2026-11-21", ["fields.KZ_JZRQ"]),
        ("years", date(2023, 11, 22), "", ["valid_from"]),
        ("months", date(2026, 8, 22), "", ["valid_from"]),
        ("days", date(2026, 8, 24), "", ["valid_from"]),
    ],
)
def test_a_license_that_ended_before_it_began_or_is_over_is_refused(
    rule: str, first: date | None, until: str, places: list[str]
) -> None:
    assert wrong(term_of, order(rule, until, valid_from=first), TODAY) == places


def test_the_last_day_may_be_today_and_an_optional_one_is_without_end() -> None:
    assert term_of(order("until", "2026-11-22"), TODAY) == (TODAY, TODAY)
    assert term_of(order("until", ""), TODAY) == (TODAY, None)
    assert term_of(order("years", valid_from=date(2023, 11, 23)), TODAY)[1] == TODAY


def of_paper(day: date, rule: str = "years", until: str = "", **changes: Any) -> Order:
    return order(rule, until, paper=Paper(number="X1", issue_date=day), **changes)


def test_a_license_from_paper_has_the_days_of_the_paper_over_or_not() -> None:
    day = date(2009, 3, 1)
    assert term_of(of_paper(day), TODAY) == (day, date(2012, 2, 29))
    said = of_paper(day, valid_from=date(2009, 1, 1), valid_to=date(2029, 2, 28))
    assert term_of(said, TODAY) == (date(2009, 1, 1), date(2029, 2, 28))
    # Issued again later, for days that had begun long before.
    again = of_paper(day, "until", "2010-01-01", valid_from=date(1990, 1, 1))
    assert term_of(again, TODAY) == (date(1990, 1, 1), date(2010, 1, 1))


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"day": date(2026, 11, 23)}, ["paper.issue_date"]),
        ({"day": date(2030, 1, 1)}, ["paper.issue_date"]),
        ({"day": date(2009, 3, 1), "valid_from": date(2010, 3, 3)}, ["valid_from"]),
        ({"day": date(2009, 3, 1), "valid_to": date(2009, 2, 28)}, ["valid_to"]),
        (
            {
                "day": date(2009, 3, 1),
                "valid_from": date(2000, 1, 1),
                "valid_to": date(2009, 2, 28),
            },
            ["valid_to"],
        ),
        (
            {
                "day": date(2009, 3, 1),
                "rule": "until",
                "until": "2020-01-01",
                "valid_to": date(2021, 1, 1),
            },
            ["valid_to"],
        ),
    ],
)
def test_what_a_paper_cannot_say_is_refused(changes: dict[str, Any], places: list[str]) -> None:
    assert wrong(term_of, of_paper(**changes), TODAY) == places


SAYING = a_license(
    valid_from=date(2024, 1, 1),
    valid_to=date(2026, 12, 31),
    metadata={"KZ_JZRQ": "2026-12-31"},
)
BEFORE = a_license(valid_from=date(2024, 1, 1), valid_to=date(2026, 12, 31))


def renewed(
    wished: date | None = None, today: date = TODAY, rule: str = "years", **how: Any
) -> Any:
    return succeeding(BEFORE, order(rule, **how), Act.RENEW, wished, today)


def test_a_license_is_renewed_near_its_end_for_one_term() -> None:
    assert renewed() == (TODAY, date(2029, 11, 21))
    first = date(2026, 12, 31) - timedelta(days=90)
    assert renewed(today=first)[0] == first
    with pytest.raises(FailedPrecondition) as told:
        renewed(today=first - timedelta(days=1))
    assert told.value.reason == "RENEWAL_TOO_EARLY"
    assert told.value.metadata["renew_from"] == first.isoformat()
    # Over: from today, or without a day between.
    late = date(2027, 2, 1)
    assert renewed(today=late) == (late, date(2030, 1, 31))
    assert renewed(date(2027, 1, 1), late) == (date(2027, 1, 1), date(2029, 12, 31))


@pytest.mark.parametrize("rule", [one for one in RULES if one != "unlimited"])
def test_however_often_it_is_renewed_it_lasts_one_term(rule: str) -> None:
    before, today = BEFORE, TODAY
    for _ in range(5):
        start, end = renewed(rule=rule)
        assert end is not None
        before = replace(before, valid_from=start, valid_to=end)
        assert end == term_of(order(rule), today)[1]


@pytest.mark.parametrize("wished", [date(2026, 11, 21), date(2026, 11, 23), date(2027, 1, 1)])
def test_a_renewed_license_begins_today_or_when_the_old_one_was_over(wished: date) -> None:
    with pytest.raises(InvalidArgument) as told:
        renewed(wished)
    assert told.value.reason == "BAD_VALID_FROM"


def test_a_renewed_license_does_not_begin_before_the_one_before_did() -> None:
    first = TODAY + timedelta(days=1)  # the clock was set back since
    before = replace(BEFORE, valid_from=first, valid_to=date(2026, 12, 31))
    assert succeeding(before, order("years"), Act.RENEW, None, TODAY)[0] == first
    assert wrong(succeeding, before, told_by_field(TODAY), Act.RENEW, None, TODAY) == [
        "fields.KZ_JZRQ"
    ]


def told_by_field(first: date) -> Order:
    """An order whose field says the first day."""
    plain = order("years")
    rule = replace(plain.type.validity, from_field="KZ_JZRQ")
    kind = replace(plain.type, validity=rule)
    return replace(plain, type=kind, fields={**plain.fields, "KZ_JZRQ": first.isoformat()})


def test_a_day_that_a_field_says_leaves_no_gap_before_the_new_version() -> None:
    def refused(act: Act, first: date, before: License = BEFORE) -> tuple[str, list[str]]:
        with pytest.raises(InvalidArgument) as told:
            succeeding(before, told_by_field(first), act, None, TODAY)
        return told.value.reason, [one.field for one in told.value.violations]

    # The version before ends at once: one that begins tomorrow would leave today without any.
    tomorrow = TODAY + timedelta(days=1)
    assert refused(Act.RENEW, tomorrow) == ("BAD_VALID_FROM", ["fields.KZ_JZRQ"])
    for act in (Act.CORRECT, Act.TRANSFER):
        assert refused(act, tomorrow) == ("BAD_LICENSE_FIELDS", ["fields.KZ_JZRQ"])
    for act in (Act.RENEW, Act.CORRECT, Act.TRANSFER):
        assert succeeding(BEFORE, told_by_field(TODAY), act, None, TODAY)[0] == TODAY
    # What is not in force yet leaves no gap where its first day stays.
    ahead = replace(BEFORE, valid_from=tomorrow)
    for act in (Act.RENEW, Act.CORRECT, Act.TRANSFER):
        assert succeeding(ahead, told_by_field(tomorrow), act, None, TODAY)[0] == tomorrow
        assert refused(act, tomorrow + timedelta(days=1), ahead)[1] == ["fields.KZ_JZRQ"]


def test_a_first_day_set_right_in_its_field_moves_the_last_as_valid_from_does() -> None:
    before = replace(BEFORE, metadata={"KZ_JZRQ": "2024-01-01"})
    right = date(2024, 2, 1)
    moved = succeeding(before, told_by_field(right), Act.CORRECT, None, TODAY)
    assert moved == (right, date(2027, 1, 31))
    assert moved == succeeding(before, order("years"), Act.CORRECT, right, TODAY)
    kept = succeeding(before, told_by_field(before.valid_from), Act.CORRECT, None, TODAY)
    assert kept == (before.valid_from, before.valid_to)


def test_a_renewed_license_ends_later_than_before() -> None:
    for until in ("2026-12-31", "2020-01-01"):
        assert wrong(lambda: renewed(rule="until", until=until)) == ["fields.KZ_JZRQ"]  # noqa: B023
    assert renewed(rule="until", until="2027-01-01")[1] == date(2027, 1, 1)
    # What ended so long ago that a term from then on is over, too.
    long_ago = replace(BEFORE, valid_from=date(2014, 1, 1), valid_to=date(2016, 12, 31))
    ever = order("years")
    ever = replace(ever, type=replace(ever.type, validity=Validity(years=3, renew_until_days=9999)))
    again = (succeeding, long_ago, ever, Act.RENEW, date(2017, 1, 1), TODAY)
    assert wrong(*again) == ["valid_from"]


def test_a_license_is_not_renewed_long_after_its_end() -> None:
    last = date(2027, 12, 31)  # a year after it
    assert renewed(today=last)[0] == last
    with pytest.raises(FailedPrecondition) as told:
        renewed(today=last + timedelta(days=1))
    assert told.value.reason == "RENEWAL_TOO_LATE"
    assert told.value.metadata["renew_until"] == last.isoformat()


def test_a_license_without_an_end_is_renewed_only_where_it_would_have_one() -> None:
    endless = replace(BEFORE, valid_to=None)
    for again in (order("unlimited"), order("until", until="")):
        with pytest.raises(FailedPrecondition) as told:
            succeeding(endless, again, Act.RENEW, None, TODAY)
        assert told.value.reason == "NOTHING_TO_RENEW"
    assert succeeding(endless, order("years"), Act.RENEW, None, TODAY)[1] == date(2029, 11, 21)


def test_a_correction_keeps_the_days_or_sets_the_first_right() -> None:
    def corrected(wished: date | None, rule: str = "years", until: str = "") -> Any:
        return succeeding(BEFORE, order(rule, until), Act.CORRECT, wished, TODAY)

    assert corrected(None) == (BEFORE.valid_from, BEFORE.valid_to)
    assert corrected(date(2024, 2, 1)) == (date(2024, 2, 1), date(2027, 1, 31))
    assert wrong(corrected, date(2026, 11, 23)) == ["valid_from"]
    assert wrong(corrected, None, "until", "2023-12-31") == ["fields.KZ_JZRQ"]


@pytest.mark.parametrize("rule", RULES)
def test_the_last_day_that_a_paper_said_stays_whatever_is_corrected(rule: str) -> None:
    paper = replace(BEFORE, origin=Origin.PAPER)
    for wished in (None, date(2024, 2, 1)):
        days = succeeding(paper, order(rule, ""), Act.CORRECT, wished, TODAY)
        assert days == (wished or paper.valid_from, paper.valid_to)
    assert succeeding(paper, order(rule, ""), Act.TRANSFER, None, TODAY) == (TODAY, paper.valid_to)


def test_a_transfer_is_for_the_rest() -> None:
    def moved(rule: str, until: str = "", before: Any = SAYING) -> Any:
        return succeeding(before, order(rule, until), Act.TRANSFER, None, TODAY)

    assert moved("years") == (TODAY, BEFORE.valid_to)
    assert moved("until", "2026-12-31") == (TODAY, BEFORE.valid_to)
    assert wrong(moved, "until", "2036-12-31") == ["fields.KZ_JZRQ"]
    later = replace(SAYING, valid_from=date(2026, 12, 1))
    assert moved("years", before=later) == (date(2026, 12, 1), BEFORE.valid_to)
