"""Verdicts on seals and their signers: as of the signing, and of seals by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from seal.model import Indication
from seal.trust import Revocation, TrustStore, issue_crl, parse_certificate
from seal.verify import assess_seal
from tests.builders.ofd import (
    BEGIN,
    END,
    NOW,
    SEALED_AT,
    later,
    plain_ofd,
    seal_ofd,
    world,
)
from tests.builders.reforged import (
    LIST,
    SEALED,
    SIGN_0,
    forged,
    judged,
    wrong_in,
)

# --- the seal and the signer ----------------------------------------------------------------


def test_swapped_seal_file() -> None:
    other = world().seal(created=later(-60))
    verdict = forged(lambda f: f.update({SIGN_0 + "Seal.esl": other}))
    assert wrong_in(verdict) == {"seal_match"}


def test_seal_whose_own_signature_is_wrong() -> None:
    here = world()
    seal = here.seal()
    name = "示范县行政审批局".encode()
    forged = seal.replace(name, "示范县人民检察院".encode(), 1)
    assert forged != seal
    assert wrong_in(judged(seal_ofd(plain_ofd(), seal=forged))) == {"seal_signature"}


def test_seal_made_by_nobody_we_trust() -> None:
    """Self-made maker, same picture, same name: everything else about it is right."""
    from seal.trust import issue_certificate

    here = world()
    own = issue_certificate(
        issuer=here.stranger,
        issuer_certificate=None,
        subject_key=here.stranger.public_key,
        subject={"CN": "示范制章"},
        not_before=BEGIN,
        not_after=END,
    )
    verdict = judged(
        seal_ofd(plain_ofd(), seal=here.seal(maker=here.stranger, maker_certificate=own))
    )
    assert verdict.reason == "NO_TRUST_ANCHOR"
    open_ones = {c.name for c in verdict.all_checks() if c.indication is Indication.INDETERMINATE}
    assert open_ones == {"seal_maker_certificate"}


@pytest.mark.parametrize(
    "dates",
    [
        {"end": SEALED_AT - timedelta(days=1)},
        {"begin": SEALED_AT + timedelta(days=1)},
    ],
)
def test_seal_not_in_force_when_signing(dates: dict[str, object]) -> None:
    verdict = judged(seal_ofd(plain_ofd(), seal=world().seal(**dates)))  # type: ignore[arg-type]
    assert wrong_in(verdict) == {"seal_in_force"}
    assert verdict.reason == "SEAL_NOT_IN_FORCE"


def test_seal_ended_since_is_a_notice() -> None:
    verdict = judged(seal_ofd(plain_ofd(), seal=world().seal(end=later(60))))
    assert verdict.indication is Indication.PASSED
    assert next(c for c in verdict.all_checks() if c.name == "seal_in_force").notice


def test_signer_not_listed() -> None:
    here = world()
    sealed = seal_ofd(plain_ofd(), signer=here.stranger, certificate=here.stranger_certificate)
    assert wrong_in(judged(sealed)) == {"signer_listed"}


def test_wrong_key() -> None:
    assert wrong_in(judged(seal_ofd(plain_ofd(), signer=world().stranger))) == {
        "document_signature"
    }


def test_signed_before_the_seal_was_made() -> None:
    seal = world().seal(created=SEALED_AT + timedelta(days=1))
    assert wrong_in(judged(seal_ofd(plain_ofd(), seal=seal))) == {"signing_time"}


def test_signed_in_the_future() -> None:
    verdict = judged(seal_ofd(plain_ofd(), signed_at=NOW + timedelta(days=1)))
    assert wrong_in(verdict) == {"signing_time"}


def test_signature_moved_to_another_place() -> None:
    def move(files: dict[str, bytes]) -> None:
        files["Doc_0/Signs/Sign_5/Signature.xml"] = files.pop(SIGN_0 + "Signature.xml")
        files[LIST] = files[LIST].replace(b"Sign_0", b"Sign_5")

    assert wrong_in(forged(move)) == {"property_info"}


def _with_certificate(begin: int, end: int) -> bytes:
    """Sealed by a certificate valid from and to so many days from the sealing."""
    here = world()
    certificate = here.issue(
        here.signer.public_key,
        "示范县行政审批局",
        SEALED_AT + timedelta(days=begin),
        SEALED_AT + timedelta(days=end),
    )
    return seal_ofd(plain_ofd(), seal=here.seal(listed=(certificate,)), certificate=certificate)


@pytest.mark.parametrize(
    ("begin", "end", "reason"),
    [(-9, -1, "CERTIFICATE_EXPIRED"), (1, 9, "CERTIFICATE_NOT_YET_VALID")],
)
def test_certificate_not_valid_when_signing(begin: int, end: int, reason: str) -> None:
    verdict = judged(_with_certificate(begin, end))
    assert wrong_in(verdict) == {"signer_certificate"}
    assert verdict.reason == reason


def test_certificate_expired_since_is_a_notice() -> None:
    verdict = judged(_with_certificate(-9, 9))
    assert verdict.indication is Indication.PASSED
    told = next(c for c in verdict.all_checks() if c.name == "signer_certificate")
    assert told.notice
    assert "expired since" in told.detail


@pytest.mark.parametrize(
    ("who", "name"), [("certificate", "signer_certificate"), ("maker", "seal_maker_certificate")]
)
@pytest.mark.parametrize(("days", "bad"), [(-200, True), (1, False)])
def test_revoked_before_and_after(who: str, name: str, days: int, bad: bool) -> None:
    here = world()
    certificate = here.certificate if who == "certificate" else here.maker_certificate
    crl = issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=later(24 * 60 * 2),
        next_update=END,
        number=1,
        revoked=[
            Revocation(
                serial=parse_certificate(certificate).serial, at=SEALED_AT + timedelta(days=days)
            )
        ],
    )
    verdict = judged(SEALED, TrustStore(anchors=here.store().anchors, crls=(crl,)))
    told = next(c for c in verdict.all_checks() if c.name == name)
    if bad:
        assert wrong_in(verdict) == {name}
        assert verdict.reason == "CERTIFICATE_REVOKED"
    else:
        assert verdict.indication is Indication.PASSED
        assert told.notice
        assert "revoked since" in told.detail


def test_certificate_that_may_not_sign() -> None:
    from seal.trust import issue_certificate

    here = world()
    certificate = issue_certificate(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        subject_key=here.signer.public_key,
        subject={"CN": "示范"},
        not_before=BEGIN,
        not_after=END,
        key_usage=("key_agreement",),
    )
    sealed = seal_ofd(plain_ofd(), seal=here.seal(listed=(certificate,)), certificate=certificate)
    verdict = judged(sealed)
    assert wrong_in(verdict) == {"signer_certificate"}
    assert verdict.reason == "KEY_USAGE"


# --- seals by themselves --------------------------------------------------------------------


def test_seal_by_itself() -> None:
    here = world()
    good = assess_seal(here.seal(), store=here.store(), now=NOW)
    assert good.indication is Indication.PASSED
    ended = assess_seal(here.seal(end=later(0)), store=here.store(), now=NOW)
    assert ended.reason == "SEAL_NOT_IN_FORCE"
    assert wrong_in(assess_seal(b"\x30\x00", store=here.store(), now=NOW)) == {"seal_format"}


def test_seal_from_the_future() -> None:
    here = world()
    seal = here.seal(created=NOW + timedelta(days=1))
    assert wrong_in(assess_seal(seal, store=here.store(), now=NOW)) == {"seal_creation"}
