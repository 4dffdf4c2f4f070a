"""Codes, the order of the checks, what a verifier is told, and the bound on wrong codes."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date, timedelta

import pytest

from licenses.checks import DocumentVerdict
from licenses.model import LicenseState
from licenses.presentations.model import (
    Refusal,
    chosen_fields,
    code_digest,
    describe,
    lifetime,
    refusal_of,
    show_code,
    uses,
)
from runtime.errors import InvalidArgument
from tests.builders.licenses import BUREAU, NOW, a_license, a_presentation

GOOD = DocumentVerdict(passed=True, intact=True, detail="good", detail_zh="好")
BANK = "departments/bank"


def test_a_code_is_read_however_it_is_written() -> None:
    code = show_code(secrets.token_bytes(16))
    assert len(code) == 30
    digest = code_digest(code)
    assert digest is not None
    assert len(digest) == 32
    assert code_digest(code.lower().replace("-", " ")) == digest
    assert code_digest(code.replace("-", "").replace("0", "O").replace("1", "l")) == digest


def test_codes_are_injective_at_the_ends() -> None:
    assert show_code(b"\0" * 16).replace("-", "") == "0" * 26
    assert show_code(b"\xff" * 16).replace("-", "") == "7" + "Z" * 25
    assert show_code(b"\0" * 15 + b"\x20").replace("-", "") == "0" * 24 + "10"


@pytest.mark.parametrize("text", ["", "x", "8" + "0" * 25, "0" * 25, "0" * 27, "U" * 26, "0" * 99])
def test_what_is_no_code_has_no_digest(text: str) -> None:
    assert code_digest(text) is None


def _refusal(*, verifier: str = BANK, document: DocumentVerdict | None = GOOD, **of: object):
    license_ = of.get("license_", a_license())
    presentation = of.get("presentation", a_presentation())
    now = of.get("now", NOW)
    return refusal_of(presentation, license_, verifier=verifier, now=now, document=document)


@pytest.mark.parametrize(
    ("of", "refusal"),
    [
        ({}, None),
        ({"presentation": None}, "CODE_UNKNOWN"),
        ({"license_": None}, "CODE_UNKNOWN"),
        ({"license_": a_license(state=LicenseState.ISSUING)}, "CODE_UNKNOWN"),
        ({"presentation": a_presentation(audience=BUREAU)}, "WRONG_AUDIENCE"),
        ({"presentation": a_presentation(audience=BANK)}, None),
        ({"presentation": a_presentation(ended=True)}, "PRESENTATION_ENDED"),
        ({"now": NOW + timedelta(seconds=299)}, None),
        ({"now": NOW + timedelta(seconds=300)}, "CODE_EXPIRED"),
        ({"presentation": a_presentation(max_uses=2, uses=1)}, None),
        ({"presentation": a_presentation(max_uses=2, uses=2)}, "CODE_USED_UP"),
        ({"license_": a_license(state=LicenseState.REVOKED)}, "LICENSE_REVOKED"),
        ({"license_": a_license(state=LicenseState.CANCELLED)}, "LICENSE_CANCELLED"),
        ({"license_": a_license(state=LicenseState.SUSPENDED)}, "LICENSE_SUSPENDED"),
        ({"license_": a_license(state=LicenseState.SUPERSEDED)}, "LICENSE_SUPERSEDED"),
        ({"license_": a_license(state=LicenseState.TRANSFERRED)}, "LICENSE_TRANSFERRED"),
        ({"license_": a_license(state=LicenseState.ABANDONED)}, "CODE_UNKNOWN"),
        ({"license_": a_license(valid_to=date(2026, 11, 20))}, "LICENSE_EXPIRED"),
        ({"license_": a_license(valid_from=date(2026, 11, 22))}, "LICENSE_NOT_YET_VALID"),
        ({"document": None}, "DOCUMENT_NOT_VERIFIED"),
        (
            {"document": DocumentVerdict(passed=False, intact=True, detail="", detail_zh="")},
            "DOCUMENT_NOT_VERIFIED",
        ),
        (
            {"document": DocumentVerdict(passed=True, intact=False, detail="", detail_zh="")},
            "METADATA_CHANGED",
        ),
    ],
)
def test_each_refusal(of: dict[str, object], refusal: str | None) -> None:
    assert _refusal(**of) == refusal  # type: ignore[arg-type]


def test_the_first_failing_check_is_told() -> None:
    everything = a_presentation(audience=BUREAU, ended=True, max_uses=1, uses=1)
    revoked = a_license(state=LicenseState.REVOKED)
    assert _refusal(presentation=everything, license_=revoked) == "WRONG_AUDIENCE"
    mine = a_presentation(audience=BANK, ended=True, max_uses=1, uses=1)
    assert _refusal(presentation=mine, license_=revoked) == "PRESENTATION_ENDED"


def test_a_pass_tells_the_chosen_fields_only() -> None:
    told = describe(None, a_presentation(), a_license(), document=GOOD, card_seen=True)
    assert told.fields == {"ZZMC": "就业创业登记证", "CZZT": "赵示例"}
    assert told.state is LicenseState.ACTIVE
    assert [c.name for c in told.checks] == [
        "code_known",
        "verifier_named",
        "presentation_live",
        "uses_left",
        "purpose_fits",
        "holder",
        "license_state",
        "validity_period",
        "metadata_unchanged",
        "document_seal",
    ]
    assert all(c.passed for c in told.checks)


def test_a_delegation_is_checked_where_there_is_one() -> None:
    def asked(refusal: Refusal | None) -> bool:
        told = describe(refusal, a_presentation(delegation="d"), a_license(), document=GOOD)
        return "delegation_open" in [one.name for one in told.checks]

    assert asked(None)
    assert asked(Refusal.LICENSE_REVOKED)
    assert asked(Refusal.DELEGATION_ENDED)
    assert not asked(Refusal.WRONG_PURPOSE)  # the code opens nothing: who gave it is not told


def test_the_identifier_is_told_where_it_was_chosen() -> None:
    """By it a verifier would know the license again, and ask for all of it."""
    assert describe(None, a_presentation(), a_license(), document=GOOD).identifier == ""
    chosen = a_presentation(fields=("ZZMC", "ZZBS"))
    for refusal in (None, Refusal.LICENSE_REVOKED):
        told = describe(refusal, chosen, a_license(), document=GOOD)
        assert told.identifier == a_license().identifier


def test_a_card_is_compared_where_one_was_seen() -> None:
    for fits, refusal in ((None, None), (True, None), (False, "HOLDER_DIFFERS")):
        found = refusal_of(
            a_presentation(), a_license(), verifier=BANK, now=NOW, document=GOOD, card_fits=fits
        )
        assert found == refusal
    told = describe(None, a_presentation(), a_license(), document=GOOD, card_seen=True)
    assert [one.passed for one in told.checks if one.name == "holder"] == [True]
    assert "not compared" not in told.summary
    # Where none was seen, whoever has the code would pass: so that is told.
    for refusal in (None, Refusal.LICENSE_REVOKED):
        told = describe(refusal, a_presentation(), a_license(), document=GOOD)
        (card,) = [one for one in told.checks if one.name == "holder"]
        assert (card.passed, card.detail in told.summary) == (None, refusal is None)


def test_what_it_was_shown_for_is_told_on_a_pass_only() -> None:
    shown = a_presentation(purpose="办理公积金提取")
    for refusal, purpose in ((None, "办理公积金提取"), (Refusal.LICENSE_REVOKED, "")):
        told = describe(refusal, shown, a_license(), document=GOOD, purpose="审核")
        assert told.shown_for == purpose
    # A visitor who said no purpose is told the holder's, and that it was compared with nothing.
    told = describe(None, shown, a_license(), document=GOOD)
    assert "purpose_words" not in [one.name for one in told.checks]
    bound = replace(shown, purpose_bound=True)
    told = describe(
        None, bound, a_license(), document=GOOD, purpose="办理公积金提取", card_seen=True
    )
    assert all(one.passed for one in told.checks)


def test_a_purpose_is_compared_by_its_letters_and_digits() -> None:
    bound = a_presentation(purpose="办理公积金提取", purpose_bound=True)
    loose = replace(bound, purpose_bound=False)
    for said, refusal in (
        ("办理公积金提取", None),
        ("办理 公积金提取。", None),
        ("办理公积金贷款", "WRONG_PURPOSE"),
        ("", "WRONG_PURPOSE"),
    ):
        for one, told in ((bound, refusal), (loose, None)):
            found = refusal_of(
                one, a_license(), verifier=BANK, now=NOW, document=GOOD, purpose=said
            )
            assert found == told


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal.WRONG_AUDIENCE,
        Refusal.DELEGATION_ENDED,
        Refusal.PRESENTATION_ENDED,
        Refusal.CODE_EXPIRED,
        Refusal.CODE_USED_UP,
        Refusal.WRONG_PURPOSE,
        Refusal.HOLDER_DIFFERS,
    ],
)
def test_a_code_that_opens_nothing_tells_nothing(refusal: Refusal) -> None:
    told = describe(refusal, a_presentation(), a_license(), document=GOOD)
    assert (told.state, told.identifier, told.type_name, dict(told.fields)) == (None, "", "", {})
    assert not told.checks[-1].passed


def test_a_revoked_license_tells_since_when_and_no_field() -> None:
    license_ = a_license(state=LicenseState.REVOKED, state_time=NOW + timedelta(hours=1))
    told = describe(Refusal.LICENSE_REVOKED, a_presentation(), license_, document=GOOD)
    assert told.summary == "the license is revoked since 2026-11-21 13:00:00 (China time)"
    assert "吊销" in told.summary_zh
    assert told.state is LicenseState.REVOKED
    assert told.state_time == license_.state_time
    assert told.identifier == ""
    assert not told.fields


@pytest.mark.parametrize("refusal", list(Refusal))
def test_every_refusal_has_a_failed_check_and_a_summary(refusal: Refusal) -> None:
    license_ = a_license(state=LicenseState.SUSPENDED)
    told = describe(refusal, a_presentation(), license_, document=GOOD)
    assert [c.passed for c in told.checks].count(False) == 1
    assert told.summary
    assert told.summary_zh


def test_bounds_of_a_presentation() -> None:
    assert lifetime(0) == timedelta(seconds=300)
    assert lifetime(86_400) == timedelta(days=1)
    assert uses(0) == 1
    for wrong in (-1, 86_401):
        with pytest.raises(InvalidArgument, match="lifetime"):
            lifetime(wrong)
    for wrong in (-1, 10_001):
        with pytest.raises(InvalidArgument, match="max_uses"):
            uses(wrong)


def test_fields_are_keys_of_the_metadata_each_once() -> None:
    metadata = a_license().metadata
    assert chosen_fields(["CZZT", "ZZMC", "CZZT"], metadata) == ("CZZT", "ZZMC")
    for wrong in ([], ["CZZT", "nonsense"], [f"nonsense{n}" for n in range(100_000)]):
        with pytest.raises(InvalidArgument) as told:
            chosen_fields(wrong, metadata)
        assert "nonsense" not in str(told.value)
        assert 0 < len(told.value.violations) <= 100
