"""What an endorsed copy says, and when it serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from licenses.checks import RECEIVER_IN_WORDS
from licenses.copies.model import (
    KEYS,
    EndorsedCopy,
    check_valid_to,
    endorsement_of,
    metadata_with,
    without_endorsement,
)
from licenses.model import LicenseFormat, LicenseState
from licenses.presentations.model import Then
from licenses.verifying.files import without_binding
from licenses.verifying.model import Subject, conclude, copy_refusal, receiver_step
from runtime.clock import CHINA
from runtime.errors import InvalidArgument
from tests.builders.licenses import BUREAU, NOW, a_license

BANK = "departments/housing-fund"
TODAY = date(2026, 11, 21)
COPY = EndorsedCopy(
    id="c" * 24,
    license_id=a_license().id,
    form=LicenseFormat.OFD,
    sha256="ab" * 32,
    original_sha256="cd" * 32,
    purpose="办理公积金提取",
    receiver="示范县住房公积金中心",
    maker="示范县人力资源和社会保障局",
    valid_to=TODAY,
    make_time=NOW,
)


def test_an_endorsement_is_read_back_whole_or_not_at_all() -> None:
    metadata = a_license().metadata
    said = metadata_with(COPY, metadata)
    found = endorsement_of(said)
    assert found
    assert (found.purpose, found.receiver, found.valid_to) == (COPY.purpose, COPY.receiver, TODAY)
    assert without_endorsement(said) == dict(metadata)
    assert endorsement_of(metadata) is None
    for changes in (
        {"JZJYXQJZSJ": "soon"},
        {"JZJYXQJZSJ": 20261121},
        {"JZJZZSY": None},
        {"JZJJSDW": ["x"]},
    ):
        with pytest.raises(InvalidArgument) as told:
            endorsement_of({**said, **changes})  # type: ignore[dict-item]
        assert told.value.reason == "COPY_UNREADABLE"
    for key in KEYS:
        if key != "JZJZZSJ":
            with pytest.raises(InvalidArgument):
                endorsement_of({one: value for one, value in said.items() if one != key})


@pytest.mark.parametrize(
    ("changes", "purpose", "delegation_open", "reason"),
    [
        ({}, "办理公积金提取", True, None),
        ({}, "办理 公积金提取。", True, None),
        ({}, "办理贷款", True, "COPY_FOR_OTHER_PURPOSE"),
        ({}, None, True, None),
        ({"valid_to": TODAY - timedelta(days=1)}, None, True, "COPY_ENDED"),
        ({"end_time": NOW}, None, True, "COPY_WITHDRAWN"),
        ({"end_time": NOW + timedelta(seconds=1)}, None, True, None),
        ({}, None, False, "DELEGATION_ENDED"),
    ],
)
def test_each_reason_against_a_copy(
    changes: dict[str, object], purpose: str | None, delegation_open: bool, reason: str | None
) -> None:
    copy = replace(COPY, **changes)  # type: ignore[arg-type]
    assert copy_refusal(copy, purpose, NOW, delegation_open=delegation_open) == reason


def test_a_receiver_is_compared_as_far_as_the_copy_says() -> None:
    named = replace(COPY, receiver_department=BANK)
    assert receiver_step(named, BANK, "") is None
    assert receiver_step(named, BUREAU, COPY.receiver) == "COPY_FOR_OTHER_RECEIVER"
    assert receiver_step(named, "", "") == "COPY_FOR_OTHER_RECEIVER"
    assert receiver_step(COPY, BANK, COPY.receiver) is None
    assert receiver_step(COPY, BANK, "公积金中心") is RECEIVER_IN_WORDS
    assert receiver_step(COPY, "", "") is RECEIVER_IN_WORDS


def test_a_copy_outlives_neither_license_nor_delegation() -> None:
    license_ = a_license(valid_to=TODAY + timedelta(days=30))
    until = NOW + timedelta(days=10)
    # A delegation whose last day is the tenth ends when the eleventh begins, in China.
    midnight = datetime.combine(TODAY + timedelta(days=11), time.min, CHINA)
    assert check_valid_to(TODAY + timedelta(days=30), license_, NOW)
    assert check_valid_to(TODAY + timedelta(days=10), license_, NOW, until)
    for day, end in ((31, None), (11, until), (11, midnight), (-1, None)):
        with pytest.raises(InvalidArgument) as told:
            check_valid_to(TODAY + timedelta(days=day), license_, NOW, end)
        assert told.value.reason == "BAD_COPY_END"


def test_a_copy_says_nothing_of_a_time_before_it_was_made() -> None:
    before = NOW - timedelta(seconds=1)
    assert copy_refusal(COPY, COPY.purpose, before, delegation_open=True) == "COPY_MADE_LATER"
    assert copy_refusal(COPY, COPY.purpose, NOW, delegation_open=True) is None


def test_of_a_time_it_is_said_what_was_then_and_what_is_now() -> None:
    """A license that was revoked since was in force then, and is not now."""
    revoked = a_license(state=LicenseState.REVOKED, state_time=NOW)
    then = Then(at=NOW - timedelta(minutes=1), state=LicenseState.ACTIVE, now=NOW)
    for license_, now in (
        (revoked, "now: the license is revoked since 2026-11-21 12:00:00 (China time)"),
        (a_license(), "now: it is in force"),
    ):
        told = conclude(Subject.FILE, [("license_state", None)], license_, then=then)
        was = "the license was in force at 2026-11-21 11:59:00 (China time)"
        assert told.summary == f"{was}; {now}"
        assert told.summary_zh.startswith("证照在 2026-11-21 11:59:00 处于有效状态；现在：")


def test_the_proof_of_a_wallets_key_is_told_from_its_credential() -> None:
    assert without_binding(b"eyJ.a.b~one~eyJ.c.d") == b"eyJ.a.b~one~"
    for whole in (b"eyJ.a.b~one~", b"eyJ.a.b~one", b"%PDF-~a.b.c"):
        assert without_binding(whole) is whole
