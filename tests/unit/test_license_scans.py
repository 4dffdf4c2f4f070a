"""Scans of paper licenses: what a reader opens whole passes, and nothing else does."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pypdfium2
import pytest
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from licenses.model import Order, Paper
from licenses.pages.pictures import checked
from licenses.scans import SCAN_LIMIT, scan_problem
from runtime.errors import InvalidArgument
from tests.builders.forging_pdf import dictionary, name, numbers
from tests.builders.license_samples import Sample
from tests.builders.licenses import an_order, validated
from tongban.violation_words import chinese_words

_new_pdf: Any = pypdfium2.PdfDocument.new  # only partly typed


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 60), **how: object) -> bytes:
    out = io.BytesIO()
    image = Image.new("L", size, 200)
    image.paste(40, (5, 5, size[0] // 2, size[1] // 6))
    image.save(out, kind, **how)
    return out.getvalue()


def pdf(pages: int = 1, size: tuple[float, float] = (595, 842), *, blank: bool = False) -> bytes:
    document = _new_pdf()
    for _ in range(pages):
        document.new_page(*size)
    if not blank:  # the last page has a line
        line = pypdfium2.raw.FPDFPageObj_CreateNewRect(50, 50, 100, 2)
        pypdfium2.raw.FPDFPageObj_SetFillColor(line, 0, 0, 0, 255)
        pypdfium2.raw.FPDFPath_SetDrawMode(line, pypdfium2.raw.FPDF_FILLMODE_WINDING, False)
        page = document[pages - 1]
        pypdfium2.raw.FPDFPage_InsertObject(page, line)
        page.gen_content()
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


def one_colour(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("L", (400, 600), 255).save(out, kind)
    return out.getvalue()


def encrypted() -> bytes:
    """A PDF that opens without a password, and may not be printed or copied."""
    out = io.BytesIO()
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(pdf())))
    writer.encrypt(owner_pass="示例", user_pass="")
    writer.write(out)
    return out.getvalue()


def with_more(change: Callable[[Any], None]) -> bytes:
    """A scan with something more in it, in an update of its own."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf()))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def damaged(width: int, height: int) -> bytes:
    """A PNG that says a size, and whose data is a part of what that asks for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * (1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def many_passes(count: int) -> bytes:
    """A progressive JPEG with its last pass again and again."""
    data = picture("JPEG", (100, 100), progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + b"\xff\xd9"


@pytest.mark.parametrize(
    "scan",
    [
        picture(), picture("JPEG"), picture("JPEG", progressive=True), picture(size=(5000, 5000)),
        many_passes(20), pdf(), pdf(50), pdf(1, (3370, 2384)),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_scan_that_opens_whole_is_taken(scan: bytes) -> None:
    assert scan_problem(scan) == ""


@pytest.mark.parametrize(
    ("scan", "told"),
    [
        (b"", "neither"), (b"GIF89a", "neither"),
        (picture() + b"\0" * SCAN_LIMIT, "2048 KiB"),
        (damaged(30_000, 30_000), "larger than 25,000,000 pixels"),
        (picture(size=(5001, 5000)), "larger than 25,000,000 pixels"),
        (damaged(3_000, 3_000), "cannot be decoded"),
        (picture()[:-30], "cannot be decoded"), (picture("JPEG")[:200], "cannot be decoded"),
        (many_passes(200), "100 passes"),
        (b"%PDF-1.7\n" + b"x" * 1000, "cannot be opened"),
        (pdf()[:300], "cannot be opened"), (pdf(51), "51 pages"),
        (pdf(1, (6000, 842)), "two metres"),
        (pdf(3, blank=True), "blank"), (one_colour("PNG"), "one colour"),
        (one_colour("JPEG"), "one colour"), (one_colour("PDF"), "blank"),
        (encrypted(), "encrypted"),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_scan_that_does_not_is_refused_in_words(scan: bytes, told: str) -> None:
    assert told in scan_problem(scan)


def in_catalog(key: str, value: Any) -> bytes:
    def change(writer: Any) -> None:
        writer.root[name(key)] = value
        writer.update_root()

    return with_more(change)


def over_a_page(kind: str, **more: Any) -> bytes:
    def change(writer: Any) -> None:
        page = writer.root["/Pages"]["/Kids"][0]
        box = numbers(0, 0, 9, 9)
        note = writer.add_object(
            dictionary(Type=name("Annot"), Subtype=name(kind), Rect=box, **more)
        )
        page[name("Annots")] = generic.ArrayObject([note])
        writer.update_container(page)

    return with_more(change)


SCRIPT = dictionary(S=name("JavaScript"), JS=generic.pdf_string("app.alert(1)"))
LAUNCH = dictionary(S=name("Launch"), F=generic.pdf_string("x.exe"))
FILES = dictionary(EmbeddedFiles=dictionary(Names=generic.ArrayObject([generic.pdf_string("x")])))


@pytest.mark.parametrize(
    ("scan", "told"),
    [
        (in_catalog("OpenAction", SCRIPT), "a script (JavaScript)"),
        (in_catalog("OpenAction", dictionary(S=name("URI"), URI=generic.pdf_string("http://x"))),
         "an action on opening, turning or leaving"),
        (in_catalog("AA", dictionary(WC=SCRIPT)), "a script (JavaScript)"),
        (in_catalog("Names", FILES), "attached files"),
        (in_catalog("AcroForm", dictionary(Fields=numbers(1))), "a form"),
        (in_catalog("OCProperties", dictionary(OCGs=numbers(1))), "layers"),
        (over_a_page("Link", A=LAUNCH), "the starting of a program (Launch)"),
        (over_a_page("RichMedia"), "sound, film or 3D"),
        (over_a_page("FileAttachment"), "attached files"),
        (over_a_page("Stamp"), "links, notes or stamps over its pages"),
        (pdf() + b"\n% 1 0 obj << /S /Launch >>", "the starting of a program (Launch)"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_scan_that_does_something_is_refused_by_what_it_holds(scan: bytes, told: str) -> None:
    problem = scan_problem(scan)
    assert problem == f"the PDF holds {told}: print its pages to a new PDF"
    assert "打印为 PDF" in chinese_words(problem)


def test_a_scan_that_opens_at_its_first_page_and_has_bookmarks_is_taken() -> None:
    first = dictionary(S=name("GoTo"), D=numbers(0))
    assert scan_problem(in_catalog("OpenAction", first)) == ""
    assert scan_problem(in_catalog("OpenAction", numbers(0))) == ""
    assert scan_problem(in_catalog("Outlines", dictionary(Title=generic.pdf_string("1")))) == ""


def test_a_picture_of_many_passes_is_no_field_either() -> None:
    with pytest.raises(InvalidArgument, match="passes"):
        checked(many_passes(200), "KZ_ZP")


def photograph(size: tuple[int, int], told: int) -> bytes:
    notes = Image.Exif()
    notes[0x0112] = told
    out = io.BytesIO()
    Image.effect_noise(size, 90).save(out, "JPEG", exif=notes)
    return out.getvalue()


def wrong(order: Order, **changes: Any) -> dict[str, str]:
    """What is refused of an order, by field."""
    try:
        validated(replace(order, **changes))
    except InvalidArgument as error:
        return {one.field: one.description for one in error.violations}
    return {}


def test_the_least_size_is_that_of_the_picture_as_it_is_turned() -> None:
    order = Sample("driving-licence").order()  # asks for 100x120
    for size, told, is_good in (
        ((120, 100), 6, True),
        ((120, 100), 1, False),
        ((100, 120), 1, True),
        ((100, 120), 6, False),
    ):
        found = wrong(order, pictures={"KZ_ZP": photograph(size, told)})
        assert ("pictures.KZ_ZP" not in found) == is_good, (size, told)


def test_what_is_wrong_with_a_picture_says_its_field_once() -> None:
    order = Sample("driving-licence").order()
    found = wrong(order, pictures={"KZ_ZP": b"no picture"})
    assert "KZ_ZP" not in found["pictures.KZ_ZP"]


def test_one_scan_is_one() -> None:
    paper = Paper(number="示01", issue_date=date(2010, 5, 1), scans=(picture(), pdf(), picture()))
    found = wrong(an_order(valid_from=date(2010, 5, 1)), paper=paper)
    assert found == {"paper.scans[2]": "paper.scans[0] once more"}
