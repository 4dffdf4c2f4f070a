"""The PDF writer: determinism, text and its places, metadata, attachments."""

from __future__ import annotations

import io
from typing import Any

import pypdfium2
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from licenses.pages.model import Document, Text
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from tests.builders.pages import METADATA, everything, registration

MM = 25.4 / 72


def characters(data: bytes, page: int = 0) -> list[tuple[str, float, float]]:
    """Each character of a page with its origin in mm from the upper left corner."""
    raw: Any = pypdfium2.raw
    pdf: Any = pypdfium2.PdfDocument(data)
    try:
        sheet = pdf[page]
        height = sheet.get_height()
        text = sheet.get_textpage()
        found = []
        for i in range(text.count_chars()):
            x, y = raw.c_double(), raw.c_double()
            assert raw.FPDFText_GetCharOrigin(text.raw, i, x, y)
            character = chr(raw.FPDFText_GetUnicode(text.raw, i))
            if character.strip() and not raw.FPDFText_IsGenerated(text.raw, i):
                found.append((character, x.value * MM, (height - y.value) * MM))
        return _joined(found)
    finally:
        pdf.close()


def _joined(found: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """PDFium tells a character beyond the basic plane as two surrogates at one place."""
    joined: list[tuple[str, float, float]] = []
    for character, x, y in found:
        if "\udc00" <= character <= "\udfff" and joined:
            pair = joined[-1][0] + character
            whole = pair.encode("utf-16", "surrogatepass").decode("utf-16")
            joined[-1] = (whole, *joined[-1][1:])
        else:
            joined.append((character, x, y))
    return joined


def placed(document: Document) -> list[tuple[str, float, float]]:
    """Each character of the first page by the model, as the OFD says it (DeltaX given)."""
    found = []
    for item in document.pages[0].items:
        if isinstance(item, Text):
            x = item.x
            for character, step in zip(item.text, (*item.advances, 0.0), strict=True):
                if character.strip():
                    found.append((character, x, item.y))
                x += step
    return found


@pytest.mark.parametrize(
    "name", ["林示例", "阿卜杜热合曼·阿卜杜外力·买买提明·吐尔逊·艾山", "\U00020bb7龘 Ab"]
)
def test_same_text_at_the_same_places_as_in_the_ofd(name: str) -> None:
    document = registration(holder_name=name)
    in_pdf = characters(write_pdf(document))
    in_ofd = placed(read_ofd(write_ofd(document)))
    assert [c for c, _, _ in in_pdf] == [c for c, _, _ in in_ofd]
    for (_, px, py), (_, ox, oy) in zip(in_pdf, in_ofd, strict=True):
        assert abs(px - ox) < 0.02
        assert abs(py - oy) < 0.02


def test_same_document_same_bytes() -> None:
    assert write_pdf(everything()) == write_pdf(everything())
    assert write_pdf(registration()) != write_pdf(registration(holder_name="林示范"))


def test_text_is_extractable() -> None:
    pdf: Any = pypdfium2.PdfDocument(write_pdf(registration()))
    text = pdf[0].get_textpage().get_text_range()
    pdf.close()
    for value in ("就业创业登记证", "林示例", "示范县人力资源和社会保障局", "990101199003070015"):
        assert value in text


def test_structure_reads_strictly() -> None:
    """The reader that will sign it opens it in strict mode and finds what was put in."""
    reader: Any = PdfFileReader(io.BytesIO(write_pdf(everything())), strict=True)
    assert reader.root["/Pages"]["/Count"] == 2
    info = reader.trailer["/Info"]
    assert info["/Title"] == "样例 <&>"
    assert {key: info[f"/{key}"] for key in METADATA} == METADATA
    assert info["/CreationDate"] == "D:20261121010203+00'00'"
    xmp = reader.root["/Metadata"].data.decode()
    assert "<lic:ZZMC>就业创业登记证</lic:ZZMC>" in xmp
    assert "<pdfaid:part>3</pdfaid:part>" in xmp
    names = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
    files = {names[i]: names[i + 1]["/EF"]["/F"].data for i in range(0, len(names), 2)}
    assert files == {"说明.txt": b"hello", "b.json": b"{}"}
    for font in reader.root["/Pages"]["/Kids"][0]["/Resources"]["/Font"].values():
        descriptor = font.get_object()["/DescendantFonts"][0]["/FontDescriptor"]
        assert "+" in descriptor["/FontName"]
        assert descriptor["/FontFile2"].data[:4] == b"\0\1\0\0"


def test_sizes_stay_small() -> None:
    document = registration()
    assert len(write_ofd(document)) < 60_000
    assert len(write_pdf(document)) < 60_000
