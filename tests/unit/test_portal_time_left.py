"""What is left until a deadline, in words."""

from __future__ import annotations

import pytest

from exchange.v1.deadlines_pb2 import (
    DEADLINE_STATE_MET,
    DEADLINE_STATE_PAUSED,
    DEADLINE_STATE_RUNNING,
    Deadline,
)
from portal.officer.measuring import percent
from portal.officer.words import time_left


@pytest.mark.parametrize(
    ("left", "over", "colour", "words"),
    [
        (0, 3, "red", "已逾期 3 个工作日"),
        (0, 0, "amber", "今日到期"),
        (2, 0, "amber", "还剩 2 个工作日"),
        (9, 0, "green", "还剩 9 个工作日"),
    ],
)
def test_working_days_are_told_until_the_last_and_beyond(left, over, colour, words):
    clock = Deadline(
        state=DEADLINE_STATE_RUNNING,
        due="2026-12-04",
        days_left=left,
        days_over=over,
        late=bool(over),
    )
    told = time_left(clock)
    assert (told[0], told[2]) == (colour, words)


def test_a_clock_that_stands_says_so_and_one_that_is_over_nothing():
    assert time_left(Deadline(state=DEADLINE_STATE_PAUSED))[2] == "暂停计时"
    assert time_left(Deadline(state=DEADLINE_STATE_MET, due="2026-12-04")) == ("", "", "")
    assert time_left(None) == ("", "", "")


def test_a_share_never_says_all_or_nothing_where_it_is_not_so():
    assert [percent(part, 100_000) for part in (0, 1, 50_000, 99_999, 100_000)] == [
        "0%", "0.1%", "50.0%", "99.9%", "100%",
    ]  # fmt: skip
    assert percent(0, 0) == "—"
