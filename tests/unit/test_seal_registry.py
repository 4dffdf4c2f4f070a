"""The rules of a seal's use, without any I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.idcodes import credit_code_check_character
from seal.registry import (
    HeldSeal,
    SealOrder,
    SealState,
    check_use,
    term,
)

NOW = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
LATEST = NOW + timedelta(days=3650)
CREDIT = "11990101MB0000001"
CREDIT_CODE = CREDIT + credit_code_check_character(CREDIT)
HELD = HeldSeal(
    name="departments/a/seals/b",
    department="departments/a",
    display_name="示范县审批局",
    credit_code=CREDIT_CODE,
    es_id="1",
    state=SealState.ACTIVE,
    start_time=NOW,
    end_time=NOW + timedelta(days=10),
    seal_data=b"",
    image=b"",
    diameter_mm=42.0,
    certificate=b"",
    pdf_certificate=b"",
)


def order(**changes: object) -> SealOrder:
    values: dict[str, object] = {
        "department": "departments/a",
        "seal_id": "b",
        "display_name": "示范县审批局",
        "credit_code": CREDIT_CODE,
    }
    return SealOrder(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [timedelta(0), timedelta(days=5), timedelta(days=10)])
def test_an_active_seal_is_used_within_its_times(after: timedelta) -> None:
    check_use(HELD, at=NOW + after)


@pytest.mark.parametrize(
    ("seal", "at", "why"),
    [
        (HELD, NOW - timedelta(seconds=1), "not_begun"),
        (HELD, NOW + timedelta(days=10, seconds=1), "ended"),
        (replace(HELD, state=SealState.REVOKED), NOW, "revoked"),
        # Revoked is told before the times: it is what a new seal is needed for.
        (replace(HELD, state=SealState.REVOKED), NOW - timedelta(days=1), "revoked"),
    ],
)
def test_a_seal_out_of_force_names_the_rule(seal: HeldSeal, at: datetime, why: str) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        check_use(seal, at=at)
    assert (caught.value.reason, caught.value.metadata) == ("SEAL_NOT_IN_FORCE", {"why": why})
    assert caught.value.message_zh != caught.value.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"display_name": "局"}, "display_name"),
        ({"display_name": "局" * 41}, "display_name"),
        ({"display_name": "示范县\n审批局"}, "display_name"),
        ({"credit_code": CREDIT + "?"}, "credit_code"),
        ({"credit_code": ""}, "credit_code"),
        ({"bottom_line": "a\tb"}, "bottom_line"),
    ],
)
def test_a_bad_wish_for_a_seal_names_the_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        order(**changes)
    assert [one.field for one in caught.value.violations] == [field]


def test_a_seal_lasts_three_years_unless_said_otherwise() -> None:
    assert term(order(), now=NOW.replace(microsecond=7), latest=LATEST) == (
        NOW,
        NOW.replace(year=2029),
    )
    end = NOW + timedelta(days=9, microseconds=5)
    assert term(order(end_time=end), now=NOW, latest=LATEST)[1] == NOW + timedelta(days=9)


def test_a_leap_day_ends_on_the_first_of_march() -> None:
    start = datetime(2028, 2, 29, tzinfo=UTC)
    assert term(order(), now=start, latest=LATEST)[1] == datetime(2031, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(days=1), LATEST + timedelta(seconds=1)])
def test_a_seal_ends_after_it_begins_and_before_its_maker(end: datetime) -> None:
    with pytest.raises(InvalidArgument) as caught:
        term(order(end_time=end), now=NOW, latest=LATEST)
    assert caught.value.reason == "BAD_END_TIME"
