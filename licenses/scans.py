"""Scans of paper licenses: PNG, JPEG or PDF that a reader opens whole.

They are attached as they came. Each is looked at before, so that none is sealed that nobody can
open, that keeps whoever opens it busy, that shows nothing or does something: a picture is decoded
to its end, of a PDF the pages are counted and measured, and what it holds is judged
(`licenses.scan_pdfs`). One is looked at at a time: a large picture takes a hundred megabytes.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

import pypdfium2

from licenses.pages.photographs import shows_nothing
from licenses.pages.pictures import decoded
from licenses.scan_pdfs import blank_problem, content_problem
from runtime.errors import InvalidArgument
from runtime.pdfium import PDFIUM

SCAN_LIMIT: Final = 2 * 1024 * 1024
#: A3 at 300 dots an inch has 17 million, A4 at 500 has 24.
SCAN_PIXELS: Final = 25_000_000
SCAN_PAGES: Final = 50
#: Of a page of a PDF, in points: two metres.
_LONGEST: Final = 5670.0
_PDF: Final = b"%PDF-"
_open_pdf: Any = pypdfium2.PdfDocument  # only partly typed
_turn: Final = Lock()


def scan_problem(scan: bytes) -> str:
    """What is wrong with a scan, in words; "" if good."""
    if len(scan) > SCAN_LIMIT:
        return f"more than {SCAN_LIMIT // 1024} KiB"
    if scan.startswith(_PDF):
        return _shape_problem(scan) or content_problem(scan) or blank_problem(scan, SCAN_PIXELS)
    try:
        with _turn:
            decoded(scan, "scan", SCAN_PIXELS)
            blank = shows_nothing(scan)
    except InvalidArgument as error:
        if error.reason == "IMAGE_UNKNOWN":
            return "neither a PDF nor a PNG or JPEG picture"
        return error.message.removeprefix("scan: ")
    return "the picture shows nothing: it is of one colour or transparent" if blank else ""


def _shape_problem(scan: bytes) -> str:
    with PDFIUM:
        try:
            pdf = _open_pdf(scan)
        except pypdfium2.PdfiumError:
            return "the PDF cannot be opened: save it again, without a password"
        try:
            pages = len(pdf)
            if not 1 <= pages <= SCAN_PAGES:
                return f"the PDF has {pages} pages, and may have 1 to {SCAN_PAGES}"
            sizes = [size for number in range(pages) for size in pdf.get_page_size(number)]
        except pypdfium2.PdfiumError:
            return "a page of the PDF cannot be read: save it again"
        finally:
            pdf.close()
    if not all(1.0 <= size <= _LONGEST for size in sizes):
        return "a page of the PDF is larger than two metres, or has no size"
    return ""
