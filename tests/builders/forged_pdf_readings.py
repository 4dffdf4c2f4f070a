"""Forged PDFs that readers read in two ways: by their tables or by their octets, by the tree or by
what it says of itself. The signer made them so: every octet is signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.builders.forging_pdf import PdfBench, forgery

TEXT_STREAM = b"BT /F1 24 Tf 72 700 Td (PAY 100) Tj ET"
_OTHER = b"BT /F1 24 Tf 72 700 Td (PAY 999) Tj ET"
_SECOND = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(_OTHER), _OTHER)
_PAGE = (
    b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
    b"/Resources << /Font << /F1 4 0 R >> >> >>"
)
_LEAF = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R /Resources <<>> >>"

FAULTS = {
    "object_twice": "PDF_OBJECT_TWICE",
    "object_off_its_place": "PDF_TABLE_WRONG",
    "font_off_its_place": "PDF_TABLE_WRONG",
    "object_in_a_stream": "PDF_TABLE_WRONG",
    "no_place_and_there": "PDF_TABLE_WRONG",
    "stream_too_short": "PDF_STREAM_LENGTH",
    "stream_too_long": "PDF_STREAM_LENGTH",
    "stream_of_nothing": "PDF_STREAM_LENGTH",
    "stream_in_a_string": "PDF_STREAM_LENGTH",
    "two_headers": "PDF_TWO_HEADERS",
    "page_beyond_the_count": "PDF_PAGE_TREE",
    "pages_in_a_circle": "PDF_PAGE_TREE",
    "page_of_another_parent": "PDF_PAGE_TREE",
    "page_that_lists_pages": "PDF_PAGE_TREE",
    "object_for_who_looks": "PDF_OBJECT_TWICE",
    "object_for_who_misses": "PDF_OBJECT_TWICE",
    "object_of_later_generation": "PDF_OBJECT_TWICE",
    "trailer_for_who_looks": "PDF_OBJECT_TWICE",
    "object_taken_out": "PDF_TABLE_WRONG",
}
"""What is done to the file, and the reason it is refused for."""


def by_hand(
    fault: str = "",
    *,
    objects: Mapping[int, bytes] | None = None,
    before: bytes = b"",
    between: bytes = b"",
) -> bytes:
    """A page written by hand, with a fault, other objects, or octets before and between them."""
    held = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: _PAGE % (2, 5),
        4: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        5: _stream(len(TEXT_STREAM)),
        6: _SECOND,
        **_OBJECTS.get(fault, {}),
        **(objects or {}),
    }
    out = bytearray(b"%PDF-1.4\n%PDF-1.7\n" if fault == "two_headers" else b"%PDF-1.7\n")
    out += before or _BEFORE.get(fault, b"")
    places = {}
    for number, body in held.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n%s" % (number, body, between)
    if fault == "object_twice":
        out += b"5 0 obj\n%s\nendobj\n" % _SECOND
    if fault == "object_in_a_stream":
        places[5] = out.index(b"5 0 obj", places[7])
    if fault == "no_place_and_there":
        places[7] = 0
    places = {number: at + _MOVED.get((fault, number), 0) for number, at in places.items()}
    return _closed(out, places, fault)


def _stream(length: int) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (length, TEXT_STREAM)


def _closed(out: bytearray, places: dict[int, int], fault: str) -> bytes:
    begin, size = len(out), len(places) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        is_freed = (fault, number) == ("object_taken_out", 6)
        out += b"0000000000 00001 f \n" if is_freed else b"%010d 00000 n \n" % places[number]
    out += _FAR if fault in _LOOKED_FOR else b""
    identifier = b"<%s>" % (b"AA" * 16)
    out += b"trailer\n<< /Size %d /Root 1 0 R /ID [%s%s] >>\n" % (size, identifier, identifier)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % begin)


_MOVED = {("object_off_its_place", 5): 1, ("font_off_its_place", 4): 7}
_HIDDEN = b"\n5 0 obj\n%s\nendobj\n" % _SECOND
_IN_A_STRING = b"<< /A (/Length 1 >>stream\nx endstream endobj) /Length 3 >>\nstream\n%s\nendstream"
_HELD = b"<< /Length %d >>\nstream\n%s\nendstream"
_LOOKED_FOR = {"object_for_who_looks", "object_of_later_generation", "trailer_for_who_looks"}
_FAR = b"4294967295 0\n"  # a number that not every reader takes: who does not, looks for objects
_CATALOG = b"\ntrailer\n<< /Root 8 0 R /Size 11 >>\n"
_BEFORE = {"object_of_later_generation": b"5 1 obj\n%s\nendobj\n" % _SECOND}
_OBJECTS: dict[str, dict[int, bytes]] = {
    "object_for_who_looks": {7: _HELD % (len(_HIDDEN), _HIDDEN)},
    "object_for_who_misses": {
        3: (_PAGE % (2, 5)).replace(b"/F1 4", b"/F2 99 0 R /F1 4"),
        7: _HELD % (len(_HIDDEN), _HIDDEN),
    },
    "trailer_for_who_looks": {
        7: _HELD % (len(_CATALOG), _CATALOG),
        8: b"<< /Type /Catalog /Pages 9 0 R >>",
        9: b"<< /Type /Pages /Kids [10 0 R] /Count 1 >>",
        10: _PAGE % (9, 6),
    },
    "object_taken_out": {3: (_PAGE % (2, 5)).replace(b"5 0 R", b"[5 0 R 6 0 R]")},
    "object_in_a_stream": {
        7: b"<< /Length %d >>\nstream\n%s\nendstream" % (len(_HIDDEN), _HIDDEN),
    },
    "no_place_and_there": {7: _SECOND},
    "stream_too_short": {5: _stream(10)},
    "stream_too_long": {5: _stream(60)},
    "stream_of_nothing": {5: _stream(0)},
    "stream_in_a_string": {5: _IN_A_STRING % TEXT_STREAM},
    "page_beyond_the_count": {
        2: b"<< /Type /Pages /Kids [3 0 R 7 0 R] /Count 1 >>",
        7: _PAGE % (2, 6),
    },
    "pages_in_a_circle": {2: b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>"},
    "page_of_another_parent": {
        3: b"<< /Type /Page /Parent 7 0 R /MediaBox [0 0 595 842] /Contents 5 0 R >>",
        7: b"<< /Type /Pages /Kids [] /Count 0 /Resources << /Font << /F1 4 0 R >> >> >>",
    },
    "page_that_lists_pages": {
        3: (_PAGE % (2, 5))[:-2] + b"/Kids [7 0 R] /Count 1 >>",
        7: _PAGE % (3, 6),
    },
}


def faulty(bench: PdfBench, fault: str) -> bytes:
    """The page with a fault, sealed by who looks at nothing."""
    return bench.sealed_unseen(by_hand(fault))


def _forged(fault: str) -> Callable[[PdfBench], bytes]:
    return lambda bench: faulty(bench, fault)


for _fault, _en, _zh in (
    ("object_twice", "a second content of the page stands after the one that the table names",
     "页面内容在对象表所指之后重复出现"),
    ("object_off_its_place", "the table leads beside the content of the page",
     "对象表所示页面内容的位置不准"),
    ("font_off_its_place", "the table leads beside a font, so that some readers write it anew",
     "对象表所示字体的位置不准，部分阅读器会重建对象表"),
    ("object_in_a_stream", "the table leads into another object's stream",
     "对象表指向另一对象的数据流内部"),
    ("no_place_and_there", "an object that is there has no place in the table",
     "对象存在，但对象表中没有其位置"),
    ("stream_too_short", "the content of the page says that it is shorter", "页面内容长度偏短"),
    ("stream_too_long", "the content of the page says that it is longer", "页面内容长度偏长"),
    ("stream_of_nothing", "the content of the page says that it is empty", "页面内容长度为零"),
    ("stream_in_a_string", "a wrong length behind a string that looks like another stream",
     "字符串伪装成数据流，掩盖错误的长度"),
    ("two_headers", "the file has two headers", "文件有两个文件头"),
    ("page_beyond_the_count", "there is a page more than the list of pages says",
     "实际页数多于页面列表所示页数"),
    ("pages_in_a_circle", "the list of pages lists itself", "页面列表包含自身"),
    ("page_of_another_parent", "a page names another parent than the one that lists it",
     "页面的上级与列出它的节点不符"),
    ("page_that_lists_pages", "a page lists pages of its own", "页面自身列出下级页面"),
    ("object_for_who_looks",
     "another content of the page is in a stream, and the table makes readers look for it",
     "数据流中夹带另一份页面内容，并以异常对象表诱使阅读器重建对象表"),
    ("object_for_who_misses",
     "another content of the page is in a stream, and a font that is nowhere makes readers look",
     "数据流中夹带另一份页面内容，并以不存在的字体诱使阅读器重建对象表"),
    ("object_of_later_generation",
     "another content of the page stands before it with a higher number of its generation",
     "页面内容之前另有一份生成号更高的内容"),
    ("trailer_for_who_looks",
     "a stream holds a trailer of another catalog, and the table makes readers look for it",
     "数据流中夹带指向其他目录的文件尾，并以异常对象表诱使阅读器重建对象表"),
    ("object_taken_out", "a content of the page is in the file, and the table has it no more",
     "页面的一份内容仍在文件中，但对象表已将其删除"),
):  # fmt: skip
    forgery("readers_differ", "pdf_format", _en, _zh, name=_fault, reason=FAULTS[_fault])(
        _forged(_fault)
    )


@forgery(
    "readers_differ", "pdf_format",
    "the file says that it is arranged for the web, with hints to its pages of its own",
    "文件自称已线性化，可另以提示表指明页面",
    reason="PDF_PAGE_TREE",
)  # fmt: skip
def pages_by_hints(bench: PdfBench) -> bytes:
    def sealed(length: int) -> bytes:
        first = b"7 0 obj\n<< /Linearized 1 /L %010d /H [9 9] /O 3 /E 9 /N 1 /T 9 >>\nendobj\n"
        return bench.sealed(by_hand(before=first % length))

    return sealed(len(sealed(0)))
