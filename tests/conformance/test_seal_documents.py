"""Documents made by other software, and ours read by other software."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import ofdkit
import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from seal.detached import assess_detached
from seal.model import Indication, Verdict
from seal.pdf.signing import seal_pdf
from seal.placement import At
from seal.ses import parse_signature
from seal.suites import P256
from seal.trust import TrustAnchor, TrustStore
from seal.verify import assess, assess_ofd, assess_seal
from tests.builders.ofd import NOW, TEXT, later, pack, plain_ofd, png, seal_ofd, unpack, world
from tests.builders.pdf import plain_pdf, sealed_pdf
from tests.builders.seal_pki import pki

DATA = Path(__file__).parent / "data"
NOBODY = TrustStore()


def _checks(verdict: Verdict) -> dict[str, Indication]:
    return {check.name: check.indication for check in verdict.all_checks()}


def _ofd(name: str, store: TrustStore = NOBODY) -> Verdict:
    return assess((DATA / "ofd" / name).read_bytes(), store=store, now=NOW)


def _anchor() -> TrustStore:
    root = (DATA / "ofd" / "anchor-root.der").read_bytes()
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    return TrustStore(anchors=(TrustAnchor(name="test", certificate=root, valid_from=begin),))


def test_anchor_signed_passes_with_its_root() -> None:
    verdict = _ofd("anchor-signed-v4.ofd", _anchor())
    assert verdict.indication is Indication.PASSED
    assert verdict.signatures[0].format == "SES_V4"
    assert verdict.signatures[0].seal_name == "测试市行政审批局电子证照专用章"


def test_anchor_signed_without_root_is_indeterminate() -> None:
    verdict = _ofd("anchor-signed-v4.ofd")
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NO_TRUST_ANCHOR",
    )


def test_closed_document_lacks_only_the_anchor() -> None:
    verdict = _ofd("allprotected.ofd")
    assert verdict.reason == "NO_TRUST_ANCHOR"
    bad = {name for name, found in _checks(verdict).items() if found is not Indication.PASSED}
    assert bad == {"seal_maker_certificate", "signer_certificate"}


def test_seal_that_had_ended_fails() -> None:
    verdict = _ofd("SESV4SignDoc.ofd")
    assert verdict.reason == "SEAL_NOT_IN_FORCE"
    found = _checks(verdict)
    assert found["seal_in_force"] is Indication.FAILED
    assert found["document_signature"] is found["references"] is Indication.PASSED


def test_plain_digital_signature_is_named_and_its_references_are_good() -> None:
    verdict = _ofd("DigitalSign.ofd")
    assert verdict.reason == "BARE_SIGNATURE_VALUE"
    assert verdict.indication is Indication.INDETERMINATE
    assert "without certificate" in verdict.summary
    found = _checks(verdict)
    assert found["references"] is found["uncovered_files"] is Indication.PASSED


def test_integrity_list_is_good_and_the_document_unsigned() -> None:
    verdict = _ofd("hello-integrity.ofd")
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NOT_SIGNED",
    )
    assert _checks(verdict)["integrity_entries"] is Indication.PASSED


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Doc_0/extra.bin", b"", b"smuggled"),
        ("OFDEntries.xml", b"2023-03-21", b"2023-03-22"),
        ("signedvalue.dat", b"OFD R&W", b"OFD R&X"),
        ("OFDEntries.xml", b"FileList", b"FileLost"),
    ],
)
def test_integrity_list_that_is_not_good(name: str, old: bytes, new: bytes) -> None:
    files = unpack((DATA / "ofd" / "hello-integrity.ofd").read_bytes())
    files = {one: data for one, data in files.items() if not one.endswith("/")}
    files[name] = files.get(name, b"").replace(old, new)
    verdict = assess(pack(files), store=NOBODY, now=NOW)
    if name == "signedvalue.dat":  # a name in a certificate nobody vouches for
        assert _checks(verdict)["integrity_entries"] is Indication.PASSED
    else:
        assert _checks(verdict)["integrity_entries"] is Indication.FAILED


@pytest.mark.parametrize(
    ("name", "at", "sub", "check", "wanted"),
    [
        ("UserV4.esl", 2021, "NO_TRUST_ANCHOR", "seal_signature", Indication.PASSED),
        ("UserV4.esl", 2026, "SEAL_NOT_IN_FORCE", "seal_in_force", Indication.FAILED),
        ("UserV5.esl", 2027, "CERTIFICATE_EXPIRED", "seal_maker_certificate", Indication.FAILED),
        ("UserV5_ts.esl", 2027, "CERTIFICATE_EXPIRED", "seal_signature", Indication.PASSED),
        ("seal_ext_derdefault.esl", 2027, "NO_TRUST_ANCHOR", "seal_signature", Indication.PASSED),
    ],
)
def test_seals_of_other_software(
    name: str, at: int, sub: str, check: str, wanted: Indication
) -> None:
    data = (DATA / "seals" / name).read_bytes()
    verdict = assess_seal(data, store=NOBODY, now=datetime(at, 1, 1, tzinfo=UTC))
    assert verdict.reason == sub
    assert _checks(verdict)[check] is wanted


PASSED, LEFT_OPEN, FAILED = Indication.PASSED, Indication.INDETERMINATE, Indication.FAILED
ANSWERS = {
    "seals/UserV1.esl": (2021, LEFT_OPEN, "NO_TRUST_ANCHOR"),
    "seals/UserV4.esl": (2021, LEFT_OPEN, "NO_TRUST_ANCHOR"),
    "seals/UserV5.esl": (2027, FAILED, "CERTIFICATE_EXPIRED"),
    "seals/UserV5_ts.esl": (2027, FAILED, "CERTIFICATE_EXPIRED"),
    "seals/seal_ext_derdefault.esl": (2027, PASSED, ""),
    "seals/SignedValueV4.dat": (2021, LEFT_OPEN, "NO_TRUST_ANCHOR"),
    "seals/SignedValueV5.dat": (2027, FAILED, "CERTIFICATE_EXPIRED"),
    "ofd/anchor-signed-v4.ofd": (2027, PASSED, ""),
    "ofd/allprotected.ofd": (2021, LEFT_OPEN, "NO_TRUST_ANCHOR"),
    "ofd/SESV4SignDoc.ofd": (2027, FAILED, "SEAL_NOT_IN_FORCE"),
    "ofd/DigitalSign.ofd": (2021, LEFT_OPEN, "BARE_SIGNATURE_VALUE"),
    "ofd/hello-integrity.ofd": (2027, LEFT_OPEN, "NOT_SIGNED"),
}
"""What is said of every file, in the year it is judged."""


@pytest.mark.parametrize("name", ANSWERS)
def test_the_whole_answer(name: str) -> None:
    year, indication, reason = ANSWERS[name]
    data, now = (DATA / name).read_bytes(), datetime(year, 1, 1, tzinfo=UTC)
    if name.endswith(".esl"):
        verdict = assess_seal(data, store=_anchor(), now=now)
    elif name.endswith(".dat"):
        held = parse_signature(data)
        verdict = assess_detached(data, held.data_hash, store=_anchor(), now=now)
    else:
        verdict = assess(data, store=_anchor(), now=now)
    assert (verdict.indication, verdict.reason) == (indication, reason), verdict.to_dict()


def test_no_file_is_without_an_answer() -> None:
    found = {
        f"{folder}/{one.name}" for folder in ("ofd", "seals") for one in (DATA / folder).iterdir()
    }
    assert found == {*ANSWERS, "ofd/anchor-root.der"}


def test_other_software_reads_our_sealed_ofd(tmp_path: Path) -> None:
    path = tmp_path / "sealed.ofd"
    path.write_bytes(seal_ofd(seal_ofd(plain_ofd(2)), signed_at=later(5)))
    assert ofdkit.extract_text(path).count(TEXT) == 2


def test_openssl_agrees_on_our_document_signature(tmp_path: Path) -> None:
    files = unpack(seal_ofd(plain_ofd()))
    value = parse_signature(files["Doc_0/Signs/Sign_0/SignedValue.dat"])
    (tmp_path / "tbs").write_bytes(value.signed_bytes)
    (tmp_path / "sig").write_bytes(value.signature)
    (tmp_path / "cert").write_bytes(value.certificate)
    key = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", tmp_path / "cert", "-pubkey", "-noout"],
        check=True,
        capture_output=True,
    ).stdout
    (tmp_path / "key").write_bytes(key)
    checked = subprocess.run(
        [
            *("openssl", "dgst", "-sm3", "-sigopt", "distid:1234567812345678"),
            *("-verify", tmp_path / "key", "-signature", tmp_path / "sig", tmp_path / "tbs"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.stdout.strip() == "Verified OK"


def test_poppler_accepts_our_pdf(tmp_path: Path) -> None:
    assert shutil.which("pdfsig"), "install poppler-utils (tests/install_tools)"
    path = tmp_path / "sealed.pdf"
    path.write_bytes(
        sealed_pdf(sealed_pdf(plain_pdf(2)), placements=[At(page=2, x_mm=140, y_mm=220)])
    )
    said = subprocess.run(["pdfsig", "-nocert", path], check=True, capture_output=True, text=True)
    assert said.stdout.count("Signature is Valid") == 2
    assert said.stdout.count("ETSI.CAdES.detached") == 2
    assert "Total document signed" in said.stdout


def test_poppler_refuses_our_pdf_changed(tmp_path: Path) -> None:
    path = tmp_path / "changed.pdf"
    path.write_bytes(sealed_pdf(plain_pdf()).replace(b"HELLO", b"HALLO"))
    said = subprocess.run(["pdfsig", "-nocert", path], check=False, capture_output=True, text=True)
    assert "Signature is Valid" not in said.stdout


def test_pyhanko_by_itself_accepts_our_pdf() -> None:
    here = world("ecdsa-p256-sha256")
    reader = PdfFileReader(BytesIO(sealed_pdf(plain_pdf())))
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(here.root_certificate)], allow_fetching=False, moment=NOW
    )
    status = validate_pdf_signature(reader.embedded_regular_signatures[0], context)
    assert status.bottom_line


def test_openssl_accepts_our_pdfs_signature_and_chain(tmp_path: Path) -> None:
    here = pki(P256)
    sealed = seal_pdf(
        plain_pdf(),
        signer=here.signer.signer,
        certificate=here.signer.certificate,
        chain=(here.intermediate.certificate, here.root.certificate),
        image_png=png(),
        placements=[At(page=1, x_mm=10, y_mm=10)],
        seal_size_mm=(42, 42),
        signed_at=NOW,
    )
    (signature,) = PdfFileReader(BytesIO(sealed)).embedded_regular_signatures
    first, size, second, rest = signature.sig_object["/ByteRange"]
    (tmp_path / "content").write_bytes(sealed[first : first + size] + sealed[second:][:rest])
    (tmp_path / "value").write_bytes(signature.pkcs7_content)
    (tmp_path / "root").write_bytes(pem.armor("CERTIFICATE", here.root.certificate))
    command = [
        *("openssl", "cms", "-verify", "-binary", "-purpose", "any", "-inform", "DER"),
        *("-cades", "-in", tmp_path / "value", "-content", tmp_path / "content"),
        *("-CAfile", tmp_path / "root", "-out", tmp_path / "out"),
        *("-attime", str(int(NOW.timestamp()))),
    ]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    # The root is the verifier's own to bring.
    told = {one.dump() for one in signature.other_embedded_certs}
    assert told == {here.intermediate.certificate}


def test_our_own_ofd_passes() -> None:
    verdict = assess_ofd(seal_ofd(plain_ofd()), store=world().store(), now=NOW)
    assert verdict.indication is Indication.PASSED
