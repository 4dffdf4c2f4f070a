"""Forged PDFs by their bytes: changed in place, put around, left out of the ByteRange."""

from __future__ import annotations

import re
from io import BytesIO

from reportlab.pdfgen.canvas import Canvas

from seal import der
from tests.builders.forging_pdf import TEXT, PdfBench, forgery, plain

# --- changed in place -------------------------------------------------------------------------


@forgery(
    "changed_bytes", "document_signature",
    "the text of the page was changed in place", "页面文字被直接修改",
)  # fmt: skip
def changed_text(bench: PdfBench) -> bytes:
    return bench.changed(b"HELLO", b"HALLO")


@forgery(
    "changed_bytes", "document_signature",
    "the title was changed in place", "标题被直接修改",
)  # fmt: skip
def changed_title(bench: PdfBench) -> bytes:
    return bench.changed(b"Shifan permit", b"Shifan Permit")


@forgery(
    "changed_bytes", "document_signature",
    "the seal was moved in place", "印章位置被直接修改",
)  # fmt: skip
def changed_stamp_position(bench: PdfBench) -> bytes:
    (box,) = re.findall(rb"/Rect \[ \d", bench.sound)
    return bench.changed(box, box[:-1] + b"1")


@forgery(
    "changed_bytes", "document_signature",
    "the signing time was changed in place", "签名时间被直接修改",
)  # fmt: skip
def changed_time(bench: PdfBench) -> bytes:
    return bench.changed(b"20260601083000", b"20260602083000")


@forgery(
    "changed_bytes", "document_signature",
    "the ByteRange was written otherwise in place, to the same effect", "字节范围被直接改写",
)  # fmt: skip
def changed_range(bench: PdfBench) -> bytes:
    written = b" ".join(b"%d" % one for one in bench.spans())
    return bench.with_range_text(b"/ByteRange [" + written.replace(b"0 ", b"0  ", 1) + b"]")


# --- around the document ------------------------------------------------------------------------


@forgery(
    "added_bytes", "covers_document",
    "a comment was added after the end", "文件末尾添加了注释", reason="BYTES_ADDED",
)  # fmt: skip
def bytes_after(bench: PdfBench) -> bytes:
    return bench.sound + b"% added\n"


@forgery(
    "added_bytes", "covers_document",
    "a zip was put after the end: some readers open that", "文件末尾附有压缩包",
    reason="BYTES_ADDED",
)  # fmt: skip
def zip_after(bench: PdfBench) -> bytes:
    return bench.sound + b"PK\x05\x06" + bytes(18)


@forgery(
    "added_bytes", "document_format",
    "something stands before the document", "文件之前有其他数据",
)  # fmt: skip
def bytes_before(bench: PdfBench) -> bytes:
    return b"#!/bin/sh\n" + bench.sound


# --- the byte range -----------------------------------------------------------------------------


@forgery(
    "byte_range", "byte_range",
    "the signer left bytes before the value unsigned, to be changed later",
    "签名者在签名值之前留出未签字节，以便日后修改",
)  # fmt: skip
def gap_before_value(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size - 40, second, rest])


@forgery(
    "byte_range", "byte_range",
    "the signer left bytes after the value unsigned", "签名者在签名值之后留出未签字节",
)  # fmt: skip
def gap_after_value(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size, second + 200, rest - 200])


@forgery(
    "byte_range", "byte_range",
    "what is left out is as long as the value, but elsewhere",
    "未签部分与签名值等长，但位于别处",
)  # fmt: skip
def gap_moved(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size - 300, second - 300, rest + 300], sign=False)


@forgery(
    "byte_range", "byte_range",
    "the first stretch begins after the header", "第一段不从文件开头开始",
)  # fmt: skip
def range_begins_late(bench: PdfBench) -> bytes:
    _, size, second, rest = bench.spans()
    return bench.with_range([9, size - 9, second, rest])


@forgery("byte_range", "byte_range", "the two stretches overlap", "字节范围两段重叠")
def range_overlaps(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size, size - 100, rest + second - size + 100], sign=False)


@forgery(
    "byte_range", "byte_range",
    "it is longer than the file", "字节范围超出文件末尾",
)  # fmt: skip
def range_beyond_end(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size, second, rest + 1000])


@forgery("byte_range", "byte_range", "a number of it is negative", "字节范围含有负数")
def range_negative(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, size, second, -rest])


@forgery("byte_range", "byte_range", "it has three stretches", "字节范围有三段")
def range_of_three(bench: PdfBench) -> bytes:
    begin, size, second, rest = bench.spans()
    return bench.with_range([begin, 100, 100, size - 100, second, rest])


@forgery(
    "byte_range", "byte_range",
    "it covers the first stretch alone", "字节范围只有第一段",
)  # fmt: skip
def range_of_one(bench: PdfBench) -> bytes:
    return bench.with_range(bench.spans()[:2])


@forgery(
    "byte_range", "byte_range",
    "the value is written with spaces, which hide what else stands there",
    "签名值中夹有空白",
)  # fmt: skip
def value_with_spaces(bench: PdfBench) -> bytes:
    found = re.search(rb"<([0-9A-Fa-f]{200,})>", bench.sound)
    assert found
    at = found.end(1) - 8
    return bench.sound[:at] + b"    " + bench.sound[at + 4 :]


# --- no signature at all (universal signature forgery) --------------------------------------------


@forgery(
    "no_signature", "byte_range",
    "there is no ByteRange", "没有字节范围",
)  # fmt: skip
def no_range(bench: PdfBench) -> bytes:
    return bench.with_range_text(b"")


@forgery("no_signature", "byte_range", "the ByteRange is null", "字节范围为 null")
def null_range(bench: PdfBench) -> bytes:
    return bench.with_range_text(b"/ByteRange null")


@forgery("no_signature", "byte_range", "the ByteRange is empty", "字节范围为空")
def empty_range(bench: PdfBench) -> bytes:
    return bench.with_range_text(b"/ByteRange []")


@forgery(
    "no_signature", "byte_range",
    "the ByteRange is of zeros: nothing is signed", "字节范围全为零",
)  # fmt: skip
def range_of_zeros(bench: PdfBench) -> bytes:
    return bench.with_range([0, 0, 0, 0])


@forgery(
    "no_signature", "signature_format",
    "the value is of zeros", "签名值全为零", reason="SIGNATURE_EMPTY",
)  # fmt: skip
def zero_value(bench: PdfBench) -> bytes:
    return bench.with_value(b"")


@forgery(
    "no_signature", "signature_format",
    "the value is an empty string", "签名值为空串", reason="SIGNATURE_EMPTY",
)  # fmt: skip
def empty_value(bench: PdfBench) -> bytes:
    return _without_value(bench, b"<>")


@forgery("no_signature", "byte_range", "the value is null", "签名值为 null")
def null_value(bench: PdfBench) -> bytes:
    return _without_value(bench, b"null")


def _without_value(bench: PdfBench, instead: bytes) -> bytes:
    found = re.search(rb"<[0-9A-Fa-f]{200,}>", bench.sound)
    assert found
    room = found.end() - found.start()
    return bench.sound[: found.start()] + instead.ljust(room) + bench.sound[found.end() :]


@forgery(
    "no_signature", "signature_format",
    "the value is no signature but a string", "签名值不是签名数据",
)  # fmt: skip
def value_of_nothing(bench: PdfBench) -> bytes:
    return bench.with_value(der.octets(b"no signature"))


# --- the value ------------------------------------------------------------------------------------


@forgery(
    "foreign_signature", "document_signature",
    "the signature of another document of the same length", "签名取自另一份等长文件",
)  # fmt: skip
def foreign_signature(bench: PdfBench) -> bytes:
    other = bench.sealed(plain(TEXT.replace("HELLO", "OTHER")))
    return bench.with_value(bench.value(other).rstrip(b"\x00"))


@forgery(
    "ambiguous_value", "signature_format",
    "something stands after the value, in the room left for it", "签名值之后的预留空间内有其他内容",
)  # fmt: skip
def room_not_empty(bench: PdfBench) -> bytes:
    value = bench.value()
    return bench.with_value(value[:-4] + b"more")


@forgery(
    "ambiguous_value", "signature_format",
    "the value says another version than its form has", "签名值的版本与其结构不符",
)  # fmt: skip
def other_version(bench: PdfBench) -> bytes:
    value = bench.value()
    at = value.index(bytes.fromhex("020101"))
    return bench.with_value((value[:at] + bytes.fromhex("020104") + value[at + 3 :]).rstrip(b"\0"))


@forgery(
    "ambiguous_value", "signature_format",
    "the value holds a document of its own", "签名值内嵌有另一份内容",
)  # fmt: skip
def value_with_content(bench: PdfBench) -> bytes:
    value = next(der.elements(bench.value())).raw
    kind, wrapped = der.children(value)
    (inner,) = wrapped.members()
    version, hashes, content, *rest = inner.members()
    inside = der.sequence(content.members()[0].raw, der.tlv(0xA0, der.octets(b"other")))
    parts = (version.raw, hashes.raw, inside, *(one.raw for one in rest))
    return bench.with_value(der.sequence(kind.raw, der.tlv(0xA0, der.sequence(*parts))))


# --- what readers see differently -----------------------------------------------------------------


@forgery(
    "readers_differ", "pdf_format",
    "the document is encrypted", "文件已加密", reason="PDF_ENCRYPTED",
)  # fmt: skip
def encrypted(bench: PdfBench) -> bytes:
    del bench
    buffer = BytesIO()
    canvas = Canvas(buffer, encrypt="a password")
    canvas.drawString(100, 700, TEXT)
    canvas.save()
    return buffer.getvalue()


@forgery(
    "readers_differ", "pdf_format",
    "an update has two tables of its objects", "增量更新含有两套对象表", reason="PDF_HYBRID",
)  # fmt: skip
def hybrid(bench: PdfBench) -> bytes:
    data = bench.sound
    last = data.rindex(b"startxref")
    start = int(data[last + 9 :].split()[0])
    stream_at = len(data)
    # The table of the newer kind, which old readers do not see: it puts an object in its place.
    entries = bytes([1]) + stream_at.to_bytes(4, "big") + bytes(1)
    stream = (
        b"99 0 obj\n<< /Type /XRef /Size 100 /W [1 4 1] /Index [99 1] /Length %d >>\nstream\n"
        % len(entries)
    )
    body = stream + entries + b"\nendstream\nendobj\n"
    table_at = stream_at + len(body)
    root = re.findall(rb"/Root (\d+ \d+ R)", data)[-1]
    table = (
        b"xref\n0 1\n0000000000 65535 f \ntrailer\n<< /Size 100 /Root %s /Prev %d /XRefStm %d >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (root, start, stream_at, table_at)
    )
    return data + body + table


@forgery(
    "readers_differ", "pdf_format",
    "the table of objects points beside them", "对象表指向错误位置", reason="PDF_DAMAGED",
)  # fmt: skip
def damaged(bench: PdfBench) -> bytes:
    at = bench.sound.rindex(b"startxref\n") + 10
    return bench.sound[:at] + b"1234\n%%EOF\n"
