"""A PDF that readers may read in two ways is refused, by name; what makers err in is not."""

from __future__ import annotations

import time
import zlib
from io import BytesIO

import pypdfium2
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from reportlab.pdfgen.canvas import Canvas

from runtime.errors import InvalidArgument
from seal.judging.check_names import REASONS
from seal.model import Indication, Verdict
from seal.pdf.one_reading import TwoReadings, check_objects
from seal.trust import TrustStore
from seal.verify import assess
from tests.builders.forged_pdf_readings import FAULTS, TEXT_STREAM, by_hand, faulty
from tests.builders.forging_pdf import JUDGED, PdfBench, plain


def _assess(data: bytes) -> Verdict:
    return assess(data, store=TrustStore(), now=JUDGED)


def _format(data: bytes) -> tuple[Indication, str, bool]:
    (check,) = [one for one in _assess(data).all_checks() if one.name == "pdf_format"]
    assert check.detail
    assert not check.detail_zh.isascii()
    return check.indication, check.reason, check.notice


GOOD = (Indication.PASSED, "", False)
TOLD = (Indication.PASSED, "", True)


def test_one_by_hand_is_good() -> None:
    assert _format(PdfBench().sealed(by_hand())) == GOOD


@pytest.mark.parametrize("fault", FAULTS)
def test_what_reads_in_two_ways_is_refused(fault: str) -> None:
    data = faulty(PdfBench(), fault)
    assert _format(data) == (Indication.FAILED, FAULTS[fault], False)
    assert FAULTS[fault] in REASONS


@pytest.mark.parametrize("fault", FAULTS)
def test_no_seal_is_set_on_such(fault: str) -> None:
    """Whoever made it can have it written anew; once sealed, nobody could take it."""
    with pytest.raises(InvalidArgument) as caught:
        PdfBench().sealed(by_hand(fault))
    assert caught.value.reason == "PDF_UNREADABLE"


def _stream(length: int, body: bytes = TEXT_STREAM) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (length, body)


def _packed_stream(packed: bytes, more: int) -> bytes:
    head = b"<< /Filter /FlateDecode /Length %d >>\nstream\n" % (len(packed) + more)
    return head + packed + b"\nendstream"


@pytest.mark.parametrize(
    "held",
    [
        _stream(len(TEXT_STREAM) + 2),
        _stream(len(TEXT_STREAM) + 3),
        _packed_stream(zlib.compress(TEXT_STREAM)[:-5], 2),
        _packed_stream(TEXT_STREAM, 2),
    ],
)
def test_a_stream_that_may_go_on_is_refused(held: bytes) -> None:
    """A reader that finds no end at the length goes on to the end of the next object's stream."""
    found = _format(PdfBench().sealed_unseen(by_hand(objects={5: held})))
    assert found == (Indication.FAILED, "PDF_STREAM_LENGTH", False)


@pytest.mark.parametrize("after", [b"/Root 4 0 R", b"(", b"x"])
def test_what_stands_behind_a_stream_is_refused_where_readers_look(after: bytes) -> None:
    data = by_hand(objects={5: _stream(len(TEXT_STREAM)) + after})
    assert _format(PdfBench().sealed_unseen(data)) == GOOD
    odd = data.replace(b"00000 n \n", b"00000 n\n")
    found = _format(PdfBench().sealed_unseen(odd))
    assert found == (Indication.FAILED, "PDF_TABLE_WRONG", False)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (_stream(len(TEXT_STREAM) + 1), GOOD),  # with the end of line
        (_stream(len(TEXT_STREAM) - 2, TEXT_STREAM[:-2] + b" \n"), GOOD),
        (_packed_stream(zlib.compress(TEXT_STREAM), 2), TOLD),
        (_packed_stream(zlib.compress(TEXT_STREAM), 3), TOLD),
        (b"<< /Length 6 0 R >>\nstream\r\n%s\r\nendstream" % TEXT_STREAM, GOOD),
        (b"<</Length %d/DL 9>>stream\n%s endstream" % (len(TEXT_STREAM), TEXT_STREAM), GOOD),
        (b"<< /A << /Length 1 >> /Length 6 0 R >>\nstream\n%s\nendstream" % TEXT_STREAM, GOOD),
        (b"<< /A (>> stream endobj) /Length 6 0 R >>\nstream\n%s\nendstream" % TEXT_STREAM, GOOD),
    ],
)
def test_what_makers_do_is_taken(held: bytes, expected: tuple[Indication, str, bool]) -> None:
    objects = {5: held, 6: b"%d" % len(TEXT_STREAM)}
    assert _format(PdfBench().sealed(by_hand(objects=objects))) == expected


def test_comments_and_white_space_between_objects_are_taken() -> None:
    data = by_hand(between=b"% 5 0 of it\n\n  \n")
    assert _format(PdfBench().sealed(data)) == GOOD


def test_an_older_one_before_the_one_in_force_is_taken() -> None:
    """As some makers leave it that write their tables anew: the last is what counts for all."""
    assert _format(PdfBench().sealed(by_hand(before=b"5 0 obj\nnull\nendobj\n"))) == GOOD


def test_a_place_of_what_is_nowhere_is_told() -> None:
    """As makers leave it that took an object out, and not its line of the table."""
    data = by_hand(objects={7: b"null"})
    at = data.index(b"7 0 obj")
    gone = data.replace(b"7 0 obj\nnull\nendobj\n", b" " * len(b"7 0 obj\nnull\nendobj\n"))
    for place in (at, 20, 0):
        changed = gone.replace(b"%010d 00000 n" % at, b"%010d 00000 n" % place)
        assert _format(PdfBench().sealed(changed)) == (TOLD if place else GOOD)


_ATTACHED = b"%PDF-1.4\n5 0 obj\nnull\nendobj\nxref\n0 1\ntrailer\n<< /Root 5 0 R >>\n"
_HELD = {7: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(_ATTACHED), _ATTACHED)}


def test_a_pdf_attached_as_it_is_is_taken() -> None:
    """While nothing makes readers look for objects themselves."""
    assert _format(PdfBench().sealed(by_hand(objects=_HELD))) == GOOD


def test_a_table_of_short_lines_is_taken_where_there_is_one_reading() -> None:
    data = by_hand().replace(b" n \n", b" n\n").replace(b" f \n", b" f\n")
    assert _format(PdfBench().sealed(data)) == GOOD


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b" n \n", b" n\n"),
        (b"/Root 1 0 R", b"/Root 1 0 R /Info 99 0 R"),
        (b"/Root 1 0 R", b"/Root 1 0 R /Info 4 1 R"),
        (b"0 8\n", b"99999999 0\n0 8\n"),
    ],
)
def test_it_is_refused_where_something_does(old: bytes, new: bytes) -> None:
    data = PdfBench().sealed_unseen(by_hand(objects=_HELD).replace(old, new))
    assert _format(data) == (Indication.FAILED, "PDF_OBJECT_TWICE", False)


def test_a_page_shown_twice_is_taken() -> None:
    pages = b"<< /Type /Pages /Kids [3 0 R 3 0 R] /Count 2 >>"
    assert _format(PdfBench().sealed(by_hand(objects={2: pages}))) == GOOD


def test_other_makers_are_taken() -> None:
    sound = plain(pages=40)
    packed, library, pdfium = BytesIO(), BytesIO(), BytesIO()
    canvas = Canvas(packed, pageCompression=1)
    canvas.drawString(100, 700, "5 0 obj endstream endobj")
    canvas.drawInlineImage(_picture(), 0, 0, 50, 50)
    canvas.save()
    copy_into_new_writer(PdfFileReader(BytesIO(sound))).write(library)
    document = pypdfium2.PdfDocument(sound)
    document.save(pdfium)
    document.close()
    for one in (sound, *(each.getvalue() for each in (packed, library, pdfium))):
        assert _format(PdfBench().sealed(one)) == GOOD


def _picture() -> object:
    from PIL import Image

    return Image.new("RGB", (64, 64), "red")


def _packed(listed: bytes) -> bytes:
    """A document whose font is in a stream of objects, which lists what is said."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    held = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources << /F 4 0 R >> >>",
        5: b"<< /Type /ObjStm /N %d /First %d /Length %d >>\nstream\n%s\nendstream"
        % (len(listed.split()) // 2, len(listed), len(listed + font), listed + font),
    }
    out, rows = bytearray(b"%PDF-1.7\n"), {0: b"\x00\x00\x00\xff", 4: b"\x02\x00\x05\x00"}
    for number, body in held.items():
        rows[number] = b"\x01%s\x00" % len(out).to_bytes(2, "big")
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    begin = len(out)
    rows[6] = b"\x01%s\x00" % begin.to_bytes(2, "big")
    table = b"".join(rows[number] for number in sorted(rows))
    out += b"6 0 obj\n<< /Type /XRef /Size 7 /W [1 2 1] /Root 1 0 R /Length %d >>\n" % len(table)
    return bytes(out + b"stream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, begin))


def test_a_stream_of_objects_has_no_number_twice() -> None:
    def told(data: bytes) -> object:
        return check_objects(PdfFileReader(BytesIO(data), strict=True), data)

    assert told(_packed(b"4 0 ")) == ()
    with pytest.raises(TwoReadings) as caught:
        told(_packed(b"4 0 4 0 "))
    assert caught.value.reason == "PDF_OBJECT_TWICE"


@pytest.mark.parametrize(
    "hostile",
    [b">>%" * 700_000, b"<<" + b"/Length 1 " * 200_000, b"1 " * 300_000, b"%\n" * 300_000],
)
def test_hostile_octets_take_no_time(hostile: bytes) -> None:
    data = by_hand(between=b"\n" + hostile + b"\n")
    begin = time.perf_counter()
    _assess(data)
    assert time.perf_counter() - begin < 10
