"""How a license looks: its first page, drawn from the sealed PDF."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import pypdfium2

from runtime.pdfium import PDFIUM

WIDTH: Final = 1100


def first_page(document: bytes) -> bytes:
    """The first page of a PDF, PNG, so many pixels wide."""
    with PDFIUM:
        read: Any = pypdfium2.PdfDocument(document)  # type: ignore[no-untyped-call]
        try:
            # A seal is a signature field's appearance: without the form it would not be drawn.
            read.init_forms()
            shown = read[0]
            drawn = shown.render(scale=WIDTH / shown.get_width(), may_draw_forms=True)
            picture = drawn.to_pil().convert("RGB")
        finally:
            read.close()
    out = BytesIO()
    picture.quantize(64).save(out, "PNG", optimize=False)
    return out.getvalue()
