"""What `tongban license delegation create` says by itself."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from runtime.clock import CHINA
from tongban.commands.license_delegating import _end_of


@pytest.mark.parametrize("days", [1, 365])
def test_so_many_days_are_whole_days_and_end_with_one_in_china(days: int) -> None:
    now = datetime.now(UTC)
    end = _end_of(days, "")
    assert now + timedelta(days=days) <= end <= now + timedelta(days=days + 1, minutes=1)
    assert end.astimezone(CHINA).time() == time.min
