"""Pictures of pages, for previews and for people.

A preview of an OFD is drawn from the OFD's own bytes (fonts, paths and seal pictures included),
never from what we think we put into it. A picture proves nothing: verification is elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pypdfium2

from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from runtime.errors import InvalidArgument, OutOfRange
from runtime.pdfium import PDFIUM

MAX_PIXELS = 40_000_000
MAX_DPI = 600

# pypdfium2 is only partly typed.
_open_pdf: Any = pypdfium2.PdfDocument


def pdf_to_png(data: bytes, page: int = 1, dpi: float = 150) -> bytes:
    """A page (counted from 1) of a PDF as a PNG file.

    Raises InvalidArgument (PDF_UNREADABLE, DPI_INVALID, IMAGE_TOO_LARGE), OutOfRange
    (PAGE_OUT_OF_RANGE).
    """
    if not 0 < dpi <= MAX_DPI:
        raise InvalidArgument(
            f"dpi must be above 0 and at most {MAX_DPI}",
            reason="DPI_INVALID",
            message_zh=f"分辨率须大于 0 且不超过 {MAX_DPI}",
        )
    with PDFIUM:
        try:
            pdf = _open_pdf(data)
        except pypdfium2.PdfiumError as error:
            raise InvalidArgument(
                "the PDF cannot be read", reason="PDF_UNREADABLE", message_zh="PDF 文件无法解析"
            ) from error
        try:
            # A seal is a signature field's appearance: without the form it would not be drawn.
            pdf.init_forms()
            return _render(pdf, page, dpi / 72)
        finally:
            pdf.close()


def _render(pdf: Any, page: int, scale: float) -> bytes:
    if not 1 <= page <= len(pdf):
        raise OutOfRange(
            f"the document has {len(pdf)} pages",
            reason="PAGE_OUT_OF_RANGE",
            message_zh=f"文档共有 {len(pdf)} 页",
        )
    sheet = pdf[page - 1]
    width, height = sheet.get_size()
    if width * height * scale * scale > MAX_PIXELS:
        raise InvalidArgument(
            "the picture would be too large; ask for fewer dots per inch",
            reason="IMAGE_TOO_LARGE",
            message_zh="图片过大，请降低分辨率",
        )
    bitmap = sheet.render(scale=scale)
    target = BytesIO()
    bitmap.to_pil().save(target, "PNG", compress_level=6)
    return target.getvalue()


def ofd_to_png(data: bytes, page: int = 1, dpi: float = 150) -> bytes:
    """A page of an OFD, seals drawn, as a PNG file; errors as `read_ofd` and `pdf_to_png`."""
    document = read_ofd(data)
    # What is attached has no picture.
    return pdf_to_png(write_pdf(replace(document, metadata={}, attachments=())), page, dpi)
