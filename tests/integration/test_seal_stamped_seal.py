"""A seal of version 5 with a time-stamp of a real authority (OpenSSL), and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from seal import der, ses, trust
from seal.judging.seal_checks import check_time_stamp
from seal.pki.timestamp import TimestampClient
from seal.verify import assess_seal
from tests.builders.seal_pki import BEGIN, pki, seal_spec
from tests.builders.tsa import authority


@pytest.fixture(scope="module")
def tsa():
    with authority() as here:
        yield here


@pytest.fixture(scope="module")
def stamped(tsa):
    made = pki()
    return ses.make_seal(
        seal_spec(made.signer.certificate, version=5),
        maker=made.maker.signer,
        maker_certificate=made.maker.certificate,
        timestamper=TimestampClient(tsa.url, anchors=[tsa.root]),
    )


@pytest.fixture
def store(tsa):
    anchor = trust.TrustAnchor(
        name="时间戳",
        certificate=tsa.root,
        valid_from=datetime(2000, 1, 1, tzinfo=UTC),
        purposes=trust.FOR_TIME,
    )
    plain = pki().store()
    return trust.TrustStore(
        anchors=(*plain.anchors, anchor),
        intermediates=plain.intermediates,
        crls=[pki().crl(at=BEGIN)],
    )


def now():
    return datetime.now(UTC)


def test_a_good_time_stamp_passes(stamped, store):
    check = check_time_stamp(ses.parse_seal(stamped), store, now())
    assert check.indication == "PASSED"
    assert str(now().year) in check.detail
    assert assess_seal(stamped, store=store, now=now()).indication == "PASSED"


def test_one_by_an_authority_nobody_trusts_is_open(stamped):
    check = check_time_stamp(ses.parse_seal(stamped), pki().store(), now())
    assert (check.indication, check.reason) == ("INDETERMINATE", "TIME_STAMP_NOT_TRUSTED")


def test_one_of_another_seal_fails(tsa, stamped, store):
    other = TimestampClient(tsa.url, anchors=[tsa.root]).stamp(b"another signature")
    parts = [one.raw for one in der.children(stamped)[:4]]
    moved = der.sequence(*parts, der.tlv(0xA0, der.bits(other)))
    check = check_time_stamp(ses.parse_seal(moved), store, now())
    assert check.indication == "FAILED"
    assert assess_seal(moved, store=store, now=now()).indication == "FAILED"


def test_one_from_before_the_seal_fails(stamped, store):
    later = replace(ses.parse_seal(stamped), created=now() + timedelta(days=1))
    assert check_time_stamp(later, store, now()).indication == "FAILED"


def test_one_that_is_none_fails(stamped, store):
    parts = [one.raw for one in der.children(stamped)[:4]]
    wrong = ses.parse_seal(der.sequence(*parts, der.tlv(0xA0, der.bits(b"token"))))
    assert check_time_stamp(wrong, store, now()).indication == "FAILED"
