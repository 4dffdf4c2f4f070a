"""What stands after the end of a signed PDF, and updates that bring nothing."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from asn1crypto import x509
from pyhanko.sign.validation.dss import DocumentSecurityStore

from seal.model import Check, Indication
from seal.pdf.signing import Level
from seal.pdf.update import SealWriter
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.forging_pdf import JUDGED, SEALED, PdfBench


def _cover(data: bytes) -> Check:
    """The last signature's."""
    verdict = assess(data, store=TrustStore(), now=JUDGED)
    return [one for one in verdict.all_checks() if one.name == "covers_document"][-1]


WHITE = [b"\n", b"\r\n", b"   \n", b"\n" * 100, b"\x00" * 512]


@pytest.mark.parametrize("white", WHITE)
@pytest.mark.parametrize("stamped", [False, True])
def test_white_space_after_the_end_is_told(white: bytes, stamped: bool) -> None:
    bench = PdfBench()
    sound = bench.sound
    if stamped:
        sound = bench.later_stamped(sound, SEALED + timedelta(hours=1))
    found = _cover(sound + white)
    assert found.indication is Indication.PASSED
    assert found.notice
    assert f"{len(white)} octets of white space" in found.detail
    assert f"{len(white)} 个空白字节" in found.detail_zh


def test_white_space_after_an_update_is_passed_over() -> None:
    bench = PdfBench()
    sound = bench.sealed(stamper=bench.stamper, level=Level.B_LTA)
    assert _cover(sound + b"\r\n").indication is Indication.PASSED


@pytest.mark.parametrize(
    "more", [b"\x00" * 513, b"\n%\n", b"\nx", b"\n%%EOF\n", b"\n" * 10_000 + b"PK\x05\x06"]
)
def test_anything_else_after_the_end_is_refused(more: bytes) -> None:
    found = assess(PdfBench().sound + more, store=TrustStore(), now=JUDGED)
    assert found.indication is Indication.FAILED
    assert found.reason in ("BYTES_ADDED", "PDF_DAMAGED")


def test_an_update_that_brings_nothing_is_no_evidence() -> None:
    sound = PdfBench().sound
    *_, last = (int(one) for one in re.findall(rb"startxref\s+(\d+)", sound))
    root, size = (re.findall(rb"/%s (\d+)" % one, sound)[-1] for one in (b"Root", b"Size"))
    kept = re.findall(rb"/I(?:nfo \d+ 0 R|D ?\[[^\]]*\])", sound[last:])
    update = b"xref\n0 1\n0000000000 65535 f \ntrailer\n"
    update += b"<< /Size %s /Root %s 0 R %s /Prev %d >>\n" % (size, root, b" ".join(kept), last)
    begin = len(sound)
    found = _cover(sound + update + b"startxref\n%d\n%%%%EOF\n" % begin)
    assert found.indication is Indication.PASSED
    assert found.notice
    assert "only evidence" not in found.detail
    assert "brings no evidence" in found.detail
    assert "未添加验证资料" in found.detail_zh


def test_evidence_is_told_as_such() -> None:
    writer, out = SealWriter(BytesIO(PdfBench().sound)), BytesIO()
    held = x509.Certificate.load(PdfBench().root.certificate)
    DocumentSecurityStore.supply_dss_in_writer(writer, None, certs=[held])
    writer.write(out)
    assert "only evidence was added since" in _cover(out.getvalue()).detail
