"""What is told of a PDF's signature value, and what the time-stamps around it prove."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

import pytest

from seal import der
from seal.model import Check, Indication, Verdict
from seal.pdf import cms
from seal.trust import (
    FOR_TIME,
    Revocation,
    RevocationPolicy,
    TrustAnchor,
    TrustStore,
    issue_certificate,
    issue_crl,
    parse_certificate,
)
from seal.verify import assess
from tests.builders.forging_pdf import JUDGED, SEALED, PdfBench
from tests.builders.seal_pki import BEGIN, END, issue
from tests.builders.tokens import bent, stamping, unsigned


@lru_cache(maxsize=1)
def bench() -> PdfBench:
    return PdfBench()


def _store(*lists: bytes, policy: RevocationPolicy | None = None) -> TrustStore:
    here = bench()
    own = [data for name, data in here.trust_folder().items() if name.endswith(".crl")]
    return TrustStore(
        anchors=(
            TrustAnchor(name="r", certificate=here.root.certificate, valid_from=BEGIN),
            TrustAnchor(
                name="t", certificate=here.time_root.certificate, valid_from=BEGIN,
                purposes=FOR_TIME, policy=policy,
            ),
        ),
        intermediates=(here.intermediate.certificate,),
        crls=(*own[:2], *(lists or own[2:])),
    )  # fmt: skip


def _judge(data: bytes, store: TrustStore | None = None) -> Verdict:
    return assess(data, store=store or _store(), now=JUDGED)


def _check(verdict: Verdict, name: str) -> Check:
    return next(one for one in verdict.all_checks() if one.name == name)


def test_a_value_that_is_none_is_told_as_one_of_a_pdf() -> None:
    here = bench()
    check = _check(
        _judge(here.with_value(bent(here.roomy_value, version=9), here.roomy)), "signature_format"
    )
    assert check.indication is Indication.FAILED
    assert "not a SignedData of CMS (RFC 5652): " in check.detail
    assert "GB/T" not in check.detail + check.detail_zh


# --- the signer's certificate is named -------------------------------------------------------


def _unnamed(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Sealed by a maker that leaves signing-certificate-v2 out."""

    def attributes(digest: bytes, *, certificate: bytes) -> bytes:
        del certificate
        return cms._set(
            cms._attribute(cms._CONTENT_TYPE, der.oid(cms._DATA)),
            cms._attribute(cms._MESSAGE_DIGEST, der.octets(digest)),
        )

    monkeypatch.setattr("seal.pdf.cms.signed_attributes", attributes)
    return bench().sealed()


def test_who_names_no_certificate_is_not_pades(monkeypatch: pytest.MonkeyPatch) -> None:
    here = bench()
    data = _unnamed(monkeypatch)
    verdict = _judge(data)
    check = _check(verdict, "signature_format")
    assert verdict.indication is Indication.PASSED
    assert (check.notice, verdict.signatures[0].format) == (True, "PDF_CMS")
    assert "not PAdES: it does not name its signer's certificate" in check.detail
    # So another of the same key stands in its place and nobody can tell: that is what is told.
    twin = issue_certificate(
        issuer=here.intermediate.signer,
        issuer_certificate=here.intermediate.certificate,
        subject_key=here.signer.signer.public_key,
        subject={"C": "CN", "O": "示范县", "CN": "示范县人民政府"},
        not_before=BEGIN,
        not_after=END,
        serial=4711,
    )
    one = next(der.elements(here.value(data))).raw
    signer = der.children(one)[1].members()[0].members()[-1].members()[0].members()
    swapped = cms.signed_data(
        der.tlv(der.SET, signer[3].content),
        signature=signer[5].octets(),
        certificate=twin,
        chain=[here.intermediate.certificate],
    )
    verdict = _judge(here.with_value(swapped, data))
    assert _check(verdict, "signature_format").notice
    assert verdict.signatures[0].format == "PDF_CMS"


# --- two dates, and BER -------------------------------------------------------------------------


def _dated(when: bytes, year: bytes = b"2026") -> Verdict:
    """Sealed with a signingTime inside, and another year in the PDF."""
    here = bench()
    data = here.roomy.replace(rb"(D\0722026", rb"(D\072" + year)
    own = here.signer
    attributes = der.read(
        cms.signed_attributes(here.digest(document=data), certificate=own.certificate)
    ).expect(der.SET)
    at = cms._attribute("1.2.840.113549.1.9.5", der.tlv(der.UTC_TIME, when))
    whole = cms._set(*(one.raw for one in attributes.members()), at)
    value = cms.signed_data(
        whole, signature=own.signer.sign(whole), certificate=own.certificate,
        chain=[here.intermediate.certificate],
    )  # fmt: skip
    return _judge(here.with_value(value, data))


def test_two_dates_that_differ_are_told() -> None:
    at = f"{SEALED:%y%m%d%H%M%S}Z".encode()
    verdict = _dated(at, b"2019")
    check = _check(verdict, "signature_date_time")
    assert verdict.indication is Indication.PASSED
    assert (check.notice, verdict.signatures[0].signed_at) == (True, SEALED)
    assert "M D:2019" in check.against
    near = f"{SEALED + timedelta(hours=8):%y%m%d%H%M%S}Z".encode()
    for same in (_dated(at), _dated(near), _judge(bench().sound)):
        assert "signature_date_time" not in {one.name for one in same.all_checks()}


def test_a_value_in_ber_is_told() -> None:
    here = bench()
    one = next(der.elements(here.roomy_value))
    verdict = _judge(here.with_value(b"\x30\x80" + one.content + b"\x00\x00", here.roomy))
    check = _check(verdict, "signature_encoding")
    assert verdict.indication is Indication.PASSED
    assert check.notice
    assert "the length is indefinite" in check.detail
    sound = _judge(here.sound)
    assert "signature_encoding" not in {one.name for one in sound.all_checks()}


# --- what nobody signed -----------------------------------------------------------------------


def _told(**more: Any) -> Check:
    here = bench()
    verdict = _judge(here.with_value(bent(here.roomy_value, **more), here.roomy))
    assert verdict.indication is Indication.PASSED
    return _check(verdict, "signature_format")


def test_what_is_of_no_use_in_a_value_is_told() -> None:
    here = bench()
    assert not _check(_judge(here.roomy), "signature_format").notice
    check = _told(certificates=[here.revoked.certificate])
    assert check.notice
    assert "1 certificate(s) that are on no path" in check.detail
    values = der.sequence(der.octets(b"of long ago"))
    check = _told(attribute=unsigned("1.2.840.113549.1.9.16.2.24", values))
    assert "attributes that nobody signed" in check.detail
    lists = [data for name, data in here.trust_folder().items() if name.endswith("02.crl")]
    assert not _told(lists=lists).notice, "its own authority's"
    stranger = issue("外省根", None, is_ca=True)
    other = issue_crl(
        issuer=stranger.signer, issuer_certificate=stranger.certificate,
        this_update=BEGIN, next_update=END, number=1, revoked=(),
    )  # fmt: skip
    assert "revocation list(s) of somebody else" in _told(lists=[other]).detail


# --- time-stamps ------------------------------------------------------------------------------


def test_a_document_stamp_proves_nothing_of_what_says_it_is_later() -> None:
    here = bench()
    month = timedelta(days=30)
    good = _judge(here.later_stamped(here.sound, SEALED + month))
    assert _check(good, "document_time").proves == SEALED + month
    early = _judge(here.later_stamped(here.sound, SEALED - month))
    assert early.reason == "TIME_STAMP_TOO_EARLY"
    assert "document_time" not in {one.name for one in early.all_checks()}


def _list(*revoked: Revocation, until: Any = END) -> bytes:
    here = bench()
    return issue_crl(
        issuer=here.time_root.signer, issuer_certificate=here.time_root.certificate,
        this_update=BEGIN, next_update=until, number=2, revoked=revoked,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("why", "holds"),
    [("superseded", True), ("cessation_of_operation", True), ("key_compromise", False),
     ("unspecified", False)],
)  # fmt: skip
def test_authority_revoked_since(why: str, holds: bool) -> None:
    """RFC 3161 §4: tokens outlive a certificate given up in order, and no lost key."""
    here = bench()
    serial = parse_certificate(here.stamper.holder.certificate).serial
    entry = Revocation(serial=serial, at=SEALED + timedelta(days=60), reason=why)
    verdict = _judge(here.roomy, _store(_list(entry)))
    assert verdict.indication is Indication.PASSED
    if holds:
        assert verdict.now.indication is Indication.PASSED
        return
    assert _check(verdict, "time_stamp").notice
    assert (verdict.now.indication, verdict.now.sub_indication) == (
        Indication.INDETERMINATE,
        "REVOKED_NO_POE",
    )
    assert verdict.signatures[0].proved_at is None


def test_until_when_the_authority_is_known_counts_today() -> None:
    here = bench()
    short = _list(until=SEALED + timedelta(days=30))
    now = _judge(here.roomy, _store(short)).now
    assert now.indication is Indication.PASSED
    assert "revocation of the time-stamp authority's certificate is known until" in now.summary
    now = _judge(here.roomy, _store(short, policy=RevocationPolicy(required=True))).now
    assert now.indication is Indication.PASSED, "a proof outlasts the lists of its day"


def test_a_later_document_stamp_proves_an_earlier_one() -> None:
    """An authority whose key was lost between the two has proved what it did before."""
    here = bench()
    serial = parse_certificate(here.stamper.holder.certificate).serial
    lost = Revocation(serial=serial, at=SEALED + timedelta(days=20), reason="key_compromise")
    once = here.later_stamped(here.sound, SEALED + timedelta(days=10))
    other = stamping(here.root, name="示范时间戳乙")
    twice = here.later_stamped(once, SEALED + timedelta(days=15), by=other)
    for document, expected in ((once, ["REVOKED_NO_POE"]), (twice, ["", ""])):
        reports = _judge(document, _store(_list(lost))).signatures
        stamps = [one for one in reports if one.format == "PADES_TIMESTAMP"]
        assert [one.now.sub_indication for one in stamps] == expected
