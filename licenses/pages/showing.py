"""A program that draws the first page of somebody's document, and ends: `python -m` this module.

1. The document comes on standard input; on standard output go a line of JSON and, where it could be
   drawn, a PNG. It reads no setting, no key and no other file but fonts, and writes none.
2. A document may be made to harm whoever draws it. So it is drawn in a process of its own, which
   bounds itself before it reads: seconds, memory, files, no child; who starts it bounds the time.
3. What cannot be drawn as it is is not drawn at all, and the line says why.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

import pypdfium2

from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from runtime.errors import DomainError, InvalidArgument

WIDTH: Final = 1000
GREATEST: Final = 32 << 20
_TALLEST: Final = 3
_LIMITS: Final = (
    (resource.RLIMIT_CPU, 10),
    (resource.RLIMIT_AS, 2 << 30),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NOFILE, 64),
    (resource.RLIMIT_CORE, 0),
)
_BUNDLED: Final = ("document.ofd", "document.pdf")
_BUNDLE: Final = b"mimetypeapplication/vnd.etsi.asic-e"

# pypdfium2 is only partly typed.
_open_pdf: Any = pypdfium2.PdfDocument


def show(document: bytes) -> tuple[int, bytes]:
    """How many pages there are, and the first as a PNG.

    Raises InvalidArgument: PICTURE_NONE, PDF_UNREADABLE, and those of `read_ofd`.
    """
    if _BUNDLE in document[:100]:
        document = _bundled(document)
    if document.startswith(b"%PDF-"):
        return _drawn(document)
    if document.startswith(b"PK"):
        # What is attached has no picture.
        return _drawn(write_pdf(replace(read_ofd(document), metadata={}, attachments=())))
    raise _none()


def _bundled(bundle: bytes) -> bytes:
    """The document that a bundle of evidence holds."""
    try:
        with zipfile.ZipFile(BytesIO(bundle)) as opened:
            for name in _BUNDLED:
                if name in opened.namelist():
                    with opened.open(name) as entry:
                        return entry.read(GREATEST)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        pass
    raise _none()


def _drawn(data: bytes) -> tuple[int, bytes]:
    try:
        pdf = _open_pdf(data)
        # A seal is a signature field's appearance: without the form it would not be drawn.
        pdf.init_forms()
        sheet = pdf[0]
        width, height = sheet.get_size()
        scale = min(WIDTH / width, WIDTH * _TALLEST / height)
        picture = sheet.render(scale=scale, may_draw_forms=True).to_pil().convert("RGB")
    except (pypdfium2.PdfiumError, ZeroDivisionError, IndexError, OSError) as error:
        raise InvalidArgument(
            "the PDF cannot be drawn", reason="PDF_UNREADABLE", message_zh="PDF 文件无法绘制"
        ) from error
    out = BytesIO()
    picture.quantize(64).save(out, "PNG")
    return len(pdf), out.getvalue()


def _none() -> InvalidArgument:
    return InvalidArgument(
        "such a file has no pages to draw", reason="PICTURE_NONE", message_zh="此类文件没有版面"
    )


def main() -> int:
    """Draw what comes; 0 where there is a picture."""
    for what, most in _LIMITS:
        resource.setrlimit(what, (most, most))
    document = sys.stdin.buffer.read(GREATEST + 1)
    try:
        if len(document) > GREATEST:
            raise _none()
        pages, picture = show(document)
    except DomainError as error:
        told = {"reason": error.reason}
        sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
        return 1
    sys.stdout.buffer.write(json.dumps({"pages": pages}).encode() + b"\n" + picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
