"""A minimal unsigned PDF and its sealing in the P-256 world."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from reportlab.pdfgen.canvas import Canvas

from seal.pdf.signing import seal_pdf
from seal.placement import At, Placement
from tests.builders.ofd import SEALED_AT, TEXT, World, png, world

P256 = "ecdsa-p256-sha256"
CORNER = (At(page=1, x_mm=140, y_mm=220),)


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
    placements: Sequence[Placement] = CORNER,
    size_mm: tuple[float, float] = (42, 42),
    signed_at: datetime = SEALED_AT,
    certificate: bytes | None = None,
    chain: tuple[bytes, ...] = (),
    image: bytes | None = None,
    **more: Any,
) -> bytes:
    """Seal with the P-256 world's department."""
    who = here or world(P256)
    return seal_pdf(
        document,
        signer=who.signer,
        certificate=certificate or who.certificate,
        chain=[who.root_certificate, *chain],
        image_png=png() if image is None else image,
        placements=placements,
        seal_size_mm=size_mm,
        signed_at=signed_at,
        reason="示范",
        **more,
    )
