"""How a license looks: its sheets, drawn from the sealed PDF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

import pypdfium2

from runtime.pdfium import PDFIUM

WIDTH: Final = 1100


def sizes_of(document: bytes) -> list[tuple[int, int]]:
    """Width and height of a PDF's sheets as they are drawn, in pixels, without drawing them."""
    with _opened(document) as read:
        sizes = [read.get_page_size(number) for number in range(len(read))]
    return [(WIDTH, round(height * WIDTH / width)) for width, height in sizes]


def drawn_sheet(document: bytes, number: int) -> bytes:
    """A sheet of a PDF, PNG, so many pixels wide; the first is 1. Raises IndexError."""
    with _opened(document) as read:
        if not 1 <= number <= len(read):
            raise IndexError(number)
        # A seal is a signature field's appearance: without the form it would not be drawn.
        read.init_forms()
        shown = read[number - 1]
        drawn = shown.render(scale=WIDTH / shown.get_width(), may_draw_forms=True)
        picture = drawn.to_pil().convert("RGB")
    out = BytesIO()
    picture.quantize(64).save(out, "PNG", optimize=False)
    return out.getvalue()


@contextmanager
def _opened(document: bytes) -> Iterator[Any]:
    with PDFIUM:
        read: Any = pypdfium2.PdfDocument(document)  # type: ignore[no-untyped-call]
        try:
            yield read
        finally:
            read.close()
