"""Forged files that cost too much, or that XML readers read in two ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.builders.forging import (
    LIST,
    NS,
    PAGE,
    VALUE,
    XML,
    Bench,
    Files,
    forgery,
    reference,
    replaced,
)
from tests.builders.ofd import lying_size, pack


def _declared(bench: Bench, *, file: str) -> bytes:
    return bench.changed(file, b"?>\n", b"?>\n" + _DTD)


_DTD = b'<!DOCTYPE a [<!ENTITY b "c">]>'
for _key, _file, _en, _zh in (
    ("page", PAGE, "The page", "页面"),
    ("ofd_xml", "OFD.xml", "OFD.xml", "OFD.xml"),
    ("signature_list", "Doc_0/Signs/Signatures.xml", "The signature list", "签名列表"),
):
    forgery(
        "dtd",
        "xml_no_dtd",
        f"{_en} declares a document type with an entity.",
        f"{_zh}声明了含实体的文档类型。",
        name=f"dtd_in_{_key}",
    )(partial(_declared, file=_file))


@forgery(
    "dtd",
    "xml_no_dtd",
    "An entity fetches a file of this machine.",
    "实体引用本机文件。",
)
def dtd_external(bench: Bench) -> bytes:
    fetch = b'<!DOCTYPE a SYSTEM "file:///etc/hostname">'
    return bench.changed("OFD.xml", b"?>\n", b"?>\n" + fetch)


@forgery("dtd", "xml_well_formed", "The page is UTF-16.", "页面为 UTF-16 编码。")
def xml_utf16(bench: Bench) -> bytes:
    files = bench.files()
    files[PAGE] = files[PAGE].decode().encode("utf-16")
    return pack(files)


# --- pages that are no XML, and signed so --------------------------------------------------------


def _signed_page(bench: Bench, *, change: Callable[[bytes], bytes]) -> bytes:
    """The document with another page, as its own signer signed it."""
    files = bench.files()
    page = files[PAGE]
    files[PAGE] = change(page)
    files[XML] = replaced(files[XML], reference(PAGE, page), reference(PAGE, files[PAGE]))
    return bench.signed(files)


def _ebcdic(page: bytes) -> bytes:
    text = page.decode().replace("UTF-8", "IBM037").replace("?>", "?>" + _DTD.decode(), 1)
    return text.encode("cp037")


for _key, _change, _en, _zh in (
    ("ebcdic", _ebcdic, "is EBCDIC, with a document type inside", "为 EBCDIC 编码，含文档类型声明"),
    (
        "utf7",
        lambda page: page.replace(b"UTF-8", b"UTF-7").replace(b"?>", b"?>+ADwAIQ-DOCTYPE x+AD4-"),
        "is UTF-7, with a document type inside",
        "为 UTF-7 编码，含文档类型声明",
    ),
    (
        "gbk",
        lambda page: page.replace(b"HELLO", "示范县".encode("gb18030")),
        "says UTF-8 and is GB 18030",
        "声明为 UTF-8，实为 GB 18030 编码",
    ),
    ("cut", lambda page: page[:-11], "ends before its root does", "在根元素结束之前中断"),
    ("empty", lambda _page: b"", "is empty", "为空"),
):
    forgery(
        "dtd",
        "xml_well_formed",
        f"The page {_en}: its signer signed it so.",
        f"页面{_zh}，且由签章者签署。",
        name=f"page_{_key}",
    )(partial(_signed_page, change=_change))


# --- other parts of the document that are no XML, and signed so ----------------------------------

_DOCUMENT, _PUBLIC = "Doc_0/Document.xml", "Doc_0/PublicRes.xml"
_ATTACHED = "Doc_0/Attachs/Attachments.xml"


def _signed_as(bench: Bench, files: Files) -> bytes:
    """The document with other files, of which its own signer signed all."""
    head, _, rest = files[XML].partition(b"<ofd:Reference ")
    *_, tail = rest.rpartition(b"</ofd:Reference>")
    own = (XML, VALUE, LIST)
    lines = b"".join(reference(name, data) for name, data in files.items() if name not in own)
    return bench.signed({**files, XML: head + lines + tail})


@forgery(
    "dtd",
    "xml_well_formed",
    "An annotation is EBCDIC under a name that is none of XML: its signer signed it so.",
    "注释文件名称并非 XML，内容为 EBCDIC 编码，且由签章者签署。",
)
def annotation_ebcdic(bench: Bench) -> bytes:
    files = bench.files()
    listed = b"<ofd:Annotations>Annotations.xml</ofd:Annotations><ofd:Attachments>"
    files[_DOCUMENT] = replaced(files[_DOCUMENT], b"<ofd:Attachments>", listed)
    files["Doc_0/Annotations.xml"] = (
        f'<ofd:Annotations {NS}><ofd:Page PageID="10"><ofd:FileLoc>a.dat</ofd:FileLoc></ofd:Page>'
        "</ofd:Annotations>"
    ).encode()
    files["Doc_0/a.dat"] = _ebcdic(files[PAGE])
    return _signed_as(bench, files)


@forgery(
    "dtd",
    "xml_well_formed",
    "The document's resources are EBCDIC, and listed as an attachment too.",
    "文档的资源文件为 EBCDIC 编码，并同时列为附件。",
)
def resources_as_attachment(bench: Bench) -> bytes:
    files = bench.files()
    line = (
        b'<ofd:Attachment ID="91" Name="a"><ofd:FileLoc>../PublicRes.xml</ofd:FileLoc>'
        b"</ofd:Attachment></ofd:Attachments>"
    )
    files[_ATTACHED] = replaced(files[_ATTACHED], b"</ofd:Attachments>", line)
    files[_PUBLIC] = _ebcdic(files[_PUBLIC])
    return _signed_as(bench, files)


@forgery(
    "dtd",
    "xml_well_formed",
    "The page is EBCDIC, and named with a backslash and a percent sign.",
    "页面为 EBCDIC 编码，路径以反斜杠和百分号书写。",
)
def page_spelled_otherwise(bench: Bench) -> bytes:
    files = bench.files()
    files["Doc_0/Pages/p.dat"] = _ebcdic(files.pop(PAGE))
    files[_DOCUMENT] = replaced(files[_DOCUMENT], b"Pages/Page_0/Content.xml", b"Pages\\%70.dat")
    return _signed_as(bench, files)


def _with(bench: Bench, name: str, data: bytes) -> bytes:
    return pack({**bench.files(), name: data})


@forgery(
    "zip_bomb",
    "package_limits",
    "A file of zeros inflates a thousandfold.",
    "全零文件解压后膨胀上千倍。",
    indication="INDETERMINATE",
    reason="TOO_LARGE_TO_JUDGE",
)
def bomb_by_ratio(bench: Bench) -> bytes:
    return _with(bench, "Doc_0/zeros.bin", bytes(17 << 20))


@forgery(
    "zip_bomb",
    "package_zip",
    "A file says it is larger than its packed bytes can be.",
    "文件声明的大小超出其压缩数据所能达到的大小。",
)
def bomb_by_size(bench: Bench) -> bytes:
    return lying_size(_with(bench, "Doc_0/large.bin", bytes(1000)), "Doc_0/large.bin", 65 << 20)


@forgery(
    "zip_bomb",
    "package_zip",
    "A file inflates to more than it says.",
    "文件解压后大于其声明的大小。",
)
def bomb_that_lies(bench: Bench) -> bytes:
    return lying_size(_with(bench, "Doc_0/zeros.bin", bytes(1 << 19)), "Doc_0/zeros.bin", 100)


@forgery(
    "zip_bomb",
    "package_zip",
    "Entries overlap, so that one packed file counts many times.",
    "条目相互重叠，使同一压缩数据被多次计算。",
)
def bomb_overlapping(bench: Bench) -> bytes:
    raw = bytearray(bench.sound)
    rows = [at for at in range(len(raw)) if raw[at : at + 4] == b"PK\x01\x02"]
    first, second = rows[:2]
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    return bytes(raw)
