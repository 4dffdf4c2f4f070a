"""The calendar of working days: its data, its counting, and what it refuses."""

from datetime import UTC, date, datetime

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from runtime.workdays import WorkYear, china_day, days, read_years, shipped

ANNOUNCED = sorted(shipped().years)
DAYS = st.dates(date(2019, 1, 1), date(2029, 12, 31))


@pytest.mark.parametrize("year", ANNOUNCED)
def test_another_calendar_agrees_on_every_day_of_an_announced_year(year: int):
    held = shipped()
    differing = [
        day
        for day in days(date(year, 1, 1), date(year, 12, 31))
        if held.is_workday(day) != chinese_calendar.is_workday(day)
    ]
    assert differing == []


@pytest.mark.parametrize("year", ANNOUNCED)
def test_a_year_is_read_back_from_its_own_texts(year: int):
    held = shipped().years[year]
    assert WorkYear.read(year, **held.texts()) == held


def test_a_missing_year_is_monday_to_friday_and_says_that_it_is_provisional():
    calendar = shipped()
    assert not calendar.knows(2031)
    assert calendar.is_workday(date(2031, 10, 1))  # a Wednesday
    assert not calendar.is_workday(date(2031, 10, 4))
    assert calendar.after(date(2031, 9, 30), 1).provisional
    assert not calendar.after(date(2026, 9, 30), 1).provisional
    # It is not the start that makes it so, but a day that was counted.
    assert not calendar.after(date(2019, 12, 31), 1).provisional


def test_a_day_is_one_in_china():
    assert china_day(datetime(2026, 9, 30, 15, 59, tzinfo=UTC)) == date(2026, 9, 30)
    assert china_day(datetime(2026, 9, 30, 16, 0, tzinfo=UTC)) == date(2026, 10, 1)
    with pytest.raises(ValueError, match="aware"):
        china_day(datetime(2026, 9, 30))  # noqa: DTZ001


@given(DAYS, st.integers(0, 60))
def test_counting_there_and_back_agree(day: date, count: int):
    reached = shipped().after(day, count)
    assert shipped().between(day, reached.day) == count
    assert count == 0 or shipped().is_workday(reached.day)


@given(DAYS, DAYS, st.integers(0, 30))
def test_a_later_day_reaches_no_earlier(one: date, other: date, count: int):
    first, second = sorted((one, other))
    assert shipped().after(first, count).day <= shipped().after(second, count).day


@pytest.mark.parametrize(
    ("off", "working", "field"),
    [
        (["2027-10-1"], [], "off[0]"),
        (["2027-02-30"], [], "off[0]"),
        (["2027-10-07/2027-10-01"], [], "off[0]"),
        (["2026-12-31/2027-01-02"], [], "off[0]"),
        ([], ["2028-01-01"], "working[0]"),
        (["2027-10-09"], ["2027-10-09"], "working"),
        ([], ["2027-10-08"], "working"),  # a Friday
        (["2027-01-01"] * 400, [], "off[366]"),
        ([20270101], [], "off[0]"),
    ],
)
def test_a_year_that_is_wrong_is_refused_by_field(off: list, working: list, field: str):
    with pytest.raises(InvalidArgument) as refused:
        WorkYear.read(2027, off=off, working=working)
    assert refused.value.reason == "CALENDAR_INVALID"
    assert refused.value.violations[0].field == field


@pytest.mark.parametrize(
    "text",
    [
        "[2027",
        "[next]\noff = []",
        "2027 = 1",
        "[2027]\nholidays = []",
        "[2027]\noff = 1",
        "[1066]",
        f"a = {'[' * 5000}{']' * 5000}",
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str):
    with pytest.raises(InvalidArgument):
        read_years(text)


def test_counting_is_bounded():
    with pytest.raises(ValueError, match="2000"):
        shipped().after(date(2026, 1, 1), 2001)
