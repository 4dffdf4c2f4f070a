"""What makers spell in several ways, each of one meaning: boxes, algorithms, digests in a list."""

from __future__ import annotations

import re

import pytest

from seal import der, suites
from seal.model import Check, Indication, Verdict
from seal.verify import assess
from tests.builders import makers
from tests.builders.forging import JUDGED, Bench, made_anew
from tests.builders.makers import Habit, made
from tests.builders.ofd import NOW, pack, plain_ofd, unpack, world
from tests.builders.ses import rebuilt
from tests.builders.signed_data import Form


def _judged(data: bytes) -> Verdict:
    return assess(data, store=world().store(), now=NOW)


def _check(data: bytes, name: str) -> Check:
    return next(check for check in _judged(data).all_checks() if check.name == name)


def _with_box(monkeypatch: pytest.MonkeyPatch, box: str) -> bytes:
    """A document whose stamp is written so, and signed so."""
    write = makers._signature_xml

    def rewritten(files: dict[str, bytes], habit: Habit) -> bytes:
        return re.sub(rb'Boundary="[^"]*"', f'Boundary="{box}"'.encode(), write(files, habit))

    monkeypatch.setattr(makers, "_signature_xml", rewritten)
    return made(Habit())


@pytest.mark.parametrize(
    "box",
    [
        "3.3000000000000003 220 42 42",
        "1.0E-4 220 42 42",
        "1.4E2 220 42.0 42",
        "140. 220 .42e2 42",
        "+140 220\n 42\t42",
        "-0.0 220 42 42",
        "140.12345678901234567 220 42 42",
    ],
)
def test_box_as_programs_print_doubles(monkeypatch: pytest.MonkeyPatch, box: str) -> None:
    assert _judged(_with_box(monkeypatch, box)).indication is Indication.PASSED


@pytest.mark.parametrize(
    "box",
    [
        "NaN 220 42 42",
        "INF 220 42 42",
        "1_0 220 42 42",
        "140,220,42,42",
        "1e9 220 42 42",
        "1e400 220 42 42",
        "140 220 42",
        "140 220 42 42 42",
        ". 220 42 42",
        "1" * 18 + " 220 42 42",
        "１４０ 220 42 42",
    ],
)
def test_box_that_is_none(monkeypatch: pytest.MonkeyPatch, box: str) -> None:
    verdict = _judged(_with_box(monkeypatch, box))
    assert (verdict.indication, verdict.reason) == (Indication.FAILED, "OFD_STRUCTURE")


@pytest.mark.parametrize("box", ["0 0 210.00000000000003 2.97E2", "0. 0 +210 297."])
def test_page_as_programs_print_doubles(box: str) -> None:
    files = unpack(plain_ofd())
    name = "Doc_0/Document.xml"
    files[name] = re.sub(
        rb"(<ofd:PhysicalBox>)[^<]*", rb"\g<1>" + box.encode(), files[name], count=1
    )
    assert _judged(made(Habit(), pack(files))).indication is Indication.PASSED


@pytest.mark.parametrize("sign", [None, Form()], ids=["Seal", "Sign"])
@pytest.mark.parametrize(
    "method", ["SM2", "SM3withSM2", "sm2-with-sm3", suites.SM2_CURVE_OID, "1.2.156.10197.1.301.1"]
)
def test_algorithm_by_name_or_by_another_number(method: str, sign: Form | None) -> None:
    data = made(Habit(method=method, sign=sign))
    check = _check(data, "signature_format")
    assert (check.indication, check.notice) == (Indication.PASSED, False)


@pytest.mark.parametrize("sign", [None, Form()], ids=["Seal", "Sign"])
def test_no_algorithm_is_told(sign: Form | None) -> None:
    check = _check(made(Habit(method="", sign=sign)), "signature_format")
    assert (check.indication, check.notice) == (Indication.PASSED, True)
    assert "SignatureMethod" in check.detail
    assert "签名算法" in check.detail_zh


@pytest.mark.parametrize("method", ["SM9", "RSA", suites.ECDSA_SHA256_OID, "1.2.156.10197.1.302"])
def test_algorithm_of_another_kind(method: str) -> None:
    check = _check(made(Habit(method=method)), "signature_format")
    assert check.indication is Indication.FAILED


# --- a seal's list of digests ----------------------------------------------------------------


def _listing(name: str, by: str) -> Check:
    """What is said of the signer by a seal that lists it so."""
    made_up = Bench()
    value = suites.digest(by, made_up.signer.certificate)
    pair = der.sequence(der.text(der.PRINTABLE_STRING, name), der.octets(value))
    seal = rebuilt((0, 2, 2), der.integer(2), made_up.good_seal)
    data = made_up.sealed(seal=made_anew(made_up, rebuilt((0, 2, 3), der.sequence(pair), seal)))
    verdict = assess(data, store=made_up.store(), now=JUDGED)
    return next(check for check in verdict.all_checks() if check.name == "signer_listed")


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("sm3", suites.SM3_OID),
        (f"{suites.SM3_OID}.1", suites.SM3_OID),
        ("SHA-256", suites.SHA256_OID),
        ("SHA256", suites.SHA256_OID),
        (suites.SHA256_OID, suites.SHA256_OID),
        ("sha-512", suites.SHA512_OID),
    ],
)
def test_signer_by_a_digest_of_that_name(name: str, by: str) -> None:
    assert _listing(name, by).indication is Indication.PASSED


@pytest.mark.parametrize("name", ["ROT13", "MD5", "SHA-1", ""])
def test_signer_by_a_digest_that_nobody_knows(name: str) -> None:
    check = _listing(name, suites.SM3_OID)
    assert (check.indication, check.reason) == (
        Indication.INDETERMINATE,
        "SIGNER_DIGEST_UNKNOWN",
    )


def test_signer_by_the_digest_of_another() -> None:
    assert _listing("SHA-256", suites.SM3_OID).indication is Indication.FAILED
