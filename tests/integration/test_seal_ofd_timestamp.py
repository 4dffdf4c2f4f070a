"""A sealed OFD with the time-stamp of an authority that OpenSSL runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seal.model import Indication, Verdict
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.pki.timestamp import TimestampClient
from seal.ses import parse_signature
from seal.trust import TrustAnchor, TrustStore
from seal.verify import assess
from tests.builders.ofd import BEGIN, CORNER, SIZE, plain_ofd, unpack, world
from tests.builders.ofd_schema import departures
from tests.builders.tsa import Authority, authority

VALUE = "Doc_0/Signs/Sign_0/SignedValue.dat"


@pytest.fixture(scope="module")
def tsa() -> Iterator[Authority]:
    with authority() as here:
        yield here


def _sealed(
    tsa: Authority, *, version: int = 4, stamped: bytes = b"", ahead: timedelta = timedelta(0)
) -> bytes:
    here = world()
    prepared = prepare_ofd(
        plain_ofd(),
        seal=here.seal(version=version),
        placements=[CORNER],
        seal_size_mm=SIZE,
        signed_at=datetime.now(UTC).replace(microsecond=0) + ahead,
    )
    signature = here.signer.sign(prepared.tbs)
    token = TimestampClient(tsa.url, anchors=[tsa.root]).stamp(stamped or signature)
    return finish_ofd(prepared, signature=signature, certificate=here.certificate, timestamp=token)


def _assess(package: bytes, *roots: bytes) -> Verdict:
    anchors = tuple(TrustAnchor(name="tsa", certificate=one, valid_from=BEGIN) for one in roots)
    store = TrustStore(anchors=world().store().anchors + anchors)
    return assess(package, store=store, now=datetime.now(UTC) + timedelta(hours=1))


@pytest.mark.parametrize("version", [4, 5])
def test_time_stamp_is_over_the_signature(tsa: Authority, version: int, tmp_path: Path) -> None:
    package = _sealed(tsa, version=version)
    assert departures(package) == []
    verdict = _assess(package, tsa.root)
    assert verdict.indication is Indication.PASSED
    (check,) = (one for one in verdict.all_checks() if one.name == "time_stamp")
    assert str(datetime.now(UTC).year) in check.detail
    # OpenSSL agrees on what it is over.
    value = parse_signature(unpack(package)[VALUE])
    assert value.timestamp is not None
    (tmp_path / "token").write_bytes(value.timestamp)
    (tmp_path / "signature").write_bytes(value.signature)
    (tmp_path / "root").write_bytes(tsa.root)
    pem = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "root"],
        check=True,
        capture_output=True,
    ).stdout
    (tmp_path / "root.pem").write_bytes(pem)
    said = subprocess.run(
        [
            *("openssl", "ts", "-verify", "-token_in", "-in", tmp_path / "token"),
            *("-data", tmp_path / "signature", "-CAfile", tmp_path / "root.pem"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Verification: OK" in said.stdout + said.stderr


def test_time_stamp_of_an_authority_nobody_trusts_is_not_passed(tsa: Authority) -> None:
    verdict = _assess(_sealed(tsa))
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "TIME_STAMP_NOT_TRUSTED",
    )


def test_time_stamp_of_something_else_fails(tsa: Authority) -> None:
    verdict = _assess(_sealed(tsa, stamped=b"another signature"), tsa.root)
    assert (verdict.indication, verdict.reason) == (Indication.FAILED, "TIME_STAMP_OF_OTHER_BYTES")


def test_signature_that_says_it_is_later_than_its_time_stamp_fails(tsa: Authority) -> None:
    verdict = _assess(_sealed(tsa, ahead=timedelta(minutes=30)), tsa.root)
    assert (verdict.indication, verdict.reason) == (Indication.FAILED, "TIME_STAMP_TOO_EARLY")
