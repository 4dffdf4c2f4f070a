"""Who covers another signature is later: as proved, as both say, as far as makers' clocks go."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from seal import ses
from seal.model import Check, Indication, Verdict
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.verify import assess
from tests.builders.forging import JUDGED, SEALED, Bench
from tests.builders.ofd import pack

BENCH = Bench()
STORE = BENCH.store()
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
EARLIER = "SIGNED_BEFORE_EARLIER_SIGNATURE"
PROVED = BENCH.sealed(stamp=BENCH.stamp(SEALED + 30 * MINUTE))


def judge(document: bytes) -> Verdict:
    return assess(document, store=STORE, now=JUDGED)


def second(first: bytes, at: datetime) -> Check:
    verdict = judge(BENCH.sealed(first, at=at))
    assert verdict.signatures[0].indication is Indication.PASSED
    (found,) = (one for one in verdict.signatures[-1].checks if one.name == "signing_time")
    return found


@pytest.mark.parametrize("before", [-HOUR, timedelta(0), 5 * MINUTE])
def test_who_signs_later_says_so_but_for_clocks(before: timedelta) -> None:
    found = second(BENCH.sound, SEALED - before)
    assert (found.indication, found.notice) == ("PASSED", False)


@pytest.mark.parametrize("before", [6 * MINUTE, 8 * HOUR])
def test_local_time_written_as_utc_is_told(before: timedelta) -> None:
    found = second(BENCH.sound, SEALED - before)
    assert (found.indication, found.notice) == ("PASSED", True)
    assert "from before the signature s001 that it covers" in found.detail
    assert "早于其所覆盖的签章 s001" in found.detail_zh


@pytest.mark.parametrize("before", [8 * HOUR + 6 * MINUTE, timedelta(days=100)])
def test_no_zone_makes_it_so_much_earlier(before: timedelta) -> None:
    found = second(BENCH.sound, SEALED - before)
    assert (found.indication, found.reason) == ("FAILED", EARLIER)
    assert found.subject == "s002"


def test_what_a_time_stamp_proves_leaves_the_clocks_only() -> None:
    assert second(PROVED, SEALED + 25 * MINUTE).indication is Indication.PASSED
    found = second(PROVED, SEALED + 24 * MINUTE)
    assert (found.indication, found.reason) == ("FAILED", EARLIER)
    assert found.detail.endswith("as is proved")


def test_each_of_those_covered_counts() -> None:
    twice = BENCH.sealed(BENCH.sound, at=SEALED + 48 * HOUR)
    found = second(twice, SEALED + HOUR)
    assert (found.indication, found.reason) == ("FAILED", EARLIER)
    assert "s002" in found.detail


def test_a_bad_signature_is_no_measure() -> None:
    late = BENCH.sealed(at=JUDGED + 48 * HOUR)
    verdict = judge(BENCH.sealed(late))
    wrong = [(one.subject, one.why) for one in verdict.all_checks() if one.indication != "PASSED"]
    assert wrong == [("s001", "SIGNING_TIME")]


_SEEN = re.compile(rb'<ofd:Reference FileRef="/Doc_0/Signs/Sign_0/[^"]*">.*?</ofd:Reference>')


@pytest.mark.parametrize(
    ("before", "told"), [(timedelta(days=60), True), (HOUR, False), (-HOUR, False)]
)
def test_who_did_not_cover_a_later_one_is_told(before: timedelta, *, told: bool) -> None:
    """Who says he was first and covers nothing of the other: the other would have covered him."""
    files = BENCH.files(BENCH.sealed(BENCH.sound, at=SEALED - before))
    folder = "Doc_0/Signs/Sign_1/"
    xml = files[folder + "Signature.xml"] = _SEEN.sub(b"", files[folder + "Signature.xml"])
    tbs = ses.to_be_signed(
        seal=files[folder + "Seal.esl"],
        signed_at=SEALED - before,
        data_hash=digest(SM3_OID, xml),
        property_info=f"/{folder}Signature.xml",
    )
    files[folder + "SignedValue.dat"] = ses.assemble_signature(
        tbs,
        certificate=BENCH.signer.certificate,
        signature=BENCH.signer.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )
    verdict = judge(pack(files))
    assert verdict.indication is Indication.PASSED
    (found,) = (one for one in verdict.signatures[1].checks if one.name == "signing_time")
    assert found.notice is told
    assert not told or found.detail.endswith("which did not see it")
