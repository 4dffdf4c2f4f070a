"""What is read at once is what the library reads, and what the library refuses is left to it."""

# The PDF library publishes no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits
from pyhanko.pdf_utils.reader import PdfFileReader

from seal.pdf.reading import PlainReader

FORGED = sorted((Path(__file__).parents[1] / "conformance" / "forgeries-pdf").glob("*.pdf"))
LIMITS = DecodeLimits()


def told(held: Any) -> Any:
    """All that an object is, its kinds and whose it is with it."""
    of = (type(held), held.container_ref)
    if isinstance(held, generic.StreamObject):
        return of, held.encoded_data, {name: told(held.raw_get(name)) for name in held}
    if isinstance(held, generic.DictionaryObject):
        return of, [(type(name), str(name), told(held.raw_get(name))) for name in held]
    if isinstance(held, generic.ArrayObject):
        return of, [told(held.raw_get(number)) for number in range(len(held))]
    if isinstance(held, generic.TextStringObject):
        return of, str(held), held.autodetected_encoding
    if isinstance(held, generic.IndirectObject):
        return of, held.reference, isinstance(held.reference.pdf, PdfFileReader)
    return of, None if isinstance(held, generic.NullObject) else repr(held)


def every(reader: PdfFileReader) -> dict[Any, Any]:
    """Every object of every revision, or that it does not read."""
    found: dict[Any, Any] = {}
    for revision in range(reader.xrefs.total_revisions):
        for number in reader.xrefs.get_xref_data(revision).standard_xrefs:
            ref = generic.Reference(number, 0, reader)
            try:
                found[revision, number] = told(reader.get_object(ref, revision=revision))
            except Exception as error:  # noqa: BLE001  (the library raises anything)
                found[revision, number] = type(error)
    return found


def both(data: bytes) -> tuple[PlainReader, PdfFileReader]:
    """The same octets, read by ours and by the library."""
    return PlainReader(data, decode_limits=LIMITS), PdfFileReader(BytesIO(data), strict=True)


@pytest.mark.parametrize("path", FORGED, ids=lambda path: path.name)
def test_files_read_as_by_the_library(path: Path) -> None:
    data = path.read_bytes()
    try:
        library = PdfFileReader(BytesIO(data), strict=True)
    except Exception as error:  # noqa: BLE001  (as above)
        with pytest.raises(type(error)):
            PlainReader(data, decode_limits=LIMITS)
        return
    assert every(PlainReader(data, decode_limits=LIMITS)) == every(library)


def with_object(written: bytes) -> bytes:
    """A PDF whose object 4 is written so; object 3 is a number."""
    out, places = b"%PDF-1.7\n", []
    parts = [
        b"<</Type/Catalog/Pages 2 0 R/Held 4 0 R>>",
        b"<</Type/Pages/Kids[]/Count 0>>",
        b"5",
        written,
    ]
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % one for one in places)
    end = b"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + table + end


def read_by(reader: PdfFileReader) -> Any:
    try:
        return told(reader.get_object(generic.Reference(4, 0, reader)))
    except Exception as error:  # noqa: BLE001  (as above)
        return type(error)


def same(written: bytes) -> bool:
    """Both read it alike: whether ours did so at once."""
    ours, library = both(with_object(written))
    assert read_by(ours) == read_by(library), written
    place = ours.xrefs[generic.Reference(4, 0, ours)]
    return ours.plain(place, 4, 0) is not None


PLAIN = [
    b"<< /Type /Font /W [ 1 [ 500 250.5 -3 +4 .5 6. ] ] >>",
    b"<</A(text)/B<48656C6C6F7>/C[3 0 R 1 0 R]/D true/E false/F null/G/H/I//J()/K<>>>",
    b"<</A((nested) \\(and\\051 escaped)/B(\xfe\xff\x00A)/C(\x80\xff)>>",
    b"[[[[]]]<<>>]",
    b"/Name",
    b"(alone)",
    b"17",
    b"3 0 R",
    b"<</Length 5>>stream\nabcdeendstream",
    b"<</Length 5>>\nstream\r\nabcde\nendstream",
    b"<</Length 3 0 R/A<</Length 9>>>>stream\nabcde\r\nendstream",
]
LEFT = [
    b"<</A 1/A 2>>",
    b"<</A 1 % said\n/B 2>>",
    b"<</A#20B 1>>",
    b"<</A 1 /B>>",
    b"<<1 2>>",
    b"<</A 0 0 R>>",
    b"<</A 1  0  R>>",
    b"<</A 1\x000 R>>",
    b"<</A 1 0 Rest>>",
    b"<</A trueish>>",
    b"<</A 12abc>>",
    b"<</A 1-2>>",
    b"<</A -->>",
    b"<</A . >>",
    b"<</A 12345678901234567890>>",
    b"<</A <4 8>>>",
    b"<</A <4G>>>",
    b"<</A (open>>",
    b"<</A [1 2>>",
    b"<</A 1>]",
    b"<</\xe9 1>>",
    b"[" * 70 + b"]" * 70,
    b"[/A]]",
    b"<</A 1",
    b"",
    b"<</Length 4>>stream\nabcdeendstream",
    b"<</Length 6>>stream\nabcdeendstream",
    b"<</Length 5>>stream\rabcdeendstream",
    b"<</Length 5>>stream \nabcdeendstream",
    b"<</Length -1>>stream\nabcdeendstream",
    b"<</Length /A>>stream\nabcdeendstream",
    b"<</Length 4 0 R>>stream\nabcdeendstream",
    b"<</Length 99 0 R>>stream\nabcdeendstream",
    b"<<>>stream\nabcdeendstream",
    b"17 18",
]


@pytest.mark.parametrize("written", PLAIN)
def test_what_is_written_plainly_is_read_at_once(written: bytes) -> None:
    assert same(written)


@pytest.mark.parametrize("written", LEFT)
def test_all_else_is_left_to_the_library(written: bytes) -> None:
    ours, library = both(with_object(written))
    assert read_by(ours) == read_by(library)


_PIECES = st.sampled_from(
    [
        *(b"<<", b">>", b"[", b"]", b"(", b")", b"<", b">", b"/", b"%", b"#", b"\\", b"{", b"}"),
        *(b" ", b"\n", b"\r", b"\t", b"\x00", b"\x0b", b"\x0c", b"R", b" 0 R", b"obj", b"endobj"),
        *(b"stream\n", b"endstream", b"/Length 3", b"/A", b"/B", b"1", b"0", b"-", b"+", b"."),
        *(b"true", b"false", b"null", b"4E", b"abc", b"\xfe\xff", b"\x80", b"<</A", b"3 0 R"),
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=14).map(b"".join))
def test_whatever_is_written_reads_as_by_the_library(written: bytes) -> None:
    same(written)
