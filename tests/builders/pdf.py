"""A minimal unsigned PDF and its sealing in the P-256 world."""

from __future__ import annotations

import io
from datetime import datetime

from reportlab.pdfgen.canvas import Canvas

from seal.pdf import seal_pdf
from tests.builders.ofd import SEALED_AT, TEXT, World, png, world

P256 = "ecdsa-p256-sha256"


def plain_pdf(pages: int = 1) -> bytes:
    """An unsigned, uncompressed PDF with one line of text a page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pageCompression=0, invariant=True)
    for _ in range(pages):
        canvas.drawString(100, 700, TEXT)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def sealed_pdf(
    document: bytes,
    *,
    here: World | None = None,
    page: int = 1,
    rect_mm: tuple[float, float, float, float] = (140, 220, 42, 42),
    signed_at: datetime = SEALED_AT,
    certificate: bytes | None = None,
    chain: tuple[bytes, ...] = (),
    image: bytes | None = None,
) -> bytes:
    """Seal with the P-256 world's department."""
    who = here or world(P256)
    return seal_pdf(
        document,
        signer=who.signer,
        certificate=certificate or who.certificate,
        chain=[who.root_certificate, *chain],
        image_png=png() if image is None else image,
        page=page,
        rect_mm=rect_mm,
        signed_at=signed_at,
        reason="示范",
    )
