"""The rules of a seal's use, without any I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, ResourceExhausted
from runtime.idcodes import citizen_check_character, credit_code_check_character
from seal.registry import (
    MAX_DOCUMENT,
    Format,
    HeldSeal,
    Position,
    SealOrder,
    SealState,
    check_positions,
    check_reason,
    check_use,
    recognise,
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
    ("document", "declared", "found"),
    [
        (b"PK\x03\x04rest", None, Format.OFD),
        (b"PK\x03\x04rest", Format.OFD, Format.OFD),
        (b"%PDF-1.7", None, Format.PDF),
        (b"%PDF-1.7", Format.PDF, Format.PDF),
    ],
)
def test_a_document_is_what_its_first_bytes_say(
    document: bytes, declared: Format | None, found: Format
) -> None:
    assert recognise(document, declared=declared) is found


@pytest.mark.parametrize(
    ("document", "declared", "kind", "reason"),
    [
        (b"", None, InvalidArgument, "DOCUMENT_EMPTY"),
        (b"<?xml", None, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        (b"\n%PDF-1.7", None, InvalidArgument, "DOCUMENT_FORMAT_UNKNOWN"),
        (b"%PDF-1.7", Format.OFD, InvalidArgument, "DOCUMENT_FORMAT_MISMATCH"),
        (b"PK\x03\x04", Format.PDF, InvalidArgument, "DOCUMENT_FORMAT_MISMATCH"),
        (b"%PDF-" + bytes(MAX_DOCUMENT), None, ResourceExhausted, "DOCUMENT_TOO_LARGE"),
    ],
)
def test_what_cannot_be_sealed_is_refused_by_name(
    document: bytes, declared: Format | None, kind: type[DomainError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        recognise(document, declared=declared)
    assert caught.value.reason == reason


def test_the_largest_document_passes() -> None:
    assert recognise(b"%PDF-" + bytes(MAX_DOCUMENT - 5), declared=None) is Format.PDF


def test_a_reason_is_trimmed_and_may_hold_a_credit_code() -> None:
    assert check_reason(f"  为 {CREDIT_CODE} 签发证照 ") == f"为 {CREDIT_CODE} 签发证照"
    assert check_reason("字" * 200) == "字" * 200


@pytest.mark.parametrize("text", ["", "   ", "字" * 201, "两\n行", "a\x00b", "a\u202eb"])
def test_a_reason_is_required_short_and_printable(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_reason(text)
    assert caught.value.reason == "BAD_REASON"


@pytest.mark.parametrize("lower", [False, True])
def test_a_reason_with_a_citizen_number_is_refused_without_repeating_it(lower: bool) -> None:
    body = next(
        b for n in range(100)
        if citizen_check_character(b := f"990101199001010{n:02d}") == "X"
    )  # fmt: skip
    number = body + ("x" if lower else "X")
    with pytest.raises(InvalidArgument) as caught:
        check_reason(f"为{number}签发")
    assert body not in caught.value.message + caught.value.message_zh
    assert body not in repr(caught.value.violations)


@pytest.mark.parametrize(
    "positions",
    [
        [],
        [Position(page=0, x_mm=1, y_mm=1)],
        [Position(page=1, x_mm=1, y_mm=1, size_mm=-1)],
        [Position(page=1, x_mm=1, y_mm=1, size_mm=float("nan"))],
        [Position(page=1, x_mm=1, y_mm=1)] * 257,
    ],
)
def test_stamps_are_at_least_one_and_on_pages(positions: list[Position]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_positions(positions)
    assert caught.value.reason == "STAMP_POSITION"


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
