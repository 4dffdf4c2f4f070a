"""Forged PDFs for readers that make a table of their own, octet by octet, inside streams too.

What makes them do so is a table that they cannot take; what they find then is what is smuggled in
something that reads well: a certificate that anybody can make, another trailer.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import zlib
from typing import Any

from asn1crypto import x509
from pyhanko.pdf_utils import generic

from tests.builders.forged_pdf_between import quietly, sealed_again
from tests.builders.forged_pdf_evidence import _store
from tests.builders.forging_pdf import PdfBench, forgery, name, page_of

_SHOWN = b"BT /F1 24 Tf 100 700 Td (VOID) Tj ET"
_FAR = b"4294967295 0\n"


def _object(writer: Any) -> bytes:
    """Another content of the first page, as it would stand in the file."""
    number = page_of(writer).raw_get("/Contents").reference.idnum
    head = b"\n%d 0 obj\n<</Length %d>>\nstream\n" % (number, len(_SHOWN))
    return head + _SHOWN + b"\nendstream\nendobj\n"


def _certificate(bench: PdfBench, held: bytes) -> bytes:
    """One that reads well and holds that."""
    extension = x509.Extension({"extn_id": "1.3.6.1.4.1.55555.1", "extn_value": held})
    return bench.issued("示范", extensions=[extension.dump()]).certificate


def with_table(document: bytes, rows: bytes) -> bytes:
    """The last table says more."""
    table, mark, rest = document.rpartition(b"trailer")
    return table + rows + mark + rest


def with_objects(bench: PdfBench, document: bytes, *, is_packed: bool = False) -> bytes:
    """With a certificate that holds the content of a page."""

    def change(writer: Any) -> None:
        held = _certificate(bench, _object(writer))
        if not is_packed:
            return _store(writer, generic.StreamObject(stream_data=held))
        packed = {name("Filter"): name("FlateDecode")}
        stored = zlib.compress(held, 0)
        return _store(writer, generic.StreamObject(dict_data=packed, encoded_data=stored))

    return quietly(document, change)


@forgery(
    "readers_differ", "covers_document",
    "objects of the document stand in a certificate that is added", "所添加的证书中夹带文件对象",
    reason="CHANGED_SINCE",
)  # fmt: skip
def objects_in_a_certificate(bench: PdfBench) -> bytes:
    return with_objects(bench, bench.sound)


@forgery(
    "readers_differ", "covers_document",
    "objects of the document stand in the packed stream of a certificate that is added",
    "所添加证书的压缩数据流中夹带文件对象",
    reason="CHANGED_SINCE",
)  # fmt: skip
def objects_in_a_packed_certificate(bench: PdfBench) -> bytes:
    return with_objects(bench, bench.sound, is_packed=True)


@forgery(
    "readers_differ", "covers_document",
    "objects stand in what is added, and its table makes readers look for them",
    "添加内容夹带对象，并以异常对象表诱使阅读器重建对象表",
    reason="CHANGED_SINCE",
)  # fmt: skip
def objects_and_a_far_table(bench: PdfBench) -> bytes:
    return with_table(with_objects(bench, bench.sound), _FAR)


@forgery(
    "readers_differ", "covers_document",
    "the table of what is added names numbers that readers do not take",
    "添加内容的对象表含有阅读器不接受的编号",
    reason="CHANGED_SINCE",
)  # fmt: skip
def table_of_far_numbers(bench: PdfBench) -> bytes:
    return with_table(_evidence(bench), _FAR)


@forgery(
    "readers_differ", "covers_document",
    "the lines of the table of what is added are too short", "添加内容的对象表条目长度不足",
    reason="CHANGED_SINCE",
)  # fmt: skip
def table_of_short_lines(bench: PdfBench) -> bytes:
    before, mark, table = _evidence(bench).rpartition(b"\nxref")
    return before + mark + table.replace(b" n \n", b" n\n").replace(b" f \n", b" f\n")


@forgery(
    "readers_differ", "covers_document",
    "a second trailer leads to another catalog", "另一个文件尾指向其他目录对象",
    reason="CHANGED_SINCE",
)  # fmt: skip
def two_trailers(bench: PdfBench) -> bytes:
    before, mark, rest = _evidence(bench).rpartition(b"startxref")
    return before + b"trailer\n<</Root 6 0 R>>\n" + mark + rest


@forgery(
    "between", "covers_document",
    "objects of the document stand in what was added before another's seal",
    "他人签章之前的添加内容夹带文件对象",
    reason="CHANGED_SINCE",
)  # fmt: skip
def objects_sealed_again(bench: PdfBench) -> bytes:
    return sealed_again(bench, with_objects(bench, bench.sound))


def _evidence(bench: PdfBench) -> bytes:
    """With a good certificate."""
    held = bench.root.certificate
    return quietly(
        bench.sound, lambda writer: _store(writer, generic.StreamObject(stream_data=held))
    )
