"""Tables of an update: such as every reader takes, be they written as lines or as a stream."""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from seal.pdf.refused import UpdateRefused
from seal.pdf.tiling import Tiling
from tests.builders.forging_pdf import plain


@cache
def _document() -> bytes:
    return plain()


def _checked(update: bytes) -> str:
    """Why an update is refused; empty where it is not."""
    data = _document() + update
    try:
        Tiling(PdfFileReader(BytesIO(data)), data).check(1)
    except UpdateRefused as error:
        return error.detail
    return ""


def _trailer(**more: Any) -> bytes:
    reader = PdfFileReader(BytesIO(_document()))
    held = {"Size": 50, "Root": f"{reader.root_ref.idnum} 0 R", **more}
    told = "".join(f"/{key} {value}" for key, value in held.items())
    return f"{told}/Prev {reader.last_startxref}".encode()


def _lines(
    *, held: bytes = b"17", rows: bytes = b"", end: bytes = b" \n", after: bytes = b""
) -> bytes:
    """An object and a table of lines."""
    at = len(_document())
    body = b"40 0 obj\n" + held + b"\nendobj\n"
    table = b"xref\n40 1\n%010d 00000 n" % at + end + rows
    mark = b"startxref\n%d\n%%%%EOF\n" % (at + len(body))
    return body + table + b"trailer\n<<" + _trailer() + b">>\n" + after + mark


def _stream(*, widths: tuple[int, int, int] = (1, 4, 2), index: bytes = b"") -> bytes:
    """A table that is a stream, and names itself alone."""
    at = len(_document())
    row = b"".join(n.to_bytes(w, "big") for n, w in zip((1, at, 0), widths, strict=True))
    head = b"/Type/XRef/W[%d %d %d]/Index[40 1 %s]" % (*widths, index) + _trailer()
    body = b"<<" + head + b"/Length %d>>\nstream\n" % len(row) + row + b"\nendstream"
    return b"40 0 obj\n" + body + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % at


@pytest.mark.parametrize(
    "update",
    [
        _lines(), _lines(rows=b"0 0\n"), _lines(end=b"\r\n"), _lines(end=b" \r"),
        _lines(held=b"(objects: 1 0 R, obj, 10 objects, a trailer)"),
        _lines(after=b"% said by its maker\n"),
        _stream(), _stream(widths=(1, 8, 2)), _stream(widths=(2, 3, 1)),
    ],
)  # fmt: skip
def test_what_makers_write_is_taken(update: bytes) -> None:
    assert _checked(update) == ""


@pytest.mark.parametrize(
    "update",
    [
        _lines(end=b"\n"), _lines(end=b"\r"),
        *(_lines(rows=rows) for rows in (b"41 0\n", b"99999999 0\n", b"4294967295 0\n")),
        _stream(widths=(1, 9, 2)), _stream(widths=(1, 4, 9)),
        *(_stream(index=index) for index in (b"41 0", b"4294967295 0", b"9999999999 0")),
    ],
)  # fmt: skip
def test_a_table_that_readers_may_refuse_is_not(update: bytes) -> None:
    assert "table of an update" in _checked(update)


_PAGE = b"<</Type/Catalog>>\nendobj"


@pytest.mark.parametrize(
    "held",
    [
        b"(\n7 0 obj\n" + _PAGE + b")", b"(7\n0\x00obj)", b"(7 %x\n0 %%\robj<<>>)",
        b"<</A(\ntrailer<</Root 7 0 R>>)>>", b"(trailer %x\n <<)", b"[(a 17 00000 obj)]",
        b"<</Length 26>>\nstream\n1 0 obj<</A 1>>endobj    \nendstream",
    ],
)  # fmt: skip
def test_nothing_in_an_object_reads_as_another(held: bytes) -> None:
    assert "reads as objects" in _checked(_lines(held=held))


@pytest.mark.parametrize(
    "held",
    [
        b"<</A 1>)", b"<</A<</B 1>x/C 2>>", b"<</A(>>)/B<</C<3e>>)>>",
        b"<</A((>))/B[<</C 1>]]>>", b"<</A 1 %>>\n>/",
    ],
)  # fmt: skip
def test_a_dictionary_ends_as_every_reader_has_it(held: bytes) -> None:
    assert "does not end" in _checked(_lines(held=held))


@pytest.mark.parametrize(
    "held",
    [
        b"<</A(>\\)>)/B((>)>)/C<3e 3E>/D<<>>/E[<</F 1>>]%> >\n>>", b"[<</A 1>><</B 2>>]",
        b"<</A 1/Length 4>>\nstream\n>>(>\nendstream", b"(>)",
    ],
)  # fmt: skip
def test_an_end_that_is_one_is_taken(held: bytes) -> None:
    assert _checked(_lines(held=held)) == ""


def test_nothing_in_a_trailer_or_a_comment_reads_as_an_object() -> None:
    inside = b"trailer\n<</ID[(7 0 obj<<>>endobj)(b)]>>\n"
    assert "reads as objects" in _checked(_lines(after=inside))
    assert "reads as objects" in _checked(_lines(after=b"% 7 0 obj<<>>endobj\n"))


def test_every_trailer_leads_to_the_one_catalog() -> None:
    assert "another catalog" in _checked(_lines(after=b"trailer\n<</Root 3 0 R>>\n"))
    assert "another catalog" in _checked(_lines(after=b"trailer\n<</Root 3 1 R>>\n"))
    assert "another catalog" in _checked(_lines(after=b"trailer\n<<>>\n"))


def test_a_trailer_that_names_no_catalog_is_none() -> None:
    """The library takes the one of the revision before it; others look further."""
    for update in (_lines(), _stream()):
        assert "or to none" in _checked(re.sub(rb"/Root (\d+ 0 R)", rb"/Info \1", update))
