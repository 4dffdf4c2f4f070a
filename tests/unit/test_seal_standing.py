"""A verdict answers for signing and for today: what ended since, and whether a proof is older."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from seal.model import Check, Indication, SignatureReport, conclude, failed, passed

SIGNED = datetime(2026, 2, 1, 9, tzinfo=UTC)
REVOKED = datetime(2026, 3, 1, tzinfo=UTC)


def _ended(name: str = "signer_certificate", why: str = "CERTIFICATE_REVOKED") -> Check:
    return passed(name, "good then", "当时有效")._replace(ended=REVOKED, ended_why=why)


def _stamp(at: datetime, name: str = "time_stamp") -> Check:
    return passed(name, "proved", "已证明")._replace(proves=at)


def _report(*checks: Check) -> SignatureReport:
    return SignatureReport(
        id="s001", signer="示范签章人", seal_name="示范章", es_id="1", signed_at=SIGNED,
        format="SES_V4", checks=checks,
    )  # fmt: skip


def test_nothing_has_ended() -> None:
    verdict = conclude("OFD", [], [_report(passed("references", "same", "一致"))])
    assert verdict.now.indication is Indication.PASSED
    assert (verdict.now.since, verdict.sub_indication, verdict.reason) == (None, "", "")


def test_revoked_since_and_nothing_proves_the_signature_older() -> None:
    verdict = conclude("OFD", [], [_report(_ended())])
    assert verdict.indication is Indication.PASSED
    assert verdict.now.indication is Indication.INDETERMINATE
    assert (verdict.now.sub_indication, verdict.now.since) == ("REVOKED_NO_POE", REVOKED)
    assert verdict.now.summary == (
        "signature s001: valid when signed by its own word (2026-02-01); the signer's certificate "
        "was revoked on 2026-03-01, and no time-stamp proves that it was signed before"
    )
    assert verdict.now.summary_zh == (
        "签章 s001：按签章自述时间（2026-02-01）有效；签章者证书已于 2026-03-01 被吊销，"
        "没有时间戳证明签章早于此时"
    )


def test_revoked_since_and_a_time_stamp_proves_the_signature_older() -> None:
    now = conclude("OFD", [], [_report(_ended(), _stamp(SIGNED))]).now
    assert (now.indication, now.since) == (Indication.PASSED, REVOKED)


def test_proof_that_is_younger_than_the_end_proves_nothing() -> None:
    now = _report(_ended("seal_maker_certificate"), _stamp(datetime(2026, 4, 1, tzinfo=UTC))).now
    assert (now.indication, now.sub_indication) == (Indication.INDETERMINATE, "REVOKED_NO_POE")
    assert "2026-04-01) is later" in now.summary


def test_proof_whose_own_authority_was_revoked_proves_nothing() -> None:
    lost = _stamp(SIGNED)._replace(ended=REVOKED, ended_why="CERTIFICATE_REVOKED")
    assert _report(_ended(), lost).now.indication is Indication.INDETERMINATE


@pytest.mark.parametrize(
    ("name", "still"), [("seal_maker_certificate", True), ("signer_certificate", False)]
)
def test_stamp_of_a_seal_proves_the_seal_alone(name: str, *, still: bool) -> None:
    now = _report(_ended(name), _stamp(SIGNED, "seal_time_stamp")).now
    assert (now.indication is Indication.PASSED) is still


@pytest.mark.parametrize("why", ["CERTIFICATE_EXPIRED", "SEAL_ENDED", "TRUST_WITHDRAWN"])
def test_what_ran_out_is_out_of_bounds(why: str) -> None:
    assert _report(_ended(why=why)).now.sub_indication == "OUT_OF_BOUNDS_NO_POE"


def test_gravest_end_is_told_first() -> None:
    ran_out = _ended("seal_in_force", "SEAL_ENDED")._replace(
        ended=datetime(2026, 2, 15, tzinfo=UTC)
    )
    now = _report(ran_out, _ended()).now
    assert (now.sub_indication, now.since) == ("REVOKED_NO_POE", REVOKED)


def test_what_was_wrong_then_is_wrong_now() -> None:
    verdict = conclude("OFD", [], [_report(failed("references", "changed", "被修改"), _ended())])
    assert (verdict.now.indication, verdict.now.sub_indication, verdict.now.since) == (
        Indication.FAILED,
        "HASH_FAILURE",
        None,
    )


def test_one_lapsed_signature_leaves_the_document_open() -> None:
    good = _report(_ended(), _stamp(SIGNED))
    verdict = conclude("OFD", [], [good, replace(_report(_ended()), id="s002")])
    assert verdict.now.summary.startswith("signature s002: ")


def test_checks_stand_in_the_order_of_the_standard() -> None:
    names = ("references", "signer_certificate", "seal_signature", "signature_format", "time_stamp")
    report = _report(*(passed(name, "good", "有效") for name in names))
    assert [check.name for check in report.checks] == [
        "signature_format",
        "seal_signature",
        "signer_certificate",
        "references",
        "time_stamp",
    ]


def test_document_without_signature_is_not_signed() -> None:
    verdict = conclude("OFD", [passed("package_format", "reads", "可读取")], [])
    assert (verdict.reason, verdict.sub_indication) == ("NOT_SIGNED", "SIGNED_DATA_NOT_FOUND")


def test_signature_of_which_nothing_was_checked_is_not_passed() -> None:
    verdict = conclude("OFD", [], [_report(passed("references", "same", "一致")), _report()])
    assert (verdict.indication, verdict.reason) == (Indication.INDETERMINATE, "NOT_CHECKED")
    assert verdict.now.indication is Indication.INDETERMINATE
