"""A program that draws the first pages of somebody's document, and ends: `python -m` this module.

1. The document comes on standard input; on standard output goes for each page a line of JSON and a
   PNG, as soon as it is drawn; a line without one says why there is none. It reads no setting, no
   key and no other file but fonts, and writes none.
2. A document may be made to harm whoever draws it. So it is drawn in a process of its own, which
   bounds itself before it reads: seconds, memory, files, no child; who starts it bounds the time.
3. What cannot be drawn as it is is not drawn at all, and the line says why; of a long document only
   the first pages are.
"""

from __future__ import annotations

import json
import resource
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any, Final

import pypdfium2

from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from runtime.errors import DomainError, InvalidArgument

WIDTH: Final = 1000
#: So many pages are drawn of a document that has more.
MOST: Final = 4
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


def show(document: bytes) -> Iterator[tuple[int, bytes]]:
    """How many pages there are, and the first ones, each as a PNG.

    Raises InvalidArgument: PICTURE_NONE, PDF_UNREADABLE, and those of `read_ofd`.
    """
    if _BUNDLE in document[:100]:
        document = _bundled(document)
    if document.startswith(b"%PDF-"):
        yield from _drawn(document)
    elif document.startswith(b"PK"):
        # What is attached has no picture.
        yield from _drawn(write_pdf(replace(read_ofd(document), metadata={}, attachments=())))
    else:
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


def _drawn(data: bytes) -> Iterator[tuple[int, bytes]]:
    try:
        pdf = _open_pdf(data)
        # A seal is a signature field's appearance: without the form it would not be drawn.
        pdf.init_forms()
        for number in range(max(1, min(len(pdf), MOST))):
            yield len(pdf), _picture(pdf[number])
    except (pypdfium2.PdfiumError, ZeroDivisionError, IndexError, OSError) as error:
        raise InvalidArgument(
            "the PDF cannot be drawn", reason="PDF_UNREADABLE", message_zh="PDF 文件无法绘制"
        ) from error


def _picture(sheet: Any) -> bytes:
    width, height = sheet.get_size()
    scale = min(WIDTH / width, WIDTH * _TALLEST / height)
    picture = sheet.render(scale=scale, may_draw_forms=True).to_pil().convert("RGB")
    out = BytesIO()
    picture.quantize(64).save(out, "PNG")
    return out.getvalue()


def _none() -> InvalidArgument:
    return InvalidArgument(
        "such a file has no pages to draw", reason="PICTURE_NONE", message_zh="此类文件没有版面"
    )


def main() -> int:
    """Draw what comes; 0 where there are pictures."""
    for what, most in _LIMITS:
        resource.setrlimit(what, (most, most))
    document = sys.stdin.buffer.read(GREATEST + 1)
    try:
        if len(document) > GREATEST:
            raise _none()
        for pages, picture in show(document):
            _tell({"pages": pages, "size": len(picture)}, picture)
    except DomainError as error:
        _tell({"reason": error.reason})
        return 1
    return 0


def _tell(line: dict[str, int | str], picture: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(line).encode() + b"\n" + picture)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
