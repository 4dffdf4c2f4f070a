"""What is left until a deadline, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal.officer.measuring import percent
from portal.officer.words import time_left
from runtime.clock import CHINA


def due(days: int) -> str:
    return (datetime.now(CHINA).date() + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("days", "colour", "words"),
    [
        (-3, "red", "已逾期 3 个自然日"),
        (0, "amber", "今日到期"),
        (2, "amber", "还剩 2 个自然日"),
        (9, "green", "还剩 9 个自然日"),
    ],
)
def test_days_are_told_until_the_last_and_beyond(days, colour, words):
    left = time_left(due(days), waits=True)
    assert (left[0], left[2]) == (colour, words)


@pytest.mark.parametrize(("day", "waits"), [("", True), ("soon", True), (due(-3), False)])
def test_nothing_is_told_where_nobody_waits(day, waits):
    assert time_left(day, waits=waits) == ("", "", "")


def test_a_share_never_says_all_or_nothing_where_it_is_not_so():
    assert [percent(part, 100_000) for part in (0, 1, 50_000, 99_999, 100_000)] == [
        "0%", "0.1%", "50.0%", "99.9%", "100%",
    ]  # fmt: skip
    assert percent(0, 0) == "—"
