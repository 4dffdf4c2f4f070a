"""Days of a grant on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tongban.commands.grant_terms import end_of, start_of


def test_a_grant_starts_with_its_first_day_and_ends_after_its_last():
    assert start_of("2026-03-02") == datetime(2026, 3, 2, tzinfo=CHINA)
    assert end_of("2026-03-02") == datetime(2026, 3, 3, tzinfo=CHINA)


def test_a_start_may_be_told_in_days_from_now():
    assert abs(start_of("7d") - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=1)


def test_what_is_no_day_is_refused():
    with pytest.raises(InvalidArgument):
        start_of("tomorrow")
