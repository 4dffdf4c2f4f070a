"""A time-stamp proves when a signature existed, and does not make good what it says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest

from seal.judging.signing_times import before_certificate
from seal.ofd.sign_checks import SignedXml, check_signer_certificate, check_signing_time
from seal.ofd.signed_data import parse_signed_data
from seal.trust import TrustAnchor, TrustStore
from seal.verify import assess
from tests.builders.forging import JUDGED, SEALED, Bench
from tests.builders.signed_data import signed_data

DAY = timedelta(days=1)


@lru_cache(maxsize=1)
def bench() -> Bench:
    return Bench()


def store(recognised: datetime) -> TrustStore:
    """The county's root, trusted since then."""
    made = bench().trust_folder()
    anchors = [
        TrustAnchor(name=name, certificate=one, valid_from=begin)
        for name, one, begin in (
            ("示范根", bench().root.certificate, recognised),
            ("示范时间戳根", bench().time_root.certificate, datetime(2020, 1, 1, tzinfo=UTC)),
        )
    ]
    return TrustStore(
        anchors=tuple(anchors),
        intermediates=(bench().intermediate.certificate,),
        crls=tuple(data for name, data in made.items() if name.startswith("revocation-lists/")),
    )


def test_a_root_trusted_only_since_leaves_an_older_claim_open() -> None:
    signer = bench().signer.certificate
    claimed, proved = SEALED - 9 * DAY, SEALED
    check = before_certificate(
        "signing_time", signer, claimed=claimed, existed_at=proved, store=store(SEALED - DAY)
    )
    assert check is not None
    assert (check.indication, check.reason) == ("INDETERMINATE", "ANCHOR_NOT_YET_TRUSTED")
    assert not check.detail_zh.isascii()


@pytest.mark.parametrize("proved", [None, SEALED - DAY, SEALED, SEALED + DAY])
def test_a_claim_that_can_be_is_let_be(proved: datetime | None) -> None:
    signer, known = bench().signer.certificate, store(SEALED - 90 * DAY)
    found = before_certificate("a", signer, claimed=SEALED, existed_at=proved, store=known)
    assert found is None


def test_a_certificate_that_does_not_read_is_another_check() -> None:
    claimed, known = SEALED - DAY, store(SEALED - 90 * DAY)
    found = before_certificate("a", b"0\x00", claimed=claimed, existed_at=SEALED, store=known)
    assert found is None


def test_the_certificate_of_an_hour_later() -> None:
    """Sealed and stamped within minutes, by a certificate that begins between the two."""
    late = bench().issued("示范县行政审批局", not_before=SEALED + timedelta(minutes=1))
    seal = bench().seal(cert_list=(late.certificate,))
    document = bench().sealed(seal=seal, by=late, stamp=bench().stamp(SEALED + DAY))
    verdict = assess(document, store=store(datetime(2020, 1, 1, tzinfo=UTC)), now=JUDGED)
    assert verdict.reason == "SIGNED_BEFORE_CERTIFICATE"


@pytest.mark.parametrize("begin", [SEALED - DAY, SEALED + DAY])
def test_a_signature_without_a_seal_is_asked_the_same(begin: datetime) -> None:
    signer = bench().issued("示范县行政审批局", not_before=begin)
    value = parse_signed_data(signed_data(b"<a/>", (signer.signer, signer.certificate)))
    one = value.signers[0]
    stamped = replace(one, stamps=(bench().stamp(SEALED + 2 * DAY)(one.signature),))
    asked = SignedXml(
        value=replace(value, signers=(stamped,)),
        document=b"<a/>",
        date_time=f"{SEALED:%Y%m%d%H%M%SZ}",
        method="",
        store=store(SEALED - 90 * DAY),
        now=JUDGED,
    )
    reason = "SIGNED_BEFORE_CERTIFICATE" if begin > SEALED else ""
    assert check_signing_time(asked, stamped).reason == reason
    assert check_signer_certificate(asked, stamped).indication == "PASSED"
