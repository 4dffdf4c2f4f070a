"""Sealed PDFs: what is made, and each check that refuses what was forged."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from io import BytesIO

import pyhanko.pdf_utils.reader
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigFieldSpec
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from reportlab.pdfgen.canvas import Canvas

from licenses.pages.png import pdf_to_png
from runtime.errors import FailedPrecondition, InvalidArgument
from seal.image.shapes import RED, circular_seal, render_png
from seal.model import Indication, Verdict, VerificationError
from seal.pdf.signing import seal_pdf
from seal.placement import At
from seal.trust import Revocation, TrustStore, issue_crl
from seal.verify import assess, assess_pdf, verify
from tests.builders.ofd import BEGIN, END, NOW, SEALED_AT, later, png, world
from tests.builders.pdf import P256, plain_pdf, sealed_pdf

SEALED = sealed_pdf(plain_pdf())


def _assess(data: bytes, store: TrustStore | None = None) -> Verdict:
    return assess_pdf(data, store=store or world(P256).store(), now=NOW)


def _failed(verdict: Verdict) -> set[str]:
    assert verdict.indication is Indication.FAILED
    return {c.name for c in verdict.all_checks() if c.indication is Indication.FAILED}


def test_sealed_pdf_passes_and_keeps_its_bytes() -> None:
    verdict = assess(SEALED, store=world(P256).store(), now=NOW)
    assert verdict.indication is Indication.PASSED
    assert verdict.document_format == "PDF"
    report = verdict.signatures[0]
    assert (report.id, report.format, report.signed_at) == ("Seal1", "PADES", SEALED_AT)
    assert report.signer == "示范县行政审批局"
    assert SEALED.startswith(plain_pdf())


def test_sealed_twice_both_pass() -> None:
    verdict = _assess(sealed_pdf(SEALED, signed_at=later(5)))
    assert verdict.indication is Indication.PASSED
    assert [report.id for report in verdict.signatures] == ["Seal1", "Seal2"]


def test_a_document_with_an_unusual_end_is_sealed() -> None:
    unusual = plain_pdf().replace(b"startxref\n", b"startxref ")
    assert unusual != plain_pdf()
    assert _assess(unusual).reason == "PDF_DAMAGED"
    assert _assess(sealed_pdf(unusual)).indication is Indication.PASSED


def test_unsigned_pdf_is_not_signed() -> None:
    assert _assess(plain_pdf()).reason == "NOT_SIGNED"


def test_changed_page() -> None:
    assert "document_signature" in _failed(_assess(SEALED.replace(b"HELLO", b"HALLO")))


def test_bytes_after_the_signature() -> None:
    assert _failed(_assess(SEALED + b"\n% more\n")) == {"covers_document"}


def test_page_content_replaced_by_an_update() -> None:
    writer = IncrementalPdfFileWriter(BytesIO(SEALED))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 100 700 Td (FORGED) Tj ET")
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    assert "covers_document" in _failed(_assess(out.getvalue()))


def test_page_content_replaced_then_sealed_again_fails_the_first() -> None:
    writer = IncrementalPdfFileWriter(BytesIO(SEALED))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 100 700 Td (FORGED) Tj ET")
    page["/Contents"] = writer.add_object(stream)
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    verdict = _assess(sealed_pdf(out.getvalue(), signed_at=later(5)))
    assert _failed(verdict) == {"covers_document"}
    assert verdict.signatures[0].indication is Indication.FAILED


def test_nobody_trusted() -> None:
    verdict = _assess(SEALED, TrustStore())
    assert (verdict.indication, verdict.reason) == (
        Indication.INDETERMINATE,
        "NO_TRUST_ANCHOR",
    )


def test_certificate_expired_when_signing() -> None:
    here = world(P256)
    old = here.issue(here.signer.public_key, "旧", BEGIN, SEALED_AT - timedelta(days=1))
    verdict = _assess(sealed_pdf(plain_pdf(), certificate=old))
    assert verdict.reason == "CERTIFICATE_EXPIRED"


def test_certificate_expired_since_is_a_notice() -> None:
    here = world(P256)
    brief = here.issue(here.signer.public_key, "短", BEGIN, later(60))
    verdict = _assess(sealed_pdf(plain_pdf(), certificate=brief))
    assert verdict.indication is Indication.PASSED
    told = next(c for c in verdict.all_checks() if c.name == "signer_certificate")
    assert told.notice
    assert "expired since" in told.detail


def test_revoked_when_signing() -> None:
    from seal.trust import parse_certificate

    here = world(P256)
    crl = issue_crl(
        issuer=here.root,
        issuer_certificate=here.root_certificate,
        this_update=BEGIN,
        next_update=END,
        number=1,
        revoked=[Revocation(serial=parse_certificate(here.certificate).serial, at=BEGIN)],
    )
    store = TrustStore(anchors=here.store().anchors, crls=(crl,))
    assert _assess(SEALED, store).reason == "CERTIFICATE_REVOKED"


def test_from_the_future() -> None:
    verdict = _assess(sealed_pdf(plain_pdf(), signed_at=NOW + timedelta(days=1)))
    assert "signing_time" in _failed(verdict)


def test_damaged_pdf() -> None:
    assert _failed(_assess(b"%PDF-1.4\nnothing here")) == {"pdf_format"}


async def test_runs_inside_an_event_loop() -> None:
    again = sealed_pdf(plain_pdf())
    assert _assess(again).indication is Indication.PASSED


def test_verify_raises_the_reason() -> None:
    with pytest.raises(VerificationError) as caught:
        verify(SEALED, store=TrustStore(), now=NOW)
    assert caught.value.reason == "NO_TRUST_ANCHOR"


@pytest.mark.parametrize(
    ("page", "rect"),
    [(2, (10, 10, 20)), (0, (10, 10, 20)), (1, (200, 10, 42)), (1, (10, 10, -1))],
)
def test_bad_position(page: int, rect: tuple[float, float, float]) -> None:
    x, y, size = rect
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(plain_pdf(), placements=[At(page=page, x_mm=x, y_mm=y, size_mm=size)])
    assert caught.value.reason == "STAMP_POSITION"


def test_key_of_another_suite_or_certificate() -> None:
    here, other = world(P256), world()
    rest = {
        "chain": [],
        "image_png": png(),
        "placements": [At(page=1, x_mm=10, y_mm=10)],
        "seal_size_mm": (20, 20),
        "signed_at": SEALED_AT,
    }
    with pytest.raises(InvalidArgument) as caught:
        seal_pdf(plain_pdf(), signer=other.signer, certificate=other.certificate, **rest)
    assert caught.value.reason == "SUITE_NOT_FOR_PDF"
    with pytest.raises(InvalidArgument) as caught:
        seal_pdf(plain_pdf(), signer=here.stranger, certificate=here.certificate, **rest)
    assert caught.value.reason == "KEY_AND_CERTIFICATE_DIFFER"


def test_unreadable_document_and_picture() -> None:
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(b"%PDF-1.4 broken")
    assert caught.value.reason == "PDF_UNREADABLE"
    assert caught.value.metadata == {"why": "damaged"}


def test_an_encrypted_document_is_told_from_a_damaged_one() -> None:
    out = BytesIO()
    canvas = Canvas(out, encrypt="a password")
    canvas.drawString(100, 700, "HELLO")
    canvas.save()
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(out.getvalue())
    assert caught.value.reason == "PDF_UNREADABLE"
    assert caught.value.metadata == {"why": "encrypted"}


def _certified() -> bytes:
    """A PDF whose certifying signature forbids every change; the value itself is empty."""
    writer, out = IncrementalPdfFileWriter(BytesIO(plain_pdf())), BytesIO()
    embedding = PdfCMSEmbedder(SigFieldSpec("First")).write_cms("First", writer)
    next(embedding)
    forbid = SigMDPSetup(md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.NO_CHANGES)
    embedding.send(SigObjSetup(SignatureObject(bytes_reserved=64), mdp_setup=forbid))
    embedding.send(SigIOSetup(md_algorithm="sha256", output=out))
    embedding.send(b"\x30\x00")
    return out.getvalue()


def test_certified_document_takes_no_seal() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        sealed_pdf(_certified())
    assert caught.value.reason == "PDF_CLOSED"


def _picture(mode: str, *, ramp: bool = False) -> bytes:
    """A square of blue; with `ramp` of all degrees of opacity, and of other colours too."""
    image = Image.new("RGBA", (13, 7), (0, 0, 200, 255))
    if ramp:
        for at in range(13 * 7):
            image.putpixel((at % 13, at // 13), (at, 0, 200, at * 2))
    out = BytesIO()
    image.convert(mode).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("picture", "colour"),
    [
        (_picture("RGBA"), (0, 0, 200)),
        (_picture("RGB"), (0, 0, 200)),
        (_picture("P"), (0, 0, 200)),
        (_picture("L"), (23, 23, 23)),
        (render_png(circular_seal("示范县公安局"), 100), RED),
    ],
    ids=["rgba", "rgb", "palette", "gray", "seal"],
)
def test_any_picture_is_shown_as_it_is(picture: bytes, colour: tuple[int, int, int]) -> None:
    sealed = sealed_pdf(plain_pdf(), image=picture)
    assert _assess(sealed).indication is Indication.PASSED
    page = Image.open(BytesIO(pdf_to_png(sealed, 1, 72))).convert("RGB")
    middle = (round(161 / 25.4 * 72), round(241 / 25.4 * 72))
    assert page.getpixel(middle) == pytest.approx(colour, abs=1)


def test_colours_and_degrees_of_opacity_are_kept() -> None:
    sealed = sealed_pdf(plain_pdf(), image=_picture("RGBA", ramp=True))
    page = Image.open(BytesIO(pdf_to_png(sealed, 1, 72))).convert("RGB")
    x, y = (at / 25.4 * 72 for at in (140, 220))
    side = 42 / 25.4 * 72
    for column, row in ((0, 0), (6, 3), (12, 6)):
        level = column + row * 13
        opacity = level * 2 / 255
        expected = [round(255 - (255 - one) * opacity) for one in (level, 0, 200)]
        at = (round(x + side * (column + 0.5) / 13), round(y + side * (row + 0.5) / 7))
        assert page.getpixel(at) == pytest.approx(expected, abs=6)


def test_what_is_under_the_seal_stays_legible() -> None:
    out = BytesIO()
    canvas = Canvas(out)
    canvas.rect(*(at / 25.4 * 72 for at in (150, 297 - 260, 10, 38)), fill=1, stroke=0)
    canvas.save()
    sealed = sealed_pdf(out.getvalue(), image=_picture("RGBA"))
    page = Image.open(BytesIO(pdf_to_png(sealed, 1, 72))).convert("RGB")
    y = round(241 / 25.4 * 72)
    assert page.getpixel((round(155 / 25.4 * 72), y)) == pytest.approx((0, 0, 0), abs=1)
    assert page.getpixel((round(170 / 25.4 * 72), y)) == pytest.approx((0, 0, 200), abs=1)


def test_picture_that_is_none() -> None:
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(plain_pdf(), image=b"\x89PNG\r\n\x1a\n and so on")
    assert caught.value.reason == "SEAL_IMAGE"


def test_the_same_document_takes_the_same_room() -> None:
    assert len({len(sealed_pdf(plain_pdf())) for _ in range(8)}) == 1


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damaged_documents_are_refused_by_name(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from([SEALED, plain_pdf()])))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(InvalidArgument, FailedPrecondition):
        sealed_pdf(bytes(damaged))


def _contents_span() -> tuple[int, int]:
    found = re.search(rb"/ByteRange \[\d+ (\d+) (\d+) \d+", SEALED)
    assert found
    return int(found[1]), int(found[2])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    begin, end = _contents_span()
    mutated = bytearray(SEALED)
    mutated[at] ^= change
    verdict = assess(bytes(mutated), store=world(P256).store(), now=NOW)
    # In the hexadecimal value, a letter in the other case is the same value.
    same = begin <= at < end and mutated[at : at + 1].lower() == SEALED[at : at + 1].lower()
    assert same or verdict.indication is not Indication.PASSED


def test_padding_that_is_not_empty() -> None:
    _, end = _contents_span()
    mutated = bytearray(SEALED)
    assert mutated[end - 3 : end - 1] == b"00"
    mutated[end - 3 : end - 1] = b"ab"
    assert "signature_format" in _failed(_assess(bytes(mutated)))


@pytest.mark.parametrize("filled", [b"\0", b"\n"], ids=["no line", "nothing but lines"])
@pytest.mark.parametrize("end", [b"\n%%EOF\n", b"startxref\n9\n%%EOF\n", b""])
def test_an_end_that_is_none_is_not_looked_for_through_the_whole_file(
    monkeypatch: pytest.MonkeyPatch, filled: bytes, end: bytes
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(pyhanko.pdf_utils.reader, "read_next_end_line", asked.append)
    assert _failed(_assess(b"%PDF-1.7\n" + filled * 5000 + end)) == {"pdf_format"}
    assert not asked
